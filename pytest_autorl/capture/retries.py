"""Attempts that others have followed, where a run is told: terminal, JUnit, counts. With and without a farm.

Runs in the single process or in xdist's controller. pytest itself hears of a test's last attempt alone; what is said
here of those before it goes to the terminal's reporter only, so that nobody counts them: JUnit, ``--lf``, ``-x``.

Leans on two things of pytest that are not public: ``_progress_nodeids_reported`` of its terminal reporter (fall-back:
a test counts as done while it is tried again), and ``LogXML``, by its class name, as the plugin that writes JUnit
(fall-back: a test whose worker died has no properties). `tests/capture/test_retries.py` fails when they change.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest

from pytest_autorl.attempts.earlier import Earlier
from pytest_autorl.capture import retry_lines
from pytest_autorl.capture.retry_lines import Story
from pytest_autorl.resilience.info import ErrorInfo
from pytest_autorl.run import Run

#: Of the reports that only the terminal sees, where the attempt is.
_EARLIER = "autorl_earlier"
#: So many flaky tests are named in the history of runs.
_NAMED = 50


class Retries:
    """See the module.

    Attributes:
        failures: Attempts that failed, last ones too, by worker and error type (one of `ERROR_TYPES`).
        refused: How many retries a test's policy would have had and did not get, by reason.
    """

    def __init__(self, run: Run, config: pytest.Config) -> None:
        self._run = run
        self._config = config
        self.failures: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[str] = Counter()
        #: Tests whose last attempt has not ended, and those of which it has.
        self._open: dict[str, Story] = {}
        self._ended: dict[str, Story] = {}
        #: The first error of an attempt that is being reported, by worker and test.
        self._errors: dict[tuple[str, str], ErrorInfo] = {}
        #: Ends of tests that come without a report of their teardown.
        self._bare_ends: list[tuple[pytest.TestReport, list[tuple[str, str]]]] = []

    @property
    def stories(self) -> Mapping[str, Story]:
        """Tests that took more than one attempt and have ended."""
        return self._ended

    @property
    def history_facts(self) -> dict[str, Any]:
        """What the history of runs keeps: `failures` (see `retry_lines.failure_rows`), `retries`, `flaky`."""
        known = [*self._ended.values(), *self._open.values()]
        return {
            "failures": retry_lines.failure_rows(self.failures),
            "retries": sum(each.kind == "retry" for story in known for each in story.earlier),
            "flaky": [test for test, story in self._ended.items() if story.is_flaky][:_NAMED],
        }

    def next_number(self, nodeid: str) -> int:
        """Number of the attempt of a test that runs now, as far as is known here."""
        story = self._open.get(nodeid)
        return story.number if story is not None else 1

    # -- attempts that are not the last ------------------------------------------------------------------------

    def again(self, nodeid: str, earlier: Earlier, facts: Sequence[Mapping[str, Any]] = ()) -> None:
        """An attempt has ended, and another one follows. What its reports carried is for others (`Ledger.again`)."""
        self._open.setdefault(nodeid, Story()).earlier.append(earlier)
        self._errors.pop((earlier.worker, nodeid), None)
        self.failures[earlier.worker, earlier.error_type] += 1
        self._show(nodeid, earlier)

    def _show(self, nodeid: str, earlier: Earlier) -> None:
        reporter: Any = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is None:
            return
        outcome = "retried" if earlier.kind == "retry" else "lost"
        report = _made_up(nodeid, "call", outcome, worker=earlier.worker)
        setattr(report, _EARLIER, earlier)
        done = getattr(reporter, "_progress_nodeids_reported", None)
        keys = {report.nodeid, getattr(report, "id", report.nodeid)}
        before = done & keys if isinstance(done, set) else set()
        # A reporter that stumbles over an outcome that it does not know is no reason to end a run.
        with contextlib.suppress(Exception):
            reporter.pytest_runtest_logreport(report=report)
        if isinstance(done, set):
            done -= keys - before

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """The letter and the line of an attempt that is not the last."""
        earlier = getattr(report, _EARLIER, None)
        if earlier is None:
            return None
        letter = "R" if report.outcome == "retried" else "L"
        word = self._run.sink.text(retry_lines.verbose_word(earlier))
        return report.outcome, letter, (word, {"yellow": True})

    # -- the last attempt --------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Before JUnit reads the properties of the last report."""
        facts = report.__dict__.get("autorl")
        if facts is None and not self._open and not self._errors and report.outcome != "failed":
            return  # most reports: this is called three times for every test
        key = _worker_of(report), report.nodeid
        facts = facts or {}
        if facts.get("was_told"):
            self._take_back(report.nodeid)
        if facts.get("not_retried"):
            self.refused[facts["not_retried"]] += 1
        if report.failed and facts.get("error") and key not in self._errors:
            self._errors[key] = ErrorInfo.from_dict(facts["error"])
        # What tests share may fail in its teardown when its last test has ended.
        story = self._open.get(report.nodeid) or self._ended.get(report.nodeid)
        if story is not None:
            _follow(story, report, facts)
        if report.when == "teardown":
            report.user_properties += self._end(key)
        elif self._is_bare_end(report):
            self._bare_ends.append((report, self._end(key)))

    def _take_back(self, nodeid: str) -> None:
        """No attempt has followed after all: the one that was told of as earlier is the last, and is reported now."""
        story = self._open.get(nodeid)
        if story is None or story.is_taken_back:
            return
        last = story.earlier.pop()
        story.devices, story.is_taken_back = last.devices, True
        self.failures[last.worker, last.error_type] -= 1  # it is counted at its end
        self.failures += Counter()  # leaves out what is zero

    def _is_bare_end(self, report: Any) -> bool:
        """Whether no report of a teardown follows: xdist's of a crash, and those that the controller makes itself."""
        if report.when == "call":
            return False
        return report.when == "???" or (self._run.role == "controller" and not hasattr(report, "node"))

    def _end(self, key: tuple[str, str]) -> list[tuple[str, str]]:
        """The test has ended; gives the properties to be told of it."""
        found = []
        story = self._open.pop(key[1], None)
        if story is not None and story.earlier:
            self._ended[key[1]] = story
            found += retry_lines.properties(story.earlier)
        error = self._errors.pop(key, None)
        if error is not None:
            self.failures[key[0], error.error_type] += 1
            found.append(("autorl_error", error.text))
        return [(name, self._run.sink.text(value)) for name, value in found]

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, report: Any) -> None:
        """A worker has died over a test, and it was its last attempt."""
        self._errors.pop((_worker_of(report), report.nodeid), None)
        self.failures[_worker_of(report), "crash"] += 1

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Before JUnit is written: it takes properties from reports of teardowns only, so it gets some."""
        plugins = self._config.pluginmanager.get_plugins()
        junit: Any = next((each for each in plugins if type(each).__name__ == "LogXML"), None)
        for report, found in self._bare_ends if junit is not None else ():
            if not found:
                continue
            made = _made_up(report.nodeid, "teardown", "passed")
            made.user_properties, made.location = [*found], report.location
            if hasattr(report, "node"):
                made.node = report.node  # type: ignore[attr-defined]
            with contextlib.suppress(Exception):  # whatever JUnit has become: its file is not ours to spoil
                junit.pytest_runtest_logreport(made)

    # -- the end -----------------------------------------------------------------------------------------------

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Flaky tests, tests that failed after several attempts, and retries that were refused."""
        lines = retry_lines.summary_lines(self._ended, self.refused, options=self._run.farm_options)
        if lines:
            terminalreporter.section("autorl: retries")
            for line in lines:
                terminalreporter.write_line(self._run.sink.text(line))


def _follow(story: Story, report: pytest.TestReport, facts: Mapping[str, Any]) -> None:
    """What a report of the last attempt adds to the story."""
    if report.failed:
        story.outcome = "failed"
    elif report.when == "call" and report.passed and story.outcome is None:
        story.outcome = "passed"
    elif report.skipped and story.outcome is None:
        story.outcome = "skipped"
    if "attempt" in facts:
        story.devices = tuple(facts["attempt"]["devices"])


def _made_up(
    nodeid: str, when: Literal["call", "teardown"], outcome: str, *, worker: str = "main"
) -> pytest.TestReport:
    """A report for one plugin alone."""
    report = pytest.TestReport(
        nodeid=nodeid,
        location=(nodeid.partition("::")[0], None, ""),
        keywords={},
        outcome=cast("Any", outcome),
        longrepr=None,
        when=when,
    )
    if worker != "main":
        # What the terminal's reporter reads of a report of xdist's.
        report.node = SimpleNamespace(gateway=SimpleNamespace(id=worker))  # type: ignore[attr-defined]
    return report


def _worker_of(report: Any) -> str:
    node = getattr(report, "node", None)
    return str(node.gateway.id) if node is not None else "main"
