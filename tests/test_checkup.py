"""Check-ups of a run: verdicts in the state, when they are made, and which device a failure counts against."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import until
from pytest_autorl.capture.terminal import health_lines
from pytest_autorl.checkup import Checkups, StateBook, told
from pytest_autorl.farm.config import virtual_farm
from pytest_autorl.farm.device import Device, DeviceStatus
from pytest_autorl.farm.fitness import Verdict
from pytest_autorl.farm.sample import HEALTH, HealthSample
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.store import DurableStore

FARM = virtual_farm(2)


class Provider:
    """Says of every device what a test wants."""

    def __init__(self) -> None:
        self.battery_pct: float | None = 80.0
        self.trouble = ""
        self.asked = threading.Event()

    def readings(self, device: Device, *, deadline_s: float) -> HealthSample:
        self.asked.set()
        return HealthSample(battery_pct=self.battery_pct)

    def pulse(self, device: Device) -> str:
        return self.trouble


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DurableStore]:
    made = DurableStore(
        SqliteEngine(tmp_path / "state.db"),
        folder=tmp_path / "holders",
        devices={device.id: 0 for device in FARM.devices},
    )
    yield made
    made.close()


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def checkups(store: DurableStore, provider: Provider) -> Iterator[Checkups]:
    made = Checkups(FARM, {"virtual": provider}, store)  # type: ignore[dict-item]
    yield made
    made.stop()


def test_a_verdict_is_everybodys(store: DurableStore, checkups: Checkups, provider: Provider) -> None:
    provider.battery_pct = 5.0

    verdict = checkups.gate.check(FARM.devices[0], purpose="test_a")

    assert not verdict.is_fit
    assert StateBook(store).verdict("virtual-1") == verdict
    state = store.devices()["virtual-1"]
    assert (state.status, state.reason) == (DeviceStatus.UNHEALTHY, verdict.reason)
    (decision,) = checkups.fetch()
    assert (decision["device"], decision["fit"], decision["checked"]) == ("virtual-1", False, "probed")
    assert decision["why"] == verdict.reason
    assert checkups.fetch() == []


def test_a_server_that_has_just_died_is_noticed_in_spite_of_a_fresh_verdict(
    checkups: Checkups, provider: Provider
) -> None:
    assert checkups.gate.check(FARM.devices[0]).is_fit
    provider.trouble = "connection refused"
    provider.asked.clear()

    checkups.gate.check(FARM.devices[0])

    assert provider.asked.is_set()


def test_nobody_is_asked_before_somebody_wants_a_device(checkups: Checkups, provider: Provider) -> None:
    is_needed = threading.Event()

    checkups.start_when(is_needed.is_set)
    checkups.start_when(is_needed.is_set)
    assert not provider.asked.wait(0.6)
    is_needed.set()

    assert provider.asked.wait(60)


def test_what_the_monitor_finds_unfit_is_remembered(checkups: Checkups, provider: Provider) -> None:
    provider.battery_pct = 5.0

    checkups.start()
    until(lambda: len(checkups.unfit) == 2, "both were looked at")

    assert checkups.unfit["virtual-1"].startswith(f"{HEALTH}battery 5 % is below 20 %")


def test_for_people_a_verdict_says_what_was_read_and_when() -> None:
    sample = HealthSample(
        battery_pct=87.0,
        temperature_c=31.5,
        storage_free_mb=41000.0,
        memory_pct=40.0,
        cpu_pct=3.0,
        response_s=0.02,
    )
    verdict = Verdict(
        status=DeviceStatus.AVAILABLE, reason="", at_s=100.0, sample=sample, tripped=(), since_s=0.0
    )

    text = told(verdict.to_text(), 112.0)

    assert text.startswith("fit (battery 87 %, 31.5 °C, ")
    assert "looked at 12 s ago" in text
    assert told("", 112.0) == told("no verdict", 112.0) == ""


def test_the_summary_tells_each_device_once_with_the_last_reason() -> None:
    checks = [
        {"device": "a", "fit": False, "why": "health: battery 12 %"},
        {"device": "a", "fit": False, "why": "health: battery 11 %"},
        {"device": "b", "fit": True, "why": ""},
    ]

    lines = health_lines(checks, {"c": "health: hot"}, {"a": "health: battery 10 %"})

    assert lines == ["not fit: a, refused 2 times: battery 10 % (still so at the end)", "not fit: c: hot"]


# -- from pytest ------------------------------------------------------------------------------------------------


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "reports/trace.jsonl").read_text().splitlines()]


@pytest.mark.integration
@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_trace_says_how_the_gate_came_to_its_answer(pytester: pytest.Pytester, workers: str) -> None:
    pytester.makepyfile("def test_it(device): pass\ndef test_again(device): pass\n")

    pytester.runpytest_subprocess("--autorl-farm", "virtual:2", "-n", workers).assert_outcomes(passed=2)

    for row in rows(pytester.path):
        (check,) = row["gate"]
        assert (check["device"], check["fit"], check["why"]) == (row["devices"][0], True, "")
        assert check["checked"] in ("cached", "probed")
        assert 0 <= check["took"] < 60


@pytest.mark.integration
def test_a_device_asked_for_in_mid_test_is_checked_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(request): request.getfixturevalue('device')\n")

    pytester.runpytest_subprocess("--autorl-farm", "virtual:1").assert_outcomes(passed=1)

    assert [check["device"] for check in rows(pytester.path)[0]["gate"]] == ["virtual-1"]


@pytest.mark.integration
@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_suite_that_wants_no_device_leaves_the_devices_alone(
    pytester: pytest.Pytester, workers: str
) -> None:
    pytester.makeconftest(
        """
        import pathlib
        def pytest_autorl_probe_device(device, sample): pathlib.Path("asked").touch()
        """
    )
    pytester.makepyfile(
        """
        import time
        def test_it(): time.sleep(1.0)
        """
    )

    result = pytester.runpytest_subprocess("--autorl-farm", "virtual:1", "-n", workers)

    result.assert_outcomes(passed=1)
    assert not (pytester.path / "asked").exists()
    result.stdout.no_fnmatch_line("*autorl: devices*")
