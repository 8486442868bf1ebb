"""Sending money."""

from __future__ import annotations

from examples.pages.base import Page


class TransferPage(Page):
    """To whom, how much, and a dialog that asks once more."""

    def choose_payee(self, payee: str) -> None:
        """Pick a payee (electric, landlord) from the list."""
        self.tap("choose_payee_button")
        self.tap(f"choose_{payee}")

    def submit(self, *, payee: str | None, amount: str, reference: str = "") -> None:
        """Fill the form and go on, whatever comes of it."""
        if payee is not None:
            self.choose_payee(payee)
        self.fill("amount", amount)
        self.fill("reference", reference)
        self.tap("continue_button")

    def send(self, *, payee: str, amount: str, reference: str = "") -> TransferDonePage:
        """Send money and be told so."""
        self.submit(payee=payee, amount=amount, reference=reference)
        self.dialog().accept()
        page = TransferDonePage(self.driver)
        page.text("success_text")
        return page


class TransferDonePage(Page):
    """The money is on its way."""

    @property
    def message(self) -> str:
        return self.text("success_text")

    def done(self) -> None:
        """Back to the accounts."""
        self.tap("done_button")
