"""Unclean ends: who takes over what a dead, silent or doubtful holder has, and what becomes of it afterwards.

Transactions over the books, as in `ledger.py`: no I/O, no clock of its own. Whoever takes a device over holds it under
a new token while it is recovered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from pytest_autorl.state.engine import OF_RUN, Books, DeviceRow, HolderRow
from pytest_autorl.state.ledger import M, Now, U, freed, move_mark, ours, settle

#: First words of reasons that programs look for.
RECOVERING = "recovering"
QUARANTINED = "quarantined"
_FAILED = f"{QUARANTINED}: its recovery failed: "


class Reaped(NamedTuple):
    """What dead or silent holders left behind: (row as it was, row as the recovery holds it)."""

    devices: tuple[tuple[DeviceRow, DeviceRow], ...]
    holders: tuple[HolderRow, ...]
    rings: frozenset[str]


def recover(books: Books, key: str, holder: str, token: int, why: str, now: Now) -> DeviceRow | None:
    """Give back what may not be clean: the holder keeps it, under a new token, to recover it.

    None when it was not ours any more.
    """
    row = ours(books, key, holder, token)
    if row is None:
        return None
    return _taken_over(books, row, holder, why, now)


def _any(key: str) -> bool:
    """Every device is known."""
    return True


def unattended(
    rows: Iterable[DeviceRow],
    holders: Sequence[HolderRow],
    dead: Collection[str],
    reaper: str,
    now: Now,
    *,
    knows: Callable[[str], bool] = _any,
) -> list[tuple[DeviceRow, str]]:
    """The leases that nobody looks after any more and that the reaper may take, each with what happened.

    A device that belongs to a run is reached by its run only: others leave it to that, while any of it lives.

    Args:
        knows: Whether the reaper knows how to reach the device of a key: it leaves others alone.
    """
    known = {holder.id for holder in holders}
    living = {holder.run for holder in holders if holder.id not in dead}
    own = {holder.run for holder in holders if holder.id == reaper}
    found = []
    for row in rows:
        run = row.key.rpartition(OF_RUN)[0]
        is_foreign = bool(run) and run not in own
        if not row.holder or row.holder == reaper or (run in living if is_foreign else not knows(row.key)):
            continue
        who = row.owner or row.holder
        if row.holder in dead or row.holder not in known:
            found.append((row, f"{who} ended without giving it back"))
        elif row.expires_s < now.s:
            found.append((row, f"{who} gave no sign of life for {now.ttl_s:g} s"))
    return found


def reap(
    books: Books, dead: Collection[str], reaper: str, now: Now, *, knows: Callable[[str], bool] = _any
) -> Reaped:
    """Take over what dead or silent holders have: the reaper holds it, under a new token, to recover it.

    What belonged to another run, all of whose processes are dead, is gone with that: it is forgotten.
    """
    holders = books.holders()
    own = {holder.run for holder in holders if holder.id == reaper}
    taken = []
    for row, why in unattended(books.devices(), holders, dead, reaper, now, knows=knows):
        run = row.key.rpartition(OF_RUN)[0]
        if run and run not in own:
            books.remove_device(row.key)
            move_mark(books)
        else:
            taken.append((row, _taken_over(books, row, reaper, why, now)))
    # A dead holder is remembered as long as there is something to be taken from it.
    gone = [holder for holder in holders if holder.id in dead and not books.devices_of(holder.id)]
    for holder in gone:
        books.remove_holder(holder.id)
    known = {holder.id for holder in holders}
    for ticket in books.tickets():
        if ticket.holder in dead or ticket.holder not in known:
            books.remove_ticket(ticket.number)
    return Reaped(tuple(taken), tuple(gone), settle(books, now))


def seize(books: Books, key: str, reaper: str, why: str, now: Now) -> tuple[DeviceRow, DeviceRow] | None:
    """Take one device from whoever holds it, to recover it. None when nobody does."""
    row = books.device(key)
    if row is None or not row.holder:
        return None
    return row, _taken_over(books, row, reaper, why, now)


def is_to_be_retried(row: DeviceRow) -> bool:
    """Whether its recovery has failed, and nobody has decided anything about it since."""
    return row.status == U and not row.holder and row.reason.startswith(_FAILED)


def retry(books: Books, reaper: str, now: Now, *, knows: Callable[[str], bool] = _any) -> list[DeviceRow]:
    """Take devices whose recovery has failed to try it again: those of the host and of the reaper's own run."""
    own = {holder.run for holder in books.holders() if holder.id == reaper} | {""}
    rows = [row for row in books.devices() if is_to_be_retried(row) and knows(row.key)]
    rows = [row for row in rows if row.key.rpartition(OF_RUN)[0] in own]
    return [_taken_over(books, row, reaper, "its recovery is tried again", now) for row in rows]


def recovered(
    books: Books, key: str, holder: str, token: int, trouble: str, now: Now
) -> frozenset[str] | None:
    """A recovery has ended, well (no trouble) or not. Returns whom to wake; None when it was overtaken."""
    row = ours(books, key, holder, token)
    if row is None:
        return None
    if trouble:
        # What somebody wanted to follow the lease still has to follow, once it has been cleaned.
        failed = freed(row, now)._replace(after=row.after, sessions=row.sessions)
        books.put_device(failed._replace(status=U, reason=_FAILED + trouble))
    else:
        books.put_device(freed(row, now))
    return settle(books, now)


def _taken_over(books: Books, row: DeviceRow, holder: str, why: str, now: Now) -> DeviceRow:
    taken = row._replace(
        status=M,
        reason=f"{RECOVERING}: {why}",
        since_at_s=now.wall_s,
        token=row.token + 1,
        holder=holder,
        ticket=0,
        expires_s=now.s + now.ttl_s,
        is_parked=False,
        is_yielding=False,
    )
    books.put_device(taken)
    books.note_token(taken.key, taken.token)
    return taken
