"""The unmodified Appium client against a live virtual device: life of apps, the hardware, our reset."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable
from typing import Any

import pytest
from appium.webdriver.common.appiumby import AppiumBy
from selenium.common import exceptions as errors

BANK = "com.autorl.bank"


def by_id(driver: Any, name: str) -> Any:
    return driver.find_element(AppiumBy.ACCESSIBILITY_ID, name)


def test_an_app_goes_through_its_states(driver: Any) -> None:
    assert driver.query_app_state(BANK) == 4
    driver.background_app(-1)
    assert driver.query_app_state(BANK) == 3
    driver.activate_app(BANK)
    assert driver.query_app_state(BANK) == 4
    assert driver.terminate_app(BANK) is True
    assert driver.query_app_state(BANK) == 1
    assert driver.terminate_app(BANK) is False
    assert driver.remove_app(BANK) is not None
    assert driver.query_app_state(BANK) == 0
    assert not driver.is_app_installed(BANK)
    driver.install_app("builds/bank.apk")
    assert driver.is_app_installed(BANK)
    with pytest.raises(errors.WebDriverException, match="not installed"):
        driver.activate_app("com.example.absent")
    with pytest.raises(errors.WebDriverException, match="does not exist"):
        driver.install_app("builds/absent.apk")


def test_the_background_keeps_the_state_and_a_restart_loses_it(driver: Any) -> None:
    by_id(driver, "username").send_keys("kept")
    driver.background_app(0)
    assert by_id(driver, "username").text == "kept"
    driver.terminate_app(BANK)
    driver.activate_app(BANK)
    assert by_id(driver, "username").text == "User name"


def test_data_on_the_device_survives_a_restart_and_clear_app_wipes_it(
    driver: Any, sign_in: Callable[..., None]
) -> None:
    by_id(driver, "remember_me").click()
    sign_in(driver)
    driver.terminate_app(BANK)
    driver.activate_app(BANK)
    assert by_id(driver, "username").text == "demo"
    driver.execute_script("mobile: clearApp", {"appId": BANK})
    assert driver.query_app_state(BANK) == 1
    driver.activate_app(BANK)
    assert by_id(driver, "username").text == "User name"


def transfer(driver: Any, amount: str) -> None:
    by_id(driver, "transfer_button").click()
    by_id(driver, "choose_payee_button").click()
    by_id(driver, "choose_landlord").click()
    by_id(driver, "amount").send_keys(amount)
    by_id(driver, "continue_button").click()
    driver.switch_to.alert.accept()
    by_id(driver, "done_button").click()


def test_money_sent_is_gone_for_the_next_session_until_a_reset(
    connect: Callable[..., Any], device_id: str, sign_in: Callable[..., None]
) -> None:
    first = connect(device_id)
    sign_in(first)
    transfer(first, "100")
    first.quit()
    driver = connect(device_id)
    sign_in(driver)
    assert driver.find_element(AppiumBy.ID, "account_balance").text == "2,400.00"
    driver.orientation = "LANDSCAPE"
    by_id(driver, "settings_button").click()
    old = by_id(driver, "dark_mode_switch")
    old.click()

    driver.execute_script("autorl: reset", {"policy": "app", "backend": True})

    assert driver.orientation == "PORTRAIT"
    with pytest.raises(errors.StaleElementReferenceException):
        old.click()
    sign_in(driver)
    assert driver.find_element(AppiumBy.ID, "account_balance").text == "2,500.00"
    by_id(driver, "settings_button").click()
    assert not by_id(driver, "dark_mode_switch").is_selected()


def test_a_reset_can_leave_the_backend_or_the_data_alone(driver: Any, sign_in: Callable[..., None]) -> None:
    by_id(driver, "remember_me").click()
    sign_in(driver)
    transfer(driver, "50")
    driver.execute_script("autorl: reset", {"policy": "session"})
    assert by_id(driver, "username").text == "demo", "data on the device is kept"
    driver.execute_script("autorl: reset", {"policy": "app", "backend": False})
    sign_in(driver)
    assert driver.find_element(AppiumBy.ID, "account_balance").text == "2,450.00"
    with pytest.raises(errors.InvalidArgumentException, match="policy"):
        driver.execute_script("autorl: reset", {"policy": "all"})


def test_no_reset_keeps_the_app_as_it_was(connect: Callable[..., Any], device_id: str) -> None:
    first = connect(device_id, **{"appium:noReset": True})
    by_id(first, "username").send_keys("kept")
    first.quit()
    assert by_id(connect(device_id, **{"appium:noReset": True}), "username").text == "kept"


def test_devices_that_share_a_backend_see_each_others_transfers(
    connect: Callable[..., Any], make_device: Callable[..., str], sign_in: Callable[..., None]
) -> None:
    shared = {"settings": {"backend": f"shared-{id(make_device)}"}}
    sender, reader = connect(make_device(**shared)), connect(make_device(**shared))
    sign_in(sender)
    transfer(sender, "1")
    sign_in(reader)
    assert reader.find_element(AppiumBy.ID, "account_balance").text == "2,499.00"


def test_battery_time_and_device_facts(driver: Any) -> None:
    assert driver.battery_info == {"level": 0.87, "status": 3}
    told = datetime.datetime.fromisoformat(driver.device_time)
    assert abs(told - datetime.datetime.now(datetime.timezone.utc)) < datetime.timedelta(seconds=60)
    assert driver.get_device_time("YYYY") == str(told.year)
    info = driver.execute_script("mobile: deviceInfo")
    assert (info["apiVersion"], info["realDisplaySize"]) == ("34", "1080x2400")
    assert driver.get_display_density() == 420
    assert driver.get_system_bars()["statusBar"]["height"] == 63
    assert driver.current_activity == ".MainActivity"
    assert driver.current_package == BANK


def test_ios_speaks_its_own_words(connect: Callable[..., Any], make_device: Callable[..., str]) -> None:
    driver = connect(make_device(platform="ios"), platformName="iOS", **{"appium:automationName": "XCUITest"})
    assert driver.battery_info == {"level": 0.87, "state": 1}
    assert driver.execute_script("mobile: activeAppInfo")["bundleId"] == BANK
    assert "syslog" in driver.log_types
    assert driver.get_window_size() == {"width": 390, "height": 844}
    with pytest.raises(errors.UnknownMethodException, match="XCUITestDriver"):
        _ = driver.current_activity


def test_keys_of_the_device(driver: Any) -> None:
    by_id(driver, "password").send_keys("demo-pass")
    by_id(driver, "username").send_keys("demox")
    driver.press_keycode(67)
    assert by_id(driver, "username").text == "demo"
    driver.press_keycode(66)
    assert driver.switch_to.active_element == by_id(driver, "password")
    driver.press_keycode(66)
    assert driver.find_element(AppiumBy.ID, "greeting_text").is_displayed()
    driver.press_keycode(4)
    assert "Leave" in driver.switch_to.alert.text
    driver.press_keycode(3)
    assert driver.query_app_state(BANK) == 3


def test_the_keyboard_can_be_asked_for_and_hidden(driver: Any) -> None:
    assert not driver.is_keyboard_shown()
    by_id(driver, "username").click()
    assert driver.is_keyboard_shown()
    driver.hide_keyboard()
    assert not driver.is_keyboard_shown()


def test_a_locked_device_shows_nothing_of_the_app(driver: Any) -> None:
    driver.lock()
    assert driver.is_locked()
    assert driver.find_elements(AppiumBy.ACCESSIBILITY_ID, "username") == []
    driver.unlock()
    assert not driver.is_locked()
    assert by_id(driver, "username").is_displayed()


def test_the_clipboard_keeps_what_was_put_there(driver: Any) -> None:
    assert driver.get_clipboard_text() == ""
    driver.set_clipboard_text("grüße")
    assert driver.get_clipboard_text() == "grüße"


def test_without_a_network_the_app_says_so(driver: Any, sign_in: Callable[..., None]) -> None:
    assert driver.network_connection == 6
    driver.set_network_connection(0)
    sign_in(driver)
    assert driver.find_element(AppiumBy.ID, "sign_in_error").text == "No connection"


def test_notifications_cover_the_app_until_back(driver: Any) -> None:
    driver.open_notifications()
    assert driver.find_elements(AppiumBy.ACCESSIBILITY_ID, "username") == []
    driver.back()
    assert by_id(driver, "username").is_displayed()


def test_files_can_be_pushed_and_pulled(driver: Any) -> None:
    driver.push_file("/sdcard/a.txt", base64.b64encode(b"hello").decode())
    assert base64.b64decode(driver.pull_file("/sdcard/a.txt")) == b"hello"
    with pytest.raises(errors.WebDriverException, match="does not exist"):
        driver.pull_file("/sdcard/b.txt")


def test_a_shell_is_refused_as_the_insecure_feature_it_is(driver: Any) -> None:
    with pytest.raises(errors.WebDriverException, match="Potentially insecure feature 'adb_shell'"):
        driver.execute_script("mobile: shell", {"command": "ls"})


def test_an_unknown_mobile_command_lists_the_known_ones(driver: Any) -> None:
    with pytest.raises(
        errors.UnknownMethodException, match=r"Unsupported execute method 'mobile: fly'.*mobile: activateApp"
    ):
        driver.execute_script("mobile: fly")


@pytest.mark.parametrize("args", [[1], [{"a": 1}, {"b": 2}]])
def test_arguments_of_another_shape_are_invalid(driver: Any, args: list[Any]) -> None:
    with pytest.raises(errors.InvalidArgumentException):
        driver.execute_script("mobile: isLocked", *args)


def test_start_activity_starts_the_app_anew(driver: Any) -> None:
    by_id(driver, "username").send_keys("x")
    driver.execute_script("mobile: startActivity", {"intent": f"{BANK}/.MainActivity"})
    assert by_id(driver, "username").text == "User name"
