"""XPath 1.0, the text side: tokens and a parser into a small tree of expressions.

Grammar: W3C XPath 1.0, sections 2 and 3, without variables, namespaces and processing instructions; the page
source of a device has none. Operator chains of one precedence become one `Chain`, so that a long expression
is not a deep one.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import NoReturn

from pytest_autorl.virtual.grammar import MAX_DEPTH, InvalidSelector, check_length, shorten
from pytest_autorl.virtual.node import Platform

AXES = frozenset((
    "ancestor", "ancestor-or-self", "attribute", "child", "descendant", "descendant-or-self", "following",
    "following-sibling", "parent", "preceding", "preceding-sibling", "self",
))  # fmt: skip
NODE_TYPES = frozenset(("node", "text", "comment"))
#: Function -> least and most number of arguments.
FUNCTIONS: dict[str, tuple[int, int]] = {
    "last": (0, 0), "position": (0, 0), "count": (1, 1), "local-name": (0, 1), "name": (0, 1),
    "string": (0, 1), "concat": (2, 999), "starts-with": (2, 2), "contains": (2, 2),
    "substring-before": (2, 2), "substring-after": (2, 2), "substring": (2, 3), "string-length": (0, 1),
    "normalize-space": (0, 1), "translate": (3, 3), "boolean": (1, 1), "not": (1, 1), "true": (0, 0),
    "false": (0, 0), "number": (0, 1), "sum": (1, 1), "floor": (1, 1), "ceiling": (1, 1), "round": (1, 1),
    "ends-with": (2, 2), "lower-case": (1, 1), "upper-case": (1, 1), "matches": (2, 2),
}  # fmt: skip
#: XPath 2.0, of the last line above: UiAutomator2's default engine has them and suites use them; iOS has not.
_ANDROID_ONLY = frozenset(("ends-with", "lower-case", "upper-case", "matches"))
_TAKES_NODES = frozenset(("count", "sum", "name", "local-name"))


@dataclass(frozen=True)
class Literal:
    """A string or a number as written."""

    value: str | float


@dataclass(frozen=True)
class Call:
    """A function with its arguments."""

    name: str
    arguments: tuple[Expr, ...]


@dataclass(frozen=True)
class Chain:
    """Operands joined by operators of one precedence, from left to right: ``first (operator operand)*``."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True)
class Negate:
    """Unary minus, an odd number of them."""

    operand: Expr


@dataclass(frozen=True)
class Step:
    """``axis::test[predicate]...``; the test is a name, ``*`` or ``node()``, ``text()``, ``comment()``."""

    axis: str
    test: str
    predicates: tuple[Expr, ...] = ()


#: What ``//`` stands for.
ANYWHERE = Step("descendant-or-self", "node()")


@dataclass(frozen=True)
class Path:
    """Steps from the document (absolute), from an expression (start), or from the context node (neither)."""

    absolute: bool
    start: Expr | None
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Filter:
    """An expression narrowed by predicates: ``(//x)[2]``."""

    primary: Expr
    predicates: tuple[Expr, ...]


Expr = Literal | Call | Chain | Negate | Path | Filter


@dataclass(frozen=True)
class Token:
    """kind: literal, number, name, symbol, operator or end; at: 0-based place in the text."""

    kind: str
    text: str
    at: int


_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    | (?P<literal>"[^"]*"|'[^']*')
    | (?P<number>\d+(?:\.\d*)?|\.\d+)
    | (?P<name>[^\W\d][\w.\-\u00b7]*)
    | (?P<symbol>::|//|\.\.|!=|<=|>=|[()\[\].@,/|+\-=<>*])""",
    re.VERBOSE,
)
_WORDS = frozenset(("and", "or", "div", "mod"))
_OPERATORS = frozenset(("/", "//", "|", "+", "-", "=", "!=", "<", "<=", ">", ">="))
_PRECEDENCE: tuple[frozenset[str], ...] = (
    frozenset(("or",)),
    frozenset(("and",)),
    frozenset(("=", "!=")),
    frozenset(("<", "<=", ">", ">=")),
    frozenset(("+", "-")),
    frozenset(("*", "div", "mod")),
)


def tokens(text: str) -> list[Token]:
    """The tokens, an ``end`` token last; raises InvalidSelector at a character that begins none."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            what = "this quote is never closed" if text[at] in "\"'" else f"unexpected {text[at]!r}"
            raise _error(text, at, what)
        kind = str(match.lastgroup)
        piece = match.group()
        if kind in ("name", "symbol"):
            # XPath 1.0 section 3.7: after an operand, `*` and the four words are operators, else names.
            after_operand = bool(found) and not (
                found[-1].kind == "operator" or found[-1].text in ("@", "::", "(", "[", ",")
            )
            if piece in _OPERATORS or (after_operand and (piece == "*" or piece in _WORDS)):
                kind = "operator"
        if kind != "space":
            found.append(Token(kind, piece, at))
        at = match.end()
    found.append(Token("end", "", len(text)))
    return found


@functools.lru_cache(maxsize=512)
def parse(text: str, platform: Platform = "android") -> Expr:
    """Parse an expression; raises InvalidSelector that says where and what was expected."""
    check_length(text, "XPath")
    return _Parser(text, platform).parse()


def _error(text: str, at: int, what: str) -> InvalidSelector:
    return InvalidSelector(f"XPath {shorten(text)} is malformed at character {at + 1}: {what}")


class _Parser:
    def __init__(self, text: str, platform: Platform) -> None:
        self._text = text
        self._functions = sorted(FUNCTIONS if platform == "android" else FUNCTIONS.keys() - _ANDROID_ONLY)
        self._tokens = tokens(text)
        self._next = 0
        self._depth = 0

    def parse(self) -> Expr:
        found = self._expression()
        if self._now.kind != "end":
            self._fail("an operator or the end")
        return found

    @property
    def _now(self) -> Token:
        return self._tokens[self._next]

    def _is(self, *texts: str) -> bool:
        return self._now.text in texts and self._now.kind not in ("literal", "end")

    def _take(self) -> Token:
        token = self._now
        self._next += 1
        return token

    def _accept(self, *texts: str) -> bool:
        found = self._is(*texts)
        if found:
            self._next += 1
        return found

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            self._fail(f"'{text}'")

    def _fail(self, expected: str) -> NoReturn:
        saw = f"'{self._now.text}'" if self._now.kind != "end" else "the end"
        raise _error(self._text, self._now.at, f"expected {expected}, found {saw}")

    def _expression(self) -> Expr:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _error(self._text, self._now.at, f"nested deeper than {MAX_DEPTH} levels")
        found = self._operators(0)
        self._depth -= 1
        return found

    def _operators(self, level: int) -> Expr:
        if level == len(_PRECEDENCE):
            return self._unary()
        first = self._operators(level + 1)
        rest: list[tuple[str, Expr]] = []
        while self._now.kind == "operator" and self._now.text in _PRECEDENCE[level]:
            operator = self._take().text
            rest.append((operator, self._operators(level + 1)))
        return Chain(first, tuple(rest)) if rest else first

    def _unary(self) -> Expr:
        minus = 0
        while self._accept("-"):
            minus += 1
        first = self._path()
        rest: list[tuple[str, Expr]] = []
        while self._accept("|"):
            if not _is_nodes(first):
                raise _error(self._text, self._now.at, "'|' joins paths, not values")
            rest.append(("|", self._nodes("a path")))
        found: Expr = Chain(first, tuple(rest)) if rest else first
        if minus:
            found = Negate(found) if minus % 2 else Call("number", (found,))
        return found

    def _nodes(self, expected: str) -> Expr:
        at = self._now
        found = self._path()
        if not _is_nodes(found):
            raise _error(self._text, at.at, f"expected {expected}, found '{at.text}'")
        return found

    def _path(self) -> Expr:
        if self._is("/", "//"):
            return self._absolute()
        if self._starts_step():
            return Path(False, None, tuple(self._steps([])))
        at = self._now.at
        primary = self._primary()
        predicates = self._predicates()
        if (predicates or self._is("/", "//")) and not _is_nodes(primary):
            raise _error(self._text, at, "only a path can have predicates or steps, this is a value")
        found: Expr = Filter(primary, predicates) if predicates else primary
        if self._is("/", "//"):
            lead = [ANYWHERE] if self._take().text == "//" else []
            return Path(False, found, tuple(self._steps(lead)))
        return found

    def _absolute(self) -> Expr:
        if self._take().text == "//":
            return Path(True, None, tuple(self._steps([ANYWHERE])))
        return Path(True, None, tuple(self._steps([])) if self._starts_step() else ())

    def _starts_step(self) -> bool:
        if self._now.kind == "name":
            following = self._tokens[self._next + 1]
            return following.text != "(" or self._now.text in NODE_TYPES
        return self._is(".", "..", "@", "*")

    def _steps(self, steps: list[Step]) -> list[Step]:
        steps.append(self._step())
        while self._is("/", "//"):
            if self._take().text == "//":
                steps.append(ANYWHERE)
            steps.append(self._step())
        return steps

    def _step(self) -> Step:
        if self._accept("."):
            return Step("self", "node()")
        if self._accept(".."):
            return Step("parent", "node()")
        axis = "child"
        if self._accept("@"):
            axis = "attribute"
        elif self._tokens[min(self._next + 1, len(self._tokens) - 1)].text == "::":
            if self._now.text not in AXES:
                self._fail(f"an axis ({', '.join(sorted(AXES))})")
            axis = self._take().text
            self._next += 1
        return Step(axis, self._test(axis), self._predicates())

    def _test(self, axis: str) -> str:
        if self._accept("*"):
            return "*"
        if self._now.kind != "name" or (self._now.text not in NODE_TYPES and self._followed_by("(")):
            self._fail(
                "an attribute name or '*'" if axis == "attribute" else "an element name, '*' or a step"
            )
        name = self._take().text
        if name in NODE_TYPES and self._accept("("):
            self._expect(")")
            return f"{name}()"
        return name

    def _followed_by(self, text: str) -> bool:
        return self._tokens[self._next + 1].text == text

    def _predicates(self) -> tuple[Expr, ...]:
        found: list[Expr] = []
        while self._accept("["):
            found.append(self._expression())
            self._expect("]")
        return tuple(found)

    def _primary(self) -> Expr:
        if self._now.kind == "literal":
            return Literal(self._take().text[1:-1])
        if self._now.kind == "number":
            return Literal(float(self._take().text))
        if self._accept("("):
            inner = self._expression()
            self._expect(")")
            return inner
        if self._now.kind == "name":
            return self._call()
        return self._fail("a path, a value or '('")

    def _call(self) -> Expr:
        name = self._now.text
        if name not in self._functions:
            self._fail("a known function (" + ", ".join(self._functions) + ")")
        at = self._take().at
        self._expect("(")
        arguments: list[Expr] = []
        if not self._is(")"):
            arguments.append(self._expression())
            while self._accept(","):
                arguments.append(self._expression())
        self._expect(")")
        least, most = FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            wanted = (
                str(least) if least == most else f"{least} to {most}" if most < 99 else f"at least {least}"
            )
            raise _error(self._text, at, f"{name}() takes {wanted} arguments, got {len(arguments)}")
        if name in _TAKES_NODES and arguments and not _is_nodes(arguments[0]):
            raise _error(self._text, at, f"{name}() takes a path, not a value")
        return Call(name, tuple(arguments))


def _is_nodes(expression: Expr) -> bool:
    """Whether the expression yields nodes; XPath 1.0 knows it from the text alone."""
    if isinstance(expression, Chain):
        return expression.rest[0][0] == "|"
    return isinstance(expression, (Path, Filter))
