"""On which devices the next attempt of a test must not run. Pure: sets of device ids in, a set out."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def to_avoid(
    fitting: Collection[str],
    tried: Sequence[Collection[str]],
    *,
    count: int,
    elsewhere: bool,
    out: Collection[str] = frozenset(),
) -> frozenset[str]:
    """Ids of fitting devices that the next attempt must not have.

    With `elsewhere` it goes to devices that no attempt has had, while enough of them are in service; then back to those
    of the first attempt; when these are out of service, to any others than the last one's. Without it, it stays where
    the last attempt was, while that is in service. What cannot be had is not asked for: as many devices as the test
    needs are always left of those in service.

    Args:
        fitting: The devices of the test's class.
        tried: The devices of each attempt so far, oldest first; attempts that had none say nothing.
        count: How many devices the test needs.
        out: Devices that are out of service.
    """
    every = frozenset(fitting)
    in_service = every - frozenset(out)
    attempts = [frozenset(devices) for devices in tried if devices]
    if not attempts:
        return frozenset()
    first, last = attempts[0], attempts[-1]
    if not elsewhere:
        return every - last if _is_enough(last, in_service, count) else frozenset()
    untried = in_service.difference(*attempts)
    if len(untried) >= count:
        return every.intersection(frozenset().union(*attempts))
    if _is_enough(first, in_service, count):
        return every - first
    return every & last if len(in_service - last) >= count else frozenset()


def _is_enough(devices: frozenset[str], in_service: frozenset[str], count: int) -> bool:
    return devices <= in_service and len(devices) >= count
