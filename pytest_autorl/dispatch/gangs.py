"""Jobs that take several devices at once: who starts together, and for whom devices are kept free.

Such a job starts before any single one whenever devices enough are idle. Devices that have just ended one together
are idle together, so gangs keep themselves. Only when a job of that kind could decide the end of the run are devices
reserved for it, and only for one job at a time; others may run there if they end before it could begin (EASY backfill,
Lifka 1995).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
from math import inf

from pytest_autorl.dispatch.board import Bay, Board
from pytest_autorl.dispatch.queues import Line, Pending, Ranked
from pytest_autorl.dispatch.terms import Terms

#: Estimates are taken for so much too short when a job must end in time.
SAFETY = 1.3
#: So many jobs are looked at before a class is passed over, since devices are kept or to be avoided.
_TRIES = 8


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reservation:
    """Devices kept for a job of several.

    Attributes:
        name: The job.
        bays: As many as it takes: those that are free first.
        begin_s: When the last of them is predicted to be free; inf when that cannot be told.
    """

    name: str
    bays: tuple[Bay, ...]
    begin_s: float

    def lets(self, bay: Bay, pending: Pending, board: Board) -> bool:
        """Whether another job may run on a device: it is not kept, or the job would be over in time."""
        if bay not in self.bays:
            return True
        takes_s = SAFETY * pending.work_s * bay.factor + board.setup_s(bay, pending.job)
        return board.now_s + takes_s <= self.begin_s


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Gang:
    """Devices that start a job together."""

    pending: Pending
    bays: tuple[Bay, ...]
    why: str


class Gangs:
    """Chooses among the classes whose jobs take several devices."""

    def __init__(self, board: Board, *, beta: float) -> None:
        self._board = board
        self._beta = beta

    def pick(self, free: Sequence[Bay], terms: Terms) -> tuple[Gang | None, Reservation | None]:
        """The gang that should start now, else the reservation that other jobs must respect."""
        reservation: Reservation | None = None
        lines = [line for line in self._board.lines if line.count > 1 and line.is_runnable]
        lines.sort(key=lambda line: (len(line.live), -line.count, line.place))
        for line in lines:
            head = terms.first(line, lambda pending: True)
            if head is None:
                continue
            is_critical = self._is_critical(line, head)
            own = [bay for bay in free if bay.id in line.live and (is_critical or bay.group in line.shares)]
            gang = self._start(line, own, reservation, terms)
            if gang is not None:
                return gang, None
            if is_critical and reservation is None:
                reservation = self._reserve(head, free)
        return None, reservation

    def _start(
        self, line: Line, own: Sequence[Bay], reservation: Reservation | None, terms: Terms
    ) -> Gang | None:
        if len(own) < line.count:
            return None
        passed: set[Pending] = set()
        for _ in range(_TRIES):
            found = self._job(line, own, passed, terms)
            if found is None:
                return None
            pending, why = found
            fitting = line.fitting(pending)
            bays = [bay for bay in own if bay.id in fitting]
            if reservation is not None:
                bays = [bay for bay in bays if reservation.lets(bay, pending, self._board)]
            bays.sort(key=lambda bay: (self._board.setup_s(bay, pending.job), bay.rank[1], bay.rank))
            chosen = terms.together([bay.id for bay in bays])[: line.count]
            if len(chosen) == line.count:
                gang = tuple(self._board.bays[device] for device in chosen)
                return Gang(pending=pending, bays=gang, why=why)
            passed.add(pending)
        return None

    def _job(
        self, line: Line, own: Sequence[Bay], passed: set[Pending], terms: Terms
    ) -> tuple[Pending, str] | None:
        """The longest, unless there is time to let devices go on with what they have open."""

        def may(pending: Pending) -> bool:
            return pending not in passed

        longest = terms.first(line, may)
        if longest is None:
            return None
        if self._is_critical(line, longest):
            return longest, f"longest of those that take {line.count} devices"
        open_on: dict[tuple[str, str], int] = {}
        for bay in own:
            if bay.module:
                open_on[bay.session, bay.module] = open_on.get((bay.session, bay.module), 0) + 1
        for (session, module), count in open_on.items():
            ranked = self._of(line, session, module, terms)
            if count >= line.count and ranked is not None and (pending := ranked.first(may)) is not None:
                return pending, f"same module and session as before on these {line.count} devices"
        unopened = line.lanes[longest.job.session].largest_unopened()
        pending = unopened.first(may) if unopened is not None else None
        return pending or longest, f"{line.count} devices that fit are idle"

    def _of(self, line: Line, session: str, module: str, terms: Terms) -> Ranked | None:
        lane = line.lanes.get(session)
        return lane.modules.get(module) if lane is not None and terms.opens(lane) else None

    def _is_critical(self, line: Line, pending: Pending) -> bool:
        left_s = max(self._board.line_level_s(line), self._board.workers_s)
        if pending.rank_s > self._beta * left_s:
            return True
        gangs = min(len(line.live) // line.count, self._board.workers or inf)
        return line.ranked.work_s / gangs > left_s / 2

    def _reserve(self, head: Pending, free: Sequence[Bay]) -> Reservation:
        """The devices on which a job could begin first."""
        bays = [self._board.bays[device] for device in head.line.fitting(head)]
        chosen = nsmallest(head.job.count, ((self._free_s(bay, free), bay.rank, bay.id) for bay in bays))
        return Reservation(
            name=head.job.name,
            bays=tuple(self._board.bays[device] for _, _, device in chosen),
            begin_s=chosen[-1][0],
        )

    def _free_s(self, bay: Bay, free: Sequence[Bay]) -> float:
        if bay.job is not None:
            return max(bay.free_s, self._board.now_s)
        return self._board.now_s if bay in free else inf  # inf: somebody else has it
