"""Providers: how devices of one kind are reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_autorl.farm.providers.base import Provider

if TYPE_CHECKING:
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.settings import Settings


def build(config: FarmConfig, settings: Settings) -> dict[str, Provider]:
    """The providers that the farm's devices name, by block name; starts nothing."""
    from pytest_autorl.farm.providers.appium import AppiumProvider
    from pytest_autorl.farm.providers.virtual import VirtualProvider

    built: dict[str, Provider] = {}
    for name in dict.fromkeys(device.provider for device in config.devices):
        block = config.providers[name]
        devices = [device for device in config.devices if device.provider == name]
        if block.type == "virtual":
            built[name] = VirtualProvider(
                name,
                devices,
                app=block.app,
                reset_policy=block.reset,
                keeps_backend=block.backend == "keep",
            )
        else:
            built[name] = AppiumProvider(
                name,
                url=block.url,
                capabilities=block.capabilities,
                app=settings.app or config.app,
                reset_policy=block.reset,
                hub=(settings.farm_url, settings.farm_token),
            )
    return built
