"""Locator strategies: which one a platform has, and the search each of them stands for."""

from __future__ import annotations

from collections.abc import Callable

from pytest_autorl.virtual import predicate, uiselector, xpath
from pytest_autorl.virtual.grammar import InvalidSelector
from pytest_autorl.virtual.node import Node, Platform
from pytest_autorl.virtual.tree import Element, visible_tree

__all__ = ["STRATEGIES", "InvalidSelector", "find"]

#: Platform -> strategies of its driver that the virtual device has.
STRATEGIES: dict[Platform, tuple[str, ...]] = {
    "android": ("id", "accessibility id", "class name", "xpath", "-android uiautomator"),
    "ios": ("id", "accessibility id", "name", "class name", "xpath", "-ios predicate string"),
}


def find(
    root: Node, using: str, value: str, platform: Platform, *, context: Node | None = None
) -> list[Node]:
    """Visible nodes (see `tree`) that the locator selects, in document order, each once.

    Args:
        value: For ``id`` on Android ``package:id/name`` or the name alone; on iOS id, name and accessibility
            id all are the attribute ``name``.
        context: Search below this node only (XPath: from it, see `xpath.find`). None: the whole screen.
    A UiScrollable finds its target among what is on the screen: scrolling is the caller's.
    Raises InvalidSelector: a strategy that the platform does not have, or a value it cannot read.
    """
    if using not in STRATEGIES[platform]:
        raise InvalidSelector(f"Locator Strategy '{using}' is not supported for this session")
    if using == "xpath":
        return xpath.find(root, value, platform, context=context)
    if using == "-android uiautomator":
        return uiselector.find(root, value, platform, context=context)
    if using == "-ios predicate string":
        return predicate.find(root, value, context=context)
    fits = _plain(using, value, platform)
    below = visible_tree(root, platform).below(context)
    return [element.node for element in below if element.node is not None and fits(element)]


def _plain(using: str, value: str, platform: Platform) -> Callable[[Element], bool]:
    """The test of a strategy that compares one attribute."""
    if not value:
        raise InvalidSelector(f"the value of Locator Strategy '{using}' is empty")
    if using == "class name":
        return lambda element: element.tag == value
    if platform == "ios":
        return lambda element: element.attributes.get("name") == value
    if using == "accessibility id":
        return lambda element: element.attributes.get("content-desc") == value
    # UiAutomator2 puts the app's package before a short id; here each node knows its own.
    return lambda element: element.node is not None and value in (element.node.resource_id, element.node.name)
