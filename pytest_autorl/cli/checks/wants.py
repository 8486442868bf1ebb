"""What the devices of a farm want from programs of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_autorl.cli.checks import Need

if TYPE_CHECKING:
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.farm.device import Device
    from pytest_autorl.farm.schema import AppiumProvider

_HERE = ("localhost", "127.0.0.1", "::1")
#: Drivers that reach a device through adb.
_OVER_ADB = ("uiautomator2", "espresso")


@dataclass(frozen=True)
class Installation:
    """One Appium: as `managed:` names it, or the one that is found by itself. See `ManagedServers`."""

    command: str = ""
    home: str = ""


@dataclass
class Wants:
    """What an installation of Appium on this machine has to have.

    Attributes:
        drivers: automationName -> ids of the devices whose sessions ask for it; "" for those that name none.
        blocks: Names of the provider blocks.
    """

    need: Need = "none"
    drivers: dict[str, list[str]] = field(default_factory=dict)
    blocks: list[str] = field(default_factory=list)


def wants(farm: FarmConfig) -> dict[Installation, Wants]:
    """What each installation has to have; the one that is found by itself is always among them."""
    found = {Installation(): Wants()}
    for device, block in real_devices(farm):
        need = need_of(block)
        if need == "none":
            continue
        where = Installation()
        if need == "managed":
            where = Installation(block.managed.command, block.managed.home)
        wanted = found.setdefault(where, Wants())
        wanted.need = most((wanted, Wants(need)))
        wanted.drivers.setdefault(driver_of(device, block), []).append(device.id)
        if device.provider not in wanted.blocks:
            wanted.blocks.append(device.provider)
    return found


def most(found: Iterable[Wants]) -> Need:
    """The greatest need of them."""
    needs = {each.need for each in found}
    return "managed" if "managed" in needs else "local" if "local" in needs else "none"


def need_of(block: AppiumProvider) -> Need:
    """How much a provider block needs this machine's Appium."""
    if block.server == "managed":
        return "managed"
    return "local" if any(urlsplit(url).hostname in _HERE for url in block.servers) else "none"


def real_devices(farm: FarmConfig) -> Iterator[tuple[Device, AppiumProvider]]:
    """The devices behind Appium servers, with their provider blocks."""
    for device in farm.devices:
        block = farm.providers[device.provider]
        if block.type == "appium":
            yield device, block


def driver_of(device: Device, block: AppiumProvider) -> str:
    """automationName of the device's sessions; "" when nobody names one."""
    from pytest_autorl.farm.drivers.capabilities import automation_name

    return automation_name(_capabilities(device, block))


def over_adb(farm: FarmConfig) -> dict[str, tuple[str, int]]:
    """Devices that a server of this machine reaches through adb: id -> udid, and port of adb's server.

    A device without a udid is whatever phone is there.
    """
    from pytest_autorl.farm.providers.adbserver import port_of

    found = {}
    for device, block in real_devices(farm):
        if need_of(block) != "none" and driver_of(device, block).lower() in _OVER_ADB:
            stated = _capabilities(device, block)
            found[device.id] = (str(stated.get("appium:udid") or ""), port_of(stated.get("appium:adbPort")))
    return found


def _capabilities(device: Device, block: AppiumProvider) -> Mapping[str, Any]:
    from pytest_autorl.farm.drivers.capabilities import merged

    platform = {"platformName": device.platform} if device.platform else {}
    return merged(platform, block.capabilities, device.capabilities)
