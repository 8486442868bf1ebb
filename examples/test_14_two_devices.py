"""Two devices in one test: asked for at once, given at once, so that no two tests wait for each other for ever."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from appium.webdriver.webdriver import WebDriver

from examples.pages import SignInPage
from pytest_autorl import DeviceHandle


@pytest.mark.device(count=2)
def test_devices_are_different_ones(devices: list[DeviceHandle]) -> None:
    first, second = devices
    assert first.id != second.id


@pytest.mark.device(count=2, form_factor="phone")
def test_one_user_is_signed_in_on_two_phones(drivers: list[WebDriver]) -> None:
    """`drivers` are the sessions, in the order of `devices`; logging out on one leaves the other alone."""
    mine, spare = (SignInPage(driver).sign_in() for driver in drivers)
    mine.open_settings().log_out()
    mine.dialog().accept()
    assert SignInPage(mine.driver).is_open
    assert spare.greeting == "Hello Dana Demo"


@pytest.mark.device(count=2, platform="android")
def test_two_devices_work_at_the_same_time(drivers: list[WebDriver]) -> None:
    """Each session belongs to one thread; sessions do not disturb each other."""

    def send(driver: WebDriver, amount: str) -> str:
        accounts = SignInPage(driver).sign_in()
        accounts.start_transfer().send(payee="landlord", amount=amount).done()
        return accounts.balance_of("everyday")

    with ThreadPoolExecutor(max_workers=2) as threads:
        balances = list(threads.map(send, drivers, ["100", "200"]))

    # Each simulated device has a bank of its own.
    assert balances == ["2,400.00", "2,300.00"]
