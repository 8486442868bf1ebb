"""Who gets which device: choice by capabilities, busy devices, fencing tokens, time-outs, parallel use."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from appium.webdriver.common.appiumby import AppiumBy
from selenium.common import exceptions as errors

from pytest_autorl.virtual.admin import AdminClient

Connect = Callable[..., Any]


def test_a_device_with_a_live_session_is_busy(connect: Connect, device_id: str) -> None:
    first = connect(device_id)
    with pytest.raises(errors.SessionNotCreatedException, match=f"busy: session {first.session_id} is live"):
        connect(device_id)
    first.quit()
    assert connect(device_id).session_id


def test_without_udid_a_fitting_free_device_is_taken(
    connect: Connect, make_device: Callable[..., str]
) -> None:
    model = f"Rare {make_device()}"
    one, two = make_device(model=model, os_version="13"), make_device(model=model, os_version="15.1")
    name = {"appium:deviceName": model}

    newer = connect(**name, **{"appium:platformVersion": "15"})
    other = connect(**name)

    assert newer.capabilities["udid"] == two
    assert other.capabilities["udid"] == one
    with pytest.raises(errors.SessionNotCreatedException, match="none of them is free"):
        connect(**name)


def test_a_higher_token_takes_over_and_the_old_session_is_told(connect: Connect, device_id: str) -> None:
    old = connect(device_id, token=41)
    assert old.orientation == "PORTRAIT"

    new = connect(device_id, token=42)

    with pytest.raises(errors.InvalidSessionIdException):
        _ = old.orientation
    assert new.orientation == "PORTRAIT"
    with pytest.raises(errors.SessionNotCreatedException, match=r"token 41 is stale.*requires token 42"):
        connect(device_id, token=41)
    with pytest.raises(errors.SessionNotCreatedException, match="token None is stale"):
        connect(device_id)
    with pytest.raises(errors.SessionNotCreatedException, match="busy"):
        connect(device_id, token=42)


def test_a_token_raised_by_the_admin_fences_the_session_off(
    connect: Connect, device_id: str, admin: AdminClient
) -> None:
    driver = connect(device_id, token=5)
    admin.set_token(device_id, 6)
    with pytest.raises(errors.InvalidSessionIdException, match=r"token 5 is stale.*requires token 6"):
        driver.find_element(AppiumBy.ID, "sign_in_button").click()
    assert connect(device_id, token=6).orientation == "PORTRAIT"


def test_a_session_without_a_token_gives_way_to_one_with(connect: Connect, device_id: str) -> None:
    plain = connect(device_id)
    connect(device_id, token=1)
    with pytest.raises(errors.InvalidSessionIdException):
        _ = plain.orientation


def test_effects_are_noted_with_session_and_token(
    connect: Connect, device_id: str, admin: AdminClient
) -> None:
    driver = connect(device_id, token=7)
    driver.find_element(AppiumBy.ID, "username").send_keys("demo")
    driver.find_element(AppiumBy.ID, "sign_in_button").click()
    _ = driver.page_source

    noted = admin.effects(device_id)

    mine = [each for each in noted if each["session"] == driver.session_id]
    assert [each["kind"] for each in mine] == ["type", "tap"]
    assert {each["token"] for each in mine} == {7}
    assert "demo" not in str(mine), "what was typed may be a secret"


def test_a_session_nobody_uses_ends(connect: Connect, device_id: str) -> None:
    driver = connect(device_id, **{"appium:newCommandTimeout": 0.2})
    deadline = time.monotonic() + 5
    while True:
        try:
            again = connect(device_id)
            break
        except errors.SessionNotCreatedException:
            assert time.monotonic() < deadline, "the idle session never ended"
    with pytest.raises(errors.InvalidSessionIdException):
        _ = driver.orientation
    assert again.orientation == "PORTRAIT"


def test_a_command_that_takes_long_does_not_end_its_own_session(connect: Connect, device_id: str) -> None:
    driver = connect(device_id, **{"appium:newCommandTimeout": 0.8})
    driver.implicitly_wait(1.1)
    assert driver.find_elements(AppiumBy.ID, "nothing") == []
    assert driver.orientation == "PORTRAIT"


def test_a_removed_device_ends_its_session(connect: Connect, device_id: str, admin: AdminClient) -> None:
    driver = connect(device_id)
    admin.remove_device(device_id)
    with pytest.raises(errors.InvalidSessionIdException):
        _ = driver.orientation
    with pytest.raises(errors.SessionNotCreatedException, match="not in the list"):
        connect(device_id)


def test_two_devices_work_at_the_same_time(connect: Connect, make_device: Callable[..., str]) -> None:
    """Each command takes 100 ms on its device: ten of them on two devices need one second, not two."""
    settings = {"settings": {"command_ms": 100}}
    drivers = [connect(make_device(**settings)) for _ in range(2)]
    together = threading.Barrier(2)

    def work(driver: Any) -> None:
        together.wait(5)
        for _ in range(10):
            assert driver.orientation == "PORTRAIT"

    threads = [threading.Thread(target=work, args=(driver,)) for driver in drivers]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert 1.0 <= time.monotonic() - started < 1.7


def test_of_many_that_want_one_device_at_once_one_gets_it(
    connect: Connect, make_device: Callable[..., str]
) -> None:
    device_id = make_device(settings={"session_seconds": 0.3})
    got: list[str] = []
    refused: list[str] = []

    def want() -> None:
        try:
            got.append(connect(device_id).session_id)
        except errors.SessionNotCreatedException as exc:
            refused.append(str(exc.msg))

    threads = [threading.Thread(target=want) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert (len(got), len(refused)) == (1, 5)
    assert all("busy" in reason for reason in refused)


@pytest.mark.parametrize(
    ("caps", "said"),
    [
        ({"appium:appPackage": "com.example.absent"}, "not installed"),
        ({"appium:app": "x/absent.apk"}, "does not exist"),
    ],
)
def test_an_app_that_is_not_there_is_refused_and_the_device_stays_free(
    connect: Connect, device_id: str, caps: dict[str, str], said: str
) -> None:
    with pytest.raises(errors.WebDriverException, match=said):
        connect(device_id, **caps)
    assert connect(device_id).orientation == "PORTRAIT"


def test_an_app_is_not_started_when_that_is_asked_for(connect: Connect, device_id: str) -> None:
    driver = connect(device_id, **{"appium:autoLaunch": False})
    assert driver.query_app_state("com.autorl.bank") == 1


def test_granted_permissions_outlive_a_reset(
    connect: Callable[..., Any], device_id: str, sign_in: Callable[..., None]
) -> None:
    """They were asked for by the session's capabilities, not by what the app keeps."""
    driver = connect(device_id, **{"appium:autoGrantPermissions": True})

    driver.execute_script("autorl: reset", {"policy": "app", "backend": True})

    sign_in(driver)
    driver.find_element("accessibility id", "settings_button").click()
    driver.find_element("accessibility id", "notifications_switch").click()
    assert driver.find_element("accessibility id", "notifications_switch").get_attribute("checked") == "true"
