"""Text as bytes: which encoding it is in, and redacting it there.

Files and attachments come without saying what they are. UTF-16 is known by its mark, or by its zeros at every other
byte; what has zeros or control characters elsewhere is no text.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Final

#: What a file in one of these encodings may begin with.
MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: Control characters that text does not have: not tab, line ends, backspace, escape.
_CONTROLS = bytes(set(range(0x20)) - set(b"\b\t\n\v\f\r\x1b")) + b"\x7f"
_MOST_CONTROLS: Final = 0.02
#: Share of zeros at every other byte from which it is UTF-16 of a European language, and below which the rest must be.
_MANY_ZEROS: Final = 0.4
_FEW_ZEROS: Final = 0.05


def redact_octets(data: bytes, redact: Callable[[str], str]) -> bytes | None:
    """The bytes with their text redacted, in its encoding; None where they are no text."""
    for mark, encoding in MARKS:
        if data.startswith(mark):
            body = _through(data[len(mark) :], encoding, redact)
            return None if body is None else mark + body
    wide = wide_encoding(data)
    if wide:
        made = _through(data, wide, redact)
        # A text may hold another one's UTF-16 as characters: where the wide reading finds nothing, the narrow one may.
        if made is not None and made != data:
            return made
        narrow = _narrow(data, redact)
        return made if narrow == data else narrow
    if is_full_of_controls(data):
        return _odd(data, redact)
    return _narrow(data, redact)


def _odd(data: bytes, redact: Callable[[str], str]) -> bytes | None:
    """Full of control characters, and UTF-8 all the same: another encoding, taken for characters and written."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    redacted = redact(text)
    return None if redacted == text else redacted.encode("utf-8")


def _narrow(data: bytes, redact: Callable[[str], str]) -> bytes:
    """As UTF-8, or byte by byte."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        # Log lines of several programs in one file: as UTF-8 what is UTF-8, then all of it byte by byte.
        mixed = redact(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        return redact(mixed.decode("latin-1")).encode("latin-1")
    return redact(text).encode("utf-8")


def is_full_of_controls(data: bytes) -> bool:
    """Whether so many characters are none of a text, that it is none in ASCII or an encoding like it."""
    return len(data) - len(data.translate(None, _CONTROLS)) > len(data) * _MOST_CONTROLS


def wide_encoding(data: bytes) -> str:
    """Which UTF-16 it is, as far as its zeros tell; "" for none."""
    if len(data) < 4 or 0 not in data:
        return ""
    even, odd = data[::2], data[1::2]
    zeros_even, zeros_odd = even.count(0) / len(even), odd.count(0) / len(odd)
    if zeros_odd >= _MANY_ZEROS and zeros_even <= _FEW_ZEROS:
        return "utf-16-le"
    if zeros_even >= _MANY_ZEROS and zeros_odd <= _FEW_ZEROS:
        return "utf-16-be"
    return ""


def _through(data: bytes, encoding: str, redact: Callable[[str], str]) -> bytes | None:
    try:
        return redact(data.decode(encoding, "surrogatepass")).encode(encoding, "surrogatepass")
    except UnicodeError:
        return None
