"""Every error of this package, as one tree.

    AutorlError
    ├── UsageError                    wrong option, environment variable or ini value
    │   └── FeatureNotBuiltError      a registered name whose feature this version lacks
    ├── FarmFileError                 device_farm.yml: file, line, key, value, way out
    ├── RequirementError              a `device` marker or `where=` that cannot be understood
    ├── UnsatisfiableError            a need that no device of the farm can ever meet
    ├── NoFarmError                   a test asks for a device, and no farm is configured
    ├── LeaseError
    │   ├── LeaseTimeoutError         no fitting device became free in time
    │   │   └── OutOfServiceError     too few fitting devices are in service
    │   ├── LeaseLostError            ours no longer: ended, released or overtaken
    │   └── LeaseConflictError        the asker already holds a device
    ├── StateError                    the state directory or database cannot be used
    │   ├── StateBusyError            another process keeps it from being written; nothing was done
    │   ├── StateFullError            no room left on its disk
    │   ├── StateDamagedError         its content is damaged
    │   └── StateVersionError         written by another version, or no state at all
    └── DeviceError
        ├── DeviceProviderError       the server or farm behind the device misbehaves
        │   ├── ServerDownError       the server does not answer, or does not start
        │   ├── NoSessionError        the server gives no session, and has begun none
        │   │   └── SessionRefusedError   it is well and says no: the device is not
        │   └── ServerAnswerError     an answer that is not of the WebDriver protocol
        ├── SessionEndedError         the test has ended the session itself, and goes on using it
        ├── DeviceTimeoutError        a device or its server did not answer in time
        └── DeviceUnhealthyError      the device is not fit for a test

Each text says what happened, to which device, and what to do next; it must be safe to publish.
Errors travel between processes, so all of them can be pickled.
"""

from __future__ import annotations

from typing import ClassVar, Literal

Blame = Literal["test", "device", "app", "farm"]


class AutorlError(Exception):
    """Base of all errors of this package."""

    #: Whose fault a failure with this error is; written into the trace.
    blame: ClassVar[Blame] = "farm"

    def __init__(self, what: str, *, device_id: str | None = None, do: str = "") -> None:
        super().__init__(what)
        self.device_id = device_id
        self.do = do

    def __str__(self) -> str:
        where = f"[{self.device_id}] " if self.device_id else ""
        return f"{where}{self.args[0]}" + (f"\n  do: {self.do}" if self.do else "")


class UsageError(AutorlError):
    """An option, environment variable or ini value cannot be used."""

    blame: ClassVar[Blame] = "test"


class FeatureNotBuiltError(UsageError):
    """The name is reserved, its feature is not part of this version."""


class FarmFileError(AutorlError):
    """The farm file cannot be used.

    Attributes:
        path: The file as the user named it.
        line: 1-based line of the offending key or value, None when the whole file is meant.
        key: Dotted path of the key (``devices[2].os_version``), empty when none is meant.
    """

    def __init__(
        self, what: str, *, path: str = "", line: int | None = None, key: str = "", do: str = ""
    ) -> None:
        super().__init__(what, do=do)
        self.path = path
        self.line = line
        self.key = key

    def __str__(self) -> str:
        place = self.path + (f":{self.line}" if self.line is not None else "")
        parts = [part for part in (place, self.key, str(self.args[0])) if part]
        return ": ".join(parts) + (f"\n  do: {self.do}" if self.do else "")


class RequirementError(AutorlError):
    """A `device` marker or a `where=` expression cannot be understood."""

    blame: ClassVar[Blame] = "test"


class UnsatisfiableError(AutorlError):
    """No device of the farm can ever meet the need, however long a test waits."""


class NoFarmError(AutorlError):
    """A test asks for a device and no farm is configured."""


class LeaseError(AutorlError):
    """Something is wrong with the right to use a device."""


class LeaseTimeoutError(LeaseError):
    """Fitting devices exist, none became free in time."""


class OutOfServiceError(LeaseTimeoutError):
    """Too few fitting devices are in service: held by hand, offline or unhealthy. Waiting alone cannot help."""


class LeaseLostError(LeaseError):
    """The lease ended, was released or overtaken: never retried in place."""


class LeaseConflictError(LeaseError):
    """The asker already holds a device; a second ticket could deadlock the farm."""

    blame: ClassVar[Blame] = "test"


class StateError(AutorlError):
    """The state directory or database cannot be used."""


class StateBusyError(StateError):
    """Another process kept the state from being written for too long; nothing was done."""


class StateFullError(StateError):
    """There is no room left on the disk of the state."""


class StateDamagedError(StateError):
    """The content of the state is damaged."""


class StateVersionError(StateError):
    """The file was written by a newer version, or is no state of ours."""


class DeviceError(AutorlError):
    """Base of what goes wrong between us and one device."""

    blame: ClassVar[Blame] = "device"


class DeviceProviderError(DeviceError):
    """The server or farm behind the device misbehaves; the device itself may be well."""

    blame: ClassVar[Blame] = "farm"


class NoSessionError(DeviceProviderError):
    """The server refused a session or was never reached: none was begun, nothing is left to be ended."""


class SessionRefusedError(NoSessionError):
    """The server is well and refused the session: what it found wrong is the device, or the capabilities."""

    blame: ClassVar[Blame] = "device"


class ServerDownError(DeviceProviderError):
    """The server behind the device does not answer, or could not be started."""


class ServerAnswerError(DeviceProviderError):
    """The answer is not of the WebDriver protocol (a proxy's HTML page, an empty body)."""


class SessionEndedError(DeviceError):
    """The client has ended the session of the device, and goes on using it."""

    blame: ClassVar[Blame] = "test"


class DeviceTimeoutError(DeviceError):
    """The device or its server did not answer in time."""


class DeviceUnhealthyError(DeviceError):
    """The device is not fit to run a test."""
