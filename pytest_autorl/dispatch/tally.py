"""What the attempts of each test were so far, and what may follow them. Pure bookkeeping.

What a purse allows is asked when an attempt begins, and spent when it has failed. So those under way when a purse runs
out may still overdraw it: one attempt for each worker, and where short tests without devices are sent several at once,
those too (all of them together take a quarter of a second a worker).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from pytest_autorl.dispatch.needs_table import NeedsTable
from pytest_autorl.resilience.budget import Budgets
from pytest_autorl.resilience.decide import MOST_LOSSES
from pytest_autorl.resilience.elsewhere import to_avoid

#: A test whose worker died runs so many times more.
MOST_CRASHES: Final = 1
#: A test that was lost counts as so much longer than it is, see `Planner.add`; one that failed by itself, or that is
#: pended anew, too.
LOST_BOOST: Final = 0.5
RETRIED_BOOST: Final = 1.0
PENDED_BOOST: Final = 1.0

#: Why there is no retry where attempts are not repeated at all.
SWITCHED_OFF: Final = "retries are switched off"


@dataclass(frozen=True, kw_only=True, slots=True)
class Prospects:
    """What may follow an attempt, and what came before it: see the fields of `Order`."""

    may_be_lost: bool
    retries: int
    why_no_retry: str
    is_flaky: bool


class Tally:
    """See the module.

    Args:
        budgets: The run's purses.
        reruns: Whether any attempt is followed by another one at all.
    """

    def __init__(self, table: NeedsTable, budgets: Budgets, *, reruns: bool) -> None:
        self._table = table
        self._budgets = budgets
        self._reruns = reruns
        self._crashes: Counter[int] = Counter()
        self._losses: Counter[int] = Counter()
        self._retries: Counter[int] = Counter()
        #: Tests of which an attempt has failed by its own fault.
        self._flaky: set[int] = set()
        self._boosts: dict[int, float] = {}
        #: Devices of each attempt of a test, oldest first; of one that was lost, those that it was lost with.
        self._tried: dict[int, list[tuple[str, ...]]] = {}
        #: Tests whose next attempt is to run on the same devices.
        self._stays: set[int] = set()

    # -- what happens ------------------------------------------------------------------------------------------

    def crashed(self, index: int, devices: Collection[str]) -> None:
        """A worker died over an attempt, and another one follows."""
        self._crashes[index] += 1
        self._budgets.spend("loss")
        self._follows(index, devices, boost=LOST_BOOST, elsewhere=True)

    def lost(self, index: int, devices: Collection[str]) -> None:
        """An attempt was lost with these of its devices, and another one follows."""
        self._losses[index] += 1
        self._budgets.spend("loss")
        self._follows(index, devices, boost=LOST_BOOST, elsewhere=True)

    def retried(
        self, index: int, devices: Collection[str], *, elsewhere: bool, is_flaky: bool = True
    ) -> None:
        """An attempt on these devices has failed, and its test's policy has another one follow.

        Args:
            is_flaky: It was the test's own fault.
        """
        self._retries[index] += 1
        if is_flaky:
            self._flaky.add(index)
        self._budgets.spend("retry")
        self._follows(index, devices, boost=RETRIED_BOOST, elsewhere=elsewhere)

    def pended(self, index: int) -> None:
        """A test that has its verdict is to run anew: where it ran before says nothing any more."""
        self._boosts[index] = PENDED_BOOST
        self._tried.pop(index, None)

    def _follows(self, index: int, devices: Collection[str], *, boost: float, elsewhere: bool) -> None:
        self._boosts[index] = boost
        (self._stays.discard if elsewhere else self._stays.add)(index)
        if devices:
            self._tried.setdefault(index, []).append(tuple(devices))

    # -- looking -----------------------------------------------------------------------------------------------

    def boost(self, index: int) -> float:
        """By how much a test counts as longer than it is when it comes again; 0.0 before its first attempt."""
        return self._boosts.get(index, 0.0)

    def has_tried(self, index: int) -> bool:
        """Whether an attempt of a test had devices, and is followed by another one."""
        return index in self._tried

    def to_avoid(self, index: int, *, out: Collection[str] = frozenset()) -> frozenset[str]:
        """Devices that the next attempt of a test must not have, see `resilience.elsewhere`.

        Args:
            out: Devices that are out of service.
        """
        klass, tried = self._table.klass(index), self._tried.get(index)
        if klass is None or tried is None:
            return frozenset()
        return to_avoid(klass.devices, tried, count=klass.count, elsewhere=index not in self._stays, out=out)

    def may_crash(self, index: int) -> bool:
        """Whether a test runs once more when its worker dies over it."""
        return self._reruns and self._crashes[index] < MOST_CRASHES and not self._budgets.why_not("loss")

    def chances(self, index: int, *, has_devices: bool) -> Prospects:
        """Of the attempt that is about to begin.

        Args:
            has_devices: Without them it cannot be lost with them.
        """
        is_losable = self._reruns and has_devices and self._losses[index] < MOST_LOSSES
        return Prospects(
            may_be_lost=is_losable and not self._budgets.why_not("loss"),
            retries=self._retries[index],
            why_no_retry=self._budgets.why_not("retry") if self._reruns else SWITCHED_OFF,
            is_flaky=index in self._flaky,
        )
