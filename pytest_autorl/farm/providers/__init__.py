"""Providers: how devices of one kind are reached."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from pytest_autorl.errors import ServerDownError
from pytest_autorl.farm.providers.base import Places, Provider

if TYPE_CHECKING:
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.farm.device import Device
    from pytest_autorl.farm.providers.managed import Facade
    from pytest_autorl.farm.providers.servers import Servers
    from pytest_autorl.farm.schema import AppiumProvider as Block
    from pytest_autorl.settings import Settings


def build(config: FarmConfig, settings: Settings, *, place: Places | None = None) -> dict[str, Provider]:
    """The providers that the farm's devices name, by block name; starts nothing.

    Args:
        place: None for who only looks: servers of our own cannot be started then.
    """
    built: dict[str, Provider] = {}
    for name in dict.fromkeys(device.provider for device in config.devices):
        block = config.providers[name]
        if block.type == "virtual":
            from pytest_autorl.farm.providers.virtual import VirtualProvider

            built[name] = VirtualProvider(
                name,
                [device for device in config.devices if device.provider == name],
                app=block.app,
                reset_policy=block.reset,
                keeps_backend=block.backend == "keep",
            )
        else:
            from pytest_autorl.farm.providers.appium import AppiumProvider

            built[name] = AppiumProvider(
                name,
                servers=servers_of(block, name, config.all_devices, settings, place),
                capabilities=block.capabilities,
                app=settings.app or config.app,
                reset_policy=block.reset,
            )
    return built


def servers_of(
    block: Block, name: str, devices: Sequence[Device], settings: Settings, place: Places | None
) -> Servers:
    """The servers of a block; starts none.

    Args:
        devices: Of the whole farm file: a selection must not give a device another server.
    """
    from pytest_autorl.farm.providers.external import ExternalServers
    from pytest_autorl.farm.providers.managed import OwnServers

    ids = tuple(device.id for device in devices if device.provider == name)
    if block.server == "managed":
        return OwnServers(partial(_own, block, name, ids, place))
    return ExternalServers(block.servers, ids, hub=(settings.farm_url, settings.farm_token))


def _own(block: Block, name: str, device_ids: Sequence[str], place: Places | None) -> Facade:
    if place is None:
        raise ServerDownError(
            f"the servers of {name} are started by a run, and this is none", do="run pytest over this farm"
        )
    from pytest_autorl.farm.servers import ManagedServers

    return ManagedServers(
        device_ids,
        block.managed.model_dump(mode="json"),
        rootdir=place.rootdir,
        reports=place.reports,
        records_folder=place.records,
        redaction=place.redaction,
    )
