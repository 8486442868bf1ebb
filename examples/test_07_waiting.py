"""Waiting for a slow screen: say what is waited for, never how long it should take.

The bank's statement loads for some 0.6 s, on a slow device longer. No test here sleeps.
"""

from __future__ import annotations

import pytest
from appium.webdriver.common.appiumby import AppiumBy
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.support import expected_conditions as expected
from selenium.webdriver.support.wait import WebDriverWait

from examples.pages import AccountsPage


def test_an_explicit_wait_ends_as_soon_as_the_screen_is_there(accounts: AccountsPage) -> None:
    accounts.open("everyday").tap("statement_button")
    summary = WebDriverWait(accounts.driver, 10, poll_frequency=0.05).until(
        expected.visibility_of_element_located((AppiumBy.ID, "statement_summary"))
    )
    assert summary.text == "20 transactions"


def test_a_page_object_waits_on_its_own(accounts: AccountsPage) -> None:
    """What every test of the statement needs is written once, in the page."""
    assert accounts.open("savings").open_statement().summary == "2 transactions"


def test_a_wait_can_be_for_something_to_go(accounts: AccountsPage) -> None:
    """Here the sign that the app is busy; for when it is not known what will come."""
    statement = accounts.open("savings").open_statement()
    statement.wait.until_not(lambda _: statement.is_loading)
    assert statement.text("statement_total") == "Sum 12,000.50"


def test_a_wait_in_vain_says_what_was_missing(accounts: AccountsPage) -> None:
    """The message is what a person reads first when it fails: name the thing, not the time."""
    wait = WebDriverWait(accounts.driver, 0.2, poll_frequency=0.05)
    with pytest.raises(TimeoutException, match="no overdraft on the screen"):
        wait.until(
            expected.presence_of_element_located((AppiumBy.ID, "overdraft")), "no overdraft on the screen"
        )


def test_the_server_can_wait_too(accounts: AccountsPage) -> None:
    """An implicit wait holds for every search of the session; the next test starts without it again."""
    accounts.driver.implicitly_wait(10)
    accounts.open("everyday").tap("statement_button")
    assert accounts.driver.find_element(AppiumBy.ID, "statement_summary").text == "20 transactions"
