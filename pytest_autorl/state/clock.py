"""The host's clock as the state needs it: one that only runs forward, also through suspend, and the boot it is of.

Leases end by this clock and never by the time of day: a corrected time of day (NTP, a person) would end all
leases of a host at once. A reboot starts it anew, so times of another boot say nothing: their holders are dead.
"""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Protocol

#: Linux: a random id for each boot, the same in all containers of the host (random(4)).
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_BOOTTIME: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """Where the state gets its time from; tests bring their own."""

    @property
    def boot_id(self) -> str:
        """Name of the boot in which `now_s` is meant."""

    def now_s(self) -> float:
        """Seconds since the boot, suspend included; the same in all processes of the host."""

    def wall_s(self) -> float:
        """Seconds since the epoch, UTC: for people, never for decisions."""


class HostClock:
    """The real one."""

    @property
    def boot_id(self) -> str:
        """See `Clock.boot_id`."""
        return _boot_id()

    def now_s(self) -> float:
        """See `Clock.now_s`."""
        return time.clock_gettime(_BOOTTIME)

    def wall_s(self) -> float:
        """See `Clock.wall_s`."""
        return time.time()


@functools.cache
def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:  # not Linux: the time of the boot, to ten minutes, since both clocks drift
        return f"boot-{round((time.time() - time.clock_gettime(_BOOTTIME)) / 600)}"
