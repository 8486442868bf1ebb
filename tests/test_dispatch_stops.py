"""Dispatch by device, in runs that end before all tests have run, or whose workers do not agree on them."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from lab import close, family, is_running, run, until
from ordered import rows, run_ordered

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX"),
]
pytest.importorskip("xdist", reason="pytest-xdist is not installed")

MANY = "import pytest\n@pytest.mark.parametrize('n', range(12))\ndef test_many(driver, n): pass\n"


@pytest.mark.parametrize("option", ["-x", "--maxfail=2"])
def test_a_limit_of_failures_stops_the_run_as_ever(pytester: pytest.Pytester, option: str) -> None:
    """No test that was not run is told of, and the exit code is xdist's."""
    pytester.makepyfile(
        "import pytest\n@pytest.mark.parametrize('n', range(20))\ndef test_fails(driver, n): assert 0\n"
    )

    result = run_ordered(pytester, option)

    found = result.parseoutcomes()
    assert 1 <= found["failed"] <= 4
    assert "errors" not in found
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*stopping after*"])
    result.stdout.no_fnmatch_line("*worker gw* died*")


@pytest.mark.parametrize("call", ["pytest.exit('enough')", "pytest.exit('enough', returncode=3)"])
def test_an_exit_in_a_test_ends_the_run_with_its_reason(pytester: pytest.Pytester, call: str) -> None:
    """The others end at once, and nobody runs that test again."""
    pytester.makepyfile(
        test_a=f"import pytest\ndef test_exits(driver):\n    open('ran', 'a').write('x')\n    {call}\n",
        test_b=MANY.replace("range(12)", "range(200)"),
    )

    result = run_ordered(pytester)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    found = result.parseoutcomes()
    assert not {"errors", "failed"} & set(found)
    assert sum(found.values()) <= 200
    assert (pytester.path / "ran").read_text() == "x"
    result.stdout.fnmatch_lines(["*Interrupted: enough (pytest.exit in worker gw*)*"])
    for words in ("*worker gw* died*", "*crashed while*", "*INTERNALERROR*"):
        result.stdout.no_fnmatch_line(words)


@pytest.mark.parametrize("code", ["", ", returncode=3"])
def test_an_exit_in_a_modules_teardown_ends_the_run_and_nobody_died(
    pytester: pytest.Pytester, code: str
) -> None:
    pytester.makepyfile(
        test_a=f"""
import pytest
@pytest.fixture(scope="module")
def shared():
    yield
    pytest.exit("enough"{code})
def test_shares(shared, module_device): pass
""",
        test_b=MANY,
    )

    result = run_ordered(pytester)

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert not {"errors", "failed"} & set(result.parseoutcomes())
    result.stdout.fnmatch_lines(["*Interrupted: enough (pytest.exit in worker gw*)*"])
    result.stdout.no_fnmatch_line("*worker gw* died*")


def test_ctrl_c_ends_the_run_within_seconds_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pathlib, time, pytest\n"
        "@pytest.mark.parametrize('n', range(4))\n"
        "def test_it(driver, n):\n"
        "    pathlib.Path(f'held-{n}').touch()\n"
        "    while True: time.sleep(0.05)\n"
    )
    process = run(tmp_path, "-n", "2", "--autorl-farm", "virtual:2", "--autorl-wait", "20")
    try:
        until(
            lambda: len(list(tmp_path.glob("held-*"))) == 2 or process.poll() is not None,
            "two tests have begun",
        )
        pids = family(process.pid)

        os.killpg(process.pid, signal.SIGINT)
        output = close(process, patience_s=30)

        assert process.returncode == pytest.ExitCode.INTERRUPTED, output
        until(lambda: not any(map(is_running, pids)), "every process ends", patience_s=20)
        assert "INTERNALERROR" not in output
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        close(process)


def test_a_module_that_cannot_be_collected_is_told_and_the_others_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_a="raise ValueError('boom')", test_b=MANY)

    result = run_ordered(pytester)

    found = result.parseoutcomes()
    assert found["passed"] == 12
    assert found["errors"] >= 1
    assert result.ret == 1


def test_a_worker_with_other_tests_takes_no_part_and_says_which(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import os, pytest\n"
        "@pytest.mark.parametrize('n', range(12))\ndef test_many(driver, n): pass\n"
        "if os.environ['PYTEST_XDIST_WORKER'] == 'gw1':\n    def test_more(driver): pass\n"
    )

    result = run_ordered(pytester)

    found = result.parseoutcomes()
    assert found["errors"] == 1
    assert found["passed"] in (12, 13)  # those of the worker that came first
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*workers have collected different tests*", "*test_more*"])


NEEDS_BY_WORKER = """
import os, pathlib, time, pytest
is_first = os.environ.get("PYTEST_XDIST_WORKER") == "gw0"
@pytest.mark.parametrize("n", range(6))
@(pytest.mark.device() if is_first else pytest.mark.skip(reason="not here"))
def test_it(request, n):
    # The run is not over before the other one is heard.
    while not pathlib.Path("collected-gw1").exists(): time.sleep(0.01)
"""
#: One worker collects when the other has, so that it is known which comes first.
LATE = """
import os, pathlib, time
def pytest_collection_modifyitems(items):
    if os.environ.get("PYTEST_XDIST_WORKER") == "{late}":
        while not list(pathlib.Path().glob("collected-*")): time.sleep(0.01)
def pytest_xdist_node_collection_finished(node):
    pathlib.Path("collected-" + node.gateway.id).touch()
"""


@pytest.mark.parametrize(
    ("late", "words"),
    [("gw1", "needs of their tests differently"), ("gw0", "the first worker needs none")],
    ids=["by device", "as xdist does it"],
)
def test_a_worker_that_reads_its_needs_differently_takes_no_part(
    pytester: pytest.Pytester, late: str, words: str
) -> None:
    """A marker that depends on the worker: the run ends, every test has one verdict, and the reason is told."""
    pytester.makeconftest(LATE.format(late=late))
    pytester.makepyfile(NEEDS_BY_WORKER)

    result = run_ordered(pytester)

    found = result.parseoutcomes()
    assert found["errors"] == 1
    assert found.get("passed", 0) + found.get("skipped", 0) == 6
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*{words}*"])


OWN_SCHEDULER = """
from xdist.scheduler import LoadFileScheduling
def pytest_xdist_make_scheduler(config, log):
    return LoadFileScheduling(config, log)
"""


@pytest.mark.parametrize(
    "choice",
    [
        OWN_SCHEDULER,
        "def pytest_configure(config):\n    config.option.dist = 'loadfile'\n",
    ],
    ids=["scheduler", "option"],
)
def test_a_conftest_that_chooses_the_distribution_gets_it(pytester: pytest.Pytester, choice: str) -> None:
    pytester.makeconftest(choice)
    pytester.makepyfile(
        test_a="import pytest\n@pytest.mark.parametrize('n', range(4))\ndef test_it(driver, n): pass\n",
        test_b=MANY,
    )

    result = run_ordered(pytester, "-v")

    result.assert_outcomes(passed=16)
    result.stdout.fnmatch_lines(["*scheduling tests via LoadFileScheduling*"])
    workers = {(row["test"].partition("::")[0], row["worker"]) for row in rows(pytester)}
    assert len(workers) == 2  # a file stays with its worker


def test_workers_may_have_the_tests_in_different_orders(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import os\ndef pytest_collection_modifyitems(items):\n"
        "    if os.environ.get('PYTEST_XDIST_WORKER') == 'gw1': items.reverse()\n"
    )
    pytester.makepyfile(
        test_a=MANY,
        test_b="import os, pytest\n@pytest.mark.parametrize('n', range(6))\n"
        "def test_shared(module_device, n): print('by', os.environ['PYTEST_XDIST_WORKER'])\n",
    )

    result = run_ordered(pytester, workers=2)

    result.assert_outcomes(passed=18)
    assert len({row["test"] for row in rows(pytester)}) == 18
