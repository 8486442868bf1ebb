"""pytest's collection in this process, quietly and without a trace: the tests, their needs, the run's farm."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_autorl.errors import UsageError
from pytest_autorl.needs import Need, need_key, need_of
from pytest_autorl.run import run_key

if TYPE_CHECKING:
    from pytest_autorl.dispatch.needs_table import NeedsTable
    from pytest_autorl.farm.config import FarmConfig

#: What pytest ends with when it has collected, with and without tests.
_COLLECTED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


@dataclass
class Collected:
    """What a collection found.

    Attributes:
        needs: Node id -> need, None for a test that needs nothing of ours; in pytest's order.
        farm: The farm of the run; None when it has none.
        table: The needs over the farm's devices; None without a farm.
        state: Where the run's state would be; None without a farm.
        rootdir: pytest's root directory.
        workers: How many xdist was told to start, 0 for a run without; None when nothing was said.
        has_ended_well: pytest could collect everything.
        printed: What pytest printed.
    """

    needs: dict[str, Need | None] = field(default_factory=dict)
    farm: FarmConfig | None = None
    table: NeedsTable | None = None
    state: Path | None = None
    rootdir: Path = Path()
    workers: int | None = None
    has_ended_well: bool = False
    printed: str = ""


class _Observer:
    """A pytest plugin."""

    def __init__(self, found: Collected) -> None:
        self._found = found

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """A JUnit file that the user's ``addopts`` name must not be replaced by an empty one."""
        if hasattr(config.option, "xmlpath"):
            config.option.xmlpath = None

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """After everybody's selection."""
        found, config = self._found, session.config
        # Our plugin may be switched off by the user's settings; its question can be asked all the same.
        found.needs = {item.nodeid: item.stash.get(need_key, None) or need_of(item) for item in session.items}
        found.rootdir = config.rootpath
        workers = config.getoption("numprocesses", default=None)
        found.workers = workers if isinstance(workers, int) else None
        run = config.stash.get(run_key, None)
        if run is None or run.config is None:
            return
        from pytest_autorl.dispatch.needs_table import read_needs

        found.farm, found.state = run.config, run.place.path
        found.table = read_needs(session.items, run.config.devices)


def collect(arguments: Sequence[str]) -> Collected:
    """Collect with the user's configuration and these arguments; runs no test."""
    found, printed = Collected(), io.StringIO()
    # Parts of the plugin are imported already, which pytest remarks on; with warnings as errors it would end here.
    quiet = ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
    with (
        tempfile.TemporaryDirectory(prefix="autorl-") as cache,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        fixed = ["--collect-only", "-q", "-o", f"cache_dir={cache}", *quiet]
        code = pytest.main([*fixed, *arguments], plugins=[_Observer(found)])
    found.has_ended_well = code in _COLLECTED
    found.printed = printed.getvalue()
    return found


def cannot_collect(printed: str) -> UsageError:
    """What to raise when pytest could not, with the first of what it complained about."""
    lines = [line for line in printed.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E  ", "ERROR", "autorl"))] or lines[-3:]
    return UsageError(
        "pytest cannot collect: " + "\n  ".join(errors[:6]), do="run `pytest --collect-only` to see all"
    )
