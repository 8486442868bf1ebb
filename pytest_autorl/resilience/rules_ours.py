"""How errors of this package are classified. Each class of `errors` has a rule.

Of a session that a server refused its words come first: see `rules_messages`.
"""

from __future__ import annotations

from typing import Final

from pytest_autorl import errors
from pytest_autorl.resilience.info import ErrorCategory, ErrorDomain, ErrorSeverity, Strategy
from pytest_autorl.resilience.rule import Rule, Verdict

_TRANSIENT, _PERMANENT = ErrorCategory.TRANSIENT, ErrorCategory.PERMANENT
_MEDIUM, _HIGH, _CRITICAL = ErrorSeverity.MEDIUM, ErrorSeverity.HIGH, ErrorSeverity.CRITICAL
_TEST, _DEVICE, _SERVER, _FARM = (
    ErrorDomain.TEST,
    ErrorDomain.DEVICE,
    ErrorDomain.SERVER,
    ErrorDomain.FARM,
)


def _of(*classes: type[errors.AutorlError]) -> tuple[str, ...]:
    return tuple(f"pytest_autorl.{cls.__name__}" for cls in classes)


_SET_UP_WRONG = Verdict(_PERMANENT, _HIGH, _FARM, Strategy.FAIL, "farm", "autorl")

RULES: Final = (
    Rule(
        name="state: damaged or full",
        types=_of(errors.StateDamagedError, errors.StateFullError),
        verdict=Verdict(_PERMANENT, _CRITICAL, _FARM, Strategy.FAIL, "state", "autorl"),
        why="leases can no longer be kept apart, and what is written down may be wrong",
    ),
    Rule(
        name="state: busy",
        types=_of(errors.StateBusyError),
        verdict=Verdict(_TRANSIENT, _HIGH, _FARM, Strategy.RETRY, "state", "autorl"),
    ),
    Rule(
        name="state: unusable",
        types=_of(errors.StateError, errors.StateVersionError),
        verdict=Verdict(_PERMANENT, _HIGH, _FARM, Strategy.FAIL, "state", "autorl"),
    ),
    Rule(
        name="lease: lost",
        types=_of(errors.LeaseLostError),
        verdict=Verdict(_TRANSIENT, _HIGH, _FARM, Strategy.ELSEWHERE, "lease", "autorl"),
        why="somebody else may have the device by now: never in place",
    ),
    Rule(
        name="lease: out of service",
        types=_of(errors.OutOfServiceError),
        verdict=Verdict(_PERMANENT, _HIGH, _FARM, Strategy.FAIL, "lease", "autorl"),
        why="waiting alone cannot help",
    ),
    Rule(
        name="lease: none in time",
        types=_of(errors.LeaseTimeoutError),
        verdict=Verdict(_PERMANENT, _HIGH, _FARM, Strategy.FAIL, "lease", "autorl"),
        why="others have the devices, and it has waited for as long as --autorl-wait allows: each further attempt "
        "would wait as long again, and whoever wants to wait longer says so there",
    ),
    Rule(
        name="lease: conflict",
        types=_of(errors.LeaseConflictError),
        verdict=Verdict(_PERMANENT, _MEDIUM, _TEST, Strategy.FAIL, "usage", "autorl"),
        why="the test asks for devices twice",
    ),
    Rule(
        name="lease: other",
        types=_of(errors.LeaseError),
        verdict=Verdict(_PERMANENT, _HIGH, _FARM, Strategy.FAIL, "lease", "autorl"),
    ),
    Rule(
        name="session: ended by the test",
        types=_of(errors.SessionEndedError),
        verdict=Verdict(_PERMANENT, _MEDIUM, _TEST, Strategy.FAIL, "usage", "autorl"),
        why="it would do so on any device",
    ),
    Rule(
        name="usage",
        types=_of(errors.UsageError, errors.FeatureNotBuiltError, errors.RequirementError),
        verdict=Verdict(_PERMANENT, _MEDIUM, _TEST, Strategy.FAIL, "usage", "autorl"),
    ),
    Rule(
        name="farm: set up wrongly",
        types=_of(errors.FarmFileError, errors.NoFarmError, errors.UnsatisfiableError),
        verdict=_SET_UP_WRONG,
    ),
    Rule(
        name="device: refused the session",
        types=_of(errors.SessionRefusedError),
        verdict=Verdict(_TRANSIENT, _HIGH, _DEVICE, Strategy.ELSEWHERE, "session", "autorl"),
        why="of the reasons that are not the device's the message has told",
    ),
    Rule(
        name="server: no session",
        types=_of(errors.NoSessionError),
        verdict=Verdict(_TRANSIENT, _HIGH, _SERVER, Strategy.ELSEWHERE, "session", "autorl"),
        why="nobody listens there, and of a server that has answered the message has told nothing",
    ),
    Rule(
        name="server: down",
        types=_of(errors.ServerDownError),
        verdict=Verdict(_TRANSIENT, _HIGH, _SERVER, Strategy.RESTART_SERVER, "server", "autorl"),
    ),
    Rule(
        name="server: answers wrongly",
        types=_of(errors.ServerAnswerError),
        verdict=Verdict(_TRANSIENT, _HIGH, _SERVER, Strategy.ELSEWHERE, "server", "autorl"),
    ),
    Rule(
        name="server: misbehaves",
        types=_of(errors.DeviceProviderError),
        verdict=Verdict(_TRANSIENT, _HIGH, _SERVER, Strategy.ELSEWHERE, "server", "autorl"),
    ),
    Rule(
        name="device: no answer in time",
        types=_of(errors.DeviceTimeoutError),
        verdict=Verdict(_TRANSIENT, _HIGH, _DEVICE, Strategy.ELSEWHERE, "timeout", "autorl"),
        why="its server says that it is well",
    ),
    Rule(
        name="device: sick",
        types=_of(errors.DeviceUnhealthyError, errors.DeviceError),
        verdict=Verdict(_TRANSIENT, _HIGH, _DEVICE, Strategy.ELSEWHERE, "device", "autorl"),
    ),
    Rule(
        name="autorl: other",
        types=_of(errors.AutorlError),
        verdict=_SET_UP_WRONG,
        is_last=True,
    ),
)
