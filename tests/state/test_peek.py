"""Looking at a state changes nothing, and works where it cannot be written."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pytest_autorl.errors import StateDamagedError, StateError, StateVersionError
from pytest_autorl.state.engine import Books, DeviceRow, HolderRow, JobRow
from pytest_autorl.state.peek import peek
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.sqlite_books import MIGRATIONS
from pytest_autorl.state.view import View, view
from state_child import Child

#: Writes a device and dies: the log stays behind.
DIES = """
import os, signal, sys
from pathlib import Path
from pytest_autorl.state.engine import Books, DeviceRow, HolderRow, JobRow
from pytest_autorl.state.sqlite import SqliteEngine

engine = SqliteEngine(Path(sys.argv[1]))
engine.write(lambda books: books.put_device(DeviceRow(key="phone", status="available")))
os.kill(os.getpid(), signal.SIGKILL)
"""
#: Keeps the gate for itself once told so.
STANDS_IN_THE_GATE = """
import sys
from pathlib import Path
from pytest_autorl.state.gate import Gate

with Gate(Path(sys.argv[1])):
    print("inside", flush=True)
    sys.stdin.readline()
"""


def make(path: Path) -> None:
    """A state with one device."""
    with closing(SqliteEngine(path)) as engine:
        engine.write(lambda books: books.put_device(DeviceRow(key="phone", status="available")))


def content(folder: Path) -> dict[str, bytes | None]:
    """All files below a folder, with what is in them."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def ids(seen: View) -> list[str]:
    return [state.device_id for state in seen.devices]


def test_where_nobody_has_been_there_is_nothing_and_nothing_is_made(tmp_path: Path) -> None:
    assert peek(tmp_path / "new" / "state.db") == View((), ())
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_not_made_a_state(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.touch()

    assert peek(path) == View((), ())
    assert content(tmp_path) == {"state.db": b""}


def test_a_state_is_shown_and_stays_as_it_is(tmp_path: Path) -> None:
    make(tmp_path / "state.db")
    before = content(tmp_path)

    assert ids(peek(tmp_path / "state.db")) == ["phone"]
    assert content(tmp_path) == before


def test_its_reserve_is_for_those_who_write_to_make(tmp_path: Path) -> None:
    make(tmp_path / "state.db")
    (tmp_path / "state.db.ballast").unlink()
    before = content(tmp_path)

    assert ids(peek(tmp_path / "state.db")) == ["phone"]
    assert content(tmp_path) == before


def test_the_state_of_an_older_version_is_shown_and_not_brought_up_to_date(tmp_path: Path) -> None:
    """Runs of that version may be using it."""
    path = tmp_path / "state.db"
    with closing(SqliteEngine(path, migrations=MIGRATIONS[:1])) as engine:
        engine.write(lambda books: books.put_holder(HolderRow("gw0", "run-1", "Runner", 1, "boot", "")))
    before = content(tmp_path)

    assert [holder.id for holder in peek(path).holders] == ["gw0"]
    assert peek(path).devices == ()  # whose table has more columns today
    assert content(tmp_path) == before


def test_what_is_wanted_is_read_in_one_moment(tmp_path: Path) -> None:
    make(tmp_path / "state.db")

    def rows(books: Books) -> tuple[list[JobRow], list[str]]:
        return books.jobs(), [row.key for row in books.devices()]

    assert peek(tmp_path / "state.db", rows) == ([], ["phone"])
    assert peek(tmp_path / "none.db", rows) == ([], [])


class Meddler:
    """Reads, and lets something happen in the middle of the first time."""

    def __init__(self, happens: Callable[[], object], *, always: bool = False) -> None:
        self.count = 0
        self._happens = happens
        self._always = always

    def __call__(self, books: Books) -> View:
        self.count += 1
        seen = view(books)
        if self.count == 1 or self._always:
            self._happens()
        return seen


def test_who_begins_to_write_meanwhile_is_not_passed_over(tmp_path: Path) -> None:
    """A file without a log is read without locks: what was torn by a writer is read anew."""
    path = tmp_path / "state.db"
    make(path)

    def write() -> None:
        with closing(SqliteEngine(path)) as engine:
            engine.write(lambda books: books.put_device(DeviceRow(key="tablet", status="available")))

    assert ids(peek(path, Meddler(write))) == ["phone", "tablet"]


@pytest.mark.parametrize("is_written", [True, False])
def test_pages_that_do_not_fit_are_damage_only_in_a_file_that_nobody_writes(
    tmp_path: Path, is_written: bool
) -> None:
    path = tmp_path / "state.db"
    make(path)

    def tear() -> None:
        if is_written:
            os.utime(path)
        raise sqlite3.DatabaseError("database disk image is malformed")

    if is_written:
        assert ids(peek(path, Meddler(tear))) == ["phone"]
    else:
        with pytest.raises(StateDamagedError):
            peek(path, Meddler(tear))


def test_a_file_that_is_written_all_the_time_is_read_with_locks_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    make(path)
    times = itertools.count(1)
    meddler = Meddler(lambda: os.utime(path, (next(times),) * 2), always=True)

    assert ids(peek(path, meddler)) == ["phone"]
    assert meddler.count > 2


def test_a_file_that_goes_away_meanwhile_is_told(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    make(path)

    with pytest.raises(StateError, match="unable to open"):
        peek(path, Meddler(path.unlink))

    assert not path.exists()


def test_a_state_in_use_is_shown_with_its_last_write(tmp_path: Path) -> None:
    with closing(SqliteEngine(tmp_path / "state.db")) as engine:
        engine.write(lambda books: books.put_device(DeviceRow(key="tablet", status="available")))

        assert ids(peek(tmp_path / "state.db")) == ["tablet"]


def test_a_copy_without_its_gate_is_read_and_nothing_made_beside_it(tmp_path: Path) -> None:
    make(tmp_path / "state.db")
    (tmp_path / "copy").mkdir()
    os.link(tmp_path / "state.db", tmp_path / "copy" / "a copy.db")

    assert ids(peek(tmp_path / "copy" / "a copy.db")) == ["phone"]
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["a copy.db"]


def test_a_process_that_was_stopped_in_the_gate_does_not_keep_people_from_looking(tmp_path: Path) -> None:
    """That is when they look."""
    path = tmp_path / "state.db"
    make(path)
    with Child(STANDS_IN_THE_GATE, path) as child:
        assert child.line() == "inside"
        child.signal(signal.SIGSTOP)

        assert ids(peek(path)) == ["phone"]


@pytest.mark.parametrize("version", [0, 99])
def test_a_state_of_another_version_is_refused_with_both_numbers(tmp_path: Path, version: int) -> None:
    """Also where it cannot be migrated: without its gate."""
    path = tmp_path / "state.db"
    make(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    if not version:
        (tmp_path / "state.db.gate").unlink()

    with pytest.raises(
        StateVersionError, match=f"has schema {version}, this pytest-autorl knows {len(MIGRATIONS)}"
    ):
        peek(path)


def test_a_database_of_somebody_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE accounts (name)")
    before = content(tmp_path)

    with pytest.raises(StateVersionError, match="is a database, but no state of pytest-autorl"):
        peek(path)

    assert content(tmp_path) == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """No run would set it aside either: it never was a state."""
    path = tmp_path / "notes.txt"
    path.write_text("bring milk\n" * 500)

    with pytest.raises(StateVersionError, match="is no state of pytest-autorl") as caught:
        peek(path)

    assert "--autorl-state" in caught.value.do
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]


def test_a_damaged_state_is_told_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    make(path)
    path.write_bytes(b"\0" * 4096)

    with pytest.raises(StateDamagedError) as caught:
        peek(path)

    assert "start a new run" in caught.value.do


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def make_read_only(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)


def test_on_a_read_only_file_system_it_is_read(disk: Path) -> None:
    make(disk / "state.db")
    make_read_only(disk)

    assert ids(peek(disk / "state.db")) == ["phone"]


def test_on_a_read_only_file_system_the_log_of_a_killed_process_is_read_too(disk: Path) -> None:
    """The file alone does not even have the tables yet."""
    with Child(DIES, disk / "state.db") as child:
        child.wait()
    make_read_only(disk)

    assert ids(peek(disk / "state.db")) == ["phone"]


def test_a_log_that_cannot_be_read_is_not_passed_over_in_silence(disk: Path) -> None:
    """Without its index SQLite has to write before it can read: showing the file alone would show an old state."""
    with Child(DIES, disk / "state.db") as child:
        child.wait()
    (disk / "state.db-shm").unlink()
    make_read_only(disk)

    with pytest.raises(StateError, match="unable to open"):
        peek(disk / "state.db")
