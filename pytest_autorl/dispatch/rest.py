"""Tests that rest before their next attempt: they hold up no worker and no device. A heap by time; no clock."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import count


class Rest:
    """See the module. Times are on the caller's clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, tuple[int, ...]]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, indices: Sequence[int], due_s: float) -> None:
        """A test, or several that stay together, are not to be run before `due_s`."""
        heappush(self._heap, (due_s, next(self._order), tuple(indices)))

    @property
    def next_due_s(self) -> float | None:
        """When the first of them is due; None where none rests."""
        return self._heap[0][0] if self._heap else None

    def due(self, now_s: float) -> list[tuple[int, ...]]:
        """Take those that are due, the earliest first; of those due at once, the one that came first."""
        found = []
        while self._heap and self._heap[0][0] <= now_s:
            found.append(heappop(self._heap)[2])
        return found

    def clear(self) -> None:
        """None of them will be run."""
        self._heap.clear()
