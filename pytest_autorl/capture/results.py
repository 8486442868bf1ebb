"""The results of a run, where it is told: header, trace, page, summary. One process or xdist's controller."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autorl import __version__
from pytest_autorl.capture import farm_page, terminal
from pytest_autorl.capture.lost import LEFT, LostAttempts, to_wire
from pytest_autorl.capture.reports import told
from pytest_autorl.dispatch.trace import FILE, Attempt, trace_row
from pytest_autorl.errors import StateError
from pytest_autorl.farm.config import FarmConfig
from pytest_autorl.farm.device import Device, DeviceStatus
from pytest_autorl.farm.sample import HEALTH
from pytest_autorl.run import Run

if TYPE_CHECKING:
    from pytest_autorl.state.leases import DeviceState

_PAGE = "farm.html"


class Results:
    """Gathers what reports carry, writes it through the sink and tells it on the terminal.

    Args:
        farm: The farm of the run.
        fixtures: What the header says of the plain fixture names.
    """

    def __init__(self, run: Run, farm: FarmConfig, fixtures: str) -> None:
        self._run = run
        self._farm = farm
        self._fixtures = fixtures
        self._rows: list[dict[str, Any]] = []
        self._waits_s: list[float] = []
        self._lost = LostAttempts()
        #: Place of a lost attempt's row, by worker and test.
        self._lost_rows: dict[tuple[str, str], int] = {}
        self._is_amended = False
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
        self._source = f"virtual:{len(farm.devices)}" if farm.path is None else _short(farm.path, run.rootdir)

    def pytest_report_header(self) -> list[str]:
        """The farm of the run."""
        note = self._run.place.note
        return [*([f"autorl: {note}"] if note else []), *self._header()]

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
        if "autorl" not in report.__dict__:
            return  # most reports: this is called three times for every test
        facts = told(report)
        if facts.get("problem"):
            self._problems.append((report.nodeid, facts["problem"]))
        self._gave_up += bool(facts.get("gave_up"))
        self._checks += facts.get("refused", ())
        if "artefacts_full" in facts:
            self._trouble["artefacts"] = facts["artefacts_full"]
        if "begun" in facts:
            self._lost.begin(facts["begun"])
        if "losses" in facts:
            self._note_losses(facts["losses"])
        if "attempt" in facts:
            attempt = Attempt.from_wire(facts["attempt"])
            self._lost.end(attempt)
            self._checks += attempt.gate
            self._run.record(attempt)
            self._note(attempt)

    def _note(self, attempt: Attempt) -> None:
        row = self._row(attempt)
        self._waits_s.append(attempt.waited_s)
        self._rows.append(row)
        self._writes(FILE, lambda: self._run.sink.append(FILE, row))

    def _row(self, attempt: Attempt) -> dict[str, Any]:
        return trace_row(attempt, run=self._run.identity.run_id, zero_s=self._run.zero_s or attempt.start_s)

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Last, when the leases of a dead worker have been taken over. A worker that ended well has left its own."""
        self._note_losses(getattr(node, "workeroutput", {}).get(LEFT, ()))
        self._note_own_losses()

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: Any) -> None:
        """A worker has died over a test: that attempt is lost, if it had a device."""
        for attempt in self._lost.crash(report.node.gateway.id, crashitem, time.time()):
            self._note_lost(attempt)

    def _note_own_losses(self) -> None:
        if self._run.losses:
            self._note_losses(to_wire(self._run.fetch_losses(), self._run.identity.run_id))

    def _note_losses(self, losses: Sequence[Mapping[str, Any]]) -> None:
        for attempt in self._lost.lose(losses):
            self._note_lost(attempt)

    def _note_lost(self, attempt: Attempt) -> None:
        """A row, or a better one in its place: the file is put right at the end."""
        key = attempt.worker, attempt.test
        if key in self._lost_rows:
            self._rows[self._lost_rows[key]] = self._row(attempt)
            self._is_amended = True
        else:
            self._lost_rows[key] = len(self._rows)
            self._note(attempt)

    def _writes(self, name: str, write: Callable[[], object]) -> bool:
        """A full disk must not turn a test's verdict into an internal error: it is told in the summary."""
        try:
            write()
        except OSError as error:
            self._trouble.setdefault(name, f"{name} is incomplete: {error}")
            return False
        return True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the page, after the last report."""
        sink, run_id = self._run.sink, self._run.identity.run_id
        self._note_own_losses()
        # Taken now: the devices of a run are forgotten with it, and the summary comes later.
        self._found_unfit, self._kept_out = self._run.found_unfit, self._unfit()
        if not self._rows:
            return
        if self._run.zero_s is not None:
            sink.forget_artefacts(self._run.zero_s)
        if FILE not in self._trouble and sink.count_lines(FILE) != len(self._rows):
            # Another run started in the same folder meanwhile: ours, which ends last, stands whole.
            self._writes(FILE, lambda: sink.write_rows(FILE, self._rows))
            self._trouble[""] = (
                "another run wrote into the same reports folder: give each its own --autorl-reports"
            )
        elif self._is_amended:
            self._writes(FILE, lambda: sink.write_rows(FILE, self._rows))
        rows = [{**row, "waited": waited_s} for row, waited_s in zip(self._rows, self._waits_s, strict=True)]
        page = farm_page.page(rows, self._lanes(), run=run_id, source=self._source, version=__version__)
        self._writes(_PAGE, lambda: sink.write(_PAGE, page))

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
            self._rows, self._waits_s, gave_up=self._gave_up, farm_size=len(self._farm.devices), files=files
        )
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
