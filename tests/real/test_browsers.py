"""Browsers as devices, over a real Appium server: four at once, each with ports of its own.

The Chromium driver looks for no free port: without one from the lease every session asks for 9515, and of four that
are opened at once at least one breaks.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import close, until
from pages import Pages
from pytest_autorl.state.peek import peek
from real_servers import AppiumServer
from web_farm import write_web_farm

pytestmark = [
    pytest.mark.real,
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc"),
    pytest.mark.usefixtures("few_browsers"),
]

Start = Callable[..., subprocess.Popen[str]]

#: Longest run of a few browsers on a busy machine, seconds.
BOUND_S = 150.0

#: Said by a test in the browser: the port of its chromedriver, as its command line has it.
GREET = """
import json, os, time, pytest
from pathlib import Path

def chromedriver_port(driver):
    browser = driver.capabilities["goog:processID"]
    parent = Path(f"/proc/{browser}/stat").read_text().rpartition(")")[2].split()[1]
    words = Path(f"/proc/{parent}/cmdline").read_text().split(chr(0))
    return int(next(word for word in words if word.startswith("--port=")).removeprefix("--port="))

def greet(driver):
    driver.get("{url}/")
    driver.find_element("css selector", "#name").send_keys("Ada")
    driver.find_element("css selector", "#greet").click()
    assert driver.find_element("css selector", "#greeting").text == "Hello Ada"
"""


def rows(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "reports/trace.jsonl").read_text().splitlines()]


def test_four_browsers_at_once_have_four_ports(
    tmp_path: Path, browser_server: AppiumServer, pages: Pages, start_run: Start
) -> None:
    """No test goes on before four of them hold a session, so that the ports are in use together."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    write_web_farm(tmp_path, [browser_server.url], count=4)
    (tmp_path / "test_it.py").write_text(
        GREET.replace("{url}", pages.url)
        + """
@pytest.mark.parametrize("n", range(4))
def test_it(device, n):
    greet(device.driver)
    port = chromedriver_port(device.driver)
    assert port in device.lease.ports
    Path("here").mkdir(exist_ok=True)
    (Path("here") / device.id).write_text(str(port))
    for _ in range(6000):
        if len(list(Path("here").iterdir())) == 4:
            return
        time.sleep(0.01)
    pytest.fail("the four did not meet")
"""
    )

    output = close(start_run(tmp_path, "-n", "4"), patience_s=BOUND_S)

    assert "4 passed" in output, output
    ports = {int(path.read_text()) for path in (tmp_path / "here").iterdir()}
    assert len(ports) == 4
    assert all(20000 <= port < 30000 for port in ports)
    assert {row["devices"][0] for row in rows(tmp_path)} == {"web-1", "web-2", "web-3", "web-4"}
    seen = peek(tmp_path / "state.db")
    assert {device.status.value for device in seen.devices} == {"available"}
    assert (seen.queue, seen.holders) == ((), ())
    until(lambda: browser_server.family == {browser_server.pid}, "no chromedriver or browser is left")


def test_a_failure_in_a_browser_leaves_what_it_showed_and_said(
    tmp_path: Path, browser_server: AppiumServer, pages: Pages, start_run: Start
) -> None:
    """The console of the page is the log of such a device."""
    write_web_farm(tmp_path, [browser_server.url], count=1)
    (tmp_path / "test_it.py").write_text(
        (
            GREET
            + """
def test_greets(driver):
    greet(driver)
    assert driver.title == "Farewell"
def test_looks(device):
    device.driver.get("{url}/")
    assert [path.suffix for path in device.capture("seen")[:2]] == [".png", ".xml"]
"""
        ).replace("{url}", pages.url)
    )

    output = close(start_run(tmp_path, "-p", "no:xdist", "-p", "no:randomly"), patience_s=BOUND_S)

    assert "1 failed, 1 passed" in output, output
    (folder,) = (tmp_path / "reports/artefacts").glob("*test_greets*/attempt-1-web-1")
    assert (folder / "screenshot.png").read_bytes().startswith(b"\x89PNG")
    assert "Who is there?" in (folder / "page-source.xml").read_text()
    assert "greeted" in (folder / "device-log.txt").read_text()
    (seen,) = (tmp_path / "reports/artefacts").glob("*test_looks*/attempt-1-web-1")
    assert (seen / "seen-screenshot.png").read_bytes().startswith(b"\x89PNG")
