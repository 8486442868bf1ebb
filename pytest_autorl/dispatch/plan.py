"""Which test next, and where: the planner.

Pure: the caller says what happens and what time it is, and asks. The same calls give the same answers. The method:
jobs in classes by the devices that fit; work poured over the devices, which says which class may use which device
(`shares`); single jobs by critical length, else by what a device has open (`singles`); jobs of several devices first,
with reservation (`gangs`). Times are seconds on one clock, of which only differences matter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from heapq import merge

from pytest_autorl.dispatch.board import Bay, Board
from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.gangs import Gangs, Reservation
from pytest_autorl.dispatch.jobs import Choice, Job
from pytest_autorl.dispatch.queues import Line
from pytest_autorl.dispatch.singles import Singles
from pytest_autorl.dispatch.terms import Takes, Terms, Together
from pytest_autorl.dispatch.turns import Turns

#: A job longer than this part of what is left to do may decide the end: it goes before all that would save set-ups.
BETA = 0.4


class Planner:
    """Decides which job starts next, on which devices.

    Args:
        devices: Ids of those that are up.
        jobs: What has to run. Tests that `estimates` has not met are made known to it.
        estimates: May learn while the planner uses it.
        beta: See `BETA`.
    Raises: ValueError for two jobs of one name, or a job that takes less than one device.
    """

    def __init__(
        self, devices: Iterable[str], jobs: Iterable[Job], estimates: Estimates, *, beta: float = BETA
    ) -> None:
        self._board = Board(estimates)
        for device in sorted(set(devices)):
            self._board.up(device)
        self._board.add_all(jobs)
        self._gangs = Gangs(self._board, beta=beta)
        self._singles = Singles(self._board, beta=beta)
        self._turns = Turns(self._board)
        self._reservation: Reservation | None = None

    # -- what happens --------------------------------------------------------------------------------------

    def add(
        self, job: Job, *, boost: float = 0.0, avoid: frozenset[str] = frozenset(), now_s: float = 0.0
    ) -> None:
        """One more job, or one again.

        Args:
            boost: It counts as ``1 + boost`` times as long: 1.0 after a retry, 0.5 after a loss of its device.
            avoid: Devices that it is not given while enough others that fit are up.
        Raises: ValueError while a job of this name waits or runs.
        """
        self._board.look(now_s)
        self._board.add(job, boost=boost, avoid=avoid)

    def drop(self, name: str) -> None:
        """A job will not be run. One that does not wait is left alone."""
        self._board.drop(name)

    def start(self, choice: Choice, now_s: float) -> None:
        """A job begins on its devices.

        Raises: ValueError when it does not wait, or a device of it is not known or has a job.
        """
        pending = self._board.pending.get(choice.job.name)
        if pending is None:
            raise ValueError(f"{choice.job.name} does not wait: it was started, dropped or never added")
        for device in choice.devices:
            bay = self._board.bays.get(device)
            if bay is None or bay.job is not None:
                what = "is not known" if bay is None else f"has {bay.job}"
                raise ValueError(f"{choice.job.name} cannot start on {device}, which {what}")
        self._board.look(now_s)
        self._board.drop(choice.job.name)
        self._board.start(choice, pending.work_s)

    def end(self, name: str, now_s: float) -> None:
        """A job is over, however it ended. Its devices are free, and it is forgotten."""
        self._board.look(now_s)
        self._board.end(name)

    def up(self, device: str, now_s: float) -> None:
        """A device can be used, for the first time or again."""
        self._board.look(now_s)
        self._board.up(device)

    def down(self, device: str, now_s: float) -> None:
        """A device cannot be used. A job that runs on it goes on until `end`."""
        self._board.look(now_s)
        self._board.down(device)

    def forget(self, device: str) -> None:
        """The session of a device, and with it all fixtures, are gone."""
        if (bay := self._board.bays.get(device)) is not None:
            self._board.cool(bay)

    def warm(self, device: str, *, session: str, module: str = "") -> None:
        """A device has a session. `start` says this by itself."""
        if (bay := self._board.bays.get(device)) is not None:
            self._board.warm(bay, session=session, module=module)

    def demand(self, wishes: Sequence[tuple[frozenset[str], int]]) -> None:
        """What other runs wait for now: devices that fit, and how many. Each counts as a job of mean length."""
        self._board.demand(wishes)

    def set_workers(self, count: int | None) -> None:
        """So many jobs run at once at most; None: one on each device, as long as nobody says otherwise."""
        self._board.set_workers(count)

    # -- decisions -----------------------------------------------------------------------------------------

    def choose(
        self,
        idle: Collection[str],
        now_s: float,
        *,
        takes: Takes | None = None,
        together: Together | None = None,
        may_wait: bool = True,
    ) -> Choice | None:
        """The job that should start next, on some of the idle devices; None when waiting is better.

        Who starts it asks again, with the devices that are then left. While nothing runs the answer is None only if
        no job could start at all.

        Args:
            idle: Ids; those that are not up or have a job do not count.
            takes: Says no to jobs for which a worker is missing, see `Takes`; others are then looked for.
            together: Picks from devices those that can be had at once, see `Together`.
            may_wait: Say no to have these devices used in any case.
        """
        board = self._board
        board.look(now_s)
        board.replan()
        bays = (board.bays.get(device) for device in idle)
        free = self._turns.sorted(bay for bay in bays if bay and bay.is_up and bay.job is None)
        if not free or not board.pending:
            return None
        terms = Terms(takes, together)
        gang, reservation = self._gangs.pick(free, terms)
        self._reservation = reservation
        if gang is not None:
            return Choice(job=gang.pending.job, devices=tuple(bay.id for bay in gang.bays), why=gang.why)
        for bay in free:
            if (pick := self._singles.pick(bay, terms, reservation)) is not None:
                pending, why = pick
                return Choice(job=pending.job, devices=(bay.id,), why=why)
        return None if board.running and may_wait else self._anything(free, terms)

    def _anything(self, free: Sequence[Bay], terms: Terms) -> Choice | None:
        """Nothing is worth waiting for."""
        why = "nobody else could use the device" if self._board.running else "nothing else runs"
        for line in self._board.lines:
            own = [bay.id for bay in free if bay.id in line.live]
            if len(own) < line.count:
                continue
            for pending in merge(*terms.queues(line), key=lambda pending: pending.key):
                fitting = line.fitting(pending)
                some = [device for device in own if device in fitting]
                devices = tuple(terms.together(some)[: line.count] if line.count > 1 else some[:1])
                if len(devices) == line.count:
                    return Choice(job=pending.job, devices=devices, why=why)
        return None

    # -- looking -------------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """How many jobs wait."""
        return len(self._board.pending)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in the order of the collection."""
        waiting = sorted(
            self._board.pending.values(), key=lambda pending: (pending.job.order, pending.job.name)
        )
        return tuple(pending.job.name for pending in waiting)

    def pending_for(self, device: str) -> int:
        """How many waiting jobs a device fits. One that is down fits none."""
        return sum(line.ranked.count for line in self._lines_of(device))

    def has_work_for(self, device: str) -> bool:
        """Whether any waiting job could run on a device, now or when others are free too."""
        return any(
            line.count > 1 or any(device in line.fitting(pending) for pending in line.ranked)
            for line in self._lines_of(device)
        )

    def pressing(self) -> frozenset[str]:
        """Devices that must not rest, where there are fewer workers than devices."""
        self._board.replan()
        return self._turns.pressing()

    def may_use(self, name: str, devices: Collection[str]) -> bool:
        """Whether a job that waits may be given these devices: it avoids none of them, or has no others."""
        pending = self._board.pending[name]
        return pending.avoid.isdisjoint(devices) or pending.line.fitting(pending) is pending.line.live

    def level_s(self, device: str) -> float:
        """Predicted seconds until all that the devices of its group will do is done; 0.0 for one that is not known."""
        self._board.replan()
        bay = self._board.bays.get(device)
        return self._board.level_s(bay) if bay is not None else 0.0

    def remaining_s(self) -> float:
        """Predicted seconds until all is done: the highest of the levels, or what workers take who are too few."""
        self._board.replan()
        return max(map(self._board.left_s, self._board.bays.values()), default=0.0)

    def explain(self, name: str) -> str:
        """In words: where a job stands, and what was thought about it."""
        board = self._board
        board.replan()
        if (choice := board.running.get(name)) is not None:
            return f"runs on {', '.join(choice.devices)}: {choice.why or 'started by the caller'}"
        pending = board.pending.get(name)
        if pending is None:
            return "is not planned: it is over, was dropped, or never was"
        line, job = pending.line, pending.job
        rank = 1 + sum(other.key < pending.key for other in line.ranked)
        boost = f", counts {1 + pending.boost:.1f} times" if pending.boost else ""
        parts = [
            f"waits as number {rank} of {line.ranked.count} in the class {job.need}",
            f"takes {job.count} of {len(job.devices)} devices, {len(line.live)} of which are up",
            f"expected to take {pending.work_s:.1f} s ({self._source(job)}{boost})",
        ]
        if len(line.live) < line.count:
            parts.append("cannot start: too few of its devices are up")
        else:
            parts.append(f"may run on {', '.join(sorted(line.fitting(pending)))}")
            if (level_s := board.line_level_s(line)) > 0:
                parts.append(f"its class is done in {level_s:.1f} s as planned")
        if self._reservation is not None and self._reservation.name == name:
            kept = ", ".join(sorted(bay.id for bay in self._reservation.bays))
            parts.append(f"{kept} are kept for it")
        if pending.avoid:
            parts.append(f"not again on {', '.join(sorted(pending.avoid))} if that can be avoided")
        return "; ".join(parts)

    def _source(self, job: Job) -> str:
        estimates = self._board.estimates
        if all(estimates.has_history(test) for test in job.tests):
            return "from earlier runs"
        if all(estimates.is_known(test) for test in job.tests):
            return "from this run"
        return "new: from the mean of its module and of all tests"

    def _lines_of(self, device: str) -> list[Line]:
        return [line for line in self._board.lines if device in line.live and line.is_runnable]
