"""Dispatch by device beside what others hook into a test: nothing of theirs is skipped, or told what is not so."""

from __future__ import annotations

import os

import pytest

from ordered import run_ordered

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX"),
]

#: Runs a test anew until it passes, as pytest-rerunfailures does it: in the protocol, and it reports by itself.
RERUNS = """
from _pytest.runner import runtestprotocol

def pytest_configure(config):
    config.addinivalue_line("markers", "flaky(reruns): run again")

def pytest_runtest_protocol(item, nextitem):
    mark = item.get_closest_marker("flaky")
    if mark is None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for left in reversed(range(mark.kwargs["reruns"] + 1)):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if not left or not any(report.failed for report in reports):
            break
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
"""


def test_a_rerunning_plugin_and_a_lost_device_each_run_their_tests_again(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(RERUNS)
    pytester.makepyfile(
        """
        import pathlib
        import pytest
        from pytest_autorl.errors import DeviceTimeoutError
        tries = []
        @pytest.mark.flaky(reruns=2)
        def test_flaky(device):
            tries.append(1)
            assert len(tries) == 3
        def test_lost(device):
            mark = pathlib.Path("was-lost")
            if not mark.exists():
                mark.touch()
                raise DeviceTimeoutError("gone", device_id=device.id)
        """
    )

    result = run_ordered(pytester)

    result.assert_outcomes(passed=2)
    assert (pytester.path / "was-lost").exists()


def test_a_modules_failing_teardown_comes_with_its_output_and_its_warnings(pytester: pytest.Pytester) -> None:
    text = """
        import warnings
        import pytest
        @pytest.fixture(scope="module")
        def shared():
            yield
            print("said at the end")
            warnings.warn("warned at the end")
            raise RuntimeError("torn")
        def test_it(shared, device): pass
        """
    pytester.makepyfile(test_one=text, test_two="def test_other(device): pass\n")

    result = run_ordered(pytester, workers=1)

    result.assert_outcomes(passed=2, errors=1, warnings=1)
    result.stdout.fnmatch_lines_random(
        ["*Captured stdout teardown*", "said at the end", "*UserWarning: warned at the end"]
    )


def test_a_modules_hanging_teardown_is_ended_by_pytest_timeout(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_timeout", reason="is a plugin of others")
    text = """
        import threading
        import pytest
        @pytest.fixture(scope="module")
        def shared():
            yield
            threading.Event().wait(100)
        def test_it(shared, device): pass
        """
    pytester.makepyfile(test_one=text, test_two="def test_other(device): pass\n")

    result = run_ordered(pytester, "--timeout", "3", "--timeout-method", "signal", workers=1)

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*Timeout (>3.0s) from pytest-timeout*"])


def test_subtests_of_a_lost_attempt_are_not_reported_and_those_of_the_last_agree_with_it(
    pytester: pytest.Pytester,
) -> None:
    pytest.importorskip("_pytest.subtests", reason="pytest 9 has them")
    pytester.makepyfile(
        """
        import pathlib
        from pytest_autorl.errors import DeviceTimeoutError
        def test_it(device, subtests):
            with pathlib.Path("attempts").open("a") as file: file.write("x")
            with subtests.test("a part"):
                raise DeviceTimeoutError("gone", device_id=device.id)
        """
    )

    result = run_ordered(pytester)

    subfailed = [line for line in result.outlines if line.startswith("SUBFAILED")]
    assert len(subfailed) == 1
    assert (pytester.path / "attempts").read_text() == "xxx"
    assert result.parseoutcomes().get("passed", 0) == 0
    assert result.parseoutcomes()["lost"] == 2
