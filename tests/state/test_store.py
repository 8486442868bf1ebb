"""The lease store where something goes wrong: what cannot be written, asked for or found out loses no device."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pytest_autorl.errors import (
    LeaseLostError,
    LeaseTimeoutError,
    OutOfServiceError,
    StateBusyError,
    StateError,
)
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.state import ledger, liveness, ports
from pytest_autorl.state.bell import Bell
from pytest_autorl.state.engine import Books, Engine
from pytest_autorl.state.grants import BLOCK_SIZE, FIRST_PORT
from pytest_autorl.state.leases import Lease, Session, Unclean
from pytest_autorl.state.liveness import Liveness
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.store import DurableStore

pytestmark = [pytest.mark.integration, pytest.mark.skipif(os.name == "nt", reason="leases are POSIX")]

T = TypeVar("T")


@contextlib.contextmanager
def squatter(port: int) -> Iterator[None]:
    """Somebody who leases nothing listens on a port.

    Said, not done: tests beside this one lease and leave the same ports, so which are in use would be luck.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ports, "are_free", lambda ports: port not in ports)
        yield


class Stubborn:
    """An engine whose writes fail as long as `refuses` is set; the rest is the real one's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.refuses = threading.Event()

    def write(self, work: Callable[[Books], T], *, is_vital: bool = False) -> T:
        if self.refuses.is_set():
            raise StateBusyError("held up by the test")
        return self._engine.write(work, is_vital=is_vital)

    def post(
        self, work: Callable[[Books], T], then: Callable[[T | None, BaseException | None], None]
    ) -> None:
        if self.refuses.is_set():
            then(None, StateBusyError("held up by the test"))
        else:
            self._engine.post(work, then)

    def read(self, work: Callable[[Books], T]) -> T:
        return self._engine.read(work)

    def close(self) -> None:
        self._engine.close()


class Shelf:
    """Stores over one folder, closed with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engines: list[Stubborn] = []
        self.stores: list[DurableStore] = []

    def open(self, *, ports: int = 0, **words: Any) -> DurableStore:
        engine = Stubborn(SqliteEngine(self.folder / "state.db"))
        devices = {"a": ports, "b": ports}
        words = {"heartbeat_s": 0.05, "ttl_s": 30.0, **words}
        store = DurableStore(engine, folder=self.folder / "holders", devices=devices, **words)
        self.engines.append(engine)
        self.stores.append(store)
        return store


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path)
    yield made
    for engine in made.engines:
        engine.refuses.clear()
    for store in made.stores:
        store.close()


def acquire(store: DurableStore, *ids: str, count: int = 1, wait_s: float = 0.0) -> tuple[Lease, ...]:
    return store.acquire(ids, count=count, owner="me", purpose="a test", wait_s=wait_s)


def eventually(is_so: Callable[[], bool]) -> bool:
    """Whether it becomes so within half a minute."""
    pause = threading.Event()
    for _ in range(3000):
        if is_so():
            return True
        pause.wait(0.01)
    return False


def test_a_recovery_whose_end_could_not_be_written_is_taken_up_again(shelf: Shelf) -> None:
    """The device must not stay in maintenance for as long as this process lives."""
    cleaned: list[Unclean] = []

    def recover(unclean: Unclean) -> str:
        cleaned.append(unclean)
        if len(cleaned) == 1:
            shelf.engines[0].refuses.set()
        return ""

    store = shelf.open(recover=recover)
    (lease,) = acquire(store, "a")
    store.release(lease, unclean="its session could not be ended")
    assert eventually(lambda: shelf.engines[0].refuses.is_set() and not store._reaper.wait(0))
    shelf.engines[0].refuses.clear()

    assert eventually(lambda: store.devices()["a"].status is DeviceStatus.AVAILABLE)
    assert len(cleaned) >= 2


def test_an_unclean_end_that_could_not_be_written_is_no_clean_one_later(shelf: Shelf) -> None:
    cleaned: list[Unclean] = []

    def recover(unclean: Unclean) -> str:
        cleaned.append(unclean)
        return ""

    store = shelf.open(recover=recover)
    (lease,) = acquire(store, "a")
    store.note_sessions(lease, [Session(url="http://h", id="s", key="k")])
    shelf.engines[0].refuses.set()
    store.release(lease, unclean="its session could not be ended")
    shelf.engines[0].refuses.clear()

    assert eventually(lambda: bool(cleaned))
    assert cleaned[0].sessions == (Session(url="http://h", id="s", key="k"),)
    assert eventually(lambda: store.devices()["a"].status is DeviceStatus.AVAILABLE)


def test_a_release_that_could_not_be_written_is_made_good(shelf: Shelf) -> None:
    store = shelf.open()
    (lease,) = acquire(store, "a")
    shelf.engines[0].refuses.set()
    store.release(lease)
    shelf.engines[0].refuses.clear()

    assert eventually(lambda: store.devices()["a"].status is DeviceStatus.AVAILABLE)


def test_what_was_granted_to_nobody_is_given_back_while_others_ask(shelf: Shelf) -> None:
    """The answer was lost on the way; the process that has the device unknowing waits for that very device."""
    store = shelf.open()
    (kept,) = acquire(store, "b")
    (lost,) = acquire(store, "a")
    store._holdings.pop(lost)  # as if nobody had ever heard of it

    (again,) = acquire(store, "a", wait_s=30.0)

    assert again.token > lost.token
    store.check(kept)


def test_of_a_grant_that_cannot_be_completed_nothing_stays(shelf: Shelf) -> None:
    """The second device's ports are taken, and another block cannot be written down."""
    store = shelf.open(ports=5)
    with squatter(FIRST_PORT + BLOCK_SIZE + 1):
        acquire(store, "a", "b", count=2)  # finds a block of its own
    for lease in store._holdings.leases():
        store.release(lease)
    store.devices()
    with squatter(FIRST_PORT + BLOCK_SIZE + 1):
        engine, real = shelf.engines[0], shelf.engines[0].write

        def write(work: Callable[[Books], Any], *, is_vital: bool = False) -> Any:
            if not is_vital and "move_ports" in getattr(work, "__qualname__", ""):
                raise StateBusyError("held up by the test")
            return real(work, is_vital=is_vital)

        engine.write = write  # type: ignore[method-assign]
        with pytest.raises(StateBusyError):
            acquire(store, "a", "b", count=2)
        engine.write = real  # type: ignore[method-assign]

    assert {state.status for state in store.devices().values()} == {DeviceStatus.AVAILABLE}


def test_leased_ports_are_free_and_nobody_elses(shelf: Shelf) -> None:
    store = shelf.open(ports=5)
    with squatter(FIRST_PORT + 2):
        first, second = acquire(store, "a", "b", count=2)

    assert len(first.ports) == len(second.ports) == 5
    assert not set(first.ports) & set(second.ports)
    assert FIRST_PORT + 2 not in {*first.ports, *second.ports}


def test_a_lease_that_is_lost_while_its_ports_are_moved_is_found_out_at_the_first_command(
    shelf: Shelf,
) -> None:
    store, other = shelf.open(ports=5, heartbeat_s=10.0), shelf.open(ports=5)
    with squatter(FIRST_PORT):
        engine, real = shelf.engines[0], shelf.engines[0].write

        def write(work: Callable[[Books], Any], *, is_vital: bool = False) -> Any:
            if "move_ports" in getattr(work, "__qualname__", ""):
                other.seize("a", "by hand", token=1, wait_s=10)
            return real(work, is_vital=is_vital)

        engine.write = write  # type: ignore[method-assign]
        (lease,) = acquire(store, "a")
        engine.write = real  # type: ignore[method-assign]

    assert eventually(lambda: _is_lost(store, lease))


def _is_lost(store: DurableStore, lease: Lease) -> bool:
    try:
        store.check(lease)
    except LeaseLostError:
        return True
    return False


def test_devices_out_of_service_are_told_from_those_in_use(shelf: Shelf) -> None:
    store = shelf.open()
    acquire(store, "a")
    now = ledger.Now(0.0, 0.0, 30.0)
    shelf.engines[0].write(
        lambda books: ledger.set_status(books, "b", DeviceStatus.UNHEALTHY, "quarantined: swollen", now)
    )

    with pytest.raises(LeaseTimeoutError) as busy:
        acquire(store, "a")
    with pytest.raises(OutOfServiceError, match="out of service: b: unhealthy, quarantined: swollen"):
        acquire(store, "b")

    assert not isinstance(busy.value, OutOfServiceError)


def test_a_place_where_no_sign_of_life_can_be_given_is_told(shelf: Shelf) -> None:
    (shelf.folder / "holders").write_text("in the way")
    store = shelf.open()

    with pytest.raises(StateError, match=r"cannot give a sign of life in .*holders"):
        acquire(store, "a")


def test_a_state_that_does_not_take_a_newcomer_leaves_no_sign_of_it(shelf: Shelf) -> None:
    store = shelf.open()
    shelf.engines[0].refuses.set()

    with pytest.raises(StateBusyError):
        acquire(store, "a")

    assert list((shelf.folder / "holders").iterdir()) == []


def test_texts_that_are_no_unicode_can_be_kept(shelf: Shelf) -> None:
    """Ids of tests hold file names, which may be any bytes."""
    store = shelf.open()

    store.acquire(["a"], count=1, owner="me", purpose="t\udc80.py::test", wait_s=0)

    assert store.devices()["a"].purpose == "t\\udc80.py::test"


def test_a_process_without_descriptors_takes_nobody_for_dead(tmp_path: Path) -> None:
    """It cannot look; that says nothing of others."""
    sign = Liveness(tmp_path, "alice")
    script = (
        "import os, resource, sys; from pathlib import Path; from pytest_autorl.state.liveness import is_alive\n"
        "import fcntl\n"
        "limit = len(os.listdir('/proc/self/fd')) + 8\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))\n"
        "held = []\n"
        "try:\n"
        "    while True: held.append(os.open(os.devnull, os.O_RDONLY))\n"
        "except OSError: pass\n"
        "print(is_alive(Path(sys.argv[1]), 'alice'), is_alive(Path(sys.argv[1]), 'nobody'))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout.split()[:1] == ["True"], done
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 16
    sign.close()
    assert not liveness.is_alive(tmp_path, "alice")


def test_a_store_closed_in_a_fork_leaves_the_parents_alone(shelf: Shelf) -> None:
    store = shelf.open()
    (lease,) = acquire(store, "a")

    pid = os.fork()
    if pid == 0:  # pragma: no cover  # ends without the end that coverage needs
        with contextlib.suppress(BaseException):
            store.release(lease)
            store.close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

    store._pid, own = pid, store._pid  # what the child saw
    store.close()
    store._pid = own
    store.check(lease)
    assert store.devices()["a"].owner == "me"


class Clock:
    """A clock that stands until it is moved."""

    boot_id = "this boot"

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now_s(self) -> float:
        return self.seconds

    def wall_s(self) -> float:
        return 1_700_000_000.0 + self.seconds


#: So long between two signs of life that none comes by itself.
NEVER_S = 10_000.0


def test_a_late_lease_is_renewed_before_a_command_passes(shelf: Shelf) -> None:
    """The heartbeats had no turn for long, and nobody took the device: it is asked for, and still ours."""
    clock = Clock()
    store = shelf.open(clock=clock, heartbeat_s=NEVER_S)
    (lease,) = acquire(store, "a")
    clock.seconds += 25.0

    store.check(lease)

    clock.seconds += 20.0  # 45 s after the grant, 20 s after the renewal
    assert not _is_lost(store, lease)


def test_a_lease_that_cannot_be_renewed_is_not_believed_in(shelf: Shelf) -> None:
    clock = Clock()
    store = shelf.open(clock=clock, heartbeat_s=NEVER_S)
    (lease,) = acquire(store, "a")
    clock.seconds += 25.0
    shelf.engines[0].refuses.set()

    with pytest.raises(LeaseLostError, match="it could not be renewed: held up by the test"):
        store.check(lease)


@pytest.mark.parametrize(
    ("taker", "text"),
    [
        ("other", r"other holds the device now \(token 3\)"),
        ("me", r"it was taken away \(token 3 was given since\)"),
    ],
)
def test_a_lease_that_another_took_names_the_taker(shelf: Shelf, taker: str, text: str) -> None:
    clock = Clock()
    store = shelf.open(clock=clock, heartbeat_s=NEVER_S)
    other = shelf.open(clock=clock, heartbeat_s=NEVER_S)
    (lease,) = acquire(store, "a")
    clock.seconds += 31.0
    other.acquire(["a"], count=1, owner=taker, purpose="a test", wait_s=0)

    with pytest.raises(LeaseLostError, match=text):
        store.check(lease)
    with pytest.raises(LeaseLostError):
        store.note_sessions(lease, [Session(url="http://h", id="s")])


def test_a_lease_of_which_the_state_knows_nothing_is_lost(shelf: Shelf) -> None:
    """A new state was begun: the process becomes known to it again, its leases do not."""
    clock = Clock()
    store = shelf.open(clock=clock, heartbeat_s=NEVER_S)
    (lease,) = acquire(store, "a")
    holder = store.devices()["a"].holder

    def begin_anew(books: Books) -> None:
        books.remove_holder(holder)
        books.remove_device("a")

    shelf.engines[0].write(begin_anew)
    clock.seconds += 25.0

    with pytest.raises(LeaseLostError, match="no sign of life came in time"):
        store.check(lease)

    (again,) = acquire(store, "a")
    store.check(again)


def test_what_was_given_back_can_neither_be_noted_nor_given_back_again(shelf: Shelf) -> None:
    store = shelf.open()
    (lease,) = acquire(store, "a")
    store.release(lease)

    store.release(lease)
    store.note(lease, purpose="x", need="", is_parked=True)

    with pytest.raises(LeaseLostError, match="was given back"):
        store.note_sessions(lease, [])


def test_more_devices_than_candidates_is_a_mistake_of_the_caller(shelf: Shelf) -> None:
    with pytest.raises(ValueError, match="2 devices wanted of only 1 candidates"):
        acquire(shelf.open(), "a", count=2)


def test_a_gang_in_vain_names_those_in_use_only(shelf: Shelf) -> None:
    store = shelf.open()
    acquire(store, "a")

    with pytest.raises(
        LeaseTimeoutError, match=r"2 devices at once of a, b; held by: a: me for a test, since 0 s"
    ):
        acquire(store, "a", "b", count=2)


def test_a_state_that_fails_while_somebody_waits_keeps_no_ticket(shelf: Shelf) -> None:
    store = shelf.open(heartbeat_s=NEVER_S)
    acquire(store, "a")
    engine, real = shelf.engines[0], shelf.engines[0].read

    asker = threading.current_thread()

    def read(work: Callable[[Books], Any]) -> Any:
        if threading.current_thread() is not asker:
            return real(work)  # the keeper looks, too
        engine.read = real  # type: ignore[method-assign]
        raise StateError("the disk is gone")

    engine.read = read  # type: ignore[method-assign]
    with pytest.raises(StateError, match="the disk is gone"):
        acquire(store, "a", wait_s=30.0)

    assert store.queue() == ()


def test_a_store_can_be_closed_twice_and_when_the_state_fails(shelf: Shelf) -> None:
    store, other = shelf.open(heartbeat_s=NEVER_S), shelf.open()
    acquire(store, "a")
    shelf.engines[0].refuses.set()

    store.close()
    store.close()

    # It has left without a word, but its sign of life went with it.
    (lease,) = acquire(other, "a", wait_s=30.0)
    assert lease.token > 1


def test_an_abandoned_store_gives_everything_up_at_once(shelf: Shelf) -> None:
    store, idle, other = shelf.open(), shelf.open(), shelf.open()
    acquire(store, "a")

    store.abandon()
    idle.abandon()  # never asked for anything

    assert acquire(other, "a")[0].token == 2


def test_a_recovery_that_raises_leaves_the_device_unhealthy_and_is_tried_again(shelf: Shelf) -> None:
    clock = Clock()
    troubles = [ValueError("what is this")]

    def recover(unclean: Unclean) -> str:
        if troubles:
            raise troubles.pop()
        return ""

    store = shelf.open(clock=clock, heartbeat_s=NEVER_S, recover=recover)
    (lease,) = acquire(store, "a")
    store.release(lease, unclean="who knows")
    store.reap(waits=True)
    state = store.devices()["a"]
    assert (state.status, state.reason) == (
        DeviceStatus.UNHEALTHY,
        "quarantined: its recovery failed: ValueError: what is this",
    )

    clock.seconds += 31.0
    store.reap(waits=True)

    assert store.devices()["a"].status is DeviceStatus.AVAILABLE


def test_a_device_whose_holder_nobody_knows_can_be_taken_by_hand(shelf: Shelf) -> None:
    store, other = shelf.open(heartbeat_s=NEVER_S), shelf.open(heartbeat_s=NEVER_S)
    acquire(store, "a")
    holder = store.devices()["a"].holder
    shelf.engines[0].write(lambda books: books.remove_holder(holder))

    assert other.seize("a", "by hand", token=1, wait_s=10.0)

    assert other.devices()["a"].status is DeviceStatus.AVAILABLE


def test_what_cannot_be_looked_at_counts_as_alive(tmp_path: Path) -> None:
    assert liveness.is_alive(tmp_path, "n" * 300)  # longer than any name of a file
    assert not liveness.is_alive(tmp_path, "nobody")


def test_a_bell_that_cannot_be_hung_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses of sockets have 108 bytes at most."""
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    with pytest.raises(StateError, match="cannot listen for others"):
        Bell(is_abstract=False)


def test_what_follows_a_write_may_fail_without_harm_to_others(shelf: Shelf) -> None:
    store = shelf.open()
    engine = shelf.engines[0]

    def then(result: object, error: BaseException | None) -> None:
        raise ValueError("a mistake of the caller's")

    engine.post(lambda books: books.set_number("x", 1), then)

    assert engine.read(lambda books: books.number("x")) == 1
    assert acquire(store, "a")


def test_a_recovery_that_is_under_way_is_not_begun_again(shelf: Shelf) -> None:
    """Others look meanwhile, this process among them."""
    begun: list[Unclean] = []
    stores: list[DurableStore] = []

    def recover(unclean: Unclean) -> str:
        begun.append(unclean)
        assert stores[0].reap() == 0
        return ""

    stores.append(shelf.open(recover=recover, heartbeat_s=NEVER_S))
    (lease,) = acquire(stores[0], "a")

    stores[0].release(lease, unclean="who knows")

    assert eventually(lambda: stores[0].devices()["a"].status is DeviceStatus.AVAILABLE)
    assert len(begun) == 1
