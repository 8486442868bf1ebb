"""The state of one host in a SQLite file: an `Engine`. SQL: `sqlite_books.py`; the file itself: `sqlite_file.py`.

Write-ahead log, synchronous=FULL: what a transaction returned is on the disk. Each write, each opening and each
closing is a turn inside the gate: SQLite releases with the WAL-reset bug can lose a commit when two connections
write and check-point at the same instant, and SQLite's own waiting starves. Reading waits for nobody.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pytest_autorl.errors import (
    StateBusyError,
    StateDamagedError,
    StateError,
    StateFullError,
    StateVersionError,
)
from pytest_autorl.state import openguard, sqlite_file
from pytest_autorl.state.engine import Books
from pytest_autorl.state.gate import Gate
from pytest_autorl.state.sqlite_books import MIGRATIONS, SqliteBooks
from pytest_autorl.state.turns import Turn, Turns

T = TypeVar("T")

#: Longest wait for one write, seconds.
DEADLINE_S = 20.0

_engines: weakref.WeakSet[SqliteEngine] = weakref.WeakSet()


class _Alone(Turn):
    """Work on the connections themselves, never within a transaction."""


class _Posted(Turn):
    """A transaction that nobody waits for."""

    __slots__ = ("_then",)

    def __init__(self, work: Callable[..., Any], then: Callable[[Any, BaseException | None], None]) -> None:
        super().__init__(work, is_vital=True)
        self._then = then

    def tell(self) -> None:
        """See `Turn.tell`."""
        try:
            self._then(self.result, self.error)
        finally:
            super().tell()


class SqliteEngine:
    """See the module.

    Args:
        path: Of the database; made, with its folder (mode 0700), when missing.
        checks: Look for damage before using it. A damaged file is set aside and a new one begun, in which no token
            of the old one comes again. For the process that starts a run.
        deadline_s: Longest wait for a write.
        at: Told of points inside a write (``gate``, ``begun``, ``worked``, ``committed``); for tests.
        migrations: The schema's versions; injected by tests.
        wall_s: Seconds since the epoch.
    Raises:
        StateVersionError: Written by a newer version, or not a state of ours.
        StateDamagedError: Damaged, and `checks` is off.
        StateError: It cannot be opened: read-only, no room, no locks.
    """

    def __init__(
        self,
        path: Path,
        *,
        checks: bool = False,
        deadline_s: float = DEADLINE_S,
        at: Callable[[str], None] = lambda point: None,
        migrations: Sequence[Sequence[str]] = MIGRATIONS,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        #: What opening it found and did, for people.
        self.notes: list[str] = []
        self._at = at
        self._migrations = migrations
        self._wall_s = wall_s
        self._pid = os.getpid()
        self._reader_mutex = threading.Lock()
        self._is_closed = False
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        #: Which file each of the two has open.
        self._writer_inode = self._reader_inode = 0
        _must_not_be_inherited(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StateError(
                f"cannot make the folder {path.parent}: {error.strerror}",
                do="name a writable place with --autorl-state",
            ) from error
        self._gate = Gate(path)
        #: Device and token of the last grant that was committed here and is not in the gate's mark yet.
        self._last: tuple[str, int] | None = None
        self._turns = Turns(
            self._gate, self._do, name=str(path), deadline_s=deadline_s, after=self._write_mark
        )
        openguard.guard(path)
        try:
            self._take(lambda: self._open(checks=checks))
        except BaseException as error:
            self._end(waits=not isinstance(error, StateBusyError))  # else it has waited long enough
            raise
        _engines.add(self)

    # -- the contract ----------------------------------------------------------------------------------------

    def write(self, work: Callable[[Books], T], *, is_vital: bool = False) -> T:
        """See `Engine.write`."""
        self._must_be_usable()
        return self._turns.take(Turn(work, is_vital=is_vital))  # type: ignore[no-any-return]

    def post(
        self, work: Callable[[Books], T], then: Callable[[T | None, BaseException | None], None]
    ) -> None:
        """See `Engine.post`."""
        self._must_be_usable()
        self._turns.post(_Posted(work, then))

    def read(self, work: Callable[[Books], T]) -> T:
        """See `Engine.read`."""
        self._must_be_usable()
        self._turns.flush()
        with self._reader_mutex:
            connection = self._reading()
            try:
                connection.execute("BEGIN")
                try:
                    return work(SqliteBooks(connection))
                finally:
                    with contextlib.suppress(sqlite3.Error):  # a failing disk may have ended it already
                        connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise sqlite_file.meaning(error, self.path) from error

    def backup(self, target: Path) -> None:
        """Write a whole, consistent copy to a new file. Raises StateError, also when the file exists."""
        self._must_be_usable()
        if target.exists():
            raise StateError(f"{target} exists already", do="name a new file for the copy")
        self._turns.flush()
        with self._reader_mutex:
            source = self._reading()
            try:
                copy = sqlite3.connect(target)
                try:
                    source.backup(copy)
                finally:
                    copy.close()
            except sqlite3.Error as error:
                target.unlink(missing_ok=True)
                raise sqlite_file.meaning(error, target) from error

    def close(self) -> None:
        """See `Engine.close`. In a fork of the process that opened it: nothing at all is touched.

        While another process holds up the gate: what is left to do is done when that opens, or never.
        """
        if os.getpid() != self._pid:
            return
        with self._reader_mutex:  # nobody reads any more, and nobody will
            if self._is_closed:
                return
            self._is_closed = True
            if self._reader is not None:
                # Outside the gate, since it is not the last one on the file: the log stays as it is.
                self._reader.close()
                self._reader = None
        self._end()

    # -- opening and closing, each in a turn -------------------------------------------------------------------

    def _open(self, *, checks: bool) -> None:
        mark = self._gate.mark()
        try:
            found = sqlite_file.damage_of(self.path, mark) if checks else ""
            if found:
                self._begin_anew(found)
            else:
                self._connect()
        except sqlite3.Error as error:
            what = sqlite_file.meaning(error, self.path)
            if mark is None and isinstance(what, StateDamagedError):
                raise StateVersionError(
                    f"{self.path} is no state of pytest-autorl ({error})",
                    do="name another file with --autorl-state",
                ) from error
            raise what from error
        if mark is None:
            self._gate.set_mark("", 0)  # from now on the file is known to be ours
        sqlite_file.keep_ballast(self.path)

    def _connect(self, fill: Callable[[sqlite3.Connection], None] | None = None) -> None:
        writer = sqlite_file.connect(self.path)
        try:
            sqlite_file.prepare(writer, self.path, self._migrations, mark=self._gate.mark(), fill=fill)
        except BaseException:
            writer.close()
            raise
        self._writer = writer
        self._writer_inode = self.path.stat().st_ino

    def _begin_anew(self, found: str) -> None:
        aside, floor, rows = sqlite_file.set_aside(self.path, self._wall_s())

        def fill(connection: sqlite3.Connection) -> None:
            books = SqliteBooks(connection)
            books.set_number("floor", floor)
            for row in rows:
                books.put_device(row._replace(token=floor, holder=sqlite_file.GONE, ticket=0, expires_s=0.0))

        self._connect(fill)
        self._gate.set_mark("", 0)
        self.notes.append(
            f"the state {self.path} was damaged ({found}): what is left of it is {aside.name}, a new one was begun, "
            f"and {len(rows)} devices that it knew in use are recovered first"
        )

    def _reading(self) -> sqlite3.Connection:
        self._must_be_usable()  # once more: it may have been closed while we waited
        if self._reader is None or self._is_replaced(self._reader_inode):
            self._take(self._open_reader)
        assert self._reader is not None
        return self._reader

    def _open_reader(self) -> None:
        try:
            self._follow()
            if self._reader is not None:
                self._reader.close()
                self._reader = None
            self._reader = sqlite_file.connect(self.path)
            self._reader_inode = self._writer_inode
        except sqlite3.Error as error:
            raise sqlite_file.meaning(error, self.path) from error

    def _is_replaced(self, inode: int) -> bool:
        """Whether the file is not the one that was opened: another process has set that aside."""
        try:
            return self.path.stat().st_ino != inode
        except OSError:
            return True

    def _follow(self) -> None:
        if self._writer is None or self._is_replaced(self._writer_inode):
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self._connect()

    def _end(self, *, waits: bool = True) -> None:
        # Given up by nobody: at a gate that opens late, it is done late.
        self._turns.post(_Alone(self._close_writer))
        self._turns.close(waits=waits)

    def _close_writer(self) -> None:
        # The last one to close check-points the log: one more thing that must not happen beside a write.
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        openguard.free(self.path)
        _engines.discard(self)

    # -- turns -------------------------------------------------------------------------------------------------

    def _take(self, work: Callable[[], object]) -> None:
        """Have something done to the connections, in a turn of its own."""
        self._turns.take(_Alone(work))

    def _do(self, turns: Sequence[Turn]) -> None:
        """See `Turns`: transactions that have gathered become one, so that they share one sync of the disk."""
        if turns:
            self._at("gate")
        if (
            len(turns) > 1
            and not any(isinstance(turn, _Alone) for turn in turns)
            and self._do_together(turns)
        ):
            return
        for turn in turns:
            try:
                is_alone = isinstance(turn, _Alone)
                result = turn.work() if is_alone else self._transact(turn.work, is_vital=turn.is_vital)
            except BaseException as error:
                turn.finish(error=error)
            else:
                turn.finish(result)

    def _do_together(self, turns: Sequence[Turn]) -> bool:
        """All of them in one transaction; False when that fails, and nothing was done."""
        try:
            self._follow()
            results = self._transaction(lambda books: [turn.work(books) for turn in turns])
        except BaseException:  # whosever it is: each is done by itself then, and gets its own
            return False
        for turn, result in zip(turns, results, strict=True):
            turn.finish(result)
        return True

    def _transact(self, work: Callable[[Books], T], *, is_vital: bool) -> T:
        try:
            self._follow()
            try:
                return self._transaction(work)
            except sqlite3.Error as error:
                is_full = isinstance(sqlite_file.meaning(error, self.path), StateFullError)
                if not (is_vital and is_full and sqlite_file.drop_ballast(self.path)):
                    raise
            return self._transaction(work)
        except sqlite3.Error as error:
            raise sqlite_file.meaning(error, self.path) from error

    def _transaction(self, work: Callable[[Books], T]) -> T:
        assert self._writer is not None
        execute, books = self._writer.execute, SqliteBooks(self._writer)
        execute("BEGIN IMMEDIATE")
        try:
            self._at("begun")
            # Somebody may have migrated the file since we opened it.
            sqlite_file.check_version(self._writer, self.path, len(self._migrations))
            result = work(books)
            self._at("worked")
            execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                execute("ROLLBACK")
            raise
        self._at("committed")
        self._last = books.last or self._last
        return result

    def _write_mark(self) -> None:
        # Outside the gate: it may lag behind, also behind what another process has committed since.
        if self._last is not None:
            self._gate.set_mark(*self._last)
            self._last = None

    def _must_be_usable(self) -> None:
        if os.getpid() != self._pid:
            raise StateError(
                f"{self.path} was opened by process {self._pid}, of which this one is a fork",
                do="use devices in the process that leased them, or start children with spawn",
            )
        if self._is_closed:
            raise StateError(f"{self.path} is closed already")


#: Files that the process of which this one is a fork had open.
_inherited: set[str] = set()


def _must_not_be_inherited(path: Path) -> None:
    # SQLite's own list of locks was copied, the locks were not: it would believe to have what it has not.
    if os.path.realpath(path) in _inherited:
        raise StateError(
            f"{path} was open in the process of which this one is a fork",
            do="start children that use devices with spawn",
        )


def _abandon() -> None:
    """In a forked child: the connections are the parent's. Closing them here could remove its log."""
    import ctypes

    for engine in list(_engines):
        _inherited.add(os.path.realpath(engine.path))
        engine._gate.close()  # a copy, which would keep the gate shut when the parent dies inside
        for connection in (engine._reader, engine._writer):
            if connection is not None:
                # One reference too many: not even the end of the interpreter closes it.
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))


if hasattr(os, "register_at_fork"):  # pragma: no branch: everywhere but on Windows
    os.register_at_fork(after_in_child=_abandon)
