"""Engines for the tests of this folder: a SQLite one at a path, or one of each kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.state.engine import Engine
from pytest_autorl.state.sqlite import SqliteEngine
from state_engines import ENGINES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a state may be made."""
    return tmp_path / "state.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[..., SqliteEngine]]:
    """Call it for an engine on the path; it is closed with the test."""
    made: list[SqliteEngine] = []

    def engine(**options: Any) -> SqliteEngine:
        made.append(SqliteEngine(path, **options))
        return made[-1]

    yield engine
    for each in made:
        each.close()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A fresh engine; the test runs over every kind."""
    found = ENGINES[request.param](tmp_path)
    yield found
    found.close()
