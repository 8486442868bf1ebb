"""Short secrets of people: PINs, one-time codes, card verification values. Only beside a word that says so."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_autorl.privacy.detector import Detector
from pytest_autorl.privacy.detectors.lazy import Lazy, Octets, lowered
from pytest_autorl.privacy.span import Span
from pytest_autorl.privacy.vocabulary import Words

_THEN = r"[\"'\])]{0,2}[ \t]{0,4}(?:[=:>]{1,2}|is|was)[ \t]{0,4}\\?[\"'(\[]{0,2}"
PIN = Lazy(
    rf"(?:[Pp]in|PIN)(?<![A-Za-z]pin)(?<![A-Z]PIN)(?:[_ \-]?(?:[Cc]ode|CODE|number"
    rf"|[Nn]o))?{_THEN}(\d{{4,8}})(?![\w]|\.\d)"
)
OTP = Lazy(
    r"(?:\botp|_otp|one[\- ]time[\- ](?:code|password|passcode|pin)|verification[_ ]?code|security[_"
    r" ]code|login[_ ]code|2fa[_ ]?code|mfa[_ ]?code|totp|"
    r"confirmation[_ ]code|auth(?:entication)?[_ ]code|sms[_ ]?code|passcode)(?:[_"
    r" ]?code)?[\"'\])]{0,2}(?: for [\w .@\-]{1,30})?[ \t]{0,4}(?:[=:>]{1,2}|is|was)?[:]?["
    r" \t]{0,4}\\?[\"'(\[]{0,2}"
    r"(\d{4,8}|\d{3}[ \-]\d{3})(?![\w]|[.\-:]\d)",
    re.ASCII | re.IGNORECASE,
)
OTP_FIRST = Lazy(
    r"\d(?<![\w.]\d)(?:\d{3,7}|\d\d-\d{3}) is your [\w ]{0,40}?(?:code|otp|password|pin)\b",
    re.ASCII | re.IGNORECASE,
)
CVV = Lazy(
    rf"(?:cvv2?|cvc2?|cv2|csc|card[ _]?verification(?:[ _](?:value|code))?)(?:[_"
    rf" ]?code)?{_THEN}(\d{{3,4}})(?![\w]|[.,]\d)",
    re.ASCII | re.IGNORECASE,
)


#: Where each of the patterns may begin, in lower case; `OTP` also a character earlier, as in ``totp``.
_BEGINNINGS = (
    (PIN, 0, ("pin",)),
    (OTP, 1, ("otp",)),
    (OTP, 0, ("otp", "one-time", "one time", "verification", "security", "login", "2fa", "mfa")),
    (OTP, 0, ("confirmation", "auth", "sms", "passcode")),
    (CVV, 0, ("cvv", "cvc", "cv2", "csc", "card")),
)


def find(text: str) -> Iterator[Span]:
    low = lowered(text)
    for pattern, earlier, words in _BEGINNINGS:
        for word in words:
            at = low.find(word, earlier)
            while at >= 0:
                match = pattern.match(text, at - earlier)
                if match is not None:
                    yield Span(*match.span(1), "PASSWORD")
                at = low.find(word, at + 1)
    if " is your " in low:
        for match in OTP_FIRST.finditer(text):
            end = text.index(" ", match.start())
            yield Span(match.start(), end, "PASSWORD")


#: Words that end as a key does, or begin a name of several words.
_TOLD = Lazy(
    r"(?:(?:(?<![A-Za-z])pin|Pin|PIN)(?:[Cc]ode|CODE|number|[Nn]o)?"
    r"|(?i:(?:(?<![a-z])|t)otp|cvv|cvc|cv|csc|verification|^your"
    r"|(?:(?<![a-z])|pass|verification|security|login|fa|confirmation|auth|authentication|sms)code)(?i:code)?)"
    r"(?i:is|was)?$"
)
_STEMS = ("pin", "otp", "cvv", "cvc", "cv", "csc", "code", "verification", "your")
_ONE_TIME = Octets(r"^time(?:$|-)|one-time")
_PIN = Octets(PIN.source.replace("(?:[Pp]in|PIN)(?<![A-Za-z]pin)(?<![A-Z]PIN)", "pin").lower())
_OTP, _OTP_FIRST, _CVV = Octets(OTP.source), Octets(OTP_FIRST.source), Octets(CVV.source)
_BEGUN = tuple(
    ({PIN: _PIN, OTP: _OTP, CVV: _CVV}[pattern], earlier, tuple(word.encode() for word in words))
    for pattern, earlier, words in _BEGINNINGS
)


def is_told(word: str) -> bool:
    return _TOLD.search(word) is not None


def is_one_time(figure: bytes) -> bool:
    return _ONE_TIME.search(figure.lower()) is not None


def is_given(low: bytes, drawn: bytes) -> bool:
    for pattern, earlier, words in _BEGUN:
        for word in words:
            at = low.find(word, earlier)
            while at >= 0:
                if pattern.match(low, at - earlier):
                    return True
                at = low.find(word, at + 1)
    return b" is your " in low and _OTP_FIRST.search(low) is not None


def is_given_once(low: bytes, drawn: bytes) -> bool:
    return (b"one-time" in low or b"one time" in low) and is_given(low, drawn)


CODES = Detector(
    name="codes",
    gate=lambda: "|".join(pattern.plain() for pattern in (PIN, OTP, OTP_FIRST, CVV)),
    hint=r"(?:[Pp]in|PIN)(?:[_ \-]?(?:[Cc]ode|CODE|number|[Nn]o))?[^A-Za-z\n]*(?:\d|is|was)"
    r"|(?i:(?:otp|(?:time|verification|security|login|1fa|mfa|confirmation|auth|authentication|sms)[_\- ]?"
    r"(?:code|password|passcode|pin)|passcode)(?:[_ ]?code)?[^A-Za-z\n]*(?:\d|is|was|for )|is your "
    r"|(?:cvv|cvc|cv1|csc|card[ _]?verification(?:[ _](?:value|code))?)\d?(?:[_ ]?code)?[^A-Za-z\n]*(?:\d|is|was))",
    words=(
        Words(stems=_STEMS, accepts=is_told, confirms=is_given),
        Words(
            stems=("time",), accepts=lambda word: len(word) == 4, within=is_one_time, confirms=is_given_once
        ),
    ),
    find=find,
)
