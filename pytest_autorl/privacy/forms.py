"""How one secret may be spelled in what a run writes: encoded, escaped, line by line.

Base64 of a longer text holds the secret in one of three spellings, which depend on how many bytes stand before it. The
characters at both edges mix its bits with its neighbours'; they are cut, what is left is always the same.
"""

from __future__ import annotations

import base64
import html
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final
from urllib.parse import quote, quote_plus

#: Longer values are not looked for in two escapings at once, characters.
_LONGEST_TWICE: Final = 1000
#: No escaping but that of URLs changes these; among them is what base64 is made of, but for the slash.
_PLAIN = re.compile(r"[A-Za-z0-9 _.,:;=+*@#%!?|~^$()\[\]{}-]*")
#: A line or a part of a secret that is shorter is left to its neighbours, characters.
SHORTEST_PART: Final = 8
#: A shorter spelling would be met everywhere by chance, and so would one that is all question marks; characters.
SHORTEST_FORM: Final = 4
#: Less of the base64 of a value would be met by chance, characters.
_SHORTEST_CUT: Final = 6
#: Of lines of base64: `base64.encodebytes` and mail, PEM; characters.
_WIDTHS: Final = (76, 64)
#: Longer values are also known by their parts, since pytest and others cut long texts; characters.
_LONG: Final = 80
_PART: Final = 32
_MOST_PARTS: Final = 256


def forms(value: str | bytes) -> list[str]:
    """All spellings of a value, longest first, each once.

    Bytes that are no UTF-8 are spelled as latin-1, which is how they look where somebody decodes them.
    """
    raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    text = value if isinstance(value, str) else _decoded(value)
    found = {text, text.strip(), *_encoded(raw, text)}
    if not text.isascii():
        # File systems, keyboards and browsers compose accents, or take them apart.
        for shape in ("NFC", "NFD"):
            other = unicodedata.normalize(shape, text)
            if other != text:
                found.update((other, *_encoded(other.encode("utf-8", "surrogatepass"), other)))
    for line in _lines(text):
        found.update((line, *_encoded(line.encode("utf-8", "surrogatepass"), line)))
    # Not of the parts' encodings: whoever encodes a value encodes all of it.
    found.update(_parts(text))
    # A stream holds no line back for an empty one; what begins so is known without it.
    found.update([form.lstrip() for form in found if "\n" in form and form[0].isspace()])
    found = {form for form in found if len(form) >= SHORTEST_FORM and form.strip("?")}
    return sorted(found, key=lambda form: (-len(form), form))


def _encoded(raw: bytes, text: str) -> Iterator[str]:
    yield from _base64(raw)
    yield from (raw.hex(), raw.hex().upper())
    yield from _escaped(text)
    yield from _wide(text)


def _base64(raw: bytes) -> Iterator[str]:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        alone = encode(raw).decode("ascii")
        yield from (alone, alone.rstrip("="), quote(alone, safe=""))
        for before in range(3):
            # Whole characters of the secret begin after the bits of what stands before it.
            first = -(-before * 8 // 6)
            last = (before + len(raw)) * 8 // 6
            if last - first >= _SHORTEST_CUT:
                sure = encode(b"\0" * before + raw).decode("ascii")[first:last]
                yield from (sure, quote(sure, safe=""))
    whole = base64.b64encode(raw).decode("ascii")
    for width in _WIDTHS:
        if len(whole) > width:
            lines = (whole[start : start + width] for start in range(0, len(whole), width))
            yield from (line for line in lines if len(line) >= SHORTEST_PART)


def _escaped(text: str) -> Iterator[str]:
    """As it stands in text of another language: once, and that within another again (a repr in HTML)."""
    for url in (_quoted(text, ""), _quoted(text, "/"), quote_plus(text, errors="surrogatepass")):
        yield from (url, _lower_hex(url))
    if "\n" in text:
        crossed = text.replace("\r\n", "\n").replace("\n", "\r\n")
        yield from (crossed, crossed.strip())
    # A value of letters and digits is spelled alike in all of them, and takes no time here.
    if _PLAIN.fullmatch(text):
        return
    once = {escape(text) for escape in _ESCAPES}
    yield from once
    if len(text) <= _LONGEST_TWICE:
        yield from (escape(each) for each in once for escape in _ESCAPES)


def _in_quotes(text: str, quote: str) -> str:
    """Between these quotes in the source of a program; quotes of the other kind stay."""
    other = "'" if quote == '"' else '"'
    # Both kinds in a text make repr choose single quotes, and escape those within.
    bare = repr(other + text + quote)[1:-1]
    if bare.startswith("\\"):
        bare = bare[1:]
    inner = bare[1 : -1 if quote == '"' else -2]
    return inner if quote == "'" else inner.replace("\\'", "'").replace('"', '\\"')


def _as_bytes(text: str) -> str:
    return repr(text.encode("utf-8", "surrogatepass"))[2:-1]


def _misread(text: str) -> str:
    """UTF-8 that was taken for latin-1."""
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


def _narrowed(text: str, errors: str) -> str:
    """In ASCII, as streams have it whose encoding lacks a character."""
    return text.encode("ascii", errors).decode("ascii")


def _markup(text: str, double: str, single: str) -> str:
    return html.escape(text, quote=False).replace('"', double).replace("'", single)


_ESCAPES: tuple[Callable[[str], str], ...] = (
    str,
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),  # as PHP and some Java have it
    partial(_in_quotes, quote="'"),
    partial(_in_quotes, quote='"'),
    lambda text: repr(text)[1:-1],
    lambda text: ascii(text)[1:-1],
    lambda text: text.encode("unicode_escape").decode("ascii"),  # as pytest's ids have it
    _as_bytes,
    partial(_markup, double='"', single="'"),
    partial(_markup, double="&quot;", single="'"),
    partial(_markup, double="&quot;", single="&#x27;"),
    partial(_markup, double="&quot;", single="&#39;"),
    partial(_markup, double="&#34;", single="&#39;"),
    partial(_markup, double="&quot;", single="&apos;"),
    *(partial(_narrowed, errors=errors) for errors in ("xmlcharrefreplace", "backslashreplace", "replace")),
    _misread,
    lambda text: text.replace("'", "'\"'\"'"),  # as shlex.quote has it
)


def _wide(text: str) -> Iterator[str]:
    for encoding in ("utf-16-le", "utf-16-be"):
        wide = text.encode(encoding, "surrogatepass").decode("latin-1").strip("\0")
        yield from (wide, repr(wide)[1:-1], json.dumps(wide)[1:-1])


def _lines(text: str) -> Iterator[str]:
    lines = text.splitlines()
    if len(lines) > 1:
        for line in lines[:_MOST_PARTS]:
            bare = line.strip()
            # The frame of a PEM block is no secret, and stands in the text of many errors.
            if len(bare) >= SHORTEST_PART and not bare.startswith("-----"):
                yield bare


def _parts(text: str) -> Iterator[str]:
    if len(text) > _LONG and "\n" not in text.strip():
        # Spread over all of it: who has found one looks how far the value goes on to both sides.
        for start in range(0, len(text), max(_PART, -(-len(text) // _MOST_PARTS))):
            part = text[start : start + _PART]
            if len(part) >= SHORTEST_PART:
                yield part


def _quoted(text: str, safe: str) -> str:
    return quote(text, safe=safe, errors="surrogatepass")


def _lower_hex(url: str) -> str:
    pieces = url.split("%")
    return "%".join((pieces[0], *(piece[:2].lower() + piece[2:] for piece in pieces[1:])))


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
