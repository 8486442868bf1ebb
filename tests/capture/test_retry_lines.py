"""What is said of attempts that others have followed."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.attempts.earlier import Earlier
from pytest_autorl.capture.retry_lines import (
    Story,
    failure_line,
    failure_rows,
    property_text,
    reproduce,
    summary_lines,
    verbose_word,
)
from pytest_autorl.resilience.info import ErrorCategory, ErrorDomain, ErrorInfo, ErrorSeverity, Strategy

pytestmark = pytest.mark.unit

STALE = ErrorInfo(
    error="StaleElementReferenceException",
    category=ErrorCategory.TRANSIENT,
    severity=ErrorSeverity.LOW,
    domain=ErrorDomain.APP,
    strategy=Strategy.RETRY,
    error_type="element",
    family="webdriver",
)
DOWN = replace(
    STALE, error="ServerDownError", domain=ErrorDomain.SERVER, error_type="server", reason="it is gone"
)
RETRY = Earlier(
    kind="retry", number=1, devices=("pixel",), error=STALE, delay_s=0.42, start_s=100.0, stop_s=103.24
)
LOSS = Earlier(kind="loss", number=1, devices=("a", "b"), worker="gw1", error=DOWN)
CRASH = Earlier(kind="crash", number=2, worker="gw1", start_s=5.0, stop_s=6.0)


@pytest.mark.parametrize(
    ("earlier", "word", "text"),
    [
        (
            RETRY,
            "RETRY on pixel: StaleElementReferenceException (app, transient), attempt 2 follows in 0.4 s",
            "retry on pixel: StaleElementReferenceException (app, transient), 3.2 s",
        ),
        (
            LOSS,
            "LOST on a, b: ServerDownError (server, transient), attempt 2 follows",
            "loss on a, b: ServerDownError (server, transient)",
        ),
        (CRASH, "LOST: worker gw1 died, attempt 3 follows", "crash: worker gw1 died, 1.0 s"),
        (
            Earlier(kind="retry", number=3),
            "RETRY: it failed without an error, attempt 4 follows",
            "retry: it failed without an error",
        ),
    ],
)
def test_an_attempt_is_told_with_its_devices_and_what_ended_it(
    earlier: Earlier, word: str, text: str
) -> None:
    assert verbose_word(earlier) == word
    assert property_text(earlier) == text


def test_a_flaky_test_is_told_with_its_attempts_and_how_to_see_it_fail() -> None:
    story = Story(earlier=[LOSS, replace(RETRY, number=2)], outcome="passed", devices=("tablet",))

    command = "pytest 't.py::test_x[a b]' --autorl-farm 'my f' --autorl-device pixel --autorl-retries 0"

    lines = summary_lines({"t.py::test_x[a b]": story}, {}, options=["--autorl-farm", "my f"])

    assert lines == [
        "1 test flaky: failed, and passed when tried again",
        "t.py::test_x[a b]",
        "    attempt 1 on a, b: ServerDownError (server, transient): it is gone",
        "    attempt 2 on pixel: StaleElementReferenceException (app, transient)",
        "    attempt 3 on tablet: passed",
        f"    reproduce with: {command}",
    ]


def test_losses_make_no_test_flaky_and_one_that_goes_on_has_no_verdict() -> None:
    """A device or worker that was lost says nothing of the test; it is told elsewhere in the summary."""
    stories = {
        "t::lost": Story(earlier=[LOSS, CRASH], outcome="passed"),
        "t::runs": Story(earlier=[RETRY]),
        "t::skipped": Story(earlier=[RETRY], outcome="skipped"),
    }

    assert summary_lines(stories, {}, options=[]) == []


def test_tests_that_failed_in_the_end_name_the_devices_of_each_attempt() -> None:
    stories = {
        "t::both": Story(earlier=[LOSS, replace(RETRY, number=2)], outcome="failed", devices=("c",)),
        "t::plain": Story(earlier=[Earlier(kind="retry", number=1, error=STALE)], outcome="failed"),
    }

    assert summary_lines(stories, {}, options=[]) == [
        "failed after 3 attempts: t::both (on a+b, pixel, c)",
        "failed after 2 attempts: t::plain",
    ]


def test_refused_retries_are_counted_by_reason_whatever_its_numbers() -> None:
    """They grow in the course of the run; the last of them says most."""
    refused = {"31 of 60 tests have failed": 2, "the budget is spent": 1, "32 of 61 tests have failed": 5}

    assert summary_lines({}, refused, options=[]) == [
        "not tried again: 7 tests: 32 of 61 tests have failed",
        "not tried again: 1 test: the budget is spent",
    ]


def test_long_lists_are_cut_and_the_cut_is_told() -> None:
    stories = {f"t::{n}": Story(earlier=[RETRY], outcome="passed") for n in range(12)}
    stories |= {f"f::{n}": Story(earlier=[RETRY], outcome="failed") for n in range(13)}

    lines = summary_lines(stories, {}, options=[])

    assert lines[0].startswith("12 tests flaky")
    assert "and 2 more" in lines
    assert lines[-1] == "and 3 more that failed after several attempts"
    assert sum(line.startswith("t::") for line in lines) == 10


def test_a_long_reason_is_cut() -> None:
    long = replace(LOSS, error=replace(DOWN, reason="x" * 500))
    story = Story(earlier=[long, replace(RETRY, number=2)], outcome="passed")

    assert max(map(len, summary_lines({"t": story}, {}, options=[]))) < 300


@given(st.text(), st.lists(st.text(), max_size=3))
def test_what_reproduces_a_failure_can_be_given_to_a_shell(test: str, devices: list[str]) -> None:
    chosen = [part for device in devices for part in ("--autorl-device", device)]

    parts = shlex.split(reproduce(test, devices, ["--autorl-farm", "my farm.yml"]))

    assert parts == ["pytest", test, "--autorl-farm", "my farm.yml", *chosen, "--autorl-retries", "0"]


def test_a_test_without_a_device_is_reproduced_without_one() -> None:
    assert reproduce("t::x", [], []) == "pytest t::x --autorl-retries 0"


def test_failures_are_kept_by_worker_and_told_by_type() -> None:
    rows = failure_rows({("gw1", "element"): 2, ("gw0", "element"): 1, ("gw0", "crash"): 1})

    assert rows == [
        {"agent": "gw0", "error_type": "crash", "count": 1},
        {"agent": "gw0", "error_type": "element", "count": 1},
        {"agent": "gw1", "error_type": "element", "count": 2},
    ]
    assert failure_line(rows) == "failed attempts: 1 crash, 3 element"
    assert failure_line([]) == failure_line([{"error_type": "x", "count": "many"}]) == ""
