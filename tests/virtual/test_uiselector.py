"""`-android uiautomator` locators: how the text is read, what it selects, what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.virtual.node import Node
from pytest_autorl.virtual.selectors import InvalidSelector
from pytest_autorl.virtual.uiselector import UiScrollable, UiSelector, find, parse

EVERYTHING = "screen title list row1 name1 sum1 row2 name2 sum2 row3 name3 sum3 agree go amount"


def _screen() -> Node:
    rows = [
        Node(
            "row",
            f"row{i}",
            name="row",
            package="com.bank",
            clickable=True,
            children=[
                Node("text", f"name{i}", text=f"Account {i}"),
                Node("text", f"sum{i}", text=f"{i}0.00 EUR", long_clickable=i == 2),
            ],
        )
        for i in (1, 2, 3)
    ]
    return Node(
        "screen",
        "screen",
        package="com.bank",
        children=[
            Node("text", "title", text='Say "hi"', description="Heading", package="com.bank"),
            Node("list", "list", scrollable=True, children=rows),
            Node(
                "checkbox", "agree", text="Agree", checkable=True, checked=True, focused=True, focusable=True
            ),
            Node("button", "go", text="Go", enabled=False, selected=True),
            Node("button", "hidden", text="Gone", displayed=False),
            Node("field", "amount", hint="Amount in EUR"),
        ],
    )


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ('new UiSelector().text("Account 2")', "name2"),
        ('UiSelector().text("Account 2");', "name2"),
        ('text("Account 2")', "name2"),
        ('.text("Account 2")', "name2"),
        (' new  UiSelector ( ) . text ( "Account 2" ) ; ', "name2"),
        (r'text("Say \"hi\"")', "title"),
        ('textContains("EUR")', "sum1 sum2 sum3 amount"),
        ('textStartsWith("Acc")', "name1 name2 name3"),
        (r'textMatches("Account \d")', "name1 name2 name3"),
        ('textMatches("Account")', ""),
        ('textMatches("(?i)ACCOUNT.*").instance(1)', "name2"),
        ('description("Heading")', "title"),
        ('descriptionContains("ead")', "title"),
        ('descriptionStartsWith("He")', "title"),
        ('descriptionMatches(".*")', "title"),
        ('resourceId("com.bank:id/row")', "row1 row2 row3"),
        ('resourceIdMatches(".*:id/r.w")', "row1 row2 row3"),
        ('className("android.widget.Button")', "go"),
        ('classNameMatches(".*CheckBox")', "agree"),
        ('packageName("com.bank").text("Account 1")', ""),
        ('packageName("com.bank").clickable(true)', "row1 row2 row3"),
        ("checkable(true)", "agree"),
        ("checked(true)", "agree"),
        ("enabled(false)", "go"),
        ("focusable(true).focused(true)", "agree"),
        ("longClickable(true)", "sum2"),
        ("scrollable(true)", "list"),
        ("selected(true)", "go"),
        ('resourceId("com.bank:id/row").index(2)', "row3"),
        ("clickable(true).instance(2)", "row3"),
        ("clickable(true).instance(3)", ""),
        ('className("android.widget.TextView").instance(1).instance(2)', "sum1"),
        ('scrollable(true).childSelector(new UiSelector().text("Account 3"))', "name3"),
        ('scrollable(true).childSelector(textContains("EUR").instance(1))', "sum2"),
        ('clickable(true).childSelector(textContains("EUR"))', "sum1 sum2 sum3"),
        ('clickable(true).instance(1).childSelector(textContains("EUR"))', "sum2"),
        ('text("Account 2").fromParent(new UiSelector().textContains("EUR"))', "sum2"),
        ('scrollable(true).childSelector(text("Account 3")).fromParent(textContains("EUR"))', "sum3"),
        ('scrollable(true).childSelector(text("nowhere"))', ""),
        ('new UiScrollable(new UiSelector().scrollable(true)).scrollIntoView(text("Account 3"))', "name3"),
        ('text("Gone")', ""),
        ("new UiSelector()", EVERYTHING),
    ],
)  # fmt: skip
def test_a_selector_finds_these_elements(text: str, keys: str) -> None:
    """One line a method, and the liberties that the driver's parser takes with the text."""
    assert " ".join(node.key for node in find(_screen(), text)) == keys


def test_a_search_below_a_context_sees_only_that_part() -> None:
    """Also for the outer selector: it is matched below the context."""
    screen = _screen()
    row = next(node for node in screen.walk() if node.key == "row2")

    assert [node.key for node in find(screen, 'textContains("EUR")', context=row)] == ["sum2"]
    assert find(screen, "scrollable(true)", context=row) == []


def test_a_scrollable_exposes_container_target_and_swipes() -> None:
    """The server scrolls the container until the target shows."""
    text = (
        "new UiScrollable(new UiSelector().scrollable(true).instance(0)).setAsHorizontalList()"
        '.setMaxSearchSwipes(5).scrollIntoView(new UiSelector().text("X"));'
    )

    assert parse(text) == UiScrollable(
        container=UiSelector((("scrollable", True), ("instance", 0))),
        target=UiSelector((("text", "X"),)),
        horizontal=True,
        max_swipes=5,
    )


@pytest.mark.parametrize(("method", "criterion"), [("Text", "text"), ("Description", "description")])
def test_scrolling_to_a_text_or_description_is_a_target(method: str, criterion: str) -> None:
    """scrollTextIntoView("x") is scrollIntoView(text("x"))."""
    found = parse(f'UiScrollable(scrollable(true)).scroll{method}IntoView("x")')

    assert isinstance(found, UiScrollable)
    assert found.target == UiSelector(((criterion, "x"),))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Tried to parse an empty string"),
        ("new UiSelector().foo(1)", "UiSelector has no `foo` method at character 18"),
        ("new UiSelector().text(5)", "5 is not a string"),
        ("new UiSelector().text('x')", "'x' is not a string"),
        ("new UiSelector().checked(yes)", "yes is not a boolean"),
        ("new UiSelector().index(a)", "a is not a integer"),
        ("new UiSelector().text()", "doesn't have suitable method `text` without arguments"),
        ('new UiSelector().text("a", "b")', "Expected the closing parenthesis of `text`"),
        ('new UiSelector().text("a"', "Expected the closing parenthesis of `text`"),
        ('new UiSelector().text("a', '"a is not a string'),
        ("new UiSelector().text", "No opening parenthesis after method name"),
        ('new UiSelector().text("a") text("b")', 'Expected "." but saw "t" at character 28'),
        ('text("a"); text("b")', 'Expected "." but saw "t"'),
        ("new UiSelector(5)", "UiSelector has no suitable constructor with arguments"),
        ("new UiSelector().", "Expected a method name"),
        ("UiScrollable(scrollable(true))", "must return a UiObject object"),
        ("UiScrollable(scrollable(true)).jump()", "UiScrollable has no `jump` method"),
        ("UiScrollable(scrollable(true)).flingForward()", "is not supported by the virtual device"),
        ("childSelector(UiScrollable())", "Was trying to parse as UiSelector, but saw UiScrollable"),
        ("childSelector(" * 60, "nested deeper than 40 levels"),
    ],
)  # fmt: skip
def test_malformed_text_is_refused_in_the_drivers_words(text: str, reason: str) -> None:
    """Users search the web for these messages."""
    with pytest.raises(InvalidSelector) as refused:
        parse(text)

    assert str(refused.value).startswith("Could not parse expression `")
    assert reason in str(refused.value)


def test_a_bad_or_huge_regular_expression_is_refused() -> None:
    """Before any element is looked at, so an empty screen says so too."""
    with pytest.raises(InvalidSelector, match="is not a regular expression"):
        parse('textMatches("(")')
    with pytest.raises(InvalidSelector, match="more than 1000 are not taken"):
        parse(f'textMatches("{"a" * 1001}")')


def test_a_chain_of_detours_over_many_siblings_is_given_up() -> None:
    """Each fromParent looks at all siblings again: without a bound that is n to the power of the chain."""
    wide = Node("screen", "s", children=[Node("text", f"t{i}", text="a") for i in range(300)])
    chain = '.fromParent(text("a"))' * 9 + '.fromParent(text("b"))'

    with pytest.raises(InvalidSelector, match="gave up"):
        find(wide, 'text("a")' + chain)


@given(st.text(max_size=20).filter(lambda text: "\\" not in text))
def test_any_quoted_text_is_read_back(text: str) -> None:
    """Quotes are the one thing to escape."""
    quoted = text.replace('"', '\\"')

    assert parse(f'new UiSelector().text("{quoted}")') == UiSelector((("text", text),))


@given(st.text(alphabet='newUiSlctorab.()"\\; ,5', max_size=40))
def test_any_text_is_answered_or_refused(text: str) -> None:
    """Never another exception: the server would answer `unknown error`."""
    try:
        find(_screen(), text)
    except InvalidSelector:
        return
