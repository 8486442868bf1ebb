"""Two purses, and a broken build that closes one of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.resilience.budget import Budgets

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("tests", "percent", "retries", "losses"),
    [
        (0, 20.0, 20, 20),
        (100, 20.0, 20, 20),
        (101, 20.0, 21, 21),
        (1000, 20.0, 200, 200),
        (1000, 0.0, 0, 20),
        (1000, 0.1, 20, 20),
        (30, 100.0, 30, 30),
        (105, 20.0, 21, 21),
        (1100, 7.0, 77, 77),  # 1100 * 7 / 100 is a little more in binary fractions
    ],
)
def test_a_purse_holds_its_share_of_the_tests(tests: int, percent: float, retries: int, losses: int) -> None:
    budgets = Budgets(tests, percent)

    assert (budgets.size("retry"), budgets.size("loss")) == (retries, losses)


def test_an_empty_purse_says_so_and_leaves_the_other_alone() -> None:
    budgets = Budgets(10, least=2)

    assert budgets.why_not("retry") == ""
    budgets.spend("retry")
    assert budgets.why_not("retry") == ""
    budgets.spend("retry")
    assert budgets.why_not("retry") == "the run's budget of 2 retries is used up"
    assert budgets.why_not("loss") == ""

    budgets.spend("loss")
    budgets.spend("loss")
    assert budgets.why_not("loss") == "the run's budget of 2 attempts lost with their devices is used up"
    assert (budgets.spent("retry"), budgets.spent("loss")) == (2, 2)


def test_no_percent_is_no_retries_and_still_losses() -> None:
    budgets = Budgets(1000, 0)

    assert budgets.why_not("retry") == "the run has no budget for retries (--autorl-retry-budget 0)"
    assert budgets.why_not("loss") == ""


def test_a_broken_build_has_no_retries_while_it_is_broken() -> None:
    budgets = Budgets(1000)
    for _ in range(49):
        budgets.verdict(True)
    assert budgets.why_not("retry") == ""  # too few to say

    budgets.verdict(True)
    assert budgets.why_not("retry") == "50 of 50 tests have failed: the build is broken"
    assert budgets.why_not("loss") == ""

    for _ in range(50):
        budgets.verdict(False)
    assert budgets.why_not("retry") == ""  # 50 of 100: half is not more than half


@given(
    tests=st.integers(0, 5000),
    percent=st.floats(0, 100),
    spent=st.lists(st.sampled_from(["retry", "loss"]), max_size=200),
)
def test_what_is_allowed_is_what_was_not_spent(tests: int, percent: float, spent: list[str]) -> None:
    budgets = Budgets(tests, percent)
    granted = {"retry": 0, "loss": 0}
    for kind in spent:
        if not budgets.why_not(kind):  # type: ignore[arg-type]
            budgets.spend(kind)  # type: ignore[arg-type]
            granted[kind] += 1

    for kind in granted:
        assert granted[kind] == min(spent.count(kind), budgets.size(kind))  # type: ignore[arg-type]
    assert budgets.size("loss") >= max(20, tests * percent / 100 - 1e-5)
    assert budgets.size("retry") in (0, budgets.size("loss"))


def test_verdicts_can_be_counted_elsewhere() -> None:
    budgets = Budgets(100)

    budgets.count(50, 26)
    assert budgets.is_broken
    budgets.count(52, 26)
    assert not budgets.is_broken
