"""E-mail addresses (RFC 5321, also with letters of other scripts), and in URLs with ``%40`` for the at sign."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_autorl.privacy.detector import Detector
from pytest_autorl.privacy.detectors.lazy import Lazy, Octets, places
from pytest_autorl.privacy.span import Span
from pytest_autorl.privacy.vocabulary import Figures

#: RFC 5321, 4.5.3.1.1.
LOCAL_MAX = 64
LOCAL_BACKWARDS = Lazy(r"(?:[0-9A-Fa-f]{4}u\\|[\w.+\-'&~!#$*%]){1,64}", re.UNICODE)
DOMAIN = Lazy(r"[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,8}", re.UNICODE)
#: ``joe@[192.0.2.1]``
BRACKETED = Lazy(r"\[(?:IPv6:)?[0-9A-Fa-f:.]{3,45}\]")
#: Last label of a name on the internet; a mixed case is a method (``Foo@1a2b.toString``).
TOP = Lazy(r"[a-z]{2,24}|[A-Z]{2,24}|[A-Z][a-z]{1,23}|xn--[a-z0-9\-]{2,59}|[^\W\d_]{2,24}", re.UNICODE)
VERSIONISH = Lazy(r"v?\d{1,8}x?")
HASHISH = Lazy(r"[0-9a-f]{4,16}")
#: What stands after an at sign in unit files and names of pictures.
_NO_TOPS_WORDS = (
    "service socket timer slice scope mount target path device swap png jpg jpeg gif webp svg apk ipa dex "
    "jar aar odex vdex class json xml yml yaml html css kt java gz tgz whl local"
)
NO_TOPS = frozenset(_NO_TOPS_WORDS.split())
LETTERS_OF_FILES = frozenset({"so", "js", "py", "sh", "rs", "pl", "zip", "mp", "md", "ts"})


def find(text: str) -> Iterator[Span]:
    for at in places(text, "@"):
        span = around(text, at, at + 1)
        if span is not None:
            yield span
    for at in places(text, "%40"):
        span = around(text, at, at + 3)
        if span is not None:
            yield span


def around(text: str, at: int, after: int) -> Span | None:
    """The address around one at sign."""
    domain = DOMAIN.match(text, after)
    if domain is None:
        end = BRACKETED.match(text, after)
        if end is None:
            return None
        last = end.end()
    else:
        last = after + accepted(domain.group())
        if last == after:
            return None
    start = begin(text, at)
    if start is None or is_of_a_machine(text, start, at):
        return None
    return Span(start, last, "EMAIL")


def accepted(domain: str) -> int:
    """How many characters of it are the name of a host on the internet; 0 for none."""
    labels = domain.rstrip(".-").split(".")
    while len(labels) >= 2:
        top = labels[-1]
        if not top.startswith("xn--"):
            # The next parameter of a test's name, or the rest of a file's, is joined to it.
            top = labels[-1] = top.replace("_", "-").partition("-")[0]
        if TOP.fullmatch(top) and top.lower().strip() not in NO_TOPS and all(labels):
            rest = labels[:-1]
            if all(VERSIONISH.fullmatch(label) for label in rest):
                return 0
            if (
                len(rest) == 1
                and HASHISH.fullmatch(rest[0])
                and any(c.isdigit() for c in rest[0])
                and len(top) > 4
            ):
                return 0
            if top in LETTERS_OF_FILES and rest[0][:1].isdigit():
                return 0
            return len(".".join(labels))
        # A sentence goes on without a space, or a port, or a property: "joe@example.com.Then".
        labels.pop()
        if top and top[0].isdigit():
            return 0
    return 0


def begin(text: str, at: int) -> int | None:
    """Where the local part begins, None if there is none."""
    if at and text[at - 1] == '"':
        opening = text.rfind('"', max(0, at - 1 - LOCAL_MAX), at - 1)
        return opening if opening >= 0 and "\n" not in text[opening:at] and at - opening > 2 else None
    part = LOCAL_BACKWARDS.match(text[max(0, at - LOCAL_MAX) : at][::-1])
    if part is None:
        return None
    local = part.group()[::-1]
    bare = local.lstrip(".'&~!#$*%-+")
    # Two hexadecimal digits after a percent sign are a character of the URL around it.
    cut = bare.rfind("%3A")
    cut = max(cut, bare.rfind("%3D"), bare.rfind("%20"), bare.rfind("%22"), bare.rfind("%3C"))
    if cut >= 0:
        bare = bare[cut + 3 :]
    bare = bare[bare.rfind("&") + 1 :]
    if not bare or bare.endswith("."):
        return None
    return at - len(bare)


def is_of_a_machine(text: str, start: int, at: int) -> bool:
    """Whether it is the account of a URL (``https://joe:word@host``) or of a repository (``git@host``)."""
    if text[start:at] in ("git", "hg"):
        return True
    before = text[max(0, start - 200) : start]
    scheme = before.rfind("://")
    return scheme >= 0 and not any(c in "/?#& \t\n\"'<>=," for c in before[scheme + 3 :])


#: Letters that latin-1 does not have are question marks.
_HOST = Octets(r"@(?:[\w\-?\x80-\xff]{1,63}\.[\w\-?\x80-\xff]|\[[0-9a-fi])")


def may_hold(low: bytes, drawn: bytes) -> bool:
    return (b"@" in low and _HOST.search(low) is not None) or b"%40" in low


EMAIL = Detector(
    name="email",
    gate=r"[^\s@](?:@|%40)(?:[\w\-.?\x80-\xff]*\.[A-Za-z?\x80-\xff]{2}|\[[0-9A-Fa-fI:.])",
    # A sign in front says nothing: there is one nearly always. ``%40`` is blurred.
    hint=r"(?:@|%10)(?:[\w\-.?\x80-\xff]*\.[A-Za-z?\x80-\xff]{2}|\[[0-9A-Fa-fI:.])",
    figures=(
        Figures(signs="@", pattern=r"@(?:$|[a0_\-?]{1,63}\.[a0_\-?])", confirms=may_hold),
        Figures(signs="%", pattern="%00", confirms=may_hold),
    ),
    find=find,
)
