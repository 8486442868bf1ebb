"""The results of a run, where it is told: header, trace, page, summary. One process or xdist's controller."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl import __version__
from pytest_autorl.capture import farm_page, terminal
from pytest_autorl.capture.reports import told
from pytest_autorl.dispatch.trace import FILE, Attempt, trace_row
from pytest_autorl.errors import StateError
from pytest_autorl.farm.config import FarmConfig
from pytest_autorl.farm.device import Device, DeviceStatus
from pytest_autorl.run import Run, lease_directory

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
        self._problems: list[tuple[str, str]] = []
        self._gave_up = 0
        self._has_begun = False
        #: What could not be written, by file.
        self._trouble: dict[str, str] = {}
        self._source = f"virtual:{len(farm.devices)}" if farm.path is None else _short(farm.path, run.rootdir)

    def pytest_report_header(self) -> list[str]:
        """The farm of the run."""
        return terminal.header_lines(
            devices=self._farm.devices,
            source=self._source,
            statuses={device.id: self._status(device) for device in self._farm.devices},
            state=str(lease_directory(self._run.settings, self._farm, self._run.rootdir)),
            run_id=self._run.identity.run_id,
            seed=self._run.identity.seed,
            fixtures=self._fixtures,
        )

    def _status(self, device: Device) -> str:
        try:
            return str(status_of(self._run, device))
        except StateError:
            return "unknown"  # the test that needs the device will say why

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
        if "attempt" not in facts:
            return
        attempt = Attempt.from_wire(facts["attempt"])
        row = trace_row(attempt, run=self._run.identity.run_id, zero_s=self._run.zero_s or attempt.start_s)
        self._waits_s.append(attempt.waited_s)
        self._rows.append(row)
        self._writes(FILE, lambda: self._run.sink.append(FILE, row))

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
        devices = [(device.id, _about(device)) for device in self._farm.devices]
        page = farm_page.page(self._rows, devices, run=run_id, source=self._source, version=__version__)
        self._writes(_PAGE, lambda: sink.write(_PAGE, page))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """What the run did with its devices."""
        sink = self._run.sink
        files = [sink.shown(sink.root / name) for name in (FILE, _PAGE) if name not in self._trouble]
        lines = terminal.summary_lines(
            self._rows, self._waits_s, gave_up=self._gave_up, farm_size=len(self._farm.devices), files=files
        )
        lines += [*self._unmet(), *self._trouble.values()]
        if lines:
            terminalreporter.section("autorl: devices")
            for line in lines:
                terminalreporter.write_line(sink.text(line))

    def _unmet(self) -> Sequence[str]:
        # One process has listed them after collection; workers cannot, so here is the first chance.
        return terminal.unmet_lines(self._problems) if self._run.role == "controller" else ()


def status_of(run: Run, device: Device) -> DeviceStatus:
    """What is known of a device without disturbing it."""
    if run.providers[device.provider].scope == "host" and run.store.holder(device.id) is not None:
        return DeviceStatus.BUSY
    return DeviceStatus.AVAILABLE


def _short(path: Path, base: Path) -> str:
    with contextlib.suppress(ValueError):
        return str(path.relative_to(base))
    return str(path)


def _about(device: Device) -> str:
    return " ".join(filter(None, (device.platform, device.os_version, device.form_factor)))
