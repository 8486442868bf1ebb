"""Looks at the devices of the state at intervals, in a thread of its own, for a main loop that must not wait."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_autorl.dispatch.shelf import Seen
from pytest_autorl.errors import StateError
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.state.leases import DeviceState, Waiting

#: Between two looks, seconds.
INTERVAL_S = 0.25
#: So long `Lookout.stop` waits for a look to end, unless it is told otherwise, seconds.
PATIENCE_S = 30.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What was seen.

    Attributes:
        at_s: When the look began, monotonic seconds.
        states: The devices, by id; empty when the state could not be read.
        waiting: All who wait for devices, of every run.
    """

    at_s: float = field(default_factory=time.monotonic)
    states: Mapping[str, DeviceState] = field(default_factory=dict)
    waiting: Sequence[Waiting] = ()


def seen_of(state: DeviceState, pids: Collection[int]) -> Seen:
    """How the state shows a device.

    Args:
        pids: Processes of this run's workers.
    """
    if state.owner:
        is_leaving = state.next_status not in (None, DeviceStatus.AVAILABLE)
        if state.status is DeviceStatus.BUSY and state.pid in pids:
            return Seen.OUT if is_leaving else Seen.OURS
        return Seen.FOREIGN  # one that is recovered too: it comes back like one that others use
    return Seen.FREE if state.status is DeviceStatus.AVAILABLE else Seen.OUT


class Lookout:
    """Calls `look` until it is stopped, and `tell` with what it gave.

    Args:
        look: May raise: the next look may see again.
        tell: Called in the thread.
    """

    def __init__(
        self,
        look: Callable[[], Sight],
        tell: Callable[[Sight], None],
        *,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._look = look
        self._tell = tell
        self._interval_s = interval_s
        self._has_logged = False
        self._ended = threading.Event()
        self._called = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="autorl-lookout", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def call(self) -> None:
        """Look now."""
        self._called.set()

    def stop(self, *, patience_s: float = PATIENCE_S) -> None:
        """End; nothing is told any more. A second call does not wait.

        Args:
            patience_s: How long to wait for a look that is on its way.
        """
        is_first = not self._ended.is_set()
        self._ended.set()
        self._called.set()
        if is_first and self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=patience_s)

    def _watch(self) -> None:
        while not self._ended.is_set():
            sight = self._sight()
            if self._ended.is_set():
                return
            # Told in any case: the one who is told has time limits to look after.
            self._tell(sight)
            self._called.wait(self._interval_s)
            self._called.clear()

    def _sight(self) -> Sight:
        at_s = time.monotonic()
        try:
            return self._look()
        except StateError:
            pass  # as it comes and goes: another process is at work there
        except Exception:
            # Whatever it is, tests wait for what this thread tells. Once: it would come with every look.
            if not self._has_logged:
                self._has_logged = True
                logger.exception("the devices cannot be looked at; dispatch goes on by what its workers tell")
        return Sight(at_s=at_s)
