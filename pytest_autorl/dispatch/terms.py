"""What the caller of the planner can start now, of all that waits: workers and servers have their limits, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pytest_autorl.dispatch.jobs import Job
from pytest_autorl.dispatch.queues import Lane, Line, Pending, Ranked

#: Whether jobs like this one could be started: jobs of the same devices, count and session are all alike.
Takes = Callable[[Job], bool]
#: As many of these devices as can be had at once, the first ones first.
Together = Callable[[Sequence[str]], Sequence[str]]


class Terms:
    """The limits of one decision.

    Args:
        takes: None: all can be started. Asked once for jobs that are alike.
        together: None: all can be had at once. A single device always can.
    """

    def __init__(self, takes: Takes | None = None, together: Together | None = None) -> None:
        self._takes = takes
        self._together = together
        self._taken: dict[Lane, bool] = {}

    def opens(self, lane: Lane) -> bool:
        """Whether jobs of a lane wait, and could be started."""
        if self._takes is None or not lane.ranked.count:
            return lane.ranked.count > 0
        if lane not in self._taken:
            self._taken[lane] = self._takes(next(iter(lane.ranked)).job)
        return self._taken[lane]

    def queues(self, line: Line) -> Iterator[Ranked]:
        """The jobs of a class that could be started."""
        if self._takes is None:
            return iter((line.ranked,))
        return (lane.ranked for lane in line.lanes.values() if self.opens(lane))

    def first(self, line: Line, may: Callable[[Pending], bool]) -> Pending | None:
        """The longest of them that may be taken."""
        return line.ranked.first(may) if self._takes is None else first_of(self.queues(line), may)

    def together(self, devices: Sequence[str]) -> Sequence[str]:
        """As many of these devices as can be had at once, the first ones first."""
        return devices if self._together is None else self._together(devices)


def first_of(several: Iterator[Ranked], may: Callable[[Pending], bool]) -> Pending | None:
    """The longest job of several lists that may be taken."""
    found = (ranked.first(may) for ranked in several)
    return min((pending for pending in found if pending), key=lambda pending: pending.key, default=None)
