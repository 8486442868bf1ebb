"""What a test can say it needs. It is never skipped for it: it waits until such a device is free.

A need that no device of the farm can ever meet is told before the first test, with the nearest devices, and that
test ends as an ERROR. Of several markers `device` the one closest to the test counts.
"""

from __future__ import annotations

import pytest
from appium.webdriver.webdriver import WebDriver

from examples.pages import SignInPage
from pytest_autorl import DeviceHandle


@pytest.mark.device(platform="android")
def test_a_platform(device: DeviceHandle) -> None:
    assert device.platform == "android"


@pytest.mark.device(platform="android", os_version=">=13,<15")
def test_a_range_of_versions(device: DeviceHandle) -> None:
    """Also "14" (14 and 14.x) or "~=13.1"; the rules are those of Python's packages."""
    assert device.os_version in ("13", "14")


@pytest.mark.device(tags=["nfc", "camera"])
def test_tags_are_words_that_the_farm_file_gives_to_devices(device: DeviceHandle) -> None:
    assert {"nfc", "camera"} <= device.tags


@pytest.mark.device(where="ram_mb >= 8192 and 'nfc' in tags")
def test_where_is_for_facts_that_have_no_keyword(device: DeviceHandle) -> None:
    """`ram_mb` is an attribute of our own in the farm file. The language is small, and nothing is evaluated."""
    assert int(device.attributes["ram_mb"]) >= 8192


@pytest.mark.device(capabilities={"appium:newCommandTimeout": 300})
def test_capabilities_are_those_of_this_tests_session(driver: WebDriver) -> None:
    """They choose among devices only where the farm file states the same capability."""
    assert driver.capabilities["newCommandTimeout"] == 300


@pytest.mark.parametrize(
    "form_factor",
    [
        pytest.param("phone", marks=pytest.mark.device(form_factor="phone")),
        pytest.param("tablet", marks=pytest.mark.device(form_factor="tablet")),
    ],
)
def test_the_same_steps_on_a_phone_and_on_a_tablet(
    device: DeviceHandle, sign_in_page: SignInPage, form_factor: str
) -> None:
    """The cases of one test may need different devices."""
    assert device.form_factor == form_factor
    assert sign_in_page.sign_in().open("travel").balance == "75.25"


@pytest.mark.device(form_factor="phone", tags=["sim"])
class TestOnPhonesWithASim:
    """A marker on a class, or `pytestmark` in a module, holds for all tests in it."""

    def test_the_marker_of_the_class(self, device: DeviceHandle) -> None:
        assert "sim" in device.tags

    @pytest.mark.device(form_factor="tablet")
    def test_the_closest_marker_counts(self, device: DeviceHandle) -> None:
        assert device.form_factor == "tablet"


def test_readings_are_asked_for_while_the_test_runs(device: DeviceHandle) -> None:
    """Battery or temperature never decide whether a device fits: they change too soon."""
    health = device.health
    assert health.is_online
    assert health.battery_pct is not None
    assert 20 <= health.battery_pct <= 100


def test_the_device_keeps_a_log(device: DeviceHandle, sign_in_page: SignInPage) -> None:
    """The same log that a failed test leaves in the report."""
    sign_in_page.sign_in()
    assert "com.autorl.bank" in device.log
