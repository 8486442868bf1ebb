"""The plain names `device` and `driver`: registered only where no other plugin has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

    from pytest_autorl.farm.handle import DeviceHandle

#: The names this module defines.
NAMES = frozenset({"device", "driver"})


@pytest.fixture
def device(autorl_device: DeviceHandle) -> DeviceHandle:
    """A leased device; which one, the marker `device` says."""
    return autorl_device


@pytest.fixture
def driver(autorl_driver: WebDriver) -> WebDriver:
    """The Appium driver of the test's device."""
    return autorl_driver
