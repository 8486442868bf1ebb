"""XPath 1.0, the value side: conversions, comparisons and functions (W3C XPath 1.0, sections 3.4, 3.5, 4)."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence

from pytest_autorl.virtual.grammar import pattern, searches
from pytest_autorl.virtual.tree import Attribute, Element

#: A node of the tree as XPath sees it.
Place = Element | Attribute
Atom = str | float | bool
Value = list[Place] | Atom

_NUMBER = re.compile(r"[ \t\r\n]*(-?(?:\d+(?:\.\d*)?|\.\d+))[ \t\r\n]*")
_ORDER: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def to_text(value: Value) -> str:
    """string(): of nodes the first one's; an element's is empty, there are no text nodes."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return _text_of(value[0]) if value else ""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value.is_integer():
        return str(int(value))
    return f"{value:.17f}".rstrip("0") if abs(value) < 1e-4 else repr(value)


def to_number(value: Value) -> float:
    """number(): NaN for what is no number; exponents and plus signs are none (section 4.4)."""
    if isinstance(value, (bool, float)):
        return float(value)
    found = _NUMBER.fullmatch(to_text(value))
    return float(found[1]) if found else math.nan


def to_boolean(value: Value) -> bool:
    """boolean(): non-empty, non-zero, not NaN."""
    if isinstance(value, float):
        return value != 0 and not math.isnan(value)
    return bool(value)


def compare(sign: str, left: Value, right: Value) -> bool:
    """A comparison; a node list is true when any of its nodes is (section 3.4)."""
    if isinstance(left, list) and isinstance(right, list):
        return _compare_lists(sign, left, right)
    if isinstance(left, list):
        return not isinstance(right, list) and _compare_list(sign, left, right)
    if isinstance(right, list):
        return _compare_list(_MIRRORED[sign], right, left)
    return _compare_atoms(sign, left, right)


def arithmetic(sign: str, left: float, right: float) -> float:
    """``+ - * div mod`` on IEEE 754 doubles; mod keeps the dividend's sign (section 3.5)."""
    if sign == "+":
        return left + right
    if sign == "-":
        return left - right
    if sign == "*":
        return left * right
    if sign == "mod":
        return math.fmod(left, right) if right != 0 and math.isfinite(left) else math.nan
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left) or math.isnan(right):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def call(name: str, arguments: Sequence[Value], place: Place) -> Value:
    """Apply a function; without an argument those that take one use the context node."""
    if name == "true":
        return True
    if name == "false":
        return False
    return _FUNCTIONS[name](list(arguments) or [[place]])


def _text_of(place: Place) -> str:
    return place.value if isinstance(place, Attribute) else ""


def _compare_list(sign: str, left: list[Place], right: Atom) -> bool:
    if isinstance(right, bool):
        return _compare_atoms(sign, bool(left), right)
    return any(_compare_atoms(sign, _text_of(place), right) for place in left)


def _compare_atoms(sign: str, left: Atom, right: Atom) -> bool:
    if sign in _ORDER:
        return _ORDER[sign](to_number(left), to_number(right))
    equal: bool
    if isinstance(left, bool) or isinstance(right, bool):
        equal = to_boolean(left) == to_boolean(right)
    elif isinstance(left, float) or isinstance(right, float):
        equal = to_number(left) == to_number(right)
    else:
        equal = left == right
    return equal is (sign == "=")


def _compare_lists(sign: str, left: list[Place], right: list[Place]) -> bool:
    """Any pair; by sets and extremes, since a product of two lists is quadratic."""
    one, other = {_text_of(place) for place in left}, {_text_of(place) for place in right}
    if sign == "=":
        return bool(one & other)
    if sign == "!=":
        return bool(one) and bool(other) and (len(one) > 1 or len(other) > 1 or one != other)
    low = [number for number in map(to_number, one) if not math.isnan(number)]
    high = [number for number in map(to_number, other) if not math.isnan(number)]
    if not low or not high:
        return False
    if sign in ("<", "<="):
        return _ORDER[sign](min(low), max(high))
    return _ORDER[sign](max(low), min(high))


def _round(number: float) -> float:
    """To the nearest whole, halves upwards (section 4.4)."""
    return float(math.floor(number + 0.5)) if math.isfinite(number) else number


def _substring(given: Sequence[Value]) -> Value:
    text, first = to_text(given[0]), _round(to_number(given[1]))
    # Positions count from 1; comparing with NaN is false, so it selects nothing (section 4.2).
    beyond = first + _round(to_number(given[2])) if len(given) > 2 else math.inf
    if math.isnan(first) or math.isnan(beyond):
        return ""
    start = int(min(max(first, 1), len(text) + 1)) - 1
    stop = int(min(max(beyond, 1), len(text) + 1)) - 1
    return text[start:stop]


def _translate(given: Sequence[Value]) -> Value:
    text, source, target = (to_text(value) for value in given)
    table: dict[int, str | None] = {}
    for place, char in enumerate(source):
        table.setdefault(ord(char), target[place] if place < len(target) else None)
    return text.translate(table)


def _name(given: Sequence[Value]) -> Value:
    places = given[0]
    if not isinstance(places, list) or not places:
        return ""
    return places[0].name if isinstance(places[0], Attribute) else places[0].tag


def _sum(given: Sequence[Value]) -> Value:
    places = given[0]
    return math.fsum(to_number(_text_of(place)) for place in places) if isinstance(places, list) else math.nan


def _whole(rounding: Callable[[float], int]) -> Callable[[Sequence[Value]], Value]:
    def apply(given: Sequence[Value]) -> Value:
        number = to_number(given[0])
        return float(rounding(number)) if math.isfinite(number) else number

    return apply


def _normalized(text: str) -> str:
    return re.sub("[ \t\r\n]+", " ", text).strip(" ")


def _before(text: str, mark: str) -> str:
    return text.partition(mark)[0] if mark and mark in text else ""


def _after(text: str, mark: str) -> str:
    return text.partition(mark)[2] if mark else text


_FUNCTIONS: dict[str, Callable[[Sequence[Value]], Value]] = {
    "boolean": lambda given: to_boolean(given[0]),
    "ceiling": _whole(math.ceil),
    "concat": lambda given: "".join(to_text(value) for value in given),
    "contains": lambda given: to_text(given[1]) in to_text(given[0]),
    "count": lambda given: float(len(given[0])) if isinstance(given[0], list) else math.nan,
    "ends-with": lambda given: to_text(given[0]).endswith(to_text(given[1])),
    "floor": _whole(math.floor),
    "local-name": _name,
    "lower-case": lambda given: to_text(given[0]).lower(),
    "matches": lambda given: searches(pattern(to_text(given[1])), to_text(given[0])),
    "name": _name,
    "normalize-space": lambda given: _normalized(to_text(given[0])),
    "not": lambda given: not to_boolean(given[0]),
    "number": lambda given: to_number(given[0]),
    "round": lambda given: _round(to_number(given[0])),
    "starts-with": lambda given: to_text(given[0]).startswith(to_text(given[1])),
    "string": lambda given: to_text(given[0]),
    "string-length": lambda given: float(len(to_text(given[0]))),
    "substring": _substring,
    "substring-after": lambda given: _after(to_text(given[0]), to_text(given[1])),
    "substring-before": lambda given: _before(to_text(given[0]), to_text(given[1])),
    "sum": _sum,
    "translate": _translate,
    "upper-case": lambda given: to_text(given[0]).upper(),
}
