"""Devices that are taken away by hand, and what their holders hear of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.errors import LeaseLostError, LeaseTimeoutError
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.state import ledger
from pytest_autorl.state.clock import HostClock
from pytest_autorl.state.engine import HolderRow
from pytest_autorl.state.leases import Lease, Loss, Session, Unclean
from pytest_autorl.state.reaper import is_alive
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.store import DurableStore
from state_child import Child

#: Leases the phone, and lives until it is killed.
HOLDER = """
import sys
from pathlib import Path
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.store import DurableStore

path = Path(sys.argv[1])
store = DurableStore(SqliteEngine(path), folder=path.with_name("holders"), devices={"phone": 0}, owner="child")
(lease,) = store.acquire(["phone"], count=1, owner="child", purpose="test_pay", wait_s=0)
print(lease.token, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def make_store(tmp_path: Path) -> Iterator[Callable[..., DurableStore]]:
    """One process of the host, as far as the state can tell."""
    made = []

    def make(owner: str, **more: Any) -> DurableStore:
        path = tmp_path / "state.db"
        devices = {"phone": 0, "tablet": 0}
        store = DurableStore(
            SqliteEngine(path), folder=tmp_path / "holders", devices=devices, owner=owner, **more
        )
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()


def lease_of(store: DurableStore, owner: str, wait_s: float = 0) -> Lease:
    (lease,) = store.acquire(["phone"], count=1, owner=owner, purpose="test_pay", wait_s=wait_s)
    return lease


def by_hand(store: DurableStore, status: DeviceStatus, reason: str = "") -> frozenset[str]:
    """As a command does it: one write of the state. Returns whom to wake."""
    clock = HostClock()
    now = ledger.Now(clock.now_s(), clock.wall_s(), 60.0)
    return store._engine.write(lambda books: ledger.set_status(books, "phone", status, reason, now))[1]


def until(may_end: threading.Event) -> Callable[[Unclean], str]:
    """A recovery that takes its time."""

    def recover(unclean: Unclean) -> str:
        may_end.wait(60)
        return ""

    return recover


# -- taking a lease away -------------------------------------------------------------------------------------


def test_a_device_that_is_taken_away_is_recovered_and_its_holder_hears_of_it_at_once(
    make_store: Callable[..., DurableStore],
) -> None:
    """Its next heartbeat may be a quarter of a minute away: until then it would drive a device that is not its own."""
    cleaned: list[Unclean] = []
    losses: list[Loss] = []
    holder, is_told = make_store("gw0"), threading.Event()
    lease = lease_of(holder, "gw0")
    holder.note_sessions(lease, [Session(url="http://lab", id="s1")])
    holder.listen(is_told.set)
    taker = make_store(
        "ann", recover=lambda unclean: str(cleaned.append(unclean) or ""), on_loss=losses.append
    )

    is_taken = taker.seize("phone", "released by ann", token=lease.token, wait_s=30)

    assert is_taken
    assert is_told.wait(30)
    with pytest.raises(LeaseLostError, match=r"it was taken away \(token 2 was given since\)"):
        holder.check(lease)
    ((sessions, token, why),) = [(each.sessions, each.lease.token, each.why) for each in cleaned]
    assert (sessions, token) == ((Session(url="http://lab", id="s1"),), lease.token + 1)
    assert why == "recovering: released by ann"
    assert [(loss.owner, loss.purpose, loss.token) for loss in losses] == [("gw0", "test_pay", lease.token)]
    assert taker.devices()["phone"].status is DeviceStatus.AVAILABLE


def test_while_it_is_recovered_the_error_of_its_holder_names_who_has_it(
    make_store: Callable[..., DurableStore],
) -> None:
    may_end = threading.Event()
    holder, is_told = make_store("gw0"), threading.Event()
    lease = lease_of(holder, "gw0")
    holder.listen(is_told.set)
    taker = make_store("ann", recover=until(may_end))

    assert taker.seize("phone", "released by ann", token=lease.token, wait_s=0)

    assert is_told.wait(30)
    with pytest.raises(LeaseLostError, match="ann holds the device now"):
        holder.check(lease)
    may_end.set()


def test_a_late_release_of_the_one_who_lost_it_changes_nothing(
    make_store: Callable[..., DurableStore],
) -> None:
    holder, taker = make_store("gw0"), make_store("ann")
    lease = lease_of(holder, "gw0")
    taker.seize("phone", "released by ann", token=lease.token, wait_s=30)
    next_lease = lease_of(taker, "ann")

    holder.release(lease)

    taker.check(next_lease)
    assert holder.devices()["phone"].owner == "ann"


def test_what_nobody_holds_or_another_has_leased_since_is_not_taken(
    make_store: Callable[..., DurableStore],
) -> None:
    """Who looked, and decided, meant the lease that he saw."""
    holder, taker = make_store("gw0"), make_store("ann")
    old = lease_of(holder, "gw0")
    holder.release(old)
    nobody = taker.seize("phone", "x", token=old.token, wait_s=0)
    new = lease_of(holder, "gw0")
    another = taker.seize("phone", "x", token=old.token, wait_s=0)

    assert (nobody, another) == (False, False)
    holder.check(new)


def test_what_a_killed_process_held_can_be_taken_at_once(
    make_store: Callable[..., DurableStore], tmp_path: Path
) -> None:
    taker = make_store("ann")
    with Child(HOLDER, tmp_path / "state.db") as child:
        token = int(child.line())
        child.kill()

        assert taker.seize("phone", "released by ann", token=token, wait_s=30)

    assert lease_of(taker, "ann").token > token


def test_a_recovery_that_fails_quarantines_the_device(make_store: Callable[..., DurableStore]) -> None:
    holder, taker = make_store("gw0"), make_store("ann", recover=lambda unclean: "the server does not answer")
    lease = lease_of(holder, "gw0")

    assert taker.seize("phone", "released by ann", token=lease.token, wait_s=30)

    state = taker.devices()["phone"]
    assert state.status is DeviceStatus.UNHEALTHY
    assert state.reason == "quarantined: its recovery failed: the server does not answer"


def test_who_takes_over_and_ends_before_the_device_is_clean_does_not_give_it_to_others(
    make_store: Callable[..., DurableStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sessions may be alive: the next who looks takes it over, and cleans it again."""
    may_end = threading.Event()
    monkeypatch.setattr("pytest_autorl.state.store._PATIENCE_S", 0.05)
    holder = make_store("gw0")
    lease = lease_of(holder, "gw0")
    holder.note_sessions(lease, [Session(url="http://lab", id="s1")])
    taker = make_store("ann", recover=until(may_end))
    taker.seize("phone", "released by ann", token=lease.token, wait_s=0)
    taker.close()
    cleaned: list[Unclean] = []
    next_one = make_store("bob", recover=lambda unclean: str(cleaned.append(unclean) or ""))

    lease_of(next_one, "bob", wait_s=30)
    may_end.set()

    assert [each.sessions for each in cleaned] == [(Session(url="http://lab", id="s1"),)]


# -- taking out of service -----------------------------------------------------------------------------------


def test_a_device_that_is_to_go_out_of_service_counts_as_wanted(
    make_store: Callable[..., DurableStore],
) -> None:
    """Or a process that keeps it between tests would go on using it until the run ends."""
    store = make_store("gw0")
    lease = lease_of(store, "gw0")
    before = store.is_wanted("phone"), store.offer(lease)

    rings = by_hand(store, DeviceStatus.MAINTENANCE, "held by ann")

    assert before == (False, False)
    assert len(rings) == 1
    assert (store.is_wanted("phone"), store.offer(lease)) == (True, True)
    store.release(lease)
    with pytest.raises(LeaseTimeoutError, match="maintenance, held by ann"):
        lease_of(store, "gw0")


def test_taking_that_back_wakes_nobody_and_leaves_the_device_where_it_is(
    make_store: Callable[..., DurableStore],
) -> None:
    store = make_store("gw0")
    lease = lease_of(store, "gw0")
    by_hand(store, DeviceStatus.MAINTENANCE, "held by ann")

    rings = by_hand(store, DeviceStatus.AVAILABLE)

    assert rings == frozenset()
    assert (store.is_wanted("phone"), store.offer(lease)) == (False, False)
    store.check(lease)


def test_a_device_that_the_state_does_not_know_is_wanted_by_nobody(
    make_store: Callable[..., DurableStore],
) -> None:
    assert make_store("gw0").is_wanted("phone") is False


# -- who is alive --------------------------------------------------------------------------------------------


def test_a_holder_is_alive_with_its_lock_and_in_its_boot_only(
    make_store: Callable[..., DurableStore], tmp_path: Path
) -> None:
    """After a reboot another process may have come to the same file."""
    store, clock = make_store("gw0"), HostClock()
    lease_of(store, "gw0")
    (holder,) = store._engine.read(lambda books: books.holders())

    assert is_alive(holder, tmp_path / "holders", clock)
    assert not is_alive(holder._replace(boot_id="another"), tmp_path / "holders", clock)
    assert not is_alive(
        HolderRow(id="unknown", run="", owner="", pid=1, boot_id=clock.boot_id, wake=""),
        tmp_path / "holders",
        clock,
    )
