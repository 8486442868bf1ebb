"""Whether another attempt follows: losses before retries, policy before budgets, CRITICAL before all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.resilience.backoff import Backoff
from pytest_autorl.resilience.decide import Chances, Decision, Failure, decide
from pytest_autorl.resilience.info import (
    ErrorCategory,
    ErrorDomain,
    ErrorInfo,
    ErrorSeverity,
    Family,
    Strategy,
)
from pytest_autorl.resilience.policy import RetryPolicy

pytestmark = pytest.mark.unit

POLICY = RetryPolicy(backoff=Backoff(initial_delay=2.0, multiplier=3.0))


def failure(
    *,
    category: str = "transient",
    domain: str = "test",
    severity: str = "medium",
    family: Family = "test",
    error: BaseException | None = None,
) -> Failure:
    return Failure(
        info=ErrorInfo(
            error="Error",
            category=ErrorCategory(category),
            severity=ErrorSeverity(severity),
            domain=ErrorDomain(domain),
            strategy=Strategy.RETRY,
            family=family,
        ),
        error=error,
    )


LOST = failure(domain="server", family="autorl")
OWN = failure()
PERMANENT = failure(category="permanent")
CRITICAL = failure(severity="critical")


def after(
    *failures: Failure,
    policy: RetryPolicy | None = POLICY,
    retries: int = 0,
    why_no_retry: str = "",
    may_be_lost: bool = True,
    had_devices: bool = True,
) -> Decision:
    chances = Chances(retries=retries, why_no_retry=why_no_retry, may_be_lost=may_be_lost)
    return decide(failures, policy, chances, had_devices=had_devices, draw=lambda: 0.5)


def test_nothing_follows_what_has_not_failed() -> None:
    assert after() == Decision()


def test_a_retry_waits_longer_each_time_up_to_the_last() -> None:
    assert after(OWN) == Decision(kind="retry", delay_s=1.0)
    assert after(OWN, retries=1) == Decision(kind="retry", delay_s=3.0)
    assert after(OWN, retries=2) == Decision()


def test_it_stays_where_the_policy_says_so() -> None:
    assert not after(OWN, policy=RetryPolicy(elsewhere=False)).elsewhere


def test_what_the_policy_does_not_want_is_not_retried() -> None:
    assert after(PERMANENT) == Decision()
    assert after(OWN, policy=None) == Decision()
    assert (
        after(failure(category="permanent", error=OSError()), policy=RetryPolicy(on=(OSError,))).kind
        == "retry"
    )


def test_the_first_failure_counts() -> None:
    assert after(PERMANENT, OWN) == Decision()
    assert after(OWN, PERMANENT).kind == "retry"
    assert after(OWN, LOST).kind == "retry"
    assert after(LOST, PERMANENT).kind == "loss"


@pytest.mark.parametrize("failures", [(CRITICAL,), (OWN, CRITICAL), (LOST, CRITICAL)])
def test_nothing_follows_a_critical_failure(failures: tuple[Failure, ...]) -> None:
    assert after(*failures) == Decision()


def test_a_loss_needs_no_policy_and_waits_for_nothing() -> None:
    assert after(LOST, policy=None) == Decision(kind="loss", delay_s=0.0, elsewhere=True)
    assert after(LOST, why_no_retry="the build is broken", retries=9).kind == "loss"


def test_what_may_not_be_lost_any_more_is_judged_by_the_policy() -> None:
    assert after(LOST, may_be_lost=False).kind == "retry"
    assert after(LOST, had_devices=False).kind == "retry"
    assert after(LOST, may_be_lost=False, policy=None) == Decision()


def test_a_refusal_is_told_only_where_there_would_have_been_a_retry() -> None:
    assert after(OWN, why_no_retry="no budget") == Decision(refused="no budget")
    assert after(PERMANENT, why_no_retry="no budget").refused == ""
    assert after(OWN, why_no_retry="no budget", retries=2).refused == ""


failures = st.builds(
    failure,
    category=st.sampled_from([each.value for each in ErrorCategory]),
    domain=st.sampled_from([each.value for each in ErrorDomain]),
    severity=st.sampled_from([each.value for each in ErrorSeverity]),
    family=st.sampled_from(["autorl", "webdriver", "transport", "python", "test"]),
)


@given(
    some=st.lists(failures, max_size=3),
    policy=st.none() | st.builds(RetryPolicy, max_attempts=st.integers(1, 5), elsewhere=st.booleans()),
    retries=st.integers(0, 6),
    why=st.sampled_from(["", "no budget"]),
    may_be_lost=st.booleans(),
    had_devices=st.booleans(),
    draw=st.floats(0, 1),
)
def test_a_test_never_has_more_attempts_than_it_may(
    some: list[Failure],
    policy: RetryPolicy | None,
    retries: int,
    why: str,
    may_be_lost: bool,
    had_devices: bool,
    draw: float,
) -> None:
    chances = Chances(retries=retries, why_no_retry=why, may_be_lost=may_be_lost)

    decision = decide(some, policy, chances, had_devices=had_devices, draw=lambda: draw)

    if decision.kind == "retry":
        assert policy is not None
        assert retries + 1 < policy.max_attempts
        assert not why
        assert 0 <= decision.delay_s <= policy.backoff.max_delay
        assert decision.elsewhere == policy.elsewhere
    if decision.kind == "loss":
        assert may_be_lost
        assert had_devices
        assert some[0].info.is_infrastructure
    if decision.kind is not None:
        assert not any(each.info.is_critical for each in some)
        assert not decision.refused
