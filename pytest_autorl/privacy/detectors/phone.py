"""Telephone numbers: international ones, shapes that only they have, and digits beside a word that says so.

A bare run of digits is none: identifiers and moments look the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from pytest_autorl.privacy.detector import Detector
from pytest_autorl.privacy.detectors import phonegate
from pytest_autorl.privacy.detectors.lazy import Lazy, Octets, lowered
from pytest_autorl.privacy.detectors.looks import is_in_uuid
from pytest_autorl.privacy.span import Span
from pytest_autorl.privacy.vocabulary import Figures, Words

#: Codes of the ITU (E.164); those that are free stay out.
_COUNTRIES_WORDS = (
    "1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 "
    "66 81 82 84 86 90 91 92 93 94 95 98 211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 "
    "231 232 233 234 235 236 237 238 239 240 241 242 243 244 245 246 247 248 249 250 251 252 253 254 255 "
    "256 257 258 260 261 262 263 264 265 266 267 268 269 290 291 297 298 299 350 351 352 353 354 355 356 "
    "357 358 359 370 371 372 373 374 375 376 377 378 380 381 382 383 385 386 387 389 420 421 423 500 501 "
    "502 503 504 505 506 507 508 509 590 591 592 593 594 595 596 597 598 599 670 672 673 674 675 676 677 "
    "678 679 680 681 682 683 685 686 687 688 689 690 691 692 800 808 850 852 853 855 856 870 878 880 881 "
    "882 883 886 888 960 961 962 963 964 965 966 967 968 970 971 972 973 974 975 976 977 979 992 993 994 "
    "995 996 998"
)
COUNTRIES = frozenset(_COUNTRIES_WORDS.split())

#: One separator between digits, or " (", ") ", " - ".
_SEP = r"(?:[ ]?[().\-/\u00a0\u2010\u2011\u2013][ (]?|[ ]\(?)"
#: Runs of digits first, each in one step; how many digits there are is counted afterwards.
CANDIDATE = Lazy(
    r"[+(\d](?<![\w+.]\S)(?<!\d[:,/\-]\S)(?<![0-9A-Za-z]/\S)(?=[\d ().\-/\u00a0\u2010\u2011\u2013]{6})"
    rf"\(?{_SEP}?(?:\d{{1,17}}{_SEP}){{0,12}}\d{{1,17}}(?![\w]|[.:,\-/]\d)"
)
#: The same for a row of numbers that is too long to be one.
FIRST_OF_MANY = Lazy(rf"[+(\d]\(?{_SEP}?(?:\d{_SEP}?){{5,16}}\d(?![\w]|[.:,\-/]\d)")
_NO_DIGIT = dict.fromkeys(map(ord, "+ ().-/\u00a0\u2010\u2011\u2013"))

#: Without a word beside them: areas in parentheses, three-three-four of North America, a leading zero with groups.
SHAPES = Lazy(
    r"\(\d{1,5}\)[ \-/]{0,2}\d{2,5}(?:[ .\-/]?\d{2,5}){1,3}"
    r"|\(\d{2,5}\)[ \-/]?\d{5,8}"
    r"|(?:1[ .\-])?[2-9]\d\d([ .\-])[2-9]\d\d\1\d{4}"
    r"|(?:1[ .\-])?8(?:00|33|44|55|66|77|88)[ .\-]\d{3}[ .\-]\d{4}"
    r"|0[1-9](?:([ .\-])\d\d){4}"
    r"|0[1-9]([ \-])\d{4}\3\d{4}"
    r"|0[1-9]\d{1,4}[ \-/]\d{5,8}"
    r"|0[1-9]\d{1,3}([ \-])\d{3,4}\4\d{3,4}"
    r"|0[1-9]\d{1,2}([ \-])\d{3}\5\d{2}\5\d{2}"
    r"|0[1-9]([ \-])\d{3}\6\d{2}\6\d{2}"
    r"|0[1-9]\d{3} \d{3} \d{3,4}"
)
#: A field of this name holds a number, and nothing else.
_NAMED = (
    r"(?:(?:telephone|telefone|tel[eé]fono|telefon|(?<![a-z])t[eé]l|phone|mobile|mobil|m[oó]vil"
    r"|celular|handy|(?<![a-z])fax|msisdn|whatsapp|"
    r"viber|hotline|helpline|(?<![a-z])sms|(?<![a-z])gsm|landline|caller|callee|contact)"
    r"|(?:(?<![a-z])cell|call|(?<![a-z])text|(?<![a-z])ring|pager)(?=[ _\-]?n))"
)
_NUMBER = r"(?:[ _\-]?(?:number|num|no\.?|nr\.?|#|line))"
#: ``"phoneNumber": "``, ``tel:``, ``mobile number ``: a bare run of digits may follow.
FIELD_BEFORE = Lazy(
    rf"{_NAMED}(?:{_NUMBER}s?[\"'`\])]{{0,2}}\s{{0,3}}(?:[:=>]{{1,2}}|is|was)?"
    rf"|s?[\"'`\])]{{0,2}}\s{{0,3}}[:=>]{{1,2}})\s{{0,2}}\\?[\"'`(\[]{{0,2}}$",
    re.ASCII | re.IGNORECASE,
)
#: ``reach us at ``, ``sms to ``, ``dialling ``.
DIRECTED = Lazy(
    r"\b(?:(?:call|sms|text|ring|reach|phone|contact|message|whatsapp|fax|number|voicemail|telephone)(?:ed|ing|s)?"
    r"(?: (?:me|us|him|her|them|back|sent|support|message|now|please|received|coming|customer"
    r" service)){0,3} (?:to|from|at|on|under|is|was)"
    r"|dial(?:s|ed|led|ing|ling)?|redial(?:ing)?|call forwarding to|please (?:call|ring|phone|text))[:"
    r" ]{0,2}[\"'(]?$",
    re.ASCII | re.IGNORECASE,
)
TEL = (
    r"(?:telephone|telefone|tel[eé]fono|telefon|\bt[eé]l|phone|mobile|mobil|m[oó]vil|celular|\bcell"
    r"|handy|\bfax|msisdn|whatsapp|viber|"
    r"hotline|helpline|\bsms|\bcall|\bcalled|\bcalling|\bcaller|\bdial|\bdialled|\bdialed|\bdialing"
    r"|\bring|\bcontact|\btext|\btexted|"
    r"\btexting|\bgsm|\bpager|voicemail|landline|customer service|\breach|\bnumber is)"
)
FILLER = (
    r"(?:[\s\"'`:=.>,(\[\\_#/\-]|&quot;|s\b|number|num\b|no\b|nr\b|phone|mobile|home|work|office|me\b"
    r"|us\b|him\b|her\b|them\b|"
    r"at\b|on\b|to\b|is\b|was\b|are\b|from\b|via\b|with\b|for\b|your\b|my\b|the\b|our\b|support\b"
    r"|customer\b|user\b|new\b|"
    r"sent\b|message\b|incoming\b|outgoing\b|verified\b|set\b|now\b|please\b|back\b|call\b|or\b|text\b"
    r"|value\b|string\b|"
    r"name\b|line\b|center\b|emergency\b|placed\b|received\b|changed\b|updated\b|of\b)"
)
BEFORE = Lazy(rf"{TEL}{FILLER}{{0,14}}$", re.ASCII | re.IGNORECASE)
#: An attribute of the same element says it.
ATTRIBUTE_AFTER = Lazy(
    r"[\"']\s[^<>]{0,120}?(?:content-desc|name|label|hint|resource-id|id"
    r"|placeholder)=[\"'][^\"'<>]{0,60}?(?:phone|mobile|msisdn|fax)",
    re.ASCII | re.IGNORECASE,
)
AFTER = Lazy(
    r"[\s)\]\"']{0,3}[(\[,\-]?\s?(?:is (?:my|the|our|her|his|their) |as (?:my|the|our) )?(?:new |direct )?"
    r"(?:mobile|cell|phone|tel\b|fax|telephone|landline|whatsapp|home phone|work phone|is calling|rang\b|hung up)",
    re.ASCII | re.IGNORECASE,
)
UNIT_AFTER = Lazy(r"[\"']?\s?(?:ns|us|ms|s|sec|bytes?|kb|mb|b|px|dp|hz|fps|%)\b", re.ASCII | re.IGNORECASE)
DATE = Lazy(
    r"(?:(?:19|20)\d\d([\-/.])[01]?\d\1[0-3]?\d|[0-3]?\d([\-/.])[0-3]?\d\2(?:(?:19|20)\d\d|\d\d))(?: \d{1,6})?"
)
#: How each of the words before a number begins, in lower case: a match from there is cheaper than a search.
WORD = Lazy(
    r"t[e\u00e9]l|phone|m[o\u00f3][bv]il|cell|celular|handy|fax|msisdn|whatsapp|viber|hotline|helpline|sms|gsm|landline"
    r"|call|contact|text|ring|pager|reach|message|number|voicemail|dial|redial|please|customer service"
)
#: What the words above have in common, for a quick look.
STEMS = (
    *(
        "phone",
        "tel",
        "mobil",
        "cell",
        "fax",
        "msisdn",
        "whatsapp",
        "hotline",
        "helpline",
        "sms",
        "call",
        "dial",
    ),
    *(
        "ring",
        "contact",
        "text",
        "gsm",
        "pager",
        "voicemail",
        "landline",
        "viber",
        "handy",
        "tél",
        "téléf",
        "móvil",
        "movil",
    ),
    *("celular", "customer service", "rang", "reach", "hung up", "number is"),
)


def find(text: str) -> Iterator[Span]:
    at = 0
    while (match := CANDIDATE.search(text, at)) is not None:
        start, end = match.span()
        at = end
        if end - start < 7 and text[start] not in "+(":
            continue
        count = len(digits_of(match.group())) - text[start].isdigit()
        if count < 6:
            continue
        if count > 17:
            match = FIRST_OF_MANY.match(text, start)
            if match is None:
                at = start + 1
                continue
            at = end = match.end()
        run = match.group()
        kept = run.lstrip("(") if ")" not in run else run
        start += len(run) - len(kept)
        if text[start - 1 : start] == "/" and text[start - 2 : start - 1].isalnum():
            continue  # the version of a program, or part of a path
        if kept.startswith("+ ") and DIFF_MARK.match(text[max(0, start - 24) : start][::-1]):
            # The mark of a line in a diff, as pytest shows one, is no part of what is compared.
            bare = kept[1:].lstrip()
            if is_shaped(text, bare, end - len(bare), end):
                yield Span(end - len(bare), end, "PHONE")
                continue
        if is_international(kept) or (
            (is_shaped(text, kept, start, end) or is_beside_a_word(text, kept, start, end))
            and not is_in_uuid(text, start, end)
        ):
            yield Span(start, end, "PHONE")


#: What stands before the mark of a diff, turned round.
DIFF_MARK = Lazy(r"[ ]{0,20}E?(?:\n|$)")


def digits_of(run: str) -> str:
    return run if run.isdigit() else run.translate(_NO_DIGIT)


def is_international(run: str) -> bool:
    """A plus sign, a country code and enough digits."""
    digits = digits_of(run)
    if run[0] != "+" and not (run[0] == "(" and run[1:2] == "+"):
        return False
    if not 8 <= len(digits) <= 15 and not (len(digits) == 7 and len(set(run)) > 4):
        return False
    if digits[0] == "1":
        return len(digits) == 11 and digits[1] > "1" and digits[4] > "1"
    return digits[:1] == "7" or digits[:2] in COUNTRIES or digits[:3] in COUNTRIES


def is_shaped(text: str, run: str, start: int, end: int) -> bool:
    digits = digits_of(run)
    if run.startswith("00") and digits[2:5] in COUNTRIES | {"1"} and not run.isdigit() and len(digits) >= 10:
        return len(set(digits)) > 3
    if not SHAPES.fullmatch(run) or DATE.fullmatch(run) or len(digits) < 8:
        return False
    return not (is_in_table(text, run, start, end) or UNIT_AFTER.match(text, end))


NUMBER_BEFORE = Lazy(r"\d[ \t,]{1,4}$")
NUMBER_AFTER = Lazy(r"[ \t,]{1,4}\d")


GROUPS = Lazy(r"\d+")


def is_beside_a_word(text: str, run: str, start: int, end: int) -> bool:
    """Whether the words around digits say what they are; a bare run needs a field's name or a preposition."""
    digits = digits_of(run)
    if (
        not 6 <= len(digits) <= 15
        or len(set(digits)) < 3
        or DATE.fullmatch(run)
        or UNIT_AFTER.match(text, end)
    ):
        return False
    before = text[max(0, start - 64) : start]
    words = [match.start() for match in WORD.finditer(lowered(before))]
    if any(FIELD_BEFORE.match(before, at) or DIRECTED.match(before, at) for at in words):
        return True
    if ATTRIBUTE_AFTER.match(text, end):
        return True
    if run.isdigit():
        return run[0] == "0" and 9 <= len(run) <= 12 and any(BEFORE.match(before, at) for at in words)
    groups = [len(match.group()) for match in GROUPS.finditer(run)]
    if (
        max(groups) > 8
        or groups[0] > 5
        or ("." in run and min(groups) < 2)
        or is_in_table(text, run, start, end)
    ):
        return False
    return any(BEFORE.match(before, at) for at in words) or AFTER.match(text, end) is not None


def is_in_table(text: str, run: str, start: int, end: int) -> bool:
    """Whether the digits are some of many numbers that spaces separate."""
    if " " not in run:
        return False
    return bool(NUMBER_BEFORE.search(text[max(0, start - 12) : start])) or bool(NUMBER_AFTER.match(text, end))


#: Words before a number as they are written, several of them in one too, and those after one. No text can be put
#: together of them in two ways ("themed" of "the", "me" and "d" only): each such would double the time of a search.
_FILLED = (
    "s|number|num|no|nr|phone|mobile|home|work|office|me|us|him|her|them(?!ed|your)|at|on|to|is|was|are|from|via|with"
    "|for|your|my|the|our|support|customer|user|new|sent|message|incoming|outgoing|verified|set|now|please|back|call|or|text|value"
    "|string|name|line|center|emergency|placed|received|changed|updated|of|ed|ing|led|ling|d|r|forwarding"
)
_CALLED = (
    r"(?:phone|mobile?|fax|msisdn|whatsapp|voicemail|landline|telephone|telefone|tel[e\xe9]fono|telefon|(?<![a-z])t[e\xe9]l"
    r"|m[o\xf3]vil|celular|(?<![a-z])cell|handy|viber|hotline|helpline|(?<![a-z])sms|call(?:e[er])?|(?<![a-z])dial"
    r"|(?<![a-z])redial|(?<![a-z])ring|contact|(?<![a-z])text|(?<![a-z])gsm|pager|(?<![a-z])reach"
    r"|(?<![a-z])number|(?<![a-z])message|(?<![a-z])customer)"
)
_TOLD = Lazy(rf"{_CALLED}(?:{_FILLED}){{0,64}}$", re.ASCII | re.IGNORECASE)
_CALLED_STEMS = (
    *("phone", "mobil", "fax", "msisdn", "whatsapp", "voicemail", "landline", "tel", "t\xe9l"),
    *("movil", "m\xf3vil", "celular", "cell", "handy", "viber", "hotline", "helpline", "sms", "call", "dial"),
    *("redial", "ring", "contact", "text", "gsm", "pager", "reach", "number", "message", "customer"),
)
#: What may stand between such a word and a number, in its figure and in all.
_BETWEEN = rf"(?:{_FILLED}|quot|service|under|coming|[^a-z0-9\x80-\xff])"
_UP_TO_NUMBER = Octets(rf"{_CALLED}{_BETWEEN}{{0,64}}(?:$|0)")
_CALLING = Octets(rf"{_CALLED}{_BETWEEN}{{0,64}}[0-9](?:[ ().\-/?\xa0]{{0,3}}[0-9]){{5}}")
#: Words that stand behind a number.
_BEHIND = ("mobile", "cell", "phone", "tel", "fax", "landline", "whatsapp", "calling", "rang", "hung")
_BEHIND_BYTES = tuple(word.encode() for word in _BEHIND)
_LEADING_THERE_WORDS = "is my the our her his their new direct home work 0 1 2 3 4 5 6 7 8 9"
_LEADING_THERE = tuple(word.encode() for word in _LEADING_THERE_WORDS.split())
#: Words in attributes behind a number.
_ATTRIBUTES = ("phone", "mobile", "msisdn", "fax")
_TRUNK = Octets(
    r"[02-9](?<![\w.][0-9])(?:(?<=0)[1-9][0-9]{0,4}(?:[ /\-][0-9]{3}|[ .\-][0-9]{2}[ .\-][0-9]{2}[ .\-])"
    r"|[0-9]{2}([ .\-])[2-9][0-9]{2}\1[0-9]{4}|(?<=8)[0-9]{2}[ .\-][0-9]{3}[ .\-][0-9]{4})"
)
_ZERO = Octets(r"0(?<![\w.]0)[1-9][0-9]{0,4}(?:[ /\-][0-9]{3}|[ .\-][0-9]{2}[ .\-][0-9]{2}[ .\-])")
_THREE = Octets(r"[2-9](?<![\w.][0-9])[0-9]{2}[.\-][0-9]{3}[.\-][0-9]{4}")
#: A space before three digits, or between pairs.
_SPACED = Octets(r"00 0(?:00|0[ .\-]00[ .\-]00)")
_ABROAD = Octets(
    r"00(?<![\w.+]00)(?:[1-9][0-9]{0,14}[ \-/().?\xa0]"
    r"|(?<![0-9][:,/\-]00)[ \-/().?\xa0]{1,3}[2-9](?:[ \-/().?\xa0]{0,3}[0-9]){7})"
)
_BRACKETS = Octets(r"\([+]?0{1,5}\)[ \-/]{0,2}0{2,5}[ .\-/]?0")
_SEVEN = r"(?:[ ().\-/?\xa0]{0,3}[0-9]){6}"
_PLUS = Octets(r"\+[ ().\-/?\xa0]{0,4}[0-9]" + _SEVEN)
_ANY = Octets(rf"[0-9]{_SEVEN}|[+(][(]?[ ().\-/?\xa0]{{0,3}}[0-9]" + _SEVEN.replace("6", "5"))
#: As `CANDIDATE`, of what latin-1 has.
_RUN = Octets(CANDIDATE.source.replace(r"\u2010\u2011\u2013", "").replace(r"\u00a0", r"\xa0"))
_AFTER, _ATTRIBUTE = Octets(AFTER.source), Octets(ATTRIBUTE_AFTER.source)
_FILLER = Lazy(rf"(?:{_FILLED}|quot|service|under)+", re.ASCII | re.IGNORECASE)
_LETTERS = bytes(code if chr(code).isalpha() else 32 for code in range(256))


def is_told(word: str) -> bool:
    return _TOLD.search(word) is not None


def is_up_to_number(figure: bytes) -> bool:
    return _UP_TO_NUMBER.search(figure.lower()) is not None


def stands_behind(word: str) -> bool:
    return word.lower().startswith(_BEHIND)


@lru_cache(maxsize=1024)
def may_stand_before(word: bytes) -> bool:
    told = word.decode("latin-1")
    return is_told(told) or _FILLER.fullmatch(told) is not None


def is_beside(low: bytes, drawn: bytes) -> bool:
    """Whether the last word before a run of digits, or what follows it, may belong to a telephone."""
    if b"?" in low and _ANY.search(low):
        return True  # it may be a dash that latin-1 does not have
    for run in _RUN.finditer(low):
        start, end = run.span()
        if end - start > 15:
            count = len(run.group().translate(None, b"+ ().-/\xa0"))
            if count > 17:
                return True  # a row of numbers, of which one may be meant
            if count > 15:
                continue
        words = low[max(0, start - 64) : start].translate(_LETTERS).split()
        if (words and may_stand_before(words[-1])) or _AFTER.match(low, end) or _ATTRIBUTE.match(low, end):
            return True
    return False


def called(stem: str) -> Words:
    """Words with this stem, where nothing but what may stand there stands between one and a number."""
    octets = stem.encode("latin-1")

    def is_called(low: bytes, drawn: bytes) -> bool:
        at = low.find(octets)
        while at >= 0:
            if _CALLING.match(low, at):
                return True
            at = low.find(octets, at + 1)
        return False

    return Words(stems=(stem,), accepts=is_told, within=is_up_to_number, confirms=is_called)


def is_in_front(low: bytes, drawn: bytes) -> bool:
    """Whether a number may stand before one of the words that follow one."""
    for word in _BEHIND_BYTES:
        at = low.find(word)
        while at >= 0:
            if low[max(0, at - 24) : at].rstrip(b" \t\n\r\f\v)]\"'([,-").endswith(_LEADING_THERE):
                return is_beside(low, drawn)
            at = low.find(word, at + 1)
    return False


def is_attribute(low: bytes, drawn: bytes) -> bool:
    return (b'="' in low or b"='" in low) and is_beside(low, drawn)


def may_hold(low: bytes, drawn: bytes) -> bool:
    match = _SPACED.search(drawn)
    while match is not None:
        at = match.start()
        # Enough of both sides for what is grouped so, and no more: most of these are columns of numbers.
        if _TRUNK.search(low, max(0, at - 16), at + 24):
            return True
        match = _SPACED.search(drawn, at + 1)
    return _ABROAD.search(low) is not None


def is_written(low: bytes, drawn: bytes) -> bool:
    return _PLUS.search(low) is not None or _BRACKETS.search(drawn) is not None


def is_joined(low: bytes, drawn: bytes) -> bool:
    return _ZERO.search(low) is not None


def is_of_three(low: bytes, drawn: bytes) -> bool:
    return _THREE.search(low) is not None


_TOLD_BEFORE = TEL + FILLER + "*"
PHONE = Detector(
    name="phone",
    gate=lambda: phonegate.gate(_TOLD_BEFORE, (FIELD_BEFORE, DIRECTED)),
    hint=phonegate.hint,
    words=(
        *map(called, _CALLED_STEMS),
        Words(stems=_BEHIND, accepts=stands_behind, confirms=is_in_front),
        Words(stems=_ATTRIBUTES, confirms=is_attribute),
    ),
    figures=(
        Figures(signs="+", pattern=r"[+](?:$|[().\-/?]{0,4}0)", confirms=is_written),
        Figures(signs="(", pattern=r"\([+]?0{1,5}\)(?:$|[\-/]{0,2}0|[\-/]{1,2}$)", confirms=is_written),
        Figures(signs="/-", pattern=r"(?:^|[^a0_.])0{2,6}[/\-]000", confirms=is_joined),
        Figures(signs=".-", pattern=r"(?:^|[^a0_.])00(?:[.\-]00){2,4}(?:$|[^a0_])", confirms=is_joined),
        Figures(signs=".-", pattern=r"000[.\-]000[.\-]0000", confirms=is_of_three),
    ),
    shape=may_hold,
    find=find,
)
