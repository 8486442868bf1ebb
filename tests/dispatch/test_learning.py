"""What a run learns from its own attempts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.learning import Learning
from pytest_autorl.dispatch.trace import Attempt

pytestmark = pytest.mark.unit

#: Ten seconds: two of the session, one of fixtures, seven of the test.
ONE = Attempt(
    test="m.py::test_it",
    module="m.py",
    devices=("a",),
    need="any",
    attempt=1,
    outcome="passed",
    blame=None,
    worker="gw0",
    start_s=100.0,
    end_s=110.0,
    setup_s=3.0,
    fixture_s=1.0,
    waited_s=5.0,
    sessions=1,
)


def taught(*attempts: tuple[Attempt, bool]) -> Estimates:
    """Estimates that have learned from these, each with whether it was warm."""
    estimates = Estimates({})
    for attempt, _ in attempts:
        estimates.know(attempt.test, attempt.module)
    learning = Learning(estimates)
    for attempt, is_warm in attempts:
        learning.note(attempt, is_warm=is_warm)
    return estimates


def test_a_tests_time_is_without_its_set_up() -> None:
    assert taught((ONE, False)).work_s(ONE.test) == pytest.approx(7.0)


def test_what_opened_a_session_tells_how_long_that_takes_and_nothing_else_does() -> None:
    """On a device that the worker had before, too: for other capabilities, or after a loss."""
    other = replace(ONE, sessions=0)

    assert taught((ONE, False)).session_s("a") == taught((ONE, True)).session_s("a") == pytest.approx(2.0)
    assert taught((other, False)).mean_session_s == taught((other, True)).mean_session_s == 0.0


def test_tests_without_a_driver_do_not_make_sessions_cheap() -> None:
    """They get new devices as well, and open no session on them."""
    others = [(replace(ONE, test=f"m.py::test_{n}", sessions=0, setup_s=1.0), False) for n in range(9)]

    assert taught((ONE, False), *others).session_s("a") == pytest.approx(2.0)


def test_several_sessions_of_an_attempt_took_as_long_each() -> None:
    """One process opens them one after the other."""
    both = replace(ONE, devices=("a", "b"), sessions=2, setup_s=7.0)

    estimates = taught((both, False))

    assert [estimates.session_s(device) for device in "ab"] == pytest.approx([3.0, 3.0])


@pytest.mark.parametrize("outcome", ["failed", "skipped", "lost"])
def test_only_what_passed_teaches(outcome: str) -> None:
    other = replace(ONE, outcome=outcome)  # type: ignore[arg-type]

    assert not taught((other, False)).is_known(other.test)


def test_what_the_fixtures_of_a_module_take_is_what_its_first_test_takes_more() -> None:
    """What a test's own fixtures take, it takes anywhere."""
    first, second = replace(ONE, test="m.py::test_1"), replace(ONE, test="m.py::test_2", fixture_s=0.25)
    other = replace(ONE, test="n.py::test_3", module="n.py")
    back = replace(ONE, test="m.py::test_4", fixture_s=1.25)

    estimates = taught((first, False), (second, True), (other, True), (back, True))

    assert 0 < estimates.fixture_s("m.py") <= 1.0


def test_clocks_that_disagree_teach_no_negative_times() -> None:
    odd = replace(ONE, setup_s=20.0, fixture_s=30.0)

    estimates = taught((odd, False))

    assert estimates.work_s(odd.test) >= 0
    assert estimates.mean_session_s == 0.0, "no session takes no time"
    assert estimates.fixture_s("m.py") >= 0
