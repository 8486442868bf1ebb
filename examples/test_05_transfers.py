"""Sending money: the way through several screens that a bank must never get wrong.

Every test starts with 2,500.00 in the everyday account: between two tests the device is made as new, here with
the simulated bank behind it.
"""

from __future__ import annotations

import pytest

from examples.pages import AccountsPage, TransferPage


@pytest.mark.critical_path
def test_sent_money_leaves_the_account(accounts: AccountsPage, transfer: TransferPage) -> None:
    sent = transfer.send(payee="landlord", amount="950.00")
    assert sent.message == "Transfer of 950.00 sent"
    sent.done()
    assert accounts.balance_of("everyday") == "1,550.00"


def test_the_transfer_is_the_newest_transaction(accounts: AccountsPage, transfer: TransferPage) -> None:
    transfer.send(payee="landlord", amount="950", reference="Rent for April").done()
    assert accounts.open("everyday").transactions[0] == "Rent for April"


def test_the_whole_balance_can_be_sent(accounts: AccountsPage, transfer: TransferPage) -> None:
    transfer.send(payee="electric", amount="2500").done()
    assert accounts.balance_of("everyday") == "0.00"


@pytest.mark.critical_path
@pytest.mark.parametrize(
    ("amount", "error"),
    [
        ("", "Enter an amount"),
        ("ten", "Enter an amount such as 12.50"),
        ("0", "The amount must be more than zero"),
        ("2500.01", "Insufficient funds"),
        ("10000.01", "The limit is 10,000.00"),
    ],
)
def test_an_amount_that_cannot_be_sent(transfer: TransferPage, amount: str, error: str) -> None:
    transfer.submit(payee="landlord", amount=amount)
    assert transfer.text("amount_error") == error


def test_a_transfer_needs_a_payee(transfer: TransferPage) -> None:
    transfer.submit(payee=None, amount="10")
    assert transfer.text("transfer_error") == "Choose a payee"


def test_the_dialog_says_what_will_happen(transfer: TransferPage) -> None:
    transfer.submit(payee="electric", amount="61.20")
    assert transfer.dialog().text == "Confirm transfer\nSend 61.20 to City Electric?"


def test_no_is_no(accounts: AccountsPage, transfer: TransferPage) -> None:
    """The form is as it was, and no money is gone."""
    transfer.submit(payee="electric", amount="61.20")
    transfer.dialog().dismiss()
    assert transfer.control("amount").text == "61.20"
    transfer.tap("back_button")
    assert accounts.balance_of("everyday") == "2,500.00"
