"""`retry_async`, its sibling for functions, the decorator: what is tried again, when, and what comes out."""

from __future__ import annotations

import asyncio
import contextlib
import re
import traceback
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selenium.common.exceptions import InvalidSessionIdException

from pytest_autorl.errors import DeviceTimeoutError, LeaseLostError
from pytest_autorl.resilience.info import ErrorCategory, ErrorDomain, ErrorInfo, ErrorSeverity, Strategy
from pytest_autorl.resilience.retry import RetryConfig, RetryNotice, retry_async, retry_sync, retrying

#: Waits for nothing.
AT_ONCE = RetryConfig(initial_delay=0)


class PassingError(Exception):
    """Stands for a TRANSIENT error."""


class LastingError(Exception):
    """Stands for a PERMANENT error."""


class FatalError(Exception):
    """Stands for a TRANSIENT error that is CRITICAL."""


class Stub:
    """Classifies the errors above."""

    def classify(self, error: BaseException) -> ErrorInfo:
        is_lasting = isinstance(error, LastingError)
        return ErrorInfo(
            error=type(error).__name__,
            category=ErrorCategory.PERMANENT if is_lasting else ErrorCategory.TRANSIENT,
            severity=ErrorSeverity.CRITICAL if isinstance(error, FatalError) else ErrorSeverity.LOW,
            domain=ErrorDomain.APP,
            strategy=Strategy.FAIL if is_lasting else Strategy.RETRY,
        )


class Steps:
    """Raises, call by call, what it was given, and then returns the rest."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls.append((args, kwargs))
        step = self.steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step

    async def coroutine(self, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        return self(*args, **kwargs)


Retry = Callable[..., Any]


def through_sync(steps: Steps, *args: Any, **how: Any) -> Any:
    return retry_sync(steps, *args, classifier=Stub(), **how)


def through_async(steps: Steps, *args: Any, **how: Any) -> Any:
    return asyncio.run(retry_async(steps.coroutine, *args, classifier=Stub(), **how))


@pytest.fixture(params=[through_sync, through_async])
def retry(request: pytest.FixtureRequest) -> Retry:
    """Both ways to call something again, called alike."""
    return request.param  # type: ignore[no-any-return]


def test_the_defaults_are_those_that_are_promised() -> None:
    config = RetryConfig()
    assert (config.max_attempts, config.initial_delay, config.max_delay) == (3, 1.0, 30.0)
    assert (config.backoff_multiplier, config.jitter, config.seed) == (2.0, True, None)


def test_what_succeeds_is_called_once_with_its_arguments(retry: Retry) -> None:
    steps = Steps("done")
    assert retry(steps, 1, key="value") == "done"
    assert steps.calls == [((1,), {"key": "value"})]


def test_errors_that_pass_are_tried_again_with_the_same_arguments(retry: Retry) -> None:
    steps = Steps(PassingError(), PassingError(), "done")
    assert retry(steps, 1, key="value", config=AT_ONCE) == "done"
    assert steps.calls == [((1,), {"key": "value"})] * 3


def test_a_value_may_be_none(retry: Retry) -> None:
    assert retry(Steps(PassingError(), None), config=AT_ONCE) is None


def test_the_last_error_is_raised_as_it_is(retry: Retry) -> None:
    last = PassingError("third")
    steps = Steps(PassingError("first"), PassingError("second"), last, "never")
    with pytest.raises(PassingError) as raised:
        retry(steps, config=AT_ONCE)
    assert raised.value is last
    assert raised.value.__cause__ is None
    assert len(steps.calls) == 3


@pytest.mark.parametrize("error", [LastingError(), FatalError()])
def test_what_does_not_pass_or_is_critical_is_raised_at_once(retry: Retry, error: Exception) -> None:
    steps = Steps(error, "never")
    with pytest.raises(type(error)):
        retry(steps, config=AT_ONCE)
    assert len(steps.calls) == 1


def test_a_lasting_error_ends_the_tries(retry: Retry) -> None:
    steps = Steps(PassingError(), LastingError(), "never")
    with pytest.raises(LastingError):
        retry(steps, config=RetryConfig(max_attempts=9, initial_delay=0))
    assert len(steps.calls) == 2


@pytest.mark.parametrize("order", [KeyboardInterrupt, SystemExit, pytest.skip.Exception])
def test_what_is_no_failure_is_never_swallowed(retry: Retry, order: type[BaseException]) -> None:
    steps = Steps(PassingError(), order(), "never")
    with pytest.raises(order):
        retry(steps, config=AT_ONCE)
    assert len(steps.calls) == 2


def test_being_cancelled_in_a_try_or_in_a_delay_ends_it() -> None:
    async def cancelled(config: RetryConfig, called: Callable[..., Awaitable[Any]]) -> int:
        calls = 0
        begun = asyncio.Event()

        async def counted() -> None:
            nonlocal calls
            calls += 1
            begun.set()
            await called()

        task = asyncio.create_task(retry_async(counted, config=config, classifier=Stub()))
        await begun.wait()
        for _ in range(5):  # lets it come to where it waits
            await asyncio.sleep(0)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return calls

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def fails() -> None:
        raise PassingError

    assert asyncio.run(cancelled(AT_ONCE, hangs)) == 1
    assert asyncio.run(cancelled(RetryConfig(initial_delay=600, max_delay=600, jitter=False), fails)) == 1


def test_no_frame_of_the_loop_gets_into_the_traceback(retry: Retry) -> None:
    with pytest.raises(PassingError) as raised:
        retry(Steps(PassingError(), PassingError()), config=RetryConfig(max_attempts=2, initial_delay=0))
    frames = traceback.extract_tb(raised.value.__traceback__)
    assert frames[-1].name == "__call__"
    assert not [frame.filename for frame in frames if "tenacity" in frame.filename]


def test_errors_are_gone_when_they_are_dealt_with() -> None:
    """A cycle must not hold them: their frames hold drivers and pages of the test."""
    seen: list[weakref.ref[BaseException]] = []

    def fails() -> None:
        try:
            raise PassingError
        except PassingError as error:
            seen.append(weakref.ref(error))
            raise

    with contextlib.suppress(PassingError):
        retry_sync(fails, config=AT_ONCE, classifier=Stub())
    assert [error() for error in seen] == [None, None, None]


def test_each_delay_is_told_before_it(retry: Retry) -> None:
    notices: list[RetryNotice] = []
    first, second = PassingError("first"), PassingError("second")
    config = RetryConfig(initial_delay=0.001, jitter=False)
    retry(Steps(first, second, "done"), config=config, on_retry=notices.append)
    assert [(n.number, n.max_attempts, n.delay_s, n.error) for n in notices] == [
        (1, 3, 0.001, first),
        (2, 3, 0.002, second),
    ]
    assert {notice.info.error for notice in notices} == {"PassingError"}


def test_the_end_is_not_told_as_a_retry(retry: Retry) -> None:
    notices: list[RetryNotice] = []
    with pytest.raises(PassingError):
        retry(Steps(PassingError(), PassingError(), PassingError()), config=AT_ONCE, on_retry=notices.append)
    assert [notice.number for notice in notices] == [1, 2]


def test_what_the_listener_raises_ends_the_call(retry: Retry) -> None:
    def refuses(notice: RetryNotice) -> None:
        raise RuntimeError("enough")

    steps = Steps(PassingError(), "never")
    with pytest.raises(RuntimeError, match="enough") as raised:
        retry(steps, config=AT_ONCE, on_retry=refuses)
    assert isinstance(raised.value.__context__, PassingError)
    assert len(steps.calls) == 1


def test_a_listener_of_coroutines_may_be_one() -> None:
    told: list[int] = []

    async def listens(notice: RetryNotice) -> None:
        await asyncio.sleep(0)
        told.append(notice.number)

    through_async(Steps(PassingError(), "done"), config=AT_ONCE, on_retry=listens)
    assert told == [1]


def delays(config: RetryConfig, tries: int = 6) -> list[float]:
    """What a call waits that fails until its last try."""
    slept: list[float] = []
    steps = Steps(*[PassingError() for _ in range(tries - 1)], "done")
    assert retry_sync(steps, config=config, classifier=Stub(), sleep=slept.append) == "done"
    return slept


@given(seed=st.integers(min_value=0, max_value=2**64))
def test_the_same_seed_gives_the_same_delays(seed: int) -> None:
    config = RetryConfig(max_attempts=6, seed=seed)
    assert delays(config) == delays(config)


def test_other_seeds_and_no_seed_give_other_delays() -> None:
    seen = {tuple(delays(RetryConfig(max_attempts=6, seed=seed))) for seed in (1, 2, None, None)}
    assert len(seen) == 4


@given(
    failures=st.integers(min_value=0, max_value=8),
    max_attempts=st.integers(min_value=1, max_value=8),
    multiplier=st.floats(min_value=1, max_value=10),
)
def test_there_is_one_delay_before_each_try_but_the_first(
    failures: int, max_attempts: int, multiplier: float
) -> None:
    config = RetryConfig(max_attempts=max_attempts, backoff_multiplier=multiplier, max_delay=5.0)
    steps = Steps(*[PassingError() for _ in range(failures)], "done")
    slept: list[float] = []
    try:
        retry_sync(steps, config=config, classifier=Stub(), sleep=slept.append)
        has_succeeded = True
    except PassingError:
        has_succeeded = False
    assert has_succeeded == (failures < max_attempts)
    assert len(steps.calls) == min(failures + 1, max_attempts) == len(slept) + 1
    assert all(0 <= delay_s <= 5.0 for delay_s in slept)


def test_what_only_helps_elsewhere_is_raised_at_once() -> None:
    """Another test may have the device by now."""
    for error in (LeaseLostError("gone"), DeviceTimeoutError("no answer")):
        steps = Steps(error, "never")
        with pytest.raises(type(error)):
            retry_sync(steps, config=AT_ONCE)
        with pytest.raises(type(error)):
            asyncio.run(retry_async(Steps(error, "never").coroutine, config=AT_ONCE))
        assert len(steps.calls) == 1
    assert retry_sync(Steps(InvalidSessionIdException("gone"), "done"), config=AT_ONCE) == "done"


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("max_attempts", 0, "a whole number from 1"),
        ("max_attempts", True, "a whole number from 1"),
        ("max_attempts", 2.0, "a whole number from 1"),
        ("max_attempts", "3", "a whole number from 1"),
        ("max_attempts", None, "a whole number from 1"),
        ("backoff_multiplier", "2", "a number from 1"),
        ("backoff_multiplier", True, "a number from 1"),
        ("backoff_multiplier", float("inf"), "a number from 1"),
        ("backoff_multiplier", float("nan"), "a number from 1"),
        ("initial_delay", "1", "a number of seconds from 0"),
        ("initial_delay", None, "a number of seconds from 0"),
        ("max_delay", True, "a number of seconds from 0"),
        ("jitter", 1, "True or False"),
        ("seed", "x", "a whole number or None"),
        ("seed", 1.5, "a whole number or None"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(name: str, value: Any, what: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{name} must be {what}, not {value!r}")):
        RetryConfig(**{name: value})


def test_numbers_that_make_no_sense_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"backoff_multiplier must be a number from 1, not 0\.5"):
        RetryConfig(backoff_multiplier=0.5)
    with pytest.raises(ValueError, match="initial_delay must be"):
        RetryConfig(initial_delay=-1)
    with pytest.raises(ValueError, match="max_delay must be"):
        RetryConfig(max_delay=float("nan"))


def test_a_decorated_function_is_one_of_its_kind() -> None:
    steps = Steps(PassingError(), "first", PassingError(), "second")

    @retrying(config=AT_ONCE, classifier=Stub())
    def fetch(name: str) -> Any:
        """Fetch something."""
        return steps(name)

    assert (fetch("a"), fetch("b")) == ("first", "second")
    assert (fetch.__name__, fetch.__doc__) == ("fetch", "Fetch something.")


def test_a_decorated_coroutine_function_stays_one() -> None:
    steps = Steps(PassingError(), "done")

    @retrying(config=AT_ONCE, classifier=Stub())
    async def fetch(name: str, *, config: int) -> Any:
        return steps(name, config=config)

    assert asyncio.run(fetch("a", config=3)) == "done"  # a keyword of the same name as ours stays its own
    assert steps.calls == [(("a",), {"config": 3})] * 2
