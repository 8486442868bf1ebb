"""Single actions that are tried again: `device.do` and `robust`.

A screen is redrawn between finding an element and using it, a connection is reset: the same again goes well. Such an
action need not fail its test. An assertion is never tried again: what the app shows wrongly is wrong at once.
"""

from __future__ import annotations

import pytest
from appium.webdriver.webdriver import WebDriver
from selenium.common.exceptions import InvalidSessionIdException

from examples.pages import AccountsPage, SignInPage
from pytest_autorl import DeviceHandle, MockDevice
from pytest_autorl.resilience import RobustActionExecutor


def read_version(driver: WebDriver) -> str:
    """Finds and reads in one go, so that a second try finds anew."""
    return driver.find_element("id", "version_text").text


def test_the_device_runs_an_action_and_again_if_that_helps(device: DeviceHandle) -> None:
    """Within five seconds, that is; a try that runs is not stopped."""
    assert device.do(read_version, deadline_s=5) == "Version 1.4.0"


def test_any_callable_can_be_run_like_that(accounts: AccountsPage, robust: RobustActionExecutor) -> None:
    """An action that needs an argument gets the driver; others are called as they are."""
    assert robust.execute(lambda: accounts.greeting) == "Hello Dana Demo"
    assert robust.execute(lambda driver: driver.orientation) == "PORTRAIT"


def test_a_stale_element_is_found_anew(mock_device: MockDevice, robust: RobustActionExecutor) -> None:
    """`stale` makes an element vanish once, between finding and reading it."""
    driver = mock_device.driver
    mock_device.fault("stale")
    assert robust.execute(lambda: read_version(driver)) == "Version 1.4.0"
    assert robust.stats.retries == 1


def test_a_wrong_text_is_wrong_at_once(mock_device: MockDevice, robust: RobustActionExecutor) -> None:
    page = SignInPage(mock_device.driver)

    def check() -> None:
        assert page.text("sign_in_title") == "Welcome"

    with pytest.raises(AssertionError):
        robust.execute(check)
    assert robust.stats.attempts == 1


def test_a_lost_session_does_not_come_back_by_asking_again(
    mock_device: MockDevice, robust: RobustActionExecutor
) -> None:
    driver = mock_device.driver
    mock_device.fault("session_killed")
    with pytest.raises(InvalidSessionIdException):
        robust.execute(lambda: read_version(driver))
    assert robust.stats.attempts == 1
