"""The SQLite engine when nothing is wrong: what is in the file, what a write promises, what others see.

Rules over the books: `test_ledger.py`; agreement with the other engines: the differential suite; faults:
`test_sqlite_faults.py` and `test_sqlite_damage.py`.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_autorl.errors import StateBusyError, StateDamagedError, StateError, StateFullError
from pytest_autorl.state import sqlite_file
from pytest_autorl.state.engine import (
    Books,
    DeviceRow,
    HolderRow,
    JobRow,
    OutboxRow,
    Phase,
    SessionRow,
    TicketRow,
)
from pytest_autorl.state.gate import Gate
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.sqlite_books import APPLICATION_ID, MIGRATIONS
from pytest_autorl.state.sqlite_file import BALLAST_BYTES, has_wal_reset_bug, meaning
from state_child import PATIENCE_S, Child

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX")

#: Another process with an engine: prints a number of the books.
READ = """
import sys; from pathlib import Path; from pytest_autorl.state.sqlite import SqliteEngine
engine = SqliteEngine(Path(sys.argv[1])); print(engine.read(lambda books: books.number(sys.argv[2]))); engine.close()
"""
#: Another process without one.
HEADER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
for name in ("journal_mode", "application_id", "user_version"):
    print(connection.execute(f"PRAGMA {name}").fetchall()[0][0])
connection.close()
"""
#: A program that passes no gate, and keeps the database to itself.
LOCKED = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
if sys.argv[2] == "all": connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
connection.execute("BEGIN IMMEDIATE"); connection.execute("INSERT INTO number VALUES ('theirs', 1)")
print("locked", flush=True); sys.stdin.readline()
"""


@pytest.fixture
def others(path: Path) -> Iterator[Gate]:
    """The gate as somebody else has it."""
    path.parent.mkdir(exist_ok=True)
    gate = Gate(path)
    yield gate
    gate.close()


def put(name: str, value: int) -> Callable[[Books], None]:
    return lambda books: books.set_number(name, value)


def get(name: str) -> Callable[[Books], int]:
    return lambda books: books.number(name)


class Told:
    """Remembers what came of posted work."""

    def __init__(self) -> None:
        self.results: list[object] = []
        self.errors: list[BaseException] = []

    def then(self, result: object, error: BaseException | None) -> None:
        if error is None:
            self.results.append(result)
        else:
            self.errors.append(error)


# -- the file ------------------------------------------------------------------------------------------------


def test_the_file_has_a_log_and_says_whose_it_is(path: Path, opened: Callable[..., SqliteEngine]) -> None:
    opened()

    with Child(HEADER, path) as other:
        assert [other.line() for _ in range(3)] == ["wal", str(APPLICATION_ID), str(len(MIGRATIONS))]


def test_every_commit_reaches_the_disk(path: Path) -> None:
    connection = sqlite_file.connect(path)

    assert connection.execute("PRAGMA synchronous").fetchall() == [(2,)]  # FULL
    connection.close()


def test_on_a_mac_a_commit_reaches_the_disk_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsync(2) there ends in the drive's cache."""
    monkeypatch.setattr(sqlite_file, "sys", SimpleNamespace(platform="darwin"))

    connection = sqlite_file.connect(path)

    assert connection.execute("PRAGMA fullfsync").fetchall() == [(1,)]
    connection.close()


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """Results of steps may stand in it."""
    path = tmp_path / "folder" / "state.db"
    engine = SqliteEngine(path)
    engine.write(put("a", 1))

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    engine.close()
    names = ["state.db", "state.db-shm", "state.db-wal"]
    names += ["state.db.ballast", "state.db.gate", "state.db.queue"]
    assert modes == dict.fromkeys(names, 0o600)


def test_room_is_reserved_once(path: Path, opened: Callable[..., SqliteEngine]) -> None:
    opened()
    ballast = path.with_name("state.db.ballast")
    before = ballast.stat()
    opened()

    assert before.st_size == BALLAST_BYTES
    assert before.st_blocks * 512 >= BALLAST_BYTES  # a hole would reserve nothing
    assert ballast.stat().st_ino == before.st_ino


# -- writing and reading -------------------------------------------------------------------------------------


def test_what_a_write_returned_is_seen_by_another_process(
    path: Path, opened: Callable[..., SqliteEngine]
) -> None:
    engine = opened()

    assert engine.write(lambda books: [put("a", 7)(books), "done"][1]) == "done"

    with Child(READ, path, "a") as other:
        assert other.line() == "7"


def test_what_work_raises_undoes_it_and_reaches_the_asker(opened: Callable[..., SqliteEngine]) -> None:
    engine = opened()

    def work(books: Books) -> None:
        books.set_number("a", 7)
        raise LookupError("changed its mind")

    with pytest.raises(LookupError, match="changed its mind"):
        engine.write(work)

    assert engine.read(get("a")) == 0


def test_threads_and_engines_can_write_at_once(opened: Callable[..., SqliteEngine]) -> None:
    engines = [opened(), opened()]

    def count() -> None:
        for engine in engines * 10:
            engine.write(lambda books: books.set_number("a", books.number("a") + 1))

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert [engine.read(get("a")) for engine in engines] == [60, 60]


def test_turns_that_gather_share_one_transaction(opened: Callable[..., SqliteEngine], others: Gate) -> None:
    """One sync of the disk is what a write costs."""
    points, told = list[str](), Told()
    engine = opened(at=points.append)
    points.clear()

    with others:
        for number in range(5):
            engine.post(put(f"n{number}", number), told.then)
    assert engine.read(lambda books: [books.number(f"n{number}") for number in range(5)]) == [0, 1, 2, 3, 4]

    assert told.results == [None] * 5
    assert points[:4] == ["gate", "begun", "worked", "committed"]
    assert points.count("committed") == 1


@pytest.mark.parametrize("kind", [LookupError, SystemExit])
def test_one_that_fails_does_not_hurt_those_it_shares_with(
    opened: Callable[..., SqliteEngine], others: Gate, kind: type[BaseException]
) -> None:
    engine, told = opened(), Told()

    def fail(books: Books) -> None:
        books.set_number("b", 2)
        raise kind("mine alone")

    with others:
        engine.post(put("a", 1), told.then)
        engine.post(fail, told.then)
        engine.post(put("c", 3), told.then)

    assert engine.read(lambda books: [books.number(name) for name in "abc"]) == [1, 0, 3]
    assert told.results == [None, None]
    assert [type(error) for error in told.errors] == [kind]


def test_what_was_posted_is_done_before_anything_asked_for_later(
    path: Path, opened: Callable[..., SqliteEngine], tmp_path: Path
) -> None:
    engine, told = opened(), Told()

    for number in range(1, 20):
        engine.post(put("a", number), told.then)
        assert engine.read(get("a")) == number
        engine.post(put("a", -number), told.then)
        assert engine.write(get("a")) == -number
    engine.post(put("b", 1), told.then)
    engine.backup(tmp_path / "copy.db")

    assert len(told.results) == 39
    with Child(READ, tmp_path / "copy.db", "b") as other:
        assert other.line() == "1"


def test_closing_writes_what_was_posted(
    path: Path, opened: Callable[..., SqliteEngine], others: Gate
) -> None:
    engine, told = opened(), Told()
    with others:
        engine.post(put("a", 1), told.then)
        closing = threading.Thread(target=engine.close)
        closing.start()
    closing.join(PATIENCE_S)

    assert told.results == [None]
    assert opened().read(get("a")) == 1


def test_reading_waits_for_nobody(opened: Callable[..., SqliteEngine], others: Gate) -> None:
    engine = opened()
    engine.write(put("a", 1))
    engine.read(get("a"))  # the first one opens a connection, which is a turn

    with others:
        assert engine.read(get("a")) == 1


def test_one_reading_sees_one_state(opened: Callable[..., SqliteEngine]) -> None:
    engine, other = opened(), opened()
    engine.write(put("a", 1))

    def work(books: Books) -> tuple[int, int]:
        before = books.number("a")
        other.write(put("a", 2))
        return before, books.number("a")

    assert engine.read(work) == (1, 1)
    assert engine.read(get("a")) == 2


def test_every_row_comes_back_as_it_was_written(opened: Callable[..., SqliteEngine]) -> None:
    engine = opened()
    sessions = (SessionRow("http://h:1", "s-1"), SessionRow("http://h:2", ""))
    device = DeviceRow("é", "busy", "r", 1.5, 2**40, 3, "offline x", "h", 4, "o", "p", "n", 2.5, 3.5, 8100)
    device = device._replace(is_parked=True, sessions=sessions)
    plain = DeviceRow("a", "available")
    ticket = TicketRow(0, "h", "o", "p", "n", ("b", "a"), 2, 1.5, 2.5, "@bell")
    holder = HolderRow("h", "run", "o", 42, "boot", "@bell")
    job = JobRow("j", "running", "robot", holder="h", token=3, expires_s=1.5, progress=0.25)
    item = OutboxRow(0, "hub", "k", "kind", '{"a": 1}', 1.5)

    def work(books: Books) -> tuple[int, int]:
        for row in (device, plain):
            books.put_device(row)
        books.put_holder(holder)
        books.put_job(job)
        books.set_number("n", 2**62)
        return books.add_ticket(ticket), books.add_outbox(item)

    number, item_number = engine.write(work)
    item = item._replace(number=item_number)

    def look(books: Books) -> list[object]:
        return [
            (
                books.device("é"),
                books.device("b"),
                books.devices(),
                books.devices_of("h"),
                books.devices_of("x"),
            ),
            (books.phases(), books.available(), books.ports_in_use()),
            (books.tickets(), books.holders(), books.number("n"), books.number("other")),
            (books.job("j"), books.job("x"), books.jobs()),
            (books.outbox_item("hub", "k"), books.outbox_item("hub", "x"), books.outbox_rows()),
            (books.outbox(due_at_s=0.0, limit=9), books.outbox(due_at_s=0.0, limit=0)),
            (books.outbox_row(item_number), books.outbox_row(99), books.outbox_count()),
            (
                books.outbox_oldest({"kind", "x"}, 9),
                books.outbox_oldest({"x"}, 9),
                books.outbox_oldest({"kind"}, 0),
            ),
        ]

    assert engine.read(look) == [
        (device, None, [plain, device], [device], []),
        ({"a": Phase("available", False, False), "é": Phase("busy", True, False)}, {"a": False}, {8100}),
        ([ticket._replace(number=number)], [holder], 2**62, 0),
        (job, None, [job]),
        (item, None, [item]),
        ([item], []),
        (item, None, 1),
        ([item_number], [], []),
    ]

    later = item._replace(attempts=1, next_at_s=9.0, error="refused", is_dead=True)

    def change(books: Books) -> None:
        books.put_outbox(later)
        books.put_outbox(later._replace(number=99, key="unknown"))
        for key in ("é", "unknown"):
            books.remove_device(key)
        books.remove_ticket(number)
        books.remove_holder("h")

    engine.write(change)
    assert engine.read(lambda books: (books.devices(), books.tickets(), books.holders())) == ([plain], [], [])
    assert engine.read(lambda books: (books.outbox_rows(), books.outbox(due_at_s=99.0, limit=9))) == (
        [later],
        [],
    )

    engine.write(lambda books: books.remove_outbox([item_number, 99]))
    assert engine.read(lambda books: books.outbox_rows()) == []
    assert engine.write(lambda books: (books.add_ticket(ticket), books.add_outbox(item))) == (
        number + 1,
        item_number + 1,
    )  # a number is never used again


# -- copies and the end --------------------------------------------------------------------------------------


def test_a_backup_is_a_whole_copy_and_replaces_nothing(
    opened: Callable[..., SqliteEngine], tmp_path: Path
) -> None:
    engine, copy = opened(), tmp_path / "copy.db"
    engine.write(
        lambda books: [books.put_device(DeviceRow(f"d{number}", "available")) for number in range(500)]
    )

    engine.backup(copy)
    engine.write(put("later", 1))
    with pytest.raises(StateError, match=r"copy\.db exists already\n  do: name a new file"):
        engine.backup(copy)

    other = SqliteEngine(copy, checks=True)
    assert other.notes == []
    assert other.read(lambda books: (len(books.devices()), books.number("later"))) == (500, 0)
    other.close()


def test_a_backup_to_nowhere_says_so(opened: Callable[..., SqliteEngine], tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"missing/copy\.db cannot be written: unable to open"):
        opened().backup(tmp_path / "missing" / "copy.db")


def test_a_closed_engine_refuses_everything(opened: Callable[..., SqliteEngine], tmp_path: Path) -> None:
    engine = opened()
    engine.read(get("a"))
    engine.close()
    engine.close()

    for use in (
        lambda: engine.write(put("a", 1)),
        lambda: engine.post(put("a", 1), Told().then),
        lambda: engine.read(get("a")),
        lambda: engine.backup(tmp_path / "copy"),
    ):
        with pytest.raises(StateError, match="is closed already"):
            use()


def test_who_waits_to_read_while_it_is_closed_hears_so(opened: Callable[..., SqliteEngine]) -> None:
    """Readers take turns; whose turn comes after the end must not meet a connection that is gone."""
    engine = opened()
    engine.read(get("a"))
    is_reading, may_end, caught = threading.Event(), threading.Event(), list[str]()

    def read_long(books: Books) -> None:
        is_reading.set()
        may_end.wait(PATIENCE_S)

    def read_late() -> None:
        try:
            engine.read(get("a"))
        except StateError as error:
            caught.append(str(error))

    threads = [threading.Thread(target=lambda: engine.read(read_long))]
    threads[0].start()
    assert is_reading.wait(PATIENCE_S)
    threads += [
        threading.Thread(target=engine.close),
        *(threading.Thread(target=read_late) for _ in range(2)),
    ]
    for thread in threads[1:]:
        thread.start()
    may_end.set()
    for thread in threads:
        thread.join(PATIENCE_S)

    # Whether a reader came before the end or after it, it got an answer or this.
    assert set(caught) <= {f"{engine.path} is closed already"}
    with pytest.raises(StateError, match="is closed already"):
        engine.read(get("a"))


def test_the_last_one_to_close_leaves_one_whole_file(path: Path, opened: Callable[..., SqliteEngine]) -> None:
    first, second = opened(), opened()
    first.write(put("a", 1))

    second.close()
    assert path.with_name("state.db-wal").exists()
    first.close()

    assert not path.with_name("state.db-wal").exists()
    assert opened().read(get("a")) == 1


# -- foreign programs, and words -------------------------------------------------------------------------------


@pytest.mark.parametrize("checks", [True, False])
def test_a_program_that_passes_no_gate_is_waited_for_and_named_so(
    path: Path, opened: Callable[..., SqliteEngine], monkeypatch: pytest.MonkeyPatch, checks: bool
) -> None:
    monkeypatch.setattr(sqlite_file, "_BUSY_S", 0.05)
    engine = opened()
    with Child(LOCKED, path, "writes") as other:
        other.line()
        with pytest.raises(
            StateBusyError, match=r"locked by a program that is none of ours\n  do: close that"
        ):
            engine.write(put("a", 1))
        other.kill()
    engine.write(put("b", 2))
    engine.close()

    with Child(LOCKED, path, "all") as other:
        other.line()
        with pytest.raises(StateBusyError, match="by a program that is none of ours"):
            opened(checks=checks)
        other.kill()

    assert opened().read(lambda books: [books.number(name) for name in ("a", "b", "theirs")]) == [0, 2, 0]


@pytest.mark.parametrize(
    ("words", "kind", "text"),
    [
        (
            "database or disk is full",
            StateFullError,
            r"state\.db: database or disk is full \(\d+\.\d MB free\)",
        ),
        ("database disk image is malformed", StateDamagedError, "damaged: .*\n  do: start a new run"),
        ("file is not a database", StateDamagedError, "damaged: file is not a database"),
        (
            "attempt to write a readonly database",
            StateError,
            "cannot be written: .*\n  do: name a local, writ",
        ),
        ("unable to open database file", StateError, "cannot be written: unable to open"),
        ("database is locked", StateBusyError, "by a program that is none of ours"),
        ("disk I/O error", StateError, "OperationalError: disk I/O error\n  do: look at the disk"),
    ],
)
def test_errors_of_sqlite_are_told_in_our_words(
    path: Path, words: str, kind: type[StateError], text: str
) -> None:
    error = meaning(sqlite3.OperationalError(words), path)

    assert type(error) is kind
    with pytest.raises(kind, match=text):
        raise error


def test_a_disk_that_cannot_be_asked_counts_as_full() -> None:
    error = meaning(sqlite3.OperationalError("database or disk is full"), Path("/missing/folder/state.db"))

    assert "(0.0 MB free)" in str(error)


@pytest.mark.parametrize(
    ("version", "has_bug"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 0), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_versions_with_the_wal_reset_bug_are_known(version: tuple[int, ...], has_bug: bool) -> None:
    """Fixed in 3.51.3, and in 3.50.7 and 3.44.6."""
    assert has_wal_reset_bug(version) is has_bug
