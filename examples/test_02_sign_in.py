"""Signing in: page objects instead of locators, and one test for many cases.

From here on tests speak the words of the bank; how a screen is found and touched stands in `pages/`.
"""

from __future__ import annotations

import pytest

from examples.pages import PASSWORD, USER, AccountsPage, SignInPage


@pytest.mark.critical_path
def test_the_user_is_greeted_by_name(sign_in_page: SignInPage) -> None:
    assert sign_in_page.sign_in().greeting == "Hello Dana Demo"


@pytest.mark.parametrize(
    ("user", "password", "error"),
    [
        pytest.param(USER, "wrong-pass", "Wrong user name or password", id="wrong password"),
        pytest.param("nobody", PASSWORD, "Wrong user name or password", id="unknown user"),
        pytest.param("locked", PASSWORD, "This user is locked. Call the bank.", id="locked user"),
    ],
)
def test_the_bank_refuses(sign_in_page: SignInPage, user: str, password: str, error: str) -> None:
    """Each case is a test of its own: it may run on another device, beside the others."""
    sign_in_page.submit(user, password)
    assert sign_in_page.error == error
    assert sign_in_page.is_open


@pytest.mark.parametrize(
    ("user", "password", "field", "error"),
    [
        pytest.param("", PASSWORD, "username", "Enter your user name", id="no user"),
        pytest.param("   ", PASSWORD, "username", "Enter your user name", id="blank user"),
        pytest.param(USER, "", "password", "Enter your password", id="no password"),
        pytest.param(
            USER, "short", "password", "The password has at least 6 characters", id="short password"
        ),
    ],
)
def test_a_field_says_what_is_wrong_with_it(
    sign_in_page: SignInPage, user: str, password: str, field: str, error: str
) -> None:
    sign_in_page.submit(user, password)
    assert sign_in_page.text(f"{field}_error") == error


def test_two_empty_fields_are_two_errors(sign_in_page: SignInPage) -> None:
    sign_in_page.tap("sign_in_button")
    assert sign_in_page.shows("username_error")
    assert sign_in_page.shows("password_error")


def test_enter_in_the_password_signs_in(sign_in_page: SignInPage) -> None:
    sign_in_page.fill("username", USER)
    sign_in_page.fill("password", f"{PASSWORD}\n")
    assert AccountsPage(sign_in_page.driver).greeting == "Hello Dana Demo"


@pytest.mark.security
def test_the_password_is_never_shown(sign_in_page: SignInPage) -> None:
    sign_in_page.fill("password", PASSWORD)
    assert PASSWORD not in sign_in_page.driver.page_source
