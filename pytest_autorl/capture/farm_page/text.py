"""Text of the page: safe for any name, short enough to be read."""

from __future__ import annotations

import html
import re

#: Longest text that is shown whole, characters. Ids of parametrised tests can hold whole documents.
LONGEST = 400

#: What would hide, reorder or break text: control characters, marks of writing direction, halves of characters.
_UNSHOWABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def shown(value: object, longest: int = LONGEST) -> str:
    r"""Text as people can see it: what hides or reorders is written out, a long middle is left out.

    >>> shown("a\nb")
    'a\\nb'
    >>> shown("abcdefghijk", 7)
    'abc…ijk'
    """
    text = str(value)
    if len(text) > longest:
        half = (longest - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    return _UNSHOWABLE.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "backslashreplace").decode("ascii")


def escaped(value: object) -> str:
    """Shown text, for HTML content and quoted attributes."""
    return html.escape(shown(value), quote=True)


def time(seconds: float) -> str:
    r"""Seconds for people; with spaces at which no line is broken.

    >>> time(0.0124), time(9.96), time(150), time(7500)
    ('0.01\xa0s', '10.0\xa0s', '2\xa0min\xa030\xa0s', '2\xa0h\xa005\xa0min')
    """
    if seconds < 120:
        return f"{seconds:.2f}\xa0s" if seconds < 9.95 else f"{seconds:.1f}\xa0s"
    minutes = round(seconds) // 60
    if minutes < 120:
        return f"{minutes}\xa0min\xa0{round(seconds) % 60:02}\xa0s"
    return f"{minutes // 60}\xa0h\xa0{minutes % 60:02}\xa0min"


def percent(share: float) -> str:
    """A share of 1.

    >>> percent(0.5), percent(0.004), percent(0.0), percent(0.997)
    ('50 %', '0.4 %', '0 %', '99.7 %')
    """
    value = 100 * share
    near_an_end = 0.05 <= value < 1 or 99 < value < 99.95
    return f"{value:.1f} %" if near_an_end else f"{value:.0f} %"


def counted(number: int, one: str = "", many: str = "") -> str:
    r"""A number, with its noun if there is one.

    >>> counted(1, "test"), counted(1200), counted(2, "loss", "losses")
    ('1 test', '1\u202f200', '2 losses')
    """
    digits = f"{number:,}".replace(",", "\u202f")
    return f"{digits} {one if number == 1 else many or one + 's'}" if one else digits
