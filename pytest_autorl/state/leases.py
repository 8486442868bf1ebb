"""Leases: who may drive a device, and under which fencing token.

Holds the records and the store's contract only. Stores: `state/filelocks.py` (this host).
A lease is the right to use one device; a grant of several devices is a tuple of leases, all or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to drive one device.

    Attributes:
        device_id: The device.
        owner: Name of the holder, shown to people in errors.
        token: Fencing token: grows with each grant of this device, never reused.
        since_s: When it was granted; seconds since the epoch, UTC.
    """

    device_id: str
    owner: str
    token: int
    since_s: float


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a device now, as seen from outside. Fields as in `Lease`, plus the process."""

    device_id: str
    owner: str
    purpose: str
    pid: int
    since_s: float


class LeaseStore(Protocol):
    """The one authority over who holds which device."""

    def acquire(
        self, candidates: Sequence[str], *, count: int, owner: str, purpose: str, wait_s: float
    ) -> tuple[Lease, ...]:
        """Grant `count` of the candidates at once, in the candidates' order of preference.

        All or nothing: while fewer than `count` can be had, none is held. Waits up to `wait_s` seconds.
        Raises LeaseTimeoutError when they could not be had in time, naming who holds them; ValueError when
        there are fewer candidates than `count`; StateError when the store cannot be used.
        """

    def check(self, lease: Lease) -> None:
        """Raise LeaseLostError unless the lease is still ours. Called before every driver command."""

    def release(self, lease: Lease) -> None:
        """Give it back. A lease already lost is left alone: teardown must not fail."""

    def holder(self, device_id: str) -> Holder | None:
        """Who holds the device now; None when it is free."""

    def is_wanted(self, device_id: str) -> bool:
        """Whether somebody else waits for the device now."""

    def close(self) -> None:
        """Give everything back."""
