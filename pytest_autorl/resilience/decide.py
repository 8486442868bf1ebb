"""Whether another attempt of a test follows one that has failed. Pure: the draw for the delay is passed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pytest_autorl.resilience.info import ErrorInfo
from pytest_autorl.resilience.policy import RetryPolicy

Kind = Literal["retry", "loss"]

#: A test that was lost with its devices runs so many times more.
MOST_LOSSES: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """One thing that went wrong in an attempt: in its set-up, its call, its teardown, or a part of its call.

    Attributes:
        error: The exception; None where a report failed without one (a strict xfail that passed).
    """

    info: ErrorInfo
    error: BaseException | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Chances:
    """What may follow an attempt.

    Attributes:
        retries: How many retries its test has used up before it.
        why_no_retry: Why there is no other, whatever the policy says; "" where there may be one.
        may_be_lost: It may run once more if its devices made it fail.
    """

    retries: int = 0
    why_no_retry: str = ""
    may_be_lost: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What follows.

    Attributes:
        kind: Why another attempt follows; None when this one was the last.
        delay_s: How long to wait before it, seconds.
        elsewhere: It is to run on other devices.
        refused: The policy would have had a retry; why there is none.
    """

    kind: Kind | None = None
    delay_s: float = 0.0
    elsewhere: bool = True
    refused: str = ""


def decide(
    failures: Sequence[Failure],
    policy: RetryPolicy | None,
    chances: Chances,
    *,
    had_devices: bool,
    draw: Callable[[], float],
) -> Decision:
    """See the module.

    Args:
        failures: In the order in which they came; the first one counts, a CRITICAL one anywhere ends it.
        policy: None for a test that is not to be retried.
        had_devices: The attempt had devices of the farm.
        draw: Gives a random number from 0.0 to 1.0, for the delay.
    """
    if not failures or any(failure.info.is_critical for failure in failures):
        return Decision()
    first = failures[0]
    if first.info.is_loss and had_devices and chances.may_be_lost:
        return Decision(kind="loss")
    if policy is None or not policy.wants(first.error, first.info):
        return Decision()
    if chances.retries + 1 >= policy.max_attempts:
        return Decision()
    if chances.why_no_retry:
        return Decision(refused=chances.why_no_retry)
    delay_s = policy.backoff.delay_s(chances.retries + 1, draw())
    return Decision(kind="retry", delay_s=delay_s, elsewhere=policy.elsewhere)
