"""Pseudonyms: equal for equal values, and no way back without the key."""

from __future__ import annotations

import hashlib
import hmac
import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.privacy.pseudonyms import DIGITS, process_key, pseudonym

pytestmark = pytest.mark.unit

KEY = os.urandom(32)


def test_it_is_the_keyed_hash_of_kind_and_folded_value() -> None:
    expected = hmac.new(KEY, b"email\0ada@example.com", hashlib.sha256).hexdigest()[:24]

    assert pseudonym("Ada@EXAMPLE.com", kind="email", key=KEY) == expected


def test_it_has_at_least_eighty_bits_and_is_no_plain_hash() -> None:
    found = pseudonym("078051120", key=KEY)

    assert re.fullmatch("[0-9a-f]+", found)
    assert DIGITS * 4 >= 80
    assert not hashlib.sha256(b"078051120").hexdigest().startswith(found)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("STRASSE", "straße"),
        ("ﬁle", "file"),
        ("１２３", "123"),
        ("e\u0301", "é"),
        (b"abc", "ABC"),
        (42, "42"),
    ],
)
def test_spellings_of_one_value_get_one_name(one: object, other: object) -> None:
    assert pseudonym(one, key=KEY) == pseudonym(other, key=KEY)


def test_kinds_and_values_do_not_run_into_each_other() -> None:
    assert pseudonym("bc", kind="a", key=KEY) != pseudonym("c", kind="ab", key=KEY)


@settings(max_examples=100)
@given(st.text(max_size=20))
def test_case_never_counts(value: str) -> None:
    assert pseudonym(value.casefold(), key=KEY) == pseudonym(value, key=KEY)


def test_a_process_has_one_random_key() -> None:
    assert process_key() is process_key()
    assert len(process_key()) == 32


@pytest.mark.parametrize("value", [b"\xff\xfe", "\ud800", "", None])
def test_any_value_has_one(value: object) -> None:
    assert len(pseudonym(value, key=KEY)) == DIGITS
