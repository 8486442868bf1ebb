"""Every place where a test can go wrong, with everything that can go wrong there, in every kind of test."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import pytest

from attempts import Books, run_books
from matrix import Cell, cells, deaths
from matrix_books import differences, what_is_left
from matrix_suite import write_suite
from ordered import overlaps

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX"),
]
pytest.importorskip("xdist", reason="pytest-xdist is not installed")
pytest.importorskip("allure", reason="allure-pytest is not installed")
pytest.importorskip("pytest_asyncio", reason="pytest-asyncio is not installed")


def run_matrix(pytester: pytest.Pytester, chosen: Sequence[Cell], *, workers: int) -> Books:
    """Write and run the suite; every failure may be followed by another attempt, whatever the others had."""
    write_suite(pytester.path, chosen)
    return run_books(
        pytester,
        *("-p", "asyncio", "-o", "asyncio_default_fixture_loop_scope=function"),
        *("--autorl-retry-budget", "100", "-q"),
        *(("--max-worker-restart", "100") if workers else ()),
        workers=workers,
        farm="",
        limit_s=240,
    )


@pytest.mark.parametrize(
    ("workers", "chosen"),
    # In halves, so that a busy machine comes to an end in time.
    [(0, cells()[::2]), (0, cells()[1::2]), (4, cells()[::2]), (4, cells()[1::2])],
    ids=[
        "in one process",
        "in one process, other half",
        "with four workers",
        "with four workers, other half",
    ],
)
def test_every_failure_everywhere_has_the_verdict_and_the_attempts_it_is_promised(
    pytester: pytest.Pytester, workers: int, chosen: Sequence[Cell]
) -> None:
    books = run_matrix(pytester, chosen, workers=workers)

    bad = differences(pytester.path, books, chosen)
    assert not bad, "\n".join(bad)
    assert overlaps(books.rows) == []


def test_a_worker_that_dies_anywhere_costs_an_attempt_and_no_verdict(pytester: pytest.Pytester) -> None:
    chosen = deaths()

    books = run_matrix(pytester, chosen, workers=4)

    bad = differences(pytester.path, books, chosen)
    assert not bad, "\n".join(bad)
    assert overlaps(books.rows) == []


def test_a_run_that_is_killed_keeps_nothing_from_the_next_one(pytester: pytest.Pytester) -> None:
    """In one process nobody is left who could say anything of the attempt."""
    chosen = [Cell(where="call", whats=("sigkill",), kind="plain")]

    killed = run_matrix(pytester, chosen, workers=0)
    books = run_matrix(pytester, chosen, workers=0)

    assert killed.result.ret == -signal.SIGKILL
    books.result.assert_outcomes(passed=1)
    assert books.attempts("test_plain_call_sigkill") == [(1, "passed", None)]
    assert what_is_left(pytester.path) == ""


SUBTESTS = """
import pytest
from acts import use
from counting import attempt
from pytest_autorl.run import run_key

def kill_session(config, device):
    use(device)
    config.stash[run_key].providers["virtual"].admin.fault(device.id, "session_killed")

@pytest.mark.retry(on=AssertionError, initial_delay=0)
def test_asserts(device, subtests):
    number = attempt("asserts")
    for part in range(3):
        with subtests.test(part=part):
            assert part < 2 or number > 1

def test_is_lost(pytestconfig, device, subtests):
    number = attempt("is-lost")
    with subtests.test("well"):
        use(device)
    with subtests.test("killed"):
        if number == 1:
            kill_session(pytestconfig, device)
        use(device)

@pytest.mark.retry(on=AssertionError, initial_delay=0, max_attempts=2)
def test_never(device, subtests):
    for part in range(3):
        with subtests.test(part=part):
            assert part == 1
"""


@pytest.mark.parametrize("workers", [0, 4], ids=["in one process", "with four workers"])
def test_subtests_are_those_of_the_last_attempt(pytester: pytest.Pytester, workers: int) -> None:
    pytest.importorskip("_pytest.subtests", reason="subtests are part of pytest since 9")
    write_suite(pytester.path, [])
    pytester.makepyfile(SUBTESTS)

    books = run_books(pytester, workers=workers, farm="")

    assert books.attempts("test_asserts") == [(1, "failed", "test"), (2, "passed", None)]
    assert books.attempts("test_is_lost") == [(1, "lost", "farm"), (2, "passed", None)]
    assert books.attempts("test_never") == [(1, "failed", "test"), (2, "failed", "test")]
    for name in ("test_asserts", "test_is_lost", "test_never"):
        assert len(set(books.devices(name))) == 2
        assert [row["historyId"] for row in books.results[name]] == [books.results[name][0]["historyId"]] * 2
    counts = books.result.parseoutcomes()
    assert (counts.pop("retried"), counts.pop("lost")) == (2, 1)
    # All three have been counted to 1 at least, so that this run is what the last attempts were by themselves.
    plain = run_books(pytester, "--autorl-retries", "0", farm="")
    assert plain.attempts("test_never") == [(1, "failed", "test")]
    assert counts == plain.result.parseoutcomes()
    assert {name: [case.outcome for case in found] for name, found in books.cases.items()} == {
        name: [case.outcome for case in found] for name, found in plain.cases.items()
    }


HYPOTHESIS = """
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from acts import use
from counting import attempt
from pytest_autorl.run import run_key

SOME = settings(deadline=None, max_examples=20, suppress_health_check=list(HealthCheck))

@pytest.fixture
def number(request):
    return attempt(request.node.name)

def note(name, number, value):
    with open(f"{name}.{number}.examples", "a") as file:
        print(value, file=file)

@pytest.mark.retry(on=AssertionError, initial_delay=0)
@SOME
@given(value=st.integers(min_value=0))
def test_asserts(device, number, value):
    note("asserts", number, value)
    assert number == 2 or value < 7

@SOME
@given(value=st.integers(min_value=0))
def test_is_lost(pytestconfig, device, number, value):
    note("is-lost", number, value)
    use(device)
    if number == 1 and value >= 7:
        pytestconfig.stash[run_key].providers["virtual"].admin.fault(device.id, "session_killed")
    use(device)

@pytest.mark.retry(on="transient", initial_delay=0, max_attempts=2)
@SOME
@given(value=st.integers(min_value=0))
def test_never(device, value):
    assert value < 7
"""


@pytest.mark.parametrize("workers", [0, 4], ids=["in one process", "with four workers"])
def test_an_attempt_of_a_hypothesis_test_is_all_its_examples(pytester: pytest.Pytester, workers: int) -> None:
    pytest.importorskip("hypothesis", reason="hypothesis is not installed")
    write_suite(pytester.path, [])
    pytester.makepyfile(HYPOTHESIS)

    books = run_books(pytester, "-p", "hypothesispytest", workers=workers, farm="")

    assert books.result.parseoutcomes() == {"passed": 2, "failed": 1, "retried": 1, "lost": 1}
    assert books.attempts("test_asserts") == [(1, "failed", "test"), (2, "passed", None)]
    assert books.attempts("test_is_lost") == [(1, "lost", "farm"), (2, "passed", None)]
    assert books.attempts("test_never") == [(1, "failed", "test")]
    for name in ("test_asserts", "test_is_lost"):
        assert len(set(books.devices(name))) == 2
        assert len(books.cases[name]) == 1
        assert len({row["historyId"] for row in books.results[name]}) == 1
        assert [row["status"] for row in books.results[name]][1:] == ["passed"]
    # The least example that failed was the last one of the first attempt, and comes first in the second.
    first, second = ((pytester.path / f"asserts.{number}.examples").read_text().split() for number in (1, 2))
    assert first[-1] == second[0] == "7"
    assert len(second) == 20
