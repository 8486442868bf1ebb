"""Drivers by name: those of others by entry point, then the built-in ones.

Entry points are looked for when a driver is asked for, and only those of its name are loaded: a broken one harms
nobody who does not use it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from pytest_autorl.errors import DeviceProviderError
from pytest_autorl.farm.drivers.base import AppiumDriver
from pytest_autorl.farm.drivers.builtin import BUILT_IN, generic

GROUP = "pytest_autorl.appium_drivers"
#: Own entry points name what is in the table anyway, for people and tools that list them.
_OURS = "pytest_autorl."
_PARTS = {"ports": tuple, "log_types": tuple, "takes_app": bool, "package": str}


@cache
def find(automation_name: str) -> AppiumDriver:
    """The driver of a session. Raises DeviceProviderError when an installed one cannot be used.

    Args:
        automation_name: As in the capabilities, in any case; "" for a session that states none.
    """
    return choose(automation_name, entry_points(group=GROUP))


def choose(automation_name: str, points: Iterable[EntryPoint]) -> AppiumDriver:
    """`find`, among these entry points."""
    name = automation_name.lower()
    # In an order that does not depend on how they were installed.
    others = sorted(
        (point for point in points if point.name.lower() == name and not point.value.startswith(_OURS)),
        key=lambda point: (_distribution(point), point.value),
    )
    if len(others) > 1:
        names = " and ".join(_distribution(point) for point in others)
        raise DeviceProviderError(
            f"the Appium driver {name} is described by {names}", do="uninstall all but one of them"
        )
    return _loaded(others[0], name) if others else BUILT_IN.get(name) or generic(name)


def _loaded(point: EntryPoint, name: str) -> AppiumDriver:
    try:
        found = point.load()
        driver: AppiumDriver = found() if isinstance(found, type) else found
        _check(driver)
    except Exception as error:  # code of others: whatever it raises, it is named
        raise DeviceProviderError(
            f"the Appium driver {name} of {_distribution(point)} ({point.value}) cannot be used: "
            f"{type(error).__name__}: {error}",
            do=f"update or uninstall {_distribution(point)}",
        ) from error
    return driver


def _check(driver: AppiumDriver) -> None:
    """Raise TypeError or AttributeError for what does not fulfil `AppiumDriver`."""
    for part, kind in _PARTS.items():
        if not isinstance(getattr(driver, part), kind):
            raise TypeError(f"{part} is no {kind.__name__}")
    if not all(isinstance(key, str) for key in (*driver.ports, *driver.log_types, *dict(driver.defaults))):
        raise TypeError("the names of capabilities and logs are texts")
    if not callable(driver.reset):
        raise TypeError("reset cannot be called")


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown package"
