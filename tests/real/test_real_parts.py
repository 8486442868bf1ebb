"""The harness of the real servers: what it says when one is missing, and that it leaves none behind."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import real_parts
import real_servers


def fetch_without_node(tools: Path, *, required: bool) -> subprocess.CompletedProcess[str]:
    """Run the script as `make` does, on a PATH where nothing is."""
    environment = {name: value for name, value in os.environ.items() if name != "AUTORL_REQUIRE_REAL"}
    environment["PATH"] = str(tools)
    if required:
        environment["AUTORL_REQUIRE_REAL"] = "1"
    command = [sys.executable, str(Path(real_parts.__file__)), "--into", str(tools)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(("required", "code"), [(False, 0), (True, 1)])
def test_a_machine_without_node_is_told_what_is_missing_and_why(
    tmp_path: Path, required: bool, code: int
) -> None:
    """A newcomer's `make test` goes on without real servers, CI does not."""
    run = fetch_without_node(tmp_path, required=required)

    assert run.returncode == code
    assert (
        "NOT fetched: appium 3.8.0, @appium/fake-driver 6.2.4, appium-chromium-driver 3.1.1, " in run.stderr
    )
    assert "why: appium 3.8.0: node is not on PATH; install Node.js 20.19+" in run.stderr
    assert "why: adb: it is not on PATH, and there is no apt-get; install it: " in run.stderr


#: Stand-ins of the system's tools: each notes how it was called.
SUDO_REFUSES = "exit 1"
APT_KNOWS_AFTER_UPDATE = 'case "$1" in update) touch "$0.lists";; install) test -e "$0.lists";; esac'
APT_NEVER = 'echo "E: Unable to fetch some archives" >&2; exit 100'


def system(folder: Path, monkeypatch: pytest.MonkeyPatch, *, root: bool, **tools: str) -> Path:
    """A PATH with nothing but these tools; returns the file in which they note their calls."""
    calls = folder / "calls"
    calls.touch()
    for name, body in {"apt_get": "exit 1", **tools}.items():
        tool = folder / name.replace("_", "-")
        tool.write_text(f'#!/bin/sh\necho "${{0##*/}} $*" >> {calls}\n{body}\n')
        tool.chmod(0o755)
    for name in ("sh", "env", "touch", "test"):
        (folder / name).symlink_to(shutil.which(name) or f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    return calls


def test_a_package_is_installed_after_the_lists_were_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh container has no lists."""
    calls = system(tmp_path, monkeypatch, root=True, apt_get=APT_KNOWS_AFTER_UPDATE)

    real_parts.install_package("adb")

    install = "apt-get install -y --no-install-recommends adb"
    assert calls.read_text().splitlines() == [install, "apt-get update", install]


def test_who_may_not_install_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No password is asked for, and nothing is tried."""
    calls = system(tmp_path, monkeypatch, root=False, sudo=SUDO_REFUSES)

    with pytest.raises(
        real_parts.NotFetchedError, match="this user may not install it; as root: `apt-get in"
    ):
        real_parts.install_package("chromium")

    assert calls.read_text().splitlines() == ["sudo -n true"]


def test_a_part_that_cannot_be_had_keeps_no_other_from_coming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = system(tmp_path, monkeypatch, root=True, apt_get=APT_NEVER)

    refusals = real_parts.fetch(real_parts.Layout(tmp_path / "tools"))

    assert [line.partition(":")[0] for line in refusals] == [
        "appium 3.8.0",
        "@appium/fake-driver 6.2.4",
        "appium-chromium-driver 3.1.1",
        "chromium",
        "chromium-driver",
        "adb",
    ]
    assert "Unable to fetch some archives" in refusals[-1]
    assert calls.read_text().count("apt-get update") == 3


@pytest.mark.parametrize(
    ("version", "suits"),
    [
        ("v20.18.3", False),
        ("v20.19.0", True),
        ("v21.7.1", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v23.1.0", False),
        ("v24.0.0", True),
        ("v26.10.0", True),
        ("nonsense", False),
    ],
)
def test_node_suits_as_the_engines_of_appium_say(version: str, suits: bool) -> None:
    assert real_parts.node_suits(version) is suits


def test_an_installation_that_was_cut_short_counts_as_missing(tmp_path: Path) -> None:
    """npm writes manifests long before it is done."""
    layout = real_parts.Layout(tmp_path)
    layout.appium.mkdir(parents=True)
    (layout.appium / "package.json").write_text('{"version": "3.8.0"}')

    assert "appium 3.8.0" in real_parts.missing(layout)


def test_a_step_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    marker = tmp_path / "child.pid"
    script = f"sleep 60 & echo $! > {marker}; wait"

    with pytest.raises(real_parts.NotFetchedError, match="did not end within 1 s"):
        real_parts.run(["sh", "-c", script], timeout_s=1)

    child = int(marker.read_text())
    deadline_s = time.monotonic() + 5
    while lives(child) and time.monotonic() < deadline_s:
        time.sleep(0.01)  # the kernel has the signal, the process may still be on its way out
    assert not lives(child)


def lives(pid: int) -> bool:
    """Whether the process runs; one that is dead and only not yet collected by init does not."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text()
    except ProcessLookupError:
        return False
    except FileNotFoundError:  # no /proc here, or gone in between
        return Path("/proc/self").exists() is False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


@pytest.mark.parametrize(("required", "outcome"), [("1", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_missing_part_skips_or_fails_and_names_the_part(
    required: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTORL_REQUIRE_REAL", required)

    with pytest.raises(outcome, match="needs the real Prometheus: promtool is not on PATH"):
        real_servers.require_real("Prometheus", "promtool is not on PATH")


@pytest.mark.real
def test_a_stopped_server_is_gone(tmp_path: Path) -> None:
    server = real_servers.AppiumServer(log=tmp_path / "server.log").start()
    pid, port = server.pid, int(server.url.rpartition(":")[2])
    assert pid is not None

    server.stop()
    server.stop()  # a second stop is nothing

    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)
    with pytest.raises(ConnectionRefusedError):
        http.client.HTTPConnection("127.0.0.1", port, timeout=2).request("GET", "/status")
