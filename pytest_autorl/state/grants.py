"""Who gets which device now: a pure decision over tickets and devices.

First come, first served, all or nothing. A ticket that cannot be served yet keeps what is free of its candidates
for itself, so that a need for several devices is not overtaken for ever by needs for one; later tickets get what
no earlier one could use (backfill that delays nobody). A ticket that waiting cannot serve at present, since too
many of its candidates are out of service, keeps nothing from anybody.

A server may take fewer sessions than it has devices. A device that is held takes one of its slots, parked or not;
without a free slot a free device cannot be had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

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


def _is_held(phase: Phase) -> bool:
    return phase.is_held


def _is_held_for_long(phase: Phase) -> bool:
    return phase.is_held and not phase.is_yielding


def _nothing(phase: Phase) -> bool:
    return False


class _Room:
    """How many more sessions each server takes.

    Args:
        takes: Whether a device takes one of its server's slots.
    """

    def __init__(self, phases: Mapping[str, Phase], takes: Callable[[Phase], bool]) -> None:
        limited = {key: phase for key, phase in phases.items() if phase.slots}
        self._servers = {key: phase.server for key, phase in limited.items()}
        self._left: dict[str, int] = {}
        for phase in limited.values():  # two farm files may say differently: the lower limit holds
            self._left[phase.server] = min(phase.slots, self._left.get(phase.server, phase.slots))
        for phase in limited.values():
            self._left[phase.server] -= takes(phase)

    def pick(self, keys: Sequence[str], wants: int) -> list[str]:
        """The first of these devices that can be had together, `wants` at most."""
        if not self._servers:
            return list(keys[:wants])
        left, picked = dict(self._left), list[str]()
        for key in keys:
            server = self._servers.get(key)
            if len(picked) == wants:
                break
            if server is None or left[server] > 0:
                picked.append(key)
                if server is not None:
                    left[server] -= 1
        return picked

    def take(self, keys: Iterable[str]) -> None:
        """These are somebody's now."""
        for key in keys:
            if key in self._servers:
                self._left[self._servers[key]] -= 1

    def is_shared(self, key: str, other: str) -> bool:
        """Whether two devices take slots of one server."""
        return key in self._servers and self._servers[key] == self._servers.get(other)


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
    room, everything = _Room(phases, _is_held), _Room(phases, _nothing)
    served = []
    for ticket in tickets:
        mine = room.pick([key for key in ticket.candidates if key in left], ticket.wants)
        if len(mine) == ticket.wants:
            served.append((ticket, tuple(mine)))
        elif not _can_wait(ticket, phases, everything):
            continue
        left.difference_update(mine)
        room.take(mine)
    return served


def can_be_served(wish: TicketRow, phases: Mapping[str, Phase]) -> bool:
    """Whether waiting alone can help: enough of the candidates are in service, and their servers take as many."""
    return _can_wait(wish, phases, _Room(phases, _nothing))


def is_wanted(tickets: Sequence[TicketRow], phases: Mapping[str, Phase], key: str) -> bool:
    """Whether giving up this held device helps somebody who waits.

    What is free or about to be given up already counts first, so that of several parked devices no more are
    recalled than are missing.
    """
    coming = {name for name, phase in phases.items() if is_free(phase) or phase.is_yielding}
    room, everything = _Room(phases, _is_held_for_long), _Room(phases, _nothing)
    for ticket in tickets:
        free = [name for name in ticket.candidates if name in coming]
        mine = room.pick(free, ticket.wants)
        if len(mine) < ticket.wants:
            if not _can_wait(ticket, phases, everything):
                continue
            # The device itself is missing, or the slot that it takes of a server whose other device is free.
            is_blocked = any(room.is_shared(key, name) for name in free if name not in mine)
            if key not in coming and (key in ticket.candidates or is_blocked):
                return True
        coming.difference_update(mine)
        room.take(mine)
    return False


def _can_wait(ticket: TicketRow, phases: Mapping[str, Phase], everything: _Room) -> bool:
    back = [key for key in ticket.candidates if key in phases and comes_back(phases[key])]
    return len(everything.pick(back, ticket.wants)) == ticket.wants


def free_block(in_use: Iterable[int]) -> int:
    """First port of the lowest block that nobody has; 0 when all are taken."""
    taken = set(in_use)
    blocks = range(FIRST_PORT, LAST_PORT + 2 - BLOCK_SIZE, BLOCK_SIZE)
    return next((port for port in blocks if port not in taken), 0)
