"""Data for logs: what stands in sensitive fields is gone, the rest passes the redactor."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from pytest_autorl.privacy.fields import DEEPEST, Fields, place

#: What takes the place of a sensitive field's value, whatever that was.
REDACTED: Final = "[REDACTED]"
#: Values, at all levels together.
MOST_NODES: Final = 100_000
#: Keys under which a pair's name and value stand, as in ``{"name": "password", "value": "..."}``.
_NAMES: Final = ("name", "key", "field", "header")
_VALUES: Final = frozenset({"value", "values", "val"})


class Texts(Protocol):
    """What takes values out of free text: `privacy.redactor.Redactor`."""

    def redact(self, text: str, /) -> str:
        """The text without them."""

    def redact_data(self, value: Any, /) -> Any:
        """Anything without them."""


class Sanitizer:
    """Makes copies of data that may be logged.

    Args:
        fields: Whose values go, whatever they are.
        texts: Looks through everything else.
    """

    def __init__(self, fields: Fields, texts: Texts) -> None:
        self._fields = fields
        self._texts = texts

    def clean(self, data: Any) -> Any:
        """A copy; the argument is left as it is.

        Dicts (any mapping), lists, tuples, sets and dataclasses are looked into; a dataclass comes back as a dict. The
        value of a sensitive field becomes exactly ``[REDACTED]``, be it text, number, None or a container, and so does
        what is nested more than 64 deep or holds itself, and what comes after 100,000 values. Keys are text too.
        """
        return _Walk(self._fields, self._texts).clean(data, "", 0)


class _Walk:
    """One value's copy: counts what it has met."""

    def __init__(self, fields: Fields, texts: Texts) -> None:
        self._fields = fields
        self._texts = texts
        self._left = MOST_NODES

    def clean(self, value: Any, where: str, depth: int) -> Any:
        # What holds itself twice, or the same again and again, has more values than there is time for.
        self._left -= 1
        if depth > DEEPEST or self._left < 0:
            return REDACTED
        if isinstance(value, str):
            return self._texts.redact(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = {one.name: getattr(value, one.name, None) for one in dataclasses.fields(value)}
        if isinstance(value, Mapping):
            return self._mapping(value, where, depth)
        if isinstance(value, list | tuple):
            return self._sequence(value, where, depth)
        return self._texts.redact_data(value)

    def _mapping(self, value: Mapping[Any, Any], where: str, depth: int) -> dict[Any, Any]:
        hides = self._is_pair(value)
        cleaned = {}
        for key, item in value.items():
            at = place(where, key)
            is_hidden = (hides and str(key).lower() in _VALUES) or self._fields.have(str(key), at)
            shown = self._texts.redact(key) if isinstance(key, str) else key
            cleaned[shown] = REDACTED if is_hidden else self.clean(item, at, depth + 1)
        return cleaned

    def _sequence(self, value: Sequence[Any], where: str, depth: int) -> Any:
        if len(value) == 2 and isinstance(value[0], str) and self._fields.have(value[0], ""):
            # A header, or an item of a dict: ("Authorization", "..."). A list of two names loses one, too.
            items = [value[0], REDACTED]
        else:
            items = [self.clean(item, place(where, number), depth + 1) for number, item in enumerate(value)]
        if isinstance(value, list):
            return items
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)

    def _is_pair(self, value: Mapping[Any, Any]) -> bool:
        """Whether one key's value calls another's sensitive: ``{"name": "password", "value": "..."}``."""
        return any(
            isinstance(named, str) and str(key).lower() in _NAMES and self._fields.have(named, "")
            for key, named in value.items()
        )
