"""The unmodified Appium client against a live virtual device: screen, dialogs, session state, logs."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest
from appium.common.exceptions import NoSuchContextException
from appium.webdriver.common.appiumby import AppiumBy
from selenium.common import exceptions as errors


def by_id(driver: Any, name: str) -> Any:
    return driver.find_element(AppiumBy.ACCESSIBILITY_ID, name)


def test_the_page_source_is_the_tree_that_locators_see(signed_in: Any) -> None:
    root = ET.fromstring(signed_in.page_source.encode())

    described = [each.get("content-desc") for each in root.iter()]
    assert root.tag == "hierarchy"
    assert "account_everyday" in described
    assert len(signed_in.find_elements(AppiumBy.XPATH, "//*")) == len(list(root.iter())) - 1


def test_an_alert_can_be_read_accepted_and_dismissed(signed_in: Any) -> None:
    by_id(signed_in, "settings_button").click()
    by_id(signed_in, "log_out_button").click()
    assert signed_in.switch_to.alert.text == "Log out\nDo you want to log out?"

    signed_in.switch_to.alert.dismiss()
    assert by_id(signed_in, "log_out_button").is_displayed()
    by_id(signed_in, "log_out_button").click()
    signed_in.switch_to.alert.accept()

    assert by_id(signed_in, "sign_in_button").is_displayed()


@pytest.mark.parametrize("command", ["w3cGetAlertText", "w3cAcceptAlert", "w3cDismissAlert"])
def test_without_an_alert_the_alert_commands_say_so(driver: Any, command: str) -> None:
    with pytest.raises(errors.NoAlertPresentException):
        driver.execute(command)


def test_a_permission_dialog_is_made_of_elements_of_the_system(signed_in: Any) -> None:
    by_id(signed_in, "settings_button").click()
    by_id(signed_in, "notifications_switch").click()
    allow = signed_in.find_element(AppiumBy.ID, "com.android.permissioncontroller:id/permission_allow_button")
    assert "send you notifications" in signed_in.switch_to.alert.text

    allow.click()

    assert by_id(signed_in, "notifications_switch").is_selected()


def test_permissions_can_be_granted_by_capability(
    connect: Callable[..., Any], device_id: str, sign_in: Callable[..., None]
) -> None:
    driver = connect(device_id, **{"appium:autoGrantPermissions": True})
    sign_in(driver)
    by_id(driver, "settings_button").click()
    by_id(driver, "notifications_switch").click()
    assert by_id(driver, "notifications_switch").is_selected(), "no dialog in the way"


def test_a_turned_device_is_laid_out_anew(driver: Any) -> None:
    assert driver.orientation == "PORTRAIT"
    driver.orientation = "LANDSCAPE"

    assert driver.orientation == "LANDSCAPE"
    assert driver.get_window_rect() == {"x": 0, "y": 0, "width": 2400, "height": 1080}
    assert driver.get_window_size() == {"width": 2400, "height": 1080}
    assert 'rotation="1"' in driver.page_source


def test_a_tablet_shows_two_panes(
    connect: Callable[..., Any], make_device: Callable[..., str], sign_in: Callable[..., None]
) -> None:
    driver = connect(make_device(form_factor="tablet"))
    sign_in(driver)
    by_id(driver, "account_travel").click()
    assert by_id(driver, "account_savings").is_displayed()
    assert driver.find_element(AppiumBy.ID, "detail_balance").text == "75.25"


def test_back_leaves_the_screen_and_at_last_the_app(driver: Any) -> None:
    by_id(driver, "username").send_keys("x")
    driver.back()
    assert not driver.is_keyboard_shown(), "the first back only hides the keyboard"
    driver.back()
    assert driver.current_package == "com.android.launcher"
    assert driver.query_app_state("com.autorl.bank") == 3
    by_id(driver, "Autorl Bank").click()
    assert by_id(driver, "username").text == "x", "the launcher brings the running app back"


def test_timeouts_and_settings_can_be_read_and_set(driver: Any) -> None:
    driver.implicitly_wait(1.5)
    assert driver.execute("getTimeouts")["value"] == {"command": 60000, "implicit": 1500}
    driver.update_settings({"waitForIdleTimeout": 100, "own": True})
    assert driver.get_settings()["waitForIdleTimeout"] == 100
    assert driver.get_settings()["own"] is True
    with pytest.raises(errors.InvalidArgumentException, match="Invalid timeout"):
        driver.execute("setTimeouts", {"implicit": -1})


def test_there_is_one_context(driver: Any) -> None:
    assert driver.contexts == ["NATIVE_APP"]
    assert driver.current_context == "NATIVE_APP"
    driver.switch_to.context("NATIVE_APP")
    with pytest.raises(NoSuchContextException):
        driver.switch_to.context("WEBVIEW_1")


def test_logs_come_once(driver: Any) -> None:
    assert set(driver.log_types) == {"logcat", "server"}
    first = driver.get_log("logcat")
    assert any("Start proc" in line["message"] for line in first)
    assert driver.get_log("logcat") == []
    assert any("GET" in line["message"] for line in driver.get_log("server"))
    with pytest.raises(errors.WebDriverException, match="log type"):
        driver.get_log("weather")


def test_the_location_can_be_set(driver: Any) -> None:
    driver.set_location(52.5, "13.4", 30)
    assert driver.location == {"latitude": 52.5, "longitude": 13.4, "altitude": 30.0}
    with pytest.raises(errors.InvalidArgumentException):
        driver.set_location(200, 0)


def test_the_session_tells_its_capabilities(driver: Any, device_id: str) -> None:
    assert driver.capabilities["udid"] == device_id
    assert driver.capabilities["deviceScreenSize"] == "1080x2400"
    assert driver.execute("getCapabilities")["value"]["appPackage"] == "com.autorl.bank"
    assert driver.get_status()["ready"] is True


def test_javascript_needs_a_web_view(driver: Any) -> None:
    with pytest.raises(errors.UnknownMethodException):
        driver.execute_script("return 1")


@pytest.mark.parametrize(
    ("platform", "script", "args"),
    [
        ("android", "mobile: dragGesture", {"startX": 500, "startY": 1900, "endX": 500, "endY": 900}),
        ("ios", "mobile: scroll", {"direction": "down"}),
        (
            "ios",
            "mobile: dragFromToForDuration",
            {"fromX": 200, "fromY": 700, "toX": 200, "toY": 300, "duration": 1},
        ),
    ],
)
def test_the_drivers_own_gestures_scroll_a_list(
    make_device: Callable[..., str],
    connect: Callable[..., Any],
    sign_in: Callable[[Any], None],
    platform: str,
    script: str,
    args: dict[str, Any],
) -> None:
    names = {"platformName": "iOS", "appium:automationName": "XCUITest"} if platform == "ios" else {}
    driver = connect(make_device(platform=platform), **names)
    sign_in(driver)
    driver.find_element("accessibility id", "account_everyday").click()
    first = driver.find_element("accessibility id", "transaction_t01")
    before = first.location["y"]

    driver.execute_script(script, args)

    left = driver.find_elements("accessibility id", "transaction_t01")
    assert not left or left[0].location["y"] < before


def test_the_back_button_of_the_toolbar_leaves_the_screen_also_with_the_keyboard_up(signed_in: Any) -> None:
    """Only the device's own back key hides the keyboard first."""
    signed_in.find_element("accessibility id", "transfer_button").click()
    signed_in.find_element("accessibility id", "amount").send_keys("3")
    assert signed_in.is_keyboard_shown()

    signed_in.find_element("accessibility id", "back_button").click()

    assert signed_in.find_element("accessibility id", "transfer_button").is_displayed()
    assert not signed_in.is_keyboard_shown()
