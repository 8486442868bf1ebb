"""Looking at a state without taking part in it: nothing is made, joined or changed."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, overload
from urllib.parse import quote

from pytest_autorl.errors import StateDamagedError, StateVersionError
from pytest_autorl.state import sqlite_file
from pytest_autorl.state.engine import Books
from pytest_autorl.state.sqlite_books import MIGRATIONS, SqliteBooks, migrate
from pytest_autorl.state.view import View, view

T = TypeVar("T")

#: How long it waits for those who write, seconds: people look just when somebody is stuck.
_PATIENCE_S = 2.0
#: So often it looks again at a file that was written while it was read.
_LOOKS = 10


@overload
def peek(path: Path) -> View: ...
@overload
def peek(path: Path, work: Callable[[Books], T]) -> T: ...
def peek(path: Path, work: Callable[[Books], Any] = view) -> Any:
    """What the state shows; that of an empty one when nobody has made it yet. Raises StateError.

    Args:
        work: Reads what is wanted; may be called more than once.
    """
    if not _size(path):
        return _in_memory(None, work)
    try:
        return _read(path, work)
    except StateDamagedError as error:
        if _beside(path, ".gate").exists():
            raise
        what = f"{path} is no state of pytest-autorl"
        raise StateVersionError(what, do="name another file with --autorl-state") from error


def _read(path: Path, work: Callable[[Books], T]) -> T:
    for _ in range(_LOOKS):
        # SQLite reads a log only together with its index, which it must find or be able to make. Without a log the
        # file is all there is, and nothing at all is to be made.
        if _size(_beside(path, "-wal")):
            break
        before = _stamp(path)
        try:
            found = _read_as(path, "mode=ro&immutable=1", work)
        except StateDamagedError:
            if _stamp(path) == before:
                raise
        else:
            # No lock was asked for, so whoever began to write meanwhile may have torn it.
            if _stamp(path) == before:
                return found
    return _read_as(path, "mode=ro", work)


def _read_as(path: Path, how: str, work: Callable[[Books], T]) -> T:
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?{how}", uri=True, isolation_level=None, timeout=_PATIENCE_S
        )
        with contextlib.closing(connection):
            connection.execute("BEGIN")  # one moment, although others may write meanwhile
            sqlite_file.check_owner(connection, path)
            if 0 < sqlite_file.version_of(connection) < len(MIGRATIONS):
                connection.execute("ROLLBACK")
                return _in_memory(connection, work)
            sqlite_file.check_version(connection, path, len(MIGRATIONS))
            return work(SqliteBooks(connection))
    except sqlite3.Error as error:
        raise sqlite_file.meaning(error, path) from error


def _in_memory(source: sqlite3.Connection | None, work: Callable[[Books], T]) -> T:
    """What a copy shows that has today's tables: those of an older version are for a run to change."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
        if source is not None:
            source.backup(copy)
        migrate(copy, sqlite_file.version_of(copy), MIGRATIONS)
        return work(SqliteBooks(copy))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Changes with the file."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns
    return None


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _size(path: Path) -> int:
    """0 also for a file that is not there."""
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0
