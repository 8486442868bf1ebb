"""The host's clock, and whether ports are free."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_autorl.state import clock
from pytest_autorl.state.clock import HostClock
from pytest_autorl.state.ports import are_free
from state_child import Child

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX")

OTHER = "from pytest_autorl.state.clock import HostClock; clock = HostClock(); print(clock.boot_id, clock.now_s())"


@pytest.fixture
def no_linux(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A host that has no file with the boot's id."""
    monkeypatch.setattr(clock, "_BOOT_ID", tmp_path / "missing")
    clock._boot_id.cache_clear()
    yield
    clock._boot_id.cache_clear()


def test_all_processes_of_a_host_share_clock_and_boot() -> None:
    """Leases are judged by whoever looks, so all must mean the same time."""
    mine = HostClock()
    before_s = mine.now_s()
    with Child(OTHER) as other:
        boot_id, now_s = other.line().split()
    after_s = mine.now_s()

    assert before_s <= float(now_s) <= after_s
    assert boot_id == mine.boot_id


def test_the_time_for_people_is_that_of_the_epoch() -> None:
    before_s = time.time()

    assert before_s <= HostClock().wall_s() <= time.time()


@pytest.mark.usefixtures("no_linux")
def test_without_an_id_of_the_boot_its_time_stands_for_it() -> None:
    boot_id = HostClock().boot_id

    assert re.fullmatch(r"boot-\d+", boot_id)
    assert HostClock().boot_id == boot_id


def test_a_port_is_free_until_somebody_listens_on_any_address() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        server.listen()

        assert not are_free([port])
        assert not are_free(range(port, port + 1))

    assert are_free([port])


def test_a_port_that_only_waits_for_late_packets_is_free() -> None:
    """A server that has just ended must not cost the block its port for a minute."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # the side that closes first is left in TIME_WAIT
            assert client.recv(1) == b""

    assert are_free([port])


def test_no_ports_at_all_are_free() -> None:
    assert are_free([])
