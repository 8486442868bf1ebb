"""Which detectors are worth running on a text: one cheap look for all of them.

Most of what a run writes holds nothing personal, so nearly all time goes into finding that out. With RE2 the hints of
all detectors are one automaton, which reads a text once; a detector that is hinted at is asked its own gate. Without it
each word and figure of a text is looked up among those that were judged before (`vocabulary`), which is several times
slower and lets a few more texts through. What is found is the same.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Literal

from pytest_autorl.errors import UsageError
from pytest_autorl.privacy.detector import Detector, unasked
from pytest_autorl.privacy.latin import BLURRED, DRAWN, blur, latin
from pytest_autorl.privacy.vocabulary import Lexicon

Engine = Literal["auto", "re2", "re"]

#: With the default of 8 MB the automaton is thrown away and rebuilt all the time, which is slower than `re`.
MEMORY_BYTES = 256 << 20
#: So much text is read without RE2 before its automata are made, characters.
WORTH = 64 << 10
#: Any run of so many bytes holds a whole 4-byte word at an offset divisible by four.
WORDY_BYTES = 7
#: So many literals are searched for one by one in the time in which the words of a text are looked up.
FEW_LITERALS = 16


def has_re2() -> bool:
    return importlib.util.find_spec("re2") is not None


def new_gate(detectors: Sequence[Detector], literals: Sequence[str] = (), engine: Engine = "auto") -> Gate:
    """A gate for these detectors and exact values.

    Args:
        literals: What must be found exactly, in each form in which it may appear; none is empty.
        engine: ``auto`` takes RE2 when it can be imported.
    Raises: UsageError if RE2 is asked for and not installed.
    """
    if engine == "auto":
        return Gate(detectors, literals, "re2", worth=WORTH) if has_re2() else Gate(detectors, literals, "re")
    if engine == "re2" and not has_re2():
        raise UsageError("the engine re2 is not installed", do="pip install 'pytest-autorl[privacy]'")
    return Gate(detectors, literals, engine)


class Gate:
    """Says what a text may hold.

    Attributes:
        literal: The index that stands among those of `hits` for "one of the literals may be in it".
        engine: ``re2`` or ``re``.
        hits: Takes a text of any length; indices of the detectors whose `find` may find something, and `literal`.
    """

    hits: Callable[[str], Sequence[int]]

    def __init__(
        self,
        detectors: Sequence[Detector],
        literals: Sequence[str],
        engine: Literal["re2", "re"],
        *,
        worth: int = 0,
    ) -> None:
        self._worth = worth
        self.literal = len(detectors)
        self.engine = engine
        self._detectors = tuple(detectors)
        self._literals = tuple(sorted({latin(text) for text in literals if text}))
        self.hits = self._first

    def may_hold_literal(self, text: str) -> bool:
        return self.literal in self.hits(text)

    def _first(self, text: str) -> Sequence[int]:
        """Compile at the first text: many processes never see one."""
        if self.hits != self._first:  # who asks has kept this
            return self.hits(text)
        if self.engine == "re2" and not self._worth:
            self.hits = self._automaton()
        else:
            self.hits = shapes = self._shapes()
            if self.engine == "re2":
                self.hits = self._until_worth_it(shapes)
        return self.hits(text)

    def _until_worth_it(self, shapes: Callable[[str], Sequence[int]]) -> Callable[[str], Sequence[int]]:
        """The automata take longer to be made than a short run takes to be read without them."""

        made: Callable[[str], Sequence[int]] | None = None
        is_begun = False

        def hits(text: str) -> Sequence[int]:
            nonlocal made, is_begun
            if made is None:
                self._worth -= len(text)
                # While one thread makes them, others, or a signal handler in its midst, do without.
                if self._worth >= 0 or is_begun:
                    return shapes(text)
                is_begun = True
                made = self.hits = self._automaton()
            return made(text)

        return hits

    def _automaton(self) -> Callable[[str], Sequence[int]]:
        import re2

        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.max_mem = MEMORY_BYTES

        def automaton(patterns: Sequence[str]) -> Callable[[bytes], Sequence[int] | None]:
            made = re2.Set.SearchSet(options)
            for pattern in patterns:
                made.Add("".join(char if char < "\u0100" else r"\?" for char in pattern).encode("latin-1"))
            made.Compile()
            # Past the wrapper, which takes as long as the search of a line.
            search: Callable[[bytes], Sequence[int] | None] = getattr(made, "_set", made).Match
            return search

        # Where there is no second question, `len` says yes: what was hinted at has a length.
        gates = [source(detector.gate) for detector in self._detectors]
        # A pattern that matches everything would be in every state of an automaton.
        always = tuple(index for index, gate in enumerate(gates) if not gate)
        hints: list[str] = []
        seconds: list[tuple[int, Callable[[bytes], object], Callable[[bytes], object]]] = []
        for index, (detector, gate) in enumerate(zip(self._detectors, gates, strict=True)):
            if gate:
                hint = source(detector.hint)
                hints.append(hint or gate)
                seconds.append((index, automaton([gate]) if hint else len, detector.second or len))
        if self._literals:
            hints.append("|".join(escaped(blur(word)) for word in self._literals))
            exact = "|".join(escaped(word) for word in self._literals)
            seconds.append((self.literal, automaton([exact]), len))
        ask, blurred = automaton(hints), BLURRED

        def hits(text: str) -> Sequence[int]:
            plain = text.encode("latin-1", "replace")
            hinted = ask(plain.translate(blurred))
            if not hinted:
                return always
            if len(hinted) == 1:
                index, is_met, holds = seconds[hinted[0]]
                return (*always, index) if is_met(plain) and holds(plain) else always
            found = [*always]
            for place in hinted:
                index, is_met, holds = seconds[place]
                if is_met(plain) and holds(plain):
                    found.append(index)
            return found

        return hits

    def _shapes(self) -> Callable[[str], Sequence[int]]:
        shapes = tuple(
            (index, detector.shape)
            for index, detector in enumerate(self._detectors)
            if detector.shape is not unasked
        )
        words = [(index, words) for index, made in enumerate(self._detectors) for words in made.words]
        figures = [
            (index, drawings) for index, made in enumerate(self._detectors) for drawings in made.figures
        ]
        told = Lexicon(words, figures).told
        holds_one = words_test(self._literals) if self._literals else None
        literal, digits = self.literal, DRAWN

        def hits(text: str) -> Sequence[int]:
            plain = text.encode("latin-1", "replace")
            low, drawn = plain.lower(), plain.translate(digits)
            found: list[int] = []
            for index, confirm in told(plain):
                if confirm is None or confirm(low, drawn):
                    found.append(index)
            for index, shape in shapes:
                if shape(low, drawn) and index not in found:
                    found.append(index)
            if holds_one is not None and holds_one(plain):
                found.append(literal)
            return found

        return hits


def source(pattern: str | Callable[[], str]) -> str:
    """The pattern, made now if it has not been."""
    return pattern if isinstance(pattern, str) else pattern()


def escaped(word: bytes) -> str:
    """Pattern for exactly these bytes, in the syntax of RE2; twelve of them are enough to let few others through."""
    return "".join(
        chr(code) if chr(code).isalnum() and code < 128 else f"\\x{code:02x}" for code in word[:12]
    )


def words_test(literals: Sequence[bytes]) -> Callable[[bytes], bool]:
    """Whether one of many byte strings may be in a text, without a search for each.

    Of a string that is long enough, one word of four bytes lies on a boundary of the text's words, wherever it stands.
    So the words of the text, taken as numbers, are looked up among those that the strings can show: four each.
    """
    words: set[int] = set()
    short: list[bytes] = []
    for literal in literals:
        if len(literal) < WORDY_BYTES or len(literals) <= FEW_LITERALS:
            short.append(literal)
            continue
        # The part of it that is least like ordinary text: letters in lower case are what logs are full of.
        start = max(
            range(len(literal) - WORDY_BYTES + 1),
            key=lambda at: sum(not 97 <= code <= 122 for code in literal[at : at + WORDY_BYTES]),
        )
        for at in range(start, start + 4):
            words.update(memoryview(literal[at : at + 4]).cast("I"))
    few = tuple(short)

    def holds_one(plain: bytes) -> bool:
        if words and not words.isdisjoint(memoryview(plain)[: len(plain) & ~3].cast("I")):
            return True
        return any(map(plain.__contains__, few))

    return holds_one
