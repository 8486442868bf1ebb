"""Devices behind a running Appium server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pytest_autorl.address import origin, split_user_info
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.orphans import end_sessions
from pytest_autorl.farm.providers.base import Readings, ResetPolicy
from pytest_autorl.farm.session import Endpoint
from pytest_autorl.state.leases import Lease, Unclean

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

#: Capabilities that name the app under test on the device, by preference.
_APP_IDS = ("appium:appPackage", "appPackage", "appium:bundleId", "bundleId")


class AppiumProvider:
    """Devices of one running server.

    Args:
        name: Of the provider block.
        url: Of the server, as `address.server_url` gives it; user info becomes a header and is never shown.
        capabilities: Asked for by every session through this provider.
        app: The build under test, path or URL; "" = whatever the capabilities say.
        reset_policy: See `ResetPolicy`.
        hub: URL and token of a hub in front of the servers (environment AUTORL_FARM_URL and AUTORL_FARM_TOKEN).
            The token is sent to that very origin and nowhere else.
    """

    scope: Literal["run", "host"] = "host"
    #: systemPort, chromedriverPort, mjpegServerPort, wdaLocalPort, webkitDebugProxyPort.
    port_count = 5
    #: Appium's own default ("fast reset"), unless the capabilities say `noReset`: then it was meant so.
    starts_as_new = True

    def __init__(
        self,
        name: str,
        *,
        url: str,
        capabilities: Mapping[str, Any],
        app: str,
        reset_policy: ResetPolicy,
        hub: tuple[str, str] = ("", ""),
    ) -> None:
        self.name = name
        self.url, self._basic = split_user_info(url)
        self.reset_policy: ResetPolicy = reset_policy
        self._capabilities = dict(capabilities)
        self._app = app
        self._hub_url, self._hub_token = hub

    def start(self) -> Mapping[str, Any]:
        """See `Provider.start`: the server is not ours to start."""
        return {}

    def attach(self, state: Mapping[str, Any]) -> None:
        """See `Provider.attach`."""

    def begin(self, at_s: float) -> None:
        """See `Provider.begin`: real devices do not come and go by the run's clock."""

    def stop(self) -> None:
        """See `Provider.stop`."""

    def endpoint(self, device: Device, lease: Lease) -> Endpoint:
        """See `Provider.endpoint`."""
        wanted: dict[str, Any] = {"platformName": device.platform, **self._capabilities}
        if self._app:
            wanted["appium:app"] = self._app
        return Endpoint(url=self.url, capabilities=wanted, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        headers = {"Authorization": self._basic} if self._basic else {}
        if self._hub_token and self._hub_url and origin(self._hub_url) == origin(self.url):
            headers["Authorization"] = f"Bearer {self._hub_token}"
        return headers

    def reset(self, device: Device, driver: WebDriver) -> bool:
        """See `Provider.reset`. Without a known app id only a new session makes the app as new."""
        app_id = next((str(driver.capabilities[key]) for key in _APP_IDS if driver.capabilities.get(key)), "")
        if not app_id:
            return False
        driver.terminate_app(app_id)
        driver.execute_script("mobile: clearApp", {"appId": app_id, "bundleId": app_id})
        driver.activate_app(app_id)
        return True

    def readings(self, device: Device) -> Readings:
        """See `Provider.readings`: an Appium server says nothing of a device outside its sessions."""
        return Readings()

    def recover(self, device: Device, unclean: Unclean) -> str:
        """See `Provider.recover`: the server cannot check a token, so what was recorded is ended first."""
        return end_sessions(self.url, unclean.sessions, headers=self._headers())

    def log(self, device: Device, driver: WebDriver | None) -> str:
        """See `Provider.log`."""
        if driver is None:
            return ""
        kind = "syslog" if device.platform == "ios" else "logcat"
        if kind not in driver.log_types:
            return ""
        return "\n".join(str(entry.get("message", entry)) for entry in driver.get_log(kind)[-500:])
