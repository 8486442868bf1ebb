"""Who money can be sent to."""

from __future__ import annotations

from appium.webdriver.common.appiumby import AppiumBy

from examples.pages.base import Page


class PayeesPage(Page):
    """The list of payees."""

    @property
    def names(self) -> list[str]:
        self.control("add_payee_button")  # the list is there once its screen is
        return [row.text for row in self.driver.find_elements(AppiumBy.ID, "payee_row_name")]

    def add(self) -> NewPayeePage:
        self.tap("add_payee_button")
        return NewPayeePage(self.driver)

    def remove(self, payee: str) -> None:
        """Ask to remove a payee (electric, landlord); a dialog follows."""
        self.tap(f"payee_{payee}")


class NewPayeePage(Page):
    """A form whose fields say what is wrong with them."""

    def submit(self, *, name: str, iban: str, email: str = "") -> None:
        """Fill the form and save it, whatever comes of it."""
        self.fill("payee_name", name)
        self.fill("payee_iban", iban)
        self.fill("payee_email", email)
        self.tap("save_payee_button")

    def error_of(self, field: str) -> str:
        """What the form says about a field (name, iban, email)."""
        return self.text(f"payee_{field}_error")

    @property
    def can_save(self) -> bool:
        return self.control("save_payee_button").is_enabled()
