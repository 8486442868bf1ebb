"""Where the threads of this process stand: for tests that were ended, or are about to be, because they hang."""

from __future__ import annotations

import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_autorl.errors import DeviceTimeoutError, ServerDownError

if TYPE_CHECKING:
    from pytest_autorl.dispatch.alarm import Timer

#: What pytest-timeout fails a test with; it has no class of its own for it.
_TIMEOUT = re.compile(r"Timeout \(?>[\d.]+s\)?")


def thread_stacks() -> str:
    """The stack of every Python thread, the caller's own last; frames as Python prints them."""
    own = threading.get_ident()
    names = {thread.ident: thread for thread in threading.enumerate()}
    frames = sorted(sys._current_frames().items(), key=lambda item: (item[0] == own, item[0]))
    parts = []
    for ident, frame in frames:
        thread = names.get(ident)
        title = f"thread {thread.name}" if thread is not None else f"thread {ident}, not started by Python"
        daemon = ", daemon" if thread is not None and thread.daemon else ""
        parts.append(f"{title}{daemon}:\n{''.join(traceback.format_stack(frame))}")
    return "\n".join(parts)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from, the newest first."""
    for _ in range(20):  # a chain may be made to loop
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def is_hang(error: BaseException | None) -> bool:
    """Whether a test failed for waiting too long: for a device, its server, or at pytest-timeout's hand."""
    for each in causes(error):
        if isinstance(each, (DeviceTimeoutError, ServerDownError, TimeoutError)):
            return True
        if isinstance(each, pytest.fail.Exception) and _TIMEOUT.match(str(each.msg or "")):
            return True
    return False


class HangWatch:
    """Calls back once, from a thread of its own, when a test has run for so long.

    The callback comes while the test still hangs: whatever ends the process later finds it done.

    Args:
        timer: Makes one that calls after so many seconds.
    """

    def __init__(self, timer: Callable[[float, Callable[[], None]], Timer] = threading.Timer) -> None:
        self._new_timer = timer
        self._timer: Timer | None = None

    def arm(self, after_s: float, callback: Callable[[], None]) -> None:
        """Begin anew."""
        self.disarm()
        self._timer = self._new_timer(after_s, callback)
        self._timer.name = "autorl-hang-watch"
        self._timer.daemon = True
        self._timer.start()

    def disarm(self) -> None:
        """No call any more, unless it is under way. Safe to call twice."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
