"""The monitor: who is asked and when, what is counted, and that nothing a device does ends it."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import until
from pytest_autorl.errors import DeviceError, DeviceProviderError, ServerDownError, StateError, UsageError
from pytest_autorl.farm import DeviceHealthMonitor
from pytest_autorl.farm.device import Device, DeviceStatus
from pytest_autorl.farm.fitness import LET_GO_S, Verdict
from pytest_autorl.farm.health import SIDE_BY_SIDE, MemoryBook
from pytest_autorl.farm.policies import Health
from pytest_autorl.farm.sample import HealthSample

pytestmark = pytest.mark.unit

PHONE = Device(id="phone", provider="p")
TABLET = Device(id="tablet", provider="p")
#: Between two looks, seconds: so short that a test sees many, and long enough for a busy machine.
SOON_S = 0.05


def well(device: Device, deadline_s: float) -> HealthSample:
    return HealthSample(battery_pct=80, memory_pct=40, cpu_pct=7, response_s=0.5)


@pytest.fixture
def make_monitor() -> Iterator[Callable[..., DeviceHealthMonitor]]:
    """Makes monitors, and stops them."""
    made: list[DeviceHealthMonitor] = []

    def make(*args: Any, **kwargs: Any) -> DeviceHealthMonitor:
        made.append(DeviceHealthMonitor(*args, **kwargs))
        return made[-1]

    yield make
    for monitor in made:
        monitor.stop_monitoring()


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("autorl-health")]


def test_it_can_be_made_from_an_interval_alone_and_counts_what_it_is_told() -> None:
    monitor = DeviceHealthMonitor(heartbeat_interval=30.0)
    for is_success in (True, True, False, True):
        monitor.record("phone", is_success)

    health = monitor.get_device_health("phone")

    assert (health.status, health.success_count, health.error_count) == (DeviceStatus.AVAILABLE, 3, 1)
    assert health.success_rate == 0.75
    assert health.error_rate_pct is None, "four say too little"
    assert (health.last_heartbeat, health.average_response_s, health.verdict) == (None, None, None)
    with pytest.raises(UsageError, match="knows no device 'tablet'"):
        monitor.get_device_health("tablet")


def test_the_rate_of_a_device_that_nobody_has_used_is_none() -> None:
    """And no division by zero."""
    monitor = DeviceHealthMonitor(devices=[PHONE], probe=well)

    assert monitor.get_device_health("phone").success_rate is None


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"devices": [PHONE]}, "give it a probe"),
        ({"heartbeat_interval": 0}, "a number above 0, got 0"),
        ({"heartbeat_interval": float("nan")}, "got nan"),
    ],
)
def test_what_it_cannot_work_with_is_refused(args: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        DeviceHealthMonitor(**args)


def test_it_looks_again_and_again_until_it_is_stopped(
    make_monitor: Callable[..., DeviceHealthMonitor],
) -> None:
    asked: list[str] = []

    def probe(device: Device, deadline_s: float) -> HealthSample:
        asked.append(device.id)
        return well(device, deadline_s)

    monitor = make_monitor(SOON_S, devices=[PHONE, TABLET], probe=probe, clock=itertools.count(1000).__next__)
    monitor.start_monitoring()
    monitor.start_monitoring()
    each = ("phone", "tablet")
    until(lambda: all(monitor.get_device_health(one).success_count >= 3 for one in each), "looks at both")
    monitor.stop_monitoring()
    counted = len(asked)

    assert threads() == []
    health = monitor.get_device_health("phone")
    assert health.status is DeviceStatus.AVAILABLE
    assert health.success_count >= 3
    assert (health.success_rate, health.average_response_s) == (1.0, 0.5)
    assert (health.memory_pct, health.cpu_pct, health.error_count) == (40, 7, 0)
    assert health.last_heartbeat is not None
    assert len(asked) == counted

    monitor.start_monitoring()
    until(lambda: len(asked) > counted, "a look after it was started anew")


def test_a_device_that_hangs_is_offline_and_keeps_nobody_waiting(
    make_monitor: Callable[..., DeviceHealthMonitor],
) -> None:
    """Its thread is left to itself: it is not asked again, and the end of the monitor does not wait for it."""
    released = threading.Event()
    asked: list[str] = []

    def probe(device: Device, deadline_s: float) -> HealthSample:
        asked.append(device.id)
        if device is PHONE:
            assert released.wait(60)
        return well(device, deadline_s)

    policy = Health(probe_timeout=0.2, cool_down=0.0)
    monitor = make_monitor(SOON_S, devices=[PHONE, TABLET], probe=probe, policy=policy)
    monitor.start_monitoring()
    until(lambda: monitor.get_device_health("phone").error_count >= 2, "two looks in vain")
    until(lambda: asked.count("tablet") >= 2, "the other device gets its turn")

    health = monitor.get_device_health("phone")
    assert health.verdict is not None
    assert (health.status, health.verdict.reason) == (DeviceStatus.OFFLINE, "health: no answer in 0.2 s")
    assert asked.count("phone") == 1
    assert health.last_heartbeat is None

    monitor.stop_monitoring()
    assert threads() == []
    released.set()
    until(lambda: not [t for t in threading.enumerate() if t.name == "autorl-probe-phone"], "its thread ends")
    assert monitor.probe_now(PHONE).is_fit


def test_a_device_that_comes_back_is_noticed_long_before_the_next_round(
    make_monitor: Callable[..., DeviceHealthMonitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interval would take a quarter of an hour; the device that is well is left alone until then."""
    monkeypatch.setattr("pytest_autorl.farm.health.RETURN_S", 0.05)
    asked: list[str] = []

    def probe(device: Device, deadline_s: float) -> HealthSample:
        asked.append(device.id)
        return HealthSample(is_online=device is TABLET or asked.count("phone") > 3)

    monitor = make_monitor(900.0, devices=[PHONE, TABLET], probe=probe, policy=Health(cool_down=0.0))
    monitor.start_monitoring()

    until(lambda: asked.count("phone") > 3, "it is asked again and again")
    until(lambda: monitor.get_device_health("phone").status is DeviceStatus.AVAILABLE, "it is back")
    assert asked.count("tablet") == 1


def test_a_limit_that_has_tripped_takes_its_time(
    make_monitor: Callable[..., DeviceHealthMonitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A battery is not charged in two seconds."""
    monkeypatch.setattr("pytest_autorl.farm.health.RETURN_S", 0.05)
    asked: list[str] = []

    def probe(device: Device, deadline_s: float) -> HealthSample:
        asked.append(device.id)
        return HealthSample(battery_pct=3) if device is PHONE else HealthSample(is_online=False)

    monitor = make_monitor(900.0, devices=[PHONE, TABLET], probe=probe)
    monitor.start_monitoring()

    until(lambda: asked.count("tablet") > 5, "the one that is away is asked")
    assert asked.count("phone") == 1


def test_stopping_does_not_wait_for_a_deadline(make_monitor: Callable[..., DeviceHealthMonitor]) -> None:
    released, is_asked = threading.Event(), threading.Event()

    def probe(device: Device, deadline_s: float) -> HealthSample:
        is_asked.set()
        released.wait(60)
        return HealthSample()

    monitor = make_monitor(SOON_S, devices=[PHONE], probe=probe, policy=Health(probe_timeout=10_000.0))
    monitor.start_monitoring()
    assert is_asked.wait(60)
    monitor.stop_monitoring()

    assert threads() == []
    assert monitor.get_device_health("phone").verdict is None, "nothing is said of a look that was broken off"
    released.set()


def test_so_many_are_asked_side_by_side_and_no_more(
    make_monitor: Callable[..., DeviceHealthMonitor],
) -> None:
    """All must be in the probe at once before any may leave it."""
    together = threading.Barrier(SIDE_BY_SIDE)
    mutex, inside, most, done = threading.Lock(), 0, 0, 0

    def probe(device: Device, deadline_s: float) -> HealthSample:
        nonlocal inside, most, done
        with mutex:
            inside += 1
            most = max(most, inside)
        together.wait(60)
        with mutex:
            inside, done = inside - 1, done + 1
        return HealthSample()

    devices = [Device(id=f"d{number}", provider="p") for number in range(3 * SIDE_BY_SIDE)]
    monitor = make_monitor(1000.0, devices=devices, probe=probe, policy=Health(probe_timeout=60.0))
    monitor.start_monitoring()

    until(lambda: done == len(devices), "all are asked")
    assert most == SIDE_BY_SIDE


class Raises(BaseException):
    """As pytest's own outcomes, no Exception."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DeviceError("the bus is down", device_id="phone"), "the bus is down"),
        (ServerDownError("http://lab:4723 refuses", do="start it"), "server: http://lab:4723 refuses"),
        (DeviceProviderError("cannot read {}"), "server: cannot read {}"),
        (ValueError("token=hunter2"), "the probe failed: ValueError"),
        (Raises(), "the probe failed: Raises"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_probe_that_fails_is_a_device_that_is_offline(error: BaseException, reason: str) -> None:
    """Of a foreign exception only the class is told: its text may hold anything."""

    def probe(device: Device, deadline_s: float) -> HealthSample:
        raise error

    verdict = DeviceHealthMonitor(devices=[PHONE], probe=probe).probe_now(PHONE)

    assert (verdict.status, verdict.reason) == (DeviceStatus.OFFLINE, f"health: {reason}")


def test_a_probe_that_returns_something_else_is_told_so() -> None:
    monitor = DeviceHealthMonitor(devices=[PHONE], probe=lambda device, deadline_s: {"battery": 3})  # type: ignore[arg-type,return-value]

    assert monitor.probe_now(PHONE).reason == "health: the probe returned dict, not a HealthSample"


def test_the_response_time_is_measured_where_nobody_states_it() -> None:
    monitor = DeviceHealthMonitor(devices=[PHONE], probe=lambda device, deadline_s: HealthSample())

    sample = monitor.probe_now(PHONE).sample

    assert sample is not None
    assert sample.response_s is not None
    assert 0 <= sample.response_s < 60


class Clock:
    """Seconds since the epoch: each look at it is a second later, so that no two things happen at once."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        self.now_s += 1
        return self.now_s


def told(monitor: DeviceHealthMonitor, *outcomes: bool) -> None:
    for is_success in outcomes:
        monitor.record("phone", is_success)


def test_a_device_that_fails_most_attempts_is_unhealthy_until_it_does_well() -> None:
    """Of the last twenty attempts, from the fifth on; those that made it unfit do so once only."""
    monitor = DeviceHealthMonitor(devices=[PHONE], probe=well, policy=Health(cool_down=0.0), clock=Clock())
    told(monitor, False, False, False, False)
    assert monitor.probe_now(PHONE).is_fit, "four say too little, and a probe is no attempt"
    told(monitor, True)
    assert monitor.get_device_health("phone").error_rate_pct == 80

    sick = monitor.probe_now(PHONE)

    assert sick.status is DeviceStatus.UNHEALTHY
    assert sick.reason == "health: error rate 80 % is above 50 % (fit again from 20 % down)"
    assert monitor.get_device_health("phone").error_rate_pct is None
    told(monitor, True, True, True, False)
    held = monitor.probe_now(PHONE)
    assert held.reason == "health: error rate was above 50 % (fit again from 20 % down, or 300 s after that)"
    told(monitor, True)
    assert monitor.get_device_health("phone").error_rate_pct == 20
    assert monitor.probe_now(PHONE).is_fit


def test_an_error_rate_that_was_too_high_is_let_go_and_the_same_attempts_do_not_bring_it_back() -> None:
    clock = Clock()
    monitor = DeviceHealthMonitor(devices=[PHONE], probe=well, clock=clock)
    told(monitor, *[False] * 9)
    assert not monitor.probe_now(PHONE).is_fit
    clock.now_s += LET_GO_S

    assert [monitor.probe_now(PHONE).is_fit for _ in range(3)] == [True, True, True]
    told(monitor, *[False] * 5)
    assert not monitor.probe_now(PHONE).is_fit


@pytest.mark.parametrize(
    "answer",
    [None, HealthSample(is_online=False), HealthSample(server="refuses")],
    ids=["none", "gone", "server"],
)
def test_a_device_that_was_out_of_reach_is_fit_as_soon_as_it_is_back(answer: HealthSample | None) -> None:
    """Probes count for who looks, and not in the rate that is judged: being offline was said already."""
    is_back, clock = False, Clock()

    def probe(device: Device, deadline_s: float) -> HealthSample:
        if is_back:
            return HealthSample(response_s=0.5)
        if answer is None:
            raise DeviceError("the bus is down")
        return answer

    monitor = DeviceHealthMonitor(devices=[PHONE], probe=probe, policy=Health(cool_down=0.0), clock=clock)
    gone = [monitor.probe_now(PHONE).status for _ in range(20)]
    health = monitor.get_device_health("phone")
    assert gone == [DeviceStatus.OFFLINE] * 20
    assert (health.success_count, health.error_count, health.last_heartbeat) == (0, 20, None)
    assert (health.error_rate_pct, health.average_response_s) == (None, None)

    is_back = True
    back = monitor.probe_now(PHONE)

    health = monitor.get_device_health("phone")
    assert back.is_fit
    assert (health.success_count, health.last_heartbeat, health.average_response_s) == (1, back.at_s, 0.5)


def test_the_last_heartbeat_is_when_the_device_last_answered() -> None:
    samples = [HealthSample(), HealthSample(is_online=False), HealthSample(server="refuses")]
    monitor = DeviceHealthMonitor(
        devices=[PHONE], probe=lambda device, deadline_s: samples.pop(0), clock=Clock()
    )

    answered_s = monitor.probe_now(PHONE).at_s
    monitor.probe_now(PHONE)
    monitor.probe_now(PHONE)

    assert monitor.get_device_health("phone").last_heartbeat == answered_s


def test_two_monitors_of_one_device_agree() -> None:
    """Each counts the attempts of its own run; whoever has none since the device was found to fail says nothing."""
    clock, book = Clock(), MemoryBook()
    one, other = (
        DeviceHealthMonitor(devices=[PHONE], probe=well, book=book, clock=clock, policy=Health(cool_down=0.0))
        for _ in range(2)
    )
    told(other, *[True] * 9)
    told(one, *[False] * 8, True)

    fits = [monitor.probe_now(PHONE).is_fit for _ in range(5) for monitor in (one, other)]
    assert fits == [False] * 10

    clock.now_s += LET_GO_S
    fits = [monitor.probe_now(PHONE).is_fit for _ in range(5) for monitor in (one, other)]
    assert fits == [True] * 10


#: Who does it, and what: attempts that went well or not, or a look after so many seconds.
_outcomes = st.builds(lambda is_success, count: [is_success] * count, st.booleans(), st.integers(1, 9))
_deeds = st.tuples(st.integers(0, 1), st.one_of(_outcomes, st.floats(0, 400)))


@given(st.lists(_deeds, max_size=12))
def test_monitors_of_one_device_do_not_alternate(deeds: list[tuple[int, list[bool] | float]]) -> None:
    """However attempts were spread: without further ones a device is found to fail once at most, and let go once."""
    clock, book = Clock(), MemoryBook()
    monitors = [
        DeviceHealthMonitor(devices=[PHONE], probe=well, book=book, clock=clock, policy=Health(cool_down=0.0))
        for _ in range(2)
    ]
    for who, what in deeds:
        if isinstance(what, list):
            told(monitors[who], *what)
        else:
            clock.now_s += what
            monitors[who].probe_now(PHONE)

    fits: list[bool] = []
    for _ in range(20):
        clock.now_s += 20
        fits += [monitor.probe_now(PHONE).is_fit for monitor in monitors]

    assert [is_fit for is_fit, _ in itertools.groupby(fits)] in ([True], [False, True], [True, False, True])


def test_attempts_that_cross_the_mark_are_judged_although_somebody_has_just_looked(
    make_monitor: Callable[..., DeviceHealthMonitor],
) -> None:
    """Who looked has counted other attempts, or none."""
    book = MemoryBook()
    book.judge("phone", Verdict(status=DeviceStatus.AVAILABLE, reason="", at_s=1000.0, since_s=1000.0))
    asked: list[str] = []

    def probe(device: Device, deadline_s: float) -> HealthSample:
        asked.append(device.id)
        return HealthSample()

    monitor = make_monitor(SOON_S, devices=[PHONE, TABLET], probe=probe, book=book, clock=lambda: 1000.0)
    told(monitor, *[False] * 5)
    monitor.start_monitoring()
    until(lambda: monitor.get_device_health("phone").status is DeviceStatus.UNHEALTHY, "a look")
    monitor.stop_monitoring()

    assert asked.count("phone") == 1, "what was judged is no news any more"


def test_without_a_thread_to_be_had_a_device_is_offline_until_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monitor = DeviceHealthMonitor(devices=[PHONE], probe=well, policy=Health(cool_down=0.0))

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        verdict = monitor.probe_now(PHONE)

    assert verdict.reason == "health: it could not be asked: can't start new thread"
    assert monitor.probe_now(PHONE).is_fit


def test_a_device_that_somebody_else_has_just_looked_at_is_left_out(
    make_monitor: Callable[..., DeviceHealthMonitor],
) -> None:
    """Workers look too, before a test: phones need not be asked twice."""
    book, asked = MemoryBook(), list[str]()
    sick = Verdict(
        status=DeviceStatus.UNHEALTHY, reason="health: x", at_s=996.0, since_s=996.0, tripped=("battery",)
    )
    book.judge("phone", sick)

    def probe(device: Device, deadline_s: float) -> HealthSample:
        asked.append(device.id)
        return HealthSample()

    monitor = make_monitor(10.0, devices=[PHONE, TABLET], probe=probe, book=book, clock=lambda: 1000.0)
    monitor.start_monitoring()
    until(lambda: book.verdict("tablet") is not None, "a look at the other one")
    monitor.stop_monitoring()

    assert asked == ["tablet"]
    assert book.verdict("phone") is sick
    assert monitor.get_device_health("phone").status is DeviceStatus.UNHEALTHY


class BrokenBook(MemoryBook):
    """One that cannot be written for one device."""

    def judge(self, device_id: str, verdict: Verdict) -> None:
        if device_id == "phone":
            raise StateError("the state is gone")
        super().judge(device_id, verdict)


def test_a_book_that_cannot_be_written_is_told_once_and_ends_nothing(
    make_monitor: Callable[..., DeviceHealthMonitor], caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    def probe(device: Device, deadline_s: float) -> HealthSample:
        asked.append(device.id)
        return HealthSample()

    book = BrokenBook()
    monitor = make_monitor(SOON_S, devices=[PHONE, TABLET], probe=probe, book=book)
    with caplog.at_level(logging.WARNING, logger="pytest_autorl"):
        monitor.start_monitoring()
        until(lambda: asked.count("phone") >= 3 and asked.count("tablet") >= 1, "it goes on")
        monitor.stop_monitoring()

    assert book.verdict("tablet") is not None
    told = [record.getMessage() for record in caplog.records if record.name == "pytest_autorl"]
    assert told == ["the health of phone could not be noted: StateError: the state is gone"]


def test_who_listens_hears_of_changes_only() -> None:
    levels, heard = [87, 3, 3, 30, 40, 90], list[tuple[str, bool]]()
    monitor = DeviceHealthMonitor(
        devices=[PHONE],
        probe=lambda device, deadline_s: HealthSample(battery_pct=levels.pop(0)),
        policy=Health(cool_down=0.0),
        on_change=lambda device_id, verdict: heard.append((device_id, verdict.is_fit)),
    )

    while levels:
        monitor.probe_now(PHONE)

    assert heard == [("phone", False), ("phone", True)]


class Stumbles(DeviceHealthMonitor):
    """One whose first round cannot be begun."""

    rounds = 0

    def _look_round(self, *args: Any, **more: Any) -> None:
        self.rounds += 1
        if self.rounds == 1:
            raise RuntimeError("can't start new thread")
        super()._look_round(*args, **more)


def test_a_round_that_cannot_be_begun_is_told_and_the_next_one_is(caplog: pytest.LogCaptureFixture) -> None:
    with Stumbles(SOON_S, devices=[PHONE], probe=well) as monitor:
        until(lambda: monitor.get_device_health("phone").verdict is not None, "a look")

    assert threads() == []
    assert "the health of the devices could not be looked at" in caplog.text


def test_without_a_probe_nothing_is_asked_and_nothing_started() -> None:
    monitor = DeviceHealthMonitor()
    with monitor:
        assert threads() == []
        with pytest.raises(UsageError, match="cannot ask a device"):
            monitor.probe_now(PHONE)
