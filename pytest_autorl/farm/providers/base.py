"""How one kind of device is reached: the contract between the pool and its providers.

A provider is made in each process of a run. `start` runs once per run (in the controller) and returns plain
data; `attach` gives that data to the other processes, so that a run has one server, whoever uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pytest_autorl.farm.device import Device
from pytest_autorl.farm.sample import HealthSample
from pytest_autorl.farm.session import Endpoint
from pytest_autorl.state.leases import Lease, Unclean

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

#: What happens to a session between two leases of its device: app = kept, the app's data cleared and the app
#: started anew; session = a new session each time; none = kept as it is.
ResetPolicy = Literal["app", "session", "none"]


#: Longest that a device may take to say how it is, seconds, where nothing else is said.
PROBE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a provider finds and leaves what its run shares.

    Attributes:
        rootdir: Of the project.
        reports: The folder of the run's reports: the logs of its servers go there.
        records: A folder beside the state, for what must be known after our death.
        redaction: What is to be taken out of the output of its servers, as `Guard.plain` gives it.
    """

    rootdir: Path
    reports: Path
    records: Path
    redaction: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def beside(
        cls, state: Path, *, rootdir: Path, reports: Path, redaction: Mapping[str, Any] | None = None
    ) -> Places:
        """With the records beside the state: whoever shares that finds what a killed run has left running."""
        records = state.with_name(f"{state.name}.servers")
        return cls(rootdir=rootdir, reports=reports, records=records, redaction=redaction or {})


class Provider(Protocol):
    """One provider block of the farm file."""

    #: Name of its block.
    name: str
    #: Its devices belong to this run alone ("run"), or other runs on this host may meet them ("host").
    scope: Literal["run", "host"]
    #: A new session finds the app as new; else the pool resets it.
    starts_as_new: bool
    #: Reset policy of its devices, unless a fixture says otherwise.
    reset_policy: ResetPolicy

    @property
    def port_count(self) -> int:
        """TCP ports of this host that a lease of one of its devices comes with."""

    def start(self) -> Mapping[str, Any]:
        """Bring up what its devices need; returns plain data for `attach`. Idempotent."""

    def attach(self, state: Mapping[str, Any]) -> None:
        """Use what another process of this run has started."""

    def begin(self, at_s: float) -> None:
        """The run's clock starts (seconds since the epoch). Must start nothing."""

    def stop(self) -> None:
        """End what `start` brought up. Safe to call twice."""

    def endpoint(self, device: Device, lease: Lease, asked: Mapping[str, Any] | None = None) -> Endpoint:
        """Where and how a session on the device is opened under this lease.

        Args:
            asked: Capabilities that the test asks for, over everything else.
        Raises: ServerDownError when no server is there for it, DeviceProviderError.
        """

    def reset(self, device: Device, driver: WebDriver) -> bool:
        """Make the app as new within the session; False when only a new session can do that."""

    def pulse(self, device: Device) -> str:
        """What is wrong right now with what the device is reached by, "" when nothing is. Quick; never raises."""

    def readings(self, device: Device, *, deadline_s: float = PROBE_S) -> HealthSample:
        """Ask the device, or its server, how it is. Raises DeviceError when that fails, in time."""

    def recover(self, device: Device, unclean: Unclean) -> str:
        """End what an earlier lease may have left alive on the device, and see that it answers.

        Returns what could not be done, "" when the device is fit for the next lease. Ends in bounded time.
        """

    def log(self, device: Device, driver: WebDriver | None, *, since_s: float | None = None) -> str:
        """The device's own log, newest lines last, bounded; "" when there is none.

        Args:
            since_s: Only what was written from then on; seconds since the epoch, None = all that is kept.
        """

    def server_log(self, device: Device) -> Path | None:
        """The file that takes the output of the device's server, where that is ours."""
