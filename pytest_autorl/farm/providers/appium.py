"""Devices behind Appium servers, whoever runs these."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pytest_autorl.farm import drivers
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.drivers.base import AppiumDriver
from pytest_autorl.farm.drivers.capabilities import automation_name, merged, session_capabilities
from pytest_autorl.farm.orphans import end_sessions
from pytest_autorl.farm.providers import adbserver
from pytest_autorl.farm.providers.base import PROBE_S, ResetPolicy
from pytest_autorl.farm.providers.logtail import LINES, Line, tail
from pytest_autorl.farm.providers.servers import Address, Servers
from pytest_autorl.farm.pulse import QUICK_S
from pytest_autorl.farm.sample import HealthSample
from pytest_autorl.farm.session import Endpoint
from pytest_autorl.state.grants import BLOCK_SIZE
from pytest_autorl.state.leases import Lease, Unclean

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class AppiumProvider:
    """Devices of one block.

    Args:
        name: Of the provider block.
        servers: That reach them.
        capabilities: Asked for by every session through this provider.
        app: The build under test, path or URL; "" = whatever the capabilities say.
        reset_policy: See `ResetPolicy`.
    """

    scope: Literal["run", "host"] = "host"
    #: All of a block: a marker may name another driver, of which nobody knows what it wants before.
    port_count = BLOCK_SIZE
    #: Appium's own default ("fast reset"), unless the capabilities say `noReset`: then it was meant so.
    starts_as_new = True

    def __init__(
        self,
        name: str,
        *,
        servers: Servers,
        capabilities: Mapping[str, Any],
        app: str,
        reset_policy: ResetPolicy,
    ) -> None:
        self.name = name
        self.servers = servers
        self.reset_policy: ResetPolicy = reset_policy
        self._capabilities = dict(capabilities)
        self._app = app
        #: Device -> the driver of the session that was last opened on it here: a marker may name another one.
        self._drivers: dict[str, AppiumDriver] = {}
        #: Serial numbers that adb of this host has known.
        self._seen: set[str] = set()
        #: Device -> session, and what of its log was read: a server gives each line away once.
        self._read: dict[str, tuple[str, deque[Line]]] = {}

    def start(self) -> Mapping[str, Any]:
        """See `Provider.start`."""
        return self.servers.start()

    def attach(self, state: Mapping[str, Any]) -> None:
        """See `Provider.attach`."""
        self.servers.attach(state)

    def begin(self, at_s: float) -> None:
        """See `Provider.begin`: real devices do not come and go by the run's clock."""

    def stop(self) -> None:
        """See `Provider.stop`."""
        self.servers.stop()

    def endpoint(self, device: Device, lease: Lease, asked: Mapping[str, Any] | None = None) -> Endpoint:
        """See `Provider.endpoint`. Raises ServerDownError, and DeviceProviderError for a driver of no use."""
        wanted, driver = session_capabilities(
            platform=device.platform,
            block=self._capabilities,
            app=self._app,
            device=device.capabilities,
            marker=asked or {},
            ports=lease.ports,
            driver_named=drivers.find,
        )
        address = self.servers.address(device.id)
        self._drivers[device.id] = driver
        return Endpoint(url=address.url, capabilities=wanted, headers=address.headers, driver=driver)

    def driver_of(self, device: Device) -> AppiumDriver:
        """The driver of its sessions, unless a marker names another one. Raises DeviceProviderError."""
        return drivers.find(automation_name(self._stated(device)))

    def _stated(self, device: Device) -> dict[str, Any]:
        return merged({"platformName": device.platform}, self._capabilities, device.capabilities)

    def reset(self, device: Device, driver: WebDriver) -> bool:
        """See `Provider.reset`."""
        return self._driver_now(device).reset(driver)

    def _driver_now(self, device: Device) -> AppiumDriver:
        return self._drivers.get(device.id) or self.driver_of(device)

    def pulse(self, device: Device) -> str:
        """See `Provider.pulse`: one question to its server, where that is up already."""
        _, found = self.servers.look(device.id, limit_s=QUICK_S)
        return "" if found.is_there else found.why

    def readings(self, device: Device, *, deadline_s: float = PROBE_S) -> HealthSample:
        """See `Provider.readings`: the server says how it is itself, adb how an Android device at this host is."""
        address, found = self.servers.look(device.id, limit_s=deadline_s)
        if not found.is_there:
            server = f"{address.url}: {found.why}" if address is not None else found.why
            return HealthSample(server=server, is_online=False)
        sample = HealthSample(response_s=found.response_s or None)
        through_adb = self._through_adb(device, address, deadline_s=max(0.1, deadline_s - found.response_s))
        if through_adb is None:
            return sample
        return (
            through_adb
            if through_adb.response_s is not None
            else replace(through_adb, response_s=sample.response_s)
        )

    def _through_adb(
        self, device: Device, address: Address | None, *, deadline_s: float
    ) -> HealthSample | None:
        """What adb says of an Android device; None where it is not for adb to say.

        A server on this host may be the end of a tunnel: then the phone is elsewhere, and that adb does not know it
        means nothing. Of a phone that adb did know, or that our own servers are to reach, it means that it is gone.
        """
        stated = self._stated(device)
        udid = stated.get("appium:udid")
        is_android = str(stated.get("platformName", "")).lower() == "android"
        if not (is_android and isinstance(udid, str) and udid and is_here(address)):
            return None
        port = adbserver.port_of(stated.get("appium:adbPort"))
        known = adbserver.serials(port, limit_s=min(QUICK_S, deadline_s))
        if known is None:
            return None
        if udid in known:
            self._seen.add(udid)
        elif udid not in self._seen and not self.servers.are_ours:
            return None
        from pytest_autorl.farm.probes.adb import probe

        return probe(udid, deadline_s=deadline_s, port=port, device_id=device.id)

    def recover(self, device: Device, unclean: Unclean) -> str:
        """See `Provider.recover`: the server cannot check a token, so what was recorded is ended first."""
        address, _ = self.servers.look(device.id, limit_s=PROBE_S)
        return end_sessions(
            address.url if address is not None else "",
            self.servers.surviving(unclean.sessions),
            headers=address.headers if address is not None else {},
            others={each.url: each.headers for each in self.servers.known()},
        )

    def log(self, device: Device, driver: WebDriver | None, *, since_s: float | None = None) -> str:
        """See `Provider.log`: of the session that is open, which offers this or that log."""
        if driver is None:
            return ""
        session = str(driver.session_id)
        if self._read.get(device.id, ("",))[0] != session:
            self._read[device.id] = (session, deque(maxlen=LINES))
        lines = self._read[device.id][1]
        wanted = self._driver_now(device).log_types
        offered = set(driver.log_types) if wanted else ()
        for kind in wanted:
            if kind in offered:
                lines.extend(_lines(driver.get_log(kind)))
        return tail(sorted(lines, key=lambda line: line.at_s), since_s=since_s)

    def server_log(self, device: Device) -> Path | None:
        """See `Provider.server_log`."""
        return self.servers.log_path(device.id)


def is_here(address: Address | None) -> bool:
    """Whether a server is on this host, so that its phones are within our reach too; None is one of our own."""
    host = urlsplit(address.url).hostname if address is not None else "localhost"
    return host in _LOOPBACK or host == socket.gethostname()


def _lines(entries: Iterable[Mapping[str, Any]]) -> list[Line]:
    return [
        Line(at_s=_at_s(entry.get("timestamp")), text=str(entry.get("message", entry))) for entry in entries
    ]


def _at_s(timestamp: Any) -> float:
    """Milliseconds of an entry as seconds; 0 for what is no time of this millennium."""
    is_time = isinstance(timestamp, int | float) and 0 < timestamp < 32e12
    return timestamp / 1000 if is_time else 0.0
