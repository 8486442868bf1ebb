"""Rings once when it is time for something, from a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """What the alarm needs of `threading.Timer`."""

    name: str
    daemon: bool

    def start(self) -> None:
        """Count from now on."""

    def cancel(self) -> None:
        """Do not call."""


class Alarm:
    """See the module.

    Args:
        ring: Called in the thread.
        clock: Monotonic seconds.
        timer: Makes one that calls after so many seconds.
    """

    def __init__(
        self,
        ring: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        timer: Callable[[float, Callable[[], None]], Timer] = threading.Timer,
    ) -> None:
        self._ring = ring
        self._clock = clock
        self._new_timer = timer
        self._timer: Timer | None = None
        self._at_s: float | None = None

    def set(self, at_s: float | None) -> None:
        """Ring at this time, and at no other that was set before; None: at none. To be called from one thread."""
        if at_s == self._at_s:
            return
        self._at_s = at_s
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at_s is not None:
            self._timer = self._new_timer(max(0.0, at_s - self._clock()), self._ring)
            self._timer.name, self._timer.daemon = "autorl-alarm", True
            self._timer.start()
