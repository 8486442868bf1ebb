"""Asking a device for something that may never come: bounded, and never twice at once.

Whatever a broken device answers, the verdict is the test's: what was not had is named with the reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pytest_autorl.capture.bounds import Errand
from pytest_autorl.errors import DeviceTimeoutError, ServerDownError

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

    from pytest_autorl.farm.handle import DeviceHandle

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

#: Longest silence within one request, seconds: a dead device must not hold up the run.
_REQUEST_S = 5.0
#: After these nothing more is asked of a device.
_SILENCES = (DeviceTimeoutError, ServerDownError)


@dataclass(frozen=True)
class Got(Generic[T_co]):
    """What was asked for.

    Attributes:
        body: None when it was not had.
        why: Why not.
    """

    body: T_co | None
    why: str = ""


class Errands:
    """What this process has asked of devices. Outlives the attempt: no driver is used from two threads at once."""

    def __init__(self) -> None:
        #: By device: what was last asked of it and has not come back.
        self._sent: dict[str, Errand[Any]] = {}

    def is_out(self, handle: DeviceHandle) -> bool:
        """Whether something that was asked of it has not come back yet, from this attempt or one before."""
        return handle.id in self._sent and self._sent[handle.id].is_out

    def run(self, handle: DeviceHandle, take: Callable[[], T], limit_s: float) -> T | None:
        """What a device gives; None when it has not come after so long. Raises what ``take`` raises."""
        with _limited(handle.open_driver, max(0.1, min(limit_s, _REQUEST_S))):
            errand = Errand(take, name=f"autorl-artefact-{handle.id}")
            self._sent[handle.id] = errand
            if not errand.wait(limit_s):
                # Part of it may still be on its way when the next test uses the session: it must not.
                handle.distrust()
                return None
        del self._sent[handle.id]
        return errand.result()


class Asking:
    """Asks one device, in all for so long.

    Args:
        limit_s: How long it is waited for in all, seconds from now.
        survives: What may be raised without harm.
    """

    def __init__(
        self,
        errands: Errands,
        handle: DeviceHandle,
        *,
        limit_s: float,
        survives: tuple[type[BaseException], ...],
    ) -> None:
        self._errands = errands
        self._handle = handle
        self._end_s = time.monotonic() + limit_s
        self._survives = survives
        self._is_silent = errands.is_out(handle)

    def for_(self, take: Callable[[], T]) -> Got[T]:
        """What the device gives. It is not asked any more once it did not answer."""
        left_s = self._end_s - time.monotonic()
        if self._is_silent or left_s <= 0:
            return Got(None, "not taken, the device does not answer")
        try:
            body = self._errands.run(self._handle, take, left_s)
        except self._survives as error:
            # A time limit that ran out over it leaves it running.
            self._is_silent = isinstance(error, _SILENCES) or self._errands.is_out(self._handle)
            return Got(None, failed(error))
        if body is None:
            self._is_silent = True
            return Got(None, f"not taken, no answer in {left_s:.2g} s")
        return Got(body)


def failed(error: BaseException) -> str:
    """Why something was not taken, in one line."""
    first_line = next(iter(str(error).splitlines()), "")
    return f"not taken: {type(error).__name__}: {first_line}"


@contextmanager
def _limited(driver: WebDriver | None, limit_s: float) -> Iterator[None]:
    if driver is None:
        yield
        return
    config = driver.command_executor.client_config
    before = config.timeout
    config.timeout = min(before or limit_s, limit_s)
    try:
        yield
    finally:
        config.timeout = before
