"""The farm: what devices exist, what tests need, how both come together.

Public names are loaded when first used; importing the package imports nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_autorl.farm.device import Device as Device
    from pytest_autorl.farm.device import DeviceStatus as DeviceStatus
    from pytest_autorl.farm.health import DeviceHealthMonitor as DeviceHealthMonitor
    from pytest_autorl.farm.requirement import Requirement as Requirement

_HOMES = {
    "Device": "pytest_autorl.farm.device",
    "DeviceHealthMonitor": "pytest_autorl.farm.health",
    "DeviceStatus": "pytest_autorl.farm.device",
    "Requirement": "pytest_autorl.farm.requirement",
}

__all__ = ["Device", "DeviceHealthMonitor", "DeviceStatus", "Requirement"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
