"""pytest's collection in this process, quietly and without a trace: the tests, their needs, the run's farm."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pytest_autorl.needs import Need, need_key, need_of
from pytest_autorl.run import run_key

if TYPE_CHECKING:
    from pytest_autorl.farm.config import FarmConfig

#: What pytest ends with when it has collected, with and without tests.
_COLLECTED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


@dataclass
class Collected:
    """What a collection found.

    Attributes:
        needs: Node id -> need, None for a test that needs nothing of ours; in pytest's order.
        farm: The farm of the run; None when it has none.
        has_ended_well: pytest could collect everything.
        printed: What pytest printed.
    """

    needs: dict[str, Need | None] = field(default_factory=dict)
    farm: FarmConfig | None = None
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
        run = session.config.stash.get(run_key, None)
        self._found.farm = run.config if run is not None else None
        # Our plugin may be switched off by the user's settings; its question can be asked all the same.
        self._found.needs = {
            item.nodeid: item.stash.get(need_key, None) or need_of(item) for item in session.items
        }


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
