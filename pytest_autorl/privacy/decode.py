"""Text that stands in a text in another form: base64, hex, escapes of URLs, JSON, HTML and Python.

Every run of base64 or hex is decoded, and taken for something only when it becomes text throughout or the beginning of
a known container: digests, ids, fonts and long names become noise, and noise is dropped.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple
from urllib.parse import unquote

from pytest_autorl.privacy.textfile import encoding_of

#: Less decoded text becomes text by chance, characters.
_SHORTEST_TEXT: Final = 12

# One class, so that `re` runs over it in C: what a run is, is decided afterwards. Hex is base64 too.
_RUN = re.compile(r"[A-Za-z0-9+/_-]{20,1048576}={0,2}")
_HEX = re.compile(r"[0-9a-f]{24,1048576}|[0-9A-F]{24,1048576}")
#: Lines of base64 in mail and PEM are one run; they have this many characters (RFC 2045, RFC 7468).
_WRAPPED = range(60, 77)
_MORE = re.compile(r"\r?\n([A-Za-z0-9+/]{1,76}={0,2})(?=\r?\n|$)")
_TO_STANDARD = str.maketrans("-_", "+/")
#: First bytes of what `unpack` opens: gzip, zlib, ZIP, PNG, bzip2, xz.
_CONTAINERS = (
    b"\x1f\x8b\x08",
    b"x\x01",
    b"x\x9c",
    b"x\xda",
    b"PK\x03\x04",
    b"\x89PNG\r\n",
    b"BZh",
    b"\xfd7zXZ\0",
)

_URL_RUN = re.compile(r"(?:%[0-9A-Fa-f]{2}){1,4096}")
_HTML_ESCAPE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,31});")
_SLASH_ESCAPES = re.compile(r"""\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|(["'\\/])|([nrt]))""")
#: Line ends within an escape: the text has to keep its lines.
_KEEP_LINES = str.maketrans("\n", "\r")


class Part(NamedTuple):
    """Something that was decoded.

    Attributes:
        start, end: Where it stands in the text, characters.
        form: base64 or hex.
        content: Text, or bytes of a container.
    """

    start: int
    end: int
    form: str
    content: str | bytes


def parts(text: str) -> Iterator[Part]:
    """What the runs of base64 and hex in a text hold."""
    done = 0
    for found in _RUN.finditer(text):
        start, end = found.span()
        if start < done:
            continue  # a line of the one before
        run = found.group()
        for digits in _HEX.finditer(run):
            whole = digits.group()[: len(digits.group()) // 2 * 2]
            content = _meaning(bytes.fromhex(whole))
            if content:
                yield Part(start + digits.start(), start + digits.end(), "hex", content)
        if len(run) in _WRAPPED:
            run, end = _joined(text, run, end)
        content = _meaning(_decoded(run.rstrip("=").translate(_TO_STANDARD)))
        if content:
            done = end
            yield Part(start, end, "base64", content)


def _joined(text: str, run: str, end: int) -> tuple[str, int]:
    """A run with the lines below it that go on with it, and where they end."""
    lines = [run]
    while len(lines[-1]) == len(run) and (more := _MORE.match(text, end)):
        lines.append(more.group(1))
        end = more.end()
    return "".join(lines), end


def _decoded(run: str) -> bytes:
    # A run that was cut, or whose end is none: what is whole in it.
    over = len(run) % 4
    padded = run[: len(run) - over] if over == 1 else run + "=" * (-len(run) % 4)
    return base64.b64decode(padded)


def unescaped(text: str) -> Iterator[tuple[str, str]]:
    """The whole text without the escapes of one language, for each of which it has some: (language, text).

    It has the same lines: an escaped line end becomes a carriage return.
    """
    if "%" in text and _URL_RUN.search(text):
        yield "url", _keeping_lines(text, _URL_RUN, _url_run)
    if "&" in text and _HTML_ESCAPE.search(text):
        yield "html", _keeping_lines(text, _HTML_ESCAPE, lambda found: html.unescape(found.group()))
    if "\\" in text and _SLASH_ESCAPES.search(text):
        yield "json", _keeping_lines(text, _SLASH_ESCAPES, _slash_escape)


def _url_run(found: re.Match[str]) -> str:
    return unquote(found.group(), errors="replace")


def _slash_escape(found: re.Match[str]) -> str:
    number, octet, itself, control = found.groups()
    if number or octet:
        return chr(int(number or octet, 16))
    return itself or {"n": "\n", "r": "\r", "t": "\t"}[control]


def _keeping_lines(text: str, pattern: re.Pattern[str], decode: Callable[[re.Match[str]], str]) -> str:
    return pattern.sub(lambda found: decode(found).translate(_KEEP_LINES), text)


def _meaning(raw: bytes) -> str | bytes | None:
    """Text or container that bytes are; None for noise."""
    if raw.startswith(_CONTAINERS):
        return raw
    encoding, skip = encoding_of(raw)
    try:
        text = raw[skip:].decode(encoding) if encoding else ""
    except UnicodeDecodeError:
        return None
    return text if len(text) >= _SHORTEST_TEXT and _is_text(text) else None


def _is_text(text: str) -> bool:
    return text.isprintable() or all(char.isprintable() or char in "\t\r\n\ufeff" for char in text)
