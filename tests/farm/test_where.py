"""The where language: what it accepts, what it says, and what it never does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.errors import RequirementError
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.where import evaluate, explain, parse

PHONE = Device(
    id="p-1",
    provider="virtual",
    platform="android",
    os_version="14.10",
    form_factor="phone",
    model="Pixel 8",
    tags=frozenset({"nfc", "camera"}),
    attributes={"ram_mb": 4096, "rooted": False, "esim": True, "vendor": "acme", "inches": 6.2},
)
WATCH = Device(id="w-1", provider="virtual", platform="wear", os_version="4.4W")


@pytest.mark.parametrize(
    "text",
    [
        "ram_mb >= 4096 and 'nfc' in tags",
        "4096 <= ram_mb",
        "ram_mb == 4096.0",
        "inches < 7 and inches > 6.1",
        "not rooted and esim",
        "esim == true and rooted == False",
        "platform == 'Android' and form_factor in ['PHONE', 'tablet']",
        "model == 'Pixel 8' or model == \"Pixel 9\"",
        "'Pixel' in model and 'Pro' not in model",
        "'esim' not in tags",
        "os_version > 14.9",  # a version: 14.10 is younger than 14.9
        "os_version == '14.10.0' and os_version != 14.1",
        "os_version in [13, 14.10]",
        "vendor not in ['b', 'c',]",
        "not (vendor == 'b' or ram_mb < 100)",
        "not not esim",
        "id == 'p-1' and provider == 'virtual'",
        "not ghost == 1",  # a comparison with what is not there is false, so its opposite is true
    ],
)
def test_it_holds_for_a_device_that_fits(text: str) -> None:
    assert explain(parse(text), PHONE) == []
    assert evaluate(parse(text), PHONE)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ram_mb >= 8192", ["ram_mb is 4096, needs >= 8192"]),
        (
            "ram_mb >= 8192 and 'esim' in tags",
            ["tags are camera, nfc, needs esim", "ram_mb is 4096, needs >= 8192"],
        ),
        ("ram_mb > 5000 or 'x' in tags", ["tags are camera, nfc, needs x or ram_mb is 4096, needs > 5000"]),
        ("not 'nfc' in tags", ["tags are camera, nfc, needs not 'nfc' in tags"]),
        ("'nfc' not in tags", ["tags are camera, nfc, needs none such as nfc"]),
        ("rooted", ["rooted is false, needs true"]),
        ("ram_bm >= 1", ["ram_bm is unknown (it has ram_mb), needs >= 1"]),
        ("ghost != 1", ["ghost is unknown, needs anything but 1"]),
        ("vendor > 3", ["vendor is acme (not a number), needs > 3"]),
        ("vendor == 3", ["vendor is acme, needs 3"]),
        ("esim == 1", ["esim is true, needs 1"]),
        ("'x' in ram_mb", ["ram_mb is 4096 (not a text), needs a text with x"]),
        ("model not in ['Pixel 8']", ["model is Pixel 8, needs none of Pixel 8"]),
        ("os_version >= 15", ["os_version is 14.10, needs >= 15"]),
    ],
)
def test_what_fails_is_said_with_the_devices_values(text: str, why: list[str]) -> None:
    assert explain(parse(text), PHONE) == why
    assert not evaluate(parse(text), PHONE)


def test_a_version_that_is_a_name_can_only_be_equal() -> None:
    assert evaluate(parse("os_version == '4.4w'"), WATCH)
    assert explain(parse("os_version >= 4"), WATCH) == [
        "os_version is 4.4W (a name: names have no order), needs >= 4"
    ]


def test_what_is_not_stated_is_unknown_not_empty() -> None:
    assert explain(parse("model != 'x'"), WATCH) == ["model is unknown, needs anything but x"]
    assert evaluate(parse("'nfc' not in tags"), WATCH)  # no tags are known to be no tags


@pytest.mark.parametrize(
    ("text", "caret", "message"),
    [
        ("", 0, "is empty"),
        ("   ", 0, "is empty"),
        ("ram_mb = 3", 7, "write =="),
        ("a == 1 & b == 2", 7, "write and"),
        ("a == 1 || b == 2", 7, "write or"),
        ("a == 'x", 5, "no closing quote"),
        ("(a == 1", 7, "expected ), found the end"),
        ("a == 1)", 6, "expected 'and', 'or' or the end, found )"),
        ("a ==", 4, "found the end"),
        ("1 < a < 3", 6, "comparisons cannot be chained"),
        ("1 == 1", 2, "one side must be an attribute's name"),
        ("a == b", 5, "write it in quotes: 'b'"),
        ("nfc in tags", 0, "write it in quotes: 'nfc'"),
        ("tags == 'nfc'", 0, "write: 'nfc' in tags"),
        ("tags in ['nfc']", 0, "write: 'nfc' in tags"),
        ("tags", 0, "write: 'nfc' in tags"),
        ("model", 0, "model alone says nothing"),
        ("model > 'a'", 8, "> needs a number"),
        ("model == 8", 9, "model is a text, 8 is not"),
        ("a >= true", 5, ">= needs a number"),
        ("a in []", 5, "the list is empty"),
        ("a in [b]", 6, "a list holds texts"),
        ("a in [1 2]", 8, "expected , or ], found 2"),
        ("'x' in ['x']", 0, "must be an attribute's name"),
        ("a == [1]", 5, "a list goes with in"),
        ("a in 'abc'", 5, "expected a list or an attribute's name"),
        ("3 in tags", 0, "only a text in quotes can be in tags"),
        ("os_version in true", 14, "expected a list"),
        ("'14' in os_version", 5, "os_version is one version"),
        ("os_version == true", 14, "os_version is a version"),
        ("a == 1.2.3", 5, "1.2.3 is not a number"),
        ("a == 1e999", 5, "too large"),
        ("a == 14abc", 5, "cannot stand here"),
        ("a == 1 or battery > 20", 10, "battery is a reading; readings never decide a match, they gate"),
        ("temperature < 40", 0, "readings never decide a match"),
        ("__import__('os')", 10, "found ("),
        ("a.b == 1", 1, ". cannot stand here"),
        ("a == 1 and", 10, "found the end"),
        ("not", 3, "found the end"),
        ("and a", 0, "found and"),
    ],
)
def test_an_error_marks_its_place_and_says_what_to_write(text: str, caret: int, message: str) -> None:
    with pytest.raises(RequirementError) as caught:
        parse(text)

    shown = str(caught.value)
    assert message in shown
    assert shown.splitlines()[2] == "    " + " " * caret + "^"


def test_a_name_that_no_device_has_is_refused_where_the_farm_is_known() -> None:
    with pytest.raises(RequirementError, match=r"(?s)no device .* ram_bm.*did you mean ram_mb\?"):
        parse("ram_bm > 1", known=["ram_mb", "esim"])

    assert evaluate(parse("ram_mb > 1 and platform == 'android'", known=["ram_mb"]), PHONE)


def test_length_and_depth_are_bounded() -> None:
    with pytest.raises(RequirementError, match="at most 1000 are read"):
        parse("a == 1 or " * 200 + "a == 1")
    with pytest.raises(RequirementError, match="nested more than 50 levels"):
        parse("(" * 400 + "a == 1" + ")" * 400)
    with pytest.raises(RequirementError, match="nested more than 50 levels"):
        parse("not " * 200 + "a == 1")


def test_a_long_line_is_shown_around_the_fault() -> None:
    with pytest.raises(RequirementError) as caught:
        parse("a == 1 and " * 30 + "b = 2")

    _, line, caret, _ = str(caught.value).splitlines()
    assert len(line) <= 124
    assert line[caret.index("^")] == "="


def test_order_spacing_and_repetition_do_not_matter() -> None:
    one = parse("b==2 and (a==1 and b == 2) and c in ['y', 'x', 'y']")
    other = parse('c in ["x","y"] and 2 == b and 1.0 == a')

    assert one == other
    assert hash(one) == hash(other)
    assert str(one) == "a == 1 and b == 2 and c in ['x', 'y']"


def test_what_python_takes_for_equal_stays_apart() -> None:
    assert parse("a == 1") != parse("a == true")
    assert parse("a == 1") != parse("a == '1'")
    assert parse("os_version == 14.1") != parse("os_version == 14.10")


_NAMES = st.sampled_from(["ram_mb", "rooted", "vendor", "ghost", "inches"])
_TEXTS = st.text(max_size=6).map(lambda t: "'" + t.replace("\\", "\\\\").replace("'", "\\'") + "'")
_NUMBERS = st.one_of(st.integers(-9999, 9999), st.floats(-1e6, 1e6)).map(repr)
_LITERALS = st.one_of(_TEXTS, _NUMBERS, st.sampled_from(["true", "false"]))
_COMPARISONS = st.one_of(
    st.tuples(_NAMES, st.sampled_from(["==", "!="]), _LITERALS).map(" ".join),
    st.tuples(_NAMES, st.sampled_from(["<", "<=", ">", ">="]), _NUMBERS).map(" ".join),
    st.tuples(_NUMBERS, st.sampled_from(["<", "=="]), _NAMES).map(" ".join),
    st.tuples(_TEXTS, st.sampled_from(["in", "not in"]), st.sampled_from(["tags", "model"])).map(" ".join),
    st.tuples(
        st.sampled_from(["os_version"]),
        st.sampled_from(["<", "=="]),
        st.sampled_from(["14", "14.10", "'4.4W'"]),
    ).map(" ".join),
    st.tuples(_NAMES, st.sampled_from(["in", "not in"]), st.lists(_LITERALS, min_size=1, max_size=3)).map(
        lambda parts: f"{parts[0]} {parts[1]} [{', '.join(parts[2])}]"
    ),
    _NAMES,
)
EXPRESSIONS = st.recursive(
    _COMPARISONS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map(lambda p: f"({p[0]}){p[1]}({p[2]})"),
        inner.map(lambda text: f"not ({text})"),
    ),
    max_leaves=6,
)


@settings(max_examples=150)
@given(EXPRESSIONS)
def test_the_normalised_text_means_the_same(text: str) -> None:
    expression = parse(text)
    again = parse(str(expression))

    assert again == expression
    assert str(again) == str(expression)
    for device in (PHONE, WATCH):
        assert explain(again, device) == explain(expression, device)
        assert evaluate(expression, device) == (not explain(expression, device))
        assert evaluate(parse(f"not ({text})"), device) != evaluate(expression, device)


_TOKENS = [
    "a",
    "tags",
    "battery",
    "==",
    "=",
    "<",
    "in",
    "not",
    "and",
    "or",
    "(",
    ")",
    "[",
    "]",
    ",",
    "'",
    '"',
    "1",
]


@settings(max_examples=200)
@given(
    st.one_of(
        st.text(max_size=60), st.lists(st.sampled_from([*_TOKENS, "1.2", "'x'", "\\", "é"])).map(" ".join)
    )
)
def test_no_text_raises_anything_but_a_requirement_error(text: str) -> None:
    said = "^"
    try:
        explain(parse(text), PHONE)
    except RequirementError as error:
        said = str(error)
    assert "^" in said
