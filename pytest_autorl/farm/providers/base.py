"""How one kind of device is reached: the contract between the pool and its providers.

A provider is made in each process of a run. `start` runs once per run (in the controller) and returns plain
data; `attach` gives that data to the other processes, so that a run has one server, whoever uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pytest_autorl.farm.device import Device
from pytest_autorl.farm.session import Endpoint
from pytest_autorl.state.leases import Lease, Unclean

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

#: What happens to a session between two leases of its device: app = kept, the app's data cleared and the app
#: started anew; session = a new session each time; none = kept as it is.
ResetPolicy = Literal["app", "session", "none"]


@dataclass(frozen=True, kw_only=True)
class Readings:
    """What a device says about itself now; None where it says nothing.

    They gate a device, they never decide whether it matches a need.
    """

    battery_pct: float | None = None
    temperature_c: float | None = None
    storage_free_mb: float | None = None
    is_online: bool = True


class Provider(Protocol):
    """One provider block of the farm file."""

    #: Name of its block.
    name: str
    #: Its devices belong to this run alone ("run"), or other runs on this host may meet them ("host").
    scope: Literal["run", "host"]
    #: TCP ports of this host that a lease of one of its devices comes with.
    port_count: int
    #: A new session finds the app as new; else the pool resets it.
    starts_as_new: bool
    #: Reset policy of its devices, unless a fixture says otherwise.
    reset_policy: ResetPolicy

    def start(self) -> Mapping[str, Any]:
        """Bring up what its devices need; returns plain data for `attach`. Idempotent."""

    def attach(self, state: Mapping[str, Any]) -> None:
        """Use what another process of this run has started."""

    def begin(self, at_s: float) -> None:
        """The run's clock starts (seconds since the epoch). Must start nothing."""

    def stop(self) -> None:
        """End what `start` brought up. Safe to call twice."""

    def endpoint(self, device: Device, lease: Lease) -> Endpoint:
        """Where and how a session on the device is opened under this lease."""

    def reset(self, device: Device, driver: WebDriver) -> bool:
        """Make the app as new within the session; False when only a new session can do that."""

    def readings(self, device: Device) -> Readings:
        """Ask the device, or its server, how it is. Raises DeviceError when that fails."""

    def recover(self, device: Device, unclean: Unclean) -> str:
        """End what an earlier lease may have left alive on the device, and see that it answers.

        Returns what could not be done, "" when the device is fit for the next lease. Ends in bounded time.
        """

    def log(self, device: Device, driver: WebDriver | None) -> str:
        """The device's own log, newest lines last, bounded; "" when there is none."""
