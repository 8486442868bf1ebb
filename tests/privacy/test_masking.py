"""The user's selectors: read from lines, refused with a way out, and what each of them means."""

from __future__ import annotations

import pytest

from pytest_autorl.errors import UsageError
from pytest_autorl.privacy.masking import Masking, Selector
from pytest_autorl.privacy.uitree import Element, element_of

pytestmark = pytest.mark.unit

ANDROID = element_of(
    "android.widget.EditText",
    {
        "class": "android.widget.EditText",
        "text": "Account 42",
        "content-desc": "balance",
        "resource-id": "com.bank:id/card_number",
    },
)
IOS = element_of(
    "XCUIElementTypeTextField",
    {"type": "XCUIElementTypeTextField", "name": "balance", "value": "Account 42", "label": "Your balance"},
)


def selector(line: str) -> Selector:
    (found,) = Masking.of([line]).selectors
    return found


def test_lines_are_read_and_empty_ones_skipped() -> None:
    lines = ["", " id = card ", "accessibility id=a=b", "class=EditText", r"text~=\d+ ?=", "css=a[href~='x']"]

    found = Masking.of(lines, status_bar=True)

    assert found.status_bar
    assert [str(each) for each in found.selectors] == [
        "id=card",
        "accessibility id=a=b",
        "class=EditText",
        r"text~=\d+ ?=",
        "css=a[href~='x']",
    ]


@pytest.mark.parametrize("line", ["card", "id=", "=card", "xpath=//a", "text=Pay", "id~=card", "css"])
def test_a_line_that_is_no_selector_is_refused_with_those_that_are(line: str) -> None:
    with pytest.raises(UsageError) as refusal:
        Masking.of([line])

    assert line in str(refusal.value)
    assert "accessibility id=NAME" in str(refusal.value)


def test_a_regular_expression_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="unterminated"):
        Masking.of(["text~=(a"])


@pytest.mark.parametrize(
    ("line", "element", "is_meant"),
    [
        ("id=card_number", ANDROID, True),
        ("id=com.bank:id/card_number", ANDROID, True),
        ("id=number", ANDROID, False),
        ("id=balance", IOS, True),
        ("accessibility id=balance", ANDROID, True),
        ("accessibility id=balance", IOS, True),
        ("accessibility id=bal", ANDROID, False),
        ("class=android.widget.EditText", ANDROID, True),
        ("class=EditText", ANDROID, True),
        ("class=Text", ANDROID, False),
        ("class=XCUIElementTypeTextField", IOS, True),
        (r"text~=^Account \d+$", ANDROID, True),
        ("text~=account", ANDROID, False),
        ("css=input", ANDROID, False),
    ],
)
def test_a_selector_means(line: str, element: Element, is_meant: bool) -> None:
    assert selector(line).means(element) is is_meant


@pytest.mark.parametrize(
    ("line", "css"),
    [
        ("css=.customer td", ".customer td"),
        ("id=card", '[id="card"]'),
        ("class=card", '[class~="card"]'),
        ("accessibility id=a b", r'[aria-label="a\20 b"]'),
        ('id=a"b', r'[id="a\22 b"]'),
        ("text~=x", ""),
    ],
)
def test_pages_are_asked_in_css(line: str, css: str) -> None:
    assert selector(line).css == css
