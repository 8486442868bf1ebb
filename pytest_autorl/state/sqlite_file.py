"""The file of a SQLite state: connecting, finding damage, setting a damaged file aside, room in reserve.

Everything here runs inside the gate. Nothing ever opens the file except SQLite itself (see `openguard.py`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_autorl.errors import (
    StateBusyError,
    StateDamagedError,
    StateError,
    StateFullError,
    StateVersionError,
)
from pytest_autorl.state.engine import OF_RUN, DeviceRow
from pytest_autorl.state.sqlite_books import APPLICATION_ID, knows, migrate, salvage, token_of

#: How long SQLite itself waits, seconds: only programs that do not pass the gate can hold it up.
_BUSY_S = 5.0
#: Room that is given up when the disk is full, for what must go through.
BALLAST_BYTES = 1024 * 1024
#: The log is cut back to this after a check-point.
_LOG_BYTES = 4 * 1024 * 1024
#: Holder of what a damaged state had leased: nobody, so that it is recovered by whoever comes first.
GONE = "gone"


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """Whether this SQLite can lose a commit when two connections write and check-point at the same instant.

    Fixed in 3.51.3, and in 3.50.7 and 3.44.6 (https://www.sqlite.org/wal.html, "the WAL-reset bug").
    """
    if version[:2] in ((3, 44), (3, 50)):
        return version < {44: (3, 44, 6), 50: (3, 50, 7)}[version[1]]
    return (3, 7, 0) <= version < (3, 51, 3)


def connect(path: Path) -> sqlite3.Connection:
    """A connection as the state needs it, transactions by hand. Raises StateVersionError for what is not ours."""
    is_new = not path.exists()
    # Threads take turns on a connection: the engine sees to it.
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        if is_new:
            path.chmod(0o600)  # its log gets the same: results of tests may stand there
        # Before anything is changed: the mode of the journal stands in the file.
        check_owner(connection, path)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}").fetchall()
        if sys.platform == "darwin":
            connection.execute("PRAGMA fullfsync = 1")  # there, fsync alone does not reach the disk
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(
    connection: sqlite3.Connection,
    path: Path,
    migrations: Sequence[Sequence[str]],
    *,
    mark: tuple[str, int] | None = None,
    fill: Callable[[sqlite3.Connection], None] | None = None,
) -> None:
    """Make or migrate the tables.

    Args:
        mark: See `damage_of`: without its grant the tables cannot be used.
        fill: Writes what a new state has to begin with, in the same transaction: it is never seen without.
    Raises: StateVersionError for what is newer than we are; StateDamagedError for what lacks the last grant.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        lack = "" if fill else lack_of(connection, mark)
        if lack:
            raise damaged(path, lack)
        version = version_of(connection)
        if version < len(migrations):
            migrate(connection, version, migrations)
        check_version(connection, path, len(migrations))
        if fill is not None:
            fill(connection)
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # a full disk may have ended it already
            connection.execute("ROLLBACK")
        raise


def check_owner(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StateVersionError for a database of somebody else."""
    owner = connection.execute("PRAGMA application_id").fetchall()[0][0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchall()[0][0]
    if tables and owner != APPLICATION_ID:
        raise StateVersionError(
            f"{path} is a database, but no state of pytest-autorl",
            do="name another file with --autorl-state",
        )


def version_of(connection: sqlite3.Connection) -> int:
    """The schema's version; 0 for an empty file."""
    return int(connection.execute("PRAGMA user_version").fetchall()[0][0])


def check_version(connection: sqlite3.Connection, path: Path, known: int) -> None:
    """Raise StateVersionError unless the tables are of the version that we know."""
    version = version_of(connection)
    if version != known:
        raise StateVersionError(
            f"{path} has schema {version}, this pytest-autorl knows {known}: a newer one has written it",
            do="use that version, or name another file with --autorl-state",
        )


def damage_of(path: Path, mark: tuple[str, int] | None) -> str:
    """What is wrong with the file; "" when nothing is. Costs a read of the whole file (5 ms for 10 MB).

    Args:
        mark: Device and token of the last grant, as the gate knows: a torn log loses commits without an error.
    Raises: StateVersionError for a database of somebody else.
    """
    if not path.exists():
        has_grants = mark is not None and mark[0]
        return "it is gone" if has_grants or path.with_name(f"{path.name}-wal").exists() else ""
    try:
        with contextlib.closing(connect(path)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchall()[0][0]
            return lack_of(connection, mark) if found == "ok" else str(found).splitlines()[-1]
    except sqlite3.DatabaseError as error:
        if mark is not None and isinstance(meaning(error, path), StateDamagedError):
            return str(error)
        raise


def lack_of(connection: sqlite3.Connection, mark: tuple[str, int] | None) -> str:
    """Says so when the tables do not know of the last grant; "" when they do.

    A device that belonged to a run is forgotten with it, and who forgets it can be killed before the mark is moved:
    that it is missing says nothing.
    """
    if mark is None or not mark[0] or (OF_RUN in mark[0] and not knows(connection, mark[0])):
        return ""
    if not version_of(connection):
        return "it is empty"
    return (
        f"the last grant, token {mark[1]} of {mark[0]}, is missing"
        if token_of(connection, mark[0]) < mark[1]
        else ""
    )


def set_aside(path: Path, wall_s: float) -> tuple[Path, int, list[DeviceRow]]:
    """Move a damaged state out of the way, and read from it what can be read.

    Returns: where it is now; a number above every token that it can have given; devices that were leased or have
    sessions, to be recovered.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(wall_s))
    aside = path.with_name(f"{path.name}.damaged-{stamp}-{os.getpid()}")
    for ending in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}{ending}", f"{aside}{ending}")
    highest, rows = 0, list[DeviceRow]()
    if aside.exists():  # SQLite would make it, and throw away a log that is left over
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(aside, timeout=_BUSY_S)) as connection,
        ):
            highest, rows = salvage(connection)
    # No device is granted a thousand times a second: the time in milliseconds is above what cannot be read.
    floor = max(highest, int(wall_s * 1000))
    return aside, floor, [row for row in rows if row.holder or row.sessions]


def keep_ballast(path: Path) -> None:
    """Reserve room, if there is some."""
    ballast = _ballast(path)
    if ballast.exists():
        return
    with contextlib.suppress(OSError):
        try:
            descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                # Written, since a hole reserves nothing; the last of a disk's room is written in part.
                if os.write(descriptor, bytes(BALLAST_BYTES)) < BALLAST_BYTES:
                    raise OSError(errno.ENOSPC, "no room for the reserve")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError:
            ballast.unlink()


def drop_ballast(path: Path) -> bool:
    """Give the room up; False when there is none left to give."""
    try:
        _ballast(path).unlink()
    except OSError:
        return False
    return True


def _ballast(path: Path) -> Path:
    return path.with_name(path.name + ".ballast")


def meaning(error: sqlite3.Error, path: Path) -> StateError:
    """What an error of SQLite means for the user. By its words: Python 3.10 does not tell the code."""
    words = str(error)
    if "is full" in words:
        free_mb = _free_mb(path)
        return StateFullError(f"{path}: {words} ({free_mb:.1f} MB free)", do="make room on that disk")
    if "malformed" in words or "not a database" in words:
        return damaged(path, words)
    if "readonly" in words or "unable to open" in words or "read-only" in words:
        return StateError(
            f"{path} cannot be written: {words}", do="name a local, writable place with --autorl-state"
        )
    if "locked" in words:
        return StateBusyError(f"{path}: {words} by a program that is none of ours", do="close that program")
    return StateError(f"{path}: {type(error).__name__}: {words}", do="look at the disk")


def damaged(path: Path, what: str) -> StateDamagedError:
    """The error for a state that cannot be used as it is."""
    return StateDamagedError(
        f"{path} is damaged: {what}", do="start a new run: it sets the file aside and begins a new one"
    )


def _free_mb(path: Path) -> float:
    with contextlib.suppress(OSError):
        return shutil.disk_usage(path.parent).free / 1e6
    return 0.0
