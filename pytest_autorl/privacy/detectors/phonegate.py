"""When a text is worth a search for telephone numbers: what RE2 is asked of digits, and of the words beside them."""

from __future__ import annotations

from pytest_autorl.privacy.detectors.lazy import Lazy

_SEPARATORS = r"[ ().\-/?\xa0]"
_SIX = rf"\d{_SEPARATORS}*" * 5 + r"\d"
#: What follows the digits, and an attribute of the same element that says what they are.
_AFTER = (
    r"[\s)\]\"']{0,3}[(\[,\-]?\s?(?i:is (?:my|the|our|her|his|their) |as (?:my|the|our) )?(?i:new |direct )?"
    r"(?i:mobile|cell|phone|tel|fax|telephone|landline|whatsapp|home phone|work phone|is calling|rang|hung up)"
)
_ATTRIBUTE = r"[\"']\s[^<>]*(?i:content-desc|name|label|hint|id|placeholder)=[\"'][^\"'<>]*(?i:phone|mobile|msisdn|fax)"
#: A few more than the words that `phone` knows, in one piece: word boundaries and alternatives would double the states.
_STEM = (
    r"(?:telephone|telefone|telefon|tel[e\xe9]fono|phone|mobile?|m[o\xf3]vil|celular|handy|msisdn|whatsapp|viber|hotline"
    r"|helpline|voicemail|landline|caller|callee|contact|customer service|(?:call|pager)[ _\-]?n"
    r"|(?:^|[^A-Za-z])(?:t[e\xe9]l|cell|fax|sms|call|dial|redial|ring|text|gsm|pager|reach|message|number))"
)
_BETWEEN = (
    r"(?:[\s\"'`:=.>,()\[\]\\_#/\-]|&quot;|s|d|ed|ing|led|ling|number|umber|um|num|no|o|nr|r|phone|mobile|home|work|office"
    r"|me|us|him|her|them|at|on|to|is|was|are|from|via|with|for|your|my|the|our|support|customer|user|new|sent|message"
    r"|incoming|outgoing|verified|set|now|please|back|call|or|text|value|string|name|line|center|emergency|placed"
    r"|received|changed|updated|of|under|coming|service|forwarding)"
)
#: A slash after a letter or digit is that of a path or a version.
_BEGIN = r"(?:^|[^\w+./]|(?:^|[^0-9A-Za-z])/)"
_END = r"(?:$|[^\w.:,\-/]|[.:,\-/](?:$|\D))"


def _bracketed() -> str:
    """An area in brackets and the digits after it: eight together."""
    return "|".join(
        rf"\+?\d{{{area}}}\)[ \-/]{{0,2}}(?:\d[ .\-/]?){{{7 - area}}}\d[\d .\-/]*{_END}"
        for area in range(1, 6)
    )


def _grouped(bracketed: str) -> str:
    """What needs no word beside it. A colon with a digit before it is that of a clock."""
    return (
        rf"(?:^|[^\w+.])\((?:{bracketed})|(?:^|\W)[2-9]\d\d[ .\-]\d{{3}}[ .\-]\d{{4}}"
        r"|(?:^|[^\w+.:]|(?:^|\D):)0(?:[1-9](?:[ .\-]\d\d[ .\-]\d\d[ .\-]\d\d|\d{0,4}[ /\-]\d{3})"
        rf"|0[1-9]\d*{_SEPARATORS}|0{_SEPARATORS}{{1,3}}[1-9]{_SEPARATORS}{{0,3}}\d)"
    )


def gate(told: str, before: tuple[Lazy, ...]) -> str:
    """The gate.

    Args:
        told: Pattern of a word that says what the digits are, and of what may stand between.
        before: Patterns of other words before them.
    """
    words = "|".join((f"(?i:{told})", *(pattern.plain() for pattern in before)))
    return (
        rf"\+\(?{_SEPARATORS}*{_SIX}|{_grouped(_bracketed())}|(?:{words})\\?[\"'`(\[\n]*\+?{_SEPARATORS}*{_SIX}"
        rf"|{_BEGIN}[+(]{{0,2}}{_SEPARATORS}*(?:\d{_SEPARATORS}*){{6}}[\d ().\-/?\xa0]*{_AFTER}|{_SIX}{_ATTRIBUTE}"
    )


def hint() -> str:
    """How groups begin, and words up to the first digit beside them: all stems before all that may stand between."""
    grouped = rf"(?:^|[^\w+.])\+{_SEPARATORS}*\d|" + _grouped(r"\+?\d{1,5}\)[ \-/]{0,2}\d\d").replace(
        "[2-9]", "1"
    )
    before = rf"(?i:{_STEM}{_BETWEEN}*)\+?{_SEPARATORS}*\d"
    after = (
        r"(?i:(?:(?:is|as) (?:my|the|our|her|his|their) )?(?:new |direct )?"
        r"(?:mobile|cell|phone|tel|fax|landline|whatsapp|home phone|work phone|is calling|rang|hung up))"
    )
    return rf"{grouped}|{before}|\d{_SEPARATORS}*(?:[\s)\]\"',(\[\-]{{1,5}}{after}|[\"']\s)"
