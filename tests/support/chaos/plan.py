"""What a season is, and its fate: at which point which process is killed or stopped. Pure, from a seed.

The same seed gives every process the same needs and the same blows; how the processes interleave is up to the
machine, so a red seed is a strong hint and not a recording.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

#: Before the look at the lease, where a stop proves that it is looked at; and between that and the command, where
#: one proves that the device must look too.
BEFORE_CHECK, AFTER_CHECK = "before_check", "after_check"
#: Before the device is told to keep the dead one out, and after.
BEFORE_FENCE, AFTER_FENCE = "before_fence", "after_fence"
#: Within a write, see `SqliteEngine`; a process that is stopped there stops everybody.
IN_GATE = ("gate", "begun", "worked", "committed")

#: What can be taken away to see whether the checker finds out.
GUARDS = ("fence", "gate", "comparison")


@dataclass(frozen=True, kw_only=True)
class Season:
    """One run of the test.

    Attributes:
        folder: Takes the state and the histories.
        without: One of `GUARDS` to be left out, or "".
        faults_s: How long faults are made, seconds.
        calm_s: How long everybody competes for the state before, without faults.
    """

    seed: int
    folder: Path
    without: str = ""
    workers: int = 8
    devices: tuple[str, ...] = ("d1", "d2", "d3", "d4")
    ttl_s: float = 0.4
    heartbeat_s: float = 0.1
    faults_s: float = 5.0
    calm_s: float = 2.0

    @property
    def state(self) -> Path:
        """The database."""
        return self.folder / "state.db"

    @property
    def histories(self) -> Path:
        """Folder of the histories."""
        return self.folder / "histories"

    def described(self) -> dict[str, Any]:
        """For the history."""
        return {**asdict(self), "folder": str(self.folder)}


class Fate(NamedTuple):
    """At the so manieth visit of a point the process gets a signal: ``kill`` or ``stop``."""

    point: str
    visit: int
    fault: str


#: The first lives share these, so that no season goes without what matters most.
_FIRST = (
    (AFTER_CHECK, "stop"),
    (BEFORE_CHECK, "stop"),
    (AFTER_CHECK, "kill"),
    ("begun", "stop"),
    ("worked", "kill"),
    ("committed", "kill"),
    (BEFORE_FENCE, "stop"),
    (BEFORE_FENCE, "kill"),
)
_LATER = {
    (BEFORE_CHECK, "stop"): 15,
    (AFTER_CHECK, "stop"): 30,
    (AFTER_CHECK, "kill"): 15,
    **{(point, "kill"): 5 for point in IN_GATE},
    **{(point, "stop"): 2 for point in IN_GATE},
    (BEFORE_FENCE, "stop"): 10,
    (BEFORE_FENCE, "kill"): 5,
    (AFTER_FENCE, "stop"): 5,
    (AFTER_FENCE, "kill"): 5,
}


def fate(seed: int, life: int, number: int) -> Fate:
    """The blow number `number` (from 0) of a life, which are counted from 0 over all processes.

    >>> fate(7, 2, 0) == fate(7, 2, 0)
    True
    """
    chance = random.Random(f"{seed}/{life}/{number}")
    is_first = life < len(_FIRST) and not number
    if is_first:
        point, fault = _FIRST[life]
    else:
        ((point, fault),) = chance.choices(list(_LATER), list(_LATER.values()))
    if point in IN_GATE:
        visit = chance.randint(5, 80 if is_first else 400)
    elif point in (BEFORE_CHECK, AFTER_CHECK):
        visit = chance.randint(2, 20 if is_first else 60)
    else:
        visit = 1
    return Fate(point, visit, fault)


def stop_s(seed: int, life: int, number: int, ttl_s: float) -> float:
    """How long a stop lasts, seconds: longer than a lease lives."""
    return random.Random(f"{seed}/{life}/{number}/stop").uniform(1.2, 3.0) * ttl_s
