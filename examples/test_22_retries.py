"""A test that failed runs again where that tells something: the marker `retry`, and what needs no marker.

pytest hears of the last attempt alone. Those before it are an `R` or an `L` among the dots, and the summary names tests
that are flaky, with their devices and the command that runs one where it failed. These here fail on purpose, the first
time they run. Your own tests need none of the notes by which they know that.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from selenium.common.exceptions import InvalidSessionIdException

from pytest_autorl import DeviceHandle


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run for all its workers: the next attempt may be run by another one."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture
def earlier_devices(desk: Path, request: pytest.FixtureRequest, device: DeviceHandle) -> list[str]:
    """The devices on which this test has run before, in this run."""
    notes = desk / f"{request.node.name}.devices"
    before = notes.read_text().split() if notes.exists() else []
    notes.write_text(" ".join([*before, device.id]))
    return before


@pytest.mark.device(platform="android", form_factor="phone")
@pytest.mark.retry(initial_delay=0.1)
def test_that_is_flaky_passes_on_another_device(device: DeviceHandle, earlier_devices: list[str]) -> None:
    """A time-out may pass by itself, so it is tried again: by default twice at most, and elsewhere."""
    if not earlier_devices:
        raise TimeoutError("the screen did not come in time")
    assert device.id not in earlier_devices


@pytest.mark.retry(max_attempts=2, on=AssertionError, elsewhere=False, initial_delay=0)
def test_that_may_assert_too_early(device: DeviceHandle, earlier_devices: list[str]) -> None:
    """An assertion fails again as a rule: it is tried again only where the marker says so. This one stays here."""
    assert earlier_devices == [device.id]


def test_whose_session_was_lost_needs_no_marker(device: DeviceHandle, earlier_devices: list[str]) -> None:
    """That says nothing of the test: it runs again elsewhere at once, and is not called flaky."""
    if not earlier_devices:
        raise InvalidSessionIdException("what any command answers when a server or a driver has crashed")
    assert device.driver.orientation == "PORTRAIT"
    assert device.id not in earlier_devices
