"""The jobs of a run that wait or run, with the places of their tests, and the planner that knows them by name.

Jobs of one kind, that is of one class and one unit, are alike in all but their length: where one may run, all may.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pytest_autorl.dispatch.detours import Detour
from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.jobs import Choice, Job
from pytest_autorl.dispatch.needs_table import NeedsTable
from pytest_autorl.dispatch.plan import Planner

#: For so long a test that comes again waits for the right devices while others have them; then any will do. They give
#: way between two tests of theirs.
HELD_S: Final = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """Places of a class and a unit in the table; the unit's is NONE where devices are not shared."""

    klass: int
    unit: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Comeback:
    """A job that waits, and whose first test has had an attempt with devices before.

    Attributes:
        index: That test.
        boost: As it was added.
        avoid: Devices that it is not to have.
        held_since_s: Since when others have all devices that it should have; None where they do not.
        is_held: The planner does not know it: it would give it one of those to avoid.
    """

    index: int
    boost: float
    avoid: frozenset[str] = frozenset()
    held_since_s: float | None = None
    is_held: bool = False


class Backlog:
    """See the module. Once built, every test that needs a device waits.

    Args:
        detour_of: How a test that comes again is to go, as things are now; None for one that comes for the first time.
    """

    def __init__(
        self,
        table: NeedsTable,
        devices: Sequence[str],
        estimates: Estimates,
        *,
        detour_of: Callable[[int], Detour | None],
    ) -> None:
        self._table = table
        self._detour_of = detour_of
        self._waiting: dict[Kind, OrderedDict[str, tuple[Job, tuple[int, ...]]]] = {}
        self._kinds: dict[str, Kind] = {}
        #: How many tests of each kind wait.
        self._counts: dict[Kind, int] = {}
        self._running: set[str] = set()
        self._comebacks: dict[str, Comeback] = {}
        jobs = [self._list(group) for group in table.groups(range(len(table.tests)))]
        self.planner = Planner(devices, jobs, estimates)

    # -- looking -----------------------------------------------------------------------------------------------

    def kinds(self) -> list[Kind]:
        """Those of which jobs wait, in the order of the table."""
        return [kind for kind, count in self._counts.items() if count]

    @property
    def has_comebacks(self) -> bool:
        """Whether jobs wait that have been on devices before."""
        return bool(self._comebacks)

    def has_waited(self, now_s: float) -> bool:
        """Whether one of them has waited long enough for devices of others."""
        return any(one.is_held and _has_waited(one, now_s) for one in self._comebacks.values())

    def count(self, kind: Kind) -> int:
        """How many tests of a kind wait."""
        return self._counts.get(kind, 0)

    def kind_of(self, job: Job) -> Kind:
        """Of a job that waits."""
        return self._kinds[job.name]

    def kind_at(self, index: int) -> Kind:
        """Of a test, whether it waits or not."""
        return Kind(klass=self._table.class_of[index], unit=self._table.unit_of[index])

    def first_for(self, kind: Kind, devices: Collection[str]) -> Job | None:
        """The first job of a kind that waits, but for those that are to avoid some of the devices and have others."""
        waiting = self._waiting.get(kind, OrderedDict())
        return next((job for job, _ in waiting.values() if self._may_use(job.name, devices)), None)

    def _may_use(self, name: str, devices: Collection[str]) -> bool:
        comeback = self._comebacks.get(name)
        if comeback is not None and comeback.is_held:
            return comeback.avoid.isdisjoint(devices)
        return self.planner.may_use(name, devices)

    # -- what happens ------------------------------------------------------------------------------------------

    def add(self, indices: Sequence[int], now_s: float, *, boost: float = 0.0) -> None:
        """These tests, one or several that stay together, are to be run. See `Planner.add`."""
        job, detour = self._list(indices), self._detour_of(indices[0])
        if detour is None or not detour.avoid:  # else those go before it that are at home on any device
            self._waiting[self._kinds[job.name]].move_to_end(job.name, last=False)
        if detour is None:
            self.planner.add(job, boost=boost, now_s=now_s)
            return
        comeback = _sent(Comeback(index=indices[0], boost=boost), detour, now_s)
        self._comebacks[job.name] = comeback
        if not comeback.is_held:
            self._plan(job, comeback, now_s)

    def steer(self, now_s: float) -> None:
        """Find anew how jobs that come again are to go: devices have come or gone, or it was waited long enough."""
        for name, before in self._comebacks.items():
            comeback = _sent(before, self._detour_of(before.index) or Detour(), now_s)
            self._comebacks[name] = comeback
            if (comeback.avoid, comeback.is_held) == (before.avoid, before.is_held):
                continue
            job, _ = self._waiting[self._kinds[name]][name]
            self.planner.drop(name)
            if not comeback.is_held:
                self._plan(job, comeback, now_s)

    def _plan(self, job: Job, comeback: Comeback, now_s: float) -> None:
        self.planner.add(job, boost=comeback.boost, avoid=comeback.avoid, now_s=now_s)

    def start(self, choice: Choice, now_s: float) -> tuple[int, ...]:
        """A job begins; returns its tests."""
        comeback = self._comebacks.get(choice.job.name)
        if comeback is not None and comeback.is_held:
            self._plan(choice.job, comeback, now_s)
        self.planner.start(choice, now_s)
        self._running.add(choice.job.name)
        return self._unlist(choice.job.name)

    def move(self, job: Job, devices: tuple[str, ...], now_s: float) -> None:
        """A job that runs turns out to run on other devices."""
        self.planner.end(job.name, now_s)
        self.planner.add(job, now_s=now_s)
        self.planner.start(Choice(job=job, devices=devices, why="the first that could be had"), now_s)

    def end(self, job: Job, now_s: float) -> None:
        """A job is over, however it ended. One that does not run is left alone."""
        if job.name in self._running:
            self._running.remove(job.name)
            self.planner.end(job.name, now_s)

    def drop(self, klass: int) -> list[int]:
        """No job of a class is waited for any longer; returns their tests, in pytest's order."""
        dropped: list[int] = []
        for kind in [one for one in self.kinds() if one.klass == klass]:
            for name in list(self._waiting[kind]):
                self.planner.drop(name)
                dropped.extend(self._unlist(name))
        return sorted(dropped)

    def clear(self) -> None:
        """Nothing waits any longer."""
        for kind in self.kinds():
            self.drop(kind.klass)

    # -- lists -------------------------------------------------------------------------------------------------

    def _list(self, indices: Sequence[int]) -> Job:
        name = self._table.tests[indices[0]]
        if name in self._kinds or name in self._running:  # a node id that stands twice in the collection
            name = f"{name} #{indices[0]}"
        job = self._table.job(indices, name=name)
        kind = self.kind_at(indices[0])
        self._kinds[name] = kind
        self._waiting.setdefault(kind, OrderedDict())[name] = job, tuple(indices)
        self._counts[kind] = self.count(kind) + len(indices)
        return job

    def _unlist(self, name: str) -> tuple[int, ...]:
        self._comebacks.pop(name, None)
        kind = self._kinds.pop(name)
        _, indices = self._waiting[kind].pop(name)
        self._counts[kind] -= len(indices)
        return indices


def _sent(comeback: Comeback, detour: Detour, now_s: float) -> Comeback:
    """A job is to go so now."""
    if not detour.is_held_up:
        return replace(comeback, avoid=detour.avoid, held_since_s=None, is_held=False)
    since_s = now_s if comeback.held_since_s is None else comeback.held_since_s
    held = replace(comeback, avoid=detour.avoid, held_since_s=since_s, is_held=True)
    return replace(held, avoid=frozenset(), is_held=False) if _has_waited(held, now_s) else held


def _has_waited(comeback: Comeback, now_s: float) -> bool:
    return comeback.held_since_s is not None and now_s - comeback.held_since_s >= HELD_S
