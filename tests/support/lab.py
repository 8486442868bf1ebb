"""A shelf of simulated devices that looks like a lab: an Appium server somebody runs, which outlives test runs.

Runs reach it through a farm file with a block of type `appium`, so everything that holds for devices of the host
(shared by runs, no token checked by the server, sessions recorded) can be shown without a phone.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pytest_autorl.state.peek import peek
from pytest_autorl.state.view import View
from pytest_autorl.virtual.library import load_app
from pytest_autorl.virtual.process import VirtualServer

#: Longest wait for anything here, seconds: machines that test are busy.
PATIENCE_S = 60.0


class Lab:
    """A folder with a farm file over a running server.

    Attributes:
        folder: Root of the runs.
        server: The server; `server.admin()` sees what happens on its devices.
        state: The database that its runs share.
    """

    def __init__(self, folder: Path, server: VirtualServer, count: int) -> None:
        self.folder = folder
        self.server = server
        self.state = folder / "shared" / "state.db"
        devices = [
            {
                "id": f"phone-{i}",
                "provider": "lab",
                "platform": "android",
                "capabilities": {
                    "appium:udid": f"phone-{i}",
                    "appium:automationName": "UiAutomator2",
                    "appium:newCommandTimeout": 300,
                },
            }
            for i in range(1, count + 1)
        ]
        providers = {"lab": {"type": "appium", "url": server.url}}
        (folder / "device_farm.yml").write_text(json.dumps({"providers": providers, "devices": devices}))

    def session_of(self, device_id: str) -> str | None:
        """Id of the session that is alive on a device."""
        return self.server.admin().device(device_id)["session"]  # type: ignore[no-any-return]

    def view(self) -> View:
        """What the state shows."""
        return peek(self.state)


@contextlib.contextmanager
def lab(folder: Path, *, count: int = 1) -> Iterator[Lab]:
    """A lab with so many phones, as long as the block."""
    devices = [{"id": f"phone-{i}", "platform": "android", "app": "bank"} for i in range(1, count + 1)]
    with VirtualServer.start(devices, {"bank": load_app("bank")}, admin_key="lab") as server:
        yield Lab(folder, server, count)


#: Plugins that such runs do without: they change them, or take longer to load than the runs take.
INNER_OPTIONS = "-p no:randomly -p no:playwright -p no:asyncio -p no:cacheprovider -p no:hypothesispytest"


def run(folder: Path, *options: str, state: Path | None = None) -> subprocess.Popen[str]:
    """A test run in a session of its own, so that signals reach it and nothing else."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AUTORL_", "PYTEST_"))}
    env |= {"PYTEST_ADDOPTS": INNER_OPTIONS}
    if state is not None:
        env["AUTORL_STATE"] = str(state)
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *options],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def until(is_so: Callable[[], Any], what: str, *, patience_s: float = PATIENCE_S) -> float:
    """Wait until something is so; returns how long that took, seconds. Fails with `what` when it never is."""
    begun_s = time.monotonic()
    while not is_so():
        waited_s = time.monotonic() - begun_s
        assert waited_s < patience_s, f"{what}: not within {patience_s:g} s"
        time.sleep(0.01)
    return time.monotonic() - begun_s


def is_running(pid: int) -> bool:
    """Whether a process is there and not only waiting to be buried."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def family(pid: int) -> set[int]:
    """A process's children, and theirs, as they are now."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found |= {int(child), *family(int(child))}
    return found


def close(process: subprocess.Popen[str], *, patience_s: float = PATIENCE_S) -> str:
    """End a run that has not ended in so many seconds, by its own pid; returns what it printed."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.communicate(timeout=patience_s)[0]
    process.kill()
    return process.communicate()[0]
