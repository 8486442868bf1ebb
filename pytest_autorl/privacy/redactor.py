"""Finds what must not leave in texts and data, and puts placeholders there.

    redactor = Redactor()
    redactor.register("correct horse battery")
    redactor.redact("mail a@example.com")  # 'mail [REDACTED:EMAIL#1]'

Fails closed: where a search breaks, the whole text is taken out. A result holds nothing more to be found: what is
redacted twice stays as it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from pytest_autorl.privacy.detector import Detector
from pytest_autorl.privacy.gate import Gate, new_gate
from pytest_autorl.privacy.locking import Locked
from pytest_autorl.privacy.placeholders import UNSCANNABLE, Numbering, bracketed, named, places
from pytest_autorl.privacy.registry import SecretRegistry, default_registry
from pytest_autorl.privacy.span import Span
from pytest_autorl.privacy.vocabulary import Words

if TYPE_CHECKING:
    from pytest_autorl.privacy.stream import RedactingStream

Engine = Literal["auto", "re2", "re"]

#: Nothing shorter is ever found, characters.
_SHORTEST: Final = 4
#: New secrets whose anchors are looked for one by one, before all of them are compiled anew.
_FEW: Final = 32
#: After so many texts they are compiled as well.
_PATIENCE: Final = 1000
#: Or when looking for them has taken as long as compiling does: looks at one character, for each anchor.
_WORTH: Final = 50_000
#: How often what was redacted is looked through again, before it is given up as a whole.
_MOST_ROUNDS: Final = 8


#: No value at all. It has a redactor look at the numbers that are taken already.
_PLACED = Detector(
    name="placeholder",
    gate="REDACTED",
    words=(Words(stems=("redacted",), accepts=lambda word: "REDACTED" in word),),
    find=lambda text: (),
)


class _Search(Locked):
    """Detectors and registries behind one gate; what all redactors of one origin share.

    Attributes:
        look: What the gate says of a text: nothing for one that is clear; None where that is not all there is to ask,
            since a secret is newer than the gate.
    """

    look: Callable[[str], Sequence[int] | None]

    def __init__(
        self,
        patterns: Sequence[str],
        fields: Sequence[str],
        public: Iterable[str],
        secrets: SecretRegistry,
        engine: Engine,
    ) -> None:
        from pytest_autorl.privacy.detectors import detectors_for

        super().__init__()
        self.fields = tuple(fields)
        self.secrets = secrets
        self.registries = tuple(dict.fromkeys((secrets, default_registry())))
        self.counts: Counter[str] = Counter()
        self._engine: Engine = engine
        self._detectors = (*detectors_for(fields=fields, patterns=patterns), _PLACED)
        self._public = tuple(value for value in public if len(value) >= _SHORTEST)
        self._late: tuple[str, ...] = ()
        self._work = 0
        self._waited = _PATIENCE  # texts since the gate was made; the first one makes it
        #: The gate, and how many anchors of each registry it knows: replaced together.
        self._made = new_gate(self._detectors, engine=engine), [0] * len(self.registries)
        #: Another one for each new value, and the one up to which gate and late anchors are complete.
        self._news, self._heard = object(), object()
        self.look = _unknown
        for registry in self.registries:
            registry.tell(self)

    def unsettle(self) -> None:
        """A registry has a new value."""
        with self.lock:
            self.look = _unknown
            self._news = object()

    @property
    def is_settled(self) -> bool:
        """The gate knows all secrets: where it finds nothing there is nothing."""
        return self.look is not _unknown

    def spans(self, text: str) -> list[Span]:
        """Merged and around placeholders; all of the text where the search breaks."""
        try:
            late: tuple[str, ...] = ()
            hits = self.look(text)
            if hits is None:
                gate, late = self._settled(len(text))
                hits = gate.hits(text)
            return self.found(text, hits, late)
        except Exception:  # whatever it is: nobody knows what the text holds
            return [Span(0, len(text), UNSCANNABLE)]

    def identity(self, text: str) -> str:
        """What the value is numbered by: all forms of one secret are one value."""
        return next(filter(None, (registry.identity(text) for registry in self.registries)), text)

    def found(self, text: str, hits: Sequence[int], late: Iterable[str] = ()) -> list[Span]:
        """The same, where the search breaks its exception.

        Args:
            hits: What the gate has said of the text.
            late: Anchors that the gate does not know.
        """
        if self.look is not self._made[0].hits:
            self._follow()
        registered: list[Span] = []
        found: list[Span] = []
        literal = len(self._detectors)
        if literal in hits or (late and any(anchor in text for anchor in late)):
            registered = [span for registry in self.registries for span in registry.spans(text)]
        # In the order of the detectors: of equally long finds the first names it, whatever the engine.
        for index in hits if len(hits) == 1 else sorted(hits):
            if index != literal:
                found += self._detectors[index].find(text)
        if not found and not registered:
            return found
        others = [span for span in found if not self._is_public(text, span)]
        return _around(places(text), _merged(registered, others), text)

    def _settled(self, length: int) -> tuple[Gate, tuple[str, ...]]:
        """A gate for a text of this length, and the anchors that it does not know."""
        with self.lock:
            self._waited += 1
            self._work += len(self._late) * length
            gate, gated = self._made
            if self._work > _WORTH * (sum(gated) + len(self._late)):
                self._waited += _PATIENCE
            news = self._news
            if news is self._heard and not (self._late and self._waited > _PATIENCE):
                return gate, self._late
            # A signal handler may register, and redact, between any two lines. So this is complete for what was news
            # when it began, and for nothing newer.
            anchors = [registry.anchors() for registry in self.registries]
            late = tuple(each for own, known in zip(anchors, gated, strict=True) for each in own[known:])
            # Compiling takes milliseconds: for a few new ones it is put off, and for ever if no more texts come.
            if self._waited > _PATIENCE or len(late) > max(_FEW, sum(gated) // 8):
                gate, late = new_gate(self._detectors, tuple(chain(*anchors)), self._engine), ()
                self._made = gate, [len(own) for own in anchors]
                self._waited = self._work = 0
            self._late, self._heard = late, news
            if not late:
                self.look = gate.hits
            if news is not self._news:
                self.unsettle()
            return gate, late

    def _follow(self) -> None:
        """Ask what the gate asks by now: it may have found that a faster way is worth while."""
        with self.lock:
            news = self._news
            if self.look is not _unknown:
                self.look = self._made[0].hits
            if news is not self._news:
                self.unsettle()

    def _is_public(self, text: str, span: Span) -> bool:
        value = text[span.start : span.end]
        return any(_covers(text, span, known) for known in self._public if value in known)


class Redactor:
    """Takes out of texts and data what must not leave. Safe for threads.

    Args:
        patterns: Regular expressions of the user, each match is a value.
        fields: Names of fields of the user whose values are taken out.
        public: Values that stay, also where they look like something else: ids and models of devices, their servers.
        secrets: Exact values of its own, beside those of the process.
        engine: What searches: RE2, Python's `re`, or RE2 where it is installed. All find the same.
    Raises: UsageError for a pattern that cannot be used.
    """

    def __init__(
        self,
        *,
        patterns: Sequence[str] = (),
        fields: Sequence[str] = (),
        public: Iterable[str] = (),
        secrets: SecretRegistry | None = None,
        engine: Engine = "auto",
    ) -> None:
        own = SecretRegistry() if secrets is None else secrets
        self._search = _Search(patterns, fields, public, own, engine)
        self._numbers = Numbering()

    @property
    def counts(self) -> Mapping[str, int]:
        """How many values of each kind were taken out so far, by this one and all `fresh` ones of it."""
        return MappingProxyType(self._search.counts)

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of fields that it was given."""
        return self._search.fields

    def fresh(self) -> Redactor:
        """One that finds the same and numbers anew: for another report."""
        other = Redactor.__new__(Redactor)
        other._search = self._search
        other._numbers = Numbering()
        return other

    def register(self, value: str | bytes, kind: str = "SECRET") -> None:
        """Find this exact value too, in all its spellings; one of under 4 characters is passed over."""
        self._search.secrets.add(value, kind)

    def spans(self, text: str) -> list[Span]:
        """What would be taken out, from left to right, none overlapping another."""
        return self._search.spans(text) if len(text) >= _SHORTEST else []

    def finds(self, text: str) -> bool:
        """Whether `redact` would change it."""
        return len(text) >= _SHORTEST and bool(self._search.spans(text))

    def redact(self, text: str) -> str:
        """The text with placeholders: ``[REDACTED:EMAIL#2]``."""
        # Nearly every text ends here, so this asks the gate and nobody else, and then the detectors that it names.
        found = None
        try:
            hits = self._search.look(text)
            if hits is not None:
                if not hits:
                    return text
                found = self._search.found(text, hits)
                if not found and "REDACTED" not in text:
                    return text
        except Exception:  # searched again where a search that breaks takes out all of the text
            pass
        return self._redacted(text, bracketed, found)

    def name(self, text: str) -> str:
        """A name of a test or file with placeholders that are letters, digits and dashes: ``REDACTED-EMAIL-1``."""
        return self._redacted(text, named)

    def placeholder(self, kind: str, value: str) -> str:
        """What stands in place of this value, which somebody else has found; it is counted."""
        return self._placed(kind, value, bracketed)

    def redact_lines(self, lines: Sequence[str]) -> list[str]:
        """Lines of one text; what spans several of them is found, and is one line then."""
        text = "\n".join(lines)
        redacted = self.redact(text)
        return list(lines) if redacted == text else redacted.split("\n")

    def redact_bytes(self, data: bytes) -> bytes | None:
        """A text in UTF-8, UTF-16 or latin-1, redacted in its encoding; None for what is no text."""
        from pytest_autorl.privacy.octets import redact_octets

        return redact_octets(data, self.redact)

    def redact_data(self, value: Any) -> Any:
        """A copy of data, redacted at every depth. See `tree`."""
        from pytest_autorl.privacy.tree import redact_tree

        return redact_tree(value, self)

    def stream(self, write: Callable[[str], object]) -> RedactingStream:
        """For text that comes in pieces: whole lines are redacted and handed to `write`."""
        from pytest_autorl.privacy.stream import RedactingStream

        return RedactingStream(self, write)

    def redact_part(self, text: str, start: int, end: int) -> str:
        """That part of a text, redacted as in the whole of it.

        Of a value that begins before the part nothing is left: its beginning has gone out already. None may go on
        after it.
        """
        if start == 0 and end == len(text):
            return self.redact(text)
        if "REDACTED" in text:
            self._numbers.reserve(text)
        pieces: list[str] = []
        at = start
        for span in self.spans(text):
            if start < span.end and span.start < end:
                if span.start >= start:
                    value = text[span.start : span.end]
                    pieces += (text[at : span.start], self.placeholder(span.kind, value))
                at = span.end
        return self.redact("".join((*pieces, text[at:end])))

    def held(self, text: str) -> int:
        """How many characters at the end of whole lines may begin a registered value that goes on."""
        return max(registry.held(text) for registry in self._search.registries)

    def begun(self, text: str) -> int:
        """How many characters at the end of a text begin a registered value that may go on."""
        return max(registry.begun(text) for registry in self._search.registries)

    def _redacted(
        self, text: str, form: Callable[[str, int | None], str], found: list[Span] | None = None
    ) -> str:
        if len(text) < _SHORTEST:
            return text
        if "REDACTED" in text:
            self._numbers.reserve(text)
        for _ in range(_MOST_ROUNDS):
            if found is None:
                found = self._search.spans(text)
            if not found:
                return text
            if found[0].kind == UNSCANNABLE:
                break
            pieces: list[str] = []
            at = 0
            for start, end, kind in found:
                pieces += (text[at:start], self._placed(kind, text[start:end], form))
                at = end
            # Looked through again: what has gone may have hidden, or excused, what stood beside it.
            text, found = "".join((*pieces, text[at:])), None
        return self._placed(UNSCANNABLE, text, form)

    def _placed(self, kind: str, value: str, form: Callable[[str, int | None], str]) -> str:
        with self._search.lock:
            self._search.counts[kind] += 1
        return form(kind, self._numbers.number(kind, self._search.identity(value)))


def _unknown(text: str) -> None:
    """What the gate says while it does not know all secrets."""


def _covers(text: str, span: Span, known: str) -> bool:
    """Whether the span lies in an occurrence of a public value."""
    return known in text[max(0, span.end - len(known)) : span.start + len(known)]


def _merged(registered: list[Span], others: list[Span]) -> list[Span]:
    """One span for each run of overlapping ones: all of it goes. Registered values name its kind, else the longest."""
    ranked = [(span, (1, span.end - span.start)) for span in registered]
    ranked += [(span, (0, span.end - span.start)) for span in others]
    merged: list[tuple[Span, tuple[int, int]]] = []
    for span, rank in sorted(ranked, key=lambda each: (each[0].start, -each[0].end)):
        if merged and span.start < merged[-1][0].end:
            last, best = merged[-1]
            kind = span.kind if rank > best else last.kind
            merged[-1] = Span(last.start, max(last.end, span.end), kind), max(rank, best)
        elif span.start < span.end:
            merged.append((span, rank))
    return [span for span, _ in merged]


def _around(taken: list[tuple[int, int]], spans: list[Span], text: str) -> list[Span]:
    """The spans without the placeholders that stand in them; what is left must hold a letter or digit."""
    if not taken:
        return spans
    left: list[Span] = []
    for start, end, kind in spans:
        at = start
        # From the first one that ends within the span: there may be thousands of both.
        for index in range(bisect_right(taken, start, key=itemgetter(1)), len(taken)):
            first, last = taken[index]
            if first >= end:
                break
            left.append(Span(at, max(at, first), kind))
            at = last
        left.append(Span(at, max(at, end), kind))
    whole = set(spans)
    return [span for span in left if span in whole or any(map(str.isalnum, text[span.start : span.end]))]
