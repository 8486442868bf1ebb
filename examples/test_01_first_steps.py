"""First steps: a marker says what a test needs, a fixture hands it over.

`driver` is the unmodified Appium client. Nothing here starts a server, picks a device or opens a session.
"""

from __future__ import annotations

import pytest
from appium.webdriver.webdriver import WebDriver

from examples.pages import cents
from pytest_autorl import DeviceHandle


@pytest.mark.device(platform="android", os_version=">=13", tags=["nfc"])
def test_sign_in_opens_the_accounts(driver):
    driver.find_element("accessibility id", "username").send_keys("demo")
    driver.find_element("accessibility id", "password").send_keys("demo-pass")
    driver.find_element("accessibility id", "sign_in_button").click()
    assert driver.find_element("id", "greeting_text").text == "Hello Dana Demo"


def test_without_a_marker_any_device_will_do(driver: WebDriver) -> None:
    """The next device that is free: a phone or a tablet, Android or iOS."""
    assert driver.find_element("id", "sign_in_title").text == "Sign in"


def test_the_device_says_what_it_is(device: DeviceHandle) -> None:
    """`device` is the leased device: what the farm file says of it, and the right to use it for this test."""
    assert device.platform in ("android", "ios")
    assert device.form_factor in ("phone", "tablet")
    assert device.lease.device_id == device.id


def test_the_driver_is_the_session_on_that_device(device: DeviceHandle, driver: WebDriver) -> None:
    """Fixtures of one test mean one device: there is one ticket a test, and it is returned at its end."""
    assert driver is device.driver
    assert driver.capabilities["udid"] == device.id


def test_a_single_action_can_be_handed_to_the_device(device: DeviceHandle) -> None:
    """`device.do` runs any function of a driver, for code that is given a device and not a driver."""
    assert device.do(lambda driver: driver.find_element("id", "version_text").text) == "Version 1.4.0"


@pytest.mark.device(form_factor="phone")
def test_the_marker_alone_leases_too(request: pytest.FixtureRequest) -> None:
    """For tools that reach the device in a way of their own: while this runs, nobody else gets this phone."""
    assert "autorl_device" in request.node.fixturenames


@pytest.mark.unit
def test_a_test_that_asks_for_nothing_gets_no_device(request: pytest.FixtureRequest) -> None:
    """Plain tests live in the same suite; the plugin leaves them alone."""
    assert cents("12,000.50") == 1_200_050
    assert "autorl_device" not in request.node.fixturenames
