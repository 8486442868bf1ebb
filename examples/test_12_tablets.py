"""Tablets show two panes side by side. All tests of this module need one."""

from __future__ import annotations

import pytest

from examples.pages import AccountsPage

pytestmark = pytest.mark.device(form_factor="tablet")


def test_the_right_pane_waits_for_a_choice(accounts: AccountsPage) -> None:
    assert accounts.text("detail_placeholder") == "Choose an account"


def test_list_and_account_are_seen_together(accounts: AccountsPage) -> None:
    accounts.open("savings")
    assert accounts.shows("account_list_title")
    assert accounts.shows("account_detail_title")


def test_the_account_stands_to_the_right_of_the_list(accounts: AccountsPage) -> None:
    account = accounts.open("savings")
    rows, transactions = accounts.control("account_rows").rect, account.control("transaction_rows").rect
    assert rows["x"] + rows["width"] <= transactions["x"]


def test_another_choice_replaces_the_right_pane(accounts: AccountsPage) -> None:
    accounts.open("savings")
    assert accounts.open("travel").balance == "75.25"


def test_the_list_shows_at_once_what_happens_beside_it(accounts: AccountsPage) -> None:
    accounts.open("everyday")
    accounts.start_transfer().send(payee="electric", amount="61.20").done()
    assert accounts.balance_of("everyday") == "2,438.80"
    assert accounts.open("everyday").transactions[0] == "City Electric"
