"""One attempt of a test whose reports are kept back until it is known whether another follows."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_autorl import private_api
from pytest_autorl.attempts.earlier import Earlier
from pytest_autorl.attempts.failures import Failures
from pytest_autorl.attempts.late_teardown import tear_down_late
from pytest_autorl.attempts.policies import policy_key
from pytest_autorl.attempts.rivals import idle_plugins
from pytest_autorl.facts import tell, told
from pytest_autorl.record import TestRecord, record_key
from pytest_autorl.resilience.decide import Chances, Decision, Failure, decide
from pytest_autorl.resilience.info import ErrorInfo
from pytest_autorl.run import Run


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of an attempt.

    Attributes:
        reports: In the order in which they came, those of subtests among them.
        error: What went wrong first; None when nothing did.
        devices: Ids of those that it had.
        suspects: Those of them that made it fail, see `TestRecord.suspects`.
    """

    reports: list[pytest.TestReport]
    decision: Decision
    error: ErrorInfo | None = None
    devices: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Whether anything went wrong."""
        return any(report.failed for report in self.reports)

    @property
    def is_flaky(self) -> bool:
        """Whether its test is flaky should it pass later: its own fault was it, and not the infrastructure's."""
        return self.decision.kind == "retry" and self.error is not None and not self.error.is_infrastructure

    @property
    def facts(self) -> list[dict[str, Any]]:
        """What its reports carry for the controller, see `told`."""
        return [dict(told(report)) for report in self.reports]

    def earlier(self, *, number: int, worker: str) -> Earlier:
        """What is to be told of it where another follows."""
        assert self.decision.kind is not None
        needs = [facts["attempt"]["need"] for facts in self.facts if "attempt" in facts]
        return Earlier(
            kind=self.decision.kind,
            number=number,
            devices=self.devices,
            worker=worker,
            need=needs[-1] if needs else "",
            error=self.error,
            delay_s=self.decision.delay_s,
            start_s=min(report.start for report in self.reports),
            stop_s=max(report.stop for report in self.reports),
        )


class Trials:
    """Runs attempts.

    Nobody has seen a report of an attempt until `publish` hands it out. A plugin that reports by itself, past the
    test's own hooks, cannot be held: what it has said stands, and its attempt is the last.
    """

    def __init__(self, run: Run, failures: Failures) -> None:
        self._run = run
        self._failures = failures

    def note(self, report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
        """A report that was made past the hooks: what it says is classified as any other."""
        self._failures.note(report, call)

    def _goes_out(self, report: pytest.TestReport) -> bool:
        # Where xdist feeds a worker, this is all that is heard of a test over which it dies.
        is_fed = self._run.role == "worker" and not self._run.is_ordered
        return is_fed and report.when == "setup" and report.passed

    def run(
        self, item: pytest.Item, nextitem: Any, chances: Chances, *, number: int, is_flaky: bool = False
    ) -> Trial:
        """An attempt, from set-up to teardown, between pytest's start and finish of it.

        Args:
            number: Which attempt of its test it is, from 1 on.
            is_flaky: An attempt before it failed by itself.
        """
        failures: list[Failure] = []

        def note(report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
            failure = self._failures.note(report, call)
            if failure is not None:
                failures.append(failure)

        # pytest counts the failures that were reported: it costs nothing to see whether one has gone out.
        reported = item.session.testsfailed
        properties = [*item.user_properties]
        kept: list[pytest.TestReport] = []

        def is_kept(report: pytest.TestReport) -> bool:
            # The set-up of a test is told once, with its first attempt.
            if number == 1 and self._goes_out(report):
                return False
            kept.append(report)
            return True

        try:
            reports = private_api.run_attempt(item, nextitem, note, is_kept)
        except BaseException:
            # Broken off, by an interrupt or `pytest.exit`. Of a later attempt nothing is told: the one before stands.
            if number == 1:
                publish(item, kept)
            raise
        if number > 1 and len(reports) > 1 and self._goes_out(reports[0]):
            _merge(reports)
        has_leaked = item.session.testsfailed > reported
        trial = self._judged(item, reports, [] if has_leaked else failures, chances, number=number)
        if trial.decision.kind is not None:
            item.user_properties[:] = properties  # the reports have theirs; the next attempt notes its own
        if trial.decision.refused:
            tell(reports[-1], not_retried=trial.decision.refused)
        if self._run.allure_is_active:
            _tell_allure(trial, is_flaky=is_flaky)
        return trial

    def _judged(
        self,
        item: pytest.Item,
        reports: list[pytest.TestReport],
        failures: Sequence[Failure],
        chances: Chances,
        *,
        number: int,
    ) -> Trial:
        if not failures:
            return Trial(reports=reports, decision=Decision())
        record = item.stash.get(record_key, None)
        devices = _devices(record)
        decision = decide(
            failures,
            item.stash.get(policy_key, None),
            chances,
            had_devices=bool(devices),
            draw=random.Random(f"{self._run.identity.seed}/{item.nodeid}/{number}").random,
        )
        return Trial(
            reports=reports,
            decision=decision,
            error=failures[0].info,
            devices=devices,
            suspects=tuple(record.suspects) if record is not None else (),
        )


def _tell_allure(trial: Trial, *, is_flaky: bool) -> None:
    """While its result is open: until pytest's finish of the test."""
    from pytest_autorl.capture.allure import mark_flaky, note_severity

    if trial.error is not None:
        note_severity(trial.error)
    elif is_flaky and not trial.has_failed:
        mark_flaky()


def _merge(reports: list[pytest.TestReport]) -> None:
    """The first report goes, and what it says of the run with the next one."""
    first = reports.pop(0)
    facts = {name: value for name, value in told(first).items() if name != "begun"}
    if facts:
        tell(reports[0], **{**facts, **told(reports[0])})


def stand_in(item: pytest.Item, siblings: Sequence[pytest.Item] = ()) -> Any:
    """For the next test: one that shares everything with this one but the test itself.

    For pytest only its chain of collectors matters, others read more of it. A test that is alone in its class or module
    is followed by a copy of itself.
    """
    for other in siblings:
        if other is not item:
            return other
    try:
        return copy.copy(item)
    except Exception:  # somebody's own kind of test
        return item.parent


def clear_up(item: pytest.Item, trial: Trial, steps: Sequence[Callable[[], None]]) -> None:
    """End what the next attempt must not find. What goes wrong there is a failure of the attempt that leaves it."""
    for step in steps:
        call = tear_down_late(item, step)
        if call.excinfo is not None:
            trial.reports.append(pytest.TestReport.from_item_and_call(item, call))


def add_teardown(reports: list[pytest.TestReport], report: pytest.TestReport) -> None:
    """A failed teardown of what the test shares: it takes the place of the test's own where that went well."""
    own = reports[-1]
    if own.when != "teardown" or own.failed:
        reports.append(report)
        return
    tell(report, **{**told(own), **told(report)})
    report.user_properties = [*own.user_properties]
    report.sections = [*own.sections, *(each for each in report.sections if each not in own.sections)]
    reports[-1] = report


def publish(item: pytest.Item, reports: Sequence[pytest.TestReport]) -> None:
    """Hand out what was kept back."""
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)


def bare(reports: Sequence[pytest.TestReport]) -> Sequence[pytest.TestReport]:
    """The reports without what was told of them already; with what makes them failures."""
    for report in reports:
        facts = told(report)
        for name in [name for name in facts if name != "error"]:
            del facts[name]
        tell(report, was_told=True)
    return reports


def ask_others(item: pytest.Item, nextitem: Any, ours: Sequence[object]) -> object | None:
    """Have others run the test who want to, as plugins that run a failed one again; None when nobody has.

    They come before pytest's own runner, so before us, who are in its place. Wrappers run about us all.

    Args:
        ours: Plugins of ours that answer this hook.
    """
    manager = item.config.pluginmanager
    mine = (*ours, manager.get_plugin("runner"), *idle_plugins(item))
    others = [
        one.plugin
        for one in item.ihook.pytest_runtest_protocol.get_hookimpls()
        if not (one.wrapper or one.hookwrapper or one.plugin in mine)
    ]
    if not others:
        return None
    rest = [plugin for plugin in manager.get_plugins() if plugin not in others]
    hook = manager.subset_hook_caller("pytest_runtest_protocol", rest)
    answer: object | None = hook(item=item, nextitem=nextitem)
    return answer


def _devices(record: TestRecord | None) -> tuple[str, ...]:
    if record is None or record.is_refused:
        return ()
    return tuple(handle.id for handle in record.handles)
