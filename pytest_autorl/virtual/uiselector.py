"""`-android uiautomator`: the Java-like text of UiSelector and UiScrollable, and the search it describes.

Reading follows UiAutomator2 server's UiAutomatorParser, UiSelectorParser and UiScrollableParser: ``new`` and
even ``new UiSelector()`` may be missing, a trailing semicolon is fine, and in strings only a quote is
escaped (so a regex is written with single backslashes). Searching follows AndroidX UiSelector and its
QueryController.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NoReturn

from pytest_autorl.virtual.grammar import (
    MAX_DEPTH,
    Budget,
    InvalidSelector,
    check_length,
    matches,
    pattern,
    shorten,
)
from pytest_autorl.virtual.node import Node, Platform
from pytest_autorl.virtual.tree import Element, visible_tree

Criterion = str | int | bool


@dataclass(frozen=True)
class UiSelector:
    """What an element must be like.

    Attributes:
        criteria: (method, argument), in the order of the text; a method stands once, the last one counts.
        sub: The selector to go on with from an element that fits: the search's result is of that one.
        relation: Where `sub` searches: below the element (child) or below its parent (parent).
    """

    criteria: tuple[tuple[str, Criterion], ...] = ()
    sub: UiSelector | None = None
    relation: Literal["child", "parent"] = "child"

    def given(self, method: str, default: Criterion | None = None) -> Criterion | None:
        """The argument of a method, the default when the text does not call it."""
        return dict(self.criteria).get(method, default)


@dataclass(frozen=True)
class UiScrollable:
    """``new UiScrollable(container).scrollIntoView(target)``: the caller scrolls, then finds the target."""

    container: UiSelector
    target: UiSelector
    horizontal: bool = False
    max_swipes: int = 30  # UiScrollable.mMaxSearchSwipes


#: Criteria over an attribute: method -> (attribute, kind).
_TEXTUAL: dict[str, tuple[str, str]] = {
    "text": ("text", "is"),
    "textContains": ("text", "contains"),
    "textStartsWith": ("text", "starts"),
    "textMatches": ("text", "matches"),
    "description": ("content-desc", "is"),
    "descriptionContains": ("content-desc", "contains"),
    "descriptionStartsWith": ("content-desc", "starts"),
    "descriptionMatches": ("content-desc", "matches"),
    "resourceId": ("resource-id", "is"),
    "resourceIdMatches": ("resource-id", "matches"),
    "className": ("class", "is"),
    "classNameMatches": ("class", "matches"),
    "packageName": ("package", "is"),
    "packageNameMatches": ("package", "matches"),
}
_FLAGS: dict[str, str] = {
    "checkable": "checkable",
    "checked": "checked",
    "clickable": "clickable",
    "enabled": "enabled",
    "focusable": "focusable",
    "focused": "focused",
    "longClickable": "long-clickable",
    "scrollable": "scrollable",
    "selected": "selected",
}
_NUMBERS = ("index", "instance")
_SUBS: dict[str, Literal["child", "parent"]] = {"childSelector": "child", "fromParent": "parent"}
#: Method -> kinds of its arguments.
_SELECTOR_METHODS: Mapping[str, tuple[str, ...]] = (
    dict.fromkeys(_TEXTUAL, ("text",))
    | dict.fromkeys(_FLAGS, ("flag",))
    | dict.fromkeys(_NUMBERS, ("number",))
    | dict.fromkeys(_SUBS, ("selector",))
)
_SCROLLABLE_METHODS: Mapping[str, tuple[str, ...]] = {
    "setAsHorizontalList": (),
    "setAsVerticalList": (),
    "setMaxSearchSwipes": ("number",),
    "scrollIntoView": ("selector",),
    "scrollTextIntoView": ("text",),
    "scrollDescriptionIntoView": ("text",),
}
#: Real methods that the virtual device does not have, told apart from misspelt ones.
_UNBUILT = frozenset((
    "getChildByText", "getChildByDescription", "getChildByInstance", "scrollForward", "scrollBackward",
    "scrollToBeginning", "scrollToEnd", "flingForward", "flingBackward", "flingToBeginning", "flingToEnd",
    "ensureFullyVisible", "setSwipeDeadZonePercentage",
))  # fmt: skip


@functools.lru_cache(maxsize=512)
def parse(text: str) -> UiSelector | UiScrollable:
    """Read one statement; raises InvalidSelector in the driver's words, "Could not parse expression ..."."""
    if not text.strip():
        raise _error(
            text,
            "Tried to parse an empty string. Expected to see a string consisting of text to be "
            "interpreted as UiAutomator java code.",
        )
    check_length(text, "UiAutomator")
    return _Parser(text).statement()


def find(
    root: Node,
    selector: UiSelector | UiScrollable | str,
    platform: Platform = "android",
    *,
    context: Node | None = None,
) -> list[Node]:
    """Nodes that fit, in document order; of a UiScrollable the target, among what is on the screen now.

    With a sub-selector: of each element that fits the outer one, the first that fits the inner one, which is
    what the driver's "find elements" gives. Raises InvalidSelector.
    """
    asked = parse(selector) if isinstance(selector, str) else selector
    wanted = asked.target if isinstance(asked, UiScrollable) else asked
    tree = visible_tree(root, platform)
    elements = tree.below(context)
    budget = Budget(selector if isinstance(selector, str) else "UiSelector")
    found = {element.order: element for element in _search(wanted, elements, budget)}
    return [found[order].node for order in sorted(found) if found[order].node is not None]  # type: ignore[misc]


def _search(selector: UiSelector, elements: Sequence[Element], budget: Budget) -> Iterator[Element]:
    fits = _test(selector)
    instance = selector.given("instance")
    skip = instance if isinstance(instance, int) else 0
    for element in elements:
        budget.spend(1)
        if element.node is None or not fits(element):
            continue
        if skip > 0:
            skip -= 1
            continue
        hit: Element | None = element
        if selector.sub is not None:
            start = element if selector.relation == "child" else element.parent
            hit = None if start is None else next(_search(selector.sub, _below(start), budget), None)
        if hit is not None:
            yield hit
            if instance is not None:
                return


def _below(element: Element) -> Sequence[Element]:
    below: list[Element] = []
    stack = element.children[::-1]
    while stack:
        top = stack.pop()
        below.append(top)
        stack.extend(reversed(top.children))
    return below


def _test(selector: UiSelector) -> Callable[[Element], bool]:
    tests = [_criterion(method, argument) for method, argument in selector.criteria if method != "instance"]
    return lambda element: all(test(element) for test in tests)


def _criterion(method: str, argument: Criterion) -> Callable[[Element], bool]:
    if method == "index":
        return lambda element: element.index == argument
    if method in _FLAGS:
        name, wanted = _FLAGS[method], "true" if argument else "false"
        return lambda element: element.attributes.get(name) == wanted
    name, kind = _TEXTUAL[method]
    text = str(argument)
    fits: Callable[[str], bool]
    if kind == "matches":
        compiled = pattern(text)
        fits = lambda value: matches(compiled, value)  # noqa: E731 - one of four tests, chosen here
    elif kind == "contains":
        fits = lambda value: text in value  # noqa: E731
    elif kind == "starts":
        fits = lambda value: value.startswith(text)  # noqa: E731
    else:
        fits = lambda value: value == text  # noqa: E731
    # An attribute that is not there is Java's null: it fits nothing, not even ".*".
    return lambda element: name in element.attributes and fits(element.attributes[name])


def _error(expression: str, reason: str) -> InvalidSelector:
    return InvalidSelector(f"Could not parse expression {shorten(expression)}: {reason}")


_SPACE = re.compile(r"\s*")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_INTEGER = re.compile(r"[+-]?\d{1,10}\b")
_FLAG = re.compile(r"(true|false)\b")


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def statement(self) -> UiSelector | UiScrollable:
        found = self._scrollable() if self._constructs("UiScrollable") else self._selector()
        if self._accept(";"):
            self._space()
        if self._at < len(self._text):
            self._fail(f'Expected "." but saw "{self._text[self._at]}"')
        return found

    def _fail(self, reason: str) -> NoReturn:
        raise _error(self._text, f"{reason} at character {self._at + 1}")

    def _space(self) -> None:
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at

    def _accept(self, symbol: str) -> bool:
        self._space()
        found = self._text.startswith(symbol, self._at)
        if found:
            self._at += len(symbol)
        return found

    def _expect(self, symbol: str, reason: str) -> None:
        if not self._accept(symbol):
            self._fail(reason)

    def _constructs(self, name: str) -> bool:
        """Take ``new Name`` or ``Name``; False, with nothing taken, when something else comes."""
        self._space()
        found = re.compile(rf"(?:new\s+)?{name}\b").match(self._text, self._at)
        if found:
            self._at = found.end()
        return found is not None

    def _method(
        self, owner: str, methods: Mapping[str, tuple[str, ...]]
    ) -> tuple[str, list[Criterion | UiSelector]]:
        self._space()
        name = _IDENTIFIER.match(self._text, self._at)
        if name is None:
            self._fail("Expected a method name")
        if name[0] not in methods:
            if name[0] in _UNBUILT:
                self._fail(
                    f"{owner}.{name[0]} is not supported by the virtual device; scrollIntoView(...) is"
                )
            self._fail(f"{owner} has no `{name[0]}` method")
        self._at = name.end()
        self._expect("(", "No opening parenthesis after method name")
        arguments: list[Criterion | UiSelector] = []
        for kind in methods[name[0]]:
            self._space()
            if self._text.startswith(")", self._at):
                self._fail(f"`{owner}` doesn't have suitable method `{name[0]}` without arguments")
            arguments.append(self._argument(kind))
        self._expect(")", f"Expected the closing parenthesis of `{name[0]}`")
        return name[0], arguments

    def _argument(self, kind: str) -> Criterion | UiSelector:
        if kind == "selector":
            return self._selector()
        shape, what = {
            "text": (_STRING, "string"),
            "flag": (_FLAG, "boolean"),
            "number": (_INTEGER, "integer"),
        }[kind]
        found = shape.match(self._text, self._at)
        if found is None:
            rest = re.compile(r"[^,)]*").match(self._text, self._at)
            self._fail(f"{rest[0].strip() if rest else ''} is not a {what}")
        self._at = found.end()
        if kind == "text":
            return found[1].replace('\\"', '"')
        return found[0] == "true" if kind == "flag" else int(found[0])

    def _selector(self) -> UiSelector:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(f"Selectors are nested deeper than {MAX_DEPTH} levels")
        if self._constructs("UiSelector"):
            self._expect("(", "No opening parenthesis after UiSelector")
            self._expect(")", "UiSelector has no suitable constructor with arguments")
            selector = UiSelector()
        elif self._constructs("UiScrollable"):
            self._fail("Was trying to parse as UiSelector, but saw UiScrollable")
        else:
            # The driver puts a missing `new UiSelector()` before `text("x")` and `.text("x")`.
            self._accept(".")
            selector = self._called(UiSelector())
        while self._accept("."):
            selector = self._called(selector)
        self._depth -= 1
        return selector

    def _called(self, selector: UiSelector) -> UiSelector:
        name, (argument,) = self._method("UiSelector", _SELECTOR_METHODS)
        if isinstance(argument, UiSelector):
            return _deepest(selector, argument, _SUBS[name])
        if name.endswith("Matches"):
            pattern(str(argument))
        others = tuple(pair for pair in selector.criteria if pair[0] != name)
        return replace(selector, criteria=(*others, (name, argument)))

    def _scrollable(self) -> UiScrollable:
        self._expect("(", "No opening parenthesis after UiScrollable")
        container = self._selector()
        self._expect(")", "Expected the closing parenthesis of `UiScrollable`")
        target: UiSelector | None = None
        horizontal, max_swipes = False, 30
        while self._accept("."):
            name, arguments = self._method("UiScrollable", _SCROLLABLE_METHODS)
            argument = arguments[0] if arguments else None
            if name == "setMaxSearchSwipes" and isinstance(argument, int):
                max_swipes = argument
            elif name.startswith("setAs"):
                horizontal = name == "setAsHorizontalList"
            elif isinstance(argument, UiSelector):
                target = argument
            elif isinstance(argument, str):
                target = UiSelector((("text" if name == "scrollTextIntoView" else "description", argument),))
        if target is None:
            self._fail("Last method called on a UiScrollable object must return a UiObject object")
        return UiScrollable(container, target, horizontal=horizontal, max_swipes=max_swipes)


def _deepest(selector: UiSelector, sub: UiSelector, relation: Literal["child", "parent"]) -> UiSelector:
    """Hang ``sub`` below the innermost selector, where UiSelector.buildSelector puts a further one."""
    if selector.sub is None:
        return replace(selector, sub=sub, relation=relation)
    return replace(selector, sub=_deepest(selector.sub, sub, relation))
