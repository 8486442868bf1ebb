"""Signed web tokens and private keys."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from pytest_autorl.privacy.detector import Detector
from pytest_autorl.privacy.detectors.lazy import Lazy, places
from pytest_autorl.privacy.span import Span
from pytest_autorl.privacy.vocabulary import Words

# ---- JSON Web Tokens (RFC 7519), signed, unsigned and encrypted (RFC 7516)

JWT_PART = Lazy(r"[\w\-]{1,16384}={0,2}")
#: "eyJ" is ``{"`` in base64, "ZXlK" is "eyJ" in base64 once more.
TWICE = Lazy(r"ZXlK[\w+/\-]{24,16384}={0,2}")


def find_jwt(text: str) -> Iterator[Span]:
    at = text.find("eyJ")
    while at >= 0:
        end = end_of_jwt(text, at)
        if end is None:
            run = JWT_PART.match(text, at)
            end = run.end() if run else at + 3
        else:
            yield Span(at, end, "JWT")
        at = text.find("eyJ", end)
    at = text.find("ZXlK")
    while at >= 0:
        run = TWICE.match(text, at)
        if run is None:
            at = text.find("ZXlK", at + 4)
            continue
        if holds_jwt(run.group()):
            yield Span(*run.span(), "JWT")
        at = text.find("ZXlK", run.end())


def end_of_jwt(text: str, start: int) -> int | None:
    """The end of the token that begins here, None if none does."""
    end, parts = start, 0
    while parts < 5:
        part = JWT_PART.match(text, end)
        if part is None or (parts == 0 and part.end() - end < 12):
            break
        end = part.end()
        parts += 1
        if text[end : end + 1] != "." or parts == 5:
            break
        end += 1
    if parts >= 3 or (parts == 2 and end - start >= 24):
        # Two parts and a dot are an unsigned one; a dot that ends a sentence stays outside.
        dot = text[end - 1 : end] == "." and parts != 2
        end = end - 1 if dot else end
        return end if is_json(text[start : text.index(".", start)]) else None
    return None


def is_json(part: str) -> bool:
    """Whether base64 holds the beginning of a JSON object, as the first part of each token does."""
    whole = part.rstrip("=")
    whole = whole[: len(whole) & ~3]
    try:
        plain = base64.urlsafe_b64decode(whole)
    except (binascii.Error, ValueError):
        return False
    return plain[:2] == b'{"' and all(31 < code < 127 for code in plain[2:12])


def holds_jwt(encoded: str) -> bool:
    whole = encoded.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        plain = base64.b64decode(whole[: len(whole) & ~3]).decode("ascii")
    except (binascii.Error, ValueError):
        return False
    return end_of_jwt(plain, 0) is not None


JWT = Detector(
    name="jwt",
    gate=r"eyJ[\w\-]{8}[\w\-=]*\.[\w\-]|ZXlK[\w+/\-]{20}",
    words=(Words(stems=("eyj", "zxlk"), accepts=lambda word: "eyJ" in word or "ZXlK" in word),),
    find=find_jwt,
)

# ---- private keys

#: How far a key may reach whose end is missing.
KEY_MAX = 32 << 10
_GAP = r"(?:[ +_]|%20|\\u0020)"
BEGIN = Lazy(
    rf"-{{4,5}}{_GAP}?BEGIN{_GAP}(?:[A-Z0-9]{{1,12}}{_GAP}){{0,3}}PRIVATE{_GAP}KEY(?:{_GAP}BLOCK)?{_GAP}?-{{4,5}}"
)
END = Lazy(
    rf"-{{4,5}}{_GAP}?END{_GAP}(?:[A-Z0-9]{{1,12}}{_GAP}){{0,3}}PRIVATE{_GAP}KEY(?:{_GAP}BLOCK)?{_GAP}?-{{4,5}}"
)
PUTTY = Lazy(r"Private-Lines:\s{0,4}\d{1,4}(?:\s{1,8}(?:E {1,8})?[A-Za-z0-9+/=]{16,64}){1,200}")


def find_private_keys(text: str) -> Iterator[Span]:
    at = 0
    while (begin := BEGIN.search(text, at)) is not None:
        limit = begin.start() + KEY_MAX
        end = END.search(text, begin.end(), limit)
        stop = end.end() if end is not None else min(limit, len(text))
        yield Span(begin.start(), stop, "PRIVATE_KEY")
        at = stop
    for start in places(text, "Private-Lines:"):
        lines = PUTTY.match(text, start)
        if lines is not None:
            yield Span(*lines.span(), "PRIVATE_KEY")


PRIVATE_KEY = Detector(
    name="private_key",
    gate=r"PRIVATE(?:[ +_]|%20|\\u0020)KEY|Private-Lines:",
    hint=r"PRIVATE(?:[ +_]|%10|\\u0010)KEY|Private-Lines:",
    words=(
        Words(
            stems=("private",),
            accepts=lambda word: "PRIVATE" in word or "Private" in word,
            confirms=lambda low, drawn: b"begin" in low or b"private-lines:" in low,
        ),
    ),
    find=find_private_keys,
)
