"""Which processes belong to which server: what it started, what that started, and what has lost its parent since."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from pytest_autorl.farm.descent import (
    HAS_PROC,
    Identity,
    Process,
    bury,
    descendants,
    kill,
    process,
    processes,
)
from pytest_autorl.farm.servers.records import is_shared, marked

#: Longest that ending processes by SIGKILL may take, seconds; only the kernel can make it take longer.
_GONE_S = 10.0
_POLL_S = 0.05


class Kin:
    """The kin of all servers of this process, which adopts their orphans. For several threads.

    Args:
        key: Marks everything that a server starts, see `records.MARK`.
        on_change: Called with all of them whenever they have changed.
        adopts: Whether orphans come to this process, see `descent.adopt_orphans`.
    """

    def __init__(
        self,
        key: str,
        on_change: Callable[[frozenset[Identity]], None],
        *,
        adopts: bool = HAS_PROC,
    ) -> None:
        self._key = key
        self._on_change = on_change
        self._adopts = adopts
        self._lock = threading.Lock()
        self._roots: dict[str, Identity] = {}
        self._known: dict[str, set[Identity]] = {}
        self._all: frozenset[Identity] = frozenset()

    def start(self, server: str, spawn: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        """Start a server's process. Whoever asked for it takes note of its end, nobody else does."""
        # Under the lock: a look in between would take it for an orphan.
        with self._lock:
            root = spawn()
            one = process(root.pid)
            if one is not None:
                self._roots[server] = one.identity
                self._known.setdefault(server, set()).add(one.identity)
        self.look()
        return root

    def look(self) -> dict[str, list[Process]]:
        """Who there is now, by server; also buries orphans of ours that have ended."""
        with self._lock:
            seen = processes()
            if self._adopts:
                self._adopt(seen)
            found = {server: self._of(its, seen) for server, its in self._known.items()}
            self._known = {server: {one.identity for one in its} for server, its in found.items()}
            now = frozenset(identity for its in self._known.values() for identity in its)
            if now != self._all:
                self._on_change(now)
                self._all = now
        return found

    def end(self, server: str) -> list[Process]:
        """Kill everything of a server, until nothing is left; returns what could not be ended."""
        return _until_none(lambda: self.look().get(server, []))

    def end_all(self) -> list[Process]:
        """Kill everything of every server, and every orphan that came to us, until nothing is left."""
        return _until_none(lambda: [*self._below(), *(one for its in self.look().values() for one in its)])

    def _adopt(self, seen: Mapping[int, Process]) -> None:
        me, roots = os.getpid(), set(self._roots.values())
        orphans = [one for one in seen.values() if one.parent == me and one.identity not in roots]
        known = {identity for its in self._known.values() for identity in its}
        for one in orphans:
            if one.is_zombie:
                bury(one.pid)
        strangers = (one for one in orphans if not one.is_zombie and one.identity not in known)
        for identity, server in marked(strangers, self._key).items():
            self._known.setdefault(server, set()).add(identity)

    def _of(self, its: set[Identity], seen: Mapping[int, Process]) -> list[Process]:
        """What is still there of a server's kin, and all below."""
        roots = [one.pid for one in its if one.pid in seen and seen[one.pid].identity == one]
        return _mortal(descendants(seen, roots))

    def _below(self) -> list[Process]:
        me = os.getpid()
        seen = processes() if self._adopts else {}
        return _mortal(one for one in descendants(seen, [me]) if one.pid != me)


def _mortal(those: Iterable[Process]) -> list[Process]:
    return [one for one in those if not one.is_zombie and not is_shared(one.pid)]


def _until_none(left: Callable[[], Iterable[Process]]) -> list[Process]:
    deadline_s = time.monotonic() + _GONE_S
    while True:
        # Again and again: what dies may have started something in its last moment.
        there = list(left())
        if not there or time.monotonic() > deadline_s:
            return there
        for one in there:
            kill(one.identity)
        time.sleep(_POLL_S)
