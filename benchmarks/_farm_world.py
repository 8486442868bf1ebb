"""A simulated farm for `makespan.py`: tests whose every attempt is drawn beforehand, and a loop that runs a policy.

Policies differ in nothing but their decisions: what a test takes, how often it fails, when devices die are settled
beforehand (`_farm_luck.py`), so all meet the same luck. A device pays for a session and for a module's fixtures
whenever the test before it had others, and when it comes back from death. The sessions of one test begin one after
the other, as its process opens them.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from pytest_autorl.dispatch.bound import Bay, Bound, Work, lower_bound

#: Seconds of a module's fixtures on a device of factor 1.
FIXTURE_S = 4.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A test with all its luck.

    Attributes:
        attempts_s: What each attempt takes on a device of factor 1; all but the last fail, and the last one unless
            `is_passed`.
        history_s: Median of its earlier runs; None for a new test.
    """

    name: str
    order: int
    need: str
    devices: frozenset[str]
    count: int
    session: str
    module: str
    attempts_s: tuple[float, ...]
    is_passed: bool
    history_s: float | None


@dataclass(frozen=True, kw_only=True)
class World:
    """One farm and one suite. `workers`: so many tests run at once; None: as many as there are devices for."""

    scenario: str
    seed: int
    bays: tuple[Bay, ...]
    tasks: tuple[Task, ...]
    workers: int | None = None

    def bound(self) -> Bound:
        """What no policy can beat: all attempts that run to their end, the windows of the devices, the workers."""
        works = [
            Work(
                devices=task.devices,
                count=task.count,
                work_s=sum(task.attempts_s),
                attempts=len(task.attempts_s),
                module=task.module,
            )
            for task in self.tasks
        ]
        fixture_s = {task.module: FIXTURE_S for task in self.tasks}
        return lower_bound(works, self.bays, fixture_s=fixture_s, workers=self.workers)


Start = tuple[Task, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One attempt on its devices, as a policy gets to know it.

    Attributes:
        session_s: Seconds of a session by device, for those that had to begin one.
        fixture_s: Seconds of the module's fixtures within.
        work_s: What the test itself takes, on these devices.
    """

    task: Task
    number: int
    devices: tuple[str, ...]
    start_s: float
    session_s: Mapping[str, float]
    fixture_s: float
    setup_s: float
    work_s: float

    @property
    def is_passed(self) -> bool:
        return self.task.is_passed and self.number == len(self.task.attempts_s)

    @property
    def is_last(self) -> bool:
        return self.number == len(self.task.attempts_s)


class WrongRunError(Exception):
    """A policy did what it must not, or the bound is none. No figure of such a run is worth anything."""


class Policy(Protocol):
    """Decides. The loop calls `next` until it answers None or no worker is left, after everything that happens at one
    moment.
    """

    def next(self, idle: Sequence[str], now_s: float) -> Start | None:
        """What to start now on some of the idle devices."""

    def ended(self, attempt: Attempt, now_s: float) -> None:
        """An attempt is over; it has to be tried again unless `is_last`."""

    def lost(self, attempt: Attempt, now_s: float) -> None:
        """A device of it died: the same attempt has to run again."""

    def up(self, device: str, now_s: float) -> None:
        """A device is back."""

    def down(self, device: str, now_s: float) -> None:
        """A device died; `lost` follows when it was in use."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a policy made of a world.

    Attributes:
        setup_share: Set-up as a share of the bound's device time.
        decision_us: CPU time of the policy by attempt, microseconds.
    """

    makespan_s: float
    ratio: float
    setup_share: float
    decision_us: float
    attempts: tuple[Attempt, ...] = field(repr=False)


def run(world: World, make: Callable[[World], Policy], bound: Bound | None = None) -> Result:
    """Run a policy to the end of the suite.

    Raises: WrongRunError when it starts what it must not, leaves tests undone, or is better than the bound.
    """
    return _Loop(world, make).result(bound or world.bound())


@dataclass
class _Phone:
    bay: Bay
    is_up: bool = False
    session: str = ""
    module: str = ""
    busy: int | None = None  # which start it is busy with


class _Loop:
    """The events of one run. Ends of attempts come before deaths at the same moment."""

    def __init__(self, world: World, make: Callable[[World], Policy]) -> None:
        self._world = world
        self._phones = {bay.id: _Phone(bay) for bay in world.bays}
        self._idle: dict[str, None] = {}
        self._tries = {task.name: 0 for task in world.tasks}  # attempts that were not lost
        self._running: dict[int, Attempt] = {}
        self._busy: set[str] = set()
        self._done: set[str] = set()
        self._ends: list[Attempt] = []
        self._events: list[tuple[float, int, int, str | int]] = []
        self._numbers = count()
        self._cpu_s = 0.0
        for bay in world.bays:
            for since_s, to in bay.windows:
                self._push(since_s, 1, bay.id)
                if to is not None:
                    self._push(to, 2, bay.id)
        while self._events and self._events[0][:2] == (0.0, 1):
            self._rise(str(heapq.heappop(self._events)[3]))
        begun_s = time.process_time()
        self._policy = make(world)
        self._cpu_s += time.process_time() - begun_s

    def result(self, bound: Bound) -> Result:
        now_s = 0.0
        self._decide(now_s)
        while len(self._done) < len(self._world.tasks):
            _demand(
                bool(self._events), f"{len(self._world.tasks) - len(self._done)} tests were never started"
            )
            now_s = self._events[0][0]
            while self._events and self._events[0][0] == now_s:
                self._happen(now_s)
            self._decide(now_s)
        ratio = now_s / bound.seconds
        _demand(ratio > 1 - 1e-6, f"{now_s} s is below the bound of {bound.seconds} s")
        setup_s = sum(attempt.setup_s * len(attempt.devices) for attempt in self._ends)
        return Result(
            makespan_s=now_s,
            ratio=ratio,
            setup_share=setup_s / (bound.seconds * len(self._phones)),
            decision_us=1e6 * self._cpu_s / len(self._ends),
            attempts=tuple(self._ends),
        )

    def _push(self, at_s: float, rank: int, what: str | int) -> None:
        heapq.heappush(self._events, (at_s, rank, next(self._numbers), what))

    def _rise(self, device: str) -> None:
        phone = self._phones[device]
        phone.is_up, phone.session, phone.module = True, "", ""
        self._idle[device] = None

    def _happen(self, now_s: float) -> None:
        _, _, _, what = heapq.heappop(self._events)
        if isinstance(what, int):
            attempt = self._running.pop(what, None)
            if attempt is None:
                return  # lost meanwhile
            self._free(attempt)
            self._tries[attempt.task.name] += 1
            self._ends.append(attempt)
            self._busy.discard(attempt.task.name)
            if attempt.is_last:
                self._done.add(attempt.task.name)
            self._tell(self._policy.ended, attempt, now_s)
        elif not self._phones[what].is_up:
            self._rise(what)
            self._tell(self._policy.up, what, now_s)
        else:
            phone = self._phones[what]
            phone.is_up, lost = False, phone.busy
            self._idle.pop(what, None)
            self._tell(self._policy.down, what, now_s)
            if lost is not None:
                attempt = self._running.pop(lost)
                self._free(attempt)
                self._busy.discard(attempt.task.name)
                self._tell(self._policy.lost, attempt, now_s)

    def _free(self, attempt: Attempt) -> None:
        for device in attempt.devices:
            self._phones[device].busy = None
            if self._phones[device].is_up:
                self._idle[device] = None

    def _tell(self, what: Callable[..., None], *args: object) -> None:
        begun_s = time.process_time()
        what(*args)
        self._cpu_s += time.process_time() - begun_s

    def _decide(self, now_s: float) -> None:
        workers = len(self._phones) if self._world.workers is None else self._world.workers
        while self._idle and len(self._running) < workers:
            idle = sorted(self._idle)
            begun_s = time.process_time()
            start = self._policy.next(idle, now_s)
            self._cpu_s += time.process_time() - begun_s
            if start is None:
                return
            self._start(*start, now_s)

    def _start(self, task: Task, devices: tuple[str, ...], now_s: float) -> None:
        name = task.name
        _demand(name not in self._busy, f"{name} runs already")
        _demand(name not in self._done, f"{name} is over")
        _demand(len(set(devices)) == len(devices) == task.count, f"{name}: {devices}")
        _demand(task.devices.issuperset(devices), f"{name} does not fit on {devices}")
        _demand(self._idle.keys() >= {*devices}, f"{name}: {devices} are not all idle")
        phones = [self._phones[device] for device in devices]
        sessions = {p.bay.id: p.bay.session_s for p in phones if p.session != task.session}
        fixtures = {
            p.bay.id: FIXTURE_S * p.bay.speed_factor
            for p in phones
            if p.module != task.module or p.bay.id in sessions
        }
        fixture_s = max(fixtures.values(), default=0.0)
        attempt = Attempt(
            task=task,
            number=self._tries[name] + 1,
            devices=devices,
            start_s=now_s,
            session_s=sessions,
            fixture_s=fixture_s,
            setup_s=sum(sessions.values()) + fixture_s,
            work_s=task.attempts_s[self._tries[name]] * max(p.bay.speed_factor for p in phones),
        )
        number = next(self._numbers)
        for phone in phones:
            phone.session, phone.module, phone.busy = task.session, task.module, number
            del self._idle[phone.bay.id]
        self._running[number] = attempt
        self._busy.add(name)
        self._push(now_s + attempt.setup_s + attempt.work_s, 0, number)


def _demand(is_so: bool, wrong: str) -> None:
    """Unlike an assertion it is there in every Python."""
    if not is_so:
        raise WrongRunError(wrong)
