"""A log file that does not grow for ever: whole lines, mode 0600, numbered backups, an age at which they go.

``gw0.jsonl`` is written to; ``gw0.jsonl.1`` is the one before it, a higher number an older one. While a process
writes to ``gw0.jsonl``, another one that wants it (a second run in the same folder) writes to ``gw0-2.jsonl``: two
processes that rename one file lose lines. The lock is `flock`, so on Windows there is none.

The standard library's RotatingFileHandler makes files that everybody can read, asks each record to be formatted
twice (and redacted twice, here), and renames what another process is writing to.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

#: How many processes may want one file before it is called a fault.
_SIBLINGS = 50

#: What the processes of a run call their logs: the family in which one tidies up after another.
_RUN_LOG = r"(?:main|gw\d+)"


class RotatingFile:
    """A text stream into a file that is opened by the first line. Callers lock: `LogHandler` does.

    Args:
        path: The file.
        max_bytes: A line that would make the file longer starts a new one; 0 = no limit. A longer line stands
            alone in its file, whole.
        backup_count: How many earlier files are kept; with 0 the file is emptied instead.
        retention_days: Files of the family that nobody has written to for longer are removed when this one is
            opened; 0 = none. The family is the file and its backups or, for a process of a run (``main.jsonl``,
            ``gw3.jsonl``), those of every worker. No other file is ever removed.
        fresh: The first line starts the file anew, in a folder that is made when it is missing. What an earlier
            run has left becomes a backup when `retention_days` and `backup_count` say that there are to be any,
            and is removed otherwise.
        now: Seconds since the epoch, the clock of file times.
    """

    encoding = "utf-8"

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = 0,
        backup_count: int = 0,
        retention_days: float = 0.0,
        fresh: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._backup_count = backup_count
        self._retention_days = retention_days
        self._is_fresh = fresh
        self._now = now
        self._descriptor: int | None = None
        self._owner = 0
        self._is_closed = False

    @property
    def _is_exclusive(self) -> bool:
        # Who only appends may share the file: each line is one write.
        return bool(self._max_bytes) or self._is_fresh

    def open(self) -> None:
        """Open it now, without a line. Raises OSError, and ValueError once it is closed."""
        self._opened()

    def write(self, text: str, /) -> int:
        """Write whole lines. Raises OSError, and ValueError once it is closed."""
        data = text.encode("utf-8", "backslashreplace")
        descriptor = self._opened()
        if self._is_full(descriptor, len(data)):
            descriptor = self._rotated(descriptor)
        self._put(descriptor, data)
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """End it. Safe to call twice."""
        self._is_closed = True
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _opened(self) -> int:
        if self._is_closed:
            raise ValueError("the log is closed")
        if self._descriptor is not None:
            return self._descriptor
        if self._is_fresh:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        if self._retention_days > 0:
            forget_old(self.path, before_s=self._now() - self._retention_days * 86_400)
        descriptor = self._claimed(self.path)
        if self._is_fresh and _size(descriptor):
            if self._retention_days > 0 and self._backup_count:
                return self._rotated(descriptor)
            os.ftruncate(descriptor, 0)
            for _, backup in _backups(self.path):
                backup.unlink(missing_ok=True)
        return descriptor

    def _claimed(self, wanted: Path) -> int:
        """Open the file, or a sibling when another process has it, and remember which. Raises OSError."""
        for number in range(1, _SIBLINGS + 1):
            path = wanted if number == 1 else wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
            descriptor = _open(path, exclusive=self._is_exclusive)
            if descriptor is not None:
                self.path, self._descriptor, self._owner = path, descriptor, os.getpid()
                return descriptor
        raise OSError(errno.EBUSY, "other processes write to it and to all its siblings", str(wanted))

    def _is_full(self, descriptor: int, more: int) -> bool:
        # A forked child goes on in the file that it has inherited; the parent alone renames.
        if not self._max_bytes or self._owner != os.getpid():
            return False
        size = _size(descriptor)
        return size > 0 and size + more > self._max_bytes

    def _rotated(self, descriptor: int) -> int:
        if not _is_at(descriptor, self.path):  # another program has moved it: that was the rotation
            os.close(descriptor)
            return self._claimed(self.path)
        if not self._backup_count:
            os.ftruncate(descriptor, 0)
            return descriptor
        if os.name == "nt":  # an open file cannot be renamed there
            os.close(descriptor)
        for number, backup in _backups(self.path):
            if number >= self._backup_count:
                backup.unlink(missing_ok=True)
            else:
                backup.replace(_numbered(self.path, number + 1))
        self.path.replace(_numbered(self.path, 1))
        if os.name != "nt":
            os.close(descriptor)  # only now: until it is renamed nobody else may take it
        return self._claimed(self.path)

    def _put(self, descriptor: int, data: bytes) -> None:
        is_sole = self._is_exclusive and self._owner == os.getpid()
        before = _size(descriptor) if is_sole else 0
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError:
            # A full disk takes part of a line; the file is to end with a whole one.
            if is_sole and len(rest) < len(data):
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, before)
            raise


def forget_old(path: Path, *, before_s: float) -> None:
    """Remove the file's family as far as it was last written before a time (seconds since the epoch).

    See `RotatingFile` for what a family is. What cannot be removed stays: old logs are a nuisance, not a fault.
    """
    stem = _RUN_LOG if re.fullmatch(_RUN_LOG, path.stem) else re.escape(path.stem)
    family = re.compile(rf"{stem}(?:-\d+)?{re.escape(path.suffix)}(?:\.\d+)?")
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(path.parent)):
            with contextlib.suppress(OSError):
                if (
                    family.fullmatch(entry.name)
                    and entry.is_file(follow_symlinks=False)
                    and entry.stat(follow_symlinks=False).st_mtime < before_s
                ):
                    Path(entry.path).unlink()


def _open(path: Path, *, exclusive: bool) -> int | None:
    """Open a file for appending; None when another process has it for itself. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    for _ in range(_SIBLINGS):
        descriptor = os.open(path, flags, 0o600)
        if not exclusive or not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        if not _lock(descriptor):
            os.close(descriptor)
            return None
        if _is_at(descriptor, path):
            with contextlib.suppress(OSError, AttributeError):  # somebody else's file, or Windows
                os.fchmod(descriptor, 0o600)
            return descriptor
        os.close(descriptor)  # renamed between our two steps
    return None


def _lock(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # A file system without locks is no reason to have no log.
        return error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _size(descriptor: int) -> int:
    """Bytes of a file; 0 for a terminal, a pipe or a device, which are never full."""
    status = os.fstat(descriptor)
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _backups(path: Path) -> Iterator[tuple[int, Path]]:
    """The file's backups with their numbers, the oldest first: the order in which they can be renamed."""
    found = re.compile(rf"{re.escape(path.name)}\.(\d+)")
    numbers = (match for name in os.listdir(path.parent) if (match := found.fullmatch(name)))
    for match in sorted(numbers, key=lambda match: -int(match[1])):
        yield int(match[1]), path.with_name(match[0])
