"""A damaged state: found, set aside and begun anew without losing what matters, or refused.

What matters: no token comes a second time, and devices that were in use are recovered before anybody gets them.
The damage is done while no engine of this process has the file open: `openguard` would not allow it.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_autorl.errors import StateDamagedError, StateVersionError
from pytest_autorl.state import ledger, takeover
from pytest_autorl.state.engine import Books, DeviceRow, HolderRow, SessionRow, TicketRow
from pytest_autorl.state.gate import Gate
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.sqlite_file import GONE
from state_child import Child

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX"),
]

NOW = ledger.Now(100.0, 1000.0, 60.0)
#: So many, with such long ids, that their rows fill many pages.
DEVICES = [f"device-{number:03}-{'x' * 100}" for number in range(200)]
#: Grants one device after the other, each in a transaction, and leaves a log behind by dying.
GRANTS = """
import os, signal, sys; from pathlib import Path; from pytest_autorl.state import ledger
from pytest_autorl.state.engine import HolderRow, TicketRow; from pytest_autorl.state.sqlite import SqliteEngine
now = ledger.Now(100.0, 1000.0, 60.0); keys = sys.argv[2:]
engine = SqliteEngine(Path(sys.argv[1]))
engine.write(lambda books: ledger.enroll(books, dict.fromkeys(keys, 0), now))
engine.write(lambda books: ledger.join(books, HolderRow("h", "run", "me", 1, "boot", "")))
for key in keys:
    wish = TicketRow(0, "h", "me", "a test", "", (key,), 1, 0.0, 200.0, "")
    engine.write(lambda books: ledger.ask(books, wish, now))
print("granted", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
#: Overwrites a part of a file, as a failing disk does.
OVERWRITE = """
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY); os.pwrite(file, b"\\xa5" * int(sys.argv[3]), int(sys.argv[2]))
"""
#: Starts a run on a state that may be damaged, and dies after a write that was acknowledged.
NEW_RUN = """
import os, signal, sys; from pathlib import Path; from pytest_autorl.state.sqlite import SqliteEngine
engine = SqliteEngine(Path(sys.argv[1]), checks=True)
engine.write(lambda books: books.set_number("new", 1))
print(*engine.notes, flush=True); sys.stdin.readline()
engine.write(lambda books: books.set_number("acknowledged", 1))
print("acknowledged", flush=True); sys.stdin.readline()
"""


@pytest.fixture
def used(path: Path) -> Path:
    """A state of 200 devices, closed: every tenth is leased under token 3, the first of them with a session."""
    engine = SqliteEngine(path)
    engine.write(lambda books: ledger.enroll(books, dict.fromkeys(DEVICES, 0), NOW))
    engine.write(lambda books: ledger.join(books, HolderRow("h", "run", "me", 1, "boot", "")))
    for _ in range(2):
        engine.write(lambda books: [grant(books, key) for key in DEVICES[::10]])
        engine.write(
            lambda books: [
                ledger.release(books, key, "h", token_of(books, key), NOW) for key in DEVICES[::10]
            ]
        )
    engine.write(lambda books: [grant(books, key) for key in DEVICES[::10]])
    engine.write(
        lambda books: ledger.note_sessions(books, DEVICES[0], "h", 3, [SessionRow("http://h", "s-1")])
    )
    engine.close()
    assert path.stat().st_size > 30_000
    return path


def grant(books: Books, key: str) -> int:
    wish = TicketRow(0, "h", "me", "a test", "", (key,), 1, 0.0, 200.0, "")
    (row,) = ledger.ask(books, wish, NOW).granted
    return row.token


def token_of(books: Books, key: str) -> int:
    row = books.device(key)
    assert row is not None
    return row.token


def overwrite(path: Path, at: int, size: int) -> None:
    with Child(OVERWRITE, path, at, size) as child:
        assert child.wait() == 0


def header(path: Path) -> None:
    overwrite(path, 0, 64)


def first_page(path: Path) -> None:
    overwrite(path, 100, 3000)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def gone(path: Path) -> None:
    path.unlink()


def gone_but_for_its_log(path: Path) -> None:
    path.unlink()
    path.with_name(f"{path.name}-wal").write_bytes(b"x" * 5000)


def rows_of(path: Path) -> list[int]:
    """Where the pages with rows of devices begin (leaves of an index, https://www.sqlite.org/fileformat2.html)."""
    content = path.read_bytes()
    pages = range(4096, len(content), 4096)
    return [at for at in pages if content[at] == 10 and b"device-" in content[at : at + 4096]]


def a_middle_page(path: Path) -> None:
    pages = rows_of(path)
    assert len(pages) > 5
    overwrite(path, pages[len(pages) // 2], 2000)


ALL_DAMAGE = [header, first_page, a_middle_page, empty, half, gone, gone_but_for_its_log]
#: What leaves the devices readable, but for some.
SOME_DAMAGE = [a_middle_page]


def asides(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir() if ".damaged-" in each.name)


# -- set aside and begun anew -----------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ALL_DAMAGE)
def test_a_new_run_sets_a_damaged_state_aside_and_begins_one_in_which_no_token_comes_again(
    used: Path, opened: Callable[..., SqliteEngine], damage: Callable[[Path], None]
) -> None:
    damage(used)

    engine = opened(checks=True)

    (note,) = engine.notes
    assert note.startswith(f"the state {used} was damaged (")
    if damage is not gone:
        assert any(name in note for name in {aside.removesuffix("-wal") for aside in asides(used)})
    tokens = engine.write(lambda books: ledger.enroll(books, dict.fromkeys(DEVICES, 0), NOW)) or engine.read(
        lambda books: [row.token for row in books.devices()]
    )
    assert len(tokens) == len(DEVICES)
    assert min(tokens) > 3
    assert engine.write(lambda books: grant(books, DEVICES[1])) > 3
    engine.close()
    assert opened(checks=True).notes == []  # and it is whole


@pytest.mark.parametrize("damage", ALL_DAMAGE)
def test_without_a_look_first_a_damaged_state_is_refused_or_fails_when_read(
    used: Path, opened: Callable[..., SqliteEngine], damage: Callable[[Path], None]
) -> None:
    """A worker comes to a state that its controller has looked at; it must not begin a new one in silence."""
    damage(used)

    with pytest.raises(
        StateDamagedError, match=r"is damaged: .*\n  do: start a new run: it sets the file aside"
    ):
        opened().read(lambda books: books.devices())

    assert asides(used) == []
    assert opened(checks=True).notes


@pytest.mark.parametrize("damage", SOME_DAMAGE)
def test_devices_that_were_in_use_are_there_to_be_recovered(
    used: Path, opened: Callable[..., SqliteEngine], damage: Callable[[Path], None]
) -> None:
    """A bad page costs the rows that stand on it; the others, before and behind it, are read."""
    damage(used)
    engine = opened(checks=True)

    rows = engine.read(lambda books: books.devices())

    assert {row.holder for row in rows} == {GONE}
    assert {row.key for row in rows} < set(DEVICES[::10])
    assert len(rows) >= len(DEVICES[::10]) - 3
    assert rows[0].key == DEVICES[0]
    assert rows[0].sessions == (SessionRow("http://h", "s-1"),)
    assert f"{len(rows)} devices that it knew in use are recovered first" in engine.notes[0]
    # Whoever comes first takes them over, under new tokens, to recover them.
    engine.write(lambda books: ledger.join(books, HolderRow("new", "run", "me", 1, "boot", "")))
    reaped = engine.write(lambda books: takeover.reap(books, (), "new", NOW))
    assert [after.token for _, after in reaped.devices] == [row.token + 1 for row in rows]
    assert [after.sessions for _, after in reaped.devices] == [row.sessions for row in rows]


def test_a_second_damage_does_not_bring_tokens_back(used: Path, opened: Callable[..., SqliteEngine]) -> None:
    """Not even when the time of day was set back in between: what can still be read counts as well."""
    header(used)
    first = opened(checks=True, wall_s=lambda: 2e9)
    first.write(lambda books: ledger.enroll(books, dict.fromkeys(DEVICES, 0), NOW))
    first.write(lambda books: ledger.join(books, HolderRow("h", "run", "me", 1, "boot", "")))
    token = first.write(lambda books: grant(books, DEVICES[0]))
    assert token > 2e9 * 1000
    first.close()
    a_middle_page(used)

    second = opened(checks=True, wall_s=lambda: 1e9)

    second.write(lambda books: ledger.enroll(books, dict.fromkeys(DEVICES, 0), NOW))
    assert second.read(lambda books: token_of(books, DEVICES[1])) >= token


def test_garbage_within_the_log_is_betrayed_by_the_last_grant(
    path: Path, opened: Callable[..., SqliteEngine]
) -> None:
    """SQLite reads the log up to the first frame that is not whole and says nothing: grants would come again."""
    with Child(GRANTS, path, *DEVICES[:10]) as child:
        assert child.line() == "granted"
        assert child.wait() == -signal.SIGKILL
    log = path.with_name("state.db-wal")
    overwrite(log, log.stat().st_size * 3 // 4, 64)

    with pytest.raises(StateDamagedError, match=rf"the last grant, token 1 of {DEVICES[9]}, is missing"):
        opened()
    engine = opened(checks=True)

    assert f"(the last grant, token 1 of {DEVICES[9]}, is missing)" in engine.notes[0]
    engine.write(lambda books: ledger.enroll(books, dict.fromkeys(DEVICES[:10], 0), NOW))
    assert min(engine.read(lambda books: [row.token for row in books.devices()])) > 1
    rows = engine.read(lambda books: books.devices())
    assert 0 < len([row for row in rows if row.holder == GONE]) < 10  # those whose grants were left


def test_a_log_that_was_cut_off_is_betrayed_too(path: Path, opened: Callable[..., SqliteEngine]) -> None:
    with Child(GRANTS, path, *DEVICES[:10]) as child:
        assert child.line() == "granted"
        assert child.wait() == -signal.SIGKILL
    path.with_name("state.db-wal").unlink()

    assert "was damaged" in opened(checks=True).notes[0]


def test_a_log_that_was_left_over_is_kept_for_whoever_wants_to_look(
    used: Path, opened: Callable[..., SqliteEngine]
) -> None:
    """SQLite would throw it away with the first look at what is no more."""
    gone_but_for_its_log(used)

    opened(checks=True)

    (aside,) = asides(used)
    assert aside.endswith("-wal")
    assert used.with_name(aside).read_bytes() == b"x" * 5000


def test_rows_of_garbage_are_left_where_they_are(path: Path, opened: Callable[..., SqliteEngine]) -> None:
    """A page that fails can still have the form of rows; what they hold must not get into the new state."""
    first = opened()
    first.write(lambda books: ledger.enroll(books, dict.fromkeys(DEVICES, 0), NOW))
    leased = DeviceRow("device-0005", "busy", holder="h", token=7, sessions=(SessionRow("u", "s"),))
    first.write(lambda books: [books.put_device(leased._replace(key=f"device-000{n}")) for n in range(7)])
    first.write(lambda books: books.note_token("device-0006", 7))
    first.close()
    connection = sqlite3.connect(path)
    for number, change in enumerate(
        [
            "owner = x'ff00'",
            "token = 'many'",
            "sessions = 'no JSON'",
            "sessions = '[[1, 2]]'",
            "sessions = '7'",
        ]
    ):
        connection.execute(f"UPDATE device SET {change} WHERE key = 'device-000{number}'")
    connection.execute("UPDATE device SET key = x'00ff', owner = x'41' WHERE key = 'device-0005'")
    connection.commit()
    connection.close()
    a_middle_page(path)

    engine = opened(checks=True)

    assert [row.key for row in engine.read(lambda books: books.devices())] == ["device-0006"]


def test_what_is_whole_is_left_alone(used: Path, opened: Callable[..., SqliteEngine]) -> None:
    engine = opened(checks=True)

    assert engine.notes == []
    assert asides(used) == []
    assert engine.read(lambda books: token_of(books, DEVICES[0])) == 3


def test_a_device_that_was_forgotten_is_not_taken_for_a_lost_grant(
    path: Path, opened: Callable[..., SqliteEngine]
) -> None:
    first = opened()
    first.write(lambda books: ledger.enroll(books, {"run@d1": 0}, NOW))
    token = first.write(lambda books: grant(books, "run@d1"))
    first.write(lambda books: ledger.release(books, "run@d1", "h", token, NOW))
    first.write(lambda books: ledger.forget(books, "run", NOW, stale_s=1.0))
    first.close()

    assert opened(checks=True).notes == []


def test_who_forgets_a_device_can_be_killed_before_the_mark_is_moved(
    path: Path, opened: Callable[..., SqliteEngine]
) -> None:
    """A device of a run goes with it: that the last grant was of one that is gone says nothing."""
    first = opened()
    first.write(lambda books: ledger.enroll(books, {"run@d1": 0, "d2": 0}, NOW))
    first.write(lambda books: grant(books, "run@d1"))
    first.write(lambda books: books.remove_device("run@d1"))  # all that is left when it is killed then
    first.close()

    assert opened(checks=True).notes == []


def test_a_grant_of_a_device_of_a_run_can_be_missing_too(
    path: Path, opened: Callable[..., SqliteEngine]
) -> None:
    first = opened()
    first.write(lambda books: ledger.enroll(books, {"run@d1": 0}, NOW))
    first.write(lambda books: grant(books, "run@d1"))
    first.write(lambda books: books.put_device(DeviceRow("run@d1", "available")))
    first.close()

    assert "(the last grant, token 1 of run@d1, is missing)" in opened(checks=True).notes[0]


def test_an_emptied_state_of_a_run_is_begun_without_a_word(
    path: Path, opened: Callable[..., SqliteEngine]
) -> None:
    """All that it knew belonged to a run: nobody can name a token of it any more."""
    first = opened()
    first.write(lambda books: ledger.enroll(books, {"run@d1": 0}, NOW))
    first.write(lambda books: grant(books, "run@d1"))
    first.close()
    empty(path)

    assert opened(checks=True).notes == []


# -- others who have it open -----------------------------------------------------------------------------------


@pytest.mark.parametrize("first_use", ["write", "read"])
def test_who_had_the_damaged_file_open_follows_to_the_new_one(
    used: Path, opened: Callable[..., SqliteEngine], first_use: str
) -> None:
    """And takes nothing of the new one with it when it closes the old one: the log has the same name."""
    engine = opened()
    engine.read(lambda books: books.number("new"))
    engine.write(lambda books: books.set_number("old", 1))
    header(used)
    with Child(NEW_RUN, used) as run:
        assert "was damaged" in run.line()

        if first_use == "write":
            engine.write(lambda books: books.set_number("mine", 1))
        assert engine.read(lambda books: [books.number("old"), books.number("new")]) == [0, 1]
        engine.write(lambda books: books.set_number("mine", 1))
        assert engine.read(lambda books: books.number("mine")) == 1

        run.say()
        assert run.line() == "acknowledged"
        run.kill()
    engine.close()

    with Child(NEW_RUN, used) as run:
        assert run.line() == ""
    assert opened().read(lambda books: [books.number(n) for n in ("new", "mine", "acknowledged")]) == [
        1,
        1,
        1,
    ]


def test_a_state_that_is_removed_under_a_run_is_not_begun_anew_in_silence(
    used: Path, opened: Callable[..., SqliteEngine]
) -> None:
    """Its tokens would come again; the next run begins one with higher ones, and this one follows."""
    engine = opened()
    engine.read(lambda books: books.devices())
    used.unlink()

    for use in (engine.read, engine.write, engine.read):
        with pytest.raises(StateDamagedError, match="is damaged: it is empty"):
            use(lambda books: books.devices())

    assert "was damaged" in opened(checks=True).notes[0]
    engine.write(lambda books: ledger.enroll(books, {DEVICES[0]: 0}, NOW))
    assert engine.read(lambda books: token_of(books, DEVICES[0])) > 3


def test_a_page_that_fails_while_it_is_open_is_told_to_who_reads_it(
    used: Path, opened: Callable[..., SqliteEngine]
) -> None:
    page = rows_of(used)[3]
    engine = opened()
    overwrite(used, page, 2000)

    with pytest.raises(StateDamagedError, match=r"is damaged: .*malformed\n  do: start a new run"):
        engine.read(lambda books: books.devices())

    assert engine.read(lambda books: token_of(books, DEVICES[0])) == 3  # the other pages are as good as ever


def test_a_state_that_is_overwritten_under_a_run_is_refused(
    used: Path, opened: Callable[..., SqliteEngine], tmp_path: Path
) -> None:
    engine = opened()
    (tmp_path / "text").write_text("no database at all")
    os.replace(tmp_path / "text", used)

    for use in (engine.read, engine.write):
        with pytest.raises(StateDamagedError, match="is damaged: file is not a database"):
            use(lambda books: books.devices())


# -- what was never ours ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("checks", [True, False])
@pytest.mark.parametrize("size", [20, 600, 5000])
def test_a_file_that_is_no_database_is_refused_and_left_alone(
    path: Path, opened: Callable[..., SqliteEngine], size: int, checks: bool
) -> None:
    """Without a mark of ours beside it, nobody knows what it is good for: a name was mistyped."""
    path.write_bytes(b"n" * size)

    with pytest.raises(
        StateVersionError,
        match=r"is no state of pytest-autorl \(file is not a database\)\n  do: name another",
    ):
        opened(checks=checks)

    assert path.read_bytes() == b"n" * size
    assert asides(path) == []
    gate = Gate(path)
    assert gate.mark() is None  # still not ours
    gate.close()


@pytest.mark.parametrize("checks", [True, False])
def test_a_database_of_somebody_else_is_refused_and_left_alone(
    path: Path, opened: Callable[..., SqliteEngine], checks: bool
) -> None:
    """Not even the mode of its journal is changed, which stands in the file."""
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE photos (name TEXT)")
    connection.commit()
    connection.close()
    before = path.read_bytes()

    with pytest.raises(
        StateVersionError, match=r"a database, but no state of pytest-autorl\n  do: name another"
    ):
        opened(checks=checks)

    assert path.read_bytes() == before
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "state.db",
        "state.db.gate",
        "state.db.queue",
    ]


@pytest.mark.parametrize("checks", [True, False])
def test_an_empty_file_from_which_nothing_was_granted_is_begun(
    path: Path, opened: Callable[..., SqliteEngine], checks: bool
) -> None:
    path.touch()

    engine = opened(checks=checks)
    engine.write(lambda books: books.set_number("a", 1))

    assert engine.notes == []
    assert asides(path) == []


def test_the_clock_counts_for_tokens_in_milliseconds(used: Path, opened: Callable[..., SqliteEngine]) -> None:
    """No device is granted a thousand times a second: what the time says is above all that cannot be read."""
    header(used)
    before = time.time()

    engine = opened(checks=True)

    assert engine.read(lambda books: books.number("floor")) >= int(before * 1000)
