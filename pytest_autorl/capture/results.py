"""The results of a run, where it is told: header, trace, page, summary. One process or xdist's controller."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autorl import __version__
from pytest_autorl.attempts.earlier import Earlier
from pytest_autorl.capture import farm_page, terminal
from pytest_autorl.capture.lost import LEFT, Sent
from pytest_autorl.capture.retries import Retries
from pytest_autorl.capture.rows import Rows
from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.recorder import Recorder
from pytest_autorl.dispatch.review import Klass, Review, review
from pytest_autorl.dispatch.trace import FILE, Attempt
from pytest_autorl.errors import StateError
from pytest_autorl.facts import told
from pytest_autorl.farm.config import FarmConfig
from pytest_autorl.farm.device import Device, DeviceStatus
from pytest_autorl.farm.sample import HEALTH
from pytest_autorl.run import Run

if TYPE_CHECKING:
    from pytest_autorl.state.leases import DeviceState

_PAGE = "farm.html"
#: A run's outcome by pytest's exit code.
_OUTCOMES = {0: "passed", 1: "failed", 2: "interrupted", 5: "passed"}


class Results:
    """Gathers what reports carry, writes it through the sink and tells it on the terminal.

    Args:
        farm: The farm of the run.
        fixtures: What the header says of the plain fixture names.
        retries: Tells of attempts that others follow.
    """

    def __init__(self, run: Run, farm: FarmConfig, fixtures: str, retries: Retries) -> None:
        self._run = run
        self._farm = farm
        self._fixtures = fixtures
        self._retries = retries
        self._trace = Rows(run, self._writes)
        #: What each worker would write for Allure of the attempt that it runs, and when that began.
        self._stories: dict[str, tuple[Mapping[str, Any], float]] = {}
        #: What dead workers were told last, until it is known what becomes of that.
        self._orders: dict[str, Sent] = {}
        self._problems: list[tuple[str, str]] = []
        self._gave_up = 0
        #: Which devices were not fit in the course of the run, and which at its end; with why.
        self._found_unfit: Mapping[str, str] = {}
        self._kept_out: Mapping[str, str] = {}
        #: What health gates decided.
        self._checks: list[Mapping[str, Any]] = []
        self._has_begun = False
        #: What could not be written, by file.
        self._trouble: dict[str, str] = {}
        #: Why xdist distributes, see `dispatch.dispatcher.why_stock`.
        self.why_stock: str | None = None
        self._classes: dict[str, Klass] = {}
        self._recorder: Recorder | None = None
        self._review: Review | None = None
        #: Seconds of passed tests by themselves; those of tests with a device are known better.
        self._plain_s: dict[str, float] = {}
        self._source = f"virtual:{len(farm.devices)}" if farm.path is None else _short(farm.path, run.rootdir)

    def pytest_report_header(self) -> list[str]:
        """The farm of the run."""
        notes = [self._run.place.note]
        if self.why_stock:
            notes.append(f"tests are distributed as xdist does it, not by device: {self.why_stock}")
        return [*(f"autorl: {note}" for note in notes if note), *self._header()]

    def _header(self) -> list[str]:
        return terminal.header_lines(
            devices=self._farm.devices,
            source=self._source,
            statuses=self._statuses(),
            state=str(self._run.place.path),
            run_id=self._run.identity.run_id,
            seed=self._run.identity.seed,
            fixtures=self._fixtures,
        )

    def _statuses(self) -> dict[str, str]:
        """Status by device; of devices that belong to the run nobody else knows anything."""
        shared = [d for d in self._farm.devices if self._run.providers[d.provider].scope == "host"]
        found = {device.id: str(DeviceStatus.AVAILABLE) for device in self._farm.devices}
        if shared:
            try:
                states = self._run.device_states()
            except StateError:
                # The test that needs the device will say why.
                return {**found, **{device.id: "unknown" for device in shared}}
            found |= {device.id: str(states[device.id].status) for device in shared if device.id in states}
        return found

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        """The first test of a single process is the first dispatch; workers' runs begin in `dispatch.workers`."""
        if self._has_begun:
            return
        self._has_begun = True
        if self._run.zero_s is None:
            self._run.begin(time.time())
        # What an earlier run left must not be taken for this one's.
        for name in (FILE, _PAGE):
            self._writes(name, partial(self._run.sink.discard, name))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One row of the trace for each attempt that had a device."""
        if report.when == "call" and report.passed:
            self._plain_s[report.nodeid] = report.duration
        if "autorl" not in report.__dict__:
            return  # most reports: this is called three times for every test
        self._take(report.nodeid, told(report))

    def _take(self, nodeid: str, facts: Mapping[str, Any]) -> None:
        """What a report carried, see `told`."""
        if facts.get("problem"):
            self._problems.append((nodeid, facts["problem"]))
        self._gave_up += bool(facts.get("gave_up"))
        self._checks += facts.get("refused", ())
        if "artefacts_full" in facts:
            self._trouble["artefacts"] = facts["artefacts_full"]
        if "begun" in facts:
            self.begun(facts["begun"])
        for key, (devices, count) in facts.get("classes", {}).items():
            self._classes[key] = Klass(devices=frozenset(devices), count=count)
        if "losses" in facts:
            self._trace.lose(facts["losses"])
        if "attempt" in facts:
            attempt = Attempt.from_wire(facts["attempt"])
            self._checks += attempt.gate
            self._run.record(attempt)
            self._remember(attempt)
            self._trace.end(attempt)

    def _remember(self, attempt: Attempt) -> None:
        """How long it took, for later runs."""
        recorder = self._history_of_run()
        if recorder is None:
            return
        if attempt.outcome == "passed":
            work_s = attempt.end_s - attempt.start_s - attempt.setup_s
            recorder.note_passed(attempt.test, max(0.0, work_s), devices=attempt.devices)
        else:
            recorder.note_ran(attempt.test)

    def _history_of_run(self) -> Recorder | None:
        if self._recorder is None:
            with contextlib.suppress(StateError):
                identity = self._run.identity
                self._recorder = Recorder(
                    self._run.history, run_id=identity.run_id, begun_at_s=identity.begun_s
                )
        return self._recorder

    # -- what no report tells (`dispatch.ledger.Ledger`) ------------------------------------------------

    def starts(self, worker: str, allure: Mapping[str, Any]) -> None:
        """A worker begins an attempt; what Allure would know it by."""
        self._stories[worker] = allure, time.time()

    def begun(self, facts: Mapping[str, Any]) -> None:
        """A test's set-up has ended."""
        self._trace.begin(facts)

    def again(self, nodeid: str, earlier: Earlier, facts: Sequence[Mapping[str, Any]] = ()) -> None:
        """An attempt has failed, and another one follows; what its reports carried."""
        for each in facts:
            if "attempt" in each and earlier.kind == "loss":
                each = {**each, "attempt": {**each["attempt"], "outcome": "lost"}}
            self._take(nodeid, each)
        self._retries.again(nodeid, earlier)

    def dies(self, worker: str, order: Sent) -> None:
        """A worker has died over what it was told."""
        self._orders[worker] = order

    def crashed(self, worker: str, nodeid: str) -> None:
        """A worker has died over a test that runs again."""
        self._retries.again(nodeid, self._crash(worker, nodeid))

    def died_idle(self, worker: str) -> None:
        """A worker died when it ran no test: no verdict says so."""
        self._run.notes.append(f"worker {worker} died when it ran no test; no test was lost by that")

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Last, when the leases of a dead worker have been taken over. A worker that ended well has left its own."""
        self._trace.lose(getattr(node, "workeroutput", {}).get(LEFT, ()))
        self._trace.lose_own()

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: Any) -> None:
        """A worker has died over a test: that attempt is lost, if it had a device."""
        self._crash(report.node.gateway.id, crashitem)

    def _crash(self, worker: str, nodeid: str) -> Earlier:
        known, start_s = self._stories.pop(worker, ({}, 0.0))
        attempt = self._trace.crash(
            worker,
            nodeid,
            number=self._retries.next_number(nodeid),
            order=self._orders.pop(worker, None),
        )
        found = Earlier(kind="crash", number=self._retries.next_number(nodeid), worker=worker)
        if attempt is not None:
            start_s = start_s or attempt.start_s
            found = replace(found, number=attempt.attempt, devices=attempt.devices, need=attempt.need)
        found = replace(found, start_s=start_s, stop_s=time.time())
        if self._run.allure_is_active:
            from pytest_autorl.capture import allure

            if known.get("test") != nodeid:  # it has not come so far as to tell
                known = allure.identity_of(nodeid)
            why = f"worker {worker} died while it ran this test"
            self._writes("allure", lambda: allure.note_crash(known, found, why))
        return found

    def _writes(self, name: str, write: Callable[[], object]) -> bool:
        """A full disk must not turn a test's verdict into an internal error: it is told in the summary."""
        try:
            write()
        except OSError as error:
            self._trouble.setdefault(name, f"{name} is incomplete: {error}")
            return False
        return True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write the page, after the last report."""
        sink, run_id = self._run.sink, self._run.identity.run_id
        self._trace.lose_own()
        # Taken now: the devices of a run are forgotten with it, and the summary comes later.
        self._found_unfit, self._kept_out = self._run.found_unfit, self._unfit()
        if not self._trace.rows:
            return
        if self._run.zero_s is not None:
            sink.forget_artefacts(self._run.zero_s)
        if FILE not in self._trouble:
            trouble = self._trace.finish()
            if trouble:
                self._trouble[""] = trouble
        devices = [device.id for device in self._farm.devices]
        seen = self._review = review(self._trace.rows, self._classes, devices, workers=self._run.worker_count)
        rows = [
            {**row, "waited": waited_s, "why": self._run.whys.get((row["test"], row["attempt"]), "")}
            for row, waited_s in zip(self._trace.rows, self._trace.waits_s, strict=True)
        ]
        page = farm_page.parts(
            rows,
            self._lanes(),
            run=run_id,
            source=self._source,
            version=__version__,
            review=seen.to_dict(),
            outages=self._outages(),
            lost_notes=[
                f"{test}, attempt {number}: {why}"
                for (test, number), why in self._trace.reasons.items()
                if why
            ],
        )
        self._writes(_PAGE, lambda: sink.write(_PAGE, page))
        self._keep(seen, exitstatus)

    def _outages(self) -> list[dict[str, Any]]:
        """When devices were out of service, seconds since the first dispatch."""
        zero_s = self._run.zero_s or 0.0
        return [
            {
                "device": each["device"],
                "start": max(0.0, each["start_s"] - zero_s),
                "end": None if each["end_s"] is None else max(0.0, each["end_s"] - zero_s),
                "why": each["why"],
            }
            for each in self._run.outages
        ]

    def _keep(self, seen: Review, exitstatus: int) -> None:
        """The run goes into the suite's history."""
        if self._recorder is None:
            return
        with_devices = {row["test"] for row in self._trace.rows}
        for test, seconds in self._plain_s.items():
            if test not in with_devices:
                self._recorder.note_passed(test, seconds)
        classes = {
            key: {"devices": sorted(klass.devices), "count": klass.count}
            for key, klass in self._classes.items()
        }
        estimates = self._run.estimates or Estimates()
        trouble = self._recorder.finish(
            outcome=_OUTCOMES.get(int(exitstatus), "error"),
            ended_at_s=time.time(),
            reports=str(self._run.reports),
            factors={device.id: estimates.factor(device.id) for device in self._farm.devices},
            facts=self._run.guard.redact_data(
                {
                    "classes": classes,
                    "session_s": estimates.mean_session_s,
                    "fixture_s": estimates.mean_fixture_s,
                    **seen.to_dict(),
                    **self._retries.history_facts,
                }
            ),
        )
        if trouble:
            self._trouble["history"] = f"the history of the tests was not kept: {trouble}"

    def _unfit(self) -> dict[str, str]:
        """The devices that are out of service for their health, each with why."""
        with contextlib.suppress(StateError):
            seen = self._run.look()  # a run that leased nothing has nothing to say
            states = seen[0] if seen is not None else {}
            shown = {device_id: state.next_reason or state.reason for device_id, state in states.items()}
            return {device_id: why for device_id, why in shown.items() if why.startswith(HEALTH)}
        return {}

    def _lanes(self) -> list[farm_page.Lane]:
        states: Mapping[str, DeviceState] = {}
        with contextlib.suppress(StateError):  # the summary of the tests says what is wrong with it
            states = self._run.device_states()
        return [
            farm_page.Lane(
                device.id, _about(device), status_note(states[device.id]) if device.id in states else ""
            )
            for device in self._farm.devices
        ]

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """What the run did with its devices."""
        sink = self._run.sink
        files = [sink.shown(sink.root / name) for name in (FILE, _PAGE) if name not in self._trouble]
        lines = terminal.summary_lines(
            self._trace.rows,
            self._trace.waits_s,
            gave_up=self._gave_up,
            farm_size=len(self._farm.devices),
            files=files,
            reasons=self._trace.reasons,
        )
        if self._review is not None:
            lines[1:1] = terminal.review_lines(self._review)
        lines += [
            *terminal.health_lines(self._checks, self._found_unfit, self._kept_out),
            *self._unmet(),
            *self._trouble.values(),
            *self._run.notes,
        ]
        if lines:
            terminalreporter.section("autorl: devices")
            for line in lines:
                terminalreporter.write_line(sink.text(line))

    def _unmet(self) -> Sequence[str]:
        # One process has listed them after collection; workers cannot, so here is the first chance.
        return terminal.unmet_lines(self._problems) if self._run.role == "controller" else ()


def _short(path: Path, base: Path) -> str:
    with contextlib.suppress(ValueError):
        return str(path.relative_to(base))
    return str(path)


def status_note(state: DeviceState) -> str:
    """What a device is at the end of the run, "" when it is available or only not given back yet."""
    status, reason = state.status, state.reason
    if status is DeviceStatus.BUSY and state.pid == os.getpid():
        status, reason = state.next_status or DeviceStatus.AVAILABLE, state.next_reason
    if status is DeviceStatus.AVAILABLE:
        return ""
    if status is DeviceStatus.BUSY:
        reason = " for ".join(filter(None, (state.owner, state.purpose)))
    return f"{status}: {reason}" if reason else str(status)


def _about(device: Device) -> str:
    return " ".join(filter(None, (device.platform, device.os_version, device.form_factor)))
