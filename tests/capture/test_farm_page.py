"""The page: complete, offline, and safe for any name."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from pytest_autorl.capture.farm_page import page

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
        [("d1", "android 14 phone"), ("d2", "ios"), ("d3", "")],
        run="r1",
        source="farm.yml",
        version="1",
    )

    titles = parsed(text).titles
    assert text.count('class="lane"') == 4  # three devices and the axis
    assert len([title for title in titles if "a.py::two" in title]) == 2
    assert any("failed, blame test, attempt 1, 2.000 s" in title for title in titles)
    assert "2 of 3" in text


def test_the_page_fetches_nothing() -> None:
    text = page([row("t", 0, 1)], [("d1", "")], run="r", source="s", version="1")

    assert not re.search(r"(src|href)\s*=|@import|url\(|https?://", text)


def test_names_cannot_break_out_of_the_page() -> None:
    evil = "</div><script>alert(1)</script>\"'&"
    text = page(
        [row(f"t::{evil}", 0, 1, worker=evil, outcome="passed", **{"class": evil})],
        [("d1", evil)],
        run=evil,
        source=evil,
        version="1",
    )

    assert "<script" not in text
    parsed(text)


def test_a_page_without_rows_is_still_a_page() -> None:
    parsed(page([], [("d1", "")], run="r", source="s", version="1"))
