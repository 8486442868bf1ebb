"""Recall: a thread that looks after parked devices while there are any."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger("pytest_autorl")

#: Between two looks, seconds, when nobody has called: a call that was missed is made up for by then.
INTERVAL_S = 0.25


class Recall:
    """Calls `sweep` when it is called and at intervals, in a thread of its own, as long as `sweep` returns True.

    Args:
        sweep: Gives back what is wanted elsewhere; returns whether anything is left to look after.
    """

    def __init__(self, sweep: Callable[[], bool], *, interval_s: float = INTERVAL_S) -> None:
        self._sweep = sweep
        self._interval_s = interval_s
        self._is_ended = self._is_asked = False
        self._called = threading.Event()
        self._mutex = threading.Lock()
        self._thread: threading.Thread | None = None

    def ensure(self) -> None:
        """Something is parked: look after it from now on."""
        with self._mutex:
            self._is_asked = True
            if self._thread is None and not self._is_ended:
                self._thread = threading.Thread(target=self._loop, name="autorl-recall", daemon=True)
                self._thread.start()

    def call(self) -> None:
        """Somebody waits: look now."""
        self._called.set()

    def stop(self) -> None:
        """End the thread and wait for it. For good: nothing is parked any more."""
        self._is_ended = True
        self._called.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=30)

    def _loop(self) -> None:
        while True:
            self._called.wait(self._interval_s)
            self._called.clear()
            if self._is_ended:
                return
            with self._mutex:
                self._is_asked = False
            # Without the lock: who parks holds locks that the sweep needs, and asks us meanwhile.
            try:
                is_needed = self._sweep()
            except Exception:  # whatever it was: others go on waiting for what is parked
                logger.exception("parked devices could not be looked after")
                is_needed = True
            with self._mutex:
                if not is_needed and not self._is_asked:
                    self._thread = None
                    return
