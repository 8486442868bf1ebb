"""Appium drivers: what the sessions of each need beyond what the farm file says."""

from __future__ import annotations

from pytest_autorl.farm.drivers.base import AppiumDriver, PlainDriver
from pytest_autorl.farm.drivers.registry import find

__all__ = ["AppiumDriver", "PlainDriver", "find"]
