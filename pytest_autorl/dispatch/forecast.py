"""A dry run: the planner against a clock that only counts. What runs where and when, if every test takes as long as
it is expected to. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from pytest_autorl.dispatch.bound import Bay, Bound, BoundKind, Work, lower_bound
from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.jobs import Choice, Job
from pytest_autorl.dispatch.plan import Planner


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One job, on its devices.

    Attributes:
        begin_s, end_s: Seconds since the first dispatch.
        setup_s: Seconds of new sessions and of the module's fixtures within.
    """

    choice: Choice
    begin_s: float
    end_s: float
    setup_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """What is to be expected.

    Attributes:
        turns: In the order of the planner's choices.
        stuck: Jobs that fewer devices fit than they take at once.
        bound_s: No order can end sooner; 0.0 when nothing runs.
        due_to: What the bound is due to: "work" of the tight devices, "chain" of one long job, "workers" that are too
            few for the devices.
        tight: Ids of the devices that have to work without a pause to reach the bound.
    """

    turns: tuple[Turn, ...]
    stuck: tuple[Job, ...]
    bound_s: float
    due_to: BoundKind
    tight: tuple[str, ...]

    @property
    def makespan_s(self) -> float:
        """When the last job ends."""
        return max((turn.end_s for turn in self.turns), default=0.0)

    def lane(self, device: str) -> Lane:
        """What one device does."""
        turns = tuple(turn for turn in self.turns if device in turn.choice.devices)
        return Lane(
            device=device,
            turns=turns,
            busy_s=sum(turn.end_s - turn.begin_s for turn in turns),
            setup_s=sum(turn.setup_s for turn in turns),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """A device, and what it does in order. `setup_s` is within `busy_s`."""

    device: str
    turns: tuple[Turn, ...]
    busy_s: float
    setup_s: float

    @property
    def tests(self) -> int:
        """How many tests run on it."""
        return sum(len(turn.choice.job.tests) for turn in self.turns)

    @property
    def end_s(self) -> float:
        """When it has done its last."""
        return max((turn.end_s for turn in self.turns), default=0.0)


def forecast(devices: Sequence[str], jobs: Sequence[Job], estimates: Estimates, *, workers: int) -> Forecast:
    """Run all jobs.

    Args:
        devices: Ids of those that are up.
        estimates: Are told all tests of the jobs.
        workers: So many jobs run at once.
    Raises: ValueError without a worker.
    """
    if workers < 1:
        raise ValueError(f"a run needs a worker, got {workers}")
    for job in jobs:
        for test in job.tests:
            estimates.know(test, job.module)
    here = frozenset(devices)
    stuck = tuple(job for job in jobs if len(job.devices & here) < job.count)
    fine = [job for job in jobs if len(job.devices & here) >= job.count]
    bound = _bound(devices, fine, estimates, workers)
    return Forecast(
        turns=tuple(_Run(devices, fine, estimates, workers).turns()),
        stuck=stuck,
        bound_s=bound.seconds,
        due_to=bound.kind,
        tight=bound.tight,
    )


def work_s(job: Job, estimates: Estimates) -> float:
    """Expected seconds of a job on a device of factor 1, without set-up."""
    return sum(estimates.work_s(test) for test in job.tests)


class _Run:
    """See `forecast`."""

    def __init__(
        self, devices: Sequence[str], jobs: Sequence[Job], estimates: Estimates, workers: int
    ) -> None:
        self._planner = Planner(devices, jobs, estimates)
        self._planner.set_workers(workers)
        self._estimates = estimates
        self._workers = workers
        self._idle = set(devices)
        self._running: list[tuple[float, int, Choice]] = []
        self._sessions: dict[str, str] = {}
        self._modules: dict[str, str] = {}

    def turns(self) -> list[Turn]:
        found: list[Turn] = []
        now_s = 0.0
        while True:
            while len(self._running) < self._workers:
                choice = self._planner.choose(self._idle, now_s) if self._idle else None
                if choice is None:
                    break
                found.append(self._begin(choice, now_s, len(found)))
            if not self._running:
                return found
            now_s, _, ended = heappop(self._running)
            self._planner.end(ended.job.name, now_s)
            self._idle.update(ended.devices)

    def _begin(self, choice: Choice, now_s: float, number: int) -> Turn:
        job, estimates = choice.job, self._estimates
        slowness = max(estimates.factor(device) for device in choice.devices)  # as slow as the slowest
        opens = [device for device in choice.devices if job.session not in ("", self._sessions.get(device))]
        # One process opens the sessions of several devices one after the other.
        setup_s = sum(estimates.session_s(device) for device in opens)
        if opens or any(self._modules.get(device) != job.module for device in choice.devices):
            setup_s += estimates.fixture_s(job.module) * slowness
        end_s = now_s + setup_s + work_s(job, estimates) * slowness
        for device in choice.devices:
            self._sessions[device] = job.session or self._sessions.get(device, "")
            self._modules[device] = job.module
        self._planner.start(choice, now_s)
        self._idle.difference_update(choice.devices)
        heappush(self._running, (end_s, number, choice))
        return Turn(choice=choice, begin_s=now_s, end_s=end_s, setup_s=setup_s)


def _bound(devices: Sequence[str], jobs: Sequence[Job], estimates: Estimates, workers: int) -> Bound:
    works = [
        Work(devices=job.devices, work_s=work_s(job, estimates), count=job.count, module=job.module)
        for job in jobs
    ]
    # A device may do only what needs no session.
    without = frozenset[str]().union(*(job.devices for job in jobs if not job.session))
    bays = [
        Bay(
            id=device,
            speed_factor=estimates.factor(device),
            session_s=0.0 if device in without else estimates.session_s(device),
        )
        for device in devices
    ]
    fixture_s = {job.module: estimates.fixture_s(job.module) for job in jobs if job.module}
    return lower_bound(works, bays, fixture_s=fixture_s, workers=workers)
