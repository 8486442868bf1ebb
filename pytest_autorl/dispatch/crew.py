"""The workers of a run as the controller knows them: what each runs, holds and shares. Plain bookkeeping."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Set
from dataclasses import dataclass, field

from pytest_autorl.dispatch.jobs import Job
from pytest_autorl.dispatch.orders import Holds


@dataclass(kw_only=True)
class Attempt:
    """One attempt that a worker was told to run.

    Attributes:
        devices: Those that it was granted; empty for a test that needs none.
        job: None for a test that needs no device, or has none to wait for.
        is_warm: The worker held these devices already.
        among: Others may hold these devices, and it waits for some of them: it may come back without having run.
            Empty where it does not wait.
    """

    index: int
    number: int
    devices: tuple[str, ...] = ()
    job: Job | None = None
    is_warm: bool = False
    among: tuple[str, ...] = ()

    @property
    def waits(self) -> bool:
        """Whether it waits for devices that others hold."""
        return bool(self.among)

    @property
    def known_devices(self) -> tuple[str, ...]:
        """Those that it runs on; empty while it waits for some of several: which ones it will get nobody knows."""
        return () if len(self.among) > len(self.devices) else self.devices


@dataclass(kw_only=True)
class Bundle:
    """Tests that stay together on one worker and its device, as far as they have not been sent."""

    job: Job
    devices: tuple[str, ...]
    left: deque[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenScope:
    """A wider scope that is alive in a worker.

    Attributes:
        devices: They are the unit's alone.
        index: A test that has asked for its fixture.
    """

    devices: tuple[str, ...]
    index: int


@dataclass(kw_only=True)
class Worker:
    """One worker.

    Attributes:
        running: Sent to it and not ended; the first one runs.
        bundle: Tests that it is to run before any other.
        scopes: Wider scopes that are alive, by unit.
        closing: Units whose end it was asked for and has not told, in this order.
        last: The test that it ran last; scopes of it may be alive.
        is_leaving: It tears down scopes of earlier tests.
    """

    id: str
    pid: int
    running: deque[Attempt] = field(default_factory=deque)
    holds: Holds = field(default_factory=Holds)
    bundle: Bundle | None = None
    scopes: dict[str, OpenScope] = field(default_factory=dict)
    closing: deque[str] = field(default_factory=deque)
    last: int | None = None
    is_leaving: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether it can be told to run something."""
        return not self.running and self.bundle is None and not self.closing

    @property
    def busy_devices(self) -> set[str]:
        """Devices that it uses, or is about to; those of its wider scopes too."""
        found = {device for attempt in self.running for device in attempt.devices}
        if self.bundle is not None:
            found.update(self.bundle.devices)
        return found.union(self.holds.used)

    @property
    def stuck_devices(self) -> set[str]:
        """Devices in use where nothing runs, for a scope of which no table told: nothing will free them."""
        if not self.holds.used or not self.is_idle:
            return set()
        return set(self.holds.used).difference(*(scope.devices for scope in self.scopes.values()))

    def lets_go(self, devices: Set[str]) -> None:
        """It keeps these devices no longer."""
        if not devices.isdisjoint(self.holds.parked):
            left = tuple(one for one in self.holds.parked if one not in devices)
            self.holds = Holds(parked=left, used=self.holds.used)


class Crew:
    """All workers, by id."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers.values())

    def __len__(self) -> int:
        return len(self._workers)

    def __contains__(self, worker_id: str) -> bool:
        return worker_id in self._workers

    def __getitem__(self, worker_id: str) -> Worker:
        return self._workers[worker_id]

    def get(self, worker_id: str) -> Worker | None:
        """One; None when it is not here."""
        return self._workers.get(worker_id)

    def add(self, worker: Worker) -> None:
        """A new one."""
        self._workers[worker.id] = worker

    def remove(self, worker_id: str) -> Worker | None:
        """It is gone; returns what it was, None when it was never here."""
        return self._workers.pop(worker_id, None)

    @property
    def idle(self) -> list[Worker]:
        """Those that can be told to run something."""
        return [worker for worker in self._workers.values() if worker.is_idle]

    def keepers(self) -> dict[str, Worker]:
        """Who keeps which devices between two tests."""
        return {device: worker for worker in self for device in worker.holds.parked}

    def busy_devices(self) -> set[str]:
        """Devices that any of them uses."""
        found: set[str] = set()
        for (
            worker
        ) in self:  # for each order anew, with as many workers as there are: so without `busy_devices`
            for attempt in worker.running:
                found.update(attempt.devices)
            if worker.bundle is not None:
                found.update(worker.bundle.devices)
            if worker.holds.used:
                found.update(worker.holds.used)
        return found

    def stuck_devices(self) -> set[str]:
        """See `Worker.stuck_devices`, of all."""
        found: set[str] = set()
        for worker in self:
            if worker.holds.used:
                found |= worker.stuck_devices
        return found

    def waited_for(self) -> set[str]:
        """Devices that some wait for, since others hold them."""
        return {
            device
            for worker in self
            for attempt in worker.running
            if attempt.waits
            for device in attempt.devices
        }


def burden(worker: Worker, devices: Collection[str]) -> tuple[int, int, int, str]:
    """The less the better suits a worker: it keeps the devices, nothing else is lost or kept from others."""
    parked = set(worker.holds.parked)
    return (
        -len(parked.intersection(devices)),
        len(worker.scopes),
        len(parked.difference(devices)),
        worker.id,
    )
