"""Whole runs whose Appium servers are started by the run: green, whoever is killed, and nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import close, family, is_running, run, until
from pytest_autorl.farm.servers import records
from pytest_autorl.state.peek import peek
from real_parts import TOOLS, Layout, missing
from real_servers import require_real

pytestmark = [
    pytest.mark.real,
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX"),
    pytest.mark.timeout(300),
]

Start = Callable[..., subprocess.Popen[str]]

#: Longest run on a busy machine, seconds.
BOUND_S = 150.0

HOLDS = """
import os, pathlib, time

def test_holds(driver):
    assert driver.page_source
    pathlib.Path("held").write_text(str(os.getpid()))
    for _ in range(12000):
        if pathlib.Path("go").exists():
            break
        time.sleep(0.01)
    assert driver.page_source
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with two devices of the fake driver, each behind a server of its own."""
    if absent := missing(Layout(TOOLS)):
        require_real("Appium server", f"{', '.join(absent)} not in {TOOLS.name}/; run `make real-parts`")
    app = Path(__file__).with_name("protocol_app.xml")
    capabilities = {
        "platformName": "Fake",
        "appium:automationName": "Fake",
        "appium:deviceName": "Fake",
        "appium:app": str(app),
    }
    managed = {
        "command": str(TOOLS / "node_modules" / ".bin" / "appium"),
        "home": str(TOOLS / "appium-home"),
        "drivers": ["fake"],
        "start_timeout": 90,
    }
    block = {"type": "appium", "server": "managed", "managed": managed, "capabilities": capabilities}
    devices = [{"id": f"d{n}", "provider": "lab", "platform": "fake"} for n in (1, 2)]
    (tmp_path / "device_farm.yml").write_text(json.dumps({"providers": {"lab": block}, "devices": devices}))
    return tmp_path


@pytest.fixture
def start() -> Iterator[Start]:
    """`lab.run`, and at the end of the test whatever still runs is ended."""
    processes: list[subprocess.Popen[str]] = []

    def begin(folder: Path, *options: str) -> subprocess.Popen[str]:
        processes.append(run(folder, *options, state=folder / "shared" / "state.db"))
        return processes[-1]

    yield begin
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        close(process)


def unrest(folder: Path) -> list[object]:
    """What is still held or out of service, and records of servers that nobody cleared away."""
    devices = peek(folder / "shared" / "state.db").devices
    return [
        *(device for device in devices if device.status != "available" or device.owner),
        *(folder / "shared" / "state.db.servers").glob("*"),
    ]


def test_a_run_starts_its_servers_and_takes_them_along(folder: Path, start: Start) -> None:
    (folder / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.parametrize('n', range(6))\n"
        "def test_works(driver, n): assert driver.page_source\n"
        "def test_fails(driver):\n    assert driver.page_source\n    assert 0\n"
    )

    process = start(folder, "-n", "2")
    seen = set[int]()
    log = folder / "reports" / "logs"
    until(lambda: seen.update(family(process.pid)) or list(log.glob("appium-*.log")), "a server is started")
    output = close(process, patience_s=BOUND_S)

    assert "1 failed, 6 passed" in output, output
    assert [pid for pid in seen if is_running(pid)] == []
    assert unrest(folder) == []
    (excerpt,) = (folder / "reports" / "artefacts").glob("*test_fails*/attempt-1-*/server-log.txt")
    # The server's words about this attempt: it began with a session, or with the use of one that was there.
    assert "/session" in excerpt.read_text()


def test_after_a_killed_run_the_next_one_gets_the_devices(folder: Path, start: Start) -> None:
    (folder / "test_it.py").write_text(HOLDS)
    first = start(folder, "-n", "1", "--autorl-device", "d1")
    until(
        lambda: (folder / "held").exists() or first.poll() is not None,
        "the test has its device",
        patience_s=BOUND_S,
    )
    assert first.poll() is None, close(first)
    seen = family(first.pid)
    assert len(seen) >= 3  # the worker, who looks after the servers, and a server

    first.kill()
    close(first)
    until(lambda: not any(map(is_running, seen)), "all of it ends")
    (folder / "go").touch()
    output = close(start(folder, "--autorl-device", "d1"), patience_s=BOUND_S)

    assert "1 passed" in output, output
    assert unrest(folder) == []


def test_a_server_that_hangs_when_all_are_killed_does_not_keep_its_device(folder: Path, start: Start) -> None:
    """Without workers nobody starts anything before the recovery: it must end what was left by itself."""
    (folder / "test_it.py").write_text(HOLDS)
    first = start(folder, "-n", "0", "--autorl-device", "d1")
    until(
        lambda: (folder / "held").exists() or first.poll() is not None,
        "the test has its device",
        patience_s=BOUND_S,
    )
    assert first.poll() is None, close(first)
    (path,) = (folder / "shared" / "state.db.servers").glob("*.json")
    record = records.read(path)
    assert record is not None
    # The steward first: it must see neither the end of the server nor that of the run.
    os.kill(record.steward.pid, signal.SIGSTOP)
    for one in record.kin:
        os.kill(one.pid, signal.SIGSTOP)
    first.kill()
    close(first)
    os.kill(record.steward.pid, signal.SIGKILL)
    until(lambda: not is_running(record.steward.pid), "the steward has ended")
    assert all(is_running(one.pid) for one in record.kin)
    (folder / "go").touch()

    output = close(
        start(folder, "-n", "0", "--autorl-device", "d1", "--autorl-wait", "25"), patience_s=BOUND_S
    )

    assert "1 passed" in output, output
    assert unrest(folder) == []
    assert [one for one in record.kin if is_running(one.pid)] == []


def test_a_server_that_is_killed_between_two_tests_is_there_again_for_the_next(
    folder: Path, start: Start
) -> None:
    (folder / "test_it.py").write_text(
        """
import os, pathlib, signal

def test_1_before(driver):
    assert driver.page_source

def test_2_kills_the_servers():
    for entry in pathlib.Path("/proc").iterdir():
        try:
            is_ours = b"AUTORL_MANAGED_SERVER=" in (entry / "environ").read_bytes()
            is_ours = is_ours and os.readlink(entry / "cwd") == os.getcwd()
        except OSError:
            continue  # no process, not for us to look at, or gone
        if is_ours:
            os.kill(int(entry.name), signal.SIGKILL)
            pathlib.Path("killed").touch()

def test_3_after(driver):
    assert driver.page_source
"""
    )

    output = close(start(folder, "--autorl-device", "d1"), patience_s=BOUND_S)

    assert "3 passed" in output, output
    assert (folder / "killed").exists()
    assert unrest(folder) == []
