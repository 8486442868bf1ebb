"""Processes: read as they are, and never mistaken for each other."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.farm.descent import (
    Identity,
    Process,
    descendants,
    is_running,
    kill,
    listens,
    parse_ps,
    parse_stat,
    place,
    process,
    processes,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a farm needs POSIX (docs: use WSL2)")


@given(st.dictionaries(st.integers(1, 40), st.integers(0, 40), max_size=40), st.sets(st.integers(1, 40)))
def test_descendants_are_who_reaches_a_root_by_parents(parents: dict[int, int], roots: set[int]) -> None:
    """Also where the list was read while processes moved, so that parents form a circle."""
    seen = {pid: Process(pid, parent, "0") for pid, parent in parents.items()}

    found = [one.pid for one in descendants(seen, roots)]

    def reaches(pid: int) -> bool:
        passed: set[int] = set()
        while pid in seen and pid not in passed:
            if pid in roots:
                return True
            passed.add(pid)
            pid = seen[pid].parent
        return False

    assert len(found) == len(set(found))
    assert set(found) == {pid for pid in seen if reaches(pid)}


@given(st.text(max_size=15))
def test_a_name_cannot_break_the_reading(name: str) -> None:
    text = f"12 ({name}) Z 3 12 12 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 6643 17 3"

    assert parse_stat(text) == Process(12, 3, "6643", is_zombie=True)


@pytest.mark.parametrize("text", ["", "12", "12 (a) S 3", ")"])
def test_what_is_no_process_is_none(text: str) -> None:
    assert parse_stat(text) is None


def test_the_output_of_ps_is_read_and_its_noise_is_not() -> None:
    text = "  PID PPID\n\n  1 0 Ss Thu Nov 26 14:46:18 2026\n 22 1 Z+ Fri Nov  6 04:06:08 2026\n"

    assert list(parse_ps(text)) == [
        Process(1, 0, "Thu Nov 26 14:46:18 2026"),
        Process(22, 1, "Fri Nov 6 04:06:08 2026", is_zombie=True),
    ]


def test_ps_says_the_same_as_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way that other systems go, on this one."""
    monkeypatch.setattr("pytest_autorl.farm.descent.HAS_PROC", False)
    me = process(os.getpid())
    if me is None:
        pytest.skip("there is no ps here")

    assert (me.pid, me.parent) == (os.getpid(), os.getppid())
    assert processes()[os.getpid()] == me
    assert is_running(me.identity)


def test_a_child_is_seen_ended_and_never_mistaken() -> None:
    child = subprocess.Popen([sys.executable, "-S", "-c", "import signal; signal.pause()"])
    try:
        one = processes()[child.pid]
        assert one.parent == os.getpid()
        assert is_running(one.identity)
        assert not is_running(Identity(child.pid, "0"))
        assert not kill(Identity(child.pid, "0"))
        assert child.poll() is None

        assert kill(one.identity, signal.SIGTERM)

        assert child.wait(30) == -signal.SIGTERM
        assert not kill(one.identity)
        assert process(child.pid) is None
    finally:
        child.kill()
        child.wait()


def test_where_processes_are_is_the_same_for_all_of_them() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "from pytest_autorl.farm.descent import place; print(place())"],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout.strip() == place() != ""


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets can be seen on Linux only")
@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_who_listens_on_a_port_is_seen(family: int, host: str) -> None:
    with socket.socket(family) as door:
        try:
            door.bind((host, 0))
        except OSError:
            pytest.skip(f"{host} cannot be used here")
        port = door.getsockname()[1]
        assert not listens([os.getpid()], port)

        door.listen()

        assert listens([os.getpid()], port)
        assert not listens([os.getppid()], port)
