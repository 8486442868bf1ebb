"""Attempts that others have followed, on the terminal and in JUnit. The attempts themselves are made up here."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_autorl.attempts.earlier import Earlier
from pytest_autorl.capture.retries import Retries
from pytest_autorl.facts import tell
from pytest_autorl.resilience.info import ErrorCategory, ErrorDomain, ErrorInfo, ErrorSeverity, Strategy

pytestmark = pytest.mark.integration

#: Tells of an earlier attempt of each test that has one in its name, before its set-up is reported.
CONFTEST = """
import pytest
from pytest_autorl.attempts.earlier import Earlier
from pytest_autorl.facts import tell
from pytest_autorl.capture.retries import Retries
from pytest_autorl.resilience.info import (
    ErrorCategory, ErrorDomain, ErrorInfo, ErrorSeverity, Strategy
)
from pytest_autorl.run import run_key

INFO = ErrorInfo(
    error="StaleElementReferenceException", category=ErrorCategory.TRANSIENT, severity=ErrorSeverity.LOW,
    domain=ErrorDomain.APP, strategy=Strategy.RETRY, error_type="element", family="webdriver",
)

class Teller:
    def __init__(self, config):
        self.retries = Retries(config.stash[run_key], config)
        config.pluginmanager.register(self.retries)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report):
        if report.when != "setup":
            return
        worker = report.node.gateway.id if hasattr(report, "node") else "main"
        made = dict(worker=worker, devices=("pixel",), error=INFO, start_s=100.0, stop_s=103.2)
        for number, kind in enumerate(KINDS, start=1):
            if kind in report.nodeid:
                self.retries.again(report.nodeid, Earlier(kind=kind, number=number, **made))

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.write_line(f"COUNTS {sorted(self.retries.failures.items())}")
        terminalreporter.write_line(f"FACTS {self.retries.history_facts}")

KINDS = ("loss", "retry", "crash")

def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(Teller(session.config))

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        tell(report, error=INFO.to_dict())
    elif "refused" in report.nodeid and call.when == "teardown":
        tell(report, not_retried="the budget is spent")
    return report
"""
TESTS = """
import pytest
def test_plain(): pass
def test_retry(): pass
def test_loss(): pass
def test_retry_bad(): assert 0
def test_bad(): assert 0
def test_refused(): pass
@pytest.fixture
def torn():
    yield
    raise RuntimeError("torn")
def test_retry_torn(torn): pass
"""
WHAT = "pixel: StaleElementReferenceException (app, transient)"
OUTCOMES = {"failed": 2, "passed": 5, "errors": 1, "retried": 3, "lost": 1}


def run(pytester: pytest.Pytester, *options: str, workers: int = 0) -> pytest.RunResult:
    """Run `TESTS`."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it=TESTS)
    return run_again(pytester, *(("-n", str(workers)) if workers else ()), *options)


def run_again(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """In this process where no other is needed, which takes a tenth of the time."""
    # Nobody else is to tell of attempts: in a controller they come with the first report that carries anything.
    given = ("-p", "no:randomly", "-p", "no:autorl-doorman", *options)
    if "-n" in options:
        return pytester.runpytest_subprocess(*given, timeout=60)
    return pytester.runpytest_inprocess(*given)


def cases(pytester: pytest.Pytester) -> dict[str, dict[str, str]]:
    """Properties by test, in JUnit's file."""
    suite = ET.parse(pytester.path / "junit.xml").getroot()[0]
    return {
        str(case.get("name")): {
            str(each.get("name")): str(each.get("value")) for each in case.iter("property")
        }
        for case in suite.iter("testcase")
    }


@pytest.mark.parametrize("option", ["-q", "--tb=no", "-rA"])
def test_a_retried_attempt_is_a_letter_and_is_counted_apart(pytester: pytest.Pytester, option: str) -> None:
    result = run(pytester, option)

    result.stdout.fnmatch_lines(["*.R.L.RFF.R.E*[[]100%]"])
    assert result.parseoutcomes() == OUTCOMES
    assert result.ret == 1


def test_a_verbose_run_says_where_and_why_and_the_progress_counts_tests_that_have_ended(
    pytester: pytest.Pytester,
) -> None:
    result = run(pytester, "-v", "--tb=no")

    result.stdout.fnmatch_lines(
        [
            "test_it.py::test_plain PASSED * [[] 14%]",
            f"test_it.py::test_retry RETRY on {WHAT}, attempt 3 follows*",
            "test_it.py::test_retry PASSED * [[] 28%]",
            f"test_it.py::test_loss LOST on {WHAT}, attempt 2 follows*",
            "test_it.py::test_loss PASSED * [[] 42%]",
            "test_it.py::test_retry_bad RETRY on *",
            "test_it.py::test_retry_bad FAILED * [[] 57%]",
            "test_it.py::test_bad FAILED * [[] 71%]",
            "test_it.py::test_refused PASSED * [[] 85%]",
            "test_it.py::test_retry_torn PASSED * [[]100%]",
            "test_it.py::test_retry_torn ERROR *",
        ]
    )
    assert result.parseoutcomes() == OUTCOMES


@pytest.mark.parametrize("style", ["count", "times", "classic", "progress-even-when-capture-no"])
@pytest.mark.parametrize("verbosity", ["-q", "-vv"])
def test_any_way_of_showing_progress_goes_on(pytester: pytest.Pytester, style: str, verbosity: str) -> None:
    """The first test of all is a retried one: nothing else has been reported before it."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it="def test_retry(): pass\ndef test_other(): pass\n")

    result = run_again(pytester, verbosity, "-o", f"console_output_style={style}")

    result.stdout.fnmatch_lines(["*2 passed, 1 retried in *"])
    assert result.ret == 0
    if style == "count":
        result.stdout.fnmatch_lines(["*[[]2/2[]]"])


@pytest.mark.parametrize("verbosity", ["-q", "-vv"])
def test_with_xdist_the_line_begins_with_the_worker(pytester: pytest.Pytester, verbosity: str) -> None:
    pytest.importorskip("xdist")

    result = run(pytester, verbosity, "--tb=no", workers=2)

    assert result.parseoutcomes() == OUTCOMES
    if verbosity != "-q":
        (line,) = [
            line for line in result.outlines if "RETRY" in line and line.strip().endswith("test_retry")
        ]
        assert re.match(rf"\[gw\d\] \[ *\d+%\] RETRY on {re.escape(WHAT)}, attempt 3 follows", line)
        result.stdout.fnmatch_lines(["[[]gw*[]] [[]100%[]] *"])


@pytest.mark.parametrize("workers", [0, 2])
def test_junit_counts_last_attempts_alone_and_has_the_others_as_properties(
    pytester: pytest.Pytester, workers: int
) -> None:
    if workers:
        pytest.importorskip("xdist")

    run(pytester, "--junitxml", "junit.xml", workers=workers)

    suite = ET.parse(pytester.path / "junit.xml").getroot()[0]
    assert [suite.get(key) for key in ("failures", "errors", "skipped")] == ["2", "1", "0"]
    assert len(list(suite.iter("testcase"))) == 7
    error = "StaleElementReferenceException (app, transient)"
    earlier = {"autorl_attempt_2": f"retry on {WHAT}, 3.2 s"}
    assert cases(pytester) == {
        "test_plain": {},
        "test_retry": earlier,
        "test_loss": {"autorl_attempt_1": f"loss on {WHAT}, 3.2 s"},
        "test_retry_bad": {**earlier, "autorl_error": error},
        "test_bad": {"autorl_error": error},
        "test_refused": {},
        "test_retry_torn": {**earlier, "autorl_error": error},
    }


def test_the_summary_tells_flaky_tests_and_refused_retries_and_counts_every_failure(
    pytester: pytest.Pytester,
) -> None:
    result = run(pytester)

    result.stdout.fnmatch_lines(
        [
            "*= autorl: retries =*",
            "1 test flaky: *",
            "test_it.py::test_retry",
            f"    attempt 2 on {WHAT}",
            "    attempt 3: passed",
            "    reproduce with: pytest test_it.py::test_retry --autorl-device pixel --autorl-retries 0",
            "failed after 2 attempts: test_it.py::test_retry_bad (on pixel, none)",
            "failed after 2 attempts: test_it.py::test_retry_torn (on pixel, none)",
            "not tried again: 1 test: the budget is spent",
            "COUNTS [[](('main', 'element'), 7)[]]",
            "FACTS {'failures': [[]{'agent': 'main', 'error_type': 'element', 'count': 7}[]], 'retries': 3, *",
        ]
    )


def test_a_run_in_which_nothing_was_tried_again_says_nothing_of_it(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it="def test_plain(): pass\ndef test_bad(): assert 0\n")

    result = run_again(pytester)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*autorl: retries*")
    result.stdout.fnmatch_lines(["*COUNTS [[](('main', 'element'), 1)[]]"])


def test_a_test_whose_worker_died_has_its_properties_in_junit_too(pytester: pytest.Pytester) -> None:
    """xdist's report of it is none of a teardown, with which JUnit takes them."""
    pytest.importorskip("xdist")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        test_it="import os\ndef test_retry_dies(): os._exit(3)\n",
        test_other="def test_plain(): pass\n",
    )

    result = run_again(pytester, "-n", "1", "--junitxml", "junit.xml")

    assert cases(pytester) == {
        "test_retry_dies": {"autorl_attempt_2": f"retry on {WHAT}, 3.2 s"},
        "test_plain": {},
    }
    result.stdout.fnmatch_lines(["failed after 2 attempts: test_it.py::test_retry_dies (on pixel, none)"])
    result.stdout.fnmatch_lines(["COUNTS [[](('gw0', 'crash'), 1), (('gw0', 'element'), 1)[]]"])


@pytest.mark.parametrize("option", ["no:terminal", "no:junitxml"])
def test_without_those_who_would_tell_it_the_run_goes_on(pytester: pytest.Pytester, option: str) -> None:
    result = run(pytester, "-p", option)

    assert result.ret == 1
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


def test_what_a_retried_attempt_leaves_to_others_is_nothing(pytester: pytest.Pytester) -> None:
    """Neither ``-x`` nor ``--lf`` takes it for a failure."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it="def test_retry(): pass\ndef test_other(): pass\n")

    first = run_again(pytester, "-x")
    second = run_again(pytester, "--lf")

    first.assert_outcomes(passed=2)
    second.stdout.fnmatch_lines(["run-last-failure: no previously failed tests, *"])


# -- the books alone -----------------------------------------------------------------------------------------------

INFO = ErrorInfo(
    error="X",
    category=ErrorCategory.TRANSIENT,
    severity=ErrorSeverity.LOW,
    domain=ErrorDomain.APP,
    strategy=Strategy.RETRY,
    error_type="element",
)
FIRST = Earlier(kind="retry", number=1, devices=("pixel",), worker="gw1", error=INFO)


def books(role: str = "controller") -> Retries:
    """With nobody to tell anything to."""
    run = SimpleNamespace(role=role, sink=SimpleNamespace(text=str), farm_options=[])
    nobody = SimpleNamespace(get_plugin=lambda name: None, get_plugins=list)
    return Retries(cast("Any", run), cast("Any", SimpleNamespace(pluginmanager=nobody)))


def report(when: str, outcome: str = "passed", *, worker: str | None = "gw1", **facts: Any) -> Any:
    made = pytest.TestReport(
        nodeid="t.py::x",
        location=("t.py", 1, "x"),
        keywords={},
        outcome=cast("Any", outcome),
        longrepr=None,
        when=cast("Any", when),
    )
    if worker is not None:
        made.node = SimpleNamespace(gateway=SimpleNamespace(id=worker))  # type: ignore[attr-defined]
    if facts:
        tell(made, **facts)
    return made


def test_an_attempt_that_nothing_follows_after_all_is_the_last_and_counts_once() -> None:
    """The run was broken off between two attempts: the reports that were kept back are handed out."""
    found = books()
    found.again("t.py::x", FIRST)
    found.again("t.py::x", replace(FIRST, number=2, devices=("tablet",)))
    last = report("teardown", was_told=True)

    for each in (
        report("setup", was_told=True),
        report("call", "failed", was_told=True, error=INFO.to_dict()),
        last,
    ):
        found.pytest_runtest_logreport(each)

    (story,) = found.stories.values()
    assert (story.outcome, story.devices, story.number) == ("failed", ("tablet",), 2)
    assert found.failures == {("gw1", "element"): 2}
    assert [name for name, _ in last.user_properties] == ["autorl_attempt_1", "autorl_error"]


def test_a_first_attempt_that_nothing_follows_leaves_no_story() -> None:
    found = books()
    found.again("t.py::x", FIRST)

    found.pytest_runtest_logreport(report("setup", "failed", was_told=True, error=INFO.to_dict()))
    found.pytest_runtest_logreport(report("teardown", was_told=True))

    assert found.stories == {}
    assert found.failures == {("gw1", "element"): 1}


def test_a_test_that_nobody_could_run_again_has_its_end_without_a_teardown() -> None:
    """The controller reports it itself, as failed in set-up."""
    found = books()
    found.again("t.py::x", FIRST)

    found.pytest_runtest_logreport(report("setup", "failed", worker=None))

    assert [story.outcome for story in found.stories.values()] == ["failed"]
    assert found.next_number("t.py::x") == 1


def test_what_tests_share_may_fail_when_its_last_test_has_passed() -> None:
    """Then that test has failed, flaky or not."""
    found = books()
    found.again("t.py::x", FIRST)
    for when in ("setup", "call", "teardown"):
        found.pytest_runtest_logreport(report(when))
    assert found.history_facts["flaky"] == ["t.py::x"]

    found.pytest_runtest_logreport(report("teardown", "failed"))

    assert [story.outcome for story in found.stories.values()] == ["failed"]
    assert found.history_facts["flaky"] == []


def test_an_attempt_with_two_errors_counts_once_by_the_first() -> None:
    found = books("single")
    late = replace(INFO, error="Late", error_type="timeout")
    last = report("teardown", "failed", worker=None, error=late.to_dict())

    found.pytest_runtest_logreport(report("call", "failed", worker=None, error=INFO.to_dict()))
    found.pytest_runtest_logreport(last)

    assert found.failures == {("main", "element"): 1}
    assert last.user_properties == [("autorl_error", "X (app, transient)")]


def test_the_number_of_the_attempt_that_runs_is_known() -> None:
    found = books()
    assert found.next_number("t.py::x") == 1

    found.again("t.py::x", replace(FIRST, number=3))

    assert found.next_number("t.py::x") == 4


def test_the_last_attempt_tells_its_devices() -> None:
    found = books()
    found.again("t.py::x", FIRST)

    found.pytest_runtest_logreport(report("call"))
    found.pytest_runtest_logreport(report("teardown", attempt={"devices": ["tablet"]}))

    (story,) = found.stories.values()
    assert (story.is_flaky, story.devices) == (True, ("tablet",))
