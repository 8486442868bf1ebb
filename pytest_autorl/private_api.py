"""The private parts of pytest that this package reads, all of them, and nothing else does.

- ``FixtureFunctionDefinition`` (what ``@pytest.fixture`` returns since 8.4) and its ``name``: which fixtures a
  plugin defines. Fall-back: assume that it defines none.
- ``item._fixtureinfo.name2fixturedefs``: which fixture function a test's fixture name means.
  Fall-back: none known, so that needs are met when a fixture is set up, not explained before.

`tests/test_private_api.py` fails when a new pytest changes them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest


def defines_fixture(plugin: object, names: frozenset[str]) -> bool:
    """Whether the plugin (module or object) defines a fixture with one of these names."""
    kind = type(pytest.fixture(lambda: None))
    for attribute in dir(plugin):
        # Reading a property of somebody's plugin may run its code, so only what the object itself holds.
        value = vars(plugin).get(attribute) if hasattr(plugin, "__dict__") else None
        if value is None:
            value = vars(type(plugin)).get(attribute)
        if isinstance(value, kind) and getattr(value, "name", "") in names:
            return True
    return False


def fixture_functions(item: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Name and function of each fixture in the test's closure, the overriding definition only."""
    table = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    # A parameter of the same name takes a fixture's place: pytest then drops the name from the closure only.
    wanted = set(getattr(item, "fixturenames", ()))
    for name, defs in table.items():
        if defs and name in wanted:
            yield name, defs[-1].func
