"""Social security numbers of the USA, payment cards and bank accounts: validators decide, not the shape alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_autorl.privacy.detector import Detector
from pytest_autorl.privacy.detectors.lazy import Lazy, Octets, drawn_of, lowered
from pytest_autorl.privacy.latin import draw
from pytest_autorl.privacy.span import Span
from pytest_autorl.privacy.vocabulary import Figures, Words

# ---- social security numbers

#: Area, group and serial number; the lookbehinds come after the first digit, so that the search jumps to digits.
SSN_PARTS = Lazy(r"(\d)(?<![\w.+\-]\d)(?<!\d[.,/:]\d)(\d\d)([-–‑ .])(\d\d)\3(\d{4})(?![\w]|[-–‑.,/:]\d)")
#: Says that nine digits are one.
SSN_WORD = r"(?:ssn|social[ _\-]?security|social[ _\-]?sec|soc[ _\-]sec|taxpayer|itin|\btin\b|tax[ _\-]?id)"
SSN_KEYED = Lazy(
    SSN_WORD
    + r"[a-z\s_\-]{0,24}[^\w\s]{0,6}\s{0,4}(?:is |was |of |number |no\.? |# ?)?[\"'>(=:\[\\ ]{0,6}"
    + r"(\d{3})([ .\-]?)(\d{2})\2(\d{4})(?![\w]|[-.]\d)",
    re.ASCII | re.IGNORECASE,
)


def is_ssn(area: str, group: str, serial: str, *, also_itin: bool = False) -> bool:
    """The rules of the Social Security Administration since 2011; ITIN ranges are those of the revenue service."""
    if group == "00" or serial == "0000" or area in ("000", "666"):
        return False
    if area[0] == "9":
        return also_itin and group >= "50"
    return True


def find_ssn(text: str) -> Iterator[Span]:
    for match in SSN_PARTS.finditer(text):
        first, rest, separator, group, serial = match.groups()
        if separator in "-–‑" and is_ssn(first + rest, group, serial):
            yield Span(*match.span(), "SSN")
    low = lowered(text)
    for match in SSN_KEYED.finditer(low):
        area, _, group, serial = match.groups()
        if is_ssn(area, group, serial, also_itin=True):
            yield Span(match.start(1), match.end(4), "SSN")


_NINE = Octets(r"000[ .\-]?00[ .\-]?0000")
_SSN_STEMS = ("ssn", "social", "soc", "taxpayer", "itin", "tin", "tax")


def is_ssn_word(word: str) -> bool:
    low = word.lower()
    return (
        low in ("tin", "tax", "soc")
        or (low.endswith("tin") and not low[-4].isascii())
        or any(stem in low for stem in ("ssn", "social", "taxpayer", "itin", "taxid"))
        or low.endswith(("soc", "tax"))
    )


SSN = Detector(
    name="ssn",
    gate=r"\d\d\d[-?]\d\d[-?]\d\d\d\d|(?i:ssn|social|soc[ _\-]sec|taxpayer|itin|\btin|tax[ _\-]?id)[^\d]*"
    r"\d\d\d[ .\-]?\d\d[ .\-]?\d\d\d\d",
    hint=r"\d\d\d[-?]\d\d[-?]\d\d\d\d|(?i:ssn|social|soc[ _\-]sec|taxpayer|itin|(?:^|\W)tin|tax[ _\-]?id)",
    words=(
        Words(
            stems=_SSN_STEMS,
            accepts=is_ssn_word,
            confirms=lambda low, drawn: _NINE.search(drawn) is not None,
        ),
    ),
    figures=(Figures(signs="-?", pattern="000-00-0000|000[?]00[?]0000"),),
    find=find_ssn,
)

# ---- payment cards

CARD_DIGITS = Lazy(r"\d(?<![\w.+]\d)(?:[ \-]?\d){13,18}(?![\w]|[-.]\d)")
#: In the names of tests, the number of a parameter may follow: ``[...-1]``.
CARD_RUN = Lazy(r"\d(?<![\w.+]\d)\d{13,18}(?!\w|\.\d|-\d(?!\d?\]))")
CARD_GROUPS = Lazy(r"\d{4}([ \-])\d{4}\1\d{4}\1\d{2,4}(?:\1\d{1,3})?|\d{4}([ \-])\d{6}\2\d{4,5}")
CARD_WORD = Lazy(
    r"card|\bpan\b|[\"'_]pan[\"'_]|\bcc\b|\bccn?[_\-]|visa|amex|master|maestro|discover|jcb|diners"
    r"|\bdebit|\bcredit|paid|payment|charge",
    re.ASCII | re.IGNORECASE,
)
_MEASURES = (
    "hash time stamp ts ns nanos nanoseconds us micros ms millis elapsed epoch seq sequence ptr handle size bytes "
    "offset count imei iccid when uptime since duration nonce build frame trace span seed checksum vsync deadline "
    "pts dts took"
)
_NAMES = (
    "id ids uid uuid guid addr address token counter serial at key version code order orders ref number no last next "
    "now start end parent job run node item items index user session in after of"
)
#: A long number after such a word is a moment, a distance or a size. The text before it is turned round: a match from
#: its end is one step, where a search for something at the end tries every place.
MEASURED_TURNED = Lazy(
    r"[\"'(\[{]{0,2}\s{0,3}[=:@#]?\s{0,3}[\"'\])]{0,2}"
    rf"(?:{'|'.join(word[::-1] for word in _MEASURES.split())}|ni nward)",
    re.ASCII | re.IGNORECASE,
)
#: One after such a word is an identifier, unless the word speaks of a card.
IDENTIFIED_TURNED = Lazy(
    r"[\"'(\[{]{0,2}\s{0,3}[=:@#/]?\s{0,3}[\"'\])]{0,2}"
    rf"(?:{'|'.join(word[::-1] for word in _NAMES.split())})",
    re.ASCII | re.IGNORECASE,
)
NUMBER_BESIDE_TURNED = Lazy(r"[ \t,;|]{1,4}\d")
NUMBER_AFTER = Lazy(r"[ \t,;|]{1,4}\d{2}")
UNIT_AFTER = Lazy(r"[\"']?\s?(?:ns|us|ms|µs|s|nsec|usec|bytes|kb|b)\b", re.ASCII | re.IGNORECASE)


#: The digit sum of twice a digit, by its character.
_TWICE = bytes(sum(divmod(2 * (code - 48), 10)) if 48 <= code <= 57 else 0 for code in range(256))


def luhn(digits: str) -> bool:
    """The check digit of ISO/IEC 7812-1, annex B."""
    plain = digits.encode("ascii")
    single, double = plain[::-2], plain[-2::-2].translate(_TWICE)
    return (sum(single) - 48 * len(single) + sum(double)) % 10 == 0


#: By the first two digits, how many there may be in all; ranges that are not whole follow, by the first four.
ISSUED_LENGTHS: dict[str, frozenset[int]] = {
    first: frozenset(lengths)
    for firsts, lengths in (
        ("40 41 42 43 44 45 46 47 48 49", (16, 18, 19)),
        ("51 52 53 54 55 23 24 25 26 27", (16,)),
        ("34 37 18 21", (15,)),
        ("36", (14, 15, 16)),
        ("35 60 62 64 65 81 82 22", (16, 17, 18, 19)),
        ("30 38 39 50 56 57 58 63 67", (14, 15, 16, 17, 18, 19)),
    )
    for first in firsts.split()
}
ISSUED_WITHIN = {
    "18": (("1800", "1800"),),
    "21": (("2131", "2131"),),
    "22": (("2200", "2204"), ("2221", "2299")),  # Mir, Mastercard
    "27": (("2700", "2720"),),
    "30": (("3000", "3059"), ("3095", "3095")),
    "64": (("6440", "6499"),),
}


def is_card(digits: str) -> bool:
    """Whether issuer, length and check digit agree.

    Issuer ranges as the networks publish them. Thirteen digits (old Visa numbers) are left out: milliseconds since
    1970 and nanoseconds of an uptime are as long.
    """
    lengths = ISSUED_LENGTHS.get(digits[:2])
    if lengths is None or len(digits) not in lengths:
        return False
    within = ISSUED_WITHIN.get(digits[:2])
    if within is not None and not any(first <= digits[:4] <= last for first, last in within):
        return False
    if digits[:2] == "22" and digits[:4] >= "2221" and len(digits) != 16:
        return False
    return luhn(digits) and len(set(digits)) > 1


def is_common(digits: str) -> bool:
    """Whether nearly all cards look so: the other ranges need a word beside them when nothing groups the digits."""
    length = len(digits)
    if digits[0] == "4":
        return length in (16, 19)
    two = int(digits[:2])
    if length == 16:
        return (
            two in (35, 51, 52, 53, 54, 55, 64, 65) or digits[:4] == "6011" or 2221 <= int(digits[:4]) <= 2720
        )
    return length == 15 and (two in (34, 37) or digits[:4] in ("2131", "1800"))


def is_counted(text: str, start: int, end: int, digits: str) -> bool:
    """Whether a long number without groups is more likely an identifier, a moment or a column of a table."""
    before = text[max(0, start - 40) : start]
    turned = before[::-1]
    if UNIT_AFTER.match(text, end) or MEASURED_TURNED.match(turned):
        return True
    is_named = (
        turned[:1] == "/"
        or NUMBER_BESIDE_TURNED.match(turned)
        or NUMBER_AFTER.match(text, end)
        or IDENTIFIED_TURNED.match(turned)
    )
    if not is_named and (is_common(digits) or (len(digits) == 14 and turned[:1] in ("'", '"'))):
        return False
    return not (CARD_WORD.search(before) or CARD_WORD.search(text[end : end + 24]))


#: With every digit as ``0``, a card begins with one of these; a search for bytes is faster than any pattern.
_UNGROUPED = b"0" * 14
_GROUPED = {
    b"0000 0": (b"0000 0000 0000 00", b"0000 000000 0000"),
    b"0000-0": (b"0000-0000-0000-00", b"0000-000000-0000"),
}


def find_cards(text: str) -> Iterator[Span]:
    drawn = drawn_of(text)
    at = drawn.find(_UNGROUPED)
    while at >= 0:
        if text[at : at + 2] in ISSUED_LENGTHS and (match := CARD_RUN.match(text, at)) is not None:
            digits, end = match.group(), match.end()
            if is_card(digits) and not is_counted(text, at, end, digits):
                yield Span(at, end, "CREDIT_CARD")
        at = drawn.find(_UNGROUPED, at + 14)
    for start, shapes in _GROUPED.items():
        if start in drawn:
            for shape in shapes:
                yield from grouped_cards(text, drawn, shape)


def grouped_cards(text: str, drawn: bytes, shape: bytes) -> Iterator[Span]:
    at = drawn.find(shape)
    while at >= 0:
        match = CARD_DIGITS.match(text, at)
        # Not within a row of such numbers.
        if match is not None and drawn[max(0, at - 5) : at] not in (b"0000 ", b"0000-"):
            run = match.group()
            if CARD_GROUPS.fullmatch(run) and is_card(run.replace(" ", "").replace("-", "")):
                yield Span(*match.span(), "CREDIT_CARD")
        at = drawn.find(shape, at + len(shape))


_FOURTEEN = b"0" * 14
_ZEROS = Octets("0{14,}")
_ISSUED_OCTETS = {first.encode(): lengths for first, lengths in ISSUED_LENGTHS.items()}
_FOURS = Octets(r"0{4}[ \-](?:0{4}[ \-]0{4}[ \-]00|0{6}[ \-]0{4})")


def may_hold_card(low: bytes, drawn: bytes) -> bool:
    return b"0000 0000" in drawn and _FOURS.search(drawn) is not None


def is_issued(low: bytes, drawn: bytes) -> bool:
    at = drawn.find(_FOURTEEN)
    while at >= 0:
        run = _ZEROS.match(drawn, at)
        end = run.end() if run else at + 14
        lengths = _ISSUED_OCTETS.get(low[at : at + 2])
        if lengths is not None and end - at in lengths and is_card(low[at:end].decode("latin-1")):
            return True
        at = drawn.find(_FOURTEEN, end)
    return b"0000-0000" in drawn and _FOURS.search(drawn) is not None


def may_be_card(plain: bytes) -> bool:
    drawn = draw(plain)
    return is_issued(plain, drawn) or may_hold_card(plain, drawn)


CARD = Detector(
    name="card",
    gate=r"(?:^|[^\w.+])(?:4\d{15}|3(?:[068]|9)\d{12}|3[457]\d{13}|5[0-8]\d{12}|2[2-7]\d{14}|6\d{13}"
    r"|8[12]\d{14}|1800\d{11}|2131\d{11}"
    r"|[1-68]\d{3}[ \-](?:\d{4}[ \-]\d{4}[ \-]\d\d|\d{6}[ \-]\d{4}))",
    # Few of the numbers that are as long begin so, and to tell them apart here would be most of all states.
    hint=r"(?:^|[^\w.+])1\d{3}(?:\d{10}|[ \-](?:\d{4}[ \-]\d{4}[ \-]\d\d|\d{6}[ \-]\d{4}))",
    second=may_be_card,
    figures=(
        Figures(pattern=r"(?:^|[^a0_.+])0{14,19}(?:$|[^a0_])", confirms=is_issued),
        Figures(signs="-", pattern="0000-0000", confirms=is_issued),
        Figures(pattern="(?:^|[^a0_.+])0000$", confirms=may_hold_card),
    ),
    find=find_cards,
)
