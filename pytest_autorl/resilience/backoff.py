"""How long to wait before the next try. Pure: the draw is passed in, nobody sleeps here."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """Delays that grow from try to try up to a bound.

    Attributes:
        initial_delay: Before the second try, seconds.
        max_delay: No delay is longer, seconds.
        multiplier: Each delay is that many times the one before it.
        jitter: Take a random part of each delay, from none of it to all of it, so that those who failed together do
            not come back together ("full jitter").

    Raises ValueError for a delay that is negative or not finite, and for a multiplier below 1.
    """

    initial_delay: float = 1.0
    max_delay: float = 30.0
    multiplier: float = 2.0
    jitter: bool = True

    def __post_init__(self) -> None:
        # Written so that "not a number" fails them too.
        if not 0 <= self.initial_delay < inf:
            raise ValueError(f"initial_delay must be a number of seconds from 0, not {self.initial_delay!r}")
        if not 0 <= self.max_delay < inf:
            raise ValueError(f"max_delay must be a number of seconds from 0, not {self.max_delay!r}")
        if not 1 <= self.multiplier < inf:
            raise ValueError(f"multiplier must be a number from 1, not {self.multiplier!r}")

    def delay_s(self, number: int, draw: float) -> float:
        """How long to wait between try ``number`` and the next one.

        ``min(max_delay, initial_delay * multiplier ** (number - 1))``, times ``draw`` where jitter is on.

        Args:
            number: Of the try that has failed, from 1.
            draw: From 0.0 to 1.0; counts only with jitter.
        Raises: ValueError for arguments out of range.
        """
        if number < 1:
            raise ValueError(f"tries are counted from 1, not from {number}")
        if not 0 <= draw <= 1:
            raise ValueError(f"draw must be from 0 to 1, not {draw!r}")
        longest_s = min(float(self.max_delay), self._growth_s(number - 1))
        return longest_s * draw if self.jitter else longest_s

    def _growth_s(self, steps: int) -> float:
        # Neither depends on the number of steps, which may be too big for any power.
        if self.initial_delay == 0 or self.multiplier == 1:
            return float(self.initial_delay)
        try:
            return self.initial_delay * float(self.multiplier) ** steps
        except OverflowError:
            return inf
