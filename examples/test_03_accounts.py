"""Lists: what is on the screen, and what has to be scrolled to.

`accounts` is a fixture of `conftest.py`: it stands on `driver`, so a test that uses it needs nothing else.
"""

from __future__ import annotations

import pytest
from appium.webdriver.common.appiumby import AppiumBy

from examples.pages import AccountsPage


def test_all_accounts_are_listed(accounts: AccountsPage) -> None:
    assert accounts.account_names == [
        "Everyday account",
        "Savings account",
        "Travel account",
        "Joint account",
    ]


@pytest.mark.parametrize(
    ("account", "balance"), [("everyday", "2,500.00"), ("savings", "12,000.50"), ("joint", "0.00")]
)
def test_the_list_and_the_account_show_the_same_balance(
    accounts: AccountsPage, account: str, balance: str
) -> None:
    assert accounts.balance_of(account) == balance
    assert accounts.open(account).balance == balance


def test_the_total_adds_all_accounts_up(accounts: AccountsPage) -> None:
    assert accounts.total == "Total 14,575.75"


def test_the_newest_transactions_come_first(accounts: AccountsPage) -> None:
    assert accounts.open("everyday").transactions[:3] == ["Salary", "Rent", "Groceries"]


def test_an_account_without_transactions_says_so(accounts: AccountsPage) -> None:
    account = accounts.open("joint")
    assert account.transactions == []
    assert account.text("transaction_rows_empty") == "No transactions yet"


def test_what_is_below_the_screen_has_to_be_swiped_to(accounts: AccountsPage) -> None:
    """As on a real device, rows outside the screen are not in the tree that locators search."""
    account = accounts.open("everyday")
    assert "Opening balance" not in account.transactions
    assert account.scroll_to("Opening balance") > 0


@pytest.mark.device(platform="android")
def test_uiautomator_scrolls_by_itself(accounts: AccountsPage) -> None:
    """UiScrollable is Android's own way, so this test says that it needs Android."""
    account = accounts.open("everyday")
    row = account.driver.find_element(
        AppiumBy.ANDROID_UIAUTOMATOR,
        "new UiScrollable(new UiSelector().scrollable(true))"
        '.scrollIntoView(new UiSelector().description("transaction_t20"))',
    )
    assert row.is_displayed()
