"""The gate: what it answers from memory, when it asks, and every fault that a simulated device can show it."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from pytest_autorl.farm.device import Device, DeviceStatus
from pytest_autorl.farm.fitness import Verdict
from pytest_autorl.farm.gate import GateDecision, HealthGate
from pytest_autorl.farm.health import MemoryBook
from pytest_autorl.farm.policies import Cpu, Health, ResponseTime
from pytest_autorl.farm.providers.virtual import VirtualProvider, spec
from pytest_autorl.farm.sample import HealthSample
from pytest_autorl.virtual.admin import AdminClient
from pytest_autorl.virtual.library import load_app
from pytest_autorl.virtual.process import VirtualServer

PHONE = Device(id="phone", provider="virtual", platform="android")
A, U, O = DeviceStatus.AVAILABLE, DeviceStatus.UNHEALTHY, DeviceStatus.OFFLINE  # noqa: E741


class Clock:
    """Seconds since the epoch, as the test says."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


class CountingBook(MemoryBook):
    """Counts how often it was used."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = self.writes = 0

    def verdict(self, device_id: str) -> Verdict | None:
        self.reads += 1
        return super().verdict(device_id)

    def judge(self, device_id: str, verdict: Verdict) -> None:
        self.writes += 1
        super().judge(device_id, verdict)


@pytest.mark.unit
def test_a_fresh_verdict_is_the_answer_and_a_stale_one_is_not() -> None:
    """Fresh: one read and nothing else. Stale: the device is asked, and the answer is written down for all."""
    asked: list[str] = []
    decisions: list[GateDecision] = []
    clock, book = Clock(), CountingBook()

    def probe(device: Device, deadline_s: float) -> HealthSample:
        asked.append(f"{device.id} {deadline_s:g}")
        return HealthSample(battery_pct=50)

    policy = Health(stale_after=60.0, probe_timeout=7.0)
    gate = HealthGate(probe, policy, book, clock, on_decision=decisions.append)

    first = gate.check(PHONE, purpose="test_a.py::test_it")
    assert (first.status, first.reason) == (A, "")
    assert (asked, book.writes) == (["phone 7"], 1)

    book.reads = 0
    clock.now_s += 60
    assert gate.check(PHONE) is first
    assert (asked, book.reads, book.writes) == (["phone 7"], 1, 1)

    clock.now_s += 0.1
    assert gate.check(PHONE).at_s == clock.now_s
    assert (len(asked), book.writes) == (2, 2)
    assert [decision.is_cached for decision in decisions] == [False, True, False]
    assert (decisions[0].device_id, decisions[0].purpose) == ("phone", "test_a.py::test_it")
    assert decisions[0].verdict is first
    assert 0 <= decisions[1].took_s < 60


@pytest.mark.unit
def test_a_verdict_that_is_not_good_is_never_enough() -> None:
    """The state gave the device away, so it knows nothing of it: only what is written down anew tells it."""
    decisions: list[GateDecision] = []
    levels, clock, book = [3, 3, 80, 80], Clock(), CountingBook()
    gate = HealthGate(
        lambda device, deadline_s: HealthSample(battery_pct=levels.pop(0)),
        Health(cool_down=0.0),
        book,
        clock,
        on_decision=decisions.append,
    )

    verdicts = [gate.check(PHONE) for _ in range(4)]

    assert [verdict.status for verdict in verdicts] == [U, U, A, A]
    assert verdicts[1].reason == "health: battery 3 % is below 20 % (fit again from 40 %)"
    assert [decision.is_cached for decision in decisions] == [False, False, False, True]
    assert (book.writes, levels) == (3, [80])


@pytest.mark.unit
def test_the_gate_leaves_an_error_rate_as_it_is() -> None:
    """It counts no attempts, so it has no say in it, until it is old."""
    clock, book = Clock(), MemoryBook()
    sick = Verdict(
        status=U,
        reason="health: x",
        at_s=clock.now_s,
        tripped=("error rate",),
        since_s=clock.now_s,
        counted_from_s=clock.now_s,
    )
    book.judge(PHONE.id, sick)
    gate = HealthGate(lambda device, deadline_s: HealthSample(), Health(), book, clock)

    clock.now_s += 200
    assert gate.check(PHONE).tripped == ("error rate",)
    clock.now_s += 100
    assert gate.check(PHONE).is_fit


@pytest.mark.unit
def test_a_server_whose_pulse_is_wrong_has_its_device_asked_whatever_was_known() -> None:
    """It can have died since the last look; of a device that is unfit anyway no pulse is taken."""
    pulses, asked = ["", "refused", "refused"], list[str]()
    samples = [HealthSample(), HealthSample(server="is gone"), HealthSample(server="is gone")]

    def probe(device: Device, deadline_s: float) -> HealthSample:
        asked.append(device.id)
        return samples[len(asked) - 1]

    gate = HealthGate(probe, Health(), MemoryBook(), pulse=lambda device: pulses.pop(0))

    assert gate.check(PHONE).is_fit, "nothing was known: no pulse is taken"
    assert gate.check(PHONE).is_fit
    assert len(asked) == 1
    assert gate.check(PHONE).reason == "health: server: is gone"
    assert gate.check(PHONE).reason == "health: server: is gone"
    assert (len(asked), pulses) == (3, ["refused"])


@pytest.mark.unit
def test_a_device_that_hangs_holds_the_gate_up_for_its_deadline_only() -> None:
    released = threading.Event()

    def probe(device: Device, deadline_s: float) -> HealthSample:
        released.wait(60)
        return HealthSample()

    gate = HealthGate(probe, Health(probe_timeout=0.1), MemoryBook())
    try:
        verdict = gate.check(PHONE)
    finally:
        released.set()

    assert (verdict.status, verdict.reason) == (O, "health: no answer in 0.1 s")


# Faults of simulated devices, through their real server


@pytest.fixture(scope="module")
def server() -> Iterator[VirtualServer]:
    with VirtualServer.start(
        [spec(PHONE, app="bank")], {"bank": load_app("bank")}, admin_key="gate"
    ) as started:
        yield started


@pytest.fixture
def admin(server: VirtualServer) -> AdminClient:
    client = server.admin()
    client.clear_faults(PHONE.id)
    client.set_state(PHONE.id, battery=80, temperature_c=30, storage_free_mb=40_000)
    return client


@pytest.fixture
def provider(server: VirtualServer) -> VirtualProvider:
    made = VirtualProvider("virtual", [PHONE], app="bank", reset_policy="app", keeps_backend=False)
    made.attach({"url": server.url, "admin_key": "gate"})
    return made


Check = Callable[..., Verdict]


@pytest.fixture
def check(provider: VirtualProvider) -> Check:
    """Call it for what a gate that knows nothing but `tripped` says of the phone."""

    def ask(*tripped: str, stated: HealthSample | None = None, **rules: Any) -> Verdict:
        def probe(device: Device, deadline_s: float) -> HealthSample:
            sample = provider.readings(device, deadline_s=deadline_s)
            # What simulated devices do not state, as a plugin would add it.
            return replace(sample, memory_pct=stated.memory_pct, cpu_pct=stated.cpu_pct) if stated else sample

        policy = Health(**{"cool_down": 0.0, "stale_after": 1e-9, **rules})
        book = MemoryBook()
        if tripped:
            before = Verdict(status=U, reason="health: x", at_s=1.0, tripped=tripped, since_s=1.0)
            book.judge(PHONE.id, before)
        return HealthGate(probe, policy, book).check(PHONE)

    return ask


_BATTERY = "below 20 % (fit again from 40 %)"
_HEAT = "above 45 °C (fit again from 40 °C down)"
_ROOM = "free storage {} MB is below 500 MB (fit again from 500 MB)"


@pytest.mark.integration
@pytest.mark.parametrize(
    ("state", "tripped", "reason"),
    [
        ({"battery": 100}, (), ""),
        ({"battery": 20}, (), ""),
        ({"battery": 19}, (), f"battery 19 % is {_BATTERY}"),
        ({"battery": 0}, (), f"battery 0 % is {_BATTERY}"),
        ({"battery": 30}, (), ""),
        ({"battery": 30}, ("battery",), f"battery 30 % was {_BATTERY}"),
        ({"battery": 39.5}, ("battery",), f"battery 39.5 % was {_BATTERY}"),
        ({"battery": 40}, ("battery",), ""),
        ({"temperature_c": 0}, (), ""),
        ({"temperature_c": 45}, (), ""),
        ({"temperature_c": 45.5}, (), f"temperature 45.5 °C is {_HEAT}"),
        ({"temperature_c": 42}, (), ""),
        ({"temperature_c": 42}, ("temperature",), f"temperature 42 °C was {_HEAT}"),
        ({"temperature_c": 40}, ("temperature",), ""),
        ({"temperature_c": 400}, (), "temperature reads 400, which cannot be (-50 to 150 °C)"),
        ({"temperature_c": 400}, ("temperature",), "temperature reads 400, which cannot be (-50 to 150 °C)"),
        ({"storage_free_mb": 500}, (), ""),
        ({"storage_free_mb": 499}, (), _ROOM.format(499)),
        ({"storage_free_mb": 499}, ("free storage",), _ROOM.format(499)),
        ({"storage_free_mb": 500}, ("free storage",), ""),
        (
            {"battery": 19, "temperature_c": 46},
            (),
            f"battery 19 % is {_BATTERY}; temperature 46 °C is {_HEAT}",
        ),
        ({}, ("memory",), "memory is not known any more, was above 95 % (fit again from 90 % down)"),
        ({}, ("cpu",), ""),
    ],
    ids=str,
)
def test_what_the_device_states_decides(
    admin: AdminClient, check: Check, state: dict[str, float], tripped: tuple[str, ...], reason: str
) -> None:
    if state:
        admin.set_state(PHONE.id, **state)

    verdict = check(*tripped)

    assert verdict.reason == (f"health: {reason}" if reason else "")
    assert verdict.status is (U if reason else A)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        (("low_battery", {}), U, f"battery 3 % is {_BATTERY}"),
        (("low_battery", {"level": 20}), A, ""),
        (("hot", {}), U, f"temperature 52 °C is {_HEAT}"),
        (("hot", {"celsius": 45}), A, ""),
        (("hot", {"celsius": 151}), U, "temperature reads 151, which cannot be (-50 to 150 °C)"),
        (("disk_full", {}), U, _ROOM.format(0)),
        (("offline", {}), O, "it cannot be reached"),
        (("slow", {"ms": 100}), A, ""),
        (("app_crash", {}), A, ""),
    ],
    ids=str,
)
def test_a_fault_that_is_put_on_decides_and_one_taken_off_does_not(
    admin: AdminClient,
    check: Check,
    fault: tuple[str, dict[str, float]],
    status: DeviceStatus,
    reason: str,
) -> None:
    name, params = fault
    admin.fault(PHONE.id, name, **params)

    verdict = check()
    admin.clear_faults(PHONE.id)

    assert (verdict.status, verdict.reason) == (status, f"health: {reason}" if reason else "")
    assert check().is_fit


@pytest.mark.integration
@pytest.mark.parametrize(
    ("stated", "tripped", "reason"),
    [
        (HealthSample(memory_pct=95), (), ""),
        (HealthSample(memory_pct=96), (), "memory 96 % is above 95 % (fit again from 90 % down)"),
        (HealthSample(memory_pct=91), ("memory",), "memory 91 % was above 95 % (fit again from 90 % down)"),
        (HealthSample(memory_pct=90), ("memory",), ""),
        (HealthSample(memory_pct=-1), (), "memory reads -1, which cannot be (0 to 100 %)"),
        (HealthSample(cpu_pct=81), (), "cpu 81 % is above 80 % (fit again from 50 % down)"),
        (HealthSample(cpu_pct=60), ("cpu",), "cpu 60 % was above 80 % (fit again from 50 % down)"),
        (HealthSample(cpu_pct=101), (), "cpu reads 101, which cannot be (0 to 100 %)"),
    ],
    ids=str,
)
def test_what_others_state_of_it_decides_too(
    admin: AdminClient, check: Check, stated: HealthSample, tripped: tuple[str, ...], reason: str
) -> None:
    verdict = check(*tripped, stated=stated, cpu_percent=Cpu(stop=80, resume=50))

    assert verdict.reason == (f"health: {reason}" if reason else "")


@pytest.mark.unit
def test_a_slow_answer_counts_against_the_device() -> None:
    """Also where the device does not say how long it took: then that was measured."""

    def probe(device: Device, deadline_s: float) -> HealthSample:
        threading.Event().wait(0.02)
        return HealthSample()

    verdict = HealthGate(probe, Health(response_s=ResponseTime(stop=0.01, resume=0.0)), MemoryBook()).check(
        PHONE
    )

    assert verdict.status is U
    assert re.fullmatch(
        r"health: response time [\d.]+ s is above 0.01 s \(fit again from 0 s down\)", verdict.reason
    )


@pytest.mark.integration
def test_a_server_that_is_stopped_is_offline_in_time_and_fit_when_it_goes_on(
    server: VirtualServer, admin: AdminClient, check: Check
) -> None:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        verdict = check(probe_timeout=0.3)
    finally:
        os.kill(server.pid, signal.SIGCONT)

    assert (verdict.status, verdict.reason) == (O, "health: no answer in 0.3 s")
    assert check().is_fit


@pytest.mark.integration
def test_a_server_that_is_gone_is_told_from_a_device_that_is() -> None:
    provider = VirtualProvider("virtual", [PHONE], app="bank", reset_policy="app", keeps_backend=False)
    with VirtualServer.start([spec(PHONE, app="bank")], {"bank": load_app("bank")}) as gone:
        provider.attach({"url": gone.url, "admin_key": ""})
    probe: Any = lambda device, deadline_s: provider.readings(device, deadline_s=deadline_s)  # noqa: E731

    verdict = HealthGate(probe, Health(), MemoryBook()).check(PHONE)

    assert verdict.status is O
    assert verdict.reason.startswith("health: server: the server of virtual devices at 127.0.0.1:")
