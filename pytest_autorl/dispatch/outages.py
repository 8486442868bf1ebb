"""When devices of a run went out of service, and when they came back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_autorl.dispatch.shelf import Seen

if TYPE_CHECKING:
    from pytest_autorl.state.leases import DeviceState


class Outages:
    """See the module.

    Attributes:
        rows: One for each outage: ``device``, ``why``, ``start_s`` and ``end_s`` in seconds since the epoch; the end is
            None while it lasts.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        #: Those that last, by device.
        self._open: dict[str, dict[str, Any]] = {}

    def note(self, seen: Mapping[str, Seen], states: Mapping[str, DeviceState], at_s: float) -> None:
        """What a look has seen; a device that it does not name is as it was."""
        for device, how in seen.items():
            if how is Seen.OUT and device not in self._open:
                why = states[device].next_reason or states[device].reason
                self._open[device] = {"device": device, "start_s": at_s, "end_s": None, "why": why}
                self.rows.append(self._open[device])
            elif how is not Seen.OUT and device in self._open:
                self._open.pop(device)["end_s"] = at_s
