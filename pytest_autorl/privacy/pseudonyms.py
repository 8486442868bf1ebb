"""Names for values that must not be seen: equal ones get equal names, and nobody without the key finds the way back.

HMAC with SHA-256 over kind, NUL and the value, in NFKC and without regard to case, cut to 96 bits. A plain hash would
not do: all Social Security numbers can be tried in minutes.
"""

from __future__ import annotations

import hmac
import os
import unicodedata
from functools import cache
from typing import Final

#: Hexadecimal digits of a pseudonym: 96 bits. Two of a million million values meet once in 10**5 tries.
DIGITS: Final = 24


def pseudonym(value: object, *, kind: str = "", key: bytes) -> str:
    """24 hexadecimal digits for a value.

    Args:
        value: Text; bytes are taken as UTF-8 where they are, other values as `str` has them.
        kind: What the value is (``email``): equal values of two kinds get two names. No NUL.
        key: At least 16 secret bytes.
    """
    __tracebackhide__ = True
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
    message = f"{kind}\0{_folded(text)}".encode("utf-8", "surrogatepass")
    return hmac.digest(key, message, "sha256").hex()[:DIGITS]


@cache
def process_key() -> bytes:
    """The key of a process that was given none: 32 random bytes, so its pseudonyms mean nothing to any other."""
    return os.urandom(32)


def _folded(text: str) -> str:
    # Folding may undo the normal form (U+0345), so it comes first and last.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
