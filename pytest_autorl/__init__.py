"""pytest-autorl: run pytest suites over a farm of devices.

Importing the package imports nothing heavy; public names load their part when first asked for (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_autorl.farm.async_driver import AsyncDriver
    from pytest_autorl.farm.handle import DeviceHandle
    from pytest_autorl.fixtures import device_fixture
    from pytest_autorl.privacy.registry import secret
    from pytest_autorl.settings import Settings
    from pytest_autorl.virtual.mock import MockDevice

__version__ = "0.1.0"

_HOMES = {
    "AsyncDriver": "pytest_autorl.farm.async_driver",
    "DeviceHandle": "pytest_autorl.farm.handle",
    "MockDevice": "pytest_autorl.virtual.mock",
    "Settings": "pytest_autorl.settings",
    "device_fixture": "pytest_autorl.fixtures",
    "secret": "pytest_autorl.privacy.registry",
}

__all__ = ["AsyncDriver", "DeviceHandle", "MockDevice", "Settings", "__version__", "device_fixture", "secret"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
