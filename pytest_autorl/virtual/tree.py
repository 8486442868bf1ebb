"""The tree that locators and page source see: visible elements, numbered, with parents.

The one place that decides what is visible. UiAutomator's tree holds only what is on the screen: on Android
a node with ``displayed=False`` is absent, with all below it. XCUITest keeps such nodes and says
visible="false".

Above the app's root stand the wrappers of the page source: ``hierarchy`` on Android, ``AppiumAUT`` and the
application on iOS. They carry no node, so no search returns them; above these stands the document (no tag).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from pytest_autorl.virtual.node import Node, Platform, attributes, tag


class Attribute:
    """One attribute as an XPath node: it has an owner and a place in document order."""

    __slots__ = ("name", "order", "owner", "value")

    def __init__(self, owner: Element, name: str, value: str, order: int) -> None:
        self.owner = owner
        self.name = name
        self.value = value
        self.order = (owner.order, order)


class Element:
    """A place in the visible tree.

    Attributes:
        tag: Class name; empty for the document.
        node: The app's node; None for the document and the wrappers.
        index: Place among all children of the parent, hidden ones included, as UiAutomator counts.
        order: Place in document order; the subtree is ``tree.elements[order:end]``.
    """

    def __init__(self, tag: str, node: Node | None, parent: Element | None, index: int, order: int) -> None:
        self.tag = tag
        self.node = node
        self.parent = parent
        self.index = index
        self.order = order
        self.end = order + 1
        self.children: list[Element] = []
        self._given: Mapping[str, str] = {}
        self._platform: Platform = "android"
        #: Whether this node or one above it is not displayed.
        self._veiled: bool = node is not None and (
            not node.displayed or (parent is not None and parent._veiled)
        )

    @functools.cached_property
    def attributes(self) -> Mapping[str, str]:
        """Attributes as the page source prints them, in its order."""
        if self.node is None:
            return self._given
        shown = attributes(self.node, self._platform, index=self.index)
        return shown | {"visible": "false"} if self._veiled and self._platform == "ios" else shown

    @functools.cached_property
    def attribute_nodes(self) -> tuple[Attribute, ...]:
        """The attributes as XPath nodes; the same objects each time."""
        return tuple(
            Attribute(self, name, value, order)
            for order, (name, value) in enumerate(self.attributes.items(), start=1)
        )


class Tree:
    """The visible tree of one screen, as it is now; cheap, built anew for each command."""

    def __init__(self, root: Node, platform: Platform, *, app: str = "", rotation: int = 0) -> None:
        self.platform: Platform = platform
        #: All elements in document order; the first is the document.
        self.elements: list[Element] = []
        self.document = self._add("", None, None, 0)
        top = self.document
        for name, given in _wrappers(root, platform, app, rotation):
            top = self._add(name, None, top, 0)
            top._given = given
        if platform == "ios" or root.displayed:
            self._grow(root, top, 0)
        for element in self.elements[: top.order + 1]:
            element.end = len(self.elements)

    def _add(self, name: str, node: Node | None, parent: Element | None, index: int) -> Element:
        element = Element(name, node, parent, index, len(self.elements))
        element._platform = self.platform
        self.elements.append(element)
        if parent is not None:
            parent.children.append(element)
        return element

    def _grow(self, node: Node, parent: Element, index: int) -> None:
        element = self._add(tag(node, self.platform), node, parent, index)
        for place, child in enumerate(node.children):
            if child.displayed or self.platform == "ios":
                self._grow(child, element, place)
        element.end = len(self.elements)

    def below(self, context: Node | None) -> Sequence[Element]:
        """Elements with a node below the context, in document order; all of them without a context.

        Empty when the context is not (or no longer) in the visible tree.
        """
        if context is None:
            return [element for element in self.elements if element.node is not None]
        found = self.place(context)
        return [] if found is None else self.elements[found.order + 1 : found.end]

    def place(self, node: Node) -> Element | None:
        """The element of this very node object, None when it is not visible."""
        return next((element for element in self.elements if element.node is node), None)


def visible_tree(root: Node, platform: Platform, *, app: str = "", rotation: int = 0) -> Tree:
    """The tree under ``root`` that searches and page source share.

    Args:
        app: The app's display name, shown by iOS's application element.
        rotation: Quarter turns from the natural orientation, shown by Android's ``hierarchy``.
    """
    return Tree(root, platform, app=app, rotation=rotation)


def _wrappers(
    root: Node, platform: Platform, app: str, rotation: int
) -> Sequence[tuple[str, Mapping[str, str]]]:
    width, height = str(root.bounds[2]), str(root.bounds[3])
    if platform == "android":
        shape = {"rotation": str(rotation), "width": width, "height": height}
        return [("hierarchy", {"index": "0", "class": "hierarchy"} | shape)]
    name = {"name": app, "label": app} if app else {}
    kind = "XCUIElementTypeApplication"
    flags = {"enabled": "true", "visible": "true", "accessible": "false"}
    return [
        ("AppiumAUT", {}),
        (kind, {"type": kind} | name | flags | {"x": "0", "y": "0", "width": width, "height": height}),
    ]
