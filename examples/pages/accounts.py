"""The accounts, one account, its statement."""

from __future__ import annotations

from appium.webdriver.common.appiumby import AppiumBy

from examples.pages.base import Page
from examples.pages.payees import PayeesPage
from examples.pages.settings import SettingsPage
from examples.pages.transfer import TransferPage


class AccountsPage(Page):
    """Where a user is after signing in."""

    @property
    def greeting(self) -> str:
        return self.text("greeting_text")

    @property
    def total(self) -> str:
        return self.text("total_balance")

    @property
    def account_names(self) -> list[str]:
        return [row.text for row in self.driver.find_elements(AppiumBy.ID, "account_name")]

    def balance_of(self, account: str) -> str:
        """The balance in the row of an account (everyday, savings, travel, joint)."""
        row = self.control(f"account_{account}")
        return row.find_element(AppiumBy.ID, "account_balance").text

    def open(self, account: str) -> AccountPage:
        """On a phone the account covers the list, on a tablet it opens beside it."""
        self.tap(f"account_{account}")
        page = AccountPage(self.driver)
        page.text("detail_balance")
        return page

    def start_transfer(self) -> TransferPage:
        self.tap("transfer_button")
        return TransferPage(self.driver)

    def open_payees(self) -> PayeesPage:
        self.tap("payees_button")
        return PayeesPage(self.driver)

    def open_settings(self) -> SettingsPage:
        self.tap("settings_button")
        return SettingsPage(self.driver)


class AccountPage(Page):
    """One account with its transactions."""

    @property
    def balance(self) -> str:
        return self.text("detail_balance")

    @property
    def transactions(self) -> list[str]:
        """Titles of the transactions that are on the screen; a long list has more below."""
        return [row.text for row in self.driver.find_elements(AppiumBy.ID, "transaction_title")]

    def scroll_to(self, title: str, *, most: int = 10) -> int:
        """Swipe until a transaction is on the screen; returns how many swipes it took.

        Raises AssertionError when it does not come within `most` swipes.
        """
        for swipes in range(most + 1):
            if title in self.transactions:
                return swipes
            self.swipe_up("transaction_rows")
        raise AssertionError(
            f"no transaction {title!r} within {most} swipes, at the end: {self.transactions}"
        )

    def open_statement(self) -> StatementPage:
        """The statement takes a while to load; its texts wait for that."""
        self.tap("statement_button")
        return StatementPage(self.driver)


class StatementPage(Page):
    """The slow screen."""

    @property
    def is_loading(self) -> bool:
        return self.shows("loading_indicator")

    @property
    def summary(self) -> str:
        return self.text("statement_summary")


def cents(money: str) -> int:
    """The amount that a label shows, as whole cents.

    >>> cents("12,000.50")
    1200050
    """
    return int(money.replace(",", "").replace(".", ""))
