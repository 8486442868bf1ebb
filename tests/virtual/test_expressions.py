"""Expressions of the app model: what they compute and what they refuse."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.virtual import expressions
from pytest_autorl.virtual.expressions import ExpressionError, cents, expression, iban, money, template

SCOPE = {
    "state": {"user": {"name": "Dana"}, "count": 3},
    "backend": {"accounts": [{"id": "a", "balance": 100}, {"id": "b", "balance": 250}]},
    "field": {"amount": "12.50"},
}


def test_the_examples_in_the_module_hold() -> None:
    assert doctest.testmod(expressions).failed == 0


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("state.user.name", "Dana"),
        ("state.nobody.name", None),
        ("cents(field.amount) + 1", 1251),
        ("state.count > 2 and not state.user.locked", True),
        ("1 < state.count <= 3", True),
        ("state.nobody > 3", False),
        ("first(backend.accounts, 'id', 'b').balance", 250),
        ("first(backend.accounts, 'id', 'zz').balance", None),
        ("total(where(backend.accounts, 'id', 'a'), 'balance')", 100),
        ("'yes' if state.count == 3 else 'no'", "yes"),
        ("state.count in [1, 3]", True),
        ("-state.count * 2", -6),
        ("'n: ' + state.count", "n: 3"),
        ("null == state.nobody", True),
    ],
)
def test_an_expression_gives_its_value(source: str, expected: object) -> None:
    assert expression(source)(SCOPE) == expected


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("__import__('os')", "unknown function"),
        ("open", "unknown name"),
        ("state.x.pop()", "not allowed"),
        ("[x for x in state.y]", "not allowed"),
        ("2 ** 99", "not allowed"),
        ("lambda: 1", "not allowed"),
        ("state.x[0]", "not allowed"),
        ("1 +", "cannot read"),
        ("1" * 2000, "at most"),
    ],
)
def test_what_is_outside_the_grammar_is_refused(source: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        expression(source)


def test_attributes_are_keys_and_never_those_of_python_objects() -> None:
    assert expression("state.__class__")(SCOPE) is None
    assert expression("().__class__.__bases__")(SCOPE) is None


def test_a_text_cannot_be_multiplied_into_a_huge_one() -> None:
    with pytest.raises(ExpressionError, match="numbers"):
        expression("'a' * 1000000000")(SCOPE)


@given(st.integers(min_value=0, max_value=10**13))
def test_an_amount_survives_being_shown_and_typed(amount: int) -> None:
    assert cents(money(amount)) == amount


@pytest.mark.parametrize("text", ["", "abc", "-5", "1.234", "1,23", "12.", ".5", "1e3", None, "١٢"])
def test_what_is_no_amount_is_none(text: str | None) -> None:
    assert cents(text) is None


@given(st.text(max_size=40))
def test_any_text_can_be_asked_whether_it_is_an_iban(text: str) -> None:
    assert iban(text) in (True, False)


def test_an_iban_with_one_digit_changed_is_not_one() -> None:
    assert iban("DE89 3704 0044 0532 0130 00")
    assert not iban("DE89 3704 0044 0532 0130 01")


def test_a_template_fills_its_places_and_keeps_double_braces() -> None:
    made = template("{{{state.user.name}}} has {money(cents(field.amount))}")

    assert made(SCOPE) == "{Dana} has 12.50"


@pytest.mark.parametrize("source", ["{", "}", "{state.x", "a } b"])
def test_a_single_brace_is_refused(source: str) -> None:
    with pytest.raises(ExpressionError, match="brace"):
        template(source)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("trim()", r"trim\(\) takes 1 argument, got 0"),
        ("first(backend.accounts, 'id')", r"first\(\) takes 3 arguments, got 2"),
    ],
)
def test_a_function_with_too_few_arguments_is_refused_when_it_is_read(source: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        expression(source)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("state.text + state.text", "a text of 120000 characters, the limit is 100000"),
        ("state.number * state.number", r"a number beyond 1e\+15"),
        ("-state.text", "arithmetic needs numbers"),
        (
            "matches(state.text, '(')",
            r"cannot calculate `matches\(state.text, '\('\)`: .* not a regular expression",
        ),
    ],
)
def test_what_only_values_can_show_is_an_error_of_the_expression(source: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        expression(source)({"state": {"text": "x" * 60_000, "number": 10**9}})


def test_functions_take_values_of_any_kind() -> None:
    scope = {"state": {"rows": [{"n": 2}, {"n": "x"}, {"n": None}, 5]}}
    assert expression("total(state.rows, 'n')")(scope) == 2
    assert expression("len(5) + len(state.rows)")(scope) == 4


def test_a_typed_text_cannot_hang_the_app_that_checks_it() -> None:
    assert expression("matches(value, '(a+)+b')")({"value": "a" * 10_000}) is False
