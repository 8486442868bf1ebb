"""The alarm, with timers that ring when the test says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_autorl.dispatch.alarm import Alarm

pytestmark = pytest.mark.unit


class Timer:
    name = ""
    daemon = False

    def __init__(self, after_s: float, ring: Callable[[], None]) -> None:
        self.after_s, self.ring = after_s, ring
        self.is_on = False

    def start(self) -> None:
        self.is_on = True

    def cancel(self) -> None:
        self.is_on = False


class Hall:
    """An alarm with its timers."""

    def __init__(self) -> None:
        self.timers: list[Timer] = []
        self.rung = 0
        self.now_s = 100.0
        self.alarm = Alarm(self._ring, clock=lambda: self.now_s, timer=self._timer)

    def _ring(self) -> None:
        self.rung += 1

    def _timer(self, after_s: float, ring: Callable[[], None]) -> Timer:
        self.timers.append(Timer(after_s, ring))
        return self.timers[-1]

    @property
    def on(self) -> list[float]:
        return [timer.after_s for timer in self.timers if timer.is_on]


def test_it_rings_when_it_is_time() -> None:
    hall = Hall()

    hall.alarm.set(103.5)

    assert hall.on == [3.5]
    assert hall.timers[0].daemon
    hall.timers[0].ring()
    assert hall.rung == 1


def test_another_time_takes_the_place_of_the_first() -> None:
    hall = Hall()

    hall.alarm.set(103.0)
    hall.alarm.set(101.0)

    assert hall.on == [1.0]


def test_the_same_time_is_set_once() -> None:
    hall = Hall()

    hall.alarm.set(103.0)
    hall.alarm.set(103.0)

    assert len(hall.timers) == 1


def test_a_time_that_is_over_rings_at_once() -> None:
    hall = Hall()

    hall.alarm.set(90.0)

    assert hall.on == [0.0]


def test_none_is_silence() -> None:
    hall = Hall()

    hall.alarm.set(103.0)
    hall.alarm.set(None)
    hall.alarm.set(None)

    assert hall.on == []


def test_threads_ring_it_too() -> None:
    import threading

    rung = threading.Event()

    Alarm(rung.set).set(0.0)

    assert rung.wait(60)
