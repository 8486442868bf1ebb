"""Which devices a test that comes again is to avoid, as things are now: it is not sent where it could never start."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from pytest_autorl.dispatch.crew import Crew
from pytest_autorl.dispatch.needs_table import NeedsTable
from pytest_autorl.dispatch.shelf import Seen, Shelf
from pytest_autorl.dispatch.tally import Tally


@dataclass(frozen=True, kw_only=True, slots=True)
class Detour:
    """How a test that comes again is to go.

    Attributes:
        avoid: Devices that it is not to have.
        is_held_up: The others are in service, but too few of them can be had now: somebody else has them.
    """

    avoid: frozenset[str] = frozenset()
    is_held_up: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _Gone:
    """Devices that cannot be had now.

    Attributes:
        absent: By any worker of this run: out of service, with others, or refused a moment ago.
        out: Those that are out of service, and those that a worker will not give back.
    """

    absent: Set[str]
    out: Set[str]


class Detours:
    """See the module."""

    def __init__(self, table: NeedsTable, crew: Crew, shelf: Shelf, tally: Tally) -> None:
        self._table = table
        self._crew = crew
        self._shelf = shelf
        self._tally = tally
        self._ours = [frozenset(filter(shelf.__contains__, klass.devices)) for klass in table.classes]
        #: What all detours of those that wait were found with; None: with different things.
        self._found_with: _Gone | None = None

    @property
    def may_be_old(self) -> bool:
        """Whether devices have come or gone since some detour of those that wait was found."""
        return self._found_with != self._gone()

    def all_found(self) -> None:
        """Every test that waits to come again has been asked for."""
        self._found_with = self._gone()

    def _gone(self) -> _Gone:
        absent, stuck = self._shelf.absent(), self._crew.stuck_devices()
        return _Gone(
            absent=absent,
            out=stuck.union(device for device in absent if self._shelf.how(device) is Seen.OUT),
        )

    def of(self, index: int) -> Detour | None:
        """How a test is to go; None for one that no attempt with devices came before."""
        klass = self._table.klass(index)
        if klass is None or not self._tally.has_tried(index):
            return None
        gone, ours = self._gone(), self._ours[self._table.class_of[index]]
        if gone != self._found_with:
            self._found_with = None
        left = ours - (avoid := self._tally.to_avoid(index, out=gone.out))
        if not avoid or self._shelf.reach(left, gone.out) < klass.count:
            return Detour()  # where servers have too few slots for those that are left, it goes where it was
        return Detour(avoid=avoid, is_held_up=len(left - gone.absent - gone.out) < klass.count)
