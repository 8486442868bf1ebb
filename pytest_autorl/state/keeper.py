"""The keeper: a thread that gives signs of life for a holder, and hears when somebody wants what it holds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from pytest_autorl.errors import StateError
from pytest_autorl.state import bell
from pytest_autorl.state.bell import Bell

#: What devices are used for is written so often at most, seconds.
NOTE_S = 0.2

logger = logging.getLogger("pytest_autorl")


class Keeper:
    """Calls `beat` and `look` every `interval_s` seconds and `on_ring` when its bell rings, until `close`.

    What they raise as StateError is logged: the next turn tries again, and leases that could not be renewed are
    not believed in (`DurableStore.check`). Attribute `address`: where its bell is rung.
    """

    def __init__(
        self,
        interval_s: float,
        *,
        beat: Callable[[], None],
        look: Callable[[], None],
        on_ring: Callable[[], None],
    ) -> None:
        self._interval_s = interval_s
        self._beat = beat
        self._look = look
        self._on_ring = on_ring
        self._bell = Bell()
        self.address = self._bell.address
        self._is_hurried = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="autorl-keeper", daemon=True)

    def start(self) -> None:
        """From now on. Once."""
        self._thread.start()

    def hurry(self) -> None:
        """Give the next sign of life soon: it has something to tell."""
        if not self._is_hurried:
            self._is_hurried = True
            bell.ring([self.address])

    def close(self) -> None:
        """End the thread and wait for it."""
        self._closed.set()
        if self._thread.is_alive():
            bell.ring([self.address])
            self._thread.join(timeout=30)
        self._bell.close()

    def _loop(self) -> None:
        beaten_s = time.monotonic()
        while True:
            pause_s = NOTE_S if self._is_hurried else self._interval_s
            has_rung = self._bell.wait(beaten_s + pause_s - time.monotonic())
            if self._closed.is_set():
                return
            if has_rung:
                self._try(self._on_ring)
            age_s = time.monotonic() - beaten_s
            if age_s >= (NOTE_S if self._is_hurried else self._interval_s):
                beaten_s = time.monotonic()
                self._is_hurried = False
                self._try(self._beat)
                self._try(self._look)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except StateError as error:
            logger.warning("leases could not be looked after: %s", error)
        except Exception:  # whatever it was: without this thread all leases would end
            logger.exception("leases could not be looked after")
