"""What a run says of its redaction: in the header where that is not as expected, in the summary where it did any."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_autorl.capture.guard import Guard
from pytest_autorl.capture.redaction_counts import COUNTS, RedactionCounts, summary

pytestmark = pytest.mark.unit

MAIL = "anna.k" + "@" + "example.com"


def said(counts: RedactionCounts) -> list[str]:
    lines: list[str] = []
    counts.pytest_terminal_summary(SimpleNamespace(write_line=lines.append))
    return lines


@pytest.mark.parametrize(
    ("totals", "text"),
    [
        ({"EMAIL": 1}, "1 value (1 EMAIL)"),
        ({"EMAIL": 3, "SECRET": 12, "CARD": 3}, "18 values (12 SECRET, 3 CARD, 3 EMAIL)"),
    ],
)
def test_kinds_are_said_by_their_frequency(totals: dict[str, int], text: str) -> None:
    assert summary(totals) == text


def test_a_worker_tells_its_counts_and_the_controller_adds_them_to_its_own() -> None:
    here, there = Guard("on"), Guard("on")
    config: Any = SimpleNamespace(workeroutput={})
    there.redact(f"{MAIL} {MAIL}")
    RedactionCounts(there, is_worker=True).pytest_sessionfinish(SimpleNamespace(config=config))  # type: ignore[arg-type]
    here.redact(MAIL)
    counts = RedactionCounts(here, is_worker=False)

    counts.pytest_testnodedown(SimpleNamespace(workeroutput=config.workeroutput))
    counts.pytest_testnodedown(SimpleNamespace())  # one that has crashed

    assert config.workeroutput == {COUNTS: {"EMAIL": 2}}
    assert counts.totals == {"EMAIL": 3}
    assert said(counts) == ["autorl: redacted 3 values (3 EMAIL)"]


@pytest.mark.parametrize(
    ("mode", "header"), [("on", None), ("strict", "autorl: redaction is strict"), ("off", "redaction is off")]
)
def test_the_header_says_what_is_not_as_everybody_expects(mode: Any, header: str | None) -> None:
    shown = RedactionCounts(Guard(mode), is_worker=False).pytest_report_header()

    assert (header in shown) if header and shown else shown is header


def test_nothing_is_said_where_nothing_was_taken_out_and_a_reminder_where_nothing_could_be() -> None:
    assert said(RedactionCounts(Guard("on"), is_worker=False)) == []
    assert said(RedactionCounts(Guard("off"), is_worker=False)) == [
        "autorl: redaction was off: look after the reports"
    ]


@pytest.mark.integration
def test_a_run_that_shows_everything_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): assert 0, 'anna.k' + '@' + 'example.com'")

    off = pytester.runpytest_subprocess("--autorl-redact=off")
    strict = pytester.runpytest_subprocess("--autorl-redact=strict")

    off.stdout.fnmatch_lines(["autorl: redaction is off*", f"*{MAIL}*", "autorl: redaction was off*"])
    strict.stdout.fnmatch_lines(["autorl: redaction is strict", "autorl: redacted * values (* EMAIL)"])
    assert MAIL not in strict.stdout.str()
