"""What a test's reports carry for us: its devices, the attempt for the trace, artefacts of a failure.

Runs where tests run (one process, or xdist's workers). What the controller needs travels on the reports as plain
data, in the attribute `autorl`.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from typing import Any

import pytest

from pytest_autorl.attempts.failures import Failures
from pytest_autorl.capture import bounds
from pytest_autorl.capture.artefacts import Spot, Taker, failure_section
from pytest_autorl.capture.guard import Guard
from pytest_autorl.capture.lost import LEFT, to_wire
from pytest_autorl.capture.sink import Sink
from pytest_autorl.capture.stacks import HangWatch, is_hang
from pytest_autorl.dispatch.trace import Attempt
from pytest_autorl.errors import AutorlError, LeaseTimeoutError
from pytest_autorl.facts import tell, told
from pytest_autorl.farm.providers.base import Provider
from pytest_autorl.farm.requirement import Requirement, eligible
from pytest_autorl.identity import RunIdentity
from pytest_autorl.needs import need_key, roots_of
from pytest_autorl.privacy.masking import Masking
from pytest_autorl.record import TestRecord, record_key
from pytest_autorl.resilience.info import ErrorInfo
from pytest_autorl.run import Run
from pytest_autorl.settings import Settings


class AttemptReports:
    """Keeps the record of the test that runs now."""

    def __init__(self, run: Run, failures: Failures) -> None:
        self._run = run
        self._failures = failures
        self._taker: Taker | None = None
        self._watch = HangWatch()
        self._classes_told: set[str] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin a record for a test with a need; another one gets its own with its first grant, if ever."""
        need = item.stash.get(need_key, None)
        if need is None:
            self._run.seat.begin_plain_test(item)
            return
        record = TestRecord(
            nodeid=item.nodeid,
            begun_s=time.time(),
            number=self._run.seat.turn.number,
            is_refused=need.problem is not None,
        )
        self._run.seat.begin_test(item, record, roots_of(item).values())
        self._begin_artefacts(record)
        limit_s = hang_limit_s(item.config)
        if limit_s:
            self._watch.arm(limit_s, lambda: self._note_hang(record, limit_s))

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self) -> Generator[None, object, object]:
        """A device that was granted just now: what its server logs from here on is of this test."""
        result = yield
        if self._run.seat.current is not None:
            self._begin_artefacts(self._run.seat.current)
        return result

    def pytest_enter_pdb(self) -> None:
        """Who debugs a test does not hang."""
        self._watch.disarm()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Outermost, so that the outcome is final (xfail, skip) when it is read."""
        report = yield
        self._failures.note(report, call)
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
            if begun is not None and self._run.on_begun is not None:
                self._run.on_begun(begun.to_wire())
            elif begun is not None:
                tell(report, begun=begun.to_wire())
        if call.when == "teardown":
            self._end(item, record, report)
        elif record.handles and not record.is_refused:
            self._tell_allure(record)
            self._take_artefacts(record, report, call)
        return report

    @property
    def _artefacts(self) -> Taker:
        if self._taker is None:
            run = self._run
            self._taker = taker_of(
                run.sink, run.providers, run.identity, settings=run.settings, guard=run.guard
            )
        return self._taker

    def _begin_artefacts(self, record: TestRecord) -> None:
        handles = [] if record.is_refused else record.handles
        if handles:
            self._artefacts.begin(handles, spot_of(record))

    def _note_hang(self, record: TestRecord, limit_s: float) -> None:
        if self._run.seat.current is not record:
            return  # it has ended just now
        if record.handles:
            self._artefacts.note_hang(record.handles, spot_of(record))
        else:  # it still waits for its device
            self._watch.arm(limit_s, lambda: self._note_hang(record, limit_s))

    def _take_artefacts(
        self, record: TestRecord, report: pytest.TestReport, call: pytest.CallInfo[None]
    ) -> None:
        is_failure = report.failed or is_expected_failure(report)
        if not is_failure and not (self._run.settings.artefacts == "all" and call.when == "call"):
            return
        error = call.excinfo.value if call.excinfo is not None else None
        section = failure_section(
            self._artefacts,
            record.handles,
            spot_of(record),
            options=self._run.farm_options,
            is_hang=is_failure and is_hang(error),
        )
        report.sections.append(("autorl", section))

    def _note_outcome(
        self, item: pytest.Item, record: TestRecord, report: pytest.TestReport, call: pytest.CallInfo[None]
    ) -> None:
        if report.skipped and record.outcome == "passed":
            record.outcome = "skipped"
        if not report.failed:
            return
        if record.outcome != "failed":
            info = ErrorInfo.from_dict(told(report)["error"])
            record.outcome, record.blame = "failed", info.blame
            record.culprit, record.reason = info.device, info.reason
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
        self._watch.disarm()
        if self._taker is not None:
            self._taker.end()
            if self._taker.full_text:
                tell(report, artefacts_full=self._taker.full_text)
        self._run.seat.end_test()
        if self._run.role == "single":  # a worker's loop does it when the device is free again
            self._run.doubt(record.suspects)
        attempt = self._attempt(item, record)
        if attempt is not None:
            tell(report, attempt=attempt.to_wire())
            self._tell_class(item, record, report, attempt.need)
            # JUnit reads the properties of this last report.
            report.user_properties.append(("autorl_device", ", ".join(attempt.devices)))
        elif record.checks:
            tell(report, refused=record.checks)

    def _tell_class(self, item: pytest.Item, record: TestRecord, report: pytest.TestReport, key: str) -> None:
        """Which devices fit a class of needs, with the first attempt of it."""
        if key in self._classes_told:
            return
        self._classes_told.add(key)
        requirement = self._requirement(item, record)
        devices = self._run.farm.devices
        fitting = devices if requirement is None else eligible(devices, requirement)
        count = 1 if requirement is None else requirement.count
        tell(report, classes={key: ([device.id for device in fitting], count)})

    def _requirement(self, item: pytest.Item, record: TestRecord) -> Requirement | None:
        need = item.stash.get(need_key, None)
        requirement = need.requirement if need is not None else None
        if requirement is None and record.grants:
            requirement = record.grants[0].requirement
        return requirement

    def _attempt(self, item: pytest.Item, record: TestRecord) -> Attempt | None:
        """The attempt as it stands now."""
        requirement = self._requirement(item, record)
        key = requirement.key if requirement is not None else "any"
        return record.attempt(need=key, worker=self._run.worker, now_s=time.time())

    def _losses(self) -> list[dict[str, Any]]:
        return to_wire(self._run.fetch_losses(), self._run.identity.run_id)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """What no report can carry any more."""
        if self._run.losses and self._run.role == "worker":
            session.config.workeroutput[LEFT] = self._losses()  # type: ignore[attr-defined]


def taker_of(
    sink: Sink, providers: Mapping[str, Provider], identity: RunIdentity, *, settings: Settings, guard: Guard
) -> Taker:
    """Takes the artefacts of this process's tests."""
    # From the beginning of the run: a worker that replaces a dead one counts what was taken before.
    quota = bounds.Quota(sink.root / "artefacts", since_s=identity.begun_s, limit_bytes=bounds.RUN_BYTES)
    return Taker(
        sink,
        providers,
        quota,
        is_off=settings.artefacts == "off",
        redactor=guard,
        masking=Masking.of(settings.mask_selectors, status_bar=settings.mask_status_bar),
        mode=guard.mode,
    )


def spot_of(record: TestRecord) -> Spot:
    """Where the artefacts of a test belong."""
    return Spot(test=record.nodeid, attempt=record.number, begun_s=record.begun_s)


def hang_limit_s(config: pytest.Config) -> float:
    """pytest's own `faulthandler_timeout`, seconds: it shows Python's stacks then. 0 = none is set."""
    try:
        return float(config.getini("faulthandler_timeout") or 0.0)
    except ValueError:  # -p no:faulthandler
        return 0.0


def is_expected_failure(report: pytest.TestReport) -> bool:
    """Whether the test failed as its `xfail` says. pytest reports that as skipped, with the reason."""
    return report.skipped and hasattr(report, "wasxfail")
