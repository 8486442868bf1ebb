"""What the planner works with: jobs, the bays they run in, and its choices. Plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One test, or several that stay together on one device, as those that share a module's device.

    Attributes:
        name: Unique: the test's node id, or a name of the several.
        order: Place in the collection; breaks ties.
        tests: Node ids of its tests, in the order in which they run.
        devices: Ids of the devices that fit.
        count: How many of them it takes at once.
        session: Jobs of one key can use one WebDriver session after the other.
        module: Jobs of one module share its fixtures.
        need: Key of the requirement, for people.
    """

    name: str
    order: int
    tests: tuple[str, ...]
    devices: frozenset[str]
    count: int = 1
    session: str = ""
    module: str = ""
    need: str = "any"


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The planner's answer: this job, on these devices, now.

    Attributes:
        why: In words, for `autorl plan` and the trace of decisions.
    """

    job: Job
    devices: tuple[str, ...]
    why: str = ""
