"""Switches, and the way out."""

from __future__ import annotations

from examples.pages.base import Page


class SettingsPage(Page):
    """Settings of this app on this device."""

    def flip(self, switch: str) -> None:
        """Turn a switch (dark_mode, notifications, biometric) over."""
        self.tap(f"{switch}_switch")

    def is_on(self, switch: str) -> bool:
        return self.control(f"{switch}_switch").is_selected()

    def log_out(self) -> None:
        """Ask to log out; a dialog follows."""
        self.tap("log_out_button")
