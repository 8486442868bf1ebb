from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.privacy import placeholders
from pytest_autorl.privacy.placeholders import (
    Numbering,
    bracketed,
    is_kind,
    is_placeholder,
    named,
    numbers_in,
    places,
)
from pytest_autorl.privacy.span import KINDS


@given(st.sampled_from(KINDS), st.none() | st.integers(1, 999_999))
@settings(max_examples=50)
def test_both_spellings_are_known_again(kind: str, number: int | None) -> None:
    for spell in (bracketed, named):
        text = spell(kind, number)
        assert is_placeholder(text)
        assert places(f"a{text}b") == [(1, 1 + len(text))]


def test_a_name_has_nothing_that_means_something_to_pytest_or_a_file_system() -> None:
    assert named("EMAIL", 1) == "REDACTED-EMAIL-1"
    assert not set(named("CREDIT_CARD", None)) & set('[]:/\\<>"|?*#')


def test_what_only_looks_similar_is_no_placeholder() -> None:
    for text in (
        "[REDACTED:email#1]",
        "[REDACTED:EMAIL#0]",
        "[REDACTED:EMAIL#]",
        "REDACTED-EMAIL",
        "[REDACTED:",
    ):
        assert places(text) == []
    assert is_placeholder("[REDACTED]")


def test_numbers_are_read_from_both_spellings() -> None:
    text = "[REDACTED:EMAIL#3] REDACTED-IP-7 [REDACTED] [REDACTED:SSN]"
    assert list(numbers_in(text)) == [("EMAIL", 3), ("IP", 7)]


def test_equal_values_have_equal_numbers_and_others_have_others() -> None:
    numbering = Numbering()
    values = ["a@example.com", "b@example.com", "A@Example.com", "b@example.com"]
    assert [numbering.number("EMAIL", value) for value in values] == [1, 2, 1, 2]
    assert numbering.number("PASSWORD", "a@example.com") == 1


@pytest.mark.parametrize("kind", ["CREDIT_CARD", "PHONE", "SSN"])
def test_numbers_of_people_are_compared_by_their_digits(kind: str) -> None:
    numbering = Numbering()
    assert numbering.number(kind, "123-45 6789") == numbering.number(kind, "123456789") == 1
    assert numbering.number(kind, "123456780") == 2


def test_passwords_are_compared_as_they_are() -> None:
    numbering = Numbering()
    assert [numbering.number("PASSWORD", word) for word in ("Abc", "abc", "\ud800")] == [1, 2, 3]


def test_a_number_that_stands_in_a_text_goes_to_no_other_value() -> None:
    numbering = Numbering()
    numbering.reserve("mail [REDACTED:EMAIL#4] from REDACTED-IP-2")
    assert numbering.number("EMAIL", "a@example.com") == 5
    assert numbering.number("IP", "192.0.2.1") == 3
    assert numbering.number("SSN", "1") == 1


def test_numbers_end_where_a_placeholder_would_not_be_known_again() -> None:
    numbering = Numbering()
    numbering.reserve("[REDACTED:EMAIL#999998]")
    assert numbering.number("EMAIL", "a@example.com") is None
    assert numbering.number("IP", "192.0.2.1") == 1


def test_values_after_the_ten_thousandth_have_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placeholders, "MOST_VALUES", 3)
    numbering = Numbering()
    assert [numbering.number("SECRET", word) for word in "abcab"] == [1, 2, 3, 1, 2]
    assert numbering.number("SECRET", "d") is None
    assert numbering.number("SECRET", "c") == 3
    assert placeholders.bracketed("SECRET", None) == "[REDACTED:SECRET]"


def test_what_is_no_value_has_no_number() -> None:
    assert Numbering().number("UNSCANNABLE", "anything") is None


def test_no_value_is_kept() -> None:
    numbering = Numbering()
    numbering.number("PASSWORD", "correct horse")
    assert "correct horse" not in repr(vars(numbering))


def test_threads_agree_on_numbers() -> None:
    numbering = Numbering()
    seen: list[list[int | None]] = []

    def count() -> None:
        seen.append([numbering.number("SECRET", str(value)) for value in range(200)])

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({tuple(numbers) for numbers in seen}) == 1
    assert sorted(number for number in seen[0] if number) == list(range(1, 201))


def test_kinds_are_words_in_capitals() -> None:
    assert all(map(is_kind, KINDS))
    assert not any(map(is_kind, ("", "email", "A]", "A#1", "1A", "A" * 33, "A\n")))
