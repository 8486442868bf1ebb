"""`-ios predicate string` locators: what they select and what they refuse."""

from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.virtual.node import Node
from pytest_autorl.virtual.predicate import find
from pytest_autorl.virtual.selectors import InvalidSelector


def _screen() -> Node:
    return Node(
        "screen",
        "screen",
        children=[
            Node("text", "title", name="title", text="Crème brûlée", bounds=(0, 0, 300, 40)),
            Node("button", "pay", name="pay", text="Pay now", enabled=False),
            Node("button", "back", description="Back", selected=True),
            Node("group", "group", children=[Node("switch", "push", name="push", checked=True)]),
            Node("field", "sum", name="sum", text="12.50"),
            Node("image", "logo"),
            Node("text", "ghost", name="ghost", text="It's gone", displayed=False),
        ],
    )


@pytest.mark.parametrize(
    ("predicate", "keys"),
    [
        ('name == "pay"', "pay"),
        ("name = 'pay'", "pay"),
        ("'pay' == name", "pay"),
        ('wdName == "pay"', "pay"),
        ('label == "Back" OR name == "sum"', "back sum"),
        ('type == "XCUIElementTypeButton" AND enabled == 1', "back"),
        ('type == "XCUIElementTypeButton" && enabled == true', "back"),
        ('type == "XCUIElementTypeButton" AND NOT enabled == YES', "pay"),
        ('type == "XCUIElementTypeButton" AND enabled == FALSE', "pay"),
        ('type == "XCUIElementTypeButton" and enabled != yes', "pay"),
        ("visible == 0", "ghost"),
        ("visible == NO OR name == 'sum' AND enabled == 0", "ghost"),
        ("(visible == NO OR name == 'sum') AND value == '12.50'", "sum"),
        ("selected == 1", "back"),
        ("accessible == 0", "screen group"),
        ('label CONTAINS "now"', "pay"),
        ('label CONTAINS "NOW"', ""),
        ('label contains[c] "NOW"', "pay"),
        ('label CONTAINS[cd] "CREME BRULEE"', "title"),
        ('label CONTAINS[c] "creme"', ""),
        ('label BEGINSWITH[d] "Creme"', "title"),
        ('label ENDSWITH "now"', "pay"),
        ('label LIKE "Pay*"', "pay"),
        ('label LIKE "Pay ???"', "pay"),
        ('label LIKE "Pay"', ""),
        ('label LIKE[c] "pAY*"', "pay"),
        ('label MATCHES "Pay \\\\w+"', "pay"),
        ("label MATCHES 'Pay'", ""),
        ("label MATCHES[cd] 'CREME .*'", "title"),
        ("name IN {'pay', 'sum', 'none'}", "pay sum"),
        ("name IN[c] {'PAY'}", "pay"),
        ("NOT name IN {'pay', 'sum'} AND type == 'XCUIElementTypeTextField'", ""),
        ("name IN 'pay or sum'", "pay sum"),
        ("label == nil", "screen group push logo"),
        ("label != NIL AND name == 'sum'", "sum"),
        ("value == 1", "push"),
        ("value == '1'", "push"),
        ("value > 12 AND value <= 12.5", "sum"),
        ("width >= 300", "title"),
        ("label == 'It\\'s gone'", "ghost"),
        ('label == "It\'s gone"', "ghost"),
        ("! (visible == 1)", "ghost"),
        ("not not visible == 0", "ghost"),
        ("TRUEPREDICATE AND name == 'sum'", "sum"),
        ("FALSEPREDICATE", ""),
        ("enabled == 'true'", ""),
    ],
)  # fmt: skip
def test_a_predicate_finds_these_elements(predicate: str, keys: str) -> None:
    """One line a feature; hidden elements are part of an iOS tree."""
    assert " ".join(node.key for node in find(_screen(), predicate)) == keys


def test_a_search_below_a_context_sees_only_that_part() -> None:
    """The context itself is not part of the result."""
    screen = _screen()
    group = next(node for node in screen.walk() if node.key == "group")

    assert [node.key for node in find(screen, "enabled == 1", context=group)] == ["push"]


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        ("", "the predicate selector is empty"),
        ("name == ", "malformed at character 9: expected an attribute or a value, found the end"),
        ("name 'x'", "character 6: expected an operator (==, !=, "),
        ("title == 'x'", "character 1: expected an attribute (name, label, value, type, enabled, "),
        ("name == 'x", "character 9: this quote is never closed"),
        ("name == 'x' name", "expected AND, OR or the end, found name"),
        ("(name == 'x'", "expected ')', found the end"),
        ("name CONTAINS[x] 'a'", "expected [c], [d] or [cd], found [x]"),
        ("name IN {'a' 'b'}", "expected ',' or '}', found 'b'"),
        ("name IN {label}", "a list holds plain values only"),
        ("name IN {{'a'}}", "a list holds plain values only"),
        ("name ~ 'x'", "unexpected '~'"),
        ("name MATCHES '('", "is not a regular expression"),
        (f"name MATCHES '{'a' * 1001}'", "more than 1000 are not taken"),
        ("(" * 60 + "name == 'a'" + ")" * 60, "nested deeper than 40 levels"),
        ("name == '" + "a" * 10_000 + "'", "more than 10000 are not taken"),
    ],
)
def test_a_malformed_predicate_is_refused_with_place_and_expectation(predicate: str, message: str) -> None:
    """The text reaches the user as the message of `invalid selector`."""
    with pytest.raises(InvalidSelector) as refused:
        find(_screen(), predicate)

    assert message in str(refused.value)


def test_a_long_chain_is_answered_without_deep_recursion() -> None:
    """Generated predicates join hundreds of names."""
    chain = " OR ".join(f"name == 'n{i}'" for i in range(500)) + " OR name == 'pay'"

    assert [node.key for node in find(_screen(), chain)] == ["pay"]


def test_many_wildcards_against_a_long_text_end_soon() -> None:
    """As a backtracking regex this pattern would need hours."""
    screen = Node("screen", "s", children=[Node("text", "t", text="a" * 3000)])
    started = time.monotonic()

    assert find(screen, f"label LIKE '{'*a' * 100}b'") == []

    assert time.monotonic() - started < 5


@given(st.text(alphabet="ab*?", max_size=8), st.text(alphabet="abc", max_size=8))
def test_like_agrees_with_shell_wildcards(glob: str, label: str) -> None:
    """fnmatch knows the same two wildcards; the empty pattern and label are not a value here."""
    screen = Node("screen", "s", children=[Node("text", "t", text=f"-{label}")])

    found = find(screen, f"label LIKE '-{glob}'")

    assert bool(found) == fnmatch.fnmatchcase(label, glob)


@given(st.text(alphabet="name=!<>'\"()[]{}, ORANDIcd1", max_size=40))
def test_any_text_is_answered_or_refused(predicate: str) -> None:
    """Never another exception: the server would answer `unknown error`."""
    try:
        find(_screen(), predicate)
    except InvalidSelector:
        return
