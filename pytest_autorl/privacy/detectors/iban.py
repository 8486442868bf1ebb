"""International bank account numbers: ISO 13616, lengths of the SWIFT registry, check digits by ISO 7064."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_autorl.privacy.detector import Detector
from pytest_autorl.privacy.detectors.lazy import Lazy, Octets
from pytest_autorl.privacy.detectors.looks import is_in_uuid
from pytest_autorl.privacy.span import Span
from pytest_autorl.privacy.vocabulary import Figures

#: Length of the whole number -> countries.
_BY_LENGTH = {
    15: "NO",
    16: "BE",
    18: "DK FI FK FO GL NL SD",
    19: "MK SI",
    20: "AT BA EE KZ LT LU MN XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ OM SO TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "BI DJ FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU YE",
    31: "MT SC",
    32: "LC",
    33: "RU",
}
LENGTHS = {country: length for length, countries in _BY_LENGTH.items() for country in countries.split()}

#: From the check digits on: there are fewer digits in a text than letters.
CANDIDATE = Lazy(
    r"\d(?<=[A-Za-z][A-Za-z]\d)(?<![0-9A-Za-z][A-Za-z][A-Za-z]\d)\d(?:[ \-\u00a0]?[0-9A-Za-z]){11,29}",
    re.ASCII,
)


def is_iban(number: str) -> bool:
    """Whether the check digits hold.

    Args:
        number: Without separators, in upper case, of the right length.
    """
    turned = number[4:] + number[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def find(text: str) -> Iterator[Span]:
    at = 0
    while (match := CANDIDATE.search(text, at)) is not None:
        at, start = match.start() + 2, match.start() - 2
        country = text[start : start + 2].upper()
        length = LENGTHS.get(country)
        if length is None:
            continue
        end = end_of(text, start, match.end(), length)
        if end is None:
            continue
        number = re.sub(r"[ \-\u00a0]", "", text[start:end]).upper()
        if is_plausible(text[start:end], number) and is_iban(number) and not is_in_uuid(text, start, end):
            yield Span(start, end, "IBAN")
            at = end


def is_plausible(written: str, number: str) -> bool:
    """Lower case is rare and looks like any hexadecimal word, unless digits prevail."""
    if written == written.upper():
        return True
    return sum(char.isdigit() for char in number) > len(number) // 2


def end_of(text: str, start: int, limit: int, length: int) -> int | None:
    """The end of so many letters and digits, None if there are too few or the word goes on."""
    left = length
    for at in range(start, limit):
        if text[at] not in " -\u00a0":
            left -= 1
            if not left:
                follows = text[at + 1 : at + 2]
                return None if follows.isascii() and follows.isalnum() else at + 1
    return None


#: Letters, digits and whatever stands between words.
_DRAWN = bytes(
    48 if 48 <= code <= 57 else 97 if code < 128 and chr(code).isalpha() else 32 for code in range(256)
)
_REST = Octets(r"0{2}(?:[ \-\xa0]?[0-9A-Za-z]){11}")


def may_hold(low: bytes, drawn: bytes) -> bool:
    words = b" " + drawn.translate(_DRAWN)
    at = words.find(b" aa00")
    while at >= 0:
        country = low[at : at + 2].decode("latin-1").upper()
        if country in LENGTHS and _REST.match(drawn, at + 2):
            return True
        at = words.find(b" aa00", at + 5)
    return False


IBAN = Detector(
    name="iban",
    gate=rf"(?:^|[^0-9A-Za-z])(?i:{'|'.join(sorted(LENGTHS))})"
    r"\d\d(?:[ \-\xa0]?[0-9A-Za-z]){11}",
    hint=rf"(?:^|[^0-9A-Za-z])(?i:{'|'.join(sorted(LENGTHS))})\d\d(?:[ \-\xa0]?[0-9A-Za-z]){{4}}",
    figures=(Figures(pattern="(?:^|[^a0])aa00", confirms=may_hold),),
    find=find,
)
