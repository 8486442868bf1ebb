"""What stands in place of a value: ``[REDACTED:EMAIL#2]``, and in names ``REDACTED-EMAIL-2``.

Equal values have equal numbers within one numbering, so that a reader can follow one through a report. The values
themselves are not kept: a numbering knows their keyed hashes, and the key is of this process.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

from pytest_autorl.privacy.locking import Locked

#: Values that one numbering tells apart; those after them have no number.
MOST_VALUES: Final = 10_000
#: In place of a text that could not be searched.
UNSCANNABLE: Final = "UNSCANNABLE"

_LAST_NUMBER: Final = 999_999
_PLACEHOLDER = re.compile(
    r"\[REDACTED(?::([A-Z][A-Z0-9_]{0,31})(?:#([1-9][0-9]{0,5}))?)?\]"
    r"|REDACTED-([A-Z][A-Z0-9_]{0,31})-(0|[1-9][0-9]{0,5})(?![0-9])"
)
#: Without numbers: there is nothing to tell apart.
_MARKS = frozenset({UNSCANNABLE, "CYCLE", "DEPTH", "SIZE"})
_KIND = re.compile(r"[A-Z][A-Z0-9_]{0,31}")
_DIGITS = frozenset({"CREDIT_CARD", "PHONE", "SSN"})
_KEY = os.urandom(32)


def is_kind(text: str) -> bool:
    """Whether this can stand in a placeholder as the kind of a value."""
    return _KIND.fullmatch(text) is not None


def is_placeholder(text: str) -> bool:
    """Whether the text is one placeholder and nothing else."""
    return _PLACEHOLDER.fullmatch(text) is not None


def places(text: str) -> list[tuple[int, int]]:
    """Where placeholders stand in a text, from left to right."""
    return [found.span() for found in _PLACEHOLDER.finditer(text)] if "REDACTED" in text else []


def numbers_in(text: str) -> Iterator[tuple[str, int]]:
    """Kinds and numbers of the placeholders in a text."""
    for kind, number, name_kind, name_number in _PLACEHOLDER.findall(text):
        if number or name_number:  # 0 is the name's way to have none
            yield kind or name_kind, int(number or name_number)


def bracketed(kind: str, number: int | None) -> str:
    """As it stands in text."""
    return f"[REDACTED:{kind}]" if number is None else f"[REDACTED:{kind}#{number}]"


def named(kind: str, number: int | None) -> str:
    """As it stands in names of tests and files, where brackets and colons mean something."""
    return f"REDACTED-{kind}-{number or 0}"


class Numbering(Locked):
    """Which value has which number. Safe for threads."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: dict[bytes, int] = {}
        self._next: dict[str, int] = {}

    def number(self, kind: str, value: str) -> int | None:
        """The number of a value, the same for equal ones; None where it can have none."""
        if kind in _MARKS:
            return None
        digest = blake2b(
            f"{kind}\0{_normal(kind, value)}".encode("utf-8", "surrogatepass"), key=_KEY, digest_size=16
        )
        key = digest.digest()
        with self.lock:
            number = self._numbers.get(key)
            if number is None:
                number = self._next.get(kind, 1)
                if len(self._numbers) >= MOST_VALUES or number >= _LAST_NUMBER:
                    return None
                self._numbers[key] = number
                self._next[kind] = number + 1
            return number

    def reserve(self, text: str) -> None:
        """Give the numbers of the placeholders in this text to no other value."""
        with self.lock:
            for kind, number in numbers_in(text):
                self._next[kind] = max(self._next.get(kind, 1), number + 1)


def _normal(kind: str, value: str) -> str:
    if kind == "EMAIL":
        return value.casefold()
    if kind in _DIGITS:
        return "".join(char for char in value if char.isdigit())
    return value
