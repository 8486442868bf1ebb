"""Dispatch by device, when workers die: every test is told of, once, and nobody waits for ever."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET

import pytest

from ordered import DIES_ONCE, overlaps, rows, run_ordered

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX"),
]
pytest.importorskip("xdist", reason="pytest-xdist is not installed")

OTHERS = """
import pytest
@pytest.mark.parametrize("n", range(5))
def test_other(driver, n): assert driver.page_source
"""
DIES = "import os, signal\ndef die(): os.kill(os.getpid(), signal.SIGKILL)\n"


def test_a_test_whose_worker_died_runs_once_more(pytester: pytest.Pytester) -> None:
    """Also one that needs no device; the trace has the lost attempt, and the next by its number."""
    pytester.makepyfile(
        test_a=DIES_ONCE + "def test_dies(driver): die_once('driver')\ndef test_bare(): die_once('bare')\n",
        test_b=OTHERS,
    )

    result = run_ordered(pytester)

    result.assert_outcomes(passed=7)
    assert result.ret == 0
    found = [row for row in rows(pytester) if row["test"].endswith("test_dies")]
    assert [(row["attempt"], row["outcome"]) for row in found] == [(1, "lost"), (2, "passed")]
    assert found[0]["devices"] != found[1]["devices"]
    assert overlaps(rows(pytester)) == []


def test_a_test_that_kills_two_workers_is_its_own_failure(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_a=DIES + "def test_dies(driver): die()\n", test_b=OTHERS)

    result = run_ordered(pytester)

    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["*crashed while running 'test_a.py::test_dies'*"])
    assert [row["outcome"] for row in rows(pytester) if row["test"].endswith("test_dies")] == ["lost", "lost"]


def test_with_no_retries_the_first_death_counts(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_a=DIES + "def test_dies(driver): die()\n", test_b=OTHERS)

    result = run_ordered(pytester, "--autorl-retries", "0")

    result.assert_outcomes(passed=5, failed=1)
    assert len([row for row in rows(pytester) if row["test"].endswith("test_dies")]) == 1


def test_a_death_in_a_modules_teardown_is_an_error_of_its_last_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_a=DIES
        + """
import pytest
@pytest.fixture(scope="module")
def shared():
    yield
    die()
@pytest.mark.parametrize("n", range(3))
def test_shares(shared, module_device, n): pass
""",
        test_b=OTHERS,
    )

    result = run_ordered(pytester)

    result.assert_outcomes(passed=8, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of *", "*worker gw? died while it tore down*"])


def test_a_worker_that_dies_while_it_is_idle_loses_nothing(pytester: pytest.Pytester) -> None:
    """The others wait until it is dead; its device is used again."""
    pytester.makepyfile(
        test_a="""
import os, pathlib, signal, subprocess, sys, time
KILL = '''
import os, signal, sys, time
time.sleep(0.5)  # so that the worker has nothing to do; the test holds without it too
os.kill(int(sys.argv[1]), signal.SIGKILL)
'''
def test_is_short(driver):
    subprocess.Popen([sys.executable, "-c", KILL, str(os.getpid())])
    pathlib.Path("pid").write_text(str(os.getpid()))
def test_is_long(driver):
    while not pathlib.Path("pid").exists() or pathlib.Path("pid").read_text() == "":
        time.sleep(0.01)
    pid = int(pathlib.Path("pid").read_text())
    for _ in range(300):
        seen = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
        if seen.strip()[:1] in ("", "Z"):
            return
        time.sleep(0.1)
    raise AssertionError("it lives")
""",
    )

    result = run_ordered(pytester)

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*node down*"])


def test_the_tests_of_a_shared_device_go_on_elsewhere_after_a_death(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_a=DIES_ONCE
        + """
import pytest
class TestOne:
    @pytest.mark.parametrize("n", range(4))
    def test_it(self, class_driver, n):
        if n == 2:
            die_once("class")
@pytest.mark.parametrize("n", range(4))
def test_it(module_device, n):
    if n == 1:
        die_once("module")
""",
        test_b=OTHERS,
    )

    result = run_ordered(pytester, workers=3, farm="virtual:3")

    result.assert_outcomes(passed=13)
    assert overlaps(rows(pytester)) == []
    assert sorted(row["outcome"] for row in rows(pytester)) == ["lost", "lost", *["passed"] * 13]


@pytest.mark.parametrize(
    ("restarts", "ids"), [("0", "none is replaced"), ("1", "one is replaced")], ids=["none", "one"]
)
def test_where_no_worker_is_replaced_every_test_says_why_it_did_not_run(
    pytester: pytest.Pytester, restarts: str, ids: str
) -> None:
    """Collected is reported: nothing is left out in silence."""
    pytester.makepyfile(
        DIES
        + "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_dies(driver, n): die()\n"
        + "@pytest.mark.parametrize('n', range(6))\ndef test_bare(n): die()\n"
    )

    result = run_ordered(pytester, "--max-worker-restart", restarts, "--junitxml", "junit.xml")

    found = result.parseoutcomes()
    assert found.get("failed", 0) + found.get("errors", 0) == 12
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*no worker*left*"])
    suite = ET.parse(pytester.path / "junit.xml").getroot()[0]
    assert len(list(suite.iter("testcase"))) == 12


def test_when_every_worker_dies_at_its_start_the_run_ends_and_is_not_green(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import os\nif os.environ.get('PYTEST_XDIST_WORKER', 'gw0') != 'gw0' or 'PYTEST_XDIST_WORKER' in os.environ:\n"
        "    os._exit(3)\n"
    )
    pytester.makepyfile(OTHERS)

    result = run_ordered(pytester, "--max-worker-restart", "1")

    assert result.ret != 0
    assert "passed" not in result.parseoutcomes()


def test_a_worker_that_dies_over_its_collection_is_replaced(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        DIES + "def pytest_collection_modifyitems():\n"
        "    if os.environ.get('PYTEST_XDIST_WORKER') == 'gw0': die()\n"
    )
    pytester.makepyfile(OTHERS)

    result = run_ordered(pytester)

    result.assert_outcomes(passed=5)
    assert result.ret == 0
