"""``--autorl-abort-on-critical``: the run ends with the first failure after which nothing can be trusted."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_autorl.facts import told
from pytest_autorl.resilience.info import ErrorInfo


class Abort:
    """See the module. Registered where results are told: in one process, or xdist's controller."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Last: the failure itself is told before."""
        if "autorl" not in report.__dict__:
            return
        error = told(report).get("error")
        if error is None:
            return
        info = ErrorInfo.from_dict(error)
        if info.is_critical:
            self._end(report, f"CRITICAL failure of {report.nodeid}: {info.text}")

    def _end(self, report: Any, why: str) -> None:
        if hasattr(report, "node"):  # a worker's
            from pytest_autorl.dispatch.xdist_api import MainLoop

            MainLoop(self._config).stop(why)
        else:
            self._config.pluginmanager.get_plugin("session").shouldfail = why  # type: ignore[union-attr]
