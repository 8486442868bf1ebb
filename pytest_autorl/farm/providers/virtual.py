"""Simulated devices: one server process for the run, spoken to as if it were Appium."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pytest_autorl.errors import DeviceProviderError
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.providers.base import Readings, ResetPolicy
from pytest_autorl.farm.session import Endpoint
from pytest_autorl.state.leases import Lease, Unclean

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

    from pytest_autorl.virtual.admin import AdminClient
    from pytest_autorl.virtual.process import VirtualServer

#: Name of the header by which a virtual device checks the fencing token of a command.
TOKEN_HEADER = "X-Autorl-Token"


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
        self._state: Mapping[str, Any] | None = None
        self._admin: AdminClient | None = None
        self._began_s: float | None = None

    def start(self) -> Mapping[str, Any]:
        """See `Provider.start`. Raises DeviceProviderError when the server does not come up."""
        if self._state is None:
            from pytest_autorl.virtual.library import load_app
            from pytest_autorl.virtual.process import VirtualServer

            key = secrets.token_urlsafe(16)
            specs = [spec(device, app=self._app) for device in self._devices]
            self._server = VirtualServer.start(specs, {self._app: load_app(self._app)}, admin_key=key)
            self._state = {"url": self._server.url, "admin_key": key}
            if self._began_s is not None:
                self.admin.start(self._began_s)
        return self._state

    def attach(self, state: Mapping[str, Any]) -> None:
        """See `Provider.attach`."""
        self._state = dict(state)

    def stop(self) -> None:
        """See `Provider.stop`."""
        if self._server is not None:
            self._server.stop()
        self._server = self._state = self._admin = None

    @property
    def admin(self) -> AdminClient:
        """The server's admin client; starts the server when nobody has."""
        if self._admin is None:
            from pytest_autorl.virtual.admin import AdminClient

            state = self.start()
            self._admin = AdminClient(state["url"], state["admin_key"])
        return self._admin

    def begin(self, at_s: float) -> None:
        """Tell the devices when the run's clock started (epoch seconds): the zero of `available:`.

        A server that is not up yet is told when it is: this starts none.
        """
        self._began_s = at_s
        if self._state is not None:
            self.admin.start(at_s)

    def endpoint(self, device: Device, lease: Lease) -> Endpoint:
        """See `Provider.endpoint`."""
        return Endpoint(
            url=self.start()["url"],
            capabilities=capabilities(device),
            headers={TOKEN_HEADER: str(lease.token)},
        )

    def reset(self, device: Device, driver: WebDriver) -> bool:
        """See `Provider.reset`. One round trip."""
        driver.execute_script("autorl: reset", {"policy": "app", "backend": not self._keeps_backend})
        return True

    def readings(self, device: Device) -> Readings:
        """See `Provider.readings`."""
        seen = self.admin.device(device.id)
        try:
            return Readings(
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

    def log(self, device: Device, driver: WebDriver | None) -> str:
        """See `Provider.log`."""
        return "\n".join(self.admin.log(device.id))


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
