"""How runs end otherwise than with a summary. ``TEXT`` is what must not leave, ``KEY`` a part of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class Ending:
    """Sources of a run and its options."""

    conftest: str = ""
    test: str = "def test_it(): pass"
    options: tuple[str, ...] = ()

    def write(self, folder: Path) -> None:
        """Put it into a run's folder. The text comes by the variable TEXT."""
        for name, source in (("conftest.py", self.conftest), ("test_it.py", self.test)):
            whole = f"import os\nimport pytest\nTEXT = os.environ['TEXT']\n{source}\n"
            (folder / name).write_text(whole, encoding="utf-8")


_THREAD = """
import threading
def test_it():
    def fail(): raise RuntimeError(TEXT)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
"""
_DELETED = """
class Odd:
    def __del__(self): raise RuntimeError(TEXT)
def test_it(): Odd()
"""
_DOCUMENTED = """
def it(): pass
it.__doc__ = TEXT
it = pytest.fixture(it)
"""
_PLANNED = """
@pytest.fixture(params=[TEXT])
def it(request): pass
def test_it(it): pass
"""

ENDINGS: Final[Mapping[str, Ending]] = {
    "exit": Ending(test="def test_it(): pytest.exit(TEXT)"),
    "interrupt": Ending(test="def test_it(): raise KeyboardInterrupt(TEXT)", options=("--full-trace",)),
    "collection error": Ending(test="raise RuntimeError(TEXT)"),
    "internal error": Ending("def pytest_runtest_logreport(report): raise RuntimeError(TEXT)"),
    "internal error at start": Ending("def pytest_sessionstart(): raise RuntimeError(TEXT)"),
    "internal error at end": Ending("def pytest_sessionfinish(): raise RuntimeError(TEXT)"),
    "internal error in a worker": Ending(
        "def pytest_runtest_logstart(nodeid): raise RuntimeError(TEXT)", options=("-n", "1")
    ),
    "usage error": Ending("def pytest_configure(): raise pytest.UsageError(TEXT)"),
    "broken conftest": Ending("raise RuntimeError(TEXT)"),
    "broken unconfigure": Ending("def pytest_unconfigure(): raise RuntimeError(TEXT)"),
    "unraisable": Ending(test=_DELETED),
    "thread": Ending(test=_THREAD),
    "unknown path": Ending(options=("nowhere/KEY",)),
    "unknown option": Ending(options=("--token=KEY",)),
    "fixtures": Ending(_DOCUMENTED, options=("--fixtures",)),
    "markers": Ending(
        "def pytest_configure(config): config.addinivalue_line('markers', 'it: ' + TEXT)",
        options=("--markers",),
    ),
    "cache": Ending(
        "def pytest_configure(config): config.cache.set('lab/who', TEXT)", options=("--cache-show",)
    ),
    "set-up plan": Ending(test=_PLANNED, options=("--setup-plan",)),
}
