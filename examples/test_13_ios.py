"""iOS: the same page objects, other locators beneath them.

`--autorl-farm virtual:N` has Android devices only, and this suite is to run on any farm. So the iPhone here is a
private simulated one; with an iPhone in your farm write `@pytest.mark.device(platform="ios")` and use `driver`.
"""

from __future__ import annotations

import pytest
from appium.webdriver.common.appiumby import AppiumBy

from examples.pages import SignInPage
from pytest_autorl import MockDevice

pytestmark = pytest.mark.parametrize("mock_device", [{"platform": "ios"}], indirect=True, ids=["ios"])


def test_the_page_objects_of_android_serve_ios_too(mock_device: MockDevice) -> None:
    accounts = SignInPage(mock_device.driver).sign_in()
    accounts.start_transfer().send(payee="landlord", amount="950").done()
    assert accounts.balance_of("everyday") == "1,550.00"


def test_a_predicate_finds_by_several_attributes(mock_device: MockDevice) -> None:
    button = mock_device.driver.find_element(
        AppiumBy.IOS_PREDICATE, "type == 'XCUIElementTypeButton' AND name CONTAINS 'sign_in'"
    )
    assert button.text == "Sign in"


def test_elements_have_the_names_of_ios(mock_device: MockDevice) -> None:
    password = mock_device.driver.find_element(AppiumBy.CLASS_NAME, "XCUIElementTypeSecureTextField")
    assert password.get_attribute("name") == "password"
