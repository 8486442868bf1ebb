"""Recall: a thread that looks after parked devices while there are any."""

from __future__ import annotations

import threading
from collections.abc import Callable

#: Between two looks, seconds: a waiter elsewhere gets a parked device within about so long.
INTERVAL_S = 0.1


class Recall:
    """Calls `sweep` at intervals, in a thread of its own, as long as it returns True.

    Args:
        sweep: Gives back what is wanted elsewhere; returns whether anything is left to look after.
    """

    def __init__(self, sweep: Callable[[], bool], *, interval_s: float = INTERVAL_S) -> None:
        self._sweep = sweep
        self._interval_s = interval_s
        self._ended = threading.Event()
        self._mutex = threading.Lock()
        self._thread: threading.Thread | None = None

    def ensure(self) -> None:
        """Something is parked: look after it from now on."""
        with self._mutex:
            if self._thread is None and not self._ended.is_set():
                self._thread = threading.Thread(target=self._loop, name="autorl-recall", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it. For good: nothing is parked any more."""
        self._ended.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=30)

    def _loop(self) -> None:
        while not self._ended.wait(self._interval_s):
            with self._mutex:
                # Within the lock, so that `ensure` never trusts a thread that is about to end.
                if not self._sweep():
                    self._thread = None
                    return
