"""Private virtual devices for tests of page objects and tools: the real protocol, no farm, no lease."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_autorl.farm.session import Endpoint, Limits, close_session, open_session

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

    from pytest_autorl.virtual.admin import AdminClient
    from pytest_autorl.virtual.process import VirtualServer

_APP = "bank"


class MockServer:
    """A virtual server of one's own, started with the first device."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._server: VirtualServer | None = None
        self._admin: AdminClient | None = None

    def __enter__(self) -> MockServer:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._server is not None:
            self._server.stop()

    def _started(self) -> tuple[str, AdminClient]:
        if self._server is None or self._admin is None:
            from pytest_autorl.virtual.admin import AdminClient
            from pytest_autorl.virtual.library import load_app
            from pytest_autorl.virtual.process import VirtualServer

            key = secrets.token_urlsafe(16)
            self._server = VirtualServer.start([], {_APP: load_app(_APP)}, admin_key=key)
            self._admin = AdminClient(self._server.url, key)
        return self._server.url, self._admin

    @contextmanager
    def device(self, *, platform: str = "android", form_factor: str = "phone") -> Iterator[MockDevice]:
        """A new device for the length of a block; its session is ended and it is removed afterwards."""
        url, admin = self._started()
        device_id = f"mock-{next(self._numbers)}"
        admin.add_device(
            {
                "id": device_id,
                "platform": platform,
                "os_version": "17.2" if platform == "ios" else "14",
                "form_factor": form_factor,
                "model": f"Mock {form_factor}",
                "app": _APP,
                "settings": {},
            }
        )
        device = MockDevice(device_id, platform, url, admin)
        try:
            yield device
        finally:
            device.close()
            admin.remove_device(device_id)


class MockDevice:
    """One private virtual device.

    Attributes:
        id: Its name on its server (also its ``appium:udid``).
        url: The server, for clients other than `driver`.
        admin: Every knob of the device.
    """

    def __init__(self, device_id: str, platform: str, url: str, admin: AdminClient) -> None:
        self.id = device_id
        self.platform = platform
        self.url = url
        self.admin = admin
        self._driver: WebDriver | None = None

    def __repr__(self) -> str:
        return f"<mock device {self.id}>"

    @property
    def capabilities(self) -> dict[str, Any]:
        """Capabilities of a session on this device."""
        ios = self.platform == "ios"
        return {
            "platformName": "iOS" if ios else "Android",
            "appium:automationName": "XCUITest" if ios else "UiAutomator2",
            "appium:udid": self.id,
        }

    @property
    def driver(self) -> WebDriver:
        """The Appium session on this device, opened at first use."""
        if self._driver is None:
            endpoint = Endpoint(url=self.url, capabilities=self.capabilities)
            self._driver = open_session(endpoint, device_id=self.id, limits=Limits(create_s=30, command_s=10))
        return self._driver

    def fault(self, name: str, **how: Any) -> None:
        """Let something go wrong: offline, hang, app_crash, slow, ... (see the guide on virtual devices)."""
        self.admin.fault(self.id, name, **how)

    def heal(self) -> None:
        """End all faults."""
        self.admin.clear_faults(self.id)

    def set_state(self, **readings: Any) -> None:
        """Set readings, e.g. the battery."""
        self.admin.set_state(self.id, **readings)

    def reset(self) -> None:
        """App and back end as new, the session stays."""
        self.admin.reset(self.id)

    def close(self) -> None:
        """End the session, if there is one."""
        if self._driver is not None:
            self.heal()  # a hanging device would hold up its own end
            close_session(self._driver)
            self._driver = None


def sample_ui_state() -> dict[str, Any]:
    """What an analysis of the bank's first screen gives: plain data, from the shipped app model, without a server.

    Returns: ``{"package", "activity", "platform", "size": [width, height], "elements": [...]}``, sizes and bounds
    in device pixels, each element with ``id, role, text, description, bounds [x1, y1, x2, y2], clickable, enabled``.
    """
    from pytest_autorl.virtual.farm import Farm
    from pytest_autorl.virtual.library import load_app

    device = Farm({_APP: load_app(_APP)}, [{"id": "sample", "app": _APP}]).devices["sample"]
    device.reset(backend=False)  # brings the app to the front, as a session would
    picture = device.picture()
    model = device.model
    assert model is not None
    display = device.display
    return {
        "package": model.package,
        "activity": model.activity,
        "platform": device.spec.platform,
        "size": [display.width, display.height],
        "elements": [
            {
                "id": node.name,
                "role": node.role,
                "text": node.text or node.hint,
                "description": node.description,
                "bounds": list(node.bounds),
                "clickable": node.clickable,
                "enabled": node.enabled,
            }
            for node in picture.active.walk()
            if node.name
        ],
    }
