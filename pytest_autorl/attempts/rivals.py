"""Other plugins that run a failed test again: which of them has been asked to, and for which tests.

Two plugins that repeat the same test would multiply its attempts, and neither would know of the other's. So where one
of these is active for a test, this package leaves it alone. Known are pytest-rerunfailures, flaky and pytest-retry.
Merely to be installed is not to be active. Only their options, ini keys, markers and attributes are read; what those
mean is tried out with the real plugins in `tests/attempts/test_rivals.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

#: What the decorator of flaky leaves on a function, class or module.
_FLAKY_ATTRIBUTE = "_flaky_max_runs"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rival:
    """One such plugin.

    Attributes:
        name: As its users know it.
        modules: Names under which pytest may know it: by its entry point, or by ``-p``.
        is_active: Whether it has been asked to run this test again when it fails.
        takes_all: It runs tests in pytest's place although nobody asked it to repeat them.
    """

    name: str
    modules: tuple[str, ...]
    is_active: Callable[[pytest.Item], bool]
    takes_all: bool


_Present = tuple[tuple[Rival, Any], ...]
_present_key = pytest.StashKey[_Present]()


def who_repeats(item: pytest.Item) -> str:
    """Name of the plugin that has been asked to run this test again when it fails; "" when none has.

    At the end of the collection: markers may be added in it.
    """
    return next((rival.name for rival, _ in _present(item.config) if rival.is_active(item)), "")


def idle_plugins(item: pytest.Item) -> list[Any]:
    """Plugins that would run this test in pytest's place, and would not repeat it: they can be passed by.

    Asked, flaky runs every test, and pytest-rerunfailures those of ``reruns=0``; and what they run, they report.
    """
    return [
        plugin for rival, plugin in _present(item.config) if rival.takes_all and not rival.is_active(item)
    ]


def _present(config: pytest.Config) -> _Present:
    found = config.stash.get(_present_key, None)
    if found is None:
        manager = config.pluginmanager
        plugins = [(rival, [manager.get_plugin(name) for name in rival.modules]) for rival in RIVALS]
        found = tuple((rival, plugin) for rival, some in plugins for plugin in some if plugin is not None)
        config.stash[_present_key] = found
    return found


def _rerunfailures(item: pytest.Item) -> bool:
    """``--force-reruns``, else the marker ``flaky``, else ``--reruns``, else the ini key; 0 is none."""
    config = item.config
    excluded = config.getoption("rerun_exclude_path", None) or ()
    if any(item.path.is_relative_to(config.rootpath / path) for path in excluded):
        return False
    forced = config.getoption("force_reruns", None)
    if forced is not None:
        return bool(forced > 0)
    general = config.getoption("reruns", None)
    if general is None:
        general = _ini_count(config, "reruns")
    marker = item.get_closest_marker("flaky")
    if marker is None:
        return bool(general > 0)
    own = _count(marker.kwargs.get("reruns", marker.args[0] if marker.args else 1), otherwise=1)
    if config.getoption("reruns_mode", None) == "append":
        own += general
    return own > 0


def _flaky(item: pytest.Item) -> bool:
    """``--force-flaky``, the marker, or the decorator on the test, its class or its module."""
    if item.config.getoption("force_flaky", False) or item.get_closest_marker("flaky") is not None:
        return True
    # Not the instance of the class: to ask pytest for it makes one.
    holders = (getattr(item, "obj", None), getattr(item, "cls", None), getattr(item.parent, "obj", None))
    return any(getattr(holder, _FLAKY_ATTRIBUTE, None) is not None for holder in holders)


def _pytest_retry(item: pytest.Item) -> bool:
    """The marker, which its option and ini key add to every test that has none."""
    marker = item.get_closest_marker("flaky")
    return marker is not None and marker.kwargs.get("condition") is not False


def _ini_count(config: pytest.Config, name: str) -> int:
    try:
        return _count(config.getini(name), otherwise=0)
    except ValueError:  # not a key of this version
        return 0


def _count(value: Any, *, otherwise: int) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):  # what the plugin itself makes of it is its own affair
        return otherwise


RIVALS = (
    Rival(
        name="pytest-rerunfailures",
        modules=("rerunfailures", "pytest_rerunfailures"),
        is_active=_rerunfailures,
        takes_all=True,
    ),
    Rival(name="flaky", modules=("flaky", "flaky.flaky_pytest_plugin"), is_active=_flaky, takes_all=True),
    Rival(
        name="pytest-retry",
        modules=("pytest-retry", "pytest_retry", "pytest_retry.retry_plugin"),
        is_active=_pytest_retry,
        takes_all=False,
    ),
)
