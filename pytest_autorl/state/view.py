"""What the state shows to people and programs: devices and who waits, as records."""

from __future__ import annotations

from typing import NamedTuple

from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.state.engine import OF_RUN, Books, DeviceRow, HolderRow
from pytest_autorl.state.leases import DeviceState, Waiting


class View(NamedTuple):
    """All devices that the state knows, in the order of their keys; who waits, first come first; and the processes
    that take part, dead ones included.
    """

    devices: tuple[DeviceState, ...]
    queue: tuple[Waiting, ...]
    holders: tuple[HolderRow, ...] = ()


def view(books: Books) -> View:
    """The view of one moment; the work of a read."""
    holders = {holder.id: holder for holder in books.holders()}
    devices = tuple(_state(row, holders.get(row.holder)) for row in books.devices())
    queue = tuple(
        Waiting(
            number=ticket.number,
            run=holders[ticket.holder].run if ticket.holder in holders else "",
            owner=ticket.owner,
            purpose=ticket.purpose,
            need=ticket.need,
            candidates=tuple(split(key)[1] for key in ticket.candidates),
            count=ticket.wants,
            since_s=ticket.asked_at_s,
            holder=ticket.holder,
        )
        for ticket in books.tickets()
    )
    return View(devices, queue, tuple(holders.values()))


def split(key: str) -> tuple[str, str]:
    """Run and device of a key; the run is "" for a device of the host."""
    run, _, device_id = key.rpartition(OF_RUN)
    return run, device_id


def _state(row: DeviceRow, holder: HolderRow | None) -> DeviceState:
    run, device_id = split(row.key)
    next_status, _, next_reason = row.after.partition(" ")
    status = DeviceStatus(row.status)
    owner = row.owner if row.holder else ""
    if status is not DeviceStatus.BUSY and holder is not None:
        owner = holder.owner  # the row remembers whom the device was taken from
    return DeviceState(
        device_id=device_id,
        run=run,
        status=status,
        reason=row.reason or (row.purpose if status is DeviceStatus.BUSY else ""),
        since_s=row.since_at_s,
        token=row.token,
        owner=owner,
        purpose=row.purpose,
        need=row.need,
        is_parked=row.is_parked,
        holder=row.holder,
        pid=holder.pid if holder is not None else 0,
        next_status=DeviceStatus(next_status) if next_status else None,
        next_reason=next_reason,
        server=row.server,
        slots=row.slots,
        health=row.health,
    )
