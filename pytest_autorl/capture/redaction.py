"""Reports of tests and of collection: redacted when they are made, and before anybody else hears of them.

When they are made: within all others that look at a new report, allure-pytest and xdist among them. Before they are
handed out: for what was added since, by other plugins or as the text of a subtest. Under xdist that is the worker, so
nothing raw crosses to the controller; there only those are left that xdist makes itself, for workers that died.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_autorl.capture.guard import Guard
from pytest_autorl.capture.report_text import is_bare, redact_trace

#: Put on a worker's reports: the controller need not look again.
MARK = "autorl_is_redacted"


class ReportRedaction:
    """See the module.

    Args:
        is_worker: Of xdist: what it has redacted is marked so.
    """

    def __init__(self, guard: Guard, *, is_worker: bool) -> None:
        self._guard = guard
        self._is_worker = is_worker

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """What the test logs has the numbers of its report."""
        self._guard.test = nodeid

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Innermost: before anybody who looks at it."""
        self._guard.test = item.nodeid
        report = yield
        if not is_bare(report):
            self._guard.clean(report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Before it is counted, written or sent."""
        if is_bare(report) or MARK in report.__dict__:
            return
        self._guard.clean(report)
        if self._is_worker:
            report.__dict__[MARK] = True

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """The same for what is collected."""
        report = yield
        self._guard.clean(report)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Others may have added to it."""
        self._guard.clean(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excrepr: Any) -> None:
        """JUnit keeps its text."""
        redact_trace(excrepr, self._guard.redactor)
