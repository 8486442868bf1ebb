"""Whether a worker sees the same tests with the same needs as the first one, and where it has each of them.

The controller orders by what the first worker has told. One that reads the needs of its tests in another way (a marker
that depends on the worker, a farm file that was edited since) would lease other devices than the controller has for
them, or would wait for xdist's orders where ours come. So it takes no part.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from pytest_autorl.dispatch.needs_table import NONE, NeedsTable, Unit

#: No more lines than this, and no more devices in a line, are shown of a difference.
_MOST_LINES: Final = 40
_MOST_DEVICES: Final = 12

#: What a test asks for, as far as orders depend on it: devices that fit, how many of them, with whom it shares them.
_Ask: TypeAlias = tuple[frozenset[str], int, "Unit | None"] | None


class Agreement:
    """See the module.

    Args:
        raw: What the first worker sent, see `NeedsTable.to_wire`.
        tests: Its node ids.

    Raises ValueError where they do not belong together.
    """

    def __init__(self, raw: Mapping[str, Any], tests: Sequence[str]) -> None:
        self.table = NeedsTable.from_wire(raw, tests)
        self._raw = raw
        #: Where a worker has each of our tests, if in another order. Workers of one order share one array.
        self._places: dict[str, array[int]] = {}

    def difference(self, worker: str, raw: Mapping[str, Any], tests: Sequence[str]) -> str:
        """In which way a worker differs so that it cannot take part; "" when it does not, and its places are known."""
        own, found = self.table.tests, tuple(tests)
        if own == found and raw == self._raw:
            return ""
        if own != found and (Counter(own) != Counter(found) or len(set(found)) != len(found)):
            return _other_tests(own, found)
        try:
            asks = _asks(NeedsTable.from_wire(raw, found))
        except ValueError as error:
            return f"this worker told other needs than tests ({error}); it takes no part"
        places = array("I", range(len(own)))
        if own != found:
            place_of = {test: place for place, test in enumerate(found)}
            places = array("I", (place_of[test] for test in own))
        differing = [
            f"{test}: the first worker needs {_words(ours)}, this worker needs {_words(asks[place])}"
            for test, ours, place in zip(own, _asks(self.table), places, strict=True)
            if ours != asks[place]
        ]
        if differing:
            return _other_needs(differing)
        if own != found:
            self._places[worker] = next((one for one in self._places.values() if one == places), places)
        return ""

    def place(self, worker: str, index: int) -> int:
        """A worker's own index of a test."""
        return self._places[worker][index] if worker in self._places else index


def _asks(table: NeedsTable) -> list[_Ask]:
    """What each test asks for. Capabilities play no part: they may hold values that differ by process."""
    kinds = [(frozenset(one.devices), one.count) for one in table.classes]

    def ask(klass: int, unit: int) -> _Ask:
        return None if klass == NONE else (*kinds[klass], None if unit == NONE else table.units[unit])

    pairs = list(zip(table.class_of, table.unit_of, strict=True))
    known = {pair: ask(*pair) for pair in set(pairs)}
    return [known[pair] for pair in pairs]


def _words(ask: _Ask) -> str:
    if ask is None:
        return "no device"
    devices, count, unit = ask
    shown = sorted(devices)[:_MOST_DEVICES]
    more = f" and {len(devices) - len(shown)} more" if len(devices) > len(shown) else ""
    shared = f", shared in {unit.name}" if unit is not None else ""
    return f"{count} of {', '.join(shown) or 'no device of the farm'}{more}{shared}"


def _other_needs(lines: Sequence[str]) -> str:
    more = [f"and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    head = "workers read the needs of their tests differently; this one takes no part"
    return "\n".join([head, *lines[:_MOST_LINES], *more])


def _other_tests(expected: Sequence[str], found: Sequence[str]) -> str:
    import difflib

    lines = difflib.unified_diff(expected, found, "the first worker", "this worker", n=0, lineterm="")
    shown = list(lines)[:_MOST_LINES]
    return "workers have collected different tests; this one takes no part\n" + "\n".join(shown)
