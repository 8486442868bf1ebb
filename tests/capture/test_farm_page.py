"""The page: complete, offline, and safe for any name."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from pytest_autorl.capture.farm_page import Lane, page

pytestmark = pytest.mark.unit

VOID = {"meta", "br", "img"}


def row(test: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    base = {"test": test, "module": "m", "devices": ["d1"], "class": "any", "attempt": 1, "outcome": "passed"}
    base |= {
        "blame": None,
        "worker": "gw0",
        "start": start,
        "end": end,
        "setup": 0.1,
        "fixture": 0.0,
        "waited": 0.0,
        "run": "r",
    }
    return {**base, **more}


class Balance(HTMLParser):
    """Fails on a tag that is not closed; keeps the titles."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.titles: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.titles += [value or "" for name, value in attrs if name == "title"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(text: str) -> Balance:
    balance = Balance()
    balance.feed(text)
    assert balance.open == []
    return balance


def test_every_device_has_a_lane_and_every_attempt_a_bar() -> None:
    rows = [
        row("a.py::one", 0, 2),
        row("a.py::two", 2, 4, devices=["d1", "d2"], outcome="failed", blame="test"),
    ]

    text = page(
        rows,
        [Lane("d1", "android 14 phone"), Lane("d2", "ios"), Lane("d3")],
        run="r1",
        source="farm.yml",
        version="1",
    )

    titles = parsed(text).titles
    assert text.count('class="lane"') == 4  # three devices and the axis
    assert len([title for title in titles if "a.py::two" in title]) == 2
    assert any("failed, blame test, attempt 1, 2.000 s (set-up 0.100 s)" in title for title in titles)
    assert any(
        "needs any, worker gw0, waited 0.000 s\nfrom 2.000 s to 4.000 s\non d1, d2" in title
        for title in titles
    )
    assert "2 of 3" in text
    assert re.search("<b>1</b><span[^>]*>failed<", text)


def test_a_wait_is_drawn_before_its_test_and_a_moments_is_not() -> None:
    text = page(
        [row("a.py::quick", 0, 2, waited=0.04), row("a.py::slow", 4, 10, waited=1.5)],
        [Lane("d1")],
        run="r1",
        source="farm.yml",
        version="1",
    )

    (wait,) = re.findall(r'<div class="wait" style="([^"]*)" title="([^"]*)"', text)
    assert wait == (
        "left:25.0000%;width:15.0000%",
        "a.py::slow\nwaits 1.500 s for a device (needs any), worker gw0",
    )
    assert "1.5 s" in text
    assert "by 1 tests" not in text


def test_a_lane_says_what_its_device_is_at_the_end_when_it_cannot_be_had() -> None:
    lanes = [Lane("d1"), Lane("d2", "ios", "unhealthy: quarantined: its battery swells")]

    text = page([row("t", 0, 1)], lanes, run="r", source="s", version="1")

    assert re.findall('<div class="note">([^<]*)<', text) == ["unhealthy: quarantined: its battery swells"]


def test_lanes_grow_with_their_tests_but_not_without_end() -> None:
    def width(count: int) -> int:
        rows = [row(f"t::{n}", n, n + 1) for n in range(count)]
        text = page(rows, [Lane("d1")], run="r", source="s", version="1")
        return int(re.findall(r"min-width:(\d+)px\"", text)[0])

    assert width(1) < width(500) < width(4000) == width(5000)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(119.94, "119.9 s"), (150, "2 min 30 s"), (7199.6, "2 h 00 min"), (7500, "2 h 05 min")],
)
def test_times_are_shown_as_people_read_them(seconds: float, shown: str) -> None:
    text = page([row("t", 0, seconds)], [Lane("d1")], run="r", source="s", version="1")

    assert f"{shown}</span></div>" in text


def test_the_page_fetches_nothing() -> None:
    text = page([row("t", 0, 1)], [Lane("d1")], run="r", source="s", version="1")

    assert not re.search(r"(src|href)\s*=|@import|url\(|https?://", text)


def test_names_cannot_break_out_of_the_page() -> None:
    evil = "</div><script>alert(1)</script>\"'&"
    text = page(
        [row(f"t::{evil}", 0, 1, worker=evil, outcome="passed", **{"class": evil})],
        [Lane("d1", evil, evil)],
        run=evil,
        source=evil,
        version="1",
    )

    assert "<script" not in text
    parsed(text)


def test_a_page_without_rows_is_still_a_page() -> None:
    parsed(page([], [Lane("d1")], run="r", source="s", version="1"))
