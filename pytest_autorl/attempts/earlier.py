"""What becomes known of an attempt that is not its test's last: why it ended, where, and when the next one follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pytest_autorl.resilience.info import ErrorInfo

Kind = Literal["retry", "loss", "crash"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Earlier:
    """One attempt that another one follows.

    Attributes:
        kind: "retry": it failed, and its test's policy has it tried again; "loss": its devices, or what is behind
            them, made it fail; "crash": its worker died.
        number: Which attempt of its test it was, from 1 on, of whatever kind those before it were.
        devices: Ids of those that it had.
        worker: "main", or xdist's worker id.
        need: Key of its requirement (the trace's ``class``); "" for a test without a device.
        error: What made it fail; None where nobody can know, as after a crash.
        delay_s: How long the next attempt waits at least, seconds.
        start_s, stop_s: Seconds since the epoch; 0.0 where they are not known.
    """

    kind: Kind
    number: int
    devices: tuple[str, ...] = ()
    worker: str = "main"
    need: str = ""
    error: ErrorInfo | None = None
    delay_s: float = 0.0
    start_s: float = 0.0
    stop_s: float = 0.0

    @property
    def took_s(self) -> float:
        """How long it ran, seconds; 0.0 where that is not known."""
        return max(0.0, self.stop_s - self.start_s) if self.start_s else 0.0

    @property
    def error_type(self) -> str:
        """One of `resilience.info.ERROR_TYPES`."""
        if self.error is not None:
            return self.error.error_type
        return "crash" if self.kind == "crash" else "other"

    def to_wire(self) -> dict[str, Any]:
        """Plain data for the line and for reports."""
        error = self.error.to_dict() if self.error is not None else None
        return {**asdict(self), "devices": list(self.devices), "error": error}

    @classmethod
    def from_wire(cls, row: Mapping[str, Any]) -> Earlier:
        """What `to_wire` made."""
        error = ErrorInfo.from_dict(row["error"]) if row["error"] is not None else None
        return cls(**{**row, "devices": tuple(row["devices"]), "error": error})
