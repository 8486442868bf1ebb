"""The page in a real browser: it answers to mouse and keys, fetches nothing and says no error."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from pytest_autorl.capture.farm_page import Lane, page
from real_parts import BROWSER, CHROMEDRIVER
from web_farm import ARGUMENTS, capabilities

pytestmark = [
    pytest.mark.real,
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("few_browsers"),
]

#: Longest time from a key to what it does on a busy machine, seconds.
BOUND_S = 30.0
#: Longest time in which a page of 20 000 attempts may open on a busy machine, seconds; it takes 0.5 on an idle one.
OPENS_S = 6.0


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    """A browser that keeps what it says and asks for."""
    capabilities()
    options = webdriver.ChromeOptions()
    for argument in (*ARGUMENTS, "--window-size=1400,1000"):
        options.add_argument(argument)
    options.binary_location = BROWSER.path
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(CHROMEDRIVER.path))
    yield driver
    driver.quit()


def attempt(test: str, device: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"test": f"a.py::{test}", "module": "a.py", "devices": [device], "class": "any"}
    base |= {"attempt": 1, "outcome": "passed", "blame": None, "worker": "gw0", "start": start, "end": end}
    return {**base, "setup": 0.5, "fixture": 0.2, "waited": 0.0, "why": "", **more}


ROWS = [
    attempt("test_opens", "d1", 0, 4, why="the longest that fits"),
    attempt("test_pays", "d2", 0, 3, outcome="lost", blame="farm"),
    attempt("test_pays", "d1", 4, 10, attempt=2, waited=0.7),
    attempt("test_</script><b>", "d2", 6, 9, outcome="failed", blame="test"),
]
OUTAGES = [{"device": "d2", "start": 3, "end": 5, "why": "its worker died"}]


class Shown:
    """The page in the browser, as people see it."""

    def __init__(self, browser: WebDriver, path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        browser.get_log("browser")
        browser.get_log("performance")
        self.browser = browser
        self.url = path.as_uri()
        browser.get(self.url)

    def part(self, name: str) -> WebElement:
        return self.browser.find_element("id", name)

    def point(self, share: float, lane: int) -> ActionChains:
        """The mouse at this share of the run on one of two lanes; to be performed."""
        canvas = self.part("canvas")
        x, y = (share - 0.5) * canvas.size["width"], (lane - 0.5) * canvas.size["height"] / 2
        return ActionChains(self.browser).move_to_element_with_offset(canvas, round(x), round(y))

    def until(self, said: str, name: str) -> str:
        """Wait for a text in a part. Returns all of its text."""
        with contextlib.suppress(TimeoutException):  # the assertion shows what is there instead
            WebDriverWait(self.browser, BOUND_S).until(lambda _: said in self.part(name).text)
        found = self.part(name).text
        assert said in found
        return found

    def pixels(self) -> str:
        """What is drawn now, after the frame that is asked for."""
        script = """
            const done = arguments[0], drawn = () => done(document.getElementById("canvas").toDataURL());
            requestAnimationFrame(() => requestAnimationFrame(drawn));
        """
        return str(self.browser.execute_async_script(script))

    def requests(self) -> set[str]:
        messages = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        return {
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        }


@pytest.fixture
def shown(browser: WebDriver, tmp_path: Path) -> Iterator[Shown]:
    """A small run. At the end: no error on the console, no request but for the page itself."""
    text = page(ROWS, [Lane("d1"), Lane("d2")], run="r", source="s", version="1", outages=OUTAGES)
    shown = Shown(browser, tmp_path / "farm.html", text)
    yield shown
    assert browser.get_log("browser") == []
    assert shown.requests() == {shown.url}


def test_pointing_tells_what_is_there(shown: Shown) -> None:
    shown.point(0.2, 0).perform()
    told = shown.until("test_opens", "tip")
    assert "passed" in told
    assert "4.000 s, from 0.000 s to 4.000 s" in told
    assert "0.500 s (session 0.300 s, fixtures 0.200 s)" in told
    assert "the longest that fits" in told

    shown.point(0.4, 1).perform()
    assert "its worker died" in shown.until("d2 not available", "tip")

    shown.point(0.55, 1).perform()
    shown.until("d2 idle for 1.000 s", "tip")


def test_a_click_lists_every_attempt_of_the_test(shown: Shown) -> None:
    shown.point(0.7, 0).click().perform()

    listed = shown.until("2 attempts of a.py::test_pays", "found")
    assert "lost (farm)" in listed

    ActionChains(shown.browser).send_keys(Keys.ESCAPE).perform()
    assert not shown.part("found").is_displayed()


def test_a_search_counts_lists_and_dims_the_others(shown: Shown) -> None:
    before = shown.pixels()

    shown.part("search").send_keys("</script>")

    shown.until("1 of 4", "count")
    shown.until("a.py::test_</script><b>", "found")
    assert shown.pixels() != before


def test_an_outcome_can_be_hidden(shown: Shown) -> None:
    shown.browser.find_element("css selector", ".chip.lost").click()
    shown.point(0.2, 1).perform()

    assert not shown.part("tip").is_displayed()

    shown.part("every").click()
    assert "lost" not in shown.until("3 attempts", "found")


def test_zoom_and_pan_by_wheel_drag_and_keys_and_back(shown: Shown) -> None:
    whole = shown.pixels()
    assert not shown.part("reset").is_enabled()
    seen = {whole}

    shown.part("in").click()
    seen.add(shown.pixels())
    shown.point(0.5, 0).click_and_hold().move_by_offset(-200, 0).release().perform()
    seen.add(shown.pixels())
    shown.part("scroll").send_keys("+")
    seen.add(shown.pixels())
    origin = ScrollOrigin.from_element(shown.part("canvas"))
    pinch = ActionChains(shown.browser).key_down(Keys.CONTROL).scroll_from_origin(origin, 0, -60)
    pinch.key_up(Keys.CONTROL).perform()
    seen.add(shown.pixels())

    assert len(seen) == 5
    assert shown.part("reset").is_enabled()
    shown.part("reset").click()
    ActionChains(shown.browser).move_to_element(shown.part("search")).perform()
    assert shown.pixels() == whole


def test_keys_go_from_attempt_to_attempt_and_say_where_they_are(shown: Shown) -> None:
    lanes = shown.part("scroll")

    lanes.send_keys(Keys.ARROW_RIGHT)
    first = shown.browser.execute_script("return document.getElementById('said').textContent")
    lanes.send_keys(Keys.ARROW_RIGHT)
    second = shown.browser.execute_script("return document.getElementById('said').textContent")
    lanes.send_keys(Keys.ENTER)

    assert first.startswith("a.py::test_opens: outcome passed; ")
    assert second.startswith("a.py::test_pays: outcome passed; attempt 2")
    shown.until("2 attempts of a.py::test_pays", "found")


def test_the_page_is_whole_without_scripts(shown: Shown) -> None:
    shown.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        shown.browser.refresh()
        text = shown.browser.find_element("tag name", "main").text
        assert shown.browser.find_element("css selector", "#lanes svg").is_displayed()
    finally:
        shown.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

    assert "a.py::test_opens" in text
    assert "failed test" in text
    assert "Drag moves" not in text


def test_twenty_thousand_attempts_open_soon(browser: WebDriver, tmp_path: Path) -> None:
    rows = [
        attempt(
            f"test_{n}",
            f"d{n % 200}",
            n // 200,
            n // 200 + 0.9,
            outcome="failed" if n % 99 == 0 else "passed",
        )
        for n in range(20_000)
    ]
    text = page(rows, [Lane(f"d{n}") for n in range(200)], run="r", source="s", version="1")

    shown = Shown(browser, tmp_path / "farm.html", text)

    script = "return performance.getEntriesByType('navigation')[0].loadEventEnd"
    # It is 0 until the page's own handlers of "load" have ended, which the driver does not wait for.
    opened_ms = WebDriverWait(browser, BOUND_S).until(lambda _: browser.execute_script(script))
    assert 0 < opened_ms < 1000 * OPENS_S
    shown.part("search").send_keys("test_19999")
    shown.until("1 of 20000", "count")
