"""Addresses in networks: IPv4, IPv6 and those of network cards. Loopback, unset and broadcast ones name nobody."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

from pytest_autorl.privacy.detector import Detector
from pytest_autorl.privacy.detectors.lazy import Lazy, Octets, lowered
from pytest_autorl.privacy.span import Span
from pytest_autorl.privacy.vocabulary import Figures, Words

# ---- IPv4

#: From the first dot on: there are fewer of them than digits. A dot after it, with a digit beyond, makes it part of a
#: longer number, and so does one before.
AFTER_FIRST = Lazy(r"\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]\d?|0)(?!\d)" * 3 + r"(?!\w|\.\d)")
FIRST_TURNED = Lazy(r"(?:[0-5]52|\d[0-4]2|\d\d1|\d[1-9]|\d)(?![^\W_]|\.\d)")
_VERSION_WORDS = (
    "v ver build release rev sdk ndk api gradle plugin firmware fw driver chrome appium upgrade upgraded update "
    "updated node python tag package patch agent kernel baseband modem bootloader oid require requires"
)
_VERSION_ENDS = (
    "version versions versionname versioncode versioninfo chromedriver webview chromium section chapter"
)
#: What says that four numbers are a version, for the text before them turned round: a match from its end is one step,
#: where a search for something at the end tries every place. A name with a slash, as in ``Chrome/120.0.0.0``, does too.
VERSION_TURNED = Lazy(
    r"(?:==|=>|=<|=~|\^|~)(?![ \t])|[\"'(\[vV]{0,2}\s{0,3}[=:>]{0,2}\s{0,3}[\"'\])]{0,2}"
    rf"(?:(?:{'|'.join(word[::-1] for word in _VERSION_WORDS.split())})\b"
    rf"|{'|'.join(word[::-1] for word in _VERSION_ENDS.split())}"
    r"|(?:kds|bil|revird|noisrev|rev_)[\w\-]{1,30}?[a-z]\b|[\w\-]{1,30}?bil\b|[~@]\w{1,30}[a-z]"
    r"|\^|~)",
    re.ASCII | re.IGNORECASE,
)
NAME_SLASH = Lazy(r"[A-Za-z][\w\-]{0,40}/$")
VERSION_AFTER = Lazy(
    r"-(?:alpha|beta|rc|snapshot|release|dev|debug|final|jre|android|impl|service|ga|sp|[a-z]+\d)", re.I
)


def find_ipv4(text: str) -> Iterator[Span]:
    for match in AFTER_FIRST.finditer(text):
        dot, end = match.span()
        first = FIRST_TURNED.match(text[max(0, dot - 5) : dot][::-1])
        if first is None:
            continue
        start = dot - first.end()
        before = text[max(0, start - 40) : start]
        if is_version(text, before, end):
            continue
        parts = text[start:end].split(".")
        if parts[0] == "127" or parts == ["0", "0", "0", "0"] or parts == ["255"] * 4:
            continue
        if before.endswith("_") and not is_private(parts):
            continue  # rather the version in a file's name
        if VERSION_AFTER.match(text, end):
            continue
        yield Span(start, end, "IP")


def is_private(parts: list[str]) -> bool:
    """Whether it is an address of a network of one's own (RFC 1918), which no version looks like for long."""
    return (
        parts[0] == "10" or parts[:2] == ["192", "168"] or (parts[0] == "172" and 16 <= int(parts[1]) <= 31)
    )


def is_version(text: str, before: str, end: int) -> bool:
    """Whether what stands before four numbers says so."""
    last = before[-1:]
    if last in ("-", "+", "$", "#"):
        return True
    if last == "/":
        # Java writes an address with its name before a slash, and mostly with a port: ``router/10.0.0.1:80``.
        return bool(NAME_SLASH.search(before)) and not before.endswith("//") and text[end : end + 1] != ":"
    return VERSION_TURNED.match(before[::-1]) is not None


_OCTETS = r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}"
IPV4 = Detector(
    name="ipv4",
    gate=rf"(?:^|[^0-9A-Za-z\-+$#/]|(?:^|[^A-Za-z])/){_OCTETS}(?:$|[^\w.]|\.(?:$|\D))|/{_OCTETS}:",
    figures=(Figures(signs=".", pattern=r"0\.0{1,3}\.0{1,3}\.0"),),
    find=find_ipv4,
)

# ---- IPv6

COLONS = Lazy(r"[0-9A-Fa-f:](?<![\w:.][0-9A-Fa-f:])[0-9A-Fa-f:]{2,45}(?:(?:\.\d{1,3}){3})?(?![\w:]|\.\d)")


def find_ipv6(text: str) -> Iterator[Span]:
    for match in COLONS.finditer(text):
        word = match.group()
        if word.endswith(":") and not word.endswith("::"):
            word = word[:-1]
        start = match.start()
        if word.startswith(":") and not word.startswith("::"):
            word, start = word[1:], start + 1
        if word.count(":") < 2 or not is_personal_ipv6(word):
            continue
        yield Span(start, start + len(word), "IP")


def is_personal_ipv6(word: str) -> bool:
    """Whether it is an address (RFC 4291), and not loopback, unset, a scope operator or a clock."""
    try:
        packed = socket.inet_pton(socket.AF_INET6, word)
    except (OSError, ValueError):
        return False
    if packed in (bytes(16), bytes(15) + b"\x01"):
        return False
    groups = [group for group in word.split(":") if group]
    if "::" in word and (len(groups) < 2 or not any(char.isdigit() for char in word)):
        # ``dead::beef`` is a name in C++ as well.
        return len(groups) > 2
    return not (len(groups) == 8 and all(len(group) == 2 for group in groups))


EIGHT = Octets(r"(?:[0-9a-f]{1,4}:){7}[0-9a-f]")


#: An address that is shortened begins and ends where a word does.
SHORTENED = Octets(r"(?<![\w:.])[0-9a-f:]{0,39}?::[0-9a-f:.]{0,45}(?![\w:])")


def may_hold_ipv6(low: bytes, drawn: bytes) -> bool:
    if b"::" in low and SHORTENED.search(low):
        return True
    return low.count(b":") >= 7 and EIGHT.search(low) is not None


IPV6 = Detector(
    name="ipv6",
    gate=r"(?:^|[^\w:]):?(?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]|(?:^|[^\w:])[0-9A-Fa-f:]*::[0-9A-Fa-f:]*(?:$|[^\w]|\w)",
    hint=r"::|[0-9A-Fa-f]:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:",
    figures=(Figures(signs=":", pattern="::|(?:[a0]{1,4}:){7}", confirms=may_hold_ipv6),),
    find=find_ipv6,
)

# ---- network cards

#: From the first separator on: there are fewer of them than digits.
AFTER_PAIR = Lazy(
    r"([:\-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}(?:(?:\1[0-9A-Fa-f]{2}){2})?(?!\w|[:\-][0-9A-Fa-f])"
)
PAIR_TURNED = Lazy(r"[0-9A-Fa-f]{2}(?!\w|[:\-][0-9A-Fa-f])")
TRIPLES = Lazy(r"[0-9A-Fa-f](?<![\w.]\S)[0-9A-Fa-f]{3}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![\w]|\.\w)")
BARE = Lazy(
    r"(?:\bmac|mac[ _\-]?addr(?:ess)?|macaddress|bssid|bluetooth[ _]addr(?:ess)?|bdaddr|hwaddr"
    r"|ether)[\"'\])]{0,2}\s{0,3}[=:]?\s{0,3}"
    r"[\"'(\[]{0,2}([0-9a-f]{12})(?!\w)",
    re.ASCII | re.IGNORECASE,
)
#: Unset, broadcast, and what Android gives to apps that must not know it.
NOBODYS = frozenset({"000000000000", "ffffffffffff", "020000000000"})
_NOT_HEX = str.maketrans("", "", ":-.")


def find_mac(text: str) -> Iterator[Span]:
    for match in AFTER_PAIR.finditer(text):
        start, end = match.start() - 2, match.end()
        if start < 0 or not PAIR_TURNED.match(text[max(0, start - 2) : start + 2][::-1]):
            continue
        word = text[start:end]
        bare = word.translate(_NOT_HEX).lower()
        if bare in NOBODYS or (word[2] == "-" and bare.isdigit()):
            continue
        yield Span(start, end, "MAC")
    for match in TRIPLES.finditer(text) if text.count(".") > 1 else ():
        bare = match.group().translate(_NOT_HEX).lower()
        if bare not in NOBODYS and not bare.isdigit():
            yield Span(*match.span(), "MAC")
    low = lowered(text)
    for match in BARE.finditer(text) if any(word in low for word in _MAC_WORDS) else ():
        if match.group(1).lower() not in NOBODYS:
            yield Span(*match.span(1), "MAC")


#: Hexadecimal digits as ``0``, a dash as a colon.
_HEX = bytes(
    58
    if code == 45
    else 48
    if chr(code) in "0123456789abcdef"
    else 95
    if chr(code).isalnum() and code < 128
    else code
    for code in range(256)
)
_MAC_WORDS = ("mac", "bssid", "ether", "bluetooth", "bdaddr", "hwaddr")


def may_hold_mac(low: bytes, drawn: bytes) -> bool:
    hexed = low.translate(_HEX)
    return b"00:00:00:00:00:00" in hexed or b"0000.0000.0000" in hexed


MAC = Detector(
    name="mac",
    gate=r"[0-9A-Fa-f]{2}:(?:[0-9A-Fa-f]{2}:){4}[0-9A-Fa-f]{2}|[0-9A-Fa-f]{2}-(?:[0-9A-Fa-f]{2}-){4}[0-9A-Fa-f]{2}"
    r"|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}"
    r"|(?i:mac|bssid|bdaddr|hwaddr|ether|bluetooth[ _]addr(?:ess)?)(?i:["
    r" _\-]?addr(?:ess)?)?[\"'\])]*\s*[=:]?\s*[\"'(\[]*[0-9A-Fa-f]{12}",
    hint=r"[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:"
    r"|[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]"
    r"|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\."
    r"|(?i:mac[^g-z]|mac[ _\-]?addr|bssid|bdaddr|hwaddr|ether[^g-z]|bluetooth[ _]addr)",
    words=(Words(stems=_MAC_WORDS, confirms=lambda low, drawn: b"000000000000" in low.translate(_HEX)),),
    figures=(
        Figures(signs=":", pattern="[a0]{2}(?::[a0]{2}){5}", confirms=may_hold_mac),
        Figures(signs="-", pattern="[a0]{2}(?:-[a0]{2}){5}", confirms=may_hold_mac),
        Figures(
            signs=".",
            pattern=r"(?:^|[^a0_.])[a0]{4}\.[a0]{4}\.[a0]{4}(?![a0_]|\.[a0_])",
            confirms=may_hold_mac,
        ),
    ),
    find=find_mac,
)
