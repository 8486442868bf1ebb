"""A file read as text, piece by piece: its encoding, and where its lines are."""

from __future__ import annotations

import codecs
import io
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final, NamedTuple

from pytest_autorl.privacy.octets import MARKS, is_full_of_controls, wide_encoding

#: Read at once, bytes.
BLOCK: Final = 256 * 1024
#: A line without end is cut there, characters; so much of its end is given once more with what follows.
MOST_LINE: Final = 2 * 1024 * 1024
OVERLAP: Final = 4 * 1024

_LINE_END = re.compile("\n")
#: Share of bytes above ASCII from which what is no UTF-8 is no text of another encoding either.
_MOST_HIGH: Final = 0.3


class Piece(NamedTuple):
    """Whole lines of a file.

    Attributes:
        text: Bytes that are no UTF-8 are surrogates.
        other: The same in latin-1, where there are such bytes; else empty.
        line, column: Of its first character; lines from 1, columns from 0.
        is_cut: A line goes on behind it: about `OVERLAP` characters of its end come once more.
    """

    text: str
    other: str
    line: int
    column: int
    is_cut: bool


def encoding_of(head: bytes) -> tuple[str, int]:
    """Encoding and length of the mark, of a file that begins so; no encoding for what is no text."""
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding, len(mark)
    wide = wide_encoding(head)
    if wide:
        return wide, 0
    if is_full_of_controls(head):
        return "", 0
    try:
        # A character at the end may be cut.
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        high = len(head) - len(head.translate(None, bytes(range(0x80, 0x100))))
        return ("", 0) if high > len(head) * _MOST_HIGH else ("utf-8", 0)
    return "utf-8", 0


def pieces(stream: io.BufferedReader, encoding: str) -> Iterator[Piece]:
    """The rest of a stream."""
    held, line, column = b"", 1, 0
    for block in _in_utf8(stream, encoding):
        end = block.rfind(b"\n") + 1
        if end == 0:
            held += block
            if len(held) >= MOST_LINE:
                piece = _piece(held, line, column, is_cut=True)
                yield piece
                held = held[_character_at(held, len(held) - OVERLAP) :]
                column += len(piece.text) - len(held.decode("utf-8", "surrogateescape"))
            continue
        yield _piece(held + block[:end], line, column)
        line += held.count(b"\n") + block.count(b"\n")
        held, column = block[end:], 0
    if held:
        yield _piece(held, line, column)


class Lines:
    """Where the lines of a text begin; found out when first asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts: list[int] = []

    @property
    def starts(self) -> list[int]:
        """Offsets of the first character of each line."""
        if not self._starts:
            self._starts = [0, *(found.end() for found in _LINE_END.finditer(self._text))]
        return self._starts

    def line_of(self, offset: int) -> int:
        """Which line an offset lies in, from 0."""
        return bisect_right(self.starts, offset) - 1


def _in_utf8(stream: io.BufferedReader, encoding: str) -> Iterator[bytes]:
    if encoding == "utf-8":
        while block := stream.read(BLOCK):
            yield block
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    while block := stream.read(BLOCK):
        yield decoder.decode(block).encode("utf-8", "replace")
    yield decoder.decode(b"", True).encode("utf-8", "replace")


def _piece(raw: bytes, line: int, column: int, *, is_cut: bool = False) -> Piece:
    try:
        return Piece(raw.decode("utf-8"), "", line, column, is_cut)
    except UnicodeDecodeError:
        return Piece(raw.decode("utf-8", "surrogateescape"), raw.decode("latin-1"), line, column, is_cut)


def _character_at(raw: bytes, at: int) -> int:
    """Where the character begins of which this byte is a part."""
    while at > 0 and raw[at] & 0xC0 == 0x80:
        at -= 1
    return at
