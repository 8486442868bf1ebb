"""Who gets which device now: a pure decision over tickets and devices.

First come, first served, all or nothing. A ticket that cannot be served yet keeps what is free of its candidates
for itself, so that a need for several devices is not overtaken for ever by needs for one; later tickets get what
no earlier one could use (backfill that delays nobody). A ticket that waiting cannot serve at present, since too
many of its candidates are out of service, keeps nothing from anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.state.engine import Phase, TicketRow

#: Ports of leased blocks: below the range from which Linux hands out ports by itself (32768 on), above those
#: that Appium's drivers take by default (8000 to 10000).
FIRST_PORT = 20_000
LAST_PORT = 29_999
BLOCK_SIZE = 8


def is_free(phase: Phase) -> bool:
    """Whether it can be granted now."""
    return phase.status == DeviceStatus.AVAILABLE


def comes_back(phase: Phase) -> bool:
    """Whether it is free, or will be without anybody's doing: leased, or being recovered."""
    return phase.is_held or is_free(phase)


def decide(
    tickets: Sequence[TicketRow], phases: Mapping[str, Phase]
) -> list[tuple[TicketRow, tuple[str, ...]]]:
    """The tickets that can be served now, each with its devices in its order of preference.

    >>> free, held = Phase("available", False, False), Phase("busy", True, False)
    >>> pair = TicketRow(1, "h", "gw0", "", "", ("a", "b"), 2, 0, 0, "")
    >>> one = pair._replace(number=2, candidates=("a", "c"), wants=1)
    >>> [(t.number, keys) for t, keys in decide([pair, one], {"a": free, "b": held, "c": free})]
    [(2, ('c',))]
    """
    left = {key for key, phase in phases.items() if is_free(phase)}
    served = []
    for ticket in tickets:
        mine = [key for key in ticket.candidates if key in left]
        if len(mine) >= ticket.wants:
            mine = mine[: ticket.wants]
            served.append((ticket, tuple(mine)))
        elif not _can_wait(ticket, phases):
            continue
        left.difference_update(mine)
    return served


def is_wanted(tickets: Sequence[TicketRow], phases: Mapping[str, Phase], key: str) -> bool:
    """Whether giving up this held device helps somebody who waits.

    What is free or about to be given up already counts first, so that of several parked devices no more are
    recalled than are missing.
    """
    coming = {name for name, phase in phases.items() if is_free(phase) or phase.is_yielding}
    for ticket in tickets:
        mine = [name for name in ticket.candidates if name in coming]
        if len(mine) >= ticket.wants:
            mine = mine[: ticket.wants]
        elif not _can_wait(ticket, phases):
            continue
        elif key in ticket.candidates and key not in coming:
            return True
        coming.difference_update(mine)
    return False


def _can_wait(ticket: TicketRow, phases: Mapping[str, Phase]) -> bool:
    back = sum(1 for key in ticket.candidates if key in phases and comes_back(phases[key]))
    return back >= ticket.wants


def free_block(in_use: Iterable[int]) -> int:
    """First port of the lowest block that nobody has; 0 when all are taken."""
    taken = set(in_use)
    blocks = range(FIRST_PORT, LAST_PORT + 2 - BLOCK_SIZE, BLOCK_SIZE)
    return next((port for port in blocks if port not in taken), 0)
