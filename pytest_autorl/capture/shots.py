"""Screenshots with masks: taken together with what says where things are in them.

Picture and page source are not of one instant. So the picture is taken before and after the source: two that are the
same, to the byte, have the source of their time between them. When they differ the source is read once more, and the
later picture is masked by the places of both. A device that is slow is spared that; the masks get wide edges then.
The raw picture stays in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from pytest_autorl.capture.asking import Got
from pytest_autorl.privacy.dom import PageView, page_boxes, question, read_answer
from pytest_autorl.privacy.masking import Masking
from pytest_autorl.privacy.png import UnreadablePictureError, masked, size_of, stripped
from pytest_autorl.privacy.screenshots import Size, boxes_of, margin_of
from pytest_autorl.privacy.uitree import NoTreeError, Tree, is_page, read_tree

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

T = TypeVar("T")

#: Longest that the first picture and its source may take for a device to be asked for both again, seconds.
SLOW_S = 2.0


class Ask(Protocol):
    """Asks the device for one thing."""

    def __call__(self, take: Callable[[], T], /) -> Got[T]: ...


class Finder(Protocol):
    """Of a redactor what screenshots need."""

    def finds(self, text: str) -> bool:
        """Whether a text holds something that must not leave."""


@dataclass(frozen=True)
class Look:
    """What a device showed.

    Attributes:
        picture: The raw picture: not to be written anywhere.
        source: The page source as the driver gave it.
        views: What says where things are in the picture, read around the time when it was taken.
        is_moving: Whether the picture may not be of the time of any of the views.
        window: Size of the window in units of the source, where that does not tell.
        bar_px: Height of the status bar, as the session told.
        why: Why there is no view.
    """

    picture: Got[bytes]
    source: Got[str]
    views: tuple[Tree | PageView, ...] = ()
    is_moving: bool = False
    window: Size | None = None
    bar_px: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Shot:
    """A picture to be kept.

    Attributes:
        picture: Masked; when that could not be done, as it was taken, without what was said beside it.
        why_raw: Why it is not masked; "" for one that is.
    """

    picture: bytes
    why_raw: str = ""


def look_at(
    driver: WebDriver, ask: Ask, masking: Masking, *, clock: Callable[[], float] = time.monotonic
) -> Look:
    """Take picture and source of a session. What the device does not give is said in the answer."""
    begun_s = clock()
    # First, so that a device that does not get to tell its source has been seen at least.
    first = ask(driver.get_screenshot_as_png)
    source = ask(lambda: driver.page_source)
    if first.body is None or source.body is None:
        return Look(first, source, why=f"page source {source.why}")
    is_web = is_page(source.body)
    view = _page(driver, ask, masking) if is_web else _tree(source.body)
    if view.body is None:
        return Look(first, source, why=view.why)
    window = _window(driver, ask, view.body)
    bar_px = _number(driver.capabilities.get("statBarHeight"))
    if clock() - begun_s > SLOW_S:
        return Look(first, source, (view.body,), True, window, bar_px)
    second = ask(driver.get_screenshot_as_png)
    if second.body is None:
        return Look(first, source, (view.body,), True, window, bar_px)
    if second.body == first.body:
        return Look(second, source, (view.body,), False, window, bar_px)
    later: Got[Tree | PageView]
    if is_web:
        later = _page(driver, ask, masking)
    else:
        newer = ask(lambda: driver.page_source)
        later = _tree(newer.body) if newer.body is not None else Got(None, newer.why)
        source = newer if newer.body is not None else source
    views = (view.body,) if later.body is None else (view.body, later.body)
    return Look(second, source, views, later.body is None, window, bar_px)


def mask_look(look: Look, redactor: Finder, masking: Masking) -> Shot:
    """The picture without what must not be seen; as it is, with the reason, where nobody knows what that is.

    Only for a look with a picture.
    """
    assert look.picture.body is not None
    raw = look.picture.body
    if not look.views:
        return _raw(raw, look.why)
    try:
        size = size_of(raw)
        margin = margin_of(size, is_wide=look.is_moving)
        boxes = []
        for view in look.views:
            if isinstance(view, PageView):
                boxes += page_boxes(view, size, finds=redactor.finds, masking=masking, margin=margin)
            else:
                boxes += boxes_of(
                    view,
                    size,
                    finds=redactor.finds,
                    masking=masking,
                    window=look.window,
                    bar_px=look.bar_px,
                    margin=margin,
                )
        return Shot(masked(raw, boxes))
    except (NoTreeError, UnreadablePictureError) as error:
        return _raw(raw, str(error))


def _raw(picture: bytes, why: str) -> Shot:
    with suppress(UnreadablePictureError):
        picture = stripped(picture)
    return Shot(picture, why)


def _tree(source: str) -> Got[Tree | PageView]:
    try:
        return Got(read_tree(source))
    except NoTreeError as error:
        return Got(None, str(error))


def _page(driver: WebDriver, ask: Ask, masking: Masking) -> Got[Tree | PageView]:
    answer = ask(lambda: driver.execute_script(*question(masking)))
    if answer.body is None:
        return Got(None, f"the page was {answer.why}")
    try:
        return Got(read_answer(answer.body))
    except NoTreeError as error:
        return Got(None, str(error))


def _window(driver: WebDriver, ask: Ask, view: Tree | PageView) -> Size | None:
    if isinstance(view, PageView) or view.size is not None:
        return None
    told = ask(driver.get_window_size).body or {}
    width, height = _number(told.get("width")), _number(told.get("height"))
    return (width, height) if width and height else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 < value < 1e6 else None
