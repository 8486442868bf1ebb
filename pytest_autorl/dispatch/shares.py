"""Which class of jobs may use which group of devices: work poured over devices until the levels are even.

The level of a group is the time at which its devices are done. Making the levels as even as the constraints let them
be reaches the bound of Hall's theorem: no plan can end before ``max over sets S of devices: work that must run in S /
capacity of S``. The devices of that set must then do nothing else, which is what the shares say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: A round that moves less than this part of all work ends the search.
_STILL = 1e-4
#: A share below this part of its class is what the search has not quite taken away.
_NOTHING = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """The work of one class of jobs.

    Attributes:
        work_s: Seconds of work, times the devices that each job takes, on devices of factor 1.
        groups: Indices of the groups that may do it; at least one.
        limits: The most that each of these groups can do, as a job takes a device only once; None without limits.
    """

    work_s: float
    groups: tuple[int, ...]
    limits: tuple[float, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Shares:
    """What `pour` decided.

    Attributes:
        of: For each demand: group to seconds of work. Groups with next to nothing are left out.
        levels_s: For each group: seconds until it is done.
    """

    of: tuple[dict[int, float], ...]
    levels_s: tuple[float, ...]


def pour(
    loads: Sequence[float], capacities: Sequence[float], demands: Sequence[Demand], *, rounds: int = 25
) -> Shares:
    """Spread the demands over groups so that the highest level is as low as it can be, then the next, and so on.

    It minimises ``sum of load**2 / capacity``, one demand after the other (Gauss-Seidel): a convex problem, so rounds
    only improve it.

    Args:
        loads: For each group: seconds of work that it has already.
        capacities: For each group: devices, each divided by its factor; above 0.
        rounds: The most rounds; fewer when nothing moves any more.
    """
    filled = list(loads)
    shares: list[dict[int, float]] = [{} for _ in demands]
    still = _STILL * sum(demand.work_s for demand in demands)
    for _ in range(rounds):
        moved = 0.0
        for i, demand in enumerate(demands):
            before = shares[i]
            for group, share in before.items():
                filled[group] -= share
            after = _spread(filled, capacities, demand)
            for group, share in after.items():
                filled[group] += share
                moved = max(moved, abs(share - before.get(group, 0.0)))
            shares[i] = after
        if moved <= still:
            break
    return Shares(
        of=tuple(
            {group: share for group, share in shares[i].items() if share > _NOTHING * demand.work_s}
            for i, demand in enumerate(demands)
        ),
        levels_s=tuple(load / capacity for load, capacity in zip(filled, capacities, strict=True)),
    )


def _spread(filled: Sequence[float], capacities: Sequence[float], demand: Demand) -> dict[int, float]:
    """The demand over its groups, lowest first, up to one common level."""
    limits = dict(zip(demand.groups, demand.limits, strict=True)) if demand.limits else {}
    order = sorted(demand.groups, key=lambda group: filled[group] / capacities[group])
    left_s = demand.work_s
    full: dict[int, float] = {}
    while True:
        level_s = _common_level(filled, capacities, order, left_s)
        over = [
            group for group in order if limits and _room(filled, capacities, group, level_s) > limits[group]
        ]
        if not over:
            break
        # Taking the limited ones out raises the level of the others, so they stay at their limits.
        for group in over:
            full[group] = limits[group]
            left_s -= limits[group]
            order.remove(group)
        if not order:
            return full
        left_s = max(left_s, 0.0)
    for group in order:
        if (room := _room(filled, capacities, group, level_s)) > 0:
            full[group] = room
    return full


def _room(filled: Sequence[float], capacities: Sequence[float], group: int, level_s: float) -> float:
    return level_s * capacities[group] - filled[group]


def _common_level(
    filled: Sequence[float], capacities: Sequence[float], order: Sequence[int], work_s: float
) -> float:
    """The level that the lowest of the groups reach together with so much more work. Lowest group first."""
    volume = work_s
    capacity = 0.0
    level_s = 0.0
    for group in order:
        if capacity and filled[group] >= level_s * capacities[group]:
            break
        volume += filled[group]
        capacity += capacities[group]
        level_s = volume / capacity
    return level_s
