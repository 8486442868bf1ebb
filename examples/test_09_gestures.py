"""Fingers and the way the device is held."""

from __future__ import annotations

import pytest
from appium.webdriver.webdriver import WebDriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.interaction import POINTER_TOUCH
from selenium.webdriver.common.actions.pointer_input import PointerInput

from examples.pages import PASSWORD, USER, AccountsPage, SignInPage


def test_a_swipe_moves_the_list(accounts: AccountsPage) -> None:
    """`driver.swipe` takes two points on the screen; the page computes them from the list's place."""
    account = accounts.open("everyday")
    first = account.transactions[0]
    account.swipe_up("transaction_rows")
    assert first not in account.transactions


def test_a_tap_is_a_finger_down_and_up_again(sign_in_page: SignInPage) -> None:
    """The W3C actions beneath all gestures, for what has no command of its own."""
    sign_in_page.fill("username", USER)
    sign_in_page.fill("password", PASSWORD)
    finger = ActionBuilder(sign_in_page.driver, mouse=PointerInput(POINTER_TOUCH, "finger"))
    finger.pointer_action.move_to(sign_in_page.control("sign_in_button")).pointer_down().pointer_up()
    finger.perform()
    assert AccountsPage(sign_in_page.driver).greeting == "Hello Dana Demo"


@pytest.mark.device(platform="android")
def test_mobile_commands_know_more_gestures(accounts: AccountsPage) -> None:
    """Scroll until there is no more: the driver of Android says so."""
    account = accounts.open("everyday")
    where = {"elementId": account.control("transaction_rows").id, "direction": "down", "percent": 0.8}
    account.wait.until_not(lambda driver: driver.execute_script("mobile: scrollGesture", where))
    assert account.transactions[-1] == "Opening balance"


def test_keys_go_to_the_field_that_has_the_focus(sign_in_page: SignInPage) -> None:
    sign_in_page.tap("username")
    ActionChains(sign_in_page.driver).send_keys(USER).perform()
    assert sign_in_page.control("username").text == USER


def test_turning_the_device_makes_the_screen_wide(driver: WebDriver) -> None:
    """The next test finds the device upright again."""
    assert driver.orientation == "PORTRAIT"
    driver.orientation = "LANDSCAPE"
    size = driver.get_window_size()
    assert size["width"] > size["height"]


def test_what_was_typed_survives_a_turn(sign_in_page: SignInPage) -> None:
    sign_in_page.fill("username", USER)
    sign_in_page.driver.orientation = "LANDSCAPE"
    assert sign_in_page.control("username").text == USER
