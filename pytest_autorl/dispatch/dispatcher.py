"""Dispatch by device, in xdist's controller: when it is used, and its hooks.

Used where a farm is, and the user chose no ``--dist``. Otherwise, and where this xdist or pytest cannot be used,
xdist distributes as it does, and tests ask for their devices themselves. A conftest or plugin chooses too: with a
scheduler of its own (``pytest_xdist_make_scheduler``), or by the option that it sets.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import pytest

from pytest_autorl import private_api
from pytest_autorl.dispatch import xdist_api
from pytest_autorl.dispatch.broker import Patience
from pytest_autorl.dispatch.choice import has_changed, has_chosen
from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.ledger import Ledger
from pytest_autorl.dispatch.lookout import Sight
from pytest_autorl.dispatch.scheduler import DeviceScheduling
from pytest_autorl.dispatch.workers import ORDERED
from pytest_autorl.errors import AutorlError
from pytest_autorl.farm.slots import slots_of
from pytest_autorl.resilience.budget import Budgets
from pytest_autorl.run import Run


def why_stock(config: pytest.Config) -> str | None:
    """Why xdist is left to distribute: None when it is not; "" for the user's choice, which needs no word."""
    if has_chosen(config):
        return ""
    return xdist_api.why_not() or private_api.why_not() or None


class Dispatcher:
    """Hooks of the controller.

    Args:
        ledger: See `ledger.Ledger`.
    """

    def __init__(self, run: Run, ledger: Ledger) -> None:
        self._run = run
        self._ledger = ledger
        self._scheduling: DeviceScheduling | None = None
        #: Whether others distribute; known when the first worker is configured.
        self._stands_aside: bool | None = None
        self._has_dispatched = False

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """A worker is about to be started. It is told whose orders it runs by, so now is the time to know."""
        if self._stands_aside is None:
            self._stands_aside = has_changed(node.config) or xdist_api.other_scheduler(node.config, self)
        if self._stands_aside:
            return
        node.workerinput[ORDERED] = True
        xdist_api.intercept(node)

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> DeviceScheduling | None:
        """Ours, unless another was chosen."""
        if self._stands_aside:
            return None
        settings, farm = self._run.settings, self._run.farm
        self._scheduling = DeviceScheduling(
            config,
            numnodes=xdist_api.count_workers(config),
            devices=[device.id for device in farm.devices],
            slots=slots_of(farm, self._run.identity.run_id),
            estimates=self._estimates(),
            patience=Patience(
                wait_s=settings.wait,
                is_for_unfit=settings.unhealthy == "wait",
                reruns=self._run.reruns,
            ),
            budgets=lambda tests: Budgets(tests, settings.retry_budget),
            run_id=self._run.identity.run_id,
            look=self._look,
            begin=self._run.begin_once,
            ledger=self._ledger,
            stock=lambda: xdist_api.stock_scheduling(config, log),
        )
        self._run.estimates = self._scheduling.estimates
        self._run.whys, self._run.outages = self._scheduling.whys, self._scheduling.outages
        return self._scheduling

    def _estimates(self) -> Estimates:
        try:
            history = self._run.history
            return Estimates(history.estimates(), ran=history.ran())
        except AutorlError:
            return Estimates()  # a state that cannot be used is told by the tests that need it

    def _look(self) -> Sight:
        at_s = time.monotonic()
        seen = self._run.look_around()
        return Sight(at_s=at_s) if seen is None else Sight(at_s=at_s, states=seen[0], waiting=seen[1])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        """Where others distribute, this is the latest call before the first test."""
        if self._stands_aside and not self._has_dispatched:
            self._run.begin(time.time())

    def pytest_runtest_logstart(self) -> None:
        """Tests run: the zero stands."""
        self._has_dispatched = True

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Last: what others make of it is done."""
        if self._scheduling is not None:
            self._scheduling.on_report(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Around xdist's: what it leaves without a verdict gets one, unless the run was broken off."""
        try:
            result = yield
        except BaseException:
            if self._scheduling is not None:
                self._scheduling.stop(is_broken_off=True)
            raise
        if self._scheduling is not None:
            self._scheduling.end("the run came to its end before: no worker was left that could run it")
        return result

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Nothing is looked at any more."""
        if self._scheduling is not None:
            self._scheduling.stop()
