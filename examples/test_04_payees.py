"""A form with rules: good input, bad input field by field, and the dialog before something is lost."""

from __future__ import annotations

import pytest

from examples.pages import PayeesPage

IBAN = "FR14 2004 1010 0505 0001 3M02 606"


def test_a_new_payee_stands_at_the_end_of_the_list(payees: PayeesPage) -> None:
    payees.add().submit(name="Ana Baker", iban=IBAN, email="ana@bakery.example")
    assert payees.text("toast") == "Payee saved"
    assert payees.names == ["City Electric", "Robin Landlord", "Ana Baker"]


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("name", "x" * 41, "At most 40 characters"),
        ("iban", "", "Enter an IBAN"),
        ("iban", "FR14 2004 1010 0505 0001 3M02 607", "This IBAN is not valid"),
        ("email", "ana(at)bakery.example", "This e-mail address is not valid"),
    ],
    ids=["long name", "no IBAN", "mistyped IBAN", "odd e-mail"],
)
def test_a_field_says_what_is_wrong_with_it(payees: PayeesPage, field: str, value: str, error: str) -> None:
    form = payees.add()
    form.submit(**{"name": "Ana Baker", "iban": IBAN, field: value})
    assert form.error_of(field) == error


def test_nothing_can_be_saved_without_a_name(payees: PayeesPage) -> None:
    form = payees.add()
    assert not form.can_save
    form.fill("payee_name", "Ana Baker")
    assert form.can_save


def test_back_discards_the_form(payees: PayeesPage) -> None:
    form = payees.add()
    form.fill("payee_name", "Ana Baker")
    form.tap("back_button")
    assert payees.names == ["City Electric", "Robin Landlord"]


def test_a_payee_is_removed_after_a_question(payees: PayeesPage) -> None:
    payees.remove("electric")
    question = payees.dialog()
    assert question.text == "Remove payee\nRemove City Electric?"
    question.accept()
    assert payees.names == ["Robin Landlord"]


def test_the_question_can_be_answered_with_no(payees: PayeesPage) -> None:
    payees.remove("electric")
    payees.dialog().dismiss()
    assert payees.names == ["City Electric", "Robin Landlord"]
