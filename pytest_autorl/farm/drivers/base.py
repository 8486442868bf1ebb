"""What is to be known of an Appium driver: the contract that a driver of others fulfils too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

#: Capabilities that name the app under test on the device, by preference.
_APP_IDS = ("appium:appPackage", "appPackage", "appium:bundleId", "bundleId")


class AppiumDriver(Protocol):
    """One Appium driver, as the provider of devices behind a server sees it.

    Capabilities are named in full, with their prefix. What the user states always goes before.
    """

    @property
    def name(self) -> str:
        """Its automationName in lower case."""

    @property
    def ports(self) -> tuple[str, ...]:
        """Capabilities that take a port of the host, the most needed first: each session has its own."""

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Capabilities that a session has unless somebody says otherwise."""

    @property
    def log_types(self) -> tuple[str, ...]:
        """Logs that tell what happened on the device; those that a session does not offer are left out."""

    @property
    def takes_app(self) -> bool:
        """The build under test is given to it, as `appium:app`."""

    @property
    def package(self) -> str:
        """What `appium driver install` is called with; "" when that is not known."""

    def reset(self, driver: WebDriver) -> bool:
        """Make the app as new within the session; False when only a new session can do that.

        May raise what the client raises: then it is a new session, too.
        """


@dataclass(frozen=True, kw_only=True)
class PlainDriver:
    """A driver told by its attributes, see `AppiumDriver`.

    Attributes:
        has_apps: Apps are stopped, cleared and started by their id; else a reset is a new session.
    """

    name: str
    ports: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    log_types: tuple[str, ...] = ()
    takes_app: bool = True
    package: str = ""
    has_apps: bool = False

    def reset(self, driver: WebDriver) -> bool:
        """See `AppiumDriver.reset`. Without a known app id only a new session makes the app as new."""
        wanted = (str(driver.capabilities[key]) for key in _APP_IDS if driver.capabilities.get(key))
        app_id = next(wanted, "") if self.has_apps else ""
        if not app_id:
            return False
        driver.terminate_app(app_id)
        driver.execute_script("mobile: clearApp", {"appId": app_id, "bundleId": app_id})
        driver.activate_app(app_id)
        return True
