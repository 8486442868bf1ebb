"""The fake driver, whose sessions cost next to nothing: many at once on one server, and the neutral examples."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import close
from pytest_autorl.state.peek import peek
from real_servers import AppiumServer

pytestmark = [pytest.mark.real, pytest.mark.integration]

Start = Callable[..., subprocess.Popen[str]]

#: Longest run on a busy machine, seconds.
BOUND_S = 100.0

APP = Path(__file__).with_name("protocol_app.xml")
ROOT = Path(__file__).resolve().parents[2]

#: Examples that use nothing of the simulated bank: they hold for every kind of device.
NEUTRAL = (
    "test_01_first_steps.py::test_the_device_says_what_it_is",
    "test_01_first_steps.py::test_the_driver_is_the_session_on_that_device",
    "test_01_first_steps.py::test_the_marker_alone_leases_too",
    "test_01_first_steps.py::test_a_test_that_asks_for_nothing_gets_no_device",
    "test_11_device_needs.py::test_a_platform",
    "test_11_device_needs.py::test_a_range_of_versions",
    "test_11_device_needs.py::test_tags_are_words_that_the_farm_file_gives_to_devices",
    "test_11_device_needs.py::test_where_is_for_facts_that_have_no_keyword",
    "test_11_device_needs.py::test_capabilities_are_those_of_this_tests_session",
    "test_11_device_needs.py::TestOnPhonesWithASim",
    "test_14_two_devices.py::test_devices_are_different_ones",
)


def fake(device_id: str, **facts: object) -> dict[str, object]:
    """A device of the farm file, behind the fake driver."""
    capabilities = {
        "platformName": "Fake",
        "appium:automationName": "Fake",
        "appium:deviceName": "Fake",
        "appium:app": str(APP),
        "appium:udid": device_id,
    }
    return {"id": device_id, "provider": "lab", "capabilities": capabilities, **facts}


def write_farm(folder: Path, server: AppiumServer, *devices: dict[str, object]) -> Path:
    path = folder / "device_farm.yml"
    providers = {"lab": {"type": "appium", "url": server.url}}
    path.write_text(json.dumps({"providers": providers, "devices": devices}))
    return path


def test_eight_sessions_work_at_the_same_time(
    tmp_path: Path, appium_server: AppiumServer, start_run: Start
) -> None:
    """One test holds all of them; each thread sees what it typed itself."""
    write_farm(tmp_path, appium_server, *(fake(f"fake-{n}", platform="fake") for n in range(8)))
    (tmp_path / "test_it.py").write_text(
        """
import pytest
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
together = Barrier(8)
def types(driver):
    together.wait(60)
    words = []
    for n in range(20):
        field = driver.find_element("id", "name_field")
        field.clear()
        field.send_keys(f"{driver.session_id}-{n}")
        words.append(field.text == f"{driver.session_id}-{n}")
    return words
@pytest.mark.device(count=8)
def test_it(drivers, devices):
    assert len({driver.session_id for driver in drivers}) == 8
    assert sorted(driver.capabilities["udid"] for driver in drivers) == sorted(device.id for device in devices)
    with ThreadPoolExecutor(8) as threads:
        assert all(all(words) for words in threads.map(types, drivers))
"""
    )

    output = close(start_run(tmp_path, "-p", "no:xdist"), patience_s=BOUND_S)

    assert "1 passed" in output, output
    seen = peek(tmp_path / "state.db")
    assert {device.status.value for device in seen.devices} == {"available"}


def test_the_neutral_examples_hold_on_real_servers_too(
    tmp_path: Path, appium_server: AppiumServer, start_run: Start
) -> None:
    """Markers, fixtures and needs are those of the virtual farm."""
    farm = write_farm(
        tmp_path,
        appium_server,
        fake(
            "phone-1", platform="android", os_version="13", form_factor="phone", tags=["nfc", "camera", "sim"]
        ),
        fake("phone-2", platform="android", os_version="14", form_factor="phone", attributes={"ram_mb": 8192})
        | {"tags": ["nfc"]},
        fake("tablet-1", platform="android", os_version="12", form_factor="tablet"),
    )
    tests = [f"examples/{name}" for name in NEUTRAL]

    run = start_run(
        ROOT,
        *tests,
        # Our ini has a key of a plugin that `lab.run` leaves out.
        *("-p", "no:xdist", "-v", "-W", "ignore::pytest.PytestConfigWarning"),
        *("--autorl-farm", str(farm), "--autorl-state", str(tmp_path / "state.db")),
        *("--autorl-reports", str(tmp_path / "reports")),
    )
    output = close(run, patience_s=BOUND_S)

    assert run.returncode == 0, output
    assert "12 passed" in output, output
    rows = [json.loads(line) for line in (tmp_path / "reports/trace.jsonl").read_text().splitlines()]
    assert {device for row in rows for device in row["devices"]} <= {"phone-1", "phone-2", "tablet-1"}
