"""Required fields: all that are missing are named, no value is."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from pytest_autorl.privacy.required import MissingFieldsError, validate_required_fields

pytestmark = pytest.mark.unit

DATA = {"a": 0, "b": False, "c": {"d": ["", "x"], "e": None}, "f.g": "y", "h": " \t", "i": [], "j": b" "}


@pytest.mark.parametrize("name", ["a", "b", "c", "c.d", "c.d.1", "f.g", "i"])
def test_what_is_there_is_enough(name: str) -> None:
    validate_required_fields(DATA, [name])
    validate_required_fields(DATA, name)


@pytest.mark.parametrize(
    "name",
    ["z", "c.e", "c.d.0", "c.d.2", "c.d.x", "c.d.-1", "h", "j", "a.b", "f", "c.d.1.0", "c.d.99999999999"],
)
def test_what_is_missing_none_or_blank_is_named(name: str) -> None:
    with pytest.raises(MissingFieldsError) as caught:
        validate_required_fields(DATA, [name])

    assert caught.value.missing == (name,)
    assert name in str(caught.value)


def test_all_missing_ones_are_named_at_once_and_values_are_not() -> None:
    data: dict[str, Any] = {"user": "some-value", "password": ""}

    with pytest.raises(
        MissingFieldsError, match="required fields are missing or empty: password, mail"
    ) as caught:
        validate_required_fields(data, ["user", "password", "mail"])

    error = pickle.loads(pickle.dumps(caught.value))
    assert error.missing == ("password", "mail")
    assert "some-value" not in str(error)


def test_nothing_required_is_nothing_missing() -> None:
    validate_required_fields({}, [])
