"""How tests call the command line tool, and what they write into a state for it to find."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pytest_autorl.state.clock import HostClock
from pytest_autorl.state.engine import DeviceRow, HolderRow, TicketRow
from pytest_autorl.state.liveness import Liveness
from pytest_autorl.state.sqlite import SqliteEngine


@dataclass(frozen=True)
class Said:
    """What a call printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AUTORL_") or name in ("LOG_LEVEL", "LOG_FORMAT", "APPIUM_SERVER"):
            monkeypatch.delenv(name)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def autorl() -> Callable[..., Said]:
    """Call ``autorl ARGS`` in this process."""
    from pytest_autorl.cli.app import app

    def call(*arguments: str) -> Said:
        result = CliRunner().invoke(app, list(arguments), prog_name="autorl")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    return call


@pytest.fixture
def autorl_process() -> Callable[..., Said]:
    """Call ``python -m pytest_autorl.cli ARGS`` as a user's shell does."""

    def call(*arguments: str) -> Said:
        command = [sys.executable, "-m", "pytest_autorl.cli", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return Said(done.returncode, done.stdout, done.stderr)

    return call


@dataclass
class Shelf:
    """A state that tests write as runs would have."""

    path: Path
    signs: list[Liveness] = field(default_factory=list)

    def put(self, *rows: DeviceRow | TicketRow | HolderRow) -> None:
        """Write rows."""
        with closing(SqliteEngine(self.path)) as engine:
            for row in rows:
                if isinstance(row, DeviceRow):
                    engine.write(lambda books, row=row: books.put_device(row))  # type: ignore[misc]
                elif isinstance(row, TicketRow):
                    engine.write(lambda books, row=row: books.add_ticket(row))  # type: ignore[misc]
                else:
                    engine.write(lambda books, row=row: books.put_holder(row))  # type: ignore[misc]

    def holder(self, name: str, *, run: str = "run-1", is_alive: bool = True) -> None:
        """A process that takes part; its pid is 4242."""
        if is_alive:
            self.signs.append(Liveness(self.path.with_name(self.path.name + ".holders"), name))
        boot_id = HostClock().boot_id
        self.put(HolderRow(id=name, run=run, owner=f"Runner-{name}", pid=4242, boot_id=boot_id, wake=""))

    def rows(self) -> dict[str, DeviceRow]:
        """The devices, by key."""
        with closing(SqliteEngine(self.path)) as engine:
            return {row.key: row for row in engine.read(lambda books: books.devices())}


@pytest.fixture
def shelf(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """The state of all calls of ``autorl``."""
    path = here / "mine.db"
    monkeypatch.setenv("AUTORL_STATE", str(path))
    made = Shelf(path)
    yield made
    for sign in made.signs:
        sign.close()
