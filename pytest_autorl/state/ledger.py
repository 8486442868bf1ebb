"""The rules of leases, as transactions over the books of any engine.

Each function is one transaction's work: rows in, rows out, no I/O, no clock of its own. What is to be done after
the commit comes back as a value: whom to wake, which devices to recover.

Statuses and who may change them: `_LEGAL`. A device with a holder is leased; its row names holder, ticket and
token, and whoever cannot name the same holder and token changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from pytest_autorl.errors import StateError
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.farm.sample import HEALTH
from pytest_autorl.state import grants
from pytest_autorl.state.engine import OF_RUN, Books, DeviceRow, HolderRow, SessionRow, TicketRow

A, B = DeviceStatus.AVAILABLE, DeviceStatus.BUSY
O, M, U = DeviceStatus.OFFLINE, DeviceStatus.MAINTENANCE, DeviceStatus.UNHEALTHY  # noqa: E741
#: Only what is available can be leased; everything else may follow anything but itself.
_LEGAL: Mapping[str, frozenset[DeviceStatus]] = {
    A: frozenset({B, O, M, U}),
    B: frozenset({A, O, M, U}),
    O: frozenset({A, M, U}),
    M: frozenset({A, O, U}),
    U: frozenset({A, O, M}),
}

#: So long after its deadline a ticket is removed by others, seconds: its waiter does so itself in time, if it can.
_GRACE_S = 5.0


class Now(NamedTuple):
    """One reading of the clock, with what a lease lives."""

    s: float
    wall_s: float
    ttl_s: float


class Answer(NamedTuple):
    """What came of a ticket.

    Attributes:
        granted: The devices, when it was served at once.
        ticket: Its number; 0 when it never had to wait.
        rings: Whom to wake after the commit.
    """

    granted: tuple[DeviceRow, ...]
    ticket: int
    rings: frozenset[str]


def can_become(status: str, wanted: DeviceStatus) -> bool:
    """Whether a device of this status may get that one."""
    return wanted in _LEGAL[status]


# -- devices and holders -------------------------------------------------------------------------------------


def enroll(
    books: Books, ports: Mapping[str, int], now: Now, *, slots: Mapping[str, tuple[str, int]] | None = None
) -> frozenset[str]:
    """Make devices known. Returns whom to wake.

    Args:
        ports: For each key how many ports its grants come with.
        slots: For each key whose server sets a limit: that server, and how many sessions it takes at once. None:
            the asker does not know, what stands there stays.
    """
    floor = books.number("floor")
    for key, count in ports.items():
        row = books.device(key) or DeviceRow(key=key, status=A, since_at_s=now.wall_s, token=floor)
        server, limit = (row.server, row.slots) if slots is None else slots.get(key, ("", 0))
        changed = row._replace(port_count=count, server=server, slots=limit)
        if changed != books.device(key):
            books.put_device(changed)
    return settle(books, now)


def join(books: Books, holder: HolderRow) -> None:
    """A process that may hold devices."""
    books.put_holder(holder)


def leave(books: Books, holder: str, now: Now) -> frozenset[str]:
    """It ends in order: whatever it still holds or waits for is given up. Returns whom to wake.

    What it was recovering, and what may have a live session, is not clean: that stays with its name, and the next
    reaper takes it over.
    """
    for row in books.devices_of(holder):
        if row.status == B and not row.sessions:
            books.put_device(freed(row, now))
    for ticket in books.tickets():
        if ticket.holder == holder:
            books.remove_ticket(ticket.number)
    books.remove_holder(holder)
    return settle(books, now)


def forget(books: Books, run: str, now: Now, *, stale_s: float) -> frozenset[str]:
    """Remove the devices that belonged to a run, and those of runs that ended long ago without doing so.

    Returns whom to wake: a ticket that waited for one of them keeps nothing from others any more.
    """
    alive = {holder.run for holder in books.holders()}
    for row in books.devices():
        owner_run, at, _ = row.key.rpartition(OF_RUN)
        is_old = owner_run not in alive and row.since_at_s < now.wall_s - stale_s
        if at and not row.holder and (owner_run == run or is_old):
            books.remove_device(row.key)
    move_mark(books)
    return settle(books, now)


def move_mark(books: Books) -> None:
    """The last token's device may be gone: of those that stay, the last one granted stands for it."""
    last = max(books.devices(), key=lambda row: row.granted_at_s, default=None)
    books.note_token(last.key if last else "", last.token if last else 0)


# -- tickets -------------------------------------------------------------------------------------------------


def ask(books: Books, wish: TicketRow, now: Now, *, may_wait: bool = True) -> Answer:
    """Serve a wish at once, or let it wait in line (where it may; else nothing comes of it)."""
    waiting = books.tickets()
    if not waiting:
        free = books.available()
        mine = [key for key in wish.candidates if key in free][: wish.wants]
        # Mostly nobody waits, something is free, and no server sets a limit.
        if len(mine) == wish.wants and not any(free[key] for key in mine):
            return Answer(_grant(books, wish, mine, now), 0, frozenset())
    last = wish._replace(number=max((ticket.number for ticket in waiting), default=0) + 1)
    served = grants.decide([*waiting, last], books.phases())
    keys = next((keys for ticket, keys in served if ticket is last), None)
    if keys is not None:
        # Others who could be served were so when what they wait for came free: only ours is new.
        return Answer(_grant(books, wish, keys, now), 0, frozenset())
    if not may_wait:
        return Answer((), 0, frozenset())
    number = books.add_ticket(wish)
    rows = books.devices()
    # Who has one of them, or takes a slot of its server.
    servers = {row.server for row in rows if row.slots and row.key in wish.candidates}
    wanted = {row.key for row in rows if row.slots and row.server in servers}.union(wish.candidates)
    holding = {row.holder for row in rows if row.holder and row.key in wanted}
    rings = {holder.wake for holder in books.holders() if holder.id in holding and holder.wake}
    return Answer((), number, settle(books, now) | rings)


def settle(books: Books, now: Now) -> frozenset[str]:
    """Serve everybody who can be served now. Returns whom to wake. Called by whatever may free a device."""
    tickets = books.tickets()
    if not tickets:
        return frozenset()
    rings = set()
    for ticket in tickets:
        if ticket.deadline_s + _GRACE_S < now.s:
            books.remove_ticket(ticket.number)
            rings.add(ticket.wake)
    tickets = [ticket for ticket in tickets if ticket.deadline_s + _GRACE_S >= now.s]
    for ticket, keys in grants.decide(tickets, books.phases()):
        _grant(books, ticket, keys, now)
        books.remove_ticket(ticket.number)
        rings.add(ticket.wake)
    return frozenset(rings)


def cancel(books: Books, number: int, holder: str) -> tuple[DeviceRow, ...]:
    """Wait no more. Returns the devices if they were granted meanwhile."""
    # Numbers begin anew in a new state: the same one can be another's there.
    if any((ticket.number, ticket.holder) == (number, holder) for ticket in books.tickets()):
        books.remove_ticket(number)
    return granted_to(books, number, holder)


def granted_to(books: Books, number: int, holder: str) -> tuple[DeviceRow, ...]:
    """The devices that a ticket was served with, in no particular order; empty while it waits."""
    return tuple(row for row in books.devices_of(holder) if row.ticket == number and row.status == B)


def _grant(books: Books, ticket: TicketRow, keys: Sequence[str], now: Now) -> tuple[DeviceRow, ...]:
    rows = []
    for key in keys:
        row = books.device(key)
        assert row is not None
        _must_become(row, B)
        row = row._replace(
            status=B,
            reason="",
            since_at_s=now.wall_s,
            token=row.token + 1,
            holder=ticket.holder,
            ticket=ticket.number,
            owner=ticket.owner,
            purpose=ticket.purpose,
            need=ticket.need,
            granted_at_s=now.wall_s,
            expires_s=now.s + now.ttl_s,
            port=grants.free_block(books.ports_in_use()) if row.port_count else 0,
        )
        books.put_device(row)
        books.note_token(key, row.token)
        rows.append(row)
    return tuple(rows)


# -- leases --------------------------------------------------------------------------------------------------


def ours(books: Books, key: str, holder: str, token: int) -> DeviceRow | None:
    """The row, if it is leased to this holder under this token; else None. The guard of every change."""
    row = books.device(key)
    return row if row is not None and (row.holder, row.token) == (holder, token) else None


def release(books: Books, key: str, holder: str, token: int, now: Now) -> frozenset[str] | None:
    """Give back. Returns whom to wake; None when it was not ours any more, and nothing was changed."""
    row = ours(books, key, holder, token)
    if row is None:
        return None
    books.put_device(freed(row, now))
    return settle(books, now)


def beat(
    books: Books, holder: str, notes: Mapping[tuple[str, int], tuple[str, str, bool]], now: Now
) -> list[DeviceRow] | None:
    """A sign of life: all leases of the holder live on.

    Args:
        notes: What each lease, by key and token, is used for now: purpose, need, whether it is parked.
    Returns: the rows it holds; None when the holder is not known (any more).
    """
    if all(row.id != holder for row in books.holders()):
        return None
    rows = []
    for row in books.devices_of(holder):
        purpose, need, is_parked = notes.get((row.key, row.token), (row.purpose, row.need, row.is_parked))
        row = row._replace(expires_s=now.s + now.ttl_s, purpose=purpose, need=need, is_parked=is_parked)
        books.put_device(row)
        rows.append(row)
    return rows


def offer(books: Books, key: str, holder: str, token: int) -> bool:
    """Agree to give a parked device up, if that still helps somebody, or it is to be taken out of service."""
    row = ours(books, key, holder, token)
    if row is None or not (row.after or grants.is_wanted(books.tickets(), books.phases(), key)):
        return False
    books.put_device(row._replace(is_yielding=True))
    return True


def note_sessions(books: Books, key: str, holder: str, token: int, sessions: Iterable[SessionRow]) -> bool:
    """Record which sessions may be alive on a leased device. False when it is not ours any more."""
    row = ours(books, key, holder, token)
    if row is None:
        return False
    books.put_device(row._replace(sessions=tuple(sessions)))
    return True


def move_ports(books: Books, key: str, holder: str, token: int, avoid: Collection[int]) -> DeviceRow | None:
    """Give a leased device another block of ports, none of `avoid` (first ports)."""
    row = ours(books, key, holder, token)
    if row is None:
        return None
    row = row._replace(port=grants.free_block(books.ports_in_use() | set(avoid)))
    books.put_device(row)
    return row


def freed(row: DeviceRow, now: Now) -> DeviceRow:
    """The row without its lease: available, or what was to follow."""
    status, _, reason = row.after.partition(" ")
    return DeviceRow(
        key=row.key,
        status=status or A,
        reason=reason,
        since_at_s=now.wall_s,
        token=row.token,
        port_count=row.port_count,
        server=row.server,
        slots=row.slots,
        health=row.health,
    )


# -- health --------------------------------------------------------------------------------------------------


def judge(books: Books, key: str, health: str, status: DeviceStatus, reason: str, now: Now) -> frozenset[str]:
    """Write down what was found out about a device's health. Returns whom to wake.

    It becomes what it was judged to be, one that is leased when its lease ends. What was decided by hand, or by a
    recovery, stays: only a status that was given by this changes.

    Args:
        health: For those who look, see `DeviceRow.health`.
        status: available, unhealthy or offline.
        reason: Begins with `HEALTH` for what is not available.
    """
    row = books.device(key)
    if row is None:
        return frozenset()
    row = row._replace(health=health)
    after = "" if status == A else f"{status} {reason}"
    is_free_to = not row.after or row.after.partition(" ")[2].startswith(HEALTH)
    if row.holder:
        rings = frozenset[str]()
        if is_free_to and row.after != after:
            row = row._replace(after=after)
            # Its holder may keep it between two tests for as long as nobody wants it: it is told.
            rings = frozenset(each.wake for each in books.holders() if each.id == row.holder and row.after)
        books.put_device(row)
        return rings
    if row.status == A or (row.status in (O, U) and row.reason.startswith(HEALTH)):
        since_at_s = row.since_at_s if row.status == status else now.wall_s
        row = row._replace(status=status, reason=reason, since_at_s=since_at_s, after="")
    books.put_device(row)
    return settle(books, now)


# -- by hand -------------------------------------------------------------------------------------------------


def set_status(
    books: Books, key: str, status: DeviceStatus, reason: str, now: Now
) -> tuple[DeviceRow, frozenset[str]]:
    """Change a device's status by hand. One that is leased changes when its lease ends; available: at once, or
    whatever was meant to follow the lease does not.

    Returns: the row, and whom to wake. Raises StateError for an unknown device and an illegal change.
    """
    row = books.device(key)
    if row is None:
        raise StateError(
            "the state knows no such device", device_id=key, do="`autorl farm list` shows the devices"
        )
    if status == B:
        raise StateError("a device is leased by asking for it, not by hand", device_id=key)
    if row.holder:
        row = row._replace(after="" if status == A else f"{status} {reason}")
        books.put_device(row)
        # Its holder may keep it between two tests for as long as nobody wants it: it is told.
        return row, frozenset(each.wake for each in books.holders() if each.id == row.holder and row.after)
    if row.status != status:
        _must_become(row, status)
    # Somebody who knows better has mended it: what stood in its way is forgotten, and it is looked at anew.
    sessions, health = (row.sessions, row.health) if status != A else ((), "")
    row = row._replace(
        status=status, reason=reason, since_at_s=now.wall_s, after="", sessions=sessions, health=health
    )
    books.put_device(row)
    return row, settle(books, now)


def _must_become(row: DeviceRow, wanted: DeviceStatus) -> None:
    if not can_become(row.status, wanted):
        raise StateError(
            f"a device that is {row.status} ({row.reason or 'no reason given'}) cannot become {wanted}",
            device_id=row.key,
        )
