"""A refused session: whose fault it is, and what to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.errors import NoSessionError, SessionRefusedError
from pytest_autorl.farm.drivers.builtin import UIAUTOMATOR2
from pytest_autorl.farm.refusal import refused

pytestmark = pytest.mark.unit


def of(message: str) -> NoSessionError:
    return refused(message, url="http://h:1", device_id="d1", driver=UIAUTOMATOR2)


@pytest.mark.parametrize(
    "message",
    [
        "Device R5CT1 was not in the list of connected devices",
        "Could not find a connected Android device in 20000ms",
        "The instrumentation process cannot be initialized within 30000ms timeout",
        "Unknown device or simulator UDID: '0000'",
        "A new session could not be created. Details: the device is offline",
        "xcodebuild failed with code 65",
        "",
    ],
)
def test_a_sick_device_is_blamed(message: str) -> None:
    error = of(message)

    assert isinstance(error, SessionRefusedError)
    assert (error.blame, error.device_id, error.do) == (
        "device",
        "d1",
        "look at the device and its capabilities",
    )


@pytest.mark.parametrize(
    ("message", "do"),
    [
        (
            "Could not find a driver for automationName 'X' and platformName 'android'. Have you installed a driver?",
            "appium driver install uiautomator2",
        ),
        (
            "Potentially insecure feature 'chromedriver_autodownload' has not been enabled.",
            "--allow-insecure",
        ),
        (
            "Session capabilities were not valid for the following reason(s): 'noReset' must be of type boolean",
            "mend the capabilities",
        ),
        (
            "All non-standard capabilities should have a vendor prefix. The following capabilities did not have one: x",
            "mend",
        ),
        ("Could not find matching capabilities from {}", "mend the capabilities"),
        ("The 'noReset' and 'fullReset' capabilities are mutually exclusive", "mend the capabilities"),
        ("'platformName' can't be blank", "mend the capabilities"),
        ("The application at '/no/such.apk' does not exist or is not accessible", "--autorl-app"),
        (
            "UiAutomator2 Server cannot start because the local port #8300 is busy. Make sure it is free",
            "port",
        ),
        (
            "Neither ANDROID_HOME nor ANDROID_SDK_ROOT environment variable was exported.",
            "appium driver doctor uiautomator2",
        ),
        (
            "The requested resource could not be found, or a request was received using an HTTP method",
            "/wd/hub",
        ),
        ("Could not proxy. Original error: socket hang up", "look at the server's log"),
        (
            "Could not proxy command to the remote server. Original error: connect ECONNREFUSED",
            "look at the server's log",
        ),
        ("read ECONNRESET", "look at the server's log"),
        ("ChromeDriver crashed during startup.", "look at the server's log"),
        ("No free slots left", "the server is full"),
    ],
)
def test_how_it_was_asked_and_set_up_is_no_devices_fault(message: str, do: str) -> None:
    error = of(message)

    assert not isinstance(error, SessionRefusedError)
    assert error.blame == "farm"
    assert do in error.do
    assert message in str(error)


@given(st.text(max_size=300))
def test_any_text_of_a_server_gives_one_of_the_two_with_a_way_out(message: str) -> None:
    error = refused(message, url="http://h:1", device_id="d1")

    assert error.do
    assert "{" not in error.do
