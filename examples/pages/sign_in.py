"""The first screen."""

from __future__ import annotations

from examples.pages.accounts import AccountsPage
from examples.pages.base import Page

#: The customer that every simulated bank has.
USER, PASSWORD = "demo", "demo-pass"


class SignInPage(Page):
    """User name, password, and what may be wrong with them."""

    def submit(self, user: str, password: str) -> None:
        """Fill the form and send it, whatever comes of it."""
        self.fill("username", user)
        self.fill("password", password)
        self.tap("sign_in_button")

    def sign_in(self, user: str = USER, password: str = PASSWORD) -> AccountsPage:
        """Sign in and be at the accounts."""
        self.submit(user, password)
        page = AccountsPage(self.driver)
        page.text("greeting_text")
        return page

    @property
    def error(self) -> str:
        """What the bank says against the attempt as a whole; errors of a field are ``text("<field>_error")``."""
        return self.text("sign_in_error")

    @property
    def is_open(self) -> bool:
        """Whether the user stands before this screen."""
        return self.shows("sign_in_title")
