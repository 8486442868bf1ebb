"""What a test's reports carry for us: its devices, the attempt for the trace, artefacts of a failure.

Runs where tests run (one process, or xdist's workers). What the controller needs travels on the reports as plain
data, in the attribute `autorl`.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import pytest

from pytest_autorl.capture.artefacts import failure_section
from pytest_autorl.capture.lost import LEFT, to_wire
from pytest_autorl.dispatch.trace import Attempt
from pytest_autorl.errors import AutorlError, LeaseTimeoutError
from pytest_autorl.needs import need_key, roots_of
from pytest_autorl.record import TestRecord, record_key
from pytest_autorl.run import Run


class AttemptReports:
    """Keeps the record of the test that runs now."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin a record for a test with a need; another one gets its own with its first grant, if ever."""
        need = item.stash.get(need_key, None)
        if need is None:
            self._run.begin_plain_test(item)
            return
        record = TestRecord(nodeid=item.nodeid, begun_s=time.time(), is_refused=need.problem is not None)
        self._run.begin_test(item, record, roots_of(item).values())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Outermost, so that the outcome is final (xfail, skip) when it is read."""
        report = yield
        if self._run.losses and self._run.role == "worker":
            # With whatever leaves first: this worker may be the next one to die.
            tell(report, losses=self._losses())
        record = item.stash.get(record_key, None)
        if record is None:
            return report
        if call.when == "setup":
            record.end_setup(time.time())
        self._note_outcome(item, record, report, call)
        if call.when == "setup" and self._run.role == "worker":
            begun = self._attempt(item, record)
            if begun is not None:
                tell(report, begun=begun.to_wire())
        if call.when == "teardown":
            self._end(item, record, report)
        elif record.handles and not record.is_refused:
            self._tell_allure(record)
            if report.failed or is_expected_failure(report):
                section = failure_section(
                    self._run.sink,
                    record.handles,
                    test=item.nodeid,
                    attempt=1,
                    options=self._run.farm_options,
                )
                report.sections.append(("autorl", section))
        return report

    def _note_outcome(
        self, item: pytest.Item, record: TestRecord, report: pytest.TestReport, call: pytest.CallInfo[None]
    ) -> None:
        if report.skipped and record.outcome == "passed":
            record.outcome = "skipped"
        if not report.failed:
            return
        record.outcome, record.blame = "failed", record.blame or blame_of(call.excinfo)
        error = call.excinfo.value if call.excinfo is not None else None
        if call.when == "setup" and call.excinfo is not None and isinstance(error, AutorlError):
            # The text says it all; a traceback through the plugin would only bury it.
            report.longrepr = call.excinfo.getrepr(style="value", chain=False)
            tell(report, gave_up=isinstance(error, LeaseTimeoutError))
        need = item.stash.get(need_key, None)
        if record.is_refused and need is not None:
            tell(report, problem=str(need.problem))

    def _tell_allure(self, record: TestRecord) -> None:
        ids = [handle.id for handle in record.handles]
        if self._run.allure_is_active and ids != record.told_allure:
            from pytest_autorl.capture.allure import note_devices

            note_devices([one for one in ids if one not in record.told_allure], ids)
            record.told_allure = ids

    def _end(self, item: pytest.Item, record: TestRecord, report: pytest.TestReport) -> None:
        self._run.end_test()
        attempt = self._attempt(item, record)
        if attempt is not None:
            tell(report, attempt=attempt.to_wire())
            # JUnit reads the properties of this last report.
            report.user_properties.append(("autorl_device", ", ".join(attempt.devices)))

    def _attempt(self, item: pytest.Item, record: TestRecord) -> Attempt | None:
        """The attempt as it stands now."""
        need = item.stash.get(need_key, None)
        requirement = need.requirement if need is not None else None
        if requirement is None and record.grants:
            requirement = record.grants[0].requirement
        key = requirement.key if requirement is not None else "any"
        return record.attempt(need=key, worker=self._run.worker, now_s=time.time())

    def _losses(self) -> list[dict[str, Any]]:
        return to_wire(self._run.fetch_losses(), self._run.identity.run_id)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """What no report can carry any more."""
        if self._run.losses and self._run.role == "worker":
            session.config.workeroutput[LEFT] = self._losses()  # type: ignore[attr-defined]


def blame_of(excinfo: pytest.ExceptionInfo[BaseException] | None) -> str:
    """Whose fault a failure is: as the error of ours in its chain says, else the test's."""
    error: BaseException | None = excinfo.value if excinfo is not None else None
    for _ in range(20):  # a chain may be made to loop
        if error is None:
            break
        if isinstance(error, AutorlError):
            return error.blame
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "test"


def is_expected_failure(report: pytest.TestReport) -> bool:
    """Whether the test failed as its `xfail` says. pytest reports that as skipped, with the reason."""
    return report.skipped and hasattr(report, "wasxfail")


def tell(report: pytest.TestReport, **facts: Any) -> None:
    """Put plain data for the controller on a report; xdist carries its attributes along."""
    report.__dict__.setdefault("autorl", {}).update(facts)


def told(report: Any) -> dict[str, Any]:
    """What `tell` put there, each where it applies.

    ``attempt`` at its end and ``begun`` after set-up (see `Attempt.to_wire`), ``losses`` (see `lost.to_wire`),
    ``problem``, ``gave_up``.
    """
    facts = report.__dict__.get("autorl")
    return facts if isinstance(facts, dict) else {}
