"""How tests call the command line tool."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner


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
