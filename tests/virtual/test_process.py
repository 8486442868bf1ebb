"""The server as a process: it starts, says where it is, and never outlives who started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.errors import DeviceProviderError
from pytest_autorl.virtual.process import VirtualServer

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a farm needs POSIX (docs: use WSL2)")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and ") Z " in stat.read_text())


def gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_server_starts_serves_and_stops(bank: dict[str, Any]) -> None:
    with VirtualServer.start([{"id": "d", "app": "bank"}], {"bank": bank}, admin_key="k") as server:
        assert [each["id"] for each in server.admin().devices()] == ["d"]
        assert server.is_running
    assert gone_within(server.pid, 5)
    server.stop()


def test_the_server_process_imports_none_of_the_heavy_modules() -> None:
    code = (
        "import sys, pytest_autorl.virtual.__main__, pytest_autorl.virtual.commands\n"
        "print([m for m in ('pytest', 'yaml', 'pydantic', 'PIL', 'appium', 'selenium', 'urllib3') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_a_config_that_cannot_be_used_is_explained() -> None:
    with pytest.raises(DeviceProviderError, match="nearest valid: 'battery'"):
        VirtualServer.start([{"id": "d", "settings": {"batery": 3}}], {})


def test_a_server_that_cannot_start_in_time_is_ended() -> None:
    with pytest.raises(DeviceProviderError, match=r"within 0\.001 s"):
        VirtualServer.start([], {}, deadline_s=0.001)


def test_the_admin_can_end_the_process() -> None:
    with VirtualServer.start([], {}) as server:
        server.admin().shutdown()
        assert gone_within(server.pid, 5) or not server.is_running


def test_a_hanging_command_does_not_keep_the_process(bank: dict[str, Any]) -> None:
    server = VirtualServer.start(
        [{"id": "d", "app": "bank", "settings": {"faults": ["hang"]}}], {"bank": bank}
    )
    started = time.monotonic()
    server.stop()
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_server_ends_when_its_parent_is_killed(how: signal.Signals) -> None:
    code = (
        "import time\n"
        "from pytest_autorl.virtual.process import VirtualServer\n"
        "server = VirtualServer.start([], {})\n"
        "print(server.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert is_alive(pid)

    parent.send_signal(how)
    parent.wait(5)
    parent.stdout.close()

    assert gone_within(pid, 5)


def test_the_server_ends_even_when_a_fork_still_holds_its_stdin() -> None:
    code = (
        "import os, time\n"
        "from pytest_autorl.virtual.process import VirtualServer\n"
        "server = VirtualServer.start([], {})\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    time.sleep(20)\n"
        "    os._exit(0)\n"
        "print(server.pid, child, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, fork = map(int, parent.stdout.readline().split())
    try:
        parent.kill()
        parent.wait(5)
        assert gone_within(pid, 5)
    finally:
        os.kill(fork, signal.SIGKILL)
        parent.stdout.close()


def test_ctrl_c_leaves_the_server_to_whoever_started_it() -> None:
    with VirtualServer.start([], {}) as server:
        os.kill(server.pid, signal.SIGINT)
        assert server.admin().devices() == []
