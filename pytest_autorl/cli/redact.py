"""``autorl redact``: takes out of any text what must not leave, and looks for what has left already."""

from __future__ import annotations

import codecs
import contextlib
import errno
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from pytest_autorl.cli.choice import JsonOption
from pytest_autorl.cli.output import complain, show
from pytest_autorl.errors import UsageError

if TYPE_CHECKING:
    from pytest_autorl.privacy.redactor import Redactor
    from pytest_autorl.privacy.scan import Find

#: Read at once, bytes.
_BLOCK = 64 * 1024
#: A line without end is cut there, characters.
_MOST_HELD = 1024 * 1024
#: So many finds are kept for `--json`, and so many files that were not scanned are named.
_MOST_LISTED = 10_000
#: As shells say that a program was interrupted.
_INTERRUPTED = 130


def redact(
    pattern: Annotated[
        list[str] | None,
        typer.Option("--pattern", metavar="REGEX", help="Take out what it matches; may be repeated."),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--field", metavar="NAME", help="Take out values of fields so named; may be repeated."),
    ] = None,
    spans: Annotated[
        bool, typer.Option("--spans", help="Print where values stand and of which kind, not the text.")
    ] = False,
    scan: Annotated[
        str,
        typer.Option("--scan", metavar="DIR", help="Look for values in all files there. Exit code 1 if any."),
    ] = "",
    strict: Annotated[
        bool,
        typer.Option("--strict", help="With --scan: also exit code 1 when a file could not be searched."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take personal data and secrets out of standard input."""
    if scan and spans:
        raise UsageError("--scan and --spans exclude each other", do="leave one out")
    if strict and not scan:
        raise UsageError("--strict is about --scan", do="add --scan DIR, or leave it out")
    redactor = _redactor(pattern or (), field or ())
    try:
        if scan:
            _scan(scan, redactor, is_strict=strict, as_json=as_json)
        elif spans:
            _write(_spans(redactor, as_json=as_json))
        else:
            _write(_json_text(redactor) if as_json else _text(redactor))
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None
    except OSError as error:
        # A pipe whose reader has gone; Windows says so with EINVAL.
        if not isinstance(error, BrokenPipeError) and error.errno not in (errno.EPIPE, errno.EINVAL):
            raise
        # Python flushes the stream at exit, and would complain again.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _redactor(patterns: Iterable[str], fields: Iterable[str]) -> Redactor:
    """One that knows the secrets of the environment, as in a run. Raises UsageError for a bad pattern."""
    from pytest_autorl.privacy.redactor import Redactor
    from pytest_autorl.privacy.registry import default_registry

    default_registry().from_environment(os.environ)
    return Redactor(patterns=tuple(patterns), fields=tuple(fields))


def _write(chunks: Iterable[bytes]) -> None:
    """To standard output, each at once: a reader that follows sees lines as they come."""
    sys.stdout.flush()
    for chunk in chunks:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def _texts(source: BinaryIO) -> Iterator[tuple[str, str]]:
    """Standard input as it comes, and its encoding. Bytes that are no UTF-8 are surrogates; a mark is part of it."""
    first = source.read1(_BLOCK)  # type: ignore[attr-defined]
    encoding = "utf-8"
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # as PowerShell writes files
        encoding = "utf-16-le" if first.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
    errors = "surrogateescape" if encoding == "utf-8" else "surrogatepass"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    block = first
    while block:
        yield decoder.decode(block), encoding
        block = source.read1(_BLOCK)  # type: ignore[attr-defined]
    try:
        yield decoder.decode(b"", final=True), encoding
    except UnicodeDecodeError:  # half a character of UTF-16
        yield "\ufffd", encoding


def _text(redactor: Redactor) -> Iterator[bytes]:
    ready: list[str] = []
    stream = redactor.stream(ready.append)
    encoding = "utf-8"
    for text, encoding in _texts(sys.stdin.buffer):
        stream.write(text)
        yield _taken(ready, encoding)
    stream.close()
    yield _taken(ready, encoding)


def _taken(ready: list[str], encoding: str) -> bytes:
    text = "".join(ready)
    ready.clear()
    return text.encode(encoding, "surrogateescape" if encoding == "utf-8" else "surrogatepass")


def _json_text(redactor: Redactor) -> Iterator[bytes]:
    """``{"text": "...", "counts": {...}}`` without having all of it in memory."""
    ready: list[str] = []
    stream = redactor.stream(ready.append)

    def taken() -> bytes:
        text = "".join(ready)
        ready.clear()
        return json.dumps(text)[1:-1].encode()

    yield b'{"text": "'
    for text, _ in _texts(sys.stdin.buffer):
        stream.write(text)
        yield taken()
    stream.close()
    yield taken()
    yield b'", "counts": ' + json.dumps(dict(sorted(redactor.counts.items()))).encode() + b"}\n"


def _spans(redactor: Redactor, *, as_json: bool) -> Iterator[bytes]:
    """One object a find; one that has several lines is one in each of them."""
    from pytest_autorl.privacy.textfile import Lines

    number, is_first = 1, True
    if as_json:
        yield b"["
    for text in _blocks((text for text, _ in _texts(sys.stdin.buffer)), redactor):
        lines = Lines(text)
        for span in redactor.spans(text):
            for line in range(lines.line_of(span.start), lines.line_of(span.end - 1) + 1):
                start = lines.starts[line]
                end = lines.starts[line + 1] - 1 if line + 1 < len(lines.starts) else len(text)
                row = {
                    "line": number + line,
                    "start": max(span.start - start, 0),
                    "end": min(span.end, end) - start,
                    "kind": span.kind,
                }
                before = b"" if not as_json else b"\n  " if is_first else b",\n  "
                is_first = False
                yield before + json.dumps(row).encode() + (b"" if as_json else b"\n")
        number += text.count("\n")
    if as_json:
        yield b"]\n" if is_first else b"\n]\n"


def _blocks(texts: Iterable[str], redactor: Redactor) -> Iterator[str]:
    """Texts joined to whole lines, and cut where no value is that has several of them."""
    held = ""
    for text in texts:
        held += text
        end = held.rfind("\n") + 1
        begin = held.rfind("-----BEGIN ", max(end - _MOST_HELD, 0), end)
        if begin >= 0 and "-----END " not in held[begin:end]:
            end = held.rfind("\n", 0, begin) + 1
        end -= redactor.held(held[:end]) if end else 0
        if end == 0 and len(held) > _MOST_HELD:
            end = len(held)
        if end > 0:
            yield held[:end]
            held = held[end:]
    if held:
        yield held


def _scan(name: str, redactor: Redactor, *, is_strict: bool, as_json: bool) -> None:
    from pytest_autorl.privacy.scan import UNSCANNABLE, scan

    path = Path(name)
    if not path.exists():
        raise UsageError(f"there is no {name}", do="name a folder or file that a run has written")
    counts: Counter[bool] = Counter()
    finds: list[Find] = []
    blind: list[Find] = []

    def sorted_out() -> Iterator[str]:
        for find in scan(path, redactor):
            is_blind = find.kind == UNSCANNABLE
            counts[is_blind] += 1
            if is_blind or as_json:
                kept = blind if is_blind else finds
                kept.extend([find] if len(kept) < _MOST_LISTED else [])
            if not is_blind:
                yield f"{find.where}: {find.kind}" + (f" ({find.form})" if find.form else "")

    if as_json:
        for _ in sorted_out():
            pass
        rows = {
            "finds": [find._asdict() for find in finds],
            "not_scanned": [find._asdict() for find in blind],
        }
        show({**rows, "count": counts[False], "not_scanned_count": counts[True]}, [], as_json=True)
    else:
        show(None, sorted_out(), as_json=False)
        for find in blind:
            complain(f"not scanned: {find.where}: {find.note}")
        complain(_summary(counts[False], counts[True]))
    if counts[False] or (is_strict and counts[True]):
        raise typer.Exit(1)


def _summary(finds: int, blind: int) -> str:
    what = "nothing was found" if not finds else f"{finds} {'find' if finds == 1 else 'finds'}"
    return what + (f"; {blind} not scanned" if blind else "")
