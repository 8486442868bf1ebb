"""Which worker runs what next, and on which devices: the planner's choice, where a worker can take it.

Decides and changes nothing. What the planner does not know: workers, who keeps which device, servers with few slots,
and that the devices of an open scope are for its tests alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_autorl.dispatch.backlog import Backlog, Kind
from pytest_autorl.dispatch.crew import Crew, OpenScope, Worker, burden
from pytest_autorl.dispatch.jobs import Choice, Job
from pytest_autorl.dispatch.needs_table import TOGETHER, NeedsTable
from pytest_autorl.dispatch.shelf import Seen, Shelf
from pytest_autorl.dispatch.terms import Takes


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A job for an idle worker.

    Attributes:
        among: Where others hold the choice's devices: those that would do as well, itself included.
    """

    worker: Worker
    choice: Choice
    among: tuple[str, ...] = ()


class Pairing:
    """See the module."""

    def __init__(self, table: NeedsTable, crew: Crew, shelf: Shelf, backlog: Backlog) -> None:
        self._table = table
        self._crew = crew
        self._shelf = shelf
        self._backlog = backlog

    # -- open scopes -------------------------------------------------------------------------------------------

    def is_over(self, scope: OpenScope) -> bool:
        """Whether no more tests are to come to an open scope.

        None is left, or all that are left were lost on its device and have others, or that goes out of service.
        """
        kind, unit = self._backlog.kind_at(scope.index), self._table.unit(scope.index)
        return (
            unit is None
            or unit.scope in TOGETHER
            or self._backlog.first_for(kind, scope.devices) is None
            or len(scope.devices) != self._table.classes[kind.klass].count
            or any(self._shelf.how(device) is Seen.OUT for device in scope.devices)
        )

    def within_scope(self, now_s: float) -> Match | None:
        """A test for a scope that is open in an idle worker. Nobody else could use its devices meanwhile."""
        matches = (
            Match(worker=worker, choice=choice)
            for worker in self._crew.idle
            for scope in worker.scopes.values()
            if not self.is_over(scope) and all(map(self._shelf.can_have, scope.devices))
            if (choice := self._next_of(scope, now_s)) is not None
        )
        return next(matches, None)

    def _next_of(self, scope: OpenScope, now_s: float) -> Choice | None:
        kind = self._backlog.kind_at(scope.index)

        def is_of_scope(job: Job) -> bool:
            return self._backlog.kind_of(job).unit == kind.unit

        # To wait for others is in vain as long as the scope is open.
        return self._backlog.planner.choose(scope.devices, now_s, takes=is_of_scope, may_wait=False)

    # -- devices that can be had -------------------------------------------------------------------------------

    def next(self, now_s: float) -> Match | None:
        """A test for devices that can be had; those first for which no worker has to give one up."""
        idle = self._crew.idle
        if not idle:
            return None
        takes = self._takes(idle)
        for is_polite in (True, False):
            devices = self._free(is_polite=is_polite)
            if is_polite:
                devices += self._pressing(devices)
            if not devices:
                continue
            choice = self._backlog.planner.choose(devices, now_s, takes=takes, together=self._together)
            if choice is not None:
                workers = self._idle_for(self._backlog.kind_of(choice.job))
                worker = min(workers, key=lambda one: burden(one, choice.devices))
                return Match(worker=worker, choice=choice)
        return None

    def _free(self, *, is_polite: bool) -> list[str]:
        """Devices that a test could start on now.

        Args:
            is_polite: Only those whose keeper is idle, or that nobody keeps.
        """
        keepers, taken = self._crew.keepers(), self._crew.busy_devices()
        if is_polite:
            taken.update(device for device, keeper in keepers.items() if not keeper.is_idle)
        return self._shelf.free(taken, kept=keepers, is_polite=is_polite)

    def _pressing(self, devices: Sequence[str]) -> list[str]:
        """Devices that busy workers keep, and that must not rest all the same; none while others do that must not."""
        pressing = self._backlog.planner.pressing()
        if not pressing or not pressing.isdisjoint(devices):
            return []
        return [device for device in self._free(is_polite=False) if device in pressing]

    def _takes(self, idle: Sequence[Worker]) -> Takes | None:
        """Whether an idle worker could run jobs of a kind; None where any of them could be run."""
        if any(not worker.scopes for worker in idle):
            return None
        return lambda job: bool(self._idle_for(self._backlog.kind_of(job)))

    def _together(self, devices: Sequence[str]) -> list[str]:
        return self._shelf.most_together(devices, self._crew.busy_devices())

    def _idle_for(self, kind: Kind) -> list[Worker]:
        """Idle workers that do not have the unit open: there its tests go on with the devices that it has."""
        idle, unit = self._crew.idle, self._table.units[kind.unit].name if kind.unit >= 0 else ""
        return [worker for worker in idle if unit not in worker.scopes] if unit else idle

    # -- devices of others -------------------------------------------------------------------------------------

    def to_wait(self) -> Match | None:
        """A test whose devices others hold, for an idle worker to wait for: who waits is who they give way to."""
        if not self._crew.idle:
            return None
        busy = self._crew.busy_devices()
        held_up = self._shelf.held_up(busy)
        for device in held_up:
            for kind in self._backlog.kinds():
                klass, workers = self._table.classes[kind.klass], self._idle_for(kind)
                if device not in klass.devices or not workers:
                    continue
                among = [device, *(one for one in klass.devices if one in held_up and one != device)]
                if len(among) < klass.count:
                    # What is free is taken along only where it is needed: the planner may have left it so on purpose.
                    free = [
                        one
                        for one in klass.devices
                        if one not in {*busy, *among} and self._shelf.can_have(one)
                    ]
                    among += free[: klass.count - len(among)]
                if len(among) < klass.count:
                    continue
                job = self._backlog.first_for(kind, among)
                if job is None and klass.count == 1:
                    # One that comes again waits for those alone that it should have.
                    among = [device]
                    job = self._backlog.first_for(kind, among)
                if job is None:
                    continue
                choice = Choice(
                    job=job,
                    devices=tuple(among[: klass.count]),
                    why=f"waits for {device}, which others hold",
                )
                worker = min(workers, key=lambda one: burden(one, ()))
                return Match(worker=worker, choice=choice, among=tuple(among))
        return None
