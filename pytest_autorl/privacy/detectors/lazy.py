"""Patterns that cost nothing until they are used, and texts in lower case that keep their offsets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from pytest_autorl.privacy.latin import DRAWN


class Lazy:
    """A pattern of `re`, compiled at its first use: most runs need few of them.

    ``\\d``, ``\\w``, ``\\s``, ``\\b`` and case are those of ASCII, as in the gates, unless `flags` says otherwise.
    """

    search: Callable[..., re.Match[str] | None]
    match: Callable[..., re.Match[str] | None]
    fullmatch: Callable[..., re.Match[str] | None]
    finditer: Callable[..., Iterator[re.Match[str]]]
    findall: Callable[[str], list[str]]

    def __init__(self, source: str, flags: int = re.ASCII) -> None:
        self.source = source
        self.flags = flags

    def __getattr__(self, name: str) -> object:
        if name not in ("search", "match", "fullmatch", "finditer", "findall"):
            raise AttributeError(name)
        pattern = re.compile(self.source, self.flags)
        self.search, self.match = pattern.search, pattern.match
        self.fullmatch, self.finditer = pattern.fullmatch, pattern.finditer
        self.findall = pattern.findall
        return getattr(pattern, name)

    def plain(self) -> str:
        """The pattern as RE2 knows it: without what it looks around for, so that it matches a few texts more."""
        pieces: list[str] = []
        depth = skipped = 0
        for piece in _PARTS.findall(self.source):
            if skipped:
                depth += piece[0] == "("
                depth -= piece == ")"
                skipped = depth
            elif piece in ("(?=", "(?!", "(?<=", "(?<!"):
                skipped = depth = 1
            elif piece not in (r"\b", "$"):
                pieces.append(piece)
        return f"(?{'i' if self.flags & re.IGNORECASE else ''}:{''.join(pieces)})"


#: An escape, a class, the beginning of a group, or one character.
_PARTS = Lazy(r"\\[\s\S]|\[\^?\]?(?:\\[\s\S]|[^\]\\])*\]|\((?:\?(?:<?[=!]|[a-z]*:))?|[\s\S]")


class Octets:
    """The same for a pattern over bytes."""

    search: Callable[..., re.Match[bytes] | None]
    match: Callable[..., re.Match[bytes] | None]
    findall: Callable[[bytes], list[bytes]]
    finditer: Callable[[bytes], Iterator[re.Match[bytes]]]

    def __init__(self, source: str) -> None:
        self.source = source

    def __getattr__(self, name: str) -> object:
        if name not in ("search", "match", "findall", "finditer"):
            raise AttributeError(name)
        pattern = re.compile(self.source.encode("latin-1"))
        self.search, self.match = pattern.search, pattern.match
        self.findall, self.finditer = pattern.findall, pattern.finditer
        return getattr(pattern, name)


def lowered(text: str) -> str:
    """The text with ASCII letters in lower case and what is not latin-1 as ``?``: same length, same offsets."""
    if text.isascii():
        return text.lower()
    return text.encode("latin-1", "replace").lower().decode("latin-1")


def drawn_of(text: str) -> bytes:
    """The text as the gates draw it: one byte a character, every ASCII digit as ``0``. Offsets stay."""
    return text.encode("latin-1", "replace").translate(DRAWN)


def places(text: str, needle: str) -> Iterator[int]:
    """Where a string stands in a text."""
    at = text.find(needle)
    while at >= 0:
        yield at
        at = text.find(needle, at + 1)
