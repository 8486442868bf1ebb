"""What a test's reports carry for us: its devices, the attempt for the trace, artefacts of a failure.

Runs where tests run (one process, or xdist's workers). What the controller needs travels on the teardown report
as plain data, in the attribute `autorl`.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import pytest

from pytest_autorl.capture.artefacts import failure_section
from pytest_autorl.dispatch.trace import Attempt
from pytest_autorl.errors import AutorlError
from pytest_autorl.needs import need_key, roots_of
from pytest_autorl.run import Run, TestRecord

_record_key = pytest.StashKey[TestRecord]()


class AttemptReports:
    """Keeps the record of the test that runs now."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin a record; a test that cannot run ends here, as an ERROR with the reason."""
        roots = frozenset(roots_of(item))
        record = TestRecord(nodeid=item.nodeid, begun_s=time.time(), roots=roots)
        item.stash[_record_key] = self._run.current = record
        need = item.stash.get(need_key, None)
        if need is not None and need.problem is not None:
            raise need.problem

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Outermost, so that the outcome is final (xfail, skip) when it is read."""
        report = yield
        record = item.stash.get(_record_key, None)
        if record is None:
            return report
        if call.when == "setup":
            record.set_up_s = time.time()
            self._run.handles_of(record)
        if report.failed:
            record.outcome, record.blame = "failed", record.blame or blame_of(call.excinfo)
            if (
                call.when == "setup"
                and call.excinfo is not None
                and isinstance(call.excinfo.value, AutorlError)
            ):
                # The text says it all; a traceback through the plugin would only bury it.
                report.longrepr = call.excinfo.getrepr(style="value")
        elif report.skipped and record.outcome == "passed":
            record.outcome = "skipped"
        if call.when != "teardown" and (report.failed or is_expected_failure(report)):
            self._add_failure(item, record, report)
        need = item.stash.get(need_key, None)
        if call.when == "setup" and need is not None and need.problem is not None:
            report.autorl_problem = str(need.problem)  # type: ignore[attr-defined]  # as below
        if call.when == "teardown":
            attempt = self._attempt(item, record)
            if attempt is not None:
                report.autorl = attempt.to_wire()  # type: ignore[attr-defined]  # xdist carries attributes along
            self._run.current = None
        return report

    def _add_failure(self, item: pytest.Item, record: TestRecord, report: pytest.TestReport) -> None:
        handles = self._run.handles_of(record)
        if handles:
            section = failure_section(self._run.sink, handles, test=item.nodeid, attempt=1)
            report.sections.append(("autorl", section))

    def _attempt(self, item: pytest.Item, record: TestRecord) -> Attempt | None:
        handles = self._run.handles_of(record)
        if not handles:
            return None
        own = bool(record.grants)
        start_s = record.grants[0].granted_at_s if own else record.begun_s
        end_s = record.released_s if own and record.released_s is not None else time.time()
        session_s = sum(handle.session_s for handle in handles) if own else 0.0
        fixtures_s = max(0.0, (record.set_up_s or end_s) - start_s)
        need = item.stash.get(need_key, None)
        requirement = need.requirement if need is not None else None
        if requirement is None and own:
            requirement = record.grants[0].requirement
        return Attempt(
            test=item.nodeid,
            module=item.nodeid.partition("::")[0],
            devices=tuple(handle.id for handle in handles),
            need=requirement.key if requirement is not None else "any",
            attempt=1,
            outcome=record.outcome,
            blame=record.blame,
            worker=self._run.worker,
            start_s=start_s,
            end_s=end_s,
            setup_s=min(end_s - start_s, max(fixtures_s, session_s)),
            fixture_s=max(0.0, fixtures_s - session_s),
            waited_s=record.grants[0].waited_s if own else 0.0,
        )


def blame_of(excinfo: pytest.ExceptionInfo[BaseException] | None) -> str:
    """Whose fault a failure is: as the error of ours in its chain says, else the test's."""
    error: BaseException | None = excinfo.value if excinfo is not None else None
    for _ in range(20):  # a chain may be made to loop
        if error is None:
            break
        if isinstance(error, AutorlError):
            return error.blame
        error = error.__cause__ or error.__context__
    return "test"


def is_expected_failure(report: pytest.TestReport) -> bool:
    """Whether the test failed as its `xfail` says. pytest reports that as skipped, with the reason."""
    return report.skipped and hasattr(report, "wasxfail")


def wire_of(report: Any) -> dict[str, Any] | None:
    """The attempt that a report carries; None for most reports."""
    wire = getattr(report, "autorl", None)
    return wire if isinstance(wire, dict) else None


def problem_of(report: Any) -> str:
    """Why the report's test could not run at all; "" for one that ran."""
    return str(getattr(report, "autorl_problem", ""))
