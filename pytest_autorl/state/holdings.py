"""What one process holds, as it knows it: leases, until when they are surely ours, and what they are used for."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_autorl.state.engine import DeviceRow
from pytest_autorl.state.leases import Lease
from pytest_autorl.state.ledger import B, Now

#: Share of a lease's life after which it is not ours without asking.
_SURE_SHARE = 0.75


@dataclass
class Holding:
    """One lease. `sure_until_s` by the host's clock: until then nobody else can have it."""

    key: str
    sure_until_s: float
    is_lost: bool = False

    def is_sure(self, now_s: float) -> bool:
        """Whether it is ours without asking anybody."""
        return not self.is_lost and now_s <= self.sure_until_s


class Holdings:
    """The leases of a process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._held: dict[Lease, Holding] = {}
        self._notes: dict[tuple[str, int], tuple[str, str, bool]] = {}
        #: Rows of ours that nobody here knows, seen once: a grant whose answer was lost on the way.
        self._strange: set[tuple[str, int]] = set()

    def get(self, lease: Lease) -> Holding | None:
        """None when it was given back, or never was ours."""
        return self._held.get(lease)

    def leases(self) -> list[Lease]:
        """All of them."""
        with self._mutex:
            return list(self._held)

    def add(self, lease: Lease, key: str, expires_s: float, now: Now) -> None:
        """It was granted."""
        with self._mutex:
            self._held[lease] = Holding(key, _sure_until(expires_s, now))

    def pop(self, lease: Lease) -> Holding | None:
        """It is given back; None when it was before."""
        with self._mutex:
            held = self._held.pop(lease, None)
            if held is not None:
                self._notes.pop((held.key, lease.token), None)
            return held

    def note(self, lease: Lease, purpose: str, need: str, is_parked: bool) -> bool:
        """Keep what it is used for, for the next sign of life; False when it is not held."""
        with self._mutex:
            held = self._held.get(lease)
            if held is not None:
                self._notes[held.key, lease.token] = (purpose, need, is_parked)
            return held is not None

    def notes(self) -> dict[tuple[str, int], tuple[str, str, bool]]:
        """What each lease is used for, as `ledger.beat` wants it."""
        with self._mutex:
            return dict(self._notes)

    def renewed(self, rows: Sequence[DeviceRow], now: Now, *, asking_since_s: float) -> set[tuple[str, int]]:
        """A sign of life was taken at `now`, and these rows are ours.

        Args:
            asking_since_s: What was granted from then on, seconds since the epoch, may not be known here yet.
        Returns: key and token of rows that nobody here knows for the second time: nobody will give them back.
        """
        ours = {(row.key, row.token): row for row in rows}
        with self._mutex:
            for lease, held in self._held.items():
                row = ours.pop((held.key, lease.token), None)
                if row is not None:
                    held.sure_until_s = _sure_until(row.expires_s, now)
                # A grant of this very moment can be younger than the rows.
                elif held.sure_until_s < now.s + now.ttl_s * _SURE_SHARE:
                    held.is_lost = True
            strange = {
                at for at, row in ours.items() if row.status == B and row.granted_at_s < asking_since_s
            }
            again, self._strange = strange & self._strange, strange
            return again

    def overtaken(self, tokens: Mapping[str, int]) -> None:
        """What the state says of each device's last token: a higher one than ours, and ours is lost."""
        with self._mutex:
            for lease, held in self._held.items():
                held.is_lost = held.is_lost or tokens.get(held.key, 0) > lease.token


def _sure_until(expires_s: float, now: Now) -> float:
    return expires_s - now.ttl_s * (1 - _SURE_SHARE)
