"""Runs single actions, again where their errors pass by themselves, and counts how that went.

    robust = RobustActionExecutor(lambda action: action(driver), max_retries=2)
    title = robust.execute(lambda driver: driver.find_element("id", "title").text)

What follows a try that has failed is decided here; `actions.py` keeps count.
"""

from __future__ import annotations

import functools
import inspect
import logging
import random
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from math import inf
from typing import Any, Final, Literal, Protocol, TypeVar, overload

from pytest_autorl.errors import UsageError
from pytest_autorl.resilience.actions import ActionEvent, ActionStats, Course, add_note
from pytest_autorl.resilience.info import ErrorInfo, Strategy
from pytest_autorl.resilience.retry import (
    AsyncSleep,
    Classifier,
    RetryConfig,
    Sleep,
    Tried,
    default_classifier,
    run_tries,
    run_tries_async,
)

T = TypeVar("T")

logger = logging.getLogger("pytest_autorl")

#: Runs an action that it is given, and returns what it returns.
BaseExecutor = Callable[[Callable[..., Any]], Any]
#: Tries to mend what an error tells; whether another try makes sense then.
Recover = Callable[[ErrorInfo], bool]

#: Short, since a test waits meanwhile: three retries take 0.7 s at most.
ACTION_DELAYS: Final = RetryConfig(initial_delay=0.1, max_delay=2.0)

#: Strategies that no recovery belongs to.
_NO_RECOVERY: Final = frozenset({Strategy.FAIL, Strategy.RETRY, Strategy.ELSEWHERE})


class RobustActionExecutor:
    """Runs single actions, again where that tells something.

    An action whose error is TRANSIENT, and which the same again may mend, is tried again. Errors that need more (a
    session is gone, a server is down) are given to ``recover``, and without it raised at once; so are PERMANENT and
    CRITICAL ones. The error that is raised is the last one, as it is, with a note that tells of the tries.

    An action may run twice although the first time did all it had to (a click whose answer was lost): give it actions
    that can bear that. pytest's own outcomes (skip, fail), interrupts and cancelling are never tried again.

    May be used by several threads and coroutines at once.

    Args:
        base_executor: Runs an action: ``lambda action: action(driver)``. Default: it is called without arguments.
        max_retries: How many more tries an action has, recoveries included.
        config: The delays, `ACTION_DELAYS` by default; its ``max_attempts`` does not count here. With a seed the
            delays of this executor's retries, one after the other, are always the same.
        deadline_s: No try begins later than so many seconds after the action, and no delay that would last until
            then. A try that runs is not stopped.
        classifier: Default: `ErrorClassifier`.
        recover: Called in the thread of the action, for a coroutine in another one; counts as not having helped when
            it raises.
        clock: Seconds, monotonic.
        sleep: For `execute`; ``sleep_async`` is for `execute_async`.
        events: Told what follows each try that has failed; what it raises ends the action.

    Raises ValueError for numbers that make no sense.
    """

    def __init__(
        self,
        base_executor: BaseExecutor | None = None,
        max_retries: int = 3,
        *,
        config: RetryConfig | None = None,
        deadline_s: float | None = None,
        classifier: Classifier | None = None,
        recover: Recover | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = time.sleep,
        sleep_async: AsyncSleep | None = None,
        events: Callable[[ActionEvent], None] | None = None,
    ) -> None:
        if max_retries < 0:
            raise ValueError(f"max_retries must be a number from 0, not {max_retries!r}")
        self.max_retries = max_retries
        self.deadline_s = _checked_deadline(deadline_s)
        self._base = base_executor if base_executor is not None else _call
        self._backoff = (config or ACTION_DELAYS).backoff
        self._random = random.Random((config or ACTION_DELAYS).seed)
        self._classifier = classifier
        self._recover = recover
        self._clock = clock
        self._sleep = sleep
        self._sleep_async = sleep_async
        self._events = events
        self._lock = threading.Lock()
        self._stats = ActionStats()

    @property
    def stats(self) -> ActionStats:
        """The counts up to now."""
        return self._stats

    def execute(self, action: Callable[..., T], *, deadline_s: float | None = None) -> T:
        """Run one action; returns what it returns.

        Args:
            deadline_s: For this action, instead of the executor's.
        Raises: the action's last error. TypeError for a coroutine function, which `execute_async` takes.
        """
        __tracebackhide__ = True
        if _is_coroutine_function(action):
            raise TypeError("the action is a coroutine function: await execute_async of it")
        course = self._begin(deadline_s)

        def one_try() -> Tried[T]:
            __tracebackhide__ = True
            course.begin_try()
            try:
                return Tried(value=_no_coroutine(self._base(action)))
            except BaseException as error:
                event = self._what_follows(course, error)
                if event is not None and event.step == "recovery":
                    event = self._after_recovery(course, event, _is_mended(self._recover, event.info))
                return self._end_of_try(course, error, event)

        try:
            value = run_tries(one_try, sleep=self._sleep)
            course.has_succeeded = True
            return value
        finally:
            self._count(course)

    async def execute_async(
        self, action: Callable[..., Awaitable[T]], *, deadline_s: float | None = None
    ) -> T:
        """Run one action that is a coroutine function, or gives something else that can be awaited."""
        __tracebackhide__ = True
        course = self._begin(deadline_s)

        async def one_try() -> Tried[T]:
            __tracebackhide__ = True
            course.begin_try()
            try:
                return Tried(value=await self._base(action))
            except BaseException as error:
                event = self._what_follows(course, error)
                if event is not None and event.step == "recovery":
                    import asyncio

                    # A recovery takes its time, and the loop has others to serve.
                    is_mended = await asyncio.to_thread(_is_mended, self._recover, event.info)
                    event = self._after_recovery(course, event, is_mended)
                return self._end_of_try(course, error, event)

        try:
            value = await run_tries_async(one_try, sleep=self._sleep_async)
            course.has_succeeded = True
            return value
        finally:
            self._count(course)

    @overload
    def execute_with_recovery(
        self, action: Callable[..., Coroutine[Any, Any, T]], *, deadline_s: float | None = None
    ) -> Awaitable[T]: ...

    @overload
    def execute_with_recovery(self, action: Callable[..., T], *, deadline_s: float | None = None) -> T: ...

    def execute_with_recovery(self, action: Callable[..., Any], *, deadline_s: float | None = None) -> Any:
        """`execute`; for a coroutine function `execute_async`, which is to be awaited."""
        __tracebackhide__ = True
        if _is_coroutine_function(action):
            return self.execute_async(action, deadline_s=deadline_s)
        return self.execute(action, deadline_s=deadline_s)

    async def execute_with_recovery_async(
        self, action: Callable[..., Awaitable[T]], *, deadline_s: float | None = None
    ) -> T:
        """`execute_async`."""
        __tracebackhide__ = True
        return await self.execute_async(action, deadline_s=deadline_s)

    # -- what follows a try ------------------------------------------------------------------------------

    def _begin(self, deadline_s: float | None) -> Course:
        limit_s = self.deadline_s if deadline_s is None else _checked_deadline(deadline_s)
        return Course(begun_s=self._clock(), limit_s=limit_s)

    def _what_follows(self, course: Course, error: BaseException) -> ActionEvent | None:
        """None for what is no failure, and passes."""
        if not isinstance(error, Exception):
            return None
        course.errors.append(type(error).__name__)
        if self._classifier is None:
            self._classifier = default_classifier()
        info = self._classifier.classify(error)
        event = ActionEvent(step="end", number=course.attempts, info=info)
        if info.is_critical:
            return replace(event, why=f"{info.text} is critical")
        if course.attempts > self.max_retries:
            return replace(event, why=f"max_retries is {self.max_retries}")
        if info.strategy not in _NO_RECOVERY and self._recover is not None:
            step: Literal["recovery", "retry"] = "recovery"
            delay_s = 0.0
        elif info.strategy is Strategy.RETRY and info.is_transient:
            step = "retry"
            delay_s = self._backoff.delay_s(course.attempts, self._random.random())
        else:
            return replace(event, why=f"the same again does not help: {info.text}")
        if not course.has_time(self._clock() + delay_s):
            return replace(event, why=course.too_late)
        return replace(event, step=step, delay_s=delay_s)

    def _after_recovery(self, course: Course, event: ActionEvent, is_mended: bool) -> ActionEvent:
        strategy = event.info.strategy.value
        if is_mended and course.has_time(self._clock()):
            return event
        course.lost.append(strategy)
        why = course.too_late if is_mended else f"the recovery {strategy} did not help"
        return replace(event, step="end", why=why)

    def _end_of_try(self, course: Course, error: BaseException, event: ActionEvent | None) -> Tried[Any]:
        if event is None:
            return Tried(error=error)
        if self._events is not None:
            self._events(event)
        if event.step != "end":
            course.next_strategy = event.info.strategy.value
            return Tried(error=error, delay_s=event.delay_s)
        # The error of a single try, where nothing else was to be done, says all by itself.
        if course.attempts > 1 or course.lost or event.why == course.too_late:
            add_note(error, f"{course.tale(self._clock())}; {event.why}")
        return Tried(error=error)

    def _count(self, course: Course) -> None:
        with self._lock:
            self._stats = course.added_to(self._stats)


def _checked_deadline(deadline_s: float | None) -> float | None:
    if deadline_s is not None and not 0 <= deadline_s < inf:
        raise ValueError(f"deadline_s must be a number of seconds from 0, not {deadline_s!r}")
    return deadline_s


def _call(action: Callable[..., T]) -> T:
    __tracebackhide__ = True
    return action()


def _is_mended(recover: Recover | None, info: ErrorInfo) -> bool:
    try:
        return recover is not None and recover(info)
    except Exception:
        # The error of the action is the one to tell: it came first, and it is what the recovery was for.
        logger.exception("the recovery %s of %s has failed", info.strategy.value, info.error)
        return False


# -- what an action takes and gives ------------------------------------------------------------------------


def _is_coroutine_function(action: Callable[..., Any]) -> bool:
    while isinstance(action, functools.partial):
        action = action.func
    return inspect.iscoroutinefunction(action)


def _no_coroutine(value: T) -> T:
    """Nobody would await it, and its errors would never be seen. Raises TypeError."""
    if inspect.iscoroutine(value):
        value.close()
        raise TypeError("the action gave a coroutine: await execute_async of it")
    return value


class HasDriver(Protocol):
    """What an action can be run on: a `DeviceHandle`, or anything else with a driver."""

    @property
    def driver(self) -> Any:
        """Opened at first use, where it is not open."""


def on_the_only_one(devices: Callable[[], Sequence[HasDriver]]) -> BaseExecutor:
    """Make a base executor: actions that need an argument get the driver of the only device there is.

    Others are called as they are. ``devices`` is asked for each try of an action that needs one. It raises UsageError
    when there is no device or more than one, and for coroutine functions, which must not use the synchronous driver.
    """

    def base(action: Callable[..., T]) -> T:
        __tracebackhide__ = True
        if not _needs_argument(action):
            return action()
        if _is_coroutine_function(action):
            raise UsageError(
                "a coroutine function is called without arguments here",
                do="let it take `async_driver` from the test around it",
            )
        found = devices()
        if len(found) == 1:
            return action(found[0].driver)
        if not found:
            raise UsageError(
                "the action takes a driver, and the test has no device",
                do="ask for a fixture that leases one, such as `device`, or pass an action without parameters",
            )
        raise UsageError(
            f"the action takes a driver, and the test has {len(found)} devices",
            do="use `do` of the one that is meant: `devices[0].do(action)`",
        )

    return base


def _needs_argument(action: Callable[..., Any]) -> bool:
    """Whether it can be called with one argument, and not with none."""
    try:
        signature = inspect.signature(action)
    except (TypeError, ValueError):  # some that are written in C have none
        return False
    return not _binds(signature) and _binds(signature, None)


def _binds(signature: inspect.Signature, *arguments: object) -> bool:
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True
