"""Looking at a state without taking part in it: nothing is made, joined or changed."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import quote

from pytest_autorl.errors import StateDamagedError, StateError, StateVersionError
from pytest_autorl.state import sqlite_file
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.sqlite_books import MIGRATIONS, SqliteBooks
from pytest_autorl.state.view import View, view

#: How long it waits for those who write, seconds: people look just when somebody is stuck.
_PATIENCE_S = 2.0


def peek(path: Path) -> View:
    """What the state shows; an empty view when nobody has made it yet. Raises StateError."""
    if not _size(path):
        return View((), ())
    if not _beside(path, ".gate").exists():  # not made by us: opening it would make files beside it
        try:
            return _peek_unchangeable(path)
        except StateDamagedError as error:
            what = f"{path} is no state of pytest-autorl"
            raise StateVersionError(what, do="name another file with --autorl-state") from error
    try:
        engine = SqliteEngine(path, deadline_s=_PATIENCE_S)
    except StateVersionError:
        raise
    except StateError:
        # It cannot be written, or not now: it can be read all the same.
        return _peek_unchangeable(path)
    with contextlib.closing(engine):
        return engine.read(view)


def _peek_unchangeable(path: Path) -> View:
    # SQLite reads a log only together with its index, which it must find or be able to make. Without a log the file
    # is all there is, and nothing at all is to be made.
    how = "mode=ro" if _size(_beside(path, "-wal")) else "immutable=1"
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?{how}", uri=True, isolation_level=None
        )
        with contextlib.closing(connection):
            connection.execute("BEGIN")  # one moment, although others may write meanwhile
            sqlite_file.check_owner(connection, path)
            sqlite_file.check_version(connection, path, len(MIGRATIONS))
            return view(SqliteBooks(connection))
    except sqlite3.Error as error:
        raise sqlite_file.meaning(error, path) from error


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _size(path: Path) -> int:
    """0 also for a file that is not there."""
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0
