"""What the page is told of a device, besides the attempts on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Lane:
    """A device of the farm.

    Attributes:
        about: What it is.
        note: Its status at the end, with the reason; "" when it is available.
    """

    name: str
    about: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which a device could not be had. Seconds since the first dispatch; no end: until the run's."""

    device: str
    start: float
    end: float | None = None
    why: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Outage:
        """From plain data: device, start, end or None, why."""
        end = row.get("end")
        return cls(
            device=str(row["device"]),
            start=max(0.0, float(row["start"])),
            end=None if end is None else float(end),
            why=str(row.get("why") or ""),
        )


def every_lane(lanes: Sequence[Lane], devices: Iterable[str]) -> list[Lane]:
    """The lanes, and one for each device that was used without being listed."""
    known = {lane.name for lane in lanes}
    more = dict.fromkeys(device for device in devices if device not in known)
    return [*lanes, *(Lane(device, "not in the list of devices") for device in more)]
