"""What is masked of a web page, told from what it said; pages themselves are in `tests/real/test_screenshots.py`."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_autorl.privacy.box import Box
from pytest_autorl.privacy.dom import page_boxes, question, read_answer
from pytest_autorl.privacy.masking import Masking
from pytest_autorl.privacy.uitree import NoTreeError

pytestmark = pytest.mark.unit


def finds(text: str) -> bool:
    if "unreadable" in text:
        raise RuntimeError("cannot")
    return re.search(r"\w+@\w+", text) is not None


def answer(*blocks: list[Any], **more: Any) -> dict[str, Any]:
    """Of a page of 400 to 300 on a screen with two pixels for each of CSS."""
    whole = {"scale": 2, "left": 0, "top": 0, "width": 400, "height": 300, "covered": [], "why": ""}
    return {**whole, "blocks": list(blocks), **more}


def piece(text: str, x: float, *, y: float = 10) -> list[Any]:
    return [text, [[x, y, x + 20, y + 10]]]


def boxes(said: Any, picture: tuple[int, int] = (800, 600), masking: Masking | None = None) -> list[Box]:
    return page_boxes(read_answer(said), picture, finds=finds, masking=masking or Masking(), margin=0)


def at(x: float, *, y: float = 10) -> Box:
    """Where a piece is in the picture."""
    return Box(int(2 * x), int(2 * y), int(2 * x + 40), int(2 * y + 20))


def test_texts_are_masked_where_something_is_found_in_them() -> None:
    assert boxes(answer([piece("write to ", 0), piece("a@b", 50)], [piece("c@d", 0, y=40)])) == [
        at(0, y=40),
        at(50),
    ]


def test_what_is_spread_over_several_texts_is_masked_in_all_of_them() -> None:
    """A part of an address in bold, also where the rest is one by itself; what is around it stays."""
    split = [piece("write to ", 0), piece("dana", 50), piece("@b", 100), piece(" now", 150)]
    longer = [piece("dana.", 0, y=40), piece("lou@b", 50, y=40)]

    assert boxes(answer(split, longer)) == [at(0, y=40), at(50), at(50, y=40), at(100)]
    assert boxes(answer([])) == []


def test_what_has_space_in_it_is_masked_in_the_whole_paragraph() -> None:
    masking = Masking.of(["text~=Dana +Demo"])
    split = [piece("by Dana ", 0), piece("Demo", 50)]

    assert boxes(answer(split, [piece("Demo", 200)]), masking=masking) == [at(0), at(50)]


def test_space_between_texts_keeps_them_apart() -> None:
    assert boxes(answer([piece("dana", 0), ["\n", []], piece("@b", 50)])) == []


def test_a_text_of_several_lines_is_masked_in_each() -> None:
    assert boxes(answer([["a@b and c", [[0, 10, 20, 20], [0, 30, 20, 40]]]])) == [at(0), at(0, y=30)]


def test_passwords_and_frames_are_masked_without_being_read() -> None:
    assert boxes(answer(covered=[[0, 10, 20, 20]])) == [at(0)]


def test_the_users_regular_expressions_are_asked_here() -> None:
    masking = Masking.of(["text~=^Dana", "css=td", "id=card"])

    assert boxes(answer([piece("Dana Demo", 0)], [piece("Not Dana", 50)]), masking=masking) == [at(0)]
    assert question(masking)[2] == ["td", '[id="card"]']


def test_what_cannot_be_looked_through_is_masked() -> None:
    assert boxes(answer([piece("unreadable", 0)])) == [at(0)]


def test_places_outside_of_the_picture_are_cut() -> None:
    assert boxes(answer(covered=[[-1e30, -5, 1e30, 5], [500, 0, 600, 9]])) == [Box(0, 0, 800, 10)]


def test_a_page_that_is_zoomed_into_is_seen_in_part() -> None:
    zoomed = answer([piece("a@b", 110, y=60)], scale=4, left=100, top=50, width=200, height=150)

    assert boxes(zoomed) == [Box(40, 40, 120, 80)]


@pytest.mark.parametrize("picture", [(400, 300), (800, 1200), (1170, 600)])
def test_a_picture_of_more_than_the_page_is_refused(picture: tuple[int, int]) -> None:
    """Phones take the whole screen: where in it the page is, it cannot tell."""
    with pytest.raises(NoTreeError, match="page alone"):
        boxes(answer(), picture)


def test_scroll_bars_and_rounding_make_no_difference() -> None:
    assert boxes(answer(covered=[[0, 10, 20, 20]]), (799, 598)) == [at(0)]


@pytest.mark.parametrize(
    "said",
    [
        None,
        "text",
        {},
        answer(scale="wide"),
        answer(scale=float("nan")),
        answer(width=10**400),
        answer([["a@b", [[1, 2, 3]]]]),
        answer([["a@b", [[0, 0, float("inf"), 1]]]]),
        answer([["a@b"]]),
        answer(blocks=None),
        answer(covered=5),
    ],
)
def test_an_answer_of_another_shape_is_none(said: Any) -> None:
    with pytest.raises(NoTreeError, match="did not answer as asked"):
        read_answer(said)


def test_a_page_that_cannot_tell_all_says_why() -> None:
    with pytest.raises(NoTreeError, match="too much"):
        read_answer(answer(why="the page shows too much"))
    with pytest.raises(NoTreeError, match="in a frame"):
        read_answer({"why": "in a frame"})
