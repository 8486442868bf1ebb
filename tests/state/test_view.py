"""What the state shows of devices and of those who wait."""

from __future__ import annotations

from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.state.engine import DeviceRow, HolderRow, TicketRow
from pytest_autorl.state.leases import DeviceState, Waiting
from pytest_autorl.state.memory import MemoryBooks
from pytest_autorl.state.view import View, split, view

HOLDER = HolderRow(id="h", run="run-1", owner="Runner-gw0", pid=42, boot_id="b", wake="")
HELD = DeviceRow(
    key="phone",
    status="busy",
    since_at_s=5.0,
    token=3,
    holder="h",
    owner="Runner-gw0",
    purpose="test_pay",
    need="android",
)


def shown(*rows: DeviceRow | HolderRow | TicketRow) -> View:
    books = MemoryBooks()
    for row in rows:
        if isinstance(row, DeviceRow):
            books.put_device(row)
        elif isinstance(row, HolderRow):
            books.put_holder(row)
        else:
            books.add_ticket(row)
    return view(books)


def test_a_leased_device_is_shown_with_its_holder_and_what_it_is_used_for() -> None:
    seen = shown(HELD, HOLDER)

    assert seen.devices == (
        DeviceState(
            device_id="phone",
            run="",
            status=DeviceStatus.BUSY,
            reason="test_pay",
            since_s=5.0,
            token=3,
            owner="Runner-gw0",
            purpose="test_pay",
            need="android",
            holder="h",
            pid=42,
        ),
    )
    assert seen.holders == (HOLDER,)


def test_a_device_that_nobody_holds_has_its_reason_and_no_owner() -> None:
    (state,) = shown(DeviceRow(key="phone", status="offline", reason="cable", owner="old")).devices

    assert (state.status, state.reason, state.owner, state.pid) == (DeviceStatus.OFFLINE, "cable", "", 0)


def test_what_follows_a_lease_is_taken_apart() -> None:
    """Only the first blank parts status and reason."""
    (state,) = shown(HELD._replace(after="maintenance held by ann: new cable"), HOLDER).devices

    assert (state.next_status, state.next_reason) == (DeviceStatus.MAINTENANCE, "held by ann: new cable")


def test_a_device_under_recovery_is_held_by_whoever_recovers_it() -> None:
    """The row still names whom it was taken from: its process may be gone, and has no say any more."""
    reaper = HOLDER._replace(id="r", owner="Runner-gw1", pid=43)
    row = HELD._replace(status="maintenance", reason="recovering: it died", holder="r")

    (state,) = shown(row, reaper).devices

    assert (state.owner, state.pid, state.reason) == ("Runner-gw1", 43, "recovering: it died")


def test_a_holder_that_the_state_does_not_know_leaves_the_name_it_asked_under() -> None:
    """As after a damaged state, of which only the leases were saved."""
    (busy,) = shown(HELD).devices
    (recovering,) = shown(HELD._replace(status="maintenance")).devices

    assert (busy.owner, busy.pid, busy.holder) == ("Runner-gw0", 0, "h")
    assert recovering.owner == "Runner-gw0"


def test_who_waits_is_shown_first_come_first_with_the_ids_of_devices() -> None:
    """Keys of devices that belong to a run carry its name, which people need not see twice."""
    ticket = TicketRow(
        number=0,
        holder="h",
        owner="Runner-gw0",
        purpose="test_chat",
        need="android*2",
        candidates=("phone", "run-1@sim"),
        wants=2,
        asked_at_s=7.0,
        deadline_s=9.0,
        wake="",
    )

    first, second = shown(HOLDER, ticket, ticket._replace(holder="gone")).queue

    assert first == Waiting(
        number=1,
        run="run-1",
        owner="Runner-gw0",
        purpose="test_chat",
        need="android*2",
        candidates=("phone", "sim"),
        count=2,
        since_s=7.0,
        holder="h",
    )
    assert (second.number, second.run, second.holder) == (2, "", "gone")


def test_a_key_is_split_into_run_and_device() -> None:
    assert [split(key) for key in ("phone", "run-1@sim")] == [("", "phone"), ("run-1", "sim")]
