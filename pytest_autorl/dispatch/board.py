"""What the planner sees: which devices are up, busy or warm, which jobs wait, and how long it all will take.

`Board` keeps that and answers questions; it decides nothing. How work is shared among groups of devices (`pour`) is
found anew after every so many starts and whenever devices come or go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.jobs import Choice, Job
from pytest_autorl.dispatch.queues import Line, Modules, Pending
from pytest_autorl.dispatch.shares import Demand, pour

#: Shares are found anew after pending / this many starts, within the limits below.
_STARTS = 50
_LEAST_STARTS, _MOST_STARTS = 1, 64
#: Many classes on many groups of devices make that dear: each start then pays for so many of their pairs.
_STEPS_A_START = 64
#: Estimates of new tests are renewed when so many more of them have been seen than at the last time.
_MORE_LESSONS = 1.1
#: A device is never taken for faster than this.
_LEAST_FACTOR = 0.05


class Bay:
    """A device, as the planner sees it.

    Attributes:
        session: Session key of the session that it has; "" without one.
        module: Module whose fixtures it has; "" without.
        free_s: When its job is predicted to end; meaningless while it has none.
        group: Index of its group; None when no class with pending jobs may use it.
    """

    __slots__ = ("factor", "free_s", "group", "id", "is_up", "job", "module", "rank", "session")

    def __init__(self, device: str) -> None:
        self.id = device
        self.is_up = False
        self.session = ""
        self.module = ""
        self.job: str | None = None
        self.free_s = 0.0
        self.factor = 1.0
        self.group: int | None = None
        self.rank: tuple[float, int, str] = (1.0, 0, device)


class Board:
    """State of the run. Only `Planner` changes it."""

    def __init__(self, estimates: Estimates) -> None:
        self.estimates = estimates
        self.bays: dict[str, Bay] = {}
        self.pending: dict[str, Pending] = {}
        self.running: dict[str, Choice] = {}
        self.lines: list[Line] = []
        self.now_s = 0.0
        self.groups: list[Group] = []
        self.modules = Modules()
        self.sessions: Counter[str] = Counter()  # devices by session key
        self.workers: int | None = None
        self.plans = 0
        self.is_short_of_workers = False
        self._work_s = 0.0  # of all jobs, as planned
        self._by_class: dict[tuple[frozenset[str], int], Line] = {}
        self._wishes: tuple[tuple[frozenset[str], int], ...] = ()
        self._starts_left = 0
        self._planned_s = 0.0
        self._lessons = 0
        self._mean_s = 0.0

    # -- what happens --------------------------------------------------------------------------------------

    def look(self, now_s: float) -> None:
        """Time passes, and never back."""
        self.now_s = max(self.now_s, now_s)

    def add_all(self, jobs: Iterable[Job]) -> None:
        """The jobs of the beginning: sorted once, not one by one."""
        by_line: dict[Line, list[Pending]] = {}
        for job in sorted(jobs, key=lambda job: (job.order, job.name)):
            pending = self._new(job, boost=0.0, avoid=frozenset())
            by_line.setdefault(pending.line, []).append(pending)
        for line, some in by_line.items():
            self._estimate(some)
            line.fill(some)

    def add(self, job: Job, *, boost: float, avoid: frozenset[str]) -> None:
        """One more job, or one again."""
        pending = self._new(job, boost=boost, avoid=avoid)
        self._estimate([pending])
        if not pending.line.ranked.count:
            self.stale()
        pending.line.add(pending)

    def drop(self, name: str) -> Pending | None:
        """A job waits no longer; None when it did not."""
        pending = self.pending.pop(name, None)
        if pending is not None:
            pending.line.leave(pending)
        return pending

    def start(self, choice: Choice, work_s: float) -> None:
        """A job has been given to its devices; it is expected to take `work_s` on devices of factor 1."""
        self.running[choice.job.name] = choice
        bays = [self.bays[device] for device in choice.devices]
        factor = max(bay.factor for bay in bays)
        setup_s = self._setups_s(bays, choice.job)
        for bay in bays:
            bay.job = choice.job.name
            bay.free_s = self.now_s + setup_s + work_s * factor
            self.warm(bay, session=choice.job.session, module=choice.job.module)
        self._starts_left -= 1

    def end(self, name: str) -> None:
        """A job is over."""
        choice = self.running.pop(name, None)
        if choice is not None:
            for device in choice.devices:
                self.bays[device].job = None

    def up(self, device: str) -> None:
        """A device can be used."""
        bay = self.bays.setdefault(device, Bay(device))
        if not bay.is_up:
            bay.is_up = True
            for line in self.lines:
                if device in line.devices:
                    line.live.add(device)
            self.stale()

    def down(self, device: str) -> None:
        """A device cannot be used. What it had open is lost."""
        bay = self.bays.get(device)
        if bay is not None and bay.is_up:
            bay.is_up = False
            bay.group = None
            self.cool(bay)
            for line in self.lines:
                line.live.discard(device)
            self.stale()

    def warm(self, bay: Bay, *, session: str, module: str) -> None:
        """A device has a session and a module's fixtures. A job that wants neither leaves them as they are."""
        if session and session != bay.session:
            self._change_session(bay, session)
            self._change_module(bay, "")
        if module and module != bay.module:
            self._change_module(bay, module)

    def cool(self, bay: Bay) -> None:
        """A device has neither any more."""
        self._change_session(bay, "")
        self._change_module(bay, "")

    def demand(self, wishes: Sequence[tuple[frozenset[str], int]]) -> None:
        """What other runs wait for."""
        if self._wishes != tuple(wishes):
            self._wishes = tuple(wishes)
            self.stale()

    # -- questions -----------------------------------------------------------------------------------------

    def setup_s(self, bay: Bay, job: Job) -> float:
        """Seconds of the session and the fixtures that a job would have to open on a device."""
        return self._setups_s((bay,), job)

    def _setups_s(self, bays: Sequence[Bay], job: Job) -> float:
        """The same on all its devices: one worker opens their sessions one after the other, the fixtures once."""
        opened = [bay for bay in bays if job.session not in ("", bay.session)]
        setup_s = sum(self.estimates.session_s(bay.id) for bay in opened)
        if job.module and (opened or any(bay.module != job.module for bay in bays)):
            setup_s += self.estimates.fixture_s(job.module)
        return setup_s

    @property
    def workers_s(self) -> float:
        """Predicted seconds until the workers have run all jobs, if none of them ever rests; 0.0 where each device has
        one."""
        if not self.is_short_of_workers or self.workers is None:
            return 0.0
        return max(0.0, self._work_s / max(1, self.workers) - (self.now_s - self._planned_s))

    def left_s(self, bay: Bay) -> float:
        """Predicted seconds until a device has nothing more to do: its group is done, and so are the workers."""
        return max(self.level_s(bay), self.workers_s)

    def level_s(self, bay: Bay) -> float:
        """Predicted seconds until all that the device's group will do is done."""
        if bay.group is None:
            return max(0.0, bay.free_s - self.now_s) if bay.job else 0.0
        return max(0.0, self.groups[bay.group].level_s - (self.now_s - self._planned_s))

    def line_level_s(self, line: Line) -> float:
        """Predicted seconds until the jobs of a class are done."""
        level_s = max((self.groups[group].level_s for group in line.shares), default=0.0)
        return max(0.0, level_s - (self.now_s - self._planned_s))

    # -- the shares ----------------------------------------------------------------------------------------

    def stale(self) -> None:
        """The shares hold no longer."""
        self._starts_left = 0

    def replan(self) -> None:
        """Find the shares anew, when it is time to."""
        if self._starts_left > 0:
            return
        self._renew_estimates()
        demands = self._share()
        self._planned_s = self.now_s
        self._count_workers()
        self.plans += 1
        most = max(_MOST_STARTS, sum(len(demand.groups) for demand in demands) // _STEPS_A_START)
        self._starts_left = min(max(len(self.pending) // _STARTS, _LEAST_STARTS), most)

    def set_workers(self, count: int | None) -> None:
        """So many jobs run at once; None: as many as there are devices."""
        if self.workers != count:
            self.workers = count
            self.stale()

    def _count_workers(self) -> None:
        used = sum(len(group.bays) for group in self.groups)
        self.is_short_of_workers = self.workers is not None and self.workers < used
        if self.is_short_of_workers:
            running_s = sum(
                max(max(0.0, self.bays[device].free_s - self.now_s) for device in choice.devices)
                for choice in self.running.values()
            )
            self._work_s = running_s + sum(line.ranked.work_s for line in self.lines if line.is_runnable)

    def _share(self) -> Sequence[Demand]:
        lines = [line for line in self.lines if line.is_runnable]
        claims = [_Claim(live=line.live, work_s=line.ranked.work_s, count=line.count) for line in lines]
        for devices, count in self._wishes:
            live = {device for device in devices if device in self.bays and self.bays[device].is_up}
            if len(live) >= count:
                claims.append(_Claim(live=live, work_s=self._mean_s, count=count))
        self.groups = self._grouped(claims)
        demands = [claim.demand(i, self.groups) for i, claim in enumerate(claims)]
        shares = pour(
            [group.load_s for group in self.groups], [group.capacity for group in self.groups], demands
        )
        for line in self.lines:
            line.shares = {}
        for line, share in zip(lines, shares.of, strict=False):  # the wishes come behind the lines
            line.shares = share
            line.best_factor = min(self.bays[device].factor for device in line.live)
        for group, level_s in zip(self.groups, shares.levels_s, strict=True):
            group.level_s = level_s
            # The least flexible first: what few devices can do must not wait for what all can.
            group.eligible = sorted(
                (line for i, line in enumerate(lines) if group.signature >> i & 1 and line.count == 1),
                key=lambda line: (len(line.live), line.place),
            )
            group.lines = [line for line in group.eligible if group.place in line.shares]
        return demands

    def _grouped(self, claims: Sequence[_Claim]) -> list[Group]:
        """Devices by the claims that they fit. Says to each device which group it is in."""
        signatures: dict[str, int] = {}
        for i, claim in enumerate(claims):
            for device in claim.live:
                signatures[device] = signatures.get(device, 0) | 1 << i
        groups: dict[int, Group] = {}
        for device, bay in self.bays.items():
            signature = signatures.get(device, 0)
            bay.factor = max(self.estimates.factor(device), _LEAST_FACTOR)
            bay.rank = (bay.factor, signature.bit_count(), device)
            bay.group = None
            if signature:
                group = groups.setdefault(signature, Group(len(groups), signature))
                group.add(bay, max(0.0, bay.free_s - self.now_s) if bay.job else 0.0)
                bay.group = group.place
        return list(groups.values())

    # -- estimates -----------------------------------------------------------------------------------------

    def _new(self, job: Job, *, boost: float, avoid: frozenset[str]) -> Pending:
        if job.name in self.pending or job.name in self.running:
            raise ValueError(f"{job.name} is planned already; end() or drop() it before it is added again")
        if not (isfinite(boost) and boost >= 0):
            raise ValueError(f"boost of {job.name} must be finite and not negative, got {boost}")
        if job.count < 1:
            raise ValueError(f"{job.name} takes {job.count} devices; at least 1 is needed")
        line = self._by_class.get((job.devices, job.count))
        if line is None:
            line = Line(job.devices, job.count, place=len(self.lines), modules=self.modules)
            line.live = {device for device in job.devices if device in self.bays and self.bays[device].is_up}
            self._by_class[job.devices, job.count] = line
            self.lines.append(line)
        for test in job.tests:
            self.estimates.know(test, job.module)
        pending = self.pending[job.name] = Pending(job, line, boost=boost, avoid=avoid)
        return pending

    def _estimate(self, jobs: Iterable[Pending]) -> None:
        estimates = self.estimates
        for pending in jobs:
            tests = pending.job.tests
            pending.estimated(
                sum(estimates.work_s(test) for test in tests), sum(estimates.rank_s(test) for test in tests)
            )

    def _renew_estimates(self) -> None:
        """What tests without history taught so far changes what the others are expected to take."""
        if self.estimates.lessons > self._lessons * _MORE_LESSONS:
            self._lessons = self.estimates.lessons
            for line in self.lines:
                waiting = list(line.ranked)
                new = [
                    pending
                    for pending in waiting
                    if not all(self.estimates.has_history(test) for test in pending.job.tests)
                ]
                if new:
                    self._estimate(new)
                    line.fill(waiting)
        if self.pending:
            self._mean_s = sum(line.ranked.work_s for line in self.lines) / len(self.pending)

    # -- what is open --------------------------------------------------------------------------------------

    def _change_session(self, bay: Bay, session: str) -> None:
        if bay.session:
            self.sessions[bay.session] -= 1
        bay.session = session
        if session:
            self.sessions[session] += 1

    def _change_module(self, bay: Bay, module: str) -> None:
        if bay.module:
            self.modules.closed(bay.module)
        bay.module = module
        if module:
            self.modules.opened(module)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Claim:
    """Work, and the devices that are up for it: a class of jobs, or what another run waits for."""

    live: set[str]
    work_s: float
    count: int

    def demand(self, place: int, groups: Sequence[Group]) -> Demand:
        """The same in groups of devices; `place` is its bit in their signatures."""
        own = [group for group in groups if group.signature >> place & 1]
        return Demand(
            work_s=self.work_s * self.count,
            groups=tuple(group.place for group in own),
            limits=tuple(len(group.bays) * self.work_s for group in own) if self.count > 1 else None,
        )


class Group:
    """Devices for which the same classes may come.

    Attributes:
        signature: Bits of the claims that they fit.
        load_s: Work that is running, as seconds on devices of factor 1.
        lines: Classes of single-device jobs that have a share here, the least flexible first.
        eligible: All that could run here.
    """

    def __init__(self, place: int, signature: int) -> None:
        self.place = place
        self.signature = signature
        self.bays: list[Bay] = []
        self.load_s = 0.0
        self.capacity = 0.0
        self.level_s = 0.0
        self.lines: list[Line] = []
        self.eligible: list[Line] = []

    def add(self, bay: Bay, busy_s: float) -> None:
        """One more device, busy for so long."""
        self.bays.append(bay)
        self.load_s += busy_s / bay.factor
        self.capacity += 1.0 / bay.factor
