"""What the state says of a farm's devices: who has them, since when and why, and who waits for what.

`look` reads it without taking part. Of a look, rows are what programs get, lines what people read.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_autorl.cli.choice import farm_of, only
from pytest_autorl.cli.output import complain, table
from pytest_autorl.farm.device import DeviceStatus

if TYPE_CHECKING:
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.farm.device import Device
    from pytest_autorl.state.engine import HolderRow
    from pytest_autorl.state.leases import DeviceState, Waiting
    from pytest_autorl.state.place import Place
    from pytest_autorl.state.view import View

#: Ids of tests can be of any length; a table shows so many characters of a text.
_LONGEST = 60
#: So many of the devices that somebody waits for are named.
_NAMED = 4
_COLUMNS = ("id", "platform", "os_version", "form_factor", "status", "since", "holder", "why", "run")


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look at the state.

    Attributes:
        alive: Ids of the holders whose process is there.
        at_s: When it was; seconds since the epoch.
    """

    farm: FarmConfig
    place: Place
    view: View
    alive: frozenset[str]
    at_s: float

    def is_simulated(self, device: Device) -> bool:
        """Whether it belongs to its run: each run has one of this id."""
        return self.farm.providers[device.provider].type == "virtual"

    def states(self, device: Device) -> list[DeviceState]:
        """What is known of a device: of a simulated one that in each run that is alive."""
        runs = {""}
        if self.is_simulated(device):
            runs = {holder.run for holder in self.view.holders if holder.id in self.alive} - {""}
        return [each for each in self.view.devices if each.device_id == device.id and each.run in runs]

    def shown(self, device: Device) -> DeviceState | None:
        """What to show of a device: of several runs the one that uses it. None when nothing is known."""
        busy, free = DeviceStatus.BUSY, DeviceStatus.AVAILABLE
        ranked = sorted(self.states(device), key=lambda each: (each.status is not busy, each.status is free))
        return next(iter(ranked), None)

    def holder(self, holder_id: str) -> HolderRow | None:
        """The process of this id."""
        return next((holder for holder in self.view.holders if holder.id == holder_id), None)

    def queue(self) -> list[Waiting]:
        """Who waits for a device of this farm, first come first."""
        ids = {device.id for device in self.farm.devices}
        return [waiting for waiting in self.view.queue if ids.intersection(waiting.candidates)]

    def missing(self, waiting: Waiting) -> list[DeviceState]:
        """The candidates that are not to be had now, in the order of preference."""
        known = {state.device_id: state for state in self.view.devices if state.run in ("", waiting.run)}
        states = [known[device_id] for device_id in waiting.candidates if device_id in known]
        return [state for state in states if state.status is not DeviceStatus.AVAILABLE]


def ask(farm: str, state: str, *device_ids: str) -> Look:
    """`look` for a command: at the farm that its option names, and told where that is not where one would expect.

    Raises: what `farm_of` does; StateError, UsageError.
    """
    seen = look(farm_of(farm), state, *device_ids)
    if seen.place.note:
        complain(f"autorl: {seen.place.note}")
    return seen


def look(farm: FarmConfig, state: str, *device_ids: str) -> Look:
    """Look at the state of a farm, and whether those who take part are alive. Raises StateError, UsageError.

    Args:
        state: Where it is, "" = the default place.
        device_ids: Only these devices; default: all.
    """
    from pytest_autorl.run import place_of
    from pytest_autorl.settings import Settings
    from pytest_autorl.state.clock import HostClock
    from pytest_autorl.state.peek import peek
    from pytest_autorl.state.reaper import is_alive

    chosen = only(farm, *device_ids)
    # Of the whole farm: what is simulated only may have another one.
    place = place_of(Settings(state=state), farm, Path.cwd())
    view, clock = peek(place.path), HostClock()
    alive = frozenset(holder.id for holder in view.holders if is_alive(holder, place.holders, clock))
    return Look(farm=chosen, place=place, view=view, alive=alive, at_s=time.time())


# For programs


def device_rows(seen: Look) -> list[dict[str, Any]]:
    """What each device is, its status, and who holds it, in the farm's order."""
    return [{**_nature(device), **_standing(seen, device)} for device in seen.farm.devices]


def full_device_rows(seen: Look) -> list[dict[str, Any]]:
    """The same with everything that is known of the lease."""
    devices = seen.farm.devices
    return [{**_nature(each), **_standing(seen, each), **_lease(seen, each)} for each in devices]


def queue_rows(seen: Look) -> list[dict[str, Any]]:
    """Who waits for what, first come first."""
    return [
        {
            "ticket": waiting.number,
            "holder": waiting.owner,
            "holder_alive": waiting.holder in seen.alive,
            "run": waiting.run or None,
            "purpose": waiting.purpose,
            "need": waiting.need,
            "count": waiting.count,
            "candidates": list(waiting.candidates),
            "since": iso(waiting.since_s),
            "waits_for": [{"id": state.device_id, **_status(state)} for state in seen.missing(waiting)],
        }
        for waiting in seen.queue()
    ]


def _nature(device: Device) -> dict[str, Any]:
    return {
        "id": device.id,
        "platform": device.platform,
        "os_version": device.os_version,
        "form_factor": device.form_factor,
        "model": device.model,
        "tags": sorted(device.tags),
        "provider": device.provider,
    }


def _standing(seen: Look, device: Device) -> dict[str, Any]:
    state = seen.shown(device)
    if state is not None:
        return _status(state)
    reason = "each run has its own" if seen.is_simulated(device) else ""
    return {"status": "available", "reason": reason, "holder": None, "since": None}


def _status(state: DeviceState) -> dict[str, Any]:
    return {
        "status": str(state.status),
        "reason": "parked" if state.is_parked else state.reason,
        "holder": state.owner or None,
        "since": iso(state.since_s),
    }


def _lease(seen: Look, device: Device) -> dict[str, Any]:
    state = seen.shown(device)
    holder = seen.holder(state.holder) if state is not None else None
    run = (state.run if state is not None else "") or (holder.run if holder is not None else "")
    row = {"run": run or None, "pid": holder.pid if holder is not None else None}
    if state is None:
        lease = {"token": None, "holder_alive": None, "purpose": "", "need": "", "parked": False}
        return {**row, **lease, "next_status": None, "next_reason": "", "health": ""}
    return {
        **row,
        "health": _health(state, seen.at_s),
        "token": state.token,
        "holder_alive": state.holder in seen.alive if state.holder else None,
        "purpose": state.purpose,
        "need": state.need,
        "parked": state.is_parked,
        "next_status": str(state.next_status) if state.next_status is not None else None,
        "next_reason": state.next_reason,
    }


def _health(state: DeviceState, at_s: float) -> str:
    """What was last found out about it, for people."""
    if not state.health:
        return ""
    from pytest_autorl.checkup import told

    return told(state.health, at_s)


def iso(at_s: float) -> str:
    """Seconds since the epoch as ISO 8601, UTC."""
    return datetime.fromtimestamp(at_s, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


# For people


def lines(seen: Look) -> list[str]:
    """The devices, then who waits for what."""
    rows = []
    for device, row in zip(seen.farm.devices, full_device_rows(seen), strict=True):
        state = seen.shown(device)
        since = age(seen.at_s - state.since_s) if state is not None else ""
        rows.append({**row, "since": since, "why": _why(row)})
    heads = [column.upper().replace("_", " ") for column in _COLUMNS]
    shown = table(heads, ([row[column] or "" for column in _COLUMNS] for row in rows))
    return [*shown, "", *_queue_lines(seen)]


def _queue_lines(seen: Look) -> list[str]:
    rows = []
    for place, waiting in enumerate(seen.queue(), start=1):
        owner = waiting.owner if waiting.holder in seen.alive else f"{waiting.owner} (its process has ended)"
        held = _named(
            [f"{each.device_id}: {each.owner or each.status}" for each in seen.missing(waiting)], "; "
        )
        asked = f"{waiting.count} of {_named(waiting.candidates, ', ')}"
        rows.append([place, owner, _short(waiting.purpose), age(seen.at_s - waiting.since_s), asked, held])
    return (
        table(["WAITS", "HOLDER", "FOR", "SINCE", "DEVICES", "HELD BY"], rows) if rows else ["nobody waits"]
    )


def _why(row: dict[str, Any]) -> str:
    """Why a device has its status, whether its holder is alive, and what follows."""
    parts = [_short(row["reason"])]
    if row["holder_alive"] is False:
        parts.append("its process has ended")
    if row["next_status"]:
        parts.append(f"then {row['next_status']}: {_short(row['next_reason'])}")
    return "; ".join(filter(None, parts))


def age(seconds: float) -> str:
    """How long ago, in one unit or two.

    >>> [age(s) for s in (0.2, 59, 61, 3600 * 5 + 60, 86400 * 3 + 60)]
    ['0 s', '59 s', '1 min', '5 h 1 min', '3 d']
    """
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    for large, unit, small, smaller in ((days, "d", hours, "h"), (hours, "h", minutes, "min")):
        if large:
            return f"{large} {unit}" + (f" {small} {smaller}" if small else "")
    return f"{minutes} min" if minutes else f"{rest} s"


def _named(names: Sequence[str], between: str) -> str:
    more = f"{between}and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return between.join(names[:_NAMED]) + more


def _short(text: str) -> str:
    """Both ends of a long text: a test's file, and its name."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2 - 1]}…{text[-_LONGEST // 2 :]}"
