"""XPath 1.0 over the visible tree: `find`, and the evaluation of parsed expressions.

Text nodes do not exist on a device's page source, so ``text()`` yields nothing and the text of an element is
empty: ``@text`` (Android), ``@label``, ``@value`` (iOS) hold it. Values and functions: `xpath_values`.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Sequence

from pytest_autorl.virtual.grammar import Budget, InvalidSelector, shorten
from pytest_autorl.virtual.node import Node, Platform
from pytest_autorl.virtual.tree import Attribute, Element, Tree, visible_tree
from pytest_autorl.virtual.xpath_syntax import (
    ANYWHERE,
    Call,
    Chain,
    Expr,
    Filter,
    Literal,
    Negate,
    Path,
    Step,
    parse,
)
from pytest_autorl.virtual.xpath_values import (
    Place,
    Value,
    arithmetic,
    call,
    compare,
    to_boolean,
    to_number,
)

_REVERSE = frozenset(("ancestor", "ancestor-or-self", "parent", "preceding", "preceding-sibling"))


def find(root: Node, expression: str, platform: Platform, *, context: Node | None = None) -> list[Node]:
    """Nodes that the expression selects, in document order, each once.

    Args:
        root: The app's root node; ``hierarchy`` or ``AppiumAUT`` stand above it for absolute paths.
        context: Where relative paths start; None: at the document. ``//x`` and ``/x`` start at the document
            always (XPath 1.0, section 2.5), ``.//x`` at the context. From a context that is not
            visible nothing is found.
    Raises InvalidSelector: malformed, too long or deep, too much work, or a value instead of elements.
    """
    parsed = parse(expression, platform)
    tree = visible_tree(root, platform)
    start = tree.document if context is None else tree.place(context)
    if start is None:
        return []
    found = _Evaluation(tree, Budget(expression)).evaluate(parsed, start, 1, 1)
    if not isinstance(found, list):
        kind = {str: "a string", float: "a number", bool: "a boolean"}[type(found)]
        raise InvalidSelector(f"XPath {shorten(expression)} yields {kind} ({found!r}), not elements")
    return [place.node for place in found if isinstance(place, Element) and place.node is not None]


class _Evaluation:
    """One evaluation over one tree. Node lists are in document order without duplicates, always."""

    def __init__(self, tree: Tree, budget: Budget) -> None:
        self._tree = tree
        self._budget = budget

    def evaluate(self, expression: Expr, place: Place, position: int, size: int) -> Value:
        if isinstance(expression, Path):
            return self._path(expression, place, position, size)
        if isinstance(expression, Literal):
            return expression.value
        if isinstance(expression, Chain):
            return self._chain(expression, place, position, size)
        if isinstance(expression, Call):
            if expression.name == "position":
                return float(position)
            if expression.name == "last":
                return float(size)
            arguments = [self.evaluate(argument, place, position, size) for argument in expression.arguments]
            return call(expression.name, arguments, place)
        if isinstance(expression, Negate):
            return -to_number(self.evaluate(expression.operand, place, position, size))
        return self._filter(expression, place, position, size)

    def _nodes(self, expression: Expr, place: Place, position: int, size: int) -> list[Place]:
        found = self.evaluate(expression, place, position, size)
        # The parser lets only paths through to here; a value would be its mistake.
        assert isinstance(found, list)
        return found

    def _chain(self, chain: Chain, place: Place, position: int, size: int) -> Value:
        operator = chain.rest[0][0]
        if operator == "|":
            operands = [chain.first, *(operand for _, operand in chain.rest)]
            return _ordered(
                node for operand in operands for node in self._nodes(operand, place, position, size)
            )
        value = self.evaluate(chain.first, place, position, size)
        if operator in ("and", "or"):
            # The answer is known at the first false (and) or true (or) operand.
            decides = operator == "or"
            for _, operand in chain.rest:
                if to_boolean(value) is decides:
                    return decides
                value = self.evaluate(operand, place, position, size)
            return to_boolean(value)
        for operator, operand in chain.rest:
            right = self.evaluate(operand, place, position, size)
            if operator in ("=", "!=", "<", "<=", ">", ">="):
                if isinstance(value, list) and isinstance(right, list):
                    self._budget.spend(len(value) + len(right))
                value = compare(operator, value, right)
            else:
                value = arithmetic(operator, to_number(value), to_number(right))
        return value

    def _filter(self, expression: Filter, place: Place, position: int, size: int) -> Value:
        found: Sequence[Place] = self._nodes(expression.primary, place, position, size)
        for predicate in expression.predicates:
            found = self._keep(predicate, found)
        return list(found)

    def _path(self, path: Path, place: Place, position: int, size: int) -> Value:
        found: list[Place]
        if path.absolute:
            found = [self._tree.document]
        elif path.start is not None:
            found = self._nodes(path.start, place, position, size)
        else:
            found = [place]
        steps = path.steps
        at = 0
        while at < len(steps) and found:
            step = steps[at]
            following = steps[at + 1] if at + 1 < len(steps) else None
            if step is ANYWHERE and following and following.axis == "child" and not following.predicates:
                # `//x` without a predicate is descendant::x: one pass instead of one for each parent.
                step = Step("descendant", following.test)
                at += 1
            found = self._step(step, found)
            at += 1
        return found

    def _step(self, step: Step, places: list[Place]) -> list[Place]:
        if not step.predicates and step.axis.startswith("descendant"):
            places = _outermost(places)
        walk = _AXES[step.axis]
        gathered: list[Place] = []
        for place in places:
            reached = walk(self._tree, place)
            self._budget.spend(len(reached) + 1)
            kept: Sequence[Place] = _named(step.test, step.axis, reached)
            for predicate in step.predicates:
                kept = self._keep(predicate, kept)
            gathered.extend(kept)
        return gathered if len(places) == 1 and step.axis not in _REVERSE else _ordered(gathered)

    def _keep(self, predicate: Expr, places: Sequence[Place]) -> Sequence[Place]:
        if isinstance(predicate, Literal) and isinstance(predicate.value, float):
            at = predicate.value
            return [places[int(at) - 1]] if at.is_integer() and 1 <= at <= len(places) else []
        self._budget.spend(len(places))
        kept: list[Place] = []
        size = len(places)
        for position, place in enumerate(places, start=1):
            value = self.evaluate(predicate, place, position, size)
            # A number is a position, anything else a condition (section 2.4).
            if value == position if isinstance(value, float) else to_boolean(value):
                kept.append(place)
        return kept


def _ordered(places: Iterable[Place]) -> list[Place]:
    unique = {place.order if isinstance(place, Attribute) else (place.order, 0): place for place in places}
    return [unique[order] for order in sorted(unique)]


def _outermost(places: list[Place]) -> list[Place]:
    """Without those below another one of the list: their descendants are the other's too."""
    kept: list[Place] = []
    end = 0
    for place in places:
        if isinstance(place, Attribute):
            kept.append(place)
        elif place.order >= end:
            kept.append(place)
            end = place.end
    return kept


def _named(test: str, axis: str, places: Sequence[Place]) -> Sequence[Place]:
    if test == "node()":
        return places
    if test in ("text()", "comment()"):
        return []
    if axis == "attribute":
        return places if test == "*" else [a for a in places if isinstance(a, Attribute) and a.name == test]
    # On other axes a name means an element; the document and attributes have no tag.
    if test == "*":
        return [place for place in places if isinstance(place, Element) and place.tag]
    return [place for place in places if isinstance(place, Element) and place.tag == test]


def _children(tree: Tree, place: Place) -> Sequence[Place]:
    if isinstance(place, Attribute):
        return []
    if place is tree.document and tree.platform == "ios":
        # WebDriverAgent's own tree begins at the application, its driver wraps AppiumAUT around the source:
        # suites hold absolute paths of both forms.
        return tree.elements[1:3]
    return place.children


def _descendants(tree: Tree, place: Place) -> Sequence[Place]:
    return [] if isinstance(place, Attribute) else tree.elements[place.order + 1 : place.end]


def _ancestors(tree: Tree, place: Place) -> Sequence[Place]:
    above: list[Place] = []
    up = place.owner if isinstance(place, Attribute) else place.parent
    while up is not None:
        above.append(up)
        up = up.parent
    return above


def _siblings(place: Place) -> tuple[list[Element], int]:
    """All children of the parent, and the own place among them."""
    if isinstance(place, Attribute) or place.parent is None:
        return [], 0
    siblings = place.parent.children
    return siblings, bisect.bisect_left(siblings, place.order, key=lambda sibling: sibling.order)


def _after(tree: Tree, place: Place) -> Sequence[Place]:
    if isinstance(place, Attribute):
        return tree.elements[place.owner.order + 1 :]
    return tree.elements[place.end :]


def _before(tree: Tree, place: Place) -> Sequence[Place]:
    at = place.owner.order if isinstance(place, Attribute) else place.order
    return [element for element in reversed(tree.elements[:at]) if element.end <= at]


def _siblings_after(tree: Tree, place: Place) -> Sequence[Place]:
    siblings, at = _siblings(place)
    return siblings[at + 1 :]


def _siblings_before(tree: Tree, place: Place) -> Sequence[Place]:
    siblings, at = _siblings(place)
    return siblings[:at][::-1]


#: Axis -> what it reaches from one place, nearest first (section 2.4 counts positions so).
_AXES: dict[str, Callable[[Tree, Place], Sequence[Place]]] = {
    "ancestor": _ancestors,
    "ancestor-or-self": lambda tree, place: [place, *_ancestors(tree, place)],
    "attribute": lambda tree, place: place.attribute_nodes if isinstance(place, Element) else (),
    "child": _children,
    "descendant": _descendants,
    "descendant-or-self": lambda tree, place: [place, *_descendants(tree, place)],
    "following": _after,
    "following-sibling": _siblings_after,
    "parent": lambda tree, place: _ancestors(tree, place)[:1],
    "preceding": _before,
    "preceding-sibling": _siblings_before,
    "self": lambda tree, place: [place],
}
