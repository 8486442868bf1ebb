"""A tour of the locator strategies: six ways to the button that signs in.

Accessibility ids come first: they mean the same on both platforms and survive a change of texts and layout.
"""

from __future__ import annotations

import pytest
from appium.webdriver.common.appiumby import AppiumBy
from appium.webdriver.webdriver import WebDriver
from selenium.common.exceptions import InvalidSelectorException

from examples.pages import AccountsPage

pytestmark = pytest.mark.device(platform="android")


@pytest.mark.parametrize(
    ("strategy", "value"),
    [
        pytest.param(AppiumBy.ACCESSIBILITY_ID, "sign_in_button", id="accessibility id"),
        pytest.param(AppiumBy.ID, "sign_in_button", id="id"),
        pytest.param(AppiumBy.ID, "com.autorl.bank:id/sign_in_button", id="full id"),
        pytest.param(AppiumBy.CLASS_NAME, "android.widget.Button", id="class name"),
        pytest.param(AppiumBy.XPATH, "//android.widget.Button[@text='Sign in']", id="xpath"),
        pytest.param(
            AppiumBy.ANDROID_UIAUTOMATOR,
            'new UiSelector().className("android.widget.Button").textContains("Sign")',
            id="uiautomator",
        ),
    ],
)
def test_one_button_found_in_many_ways(driver: WebDriver, strategy: str, value: str) -> None:
    assert driver.find_element(strategy, value).get_attribute("content-desc") == "sign_in_button"


def test_a_search_can_stay_below_an_element(accounts: AccountsPage) -> None:
    """Each row has a label `account_name`; within one row there is one."""
    row = accounts.control("account_travel")
    assert row.find_element(AppiumBy.ID, "account_name").text == "Travel account"


def test_xpath_can_go_up_again(accounts: AccountsPage) -> None:
    """From a label to the row around it, where the row itself has no text."""
    row = accounts.driver.find_element(AppiumBy.XPATH, "//*[@text='Travel account']/..")
    assert row.get_attribute("content-desc") == "account_travel"


def test_find_elements_is_empty_where_find_element_would_fail(driver: WebDriver) -> None:
    assert driver.find_elements(AppiumBy.ACCESSIBILITY_ID, "no_such_button") == []


def test_a_selector_that_cannot_be_read_is_an_error_of_its_own(driver: WebDriver) -> None:
    with pytest.raises(InvalidSelectorException):
        driver.find_element(AppiumBy.XPATH, "//android.widget.Button[")
