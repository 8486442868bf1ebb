"""The elements of a page source of Appium's drivers, with where they are and what they show.

The source comes from outside: a document type is refused (with it entities could be declared), and size, depth and
number of elements are bounded. Where an element is, is said in two ways: Android's ``bounds="[x1,y1][x2,y2]"`` in
pixels of the screen (UiAutomator2 and Espresso), iOS' ``x y width height`` in points (XCUITest; other drivers alike).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from xml.parsers import expat

#: Longest source that is read, characters; deepest element; most elements.
SOURCE_LIMIT, DEPTH_LIMIT, ELEMENT_LIMIT = 5_000_000, 400, 50_000

#: left, top, right, bottom in the source's own unit.
Place = tuple[float, float, float, float]

_BOUNDS = re.compile(r"\[(-?\d{1,18}),(-?\d{1,18})\]\[(-?\d{1,18}),(-?\d{1,18})\]")
#: What says how an element is, not what it shows; every other attribute may be on the screen, whoever's driver it is.
_TECHNICAL = frozenset(
    re.split(
        r"\s+",
        """accessible bounds checkable checked class clickable content-size context-clickable displayed drawing-order
        enabled focusable focused height hittable important-for-accessibility index instance live-region
        long-clickable nativeFrame package password resource-id rotation screen-reader-focusable scrollable selected
        showing-hint text-entry-key traits type view-tag visible width window-id x y""",
    )
)
_IDS = ("resource-id", "name", "id", "identifier", "view-tag")
_NAMES = ("content-desc", "name", "label", "accessibility-id")
_EDITABLE = ("EditText", "TextField", "SearchField", "TextView", "AutoCompleteTextView")
_SECURE = "SecureTextField"


class NoTreeError(ValueError):
    """A source that tells nothing about where its elements are; the text says why."""


@dataclass(eq=False)
class Element:
    """One element.

    Attributes:
        place: Where it is; None when it does not say, or has no area.
        shown: What may be on the screen of it, each text once.
    """

    tag: str
    attributes: Mapping[str, str]
    parent: Element | None
    place: Place | None
    shown: list[str]
    children: list[Element] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All that it shows, a line each."""
        return "\n".join(self.shown)

    @property
    def class_name(self) -> str:
        return self.attributes.get("class") or self.attributes.get("type") or self.tag

    @property
    def ids(self) -> list[str]:
        return [self.attributes[name] for name in _IDS if name in self.attributes]

    @property
    def names(self) -> list[str]:
        """Its accessibility ids."""
        return [self.attributes[name] for name in _NAMES if name in self.attributes]

    @property
    def is_secure(self) -> bool:
        """Whether it is a field for a password."""
        # Android and iOS; Windows says IsPassword="True".
        said = self.attributes.get("password") or self.attributes.get("IsPassword") or ""
        return said.lower() == "true" or self.class_name.endswith(_SECURE)

    @property
    def is_editable(self) -> bool:
        """Whether somebody can type into it."""
        # Android's TextView only shows; iOS' is a field of several lines.
        return self.class_name.endswith(_EDITABLE) and self.class_name != "android.widget.TextView"

    def below(self) -> Iterator[Element]:
        """Everything in it, without itself."""
        waiting = list(self.children)
        while waiting:
            element = waiting.pop()
            yield element
            waiting += element.children


@dataclass(frozen=True)
class Tree:
    """A page source.

    Attributes:
        elements: In document order; at least one.
        is_in_pixels: Whether places are in pixels of the screen.
        size: Width and height of the screen as the source tells; None when it does not.
    """

    elements: tuple[Element, ...]
    is_in_pixels: bool
    size: tuple[float, float] | None


def is_page(source: str) -> bool:
    """Whether it is a web page: that has no places in it.

    >>> is_page("\\n<!DOCTYPE html><html></html>"), is_page("<hierarchy/>")
    (True, False)
    """
    return (
        re.match(r"\s*(<\?xml[^>]{0,200}\?>\s*)?<(!doctype\s+html|html)\b", source, re.IGNORECASE) is not None
    )


def read_tree(source: str) -> Tree:
    """Read a page source. Raises NoTreeError."""
    if len(source) > SOURCE_LIMIT:
        raise NoTreeError("the page source is too long")
    reader = _Reader()
    # The text is decoded already, whatever encoding it declares.
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = reader.refuse
    try:
        parser.Parse(source.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise NoTreeError(f"the page source is no XML (line {error.lineno})") from None
    elements = tuple(reader.elements)
    if not any(element.place for element in elements):
        raise NoTreeError("the page source does not say where its elements are")
    is_in_pixels = any("bounds" in element.attributes for element in elements)
    return Tree(elements, is_in_pixels, _size(elements))


class _Reader:
    def __init__(self) -> None:
        self.elements: list[Element] = []
        self._open: list[Element] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self.elements) >= ELEMENT_LIMIT or len(self._open) >= DEPTH_LIMIT:
            raise NoTreeError("the page source is too large")
        parent = self._open[-1] if self._open else None
        element = element_of(tag, attributes, parent)
        if parent is not None:
            parent.children.append(element)
        self.elements.append(element)
        self._open.append(element)

    def end(self, tag: str) -> None:
        self._open.pop()

    def characters(self, text: str) -> None:
        if text.strip():
            self._open[-1].shown.append(text)

    def refuse(self, *_: Any) -> NoReturn:
        raise NoTreeError("the page source declares a document type")


def element_of(tag: str, attributes: Mapping[str, str], parent: Element | None = None) -> Element:
    """An element with nothing in it yet."""
    shown = dict.fromkeys(
        value for name, value in attributes.items() if name not in _TECHNICAL and value.strip()
    )
    return Element(tag, attributes, parent, _place(attributes), list(shown))


def _place(attributes: Mapping[str, str]) -> Place | None:
    found = _BOUNDS.fullmatch(attributes.get("bounds", ""))
    if found is not None:
        left, top, right, bottom = (float(side) for side in found.groups())
    else:
        try:
            left, top = float(attributes["x"]), float(attributes["y"])
            right, bottom = left + float(attributes["width"]), top + float(attributes["height"])
        except (KeyError, ValueError):
            return None
    sides = (min(left, right), min(top, bottom), max(left, right), max(top, bottom))
    has_area = all(map(math.isfinite, sides)) and sides[0] < sides[2] and sides[1] < sides[3]
    return sides if has_area else None


def _size(elements: tuple[Element, ...]) -> tuple[float, float] | None:
    """Of the screen: said by Android's ``hierarchy``, and by the application element of iOS."""
    for element in elements[:2]:
        try:
            size = float(element.attributes["width"]), float(element.attributes["height"])
        except (KeyError, ValueError):
            continue
        if all(math.isfinite(side) and side > 0 for side in size):
            return size
    return None
