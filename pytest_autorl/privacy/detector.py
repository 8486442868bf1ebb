"""The seam between the redactor and what it looks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from pytest_autorl.privacy.span import Span
from pytest_autorl.privacy.vocabulary import Figures, Words


def unasked(low: bytes, drawn: bytes) -> bool:
    """The shape of what only words tell."""
    return False


class Detector(NamedTuple):
    """Finds one family of values.

    Attributes:
        name: Unique, for tests and figures.
        gate: Pattern in the syntax that RE2 and `re` share, over the text as latin-1 (other characters are ``?``): it
            matches every text in which `find` finds something, and few others. A long one is made when it is needed.
            Empty: every text may hold something.
        find: The spans in a text, validated, in any order, also overlapping. Takes time linear in the text.
        hint: A weaker gate, asked first, over the text as `latin.blur` draws it: each digit from 1 to 9 is ``1``. All
            hints are one automaton, whose states multiply with every pattern that remembers something for long, so it
            is of short words and few loops. Empty: the gate itself is asked, which then tells no such digits apart.
        second: Asked where hint and gate are met, of the text as latin-1: what no pattern says, as a check digit.
        words: What an engine without RE2 asks instead of the gate: words that must be in a text, for any of these.
        figures: The same for what is written with digits and signs.
        shape: What it asks of every text as well, cheap: each of the three is a reason to call `find`. It is given the
            text as latin-1 twice: in ASCII lower case, and drawn by `latin.draw` (every digit is ``0``).
    """

    name: str
    gate: str | Callable[[], str]
    find: Callable[[str], Iterable[Span]]
    hint: str | Callable[[], str] = ""
    second: Callable[[bytes], bool] | None = None
    words: Sequence[Words] = ()
    figures: Sequence[Figures] = ()
    shape: Callable[[bytes, bytes], bool] = unasked
