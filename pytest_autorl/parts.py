"""The plugins of which this process's part in a run is made, each registered when it is first needed.

A suite that asks for nothing of ours gets none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autorl import private_api
from pytest_autorl.run import Run

if TYPE_CHECKING:
    from pytest_autorl.attempts.abort import Abort
    from pytest_autorl.attempts.courier import Teller
    from pytest_autorl.attempts.earlier import Earlier
    from pytest_autorl.attempts.failures import Failures
    from pytest_autorl.attempts.trial import Trials
    from pytest_autorl.capture.results import Results
    from pytest_autorl.capture.retries import Retries


#: Where pytest keeps the options with which it runs no test.
_SHOWS = (
    *("help", "version", "markers"),
    *("showfixtures", "show_fixtures_per_test", "collectonly", "setupplan"),
)


class Parts:
    """See the module.

    Args:
        fixtures: What the header says of the plain fixture names.
    """

    def __init__(self, config: pytest.Config, run: Run, fixtures: str) -> None:
        self._config = config
        self._run = run
        self._fixtures = fixtures
        self._retries: Retries | None = None
        self._abort: Abort | None = None

    def add_all(self) -> None:
        """What is known to be needed before any test is."""
        run = self._run
        if run.config is None:
            if run.role == "controller":
                self._config.pluginmanager.register(_Doorman(self), "autorl-doorman")
            elif run.settings.abort_on_critical:
                self._add_failures()
            return
        if run.role == "worker":
            self.add_reports()
            self._add_loop()
            return
        results = self._add_results()
        if run.role == "controller":
            self._add_dispatch(results)
        else:
            self.add_reports()

    # -- where tests run ---------------------------------------------------------------------------------------

    def meet_needs(self) -> None:
        """Tests need devices; those that lose them run again. Called as `add_attempts` is."""
        self.add_reports()
        if self._run.role == "single" and self._run.config is not None:
            self._launch()
        if self._run.config is not None and self._run.reruns:
            self.add_attempts()

    def _launch(self) -> None:
        """Servers of simulated devices come up meanwhile, unless pytest only shows something."""
        if not any(getattr(self._config.option, name, None) for name in _SHOWS):
            self._run.launch()

    def add_reports(self) -> None:
        """What tests with devices say of them."""
        if self._run.role == "controller" or self._config.pluginmanager.has_plugin("autorl-reports"):
            return
        from pytest_autorl.capture.reports import AttemptReports

        reports = AttemptReports(self._run, self._failures)
        self._config.pluginmanager.register(reports, "autorl-reports")

    def _add_failures(self) -> None:
        """Every failure is looked at, though no test needs a device."""
        from pytest_autorl.attempts.failures import FailureReports

        self._config.pluginmanager.register(FailureReports(self._failures), "autorl-failures")

    def add_attempts(self) -> None:
        """Tests may be run again. Called when the suite is collected: what comes last is put around all others'."""
        from pytest_autorl.dispatch import workers

        run, manager = self._run, self._config.pluginmanager
        if run.role == "controller" or manager.has_plugin("autorl-again") or private_api.why_not():
            return
        if workers.is_ordered(self._config):
            return  # its loop sees to that
        from pytest_autorl.attempts.again import Again

        may_lose = run.reruns and run.config is not None
        again = Again(run, self._trials, self._teller(), may_lose=may_lose)
        manager.register(again.inner, "autorl-attempt")
        manager.register(again, "autorl-again")

    @cached_property
    def _failures(self) -> Failures:
        from pytest_autorl.attempts.failures import Failures
        from pytest_autorl.hooks import classification
        from pytest_autorl.resilience.classify import ErrorClassifier

        # While nothing fails, nobody has to look at each report.
        on_first = self.add_retries if self._run.role != "worker" else lambda: None
        return Failures(ErrorClassifier(classification(self._config)), on_first)

    @cached_property
    def _trials(self) -> Trials:
        from pytest_autorl.attempts.trial import Trials

        return Trials(self._run, self._failures)

    def _teller(self) -> Teller:
        """Who is told of attempts that others follow."""
        results = self._config.pluginmanager.get_plugin("autorl-results")
        if results is not None:
            return results  # type: ignore[no-any-return]
        if self._run.role != "worker":
            return _Late(self)
        from pytest_autorl.attempts.courier import Sender

        sender = Sender()
        self._config.pluginmanager.register(sender, "autorl-sender")
        return sender

    def _add_loop(self) -> None:
        """A worker runs what it is ordered to, where its controller gives orders."""
        from pytest_autorl.dispatch import workers

        if not workers.is_ordered(self._config):
            return
        from pytest_autorl.dispatch.loop import DeviceLoop
        from pytest_autorl.dispatch.xdist_api import Line

        loop = DeviceLoop(self._run, Line(self._config), self._trials)
        self._config.pluginmanager.register(loop, "autorl-loop")

    # -- where results are told --------------------------------------------------------------------------------

    def add_retries(self) -> Retries:
        """Some test has taken several attempts, or may."""
        if self._retries is None:
            from pytest_autorl.capture.retries import Retries

            self._retries = Retries(self._run, self._config)
            self._config.pluginmanager.register(self._retries, "autorl-retries")
            if self._run.settings.abort_on_critical:
                from pytest_autorl.attempts.abort import Abort

                self._abort = Abort(self._config)
                self._config.pluginmanager.register(self._abort, "autorl-abort")
        return self._retries

    def let_in(self, report: pytest.TestReport) -> None:
        """A worker tells of attempts, and nobody is there yet to hear it. Those who come now hear the next ones."""
        from pytest_autorl.attempts.courier import Receiver

        retries = self.add_retries()
        receiver = Receiver(retries)
        self._config.pluginmanager.register(receiver, "autorl-receiver")
        receiver.pytest_runtest_logreport(report)
        retries.pytest_runtest_logreport(report)
        if self._abort is not None:
            self._abort.pytest_runtest_logreport(report)

    def _add_results(self) -> Results:
        from pytest_autorl.capture.results import Results

        results = Results(self._run, self._run.farm, self._fixtures, self.add_retries())
        self._config.pluginmanager.register(results, "autorl-results")
        return results

    def _add_dispatch(self, results: Results) -> None:
        """The parts of xdist's controller."""
        from pytest_autorl.attempts.courier import Receiver
        from pytest_autorl.dispatch import dispatcher, workers
        from pytest_autorl.dispatch.xdist_api import count_workers

        config, run = self._config, self._run
        workers.refuse_remote_workers(config)
        run.worker_count = count_workers(config)
        self._launch()  # workers are told where the servers are, so they wait for them
        why = results.why_stock = dispatcher.why_stock(config)
        config.pluginmanager.register(workers.Controller(run, is_by_order=why is None), "autorl-workers")
        if why is None:
            config.pluginmanager.register(dispatcher.Dispatcher(run, results), "autorl-dispatcher")
        config.pluginmanager.register(Receiver(results), "autorl-receiver")


class _Late:
    """Has those come who tell of attempts when there is one to tell of."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def again(self, nodeid: str, earlier: Earlier, facts: Sequence[Mapping[str, Any]]) -> None:
        """See `courier.Teller`."""
        self._parts.add_retries().again(nodeid, earlier, facts)


class _Doorman:
    """In a controller, which does not know its tests: lets in those who tell of attempts once there is one to tell."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._has_come = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The first report that carries anything."""
        if self._has_come or "autorl" not in report.__dict__:
            return
        self._has_come = True
        self._parts.let_in(report)
