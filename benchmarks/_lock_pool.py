"""A pytest plugin, the rival: a pool of devices by file locks, for stock xdist.

What a team writes today around the recipe of xdist's documentation (one FileLock for what workers share), at its best:
one lock for each device; a worker keeps its device and session while the test that it will run next may use it, else
gives it back at once and takes the first free one that fits. It resets the app before each test as we do, opens
sessions with the unmodified Appium client, and writes rows as our trace has them.

Environment: `POOL_URL` names the server of the devices, which are those of `device_farm.yml` in the current folder;
`POOL_FOLDER` receives locks and rows.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout

from pytest_autorl.farm.config import load_farm
from pytest_autorl.farm.providers.virtual import capabilities
from pytest_autorl.farm.requirement import Requirement, eligible

#: How often it looks again, seconds: filelock does every 50 ms, and all times of the suite are scaled down too.
RETRY_S = 0.005


class Pool:
    """What this worker holds, and how it gets it."""

    def __init__(self, url: str, folder: Path) -> None:
        self._folder = folder
        self._url = url
        self._devices = {device.id: device for device in load_farm(Path("device_farm.yml"), {}).devices}
        self._fitting = cache(self._fitting_of)
        self._lock: FileLock | None = None
        self._driver: Any = None
        self.device = ""
        self.begun_s = self.setup_s = 0.0

    def need(self, item: pytest.Item) -> Requirement:
        """What a test asks for."""
        marker = item.get_closest_marker("device")
        return Requirement.from_marker((), marker.kwargs if marker else {})

    def _fitting_of(self, need: Requirement) -> tuple[str, ...]:
        return tuple(device.id for device in eligible(self._devices.values(), need))

    def take(self, need: Requirement) -> Any:
        """A driver of a device that fits: the one at hand, else of the first that is free."""
        if self.device not in self._fitting(need):
            self.give()
            self._lock, self.device = self._first_free(need)
        self.begun_s = time.time()
        if self._driver is None:
            self._driver = self._open()
        self._driver.execute_script("autorl: reset", {"policy": "app", "backend": True})
        self.setup_s = time.time() - self.begun_s
        return self._driver

    def _first_free(self, need: Requirement) -> tuple[FileLock, str]:
        while True:
            for name in self._fitting(need):
                lock = FileLock(self._folder / f"{name}.lock")
                with contextlib.suppress(Timeout):
                    lock.acquire(timeout=0)
                    return lock, name
            time.sleep(RETRY_S)

    def _open(self) -> Any:
        from appium import webdriver
        from appium.options.common import AppiumOptions

        options = AppiumOptions().load_capabilities(capabilities(self._devices[self.device]))
        return webdriver.Remote(command_executor=self._url, options=options)

    def give(self) -> None:
        """Give back what is held, if anything."""
        if self._driver is not None:
            self._driver.quit()
        if self._lock is not None:
            self._lock.release()
        self._driver, self._lock, self.device = None, None, ""

    def give_unless_next(self, following: pytest.Item | None) -> None:
        """Keep the device only for a test that may use it."""
        if following is None or self.device not in self._fitting(self.need(following)):
            self.give()


_pool = pytest.StashKey[Pool]()
_need = pytest.StashKey[Requirement]()


def pytest_configure(config: pytest.Config) -> None:
    """One pool for each worker."""
    config.stash[_pool] = Pool(os.environ["POOL_URL"], Path(os.environ["POOL_FOLDER"]))


@pytest.fixture
def driver(request: pytest.FixtureRequest) -> Any:
    """An Appium driver on a device that fits the test's marker."""
    pool = request.config.stash[_pool]
    need = request.node.stash[_need] = pool.need(request.node)
    return pool.take(need)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Any:
    """After function-scoped teardown: write the row, then keep the device or give it back."""
    result = yield
    pool = item.config.stash[_pool]
    if pool.device and _need in item.stash:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        row = {
            "run": "stock",
            "test": item.nodeid,
            "module": item.nodeid.partition("::")[0],
            "devices": [pool.device],
            "class": item.stash[_need].key,
            "attempt": 1,
            "outcome": "passed",
            "blame": None,
            "worker": worker,
            "start": pool.begun_s,
            "end": time.time(),
            "setup": pool.setup_s,
            "fixture": 0.0,
        }
        rows = Path(os.environ["POOL_FOLDER"]) / f"rows-{worker}.jsonl"
        with rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    pool.give_unless_next(nextitem)
    return result


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    config.stash[_pool].give()
