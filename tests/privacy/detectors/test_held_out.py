"""What the detectors find of values they were never tuned on, and what they leave alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from pytest_autorl.privacy.detectors import DETECTORS
from pytest_autorl.privacy.gate import new_gate
from pytest_autorl.privacy.span import Span
from redaction_corpus import KINDS, clean_lines, samples

#: Share of values of which nine tenths are covered.
COVERED = {
    **dict.fromkeys(("SSN", "IP", "IBAN", "MAC"), 0.98),
    "EMAIL": 0.99,
    "CREDIT_CARD": 0.94,
    "PHONE": 0.80,
    "API_KEY": 0.80,
    "PASSWORD": 0.85,
    **dict.fromkeys(("JWT", "PRIVATE_KEY"), 0.97),
}
PRECISE = {**dict.fromkeys(KINDS, 0.99), "PASSWORD": 0.95}
TOUCHED = 0.0015
EACH, LINES = 150, 6000


class Judgement:
    """Counts over samples and clean lines, for one engine."""

    def __init__(self, engine: str) -> None:
        self.gate = new_gate(DETECTORS, engine=engine)  # type: ignore[arg-type]
        self.covered: Counter[str] = Counter()
        self.right: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        for sample in samples("held", EACH):
            spans = self.spans(sample.text)
            inside = {at for span in spans for at in range(span.start, span.end)}
            length = sample.end - sample.start
            self.covered[sample.kind] += (
                sum(at in inside for at in range(sample.start, sample.end)) >= 0.9 * length
            )
            for span in spans:
                meets = span.start < sample.end and span.end > sample.start
                (self.right if meets else self.wrong)[span.kind] += 1
        self.touched = sum(self.count(self.spans(line)) for line in clean_lines("held", LINES))

    def spans(self, text: str) -> set[Span]:
        return {span for index in self.gate.hits(text) for span in DETECTORS[index].find(text)}

    def count(self, spans: Iterable[Span]) -> bool:
        for span in spans:
            self.wrong[span.kind] += 1
        return bool(spans)


@pytest.fixture(scope="module", params=["re2", "re"])
def judgement(request: pytest.FixtureRequest) -> Judgement:
    if request.param == "re2":
        pytest.importorskip("re2")
    return Judgement(request.param)


@pytest.mark.parametrize("kind", KINDS)
def test_as_many_values_are_covered_as_the_project_promises(judgement: Judgement, kind: str) -> None:
    assert judgement.covered[kind] / EACH >= COVERED[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_found_is_right(judgement: Judgement, kind: str) -> None:
    right, wrong = judgement.right[kind], judgement.wrong[kind]

    assert right / (right + wrong) >= PRECISE[kind]


def test_clean_lines_stay_as_they_are(judgement: Judgement) -> None:
    assert judgement.touched / LINES <= TOUCHED


@pytest.mark.parametrize("part", ["dev", "held"])
def test_both_engines_find_the_same(part: str) -> None:
    """A gate that lets less through than its detector finds would make RE2 a leak."""
    pytest.importorskip("re2")
    fast, plain = new_gate(DETECTORS, engine="re2"), new_gate(DETECTORS, engine="re")
    texts = [*(sample.text for sample in samples(part, 60)), *clean_lines(part, 1500)]  # type: ignore[arg-type]

    for text in texts:
        everything = {span for detector in DETECTORS for span in detector.find(text)}
        for gate in (fast, plain):
            assert {
                span for index in gate.hits(text) for span in DETECTORS[index].find(text)
            } == everything, text


def test_the_corpora_are_large_and_apart() -> None:
    """Nothing that is reported on was seen while the detectors were tuned."""
    from redaction_corpus import clean_dev, clean_held, frames_dev, frames_held

    dev, held = (
        {sample.text[sample.start : sample.end] for sample in samples(part, 60)} for part in ("dev", "held")
    )

    assert not dev & held
    assert len(set(clean_held.FRAMES)) >= 60
    assert not set(clean_dev.FRAMES) & set(clean_held.FRAMES)
    assert all(
        not set(frames_dev.FRAMES[kind]) & set(frames_held.FRAMES[kind])
        for kind in ("PASSWORD", "PHONE", "IP")
    )
