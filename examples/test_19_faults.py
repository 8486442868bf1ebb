"""When things go wrong: `mock_device` is a private simulated device that breaks on request.

It speaks the same protocol, belongs to one test, and needs neither farm nor lease. Use it to test page objects and
tools against what a shelf of real devices does to them sooner or later.
"""

from __future__ import annotations

import pytest
from appium.webdriver.applicationstate import ApplicationState
from selenium.common.exceptions import (
    InvalidSessionIdException,
    NoSuchElementException,
    StaleElementReferenceException,
)

from examples.pages import SignInPage
from pytest_autorl import MockDevice
from pytest_autorl.errors import DeviceProviderError, ServerAnswerError

BANK = "com.autorl.bank"


def test_a_page_object_is_patient_with_a_slow_device(mock_device: MockDevice) -> None:
    page = SignInPage(mock_device.driver)
    mock_device.fault("slow", ms=30)
    assert page.sign_in().greeting == "Hello Dana Demo"


def test_a_crash_ends_the_app_and_the_log_says_why(mock_device: MockDevice) -> None:
    driver = mock_device.driver
    mock_device.fault("app_crash")
    with pytest.raises(NoSuchElementException):
        driver.find_element("accessibility id", "sign_in_button")
    assert driver.query_app_state(BANK) == ApplicationState.NOT_RUNNING
    assert any("FATAL EXCEPTION" in line for line in mock_device.admin.log(mock_device.id))
    driver.activate_app(BANK)
    assert SignInPage(driver).is_open


def test_an_app_that_hangs_makes_the_system_ask(mock_device: MockDevice) -> None:
    page = SignInPage(mock_device.driver)
    mock_device.fault("anr")
    assert page.dialog().text == "Autorl Bank isn't responding"
    page.tap("aerr_wait")
    assert page.is_open


def test_a_low_battery_is_a_reading_that_comes_and_goes(mock_device: MockDevice) -> None:
    mock_device.fault("low_battery", level=3)
    assert mock_device.driver.battery_info["level"] == 0.03
    mock_device.heal()
    assert mock_device.driver.battery_info["level"] > 0.2


def test_an_offline_device_is_an_error_that_names_it(mock_device: MockDevice) -> None:
    """Selenium itself would wait or show a bare connection error."""
    page = SignInPage(mock_device.driver)
    mock_device.fault("offline")
    with pytest.raises(DeviceProviderError, match=mock_device.id):
        page.shows("sign_in_title")
    mock_device.heal()
    assert page.is_open


def test_without_a_network_the_bank_cannot_be_reached(mock_device: MockDevice) -> None:
    """Here the device is reachable, and the app is not connected."""
    mock_device.set_state(network=False)
    page = SignInPage(mock_device.driver)
    page.submit("demo", "demo-pass")
    assert page.error == "No connection"


def test_an_element_can_be_gone_when_it_is_used(mock_device: MockDevice) -> None:
    button = SignInPage(mock_device.driver).control("sign_in_button")
    mock_device.fault("stale")
    with pytest.raises(StaleElementReferenceException):
        button.click()


def test_a_killed_session_stays_dead(mock_device: MockDevice) -> None:
    driver = mock_device.driver
    mock_device.fault("session_killed")
    with pytest.raises(InvalidSessionIdException):
        driver.find_element("id", "sign_in_title")


def test_the_page_of_a_proxy_is_never_taken_for_an_answer(mock_device: MockDevice) -> None:
    """The bare client would return its HTML as if it were the page source."""
    driver = mock_device.driver
    mock_device.fault("garbage")
    with pytest.raises(ServerAnswerError, match="502"):
        _ = driver.page_source


def test_a_fault_can_wait_and_end_by_itself(mock_device: MockDevice) -> None:
    """From the second command on, for one command."""
    driver = mock_device.driver
    mock_device.fault("garbage", after_commands=1, times=1)
    assert driver.orientation == "PORTRAIT"
    with pytest.raises(ServerAnswerError):
        _ = driver.orientation
    assert driver.orientation == "PORTRAIT"
