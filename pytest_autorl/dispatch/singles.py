"""Which single-device job a device should run next.

Near the end the longest job decides when all is over, before it the set-ups do. So a job that is long beside what is
left goes first; otherwise the device goes on with its module and session, and a flexible job waits for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pytest_autorl.dispatch.board import Bay, Board
from pytest_autorl.dispatch.gangs import SAFETY, Reservation
from pytest_autorl.dispatch.queues import Line, Pending, Ranked
from pytest_autorl.dispatch.terms import Terms, first_of

#: Two estimates closer than this part of the longer one are as good as equal.
_ALIKE = 0.25
#: A device slower than this beside the fastest that fits takes no job that would outlast all others.
_SLOW = 1.3
#: A class may be helped out when its level comes so near to the highest.
_LOADED = 0.9
#: How far behind the first a job is looked for that ends in time.
_SCAN = 200

Pick = tuple[Pending, str]
May = Callable[[Pending], bool]


def _because(pending: Pending | None, why: str) -> Pick | None:
    return None if pending is None else (pending, why)


class Singles:
    """Chooses among the classes whose jobs take one device."""

    def __init__(self, board: Board, *, beta: float) -> None:
        self._board = board
        self._beta = beta

    def pick(self, bay: Bay, terms: Terms, reservation: Reservation | None) -> Pick | None:
        """The best job for a device, and why; None: it had better wait, or has nothing to do."""
        if bay.group is None:
            return None

        def may(pending: Pending) -> bool:
            return not pending.avoid or bay.id in pending.line.fitting(pending)

        lines = self._shared(bay.group)
        found = self._best(bay, lines, may, terms) if lines else None
        if found is None:
            lines = self._helped(bay.group)
            found = self._best(bay, lines, may, terms) if lines else None
        if found is None or reservation is None or reservation.lets(bay, found[0], self._board):
            return found
        fitting = self._longest_that(
            lines, terms, lambda pending: may(pending) and reservation.lets(bay, pending, self._board)
        )
        return _because(fitting, f"ends before {reservation.name} can begin on {bay.id}")

    def _shared(self, group: int) -> list[Line]:
        """Classes that have a share in the group."""
        return [line for line in self._board.groups[group].lines if line.ranked.count]

    def _helped(self, group: int) -> list[Line]:
        """Classes without a share that the group could help: the most loaded ones."""
        lines = [line for line in self._board.groups[group].eligible if line.ranked.count]
        highest_s = max(map(self._board.line_level_s, lines), default=0.0)
        return [line for line in lines if self._board.line_level_s(line) >= _LOADED * highest_s]

    def _best(self, bay: Bay, lines: Sequence[Line], may: May, terms: Terms) -> Pick | None:
        longest: Pending | None = None
        for line in lines:
            pending = terms.first(line, may)
            if pending is not None and (longest is None or pending.rank_s > longest.rank_s):
                longest = pending
        left_s = self._board.left_s(bay)
        if longest is not None and longest.rank_s * bay.factor > self._beta * left_s:
            return self._critical(bay, lines, may, terms, longest, left_s)
        return self._by_affinity(bay, lines, may, terms)

    # -- the longest first ---------------------------------------------------------------------------------

    def _critical(
        self, bay: Bay, lines: Sequence[Line], may: May, terms: Terms, longest: Pending, left_s: float
    ) -> Pick | None:
        if bay.factor > _SLOW * longest.line.best_factor and self._takes_s(bay, longest) > left_s:
            in_time = self._longest_that(
                lines, terms, lambda pending: may(pending) and self._takes_s(bay, pending) <= left_s
            )
            return _because(in_time, f"longest that ends in time on {bay.id}, {bay.factor:.1f} times slower")
        job = longest.job
        least_s = longest.rank_s * (1 - _ALIKE)
        if bay.module and job.module != bay.module:
            near = first_of(self._of_module(bay, lines, terms), may)
            if near is not None and near.rank_s >= least_s - 2 * self._board.estimates.fixture_s(bay.module):
                return near, f"same module and session as before on {bay.id}, about as long as the longest"
        if bay.session and job.session and job.session != bay.session:
            near = first_of(self._of_session(bay.session, lines, terms), may)
            if near is not None and near.rank_s >= least_s - 2 * self._board.estimates.session_s(bay.id):
                return near, f"same session as before on {bay.id}, about as long as the longest"
        return (
            longest,
            f"longest left, {longest.work_s:.1f} s: shared evenly, all that is left takes {left_s:.1f} s",
        )

    def _takes_s(self, bay: Bay, pending: Pending) -> float:
        return self._board.setup_s(bay, pending.job) + SAFETY * pending.cautious_s * bay.factor

    def _longest_that(self, lines: Sequence[Line], terms: Terms, may: May) -> Pending | None:
        found: list[Pending] = []
        for ranked in (ranked for line in lines for ranked in terms.queues(line)):
            for place, pending in enumerate(ranked):
                if place == _SCAN:
                    break
                if may(pending):
                    found.append(pending)
                    break
        return min(found, key=lambda pending: pending.key, default=None)

    # -- the same again ------------------------------------------------------------------------------------

    def _by_affinity(self, bay: Bay, lines: Sequence[Line], may: May, terms: Terms) -> Pick | None:
        if bay.module:
            for ranked in self._of_module(bay, lines, terms):
                if (pending := ranked.first(may)) is not None:
                    return pending, f"same module and session as before on {bay.id}"
        for session in self._sessions(bay, lines, terms):
            place = "same session as before" if session == bay.session and session else "a new session"
            for line in lines:
                lane = line.lanes.get(session)
                if lane is None or not terms.opens(lane):
                    continue
                unopened = lane.largest_unopened()
                if unopened is not None and (pending := unopened.first(may)) is not None:
                    return pending, f"largest module that no device has open; {place} on {bay.id}"
                if (pending := lane.ranked.first(may)) is not None:
                    return pending, f"longest of the class that fewest devices fit; {place} on {bay.id}"
        return None

    def _sessions(self, bay: Bay, lines: Sequence[Line], terms: Terms) -> list[str]:
        """Session keys: those that cost nothing, then those with the most work by device (as D'Hondt gives seats)."""
        work_s: dict[str, float] = {}
        for line in lines:
            for session, lane in line.lanes.items():
                if terms.opens(lane):
                    work_s[session] = work_s.get(session, 0.0) + lane.ranked.work_s
        held = self._board.sessions
        return sorted(
            work_s,
            key=lambda key: (key not in (bay.session, ""), key == "", -work_s[key] / (1 + held[key]), key),
        )

    def _of_module(self, bay: Bay, lines: Sequence[Line], terms: Terms) -> Iterator[Ranked]:
        for line in lines:
            for session in {bay.session: None, "": None}:
                lane = line.lanes.get(session)
                if lane is None or (ranked := lane.modules.get(bay.module)) is None or not ranked.count:
                    continue
                if terms.opens(lane):
                    yield ranked

    def _of_session(self, session: str, lines: Sequence[Line], terms: Terms) -> Iterator[Ranked]:
        for line in lines:
            if (lane := line.lanes.get(session)) is not None and terms.opens(lane):
                yield lane.ranked
