"""What is known of a failure: how bad it is, whether it passes by itself, whose it is, and what helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, Final, Literal, get_args

Family = Literal["autorl", "webdriver", "transport", "python", "test"]

FAMILIES: Final[tuple[Family, ...]] = get_args(Family)

#: Every value that `ErrorInfo.error_type` can have: few, so that a metric may count by it.
ERROR_TYPES: Final = (
    "assertion",
    "timeout",
    "element",
    "dialog",
    "script",
    "app",
    "session",
    "device",
    "server",
    "network",
    "lease",
    "farm",
    "state",
    "usage",
    "crash",
    "other",
)


class ErrorCategory(str, Enum):
    """Whether the same again may go well."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"


class ErrorSeverity(str, Enum):
    """How bad it is, apart from whether it passes."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    #: What comes after it can no longer be trusted: never tried again.
    CRITICAL = "critical"


class ErrorDomain(str, Enum):
    """Where it went wrong."""

    TEST = "test"
    APP = "app"
    DEVICE = "device"
    SERVER = "server"
    FARM = "farm"


class Strategy(str, Enum):
    """What helps, as far as the error tells; from `DISMISS_DIALOG` on an action of the recovery ladder."""

    FAIL = "fail"
    RETRY = "retry"
    ELSEWHERE = "elsewhere"
    DISMISS_DIALOG = "dismiss_dialog"
    RESTART_APP = "restart_app"
    NEW_SESSION = "new_session"
    RESTART_SERVER = "restart_server"
    REBOOT = "reboot"


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorInfo:
    """One failure, classified. Plain data: `to_dict` gives what JSON and xdist can carry.

    Attributes:
        error: Name of the exception's class.
        error_type: One of `ERROR_TYPES`.
        family: Whose exception it is: one of this package, WebDriver's, the transport's (urllib3, sockets), Python's,
            or the test's own (pytest's and the suite's).
        rule: What decided it, for people.
        device: Id of the device that the error names; "" when it names none.
        reason: First line of the text of an error of this package, which may be shown; "" for others, whose texts
            may hold anything. It ends before what a server has said.
        context: What else the error tells in plain values: `http_status`, `errno`, `w3c_error`.
    """

    error: str
    category: ErrorCategory
    severity: ErrorSeverity
    domain: ErrorDomain
    strategy: Strategy
    error_type: str = "other"
    family: Family = "test"
    rule: str = ""
    device: str = ""
    reason: str = ""
    context: Mapping[str, str | int] = field(default_factory=dict, hash=False)

    @property
    def is_critical(self) -> bool:
        """Whether it must not be tried again, whatever else is said."""
        return self.severity is ErrorSeverity.CRITICAL

    @property
    def is_transient(self) -> bool:
        """Whether the same again may go well."""
        return self.category is ErrorCategory.TRANSIENT

    @property
    def is_infrastructure(self) -> bool:
        """Whether devices, or what is between us and them, made the test fail.

        A connection of the suite's own that breaks (urllib3, sockets) is none of ours. Where the suite itself says
        so, by `pytest_autorl_classify_error`, it is believed.
        """
        is_ours = self.family in ("autorl", "webdriver", "test")
        return is_ours and self.domain in (ErrorDomain.DEVICE, ErrorDomain.SERVER, ErrorDomain.FARM)

    @property
    def is_loss(self) -> bool:
        """Whether an attempt that it ended says nothing of its test: the same elsewhere may go well."""
        return self.is_infrastructure and (self.is_transient or self.strategy is Strategy.ELSEWHERE)

    @property
    def blame(self) -> Literal["test", "device", "app", "farm"]:
        """Whose fault it is, in the words of the trace: a server's failure is the farm's."""
        if self.domain is ErrorDomain.DEVICE and self.is_infrastructure:
            return "device"
        if self.is_infrastructure:
            return "farm"
        return "app" if self.domain is ErrorDomain.APP else "test"

    @property
    def text(self) -> str:
        """In a few words: ``StaleElementReferenceException (app, transient)``."""
        return f"{self.error} ({self.domain.value}, {self.category.value})"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        row = {each.name: getattr(self, each.name) for each in fields(self)}
        words = {name: row[name].value for name in ("category", "severity", "domain", "strategy")}
        return {**row, **words, "context": dict(self.context)}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> ErrorInfo:
        """What `to_dict` made."""
        return cls(
            **{
                **row,
                "category": ErrorCategory(row["category"]),
                "severity": ErrorSeverity(row["severity"]),
                "domain": ErrorDomain(row["domain"]),
                "strategy": Strategy(row["strategy"]),
            }
        )
