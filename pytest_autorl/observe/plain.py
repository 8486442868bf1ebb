"""Any value as plain data: what JSON knows, and bytes.

Redaction comes after this step and not before it: an object is text by then, and the redactor sees the very text
that is written.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

#: Deeper values are cut, and so what holds itself.
DEPTH = 24
#: Longer values are cut: so many leaves and containers.
NODES = 10_000
#: Stands where something was cut.
CUT = "[CUT]"

#: What needs no second look: most values.
_LEAVES = frozenset({type(None), bool, str, bytes})

#: Larger integers cannot be written in decimal (`sys.set_int_max_str_digits`).
_BITS = 10_000


def plain(value: Any) -> Any:
    """None, bool, int, finite float, str, bytes, list, dict with text keys; anything else becomes text.

    Dataclasses become dicts of the fields that their repr shows: a redactor knows names of fields. Never raises,
    and does not change the value.
    """
    return _Walk().plain(value, DEPTH)


def text(value: Any) -> str:
    """``str(value)``, and a text of ours when that fails."""
    try:
        return str(value)
    except Exception as error:  # the object's own code
        return f"<{type(value).__name__}: its text fails with {type(error).__name__}>"


class _Walk:
    """One value's conversion: counts what it has met."""

    def __init__(self) -> None:
        self._left = NODES

    def plain(self, value: Any, depth: int) -> Any:
        if type(value) in _LEAVES:
            return value
        if isinstance(value, str):
            return str.__str__(value)  # an enum's member may call itself something else
        if isinstance(value, int):
            return int(value) if value.bit_length() < _BITS else hex(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else repr(float(value))
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        try:
            return self._nested(value, depth)
        except Exception as error:  # a mapping or sequence of somebody else's, that does not keep its word
            return f"<{type(value).__name__}: cannot be read, {type(error).__name__}>"

    def _nested(self, value: Any, depth: int) -> Any:
        if type(value) is dict:
            return self._mapping(value, depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            shown = {one.name: getattr(value, one.name) for one in dataclasses.fields(value) if one.repr}
            return self._mapping(shown, depth)
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple | AbstractSet):
            out = []
            for one in value:
                if self._is_spent(depth):
                    out.append(CUT)
                    break
                out.append(self.plain(one, depth - 1))
            return out
        if isinstance(value, BaseException):
            return f"{type(value).__name__}: {text(value)}"
        return text(value)

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, one in value.items():
            if self._is_spent(depth):
                out[CUT] = CUT
                break
            out[key if type(key) is str else text(key)] = self.plain(one, depth - 1)
        return out

    def _is_spent(self, depth: int) -> bool:
        self._left -= 1
        return depth <= 0 or self._left < 0
