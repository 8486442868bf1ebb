"""Regular expressions that strangers write, matched in bounded time.

Python's `re` backtracks, and holds the interpreter while it does: one ``(a+)+b`` in a locator would stop all
devices of the server and its admin routes. Here the whole set of places a match can have reached is followed
at once (Thompson, CACM 11(6), 1968), as the bits of an integer: bit i stands for "before character i". Time
is polynomial, counted, and spent in Python code, so that other threads run meanwhile.

`re` still reads the syntax and decides about single characters and about ``^ $ \\b``. Which text a group holds
is not known here; only whether there is a match. Back-references, conditions, atomic groups, possessive
quantifiers and verbose patterns are refused: they are not regular, or cannot be told apart without groups.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

#: Longest pattern, characters; deepest nesting of groups (parser and matcher recurse).
MAX_PATTERN = 1_000
MAX_DEPTH = 40
#: Parts of the pattern one match may visit: some 50 ms. Everyday patterns need tens of them.
MAX_STEPS = 50_000


class RegexError(ValueError):
    """A pattern that is malformed, not supported, or too much work; the text says which and why."""


@dataclass(frozen=True)
class _Character:
    """One character of a class (a literal is a class of one)."""

    accepts: re.Pattern[str]


@dataclass(frozen=True)
class _Assertion:
    """A place: ``^ $ \\A \\Z \\b \\B``."""

    holds: re.Pattern[str]


@dataclass(frozen=True)
class _Sequence:
    parts: tuple[_Part, ...]


@dataclass(frozen=True)
class _Choice:
    parts: tuple[_Part, ...]


@dataclass(frozen=True)
class _Repeat:
    """`high` None: without end."""

    body: _Part
    low: int
    high: int | None


@dataclass(frozen=True)
class _Look:
    """``(?=x) (?!x) (?<=x) (?<!x)``."""

    body: _Part
    is_ahead: bool
    wanted: bool


_Part = _Character | _Assertion | _Sequence | _Choice | _Repeat | _Look


@dataclass(frozen=True)
class Regex:
    """A compiled pattern; `source` is what its author wrote."""

    source: str
    part: _Part

    def matches(self, subject: str) -> bool:
        """Whether the whole subject matches. Raises RegexError when that is too much work."""
        return bool(_Match(self.source, subject).ends(self.part, 1) >> len(subject))

    def searches(self, subject: str) -> bool:
        """Whether any part of the subject matches. Raises RegexError when that is too much work."""
        match = _Match(self.source, subject)
        return bool(match.ends(self.part, match.everywhere))


@functools.lru_cache(maxsize=256)
def regex(source: str, flags: int = 0) -> Regex:
    """Compile a pattern in the syntax of `re`.

    Raises:
        RegexError: malformed, too long, too deep, or not supported.

    >>> regex("(a+)+b").matches("a" * 5000)
    False
    """
    if len(source) > MAX_PATTERN:
        raise RegexError(
            f"the regular expression has {len(source)} characters, more than {MAX_PATTERN} are not taken"
        )
    try:
        compiled = re.compile(source, flags)
    except (
        re.error,
        RecursionError,
        OverflowError,
        Warning,
    ) as bad:  # warnings: as errors, where a user says so
        raise RegexError(f"`{source}` is not a regular expression: {bad}") from bad
    return Regex(source, _Parser(source, compiled.flags).read())


_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_ESCAPE = re.compile(
    r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]*\}|0[0-7]{0,2}|[1-3][0-7]{2}|[^1-9])",
    re.DOTALL,
)
_QUANTIFIER = re.compile(r"[*+?]|\{(\d*)(,?)(\d*)\}")
_COMMENT = re.compile(r"\(\?#[^)]*\)")
_FLAGS = re.compile(r"\(\?([aiLmsux]*)(?:-([imsx]+))?([:)])")
_LOOK = re.compile(r"\(\?(<?)([=!])")
_GROUP = re.compile(r"\((?:\?:|\?P<\w+>|(?!\?))")
_FLAG_LETTERS: dict[str, int] = {"a": re.A, "i": re.I, "m": re.M, "s": re.S, "u": re.U, "x": re.X}
_BOUNDARIES = ("^", "$", "\\A", "\\Z", "\\z", "\\b", "\\B")


class _Parser:
    """Splits a pattern that `re` has accepted into its parts."""

    def __init__(self, source: str, flags: int) -> None:
        self._source = source
        self._flags = flags & int(re.A | re.I | re.M | re.S | re.X)
        self._at = 0
        self._depth = 0

    def read(self) -> _Part:
        return self._choice()

    def _refuse(self, what: str) -> NoReturn:
        raise RegexError(
            f"{what} in the regular expression `{self._source}` (not supported by virtual devices)"
        )

    def _take(self, token: re.Pattern[str]) -> re.Match[str] | None:
        found = token.match(self._source, self._at)
        if found is not None:
            self._at = found.end()
        return found

    def _choice(self) -> _Part:
        if self._flags & re.X:
            self._refuse("the flag x (verbose)")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._refuse(f"more than {MAX_DEPTH} groups in each other")
        parts = [self._sequence()]
        while self._source.startswith("|", self._at):
            self._at += 1
            parts.append(self._sequence())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else _Choice(tuple(parts))

    def _sequence(self) -> _Part:
        parts: list[_Part] = []
        while self._at < len(self._source) and self._source[self._at] not in "|)":
            part = self._one()
            if part is not None:
                parts.append(self._repeated(part))
        return parts[0] if len(parts) == 1 else _Sequence(tuple(parts))

    def _repeated(self, part: _Part) -> _Part:
        found = self._take(_QUANTIFIER)
        if found is None:
            return part
        sign = found[0]
        if sign == "{}":
            self._at = found.start()  # `x{}` is literal text
            return part
        if self._source.startswith("+", self._at):
            self._refuse("a possessive quantifier")
        if self._source.startswith("?", self._at):
            self._at += 1  # lazy: another text for the group, never another answer
        if sign in "*+?":
            return _Repeat(part, int(sign == "+"), 1 if sign == "?" else None)
        low = int(found[1] or 0)
        if not found[2]:
            return _Repeat(part, low, low)
        return _Repeat(part, low, int(found[3]) if found[3] else None)

    def _one(self) -> _Part | None:
        """The next part without its quantifier; None for what has no part (a comment, flags)."""
        if self._source[self._at] == "(":
            return self._group()
        start = self._at
        if self._source[start] == "\\" and self._take(_ESCAPE) is None:
            self._refuse("a back-reference")
        if self._at == start and self._take(_CLASS) is None:
            self._at += 1
        text = self._source[start : self._at]
        compiled = re.compile(text, self._flags)
        return _Assertion(compiled) if text in _BOUNDARIES else _Character(compiled)

    def _group(self) -> _Part | None:
        if self._take(_COMMENT):
            return None
        flags, before = self._take(_FLAGS), self._flags
        if flags is not None:
            for letter in flags[1]:
                self._flags |= _FLAG_LETTERS.get(letter, 0)
            for letter in flags[2] or "":
                self._flags &= ~_FLAG_LETTERS[letter]
            if flags[3] == ")":
                return None  # `re` takes these at the start only: they hold for the whole pattern
            return self._inside(before)
        look = self._take(_LOOK)
        if look is not None:
            return _Look(self._inside(before), is_ahead=not look[1], wanted=look[2] == "=")
        if self._take(_GROUP) is None:
            self._refuse(f"the group `{self._source[self._at : self._at + 3]}`")
        return self._inside(before)

    def _inside(self, flags_after: int) -> _Part:
        found = self._choice()
        self._at += 1  # the closing parenthesis: `re` has seen that it is there
        self._flags = flags_after
        return found


class _Match:
    """One pattern on one subject. A set of places is an integer, see the module."""

    def __init__(self, source: str, subject: str) -> None:
        self._source = source
        self._subject = subject
        self._left = MAX_STEPS
        self._known: dict[re.Pattern[str], int] = {}
        self.everywhere = (2 << len(subject)) - 1

    def ends(self, part: _Part, starts: int) -> int:
        """Where matches of the part that begin at one of these places can end."""
        if not starts:
            return 0
        self._spend(1)
        if isinstance(part, _Character):
            return (starts & self._characters(part)) << 1
        if isinstance(part, _Sequence):
            for each in part.parts:
                starts = self.ends(each, starts)
            return starts
        if isinstance(part, _Choice):
            found = 0
            for each in part.parts:
                found |= self.ends(each, starts)
            return found
        if isinstance(part, _Repeat):
            return self._repeat(part, starts)
        if isinstance(part, _Assertion):
            return starts & self._places(part)
        return self._look(part, starts)

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise RegexError(
                f"the regular expression `{self._source}` takes too long on a text of {len(self._subject)} "
                "characters; repeat fewer repeated groups"
            )

    def _repeat(self, part: _Repeat, starts: int) -> int:
        reached = starts
        for _ in range(part.low):
            after = self.ends(part.body, reached)
            if after == reached:  # so it stays, however often
                break
            reached = after
        if part.high is None and isinstance(part.body, _Character):
            # All ends of a run of one class in one addition: the carry runs through the ones (MatchStar;
            # Cameron et al., "Bitwise Data Parallelism in Regular Expression Matching", PACT 2014).
            run = self._characters(part.body)
            return (((reached & run) + run) ^ run) | reached
        found = edge = reached
        rounds = 0
        while edge and (part.high is None or rounds < part.high - part.low):
            edge = self.ends(part.body, edge) & ~found
            found |= edge
            rounds += 1
        return found

    def _look(self, part: _Look, starts: int) -> int:
        if not part.is_ahead:
            behind = self.ends(part.body, self.everywhere)
            return starts & (behind if part.wanted else ~behind)
        return sum(place for place in _bits(starts) if bool(self.ends(part.body, place)) is part.wanted)

    def _characters(self, part: _Character) -> int:
        """Places whose next character the class accepts."""
        known = self._known.get(part.accepts)
        if known is None:
            self._spend(len(self._subject) // 10)
            accepts = part.accepts.match
            bits = "".join("1" if accepts(each) else "0" for each in reversed(self._subject))
            known = self._known[part.accepts] = int(bits or "0", 2)
        return known

    def _places(self, part: _Assertion) -> int:
        known = self._known.get(part.holds)
        if known is None:
            self._spend(len(self._subject) // 10)
            known = self._known[part.holds] = sum(
                1 << found.start() for found in part.holds.finditer(self._subject)
            )
        return known


def _bits(places: int) -> Iterator[int]:
    while places:
        lowest = places & -places
        yield lowest
        places ^= lowest
