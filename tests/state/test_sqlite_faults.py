"""The SQLite engine when the disk, another process or another version gets in its way.

Damage to the file itself: `test_sqlite_damage.py`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.errors import (
    StateBusyError,
    StateError,
    StateFullError,
    StateVersionError,
)
from pytest_autorl.state.engine import Books
from pytest_autorl.state.gate import Gate
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.sqlite_books import MIGRATIONS
from state_child import PATIENCE_S, Child

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX"),
]

#: Writes two numbers that belong together, and stops for good at a point of that write.
STOPPED = """
import signal, sys, threading; from pathlib import Path; from pytest_autorl.state.sqlite import SqliteEngine
is_armed = False
def at(point):
    # To this very thread: sent to the process, it may go on for a moment and be out of the gate by then.
    if is_armed and point == sys.argv[2]: signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
def work(books):
    books.set_number("a", 1); books.set_number("b", 1)
engine = SqliteEngine(Path(sys.argv[1]), at=at)
engine.write(lambda books: books.set_number("before", 1))
is_armed = True
engine.write(work)
print("written", flush=True); sys.stdin.readline()
"""
#: Does a fixed scenario in a fork for each point of it, where the fork kills itself. Each fork has a folder, and a
#: file to which it writes what was acknowledged. Ends with how many points there are.
CRASHES = """
import itertools, os, signal, sys; from pathlib import Path; from pytest_autorl.state import ledger
from pytest_autorl.state.engine import HolderRow, OutboxRow, SessionRow, TicketRow
from pytest_autorl.state.sqlite import SqliteEngine

now = ledger.Now(100.0, 1000.0, 60.0)
holder = HolderRow("h", "run", "me", 1, "boot", "")
wish = TicketRow(0, "h", "me", "a test", "", ("d1", "d2"), 2, 0.0, 200.0, "")

def pair(number):
    def work(books):
        books.set_number(f"a{number}", number); books.set_number(f"b{number}", number)
        books.add_outbox(OutboxRow(0, "hub", str(number), "kind", "{}", 1.0))
    return work

def scenario(folder, at):
    acks = os.open(folder / "acks", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    ack = lambda what: os.write(acks, f"{what}\\n".encode())
    engine = SqliteEngine(folder / "state.db", at=at)
    engine.write(lambda books: (ledger.enroll(books, {"d1": 1, "d2": 0}, now), ledger.join(books, holder)))
    ack("enrolled")
    engine.write(pair(1)); ack("pair 1")
    answer = engine.write(lambda books: ledger.ask(books, wish, now)); ack("granted")
    engine.write(lambda books: ledger.note_sessions(books, "d1", "h", 1, [SessionRow("u", "s")])); ack("session")
    engine.post(lambda books: ledger.release(books, "d2", "h", 1, now),
                lambda result, error: ack("released" if error is None else "failed"))
    engine.write(pair(2), is_vital=True); ack("pair 2")
    engine.close(); ack("closed")
    os._exit(0)

for k in itertools.count(1):
    folder = Path(sys.argv[1]) / str(k); folder.mkdir()
    child = os.fork()
    if not child:
        points = itertools.count(1)
        def at(point):
            if next(points) == k: os.kill(os.getpid(), signal.SIGKILL)
        scenario(folder, at)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        print(k, flush=True)
        break
"""
#: For engines that are to be held up: as short as a busy disk allows them to be opened in.
DEADLINE_S = 1.5
#: The same schema with one more version.
NEWER = (*MIGRATIONS, ("ALTER TABLE holder ADD COLUMN shelf TEXT NOT NULL DEFAULT ''",))
TOO_NEW = f"has schema {len(NEWER)}, this pytest-autorl knows {len(MIGRATIONS)}"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[..., SqliteEngine]]:
    """Call it for an engine, on the path unless told otherwise; it is closed with the test."""
    made: list[SqliteEngine] = []

    def engine(where: Path = path, **options: Any) -> SqliteEngine:
        made.append(SqliteEngine(where, **options))
        return made[-1]

    yield engine
    for each in made:
        each.close()


@pytest.fixture
def disk(
    tmp_path: Path, require_real: Callable[[str, str], None], request: pytest.FixtureRequest
) -> Iterator[Path]:
    """A file system of 3 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "autorl-test", place], capture_output=True, text=True
        )
        why = done.stderr.strip()
    except OSError as error:
        why = str(error)
    else:
        if done.returncode == 0:
            why = ""
    if why or not os.path.ismount(place):
        require_real("file system of its own", f"it cannot be mounted here: {why}")
    try:
        yield place
    finally:
        # Lazily: a test that fails may leave files open, and the mount must not outlive it.
        subprocess.run(["umount", "-l", place], check=True)


def remount(place: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", place], check=True)


def fill(folder: Path) -> Path:
    """Take all the room there is."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)) == 4096:
            pass
    assert shutil.disk_usage(folder).free == 0
    return filler


def write_until_it_fails(engine: SqliteEngine, written: list[str], *, is_vital: bool = False) -> None:
    """One number after the other; `written` are those that were acknowledged."""
    for number in range(5000):
        engine.write(put(f"n{number}", 1), is_vital=is_vital)
        written.append(f"n{number}")


def put(name: str, value: int) -> Callable[[Books], None]:
    return lambda books: books.set_number(name, value)


def numbers(*names: str) -> Callable[[Books], list[int]]:
    return lambda books: [books.number(name) for name in names]


# -- the disk ------------------------------------------------------------------------------------------------


def test_on_a_full_disk_what_is_vital_goes_through_and_nothing_acknowledged_is_lost(
    disk: Path, opened: Callable[..., SqliteEngine]
) -> None:
    path = disk / "state.db"
    engine = opened(path)
    acknowledged = list[str]()
    engine.write(put("before", 1))
    filler = fill(disk)

    with pytest.raises(
        StateFullError, match=rf"{path}: database or disk is full \(0\.0 MB free\)\n  do: make room"
    ):
        write_until_it_fails(engine, acknowledged)
    for number in range(50):
        engine.write(put(f"v{number}", 1), is_vital=True)
        acknowledged.append(f"v{number}")

    filler.unlink()
    engine.write(put("after", 1))
    assert engine.read(numbers("before", "after", *acknowledged)) == [1] * (2 + len(acknowledged))
    engine.close()
    again = opened(path, checks=True)
    assert again.notes == []
    assert again.read(numbers("before", "after", *acknowledged)) == [1] * (2 + len(acknowledged))


def test_when_even_the_reserve_is_used_up_everybody_hears_so(
    disk: Path, opened: Callable[..., SqliteEngine]
) -> None:
    path = disk / "state.db"
    engine, written, told = opened(path), list[str](), list[BaseException | None]()
    fill(disk)

    with pytest.raises(StateFullError):
        write_until_it_fails(engine, written, is_vital=True)
    assert len(written) > 50
    engine.post(put("p", 1), lambda result, error: told.append(error))
    assert engine.read(numbers("p", *written)) == [0] + [1] * len(written)  # reading needs no room
    with pytest.raises(StateFullError):
        engine.write(put("a", 1))

    assert [type(error) for error in told] == [StateFullError]
    assert not path.with_name("state.db.ballast").exists()


def test_several_that_gather_on_a_full_disk_are_served_by_what_they_are(
    disk: Path, opened: Callable[..., SqliteEngine]
) -> None:
    """Together they do not fit: then each by itself, and posted ones are vital."""
    engine, told = opened(disk / "state.db"), list[BaseException | None]()
    others = Gate(disk / "state.db")
    fill(disk)

    with others:
        for number in range(3):
            engine.post(put(f"n{number}", 1), lambda result, error: told.append(error))
    others.close()

    assert engine.read(numbers("n0", "n1", "n2")) == [1, 1, 1]
    assert told == [None, None, None]


def test_a_state_is_opened_again_on_a_full_disk(disk: Path, opened: Callable[..., SqliteEngine]) -> None:
    """Without room for a reserve, which must not take the last of it either."""
    path = disk / "state.db"
    first = opened(path)
    first.write(put("a", 1))
    path.with_name("state.db.ballast").unlink()
    filler = fill(disk)

    assert opened(path, checks=True).read(numbers("a")) == [1]
    assert not path.with_name("state.db.ballast").exists()

    os.truncate(filler, filler.stat().st_size - 500 * 1024)
    opened(path).write(put("b", 1))
    assert not path.with_name("state.db.ballast").exists()


@pytest.mark.parametrize("checks", [True, False])
def test_a_new_state_on_a_full_disk_says_so(
    disk: Path, opened: Callable[..., SqliteEngine], checks: bool
) -> None:
    filler = fill(disk)

    with pytest.raises(StateFullError, match=r"disk is full \(0\.0 MB free\)\n  do: make room on that disk"):
        opened(disk / "state.db", checks=checks)
    filler.unlink()

    engine = opened(disk / "state.db", checks=checks)  # and what was begun is in nobody's way
    engine.write(put("a", 1))
    assert engine.notes == []


def test_a_backup_that_does_not_fit_leaves_nothing_behind(
    disk: Path, opened: Callable[..., SqliteEngine]
) -> None:
    engine = opened()
    engine.write(put("a", 1))
    fill(disk)

    with pytest.raises(StateFullError, match=r"disk/copy\.db: database or disk is full"):
        engine.backup(disk / "copy.db")

    assert not (disk / "copy.db").exists()


@pytest.mark.parametrize("checks", [True, False])
def test_a_read_only_disk_says_so_and_the_way_out(
    disk: Path, opened: Callable[..., SqliteEngine], checks: bool
) -> None:
    opened(disk / "state.db").close()
    remount(disk, "ro")

    with pytest.raises(
        StateError,
        match=r"cannot open .*Read-only file system\n  do: name a local, writable place with --autorl",
    ):
        opened(disk / "state.db", checks=checks)

    remount(disk, "rw")
    opened(disk / "state.db", checks=checks).write(put("a", 1))


def test_a_file_that_is_read_only_says_so_and_the_way_out(
    disk: Path, opened: Callable[..., SqliteEngine]
) -> None:
    """The file alone: its folder, where the gate and the log are, can be written."""
    path = disk / "state.db"
    first = opened(path)
    first.write(put("a", 1))
    first.close()
    subprocess.run(["mount", "--bind", path, path], check=True)
    try:
        remount(path, "ro,bind")
        engine = opened(path, checks=True)

        with pytest.raises(
            StateError, match=r"cannot be written: attempt to write a readonly.*\n  do: name a"
        ):
            engine.write(put("a", 2))

        assert engine.read(numbers("a")) == [1]
        engine.close()
    finally:
        subprocess.run(["umount", path], check=True)


def test_a_folder_that_cannot_be_made_says_so_and_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(
        StateError, match=r"cannot make the folder .*file/below: Not a directory\n  do: name a writable place"
    ):
        SqliteEngine(tmp_path / "file" / "below" / "state.db")


# -- stopped and killed writers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["gate", "begun", "worked"])
def test_a_writer_stopped_inside_the_gate_is_named_and_nothing_is_done_behind_anybodys_back(
    path: Path, opened: Callable[..., SqliteEngine], point: str
) -> None:
    engine = opened(deadline_s=DEADLINE_S)
    engine.read(numbers("a"))
    with Child(STOPPED, path, point) as child:
        child.wait_until_stopped()

        with pytest.raises(
            StateBusyError,
            match=rf"within 1\.5 s: process {child.pid} holds it up\n  do: is that process stopped\?",
        ):
            engine.write(put("mine", 1))
        assert engine.read(numbers("before", "a", "b", "mine")) == [1, 0, 0, 0]  # reading goes on
        with pytest.raises(StateBusyError):
            opened(deadline_s=0.1)

        child.signal(signal.SIGCONT)
        assert child.line() == "written"
    is_written = threading.Event()
    engine.post(put("later", 1), lambda result, error: is_written.set())
    assert is_written.wait(PATIENCE_S)

    assert engine.read(numbers("a", "b", "mine", "later")) == [1, 1, 0, 1]


@pytest.mark.parametrize("point", ["gate", "begun", "worked", "committed"])
def test_after_the_death_of_a_stopped_writer_writing_works_at_once(
    path: Path, opened: Callable[..., SqliteEngine], point: str
) -> None:
    """Its half transaction is gone; what it had committed is there, whether it knew or not."""
    engine = opened()
    with Child(STOPPED, path, point) as child:
        child.wait_until_stopped()
        child.kill()

    engine.write(put("mine", 1))

    theirs = 1 if point == "committed" else 0
    assert engine.read(numbers("before", "a", "b", "mine")) == [1, theirs, theirs, 1]


def test_the_end_of_a_run_does_not_hang_on_a_stopped_writer(
    path: Path, opened: Callable[..., SqliteEngine]
) -> None:
    """What is left to close is closed when the gate opens; until then nobody may open the file another way."""
    engine, is_told = opened(deadline_s=DEADLINE_S), threading.Event()
    with Child(STOPPED, path, "worked") as child:
        child.wait_until_stopped()
        engine.post(put("posted", 1), lambda result, error: is_told.set())

        engine.close()

        assert not is_told.is_set()
        with pytest.raises(StateError, match="lose data"):
            path.read_bytes()
        child.kill()
    gate = Gate(path)
    with gate:  # the engine's thread was first in the queue, so it is through now
        assert path.read_bytes()
    gate.close()
    assert is_told.wait(PATIENCE_S)
    assert opened().read(numbers("posted", "a")) == [1, 0]


def test_killed_at_any_point_nothing_acknowledged_is_lost_and_nothing_is_half_done(tmp_path: Path) -> None:
    """All points of a fixed scenario: opening, a grant, a vital and a posted write, closing."""
    with Child(CRASHES, tmp_path) as child:
        points = int(child.line())
    assert points > 20

    for k in range(1, points + 1):
        acks = (tmp_path / str(k) / "acks").read_text().split("\n")
        assert ("closed" in acks) == (k == points)
        engine = SqliteEngine(tmp_path / str(k) / "state.db", checks=True)
        try:
            assert engine.notes == [], k  # whole, and no grant is missing
            engine.read(lambda books, k=k, acks=acks: check_crash(books, acks, k))
            engine.write(put("goes on", 1))
        finally:
            engine.close()


def check_crash(books: Books, acks: list[str], k: int) -> None:
    devices = {row.key: row for row in books.devices()}
    assert len(devices) == 2 * len(books.holders()), k
    assert devices or "enrolled" not in acks, k
    for number in (1, 2):
        found = (
            books.number(f"a{number}"),
            books.number(f"b{number}"),
            books.outbox_item("hub", str(number)),
        )
        is_there = found[0] > 0
        assert found[:2] == ((number, number) if is_there else (0, 0)), k
        assert (found[2] is not None) == is_there, k
        assert is_there or f"pair {number}" not in acks, k
    if "granted" in acks or any(row.token for row in devices.values()):
        assert [devices["d1"].token, devices["d2"].token] == [1, 1], k
        assert devices["d1"].holder == "h", k
        assert devices["d1"].port > 0, k
        is_released = not devices["d2"].holder
        assert is_released or "released" not in acks, k
    assert ("session" not in acks) or devices["d1"].sessions, k


# -- versions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("checks", [True, False])
def test_an_older_version_refuses_what_a_newer_one_has_written(
    opened: Callable[..., SqliteEngine], checks: bool
) -> None:
    opened(migrations=NEWER).write(put("a", 1))

    with pytest.raises(StateVersionError, match=f"{TOO_NEW}: .*\n  do: use that version"):
        opened(checks=checks)

    assert opened(migrations=NEWER, checks=checks).read(numbers("a")) == [1]


def test_a_newer_version_migrates_and_keeps_the_rows_and_an_older_one_writes_no_more(
    opened: Callable[..., SqliteEngine],
) -> None:
    """Also one that had the file open: it would write rows of a form that is no more."""
    old, told = opened(), list[BaseException | None]()
    old.write(put("a", 1))

    new = opened(migrations=NEWER, checks=True)

    assert new.notes == []
    assert new.read(numbers("a")) == [1]
    with pytest.raises(StateVersionError, match=TOO_NEW):
        old.write(put("b", 1))
    old.post(put("b", 1), lambda result, error: told.append(error))
    with pytest.raises(StateVersionError):
        old.write(put("b", 1), is_vital=True)
    assert [type(error) for error in told] == [StateVersionError]
    new.write(put("c", 1))
    assert new.read(numbers("a", "b", "c")) == [1, 0, 1]


def test_a_migration_that_fails_changes_nothing(opened: Callable[..., SqliteEngine]) -> None:
    broken = (*MIGRATIONS, ("ALTER TABLE holder ADD COLUMN shelf TEXT", "ALTER TABLE missing ADD COLUMN x"))
    old = opened()
    old.write(put("a", 1))

    with pytest.raises(StateError, match="no such table: missing"):
        opened(migrations=broken)

    old.write(put("b", 1))
    assert opened(checks=True).read(numbers("a", "b")) == [1, 1]
    assert opened(migrations=NEWER).read(numbers("a", "b")) == [1, 1]
