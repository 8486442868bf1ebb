"""Who has which device: what workers tell of those that they hold, and what the state shows, brought together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from pytest_autorl.dispatch.backlog import Backlog
from pytest_autorl.dispatch.crew import Crew, Worker
from pytest_autorl.dispatch.orders import Holds
from pytest_autorl.dispatch.shelf import Seen, Shelf


class Custody:
    """Keeps crew, shelf and planner of one mind."""

    def __init__(self, crew: Crew, shelf: Shelf, backlog: Backlog) -> None:
        self._crew = crew
        self._shelf = shelf
        self._backlog = backlog
        self._planner = backlog.planner

    # -- what workers tell -------------------------------------------------------------------------------------

    def told(self, worker: Worker, holds: Holds, now_s: float, *, had: Iterable[str] = ()) -> None:
        """What a worker says that it holds; sessions on what it held before, or `had` until now, are gone."""
        holding, used = {*holds.parked, *holds.used}, set(holds.used)
        gone = {*worker.holds.parked, *worker.holds.used, *had} - holding
        for device in gone:
            self._planner.forget(device)
        self._shelf.touch(gone, now_s)
        worker.holds = holds
        worker.scopes = {
            unit: scope for unit, scope in worker.scopes.items() if used.intersection(scope.devices)
        }
        self._has(worker, {*holding, *had}, now_s)

    def took(self, worker: Worker, devices: Sequence[str], now_s: float) -> None:
        """A worker that waits for some of several devices has got these."""
        attempt = worker.running[0] if worker.running else None
        if attempt is None or attempt.job is None or not attempt.waits:
            return
        others = {device for one in self._crew if one is not worker for device in one.busy_devices}
        if not all(device in self._shelf and device not in others for device in devices):
            return  # somebody was sent for them meanwhile; that will be refused
        if attempt.devices != tuple(devices):
            attempt.devices = tuple(devices)
            self._backlog.move(attempt.job, attempt.devices, now_s)
            if worker.bundle is not None:
                worker.bundle.devices = attempt.devices
        attempt.among = ()
        self._has(worker, set(devices), now_s)

    def refused(self, devices: Iterable[str], now_s: float) -> None:
        """A worker could not have these."""
        for device in devices:
            self._shelf.refuse(device, now_s)
            self._shelf.touch((device,), now_s)
            self._plan(device, now_s)

    def gone(self, worker: Worker) -> None:
        """A worker is no more, nor are its sessions."""
        for device in {*worker.holds.parked, *worker.busy_devices}:
            self._planner.forget(device)

    def _has(self, worker: Worker, devices: Set[str], now_s: float) -> None:
        """A worker has these devices, or had them until now: no other has them."""
        self._shelf.had(devices)
        self._shelf.touch(devices, now_s)
        for device in devices:
            self._plan(device, now_s)
        for other in self._crew:
            if other is not worker:
                other.lets_go(devices)

    # -- what the state shows ----------------------------------------------------------------------------------

    def see(self, seen: Mapping[str, Seen], now_s: float, *, looked_s: float) -> None:
        """See `Broker.see`."""
        busy, keepers = self._crew.busy_devices(), self._crew.keepers()
        for device in self._shelf.expire(now_s):
            self._plan(device, now_s)
        ours = []
        for device, how in seen.items():
            if device not in self._shelf or self._shelf.is_newer(device, looked_s):
                continue
            if how is Seen.OURS and device not in keepers:
                ours.append(device)
            if device in busy:
                # What we know of it ourselves is newer, but for its being in service.
                if (how is Seen.OUT) != (self._shelf.how(device) is Seen.OUT):
                    self._shelf.put(device, how)
                    self._plan(device, now_s)
                continue
            if device in keepers and how is not Seen.OURS:
                # Given back between two tests, since others wanted it or it was idle for long.
                keepers[device].lets_go({device})
                self._planner.forget(device)
            self._shelf.put(device, how)
            self._plan(device, now_s)
        self._find_takers(ours, now_s)

    def _find_takers(self, ours: Sequence[str], now_s: float) -> None:
        """Devices that a worker of ours has, and none told of: one that waited for them has got them."""
        for worker in self._crew if ours else ():
            for attempt in list(worker.running)[:1]:
                got = [device for device in attempt.among if device in ours]
                if attempt.waits and len(got) >= len(attempt.devices):
                    self.took(worker, got[: len(attempt.devices)], now_s)

    def _plan(self, device: str, now_s: float) -> None:
        """Tell the planner whether a device can be had."""
        if self._shelf.can_have(device):
            self._planner.up(device, now_s)
        else:
            self._planner.down(device, now_s)
