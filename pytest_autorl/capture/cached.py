"""pytest's cache (``.pytest_cache``): what plugins keep there between runs holds ids and texts of tests.

Public: `pytest.Cache.set`.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from pytest_autorl.capture.guard import Guard


def guard_cache(guard: Guard) -> Callable[[], None]:
    """Redact every value that is kept in a cache from now on; returns what ends that."""
    keep = pytest.Cache.set

    def keep_redacted(self: pytest.Cache, key: str, value: object) -> None:
        if not guard.is_off and _finds(value, guard):
            value = guard.redact_data(value)
        keep(self, key, value)

    pytest.Cache.set = keep_redacted  # type: ignore[method-assign]

    def end() -> None:
        if pytest.Cache.set is keep_redacted:
            pytest.Cache.set = keep  # type: ignore[method-assign]

    return end


def _finds(value: object, guard: Guard) -> bool:
    try:
        # One look at all of it: long lists of ids are mostly clean.
        return guard.redactor.finds(json.dumps(value, ensure_ascii=False))
    except (TypeError, ValueError):
        return True
