"""Dispatch by device: every kind of test, on the right device, one after the other, with other plugins about."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from ordered import overlaps, rows, run_ordered

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX"),
]
pytest.importorskip("xdist", reason="pytest-xdist is not installed")

#: For tests that write down what happens, in one line each.
LOG = """
import os
from pathlib import Path

def log(*words):
    line = " ".join((os.environ["PYTEST_XDIST_WORKER"], *map(str, words)))
    with Path(__file__).with_name("log").open("a") as file:
        file.write(line + chr(10))
"""


def log_of(pytester: pytest.Pytester) -> list[list[str]]:
    """What was written down: worker, and words."""
    return [line.split() for line in (pytester.path / "log").read_text().splitlines()]


def test_every_kind_of_test_runs_where_it_should(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_asyncio")
    pytester.makepyfile(
        test_kinds="""
        import unittest
        import pytest

        @pytest.mark.parametrize("n", range(4))
        def test_device(driver, n): assert driver.page_source
        @pytest.mark.device(count=2)
        @pytest.mark.parametrize("n", range(2))
        def test_pair(drivers, n):
            assert len({driver.capabilities["udid"] for driver in drivers}) == 2
        @pytest.mark.device(form_factor="tablet")
        def test_tablet(device): assert device.form_factor == "tablet"
        def test_in_the_middle(request): assert request.getfixturevalue("driver").page_source
        def test_in_the_middle_fails(request):
            request.getfixturevalue("device")
            assert 0
        @pytest.mark.skip
        def test_skip(driver): assert 0
        @pytest.mark.skipif(True, reason="so")
        def test_skipif(driver): assert 0
        @pytest.mark.xfail(run=False)
        def test_not_run(driver): assert 0
        @pytest.mark.xfail
        def test_xfail(driver): assert 0
        @pytest.mark.device(platform="ios")
        def test_unmet(device): pass
        @pytest.mark.asyncio
        async def test_async(async_driver): pass
        class TestUnit(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _get(self, driver): self.driver = driver
            def test_one(self): self.assertTrue(self.driver.page_source)
            def test_two(self): self.assertTrue(self.driver.page_source)
        @pytest.mark.parametrize("n", range(8))
        def test_bare(n): pass
        def test_bare_fails(): assert 0
        """
    )

    result = run_ordered(pytester, "-p", "asyncio", workers=3, farm="virtual:3")

    result.assert_outcomes(passed=4 + 2 + 1 + 1 + 1 + 2 + 8, failed=2, skipped=2, xfailed=2, errors=1)
    found = rows(pytester)
    assert overlaps(found) == []
    assert {row["test"].partition("::")[2].partition("[")[0] for row in found} == {
        "test_device",
        "test_pair",
        "test_tablet",
        "test_in_the_middle",
        "test_in_the_middle_fails",
        "test_xfail",
        "test_async",
        "TestUnit::test_one",
        "TestUnit::test_two",
    }


def test_wider_scopes_are_served_by_one_device_each_and_end_at_once(pytester: pytest.Pytester) -> None:
    """The device of a module is used elsewhere while the worker that had it has nothing more to do."""
    module = (
        LOG
        + """
import pytest
def setup_module(module): log("M+", module.__name__)
def teardown_module(module): log("M-", module.__name__)
@pytest.mark.parametrize("n", range(3))
def test_shares(module_driver, module_device, n): log("t", __name__, module_device.id)
"""
    )
    pytester.makepyfile(
        test_one=module,
        test_two=module,
        test_three=LOG
        + """
import pytest
class TestClass:
    @pytest.fixture(scope="class")
    def shared(self):
        log("C+")
        yield
        log("C-")
    @pytest.mark.parametrize("n", range(3))
    def test_it(self, shared, class_device, n): log("c", class_device.id)
@pytest.mark.parametrize("n", range(4))
def test_own(device, n): log("own", device.id)
@pytest.mark.parametrize("n", range(4))
def test_session(session_device, n): log("s", session_device.id)
""",
    )

    result = run_ordered(pytester, workers=2)

    result.assert_outcomes(passed=3 + 3 + 3 + 4 + 4)
    found, lines = rows(pytester), log_of(pytester)
    assert overlaps(found) == []
    for name in ("test_one", "test_two"):
        shared = [line for line in lines if line[1] == "t" and line[2] == name]
        assert len({(line[0], line[3]) for line in shared}) == 1, shared
    assert len({tuple(line[:1] + line[2:]) for line in lines if line[1] == "c"}) == 1
    assert [line[1] for line in lines if line[1].startswith("C")] == ["C+", "C-"]
    for worker in ("gw0", "gw1"):
        _check_nesting([line for line in lines if line[0] == worker])


def _check_nesting(lines: list[list[str]]) -> None:
    """A module is set up before its tests and torn down before those of another."""
    is_open = ""
    for _, what, *more in lines:
        if what == "M+":
            assert is_open == ""
            is_open = more[0]
        elif what == "M-":
            assert is_open == more[0]
            is_open = ""
        elif what == "t":
            assert is_open == more[0]
    assert is_open == ""


def test_a_closed_scope_frees_its_device_while_its_worker_is_idle(pytester: pytest.Pytester) -> None:
    """One device, two workers, and only tests of two modules: the second could never run otherwise."""
    text = "def test_a(module_device): pass\ndef test_b(module_device): pass\n"
    pytester.makepyfile(test_one=text, test_two=text, test_three="def test_c(session_device): pass\n")

    result = run_ordered(pytester, farm="virtual:1")

    result.assert_outcomes(passed=5)
    assert overlaps(rows(pytester)) == []


def test_errors_of_wider_teardowns_are_told_on_the_test_that_ran_last(pytester: pytest.Pytester) -> None:
    """In the summary, in JUnit, and in Allure, where it has a result of its own: the test's is closed by then."""
    pytest.importorskip("allure_pytest")
    pytester.makepyfile(
        test_a="""
        import pytest
        @pytest.fixture(scope="module")
        def shared():
            yield
            raise RuntimeError("torn apart")
        @pytest.mark.parametrize("n", range(2))
        def test_it(shared, module_device, n): pass
        """,
        test_b="import pytest\n@pytest.mark.parametrize('n', range(3))\ndef test_other(device, n): pass\n",
    )

    result = run_ordered(pytester, "--junitxml", "junit.xml", "--alluredir", "allure")

    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_it?1?*", "*torn apart*"])
    suite = ET.parse(pytester.path / "junit.xml").getroot()[0]
    assert [case.get("name") for case in suite.iter("testcase") if case.find("error") is not None] == [
        "test_it[1]"
    ]
    stories = results_of_allure(pytester)
    broken = [story for story in stories if story["status"] == "broken"]
    assert [story["name"] for story in broken] == ["test_it[1]: teardown of what it shares"]
    assert "torn apart" in broken[0]["statusDetails"]["message"]
    assert broken[0]["historyId"] not in {story["historyId"] for story in stories if story is not broken[0]}


def results_of_allure(pytester: pytest.Pytester) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (pytester.path / "allure").glob("*-result.json")]


def test_other_plugins_have_their_say(pytester: pytest.Pytester) -> None:
    """A time limit of a test, coverage of workers, another order, the times of the slowest."""
    for name in ("pytest_timeout", "pytest_cov", "pytest_randomly"):
        pytest.importorskip(name)
    pytester.makepyfile(
        code="def used(): return 1\ndef unused():\n    return 2\n",
        test_it="""
        import time
        import pytest
        from code_under_test import used
        @pytest.mark.parametrize("n", range(6))
        def test_it(driver, n): assert used() == 1
        @pytest.mark.timeout(6)
        def test_hangs(driver): time.sleep(60)
        """,
    )
    (pytester.path / "code.py").rename(pytester.path / "code_under_test.py")

    result = pytester.runpytest_subprocess(
        *("-n", "2", "--autorl-farm", "virtual:2", "--autorl-wait", "20"),
        *("--cov", "code_under_test", "--cov-report", "term", "--durations", "2", "-p", "randomly"),
        timeout=120,
    )

    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines(["*code_under_test.py*3*1*67%*"])
    result.stdout.fnmatch_lines(["*slowest 2 durations*", "*test_hangs*"])


def test_what_failed_last_and_what_is_chosen_runs_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_it(device, n): assert n != 3\n"
        "def test_other(device): pass\n"
    )

    run_ordered(pytester).assert_outcomes(passed=6, failed=1)
    run_ordered(pytester, "--lf").assert_outcomes(failed=1)
    run_ordered(pytester, "-k", "other").assert_outcomes(passed=1)


def test_without_a_terminal_all_is_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.parametrize('n', range(4))\ndef test_it(device, n): pass\n"
    )

    result = pytester.runpytest_subprocess(
        *("-n", "2", "--autorl-farm", "virtual:2", "-p", "no:terminal"), timeout=120
    )

    assert result.ret == 0
    assert len(rows(pytester)) == 4


# -- where the plugin leaves it to xdist ---------------------------------------------------------------------------


def test_an_xdist_that_is_not_known_distributes_by_itself_and_the_header_says_so(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(
        "from pytest_autorl.dispatch import xdist_api\n"
        "xdist_api.why_not = lambda: 'pytest-xdist 99 has no WorkerInteractor.sendevent'\n"
    )
    pytester.makepyfile(
        "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_it(device, n): pass\n"
    )

    result = run_ordered(pytester, "-v")

    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["autorl: tests are distributed as xdist does it*pytest-xdist 99 has no*"])
    result.stdout.fnmatch_lines(["scheduling tests via LoadScheduling"])


def test_a_distribution_that_the_user_chose_is_theirs(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_it(device, n): pass\n"
    )

    result = run_ordered(pytester, "-v", "--dist", "worksteal")

    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(["scheduling tests via WorkStealingScheduling"])
    result.stdout.no_fnmatch_line("*distributed as xdist*")


def test_a_suite_without_any_need_is_left_to_xdist(pytester: pytest.Pytester) -> None:
    """The same results, and no state is opened for it by a worker."""
    pytester.makepyfile(
        """
        import pytest, os
        @pytest.fixture(scope="module")
        def shared(): return 1
        @pytest.mark.parametrize("n", range(30))
        def test_it(n, shared): assert n != 7
        """
    )

    result = run_ordered(pytester)

    result.assert_outcomes(passed=29, failed=1)
    assert rows(pytester) == []
