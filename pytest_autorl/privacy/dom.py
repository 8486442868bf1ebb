"""What to mask in the screenshot of a web page: the page tells where it shows what, the decision is made here.

`page.js` is run in the page, which is not trusted: what it answers is checked for its shape, and an answer that does
not fit the picture is no answer. A page can hide from it what it draws by itself (canvas, images, CSS content, closed
shadow trees).
"""

from __future__ import annotations

import functools
import importlib.resources
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_autorl.privacy.box import Box, visible
from pytest_autorl.privacy.masking import Masking
from pytest_autorl.privacy.screenshots import margin_of
from pytest_autorl.privacy.uitree import NoTreeError

#: Most pieces of text that are looked at, and their length together, characters. A screen shows far less.
PIECES, CHARACTERS = 20_000, 1_000_000
#: How much the size of the picture may differ from what the page says it is.
_SHAPE = 0.03


@dataclass(frozen=True)
class Piece:
    """One text and where it is, CSS pixels of the window; nowhere for mere space between others."""

    text: str
    boxes: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True)
class PageView:
    """What a page shows.

    Attributes:
        scale: Pixels of a picture for one of CSS.
        left, top: Where the picture begins, in CSS pixels of the window: pages can be zoomed into.
        blocks: Texts that are read as one, such as those of a paragraph.
        covered: Places to mask whatever they show.
    """

    scale: float
    left: float
    top: float
    width: float
    height: float
    blocks: tuple[tuple[Piece, ...], ...]
    covered: tuple[tuple[float, float, float, float], ...]


@functools.lru_cache(maxsize=1)
def _script() -> str:
    return (importlib.resources.files("pytest_autorl.privacy") / "page.js").read_text("utf-8")


def question(masking: Masking) -> tuple[Any, ...]:
    """What to give to `driver.execute_script`; the answer is for `read_answer`."""
    selectors = [selector.css for selector in masking.selectors if selector.css]
    return _script(), {"pieces": PIECES, "characters": CHARACTERS}, selectors


def read_answer(answer: Any) -> PageView:
    """What `page.js` gave. Raises NoTreeError when it does not tell where things are."""
    try:
        if answer["why"]:
            raise NoTreeError(str(answer["why"])[:200])
        view = PageView(
            scale=float(answer["scale"]),
            left=float(answer["left"]),
            top=float(answer["top"]),
            width=float(answer["width"]),
            height=float(answer["height"]),
            blocks=tuple(
                tuple(Piece(str(text), tuple(_sides(box) for box in boxes)) for text, boxes in block)
                for block in answer["blocks"]
            ),
            covered=tuple(_sides(box) for box in answer["covered"]),
        )
    except NoTreeError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError):
        raise NoTreeError("the page did not answer as asked") from None
    if not all(math.isfinite(each) for each in (view.scale, view.left, view.top, view.width, view.height)):
        raise NoTreeError("the page did not answer as asked")
    return view


def _sides(box: Any) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(side) for side in box)
    if not all(map(math.isfinite, (left, top, right, bottom))):
        raise ValueError("no number")
    return left, top, right, bottom


def page_boxes(
    view: PageView,
    picture: tuple[int, int],
    *,
    finds: Callable[[str], bool],
    masking: Masking,
    margin: int | None = None,
) -> list[Box]:
    """What to mask in a screenshot of the page.

    Args:
        picture: Its size, pixels.
        finds: Whether a text holds something that must not leave. What raises counts as found.
        margin: Pixels around each rectangle; by default a few.

    Raises NoTreeError when the picture is not of the page, as on phones whose whole screen is taken.
    """
    for mine, its in zip(picture, (view.width * view.scale, view.height * view.scale), strict=True):
        if abs(mine - its) > _SHAPE * max(mine, its):
            raise NoTreeError("the screenshot does not show the page alone")
    places = [*view.covered]
    cautious = functools.lru_cache(maxsize=None)(functools.partial(_finds, finds, masking))
    for block in view.blocks:
        places += _hidden(block, cautious)
    found = (_box(place, view) for place in places)
    return visible(found, picture, margin=margin_of(picture) if margin is None else margin)


def _finds(finds: Callable[[str], bool], masking: Masking, text: str) -> bool:
    try:
        return finds(text) or any(
            selector.pattern is not None and selector.pattern.search(text) for selector in masking.selectors
        )
    except Exception:  # what cannot be looked through must not be seen
        return True


def _hidden(
    block: Sequence[Piece], finds: Callable[[str], bool]
) -> Iterator[tuple[float, float, float, float]]:
    rest = ""
    shown: list[Piece] = []
    for run in _runs(block):
        text = "".join(piece.text for piece in run)
        if finds(text) or any(finds(piece.text) for piece in run):
            shown += run
            text = " "
        rest += text
    # What begins in one run and ends in another is only seen in all of them.
    for piece in block if finds(rest) else shown:
        yield from piece.boxes


def _runs(block: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Pieces without space between them, such as the bold beginning of a word and its end."""
    run: list[Piece] = []
    for piece in block:
        if run and (run[-1].text[-1:].isspace() or piece.text[:1].isspace()):
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _box(place: tuple[float, float, float, float], view: PageView) -> Box:
    left, top, right, bottom = place
    sides = (left - view.left, top - view.top, right - view.left, bottom - view.top)
    left, top, right, bottom = (min(max(side * view.scale, -1e6), 1e6) for side in sides)
    return Box(math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))
