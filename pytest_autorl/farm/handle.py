"""The handle of a leased device: what a test, or a script, gets to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pytest_autorl.farm.device import Device
from pytest_autorl.farm.providers.base import ResetPolicy
from pytest_autorl.farm.sample import HealthSample
from pytest_autorl.state.leases import Lease

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

    from pytest_autorl.resilience.executor import RobustActionExecutor
    from pytest_autorl.resilience.retry import Classifier

T = TypeVar("T")


class Sessions(Protocol):
    """What a handle needs of the pool behind it."""

    def session(self, handle: DeviceHandle) -> WebDriver:
        """The session of the handle's device, opened or made as new when needed."""

    def reset(self, handle: DeviceHandle, policy: ResetPolicy) -> None:
        """Apply a reset policy now."""

    def readings(self, handle: DeviceHandle) -> HealthSample:
        """Ask the device how it is."""

    def log(self, handle: DeviceHandle) -> str:
        """The device's own log."""

    def distrust(self, handle: DeviceHandle) -> None:
        """Do not let the next test have the session; no error when the lease has ended."""


class DeviceHandle:
    """One leased device.

    Attributes:
        device: The static description.
        lease: The right to use it; ends with the test or scope that asked.
        granted_at_s: When it was granted; seconds since the epoch.
        released_at_s: When it was given back; None while it is held.
        session_s: Seconds this handle spent on opening and resetting sessions.
        sessions: How many sessions were opened for it.
        on_capture: Takes artefacts of the device under a name; set by the test run that keeps them.
        new_classifier: Makes what tells `do` which errors pass; set by the test run, whose plugins may have a say.
    """

    def __init__(
        self,
        device: Device,
        lease: Lease,
        sessions: Sessions,
        capabilities: Mapping[str, Any],
        *,
        granted_at_s: float,
    ) -> None:
        self.device = device
        self.lease = lease
        self.granted_at_s = granted_at_s
        self.released_at_s: float | None = None
        self.session_s = 0.0
        self.sessions = 0
        self.on_capture: Callable[[DeviceHandle, str], tuple[Path, ...]] | None = None
        self.extra_capabilities = capabilities
        self._sessions = sessions
        self._driver: WebDriver | None = None
        self.new_classifier: Callable[[], Classifier] | None = None
        self._robust: RobustActionExecutor | None = None

    def __repr__(self) -> str:
        return f"<device {self.device} leased by {self.lease.owner}, token {self.lease.token}>"

    @property
    def id(self) -> str:
        return self.device.id

    @property
    def platform(self) -> str:
        return self.device.platform

    @property
    def os_version(self) -> str:
        return self.device.os_version

    @property
    def form_factor(self) -> str:
        return self.device.form_factor

    @property
    def model(self) -> str:
        return self.device.model

    @property
    def tags(self) -> frozenset[str]:
        return self.device.tags

    @property
    def capabilities(self) -> Mapping[str, Any]:
        return self.device.capabilities

    @property
    def attributes(self) -> Mapping[str, str | int | float | bool]:
        return self.device.attributes

    @property
    def health(self) -> HealthSample:
        """What the device says about itself now. Raises DeviceError when it cannot be asked."""
        return self._sessions.readings(self)

    @property
    def log(self) -> str:
        """The device's own log so far, bounded, newest lines last."""
        return self._sessions.log(self)

    @property
    def driver(self) -> WebDriver:
        """The Appium session on this device, opened at first use.

        Raises LeaseLostError after the end of the lease, DeviceError when no session is to be had.
        """
        __tracebackhide__ = True
        if self._driver is None:
            self._driver = self._sessions.session(self)
        return self._driver

    @property
    def open_driver(self) -> WebDriver | None:
        """The session if this handle has used one, else None: asking opens nothing."""
        return self._driver

    @property
    def robust(self) -> RobustActionExecutor:
        """What `do` runs actions with: up to three retries, and `stats` of how they went."""
        if self._robust is None:
            from pytest_autorl.resilience.executor import RobustActionExecutor

            classifier = self.new_classifier() if self.new_classifier is not None else None
            self._robust = RobustActionExecutor(self._on_driver, classifier=classifier)
        return self._robust

    def do(self, action: Callable[[WebDriver], T], *, deadline_s: float | None = None) -> T:
        """Run one action on the device: ``device.do(lambda driver: driver.back())``.

        It is run again, after a short pause, while it fails with an error that passes by itself, such as a stale
        element; see `RobustActionExecutor`. It must therefore bear to be run twice.

        Args:
            deadline_s: No try begins later than so many seconds after the first one.
        """
        __tracebackhide__ = True
        return self.robust.execute(action, deadline_s=deadline_s)

    def _on_driver(self, action: Callable[[WebDriver], T]) -> T:
        __tracebackhide__ = True
        return action(self.driver)

    def reset(self, policy: ResetPolicy = "app") -> None:
        """Make the device as new in the middle of a test, e.g. between two examples of hypothesis.

        app: the app's data is cleared and it starts anew, the session stays; session: a new session;
        none: nothing. `driver` is the session to use afterwards (the same object, unless a new session
        was needed).
        """
        self._sessions.reset(self, policy)

    def capture(self, name: str = "") -> tuple[Path, ...]:
        """Take screenshot, page source and logs now, as a failure would; returns the paths of what there is.

        ``name`` begins the names of the files. A device that does not answer is not waited for, and nothing is
        raised: the test goes on. Empty outside a test run, with `autorl_artefacts = off`, and without a session
        as far as one is needed: none is opened.
        """
        return self.on_capture(self, name) if self.on_capture is not None else ()

    def distrust(self) -> None:
        """Somebody may still be driving the session: it ends with this use of the device."""
        self._sessions.distrust(self)

    def use(self, driver: WebDriver | None) -> None:
        """Called by the pool when the session behind the handle changes."""
        self._driver = driver
