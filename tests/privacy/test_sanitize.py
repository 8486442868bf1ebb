"""Data for logs: sensitive fields are exactly `[REDACTED]`, the rest passes the redactor, the argument stays whole."""

from __future__ import annotations

import copy
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_autorl.privacy.fields import Fields
from pytest_autorl.privacy.sanitize import Sanitizer
from pytest_autorl.privacy.vault import SecureDataHandler

pytestmark = pytest.mark.unit


class Shouting:
    """A redactor that shows where it was."""

    def redact(self, text: str, /) -> str:
        return text.replace("ada", "ADA")

    def redact_data(self, value: Any, /) -> Any:
        return f"seen {value}" if isinstance(value, bytes) else value


@pytest.fixture
def clean() -> Any:
    return Sanitizer(Fields(more=["motto"]), Shouting()).clean


def test_sensitive_fields_are_exactly_the_word_at_every_depth(clean: Any) -> None:
    data = {
        "password": "x",
        "user": {"ssn": 5, "name": "ada", "apiKey": {"a": 1}, "Motto": [1]},
        "cards": [{"credit_card": None, "ok": True}, ("ada", 1)],
    }
    before = copy.deepcopy(data)

    assert clean(data) == {
        "password": "[REDACTED]",
        "user": {"ssn": "[REDACTED]", "name": "ADA", "apiKey": "[REDACTED]", "Motto": "[REDACTED]"},
        "cards": [{"credit_card": "[REDACTED]", "ok": True}, ("ADA", 1)],
    }
    assert data == before


def test_names_that_only_sound_like_secrets_stay(clean: Any) -> None:
    data = {"token_count": 5, "keyboard": "x", "session": "y", "monkey": "z", "author": "a", "pinned": True}

    assert clean(data) == data


def test_pairs_of_name_and_value(clean: Any) -> None:
    assert clean({"name": "password", "value": "x", "type": "text"}) == {
        "name": "password",
        "value": "[REDACTED]",
        "type": "text",
    }
    assert clean({"name": "colour", "value": "red"}) == {"name": "colour", "value": "red"}
    assert clean([("Authorization", "x"), ("Accept", "y")]) == [
        ("Authorization", "[REDACTED]"),
        ("Accept", "y"),
    ]
    assert clean(["password", "x"]) == ["password", "[REDACTED]"]


def test_keys_are_text_too(clean: Any) -> None:
    assert clean({"ada": 1, 5: "ada"}) == {"ADA": 1, 5: "ADA"}


@dataclass
class Login:
    user: str
    password: str


Point = namedtuple("Point", "x password")


def test_dataclasses_named_tuples_and_other_mappings(clean: Any) -> None:
    assert clean(Login("ada", "x")) == {"user": "ADA", "password": "[REDACTED]"}
    assert clean(Point("ada", "y")) == Point("ADA", "y")
    assert clean(OrderedDict(pin="1234")) == {"pin": "[REDACTED]"}
    assert clean(Login) is Login


@pytest.mark.parametrize(
    ("value", "cleaned"), [("ada", "ADA"), (b"x", "seen b'x'"), (None, None), (1.5, 1.5)]
)
def test_what_is_no_container_passes_the_redactor(clean: Any, value: Any, cleaned: Any) -> None:
    assert clean(value) == cleaned


def test_what_holds_itself_is_cut(clean: Any) -> None:
    data: dict[str, Any] = {"a": 1}
    data["self"] = data

    assert "[REDACTED]" in repr(clean(data))


def test_the_vault_uses_the_redactor_it_was_given_or_the_usual_one() -> None:
    assert SecureDataHandler(redactor=Shouting(), fields="motto").sanitize_logs(
        {"m": "ada", "motto": "x"}
    ) == {
        "m": "ADA",
        "motto": "[REDACTED]",
    }
    mail = "ada" + "@" + "example.com"
    assert mail not in SecureDataHandler().sanitize_logs({"note": f"write to {mail}"})["note"]


def test_the_case_of_a_pairs_keys_does_not_count(clean: Any) -> None:
    assert clean({"Name": "password", "Value": "x"}) == {"Name": "password", "Value": "[REDACTED]"}


def test_what_holds_itself_twice_takes_no_longer_than_what_does_once(clean: Any) -> None:
    data: dict[str, Any] = {}
    data["a"] = data["b"] = data

    cleaned = clean(data)

    for _ in range(64):
        cleaned = cleaned["a"]
    assert cleaned["a"] == "[REDACTED]"


def test_what_comes_after_very_many_values_is_not_shown(clean: Any) -> None:
    cleaned = clean(["ada"] * 100_001)

    assert (cleaned[0], cleaned[-1]) == ("ADA", "[REDACTED]")
