"""The trace: one row per attempt that had a device, written to ``trace.jsonl``.

Times are seconds since the first dispatch of the run; parts of a run measure with the host's wall clock, since
a monotonic clock has no meaning in another process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["passed", "failed", "skipped", "lost"]

FILE = "trace.jsonl"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What a worker knows of one attempt. Times are seconds since the epoch.

    Attributes:
        need: Key of the requirement (the trace's ``class``).
        blame: Whose fault a failure is; None unless failed.
        start_s: The grant (or, with a device of a wider scope, the begin of the test's own set-up).
        end_s: After function-scoped teardown.
        setup_s: Seconds of session and fixtures within.
        fixture_s: The fixtures' part of them.
        waited_s: Seconds between asking for the device and getting it.
        culprit: The device that the error of a failure names; "" when it names none.
        sessions: How many sessions were opened within.
        reason: What the error of ours says that made it fail; "" for others, whose texts may not be shown.
        gate: What the health gate decided on the way to its devices, see `checkup.to_wire`.
    """

    test: str
    module: str
    devices: tuple[str, ...]
    need: str
    attempt: int
    outcome: Outcome
    blame: str | None
    worker: str
    start_s: float
    end_s: float
    setup_s: float
    fixture_s: float
    waited_s: float
    culprit: str = ""
    sessions: int = 0
    reason: str = ""
    gate: tuple[Mapping[str, Any], ...] = ()

    def to_wire(self) -> dict[str, Any]:
        """Plain data for the way from a worker to the controller."""
        return {**vars(self), "devices": list(self.devices), "gate": [*map(dict, self.gate)]}

    @classmethod
    def from_wire(cls, row: Mapping[str, Any]) -> Attempt:
        """What `to_wire` made."""
        return cls(**{**row, "devices": tuple(row["devices"]), "gate": tuple(row["gate"])})


def trace_row(attempt: Attempt, *, run: str, zero_s: float) -> dict[str, Any]:
    """One row of ``trace.jsonl``, with the fields and the order that programs rely on."""
    return {
        "run": run,
        "test": attempt.test,
        "module": attempt.module,
        "devices": list(attempt.devices),
        "class": attempt.need,
        "attempt": attempt.attempt,
        "outcome": attempt.outcome,
        "blame": attempt.blame,
        "worker": attempt.worker,
        "start": round(max(0.0, attempt.start_s - zero_s), 6),
        "end": round(max(0.0, attempt.end_s - zero_s), 6),
        "setup": round(attempt.setup_s, 6),
        "fixture": round(attempt.fixture_s, 6),
        "gate": [dict(check) for check in attempt.gate],
    }


def busy_s(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Seconds in use by device."""
    busy: dict[str, float] = {}
    for row in rows:
        for device in row["devices"]:
            busy[device] = busy.get(device, 0.0) + row["end"] - row["start"]
    return busy
