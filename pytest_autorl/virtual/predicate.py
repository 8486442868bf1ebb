"""`-ios predicate string`: the part of NSPredicate that locators use, over XCUITest attributes.

    comparison   operand (== = != <> < <= > >= CONTAINS BEGINSWITH ENDSWITH LIKE MATCHES IN)[cd] operand
    predicate    comparisons joined by AND && OR ||, turned by NOT !, grouped by parentheses
    operand      an attribute, "text" or 'text', a number, YES NO TRUE FALSE, NIL NULL, {operand, ...}

Keywords are case-insensitive, attribute names are not (Apple, Predicate Programming Guide). An attribute that
the element lacks is nil: it equals nil only, and no string comparison with it holds.
"""

from __future__ import annotations

import functools
import operator
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from pytest_autorl.virtual.grammar import (
    MAX_DEPTH,
    Budget,
    InvalidSelector,
    check_length,
    matches,
    pattern,
    shorten,
)
from pytest_autorl.virtual.node import Node
from pytest_autorl.virtual.tree import Element, visible_tree

Value = str | float | bool | None | tuple["Value", ...]

_BOOLEAN = ("enabled", "visible", "accessible", "selected")
_NUMBER = ("x", "y", "width", "height")
#: Attribute names, without WebDriverAgent's prefix: ``wdName`` and ``name`` are one.
ATTRIBUTES = ("name", "label", "value", "type", *_BOOLEAN, *_NUMBER)
_WORDS: dict[str, Value] = {
    "YES": True, "TRUE": True, "NO": False, "FALSE": False, "NIL": None, "NULL": None,
}  # fmt: skip
_SIGNS = {"=": "==", "<>": "!=", "=<": "<=", "=>": ">="}
_STRING_TESTS = ("CONTAINS", "BEGINSWITH", "ENDSWITH", "LIKE", "MATCHES")
_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Name:
    """An attribute of the element."""

    name: str


@dataclass(frozen=True)
class Constant:
    """A value as written."""

    value: Value


@dataclass(frozen=True)
class Comparison:
    """options: the letters after the operator, of c (case) and d (diacritics), which are ignored then."""

    left: Name | Constant
    sign: str
    right: Name | Constant
    options: str = ""


@dataclass(frozen=True)
class Always:
    """TRUEPREDICATE and FALSEPREDICATE."""

    holds: bool


@dataclass(frozen=True)
class Not:
    """NOT predicate."""

    predicate: Predicate


@dataclass(frozen=True)
class Group:
    """Two or more predicates, all (AND) or any (OR) of which must hold."""

    any: bool
    parts: tuple[Predicate, ...]


Predicate = Comparison | Always | Not | Group


def find(root: Node, text: str, *, context: Node | None = None) -> list[Node]:
    """Nodes for which the predicate holds, in document order, below the context; hidden ones are included.

    Raises InvalidSelector that says where and what was expected.
    """
    predicate = parse(text)
    budget = Budget(text)
    found: list[Node] = []
    for element in visible_tree(root, "ios").below(context):
        budget.spend(1)
        if element.node is not None and _holds(predicate, _facts(element, element.node)):
            found.append(element.node)
    return found


def _facts(element: Element, node: Node) -> dict[str, Value]:
    shown = element.attributes
    facts: dict[str, Value] = {name: shown.get(name) for name in ("name", "label", "value", "type")}
    for name in _BOOLEAN:
        facts[name] = shown[name] == "true" if name in shown else False
    for name in _NUMBER:
        facts[name] = float(shown[name])
    # XCUITest's source does not print it, its predicates know it.
    facts["selected"] = node.selected
    return facts


def _holds(predicate: Predicate, facts: Mapping[str, Value]) -> bool:
    if isinstance(predicate, Group):
        return (any if predicate.any else all)(_holds(part, facts) for part in predicate.parts)
    if isinstance(predicate, Not):
        return not _holds(predicate.predicate, facts)
    if isinstance(predicate, Always):
        return predicate.holds
    left, right = (
        facts[side.name] if isinstance(side, Name) else side.value
        for side in (predicate.left, predicate.right)
    )
    return _compare(predicate.sign, left, right, predicate.options)


def _compare(sign: str, left: Value, right: Value, options: str) -> bool:
    if sign == "IN":
        if isinstance(right, tuple):
            return any(_equal(left, member, options) for member in right)
        return _compare("CONTAINS", right, left, options)
    if sign == "==":
        return _equal(left, right, options)
    if sign == "!=":
        return not _equal(left, right, options)
    if sign in _ORDER:
        one, other = _number(left), _number(right)
        return one is not None and other is not None and _ORDER[sign](one, other)
    if not isinstance(left, str) or not isinstance(right, str):
        return False
    if sign == "MATCHES":
        flags = re.IGNORECASE if "c" in options else 0
        folding = options.replace("c", "")
        return matches(pattern(_folded(right, folding), flags), _folded(left, folding))
    left, right = _folded(left, options), _folded(right, options)
    if sign == "LIKE":
        return _like(left, right)
    if not right:
        return False  # NSPredicate: no string contains, begins or ends with the empty one
    if sign == "CONTAINS":
        return right in left
    return left.startswith(right) if sign == "BEGINSWITH" else left.endswith(right)


def _equal(left: Value, right: Value, options: str) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return _folded(left, options) == _folded(right, options)
    if left is None or right is None or isinstance(left, tuple) or isinstance(right, tuple):
        return left == right
    if {type(left), type(right)} == {str, bool}:
        return False
    # Numbers and booleans are both NSNumber (1 == YES); a switch's value "1" compares with 1.
    return _number(left) == _number(right)


def _number(value: Value) -> float | None:
    if isinstance(value, str):
        return float(value) if re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", value) else None
    return float(value) if isinstance(value, (bool, int, float)) else None


def _folded(text: str, options: str) -> str:
    if "d" in options:
        apart = unicodedata.normalize("NFD", text)
        text = "".join(char for char in apart if not unicodedata.combining(char))
    return text.casefold() if "c" in options else text


def _like(text: str, glob: str) -> bool:
    """Whole match with ``*`` and ``?``; returns to the last star only, so it is never exponential."""
    at = place = 0
    star, marked = -1, 0
    while at < len(text):
        if place < len(glob) and glob[place] == "*":
            star, marked = place, at
            place += 1
        elif place < len(glob) and glob[place] in ("?", text[at]):
            at, place = at + 1, place + 1
        elif star >= 0:
            marked += 1
            at, place = marked, star + 1
        else:
            return False
    return not glob[place:].strip("*")


_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<word>[^\W\d]\w*)
    | (?P<options>\[[A-Za-z]*\])
    | (?P<symbol>==|!=|<>|<=|>=|=<|=>|&&|\|\||[=<>!(){},])""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


@functools.lru_cache(maxsize=512)
def parse(text: str) -> Predicate:
    """Read a predicate; raises InvalidSelector that says where and what was expected."""
    check_length(text, "predicate")
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[_Token] = []
        self._next = 0
        self._depth = 0
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                what = "this quote is never closed" if text[at] in "\"'" else f"unexpected {text[at]!r}"
                raise self._error(at, what)
            if match.lastgroup != "space":
                self._tokens.append(_Token(str(match.lastgroup), match.group(), at))
            at = match.end()
        self._tokens.append(_Token("end", "", len(text)))

    def parse(self) -> Predicate:
        found = self._either()
        if self._now.kind != "end":
            self._fail("AND, OR or the end")
        return found

    @property
    def _now(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _accept(self, *texts: str) -> bool:
        found = self._now.kind in ("word", "symbol") and self._now.text.upper() in texts
        if found:
            self._next += 1
        return found

    def _error(self, at: int, what: str) -> InvalidSelector:
        return InvalidSelector(f"predicate {shorten(self._text)} is malformed at character {at + 1}: {what}")

    def _fail(self, expected: str) -> NoReturn:
        saw = self._now.text if self._now.kind != "end" else "the end"
        raise self._error(self._now.at, f"expected {expected}, found {saw}")

    def _either(self) -> Predicate:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(self._now.at, f"nested deeper than {MAX_DEPTH} levels")
        parts = [self._both()]
        while self._accept("OR", "||"):
            parts.append(self._both())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else Group(True, tuple(parts))

    def _both(self) -> Predicate:
        parts = [self._one()]
        while self._accept("AND", "&&"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Group(False, tuple(parts))

    def _one(self) -> Predicate:
        turned = False
        while self._accept("NOT", "!"):
            turned = not turned
        if self._accept("("):
            found = self._either()
            if not self._accept(")"):
                self._fail("')'")
        elif self._accept("TRUEPREDICATE"):
            found = Always(True)
        elif self._accept("FALSEPREDICATE"):
            found = Always(False)
        else:
            found = self._comparison()
        return Not(found) if turned else found

    def _comparison(self) -> Comparison:
        left = self._operand()
        token = self._now
        sign = _SIGNS.get(token.text, token.text).upper()
        if token.kind not in ("word", "symbol") or sign not in ("==", "!=", "IN", *_ORDER, *_STRING_TESTS):
            self._fail(f"an operator (==, !=, <, <=, >, >=, IN, {', '.join(_STRING_TESTS)})")
        self._next += 1
        options = ""
        if self._now.kind == "options":
            options = self._now.text[1:-1].lower()
            if not options or set(options) - set("cd"):
                self._fail("[c], [d] or [cd]")
            self._next += 1
        right = self._operand()
        if sign == "MATCHES" and isinstance(right, Constant) and isinstance(right.value, str):
            pattern(right.value)
        return Comparison(left, sign, right, options)

    def _operand(self) -> Name | Constant:
        token = self._now
        if token.kind == "text":
            self._next += 1
            return Constant(re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL))
        if token.kind == "number":
            self._next += 1
            return Constant(float(token.text))
        if token.kind == "word":
            if token.text.upper() in _WORDS:
                self._next += 1
                return Constant(_WORDS[token.text.upper()])
            name = token.text
            if name.startswith("wd"):
                name = name[2:3].lower() + name[3:]
            if name not in ATTRIBUTES:
                self._fail(f"an attribute ({', '.join(ATTRIBUTES)}) or a value")
            self._next += 1
            return Name(name)
        if self._accept("{"):
            return Constant(tuple(self._members()))
        return self._fail("an attribute or a value")

    def _members(self) -> list[Value]:
        members: list[Value] = []
        while True:
            token = self._now
            member = self._operand() if token.text != "{" else None
            if not isinstance(member, Constant):
                raise self._error(token.at, "a list holds plain values only")
            members.append(member.value)
            if self._accept("}"):
                return members
            if not self._accept(","):
                self._fail("',' or '}'")
