"""Page source: the XML that users and Appium Inspector read."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.virtual.node import Node, Platform, attributes
from pytest_autorl.virtual.source import page_source


def _screen(text: str = "Pay", description: str = "") -> Node:
    return Node(
        "screen",
        "s",
        package="com.bank",
        bounds=(0, 0, 1080, 2400),
        children=[
            Node("group", "veiled", displayed=False, children=[Node("text", "t", text="no")]),
            Node("button", "b", name="pay", text=text, description=description, bounds=(0, 10, 200, 90)),
        ],
    )


def test_android_source_is_a_hierarchy_of_class_named_elements() -> None:
    """The very text, as UiAutomator2 lays it out; the index counts the hidden sibling."""
    shown = page_source(Node("screen", "s", package="p", bounds=(0, 0, 9, 20), children=[
        Node("group", "g", displayed=False), Node("text", "t", name="n", text="Hi", package="p"),
    ]), "android", rotation=1)  # fmt: skip

    flags = (
        'checkable="false" checked="false" clickable="false" enabled="true" focusable="false" focused="false"'
    )
    more = 'long-clickable="false" password="false" scrollable="false" selected="false"'
    assert shown == (
        "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n"
        '<hierarchy index="0" class="hierarchy" rotation="1" width="9" height="20">\n'
        '  <android.widget.FrameLayout index="0" package="p" class="android.widget.FrameLayout" text="" '
        f'{flags} {more} bounds="[0,0][9,20]" displayed="true">\n'
        '    <android.widget.TextView index="1" package="p" class="android.widget.TextView" text="Hi" '
        f'resource-id="p:id/n" {flags} {more} bounds="[0,0][0,0]" displayed="true" />\n'
        "  </android.widget.FrameLayout>\n"
        "</hierarchy>\n"
    )


def test_ios_source_wraps_the_application_and_keeps_hidden_elements() -> None:
    """Shape of the XCUITest driver: AppiumAUT, the application with its name, the window."""
    parsed = ElementTree.fromstring(page_source(_screen(), "ios", app="Bank").encode())

    application = parsed[0]
    assert (parsed.tag, application.tag, application[0].tag) == (
        "AppiumAUT",
        "XCUIElementTypeApplication",
        "XCUIElementTypeWindow",
    )
    assert (application.get("name"), application.get("width"), application.get("height")) == (
        "Bank",
        "1080",
        "2400",
    )
    assert [element.get("visible") for element in application[0]] == ["false", "true"]


def test_android_source_leaves_hidden_elements_out_with_all_below_them() -> None:
    """UiAutomator's tree holds only what is on the screen."""
    parsed = ElementTree.fromstring(page_source(_screen(), "android").encode())

    assert [element.get("text") for element in parsed.iter("android.widget.TextView")] == []
    assert parsed[0][0].get("index") == "1"


@pytest.mark.parametrize("platform", ["android", "ios"])
@given(text=st.text(), description=st.text())
def test_any_content_gives_well_formed_xml_that_reads_back(
    platform: Platform, text: str, description: str
) -> None:
    """All but the characters that XML 1.0 cannot hold, line breaks and quotes included."""
    screen = _screen(text, description)

    parsed = ElementTree.fromstring(page_source(screen, platform).encode("utf-8", "surrogatepass"))

    button = list(parsed.iter())[-1]
    expected = {
        name: "".join(
            char for char in value if char in "\t\n\r" or (char >= " " and char not in "\ufffe\uffff")
        )
        for name, value in attributes(screen.children[1], platform, index=1).items()
    }
    assert button.attrib == expected
