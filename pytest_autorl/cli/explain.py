"""Explains a need against a farm: which devices fit, and for each other one why not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_autorl.farm.device import Device
    from pytest_autorl.farm.requirement import Requirement


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """How a farm meets a need.

    Attributes:
        fits: Ids of the devices that fit, in the farm's order.
        misfits: Every other device with its failing predicates, nearest first.
    """

    need: Requirement
    fits: tuple[str, ...]
    misfits: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def can_be_met(self) -> bool:
        """Whether as many devices fit as are needed at once."""
        return len(self.fits) >= self.need.count

    def to_data(self) -> dict[str, Any]:
        """As JSON shows it."""
        return {
            "need": {"key": self.need.key, "text": str(self.need), "count": self.need.count},
            "can_be_met": self.can_be_met,
            "fits": list(self.fits),
            "misfits": [{"device": device, "failed": list(failed)} for device, failed in self.misfits],
        }

    def to_lines(self) -> list[str]:
        """As people read it."""
        lines = [f"needs: {self.need}", f"fits: {', '.join(self.fits) or 'no device'}"]
        lines += [f"  {device}: {'; '.join(failed)}" for device, failed in self.misfits]
        if not self.can_be_met:
            lines.append(
                f"cannot be met: {len(self.fits)} of the farm's devices fit, {self.need.count} needed"
            )
        return lines


def explained(devices: Sequence[Device], need: Requirement) -> Explanation:
    """Look at every device."""
    from pytest_autorl.farm.requirement import nearest

    ranked = nearest(devices, need, n=len(devices))
    return Explanation(
        need=need,
        fits=tuple(device.id for device, failed in ranked if not failed),
        misfits=tuple((device.id, failed) for device, failed in ranked if failed),
    )
