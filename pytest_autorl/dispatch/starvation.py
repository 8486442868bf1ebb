"""Classes to which no device comes: for how long that has been so, and when it has been long enough."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from pytest_autorl.dispatch.needs_table import NeedClass
from pytest_autorl.dispatch.shelf import Seen, Shelf


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long is waited, and for what.

    Attributes:
        wait_s: For a class of which no device can be had.
        is_for_unfit: Also where that is since its devices are out of service; else such tests are told so at once.
        reruns: Whether a test that was lost with its worker or its device runs again.
    """

    wait_s: float = 300.0
    is_for_unfit: bool = True
    reruns: bool = True


class Starvation:
    """A clock for each class that has tests and too few devices which we can have.

    It runs on while a device shows itself and is refused again and again, and is set back only when the class has had
    devices, or enough of them are beyond doubt.
    """

    def __init__(self, classes: Sequence[NeedClass], shelf: Shelf, patience: Patience) -> None:
        self._classes = classes
        self._devices = [frozenset(filter(shelf.__contains__, klass.devices)) for klass in classes]
        self._shelf = shelf
        self._patience = patience
        self._since_s: dict[int, float] = {}
        #: Whether all classes can be served where every device can be had.
        self._is_servable = all(
            self._reach(place, frozenset()) >= klass.count for place, klass in enumerate(classes)
        )

    def fed(self, klass: int) -> None:
        """A test of a class has had its devices."""
        self._since_s.pop(klass, None)

    def waited_s(self, klass: int, now_s: float) -> float:
        """How long was waited for devices of a class."""
        return round(now_s - self._since_s.get(klass, now_s), 1)

    def left_s(self, klass: int, now_s: float) -> float:
        """How long will be waited for devices of a class from now on."""
        return self._since_s.get(klass, now_s) + self._patience.wait_s - now_s

    def over(self, klasses: Set[int], busy: Set[str], stuck: Set[str], now_s: float) -> list[int]:
        """Of these classes, which have tests that wait, those for which there is no more waiting.

        Args:
            busy: Devices that our workers use.
            stuck: Those of them that they will not give back.
        """
        if self._shelf.is_all_there and self._is_servable and not stuck:
            self._since_s.clear()
            return []
        absent = (self._shelf.absent() - busy) | stuck
        unsure = absent | self._shelf.doubted()
        found = []
        for place in sorted(klasses):
            count = self._classes[place].count
            if self._reach(place, unsure) >= count:
                self._since_s.pop(place, None)
                continue
            since_s = self._since_s.setdefault(place, now_s)
            if self._reach(place, absent) >= count:
                continue  # what was refused can be tried anew
            is_time = now_s - since_s >= self._patience.wait_s
            if is_time or not (self._patience.is_for_unfit or self._will_come(place, busy)):
                found.append(place)
        return found

    def _reach(self, place: int, without: Set[str]) -> int:
        return self._shelf.reach(self._devices[place], without)

    def _will_come(self, place: int, busy: Set[str]) -> bool:
        # A refusal passes by itself, and the state tells the rest: out of service, or held by others.
        out = {
            device
            for device in self._devices[place] - busy
            if self._shelf.how(device) is Seen.OUT and not self._shelf.is_refused(device)
        }
        return len(self._devices[place]) - len(out) >= self._classes[place].count
