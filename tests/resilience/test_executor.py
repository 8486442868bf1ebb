"""`RobustActionExecutor` on a clock of its own: tries, delays, deadline, recovery, counts, notes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.errors import UsageError
from pytest_autorl.resilience.actions import ActionEvent, ActionStats
from pytest_autorl.resilience.executor import ACTION_DELAYS, RobustActionExecutor, on_the_only_one
from pytest_autorl.resilience.info import ErrorCategory, ErrorDomain, ErrorInfo, ErrorSeverity, Strategy
from pytest_autorl.resilience.retry import RetryConfig


class PassingError(Exception):
    """TRANSIENT, the same again helps."""


class LastingError(Exception):
    """PERMANENT."""


class FatalError(Exception):
    """TRANSIENT by its kind, and CRITICAL."""


class GoneError(Exception):
    """TRANSIENT; needs a new session."""


class OddError(Exception):
    """PERMANENT, although the same again is said to help."""


class MisplacedError(Exception):
    """TRANSIENT; may go well on another device."""


STRATEGIES = {
    PassingError: Strategy.RETRY,
    LastingError: Strategy.FAIL,
    FatalError: Strategy.RETRY,
    GoneError: Strategy.NEW_SESSION,
    OddError: Strategy.RETRY,
    MisplacedError: Strategy.ELSEWHERE,
}

LASTING = {LastingError, OddError}


class Stub:
    """Classifies the errors above; all others are PERMANENT."""

    def classify(self, error: BaseException) -> ErrorInfo:
        kind = next((kind for kind in STRATEGIES if isinstance(error, kind)), LastingError)
        return ErrorInfo(
            error=type(error).__name__,
            category=ErrorCategory.PERMANENT if kind in LASTING else ErrorCategory.TRANSIENT,
            severity=ErrorSeverity.CRITICAL if kind is FatalError else ErrorSeverity.LOW,
            domain=ErrorDomain.APP,
            strategy=STRATEGIES[kind],
        )


class World:
    """A clock that only goes on when somebody sleeps or an action takes its time."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept: list[float] = []
        self.events: list[ActionEvent] = []

    def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        self.now_s += delay_s

    async def sleep_async(self, delay_s: float) -> None:
        await asyncio.sleep(0)
        self.sleep(delay_s)

    def executor(self, *args: Any, **how: Any) -> RobustActionExecutor:
        return RobustActionExecutor(
            *args,
            **{
                "classifier": Stub(),
                "clock": lambda: self.now_s,
                "sleep": self.sleep,
                "sleep_async": self.sleep_async,
                "events": self.events.append,
                **how,
            },
        )


class Steps:
    """Raises, call by call, what it was given, and returns the rest; each call takes so many seconds."""

    def __init__(self, world: World, *steps: Any, takes_s: float = 0.0) -> None:
        self._world = world
        self.steps = list(steps)
        self._takes_s = takes_s
        self.calls = 0

    def __call__(self) -> Any:
        self.calls += 1
        self._world.now_s += self._takes_s
        step = self.steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step

    async def coroutine(self) -> Any:
        await asyncio.sleep(0)
        return self()


Run = Callable[..., Any]


def in_sync(executor: RobustActionExecutor, steps: Steps, **how: Any) -> Any:
    return executor.execute(steps, **how)


def in_async(executor: RobustActionExecutor, steps: Steps, **how: Any) -> Any:
    return asyncio.run(executor.execute_async(steps.coroutine, **how))


@pytest.fixture(params=[in_sync, in_async])
def run(request: pytest.FixtureRequest) -> Run:
    """Both ways to run an action, called alike."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def world() -> World:
    """As it begins."""
    return World()


def notes(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", ()))


# -- what is tried again -----------------------------------------------------------------------------------


def test_an_action_that_passes_at_last_gives_its_value(world: World, run: Run) -> None:
    executor, steps = world.executor(), Steps(world, PassingError(), PassingError(), "done")
    assert run(executor, steps) == "done"
    assert (steps.calls, len(world.slept)) == (3, 2)


def test_there_are_max_retries_more_tries_and_the_last_error_is_raised(world: World, run: Run) -> None:
    errors = [PassingError(str(number)) for number in range(4)]
    with pytest.raises(PassingError) as raised:
        run(world.executor(max_retries=2), steps := Steps(world, *errors))
    assert raised.value is errors[2]
    assert steps.calls == 3


@pytest.mark.parametrize(
    "kind",
    [LastingError, OddError, FatalError, GoneError, MisplacedError, pytest.skip.Exception, KeyboardInterrupt],
)
def test_what_the_same_again_cannot_mend_is_raised_at_once(
    world: World, run: Run, kind: type[BaseException]
) -> None:
    error = kind()
    with pytest.raises(kind) as raised:
        run(world.executor(), steps := Steps(world, error, "never"))
    assert raised.value is error
    assert (steps.calls, world.slept, notes(error)) == (1, [], [])


def test_without_retries_an_action_runs_once(world: World, run: Run) -> None:
    with pytest.raises(PassingError) as raised:
        run(world.executor(max_retries=0), steps := Steps(world, PassingError(), "never"))
    assert (steps.calls, notes(raised.value)) == (1, [])


def test_the_default_delays_are_short(world: World) -> None:
    executor = world.executor(config=RetryConfig(initial_delay=0.1, max_delay=2.0, jitter=False))
    with pytest.raises(PassingError):
        executor.execute(Steps(world, *[PassingError() for _ in range(4)]))
    assert world.slept == [0.1, 0.2, 0.4]
    assert (ACTION_DELAYS.initial_delay, ACTION_DELAYS.max_delay, ACTION_DELAYS.jitter) == (0.1, 2.0, True)


def test_the_same_seed_gives_the_same_delays(world: World) -> None:
    worlds = World(), World()
    for each in worlds:
        executor = each.executor(config=RetryConfig(seed=7))
        for _ in range(2):
            executor.execute(Steps(each, PassingError(), PassingError(), "done"))
    assert worlds[0].slept == worlds[1].slept
    assert len(set(worlds[0].slept)) == 4  # and one action has others than the next


# -- the deadline ------------------------------------------------------------------------------------------


def test_a_delay_that_would_last_beyond_the_deadline_is_not_begun(world: World, run: Run) -> None:
    executor = world.executor(
        max_retries=9, deadline_s=1.0, config=RetryConfig(initial_delay=0.4, jitter=False)
    )
    with pytest.raises(PassingError) as raised:
        run(executor, steps := Steps(world, *[PassingError() for _ in range(9)]))
    assert (steps.calls, world.slept) == (2, [0.4])  # 0.8 s more would be past it
    assert notes(raised.value) == [
        "autorl: 2 tries in 0.4 s failed (2 x PassingError); no time for another within 1 s"
    ]


def test_a_first_try_that_took_too_long_is_told_as_such(world: World, run: Run) -> None:
    with pytest.raises(PassingError) as raised:
        run(world.executor(), Steps(world, PassingError(), "never", takes_s=5.0), deadline_s=2.5)
    assert notes(raised.value) == [
        "autorl: 1 try in 5.0 s failed (PassingError); no time for another within 2.5 s"
    ]


def test_the_deadline_of_an_action_replaces_that_of_the_executor(world: World, run: Run) -> None:
    executor = world.executor(deadline_s=0.0)
    with pytest.raises(PassingError):
        run(executor, Steps(world, PassingError(), "never"))
    assert run(executor, Steps(world, PassingError(), "done"), deadline_s=60) == "done"


def test_numbers_that_make_no_sense_are_refused(world: World) -> None:
    with pytest.raises(ValueError, match="max_retries must be a number from 0, not -1"):
        RobustActionExecutor(max_retries=-1)
    for deadline_s in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="deadline_s must be a number of seconds from 0"):
            RobustActionExecutor(deadline_s=deadline_s)
        with pytest.raises(ValueError, match="deadline_s must be a number of seconds from 0"):
            world.executor().execute(lambda: 1, deadline_s=deadline_s)


# -- recovery ----------------------------------------------------------------------------------------------


def test_a_recovery_that_helps_is_followed_by_another_try_at_once(world: World, run: Run) -> None:
    asked: list[ErrorInfo] = []

    def recover(info: ErrorInfo) -> bool:
        asked.append(info)
        return True

    executor = world.executor(recover=recover)
    assert run(executor, Steps(world, GoneError(), PassingError(), "done")) == "done"
    assert [info.strategy for info in asked] == [Strategy.NEW_SESSION]
    assert [event.step for event in world.events] == ["recovery", "retry"]
    assert world.slept[0] == 0.0
    assert executor.stats.outcomes == {("new_session", "failure"): 1, ("retry", "success"): 1}


def test_a_recovery_that_does_not_help_ends_the_action(world: World, run: Run) -> None:
    executor = world.executor(recover=lambda info: False)
    with pytest.raises(GoneError) as raised:
        run(executor, steps := Steps(world, GoneError(), "never"))
    assert steps.calls == 1
    assert notes(raised.value) == [
        "autorl: 1 try in 0.0 s failed (GoneError); the recovery new_session did not help"
    ]
    assert executor.stats.outcomes == {("new_session", "failure"): 1}


def test_a_recovery_that_fails_is_logged_and_the_error_of_the_action_raised(
    world: World, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    def recover(info: ErrorInfo) -> bool:
        raise RuntimeError("no server")

    with pytest.raises(GoneError):
        run(world.executor(recover=recover), Steps(world, GoneError(), "never"))
    (line,) = caplog.records
    assert line.getMessage() == "the recovery new_session of GoneError has failed"
    assert line.exc_info is not None
    assert "no server" in str(line.exc_info[1])


def test_nothing_is_recovered_after_the_last_try_or_for_what_has_no_recovery(world: World, run: Run) -> None:
    asked: list[ErrorInfo] = []

    def recover(info: ErrorInfo) -> bool:
        asked.append(info)
        return True

    executor = world.executor(max_retries=0, recover=recover)
    for kind in (GoneError, MisplacedError, LastingError, FatalError):
        with pytest.raises(kind):
            run(executor, Steps(world, kind(), "never"))
    assert asked == []


def test_a_recovery_that_took_all_the_time_is_followed_by_no_try(world: World, run: Run) -> None:
    def recover(info: ErrorInfo) -> bool:
        world.now_s += 60
        return True

    executor = world.executor(recover=recover, deadline_s=30)
    with pytest.raises(GoneError) as raised:
        run(executor, steps := Steps(world, GoneError(), "never"))
    assert steps.calls == 1
    assert "no time for another within 30 s" in notes(raised.value)[0]


def test_the_recovery_of_a_coroutine_does_not_hold_up_the_loop(world: World) -> None:
    threads: list[int] = []

    def recover(info: ErrorInfo) -> bool:
        threads.append(threading.get_ident())
        return True

    assert in_async(world.executor(recover=recover), Steps(world, GoneError(), "done")) == "done"
    assert threads != [threading.get_ident()]


# -- what is told ------------------------------------------------------------------------------------------


def test_the_note_tells_the_errors_in_their_order(world: World, run: Run) -> None:
    with pytest.raises(LastingError) as raised:
        run(world.executor(), Steps(world, PassingError(), PassingError(), LastingError()))
    (note,) = notes(raised.value)
    assert "3 tries in" in note
    assert (
        "(2 x PassingError, LastingError); the same again does not help: LastingError (app, permanent)"
        in note
    )


def test_notes_are_kept_where_python_has_none_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 12))
    error = PassingError()
    with pytest.raises(PassingError):
        world.executor(max_retries=1).execute(Steps(world, PassingError(), error))
    assert notes(error)[0].endswith("; max_retries is 1")


def test_each_step_is_told(world: World, run: Run) -> None:
    executor = world.executor(max_retries=1, config=RetryConfig(initial_delay=0.5, jitter=False))
    with pytest.raises(PassingError):
        run(executor, Steps(world, PassingError(), PassingError()))
    assert [(each.step, each.number, each.delay_s, each.why) for each in world.events] == [
        ("retry", 1, 0.5, ""),
        ("end", 2, 0.0, "max_retries is 1"),
    ]


def test_errors_are_gone_when_they_are_dealt_with(world: World) -> None:
    """A cycle must not hold them: their frames hold drivers and pages of the test."""
    seen: list[weakref.ref[BaseException]] = []

    def fails() -> None:
        try:
            raise PassingError
        except PassingError as error:
            seen.append(weakref.ref(error))
            raise

    with contextlib.suppress(PassingError):
        world.executor(max_retries=1).execute(fails)
    assert [error() for error in seen] == [None, None]


# -- what is called ----------------------------------------------------------------------------------------


def test_the_base_executor_runs_the_action_at_each_try(world: World) -> None:
    seen: list[str] = []
    steps = Steps(world, PassingError(), "done")

    def action(driver: str) -> Any:
        seen.append(driver)
        return steps()

    assert world.executor(lambda action: action("driver")).execute(action) == "done"
    assert seen == ["driver", "driver"]


def test_execute_with_recovery_takes_functions_and_coroutine_functions(world: World) -> None:
    executor = world.executor()
    assert executor.execute_with_recovery(Steps(world, PassingError(), "done")) == "done"

    async def both() -> list[Any]:
        partial = functools.partial(Steps(world, PassingError(), "partial").coroutine)
        return [
            await executor.execute_with_recovery(Steps(world, PassingError(), "method").coroutine),
            await executor.execute_with_recovery(partial),
            await executor.execute_with_recovery_async(Steps(world, PassingError(), "named").coroutine),
        ]

    assert asyncio.run(both()) == ["method", "partial", "named"]
    assert executor.stats.retries == 4


def test_a_coroutine_is_not_lost_in_execute(world: World) -> None:
    steps = Steps(world, "never")
    with pytest.raises(TypeError, match="is a coroutine function: await execute_async"):
        world.executor().execute(steps.coroutine)
    with pytest.raises(TypeError, match="gave a coroutine: await execute_async"):
        world.executor().execute(lambda: steps.coroutine())
    assert steps.calls == 0


def test_being_cancelled_ends_a_coroutine_and_counts_as_a_failure(world: World) -> None:
    executor = world.executor()

    async def cancelled() -> None:
        started = asyncio.Event()

        async def hangs() -> None:
            started.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(executor.execute_async(hangs))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert executor.stats == ActionStats(actions=1, attempts=1, failures=1)


class TestOnTheOnlyOne:
    """The base executor of the fixture `robust`."""

    def of(self, *drivers: str) -> Callable[[Callable[..., Any]], Any]:
        return on_the_only_one(lambda: [SimpleNamespace(driver=driver) for driver in drivers])

    def test_an_action_that_needs_an_argument_gets_the_driver(self) -> None:
        assert self.of("first")(lambda driver: driver) == "first"
        assert self.of("first")(lambda driver, more=1: (driver, more)) == ("first", 1)

    @pytest.mark.parametrize(
        ("action", "value"), [(lambda: 3, 3), (lambda more=4: more, 4), (dict, {}), ("a".upper, "A")]
    )
    def test_others_are_called_as_they_are_with_or_without_a_device(
        self, action: Callable[..., Any], value: Any
    ) -> None:
        assert self.of("first")(action) == self.of()(action) == self.of("first", "second")(action) == value

    def test_no_device_or_several_are_an_error_that_says_what_to_do(self) -> None:
        with pytest.raises(UsageError, match=r"has no device\n  do: ask for a fixture"):
            self.of()(lambda driver: driver)
        with pytest.raises(UsageError, match=r"has 2 devices\n  do: use `do` of the one"):
            self.of("first", "second")(lambda driver: driver)

    def test_a_coroutine_function_does_not_get_the_synchronous_driver(self) -> None:
        async def action(driver: str) -> str:
            return driver

        with pytest.raises(UsageError, match="without arguments here\n  do: let it take `async_driver`"):
            self.of("first")(action)


# -- counts ------------------------------------------------------------------------------------------------

kinds = st.sampled_from([PassingError, LastingError, OddError, FatalError, GoneError, MisplacedError, None])


@given(
    actions=st.lists(st.lists(kinds, max_size=6), max_size=5),
    max_retries=st.integers(min_value=0, max_value=5),
    deadline_s=st.none() | st.floats(min_value=0, max_value=3),
    takes_s=st.floats(min_value=0, max_value=1),
    config=st.builds(
        RetryConfig,
        initial_delay=st.floats(min_value=0, max_value=1),
        max_delay=st.floats(min_value=0, max_value=2),
        jitter=st.booleans(),
        seed=st.integers(min_value=0, max_value=9),
    ),
    recovers=st.none() | st.booleans(),
)
def test_whatever_happens_the_counts_agree_and_no_try_begins_after_the_deadline(
    actions: list[list[type[Exception] | None]],
    max_retries: int,
    deadline_s: float | None,
    takes_s: float,
    config: RetryConfig,
    recovers: bool | None,
) -> None:
    world = World()
    executor = world.executor(
        max_retries=max_retries,
        deadline_s=deadline_s,
        config=config,
        recover=None if recovers is None else lambda info: bool(recovers),
    )
    calls: list[int] = []
    results = Counter[bool]()
    for kinds_of_action in actions:
        begun: list[float] = []
        steps = Steps(
            world, *[kind() if kind else "done" for kind in [*kinds_of_action, None]], takes_s=takes_s
        )

        def action(steps: Steps = steps, begun: list[float] = begun) -> Any:
            begun.append(world.now_s)
            return steps()

        start_s = world.now_s
        try:
            assert executor.execute(action) == "done"
            results[True] += 1
        except tuple(STRATEGIES):
            results[False] += 1
        calls.append(steps.calls)
        assert 1 <= steps.calls <= max_retries + 1
        if deadline_s is not None:
            assert all(at_s <= start_s + deadline_s for at_s in begun[1:])

    stats = executor.stats
    assert (stats.successes, stats.failures) == (results[True], results[False])
    assert stats.actions == len(actions)
    assert stats.attempts == sum(calls) == stats.actions + stats.retries
    assert len(world.slept) == stats.retries
    assert all(0 <= delay_s <= config.max_delay for delay_s in world.slept)
    in_vain = sum(each.step == "end" and "did not help" in each.why for each in world.events)
    assert sum(stats.outcomes.values()) == stats.retries + in_vain
    assert sum(count for (_, what), count in stats.outcomes.items() if what == "success") <= stats.successes
    assert sum(each.step == "end" for each in world.events) == stats.failures
    expected = results[True] / len(actions) if actions else None
    assert stats.success_rate == expected


def test_counts_of_many_threads_are_all_there() -> None:
    world = World()
    executor = world.executor(sleep=lambda delay_s: None, events=None)
    start = threading.Barrier(4)

    def many() -> None:
        start.wait()
        for _ in range(50):
            executor.execute(Steps(World(), PassingError(), "done"))

    with ThreadPoolExecutor(4) as threads:
        for each in [threads.submit(many) for _ in range(4)]:
            each.result()
    stats = executor.stats
    assert (stats.actions, stats.attempts, stats.successes) == (200, 400, 200)
    assert stats.outcomes == {("retry", "success"): 200}


def test_a_snapshot_stays_as_it_was(world: World) -> None:
    executor = world.executor()
    before = executor.stats
    executor.execute(lambda: 1)
    assert (before.actions, before.success_rate) == (0, None)
    assert (executor.stats.actions, executor.stats.success_rate) == (1, 1.0)
    with pytest.raises(TypeError):
        executor.stats.outcomes["retry", "success"] = 1  # type: ignore[index]
