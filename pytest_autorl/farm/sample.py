"""What a device says about itself at one moment."""

from __future__ import annotations

from dataclasses import dataclass

#: First word of every reason that a verdict about a device's health gives: what was decided by hand has others.
HEALTH = "health: "


@dataclass(frozen=True, kw_only=True)
class HealthSample:
    """Readings of one probe; None where the device, or whoever asks it, says nothing.

    They gate a device, they never decide whether it matches a need. Values are as they were read: whether they can
    be true is for `fitness.judge` to say.

    Attributes:
        battery_pct: Charge, percent.
        temperature_c: Of the battery, degrees Celsius.
        storage_free_mb: Free room for data, MB.
        memory_pct: Memory in use, percent.
        cpu_pct: Share of the processors that is busy, percent.
        response_s: How long it took to answer, seconds.
        is_online: It can be reached.
        server: What is wrong with the server behind it; "" when nothing is.
    """

    battery_pct: float | None = None
    temperature_c: float | None = None
    storage_free_mb: float | None = None
    memory_pct: float | None = None
    cpu_pct: float | None = None
    response_s: float | None = None
    is_online: bool = True
    server: str = ""
