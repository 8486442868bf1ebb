"""What a worker does when its controller dies: it ends its sessions, gives its devices back, and ends.

Nobody would read its results any more, and a device that goes on being driven for nobody is taken from those who
could use it. xdist's own way to notice takes as long as the test that runs.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections.abc import Callable

from pytest_autorl.state.liveness import end_of

#: Between two looks, seconds, where the kernel cannot tell.
_POLL_S = 0.5
#: For ending sessions, seconds. With the look this stays below the five seconds that are promised.
GRACE_S = 2.5


class ParentWatch:
    """Watches a process, from a thread of its own, and calls `on_death` once when it has ended.

    Args:
        parent: Process id; must be our parent, so that its end shows in ours (getppid(2)).
    """

    def __init__(self, parent: int, on_death: Callable[[], None]) -> None:
        self._parent = parent
        self._on_death = on_death
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="autorl-parent", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()

    def _watch(self) -> None:
        end = end_of(self._parent)
        try:
            # Asked after the descriptor was opened: the id may have been another's by then.
            while os.getppid() == self._parent:
                if self._closed.is_set():
                    return
                if end is None:
                    self._closed.wait(_POLL_S)
                else:
                    select.select([end], [], [], _POLL_S)
        finally:
            if end is not None:
                os.close(end)
        if not self._closed.is_set():
            self._on_death()


def end_now(abandon: Callable[[], None]) -> None:
    """Give up what can be given up in time, then end this process, whatever its other threads do."""
    helper = threading.Thread(target=_quietly, args=(abandon,), name="autorl-abandon", daemon=True)
    helper.start()
    helper.join(GRACE_S + 1.0)
    os._exit(1)


def _quietly(work: Callable[[], None]) -> None:
    with contextlib.suppress(Exception):
        work()
