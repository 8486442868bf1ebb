"""The provider of simulated devices: one server for the run, which ends with it."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import pytest

from pytest_autorl.errors import DeviceProviderError, UsageError
from pytest_autorl.farm.child import Talk
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.providers.virtual import VirtualProvider
from pytest_autorl.virtual.process import VirtualServer

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name != "posix", reason="a farm needs POSIX (docs: use WSL2)"),
]

PHONE = Device(id="d1", provider="virtual", platform="android")


def virtual() -> VirtualProvider:
    return VirtualProvider("virtual", [PHONE], app="bank", reset_policy="app", keeps_backend=False)


def test_a_question_after_the_end_starts_no_server() -> None:
    """The monitor's probe is a thread that nobody waits for."""
    provider = virtual()
    assert provider.readings(PHONE).battery_pct == 87.0
    provider.stop()
    provider.stop()

    with pytest.raises(DeviceProviderError, match="the run has ended"):
        provider.readings(PHONE)


def test_the_end_comes_after_a_start_that_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_go_on = threading.Event(), threading.Event()
    started: list[VirtualServer] = []
    start = VirtualServer.start

    def slowly(*args: Any, **more: Any) -> VirtualServer:
        begun.set()
        assert may_go_on.wait(60)
        started.append(start(*args, **more))
        return started[0]

    monkeypatch.setattr(VirtualServer, "start", slowly)
    provider = virtual()
    asking = threading.Thread(target=provider.start)
    asking.start()
    assert begun.wait(60)
    ending = threading.Thread(target=provider.stop)
    ending.start()
    may_go_on.set()
    asking.join(60)
    ending.join(60)

    assert [server.is_running for server in started] == [False]


def test_a_server_that_hangs_is_not_waited_for_beyond_the_deadline() -> None:
    provider = virtual()
    provider.start()
    assert provider._server is not None
    os.kill(provider._server.pid, signal.SIGSTOP)
    try:
        begun_s = time.monotonic()
        with pytest.raises(DeviceProviderError, match="did not answer"):
            provider.readings(PHONE, deadline_s=0.2)
        took_s = time.monotonic() - begun_s
    finally:
        os.kill(provider._server.pid, signal.SIGCONT)
        provider.stop()

    assert took_s < 8.0  # its own patience is 10 s


def test_a_server_that_was_launched_is_the_one_that_is_used() -> None:
    provider = virtual()
    provider.launch()
    provider.launch()
    assert provider._launch is not None
    pid = provider._launch[0]._process.pid
    try:
        assert provider.readings(PHONE).battery_pct == 87.0
        provider.launch()

        assert provider._server is not None
        assert provider._server.pid == pid
        assert provider._launch is None
    finally:
        provider.stop()


def test_a_server_that_was_launched_in_vain_ends_with_the_run() -> None:
    """Tests may be skipped, or the run interrupted before the first one."""
    provider = virtual()
    provider.launch()
    assert provider._launch is not None
    process = provider._launch[0]._process

    provider.stop()
    provider.launch()

    assert process.returncode is not None
    assert provider._launch is None


def test_an_interrupt_while_the_server_is_awaited_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Talk, deadline_s: float) -> dict[str, Any]:
        raise KeyboardInterrupt

    provider = virtual()
    provider.launch()
    assert provider._launch is not None
    process = provider._launch[0]._process
    monkeypatch.setattr(Talk, "answer", interrupted)

    with pytest.raises(KeyboardInterrupt):
        provider.start()

    assert process.returncode is not None
    provider.stop()


def test_a_launch_runs_no_thread_of_this_process() -> None:
    """Tests may fork before they need a device, which Python warns of where there are threads."""
    before = threading.enumerate()
    provider = virtual()

    provider.launch()

    assert set(threading.enumerate()) <= set(before)
    provider.stop()


def test_a_launch_that_fails_is_told_to_who_needs_the_server() -> None:
    provider = VirtualProvider("virtual", [PHONE], app="no such app", reset_policy="app", keeps_backend=False)

    provider.launch()

    with pytest.raises(UsageError, match="no such app"):
        provider.start()


def test_a_fork_does_not_take_its_parents_launch_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot hear that server: the thread that listens is not copied."""
    provider = virtual()
    provider.launch()
    assert provider._launch is not None
    launch = provider._launch[0]
    monkeypatch.setattr(launch, "_parent", launch._parent + 1)
    try:
        provider.start()

        assert provider._server is not None
        assert provider._server.pid != launch._process.pid
        provider.stop()
        assert launch._process.poll() is None
        assert provider._launch is not None, "to drop it there would warn of a process that still runs"
    finally:
        provider.stop()
        monkeypatch.undo()
        launch.end()
