"""The figures of a run, as the page states them. Pure: rows of the trace in, numbers out; seconds and shares of 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pytest_autorl.capture.farm_page.lane import Lane, Outage

Row = Mapping[str, Any]

#: Shorter waits are not told, seconds: every test waits a moment.
WAIT_S = 0.05
#: In the order in which they are shown.
OUTCOMES = ("passed", "failed", "skipped", "lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFigures:
    """What one device did.

    Attributes:
        busy_s: Seconds in use, set-up and lost attempts included.
        setup_s: Seconds of session and fixtures, of attempts that were not lost.
        lost_s: Seconds of lost attempts.
        out_s: Seconds in which it could not be had, and was not in use.
        idle_s: The rest of the run.
        utilisation: Share of the run in which it was in use.
    """

    lane: Lane
    attempts: int
    failed: int
    lost: int
    busy_s: float
    setup_s: float
    lost_s: float
    out_s: float
    idle_s: float
    utilisation: float


class Figures:
    """Everything that is counted or summed.

    Args:
        length_s: From the first dispatch to the last result.
    """

    def __init__(
        self, rows: Sequence[Row], lanes: Sequence[Lane], outages: Sequence[Outage], length_s: float
    ) -> None:
        self.rows = rows
        self.length_s = length_s
        self.by_device: dict[str, list[Row]] = {lane.name: [] for lane in lanes}
        for row in sorted(rows, key=lambda row: (row["start"], row["end"])):
            for device in row["devices"]:
                self.by_device[device].append(row)
        self.outages: dict[str, list[Outage]] = {}
        for outage in sorted(outages, key=lambda outage: outage.start):
            self.outages.setdefault(outage.device, []).append(outage)
        self.devices = [self._device(lane) for lane in lanes]

    def _device(self, lane: Lane) -> DeviceFigures:
        rows = self.by_device[lane.name]
        used = [(row["start"], row["end"]) for row in rows]
        closed = [
            (outage.start, self.length_s if outage.end is None else min(outage.end, self.length_s))
            for outage in self.outages.get(lane.name, ())
        ]
        busy_s = covered_s(used)
        out_s = covered_s([*used, *closed]) - busy_s
        return DeviceFigures(
            lane=lane,
            attempts=len(rows),
            failed=sum(row["outcome"] == "failed" for row in rows),
            lost=sum(row["outcome"] == "lost" for row in rows),
            busy_s=busy_s,
            setup_s=sum(row["setup"] for row in rows if row["outcome"] != "lost"),
            lost_s=sum(row["end"] - row["start"] for row in rows if row["outcome"] == "lost"),
            out_s=out_s,
            idle_s=max(0.0, self.length_s - busy_s - out_s),
            utilisation=busy_s / self.length_s,
        )

    @cached_property
    def verdicts(self) -> dict[str, int]:
        """Tests by the outcome of their last attempt."""
        last = {row["test"]: row["outcome"] for row in sorted(self.rows, key=lambda row: row["end"])}
        found = list(last.values())
        return {outcome: found.count(outcome) for outcome in OUTCOMES}

    @cached_property
    def retried(self) -> int:
        """Tests with more than one attempt."""
        tests = [row["test"] for row in self.rows]
        return len({test for test, row in zip(tests, self.rows, strict=True) if row["attempt"] > 1})

    @cached_property
    def blames(self) -> dict[str, int]:
        """Attempts that failed or were lost by whose fault that is, the most first."""
        return dict(Counter(row["blame"] for row in self.rows if row["blame"]).most_common())

    @property
    def used(self) -> int:
        """Devices that had a test."""
        return sum(device.attempts > 0 for device in self.devices)

    @property
    def waits_s(self) -> list[float]:
        """How long tests waited for their devices; moments left out."""
        return [wait_s for wait_s in map(waited_s, self.rows) if wait_s > WAIT_S]

    @cached_property
    def shares(self) -> dict[str, float]:
        """Where the farm's time went: tests, set-up, lost, out, idle. They add up to 1, or are all 0."""
        sums_s = {
            "setup": sum(device.setup_s for device in self.devices),
            "lost": sum(device.lost_s for device in self.devices),
            "out": sum(device.out_s for device in self.devices),
            "idle": sum(device.idle_s for device in self.devices),
        }
        sums_s["tests"] = max(
            0.0, sum(device.busy_s for device in self.devices) - sums_s["setup"] - sums_s["lost"]
        )
        whole_s = sum(sums_s.values())
        return {
            part: sums_s[part] / whole_s if whole_s else 0.0
            for part in ("tests", "setup", "lost", "out", "idle")
        }

    @property
    def utilisation(self) -> float:
        """Share of the devices' time in which they were in use."""
        return sum(device.utilisation for device in self.devices) / max(1, len(self.devices))


def waited_s(row: Row) -> float:
    """How long the test of a row waited for its devices; 0 where that is not known."""
    return float(row.get("waited") or 0.0)


def covered_s(spans: Sequence[tuple[float, float]]) -> float:
    """Seconds in at least one of these spans.

    >>> covered_s([(0, 2), (1, 3), (5, 6)])
    4.0
    """
    sum_s, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        sum_s += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return sum_s
