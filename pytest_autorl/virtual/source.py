"""Page source: the visible tree as the XML that UiAutomator2 and XCUITest drivers print.

Shape and attribute order follow the drivers: a ``hierarchy`` (Android) or ``AppiumAUT`` (iOS) element around
class-named elements. Indented as theirs, so that a person can read the artefact of a failed test.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import quoteattr

from pytest_autorl.virtual.node import Node, Platform
from pytest_autorl.virtual.tree import Element, Tree, visible_tree

__all__ = ["page_source", "visible_tree"]

# Everything outside XML 1.0's Char production (section 2.2); no parser takes it, even as a reference.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# As references these survive attribute-value normalisation (XML 1.0, section 3.3.3); raw they become spaces.
_WHITE = {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}


def page_source(root: Node, platform: Platform, *, app: str = "", rotation: int = 0) -> str:
    """The page source of the screen under ``root``; arguments as for `visible_tree`.

    Well-formed for any content: markup is escaped, characters that XML cannot hold are left out.
    """
    tree: Tree = visible_tree(root, platform, app=app, rotation=rotation)
    standalone = " standalone='yes'" if platform == "android" else ""
    lines = [f"<?xml version='1.0' encoding='UTF-8'{standalone} ?>"]
    for child in tree.document.children:
        _write(child, 0, lines)
    return "\n".join(lines) + "\n"


def _write(element: Element, depth: int, lines: list[str]) -> None:
    pad = "  " * depth
    shown = "".join(f" {name}={_quoted(value)}" for name, value in element.attributes.items())
    if not element.children:
        lines.append(f"{pad}<{element.tag}{shown} />")
        return
    lines.append(f"{pad}<{element.tag}{shown}>")
    for child in element.children:
        _write(child, depth + 1, lines)
    lines.append(f"{pad}</{element.tag}>")


def _quoted(value: str) -> str:
    if value.isalnum() and value.isascii():
        return f'"{value}"'
    return quoteattr(_NOT_XML.sub("", value), _WHITE)
