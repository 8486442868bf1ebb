"""Tests that need no device: any worker takes them, several at once where they are short."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.needs_table import NeedsTable

#: They are sent several at once, as many as take about so long.
BATCH_S: Final = 0.25
#: And no more than this.
BATCH_SIZE: Final = 64
#: One that takes such a part of all is long, but never one shorter than a second.
_LONG: Final = 0.02


class Loose:
    """See the module. In pytest's order but for long ones, which go first: one alone ends last."""

    def __init__(self, table: NeedsTable, estimates: Estimates) -> None:
        self._tests = table.tests
        self._estimates = estimates
        self._queue = deque(self._by_length(i for i in range(len(table.tests)) if table.klass(i) is None))

    def __len__(self) -> int:
        return len(self._queue)

    def put_back(self, index: int) -> None:
        """It is to be run after all, before the others."""
        self._queue.appendleft(index)

    def clear(self) -> None:
        """None of them will be run."""
        self._queue.clear()

    @property
    def head_s(self) -> float:
        """Seconds that the first one takes; 0.0 where that is not known, or there is none."""
        return self._known_s(self._queue[0]) if self._queue else 0.0

    def batch(self, workers: int) -> list[int]:
        """Take as many as one of so many workers is sent at once; at least one, while there is one."""
        share = min(max(1, len(self._queue) // (2 * workers)), BATCH_SIZE)
        sent_s, sent = 0.0, list[int]()
        while self._queue and len(sent) < share:
            seconds = self._estimates.work_s(self._tests[self._queue[0]])
            if sent and sent_s + seconds > BATCH_S:
                break
            sent.append(self._queue.popleft())
            sent_s += seconds
        return sent

    def _by_length(self, indices: Iterable[int]) -> list[int]:
        known_s = {index: self._known_s(index) for index in indices}
        limit_s = max(1.0, _LONG * sum(known_s.values()))
        return sorted(known_s, key=lambda index: -known_s[index] if known_s[index] >= limit_s else 0.0)

    def _known_s(self, index: int) -> float:
        test = self._tests[index]
        return self._estimates.work_s(test) if self._estimates.is_known(test) else 0.0
