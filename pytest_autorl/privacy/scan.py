"""Looks for what has slipped through: in files of every kind, in archives, and in text that is encoded.

Text is searched as the redactor searches it, in UTF-8, UTF-16 or latin-1. What is decoded (base64, hex, escapes) and
what is read out of binary files holds many a number by chance: there only registered secrets count, and kinds that
have a form of their own, `CHANCE` names the others. What cannot be searched is said, as a find of its own kind.
"""

from __future__ import annotations

import io
import os
import re
import stat
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from pytest_autorl.privacy.decode import parts, unescaped
from pytest_autorl.privacy.redactor import Redactor
from pytest_autorl.privacy.span import Span
from pytest_autorl.privacy.textfile import BLOCK, OVERLAP, Lines, Piece, encoding_of, pieces
from pytest_autorl.privacy.unpack import HEAD, Budget, Member, NotUnpackedError, kind_of, members, reader

#: Kind of a find that says: this was not searched.
UNSCANNABLE: Final = "UNSCANNABLE"
#: Kinds that are little more than digits: not counted where text was decoded. An escape leaves digits as they are.
CHANCE: Final = frozenset({"PHONE", "SSN", "CREDIT_CARD", "IP", "MAC"})
#: The same in binary files, where a word stands beside whatever comes next.
_CHANCE_IN_BINARY: Final = CHANCE | {"PASSWORD", "FIELD"}

#: Containers in containers.
_MOST_DEPTH: Final = 3
#: Encodings in encodings.
_MOST_FORMS: Final = 2

_PRINTABLE = re.compile(rb"[\x20-\x7e\t]{6,4096}")
_WIDE_PRINTABLE = re.compile(rb"(?:[\x20-\x7e]\x00){6,4096}")
_PICTURES = (b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF")


class Find(NamedTuple):
    """Something that should not be there, or a place that was not searched.

    Attributes:
        path: The file, behind ``!`` what lies in it. Its own secrets are taken out.
        line: From 1; 0 for a name, and where there are no lines.
        start, end: Offsets in the line, characters; both 0 where it stands in another form there.
        kind: As in `Span`, or `UNSCANNABLE`.
        form: How it stands there: ``base64``, ``url``, ``binary``; empty for plain text.
        note: Why it was not searched.
    """

    path: str
    line: int
    start: int
    end: int
    kind: str
    form: str = ""
    note: str = ""

    @property
    def where(self) -> str:
        """Path and line for people."""
        return f"{self.path}:{self.line}" if self.line else self.path


def scan(path: Path, redactor: Redactor, *, since_s: float = 0.0) -> Iterator[Find]:
    """All finds in a file, or in the files of a folder and below, in the order of their names.

    Links to folders are not followed. Takes a few megabytes, however large the files are.

    Args:
        since_s: Files that were last written before are left out; seconds since the epoch.
    Raises: FileNotFoundError when there is nothing at the path. What cannot be read below it is a find.
    """
    path.lstat()
    look = _Look(redactor)
    for file in _files(path):
        try:
            status = file.stat()
        except OSError as error:
            yield look.blind(str(file), f"cannot be read: {error.strerror}")
            continue
        if status.st_mtime >= since_s:
            yield from look.at_file(file, path, is_regular=stat.S_ISREG(status.st_mode))


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, names, files in os.walk(path):
        names.sort()
        for name in sorted(files):
            yield Path(folder, name)


class _Look:
    """One scan."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def blind(self, path: str, note: str) -> Find:
        return Find(self._redactor.redact(path), 0, 0, 0, UNSCANNABLE, note=note)

    def at_file(self, file: Path, root: Path, *, is_regular: bool) -> Iterator[Find]:
        path = str(file)
        name = str(file.relative_to(root)) if file != root else file.name
        yield from self._name(path, name)
        if not is_regular:  # reading a pipe would never end
            yield self.blind(path, "is no regular file")
            return
        try:
            with file.open("rb") as stream:
                yield from self._stream(path, stream, Budget(), 0, file.stat().st_size)
        except OSError as error:
            yield self.blind(path, f"cannot be read: {error.strerror}")

    def _name(self, path: str, name: str) -> Iterator[Find]:
        for span in self._redactor.spans(name):
            yield Find(self._redactor.redact(path), 0, 0, 0, span.kind, "name")

    def _stream(
        self, path: str, stream: io.BufferedReader, budget: Budget, depth: int, size: int | None
    ) -> Iterator[Find]:
        head = stream.peek(HEAD)[:HEAD]  # a reader's buffer is larger
        container = kind_of(head)
        if container:
            yield from self._members(path, container, stream, budget, depth, size)
            return
        encoding, skip = encoding_of(stream.peek(BLOCK)[:BLOCK])
        if not encoding:
            yield from self._binary(path, stream, head)
            return
        stream.read(skip)
        for piece in pieces(stream, encoding):
            finds = list(self._text(path, piece, piece.text, budget, depth))
            if piece.other:
                lines = {find.line for find in finds}
                others = self._text(path, piece, piece.other, budget, depth)
                finds = sorted([*finds, *(find for find in others if find.line not in lines)])
            yield from finds

    def _members(
        self,
        path: str,
        container: str,
        stream: io.BufferedReader,
        budget: Budget,
        depth: int,
        size: int | None,
    ) -> Iterator[Find]:
        if depth >= _MOST_DEPTH:
            yield self.blind(path, f"lies in more than {_MOST_DEPTH} archives")
            return
        try:
            for member in members(container, stream, budget, size):
                yield from self._member(path, container, member, budget, depth)
                if budget.is_spent:
                    return
        except NotUnpackedError as error:
            yield self.blind(path, str(error))
        if container == "png":
            yield self.blind(path, "is a picture: its pixels were not read")

    def _member(
        self, path: str, container: str, member: Member, budget: Budget, depth: int
    ) -> Iterator[Find]:
        inner = f"{path}!{member.name}" if member.name else path
        if member.name:
            yield from self._name(inner, member.name)
        try:
            yield from self._stream(inner, member.stream, budget, depth + 1, None)
        except NotUnpackedError as error:
            yield self.blind(inner, str(error))

    def _binary(self, path: str, stream: io.BufferedReader, head: bytes) -> Iterator[Find]:
        """Kinds of what can be read in it, each once; a text may begin in one block and end in the next."""
        before = b""
        seen: set[str] = set(_CHANCE_IN_BINARY)
        while block := stream.read(BLOCK):
            data = before + block
            for pattern, encoding in ((_PRINTABLE, "ascii"), (_WIDE_PRINTABLE, "utf-16-le")):
                text = "\n".join(found.group().decode(encoding) for found in pattern.finditer(data))
                for span in self._redactor.spans(text):
                    if span.kind not in seen:
                        seen.add(span.kind)
                        yield Find(self._redactor.redact(path), 0, 0, 0, span.kind, "binary")
            before = block[-OVERLAP:]
        what = "is a picture: its pixels were not read" if head.startswith(_PICTURES) else "is no text"
        if not head.startswith(b"SQLite format 3\0"):
            yield self.blind(path, f"{what}; only words in it were")

    def _text(self, path: str, piece: Piece, text: str, budget: Budget, depth: int) -> Iterator[Find]:
        spans = self._redactor.spans(text)
        shown = self._redactor.redact(path)
        lines = Lines(text)
        for span in spans:
            if piece.is_cut and span.start >= len(text) - OVERLAP:
                continue  # comes again, whole
            line = lines.line_of(span.start)
            start = span.start - lines.starts[line] + (0 if line else piece.column)
            note = "a search broke" if span.kind == UNSCANNABLE else ""
            yield Find(shown, piece.line + line, start, start + span.end - span.start, span.kind, note=note)
        for line, kind, form in self._hidden(text, lines, spans, budget, depth, _MOST_FORMS):
            yield Find(shown, piece.line + line, 0, 0, kind, form)

    def _hidden(
        self, text: str, lines: Lines, spans: list[Span], budget: Budget, depth: int, forms: int
    ) -> Iterator[tuple[int, str, str]]:
        """Line from 0, kind and form of what stands in a text in another form."""
        for form, plain in unescaped(text):
            known = [text[span.start : span.end] for span in spans]
            known += [value for each in known for _, value in unescaped(each)]
            plain_lines = Lines(plain)
            for span in self._redactor.spans(plain):
                value = plain[span.start : span.end]
                if span.kind not in CHANCE and not any(value in each or each in value for each in known):
                    yield plain_lines.line_of(span.start), span.kind, form
        ends = [span.end for span in spans]
        for part in parts(text):
            following = bisect_right(ends, part.start)
            if following < len(spans) and spans[following].start < part.end:
                continue  # found as it stands there
            line = lines.line_of(part.start)
            if isinstance(part.content, bytes):
                if depth < _MOST_DEPTH:
                    yield from ((line, kind, part.form) for kind in self._packed(part.content, budget, depth))
                continue
            inner = self._redactor.spans(part.content)
            yield from ((line, span.kind, part.form) for span in inner if span.kind not in CHANCE)
            if forms > 1:
                below = self._hidden(part.content, Lines(part.content), inner, budget, depth, forms - 1)
                for _, kind, form in below:
                    yield line, kind, f"{part.form}, {form}"

    def _packed(self, content: bytes, budget: Budget, depth: int) -> Iterable[str]:
        """Kinds of what lies in a container that stands in a text. One that cannot be opened was none."""
        container = kind_of(content) or "zlib"
        stream = reader(io.BytesIO(content), budget)
        for find in self._members("", container, stream, budget, depth, len(content)):
            if find.kind != UNSCANNABLE and find.kind not in CHANCE:
                yield find.kind
