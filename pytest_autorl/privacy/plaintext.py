"""What is encrypted: a value as bytes, and back with the type that it had.

One byte for the kind (``s`` text, ``b`` bytes, ``j`` JSON), the value, then the byte 0x80 and NULs up to a multiple of
32, so that a token does not tell how long a password is (padding of ISO/IEC 7816-4). In JSON, bytes and tuples stand as
an object with one key, ``$bytes`` or ``$tuple``; an object of the user whose key begins with ``$`` gets one ``$`` more.
What is of a class derived from one of these (an IntEnum, a named tuple) comes back as the plain one.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Final

_BLOCK: Final = 32
#: Containers in containers.
_DEEPEST: Final = 64


class _NotStorableError(ValueError):
    """The text says why, without the value."""


def dump(value: Any) -> bytes:
    """The value as bytes. Raises ValueError, whose text holds no value, for a type that would not come back."""
    if isinstance(value, str):
        body = b"s" + value.encode("utf-8", "surrogatepass")
    elif isinstance(value, bytes | bytearray):
        body = b"b" + bytes(value)
    else:
        body = b"j" + json.dumps(_plain(value, 0), separators=(",", ":")).encode()
    return body + b"\x80" + bytes(-(len(body) + 1) % _BLOCK)


def load(data: bytes) -> Any:
    """The value in bytes that `dump` made. Raises ValueError for others."""
    end = data.rstrip(b"\0")
    if len(end) < 2 or end[-1] != 0x80:
        raise ValueError("no value is in it")
    kind, body = end[:1], end[1:-1]
    if kind == b"s":
        return body.decode("utf-8", "surrogatepass")
    if kind == b"b":
        return body
    if kind == b"j":
        return _value(json.loads(body))
    raise ValueError("it holds a kind of value that this version does not know")


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth >= _DEEPEST:
        raise _NotStorableError(f"it is nested more than {_DEEPEST} deep, or holds itself")
    if isinstance(value, bytes | bytearray):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, tuple):
        return {"$tuple": [_plain(item, depth + 1) for item in value]}
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise _NotStorableError("it holds a dict with keys that are no text")
        return {_escaped(key): _plain(item, depth + 1) for key, item in value.items()}
    raise _NotStorableError(f"it holds a {type(value).__name__}")


def _escaped(key: str) -> str:
    return f"${key}" if key.startswith("$") else key


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return [_value(item) for item in plain]
    if isinstance(plain, dict):
        if plain.keys() == {"$bytes"}:
            return base64.b64decode(plain["$bytes"])
        if plain.keys() == {"$tuple"}:
            return tuple(_value(item) for item in plain["$tuple"])
        return {key[1:] if key.startswith("$") else key: _value(item) for key, item in plain.items()}
    return plain
