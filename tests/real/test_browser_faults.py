"""What dies or hangs around real browsers: the run ends, every test is reported, and nothing is left alive."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import close, is_running, until
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
Serve = Callable[[], AppiumServer]

#: Longest end of a run whose server is gone, seconds; here the bounds of one request add up, on a busy machine.
BOUND_S = 150.0


def rows(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "reports/trace.jsonl").read_text().splitlines()]


def outcomes(folder: Path) -> dict[str, tuple[str, str]]:
    """By test: outcome, and the text of the failure, as JUnit tells them."""
    from xml.etree import ElementTree

    found = {}
    for case in ElementTree.parse(folder / "junit.xml").iter("testcase"):
        bad = case.find("failure") if case.find("failure") is not None else case.find("error")
        text = "" if bad is None else f"{bad.get('message')} {bad.text}"
        found[str(case.get("name"))] = ("passed" if bad is None else "failed", text)
    return found


def test_a_killed_workers_browser_ends_and_its_device_serves_on(
    tmp_path: Path, browser_server: AppiumServer, pages: Pages, start_run: Start
) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    write_web_farm(tmp_path, [browser_server.url], count=1)
    (tmp_path / "test_it.py").write_text(
        f"""
import os, pathlib, signal
def test_is_killed(driver):
    driver.get("{pages.url}/")
    pathlib.Path("browser").write_text(str(driver.capabilities["goog:processID"]))
    os.kill(os.getpid(), signal.SIGKILL)
def test_goes_on(driver):
    driver.get("{pages.url}/")
    assert driver.title == "Greeting"
"""
    )

    output = close(start_run(tmp_path, "-n", "2"), patience_s=BOUND_S)

    assert "1 failed, 1 passed" in output, output
    browser = int((tmp_path / "browser").read_text())
    until(lambda: not is_running(browser), "the dead worker's browser is gone")
    seen = peek(tmp_path / "state.db")
    assert [(device.device_id, device.status.value) for device in seen.devices] == [("web-1", "available")]
    until(lambda: browser_server.family == {browser_server.pid}, "nothing of it is left below the server")


KILLS = """
import os, pathlib, signal, pytest
@pytest.mark.parametrize("n", range(6))
def test_it(device, n):
    device.driver.get("{pages}/")
    assert device.driver.title == "Greeting"
    killed = pathlib.Path("killed")
    if n >= 2 and device.id == "web-1" and not killed.exists():
        killed.touch()
        os.kill({server}, signal.SIGKILL)
"""


def test_a_second_server_takes_over_from_one_that_was_killed(
    tmp_path: Path, mortal_server: Serve, pages: Pages, start_run: Start
) -> None:
    """The test that kills its own server has done its work by then, and so has every other: all are green."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    first, second = mortal_server(), mortal_server()
    write_web_farm(tmp_path, [first.url, second.url], count=2)
    (tmp_path / "test_it.py").write_text(KILLS.format(pages=pages.url, server=first.pid))

    output = close(start_run(tmp_path, "-n", "2", "--junitxml", "junit.xml"), patience_s=BOUND_S)

    assert (tmp_path / "killed").exists(), output
    assert "6 passed" in output, output
    assert {device.status.value for device in peek(tmp_path / "state.db").devices} == {"available"}
    assert set(outcomes(tmp_path)) == {f"test_it[{n}]" for n in range(6)}
    until(lambda: second.family == {second.pid}, "the second server has ended its browsers")


def test_without_a_second_server_every_test_is_reported_with_the_farm_to_blame(
    tmp_path: Path, mortal_server: Serve, pages: Pages, start_run: Start
) -> None:
    server = mortal_server()
    write_web_farm(tmp_path, [server.url], count=1)
    (tmp_path / "test_it.py").write_text(KILLS.format(pages=pages.url, server=server.pid))

    run = start_run(
        tmp_path, "-p", "no:xdist", "-p", "no:randomly", "--autorl-wait", "2", "--junitxml", "junit.xml"
    )
    output = close(run, patience_s=BOUND_S)

    found = outcomes(tmp_path)
    assert [found[f"test_it[{n}]"][0] for n in range(6)] == ["passed"] * 3 + ["failed"] * 3, output
    assert all(server.url in found[f"test_it[{n}]"][1] for n in range(3, 6)), output
    assert run.returncode == 1
    blamed = {row["blame"] for row in rows(tmp_path) if row["outcome"] == "failed"}
    assert blamed <= {"farm"}, output


def test_a_server_that_hangs_ends_its_tests_in_bounded_time(
    tmp_path: Path, mortal_server: Serve, pages: Pages, start_run: Start
) -> None:
    """It still takes connections and answers none: every request has its limit."""
    server = mortal_server()
    write_web_farm(
        tmp_path, [server.url], count=1, connection={"connection_timeout": 3.0, "session_timeout": 6.0}
    )
    (tmp_path / "test_it.py").write_text(
        f"""
import os, signal
def test_1_works(driver):
    driver.get("{pages.url}/")
def test_2_hangs(driver):
    driver.get("{pages.url}/")
    os.kill({server.pid}, signal.SIGSTOP)
    driver.title
def test_3_comes_after(driver):
    driver.get("{pages.url}/")
"""
    )
    run = start_run(
        tmp_path, "-p", "no:xdist", "-p", "no:randomly", "--autorl-wait", "2", "--junitxml", "junit.xml"
    )

    output = close(run, patience_s=BOUND_S)
    browsers = server.family - {server.pid}
    server.thaw()

    assert run.returncode == 1, output
    found = outcomes(tmp_path)
    assert [found[name][0] for name in sorted(found)] == ["passed", "failed", "failed"], output
    assert [row["blame"] for row in rows(tmp_path) if row["outcome"] == "failed"][:1] == ["farm"], output
    (folder,) = (tmp_path / "reports/artefacts").glob("*test_2_hangs*/attempt-1-web-1")
    assert "thread MainThread" in (folder / "threads.txt").read_text()
    server.stop()
    until(lambda: not any(map(is_running, browsers)), "its browsers end with it")
