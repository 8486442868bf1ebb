"""The state: the one durable authority over who holds which device, what was done, and what waits.

Public names are loaded when first used; importing the package imports nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_autorl.state.jobs import JobLocker as JobLocker
    from pytest_autorl.state.outbox import OfflineQueue as OfflineQueue

_HOMES = {
    "JobLocker": "pytest_autorl.state.jobs",
    "OfflineQueue": "pytest_autorl.state.outbox",
}

__all__ = ["JobLocker", "OfflineQueue"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
