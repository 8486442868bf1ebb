"""Texts as the gates see them: one byte a character, so that offsets stay, and digits alike."""

from __future__ import annotations

#: What `draw` does, and `blur`, for those who translate many texts.
DRAWN = bytes(48 if 48 <= code <= 57 else code for code in range(256))
BLURRED = bytes(49 if 49 <= code <= 57 else code for code in range(256))


def latin(text: str) -> bytes:
    """The text in latin-1; what that does not have is ``?``."""
    return text.encode("latin-1", "replace")


def draw(octets: bytes) -> bytes:
    """The text with every digit as ``0``, so that a shape of digits is a substring."""
    return octets.translate(DRAWN)


def blur(octets: bytes) -> bytes:
    """The text with every digit from 1 to 9 as ``1``: an automaton that tells ten digits apart has far more states."""
    return octets.translate(BLURRED)


def blurred(pattern: str) -> str:
    """A pattern for blurred texts from one in which all digits stand for themselves, none counts; of latin-1."""
    return blur(pattern.encode("latin-1")).decode("latin-1")
