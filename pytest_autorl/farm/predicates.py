"""Predicates over a device's static attributes: what they are, whether they hold, and why not.

The language that people write them in is read by `where.parse`. A comparison with an attribute that the
device lacks is false, whatever the operator: ``x != 1`` is false and ``not x == 1`` is true without an x.
Versions compare as versions, platform and form factor whatever their case.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_autorl.farm import versions

if TYPE_CHECKING:
    from pytest_autorl.farm.device import Device

#: Names that every device has; the rest are keys of its ``attributes``.
STATIC_NAMES = ("form_factor", "id", "model", "os_version", "platform", "provider", "tags")
#: Free words that the farm keeps in lower case.
CASELESS_NAMES = frozenset({"form_factor", "platform"})


class Expression(ABC):
    """A condition. Equal when the normalised text (`str`) is equal; immutable and hashable."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        # By text, since Python takes 1, 1.0 and True for equal and we do not.
        return str(self) == str(other) if isinstance(other, Expression) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    @abstractmethod
    def failures(self, device: Device) -> list[str]:
        """Which predicates fail, in words; empty when the device fits."""

    @abstractmethod
    def names(self) -> frozenset[str]:
        """Attributes that it mentions."""


@dataclass(frozen=True, eq=False)
class Compare(Expression):
    """One comparison, the attribute on the left.

    Attributes:
        op: ``== != < <= > >=``; "one of" and "none of" (value is a tuple); "has" and "lacks" (value stands
            in the attribute: a tag, or a part of a text).
    """

    name: str
    op: str
    value: Any

    def __str__(self) -> str:
        if self.op in ("one of", "none of"):
            items = ", ".join(literal(item) for item in self.value)
            return f"{self.name} {'in' if self.op == 'one of' else 'not in'} [{items}]"
        if self.op in ("has", "lacks"):
            return f"{literal(self.value)} {'in' if self.op == 'has' else 'not in'} {self.name}"
        return f"{self.name} {self.op} {literal(self.value)}"

    def failures(self, device: Device) -> list[str]:
        why = _why_not(self, device)
        return [] if why is None else [why]

    def names(self) -> frozenset[str]:
        return frozenset({self.name})


@dataclass(frozen=True, eq=False)
class Not(Expression):
    item: Expression

    def __str__(self) -> str:
        return f"not {self.item}" if isinstance(self.item, Compare) else f"not ({self.item})"

    def failures(self, device: Device) -> list[str]:
        if self.item.failures(device):
            return []
        facts = (
            f"{name} {'are' if name == 'tags' else 'is'} {_shown(attribute(device, name))}"
            for name in sorted(self.names())
        )
        return [f"{', '.join(facts)}, needs {self}"]

    def names(self) -> frozenset[str]:
        return self.item.names()


@dataclass(frozen=True, eq=False)
class _Series(Expression):
    """At least two, flat, sorted by text, none twice: `joined` makes it so."""

    items: tuple[Expression, ...]

    def names(self) -> frozenset[str]:
        return frozenset(name for item in self.items for name in item.names())


@dataclass(frozen=True, eq=False)
class And(_Series):
    """All of them; each one that fails is named."""

    def __str__(self) -> str:
        return " and ".join(f"({item})" if isinstance(item, Or) else str(item) for item in self.items)

    def failures(self, device: Device) -> list[str]:
        return [why for item in self.items for why in item.failures(device)]


@dataclass(frozen=True, eq=False)
class Or(_Series):
    """Any of them; counts as one predicate."""

    def __str__(self) -> str:
        return " or ".join(str(item) for item in self.items)

    def failures(self, device: Device) -> list[str]:
        failed = [item.failures(device) for item in self.items]
        return [" or ".join(" and ".join(whys) for whys in failed)] if all(failed) else []


def joined(kind: type[And] | type[Or], items: Iterable[Expression]) -> Expression:
    """The items as one normalised expression: order and repetition do not matter. At least one item."""
    flat: dict[str, Expression] = {}
    for item in items:
        for part in item.items if isinstance(item, kind) else (item,):
            flat[str(part)] = part
    ordered = tuple(flat[key] for key in sorted(flat))
    return ordered[0] if len(ordered) == 1 else kind(ordered)


def literal(value: Any) -> str:
    """The value as it is written in an expression."""
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return _shown(value)


def is_number(value: Any) -> bool:
    """Python counts True as 1; here it is no number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def nearest(name: str, names: Iterable[str]) -> str:
    """The most similar of the names, "" when none is similar."""
    found = difflib.get_close_matches(name, sorted(names), n=1)
    return found[0] if found else ""


def attribute(device: Device, name: str) -> Any:
    """The device's value (tags: a frozenset), None when it has none or it is unknown ("")."""
    if name in STATIC_NAMES:
        value = getattr(device, name)
        return None if value == "" else value
    return device.attributes.get(name)


def _why_not(test: Compare, device: Device) -> str | None:
    """None when the comparison holds, else why not."""
    value = attribute(device, test.name)
    needs = f"needs {_needs(test)}"
    if value is None:
        near = nearest(test.name, [*device.attributes, *STATIC_NAMES])
        hint = f" (it has {near})" if near and test.name not in STATIC_NAMES else ""
        return f"{test.name} is unknown{hint}, {needs}"
    if test.name == "tags":
        return None if (test.value in value) == (test.op == "has") else f"tags are {_shown(value)}, {needs}"
    if _holds(test, value):
        return None
    return f"{test.name} is {_shown(value)}{_mismatch(test, value)}, {needs}"


def _holds(test: Compare, value: Any) -> bool:
    op, wanted = test.op, test.value
    if op in ("one of", "none of"):
        return any(_is_equal(test.name, value, item) for item in wanted) == (op == "one of")
    if op in ("has", "lacks"):
        return isinstance(value, str) and (wanted in value) == (op == "has")
    if op in ("==", "!="):
        return _is_equal(test.name, value, wanted) == (op == "==")
    if test.name == "os_version":
        return bool(versions.is_ordered(value, op, wanted))
    if not is_number(value):
        return False
    return bool({"<": value < wanted, "<=": value <= wanted, ">": value > wanted, ">=": value >= wanted}[op])


def _is_equal(name: str, value: Any, wanted: Any) -> bool:
    if name == "os_version":
        return versions.is_same(value, wanted)
    if is_number(value) and is_number(wanted):
        return bool(value == wanted)
    if name in CASELESS_NAMES and isinstance(value, str) and isinstance(wanted, str):
        return value.lower() == wanted
    return type(value) is type(wanted) and bool(value == wanted)


def _mismatch(test: Compare, value: Any) -> str:
    if test.op in ("has", "lacks") and not isinstance(value, str):
        return " (not a text)"
    if test.op not in ("<", "<=", ">", ">="):
        return ""
    if test.name == "os_version":
        return "" if versions.number(value) else " (a name: names have no order)"
    return "" if is_number(value) else " (not a number)"


def _needs(test: Compare) -> str:
    wanted = (
        ", ".join(_shown(item) for item in test.value)
        if isinstance(test.value, tuple)
        else _shown(test.value)
    )
    words = {"==": "", "!=": "anything but ", "has": "" if test.name == "tags" else "a text with "}
    words["lacks"] = "none such as " if test.name == "tags" else "a text without "
    return words.get(test.op, f"{test.op} ") + wanted


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
