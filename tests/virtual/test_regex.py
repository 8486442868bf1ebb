"""Regular expressions of strangers: the same answers as `re`, in bounded time."""

from __future__ import annotations

import doctest
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.virtual import regex as module
from pytest_autorl.virtual.grammar import InvalidSelector
from pytest_autorl.virtual.node import Node
from pytest_autorl.virtual.regex import MAX_PATTERN, RegexError, regex
from pytest_autorl.virtual.selectors import find

_ATOMS = st.sampled_from(
    [
        "a",
        "b",
        "A",
        "1",
        ".",
        "[ab]",
        "[^a]",
        "[]a]",
        "[^]a]",
        r"\w",
        r"\D",
        r"\s",
        r"\.",
        r"\x61",
        "^",
        "$",
        r"\b",
    ]
)
_QUANTIFIERS = st.sampled_from(["*", "+", "?", "*?", "{2}", "{1,2}", "{,2}", "{2,}", "{}", "{a"])


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.tuples(inner, _QUANTIFIERS).map(lambda pair: f"({pair[0]}){pair[1]}"),
        st.tuples(st.sampled_from(["(?=", "(?!", "(?i:", "(?s:", "(?-i:", "(?#x)(?:"]), inner).map(
            lambda pair: f"{pair[0]}{pair[1]})"
        ),
        st.sampled_from(["(?<=a)", "(?<!b|1)"]),
    )


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(_ATOMS, _larger, max_leaves=8),
    st.sampled_from(["", "(?i)", "(?m)"]),
    st.text("abA1 \n-.", max_size=7),
)
def test_it_answers_as_the_regular_expressions_of_python(pattern: str, flags: str, subject: str) -> None:
    compiled = re.compile(flags + pattern)

    assert regex(flags + pattern).matches(subject) is (compiled.fullmatch(subject) is not None)
    assert regex(flags + pattern).searches(subject) is (compiled.search(subject) is not None)


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [
        ("(a+)+b", "a" * 4000),
        ("(a|a)*b", "a" * 4000),
        ("(a|aa)+b", "a" * 4000),
        ("(.*)*(.*)*(.*)*x", "a" * 4000),
        (".*.*.*.*.*.*x", "a" * 10_000),
        (r"(\w+\s?)*x", "word " * 800),
        ("((a{1,1000}){1,1000}){1,1000}b", "a" * 4000),
        ("(?=(a+)+b)a*", "a" * 4000),
        ("(a?){500}a{500}b", "a" * 500),
    ],
)
def test_a_pattern_that_would_never_end_by_backtracking_ends(pattern: str, subject: str) -> None:
    """With `re` each of these holds the interpreter for longer than a test run lasts."""
    assert not regex(pattern).matches(subject)
    assert not regex(pattern).searches(subject)


def test_what_is_too_much_work_all_the_same_is_refused_with_its_reason() -> None:
    with pytest.raises(RegexError, match="takes too long on a text of 4000 characters"):
        regex("(?:(?=(?:a|b)*)a)*").matches("a" * 4000)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "is not a regular expression"),
        ("a" * (MAX_PATTERN + 1), "1001 characters"),
        ("(" * 41 + "a" + ")" * 41, "more than 40 groups in each other"),
        (r"(a)\1", "a back-reference"),
        ("(?P<x>a)(?P=x)", r"the group `\(\?P`"),
        ("(a)(?(1)b|c)", r"the group `\(\?\(`"),
        ("(?x) a b", "verbose"),
        ("(?x: a b)", "verbose"),
        ("a++", "possessive|is not a regular expression"),  # Python 3.10 does not know them
        ("(?>a)", r"the group `\(\?>`|is not a regular expression"),
    ],
)
def test_what_is_not_supported_is_named(pattern: str, reason: str) -> None:
    with pytest.raises(RegexError, match=reason):
        regex(pattern)


def test_the_example_in_the_module_holds() -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("using", "platform", "value"),
    [
        ("-android uiautomator", "android", 'textMatches("(a+)+b")'),
        ("-ios predicate string", "ios", "value MATCHES '(a+)+b'"),
        ("xpath", "android", "//*[matches(@text, '(a+)+b')]"),
    ],
)
def test_no_locator_can_hang_the_server(using: str, platform: str, value: str) -> None:
    screen = Node("screen", "s", children=[Node("text", "t", text="a" * 5000, bounds=(0, 0, 9, 9))])

    assert find(screen, using, value, "ios" if platform == "ios" else "android") == []
    with pytest.raises(InvalidSelector, match="back-reference"):
        find(
            screen,
            using,
            value.replace("(a+)+b", r"(a)\1" if using != "-ios predicate string" else r"(a)\\1"),
            "ios" if platform == "ios" else "android",
        )
