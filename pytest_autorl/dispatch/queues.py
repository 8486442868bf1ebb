"""Pending jobs in order: by class, session and module, the longest first.

Sorted lists, not heaps: a job is looked for from the front as often as it is taken, and jobs behind the first matter.
One that is taken is only marked, and skipped later, so that a job can stand in several lists.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush

from pytest_autorl.dispatch.jobs import Job

#: A list is cleared of marked jobs when they are more than its others and so many.
_FEW = 32


class Pending:
    """A job that waits.

    Attributes:
        work_s: Estimate on a device of factor 1.
        cautious_s: What it may well take, see `Estimates.rank_s`.
        rank_s: The length by which it is put in order: boosted, see `Planner.add`.
        avoid: Devices that it should not go to while others fit.
        is_waiting: False once it has been taken or dropped.
    """

    __slots__ = ("avoid", "boost", "cautious_s", "is_waiting", "job", "key", "line", "rank_s", "work_s")

    def __init__(self, job: Job, line: Line, *, boost: float, avoid: frozenset[str]) -> None:
        self.job = job
        self.line = line
        self.boost = boost
        self.avoid = avoid
        self.is_waiting = True
        self.estimated(0.0, 0.0)

    def estimated(self, work_s: float, rank_s: float) -> None:
        """Set the estimate. Only while it stands in no list."""
        self.work_s = work_s
        self.cautious_s = rank_s
        self.rank_s = rank_s * (1.0 + self.boost)
        self.key = (-self.rank_s, self.job.order, self.job.name)


def _key(pending: Pending) -> tuple[float, int, str]:
    return pending.key


class Ranked:
    """Jobs, longest first."""

    __slots__ = ("_gone", "_head", "_jobs", "count", "work_s")

    def __init__(self) -> None:
        self._jobs: list[Pending] = []
        self._head = 0
        self._gone = 0
        self.count = 0
        self.work_s = 0.0

    def fill(self, jobs: list[Pending]) -> None:
        """Hold these, and no others."""
        self._jobs = sorted(jobs, key=_key)
        self._head = self._gone = 0
        self.count = len(jobs)
        self.work_s = sum(pending.work_s for pending in jobs)

    def add(self, pending: Pending) -> None:
        """One more."""
        insort(self._jobs, pending, lo=self._head, key=_key)
        self.count += 1
        self.work_s += pending.work_s

    def leave(self, pending: Pending) -> None:
        """One of them no longer waits: it has been marked."""
        self.count -= 1
        self.work_s = max(0.0, self.work_s - pending.work_s) if self.count else 0.0
        self._gone += 1
        if self._gone > self.count + _FEW:
            self._jobs = list(self)
            self._head = self._gone = 0

    def __iter__(self) -> Iterator[Pending]:
        """Those that wait, in order."""
        jobs = self._jobs
        for i in range(self._head, len(jobs)):
            if jobs[i].is_waiting:
                yield jobs[i]

    def first(self, may: Callable[[Pending], bool]) -> Pending | None:
        """The longest that waits and may be taken."""
        jobs = self._jobs
        head = self._head
        while head < len(jobs) and not jobs[head].is_waiting:
            head += 1
            self._gone -= 1
        self._head = head
        return next((pending for pending in self if may(pending)), None)


class Modules:
    """On how many devices the fixtures of each module are set up, and where its jobs wait."""

    def __init__(self) -> None:
        self._devices: Counter[str] = Counter()
        self._lanes: dict[str, list[Lane]] = {}

    def is_open(self, module: str) -> bool:
        """Whether any device has the module's fixtures."""
        return self._devices[module] > 0

    def opened(self, module: str) -> None:
        """One more device has them."""
        self._devices[module] += 1

    def closed(self, module: str) -> None:
        """One device less has them."""
        self._devices[module] -= 1
        if not self._devices[module]:
            for lane in self._lanes.get(module, ()):
                lane.reopen(module)

    def housed(self, module: str, lane: Lane) -> None:
        """Jobs of the module wait in a lane."""
        self._lanes.setdefault(module, []).append(lane)


class Lane:
    """Jobs of one class and session, and their modules."""

    def __init__(self, modules: Modules) -> None:
        self.ranked = Ranked()
        self.modules: dict[str, Ranked] = {}
        self._all_modules = modules
        # A heap by work. An entry counts while `_listed` says the same; work that has shrunk is put right on looking.
        self._unopened: list[tuple[float, str]] = []
        self._listed: dict[str, float] = {}

    def add(self, pending: Pending) -> None:
        """One more job."""
        module = pending.job.module
        self.ranked.add(pending)
        self._of(module).add(pending)
        self.reopen(module)

    def leave(self, pending: Pending) -> None:
        """One of them no longer waits."""
        self.ranked.leave(pending)
        self.modules[pending.job.module].leave(pending)

    def fill(self, jobs: list[Pending]) -> None:
        """Hold these, and no others."""
        by_module: dict[str, list[Pending]] = {module: [] for module in self.modules}
        for pending in jobs:
            by_module.setdefault(pending.job.module, []).append(pending)
        self.ranked.fill(jobs)
        for module, some in by_module.items():
            self._of(module).fill(some)
        self._listed = {module: -ranked.work_s for module, ranked in self.modules.items() if ranked.count}
        self._unopened = [(work_s, module) for module, work_s in self._listed.items()]
        heapify(self._unopened)

    def reopen(self, module: str) -> None:
        """No device has the module's fixtures any more, or the module has more work than it had."""
        ranked = self.modules[module]
        if ranked.count and self._listed.get(module) != -ranked.work_s:
            self._listed[module] = -ranked.work_s
            heappush(self._unopened, (-ranked.work_s, module))

    def largest_unopened(self) -> Ranked | None:
        """The module with the most work of those that no device has open. Jobs without a module are none."""
        heap = self._unopened
        while heap:
            listed, module = heap[0]
            ranked = self.modules[module]
            if self._listed.get(module) != listed:
                heappop(heap)  # listed again since with other work
            elif not module or not ranked.count or self._all_modules.is_open(module):
                heappop(heap)
                del self._listed[module]  # until `reopen`
            elif listed != -ranked.work_s:
                heappop(heap)
                self.reopen(module)
            else:
                return ranked
        return None

    def _of(self, module: str) -> Ranked:
        if module not in self.modules:
            self.modules[module] = Ranked()
            self._all_modules.housed(module, self)
        return self.modules[module]


class Line:
    """All jobs of one class: the same devices fit, and they take equally many.

    Attributes:
        live: Those of its devices that are up.
        place: Its index; breaks ties.
        shares: Group of devices to the seconds of work that it has there, see `pour`.
        best_factor: Factor of the fastest of its devices.
    """

    def __init__(self, devices: frozenset[str], count: int, *, place: int, modules: Modules) -> None:
        self.devices = devices
        self.count = count
        self.place = place
        self.live: set[str] = set()
        self.shares: dict[int, float] = {}
        self.best_factor = 1.0
        self.ranked = Ranked()
        self.lanes: dict[str, Lane] = {}
        self._modules = modules

    @property
    def is_runnable(self) -> bool:
        """Whether it has jobs, and devices enough are up."""
        return self.ranked.count > 0 and len(self.live) >= self.count

    def add(self, pending: Pending) -> None:
        """One more job."""
        session = pending.job.session
        if session not in self.lanes:
            self.lanes[session] = Lane(self._modules)
        self.ranked.add(pending)
        self.lanes[session].add(pending)

    def leave(self, pending: Pending) -> None:
        """One of them has been taken or dropped."""
        pending.is_waiting = False
        self.ranked.leave(pending)
        self.lanes[pending.job.session].leave(pending)

    def fill(self, jobs: list[Pending]) -> None:
        """Hold these, and no others."""
        by_session: dict[str, list[Pending]] = {session: [] for session in self.lanes}
        for pending in jobs:
            by_session.setdefault(pending.job.session, []).append(pending)
        self.ranked.fill(jobs)
        for session, some in by_session.items():
            if session not in self.lanes:
                self.lanes[session] = Lane(self._modules)
            self.lanes[session].fill(some)

    def fitting(self, pending: Pending) -> set[str]:
        """Devices that are up and may take the job: those to avoid only when the others are too few."""
        if not pending.avoid:
            return self.live
        others = self.live - pending.avoid
        return others if len(others) >= self.count else self.live
