"""What is behind a session dies for real (page, browser, chromedriver, server), and the test passes elsewhere."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import deaths
from attempts import Books, run_books
from lab import is_running, until
from pages import Pages
from pytest_autorl.state.peek import peek
from real_parts import TOOLS, Layout, driver_named, missing
from real_servers import AppiumServer, require_real
from web_farm import capabilities

pytestmark = [
    pytest.mark.real,
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
    pytest.mark.usefixtures("few_browsers"),
]
pytest.importorskip("xdist", reason="pytest-xdist is not installed")
pytest.importorskip("allure", reason="allure-pytest is not installed")

WORKERS = pytest.mark.parametrize("workers", [0, 2], ids=["alone", "ordered"])

HEAD = """
import deaths
import pytest
from counting import attempt

@pytest.fixture
def greeting(driver):
    driver.get("{pages}/")
    deaths.note(driver)
    return driver
"""

#: Each test kills something between two commands of its first attempt.
SERVER_DIES = """
def test_server(greeting):
    if attempt("server") == 1:
        deaths.kill(deaths.server(greeting), "appium")
    with deaths.told("server"):
        assert greeting.title == "Greeting"
"""
OTHERS_DIE = """
def test_chromedriver(greeting):
    if attempt("chromedriver") == 1:
        deaths.kill(deaths.chromedriver(greeting), "chromedriver")
    with deaths.told("chromedriver"):
        assert greeting.title == "Greeting"

def test_browser(greeting):
    if attempt("browser") == 1:
        deaths.kill(deaths.browser(greeting), "chrom")
    with deaths.told("browser"):
        assert greeting.title == "Greeting"

@pytest.mark.retry(initial_delay=0)
def test_page(greeting):
    if attempt("page") == 1:
        deaths.crash_pages(greeting)
    with deaths.told("page"):
        assert greeting.title == "Greeting"

@pytest.mark.retry(initial_delay=0)
def test_element(greeting):
    title = greeting.find_element("css selector", "#title")
    if attempt("element") == 1:
        greeting.refresh()
    with deaths.told("element"):
        assert title.text == "Who is there?"
"""
CALM = """
@pytest.mark.parametrize("n", range(2))
def test_calm(greeting, n):
    assert greeting.title == "Greeting"
"""
#: In one process the last one of all.
ON_BOTH = """
@pytest.mark.device(count=2)
def test_on_both(drivers):
    for driver in drivers:
        driver.get("{pages}/")
        deaths.note(driver)
        assert driver.title == "Greeting"
"""


class Loss(NamedTuple):
    """What is told of the first attempt of a test.

    Attributes:
        domain: Of its error, which is transient.
        rules: One of these has classified it. ChromeDriver's words for the end of a browser change.
    """

    kind: str
    outcome: str
    blame: str
    domain: str
    rules: tuple[str, ...]


LOSSES = {
    "server": Loss("loss", "lost", "farm", "server", ("server: down",)),
    "chromedriver": Loss("loss", "lost", "farm", "server", ("webdriver: connection behind the server",)),
    "browser": Loss("loss", "lost", "farm", "server", ("webdriver: session gone", "webdriver: browser gone")),
    "page": Loss("retry", "failed", "app", "app", ("webdriver: page crashed",)),
    "element": Loss("retry", "failed", "app", "app", ("webdriver: stale element",)),
}


@pytest.fixture
def two_servers(tmp_path: Path) -> Iterator[Sequence[AppiumServer]]:
    """Two servers that the run does not own, each of which it may kill."""
    servers = [AppiumServer(log=tmp_path / f"appium-{n}.log", drivers=("chromium",)) for n in (1, 2)]
    with contextlib.ExitStack() as stack, ThreadPoolExecutor() as starts:
        for server in servers:
            stack.callback(server.stop)
        yield list(starts.map(AppiumServer.start, servers))


def write_farm(folder: Path, blocks: dict[str, dict[str, Any]]) -> None:
    """Devices web-1 and web-2: both of the only block, or each of one of two."""
    names = [*blocks, *blocks][:2]
    devices = [
        {"id": f"web-{n}", "provider": name, "platform": "web", "capabilities": capabilities()}
        for n, name in enumerate(names, 1)
    ]
    (folder / "device_farm.yml").write_text(json.dumps({"providers": blocks, "devices": devices}))


def run(pytester: pytest.Pytester, suite: str, pages: Pages, *, workers: int, tests: int) -> Books:
    """Run a suite over the farm file that is there; all of its tests pass in the end."""
    (pytester.path / "test_it.py").write_text((HEAD + suite).replace("{pages}", pages.url))
    shutil.copy(deaths.__file__, pytester.path)
    state = str(pytester.path / "state.db")
    books = run_books(pytester, "--autorl-state", state, "--autorl-wait", "60", workers=workers, farm="")
    books.result.assert_outcomes(passed=tests)
    assert books.result.ret == 0
    return books


def check(books: Books, folder: Path, *names: str) -> None:
    """Each of these tests has ended once as expected, and passed on the other device; all that is written says so."""
    told = deaths.rules(folder)
    assert told.keys() == {*names}
    for name in names:
        loss, test = LOSSES[name], f"test_{name}"
        assert told[name] in loss.rules
        assert books.attempts(test) == [(1, loss.outcome, loss.blame), (2, "passed", None)]
        first, second = books.devices(test)
        assert {first, second} == {"web-1", "web-2"}
        (case,) = books.cases[test]
        assert case.outcome == "passed"
        assert case.properties.keys() == {"autorl_device", "autorl_attempt_1"}
        assert case.properties["autorl_device"] == second
        said = rf"{loss.kind} on {first}: \w+ \({loss.domain}, transient\), [\d.]+ s"
        assert re.fullmatch(said, case.properties["autorl_attempt_1"])
        before, last = books.results[test]
        assert (before["status"], last["status"]) == ("broken", "passed")
        assert before["historyId"] == last["historyId"]
        assert bool(last.get("statusDetails", {}).get("flaky")) is (loss.kind == "retry")
    kinds = [LOSSES[name].kind for name in names]
    counts = books.result.parseoutcomes()
    assert (counts.get("lost", 0), counts.get("retried", 0)) == (kinds.count("loss"), kinds.count("retry"))
    lost = [name for name in names if LOSSES[name].kind == "loss"]
    (line,) = (each for each in books.result.outlines if each.startswith("lost with worker or device: "))
    assert all(f"::test_{name} on {books.devices(f'test_{name}')[0]}" in line for name in lost)


def states(folder: Path) -> dict[str, str]:
    """The devices, as they are when the run is over."""
    return {device.device_id: device.status.value for device in peek(folder / "state.db").devices}


@WORKERS
def test_a_killed_server_of_the_run_costs_an_attempt_and_comes_up_again(
    pytester: pytest.Pytester, pages: Pages, workers: int
) -> None:
    """The killed one comes up again, and at the end nothing is left: no browser, no chromedriver, no server.

    What else may die does so in one of the ways only, for the sake of the time that it takes.
    """
    absent = missing(Layout(TOOLS), [driver_named("chromium")])
    if absent:
        require_real("Appium server", f"{', '.join(absent)} not in {TOOLS.name}/; run `make real-parts`")
    managed = {
        "command": str(TOOLS / "node_modules" / ".bin" / "appium"),
        "home": str(Layout(TOOLS).home),
        "drivers": ["chromium"],
        "start_timeout": 90,
    }
    folder = pytester.path
    write_farm(folder, {"browsers": {"type": "appium", "server": "managed", "managed": managed}})

    if workers:
        books = run(pytester, SERVER_DIES + OTHERS_DIE + ON_BOTH, pages, workers=workers, tests=6)
        check(books, folder, *LOSSES)
        assert "2 tests flaky" in books.result.stdout.str()
    else:
        books = run(pytester, SERVER_DIES + ON_BOTH, pages, workers=workers, tests=2)
        check(books, folder, "server")
    killed = books.devices("test_server")[0]
    log = (folder / "reports" / "logs" / f"appium-{killed}.log").read_text()
    assert "its process was ended by SIGKILL" in log
    if not workers:  # in their order, so that the last test needed it once more
        assert books.rows[-1]["test"].endswith("test_on_both")
        assert log.count(" up on port ") == 2
    assert deaths.left(folder) == set()
    assert [*(folder / "state.db.servers").glob("*")] == []
    assert states(folder) == {"web-1": "available", "web-2": "available"}


@WORKERS
def test_a_killed_server_of_others_costs_an_attempt_and_its_device(
    pytester: pytest.Pytester, two_servers: Sequence[AppiumServer], pages: Pages, workers: int
) -> None:
    """Nobody starts the killed one again: its device is out, and the other one does the work."""
    folder = pytester.path
    write_farm(
        folder, {f"host-{n}": {"type": "appium", "url": one.url} for n, one in enumerate(two_servers, 1)}
    )

    books = run(pytester, SERVER_DIES + CALM, pages, workers=workers, tests=3)

    check(books, folder, "server")
    killed, well = books.devices("test_server")
    found = states(folder)
    assert found[well] == "available"
    assert found[killed] != "available"
    check_what_is_left(two_servers, alive=int(well[-1]) - 1, folder=folder)


def test_a_killed_server_that_another_stands_in_for_costs_an_attempt_only(
    pytester: pytest.Pytester, two_servers: Sequence[AppiumServer], pages: Pages
) -> None:
    """Both devices are reached through either of two servers, so both serve on through the one that is left."""
    folder = pytester.path
    write_farm(folder, {"hosts": {"type": "appium", "urls": [one.url for one in two_servers]}})

    books = run(pytester, SERVER_DIES + ON_BOTH, pages, workers=0, tests=2)

    check(books, folder, "server")
    assert sorted(books.rows[-1]["devices"]) == ["web-1", "web-2"]
    assert states(folder) == {"web-1": "available", "web-2": "available"}
    (killed,) = (number for number, one in enumerate(two_servers) if not is_running(one.pid or 0))
    check_what_is_left(two_servers, alive=1 - killed, folder=folder)


def check_what_is_left(servers: Sequence[AppiumServer], *, alive: int, folder: Path) -> None:
    """Nothing below the server that is well; what the killed one has left ends with its process group."""
    well = servers[alive]
    until(lambda: well.family == {well.pid}, "the other server has ended its browsers")
    for server in servers:
        server.stop()
    until(lambda: not deaths.left(folder), "nothing is left")
