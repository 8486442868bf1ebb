"""How many more attempts a run may spend: one purse for retries, one for attempts lost with their devices.

A run in which everything fails would otherwise take three times as long to say so. Pure: no clock, no pytest.
"""

from __future__ import annotations

from math import ceil
from typing import Final

from pytest_autorl.resilience.decide import Kind

#: The fewest attempts that a purse holds.
LEAST: Final = 20
#: Verdicts before the share of failed ones says anything.
_LEAST_VERDICTS: Final = 50
#: Above this share of failed verdicts the build is broken, and no retry would tell anything.
_BROKEN: Final = 0.5


class Budgets:
    """What is left of both purses, and whether the build is broken.

    A purse holds `percent` of the tests, rounded up, and never fewer than `least` attempts. With 0 percent there are no
    retries at all; attempts that were lost with their devices still have `least`.

    Args:
        tests: How many tests the run has.
        percent: 0 to 100.
        least: Attempts.
    """

    def __init__(self, tests: int, percent: float = 20.0, least: int = LEAST) -> None:
        # Rounded first: 20 % of 35 is 7, and must not become 8 for the sake of a binary fraction.
        size = max(least, ceil(round(tests * percent / 100, 6)))
        self._sizes: dict[Kind, int] = {"retry": size if percent else 0, "loss": size}
        self._spent: dict[Kind, int] = {"retry": 0, "loss": 0}
        self._verdicts = 0
        self._failed = 0

    def spend(self, kind: Kind) -> None:
        """Another attempt follows. It is counted even where nothing was left, so that who asked late is seen."""
        self._spent[kind] += 1

    def spent(self, kind: Kind) -> int:
        """How many attempts were added so far."""
        return self._spent[kind]

    def size(self, kind: Kind) -> int:
        """How many attempts may be added in all."""
        return self._sizes[kind]

    def verdict(self, has_failed: bool) -> None:
        """A test has come to its end; a skipped one counts as not failed."""
        self._verdicts += 1
        self._failed += has_failed

    def count(self, verdicts: int, failed: int) -> None:
        """So many tests have come to their end in all, so many of them failed: for who does not tell each `verdict`."""
        self._verdicts, self._failed = verdicts, failed

    @property
    def is_broken(self) -> bool:
        """Whether more than half of at least 50 verdicts so far are failures."""
        return self._verdicts >= _LEAST_VERDICTS and self._failed > self._verdicts * _BROKEN

    def why_not(self, kind: Kind) -> str:
        """Why no more attempt of this kind is begun, for people; "" where one may be."""
        if kind == "retry" and self.is_broken:
            return f"{self._failed} of {self._verdicts} tests have failed: the build is broken"
        size = self._sizes[kind]
        if self._spent[kind] < size:
            return ""
        if not size:
            return "the run has no budget for retries (--autorl-retry-budget 0)"
        what = "retries" if kind == "retry" else "attempts lost with their devices"
        return f"the run's budget of {size} {what} is used up"
