"""Which detectors a text is for, by its words and figures; what the engine without RE2 asks first.

Logs say the same few thousand words all day. So each word is judged once, against what all detectors look for, and a
text costs a split and a look-up for each word, however many stems there are. Words are runs of letters: digits and
signs end one, so that times, counters and most identifiers leave no new ones behind. The same holds for figures, once
all letters and all digits are alike: ``00:00:00.000`` is every moment of the day. What is split are figures whose
letters are kept, so that one look-up tells of a figure and of the words in it; they are new a little more often.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: When so many words are known, all are forgotten: a few megabytes.
MOST_WORDS = 1 << 14
#: Longer words are judged each time they come. They are parts of encoded data, which do not come twice.
LONGEST = 40
#: Figures are alike more often, and may be longer.
LONGEST_FIGURE = 96

#: Figures keep these; what else is neither letter nor digit ends one.
_SIGNS = ".:-/+@()%\\?&~_"
_FIGURES = bytes(
    ord("a")
    if chr(code).isalpha() and code < 128
    else ord("0")
    if 48 <= code <= 57
    else code
    if chr(code) in _SIGNS
    else ord("?")
    if code >= 128
    else ord(" ")
    for code in range(256)
)
_LETTERS = bytes(code if chr(code).isalpha() else 32 for code in range(256))
#: Figures in which letters stay as they are.
_TOKENS = bytes(
    code if code >= 128 or chr(code).isalpha() else figure for code, figure in enumerate(_FIGURES)
)

#: The closer look at a text, given what `Detector.shape` gets.
Confirm = Callable[[bytes, bytes], bool]


@dataclass(frozen=True, kw_only=True)
class Words:
    """Words that are a reason to look closer.

    Attributes:
        stems: A word must hold one, in lower case as latin-1; one of one or two letters must be the whole word.
        accepts: Whether a word that does is a reason indeed, given in the case in which it is written; None: it is.
        within: Whether it is in this figure, given with its letters and with each digit as ``0``. None: in any.
        confirms: The closer look at a text with such a word, cheap. It gets what `Detector.shape` gets. None: no need.
    """

    stems: Sequence[str]
    accepts: Callable[[str], bool] | None = None
    within: Callable[[bytes], bool] | None = None
    confirms: Confirm | None = None


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Figures that are a reason to look closer: words as above, with the signs in them, drawn.

    Attributes:
        pattern: What is searched in a figure; each letter is ``a`` in it, each digit ``0``, and what latin-1 has
            beyond ASCII, or has not, is ``?``. It takes time linear in the figure.
        signs: One of these stands in each such figure, so that others need no search. Empty: any may be one.
        within: As that of `Words`.
        confirms: As that of `Words`.
    """

    pattern: str
    signs: str = ""
    within: Callable[[bytes], bool] | None = None
    confirms: Confirm | None = None


class _Known(dict[bytes, int]):
    """What was judged before: word or figure -> one bit for each detector it is a reason for."""

    longest = LONGEST

    def __missing__(self, word: bytes) -> int:
        bits = self._judged(word)
        if len(word) <= self.longest:
            if len(self) >= MOST_WORDS:
                self.clear()
            self[word] = bits
        return bits

    def _judged(self, word: bytes) -> int:
        raise NotImplementedError

    def _together(self, words: list[bytes]) -> int:
        bits = 0
        for some in set(map(self.__getitem__, words)):
            bits |= some
        return bits


class Gallery(_Known):
    """The figures.

    Args:
        wanted: Bit number and figures of each detector that has some.
    """

    longest = LONGEST_FIGURE

    def __init__(self, wanted: Sequence[tuple[int, Figures]]) -> None:
        super().__init__()
        everything = range(256)
        self._searches = [
            (
                1 << number,
                frozenset(figures.signs.encode("latin-1") or everything),
                re.compile(figures.pattern.encode("latin-1")).search,
            )
            for number, figures in wanted
        ]

    def shown(self, plain: bytes) -> int:
        """The bits of all figures of a text together."""
        return self._together(plain.translate(_FIGURES).split())

    def _judged(self, word: bytes) -> int:
        if word.isalpha():
            return 0
        bits, drawn = 0, set(word)
        for bit, signs, search in self._searches:
            if not signs.isdisjoint(drawn) and search(word):
                bits |= bit
        return bits


class Vocabulary(_Known):
    """The words.

    Args:
        wanted: Bit number and words of each detector that has some.
    """

    def __init__(self, wanted: Sequence[tuple[int, Words]]) -> None:
        super().__init__()
        self._accepts = {number: words.accepts for number, words in wanted}
        self._whole: dict[bytes, int] = {}
        #: First three letters of a stem -> all stems that begin so, each with the numbers it counts for.
        self._begun: dict[bytes, list[tuple[bytes, int]]] = {}
        for number, words in wanted:
            for stem in dict.fromkeys(words.stems):
                octets = stem.encode("latin-1")
                if len(octets) < 3:
                    self._whole[octets] = self._whole.get(octets, 0) | 1 << number
                else:
                    self._begun.setdefault(octets[:3], []).append((octets, number))

    def said(self, plain: bytes) -> int:
        """The bits of all words of a text together."""
        return self._together(plain.translate(_LETTERS).split())

    def _judged(self, word: bytes) -> int:
        low = word.lower()
        begun, numbers = self._begun, self._whole.get(low, 0)
        for at in range(len(low) - 2):
            for stem, number in begun.get(low[at : at + 3], ()):
                if low.startswith(stem, at):
                    numbers |= 1 << number
        bits = 0
        while numbers:
            number = numbers.bit_length() - 1
            numbers ^= 1 << number
            accepts = self._accepts[number]
            if accepts is None or accepts(word.decode("latin-1")):
                bits |= 1 << number
        return bits


class Lexicon:
    """Words and figures of all detectors together.

    Args:
        words: Number and words of each detector that has some.
        figures: Number and figures of each detector that has some.
    """

    def __init__(self, words: Sequence[tuple[int, Words]], figures: Sequence[tuple[int, Figures]]) -> None:
        reasons: list[tuple[int, Words | Figures]] = [*words, *figures]
        #: The bit of each reason, with the detector's number and what confirms it.
        self._wanted = [(1 << place, number, made.confirms) for place, (number, made) in enumerate(reasons)]
        self._within = [
            (1 << place, made.within) for place, (_, made) in enumerate(reasons) if made.within is not None
        ]
        self._narrowed = sum(bit for bit, _ in self._within)
        self._vocabulary = Vocabulary([(place, made) for place, (_, made) in enumerate(words)])
        self._gallery = Gallery([(place, made) for place, (_, made) in enumerate(figures, len(words))])
        #: All that was judged, and the bits of what is a reason for somebody. They are replaced together.
        self._known: tuple[set[bytes], dict[bytes, int]] = set(), {}
        self._told: dict[int, tuple[tuple[int, Confirm | None], ...]] = {0: ()}

    def told(self, plain: bytes) -> tuple[tuple[int, Confirm | None], ...]:
        """The numbers of the detectors that a text, as latin-1, is for, each with what must confirm it, if anything."""
        tokens = plain.translate(_TOKENS).split()
        known, notable = self._known
        bits = 0
        if known.issuperset(tokens):
            for token in notable.keys() & tokens:
                bits |= notable[token]
        else:
            bits = self._learned(tokens)
        try:
            return self._told[bits]
        except KeyError:
            return self._weighed(bits)

    def _learned(self, tokens: list[bytes]) -> int:
        known, notable = self._known
        bits = 0
        for token in set(tokens).difference(known):
            own = self._judged(token)
            bits |= own
            if len(token) <= LONGEST_FIGURE and len(known) < MOST_WORDS:
                if own:
                    notable[token] = own
                known.add(token)
        for token in notable.keys() & tokens:
            bits |= notable[token]
        if len(known) >= MOST_WORDS:
            # Others may be reading these: nothing is taken out of them.
            self._known = set(), {}
        return bits

    def _judged(self, token: bytes) -> int:
        bits = self._gallery[token.translate(_FIGURES)] | self._vocabulary.said(token)
        if bits & self._narrowed:
            for bit, is_within in self._within:
                if bits & bit and not is_within(token):
                    bits ^= bit
        return bits

    def _weighed(self, bits: int) -> tuple[tuple[int, Confirm | None], ...]:
        asked: dict[int, Confirm | None] = {}
        for bit, number, confirm in self._wanted:
            if bits & bit:
                asked[number] = either(asked[number], confirm) if number in asked else confirm
        if len(self._told) >= MOST_WORDS:
            self._told = {0: ()}
        told = self._told[bits] = tuple(asked.items())
        return told


def either(one: Confirm | None, other: Confirm | None) -> Confirm | None:
    """What confirms where one of two is enough; None needs no confirmation."""
    if one is None or other is None or one is other:
        return one if one is other else None

    def confirms(low: bytes, drawn: bytes) -> bool:
        return one(low, drawn) or other(low, drawn)

    return confirms
