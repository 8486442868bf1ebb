"""Is there room for all work? The largest flow from kinds of work to groups of devices, by shortest augmenting paths
(Edmonds and Karp).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

#: Work or time that is smaller than this share of the whole is rounding.
ROUNDING = 1e-9


class Flow:
    """See the module.

    Args:
        demands: Work of each kind.
        pieces: For each kind, how much of it a group can take at most.
        rooms: Work that each group has room for.
    """

    def __init__(
        self, demands: Sequence[float], pieces: Sequence[Mapping[int, float]], rooms: Sequence[float]
    ) -> None:
        self._left = [*demands]
        self._room = [*rooms]
        self._forth = [dict(of_kind) for of_kind in pieces]
        self._back: list[dict[int, float]] = [{} for _ in rooms]
        self._tiny = ROUNDING * sum(demands)

    def cut(self) -> tuple[set[int], set[int]] | None:
        """Kinds and groups on the source's side of the smallest cut; None when all demand is met."""
        while (path := self._path())[0] is not None:
            self._augment(path[0])
        if sum(self._left) <= self._tiny:
            return None
        return path[1], path[2]

    def _path(self) -> tuple[list[int] | None, set[int], set[int]]:
        """A path kind, group, kind, ..., group with room; else what can be reached."""
        least = self._tiny / (4 * len(self._left) * max(1, len(self._room)) or 1)
        kinds: dict[int, int | None] = {kind: None for kind, left in enumerate(self._left) if left > least}
        groups: dict[int, int] = {}
        queue = deque(kinds)
        while queue:
            kind = queue.popleft()
            for group, free in self._forth[kind].items():
                if free <= least or group in groups:
                    continue
                groups[group] = kind
                if self._room[group] > least:
                    return self._trace(group, kinds, groups), set(), set()
                for other, used in self._back[group].items():
                    if used > least and other not in kinds:
                        kinds[other] = group
                        queue.append(other)
        return None, set(kinds), set(groups)

    @staticmethod
    def _trace(group: int, kinds: Mapping[int, int | None], groups: Mapping[int, int]) -> list[int]:
        path, place = [], group
        while True:
            kind = groups[place]
            path += [place, kind]
            before = kinds[kind]
            if before is None:
                return path[::-1]
            place = before

    def _augment(self, path: Sequence[int]) -> None:
        kinds, groups = path[::2], path[1::2]
        amount = min(
            self._left[kinds[0]],
            self._room[groups[-1]],
            *(self._forth[kind][group] for kind, group in zip(kinds, groups, strict=True)),
            *(self._back[group][kind] for kind, group in zip(kinds[1:], groups, strict=False)),
        )
        self._left[kinds[0]] -= amount
        self._room[groups[-1]] -= amount
        for kind, group in zip(kinds, groups, strict=True):
            self._forth[kind][group] -= amount
            self._back[group][kind] = self._back[group].get(kind, 0.0) + amount
        for kind, group in zip(kinds[1:], groups, strict=False):
            self._back[group][kind] -= amount
            self._forth[kind][group] += amount
