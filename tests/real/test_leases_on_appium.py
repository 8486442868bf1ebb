"""What a dead holder leaves on a real Appium server, which knows no token: ended by what was recorded."""

from __future__ import annotations

import contextlib
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import close, run, until
from pytest_autorl.farm.orphans import end_sessions
from pytest_autorl.farm.session import Endpoint, Limits, open_session
from pytest_autorl.state.leases import Session
from pytest_autorl.state.peek import peek

pytestmark = [pytest.mark.real, pytest.mark.integration]

APP = Path(__file__).with_name("protocol_app.xml")
FAKE = {
    "platformName": "fake",
    "appium:automationName": "Fake",
    "appium:deviceName": "Fake",
    "appium:app": str(APP),
}


def is_alive(url: str, session: str) -> bool:
    """Whether the server still knows the session."""
    try:
        with urllib.request.urlopen(f"{url}/session/{session}/source", timeout=30) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False


@pytest.fixture
def folder(tmp_path: Path, appium_server: object) -> Path:
    (tmp_path / "device_farm.yml").write_text(
        f"""
providers:
  lab: {{type: appium, url: "{appium_server.url}"}}
devices:
  - id: fake
    provider: lab
    platform: fake
    capabilities: {{"appium:automationName": Fake, "appium:deviceName": Fake, "appium:app": "{APP}"}}
"""
    )
    return tmp_path


@pytest.fixture
def processes() -> Iterator[list[object]]:
    started: list[object] = []
    yield started
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        close(process)


def test_a_killed_workers_session_is_ended_before_the_next_one_begins(
    folder: Path, appium_server: object, processes: list[object]
) -> None:
    """Its id was recorded; whoever takes the device over ends it. Both tests are reported, one as crashed."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    (folder / "test_it.py").write_text(
        """
import os, pathlib, signal
def test_is_killed(driver):
    pathlib.Path("session").write_text(driver.session_id)
    os.kill(os.getpid(), signal.SIGKILL)
def test_goes_on(driver):
    assert driver.page_source
"""
    )
    process = run(folder, "-n", "2", state=folder / "state.db")
    processes.append(process)

    output = close(process)

    assert "1 failed, 1 passed" in output, output
    assert not is_alive(appium_server.url, (folder / "session").read_text())
    seen = peek(folder / "state.db")
    assert [(device.device_id, device.status.value) for device in seen.devices] == [("fake", "available")]
    assert (seen.queue, seen.holders) == ((), ())


def test_the_next_run_ends_the_session_of_a_killed_one(
    folder: Path, appium_server: object, processes: list[object]
) -> None:
    (folder / "test_it.py").write_text(
        """
import pathlib, time
def test_waits(driver):
    pathlib.Path("session").write_text(driver.session_id)
    for _ in range(6000):
        if pathlib.Path("go").exists():
            return
        time.sleep(0.01)
"""
    )
    first = run(folder, "-p", "no:xdist", state=folder / "state.db")
    processes.append(first)
    path = folder / "session"
    until(lambda: path.exists() and path.read_text(), "the first run has its session")
    left = path.read_text()
    first.kill()
    close(first)
    assert is_alive(appium_server.url, left)
    (folder / "go").touch()

    second = run(folder, "-p", "no:xdist", state=folder / "state.db")
    processes.append(second)
    output = close(second)

    assert "1 passed" in output, output
    assert path.read_text() != left
    assert not is_alive(appium_server.url, left)


def test_a_session_whose_id_nobody_heard_of_is_found_by_the_key_of_its_creation(
    appium_server: object,
) -> None:
    """The worker died between the server's answer and its own note of it."""
    url = appium_server.url
    driver = open_session(
        Endpoint(url=url, capabilities=FAKE), device_id="fake", limits=Limits(), key="a-key-of-this-test"
    )
    session = str(driver.session_id)
    assert is_alive(url, session)

    trouble = end_sessions(url, [Session(url=url, id="", key="a-key-of-this-test")], headers={})

    assert trouble == ""
    assert not is_alive(url, session)


def test_a_creation_that_never_reached_the_server_leaves_nothing_to_end(appium_server: object) -> None:
    url = appium_server.url

    assert end_sessions(url, [Session(url=url, id="", key="never-seen-by-the-server")], headers={}) == ""
