"""A text as a language model may read it: the disguises of an instruction taken off, one after the other.

Each reading is NFKC, without marks and characters that nobody sees, case-folded, on one line with single spaces. Takes
time linear in the text.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

#: Tag characters spell ASCII that nothing shows (Unicode 16, section 23.9); U+E0000 above each.
_TAGS: Final = re.compile("[\U000e0000-\U000e007f]+")
#: The one use they have: flags of regions, a black flag and its code.
_FLAGS: Final = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f")
#: Characters that take no room: zero-width, bidi controls, soft hyphen, fillers, variation selectors.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\U000e0000-\U000e007f\U000e0100-\U000e01ef]+"
)
#: Text after a right-to-left override is shown from its end, U+202E to U+202C.
_REVERSED: Final = re.compile("\u202e([^\u202c\n]*)")
#: Embeddings and overrides; isolates and marks are what languages use.
_HARMFUL: Final = re.compile("[\u202a-\u202e]")
_SPACES: Final = re.compile(r"\s+")
#: A base64 text of twelve bytes and more.
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
#: Twelve bytes and more, two digits each.
_HEX: Final = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}){12,}(?![0-9A-Fa-f])")
_ESCAPES: Final = re.compile(r"\\u\{?([0-9a-fA-F]{4})\}?|\\x([0-9a-fA-F]{2})")
#: Letters with something between each two: i g n o r e, i.g.n.o.r.e.
_SPACED: Final = re.compile(r"(?<![^\W_])(?:[^\W_](?:[ ._*|/-]{1,3})){5,}[^\W_](?![^\W_])")
_NO_LETTER: Final = re.compile(r"[\W_]+")
#: Digits and signs that stand for letters, within a word that has a letter.
_LEET: Final = str.maketrans("013457@$!|", "oieastasil")
_LEET_WORD: Final = re.compile(r"[a-z0-9@$!|]+")
_LEET_SIGN: Final = re.compile(r"[0-9@$!|]")
#: Letters that look like ours: Cyrillic, Greek, small capitals, Armenian (Unicode Technical Standard 39).
_LOOKALIKES: Final = str.maketrans(
    "авеѕіїјкӏмнорстухԁһԛԝьпгαβγεηικνορστυχωɑɡıʟᴀʙᴄᴅᴇꜰɢʜɪᴊᴋᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢօոսցհ",
    "abesiijklmhopctyxdhqwbnrabyenikvopotuxwagilabcdefghijkmnoprstuvwyzonugh",
)
#: Marks on letters; those of other scripts are letters of their own.
_ACCENTS: Final = re.compile("[\u0300-\u036f]+")
_APOSTROPHES: Final = re.compile("['\u2018\u2019\u02bc`\u00b4]")


def readings(text: str) -> dict[str, str]:
    """The text as it reads without its disguises: reading to the disguise that it had, "" first for the text itself.

    What is decoded (base64, percent signs, HTML entities, escapes, tag characters, turned text) is decoded once.
    """
    plain = _FLAGS.sub("", text)
    found = {folded(plain): ""}
    for disguise, inner in (("", plain), *_decoded(plain)):
        line = folded(inner)
        found.setdefault(line, disguise)
        found.setdefault(_resembled(line), disguise or "lookalikes")
        if _SPACED.search(inner):
            found.setdefault(folded(_SPACED.sub(_joined, inner)), disguise or "spaced letters")
    return found


def folded(text: str) -> str:
    """NFKC, nothing invisible, no accents, case-folded, single spaces."""
    seen = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    bare = (
        _ACCENTS.sub("", unicodedata.normalize("NFD", seen.casefold()))
        if not seen.isascii()
        else seen.lower()
    )
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", bare)).strip()


def words(line: str) -> str:
    """The words of a reading alone, a space between each two; what has an apostrophe is one word."""
    return _NO_LETTER.sub(" ", _APOSTROPHES.sub("", line)).strip()


def has_hidden_text(text: str) -> bool:
    """Whether tag characters spell something: nothing that people see has them, but for flags."""
    return _TAGS.search(_FLAGS.sub("", text)) is not None


def without_overrides(text: str) -> str:
    """The text without what makes it look other than it reads, and which no language needs: overrides of direction."""
    return _HARMFUL.sub("", text)


def _decoded(text: str) -> Iterator[tuple[str, str]]:
    tagged = "".join(chr(ord(char) - 0xE0000) for run in _TAGS.findall(text) for char in run)
    if tagged:
        yield "tag characters", tagged
    turned = " ".join(part[::-1] for part in _REVERSED.findall(text))
    if turned:
        yield "turned text", turned
    opened = " ".join(filter(None, map(_from_base64, _BASE64.findall(text))))
    if opened:
        yield "base64", opened
    spelled_out = " ".join(filter(None, map(_from_hex, _HEX.findall(text))))
    if spelled_out:
        yield "hexadecimal digits", spelled_out
    # Who turns a text this way must tell the model so.
    lower = text.lower()
    if "rot13" in lower or "rot 13" in lower:
        yield "rot13", codecs.decode(text, "rot13")
    if "revers" in lower or "backward" in lower or "esrever" in lower:
        yield "turned text", text[::-1]
    if "%" in text and (unquoted := unquote(text, errors="ignore")) != text:
        yield "percent signs", unquoted.replace("+", " ")
    if "&" in text and (unescaped := html.unescape(text)) != text:
        yield "HTML entities", unescaped
    if "\\" in text and (spelled := _ESCAPES.sub(_character, text)) != text:
        yield "escapes", spelled


def _from_base64(run: str) -> str:
    """What a run of its letters says; "" where that is no text."""
    bare = run.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return _if_text(base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4)))
    except binascii.Error:
        return ""


def _from_hex(run: str) -> str:
    return _if_text(bytes.fromhex(run))


def _if_text(data: bytes) -> str:
    """What bytes say, a cut end forgiven; "" where that is no text."""
    text = data.decode(errors="ignore")
    shown = sum(char.isprintable() or char.isspace() for char in text)
    return text if shown > 0.9 * len(data.decode(errors="replace")) else ""


def _character(match: re.Match[str]) -> str:
    return chr(int(match[1] or match[2], 16))


def _joined(match: re.Match[str]) -> str:
    return _NO_LETTER.sub("", match[0])


def _resembled(line: str) -> str:
    return _LEET_WORD.sub(_unleeted, line.translate(_LOOKALIKES))


def _unleeted(match: re.Match[str]) -> str:
    word = match[0]
    if not _LEET_SIGN.search(word) or _LEET_SIGN.sub("", word) == "":
        return word
    end = word.rstrip("!")
    return end.translate(_LEET) + word[len(end) :]
