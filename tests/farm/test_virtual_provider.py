"""The provider of simulated devices: one server for the run, which ends with it."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import pytest

from pytest_autorl.errors import DeviceProviderError
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
