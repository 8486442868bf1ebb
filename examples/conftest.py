"""Fixtures of this suite. `device`, `driver` and their kin come with the plugin."""

from __future__ import annotations

import pytest
from appium.webdriver.webdriver import WebDriver

from examples.pages import AccountsPage, PayeesPage, SettingsPage, SignInPage, TransferPage


@pytest.fixture
def sign_in_page(driver: WebDriver) -> SignInPage:
    """The app as it starts: each test finds its device as new."""
    return SignInPage(driver)


@pytest.fixture
def accounts(sign_in_page: SignInPage) -> AccountsPage:
    """Dana Demo is signed in and sees her accounts."""
    return sign_in_page.sign_in()


@pytest.fixture
def transfer(accounts: AccountsPage) -> TransferPage:
    """Dana is about to send money from her everyday account, which holds 2,500.00."""
    return accounts.start_transfer()


@pytest.fixture
def payees(accounts: AccountsPage) -> PayeesPage:
    """Dana looks at her two payees, City Electric and Robin Landlord."""
    return accounts.open_payees()


@pytest.fixture
def settings(accounts: AccountsPage) -> SettingsPage:
    """Dana is at her settings, all switches off."""
    return accounts.open_settings()
