"""The element tree of a virtual screen: one record, two dialects (Android, iOS).

The app model builds nodes, everything else reads them: locators, page source, attributes, screenshots.
Attribute names and order follow what UiAutomator2's and XCUITest's page sources show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Platform = Literal["android", "ios"]

#: Role of a node -> (Android class, XCUITest type). The role also tells the renderer what to draw.
CLASSES: dict[str, tuple[str, str]] = {
    "screen": ("android.widget.FrameLayout", "XCUIElementTypeWindow"),
    "group": ("android.view.ViewGroup", "XCUIElementTypeOther"),
    "bar": ("android.view.ViewGroup", "XCUIElementTypeNavigationBar"),
    "text": ("android.widget.TextView", "XCUIElementTypeStaticText"),
    "button": ("android.widget.Button", "XCUIElementTypeButton"),
    "field": ("android.widget.EditText", "XCUIElementTypeTextField"),
    "password": ("android.widget.EditText", "XCUIElementTypeSecureTextField"),
    "switch": ("android.widget.Switch", "XCUIElementTypeSwitch"),
    "checkbox": ("android.widget.CheckBox", "XCUIElementTypeSwitch"),
    "image": ("android.widget.ImageView", "XCUIElementTypeImage"),
    "list": ("androidx.recyclerview.widget.RecyclerView", "XCUIElementTypeTable"),
    "row": ("android.view.ViewGroup", "XCUIElementTypeCell"),
    "progress": ("android.widget.ProgressBar", "XCUIElementTypeActivityIndicator"),
    "dialog": ("android.widget.FrameLayout", "XCUIElementTypeAlert"),
}


@dataclass
class Node:
    """One element as it stands on the screen now.

    Attributes:
        role: A key of `CLASSES`.
        key: Identity of the element while its screen lives; equal keys after a redraw mean the same
            element, so a WebDriver element id stays valid (else: stale element reference).
        name: Short id from the app model; Android resource-id is ``<package>:id/<name>``, iOS name.
        text: What a user reads in it (for a password field: bullets). `value` holds the real input.
        bounds: (x1, y1, x2, y2) in device pixels, right and bottom exclusive.
        style: Hint for the renderer only (primary, danger, title, caption, error, ...).
    """

    role: str
    key: str
    name: str = ""
    text: str = ""
    description: str = ""
    hint: str = ""
    value: str = ""
    package: str = ""
    bounds: tuple[int, int, int, int] = (0, 0, 0, 0)
    clickable: bool = False
    long_clickable: bool = False
    checkable: bool = False
    checked: bool = False
    enabled: bool = True
    focusable: bool = False
    focused: bool = False
    scrollable: bool = False
    selected: bool = False
    displayed: bool = True
    style: str = ""
    children: list[Node] = field(default_factory=list)

    @property
    def resource_id(self) -> str:
        """Android resource id, empty for an anonymous element."""
        return f"{self.package}:id/{self.name}" if self.name else ""

    def walk(self) -> Iterator[Node]:
        """This node and everything below it, in document order."""
        yield self
        for child in self.children:
            yield from child.walk()


def tag(node: Node, platform: Platform) -> str:
    """Class name of the node in the platform's dialect; also its tag in the page source."""
    android, ios = CLASSES[node.role]
    return android if platform == "android" else ios


def attributes(node: Node, platform: Platform, *, index: int = 0) -> dict[str, str]:
    """Attributes of the node as the platform's page source prints them, in its order.

    ``index`` is the node's place among its siblings (Android only). Booleans are "true"/"false".
    """
    return _android(node, index) if platform == "android" else _ios(node)


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _android(node: Node, index: int) -> dict[str, str]:
    x1, y1, x2, y2 = node.bounds
    found = {
        "index": str(index),
        "package": node.package,
        "class": tag(node, "android"),
        "text": node.text or (node.hint if node.role in ("field", "password") else ""),
    }
    if node.description:
        found["content-desc"] = node.description
    if node.name:
        found["resource-id"] = node.resource_id
    if node.hint:
        found["hint"] = node.hint
    found |= {
        "checkable": _flag(node.checkable),
        "checked": _flag(node.checked),
        "clickable": _flag(node.clickable),
        "enabled": _flag(node.enabled),
        "focusable": _flag(node.focusable),
        "focused": _flag(node.focused),
        "long-clickable": _flag(node.long_clickable),
        "password": _flag(node.role == "password"),
        "scrollable": _flag(node.scrollable),
        "selected": _flag(node.selected),
        "bounds": f"[{x1},{y1}][{x2},{y2}]",
        "displayed": _flag(node.displayed),
    }
    return found


def _ios(node: Node) -> dict[str, str]:
    x1, y1, x2, y2 = node.bounds
    name = node.description or node.name or node.text
    label = node.description or node.text
    found = {"type": tag(node, "ios")}
    if node.role in ("switch", "checkbox"):
        found["value"] = "1" if node.checked else "0"
    elif node.text or node.hint:
        found["value"] = node.text or node.hint
    if name:
        found["name"] = name
    if label:
        found["label"] = label
    found |= {
        "enabled": _flag(node.enabled),
        "visible": _flag(node.displayed),
        "accessible": _flag(node.role not in ("screen", "group", "list", "bar")),
        "x": str(x1),
        "y": str(y1),
        "width": str(x2 - x1),
        "height": str(y2 - y1),
    }
    return found
