"""Locks for what prints pass through: a signal handler may print in the middle of it, and a thread may fork."""

from __future__ import annotations

import os
import threading
import weakref


class Locked:
    """Has a lock that its own thread may take again, and that is free in a forked child.

    Attributes:
        lock: To be used as ``with self.lock``: the child of a fork gets a new one.
    """

    def __init__(self) -> None:
        self.renew_lock()
        _all.add(self)

    def renew_lock(self) -> None:
        """A new one: whoever has the old one is not in this process."""
        self.lock = threading.RLock()


_all: weakref.WeakSet[Locked] = weakref.WeakSet()


def _renew_all() -> None:
    # The threads that may hold them have not come along.
    for one in list(_all):
        one.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
