"""XPath over a virtual screen: what it selects, what it refuses, and that it always ends."""

from __future__ import annotations

import contextlib
import time
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.virtual.grammar import MAX_LENGTH
from pytest_autorl.virtual.node import Node, tag
from pytest_autorl.virtual.selectors import InvalidSelector
from pytest_autorl.virtual.source import page_source
from pytest_autorl.virtual.xpath import find


def _screen() -> Node:
    """A list of two rows (a text and a button each) below a title, and a field; keys name the nodes."""
    rows = [
        Node(
            "row",
            f"row{i}",
            name="row",
            children=[
                Node("text", f"text{i}", text=f"Account {i}"),
                Node("button", f"button{i}", name="open", text="Open", enabled=i == 1, clickable=True),
            ],
        )
        for i in (1, 2)
    ]
    return Node(
        "screen",
        "screen",
        package="com.bank",
        bounds=(0, 0, 1080, 2400),
        children=[
            Node("text", "title", name="title", text="  My   accounts ", description="Heading"),
            Node("list", "list", scrollable=True, children=rows),
            Node("field", "field", name="amount", package="com.bank", hint="Amount", text="12.50"),
            Node("button", "hidden", text="Hidden", displayed=False),
        ],
    )


def _keys(expression: str, context: str | None = None) -> str:
    screen = _screen()
    start = next(node for node in screen.walk() if node.key == context) if context else None
    return " ".join(node.key for node in find(screen, expression, "android", context=start))


@pytest.mark.parametrize(
    ("expression", "keys"),
    [
        ("/hierarchy/android.widget.FrameLayout[1]/android.widget.TextView", "title"),
        ("/hierarchy/*/androidx.recyclerview.widget.RecyclerView/*[2]/*[1]", "text2"),
        ("//android.widget.Button", "button1 button2"),
        ("//*[@text='Open'][2]", ""),
        ("(//*[@text='Open'])[2]", "button2"),
        ("(//*[@text='Open'])[last()]/..", "row2"),
        ("//android.view.ViewGroup[last()]", "row2"),
        ("//android.view.ViewGroup[position() < 2]", "row1"),
        ("//*[@resource-id='com.bank:id/amount']", "field"),
        ("//android.view.ViewGroup[*[@text='Account 2']]/android.widget.Button", "button2"),
        ("//*[@text='Account 1']/following-sibling::android.widget.Button", "button1"),
        ("//*[@text='Account 2']/following::*", "button2 field"),
        ("//android.widget.EditText/preceding::android.widget.TextView", "title text1 text2"),
        ("//android.widget.EditText/preceding::*[1]", "button2"),
        ("//android.widget.EditText/preceding-sibling::*[1]", "list"),
        ("//*[@text='Account 2']/ancestor::*[1]", "row2"),
        ("//*[@text='Account 2']/ancestor::*", "screen list row2"),
        ("//*[@text='Account 2']/ancestor-or-self::*[@scrollable='true']", "list"),
        ("//*[@text='Account 1']/parent::android.view.ViewGroup", "row1"),
        ("//android.view.ViewGroup/descendant::*[2]", "button1 button2"),
        ("//android.view.ViewGroup/self::*[@index=1]", "row2"),
        ("//*[@text='Open' and @enabled='true']", "button1"),
        ("//*[@text='Open' and not(@enabled='true') or @hint]", "button2 field"),
        ("//*[@hint] | //*[@text='Open'] | //*[@hint]", "button1 button2 field"),
        ("//*[contains(@text, 'count 2')]", "text2"),
        ("//*[starts-with(@text, 'Acc')]", "text1 text2"),
        ("//*[ends-with(@text, '1')]", "text1"),
        ("//*[matches(@text, '(?i)ACCOUNT [2-9]')]", "text2"),
        ("//*[lower-case(@text)='open']", "button1 button2"),
        ("//*[normalize-space(@text)='My accounts']", "title"),
        ("//*[translate(@text, 'OPEN', 'open')='open']", "button1 button2"),
        ("//*[translate(@text, ' 12', '')='Account']", "text1 text2"),
        ("//*[substring(@text, 9)='2']", "text2"),
        ("//*[substring(@text, 1, 3)='Acc'][string-length(@text)=9]", "text1 text2"),
        ("//*[substring-before(@text, ' ')='Account']", "text1 text2"),
        ("//*[substring-after(@text, 'Account ')='1']", "text1"),
        ("//*[concat(@text, '-', @index)='Open-1']", "button1 button2"),
        ("//*[count(*)=2]", "list row1 row2"),
        ("//*[count(.//android.widget.Button) > 1]", "screen list"),
        ("//*[number(@text) >= 12.5]", "field"),
        ("//*[@text * 2 = 25]", "field"),
        ("//*[@text div 2 < 7 and @text mod 5 = 2.5 and -@text < - 12]", "field"),
        ("//*[round(@text)=13][floor(@text)=12][ceiling(@text)=13]", "field"),
        ("//android.view.ViewGroup[position() mod 2 = 0]", "row2"),
        ("//*[@content-desc]", "title"),
        ("//*[@content-desc='Heading']/@text/..", "title"),
        ("//*[name()='android.widget.EditText']", "field"),
        ("//*[@text=//android.widget.EditText/@text]", "field"),
        ("//*[@text!='']", "title text1 button1 text2 button2 field"),
        ("//*[true()][false() or boolean(@hint)]", "field"),
        ("//*[sum(*/@index)=1]", "list row1 row2"),
        ("//text()", ""),
        ("//*[text()='Open']", ""),
        ("//@text", ""),
        ("/", ""),
        ("/hierarchy", ""),
        ("//*[@displayed='false']", ""),
        ("//android.widget.Button[1.5]", ""),
        (" // * [ @text = \"Open\" ] [ 1 ] ", "button1 button2"),
    ],
)  # fmt: skip
def test_an_expression_selects_these_elements_in_document_order(expression: str, keys: str) -> None:
    """One line a feature of XPath 1.0 (and of the four functions UiAutomator2 adds)."""
    assert _keys(expression) == keys


@pytest.mark.parametrize(
    "claim",
    [
        "string(1 div 0)='Infinity' and string(-1 div 0)='-Infinity' and string(0 div 0)='NaN'",
        "string(1)='1' and string(-2.50)='-2.5' and string(0.00001)='0.00001' and string(true())='true'",
        "string(//nothing)='' and string(//*/@hint)='Amount' and string(/)=''",
        "5 mod 2 = 1 and 5 mod -2 = 1 and -5 mod 2 = -1 and string(1 mod 0)='NaN'",
        "2 + 3 * 4 - 6 div 3 = 12 and - - 2 = 2 and -(1 + 1) = -2",
        "number(' 12 ')=12 and string(number('1e3'))='NaN' and number(true())=1 and string(number('+1'))='NaN'",
        "round(2.5)=3 and round(-2.5)=-2 and round(-0.2)=0 and string(round(0 div 0))='NaN'",
        "floor(-1.5)=-2 and ceiling(-1.5)=-1 and string(floor(1 div 0))='Infinity'",
        "substring('12345', 1.5, 2.6)='234' and substring('12345', 0, 3)='12'",
        "substring('12345', 0 div 0, 3)='' and substring('12345', -42, 1 div 0)='12345'",
        "substring('12345', -1 div 0, 1 div 0)='' and substring('12345', 4)='45'",
        "substring-before('a', '')='' and substring-after('a', '')='a' and substring-before('a', 'x')=''",
        "contains('a', '') and starts-with('a', '') and not(contains('', 'a')) and upper-case('aß')='ASS'",
        "not(//nothing = //nothing) and not(//nothing != 'x') and (//nothing = false())",
        "//@index = //@index and //@index != //@index and //*/@index > 1 and 1 < //*/@index",
        "not(//@text < //@text) and //@index < //@index and //@index >= //@index and 0 <= //@index",
        "'2' > 1 and '10' = 10.0 and 'a' != 'b' and true() = 'x' and not(0 or '' or //nothing or 0 div 0)",
        "sum(//*/@index) > 3 and count(//@*) > 50 and count(//@hint/ancestor::*) = 3",
        "count(//@hint/..|//@hint/ancestor-or-self::node()) = 5 and name(//@hint)='hint' and name(//nothing)=''",
        "count(//@hint/following::*) = 0 and count(//@hint/preceding::*) = 8 and not(//@hint/*)",
        "not(//@hint/descendant::*) and not(//@hint/following-sibling::*) and count(//@hint/self::node()) = 1",
        "normalize-space(' a  b ')='a b' and string-length('')=0 and concat('a', 1, true())='a1true'",
    ],
)
def test_values_convert_compare_and_compute_as_the_standard_says(claim: str) -> None:
    """XPath 1.0 sections 3.4, 3.5 and 4; examples of the standard where it has some."""
    assert _keys(f"/hierarchy/*[{claim}]") == "screen"


@pytest.mark.parametrize(
    ("expression", "keys"),
    [
        (".//android.widget.Button", "button2"),
        ("./android.widget.Button", "button2"),
        ("android.widget.Button", "button2"),
        (".", "row2"),
        ("..", "list"),
        ("//android.widget.Button", "button1 button2"),
        ("/hierarchy/android.widget.FrameLayout", "screen"),
    ],
)
def test_relative_paths_start_at_the_context_and_absolute_ones_at_the_document(
    expression: str, keys: str
) -> None:
    """XPath 1.0 section 2.5: a leading slash leaves the context, as with a real driver."""
    assert _keys(expression, context="row2") == keys


def test_a_context_that_left_the_screen_finds_nothing() -> None:
    """A hidden element is absent on Android, so nothing is relative to it."""
    assert _keys(".", context="hidden") == ""


def test_ios_accepts_absolute_paths_of_the_source_and_of_webdriveragent() -> None:
    """The inspector shows AppiumAUT, WebDriverAgent's own tree begins at the application."""
    screen = _screen()

    by_source = find(screen, "/AppiumAUT/XCUIElementTypeApplication/XCUIElementTypeWindow", "ios")
    by_agent = find(screen, "/XCUIElementTypeApplication/XCUIElementTypeWindow", "ios")

    assert by_source == by_agent == [screen]
    assert [node.key for node in find(screen, "//*[@visible='false']", "ios")] == ["hidden"]


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "the XPath selector is empty"),
        ("//*[@text='Open'", "malformed at character 17: expected ']', found the end"),
        ("//*[@text='Open]", "malformed at character 11: this quote is never closed"),
        ("//*[@text==1]", "character 11: expected a path, a value or '(', found '='"),
        ("//", "character 3: expected an element name, '*' or a step, found the end"),
        ("//a/", "character 5: expected an element name"),
        ("//a b", "character 5: expected an operator or the end, found 'b'"),
        ("//a[#]", "character 5: unexpected '#'"),
        ("//a[@]", "character 6: expected an attribute name or '*', found ']'"),
        ("//upwards::a", "character 3: expected an axis (ancestor, "),
        ("//a[contain(@text, 'x')]", "character 5: expected a known function (boolean, "),
        ("//a[contains(@text)]", "character 5: contains() takes 2 arguments, got 1"),
        ("//a[concat('a')]", "concat() takes at least 2 arguments, got 1"),
        ("//a[substring('a')]", "substring() takes 2 to 3 arguments, got 1"),
        ("//a[count('a')]", "count() takes a path, not a value"),
        ("//a | 'b'", "character 7: expected a path, found ''b''"),
        ("1 | //a", "'|' joins paths, not values"),
        ("'a'[1]", "only a path can have predicates or steps"),
        ("//a[$x]", "unexpected '$'"),
        ("a:b", "unexpected ':'"),
        ("count(//android.widget.Button)", "yields a number (2.0), not elements"),
        ("'x'", "yields a string ('x'), not elements"),
        ("1 = 1", "yields a boolean (True), not elements"),
        ("//*[matches(@text, '(')]", "`(` is not a regular expression: missing )"),
        ("(" * 50 + "//a" + ")" * 50, "nested deeper than 40 levels"),
        ("//a" * (MAX_LENGTH // 3 + 1), f"has 10002 characters, more than {MAX_LENGTH} are not taken"),
    ],
)
def test_a_malformed_expression_is_refused_with_place_and_expectation(expression: str, message: str) -> None:
    """The text reaches the user as the message of `invalid selector`."""
    with pytest.raises(InvalidSelector) as refused:
        find(_screen(), expression, "android")

    assert message in str(refused.value)


def test_ios_has_no_xpath_2_functions() -> None:
    """A suite must not pass here with what XCUITest refuses."""
    with pytest.raises(InvalidSelector, match="expected a known function"):
        find(_screen(), "//*[ends-with(@name, 'n')]", "ios")


@pytest.mark.parametrize(
    "expression",
    [
        "//*" * 3333,
        "//*[" + "//*[" * 30 + "1" + "]" * 31,
        "//*/following::*" * 400,
        "1+" * 4999 + "1",
        "//*[" + "@a or " * 1500 + "@b]",
        "-" * 9000 + "1",
        "/.." * 3000,
        "//*[" + "//@*=" * 1900 + "1]",
    ],
    ids=lambda expression: expression[:20],
)
def test_a_runaway_expression_ends_soon(expression: str) -> None:
    """It is answered or refused, within seconds and without a RecursionError."""
    wide = Node("screen", "s", children=[Node("text", f"t{i}", text=str(i)) for i in range(300)])
    started = time.monotonic()

    with contextlib.suppress(InvalidSelector):
        find(wide, expression, "android")

    assert time.monotonic() - started < 20


_roles = st.sampled_from(["group", "text", "button", "list"])
_texts = st.sampled_from(["", "a", "b", "a b"])


def _tree(children: st.SearchStrategy[list[Node]]) -> st.SearchStrategy[Node]:
    return st.builds(
        lambda role, text, shown, below: Node(role, "", text=text, displayed=shown, children=below),
        _roles, _texts, st.sampled_from([True, True, True, False]), children,
    )  # fmt: skip


trees = st.recursive(_tree(st.just([])), lambda below: _tree(st.lists(below, max_size=4)), max_leaves=20)
_names = st.sampled_from(["android.view.ViewGroup", "android.widget.TextView", "android.widget.Button"])
_conditions = ["", "[@text='a']", "[@text]", "[@index='1']", "[@text!='a']"]
# ElementTree counts positions among elements of one name, also for `*`: there it is no XPath.
_tests = st.one_of(
    st.builds("{}{}".format, st.just("*"), st.sampled_from(_conditions)),
    st.builds("{}{}".format, _names, st.sampled_from([*_conditions, "[1]", "[2]", "[last()]"])),
)
_steps = st.builds("{}{}".format, st.sampled_from(["/", "//"]), _tests)
_paths = st.builds(
    lambda steps, up: "." + "".join(steps) + up,
    st.lists(_steps, min_size=1, max_size=3),
    st.sampled_from(["", "/.."]),
)


@given(trees, _paths)
def test_our_xpath_and_elementtree_agree_on_what_both_support(below: Node, path: str) -> None:
    """The standard library's engine over the page source is an outside witness for engine and source."""
    root = Node("screen", "", bounds=(0, 0, 10, 10), children=[below])
    for number, node in enumerate(root.walk()):
        node.key = node.description = f"n{number}"

    ours = [node.key for node in find(root, "/hierarchy" + path[1:], "android")]

    parsed = ElementTree.fromstring(page_source(root, "android").encode())
    place = {element: number for number, element in enumerate(parsed.iter())}
    # ElementTree keeps no document order and repeats what two ways lead to.
    theirs = sorted(set(parsed.findall(path)), key=place.__getitem__)
    assert ours == [element.get("content-desc") for element in theirs if element is not parsed]


@given(trees)
def test_the_axes_part_the_tree(root: Node) -> None:
    """XPath 1.0 section 2.2: five axes share no node and leave none out."""
    for node in find(root, "//*", "android"):
        parts = [
            find(root, f"{axis}::*", "android", context=node)
            for axis in ("ancestor", "descendant", "following", "preceding", "self")
        ]
        everything = [id(each) for part in parts for each in part]
        assert sorted(everything) == sorted(id(each) for each in find(root, "//*", "android"))


@given(trees)
def test_a_path_by_positions_leads_back_to_its_element(root: Node) -> None:
    """What an inspector copies, /hierarchy/class[n]/..., selects that one element."""

    def paths(node: Node, path: str) -> list[tuple[Node, str]]:
        found = [(node, path)]
        counts: dict[str, int] = {}
        for child in node.children:
            if child.displayed:
                name = tag(child, "android")
                counts[name] = counts.get(name, 0) + 1
                found += paths(child, f"{path}/{name}[{counts[name]}]")
        return found

    if root.displayed:
        for node, path in paths(root, f"/hierarchy/{tag(root, 'android')}[1]"):
            (found,) = find(root, path, "android")
            assert found is node


@given(st.text(alphabet="/.*@[]()|='\"ab1-+<>! ,:", max_size=40))
def test_any_text_is_answered_or_refused(expression: str) -> None:
    """Never another exception: the server would answer `unknown error`."""
    try:
        found = find(_screen(), expression, "android")
    except InvalidSelector:
        return
    assert len({id(node) for node in found}) == len(found)
