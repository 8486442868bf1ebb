"""Which parts of a screenshot must not be seen, told from the page source that belongs to it.

Masked are fields for passwords, elements that show something the redactor finds, what the user's selectors mean, what
the source does not account for, and on request the status bar. Pure: texts and numbers in, rectangles out. `png` paints
them; web pages are asked for their rectangles by `dom`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from pytest_autorl.privacy.box import Box, visible
from pytest_autorl.privacy.masking import Masking
from pytest_autorl.privacy.uitree import Element, NoTreeError, Place, Tree

#: Whether a text holds something that must not leave.
Finds = Callable[[str], bool]
#: Width and height.
Size = tuple[float, float]

#: Share of the height that a status bar has at most where nobody says how high it is.
_BAR_SHARE = 0.05
#: How much the shapes of screen and picture may differ: bars of the system that one of them leaves out, rounding.
_SHAPE = 0.03
#: Share of a side that bars of the system may take, which are in no app's source.
_BARS_SHARE = 0.08
#: Longest text of one of several fields that hold one value in parts, and most of such fields.
_PART, _PARTS = 8, 16


def boxes_of(
    tree: Tree,
    picture: tuple[int, int],
    *,
    finds: Finds,
    masking: Masking,
    window: Size | None = None,
    bar_px: float | None = None,
    margin: int | None = None,
) -> list[Box]:
    """What to mask in a screenshot.

    Args:
        tree: The page source of Appium's driver.
        picture: Size of the screenshot, pixels.
        finds: Asked for all that an element shows, a line for each attribute. What raises counts as found.
        window: Size of the window in the source's unit, for sources that do not tell it.
        bar_px: Height of the status bar, pixels of the screen; None where it is not known.
        margin: Pixels around each rectangle; by default a few, for what is drawn over an element's edge.

    Raises NoTreeError when the source does not tell where things are in the picture.
    """
    scale = _scale(tree, picture, window)
    found = [_box(_place_of(element), picture, scale) for element in to_mask(tree, finds, masking)]
    found += _unseen(tree, picture, scale)
    if masking.status_bar:
        found.append(_status_bar(tree, picture, scale, bar_px))
    return visible(found, picture, margin=margin_of(picture) if margin is None else margin)


def margin_of(picture: tuple[int, int], *, is_wide: bool = False) -> int:
    """Pixels around a rectangle; wide ones where the picture may have moved since the source was read."""
    return max(2, max(picture) // (40 if is_wide else 500))


def to_mask(tree: Tree, finds: Finds, masking: Masking) -> list[Element]:
    """The elements to mask, the innermost that show what is found."""
    cautious = functools.lru_cache(maxsize=None)(functools.partial(_finds, finds))
    chosen = {element for element in tree.elements if _is_chosen(element, masking)}
    showing: set[Element] = set()
    # From the last one on, so that an element comes after all that is in it.
    for element in reversed(tree.elements):
        showing |= set(_parts(element, cautious))
        if element in chosen or not _shows(element, cautious):
            continue
        inner = [each for each in element.below() if each in showing]
        if not inner or cautious(_without(element.text, inner)):
            showing.add(element)
    return [element for element in tree.elements if element in chosen or element in showing]


def _finds(finds: Finds, text: str) -> bool:
    try:
        return finds(text)
    except Exception:  # what cannot be looked through must not be seen
        return True


def _is_chosen(element: Element, masking: Masking) -> bool:
    return element.is_secure or any(selector.means(element) for selector in masking.selectors)


def _shows(element: Element, finds: Finds) -> bool:
    if not element.shown:
        return False
    if finds(element.text):
        return True
    if not element.is_editable:
        return False
    # What is typed into a field is what the field is called after, as in a form that is sent.
    typed = element.attributes.get("text") or element.attributes.get("value") or ""
    called = {each.rpartition("/")[2] for each in (*element.ids, *element.shown)} - {typed}
    return bool(typed) and any(finds(f"{name}: {typed}") for name in called)


def _without(text: str, inner: Iterable[Element]) -> str:
    """What an element shows, save what others in it show: those are masked themselves."""
    parts = {part for element in inner for part in element.shown}
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, " ")
    return text


def _parts(element: Element, finds: Finds) -> Sequence[Element]:
    """Fields side by side that together show what is found, such as the four groups of a card's number."""
    parts = [child for child in element.children if child.shown]
    if not 2 <= len(parts) <= _PARTS or not all(len(part.shown[0]) <= _PART for part in parts):
        return ()
    texts = [part.shown[0].strip() for part in parts]
    if sum(any(map(str.isdigit, text)) for text in texts) < 2:
        return ()
    return parts if any(finds(between.join(texts)) for between in ("", " ", "-")) else ()


def _place_of(element: Element) -> Place | None:
    """Where it is, or what is around it; None for anywhere."""
    around: Element | None = element
    while around is not None and around.place is None:
        around = around.parent
    return around.place if around is not None else None


def _scale(tree: Tree, picture: tuple[int, int], window: Size | None) -> float:
    """Pixels of the picture for one unit of the source."""
    size = tree.size or window
    if size is None:
        if tree.is_in_pixels:
            return 1.0
        raise NoTreeError("nothing says how large the screen is in units of the page source")
    across, down = picture[0] / size[0], picture[1] / size[1]
    if tree.is_in_pixels:
        if (size[0] - size[1]) * (picture[0] - picture[1]) < 0:
            raise NoTreeError("page source and screenshot are not turned alike")
        # A size without the bars of the system is too small, and a screenshot larger than its screen is none.
        return min(1.0, across, down)
    if abs(across / down - 1) > _SHAPE:
        raise NoTreeError("page source and screenshot do not show the same part of the screen")
    return across


def _box(place: Place | None, picture: tuple[int, int], scale: float) -> Box:
    if place is None:
        return Box(0, 0, *picture)
    # Cut before it becomes a number of pixels: it may be far too large for one.
    left, top, right, bottom = (min(max(side * scale, -1e6), 1e6) for side in place)
    return Box(math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))


def _unseen(tree: Tree, picture: tuple[int, int], scale: float) -> Iterator[Box]:
    """What is around the part of the screen that the source tells of.

    Android's source is that of one window. Behind a dialog, dimmed, stands a screen of which it says nothing.
    """
    told = _innermost(tree)
    places = [told.place] if told.place else [each.place for each in told.below() if each.place]
    boxes = [_box(place, picture, scale).within(picture) for place in places]
    left, top = min(box.left for box in boxes), min(box.top for box in boxes)
    right, bottom = max(box.right for box in boxes), max(box.bottom for box in boxes)
    width, height = picture
    gaps = (left / width, (width - right) / width, top / height, (height - bottom) / height)
    if max(gaps) > _BARS_SHARE:
        yield from (Box(0, 0, left, height), Box(right, 0, width, height))
        yield from (Box(left, 0, right, top), Box(left, bottom, right, height))


def _innermost(tree: Tree) -> Element:
    """The innermost element that holds all that is told: the frames around it may be see-through."""
    element = tree.elements[0]
    while not element.shown or element.place is None or element.class_name == "XCUIElementTypeApplication":
        inner = [child for child in element.children if not _is_backdrop(child)]
        if len(inner) != 1 or not inner[0].children:
            break
        element = inner[0]
    return element


def _is_backdrop(element: Element) -> bool:
    """Whether it is a plain area: Android lays one behind what slides in, and behind the bars of the system."""
    return element.class_name == "android.view.View" and not element.children and not element.shown


def _status_bar(tree: Tree, picture: tuple[int, int], scale: float, bar_px: float | None) -> Box:
    if tree.is_in_pixels and bar_px:
        return Box(0, 0, picture[0], math.ceil(bar_px * scale))
    bottoms = [bar.place[3] for bar in _bars(tree) if bar.place is not None]
    return Box(
        0, 0, picture[0], math.ceil(max(bottoms) * scale if bottoms else picture[1] * _BAR_SHARE)
    ).within(picture)


def _bars(tree: Tree) -> Iterator[Element]:
    return (element for element in tree.elements if element.class_name == "XCUIElementTypeStatusBar")
