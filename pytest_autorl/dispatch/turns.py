"""Whose turn it is: in what order free devices are asked what they could do.

With a worker for each device all are asked, and the order hardly matters: the fastest first. Where workers are fewer,
most devices rest, and the order decides. No more than one worker can use a device, so a device whose work takes as
long as everything that the workers have to do must never rest (McNaughton 1959: work that can be interrupted ends
after ``max(longest, sum / machines)``, here with devices for jobs and workers for machines). All others can: those
with a session first, and when a session has to be opened, on the device that can do the most.
"""

from __future__ import annotations

from collections.abc import Iterable

from pytest_autorl.dispatch.board import Bay, Board, Group

#: A device must not rest when its work takes such a part of the time that is left.
_PRESSING = 0.85
#: A device so much slower than the fastest of its group is left for one without a session: that costs only once.
_SLOW = 1.1

_Key = tuple[int, float, bool, bool, float, tuple[float, int, str]]


class Turns:
    """See the module."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._plan = -1
        self._by_group: list[_Turn] = []

    def sorted(self, free: Iterable[Bay]) -> list[Bay]:
        """Free devices, those to be asked first in front. After `Board.replan`."""
        if not self._board.is_short_of_workers:
            return sorted(free, key=lambda bay: bay.rank)
        self._renew()
        return sorted(free, key=self._key)

    def pressing(self) -> frozenset[str]:
        """Devices that must not rest; none where each has a worker. After `Board.replan`."""
        if not self._board.is_short_of_workers:
            return frozenset()
        self._renew()
        groups = [group for group in self._board.groups if self._by_group[group.place].is_pressing]
        return frozenset(bay.id for group in groups for bay in group.bays)

    def _key(self, bay: Bay) -> _Key:
        if bay.group is None:
            return 2, 0.0, False, False, 0.0, bay.rank
        turn = self._by_group[bay.group]
        if turn.is_pressing:
            return 0, -turn.need_s, False, not bay.session, -bay.free_s, bay.rank
        is_slow = bay.factor > _SLOW * turn.best_factor
        # Of several sessions the one that was used last: so no more are kept than there are workers.
        return 1, 0.0, is_slow, not bay.session, -(bay.free_s if bay.session else turn.work_s), bay.rank

    def _renew(self) -> None:
        if self._plan != self._board.plans:
            self._plan = self._board.plans
            self._by_group = self._look()

    def _look(self) -> list[_Turn]:
        groups = self._board.groups
        left_s = max([self._board.workers_s, *(group.level_s for group in groups)])
        return [_Turn(group, left_s) for group in groups]


class _Turn:
    """What decides about the devices of one group.

    Attributes:
        need_s: Seconds until they are done if they never rest; no less than the longest of their jobs takes.
        work_s: Seconds of work that one of them could do.
    """

    __slots__ = ("best_factor", "is_pressing", "need_s", "work_s")

    def __init__(self, group: Group, left_s: float) -> None:
        self.best_factor = min(bay.factor for bay in group.bays)
        heads = (next(iter(line.ranked), None) for line in group.lines)
        longest_s = max((head.rank_s for head in heads if head is not None), default=0.0)
        self.need_s = max(group.level_s, longest_s * self.best_factor)
        self.is_pressing = self.need_s > _PRESSING * left_s
        self.work_s = sum(line.ranked.work_s for line in group.eligible)
