"""A refused session: whose fault it is, and what to do."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selenium.common.exceptions import SessionNotCreatedException

from pytest_autorl.errors import NoSessionError, SessionRefusedError
from pytest_autorl.farm.drivers.builtin import UIAUTOMATOR2
from pytest_autorl.farm.refusal import WAYS_OUT, refused
from pytest_autorl.resilience.classify import classify_error
from pytest_autorl.resilience.info import ErrorDomain
from pytest_autorl.resilience.rules import RULES

pytestmark = pytest.mark.unit

_WORDS_OF_MESSAGES = (
    "adb exited with code 1",
    "session not created:",
    "capabilities were invalid",
    "ENOENT",
    "spawn",
    "device",
    "not found",
    "app",
    "does not exist",
    "crashed",
    "port 1 is busy",
    "unknown command",
    "requires Xcode",
    "xcodebuild",
    "too many",
    "remote path",
    "refused a session: ",
    "INSTALL_FAILED",
)


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


@pytest.mark.parametrize(
    ("message", "do", "is_devices"),
    [
        ("Failure [INSTALL_FAILED_NO_MATCHING_ABIS: no native code]", "built for such a device", False),
        ("adb: failed to install: Failure [INSTALL_PARSE_FAILED_NOT_APK]", "is the app whole", False),
        ("Failure [INSTALL_FAILED_UPDATE_INCOMPATIBLE: x]", "look at the device", True),
        (
            "Activity name '.X' used to start the app doesn't exist or cannot be launched!",
            "the activity",
            False,
        ),
        ("The process crashed at start", "look at the app", False),
        (
            "session not created: This version of ChromeDriver only supports Chrome version 114",
            "fits the browser",
            False,
        ),
        ("session not created: probably user data directory is already in use", "--user-data-dir", False),
        ("Missing or invalid capabilities", "mend the capabilities", False),
        ("ENOSPC: no space left on device, mkdir '/tmp/x'", "make room", False),
        ("'xcodebuild' requires Xcode", "appium driver doctor", False),
        ("Unable to obtain driver for chrome using Selenium Manager", "appium driver doctor", False),
        ("Appium Settings app is not running after 30000ms", "look at the device", True),
        ("Command 'adb shell pm grant a b' exited with code 255", "look at the device", True),
        ("timeout of 240000ms exceeded", "look at the server's log", False),
        ("element has to be instance of str", "look at how the session is asked for", False),
        ("nobody knows", "look at the device", True),
    ],
)
def test_what_a_refusal_means_is_said_once(message: str, do: str, is_devices: bool) -> None:
    """The error made of a message, and the client's own with the same message, have one verdict."""
    error = of(message)

    assert isinstance(error, SessionRefusedError) is is_devices
    assert do in error.do
    assert verdict(error) == verdict(SessionNotCreatedException(message))
    assert verdict(error)["domain"] == "device" or not is_devices


def verdict(error: BaseException) -> dict[str, object]:
    """What is said of an error, but for whose it is."""
    row = classify_error(error).to_dict()
    return {name: row[name] for name in ("category", "severity", "domain", "strategy", "error_type")}


@given(
    st.one_of(
        st.text(max_size=300),
        st.lists(st.sampled_from(_WORDS_OF_MESSAGES), max_size=9).map(" ".join),
    )
)
def test_any_message_has_one_verdict(message: str) -> None:
    error = of(message)

    assert verdict(error) == verdict(SessionNotCreatedException(message))
    assert isinstance(error, SessionRefusedError) is (classify_error(error).domain is ErrorDomain.DEVICE)


def test_the_error_of_a_refusal_is_infrastructures_and_keeps_the_words_out_of_its_reason() -> None:
    info = classify_error(of("cannot download the app from http://store/?token=hunter2"))

    assert (info.family, info.is_infrastructure, info.is_loss) == ("autorl", True, False)
    assert info.reason == "[d1] http://h:1 refused a session"
    assert classify_error(pickle.loads(pickle.dumps(of("No free slots left")))).is_loss


def test_every_way_out_is_for_a_rule_that_there_is() -> None:
    assert set(WAYS_OUT) <= {rule.name for rule in RULES}


@given(st.text(max_size=300))
def test_any_text_of_a_server_gives_one_of_the_two_with_a_way_out(message: str) -> None:
    error = refused(message, url="http://h:1", device_id="d1")

    assert error.do
    assert "{" not in error.do
