"""How the `retry` marker and its options behave: beside mistakes, other options, a debugger, other plugins."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import rerun_plugins
from pytest_autorl.resilience.policy import KEYWORDS, WORDS, RetryPolicy

pytestmark = pytest.mark.integration

DOCS = Path(__file__).resolve().parents[1] / "docs"

#: Notes each attempt, in a file, since workers may make them.
CONFTEST = """
import pytest

@pytest.fixture(autouse=True)
def noted(request):
    with open("attempts.txt", "a") as file:
        file.write(request.node.name + "\\n")
"""

SUITE = """
import pytest

@pytest.mark.retry(on="test", initial_delay=0)
def test_marked(): assert 0

@pytest.mark.retry(max_attempts=1)
def test_excepted(): raise TimeoutError

def test_unmarked(): raise TimeoutError
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A suite that always fails, and notes its attempts."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it=SUITE)
    (pytester.path / "device_farm.yml").write_text(
        "version: 1\nretry: {initial_delay: 0, max_delay: 0}\n"
        "devices: [{id: phone, provider: virtual, platform: android, count: 2}]\n"
    )
    return pytester


def attempts(pytester: pytest.Pytester) -> dict[str, int]:
    return Counter((pytester.path / "attempts.txt").read_text().split())


def about(result: pytest.RunResult, text: str) -> list[str]:
    return [line for line in result.outlines if text in line]


@pytest.mark.parametrize(
    ("options", "marked", "unmarked"),
    [
        ([], 3, 1),
        (["--autorl-retries", "1"], 3, 2),
        (["-o", "autorl_retries=3"], 3, 4),
        (["--autorl-retries", "0"], 1, 1),
        (["-o", "autorl_retries=0"], 1, 1),
        (["--autorl-retries", "2", "--autorl-retry-budget", "0"], 1, 1),
        (["-n", "2", "--autorl-retries", "1"], 3, 2),
        (["-n", "2", "--autorl-retries", "0"], 1, 1),
        (["-n", "2", "--autorl-retries", "1", "--dist", "load"], 3, 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_marker_and_options_say_how_often(
    suite: pytest.Pytester, options: list[str], marked: int, unmarked: int
) -> None:
    result = suite.runpytest_subprocess(*options)

    result.assert_outcomes(failed=3)
    assert attempts(suite) == {"test_marked": marked, "test_excepted": 1, "test_unmarked": unmarked}


@pytest.mark.parametrize("farm", [True, False], ids=["with a farm", "without one"])
def test_a_marker_that_means_nothing_ends_its_test_alone(suite: pytest.Pytester, farm: bool) -> None:
    if not farm:
        (suite.path / "device_farm.yml").unlink()
    suite.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.parametrize("n", [1, 2])
        @pytest.mark.retry(max_attempts=0)
        def test_wrong(n): ...

        @pytest.mark.skip(reason="not today")
        @pytest.mark.retry(max_attempts=0)
        def test_wrong_and_skipped(): ...

        @pytest.mark.retry
        def test_right(): ...
        """
    )

    result = suite.runpytest()

    result.assert_outcomes(errors=2, passed=1, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "autorl: 3 tests cannot run: test_it.py::test_wrong?1? and 2 more",
            "    retry(max_attempts=0): must be a whole number from 1 to 100",
            "      do: the first attempt counts: 3 is two retries, 1 is none",
        ]
    )
    assert "test_wrong[1]" not in attempts(suite)


def test_a_broken_build_is_not_retried(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.retry(max_attempts=2, on="test", initial_delay=0)
        @pytest.mark.parametrize("n", range(60))
        def test_it(n): assert 0
        """
    )

    result = suite.runpytest("-p", "no:randomly", "--autorl-retry-budget", "100")

    result.assert_outcomes(failed=60)
    seen = attempts(suite)
    assert [seen[f"test_it[{n}]"] for n in (0, 49, 50, 59)] == [2, 2, 1, 1]
    result.stdout.fnmatch_lines(["not tried again: *tests have failed: the build is broken"])


def test_nothing_is_retried_under_a_debugger(suite: pytest.Pytester) -> None:
    (suite.path / "debugger.py").write_text(
        "class Quiet:\n"
        "    def reset(self): ...\n"
        "    def setup(self, *_): ...\n"
        "    def interaction(self, *_): ...\n"
        "    def __init__(self, *_, **__): self.quitting = False\n"
    )
    suite.syspathinsert()

    result = suite.runpytest_subprocess("--pdb", "--pdbcls", "debugger:Quiet", "--autorl-retries", "2")

    result.assert_outcomes(failed=3)
    assert set(attempts(suite).values()) == {1}


# Other plugins


ASKED: list[Any] = [
    pytest.param("rerunfailures", "pytest-rerunfailures", ["--reruns", "1"], id="rerunfailures"),
    pytest.param("flaky", "flaky", ["--force-flaky"], id="flaky"),
    pytest.param("pytest-retry", "pytest-retry", ["--retries", "1"], id="pytest-retry"),
]


@pytest.mark.parametrize(("plugin", "name", "options"), ASKED)
@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "workers"])
def test_another_plugin_that_was_asked_is_left_alone(
    suite: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    plugin: str,
    name: str,
    options: list[str],
    workers: list[str],
) -> None:
    """Neither multiplies the attempts of the other."""
    alone = rerun_plugins.install(monkeypatch, plugin)

    result = suite.runpytest_subprocess(*alone, *options, *workers, "--autorl-retries", "2")

    assert result.parseoutcomes()["failed"] == 3
    assert attempts(suite) == {"test_marked": 2, "test_excepted": 2, "test_unmarked": 2}
    assert about(result, "left to") == [
        f"autorl: 2 tests are left to {name}, which runs failed ones again: autorl runs them once"
    ]


def test_the_marker_of_another_plugin_is_one_tests_affair(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = rerun_plugins.install(monkeypatch, "rerunfailures")
    suite.makepyfile(
        test_it=f"{SUITE}\n@pytest.mark.flaky(reruns=4)\ndef test_theirs(device): raise TimeoutError\n"
    )

    result = suite.runpytest_subprocess(*alone, "--autorl-retries", "1")

    assert attempts(suite) == {"test_marked": 3, "test_excepted": 1, "test_unmarked": 2, "test_theirs": 5}
    assert about(result, "left to") == [
        "autorl: 1 test is left to pytest-rerunfailures, which runs failed ones again: autorl runs them once"
    ]


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "workers"])
def test_plugins_that_are_merely_installed_change_nothing(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: list[str]
) -> None:
    """flaky runs every test by itself, asked or not."""
    rerun_plugins.install(monkeypatch, *rerun_plugins.NAMES)
    suite.makepyfile(
        test_it=f"{SUITE}\n@pytest.mark.retry(on='test', max_attempts=2)\ndef test_device(device): assert 0"
    )

    result = suite.runpytest_subprocess("--autorl-retries", "1", *workers)

    result.assert_outcomes(failed=4)
    assert attempts(suite) == {"test_marked": 3, "test_excepted": 1, "test_unmarked": 2, "test_device": 2}
    assert about(result, "left to") == []


def test_nothing_is_said_where_nothing_of_ours_is_asked(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = rerun_plugins.install(monkeypatch, "rerunfailures")
    suite.makepyfile(test_it="def test_plain(): assert 0")

    result = suite.runpytest_subprocess(*alone, "--reruns", "1")

    assert attempts(suite) == {"test_plain": 2}
    assert about(result, "left to") == []


# The page


def _rows(heading: str) -> list[list[str]]:
    text = (DOCS / "retries.md").read_text(encoding="utf-8")
    section = re.split(rf"^## {heading}$", text, flags=re.MULTILINE)[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_keyword_is_described_with_its_default() -> None:
    policy = RetryPolicy()
    backoff = policy.backoff
    defaults = {
        "max_attempts": policy.max_attempts,
        "on": '("transient",)',
        "elsewhere": policy.elsewhere,
        "initial_delay": backoff.initial_delay,
        "max_delay": backoff.max_delay,
        "backoff_multiplier": backoff.multiplier,
        "jitter": backoff.jitter,
    }

    described = {row[0].strip("`"): row[1].strip("`") for row in _rows("The marker")}

    assert sorted(described) == sorted(KEYWORDS)
    assert described == {name: str(value) for name, value in defaults.items()}


def test_every_word_is_described() -> None:
    words = re.findall(r'`"(\w+)"`', " ".join(row[0] for row in _rows("on")))

    assert sorted(words) == sorted(WORDS)
