"""One device without a server: what the system keeps from apps, and what a reset brings back."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_autorl.virtual.device import BACKGROUND, FOREGROUND, Device
from pytest_autorl.virtual.device_log import LOG_LINES
from pytest_autorl.virtual.farm import Farm

BANK = "com.autorl.bank"


@pytest.fixture
def device(bank: dict[str, Any]) -> Device:
    made = Farm({"bank": bank}, [{"id": "d", "app": "bank"}]).devices["d"]
    made.activate(BANK)
    return made


def test_nothing_reaches_the_app_behind_the_lock_screen(device: Device) -> None:
    run = device.front_run()
    assert run is not None
    assert run.tap(next(node.key for node in device.picture().root.walk() if node.name == "username"))
    device.is_locked = True

    device.back()

    assert (device.front_run(), device.keyboard_shown) == (None, False)
    assert run.keyboard_shown  # the back key would have hidden it
    assert device.app_state(BANK) == FOREGROUND
    device.is_locked = False
    device.back()
    device.back()
    assert device.app_state(BANK) == BACKGROUND


def test_a_reset_turns_the_radios_on_and_leaves_the_network_outside_alone(device: Device) -> None:
    device.connectivity["airplaneMode"] = True
    device.location = {"latitude": 1.0, "longitude": 2.0, "altitude": 3.0}
    device.is_network_up = False

    device.reset(backend=True)

    assert device.connectivity == {"wifi": True, "data": True, "airplaneMode": False}
    assert device.location["latitude"] == 0.0
    assert not device.is_online
    device.is_network_up = True
    assert device.is_online


def test_the_log_forgets_its_oldest_lines_and_numbers_go_on(device: Device) -> None:
    first = device.log_lines()[-1].number
    for number in range(LOG_LINES + 5):
        device.log("I", "test", f"line {number}")
    lines = device.log_lines()
    assert len(lines) == LOG_LINES
    assert (lines[-1].number, lines[-1].message) == (first + LOG_LINES + 5, f"line {LOG_LINES + 4}")
    assert device.log_lines(lines[-1].number - 2) == lines[-2:]
