"""Reports in a run: redacted before anybody hears of them, and a run is otherwise the same."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_autorl.capture.guard import Guard
from pytest_autorl.capture.redaction import MARK, ReportRedaction

MAIL = "anna.k" + "@" + "example.com"
GONE = "[REDACTED:EMAIL#1]"


def report(longrepr: Any = None) -> pytest.TestReport:
    return pytest.TestReport("a.py::test_it", ("a.py", 1, "test_it"), {}, "failed", longrepr, "call")


@pytest.mark.unit
def test_a_worker_marks_what_it_has_redacted_and_the_controller_believes_it() -> None:
    worker, controller = (ReportRedaction(Guard("on"), is_worker=is_worker) for is_worker in (True, False))
    sent, own = report(f"for {MAIL}"), report(f"for {MAIL}")

    worker.pytest_runtest_logreport(sent)
    controller.pytest_runtest_logreport(own)

    assert (sent.longrepr, own.longrepr) == (f"for {GONE}", f"for {GONE}")
    assert MARK in vars(sent)
    assert MARK not in vars(own)
    sent.longrepr = "as the worker has sent it: " + MAIL
    controller.pytest_runtest_logreport(sent)
    assert MAIL in sent.longrepr, "what costs is done once"


@pytest.mark.unit
def test_the_guard_knows_the_test_whose_report_is_made() -> None:
    guard = Guard("on")
    item: Any = SimpleNamespace(nodeid="a.py::b")
    work = ReportRedaction(guard, is_worker=False).pytest_runtest_makereport(item)
    next(work)

    with pytest.raises(StopIteration) as end:
        work.send(report(f"for {MAIL}"))

    assert guard.test == "a.py::b"
    assert end.value.value.longrepr == f"for {GONE}"


# -- what other plugins hear ---------------------------------------------------------------------------------------

SPY = """
import json
import pytest

MAIL = "anna.k" + "@" + "example.com"
heard = []

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    heard.append(("made", str(report.longrepr), str(report.sections), str(report.user_properties)))
    report.sections.append(("added by another plugin", "for " + MAIL))
    return report

def pytest_runtest_logreport(report):
    heard.append(("logged", str(report.longrepr), str(report.sections), str(report.user_properties)))

def pytest_collectreport(report):
    heard.append(("collected", str(report.longrepr), str(report.sections)))

def pytest_report_to_serializable(report):
    heard.append(("sent", str(vars(report))))

def pytest_unconfigure(config):
    with open("heard.txt", "a") as file:
        file.write(json.dumps(heard) + "\\n")
"""

SUITE = """
import pytest

MAIL = "anna.k" + "@" + "example.com"

@pytest.fixture
def broken():
    yield
    raise RuntimeError("at the end: " + MAIL)

def test_fails(record_property):
    record_property("to", MAIL)
    print("printed", MAIL)
    assert MAIL == "x"

def test_skips(): pytest.skip("no " + MAIL)

@pytest.mark.xfail(reason="known for " + MAIL)
def test_xfails(): raise ValueError(MAIL)

def test_teardown(broken): pass

@pytest.mark.retry(max_attempts=2, on="test", initial_delay=0)
def test_retried(): raise RuntimeError("again " + MAIL)
"""


@pytest.mark.integration
@pytest.mark.parametrize(
    "options",
    [[], ["-n", "2"], ["-n", "2", "--autorl-farm", "virtual:2"]],
    ids=["one", "workers", "workers, farm"],
)
def test_no_other_plugin_hears_a_value_not_even_of_an_attempt_that_is_kept_back(
    pytester: pytest.Pytester, options: list[str]
) -> None:
    pytester.makeconftest(SPY)
    pytester.makepyfile(test_it=SUITE)
    pytester.makepyfile(
        test_broken="MAIL = 'anna.k' + '@' + 'example.com'\nraise RuntimeError('while imported: ' + MAIL)"
    )
    flags = ("--continue-on-collection-errors", "-rA", "-l", "-p", "no:cacheprovider")

    result = pytester.runpytest_subprocess(*flags, *options)

    collected = 2 if "-n" in options else 1  # each worker says of a module that it cannot be imported
    result.assert_outcomes(failed=2, passed=1, skipped=1, xfailed=1, errors=1 + collected)
    heard = (pytester.path / "heard.txt").read_text()
    assert MAIL not in heard
    assert MAIL not in result.stdout.str() + result.stderr.str()
    for words in (
        "printed [REDACTED",
        "while imported: [REDACTED",
        "at the end: [REDACTED",
        "no [REDACTED",
        "again [",
    ):
        assert words in heard
    result.stdout.fnmatch_lines(["*added by another plugin*", "for ?REDACTED:EMAIL#*"])


@pytest.mark.integration
def test_the_text_of_a_crashed_worker_is_redacted(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    pytester.makepyfile(
        """
        import os, pytest
        MAIL = "anna.k" + "@" + "example.com"
        @pytest.mark.parametrize("to", [MAIL])
        def test_crashes(to):
            os.write(2, ("last words of " + MAIL).encode())
            os._exit(1)
        def test_other(): pass
        """
    )

    result = pytester.runpytest_subprocess("-n", "2", "--junitxml=j.xml", "--max-worker-restart=1")

    assert "test_crashes[REDACTED-EMAIL-1]" in result.stdout.str()
    assert MAIL not in result.stdout.str() + (pytester.path / "j.xml").read_text()


# -- the same run --------------------------------------------------------------------------------------------------

PLAIN = """
import logging, sys, unittest, warnings
import pytest

def test_passes(): print("out")
def test_fails(): assert {"a": 1} == {"a": 2}, "not the same"
def test_raises():
    long = "x" * 400
    raise ValueError("too small")
def test_skips(): pytest.skip("not today")
@pytest.mark.xfail(reason="known")
def test_xfails(): assert 0
@pytest.mark.xfail
def test_xpasses(): pass
@pytest.mark.parametrize("n", [1, "text", None, 2.5])
def test_many(n): assert n != 1
@pytest.fixture
def broken(): raise RuntimeError("set-up")
def test_error(broken): pass
@pytest.fixture
def broken_end():
    yield
    raise RuntimeError("teardown")
def test_teardown(broken_end): pass
def test_warns(): warnings.warn("old")
def test_logs(caplog):
    logging.getLogger("app").warning("logged %d", 3)
    assert caplog.messages == ["logged 3"]
    assert 0
def test_captured(capsys, capfd):
    pass
def test_capsys(capsys):
    print("seen")
    sys.stderr.write("err")
    assert capsys.readouterr() == ("seen\\n", "err")
def test_property(record_property): record_property("n", 1)
class TestUnit(unittest.TestCase):
    def test_equal(self): self.assertEqual([1, 2], [1, 3])
"""

_NOISE = re.compile(r"in \d+\.\d+s|0x[0-9a-f]+|^plugins: .*$|\d+\.\d\ds (call|setup|teardown)")
_ORDER = re.compile(r"\[gw\d\]|(?:^[.FEsxX]+ *)?\[ *\d+%\]")


@pytest.mark.integration
@pytest.mark.parametrize(
    "options", [["-rA", "-vv", "-l", "--setup-show"], ["-q", "-s"], ["-n", "2", "-q"]], ids=" ".join
)
def test_a_suite_with_nothing_to_hide_ends_and_looks_as_without_the_plugin(
    pytester: pytest.Pytester, options: list[str]
) -> None:
    pytester.makepyfile(test_it=PLAIN)
    ways = {"without": ["-p", "no:autorl"], "on": ["--autorl-redact=on"], "off": ["--autorl-redact=off"]}

    ran = {}
    for way, more in ways.items():
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *options, *more)
        lines = [
            _NOISE.sub("~", line) for line in result.outlines if not line.startswith("autorl: redaction")
        ]
        if "-n" in options:  # workers report in any order
            lines = sorted(_ORDER.sub("", line) for line in lines)
        ran[way] = (result.ret, result.parseoutcomes(), lines)

    assert ran["without"][1]["failed"] > 3
    assert ran["without"][1]["passed"] > 3
    assert ran["on"] == ran["without"]
    assert ran["off"] == ran["without"]
