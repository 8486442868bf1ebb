"""The commands of a session, grouped by noun. Importing this package fills the tables of `registry`."""

from __future__ import annotations

from pytest_autorl.virtual.commands import apps, elements, gestures, hardware, screen, scripts, sessions
from pytest_autorl.virtual.commands.registry import ROUTES, SCRIPTS, Call, find_route, run

__all__ = [
    "ROUTES", "SCRIPTS", "Call", "apps", "elements", "find_route", "gestures", "hardware", "run", "screen",
    "scripts", "sessions",
]  # fmt: skip
