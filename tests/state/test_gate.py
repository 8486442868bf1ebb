"""The gate: one process at a time, in the order in which they came, and the mark of the last grant."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.errors import StateError
from pytest_autorl.state import gate as module
from pytest_autorl.state.gate import Gate, lock_keepers
from state_child import PATIENCE_S, Child

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX")

#: Adds one to the number in a file, so often; a lost update shows that two were inside.
COUNT = """
import sys; from pathlib import Path; from pytest_autorl.state.gate import Gate
path, file, turns = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
gate = Gate(path)
for _ in range(turns):
    with gate:
        file.write_text(str(int(file.read_text()) + 1))
"""
#: Takes turns in a tight loop until all together have had so many; turns count once everybody has had one. A turn
#: lasts as long as a sync of a fast disk: in a shorter one those who wait are not even awake when it ends.
CONTEND = """
import os, struct, sys, time; from pathlib import Path; from pytest_autorl.state.gate import Gate
path, mine, all_turns = Path(sys.argv[1]), int(sys.argv[3]), int(sys.argv[4])
file = os.open(sys.argv[2], os.O_RDWR); form = struct.Struct("4q 4q"); gate = Gate(path)
while True:
    with gate:
        numbers = list(form.unpack(os.pread(file, form.size, 0)))
        are_here, turns = numbers[:4], numbers[4:]
        if sum(turns) >= all_turns:
            break
        if all(are_here):
            turns[mine] += 1
        are_here[mine] = 1
        time.sleep(0.0002)
        os.pwrite(file, form.pack(*are_here, *turns), 0)
"""
INSIDE = """
import sys; from pathlib import Path; from pytest_autorl.state.gate import Gate
with Gate(Path(sys.argv[1])):
    print("inside", flush=True); sys.stdin.readline()
"""
MARK = """
import sys; from pathlib import Path; from pytest_autorl.state.gate import Gate
gate = Gate(Path(sys.argv[1])); print(gate.mark(), flush=True); gate.set_mark("pixel 8", 42)
"""


@pytest.fixture
def gate(path: Path) -> Iterator[Gate]:
    each = Gate(path)
    yield each
    each.close()


def test_one_process_at_a_time_is_inside(path: Path, tmp_path: Path) -> None:
    number = tmp_path / "number"
    number.write_text("0")

    with ExitStack() as stack:
        children = [stack.enter_context(Child(COUNT, path, number, 200)) for _ in range(3)]
        assert [child.wait() for child in children] == [0, 0, 0]

    assert number.read_text() == "600"


def test_who_has_just_had_a_turn_does_not_overtake_who_waits(path: Path, gate: Gate) -> None:
    """A single lock would: whoever lets it go is soonest to ask for it again."""
    other, order = Gate(path), list[str]()
    queue = os.open(path.with_name("state.db.queue"), os.O_RDWR)

    def is_waiting() -> bool:
        try:
            fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(queue, fcntl.LOCK_UN)
        return False

    def wait() -> None:
        with other:
            order.append("other")

    for _ in range(20):
        thread = threading.Thread(target=wait)
        with gate:
            thread.start()
            while not is_waiting():
                assert thread.is_alive()
            order.append("first")
        with gate:
            order.append("again")
        thread.join(PATIENCE_S)
    os.close(queue)
    other.close()

    assert order == ["first", "other", "again"] * 20


def test_under_contention_everybody_gets_about_as_many_turns(path: Path, tmp_path: Path) -> None:
    """SQLite's own waiting lets one process do all the work while the others starve."""
    turns = tmp_path / "turns"
    turns.write_bytes(bytes(64))

    with ExitStack() as stack:
        children = [stack.enter_context(Child(CONTEND, path, turns, mine, 400)) for mine in range(4)]
        assert [child.wait() for child in children] == [0] * 4

    raw = turns.read_bytes()[32:]
    counts = [int.from_bytes(raw[at : at + 8], sys.byteorder) for at in range(0, 32, 8)]
    assert sum(counts) == 400
    assert min(counts) / max(counts) >= 0.5, counts


def test_a_process_that_dies_inside_leaves_it_open(path: Path, gate: Gate) -> None:
    with Child(INSIDE, path) as child:
        child.line()
        child.kill()

    with gate:
        pass


def test_an_error_inside_leaves_it_open(path: Path, gate: Gate) -> None:
    with pytest.raises(KeyError), gate:
        raise KeyError

    with Gate(path):
        pass


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux tells who has a lock")
def test_who_holds_it_up_can_be_named(path: Path, gate: Gate) -> None:
    assert gate.keepers() == []

    with Child(INSIDE, path) as child:
        child.line()
        child.signal(signal.SIGSTOP)
        child.wait_until_stopped()

        assert gate.keepers() == [child.pid]


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux tells who has a lock")
def test_who_asks_is_not_named(gate: Gate) -> None:
    """Whoever waits for the gate stands first in the queue itself."""
    with gate:
        assert gate.keepers() == []


def test_where_the_kernel_does_not_tell_nobody_is_named(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOCKS", tmp_path / "missing")

    assert gate.keepers() == []


@pytest.mark.parametrize(
    ("line", "keepers"),
    [
        pytest.param("7: FLOCK  ADVISORY  WRITE 812 fe:00:77 0 EOF", {812}, id="holds one"),
        pytest.param("7: FLOCK  ADVISORY  READ 9 fe:00:78 0 EOF", {9}, id="shares the other"),
        pytest.param("7: -> FLOCK  ADVISORY  WRITE 9 fe:00:77 0 EOF", set(), id="waits"),
        pytest.param("7: FLOCK  ADVISORY  WRITE 9 fe:00:177 0 EOF", set(), id="another file"),
        pytest.param("7: POSIX  ADVISORY  WRITE 9 fe:00:77 0 EOF", set(), id="another kind of lock"),
        pytest.param("7: FLOCK  ADVISORY  WRITE 0 fe:00:77 0 EOF", set(), id="of another PID namespace"),
        pytest.param("7: FLOCK  ADVISORY  WRITE -1 <none>:0 0 EOF", set(), id="no file"),
        pytest.param("7: FLOCK  ADVISORY", set(), id="half a line"),
        pytest.param("", set(), id="nothing"),
    ],
)
def test_the_kernels_list_of_locks_is_understood(line: str, keepers: set[int]) -> None:
    assert lock_keepers([line], {77, 78}) == keepers


def test_nothing_is_marked_before_the_first_time(gate: Gate) -> None:
    assert gate.mark() is None


def test_a_mark_is_seen_by_other_processes(path: Path, gate: Gate) -> None:
    gate.set_mark("d1", 7)
    with Child(MARK, path) as child:
        assert child.line() == "('d1', 7)"
        assert child.wait() == 0

    assert gate.mark() == ("pixel 8", 42)


@given(key=st.text(st.characters(codec="utf-8", exclude_characters="\0\n")), token=st.integers(0, 2**63))
def test_a_mark_comes_back_as_it_was_or_as_its_beginning(
    key: str, token: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The longest ids are cut; the beginning still finds the device, whatever the cut went through."""
    gate = Gate(tmp_path_factory.getbasetemp() / "mark.db")
    gate.set_mark("something else", 2**63)

    gate.set_mark(key, token)
    mark = gate.mark()
    gate.close()

    assert mark is not None
    assert mark[1] == token
    assert key.startswith(mark[0])
    assert mark[0] == key or len(key.encode()) > 200


@pytest.mark.parametrize("key", ["é" * 300, "x" + "é" * 300, "€" * 300])
def test_an_id_that_is_cut_within_a_character_is_still_found(gate: Gate, key: str) -> None:
    gate.set_mark(key, 1)

    mark = gate.mark()

    assert mark is not None
    assert key.startswith(mark[0])
    assert len(mark[0]) > 50


@pytest.mark.parametrize("content", [b"", b"arl1", b"arl1 x d1", b"arl2 7 d1", bytes(300), b"\xff" * 300])
def test_what_is_no_mark_is_none(gate: Gate, content: bytes) -> None:
    gate.path.write_bytes(content)

    assert gate.mark() is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_costs_the_mark_and_nothing_else(path: Path) -> None:
    path.with_name("state.db.gate").symlink_to("/dev/full")
    gate = Gate(path)

    gate.set_mark("d1", 7)

    assert gate.mark() is None
    gate.close()


def test_a_place_that_cannot_be_written_says_so_and_keeps_nothing_open(path: Path) -> None:
    path.with_name("state.db.gate").mkdir()
    before = os.listdir("/dev/fd")

    with pytest.raises(
        StateError, match=r"cannot open .*state\.db\.gate: Is a directory\n  do: name a local"
    ):
        Gate(path)

    assert len(os.listdir("/dev/fd")) == len(before)


def test_a_platform_without_file_locks_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)

    with pytest.raises(StateError, match=r"need POSIX file locks\n  do: use WSL2 for a farm"):
        Gate(path)


def test_it_can_be_closed_twice_and_names_nobody_then(gate: Gate) -> None:
    gate.close()
    gate.close()

    assert gate.keepers() == []
