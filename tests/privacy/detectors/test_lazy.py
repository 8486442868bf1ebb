"""A pattern for RE2 says less than the one for `re`, and never more."""

from __future__ import annotations

import re

import pytest

from pytest_autorl.privacy.detectors.lazy import Lazy


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        (r"(?<![a-z])t[(?=]el(?=[ _\-]?n)$", r"(?:t[(?=]el)"),
        (r"\bpin(?!(?:a|b)\)c)\(\d{4}", r"(?:pin\(\d{4})"),
        (r"[^\]()]x(?:y|z)", r"(?:[^\]()]x(?:y|z))"),
    ],
)
def test_what_a_pattern_looks_around_for_is_left_out(source: str, plain: str) -> None:
    assert Lazy(source).plain() == plain


def test_case_is_kept_as_indifferent_as_it_was() -> None:
    assert re.search(Lazy("otp", re.ASCII | re.IGNORECASE).plain(), "OTP")
    assert re.search(Lazy("otp").plain(), "OTP") is None
