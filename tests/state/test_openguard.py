"""The guard against opening a database's file from Python, and the loss that it prevents."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_autorl.errors import StateError
from pytest_autorl.state.sqlite import SqliteEngine
from state_child import Child

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX")

#: Commits "first", opens the file as a collector of artefacts would, and commits "second" when told.
UNGUARDED = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL").fetchall(); connection.execute("PRAGMA synchronous = FULL")
connection.execute("CREATE TABLE note (text)"); connection.execute("INSERT INTO note VALUES ('first')")
open(sys.argv[1], "rb").close()
print("opened", flush=True); sys.stdin.readline()
connection.execute("INSERT INTO note VALUES ('second')")
print("committed", flush=True); sys.stdin.readline()
"""
GUARDED = """
import sys; from pathlib import Path; from pytest_autorl.state.sqlite import SqliteEngine
engine = SqliteEngine(Path(sys.argv[1])); engine.write(lambda books: books.set_number("first", 1))
try: open(sys.argv[1], "rb").close()
except Exception as error: print(type(error).__name__, flush=True)
sys.stdin.readline()
engine.write(lambda books: books.set_number("second", 2))
print("committed", flush=True); sys.stdin.readline()
"""
#: Another program that looks at the database and closes it.
LOOK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1]); connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
connection.close()
"""
NO_CURRENT_FOLDER = """
import os, sys; from pathlib import Path; from pytest_autorl.state.sqlite import SqliteEngine
engine = SqliteEngine(Path(sys.argv[1]) / "state.db")
gone = Path(sys.argv[1]) / "gone"; gone.mkdir(); os.chdir(gone); gone.rmdir()
folder = os.open(sys.argv[1], os.O_RDONLY)
os.close(os.open("other", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
engine.close()
"""


@pytest.fixture
def engine(path: Path) -> Iterator[SqliteEngine]:
    each = SqliteEngine(path)
    each.write(lambda books: books.set_number("first", 1))  # so that there is a log, too
    yield each
    each.close()


WAYS = {
    "open": lambda path: open(path, "rb").close(),
    "open, by text": lambda path: open(str(path)).close(),
    "open to write": lambda path: path.open("ab").close(),
    "os.open": lambda path: os.open(path, os.O_RDONLY),
    "os.open, by bytes": lambda path: os.open(os.fsencode(path), os.O_RDONLY),
    "shutil.copy": lambda path: shutil.copy(path, path.with_name("copy")),
    "Path.read_bytes": lambda path: path.read_bytes(),
}


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_an_open_database_cannot_be_opened_another_way(
    path: Path, ending: str, way: Callable[[Path], object]
) -> None:
    file = path.with_name(path.name + ending)
    assert file.exists()

    with pytest.raises(StateError, match=r"lose data\n  do: copy it with SqliteEngine.backup") as caught:
        way(file)

    assert str(file) in str(caught.value)


@pytest.mark.usefixtures("engine")
def test_names_that_lead_to_it_are_seen_through(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to(path)
    monkeypatch.chdir(tmp_path)

    for name in (str(link), "state.db", "./state.db-wal", f"{tmp_path}/../{tmp_path.name}/state.db"):
        with pytest.raises(StateError):
            open(name, "rb").close()


def test_a_database_that_was_opened_through_a_link_is_guarded_where_it_is(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    engine = SqliteEngine(tmp_path / "link" / "state.db")
    try:
        with pytest.raises(StateError):
            (real / "state.db").read_bytes()
    finally:
        engine.close()


@pytest.mark.usefixtures("engine")
def test_other_files_are_opened_as_ever(path: Path, tmp_path: Path) -> None:
    (tmp_path / "report").write_text("fine")

    assert (tmp_path / "report").read_text() == "fine"
    assert path.with_name("state.db.gate").read_bytes()
    reading, writing = os.pipe()
    with open(writing, "w") as file:
        file.write("by number")
    with open(reading) as file:
        assert file.read() == "by number"


def test_it_ends_with_the_last_one_who_has_the_database_open(path: Path) -> None:
    first, second = SqliteEngine(path), SqliteEngine(path)

    first.close()
    with pytest.raises(StateError):
        path.read_bytes()
    second.close()

    assert path.read_bytes().startswith(b"SQLite format 3")


def test_a_current_folder_that_is_gone_is_no_reason_to_fail(tmp_path: Path) -> None:
    """`shutil.rmtree` opens names relative to a descriptor; the hook sees them as relative to nowhere."""
    with Child(NO_CURRENT_FOLDER, tmp_path) as child:
        assert child.wait() == 0

    assert (tmp_path / "other").exists()


def test_without_the_guard_a_commit_is_lost_and_with_it_none_is(tmp_path: Path) -> None:
    """The reason for it all, and the proof that this SQLite still behaves so."""
    plain, ours = tmp_path / "plain.db", tmp_path / "ours.db"
    with Child(UNGUARDED, plain) as writer:
        writer.line()
        with Child(LOOK, plain) as looker:
            assert looker.wait() == 0
        writer.say()
        assert writer.line() == "committed"
        writer.kill()
    with Child(GUARDED, ours) as writer:
        assert writer.line() == "StateError"
        with Child(LOOK, ours) as looker:
            assert looker.wait() == 0
        writer.say()
        assert writer.line() == "committed"
        writer.kill()

    with Child(
        "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT text FROM note').fetchall())",
        plain,
    ) as reader:
        assert reader.line() == "[('first',)]"
    engine = SqliteEngine(ours)
    assert engine.read(lambda books: (books.number("first"), books.number("second"))) == (1, 2)
    engine.close()
