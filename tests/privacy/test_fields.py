"""Fields: which names are sensitive, and what places are called."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.privacy.fields import INSIDE, Fields, changed, is_sensitive, place

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "name",
    [
        *(
            "password",
            "userPassword",
            "db_password",
            "passwd",
            "pwd",
            "pin",
            "otp",
            "secret",
            "client_secret",
        ),
        *(
            "ssn",
            "userSSN",
            "social-security-number",
            "credit_card",
            "creditCardNumber",
            "card_number",
            "cvv",
        ),
        *(
            "api_key",
            "X-API-Key",
            "apikey",
            "access_token",
            "refreshToken",
            "Authorization",
            "cookie",
            "iban",
        ),
        *("privateKey", "password_hash", "passport"),
    ],
)
def test_names_of_secrets_and_of_persons_are_sensitive(name: str) -> None:
    assert is_sensitive(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "name",
            "key",
            "keyboard",
            "keycode",
            "monkey",
            "author",
            "token_count",
            "max_tokens",
            "session",
            "mapping",
        ),
        *(
            "pinned",
            "compass",
            "passed",
            "assertion",
            "accessibility_id",
            "urban",
            "card",
            "secretary",
            "classname",
            "",
        ),
    ],
)
def test_everyday_names_are_not(name: str) -> None:
    assert not is_sensitive(name)


def test_names_are_compared_without_case_and_punctuation_and_places_as_they_are() -> None:
    fields = Fields(["Favourite-Colour", "user.mail"])

    assert fields.have("favourite_colour", "a.favourite_colour")
    assert fields.have("mail", "user.mail")
    assert not fields.have("mail", "mail")
    assert not fields.have("password", "password")
    assert Fields("motto").have("motto", "motto")
    assert Fields(more="motto").have("password", "x.password")


keys = st.text(alphabet="ab.~01", max_size=4)


@settings(max_examples=200)
@given(st.lists(keys, min_size=1, max_size=3), st.lists(keys, min_size=1, max_size=3))
def test_two_places_never_have_one_name(one: list[str], other: list[str]) -> None:
    def named(way: list[str]) -> str:
        where = ""
        for key in way:
            where = place(where, key)
        return where

    assert (named(one) == named(other)) == (one == other)


Point = namedtuple("Point", "x y")


def test_a_copy_is_made_and_each_value_is_asked_about() -> None:
    asked: list[tuple[str, str]] = []
    data: dict[str, Any] = {"a": [1, {"b": 2}], "p": Point(3, (4,))}

    def decide(name: str, where: str, value: Any) -> Any:
        asked.append((name, where))
        return value * 10 if isinstance(value, int) else INSIDE

    assert changed(data, decide) == {"a": [10, {"b": 20}], "p": Point(30, (40,))}
    assert data == {"a": [1, {"b": 2}], "p": Point(3, (4,))}
    assert asked == [
        *(("", ""), ("a", "a"), ("a", "a.0"), ("a", "a.1"), ("b", "a.1.b")),
        *(("p", "p"), ("p", "p.0"), ("p", "p.1"), ("p", "p.1.0")),
    ]
