"""Servers that we start for the run, and end with it: `server: managed`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pytest_autorl.address import origin
from pytest_autorl.errors import ServerDownError
from pytest_autorl.farm import pulse
from pytest_autorl.farm.providers.servers import Address
from pytest_autorl.farm.pulse import QUICK_S, Pulse
from pytest_autorl.state.leases import Session

#: Longest wait for a server that counts as up and does not answer, seconds: so long it takes until its steward
#: has found out that it hangs, and a bit.
HANG_S = 40.0
#: Between two questions to it, seconds.
_PAUSE_S = 0.1


class Facade(Protocol):
    """What is used of `farm.servers.ManagedServers`."""

    def start(self) -> Mapping[str, Any]:
        """Bring up what starts servers."""

    def attach(self, state: Mapping[str, Any]) -> None:
        """Use what another process of this run has started."""

    def url(self, device_id: str) -> str:
        """Of the device's server, started when it is not. Raises ServerDownError."""

    def sweep(self) -> frozenset[int]:
        """End what killed runs have left; returns the ports of the servers of all runs that live."""

    def log_path(self, device_id: str) -> Path | None:
        """Where its output is."""

    def stop(self) -> None:
        """End all."""


class OwnServers:
    """See the module.

    Args:
        make: Makes the facade, at the first need: a process that only looks starts nothing. Raises ServerDownError
            where there can be no servers of our own.
        take: `pulse.take`.
        now: Monotonic seconds.
        pause: Waits so many seconds.
    """

    are_ours = True

    def __init__(
        self,
        make: Callable[[], Facade],
        *,
        take: Callable[..., Pulse] = pulse.take,
        now: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._make = make
        self._take = take
        self._now = now
        self._pause = pause
        self._facade: Facade | None = None
        self._is_up = False
        self._mutex = threading.Lock()

    @property
    def _servers(self) -> Facade:
        with self._mutex:  # a test and a recovery come at the same time
            if self._facade is None:
                self._facade = self._make()
            return self._facade

    def start(self) -> Mapping[str, Any]:
        """See `Servers.start`."""
        state = self._servers.start()
        self._is_up = True
        return state

    def attach(self, state: Mapping[str, Any]) -> None:
        """See `Servers.attach`."""
        self._servers.attach(state)
        self._is_up = True

    def stop(self) -> None:
        """See `Servers.stop`."""
        with self._mutex:
            facade, self._facade, self._is_up = self._facade, None, False
        if facade is not None:
            facade.stop()

    def known(self) -> tuple[Address, ...]:
        """See `Servers.known`: ours want no headers."""
        return ()

    def log_path(self, device_id: str) -> Path | None:
        """See `Servers.log_path`."""
        return self._servers.log_path(device_id) if self._is_up else None

    def address(self, device_id: str) -> Address:
        """See `Servers.address`. One that is about to be found dead or hung is waited for, until it is there again."""
        if not self._is_up:
            self.start()
        ends_s = self._now() + HANG_S
        while True:
            url = self._servers.url(device_id)
            found = self._take(url, {}, limit_s=QUICK_S)
            if found.is_there:
                return Address(url=url)
            if self._now() > ends_s:
                raise ServerDownError(
                    f"{url} cannot be reached for newSession: {found.why}",
                    device_id=device_id,
                    do="see the server's log, logs/appium-*.log in the reports folder",
                )
            self._pause(_PAUSE_S)

    def look(self, device_id: str, *, limit_s: float) -> tuple[Address | None, Pulse]:
        """See `Servers.look`."""
        return None, Pulse(kind="up")

    def surviving(self, sessions: Sequence[Session]) -> tuple[Session, ...]:
        """See `Servers.surviving`: servers of a run that is gone went with it, and with them their sessions."""
        if not sessions:
            return ()
        try:
            ports = self._servers.sweep()
        except ServerDownError:  # we only look, and cannot know what other runs have
            return tuple(sessions)
        return tuple(session for session in sessions if not _is_one_of_ours(session.url, but=ports))


def _is_one_of_ours(url: str, *, but: Collection[int]) -> bool:
    """Whether a session was opened on a server that a run started, and that listens on none of these ports."""
    _, host, port = origin(url)
    return host == "127.0.0.1" and port not in but
