"""Fixtures that hand out `tests/support/` to tests, which cannot import from each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import real_servers


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Call it for a loopback port that is free now."""
    return real_servers.free_port


@pytest.fixture(scope="session")
def require_real() -> Callable[[str, str], None]:
    """Call it with a part and a reason to skip (or, under AUTORL_REQUIRE_REAL=1, fail) the test."""
    return real_servers.require_real


@pytest.fixture(scope="session")
def appium_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real_servers.AppiumServer]:
    """A real Appium server with the fake driver, one for each worker. Skips when it is not installed."""
    log = tmp_path_factory.mktemp("appium") / "server.log"
    with real_servers.AppiumServer(log=log) as server:
        yield server
