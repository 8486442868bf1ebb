"""Rectangles of a picture, in its pixels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Box(NamedTuple):
    """A rectangle: left and top are in it, right and bottom are not. Empty when it has no area."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def is_empty(self) -> bool:
        return self.left >= self.right or self.top >= self.bottom

    def grown(self, margin: int) -> Box:
        """The same with a margin around it."""
        return Box(self.left - margin, self.top - margin, self.right + margin, self.bottom + margin)

    def within(self, size: tuple[int, int]) -> Box:
        """The part that lies in a picture of this width and height; empty where there is none."""
        width, height = size
        return Box(max(0, self.left), max(0, self.top), min(width, self.right), min(height, self.bottom))


def visible(boxes: Iterable[Box], size: tuple[int, int], *, margin: int = 0) -> list[Box]:
    """Each box with a margin, cut to the picture; without those outside of it and those inside of another.

    >>> visible([Box(-5, 2, 4, 9), Box(1, 3, 2, 4), Box(20, 0, 30, 5)], (10, 10))
    [Box(left=0, top=2, right=4, bottom=9)]
    """
    cut = {box.grown(margin).within(size) for box in boxes if not box.is_empty}
    kept: list[Box] = []
    # Largest first: what lies in another then comes after it. Few of them hold others, if any.
    for box in sorted(cut, key=lambda box: ((box.left - box.right) * (box.bottom - box.top), box)):
        if not box.is_empty and not any(_holds(other, box) for other in kept[:32]):
            kept.append(box)
    return sorted(kept)


def _holds(outer: Box, inner: Box) -> bool:
    return (
        outer.left <= inner.left
        and outer.top <= inner.top
        and outer.right >= inner.right
        and outer.bottom >= inner.bottom
    )
