"""Passwords in URLs and data source names: ``scheme://user:password@host`` and its relatives."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_autorl.privacy.detector import Detector
from pytest_autorl.privacy.detectors.lazy import Lazy, Octets, places
from pytest_autorl.privacy.detectors.looks import is_random, is_value
from pytest_autorl.privacy.span import Span
from pytest_autorl.privacy.vocabulary import Figures, Words

#: After ``://``: user, password. An unescaped slash or at sign may be part of the password.
USERINFO = Lazy(r"([^\s/?#:@\"'<>\\]{0,128}):([^\s\"'<>]{1,256})@(?=[\w\[.\-{$])")
LONE = Lazy(r"([\w\-.~%]{16,256})@(?=[\w\[])")
ORACLE = Lazy(r"jdbc:oracle:\w{2,6}:([\w$#.\-]{1,64})/([^\s\"'@]{1,128})@")
#: ``user:password@tcp(host)`` of Go, and without a scheme in quotes.
GO = Lazy(r":([^\s:@/\"'=(]{1,128})@(?:tcp|unix|udp)\(")
QUOTED = Lazy(
    r"[\"'`=](\w[\w.\-]{0,63}):([^\s\"'`@/:]{3,128})@(?=[\w.\-]{1,253}(?::\d{2,5})?(?:/|[\"'`]|$|\s))"
)
SMB = Lazy(r"(?:smbclient|rpcclient|-U)[ ]{1,3}[\"']?[\w.\\/\-]{1,64}%([^\s\"']{1,128})")


def find(text: str) -> Iterator[Span]:
    for at in places(text, "://"):
        match = USERINFO.match(text, at + 3)
        if match is not None:
            start, end = match.start(2), end_of_password(text, match.start(2), match.end(2))
            if is_value(text[start:end]):
                yield Span(start, end, "PASSWORD")
            continue
        lone = LONE.match(text, at + 3)
        if lone is not None and is_random(lone.group(1), 16):
            yield Span(*lone.span(1), "API_KEY")
    for pattern, group in ((ORACLE, 2), (GO, 1), (QUOTED, 2), (SMB, 1)):
        for match in pattern.finditer(text):
            if is_value(match.group(group)):
                yield Span(*match.span(group), "PASSWORD")


def end_of_password(text: str, start: int, end: int) -> int:
    """The at sign before the host: the last one before a slash, or the first one of all."""
    whole = text[start : end + 1]
    stop = min(
        (place for place in (whole.find("/"), whole.find("?"), whole.find("#")) if place >= 0),
        default=len(whole),
    )
    last = whole.rfind("@", 0, stop)
    return start + (last if last >= 0 else whole.find("@"))


def may_hold(low: bytes, drawn: bytes) -> bool:
    at = low.find(b"@")
    if at >= 0 and ((b"://" in low and _ACCOUNT.search(low)) or b"jdbc:oracle:" in low):
        return True
    while at >= 0:
        colon = low.rfind(b":", max(0, at - 129), at - 1)
        if colon >= 0 and not _ENDING.search(low, colon, at):
            return True
        at = low.find(b"@", at + 1)
    return b"%" in low and (b"-u " in low or b"smbclient" in low or b"rpcclient" in low)


#: A password before the at sign, or all that stands there.
_ACCOUNT = Octets(r"://(?:[^\s/\"'<>@]{0,128}:[^\s\"'<>]{1,256}|[\w\-.~%]{16,256})@")
#: What no password without a scheme has in it.
_ENDING = Octets(r"[\s\"'@/]")


LINKS = Detector(
    name="links",
    gate=r"://[^\s/\"'<>@]*:[^\s\"'<>]+@[\w\[.\-{$]|://[\w\-.~%]{16}[\w\-.~%]*@|jdbc:oracle:\w+:[^\s\"'@]+@"
    r"|:[^\s:@/]+@(?:tcp|unix|udp)\(|[\"'`=]\w[\w.\-]*:[^\s\"'`@/:]{3}[^\s\"'`@/:]*@[\w.\-]"
    r"|(?:smbclient|rpcclient|-U)[ ]+[\"']?[\w.\\/\-]+%",
    hint=r":[^\s\"']*@|@(?:tcp|unix|udp)\("
    r"|(?:smbclient|rpcclient|-U)[ ]+[\"']?[\w.\\/\-]+%",
    words=(Words(stems=("smbclient", "rpcclient"), confirms=may_hold),),
    figures=(
        Figures(signs="@", pattern="@", confirms=may_hold),
        Figures(signs="-", pattern="-a$", confirms=may_hold),
    ),
    find=find,
)
