"""Fields and patterns that the user names."""

from __future__ import annotations

import importlib.util
import sys
import time

import pytest

from pytest_autorl.errors import UsageError
from pytest_autorl.privacy.detectors import DETECTORS, detectors_for
from pytest_autorl.privacy.detectors.custom import OVERLAP, WINDOW
from pytest_autorl.privacy.gate import new_gate


@pytest.fixture(params=["re2", "re"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "re2":
        pytest.importorskip("re2")
    else:
        monkeypatch.setitem(sys.modules, "re2", None)
    return request.param


def found(text: str, engine: str, **named: list[str]) -> set[tuple[str, str]]:
    detectors = detectors_for(**named)
    gate = new_gate(detectors, engine=engine)  # type: ignore[arg-type]
    return {
        (span.kind, text[span.start : span.end])
        for index in gate.hits(text)
        for span in detectors[index].find(text)
    }


@pytest.mark.parametrize(
    "text",
    [
        "employee_id=A17",
        '"employeeId": "A17"',
        "employee-id: A17",
        "<employeeId>A17</employeeId>",
        "EMPLOYEE_ID = A17",
        "--employee-id A17",
    ],
)
def test_a_named_field_is_found_in_any_spelling_and_whatever_its_value_is(text: str, engine: str) -> None:
    assert found(text, engine, fields=["employee_id"]) == {("FIELD", "A17")}


@pytest.mark.parametrize(
    "text", ["employee_ids=A17", "employee id is missing", "preemployee_id=A17", "employee_id=null"]
)
def test_other_fields_stay(text: str, engine: str) -> None:
    assert found(text, engine, fields=["employee_id"]) == set()


def test_a_pattern_of_the_user_is_found_also_beside_other_letters(engine: str) -> None:
    text = "müßig 日本 badge ACME-00417, ACME-00418"

    spans = found(text, engine, patterns=[r"ACME-\d{5}"])

    assert spans == {("CUSTOM", "ACME-00417"), ("CUSTOM", "ACME-00418")}


def test_a_pattern_is_found_in_a_text_with_bytes_that_are_no_utf_8(engine: str) -> None:
    """Such as a program's output in latin-1, which Python reads with halves of pairs."""
    text = b"gr\xfc\xdfe, badge ACME-00417 \xff".decode("utf-8", "surrogateescape")

    assert found(text, engine, patterns=[r"ACME-\d{5}"]) == {("CUSTOM", "ACME-00417")}


def test_without_anything_named_only_ours_are_there() -> None:
    assert detectors_for() == DETECTORS


def test_a_pattern_that_is_none_is_named_with_its_number(engine: str) -> None:
    with pytest.raises(UsageError, match=r"pattern 2 .*'\(unclosed'.*is no regular expression") as caught:
        detectors_for(patterns=["fine", "(unclosed"])

    assert caught.value.do


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(a|aa)+$", r"(?:\w+\s?)*!", r"(.*)*x", r".*.*.*=x"])
def test_without_re2_a_pattern_that_could_hang_is_refused(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)

    with pytest.raises(UsageError, match="may take time without bound"):
        detectors_for(patterns=[pattern])


@pytest.mark.parametrize("pattern", [r"(a+)+b", r"(x\d*)*y"])
def test_with_re2_the_same_pattern_takes_no_time(pattern: str) -> None:
    if importlib.util.find_spec("re2") is None:
        pytest.skip("google-re2 is not installed")
    detector = detectors_for(patterns=[pattern])[-1]
    begun = time.thread_time()

    list(detector.find("a" * 20_000))

    assert time.thread_time() - begun < 1


def test_a_find_across_two_windows_is_found_once_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    detector = detectors_for(patterns=[r"ACME-\d{5}"])[-1]
    text = "x" * (WINDOW - 5) + "ACME-00417" + "y" * OVERLAP

    assert {text[span.start : span.end] for span in detector.find(text)} == {"ACME-00417"}


def test_a_pattern_that_matches_nothing_at_all_is_refused_without_re2(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)

    with pytest.raises(UsageError, match="matches the empty text"):
        detectors_for(patterns=["a*"])


def test_a_field_name_without_letters_is_refused() -> None:
    with pytest.raises(UsageError, match="no letter from a to z and no digit"):
        detectors_for(fields=["--"])
