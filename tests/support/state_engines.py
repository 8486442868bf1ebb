"""The engines that hold a state, for tests that run over all of them. A new engine is one more line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytest_autorl.state.engine import Engine
from pytest_autorl.state.memory import MemoryEngine
from pytest_autorl.state.sqlite import SqliteEngine

#: How each engine is made, given a folder of its own. The first one is what the others are compared with.
ENGINES: dict[str, Callable[[Path], Engine]] = {
    "memory": lambda folder: MemoryEngine(),
    "sqlite": lambda folder: SqliteEngine(folder / "state.db"),
}
