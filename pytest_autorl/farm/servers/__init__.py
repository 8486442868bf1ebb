"""Appium servers of our own (`server: managed`): started when a device is first asked for, kept up, ended with the run.

A *steward*, one process per provider block and run, owns them (`steward`); the processes of the run speak to it
(`client`), through the facade `ManagedServers`. Nothing here knows pytest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_autorl.farm.servers.managed import ManagedServers as ManagedServers

__all__ = ["ManagedServers"]


def __getattr__(name: str) -> Any:
    if name == "ManagedServers":
        return import_module("pytest_autorl.farm.servers.managed").ManagedServers
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
