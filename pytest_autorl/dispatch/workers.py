"""xdist: what the controller gives its workers, and what a worker does with it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autorl.errors import AutorlError, StateError, UsageError
from pytest_autorl.run import Run

if TYPE_CHECKING:
    from pytest_autorl.identity import RunIdentity

#: Key in xdist's `workerinput`.
_KEY = "autorl"
_PARENT = "autorl_parent"
#: The worker is to run what it is ordered to.
ORDERED = "autorl_is_ordered"


class Controller:
    """Hooks of the controller; registered only where xdist runs workers.

    Args:
        is_by_order: Dispatch is ours: it knows when its first test is sent.
    """

    def __init__(self, run: Run, *, is_by_order: bool = False) -> None:
        self._run = run
        self._is_by_order = is_by_order
        self._has_dispatched = False
        self._identity: dict[str, Any] | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Start what all share, once, and tell each worker, replacements included."""
        if self._identity is None:
            try:
                identity = self._run.identity
                if self._run.config is not None:
                    identity = self._run.start_providers()
                    _ = self._run.store  # looked at for damage and for what others left, before workers come
                    self._run.checkups.start_when(self._run.store.has_company)
            except AutorlError as error:
                raise pytest.UsageError(f"autorl: {error}") from error
            self._identity = dataclasses.asdict(identity)
        node.workerinput[_KEY] = self._identity
        node.workerinput[_PARENT] = os.getpid()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self) -> None:
        """A worker has ended. Whatever it held, if it died, is taken over at once: nobody waits for a time-out."""
        if self._run.config is not None:
            with contextlib.suppress(StateError):  # the next who waits looks too
                self._run.store.reap()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """xdist dispatches right after the last worker has collected: the latest call before the first test."""
        if not self._has_dispatched and not self._is_by_order:
            self._run.begin(time.time())

    def pytest_runtest_logstart(self) -> None:
        """Tests run: the zero stands."""
        self._has_dispatched = True


def auto_workers(device_count: int, env: Mapping[str, str]) -> int | None:
    """``-n auto`` with a farm: no fewer workers than devices, since a test mostly waits for its device.

    None leaves the number to xdist: without devices, or where its own variable says it.
    """
    if not device_count or env.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(cpus, device_count)


def identity_of_worker(config: pytest.Config) -> RunIdentity | None:
    """What the controller told this worker; None outside a worker, or when the controller lacks the plugin."""
    told = getattr(config, "workerinput", {}).get(_KEY)
    if not told:
        return None
    from pytest_autorl.identity import RunIdentity

    return RunIdentity(**told)


def parent_of_worker(config: pytest.Config) -> int | None:
    """Process id of the controller, told to a worker; None elsewhere."""
    return getattr(config, "workerinput", {}).get(_PARENT)


def count_of_worker(config: pytest.Config) -> int:
    """How many workers there are, as xdist told this one; 1 elsewhere."""
    return int(getattr(config, "workerinput", {}).get("workercount", 1))


def is_ordered(config: pytest.Config) -> bool:
    """Whether this worker's controller dispatches by device."""
    return bool(getattr(config, "workerinput", {}).get(ORDERED))


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is one of xdist's workers."""
    return hasattr(config, "workerinput")


def is_controller(config: pytest.Config) -> bool:
    """Whether this process drives xdist's workers.

    Asked before xdist has registered its session, so this repeats xdist's own condition for doing so.
    """
    if is_worker(config) or config.getoption("collectonly", default=False):
        return False
    return config.getoption("dist", default="no") != "no" and bool(config.getoption("tx", default=None))


def refuse_remote_workers(config: pytest.Config) -> None:
    """Raise UsageError for workers on other hosts: leases of this version are of one host."""
    specs = [str(spec) for spec in config.getoption("tx", default=None) or []]
    remote = [spec for spec in specs if not spec.rpartition("*")[2].startswith("popen")]
    if remote:
        raise UsageError(f"--tx {remote[0]} with a device farm: workers must be on this host", do="use -n")
