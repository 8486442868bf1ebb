"""Devices: what they are (static) and which status they have.

A `Device` is a plain record: farm files make them, requirements match them, providers reach them.
Readings that change (battery, temperature) are not here: they gate a device, never match it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class DeviceStatus(str, enum.Enum):
    """The five statuses of a device; a reason always goes with one."""

    #: Free and fit: the next grant may take it.
    AVAILABLE = "available"
    #: Leased (or parked with its session at a worker).
    BUSY = "busy"
    #: Not reachable.
    OFFLINE = "offline"
    #: Taken out by hand, or being cleaned up after an unclean end.
    MAINTENANCE = "maintenance"
    #: Reachable, but not fit for a test.
    UNHEALTHY = "unhealthy"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, kw_only=True)
class Device:
    """One device of the farm, as its farm file describes it.

    Attributes:
        id: Unique in the farm; public (may stand in any report).
        provider: Name of the provider block that reaches it.
        platform: Free word, lower case (android, ios, web, ...).
        os_version: Dotted version as written ("14", "17.2"); empty when unknown.
        form_factor: Free word (phone, tablet, watch, ...); empty when unknown.
        model: Marketing name; empty when unknown.
        tags: Free words.
        capabilities: WebDriver capabilities that each session on it asks for.
        attributes: Static facts for `where=` (``ram_mb: 8192``): str, int, float, bool.
        settings: The provider's own per-device settings (``virtual: {...}``).
    """

    id: str
    provider: str
    platform: str = ""
    os_version: str = ""
    form_factor: str = ""
    model: str = ""
    tags: frozenset[str] = frozenset()
    # Not in the repr, which pytest prints beside a failing assertion: it may hold keys from the environment.
    capabilities: Mapping[str, Any] = field(default_factory=dict, repr=False)
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        facts = " ".join(part for part in (self.platform, self.os_version, self.form_factor) if part)
        return f"{self.id} ({facts})" if facts else self.id

    def __hash__(self) -> int:
        return hash(self.id)
