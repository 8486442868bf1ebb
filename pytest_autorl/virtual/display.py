"""Screens as geometry: the display, what stands on it, and the dialog that every app and the system share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_autorl.virtual.node import Node

if TYPE_CHECKING:
    from pytest_autorl.virtual.app import Element, Row
    from pytest_autorl.virtual.screens import Entry

Bounds = tuple[int, int, int, int]

#: Heights in density-independent pixels.
BAR, FIELD, BUTTON, SWITCH, IMAGE, PROGRESS, ROW_PADDING, PADDING, GAP = 56, 56, 48, 52, 120, 64, 12, 16, 8
#: Text style -> (height of a line, width of a character), dp.
TEXT_SIZES = {"title": (32, 11.0), "headline": (40, 14.0), "caption": (18, 6.5), "error": (20, 7.0)}
TEXT_SIZE = (24, 8.0)


@dataclass(frozen=True)
class Display:
    """The screen an app is laid out for, in its present orientation.

    Attributes:
        scale: Pixels per density-independent pixel.
        top: Height of the status bar, px.
        bottom: Height of the navigation bar, px.
    """

    width: int
    height: int
    scale: float
    top: int
    bottom: int
    is_tablet: bool = False

    def dp(self, amount: float) -> int:
        """Density-independent pixels in pixels."""
        return round(amount * self.scale)


@dataclass(frozen=True)
class Target:
    """What a node stands for in the model; `answer` is set for buttons of dialogs and bars."""

    entry: Entry | None
    element: Element | None = None
    row: Row | None = None
    item: Any = None
    answer: str = ""


@dataclass(frozen=True)
class Container:
    """Something that scrolls: the offset lives in `entry.scroll[name]`, at most `limit` pixels."""

    entry: Entry
    name: str
    bounds: Bounds
    limit: int


@dataclass
class Picture:
    """A laid out screen.

    Attributes:
        root: Everything that is drawn, dialogs last.
        active: What locators see: the topmost dialog alone when there is one.
        targets: Node key -> what it stands for.
        containers: Node key -> scrolling container, inner ones after outer ones.
    """

    root: Node
    active: Node
    targets: dict[str, Target] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)


def overlap(one: Bounds, two: Bounds) -> Bounds | None:
    """The common part of two rectangles, None when there is none."""
    x1, y1 = max(one[0], two[0]), max(one[1], two[1])
    x2, y2 = min(one[2], two[2]), min(one[3], two[3])
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def dialog_node(
    display: Display,
    package: str,
    key: str,
    *,
    title: str,
    message: str,
    buttons: Sequence[tuple[str, str]],
    names: tuple[str, str, str] = ("dialog", "dialog_title", "dialog_message"),
) -> Node:
    """A dialog in the middle of the screen. ``buttons``: (name, text), each node's key is key/name."""
    dp = display.dp
    width = min(display.width - dp(48), dp(420))
    inner = width - dp(48)
    title_h = text_height(display, title, "title", inner) if title else 0
    message_h = text_height(display, message, "", inner) if message else 0
    height = dp(24) + title_h + dp(8) + message_h + dp(16) + dp(BUTTON) * len(buttons) + dp(16)
    x1 = (display.width - width) // 2
    y = top = max(display.top, (display.height - height) // 2)
    node = Node("dialog", key, name=names[0], package=package, bounds=(x1, top, x1 + width, top + height))
    y += dp(24)
    for name, text, style, text_h in (
        (names[1], title, "title", title_h),
        (names[2], message, "", message_h),
    ):
        if text:
            place = (x1 + dp(24), y, x1 + dp(24) + inner, y + text_h)
            node.children.append(
                Node(
                    "text", f"{key}/{name}", name=name, text=text, package=package, bounds=place, style=style
                )
            )
        y += text_h + dp(8)
    for name, text in buttons:
        place = (x1 + dp(24), y, x1 + dp(24) + inner, y + dp(BUTTON) - dp(4))
        node.children.append(
            Node(
                "button", f"{key}/{name}", name=name, text=text, description=name, package=package,
                bounds=place, clickable=True, focusable=True, style="dialog",
            )
        )  # fmt: skip
        y += dp(BUTTON)
    return node


def window(display: Display, package: str, children: list[Node]) -> Node:
    """The root of a tree."""
    return Node(
        "screen", "window", package=package, bounds=(0, 0, display.width, display.height), children=children
    )


def text_height(display: Display, text: str, style: str, width: int) -> int:
    line, letter = TEXT_SIZES.get(style, TEXT_SIZE)
    per_line = max(1, int(width / (letter * display.scale)))
    lines = sum(max(1, math.ceil(len(each) / per_line)) for each in (text.split("\n") or [""]))
    return display.dp(line * lines)
