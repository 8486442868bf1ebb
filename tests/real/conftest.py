"""Fixtures of the tests in real browsers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import lab
from pages import Pages
from real_servers import AppiumServer
from web_farm import alone, capabilities


@pytest.fixture(scope="session")
def pages() -> Iterator[Pages]:
    """Web pages on loopback."""
    with Pages() as served:
        yield served


@pytest.fixture(scope="session")
def browser_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppiumServer]:
    """A real Appium server for browsers, one for each worker. Skips where server or browser is missing."""
    capabilities()
    log = tmp_path_factory.mktemp("appium") / "browsers.log"
    with AppiumServer(log=log, drivers=("chromium",)) as server:
        yield server


@pytest.fixture
def few_browsers() -> Iterator[None]:
    """One test with browsers after the other, whichever worker has them."""
    with alone():
        yield


@pytest.fixture
def mortal_server(tmp_path: Path) -> Iterator[Callable[[], AppiumServer]]:
    """Call it for a server for browsers that the test may kill or freeze."""
    capabilities()
    with contextlib.ExitStack() as stack:
        logs = (tmp_path / f"appium-{number}.log" for number in range(1, 10))
        yield lambda: stack.enter_context(AppiumServer(log=next(logs), drivers=("chromium",)))


@pytest.fixture
def start_run() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`lab.run`; what it starts is ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(folder: Path, *options: str) -> subprocess.Popen[str]:
        started.append(lab.run(folder, *options, state=folder / "state.db"))
        return started[-1]

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        lab.close(process)
