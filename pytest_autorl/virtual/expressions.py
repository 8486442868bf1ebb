"""Expressions of the app model: conditions, values and `{placeholders}` in texts.

A small part of Python's grammar, parsed by `ast` and turned into closures; nothing is ever evaluated by
Python itself. Names are the scopes that the running app hands in (`field`, `state`, `local`, `backend`,
`item`, `option`, `device`, `app`, `error`, `value`); attributes are dictionary keys; a missing one is None,
so that `state.account.name` is empty rather than a crash while no account is chosen.

Money is whole cents everywhere: `cents("12.50") == 1250`, `money(1250) == "12.50"`.
"""

from __future__ import annotations

import ast
import inspect
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_autorl.virtual.regex import regex

Scope = Mapping[str, Any]
_Eval = Callable[[Scope], Any]

#: Root names an expression may use.
SCOPES = ("app", "backend", "device", "error", "field", "item", "local", "option", "state", "value")

_LITERALS: dict[str, Any] = {"true": True, "false": False, "null": None}
_MAX_LENGTH = 1000
#: An app that adds a text to itself with each tap must not eat the memory.
_MAX_TEXT = 100_000
_MAX_NUMBER = 10**15


class ExpressionError(ValueError):
    """The expression is outside the small grammar; the text says where."""


def cents(text: object) -> int | None:
    """An amount as people type it ("12", "12.5", "1,234.50") in whole cents; None when it is not one.

    >>> cents("1,234.5")
    123450
    """
    match = re.fullmatch(r"\s*(\d{1,3}(?:,\d{3})+|\d{1,12})(?:\.(\d{1,2}))?\s*", str(text or ""), re.ASCII)
    if match is None:
        return None
    whole, fraction = match.groups()
    return int(whole.replace(",", "")) * 100 + int((fraction or "").ljust(2, "0"))


def money(amount_cents: object) -> str:
    """Whole cents as people read them; empty for None.

    >>> money(-123450)
    '-1,234.50'
    """
    if not isinstance(amount_cents, int):
        return ""
    sign = "-" if amount_cents < 0 else ""
    return f"{sign}{abs(amount_cents) // 100:,}.{abs(amount_cents) % 100:02d}"


def iban(text: object) -> bool:
    """Whether the text is an IBAN by form and check digits (ISO 13616: mod 97 is 1).

    >>> iban("GB82 WEST 1234 5698 7654 32")
    True
    """
    compact = re.sub(r"\s", "", str(text or "")).upper()
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", compact, re.ASCII):
        return False
    moved = compact[4:] + compact[:4]
    return int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


def _first(records: object, key: str, wanted: object) -> Any:
    return next(iter(_where(records, key, wanted)), None)


def _where(records: object, key: str, wanted: object) -> list[Any]:
    if not isinstance(records, list):
        return []
    return [record for record in records if isinstance(record, Mapping) and record.get(key) == wanted]


def _total(records: object, key: str) -> int:
    if not isinstance(records, list):
        return 0
    values = (record.get(key) for record in records if isinstance(record, Mapping))
    return sum((value for value in values if isinstance(value, int)), 0)


def _matches(text: object, pattern: object) -> bool:
    # Not by `re`: the text is what a test typed, the pattern may backtrack.
    return regex(str(pattern)).matches(str(text or ""))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "cents": cents,
    "first": _first,
    "iban": iban,
    "len": lambda value: len(value) if isinstance(value, str | list | Mapping) else 0,
    "lower": lambda text: str(text or "").lower(),
    "matches": _matches,
    "money": money,
    "total": _total,
    "trim": lambda text: str(text or "").strip(),
    "upper": lambda text: str(text or "").upper(),
    "where": _where,
}


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Comparison that is False, not a crash, when a side is missing or of another kind."""

    def run(left: Any, right: Any) -> bool:
        try:
            return bool(compare(left, right))
        except TypeError:
            return False

    return run


_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: _ordered(operator.lt),
    ast.LtE: _ordered(operator.le),
    ast.Gt: _ordered(operator.gt),
    ast.GtE: _ordered(operator.ge),
    ast.In: _ordered(lambda left, right: left in right),
    ast.NotIn: _ordered(lambda left, right: left not in right),
}


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str) or isinstance(right, str):
        joined = f"{_text(left)}{_text(right)}"
        if len(joined) > _MAX_TEXT:
            raise ExpressionError(f"a text of {len(joined)} characters, the limit is {_MAX_TEXT}")
        return joined
    return _plus(left, right)


def _numbers(run: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Arithmetic on numbers only, and on such as stay small: the memory is not the app's to eat."""

    def calculate(left: Any, right: Any) -> Any:
        left, right = left or 0, right or 0
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            raise ExpressionError(f"arithmetic needs numbers, got {left!r} and {right!r}")
        result = run(left, right)
        if not abs(result) <= _MAX_NUMBER:
            raise ExpressionError(f"a number beyond {_MAX_NUMBER:g}")
        return result

    return calculate


_plus = _numbers(operator.add)


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: _add,
    ast.Sub: _numbers(operator.sub),
    ast.Mult: _numbers(operator.mul),
}


def _text(value: Any) -> str:
    """A value as it is shown: nothing for None, true/false in lower case."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _compile(node: ast.expr) -> _Eval:
    match node:
        case ast.Constant(value=value) if value is None or isinstance(value, str | int | float):
            return lambda scope: value
        case ast.Name(id=name):
            return _name(name)
        case ast.Attribute(value=base, attr=key):
            of = _compile(base)
            return lambda scope: _get(of(scope), key)
        case ast.BoolOp(op=op, values=values):
            return _bool(op, [_compile(each) for each in values])
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            negated = _compile(operand)
            return lambda scope: not negated(scope)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            minus, number = _numbers(operator.sub), _compile(operand)
            return lambda scope: minus(0, number(scope))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            run, one, two = _BINARY[type(op)], _compile(left), _compile(right)
            return lambda scope: run(one(scope), two(scope))
        case ast.Compare(left=left, ops=ops, comparators=rights) if all(type(op) in _COMPARE for op in ops):
            return _compare([_compile(left), *map(_compile, rights)], [_COMPARE[type(op)] for op in ops])
        case ast.IfExp(test=test, body=body, orelse=orelse):
            ask, yes, no = _compile(test), _compile(body), _compile(orelse)
            return lambda scope: yes(scope) if ask(scope) else no(scope)
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            parts = [_compile(each) for each in elements]
            return lambda scope: [part(scope) for part in parts]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return _call(name, [_compile(each) for each in args])
    raise ExpressionError(f"`{ast.unparse(node)}` is not allowed in an expression")


def _name(name: str) -> _Eval:
    if name in _LITERALS:
        value = _LITERALS[name]
        return lambda scope: value
    if name not in SCOPES:
        raise ExpressionError(f"unknown name {name!r}; known: {', '.join(SCOPES)}")
    return lambda scope: scope.get(name)


def _get(base: Any, key: str) -> Any:
    return base.get(key) if isinstance(base, Mapping) else None


def _bool(op: ast.boolop, parts: list[_Eval]) -> _Eval:
    if isinstance(op, ast.And):
        return lambda scope: all(part(scope) for part in parts)
    return lambda scope: any(part(scope) for part in parts)


def _compare(parts: list[_Eval], compares: list[Callable[[Any, Any], bool]]) -> _Eval:
    def run(scope: Scope) -> bool:
        values = [part(scope) for part in parts]
        pairs = zip(values, values[1:], compares, strict=False)
        return all(compare(left, right) for left, right, compare in pairs)

    return run


def _call(name: str, args: list[_Eval]) -> _Eval:
    function = FUNCTIONS.get(name)
    if function is None:
        raise ExpressionError(f"unknown function {name!r}; known: {', '.join(FUNCTIONS)}")
    wanted = len(inspect.signature(function).parameters)
    if len(args) != wanted:
        raise ExpressionError(f"{name}() takes {wanted} argument{'s' * (wanted != 1)}, got {len(args)}")
    return lambda scope: function(*[arg(scope) for arg in args])


@dataclass(frozen=True)
class Expression:
    """A compiled expression; `source` is what the author wrote. Call it with a scope."""

    source: str
    run: _Eval = field(repr=False, compare=False)

    def __call__(self, scope: Scope) -> Any:
        """The value. Raises ExpressionError, for what only values can show: text minus text, for one."""
        try:
            return self.run(scope)
        except (TypeError, ValueError) as exc:
            raise ExpressionError(f"cannot calculate `{self.source}`: {exc}") from exc


def expression(source: object) -> Expression:
    """Compile an expression. Numbers, booleans and null of the model stand for themselves.

    Raises:
        ExpressionError: outside the grammar, an unknown name or function.
    """
    if source is None or isinstance(source, bool | int | float):
        return Expression(str(source), lambda scope: source)
    if not isinstance(source, str):
        raise ExpressionError(f"an expression is a text, got {source!r}")
    if len(source) > _MAX_LENGTH:
        raise ExpressionError(f"an expression has at most {_MAX_LENGTH} characters, got {len(source)}")
    try:
        tree = ast.parse(source.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        raise ExpressionError(f"cannot read {source!r}: {getattr(exc, 'msg', exc)}") from exc
    return Expression(source, _compile(tree.body))


@dataclass(frozen=True)
class Template:
    """A text with `{expression}` places. Call it with a scope to get the text."""

    source: str
    parts: tuple[str | Expression, ...] = ()

    def __call__(self, scope: Scope) -> str:
        return "".join(part if isinstance(part, str) else _text(part(scope)) for part in self.parts)

    def __bool__(self) -> bool:
        return bool(self.source)


def template(source: object) -> Template:
    """Compile a text; `{{` and `}}` stand for single braces.

    >>> template("Hello {state.user.name}!")({"state": {"user": {"name": "Dana"}}})
    'Hello Dana!'
    """
    text = _text(source)
    parts: list[str | Expression] = []
    for piece in re.split(r"(\{\{|\}\}|\{[^{}]*\})", text):
        if piece in ("{{", "}}"):
            parts.append(piece[0])
        elif piece.startswith("{") and piece.endswith("}"):
            parts.append(expression(piece[1:-1]))
        elif "{" in piece or "}" in piece:
            raise ExpressionError(f"a single brace in {text!r}; write {{{{ or }}}} for a brace")
        elif piece:
            parts.append(piece)
    return Template(text, tuple(parts))
