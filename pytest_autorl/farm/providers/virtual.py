"""Simulated devices: one server process for the run, spoken to as if it were Appium."""

from __future__ import annotations

import calendar
import contextlib
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pytest_autorl.errors import AutorlError, DeviceProviderError
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.drivers.capabilities import merged
from pytest_autorl.farm.providers.base import PROBE_S, ResetPolicy
from pytest_autorl.farm.providers.logtail import Line, tail
from pytest_autorl.farm.sample import HealthSample
from pytest_autorl.farm.session import Endpoint
from pytest_autorl.state.leases import Lease, Unclean

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

    from pytest_autorl.virtual.admin import AdminClient
    from pytest_autorl.virtual.process import Launch, VirtualServer

#: Name of the header by which a virtual device checks the fencing token of a command.
TOKEN_HEADER = "X-Autorl-Token"

#: Whoever asks with a limit of his own says by himself that it has passed; this is how much later we do, seconds.
_LATER_S = 0.5


class VirtualProvider:
    """Devices of the virtual server.

    Args:
        name: Of the provider block.
        devices: Its devices.
        app: Name of a shipped app model, or path of one.
        reset_policy: See `ResetPolicy`.
        keeps_backend: The simulated back end keeps its state over resets; else it is seeded anew with the app.
    """

    scope: Literal["run", "host"] = "run"
    #: Its server is reached on one port, whatever the device.
    port_count = 0
    #: A session clears the app's data; the back end and the way the device is held are as the last one left them.
    starts_as_new = False

    def __init__(
        self,
        name: str,
        devices: Sequence[Device],
        *,
        app: str,
        reset_policy: ResetPolicy,
        keeps_backend: bool,
    ) -> None:
        self.name = name
        self.reset_policy: ResetPolicy = reset_policy
        self._devices = tuple(devices)
        self._app = app
        self._keeps_backend = keeps_backend
        self._server: VirtualServer | None = None
        #: The server's process and the key to it, between `launch` and `start`.
        self._launch: tuple[Launch, str] | None = None
        self._state: Mapping[str, Any] | None = None
        self._admin: AdminClient | None = None
        self._began_s: float | None = None
        self._is_stopped = False
        self._mutex = threading.Lock()

    def launch(self) -> None:
        """Have the server come up while this process gets ready for its first test; `start` then waits for the rest.

        Raises nothing: what is wrong is told by `start`, to whoever needs the server.
        """
        with self._mutex, contextlib.suppress(AutorlError, OSError):
            if self._state is None and self._launch is None and not self._is_stopped:
                from pytest_autorl.virtual.process import Launch

                key = secrets.token_urlsafe(16)
                self._launch = Launch(*self._wanted(), admin_key=key), key

    def _wanted(self) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
        """Devices and apps of the server. Raises UsageError for an app that cannot be read."""
        from pytest_autorl.virtual.library import load_app

        return [spec(device, app=self._app) for device in self._devices], {self._app: load_app(self._app)}

    def start(self) -> Mapping[str, Any]:
        """See `Provider.start`. Raises DeviceProviderError when the server does not come up, and after `stop`."""
        with self._mutex:  # a test and those who ask how its devices are come at the same time
            return self._started()

    def _started(self) -> Mapping[str, Any]:
        if self._state is None:
            if self._is_stopped:  # a late question how a device is must not leave a server behind
                raise DeviceProviderError("the run has ended, and its simulated devices with it")
            from pytest_autorl.virtual.process import VirtualServer

            launched = self._taken()
            if launched is not None:
                self._server, key = launched[0].server(), launched[1]
            else:
                key = secrets.token_urlsafe(16)
                self._server = VirtualServer.start(*self._wanted(), admin_key=key)
            self._state = {"url": self._server.url, "admin_key": key}
            if self._began_s is not None:
                from pytest_autorl.virtual.admin import AdminClient

                AdminClient(self._server.url, key).start(self._began_s)
        return self._state

    def _taken(self) -> tuple[Launch, str] | None:
        """What was launched, once; None when nothing was.

        In a fork of who launched it too, which leaves it alone: dropping it there would warn of a running process.
        """
        if self._launch is None or not self._launch[0].is_ours:
            return None
        launched, self._launch = self._launch, None
        return launched

    def attach(self, state: Mapping[str, Any]) -> None:
        """See `Provider.attach`."""
        self._state = dict(state)

    def stop(self) -> None:
        """See `Provider.stop`."""
        with self._mutex:
            if self._server is not None:
                self._server.stop()
            launched = self._taken()
            if launched is not None:
                launched[0].end()
            self._server = self._state = self._admin = None
            self._is_stopped = True

    @property
    def admin(self) -> AdminClient:
        """The server's admin client; starts the server when nobody has."""
        if self._admin is None:
            self._admin = self._admin_within(PROBE_S)
        return self._admin

    def _admin_within(self, limit_s: float) -> AdminClient:
        """An admin client that waits so long for an answer."""
        from pytest_autorl.virtual.admin import AdminClient

        state = self.start()
        return AdminClient(state["url"], state["admin_key"], limit_s=limit_s)

    def begin(self, at_s: float) -> None:
        """Tell the devices when the run's clock started (epoch seconds): the zero of `available:`.

        A server that is not up yet is told when it is: this starts none.
        """
        self._began_s = at_s
        if self._state is not None:
            self.admin.start(at_s)

    def endpoint(self, device: Device, lease: Lease, asked: Mapping[str, Any] | None = None) -> Endpoint:
        """See `Provider.endpoint`."""
        return Endpoint(
            url=self.start()["url"],
            capabilities=merged(capabilities(device), device.capabilities, asked or {}),
            headers={TOKEN_HEADER: str(lease.token)},
        )

    def reset(self, device: Device, driver: WebDriver) -> bool:
        """See `Provider.reset`. One round trip."""
        driver.execute_script("autorl: reset", {"policy": "app", "backend": not self._keeps_backend})
        return True

    def pulse(self, device: Device) -> str:
        """See `Provider.pulse`: its server ends with the run."""
        return ""

    def readings(self, device: Device, *, deadline_s: float = PROBE_S) -> HealthSample:
        """See `Provider.readings`."""
        seen = self._admin_within(deadline_s + _LATER_S).device(device.id)
        try:
            return HealthSample(
                battery_pct=float(seen["battery_level"]) * 100,
                temperature_c=float(seen["temperature_c"]),
                storage_free_mb=float(seen["storage_free_mb"]),
                is_online=bool(seen["online"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DeviceProviderError(f"cannot read {seen!r}", device_id=device.id) from error

    def recover(self, device: Device, unclean: Unclean) -> str:
        """See `Provider.recover`. The device itself keeps out whoever had it before."""
        try:
            self.admin.fence(device.id, unclean.lease.token)
        except DeviceProviderError as error:
            return str(error.args[0])
        return ""

    def log(self, device: Device, driver: WebDriver | None, *, since_s: float | None = None) -> str:
        """See `Provider.log`."""
        now_s = time.time()
        lines = [Line(at_s=written_s(line, now_s), text=line) for line in self.admin.log(device.id)]
        return tail(lines, since_s=since_s, is_stamped=True)

    def server_log(self, device: Device) -> Path | None:
        """See `Provider.server_log`: it keeps none."""
        return None


def capabilities(device: Device) -> dict[str, Any]:
    """Capabilities that pick the device on its server."""
    ios = device.platform == "ios"
    found: dict[str, Any] = {
        "platformName": "iOS" if ios else "Android",
        "appium:automationName": "XCUITest" if ios else "UiAutomator2",
        "appium:udid": device.id,
    }
    if device.os_version:
        found["appium:platformVersion"] = device.os_version
    if device.model:
        found["appium:deviceName"] = device.model
    return found


def written_s(line: str, now_s: float) -> float:
    """When a line of a device's log was written, seconds since the epoch; 0 when it does not say.

    Its stamp has no year (``11-26 14:00:00.250``): it is the latest that is not in the future.

    >>> written_s("12-31 23:59:59.500  7  7 I app: late", now_s=10.0)
    -0.5
    """
    for year in (time.gmtime(now_s).tm_year, time.gmtime(now_s).tm_year - 1):
        try:
            whole = time.strptime(f"{year}-{line[:14]}", "%Y-%m-%d %H:%M:%S")
            at_s = calendar.timegm(whole) + int(line[15:18]) / 1000
        except ValueError:
            continue  # 29 February is in some years only
        # Both clocks are this host's; rounding may lead by a millisecond.
        if at_s <= now_s + 1:
            return at_s
    return 0.0


def spec(device: Device, *, app: str) -> dict[str, Any]:
    """The device as the virtual server's configuration wants it."""
    return {
        "id": device.id,
        "platform": device.platform or "android",
        "os_version": device.os_version,
        "form_factor": device.form_factor or "phone",
        "model": device.model,
        "app": app,
        "settings": dict(device.settings),
    }
