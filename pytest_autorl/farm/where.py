"""The small language of ``where=`` and ``--autorl-where``: its grammar, and the reader of it.

    expression := conjunction ("or" conjunction)*
    conjunction := negation ("and" negation)*
    negation := "not" negation | "(" expression ")" | comparison
    comparison := NAME | NAME op literal | literal op NAME
                | NAME ["not"] "in" list | literal ["not"] "in" NAME
    op := "==" | "!=" | "<" | "<=" | ">" | ">="
    list := "[" literal ("," literal)* [","] "]"
    literal := text in quotes | number | "true" | "false"

Names are static attributes: those of `Device` and the keys of its ``attributes``. Nothing is evaluated by
Python. Readings (battery, ...) are refused: they gate a device, they never decide a match. What an expression
means is in `predicates`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_autorl.errors import RequirementError
from pytest_autorl.farm.predicates import (
    CASELESS_NAMES,
    STATIC_NAMES,
    And,
    Compare,
    Expression,
    Not,
    Or,
    is_number,
    joined,
    literal,
    nearest,
)

if TYPE_CHECKING:
    from pytest_autorl.farm.device import Device

__all__ = ["KEYWORDS", "READINGS", "Expression", "evaluate", "explain", "parse"]

MAX_LENGTH = 1000
MAX_DEPTH = 50

#: Names of what changes while a device runs.
READINGS = frozenset(
    {
        "battery",
        "battery_level",
        "battery_pct",
        "cpu",
        "cpu_percent",
        "disk_percent",
        "error_rate",
        "health",
        "is_online",
        "memory",
        "memory_percent",
        "response_time",
        "status",
        "storage",
        "storage_free_mb",
        "storage_mb",
        "temperature",
        "temperature_c",
        "uptime",
    }
)
#: Words of the language: no attribute can be named so.
KEYWORDS = frozenset({"and", "or", "not", "in", "true", "false", "True", "False"})

_FLIPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def parse(text: str, known: Iterable[str] | None = None) -> Expression:
    """Read an expression.

    Args:
        known: Attribute names that exist in the farm; None when no farm is at hand, then any name goes.
    Raises: RequirementError with the place marked by a caret.
    """
    return _Parser(text, None if known is None else {*known, *STATIC_NAMES}).whole()


def evaluate(expression: Expression, device: Device) -> bool:
    """Whether the device fits. Never raises."""
    return not expression.failures(device)


def explain(expression: Expression, device: Device) -> list[str]:
    """The predicates that fail, in words with the device's values; empty when the device fits.

    Every failing part of an ``and`` is listed; a failing ``or`` is one entry.
    """
    return expression.failures(device)


_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<number>[-+]?(?:[0-9]+(?:\.[0-9]+)*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?![A-Za-z0-9_.]))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<op>==|!=|<=|>=|<|>|\(|\)|\[|\]|,)
    | (?P<end>\Z)
    )""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


@dataclass(frozen=True)
class _Operand:
    """A name, a literal or a list as it stands in the text."""

    token: _Token
    kind: str  # "name", "literal" or "list"
    value: Any = None
    source: str = ""  # of a literal: as written, for versions (14.10 is no float)


class _Parser:
    def __init__(self, text: str, known: set[str] | None) -> None:
        self.text = text
        self.known = known
        if len(text) > MAX_LENGTH:
            self.fail(0, f"is {len(text)} characters long, at most {MAX_LENGTH} are read")
        self.tokens = list(self._tokens())
        self.next = 0
        self.depth = 0

    def _tokens(self) -> Iterator[_Token]:
        at = 0
        while True:
            found = _TOKEN.match(self.text, at)
            if found is None:
                start = len(self.text) - len(self.text[at:].lstrip())
                self.fail(start, *_advice(self.text[start:]))
            kind = str(found.lastgroup)
            yield _Token(kind, found.group(kind), found.start(kind))
            if kind == "end":
                return
            at = found.end()

    def fail(self, at: int, what: str, do: str = "") -> NoReturn:
        shown = re.sub(r"\s", " ", self.text)
        if len(shown) > 120:  # a window around the place
            start = max(0, at - 60)
            shown, at = shown[start : start + 120], at - start
        raise RequirementError(
            f"where: {what}\n    {shown}\n    {' ' * at}^",
            do=do or "e.g. where=\"ram_mb >= 4096 and 'nfc' in tags\"",
        )

    @property
    def token(self) -> _Token:
        return self.tokens[self.next]

    def take(self, *texts: str) -> bool:
        """Step over the next token if it is one of these words or signs."""
        if self.token.kind in ("name", "op") and self.token.text in texts:
            self.next += 1
            return True
        return False

    def whole(self) -> Expression:
        if self.token.kind == "end":
            self.fail(0, "is empty", 'leave it out, or name a fact: where="ram_mb >= 4096"')
        found = self.any_of()
        if self.token.kind != "end":
            self.unexpected("expected 'and', 'or' or the end")
        return found

    def unexpected(self, expected: str) -> NoReturn:
        token = self.token
        if token.kind == "op" and token.text in _FLIPPED:
            self.fail(token.at, "comparisons cannot be chained", "join two with and: 'a >= 1 and a < 3'")
        self.fail(token.at, f"{expected}, found {token.text or 'the end'}")

    def any_of(self) -> Expression:
        return joined(Or, self.series(self.all_of, "or"))

    def all_of(self) -> Expression:
        return joined(And, self.series(self.negation, "and"))

    def series(self, part: Callable[[], Expression], word: str) -> list[Expression]:
        items = [part()]
        while self.take(word):
            items.append(part())
        return items

    def negation(self) -> Expression:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(self.token.at, f"is nested more than {MAX_DEPTH} levels deep")
        try:
            if self.take("not"):
                item = self.negation()
                return item.item if isinstance(item, Not) else Not(item)
            if self.take("("):
                inside = self.any_of()
                if not self.take(")"):
                    self.unexpected("expected )")
                return inside
            return self.comparison()
        finally:
            self.depth -= 1

    def comparison(self) -> Expression:
        left = self.operand()
        at = self.token.at
        for op in _FLIPPED:
            if self.take(op):
                return self.compared(left, op, self.operand(), at)
        if self.take("in"):
            return self.contained(left, self.operand(), True, at)
        if self.token.text == "not" and self.tokens[self.next + 1].text == "in":
            self.next += 2
            return self.contained(left, self.operand(), False, at)
        if left.kind != "name":
            self.unexpected("expected a comparison")
        name = self.checked(left.token)
        if name in STATIC_NAMES:
            self.fail(left.token.at, f"{name} alone says nothing", _usage(name))
        return Compare(name, "==", True)

    def operand(self) -> _Operand:
        token = self.token
        if token.kind == "op" and token.text == "[":
            return self.list_of(token)
        if token.kind == "name" and token.text not in KEYWORDS:
            self.next += 1
            return _Operand(token, "name", token.text)
        if token.kind in ("text", "number") or token.text in ("true", "false", "True", "False"):
            self.next += 1
            return _Operand(token, "literal", self.read(token), token.text)
        return self.unexpected("expected a name, a text in quotes, a number or a list")

    def list_of(self, start: _Token) -> _Operand:
        self.next += 1
        items: list[_Operand] = []
        while not self.take("]"):
            if items and not self.take(","):
                self.unexpected("expected , or ]")
            if self.token.text == "]":
                continue  # a comma may end the list
            item = self.operand()
            if item.kind != "literal":
                self.fail(item.token.at, "a list holds texts, numbers, true and false", _quoted(item))
            items.append(item)
        if not items:
            self.fail(start.at, "the list is empty, nothing can be in it")
        return _Operand(start, "list", tuple(items))

    def read(self, token: _Token) -> Any:
        if token.kind == "text":
            return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)
        if token.kind == "name":
            return token.text.lower() == "true"
        if token.text.count(".") > 1:  # 17.2.1 without quotes: only a version can be meant
            return token.text
        value = float(token.text)
        if value in (float("inf"), float("-inf")):
            self.fail(token.at, f"number {token.text[:20]} is too large")
        return int(value) if value.is_integer() and abs(value) < 2**53 else value

    def checked(self, token: _Token) -> str:
        """The name, if it is one of a static attribute."""
        name = token.text
        if name in READINGS:
            self.fail(
                token.at,
                f"{name} is a reading; readings never decide a match, they gate",
                "set its threshold in the farm file's health section, and match on static attributes",
            )
        if self.known is not None and name not in self.known:
            near = nearest(name, self.known)
            hint = f"did you mean {near}? " if near else ""
            names = ", ".join(sorted(self.known))
            self.fail(token.at, f"no device of the farm has an attribute {name}", f"{hint}known: {names}")
        return name

    def compared(self, left: _Operand, op: str, right: _Operand, at: int) -> Expression:
        if left.kind != "name" and right.kind == "name":
            left, op, right = right, _FLIPPED[op], left
        if left.kind != "name":
            self.fail(at, "compares two values; one side must be an attribute's name")
        if right.kind == "name":
            self.fail(right.token.at, f"{right.value} is a name", _quoted(right))
        if right.kind == "list":
            self.fail(right.token.at, "a list goes with in and not in", "write: name in ['a', 'b']")
        name = self.checked(left.token)
        if name == "tags":
            self.fail(left.token.at, "tags are many", _usage("tags"))
        value = self.valued(name, right)
        if op not in ("==", "!=") and name != "os_version" and not is_number(value):
            self.fail(right.token.at, f"{op} needs a number (or os_version), found {literal(value)}")
        return Compare(name, op, value)

    def contained(self, left: _Operand, right: _Operand, positive: bool, at: int) -> Expression:
        if right.kind == "list":
            if left.kind != "name":
                self.fail(left.token.at, "the left side of 'in [...]' must be an attribute's name")
            name = self.checked(left.token)
            if name == "tags":
                self.fail(left.token.at, "tags are many", _usage("tags"))
            values = {literal(value): value for value in (self.valued(name, item) for item in right.value)}
            items = tuple(values[key] for key in sorted(values))
            return Compare(name, "one of" if positive else "none of", items)
        if right.kind != "name":
            self.fail(right.token.at, "expected a list or an attribute's name after in")
        if left.kind == "name":
            self.fail(left.token.at, f"{left.value} is a name", _quoted(left))
        name = self.checked(right.token)
        if left.kind != "literal" or not isinstance(left.value, str):
            self.fail(left.token.at, f"only a text in quotes can be in {name}")
        if name == "os_version":
            self.fail(at, "os_version is one version", _usage(name))
        value = left.value.lower() if name in CASELESS_NAMES else left.value
        return Compare(name, "has" if positive else "lacks", value)

    def valued(self, name: str, operand: _Operand) -> Any:
        """The literal as this attribute compares it."""
        value = operand.value
        if operand.token.kind == "number" and operand.source.count(".") > 1 and name != "os_version":
            self.fail(operand.token.at, f"{operand.source} is not a number", _quoted(operand))
        if name == "os_version":
            if isinstance(value, bool):
                self.fail(operand.token.at, "os_version is a version", _usage(name))
            return operand.source if operand.token.kind == "number" else value
        if name in STATIC_NAMES and not isinstance(value, str):
            self.fail(operand.token.at, f"{name} is a text, {operand.source} is not", _quoted(operand))
        return value.lower() if name in CASELESS_NAMES else value


def _advice(rest: str) -> tuple[str, str]:
    """What is wrong at this character, and what to write instead."""
    for wrong, right in (("=", "=="), ("&", "and"), ("|", "or"), ("!", "not"), ("~", "not")):
        if rest.startswith(wrong):
            return f"{wrong} is not part of the language", f"write {right}"
    if rest[:1] in "'\"":
        return "the text has no closing quote", f"end it with {rest[:1]}"
    return f"{rest[:1]} cannot stand here", ""


def _usage(name: str) -> str:
    examples = {
        "tags": "write: 'nfc' in tags",
        "os_version": "write: os_version >= 13 or os_version in ['13', '14']",
    }
    return examples.get(name, f"write: {name} == '...'")


def _quoted(operand: _Operand) -> str:
    return f"if a text is meant, write it in quotes: '{operand.source or operand.value}'"
