"""One device for a class: sign in once, look at many things.

Tests that only look may share a device. It is leased with the first of them and given back after the last. In a
parallel run they stay together, on one worker and its device, while others do the rest.
"""

from __future__ import annotations

import pytest
from appium.webdriver.webdriver import WebDriver

from examples.pages import AccountPage, SignInPage
from pytest_autorl import DeviceHandle


@pytest.fixture(scope="class")
def account(class_driver: WebDriver) -> AccountPage:
    """Opened once for the class; its tests leave it as it is."""
    return SignInPage(class_driver).sign_in().open("everyday")


@pytest.mark.device(platform="android", form_factor="phone")
class TestTheEverydayAccount:
    """A marker on the class says what `class_device` and `class_driver` need."""

    def test_its_name(self, account: AccountPage) -> None:
        assert account.text("account_detail_title") == "Everyday account"

    def test_its_number(self, account: AccountPage) -> None:
        assert account.text("detail_number") == "AR01 1000 0001"

    def test_its_balance(self, account: AccountPage) -> None:
        assert account.balance == "2,500.00"

    def test_its_device(self, account: AccountPage, class_device: DeviceHandle) -> None:
        assert class_device.form_factor == "phone"
        assert account.driver is class_device.driver
