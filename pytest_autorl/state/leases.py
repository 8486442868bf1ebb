"""Leases: who may drive a device, under which fencing token, and who waits for it.

Holds the records and the store's contract only. The rules are in `ledger.py`, the store in `store.py`.
A lease is the right to use one device; a grant of several devices is a tuple of leases, all or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pytest_autorl.farm.device import DeviceStatus


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to drive one device.

    Attributes:
        device_id: The device.
        owner: Name of the holder, shown to people in errors.
        token: Fencing token: grows with each grant of this device, never reused.
        since_s: When it was granted; seconds since the epoch, UTC.
        ports: TCP ports of this host that nobody else who leases is given meanwhile; empty where the device
            needs none.
    """

    device_id: str
    owner: str
    token: int
    since_s: float
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Session:
    """A WebDriver session that may be alive.

    Attributes:
        url: Of its server.
        id: Empty while somebody creates it, or if its creator never heard of it.
        key: Idempotency key of the creation: the server gives the same answer to whoever comes with the same key.
    """

    url: str
    id: str
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Unclean:
    """A device whose lease did not end in order, while it is being recovered.

    Attributes:
        lease: Of the recovery: its token is above that of whoever held the device.
        sessions: What may be alive on it.
        why: What had happened.
    """

    lease: Lease
    sessions: tuple[Session, ...]
    why: str


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A lease that its holder has lost by dying, by silence or by force.

    Attributes:
        run, owner, purpose, need: As it was asked for; `need` is the key of the requirement.
        since_s: When it was granted; seconds since the epoch.
    """

    device_id: str
    run: str
    owner: str
    purpose: str
    need: str
    token: int
    since_s: float


@dataclass(frozen=True, kw_only=True)
class DeviceState:
    """What the state knows of one device.

    Attributes:
        run: The run that it belongs to; "" for a device of the host.
        reason: Why it has this status; for a leased one what it is used for.
        since_s: Since when; seconds since the epoch.
        owner: Who holds it; "" when nobody does.
        is_parked: Its holder keeps it between two tests.
        holder, pid: Id of the holder in the state, and its process; "" and 0 when nobody holds it. While a device is
            recovered that is whoever recovers it.
        next_status, next_reason: What it will be when its lease ends; None and "": available.
        server, slots: The server behind it, and how many sessions that takes at once; "" and 0: no limit.
        health: What was last found out about its health, see `farm.fitness.Verdict.from_text`; "" when nothing was.
    """

    device_id: str
    run: str
    status: DeviceStatus
    reason: str
    since_s: float
    token: int
    owner: str = ""
    purpose: str = ""
    need: str = ""
    is_parked: bool = False
    holder: str = ""
    pid: int = 0
    next_status: DeviceStatus | None = None
    next_reason: str = ""
    server: str = ""
    slots: int = 0
    health: str = ""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Somebody who waits. Fields as in `DeviceState`; `count` of `candidates` are wanted."""

    number: int
    run: str
    owner: str
    purpose: str
    need: str
    candidates: tuple[str, ...]
    count: int
    since_s: float
    holder: str = ""


class LeaseStore(Protocol):
    """The one authority over who holds which device."""

    def acquire(
        self,
        candidates: Sequence[str],
        *,
        count: int,
        owner: str,
        purpose: str,
        wait_s: float,
        need: str = "",
        is_patient: bool = True,
        waited_s: float = 0.0,
    ) -> tuple[Lease, ...]:
        """Grant `count` of the candidates at once, in the candidates' order of preference.

        All or nothing, first come first served: while fewer than `count` can be had, none is held, and nobody who
        asks later gets one of them. Waits up to `wait_s` seconds; without `is_patient` only as long as waiting can
        help without anybody's doing, so not for devices that are out of service. Errors tell `waited_s`, seconds that
        somebody has waited for this before, with the rest.
        Raises LeaseTimeoutError when they could not be had in time, naming who holds them; ValueError when
        there are fewer candidates than `count`; StateError when the store cannot be used.
        """

    def check(self, lease: Lease) -> None:
        """Raise LeaseLostError unless the lease is still ours. Called before every driver command."""

    def release(self, lease: Lease, *, unclean: str = "") -> None:
        """Give it back. A lease already lost is left alone: teardown must not fail.

        Args:
            unclean: Why the device has to be recovered before anybody else gets it; "" when it is clean.
        """

    def note(self, lease: Lease, *, purpose: str, need: str, is_parked: bool) -> None:
        """What it is used for now, for those who look. Written a little later; never raises."""

    def judge(self, device_id: str, health: str, *, status: DeviceStatus, reason: str) -> None:
        """Write down what was found out about a device's health, and what it is to be, see `ledger.judge`.

        Raises StateError.
        """

    def health(self, device_id: str) -> str:
        """What was last found out about its health, by whichever process; "" when nothing was. Raises StateError."""

    def note_sessions(self, lease: Lease, sessions: Sequence[Session]) -> None:
        """Record what may be alive on the device, so that others can end it after our death.

        Raises LeaseLostError when it is not ours any more.
        """

    def is_wanted(self, device_id: str) -> bool:
        """Whether somebody waits who could use the device, or it is to be taken out of service. Cheap, and a hint
        only.
        """

    def offer(self, lease: Lease) -> bool:
        """Whether giving this unused device up helps somebody who waits, or it is to be taken out of service; then
        it must be given up.
        """

    def listen(self, on_wanted: Callable[[], None]) -> None:
        """Call `on_wanted`, from a thread of the store, when somebody new waits for something that we hold."""

    def devices(self) -> Mapping[str, DeviceState]:
        """What is known of each device of this run, by id."""

    def queue(self) -> Sequence[Waiting]:
        """Who waits, first come first."""

    def close(self) -> None:
        """Give everything back."""
