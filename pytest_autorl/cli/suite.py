"""Which suite a command is about, and where the state is that knows its runs: as pytest would find both."""

from __future__ import annotations

import contextlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_autorl.cli.output import complain
from pytest_autorl.errors import AutorlError, UsageError
from pytest_autorl.state.history import suite_of
from pytest_autorl.state.place import Place, place_of
from pytest_autorl.wiring import make_run

#: Parts of the plugin are imported already, which pytest remarks on; with warnings as errors it would end here.
_QUIET = ("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A suite in a state.

    Attributes:
        name: See `history.suite_of`.
        state: The database; need not be there.
    """

    name: str
    state: Path


def suite_at(suite: str, farm: str, state: str) -> Suite:
    """The suite and the state that these options mean; says so where the state is not where one would expect.

    With `suite` and `state` nothing else is looked at: the folder may be gone. Else pytest is asked, with its ini file
    and the user's conftest files; it collects nothing.

    Raises: UsageError where pytest cannot tell; what a farm or a state that cannot be used does.
    """
    if suite and state:
        rootdir = Path(suite)
        place = place_of(state, is_virtual=False, rootdir=rootdir)
    else:
        rootdir, place = _ask_pytest(suite, farm, state)
    if place.note:
        complain(f"autorl: {place.note}")
    return Suite(name=suite_of(rootdir), state=place.path)


class _Asker:
    """A pytest plugin that ends pytest once that has read its configuration."""

    def __init__(self) -> None:
        self.found: tuple[Path, Place] | None = None
        self.error: AutorlError | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        """Before any session: nothing is collected, nothing written."""
        try:
            run = make_run(config)
            # Without a farm nothing was leased here but what `--autorl-farm virtual` has made for a run.
            is_virtual = run.config is None or run.config.is_virtual
            place = place_of(run.settings.state, is_virtual=is_virtual, rootdir=run.rootdir)
            self.found = (run.rootdir, place)
        except AutorlError as error:
            self.error = error
        return 0


def _ask_pytest(suite: str, farm: str, state: str) -> tuple[Path, Place]:
    asker, printed = _Asker(), io.StringIO()
    arguments = ["--collect-only", "-q", *_QUIET]
    arguments += ["--rootdir", suite, suite] if suite else []
    for name, value in (("farm", farm), ("state", state)):
        # What comes from the environment pytest reads by itself: a path in it starts at the root directory.
        if value and value != os.environ.get(f"AUTORL_{name.upper()}"):
            # In one word: pytest looks for the suite at every word that names a path.
            arguments.append(f"--autorl-{name}={value}")
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        pytest.main(arguments, plugins=[asker])
    if asker.error is not None:
        raise asker.error
    if asker.found is None:
        lines = [line for line in printed.getvalue().splitlines() if line.strip()]
        raise UsageError(
            "pytest cannot tell where the suite is: " + "\n  ".join(lines[-4:]),
            do="name its root directory with --suite, and its state with --state",
        )
    return asker.found
