"""Needs that no device can meet: the error that explains it, with the nearest devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_autorl.errors import UnsatisfiableError
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.requirement import Requirement, eligible, nearest


def unsatisfiable(
    devices: Sequence[Device],
    requirement: Requirement,
    slots: Mapping[str, tuple[str, int]] | None = None,
) -> UnsatisfiableError:
    """The error that explains why no device can meet the need, with the nearest ones.

    Args:
        slots: See `Pool`.
    """
    count = f"{requirement.count} devices" if requirement.count > 1 else "a device"
    lines = [f"no {count} of {len(devices)} can be had for: {requirement}".replace("no a ", "no ")]
    lines += [
        f"  nearest: {device}: {'; '.join(failed) or 'fits'}"
        for device, failed in nearest(devices, requirement)
    ]
    fitting = eligible(devices, requirement)
    if len(fitting) >= requirement.count:
        limits = sorted({(slots or {}).get(device.id, ("", 0)) for device in fitting} - {("", 0)})
        named = ", ".join(f"{server} takes {limit} at once" for server, limit in limits)
        return UnsatisfiableError(
            "\n".join([lines[0], f"  {len(fitting)} devices fit, but {named}"]),
            do="raise `slots` of the provider, or ask for fewer devices",
        )
    return UnsatisfiableError(
        "\n".join(lines), do="mend the marker, or add a fitting device to the farm file"
    )
