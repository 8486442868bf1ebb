"""The life of the app: to the background and back, ended and started anew; and what outlives it."""

from __future__ import annotations

from appium.webdriver.applicationstate import ApplicationState

from examples.pages import USER, AccountsPage, SignInPage, TransferPage

BANK = "com.autorl.bank"


def test_the_background_keeps_what_was_typed(sign_in_page: SignInPage) -> None:
    driver = sign_in_page.driver
    sign_in_page.fill("username", USER)
    driver.background_app(-1)
    assert driver.query_app_state(BANK) == ApplicationState.RUNNING_IN_BACKGROUND
    driver.activate_app(BANK)
    assert sign_in_page.control("username").text == USER


def test_a_new_start_asks_to_sign_in_again(accounts: AccountsPage, sign_in_page: SignInPage) -> None:
    driver = accounts.driver
    driver.terminate_app(BANK)
    assert driver.query_app_state(BANK) == ApplicationState.NOT_RUNNING
    driver.activate_app(BANK)
    assert sign_in_page.is_open


def test_the_bank_remembers_what_the_app_forgets(
    accounts: AccountsPage, transfer: TransferPage, sign_in_page: SignInPage
) -> None:
    """Money that was sent is gone, however often the app starts: the bank keeps it, not the app."""
    transfer.send(payee="landlord", amount="100").done()
    accounts.driver.terminate_app(BANK)
    accounts.driver.activate_app(BANK)
    assert sign_in_page.sign_in().balance_of("everyday") == "2,400.00"


def test_the_device_remembers_the_user_who_wants_it(sign_in_page: SignInPage) -> None:
    """Data of the app on the device outlives the app, too, until it is cleared."""
    driver = sign_in_page.driver
    sign_in_page.tap("remember_me")
    sign_in_page.sign_in()
    driver.terminate_app(BANK)
    driver.activate_app(BANK)
    assert sign_in_page.control("username").text == USER
    driver.execute_script("mobile: clearApp", {"appId": BANK})
    driver.activate_app(BANK)
    assert sign_in_page.control("username").text != USER


def test_leaving_the_accounts_by_back_asks_first(accounts: AccountsPage) -> None:
    accounts.driver.back()
    question = accounts.dialog()
    assert "You will be logged out." in question.text
    question.dismiss()
    assert accounts.greeting == "Hello Dana Demo"
