"""Faults from outside: what goes wrong with a virtual device, from which command on, and how often.

A fault waits for `after_commands` session commands, then acts on the next `times` ones (None: until cleared).
`stale` is the exception: its `times` counts element uses, not commands. Readings (`low_battery`, `hot`,
`disk_full`) are overlays: clear them and the device is as it was.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_autorl.errors import UsageError
from pytest_autorl.virtual.place import nearest

#: Name -> what it does, for messages and docs.
FAULTS = {
    "offline": "connections are closed without an answer, new sessions are refused",
    "session_killed": "the server forgets the session",
    "hang": "commands are accepted and not answered until cleared",
    "app_crash": "the foreground app dies and the log says why",
    "anr": "the system says that the app is not responding",
    "stale": "the next use of an element finds it gone",
    "slow": "each command takes `ms` longer",
    "low_battery": "the battery reads `level` percent",
    "hot": "the battery reads `celsius` degrees",
    "disk_full": "there is no free storage: installs and file pushes fail",
    "garbage": "a proxy's HTML page (502) instead of answers",
}
#: Faults that happen once unless told otherwise.
EVENTS = ("session_killed", "app_crash", "anr", "stale")
#: Faults that act before a command reaches the device, also while a session is created.
TRANSPORT = ("offline", "hang", "slow", "garbage")

_DEFAULTS: dict[str, dict[str, float]] = {
    "slow": {"ms": 500.0},
    "low_battery": {"level": 3.0},
    "hot": {"celsius": 52.0},
    "hang": {"max_seconds": 600.0},
}


#: Largest amount of anything: a thread can wait so many seconds.
MAX_AMOUNT = 1e9


def is_amount(value: object) -> bool:
    """Whether this is a number of 0 or more with which a device can work; not NaN, not infinite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_AMOUNT


class FaultError(UsageError):
    """A fault that does not exist or a parameter it does not have."""


@dataclass(frozen=True)
class FaultPlan:
    """A fault as it was asked for. `params` holds `ms`, `level`, `celsius` or `max_seconds`."""

    name: str
    times: int | None = None
    after_commands: int = 0
    params: Mapping[str, float] = field(default_factory=dict)


def parse_fault(raw: object) -> FaultPlan:
    """Read `{"name": "slow", "ms": 200, "times": 3, "after_commands": 5}` or just a name.

    Raises:
        FaultError: not a name or mapping, unknown name or parameter, or a value out of range.
    """
    if not isinstance(raw, str | Mapping):
        raise FaultError(f"a fault is a name or a mapping, got {raw!r}")
    given = {"name": raw} if isinstance(raw, str) else dict(raw)
    name = given.pop("name", None)
    if not isinstance(name, str) or name not in FAULTS:
        raise FaultError(f"unknown fault {name!r}{nearest(name, FAULTS)}", do=f"known: {', '.join(FAULTS)}")
    own = _DEFAULTS.get(name, {})
    known = ("times", "after_commands", *own)
    for key, value in given.items():
        if key not in known:
            raise FaultError(
                f"fault {name}: unknown parameter {key!r}{nearest(key, known)}",
                do=f"known: {', '.join(known)}",
            )
        if not is_amount(value) and not (value is None and key not in own):
            raise FaultError(
                f"fault {name}: {key} is a number of 0 or more, up to {MAX_AMOUNT:g}, got {value!r}"
            )
    times: Any = given.get("times", 1 if name in EVENTS else None)
    if times is not None and times < 1:
        raise FaultError(f"fault {name}: times is 1 or more, got {times!r}", do="leave it out for no end")
    return FaultPlan(
        name,
        None if times is None else int(times),
        int(given.get("after_commands") or 0),
        {key: float(given.get(key, default)) for key, default in own.items()},
    )


class Fault:
    """A fault at work. `cleared` is set when it is over: who hangs on it goes on."""

    def __init__(self, plan: FaultPlan) -> None:
        self.plan = plan
        self.left = plan.times
        self.wait = plan.after_commands
        self.cleared = threading.Event()

    @property
    def is_armed(self) -> bool:
        """Whether the commands it waits for have passed."""
        return self.wait == 0

    def param(self, name: str) -> float:
        return self.plan.params[name]

    def describe(self) -> dict[str, Any]:
        """For the admin API."""
        return {"name": self.plan.name, "times": self.left, "after_commands": self.wait, **self.plan.params}


class Faults:
    """The faults of one device. Safe to use from several threads."""

    def __init__(self, plans: Iterable[FaultPlan] = ()) -> None:
        self._lock = threading.Lock()
        self._faults = [Fault(plan) for plan in plans]
        # Used up, but a command still hangs on it: clearing must find it.
        self._hanging: list[Fault] = []

    def add(self, plan: FaultPlan) -> Fault:
        """Put a fault on; one of the same name is replaced."""
        self.clear(plan.name)
        fault = Fault(plan)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self, name: str | None = None) -> int:
        """Take one (or all) off. Returns how many went."""
        with self._lock:
            gone = [fault for fault in self._faults if name is None or fault.plan.name == name]
            self._faults = [fault for fault in self._faults if fault not in gone]
            hanging = [fault for fault in self._hanging if name in (None, fault.plan.name)]
            self._hanging = [fault for fault in self._hanging if fault not in hanging]
        for fault in (*gone, *hanging):
            fault.cleared.set()
        return len(gone) + len(hanging)

    def peek(self, name: str) -> Fault | None:
        """The armed fault of that name, nothing consumed."""
        with self._lock:
            return next((each for each in self._faults if each.plan.name == name and each.is_armed), None)

    def take(self, name: str) -> Fault | None:
        """The armed fault of that name, one of its `times` consumed."""
        with self._lock:
            return self._take(name)

    def command(self) -> dict[str, Fault]:
        """One session command passes: the faults that act on it, by name. `stale` is left for `take`."""
        with self._lock:
            acting = [fault for fault in self._faults if fault.is_armed and fault.plan.name != "stale"]
            for fault in self._faults:
                if not fault.is_armed:
                    fault.wait -= 1
            return {fault.plan.name: fault for fault in acting if self._take(fault.plan.name) is not None}

    def creation(self) -> dict[str, Fault]:
        """A session is being created: the transport faults that act on it."""
        with self._lock:
            names = [f.plan.name for f in self._faults if f.is_armed and f.plan.name in TRANSPORT]
            return {name: fault for name in names if (fault := self._take(name)) is not None}

    def describe(self) -> list[dict[str, Any]]:
        """All faults, waiting ones included."""
        with self._lock:
            return [fault.describe() for fault in self._faults]

    def _take(self, name: str) -> Fault | None:
        fault = next((each for each in self._faults if each.plan.name == name and each.is_armed), None)
        if fault is not None and fault.left is not None:
            fault.left -= 1
            if fault.left <= 0:
                self._faults.remove(fault)
                if name == "hang":
                    self._hanging.append(fault)
        return fault
