"""However a process of a run ends: no device is lost, no session stays, nobody drives what is another's."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import Lab, close, family, is_running, lab, run, until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX"),
]

Start = Callable[..., "subprocess.Popen[str]"]

#: Tests that hold a device until they are told to go on; each writes down who it is, first of all.
HOLDS = """
import os, pathlib, time
import pytest

def wait_for(name):
    for _ in range(6000):
        if pathlib.Path(name).exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"{name} did not come")

@pytest.mark.parametrize("n", range(COUNT))
def test_holds(driver, n):
    assert driver.page_source
    pathlib.Path(f"held-{n}").write_text(str(os.getpid()))
    wait_for("go")
    assert driver.page_source
"""


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`lab.run`, and at the end of the test whatever still runs is ended."""
    processes: list[subprocess.Popen[str]] = []

    def begin(folder: Path, *options: str, state: Path | None = None) -> subprocess.Popen[str]:
        processes.append(run(folder, *options, state=state))
        return processes[-1]

    yield begin
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        close(process)


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path, count=2) as made:
        yield made


def holds(folder: Path, count: int) -> None:
    (folder / "test_holds.py").write_text(HOLDS.replace("COUNT", str(count)))


def pid_of(process: subprocess.Popen[str], folder: Path, n: int) -> int:
    path = folder / f"held-{n}"
    until(
        lambda: (path.exists() and path.read_text()) or process.poll() is not None,
        f"test_holds[{n}] has its device",
    )
    assert process.poll() is None, process.communicate()[0]
    return int(path.read_text())


def unrest(shelf: Lab) -> list[object]:
    """What is still held, who still waits, which sessions still live: nothing, after a run."""
    seen = shelf.view()
    held = [device for device in seen.devices if device.status != "available" or device.owner]
    sessions = [session for i in (1, 2) if (session := shelf.session_of(f"phone-{i}")) is not None]
    return [*held, *seen.queue, *sessions]


def test_after_a_killed_controller_all_ends_within_five_seconds(start: Start, shelf: Lab) -> None:
    """Workers end their sessions and give their devices back; nothing waits for a time-out."""
    holds(shelf.folder, 2)
    process = start(shelf.folder, "-n", "2", state=shelf.state)
    pids = {pid_of(process, shelf.folder, 0), pid_of(process, shelf.folder, 1)}
    pids |= family(process.pid)
    assert shelf.session_of("phone-1")

    process.kill()
    took_s = until(lambda: not any(map(is_running, pids)), "the workers end")

    close(process)
    assert took_s < 5.0
    until(lambda: not unrest(shelf), "everything is given back")


def test_the_virtual_server_ends_with_its_controller(start: Start, tmp_path: Path) -> None:
    holds(tmp_path, 1)
    process = start(tmp_path, "-n", "1", "--autorl-farm", "virtual:2")
    pid_of(process, tmp_path, 0)
    pids = family(process.pid)
    assert len(pids) >= 2  # the worker and the server

    process.kill()
    took_s = until(lambda: not any(map(is_running, pids)), "worker and server end")

    close(process)
    assert took_s < 5.0


def test_a_killed_workers_device_is_cleaned_and_used_again(start: Start, shelf: Lab) -> None:
    """Its session is ended by the id that was recorded; all tests get the device, its own once more."""
    holds(shelf.folder, 1)
    (shelf.folder / "test_more.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(4))\ndef test_more(driver, n): assert driver.page_source\n"
    )
    process = start(
        shelf.folder, "-n", "2", "--autorl-device", "phone-1", "--junitxml", "junit.xml", state=shelf.state
    )
    victim = pid_of(process, shelf.folder, 0)
    session = shelf.session_of("phone-1")

    os.kill(victim, signal.SIGKILL)
    (shelf.folder / "go").touch()
    output = close(process)

    assert "5 passed" in output
    assert session not in (None, shelf.session_of("phone-1"))
    assert unrest(shelf) == []
    rows = [json.loads(line) for line in (shelf.folder / "reports/trace.jsonl").read_text().splitlines()]
    assert sorted(row["outcome"] for row in rows) == ["lost", *["passed"] * 5]
    attempts = [(row["attempt"], row["outcome"]) for row in rows if "test_holds" in row["test"]]
    assert attempts == [(1, "lost"), (2, "passed")]


def test_the_next_run_cleans_what_a_killed_one_left(start: Start, shelf: Lab) -> None:
    """Without xdist nobody is left to do it: the session stays on the server until somebody looks."""
    holds(shelf.folder, 1)
    first = start(shelf.folder, "--autorl-device", "phone-1", state=shelf.state)
    pid_of(first, shelf.folder, 0)
    left = shelf.session_of("phone-1")
    first.kill()
    close(first)
    assert left is not None
    assert shelf.session_of("phone-1") == left
    (shelf.folder / "go").touch()

    second = start(shelf.folder, "--autorl-device", "phone-1", state=shelf.state)
    output = close(second)

    assert "1 passed" in output, output
    assert unrest(shelf) == []
    with pytest.raises(AssertionError):  # the old session is gone, not merely forgotten
        assert _answers(shelf, left)


def _answers(shelf: Lab, session: str) -> bool:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(f"{shelf.server.url}/session/{session}/source", timeout=10) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False


def test_a_stopped_worker_loses_its_device_and_drives_it_no_more(start: Start, tmp_path: Path) -> None:
    """Stopped for longer than its lease lives. When it goes on, its next command ends in LeaseLostError."""
    (tmp_path / "pytest.ini").write_text("[pytest]\nautorl_lease_ttl = 1.5\nautorl_lease_heartbeat = 0.5\n")
    (tmp_path / "test_stop.py").write_text(
        '''
import os, pathlib, subprocess, sys, time
import pytest
from pytest_autorl.errors import LeaseLostError

# Outside the gate: a process that is stopped inside holds up everybody, whatever its lease.
STOP = """
import fcntl, os, pathlib, signal, sys, time
locks = [open(f".autorl/state.db.{name}", "a") for name in ("queue", "gate")]
for lock in locks:
    fcntl.flock(lock, fcntl.LOCK_EX)
os.kill(int(sys.argv[1]), signal.SIGSTOP)
pathlib.Path("stopped").touch()
for lock in locks:
    lock.close()
for _ in range(6000):
    if pathlib.Path("done").exists():
        break
    time.sleep(0.01)
os.kill(int(sys.argv[1]), signal.SIGCONT)
"""

def test_is_stopped(device, driver):
    assert driver.page_source
    helper = subprocess.Popen([sys.executable, "-c", STOP, str(os.getpid())])
    while not pathlib.Path("stopped").exists():
        time.sleep(0.01)  # somewhere in here we are stopped
    with pytest.raises(LeaseLostError, match="has ended"):
        driver.press_keycode(4)
    helper.wait(30)

def test_gets_it(request):
    for _ in range(6000):
        if pathlib.Path("stopped").exists():
            break
        time.sleep(0.01)
    device = request.getfixturevalue("device")
    assert device.lease.token > 1
    assert device.driver.page_source
    pathlib.Path("done").touch()
'''
    )
    process = start(tmp_path, "-n", "2", "--autorl-farm", "virtual:1")

    output = close(process)

    assert "2 passed" in output, output


@pytest.mark.parametrize("workers", ["0", "2"])
def test_after_ctrl_c_twice_nothing_runs_and_the_next_run_gets_every_device(
    start: Start, shelf: Lab, workers: str
) -> None:
    holds(shelf.folder, 2 if workers == "2" else 1)
    process = start(shelf.folder, "-n", workers, state=shelf.state)
    pid_of(process, shelf.folder, 0)
    pids = {process.pid, *family(process.pid)}

    os.killpg(process.pid, signal.SIGINT)
    os.killpg(process.pid, signal.SIGINT)
    close(process)

    until(lambda: not any(map(is_running, pids)), "every process ends", patience_s=20)
    (shelf.folder / "go").touch()
    again = start(shelf.folder, "-n", workers, "--autorl-wait", "20", state=shelf.state)
    output = close(again)
    assert f"{2 if workers == '2' else 1} passed" in output, output
    assert unrest(shelf) == []


def test_two_runs_share_one_phone(start: Start, shelf: Lab) -> None:
    """Each in a process of its own, from two folders, over one state: turns are taken, nothing overlaps."""
    text = (
        "import pytest\n@pytest.mark.parametrize('n', range(6))\n"
        "def test_turn(driver, n): assert driver.page_source\n"
    )
    processes: list[subprocess.Popen[str]] = []
    for name in ("a", "b"):
        folder = shelf.folder / name
        folder.mkdir()
        (folder / "test_turns.py").write_text(text)
        farm = str(shelf.folder / "device_farm.yml")
        options = ("--rootdir", ".", "--autorl-farm", farm, "--autorl-device", "phone-1", "-p", "no:xdist")
        processes.append(start(folder, *options, state=shelf.state))

    outputs = [close(process) for process in processes]

    assert all("6 passed" in output for output in outputs), outputs
    assert unrest(shelf) == []
