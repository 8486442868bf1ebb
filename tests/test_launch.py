"""The server of simulated devices comes up while the run gets ready: never in vain, and never left behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX"),
]

FARM = ("--autorl-farm", "virtual:2")
#: Each launch is noted with the process id of its server; `END` is what ends the run, if anything does.
CONFTEST = """
import os, signal
import pytest
from pytest_autorl.virtual.process import Launch

begin = Launch.__init__

def noted(self, *args, **named):
    begin(self, *args, **named)
    with open("launched", "a") as file:
        print(self._process.pid, file=file)

Launch.__init__ = noted

def pytest_collection_finish():
    END
"""
TEST = "def test_it(device): assert device.id\n"


def write(pytester: pytest.Pytester, end: str = "pass") -> None:
    pytester.makeconftest(CONFTEST.replace("END", end))
    pytester.makepyfile(test_it=TEST)


def launched() -> list[int]:
    """Process ids of the servers that were launched, in the folder of the test."""
    path = Path("launched")
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def gone(pid: int) -> bool:
    """Whether the process ends within five seconds."""
    deadline_s = time.monotonic() + 5
    while time.monotonic() < deadline_s:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    "options",
    [
        *(("--collect-only",), ("--setup-plan",), ("--fixtures",), ("--fixtures-per-test",)),
        *(("-n2", "--help"), ("-n2", "--version", "--version"), ("-n2", "--markers")),
        ("-n2", "--collect-only"),
    ],
    ids=" ".join,
)
def test_what_only_shows_something_launches_nothing(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    """Many suites have their farm and their workers in `addopts`."""
    if "-n2" in options:
        pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    write(pytester)

    result = pytester.runpytest_subprocess(*FARM, *options)

    assert result.ret == 0
    assert launched() == []


@pytest.mark.parametrize("workers", [(), ("-n0",), ("-n2",)], ids=["alone", "no worker", "two workers"])
def test_a_run_launches_one_server_and_ends_it(pytester: pytest.Pytester, workers: tuple[str, ...]) -> None:
    if workers:
        pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    write(pytester)

    result = pytester.runpytest_subprocess(*FARM, *workers)

    result.assert_outcomes(passed=1)
    (pid,) = launched()
    assert gone(pid)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("pytest.exit('enough', returncode=7)", 7),
        ("raise KeyboardInterrupt", pytest.ExitCode.INTERRUPTED),
        ("raise ValueError('a plugin broke')", pytest.ExitCode.INTERNAL_ERROR),
        ("os._exit(9)", 9),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
    ids=["exit", "interrupt", "internal error", "crash", "kill"],
)
def test_a_run_that_ends_before_its_first_test_leaves_no_server(
    pytester: pytest.Pytester, end: str, code: int
) -> None:
    write(pytester, end)

    result = pytester.runpytest_subprocess(*FARM)

    assert result.ret == code
    (pid,) = launched()
    assert gone(pid)


def test_an_error_in_collection_leaves_no_server(pytester: pytest.Pytester) -> None:
    write(pytester)
    pytester.makepyfile(test_broken="import nothing_of_this_name\n")

    result = pytester.runpytest_subprocess(*FARM)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    (pid,) = launched()
    assert gone(pid)


def test_each_of_two_sessions_in_one_process_has_its_own(pytester: pytest.Pytester) -> None:
    write(pytester)
    script = pytester.makepyfile(
        twice=f"""
        import sys
        import pytest
        sys.exit(any([pytest.main([*{FARM}, "test_it.py"]) for _ in range(2)]))
        """
    )

    result = pytester.run(sys.executable, "-X", "dev", str(script))

    assert result.ret == 0
    assert "ResourceWarning" not in result.stderr.str()
    assert len(set(launched())) == 2
    assert all(gone(pid) for pid in launched())


def test_a_suite_that_needs_no_device_launches_nothing(pytester: pytest.Pytester) -> None:
    write(pytester)
    pytester.makepyfile(test_it="def test_it(): pass\n")

    pytester.runpytest_subprocess(*FARM).assert_outcomes(passed=1)

    assert launched() == []
