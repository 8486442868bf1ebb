"""The gate: one process at a time writes the state, in the order in which they came.

SQLite's own waiting starves: whoever has just written is soonest to write again. A single file lock is fairer, but
its last holder still overtakes those who wait. So there are two: whoever has the first one (the queue) waits for
the second (the gate), and gives the first back once through. Eight processes in a tight loop then get 99 of 100
turns as often as each other.

The gate's file also keeps a mark: device and token of the last grant, written after its commit. A database that
knows of a lower one has lost commits. POSIX only: `fcntl` is imported when a gate is made.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pytest_autorl.errors import StateError

_MAGIC = b"arl1"
#: Longer ids are cut; a cut one is found by its beginning.
_MARK_BYTES = 256
_LOCKS = Path("/proc/locks")


class Gate:
    """The gate beside a database.

    Args:
        path: Of the database; the gate's two files stand beside it.
    Raises: StateError when they cannot be made or there are no POSIX locks.
    """

    def __init__(self, path: Path) -> None:
        try:
            import fcntl
        except ImportError as error:
            raise StateError("device leases need POSIX file locks", do="use WSL2 for a farm") from error
        self._lock = fcntl.flock
        self._exclusive, self._unlock = fcntl.LOCK_EX, fcntl.LOCK_UN
        self.path = path.with_name(path.name + ".gate")
        self._queue = self._gate = -1
        try:
            self._queue = _open(path.with_name(path.name + ".queue"))
            self._gate = _open(self.path)
        except OSError as error:
            self.close()
            raise StateError(
                f"cannot open {error.filename}: {error.strerror}",
                do="name a local, writable place with --autorl-state",
            ) from error

    def __enter__(self) -> None:
        """Wait for the turn, and have it for the block. Not to be nested."""
        self._lock(self._queue, self._exclusive)
        try:
            self._lock(self._gate, self._exclusive)
        finally:
            self._lock(self._queue, self._unlock)

    def __exit__(self, *exc: object) -> None:
        self._lock(self._gate, self._unlock)

    def mark(self) -> tuple[str, int] | None:
        """Device and token of the last grant that was committed; None when nothing was ever written down."""
        raw = os.pread(self._gate, _MARK_BYTES, 0)
        magic, _, rest = raw.partition(b" ")
        token, _, key = rest.rstrip(b"\0\n").partition(b" ")
        if magic != _MAGIC or not token.isdigit():
            return None
        # What was cut may end within a character: without it, it still is the beginning of the id.
        return key.decode("utf-8", "ignore"), int(token)

    def set_mark(self, key: str, token: int) -> None:
        """Write it down; not synced: it may lag behind the database, never run ahead of it."""
        text = _MAGIC + f" {token} {key}".encode()[: _MARK_BYTES - len(_MAGIC)]
        # Without room even for this the mark lags, which loses a warning and nothing else.
        with contextlib.suppress(OSError):
            os.pwrite(self._gate, text.ljust(_MARK_BYTES, b"\0"), 0)

    def keepers(self) -> list[int]:
        """Ids of the other processes that have the gate or wait in its queue first, as the kernel says
        (proc_locks(5))."""
        try:
            inodes = {os.fstat(fd).st_ino for fd in (self._gate, self._queue)}
            lines = _LOCKS.read_text("ascii").splitlines()
        except OSError:
            return []
        # Whoever asks may stand first in the queue itself.
        return sorted(lock_keepers(lines, inodes) - {os.getpid()})

    def close(self) -> None:
        """Give the files back. Safe to call twice."""
        for descriptor in (self._queue, self._gate):
            if descriptor >= 0:
                os.close(descriptor)
        self._queue = self._gate = -1


def lock_keepers(lines: list[str], inodes: set[int]) -> set[int]:
    """Ids of the processes that hold a lock on one of these files, from the lines of ``/proc/locks``.

    >>> lock_keepers(
    ...     ["1: FLOCK  ADVISORY  WRITE 812 fe:00:77 0 EOF", "1: -> FLOCK ADVISORY WRITE 9 fe:00:77 0 EOF"],
    ...     {77},
    ... )
    {812}
    """
    found = set()
    for line in lines:
        fields = line.split()
        if len(fields) >= 6 and fields[1] == "FLOCK":
            inode = fields[5].rpartition(":")[2]
            if inode.isdigit() and int(inode) in inodes and int(fields[4]) > 0:
                found.add(int(fields[4]))
    return found


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
