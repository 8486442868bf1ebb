"""Credentials in the headers of HTTP, as a log, a dictionary or a command line shows them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_autorl.privacy.detector import Detector
from pytest_autorl.privacy.detectors.lazy import Lazy, Octets, lowered
from pytest_autorl.privacy.detectors.looks import is_random, is_value
from pytest_autorl.privacy.span import Span
from pytest_autorl.privacy.vocabulary import Words

_Q = r"(?:\\{0,3}[\"']|&quot;)?"
AUTHORIZATION = Lazy(
    rf"authorization{_Q}[\])]?[ \t]{{0,4}}(?:[:=,]|=>|%3A)[ \t]{{0,4}}[bf]?{_Q}"
    r"(?:(?:basic|bearer|token|digest|negotiate|ntlm|apikey|api-key|key|aws4-hmac-sha256|hawk|splunk"
    r"|ssws|genierkey|geniekey|oauth|jwt)(?:[ +:=]|%20){1,3})?"
    r"([^\s\"'\\,;<>&]{4,4096})",
    re.ASCII | re.IGNORECASE,
)
SCHEME = Lazy(r"(?:bearer|basic)(?:[ ]{1,2}|%20|\+)([\w+/.~\-]{8,4096}={0,2})", re.ASCII | re.IGNORECASE)
KEY_HEADER = Lazy(
    rf"x-(?:[a-z]{{1,16}}-){{0,3}}(?:key|token|secret|signature|auth|password|authorization|session"
    rf"|credential){_Q}[ \t]{{0,4}}(?:[:=,]|=>)[ \t]{{0,4}}{_Q}([^\s\"'\\,;<>]{{4,4096}})",
    re.ASCII | re.IGNORECASE,
)
COOKIES = Lazy(
    rf"(?:set-)?cookie2?{_Q}[\])]?[ \t]{{0,4}}(?:[:=,]|=>)[ \t]{{0,4}}{_Q}([^\r\n]{{3,4096}})",
    re.ASCII | re.IGNORECASE,
)
CRUMB = Lazy(r"([\w!#$%&*+.^|~\-\[\]]{1,80})=([^\s;,\"'\\]{1,4096})")
#: Attributes of a cookie (RFC 6265) hold nothing of anybody.
ATTRIBUTES = frozenset({"path", "domain", "expires", "max-age", "samesite", "version", "priority", "comment"})


def find(text: str) -> Iterator[Span]:
    low = lowered(text)
    for match in each(text, low, "authorization", AUTHORIZATION):
        if is_value(match.group(1)) and is_credential(match):
            yield Span(*match.span(1), "API_KEY")
    for name in ("bearer", "basic"):
        for match in each(text, low, name, SCHEME):
            if not text[match.start() - 1 : match.start()].isalnum() and is_secret_scheme(match, name):
                yield Span(*match.span(1), "API_KEY")
    for match in each(text, low, "x-", KEY_HEADER):
        if is_value(match.group(1)) and any(char.isdigit() for char in match.group(1)):
            yield Span(*match.span(1), "API_KEY")
    for match in each(text, low, "cookie", COOKIES):
        yield from crumbs(text, match)


def each(text: str, low: str, word: str, pattern: Lazy) -> Iterator[re.Match[str]]:
    """What matches from a word on; the search goes on behind it, so that no part of a text is read twice."""
    at = low.find(word)
    while at >= 0:
        match = pattern.match(text, at)
        if match is not None:
            yield match
        at = low.find(word, match.end() if match is not None else at + len(word))


def is_credential(match: re.Match[str]) -> bool:
    word = match.group(1)
    return len(word) >= 6 and (any(char.isdigit() for char in word) or len(word) >= 16 or "=" in word)


def is_secret_scheme(match: re.Match[str], name: str) -> bool:
    word = match.group(1)
    if name == "basic":
        return len(word) % 4 == 0 and len(word) >= 8 and (is_random(word, 8) or word.endswith("="))
    return is_value(word) and is_random(word.rstrip("="), 10)


def crumbs(text: str, match: re.Match[str]) -> Iterator[Span]:
    """The values of the cookies of one header."""
    end = match.end(1)
    quote = text[match.start(1) - 1 : match.start(1)]
    if quote in ("'", '"'):
        closing = text.find(quote, match.start(1), end)
        end = closing if closing >= 0 else end
    for crumb in CRUMB.finditer(text, match.start(1), end):
        name, word = crumb.groups()
        if name.lower() not in ATTRIBUTES and is_value(word) and len(word) >= 4:
            yield Span(*crumb.span(2), "PASSWORD")


_NAMED = Octets(
    r"x-(?:[a-z]{1,16}-){0,3}(?:key|token|secret|signature|auth|password|session|credential)"
    r"|authorization[\"'\\\])&quot;]{0,8}[ \t]{0,4}[:=,%]|cookie2?[\"'\\\])&quot;]{0,8}[ \t]{0,4}[:=,]"
    r"|(?:bearer|basic)[ +%]"
)
_IN_FIGURE = Octets(
    r"x-(?:[a-z]{1,16}-){0,3}(?:key|token|secret|signature|auth|password|session|credential)"
    r"|authorization|cookie|bearer|basic"
)
_NAMES = ("authorization", "cookie", "bearer", "basic")
_ENDS = frozenset({"key", "token", "secret", "signature", "auth", "password", "session", "credential"})


def may_hold(low: bytes, drawn: bytes) -> bool:
    return _NAMED.search(low) is not None


def is_named(figure: bytes) -> bool:
    return _IN_FIGURE.search(figure.lower()) is not None


def is_told(word: str) -> bool:
    low = word.lower()
    return low in _ENDS or any(name in low for name in _NAMES)


HEADERS = Detector(
    name="headers",
    gate=r"(?i:authorization[\"'\\\])&quot;]*[ \t]*(?:[:=,]|%3A)|bearer(?:[ ]+|%20|\+)[\w+/.~\-]{8}"
    r"|basic(?:[ ]+|%20|\+)[\w+/.~\-]{8}"
    r"|x-(?:[a-z]+-)*(?:key|token|secret|signature|auth|password|authorization|session"
    r"|credential)[\"'\\&quot;]*[ \t]*[:=,]"
    r"|cookie2?[\"'\\\])&quot;]*[ \t]*[:=,])",
    hint=r"(?i:authorization|bearer|basic|cookie|x-)",
    words=(Words(stems=(*_NAMES, *_ENDS), accepts=is_told, within=is_named, confirms=may_hold),),
    find=find,
)
