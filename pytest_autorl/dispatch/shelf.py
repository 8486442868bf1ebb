"""The devices as the broker knows them: how the state shows them, which were refused, whose servers are full.

Plain bookkeeping. Who of our own workers has a device the crew knows; it is passed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from enum import Enum
from math import inf
from typing import Final

from pytest_autorl.farm.slots import together

#: A device that could not be had is left alone for so long.
REFUSED_S: Final = 0.5


class Seen(Enum):
    """How the state shows a device that no test of ours uses."""

    FREE = "free"
    #: Held by a worker of this run.
    OURS = "ours"
    #: Held by somebody else.
    FOREIGN = "foreign"
    #: Out of service.
    OUT = "out"


class Shelf:
    """See the module. Devices start as free.

    Args:
        slots: For each device whose server sets a limit: the server, and how many sessions it takes at once.
    """

    def __init__(self, devices: Sequence[str], slots: Mapping[str, tuple[str, int]]) -> None:
        self._seen = dict.fromkeys(devices, Seen.FREE)
        self._slots = {device: slots[device] for device in devices if device in slots}
        self._refused_until_s: dict[str, float] = {}
        #: Devices that none of our workers could have now, unless it has them.
        self._absent: set[str] = set()
        #: Refused once, and not had since.
        self._doubted: set[str] = set()
        #: When a worker last told of a device, or was given it: what was looked up before is old.
        self._touched_s: dict[str, float] = {}

    # -- what happens ------------------------------------------------------------------------------------------

    def put(self, device: str, how: Seen) -> None:
        """The state shows it so."""
        self._seen[device] = how
        self._mark(device)

    def touch(self, devices: Iterable[str], now_s: float) -> None:
        """A worker has told of them, or was given them."""
        self._touched_s.update(dict.fromkeys(devices, now_s))

    def had(self, devices: Set[str]) -> None:
        """A worker has, or had them: whoever refused them before is answered."""
        for device in self._seen.keys() & devices:
            self._refused_until_s.pop(device, None)
            self._doubted.discard(device)
            # The state was looked at before; one that is out of service is so all the same.
            if self._seen[device] in (Seen.FREE, Seen.FOREIGN):
                self._seen[device] = Seen.OURS
            self._mark(device)

    def refuse(self, device: str, now_s: float) -> None:
        """A worker could not have it."""
        self._refused_until_s[device] = now_s + REFUSED_S
        self._doubted.add(device)
        self._mark(device)

    def expire(self, now_s: float) -> list[str]:
        """Devices whose refusal is over now."""
        over = [device for device, until_s in self._refused_until_s.items() if now_s >= until_s]
        for device in over:
            del self._refused_until_s[device]
            self._mark(device)
        return over

    def _mark(self, device: str) -> None:
        is_ours = self._seen[device] in (Seen.FREE, Seen.OURS) and device not in self._refused_until_s
        (self._absent.discard if is_ours else self._absent.add)(device)

    # -- looking -----------------------------------------------------------------------------------------------

    def __contains__(self, device: str) -> bool:
        return device in self._seen

    def is_newer(self, device: str, looked_s: float) -> bool:
        """Whether a worker has told of a device since."""
        return self._touched_s.get(device, -inf) > looked_s

    def how(self, device: str) -> Seen:
        """As the state shows it; out of service for one that is not of this farm."""
        return self._seen.get(device, Seen.OUT)

    def is_refused(self, device: str) -> bool:
        """Whether it is left alone for a moment."""
        return device in self._refused_until_s

    def can_have(self, device: str) -> bool:
        """Whether one of our workers could have it, as far as is known."""
        return device in self._seen and device not in self._absent

    def free(self, taken: Collection[str], *, kept: Collection[str], is_polite: bool) -> list[str]:
        """Devices that a test could start on now.

        Args:
            taken: Not to be touched; they have slots of their servers.
            kept: Parked by ours: they have slots, too.
            is_polite: None of `kept` is to be ended for the sake of another device's slot.
        """
        users = {*taken, *kept} if is_polite else taken
        full = self._full(device for device in self._slots if device in users or self._is_foreign(device))
        return [
            device
            for device in self._seen
            if device not in taken
            and device not in self._absent
            and (not full or device in kept or self._server(device) not in full)
        ]

    def fit_together(self, devices: Sequence[str], busy: Collection[str]) -> bool:
        """Whether the servers of these devices take as many sessions at once, beside those in use."""
        if not any(device in self._slots for device in devices):
            return True
        return together(devices, self._slots, self._users(busy, devices)) == len(devices)

    def most_together(self, devices: Sequence[str], busy: Collection[str]) -> list[str]:
        """As many of these devices as can be had at once, the first ones first."""
        if not self._slots:
            return list(devices)
        found: list[str] = []
        for device in devices:
            if self.fit_together([*found, device], busy):
                found.append(device)
        return found

    def held_up(self, taken: Collection[str]) -> list[str]:
        """Devices that others hold, or whose server's slots they do: a ticket for them asks them to give way."""
        full = self._full(filter(self._is_foreign, self._slots))
        return [
            device
            for device in self._seen
            if device not in taken
            and device not in self._refused_until_s
            and (self._is_foreign(device) or (self._server(device) in full and self.can_have(device)))
        ]

    def absent(self) -> set[str]:
        """Devices that none of our workers could have now, unless it has them."""
        return set(self._absent)

    def doubted(self) -> set[str]:
        """Devices that a worker could not have when one was last sent for them."""
        return set(self._doubted)

    @property
    def is_all_there(self) -> bool:
        """Whether all devices can be had, beyond doubt."""
        return not (self._absent or self._doubted)

    def reach(self, devices: frozenset[str], without: Set[str]) -> int:
        """How many of `devices` could be had at once without some of them, were all our own workers idle."""
        if not self._slots:
            return len(devices) - len(devices & without)
        left = devices - without
        return together(left, self._slots, self._users((), left))

    # -- servers -----------------------------------------------------------------------------------------------

    def _is_foreign(self, device: str) -> bool:
        return self._seen[device] is Seen.FOREIGN

    def _server(self, device: str) -> str | None:
        return self._slots[device][0] if device in self._slots else None

    def _full(self, users: Iterable[str]) -> set[str | None]:
        """Servers that have no slot beside these users."""
        if not self._slots:
            return set()
        count = Counter(self._server(device) for device in users)
        return {server for server, limit in self._slots.values() if count[server] >= limit}

    def _users(self, busy: Collection[str], without: Collection[str]) -> list[str]:
        return [
            device
            for device in self._slots
            if (device in busy or self._is_foreign(device)) and device not in without
        ]
