"""Data of any depth, redacted into new data: what it is made of stays as it is.

Three things are looked at: the texts, the names that stand before values (a key, the first of a pair, the ``name``
beside a ``value``), and numbers whose digits are a value. Where that cannot be done to the end (too deep, too large,
a cycle, an object that cannot be shown) a placeholder says so.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime
import decimal
import enum
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from pytest_autorl.privacy.names import kind_of_name, squeezed
from pytest_autorl.privacy.placeholders import UNSCANNABLE, bracketed, is_placeholder

if TYPE_CHECKING:
    from pytest_autorl.privacy.redactor import Redactor

#: Levels of containers within each other.
DEEPEST: Final = 64
#: Values, at all levels together.
MOST_NODES: Final = 100_000

_KEPT = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    uuid.UUID,
    type(...),
    type(None),
    bool,
)
_SMALLEST_NUMBER: Final = 1000  # a registered value has four characters
_LARGEST_NUMBER: Final = 10**64
_NAMES = ("name", "key")


def redact_tree(value: Any, redactor: Redactor) -> Any:
    """A copy of the value without what must not leave; see `Redactor.redact_data`."""
    return _Walk(redactor).redacted(value, "")


class _Walk:
    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._fields = {squeezed(field) for field in redactor.fields}
        self._left = MOST_NODES
        self._above: set[int] = set()

    def redacted(self, value: Any, kind: str) -> Any:
        """The value, redacted. `kind`: of the value whose name stands before it, "" where none does."""
        self._left -= 1
        if self._left < 0:
            return bracketed("SIZE", None)
        if isinstance(value, str):
            return self._leaf(value, kind) if kind else self._text(value)
        if isinstance(value, _KEPT):
            return (
                self._leaf(value, kind)
                if kind and value is not None and not isinstance(value, bool)
                else value
            )
        if isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, enum.Enum):
            return self._leaf(value, kind) if kind else self._number(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._leaf(value, kind) if kind else self._octets(value)
        rebuild = _rebuild_of(value)
        if rebuild is None:
            return self._leaf(value, kind) if kind else self._unknown(value)
        if id(value) in self._above:
            return bracketed("CYCLE", None)
        if len(self._above) >= DEEPEST:
            return bracketed("DEPTH", None)
        self._above.add(id(value))
        try:
            return rebuild(self, value, kind)
        except Exception:  # whatever a strange container does: what it holds stays here
            return bracketed(UNSCANNABLE, None)
        finally:
            self._above.discard(id(value))

    def mapping(self, value: Mapping[Any, Any], kind: str) -> dict[Any, Any]:
        paired = self._paired_kind(value) if len(value) <= 8 else ""
        redacted: dict[Any, Any] = {}
        for key, item in value.items():
            item_kind = kind or self._kind_of(key)
            if paired and isinstance(key, str) and key.lower() == "value":
                item_kind = paired
            redacted[self._key(key)] = self.redacted(item, item_kind)
        return redacted

    def items(self, value: Any, kind: str) -> list[Any]:
        if not kind and isinstance(value, (list, tuple)) and len(value) == 2:
            kind = self._kind_of(value[0])
            if kind:
                return [self.redacted(value[0], ""), self.redacted(value[1], kind)]
        return [self.redacted(item, kind) for item in value]

    def attributes(self, value: Any, names: Iterator[str], kind: str) -> Any:
        twin = copy.copy(value)
        for name in names:
            if hasattr(value, name):
                item = self.redacted(getattr(value, name), kind or self._kind_of(name.lstrip("_")))
                object.__setattr__(twin, name, item)
        return twin

    def _kind_of(self, name: Any) -> str:
        # A placeholder says what was there, not what comes next.
        if not isinstance(name, str) or "REDACTED" in name:
            return ""
        if self._fields and squeezed(name) in self._fields:
            return "FIELD"
        return kind_of_name(name) or ""

    def _paired_kind(self, value: Mapping[Any, Any]) -> str:
        """The kind of ``{"name": "password", "value": ...}``, as headers, cookies and parameters are written."""
        lowered = {key.lower(): item for key, item in value.items() if isinstance(key, str)}
        if "value" not in lowered:
            return ""
        return next(filter(None, (self._kind_of(lowered.get(name)) for name in _NAMES)), "")

    def _key(self, key: Any) -> Any:
        if isinstance(key, str):
            return self._text(key)
        redacted = self.redacted(key, "")
        try:
            hash(redacted)
        except TypeError:
            return bracketed(UNSCANNABLE, None)
        return redacted

    def _leaf(self, value: Any, kind: str) -> Any:
        """What stands in place of a value with a secret's name."""
        if isinstance(value, (bytes, bytearray, memoryview)):
            value = bytes(value)
            text = value.decode("latin-1")
            return self._leaf(text, kind).encode("latin-1") if text else value
        text = value if isinstance(value, str) else _shown(value)
        if isinstance(value, str) and (not text or is_placeholder(text)):
            return value
        return self._redactor.placeholder(kind, text)

    def _text(self, value: str) -> str:
        # What it says, whatever its class makes of str(): a member of an enumeration gives its name there.
        plain = str.__str__(value)
        redacted = self._redactor.redact(plain)
        return value if redacted == plain else redacted

    def _number(self, value: int | float | decimal.Decimal) -> Any:
        text = _digits(value)
        found = self._redactor.spans(text)
        if len(found) == 1 and found[0].end - found[0].start == len(text):
            return self._redactor.placeholder(found[0].kind, text)
        return value

    def _octets(self, value: bytes | bytearray | memoryview) -> Any:
        data = bytes(value)
        redacted = self._redactor.redact_bytes(data)
        if redacted is None:  # no text; what is registered may still stand in it
            shown = data.decode("latin-1")
            redacted = bracketed(UNSCANNABLE, None).encode() if self._redactor.finds(shown) else data
        return bytearray(redacted) if isinstance(value, bytearray) else redacted

    def _unknown(self, value: Any) -> Any:
        try:
            text = str(value) if isinstance(value, PurePath) else repr(value)
        except Exception:
            return bracketed(UNSCANNABLE, None)
        redacted = self._redactor.redact(text)
        if redacted != text:
            return redacted
        # Some hide a password in their repr alone (httpx.URL), and are written down with str() later on.
        said = _shown(value)
        redacted = text if said == text else self._redactor.redact(said)
        return value if redacted in (said, text) else redacted


def _rebuild_of(value: Any) -> Callable[[_Walk, Any, str], Any] | None:
    """How a container is made anew; None for what is no container."""
    if isinstance(value, dict) or (isinstance(value, Mapping) and not isinstance(value, type)):
        return _Walk.mapping
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return _sequence
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return _dataclass
    if hasattr(type(value), "__attrs_attrs__"):
        return _attrs
    return None


def _sequence(walk: _Walk, value: Any, kind: str) -> Any:
    if isinstance(value, tuple) and hasattr(value, "_fields"):  # a named tuple: its names are keys
        named = [
            walk.redacted(item, kind or walk._kind_of(name))
            for name, item in zip(value._fields, value, strict=True)
        ]
        return type(value)._make(named)  # type: ignore[attr-defined]
    items = walk.items(value, kind)
    for plain in (list, tuple, set, frozenset):
        if isinstance(value, plain):
            return plain(items)
    return deque(items, value.maxlen)


def _dataclass(walk: _Walk, value: Any, kind: str) -> Any:
    return walk.attributes(value, (field.name for field in dataclasses.fields(value)), kind)


def _attrs(walk: _Walk, value: Any, kind: str) -> Any:
    return walk.attributes(value, (field.name for field in type(value).__attrs_attrs__), kind)


def _shown(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return ""


def _digits(value: int | float | decimal.Decimal) -> str:
    """A number as it would be written down; "" for one that is no value of anybody's."""
    if isinstance(value, decimal.Decimal) and not value.is_finite():  # some of these refuse to be compared
        return ""
    if not isinstance(value, int):
        # Compared first: what is infinite or no number has no digits.
        value = int(value) if -_LARGEST_NUMBER < value < _LARGEST_NUMBER and value == int(value) else 0
    return str(abs(value)) if _SMALLEST_NUMBER <= abs(value) < _LARGEST_NUMBER else ""
