"""The unmodified Appium client against a live virtual device: finding and using elements, gestures."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import pytest
from appium.webdriver.common.appiumby import AppiumBy
from selenium.common import exceptions as errors
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions import interaction
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.keys import Keys


def by_id(driver: Any, name: str) -> Any:
    return driver.find_element(AppiumBy.ACCESSIBILITY_ID, name)


@pytest.mark.parametrize(
    ("using", "value"),
    [
        (AppiumBy.ID, "com.autorl.bank:id/sign_in_button"),
        (AppiumBy.ID, "sign_in_button"),
        (AppiumBy.ACCESSIBILITY_ID, "sign_in_button"),
        (AppiumBy.XPATH, "//android.widget.Button[@text='Sign in']"),
        (AppiumBy.CLASS_NAME, "android.widget.Button"),
        (AppiumBy.ANDROID_UIAUTOMATOR, 'new UiSelector().text("Sign in").clickable(true)'),
    ],
)
def test_each_locator_finds_the_button(driver: Any, using: str, value: str) -> None:
    assert driver.find_element(using, value).text == "Sign in"


def test_the_predicate_strategy_works_on_ios(
    connect: Callable[..., Any], make_device: Callable[..., str]
) -> None:
    device_id = make_device(platform="ios", os_version="17.2")
    driver = connect(device_id, platformName="iOS", **{"appium:automationName": "XCUITest"})

    found = driver.find_element(
        AppiumBy.IOS_PREDICATE, "label CONTAINS 'sign_in' AND type == 'XCUIElementTypeButton'"
    )

    assert found.get_attribute("name") == "sign_in_button"
    assert found.tag_name == "XCUIElementTypeButton"
    assert found.text == "Sign in"


def test_what_is_not_there_is_no_such_element_and_an_empty_list(driver: Any) -> None:
    with pytest.raises(errors.NoSuchElementException):
        by_id(driver, "nothing_of_that_name")
    assert driver.find_elements(AppiumBy.ACCESSIBILITY_ID, "nothing_of_that_name") == []


@pytest.mark.parametrize(
    ("using", "value"),
    [(AppiumBy.XPATH, "//["), (AppiumBy.CSS_SELECTOR, "x"), (AppiumBy.ANDROID_UIAUTOMATOR, "new X(")],
)
def test_a_selector_that_cannot_be_read_is_invalid(driver: Any, using: str, value: str) -> None:
    with pytest.raises(errors.InvalidSelectorException):
        driver.find_element(using, value)


def test_elements_are_found_below_an_element(signed_in: Any) -> None:
    row = by_id(signed_in, "account_savings")

    assert row.find_element(AppiumBy.ID, "account_balance").text == "12,000.50"
    assert len(row.find_elements(AppiumBy.CLASS_NAME, "android.widget.TextView")) == 3
    assert len(signed_in.find_elements(AppiumBy.ID, "account_row")) == 4


def test_typing_appends_clearing_empties_and_special_keys_act(driver: Any) -> None:
    field = by_id(driver, "username")
    assert field.text == "User name", "an empty field shows its hint, as on a phone"

    field.send_keys("dem")
    field.send_keys("oo", Keys.BACKSPACE)
    assert field.text == "demo"
    field.clear()
    assert field.text == "User name"
    field.send_keys("demo")
    by_id(driver, "password").send_keys("demo-pass", Keys.ENTER)

    assert driver.find_element(AppiumBy.ID, "greeting_text").text == "Hello Dana Demo"


def test_text_typed_into_something_else_is_an_invalid_state(driver: Any) -> None:
    with pytest.raises(errors.InvalidElementStateException, match="sign_in_button"):
        by_id(driver, "sign_in_button").send_keys("x")
    with pytest.raises(errors.InvalidElementStateException):
        by_id(driver, "sign_in_button").clear()


def test_an_element_tells_its_attributes(driver: Any) -> None:
    button = by_id(driver, "sign_in_button")

    assert button.get_attribute("text") == "Sign in"
    assert button.get_attribute("contentDescription") == "sign_in_button"
    assert button.get_attribute("resource-id") == "com.autorl.bank:id/sign_in_button"
    assert button.get_attribute("className") == "android.widget.Button"
    assert button.get_attribute("clickable") == "true"
    assert button.get_attribute("hint") is None
    assert button.get_property("package") == "com.autorl.bank"
    assert button.tag_name == "sign_in_button", "UiAutomator2 answers the content description here"
    assert (button.is_displayed(), button.is_enabled(), button.is_selected()) == (True, True, False)
    with pytest.raises(errors.WebDriverException, match="attribute is unknown"):
        button.get_attribute("colour")


def test_the_rect_of_an_element_agrees_with_its_bounds(driver: Any) -> None:
    button = by_id(driver, "sign_in_button")
    rect = button.rect
    right, bottom = rect["x"] + rect["width"], rect["y"] + rect["height"]

    assert button.get_attribute("bounds") == f"[{rect['x']},{rect['y']}][{right},{bottom}]"
    assert button.location_in_view == {"x": rect["x"], "y": rect["y"]}


def test_a_checkbox_is_selected_when_it_is_checked(driver: Any) -> None:
    box = by_id(driver, "remember_me")
    box.click()
    assert box.is_selected()
    assert box.get_attribute("checked") == "true"


def test_the_focused_field_is_the_active_element(driver: Any) -> None:
    with pytest.raises(errors.NoSuchElementException):
        _ = driver.switch_to.active_element
    by_id(driver, "password").click()
    assert driver.switch_to.active_element == by_id(driver, "password")


def test_screenshots_show_the_screen_and_a_part_of_it(driver: Any) -> None:
    from PIL import Image

    button = by_id(driver, "sign_in_button")
    whole = Image.open(io.BytesIO(driver.get_screenshot_as_png()))
    part = Image.open(io.BytesIO(button.screenshot_as_png))

    assert whole.size == (1080, 2400)
    assert part.size == (button.rect["width"], button.rect["height"])
    assert len(whole.convert("RGB").getcolors(1 << 20) or []) > 5, "not a blank picture"


def test_an_element_of_a_screen_that_was_left_is_stale(signed_in: Any) -> None:
    old = by_id(signed_in, "transfer_button")
    old.click()

    with pytest.raises(errors.StaleElementReferenceException):
        old.click()
    signed_in.back()
    with pytest.raises(errors.StaleElementReferenceException):
        _ = old.text


def test_a_row_scrolled_away_is_stale_and_an_unknown_id_too(signed_in: Any) -> None:
    by_id(signed_in, "account_everyday").click()
    first = by_id(signed_in, "transaction_t01")
    signed_in.swipe(500, 2000, 500, 700)

    with pytest.raises(errors.StaleElementReferenceException):
        _ = first.text
    with pytest.raises(errors.StaleElementReferenceException):
        signed_in.create_web_element("no-such-id").click()


def test_the_same_element_found_twice_is_equal(driver: Any) -> None:
    assert by_id(driver, "username") == by_id(driver, "username")


def test_what_a_dialog_covers_cannot_be_touched(signed_in: Any) -> None:
    by_id(signed_in, "settings_button").click()
    log_out = by_id(signed_in, "log_out_button")
    log_out.click()

    assert not log_out.is_displayed()
    with pytest.raises(errors.ElementNotInteractableException, match=r"a dialog \(dialog\) covers it"):
        log_out.click()


def test_what_is_scrolled_out_of_sight_cannot_be_touched(driver: Any) -> None:
    note = driver.find_element(AppiumBy.ID, "version_text")
    driver.orientation = "LANDSCAPE"

    assert not note.is_displayed()
    with pytest.raises(errors.ElementNotInteractableException, match="not displayed"):
        note.click()
    driver.swipe(1000, 900, 1000, 300)
    assert note.is_displayed()


def test_a_disabled_button_takes_the_tap_and_does_nothing(signed_in: Any) -> None:
    by_id(signed_in, "payees_button").click()
    by_id(signed_in, "add_payee_button").click()
    save = by_id(signed_in, "save_payee_button")
    assert not save.is_enabled()

    save.click()

    assert by_id(signed_in, "save_payee_button") == save


def test_the_implicit_wait_waits_for_a_slow_screen_and_no_longer(signed_in: Any) -> None:
    by_id(signed_in, "account_everyday").click()
    by_id(signed_in, "statement_button").click()
    with pytest.raises(errors.NoSuchElementException):
        signed_in.find_element(AppiumBy.ID, "statement_heading")
    signed_in.implicitly_wait(5)

    started = time.monotonic()
    assert signed_in.find_element(AppiumBy.ID, "statement_heading").text == "Statement for March"
    assert time.monotonic() - started < 3


def test_the_implicit_wait_ends_with_no_such_element(driver: Any) -> None:
    driver.implicitly_wait(0.3)
    started = time.monotonic()
    with pytest.raises(errors.NoSuchElementException):
        by_id(driver, "nothing")
    assert 0.3 <= time.monotonic() - started < 3


def test_uiscrollable_scrolls_until_its_target_is_there(signed_in: Any) -> None:
    by_id(signed_in, "account_everyday").click()

    found = signed_in.find_element(
        AppiumBy.ANDROID_UIAUTOMATOR,
        "new UiScrollable(new UiSelector().scrollable(true)).scrollIntoView("
        'new UiSelector().text("Opening balance"))',
    )

    assert found.text == "Opening balance"


def test_a_tap_at_a_point_hits_what_is_there(signed_in: Any) -> None:
    rect = by_id(signed_in, "payees_button").rect
    signed_in.tap([(rect["x"] + 5, rect["y"] + 5)])
    assert by_id(signed_in, "add_payee_button").is_displayed()


def test_a_swipe_and_a_scroll_between_elements_move_the_list(signed_in: Any) -> None:
    by_id(signed_in, "account_everyday").click()
    rows = signed_in.find_elements(AppiumBy.ID, "transaction_row")
    signed_in.scroll(rows[6], rows[1])
    assert by_id(signed_in, "transaction_t08").is_displayed()
    assert not signed_in.find_elements(AppiumBy.ACCESSIBILITY_ID, "transaction_t01")

    signed_in.swipe(500, 900, 500, 2200)

    assert by_id(signed_in, "transaction_t01").is_displayed()


def finger(driver: Any) -> tuple[ActionChains, Any]:
    actions = ActionChains(driver)
    actions.w3c_actions = ActionBuilder(driver, mouse=PointerInput(interaction.POINTER_TOUCH, "finger"))
    return actions, actions.w3c_actions.pointer_action


def test_a_long_press_is_told_from_a_tap_and_actions_can_be_released(
    signed_in: Any, device_id: str, admin: Any
) -> None:
    actions, pointer = finger(signed_in)
    pointer.move_to(by_id(signed_in, "payees_button")).pointer_down().pause(0.8).pointer_up()
    actions.perform()
    actions.reset_actions()

    assert "long_press" in [each["kind"] for each in admin.effects(device_id)]
    assert by_id(signed_in, "add_payee_button").is_displayed(), (
        "nothing listens to a long press there: it taps"
    )


def test_a_move_relative_to_the_pointer_drags(signed_in: Any) -> None:
    by_id(signed_in, "account_everyday").click()
    actions, pointer = finger(signed_in)
    pointer.move_to_location(500, 2000).pointer_down().move_by(0, -1200).pointer_up()
    actions.perform()
    assert not signed_in.find_elements(AppiumBy.ACCESSIBILITY_ID, "transaction_t01")


def test_a_point_outside_the_screen_is_out_of_bounds(driver: Any) -> None:
    with pytest.raises(errors.MoveTargetOutOfBoundsException, match="1080x2400"):
        driver.tap([(5000, 10)])


def test_keys_without_an_element_go_to_the_focused_field(driver: Any) -> None:
    by_id(driver, "username").click()
    ActionChains(driver).send_keys("demo").perform()
    assert by_id(driver, "username").text == "demo"


def test_mobile_gestures_click_hold_swipe_and_scroll(signed_in: Any) -> None:
    everyday = by_id(signed_in, "account_everyday")
    signed_in.execute_script("mobile: clickGesture", {"elementId": everyday.id})
    rows = by_id(signed_in, "transaction_rows")
    more = signed_in.execute_script(
        "mobile: scrollGesture", {"elementId": rows.id, "direction": "down", "percent": 0.5}
    )
    assert more is True
    while more:
        more = signed_in.execute_script(
            "mobile: scrollGesture", {"elementId": rows.id, "direction": "down", "percent": 1.0}
        )
    assert by_id(signed_in, "transaction_t20").is_displayed()
    signed_in.execute_script(
        "mobile: swipeGesture",
        {"left": 100, "top": 800, "width": 800, "height": 1400, "direction": "down", "percent": 1.0},
    )
    assert not signed_in.find_elements(AppiumBy.ACCESSIBILITY_ID, "transaction_t20")
    rect = by_id(signed_in, "statement_button").rect
    signed_in.execute_script("mobile: longClickGesture", {"x": rect["x"] + 9, "y": rect["y"] + 9})
    assert signed_in.find_element(AppiumBy.ID, "statement_title").text == "Statement"
    with pytest.raises(errors.InvalidArgumentException, match="direction"):
        signed_in.execute_script(
            "mobile: swipeGesture",
            {"left": 0, "top": 0, "width": 9, "height": 9, "direction": "around", "percent": 1.0},
        )


def test_the_gestures_of_ios(
    connect: Callable[..., Any], make_device: Callable[..., str], sign_in: Callable[..., None]
) -> None:
    driver = connect(make_device(platform="ios"), platformName="iOS", **{"appium:automationName": "XCUITest"})
    sign_in(driver)
    rect = by_id(driver, "account_everyday").rect
    driver.execute_script("mobile: tap", {"x": rect["x"] + 20, "y": rect["y"] + 20})
    rows = by_id(driver, "transaction_rows")
    driver.execute_script("mobile: swipe", {"direction": "up", "elementId": rows.id})
    driver.execute_script("mobile: swipe", {"direction": "up"})
    assert not by_id(driver, "transaction_rows").find_elements(AppiumBy.ACCESSIBILITY_ID, "transaction_t01")
    statement = by_id(driver, "statement_button")
    driver.execute_script("mobile: touchAndHold", {"elementId": statement.id, "duration": 1.0})
    assert driver.find_elements(AppiumBy.ID, "loading_indicator") or driver.find_element(
        AppiumBy.ID, "share_button"
    )


@pytest.mark.parametrize(
    "actions",
    [
        [{"type": "wheel", "actions": []}],
        [{"type": "pointer", "actions": ["x"]}],
        [{"type": "pointer", "actions": [{"type": "pointerJump"}]}],
        [{"type": "pointer", "actions": [{"type": "pointerMove", "x": 1, "y": 1, "origin": "moon"}]}],
    ],
)
def test_actions_that_make_no_sense_are_refused(driver: Any, actions: list[Any]) -> None:
    with pytest.raises((errors.InvalidArgumentException, errors.UnknownMethodException)):
        driver.execute("actions", {"actions": actions})
