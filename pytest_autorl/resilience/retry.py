"""Call something again while it fails with errors that pass: for functions and for coroutines.

    title = await retry_async(fetch_title, page, config=RetryConfig(max_attempts=5))

    @retrying(config=RetryConfig(initial_delay=0.2))
    def upload(path): ...

What is tried again is decided here; the loop and its pauses are tenacity's, which is imported when first needed.
"""

from __future__ import annotations

import functools
import inspect
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from pytest_autorl.resilience.backoff import Backoff
from pytest_autorl.resilience.info import ErrorInfo, Strategy

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")
Function = TypeVar("Function", bound=Callable[..., Any])

Sleep = Callable[[float], None]
AsyncSleep = Callable[[float], Awaitable[None]]


class Classifier(Protocol):
    """Tells what an error means, as `ErrorClassifier` does."""

    def classify(self, error: BaseException) -> ErrorInfo:
        """Classify one error."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryConfig:
    """How often something is tried, and how long is waited in between; see `Backoff` for the delays.

    Attributes:
        max_attempts: How many tries there are in all, the first one included.
        initial_delay: Before the second try, seconds.
        max_delay: No delay is longer, seconds.
        backoff_multiplier: Each delay is that many times the one before it.
        jitter: Take a random part of each delay, from none of it to all of it.
        seed: Of the random parts: calls with the same seed have the same delays. None: every call has its own.

    Raises ValueError that names the field and its value, for one that makes no sense or is of another type.
    """

    max_attempts: int = 3
    initial_delay: float = 1.0
    max_delay: float = 30.0
    backoff_multiplier: float = 2.0
    jitter: bool = True
    seed: int | None = None

    def __post_init__(self) -> None:
        if not _is_whole(self.max_attempts) or self.max_attempts < 1:
            raise ValueError(f"max_attempts must be a whole number from 1, not {self.max_attempts!r}")
        # Written so that "not a number" fails it too.
        if not _is_number(self.backoff_multiplier) or not 1 <= self.backoff_multiplier < inf:
            raise ValueError(f"backoff_multiplier must be a number from 1, not {self.backoff_multiplier!r}")
        for name in ("initial_delay", "max_delay"):
            value = getattr(self, name)
            if not _is_number(value):
                raise ValueError(f"{name} must be a number of seconds from 0, not {value!r}")
        if not isinstance(self.jitter, bool):
            raise ValueError(f"jitter must be True or False, not {self.jitter!r}")
        if self.seed is not None and not _is_whole(self.seed):
            raise ValueError(f"seed must be a whole number or None, not {self.seed!r}")
        _ = self.backoff  # checks the rest

    @property
    def backoff(self) -> Backoff:
        """The delays."""
        return Backoff(
            initial_delay=self.initial_delay,
            max_delay=self.max_delay,
            multiplier=self.backoff_multiplier,
            jitter=self.jitter,
        )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, float) or _is_whole(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryNotice:
    """What `on_retry` is told before each delay.

    Attributes:
        number: Of the try that has failed, from 1.
        max_attempts: How many there are at most.
        delay_s: How long is waited now, seconds.
    """

    number: int
    max_attempts: int
    delay_s: float
    error: Exception
    info: ErrorInfo


# -- the loop ----------------------------------------------------------------------------------------------


@dataclass(kw_only=True, slots=True)
class Tried(Generic[T]):
    """How one try has ended.

    Attributes:
        value: What it gave; counts while there is no error.
        error: What it raised.
        delay_s: There is to be another try after so many seconds; None: this was the last one.
    """

    value: T | None = None
    error: BaseException | None = None
    delay_s: float | None = None

    def result(self) -> T:
        """The value, or the error raised; once only.

        By its traceback an error holds the frames that it came through and those that called them, and one of these
        holds this object. Were the error not taken out, it would be kept, with all that its frames hold: drivers,
        pages, whole tests.
        """
        __tracebackhide__ = True
        if self.error is None:
            return cast("T", self.value)
        error, self.error = self.error, None
        try:
            raise error
        finally:
            del error


def run_tries(one_try: Callable[[], Tried[T]], *, sleep: Sleep = time.sleep) -> T:
    """Try until a try was the last one; its value, or its error raised as it is.

    ``one_try`` raises nothing itself: errors that passed through tenacity would bring its frames into the traceback
    that a person has to read.
    """
    __tracebackhide__ = True
    from tenacity import Retrying

    tried = Retrying(retry=_is_to_go_on, wait=_delay_s, sleep=sleep)(one_try)
    return tried.result()


async def run_tries_async(
    one_try: Callable[[], Awaitable[Tried[T]]], *, sleep: AsyncSleep | None = None
) -> T:
    """The same for coroutines; by default on the loop that runs."""
    __tracebackhide__ = True
    from tenacity import AsyncRetrying

    how: dict[str, Any] = {} if sleep is None else {"sleep": sleep}
    tried: Tried[T] = await AsyncRetrying(retry=_is_to_go_on, wait=_delay_s, **how)(one_try)
    return tried.result()


def _tried(state: RetryCallState) -> Tried[Any]:
    assert state.outcome is not None, "asked after a try"
    return cast("Tried[Any]", state.outcome.result())


def _is_to_go_on(state: RetryCallState) -> bool:
    return _tried(state).delay_s is not None


def _delay_s(state: RetryCallState) -> float:
    return _tried(state).delay_s or 0.0


# -- for everybody -----------------------------------------------------------------------------------------


class _Judge:
    """What follows the failures of one call."""

    def __init__(self, config: RetryConfig | None, classifier: Classifier | None) -> None:
        self._config = config if config is not None else RetryConfig()
        self._classifier = classifier
        self._random: random.Random | None = None
        self._number = 0

    def after(self, error: BaseException) -> RetryNotice | None:
        """The notice of another try; None when there is none."""
        self._number += 1
        # Cancelling and interrupting are orders, not failures.
        if not isinstance(error, Exception) or self._number >= self._config.max_attempts:
            return None
        if self._classifier is None:
            self._classifier = default_classifier()
        info = self._classifier.classify(error)
        # What only helps elsewhere must not be done again here: another test may have the device by now.
        if info.is_critical or not info.is_transient or info.strategy is Strategy.ELSEWHERE:
            return None
        if self._random is None:
            self._random = random.Random(self._config.seed)
        return RetryNotice(
            number=self._number,
            max_attempts=self._config.max_attempts,
            delay_s=self._config.backoff.delay_s(self._number, self._random.random()),
            error=error,
            info=info,
        )


def default_classifier() -> Classifier:
    """The one for those who name none."""
    from pytest_autorl.resilience.classify import ErrorClassifier

    return ErrorClassifier()


async def retry_async(
    func: Callable[..., Awaitable[T]],
    /,
    *args: Any,
    config: RetryConfig | None = None,
    classifier: Classifier | None = None,
    on_retry: Callable[[RetryNotice], Awaitable[None] | None] | None = None,
    **kwargs: Any,
) -> T:
    """Await ``func(*args, **kwargs)``, again while it fails with errors that pass.

    TRANSIENT errors are tried again. PERMANENT and CRITICAL ones, those that only ELSEWHERE helps (a lease that is
    lost), and the last of the tries, are raised as they are. Being cancelled or interrupted ends it at once.

    Args:
        config: Default: three tries, one and then two seconds at most in between.
        classifier: Default: `ErrorClassifier`.
        on_retry: Told before each delay, awaited if it is a coroutine function; what it raises ends the call.
    """
    __tracebackhide__ = True
    judge = _Judge(config, classifier)

    # Apart from the tries, whose frames an error holds by its traceback: there the notice would hold the error.
    async def told(notice: RetryNotice | None) -> float | None:
        if notice is not None and on_retry is not None:
            answer = on_retry(notice)
            if inspect.isawaitable(answer):
                await answer
        return notice.delay_s if notice is not None else None

    async def one_try() -> Tried[T]:
        __tracebackhide__ = True
        try:
            return Tried(value=await func(*args, **kwargs))
        except BaseException as error:
            return Tried(error=error, delay_s=await told(judge.after(error)))

    return await run_tries_async(one_try)


def retry_sync(
    func: Callable[..., T],
    /,
    *args: Any,
    config: RetryConfig | None = None,
    classifier: Classifier | None = None,
    on_retry: Callable[[RetryNotice], None] | None = None,
    sleep: Sleep = time.sleep,
    **kwargs: Any,
) -> T:
    """`retry_async` for a function that is no coroutine function."""
    __tracebackhide__ = True
    judge = _Judge(config, classifier)

    def told(notice: RetryNotice | None) -> float | None:
        if notice is not None and on_retry is not None:
            on_retry(notice)
        return notice.delay_s if notice is not None else None

    def one_try() -> Tried[T]:
        __tracebackhide__ = True
        try:
            return Tried(value=func(*args, **kwargs))
        except BaseException as error:
            return Tried(error=error, delay_s=told(judge.after(error)))

    return run_tries(one_try, sleep=sleep)


def retrying(
    *,
    config: RetryConfig | None = None,
    classifier: Classifier | None = None,
    on_retry: Callable[[RetryNotice], None] | None = None,
) -> Callable[[Function], Function]:
    """Decorate a function, or a coroutine function, so that each call of it is one of `retry_sync` or `retry_async`."""

    def decorate(function: Function) -> Function:
        how: dict[str, Any] = {"config": config, "classifier": classifier, "on_retry": on_retry}

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def retried_async(*args: Any, **kwargs: Any) -> Any:
                __tracebackhide__ = True
                return await retry_async(functools.partial(function, *args, **kwargs), **how)

            return cast("Function", retried_async)

        @functools.wraps(function)
        def retried(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            return retry_sync(functools.partial(function, *args, **kwargs), **how)

        return cast("Function", retried)

    return decorate
