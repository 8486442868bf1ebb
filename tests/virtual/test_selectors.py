"""Locator strategies by platform, and the rule of what is visible."""

from __future__ import annotations

import pytest

from pytest_autorl.virtual.node import Node, Platform
from pytest_autorl.virtual.selectors import STRATEGIES, InvalidSelector, find


def _screen() -> Node:
    package = "com.bank"
    return Node(
        "screen",
        "screen",
        package=package,
        children=[
            Node("button", "go", name="go", text="Go", description="Start", package=package),
            Node(
                "group",
                "group",
                package=package,
                children=[
                    Node("button", "go2", name="go", text="Go on", description="Next", package=package)
                ],
            ),
            Node(
                "group",
                "veiled",
                displayed=False,
                children=[Node("button", "go3", name="go", text="Never", package=package)],
            ),
        ],
    )


@pytest.mark.parametrize(
    ("platform", "using", "value", "keys"),
    [
        ("android", "id", "go", "go go2"),
        ("android", "id", "com.bank:id/go", "go go2"),
        ("android", "id", "com.shop:id/go", ""),
        ("android", "id", "g", ""),
        ("android", "accessibility id", "Start", "go"),
        ("android", "class name", "android.widget.Button", "go go2"),
        ("android", "xpath", "//android.widget.Button[@text='Go']", "go"),
        ("android", "-android uiautomator", 'text("Go on")', "go2"),
        ("ios", "id", "Start", "go"),
        ("ios", "name", "go", "go3"),
        ("ios", "accessibility id", "Next", "go2"),
        ("ios", "class name", "XCUIElementTypeButton", "go go2 go3"),
        ("ios", "xpath", "//XCUIElementTypeButton[@visible='true']", "go go2"),
        ("ios", "-ios predicate string", "type == 'XCUIElementTypeButton' AND visible == 0", "go3"),
        ("ios", "-ios predicate string", "visible == 0", "veiled go3"),
    ],
)
def test_a_strategy_finds_these_elements(platform: Platform, using: str, value: str, keys: str) -> None:
    """Hidden elements, with all below them, exist on iOS only."""
    assert " ".join(node.key for node in find(_screen(), using, value, platform)) == keys


@pytest.mark.parametrize(
    ("platform", "using", "value", "keys"),
    [
        ("android", "id", "go", "go2"),
        ("android", "class name", "android.view.ViewGroup", ""),
        ("android", "-android uiautomator", 'textStartsWith("Go")', "go2"),
        ("android", "xpath", ".//*", "go2"),
        ("ios", "class name", "XCUIElementTypeButton", "go2"),
        ("ios", "-ios predicate string", "enabled == 1", "go2"),
    ],
)
def test_a_search_from_an_element_sees_only_what_is_below_it(
    platform: Platform, using: str, value: str, keys: str
) -> None:
    """The element itself is not below itself."""
    screen = _screen()
    group = next(node for node in screen.walk() if node.key == "group")

    assert " ".join(node.key for node in find(screen, using, value, platform, context=group)) == keys


@pytest.mark.parametrize(
    ("platform", "using"),
    [
        ("android", "-ios predicate string"),
        ("ios", "-android uiautomator"),
        ("android", "name"),
        ("ios", "css selector"),
        ("android", ""),
    ],
)
def test_a_strategy_of_another_platform_is_refused_as_appium_does(platform: Platform, using: str) -> None:
    """The same words as the real server: users know them."""
    with pytest.raises(InvalidSelector) as refused:
        find(_screen(), using, "x", platform)

    assert str(refused.value) == f"Locator Strategy '{using}' is not supported for this session"


@pytest.mark.parametrize("platform", ["android", "ios"])
def test_every_strategy_refuses_an_empty_value(platform: Platform) -> None:
    """An empty id would else select all anonymous elements."""
    for using in STRATEGIES[platform]:
        with pytest.raises(InvalidSelector, match="empty"):
            find(_screen(), using, "", platform)


@pytest.mark.parametrize(("platform", "found"), [("android", 0), ("ios", 4)])
def test_a_screen_that_is_switched_off_is_empty_on_android(platform: Platform, found: int) -> None:
    """The rule holds for the root as well."""
    screen = _screen()
    screen.displayed = False

    wanted = "//*[contains(name(), 'Button') or contains(name(), 'Window')]"

    assert len(find(screen, "xpath", wanted, platform)) == found
