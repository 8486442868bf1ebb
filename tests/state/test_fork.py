"""Forks: a child has copies of everything that is open, and must disturb nothing with them.

Parents here are scripts: a test's own process has threads of the runner, which make a fork a matter of luck.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_autorl.state.liveness import end_of, is_alive
from pytest_autorl.state.sqlite import SqliteEngine
from state_child import PATIENCE_S, Child

pytestmark = pytest.mark.skipif(os.name == "nt", reason="only POSIX forks")

HEAD = """
import os, signal, sys
from pathlib import Path
from pytest_autorl.errors import StateError
from pytest_autorl.state.liveness import Liveness
from pytest_autorl.state.sqlite import SqliteEngine

path = Path(sys.argv[1])

def count(engine):
    engine.write(lambda books: books.set_number("n", books.number("n") + 1))

def tried(work):
    try: work()
    except StateError as error: print(str(error).splitlines()[0], flush=True)
    else: print("went through", flush=True)
"""
#: What a child can try with the engine of its parent, and how it ends.
PARENT_GOES_ON = (
    HEAD
    + """
engine = SqliteEngine(path); count(engine); engine.read(lambda books: books.number("n"))
child = os.fork()
if not child:
    tried(lambda: count(engine))
    tried(lambda: engine.post(lambda books: None, print))
    tried(lambda: engine.read(lambda books: books.number("n")))
    tried(lambda: engine.backup(path.with_name("copy")))
    engine.close()
    os._exit(0) if sys.argv[2] == "_exit" else sys.exit()
assert os.waitpid(child, 0)[1] == 0
count(engine)
print("goes on", flush=True)
sys.stdin.readline()
count(engine)
print("acknowledged", flush=True)
sys.stdin.readline()
"""
)
CHILD_OPENS_IT_AGAIN = (
    HEAD
    + """
engine = SqliteEngine(path); count(engine)
child = os.fork()
if not child:
    tried(lambda: SqliteEngine(path))
    (path.parent / "link").symlink_to(path)
    tried(lambda: SqliteEngine(path.parent / "link"))
    other = SqliteEngine(path.with_name("other.db")); count(other); other.close()
    print("has its own", flush=True)
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
engine.close()
"""
)
#: Forks inside the gate, and waits there to be killed; the child lives until its input ends.
FORKED_INSIDE = (
    HEAD
    + """
def at(point):
    if point == "worked" and is_armed:
        child = os.fork()
        if not child:
            print(os.getpid(), flush=True); sys.stdin.read(); os._exit(0)
        signal.pause()

is_armed = False
engine = SqliteEngine(path, at=at); count(engine)
is_armed = True
engine.write(lambda books: books.set_number("n", 100))
"""
)
#: Ends in order and leaves a fork behind, which ends in order when its input does.
OUTLIVED = (
    HEAD
    + """
engine = SqliteEngine(path); count(engine); engine.read(lambda books: books.number("n"))
child = os.fork()
if not child:
    print(os.getpid(), flush=True); sys.stdin.read(); sys.exit()
engine.close(); os._exit(0)
"""
)
#: Writes, and dies with its log.
KILLED = (
    HEAD
    + """
engine = SqliteEngine(path); count(engine); print("acknowledged", flush=True); os.kill(os.getpid(), signal.SIGKILL)
"""
)
LIVE = (
    HEAD
    + """
sign = Liveness(path, "parent")
child = os.fork()
if not child:
    if sys.argv[2] == "outlives": print(os.getpid(), flush=True); sys.stdin.read()
    os._exit(0) if sys.argv[2] == "_exit" else sys.exit()
if sys.argv[2] == "outlives": signal.pause()
assert os.waitpid(child, 0)[1] == 0
print("it has ended", flush=True); sys.stdin.readline()
"""
)


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[[], SqliteEngine]]:
    made: list[SqliteEngine] = []

    def engine() -> SqliteEngine:
        made.append(SqliteEngine(path))
        return made[-1]

    yield engine
    for each in made:
        each.close()


@pytest.mark.parametrize("end", ["_exit", "sys.exit"])
def test_a_fork_cannot_use_its_parents_state_and_does_not_disturb_it(
    path: Path, opened: Callable[[], SqliteEngine], end: str
) -> None:
    """Its end, orderly or not, must not drop locks or remove the log of what the parent goes on to write."""
    with Child(PARENT_GOES_ON, path, end) as parent:
        for _ in range(4):
            assert parent.line() == (
                f"{path} was opened by process {parent.pid}, of which this one is a fork"
            )
        assert parent.line() == "goes on"

        engine = opened()
        engine.write(lambda books: books.set_number("other", 1))
        engine.close()  # had the parent's locks been dropped, this one would be the last and remove the log
        parent.say()
        assert parent.line() == "acknowledged"
        parent.kill()

    assert opened().read(lambda books: (books.number("n"), books.number("other"))) == (3, 1)


def test_a_fork_cannot_open_what_its_parent_has_open(path: Path, opened: Callable[[], SqliteEngine]) -> None:
    """SQLite's own list of locks was copied with the process: it would believe to have locks that it has not."""
    with Child(CHILD_OPENS_IT_AGAIN, path) as parent:
        assert parent.line() == f"{path} was open in the process of which this one is a fork"
        assert parent.line() == f"{path.parent}/link was open in the process of which this one is a fork"
        assert parent.line() == "has its own"
        assert parent.wait() == 0

    assert opened().read(lambda books: books.number("n")) == 1


def test_a_fork_does_not_keep_the_gate_shut_when_its_parent_dies_inside(
    path: Path, opened: Callable[[], SqliteEngine]
) -> None:
    """It has copies of the gate's descriptors, and a lock ends only with the last one of them."""
    with Child(FORKED_INSIDE, path) as parent:
        child = int(parent.line())
        parent.kill()
        os.kill(child, 0)  # it is there

        engine = opened()
        engine.write(lambda books: books.set_number("other", 1))

        assert engine.read(lambda books: (books.number("n"), books.number("other"))) == (1, 1)


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="no pidfd_open(2) here")
def test_the_end_of_a_fork_that_outlived_its_parent_takes_nobodys_log_with_it(
    path: Path, opened: Callable[[], SqliteEngine]
) -> None:
    """What it inherited looks to SQLite like the last one on the file, and the last one removes the log."""
    with Child(OUTLIVED, path) as parent:
        fork = end_of(int(parent.line()))
        assert fork is not None
        assert parent.wait() == 0
        with Child(KILLED, path) as writer:
            assert writer.line() == "acknowledged"
            assert writer.wait() == -signal.SIGKILL
    try:
        assert select.select([fork], [], [], PATIENCE_S)[0]  # its input has ended with the context
    finally:
        os.close(fork)

    assert opened().read(lambda books: books.number("n")) == 2


@pytest.mark.parametrize("end", ["_exit", "sys.exit"])
def test_the_end_of_a_fork_is_not_that_of_its_parent(tmp_path: Path, end: str) -> None:
    with Child(LIVE, tmp_path, end) as parent:
        parent.line()

        assert is_alive(tmp_path, "parent")


def test_a_fork_that_outlives_its_parent_does_not_keep_it_alive(tmp_path: Path) -> None:
    """Else a helper that a test left behind would keep its device busy for good."""
    with Child(LIVE, tmp_path, "outlives") as parent:
        child = int(parent.line())
        assert is_alive(tmp_path, "parent")

        parent.signal(signal.SIGKILL)
        parent.wait()

        os.kill(child, 0)  # it is there
        assert not is_alive(tmp_path, "parent")
