"""What a device has seen and shown: it is asked for when a test fails."""

from __future__ import annotations

from planted import key, mail, secret, text


def test_failure_on_a_device(driver):
    driver.find_element("accessibility id", "username").send_keys(mail("app_field"))
    driver.find_element("accessibility id", "password").send_keys(secret("app_password_field"))
    driver.find_element("accessibility id", "sign_in_button").click()
    raise AssertionError(text("device_assertion"))


def test_selector_of_nothing(driver):
    driver.find_element("accessibility id", key("app_selector"))


def test_text_of_the_app(driver):
    driver.find_element("accessibility id", "username").send_keys(secret("app_text"))
    assert driver.find_element("accessibility id", "username").text == "other"
