"""Switches, and the dialogs of the system: permissions.

A device is as new for each test, so the system asks for a permission each time.
"""

from __future__ import annotations

import pytest

from examples.pages import PayeesPage, SettingsPage, SignInPage


@pytest.mark.parametrize("switch", ["dark_mode", "biometric"])
def test_a_switch_goes_on_and_off(settings: SettingsPage, switch: str) -> None:
    assert not settings.is_on(switch)
    settings.flip(switch)
    assert settings.is_on(switch)
    settings.flip(switch)
    assert not settings.is_on(switch)


def test_notifications_are_on_once_the_system_allows_them(settings: SettingsPage) -> None:
    settings.flip("notifications")
    question = settings.dialog()
    assert question.text == "Allow Autorl Bank to send you notifications?"
    question.accept()
    assert settings.is_on("notifications")


def test_notifications_stay_off_when_the_system_refuses(settings: SettingsPage) -> None:
    """A dialog is elements, too: its buttons can be found and touched like any other."""
    settings.flip("notifications")
    settings.tap("permission_deny_button")
    assert settings.text("toast") == "Notifications are not allowed"
    assert not settings.is_on("notifications")


def test_the_camera_reads_an_iban(payees: PayeesPage) -> None:
    form = payees.add()
    form.tap("scan_button")
    assert "take pictures" in form.dialog().text
    form.dialog().accept()
    assert form.control("payee_iban").text.startswith("FR14")


@pytest.mark.security
def test_logging_out_leaves_nothing_of_the_user(settings: SettingsPage, sign_in_page: SignInPage) -> None:
    settings.log_out()
    settings.dialog().accept()
    assert sign_in_page.is_open
    assert "Dana" not in sign_in_page.driver.page_source
