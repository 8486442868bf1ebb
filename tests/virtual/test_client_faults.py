"""Each fault as the unmodified Appium client meets it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from appium.webdriver.common.appiumby import AppiumBy
from selenium.common import exceptions as errors
from urllib3.exceptions import HTTPError

from pytest_autorl.virtual.admin import AdminClient

BANK = "com.autorl.bank"


def by_id(driver: Any, name: str) -> Any:
    return driver.find_element(AppiumBy.ACCESSIBILITY_ID, name)


def test_an_offline_device_answers_nothing_and_takes_no_session(
    driver: Any, device_id: str, admin: AdminClient, connect: Callable[..., Any]
) -> None:
    admin.fault(device_id, "offline")
    with pytest.raises(HTTPError):
        _ = driver.page_source
    with pytest.raises(HTTPError):
        by_id(driver, "username")
    assert admin.device(device_id)["online"] is False
    with pytest.raises(
        errors.SessionNotCreatedException, match=f"Device {device_id} was not in the list of connected"
    ):
        connect(device_id)

    admin.clear_faults(device_id, "offline")

    assert by_id(driver, "username").is_displayed()


def test_a_device_outside_its_windows_is_offline(
    make_device: Callable[..., str], connect: Callable[..., Any], admin: AdminClient
) -> None:
    """The clock belongs to the server, hence windows that hold for any start within the last hours."""
    gone = make_device(settings={"available": [[0, 0.001]]})
    there = make_device(settings={"available": [[0, 0.001], [0.002, None]]})
    admin.start(time.time() - 60)

    assert connect(there).orientation == "PORTRAIT"
    with pytest.raises(errors.SessionNotCreatedException, match="not in the list"):
        connect(gone)
    assert admin.device(gone)["online"] is False


def test_a_killed_session_is_an_invalid_session_id(
    driver: Any, device_id: str, admin: AdminClient, connect: Callable[..., Any]
) -> None:
    admin.fault(device_id, "session_killed")
    with pytest.raises(errors.InvalidSessionIdException):
        _ = driver.page_source
    assert connect(device_id).session_id != driver.session_id


def test_a_session_can_be_killed_after_some_commands(driver: Any, device_id: str, admin: AdminClient) -> None:
    admin.fault(device_id, "session_killed", after_commands=2)
    assert driver.orientation == "PORTRAIT"
    assert driver.orientation == "PORTRAIT"
    with pytest.raises(errors.InvalidSessionIdException):
        _ = driver.orientation


def test_a_hanging_device_lets_the_client_time_out_and_goes_on_when_cleared(
    connect: Callable[..., Any], device_id: str, admin: AdminClient
) -> None:
    driver = connect(device_id, timeout=0.4)
    admin.fault(device_id, "hang")
    with pytest.raises(HTTPError):
        _ = driver.orientation
    assert admin.device(device_id)["faults"], "the admin API answers all the while"

    admin.clear_faults(device_id)

    assert driver.orientation == "PORTRAIT"


def test_a_hang_ends_by_itself_at_its_limit(
    connect: Callable[..., Any], device_id: str, admin: AdminClient
) -> None:
    driver = connect(device_id)
    admin.fault(device_id, "hang", times=1, max_seconds=0.1)
    with pytest.raises(HTTPError):
        _ = driver.orientation
    assert driver.orientation == "PORTRAIT"


def test_a_hanging_device_does_not_block_another(
    connect: Callable[..., Any], make_device: Callable[..., str], admin: AdminClient
) -> None:
    sick, well = make_device(), make_device()
    stuck, fine = connect(sick), connect(well)
    admin.fault(sick, "hang")
    waiting = threading.Thread(target=lambda: stuck.orientation)
    waiting.start()

    started = time.monotonic()
    assert all(fine.orientation == "PORTRAIT" for _ in range(10))

    assert time.monotonic() - started < 2
    assert waiting.is_alive()
    admin.clear_faults(sick)
    waiting.join(5)
    assert not waiting.is_alive()


def test_a_crashed_app_is_gone_and_the_log_says_why(driver: Any, device_id: str, admin: AdminClient) -> None:
    admin.fault(device_id, "app_crash")

    assert driver.query_app_state(BANK) == 1
    assert driver.current_package == "com.android.launcher"
    log = [line["message"] for line in driver.get_log("logcat")]
    assert any("FATAL EXCEPTION: main" in line for line in log)
    assert any(f"Process: {BANK}" in line for line in log)
    driver.activate_app(BANK)
    assert by_id(driver, "username").is_displayed()


@pytest.mark.parametrize(("button", "state"), [("aerr_wait", 4), ("aerr_close", 1)])
def test_an_app_that_does_not_respond_is_asked_about(
    driver: Any, device_id: str, admin: AdminClient, button: str, state: int
) -> None:
    admin.fault(device_id, "anr")
    assert driver.find_elements(AppiumBy.ACCESSIBILITY_ID, "username") == []
    assert "Autorl Bank isn't responding" in driver.switch_to.alert.text

    driver.find_element(AppiumBy.ID, f"android:id/{button}").click()

    assert driver.query_app_state(BANK) == state


def test_the_anr_dialog_can_be_dismissed_like_any_alert(
    driver: Any, device_id: str, admin: AdminClient
) -> None:
    admin.fault(device_id, "anr")
    driver.switch_to.alert.accept()
    assert by_id(driver, "username").is_displayed()


def test_a_stale_element_is_stale_once(driver: Any, device_id: str, admin: AdminClient) -> None:
    field = by_id(driver, "username")
    admin.fault(device_id, "stale")
    with pytest.raises(errors.StaleElementReferenceException):
        field.click()
    field.click()


def test_a_slow_device_is_slower_by_so_much(driver: Any, device_id: str, admin: AdminClient) -> None:
    admin.fault(device_id, "slow", ms=200, times=1)
    started = time.monotonic()
    _ = driver.orientation
    assert time.monotonic() - started >= 0.2


def test_a_low_battery_and_a_hot_device_are_read_until_cleared(
    driver: Any, device_id: str, admin: AdminClient
) -> None:
    admin.fault(device_id, "low_battery")
    admin.fault(device_id, "hot", celsius=48)
    assert driver.battery_info["level"] == 0.03
    told = admin.device(device_id)
    assert (told["battery_level"], told["temperature_c"]) == (0.03, 48)

    assert admin.clear_faults(device_id) == 2

    assert driver.battery_info["level"] == 0.87


def test_a_full_disk_refuses_installs_and_files(driver: Any, device_id: str, admin: AdminClient) -> None:
    admin.fault(device_id, "disk_full")
    assert admin.device(device_id)["storage_free_mb"] == 0
    with pytest.raises(errors.WebDriverException, match="INSUFFICIENT_STORAGE"):
        driver.install_app("builds/bank.apk")
    with pytest.raises(errors.WebDriverException, match="No space left"):
        driver.push_file("/sdcard/a", "aGVsbG8=")
    admin.clear_faults(device_id, "disk_full")
    driver.install_app("builds/bank.apk")


def test_garbage_is_a_proxys_page(driver: Any, device_id: str, admin: AdminClient) -> None:
    admin.fault(device_id, "garbage", times=1)
    assert "Bad Gateway" in driver.page_source, (
        "the client returns it as if it were the value: that is the point"
    )
    assert driver.page_source.startswith("<?xml")


def test_transport_faults_meet_the_creation_of_a_session_too(
    device_id: str, admin: AdminClient, connect: Callable[..., Any]
) -> None:
    admin.fault(device_id, "garbage", times=1)
    with pytest.raises(errors.WebDriverException, match="Bad Gateway"):
        connect(device_id)
    admin.fault(device_id, "hang", times=1, max_seconds=60)
    with pytest.raises(HTTPError):
        connect(device_id, timeout=0.3)
    admin.clear_faults(device_id)
    admin.fault(device_id, "slow", ms=150, times=1)


def test_settings_of_a_device_put_faults_and_delays_in_place(
    make_device: Callable[..., str], connect: Callable[..., Any]
) -> None:
    device_id = make_device(
        settings={
            "session_seconds": 0.2,
            "command_ms": 50,
            "battery": 42,
            "faults": [{"name": "session_killed", "after_commands": 2}],
        }
    )
    started = time.monotonic()
    driver = connect(device_id)
    assert time.monotonic() - started >= 0.2
    started = time.monotonic()
    assert driver.battery_info["level"] == 0.42
    assert time.monotonic() - started >= 0.05
    _ = driver.orientation
    with pytest.raises(errors.InvalidSessionIdException):
        _ = driver.orientation


def test_an_offline_device_that_is_to_fail_once_later_fails_at_that_command(
    driver: Any, device_id: str, admin: AdminClient
) -> None:
    admin.fault(device_id, "offline", after_commands=1, times=1)

    assert driver.page_source
    with pytest.raises(HTTPError):
        _ = driver.page_source
    assert driver.page_source
