"""How many sessions the servers of a farm take at once, by device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pytest_autorl.address import split_user_info

if TYPE_CHECKING:
    from pytest_autorl.farm.config import FarmConfig


def slots_of(farm: FarmConfig, run_id: str) -> dict[str, tuple[str, int]]:
    """For each device whose server sets a limit: name of the server, and how many sessions it takes.

    Devices are spread over the servers of their block in the file's order, as their sessions are, whatever was
    selected. A server that somebody runs is known by its address, so that two farm files mean the same one; one that
    we start is the run's.
    """
    found = {}
    selected = {device.id for device in farm.devices}
    for name, block in farm.providers.items():
        if block.type == "virtual" or block.slots is None:
            continue
        devices = [device for device in farm.all_devices if device.provider == name]
        for place, device in enumerate(devices):
            if device.id not in selected:
                continue
            if block.server == "managed":
                server = f"{name} server {place // block.managed.devices + 1} of {run_id}"
            else:
                server = split_user_info(block.servers[place % len(block.servers)])[0]
            found[device.id] = (server, block.slots)
    return found


def together(
    device_ids: Iterable[str], slots: Mapping[str, tuple[str, int]], taken: Iterable[str] = ()
) -> int:
    """How many of these devices can be had at once, where the devices `taken` have slots already.

    >>> together(["a", "b", "c"], {"a": ("s", 1), "b": ("s", 1)})
    2
    """
    users = Counter(slots[one][0] for one in taken if one in slots)
    count = 0
    for device_id in device_ids:
        server, limit = slots.get(device_id, ("", 0))
        count += not limit or users[server] < limit
        users[server] += 1
    return count
