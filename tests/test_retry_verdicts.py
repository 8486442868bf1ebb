"""One verdict for each test, whatever ends the run or the attempt: limits, interrupts, deaths, options."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest

from attempts import COUNTER, Books, read_books, run_books
from lab import close, family, is_running, run, until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX"),
]
pytest.importorskip("xdist", reason="pytest-xdist is not installed")
pytest.importorskip("allure", reason="allure-pytest is not installed")

#: Workers, farm and options: in one process, by order, and by xdist's own distribution without a farm.
WAYS = pytest.mark.parametrize(
    ("workers", "farm", "options"),
    [(0, None, ()), (2, "virtual:2", ()), (2, None, ("--dist", "load"))],
    ids=["alone", "ordered", "stock"],
)
#: The same with one worker: it runs every attempt of a test.
ONE_WORKER = pytest.mark.parametrize(
    ("workers", "farm", "options"),
    [(0, None, ()), (1, "virtual:2", ()), (1, None, ("--dist", "load"))],
    ids=["alone", "ordered", "stock"],
)
AGAIN = """
import pytest
from counting import attempt

again = pytest.mark.retry(max_attempts=2, on=AssertionError, initial_delay=0)
"""


def counted(folder: Path) -> dict[str, int]:
    """How many attempts of each name have begun."""
    found: dict[str, int] = {}
    for path in (folder / "counted").iterdir():
        name, _, number = path.name.rpartition(".")
        found[name] = max(found.get(name, 0), int(number))
    return found


def outcomes(books: Books) -> dict[str, list[str]]:
    """JUnit's cases."""
    return {name: [case.outcome for case in cases] for name, cases in books.cases.items()}


# -- what ends the run -------------------------------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize("limit", ["-x", "--maxfail=2"])
def test_a_limit_of_failures_counts_verdicts_and_not_attempts(
    pytester: pytest.Pytester, workers: int, farm: str | None, options: tuple[str, ...], limit: str
) -> None:
    pytester.makepyfile(
        AGAIN + "@again\n"
        "def test_a_flaky(): assert attempt('flaky') == 2\n"
        "@again\n"
        "def test_b_fails(): attempt('fails'); assert 0\n"
        "@again\n"
        "def test_c_fails(): attempt('fails_too'); assert 0\n"
        "@pytest.mark.parametrize('n', range(20))\n"
        "@pytest.mark.retry(max_attempts=4, on=AssertionError, initial_delay=0)\n"
        "def test_many(n): assert attempt(f'many_{n}') == 3\n"
    )

    books = run_books(pytester, limit, *options, workers=workers, farm=farm)

    most = 1 if limit == "-x" else 2
    found = outcomes(books)
    failed = [name for name, each in found.items() if each != ["passed"]]
    assert books.result.ret == (pytest.ExitCode.INTERRUPTED if workers else pytest.ExitCode.TESTS_FAILED)
    assert found["test_a_flaky"] == ["passed"]
    assert len(failed) >= most
    if not workers:  # a worker may be in the middle of an attempt
        assert failed == ["test_b_fails", "test_c_fails"][:most]
        assert "test_many[0]" not in found
    assert all(len(each) == 1 for each in found.values())
    assert "test_many[19]" not in found
    assert f"stopping after {most} failures" in books.result.stdout.str()


@pytest.mark.parametrize("options", [("-x",), ("-x", "-n", "1", "--dist", "load")], ids=["alone", "stock"])
def test_what_a_failed_test_shares_is_torn_down_with_it_where_the_run_stops(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        AGAIN + "@pytest.fixture(scope='module')\n"
        "def shared():\n"
        "    yield\n"
        "    raise RuntimeError('cannot be ended')\n"
        "@again\n"
        "def test_a(shared): assert attempt('a') == 0\n"
        "def test_b(shared): attempt('b')\n"
    )
    (pytester.path / "counting.py").write_text(COUNTER)

    result = pytester.runpytest_subprocess(*options, "-p", "no:randomly", "-rA")

    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_a*", "*RuntimeError: cannot be ended"])
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    assert "Traceback" not in result.stderr.str()
    assert counted(pytester.path) == {"a": 2}


def test_a_test_that_rests_when_the_run_stops_has_its_last_attempt_as_its_verdict(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        AGAIN + "import pathlib, time\n"
        "@pytest.mark.retry(on=AssertionError, initial_delay=300, max_delay=300, jitter=False)\n"
        "def test_rests(record_property):\n"
        "    record_property('seen', attempt('rests'))\n"
        "    assert 0, 'its own failure'\n"
        "@pytest.mark.retry(max_attempts=1)\n"
        "def test_stops():\n"
        "    until_s = time.monotonic() + 60\n"
        "    while not pathlib.Path('counted/rests.1').exists() and time.monotonic() < until_s:\n"
        "        time.sleep(0.05)\n"
        "    assert 0\n"
    )

    books = run_books(pytester, "-x", workers=2, farm="virtual:2")

    assert outcomes(books) == {"test_rests": ["failure"], "test_stops": ["failure"]}
    assert counted(pytester.path) == {"rests": 1}
    assert "autorl_attempt_1" not in books.cases["test_rests"][0].properties
    assert "its own failure" in books.result.stdout.str()


@pytest.mark.parametrize("workers", [0, 2], ids=["alone", "ordered"])
def test_ctrl_c_while_a_test_rests_reports_what_has_failed(tmp_path: Path, workers: int) -> None:
    (tmp_path / "counting.py").write_text(COUNTER)
    (tmp_path / "test_it.py").write_text(
        AGAIN + "@pytest.mark.retry(on=AssertionError, initial_delay=300, max_delay=300, jitter=False)\n"
        "def test_rests(device): attempt('rests'); assert 0, 'its own failure'\n"
    )
    (tmp_path / "conftest.py").write_text(
        "import pathlib, pytest\n"
        "@pytest.hookimpl(wrapper=True, tryfirst=True)\n"
        "def pytest_report_teststatus(report):\n"
        "    status = yield\n"
        "    if report.outcome == 'retried': pathlib.Path('rests').touch()\n"
        "    return status\n"
    )
    options = ("-n", str(workers)) if workers else ("-p", "no:xdist")
    process = run(tmp_path, *options, "--autorl-farm", "virtual:1", "--junitxml=junit.xml")
    try:
        until(
            lambda: (tmp_path / "rests").exists() or process.poll() is not None,
            "the first attempt is told of",
        )
        pids = family(process.pid)

        os.killpg(process.pid, signal.SIGINT)
        output = close(process, patience_s=30)

        assert process.returncode == pytest.ExitCode.INTERRUPTED, output
        assert "its own failure" in output
        assert "1 failed" in output
        assert "INTERNALERROR" not in output
        until(lambda: not any(map(is_running, pids)), "every process ends", patience_s=20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        close(process)
    books = read_books(tmp_path, pytest.RunResult(0, [], [], 0.0))
    (tmp_path / "test_it.py").write_text("def test_then(device): pass\n")
    then = run(tmp_path, "-p", "no:xdist", "--autorl-farm", "virtual:1", "--autorl-wait", "5")
    said = close(then)
    assert then.returncode == pytest.ExitCode.OK, said  # the device is free
    assert outcomes(books) == {"test_rests": ["failure"]}


@WAYS
def test_an_exit_in_the_second_attempt_leaves_the_first_ones_failure(
    pytester: pytest.Pytester, workers: int, farm: str | None, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        AGAIN + "@again\n"
        "def test_it(request):\n"
        "    if attempt('it') == 2: pytest.exit('enough')\n"
        "    assert 0, 'its own failure'\n"
    )

    books = run_books(pytester, *options, workers=min(workers, 1), farm=farm)

    found = books.result.stdout.str()
    assert counted(pytester.path) == {"it": 2}
    assert books.result.ret != 0
    assert "its own failure" in found
    if not options:  # over an exit in one of its workers, xdist's own distribution stumbles
        assert outcomes(books) == {"test_it": ["failure"]}
        assert "enough" in found
        assert "INTERNALERROR" not in found


def test_an_exit_in_the_teardown_leaves_what_the_attempt_has_said(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        AGAIN + "@pytest.fixture\n"
        "def ends():\n"
        "    yield\n"
        "    pytest.exit('enough')\n"
        "@again\n"
        "def test_it(ends): attempt('it'); assert 0, 'its own failure'\n"
    )

    books = run_books(pytester, farm=None)

    books.result.assert_outcomes(failed=1)
    books.result.stdout.fnmatch_lines(["*its own failure*", "*Exit: enough*"])
    assert counted(pytester.path) == {"it": 1}


# -- what ends an attempt ----------------------------------------------------------------------------------------


def test_a_death_in_or_before_a_later_attempt_is_a_loss_and_not_the_verdict(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        AGAIN + "import os, signal\n"
        "def die(): os.kill(os.getpid(), signal.SIGKILL)\n"
        "@again\n"
        "def test_dies_in_the_second(device):\n"
        "    number = attempt('second')\n"
        "    if number == 2: die()\n"
        "    assert number == 3\n"
        "@again\n"
        "def test_dies_always(device):\n"
        "    assert attempt('always') != 1\n"
        "    die()\n"
        "@pytest.mark.retry(on=AssertionError, initial_delay=2, jitter=False)\n"
        "def test_rests(device):\n"
        "    number = attempt('rests')\n"
        "    assert number == 2\n"
    )

    books = run_books(pytester, workers=2, farm="virtual:2")

    found = outcomes(books)
    assert found.keys() == {"test_dies_in_the_second", "test_dies_always", "test_rests"}
    assert found["test_dies_in_the_second"] == found["test_rests"] == ["passed"]
    assert len(found["test_dies_always"]) == 1
    assert found["test_dies_always"] != ["passed"]
    # After a death a test has one more attempt, whatever its policy.
    assert counted(pytester.path) == {"second": 3, "always": 3, "rests": 2}
    statuses = {name: [row["status"] for row in found] for name, found in books.results.items()}
    assert statuses["test_dies_in_the_second"] == ["failed", "broken", "passed"]
    assert statuses["test_dies_always"] == ["failed", "broken", "broken"]
    assert statuses["test_rests"] == ["failed", "passed"]
    told = books.cases["test_dies_in_the_second"][0].properties
    assert {"autorl_attempt_1", "autorl_attempt_2"} <= told.keys()
    assert books.result.ret == 1


def test_each_attempt_has_the_whole_limit_of_time(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_timeout", reason="pytest-timeout is not installed")
    pytester.makepyfile(
        AGAIN + "import threading\n"
        "def hang(): threading.Event().wait(60)\n"
        "@pytest.mark.timeout(3)\n"
        "@again\n"
        "def test_two_long_ones():\n"
        "    threading.Event().wait(2)\n"
        "    assert attempt('long') == 2\n"
        "@pytest.mark.timeout(1.5)\n"
        "@pytest.mark.retry(initial_delay=2, jitter=False)\n"
        "def test_hangs_once():\n"
        "    if attempt('hangs') == 1: hang()\n"
        "@pytest.mark.timeout(0.5)\n"
        "@again\n"
        "def test_hangs_and_is_not_meant():\n"
        "    attempt('not_meant')\n"
        "    hang()\n"
    )

    books = run_books(pytester, "-o", "timeout_method=signal", farm=None)

    books.result.assert_outcomes(passed=2, failed=1)
    assert counted(pytester.path) == {"long": 2, "hangs": 2, "not_meant": 1}


# -- what tests are ----------------------------------------------------------------------------------------------

#: Of every kind one that needs a second attempt, and some that must have one alone.
KINDS = """
import asyncio, unittest
from hypothesis import given, settings, strategies

class TestClass:
    @again
    def test_is_renewed(self):
        assert not hasattr(self, "seen")
        self.seen = True
        assert attempt("class") == 2

    @again
    @given(strategies.booleans())
    @settings(database=None)
    def test_given(self, value):
        if not hasattr(self, "number"):
            self.number = attempt("given")
        assert self.number == 2

class TestUnit(unittest.TestCase):
    shared = []

    @classmethod
    def setUpClass(cls):
        cls.shared.append(1)

    def setUp(self):
        self.own = []

    def tearDown(self):
        attempt("tear_down")

    @again
    def test_unit(self):
        assert not self.own and self.shared
        self.own.append(1)
        assert attempt("unit") == 2

    @again
    def test_parts(self):
        number = attempt("parts")
        for part in range(3):
            with self.subTest(part=part):
                assert part < 2 or number == 2

class TestClassCannotBegin(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        assert attempt("set_up_class") == 2

    @again
    def test_after_all(self): pass

@again
@pytest.mark.parametrize("value", "ab")
def test_values(value):
    assert attempt(f"value_{value}") == 2

@pytest.fixture(scope="session")
def once():
    assert attempt("once") == 2

@again
def test_session(once): pass

def test_session_then(once): pass

@pytest.fixture
def ends_badly():
    yield
    assert attempt("end") == 2

@again
def test_teardown(ends_badly): attempt("teardown")

@again
@pytest.mark.xfail
def test_xfail(): assert attempt("xfail") == 0

@again
@pytest.mark.xfail(strict=True)
def test_xpass(): attempt("xpass")

@again
def test_skips():
    attempt("skips")
    pytest.skip("not today")
"""
KINDS_CONFTEST = """
import pytest
from counting import attempt

class Own(pytest.Item):
    def runtest(self):
        assert attempt("own") == 2

class OwnFile(pytest.File):
    def collect(self):
        item = Own.from_parent(self, name="own")
        item.add_marker(pytest.mark.retry(on=AssertionError, initial_delay=0))
        yield item

def pytest_collect_file(file_path, parent):
    return OwnFile.from_parent(parent, path=file_path) if file_path.suffix == ".own" else None
"""


@pytest.mark.parametrize("options", [(), ("-n", "1", "--dist", "load")], ids=["alone", "stock"])
def test_every_kind_of_test_runs_again_in_a_suite_without_a_farm(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    pytest.importorskip("hypothesis", reason="hypothesis is not installed")
    pytester.makeconftest(KINDS_CONFTEST)
    pytester.makefile(".own", here="")
    pytester.makepyfile('"""\n>>> 1 + 1\n2\n"""\n' + AGAIN + KINDS)
    (pytester.path / "counting.py").write_text(COUNTER)

    result = pytester.runpytest_subprocess(*options, "--doctest-modules", "--tb=no", "-p", "hypothesispytest")

    once = {"xfail", "xpass", "skips"}
    twice = {"class", "given", "unit", "parts", "set_up_class", "value_a", "value_b", "once", "end", "own"}
    found = counted(pytester.path)
    assert {name for name, count in found.items() if count == 1} == once
    assert {name for name, count in found.items() if count == 2} == twice | {"teardown"}
    assert found["tear_down"] == 4
    assert (
        result.parseoutcomes().items()
        >= {
            "passed": 12,
            "failed": 1,
            "skipped": 1,
            "xfailed": 1,
            "retried": 10,
        }.items()
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@ONE_WORKER
def test_what_an_attempt_leaves_is_not_the_next_ones(
    pytester: pytest.Pytester, workers: int, farm: str | None, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        AGAIN + "import logging, os, sys\n"
        "key = pytest.StashKey()\n"
        "@again\n"
        "def test_it(record_property, request, tmp_path, monkeypatch, caplog):\n"
        "    number = attempt('it')\n"
        "    print('printed', number)\n"
        "    print('complained', number, file=sys.stderr)\n"
        "    logging.getLogger().warning('logged %s', number)\n"
        "    record_property(f'noted_{number}', number)\n"
        "    assert request.node.user_properties == [(f'noted_{number}', number)], 'properties'\n"
        "    assert [record.getMessage() for record in caplog.records] == [f'logged {number}'], 'records'\n"
        "    assert not list(tmp_path.iterdir()), 'folder'\n"
        "    (tmp_path / 'left').touch()\n"
        "    assert 'LEFT' not in os.environ, 'environment'\n"
        "    monkeypatch.setenv('LEFT', '1')\n"
        "    assert os.environ['PYTEST_CURRENT_TEST'].endswith('::test_it (call)'), 'current test'\n"
        "    assert 0, 'to the end'\n"
    )

    books = run_books(pytester, *options, "-o", "junit_logging=all", workers=workers, farm=farm)

    said = books.result.stdout.str()
    assert "AssertionError: to the end" in said
    for word in ("printed", "complained", "logged"):
        assert f"{word} 2" in said
        assert f"{word} 1" not in said
    (case,) = books.cases["test_it"]
    assert "noted_2" in case.properties
    assert "noted_1" not in case.properties
    assert "printed 1" not in (pytester.path / "junit.xml").read_text()


def test_the_traceback_of_a_fixture_is_as_short_as_in_a_single_attempt(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        AGAIN + "@pytest.fixture\n"
        "def bad(): assert attempt('bad') == 0\n"
        "@again\n"
        "def test_it(bad): pass\n"
        "@again\n"
        "class TestIt:\n"
        "    def test_it(self, bad): pass\n"
    )

    (pytester.path / "counting.py").write_text(COUNTER)

    # Without Allure, which asks each test for its function.
    result = pytester.runpytest_subprocess("--tb=short", "-p", "no:randomly")

    result.assert_outcomes(errors=2)
    assert counted(pytester.path) == {"bad": 4}
    assert "_pytest" not in result.stdout.str().partition("= ERRORS =")[2]


def test_nothing_of_a_failed_attempt_stays_alive(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        AGAIN + "import gc, weakref\n"
        "class Big: pass\n"
        "alive = []\n"
        "@again\n"
        "def test_fails():\n"
        "    big = Big()\n"
        "    alive.append(weakref.ref(big))\n"
        "    assert attempt('fails') == 0\n"
        "@pytest.fixture(scope='module')\n"
        "def shared():\n"
        "    big = Big()\n"
        "    alive.append(weakref.ref(big))\n"
        "    assert attempt('shared') == 2\n"
        "@again\n"
        "def test_set_up(shared): pass\n"
        "def test_then():\n"
        "    gc.collect()\n"
        "    assert len(alive) == 4\n"
        "    assert not any(each() for each in alive)\n"
    )

    books = run_books(pytester, farm=None)

    books.result.assert_outcomes(passed=2, failed=1)


# -- what is read of a run ---------------------------------------------------------------------------------------


@ONE_WORKER
def test_only_what_failed_for_good_is_failed_for_others(
    pytester: pytest.Pytester, workers: int, farm: str | None, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        AGAIN + "@again\n"
        "def test_a_flaky(): assert attempt('flaky') == 2\n"
        "@again\n"
        "def test_b_fails(): assert attempt('fails') == 0\n"
        "@pytest.fixture\n"
        "def bad(): assert 0\n"
        "@again\n"
        "def test_c_errs(bad): pass\n"
        "def test_d_passes(): pass\n"
    )

    books = run_books(pytester, "-vv", "--durations=5", *options, workers=workers, farm=farm)

    books.result.assert_outcomes(passed=2, failed=1, errors=1)
    assert outcomes(books) == {
        "test_a_flaky": ["passed"],
        "test_b_fails": ["failure"],
        "test_c_errs": ["error"],
        "test_d_passes": ["passed"],
    }
    said = books.result.outlines
    assert len([line for line in said if line.startswith(("FAILED ", "ERROR "))]) == 2
    last = json.loads((pytester.path / ".pytest_cache/v/cache/lastfailed").read_text())
    assert {name.partition("::")[2] for name in last} == {"test_b_fails", "test_c_errs"}
    stepped = pytester.runpytest_subprocess("--sw", "--tb=no", "-p", "no:randomly", "-q")
    stepped.stdout.fnmatch_lines(["*Interrupted: Test failed, continuing from this test next run*"])
    assert stepped.parseoutcomes()["failed"] == 1


@WAYS
@pytest.mark.parametrize(
    "marker", ["", "@pytest.mark.retry(on=('permanent', 'transient'), initial_delay=0)\n"]
)
def test_a_critical_failure_has_one_attempt_and_ends_the_run_where_that_is_asked(
    pytester: pytest.Pytester, workers: int, farm: str | None, options: tuple[str, ...], marker: str
) -> None:
    pytester.makepyfile(
        AGAIN + "import time\n" + marker + "def test_critical():\n"
        "    attempt('critical')\n"
        "    raise MemoryError('nothing can be trusted')\n"
        "@pytest.mark.parametrize('n', range(40))\n"
        "def test_then(n):\n"
        "    attempt(f'then_{n}')\n"
        "    time.sleep(0.02)\n"
    )

    books = run_books(pytester, "--autorl-abort-on-critical", *options, workers=workers, farm=farm)

    found = counted(pytester.path)
    assert books.result.ret == (pytest.ExitCode.INTERRUPTED if workers else pytest.ExitCode.TESTS_FAILED)
    assert found["critical"] == 1
    assert "then_39" not in found
    assert workers or found == {"critical": 1}
    assert outcomes(books)["test_critical"] == ["failure"]
    assert "CRITICAL failure of" in books.result.stdout.str()


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "with a worker"])
def test_a_suite_that_uses_nothing_of_ours_is_told_as_without_us(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        "import pytest, unittest\n"
        "@pytest.fixture(scope='module')\n"
        "def shared():\n"
        "    yield\n"
        "    assert 0, 'teardown'\n"
        "def test_passes(record_property): record_property('a', 1)\n"
        "def test_fails(): print('said'); assert 0\n"
        "def test_skips(): pytest.skip('x')\n"
        "@pytest.mark.xfail\n"
        "def test_xfails(): assert 0\n"
        "def test_errs(missing): pass\n"
        "def test_shares(shared): pass\n"
        "class TestUnit(unittest.TestCase):\n"
        "    def test_parts(self):\n"
        "        for part in range(2):\n"
        "            with self.subTest(part=part): assert part\n"
    )

    told = []
    for more in ((), ("-p", "no:autorl")):
        result = pytester.runpytest_subprocess(
            *options, *more, "-rA", "-p", "no:randomly", "-p", "no:playwright", "--junitxml=junit.xml"
        )
        books = read_books(pytester.path, result)
        short = sorted(
            result.outlines[result.outlines.index(next(filter(_is_summary, result.outlines))) :][:-1]
        )
        told.append((result.ret, result.parseoutcomes(), short, books.cases))

    ours, without = told
    assert ours == without


def _is_summary(line: str) -> bool:
    return "short test summary info" in line


def test_many_marked_tests_that_pass_leave_nothing_behind(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        AGAIN + "import gc\n"
        "seen = []\n"
        "@again\n"
        "@pytest.mark.parametrize('n', range(600))\n"
        "def test_it(n):\n"
        "    if n in (200, 400, 599):\n"
        "        gc.collect()\n"
        "        seen.append(sum(type(each).__module__.startswith('pytest_autorl') for each in gc.get_objects()))\n"
        "    if n == 599: assert seen[0] == seen[1] == seen[2], seen\n"
    )
    (pytester.path / "counting.py").write_text(COUNTER)

    result = pytester.runpytest_subprocess("-p", "no:xdist", "-p", "no:randomly", "-q")

    result.assert_outcomes(passed=600)
