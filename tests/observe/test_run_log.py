"""The log of a pytest run: only when asked for, where it goes, and that it ends with the run."""

from __future__ import annotations

import json
import logging
import stat
from pathlib import Path
from typing import Any

import pytest

SUITE = """
    import logging

    def test_logs():
        logging.getLogger("pytest_autorl.own").info("seen %s", "here", extra={"autorl": {"device": "pixel-8"}})
        logging.getLogger("pytest_autorl.own").debug("detail")
        logging.getLogger("somebody").error("not ours")
"""


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    # No device is asked for, so nothing of the farm is started.
    pytester.makeini("[pytest]\naddopts = -p no:asyncio --autorl-farm virtual:1")
    pytester.makepyfile(SUITE)
    return pytester


def test_without_an_option_there_is_no_log_and_no_handler(suite: pytest.Pytester) -> None:
    suite.makeconftest(
        """
        import logging

        def pytest_runtest_call():
            print("handlers:", logging.getLogger("pytest_autorl").handlers)
        """
    )

    result = suite.runpytest_inprocess("-s")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*handlers: [[]]*"])
    assert not (suite.path / "reports").exists()


@pytest.mark.parametrize("option", ["--autorl-log-format=json", "--autorl-log-level=INFO"])
def test_json_goes_into_the_reports_one_private_file_for_a_process(
    suite: pytest.Pytester, option: str
) -> None:
    result = suite.runpytest_inprocess(option)

    result.assert_outcomes(passed=1)
    path = suite.path / "reports" / "logs" / "main.jsonl"
    (row,) = [row for row in rows(path) if row["logger"] == "pytest_autorl.own"]
    assert (row["message"], row["level"], row["device"]) == ("seen here", "INFO", "pixel-8")
    assert [row["logger"] for row in rows(path) if row["message"] == "not ours"] == ["somebody"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_a_farm_a_level_of_other_programs_writes_nothing(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LOG_LEVEL is often set for something else; a suite without devices must not notice us."""
    suite.makeini("[pytest]\naddopts = -p no:asyncio")
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")

    result = suite.runpytest_inprocess()

    result.assert_outcomes(passed=1)
    assert not (suite.path / "reports").exists()


def test_the_level_decides_what_is_written(suite: pytest.Pytester) -> None:
    suite.runpytest_inprocess("--autorl-log-level=debug")

    messages = [row["message"] for row in rows(suite.path / "reports" / "logs" / "main.jsonl")]
    assert "detail" in messages


def test_each_worker_has_its_own_file(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_second=SUITE)

    result = suite.runpytest_subprocess("-n2", "--dist=loadfile", "--autorl-log-format=json")

    result.assert_outcomes(passed=2)
    written = sorted(path.name for path in (suite.path / "reports" / "logs").iterdir())
    assert [name for name in written if name.startswith("gw")] == ["gw0.jsonl", "gw1.jsonl"]


def test_a_new_run_starts_its_log_anew_and_one_that_logs_nothing_leaves_none(suite: pytest.Pytester) -> None:
    for _ in range(2):
        suite.runpytest_inprocess("--autorl-log-format=json")
    quiet = suite.runpytest_inprocess("--autorl-log-level=CRITICAL", "--autorl-reports=quiet")

    own = [
        row
        for row in rows(suite.path / "reports" / "logs" / "main.jsonl")
        if row["logger"] == "pytest_autorl.own"
    ]
    assert len(own) == 1
    quiet.assert_outcomes(passed=1)
    assert not (suite.path / "quiet").exists()


def test_console_lines_reach_the_terminal_although_output_is_captured(suite: pytest.Pytester) -> None:
    result = suite.runpytest_subprocess("--autorl-log-format=console")

    result.assert_outcomes(passed=1)
    result.stderr.fnmatch_lines(["* INFO pytest_autorl.own: seen here"])
    result.stderr.fnmatch_lines(["* ERROR somebody: not ours"])
    assert not (suite.path / "reports").exists()


def test_the_logger_is_as_before_when_the_run_has_ended(suite: pytest.Pytester) -> None:
    logger = logging.getLogger("pytest_autorl")
    before = (logger.level, list(logger.handlers))

    suite.runpytest_inprocess("--autorl-log-level=DEBUG")

    assert (logger.level, list(logger.handlers)) == before


def test_a_log_that_cannot_be_written_fails_no_test(suite: pytest.Pytester) -> None:
    (suite.path / "reports").write_text("a file where the folder would be")

    result = suite.runpytest_subprocess("--autorl-log-format=json", "-s")

    result.assert_outcomes(passed=1)
    result.stderr.fnmatch_lines(["autorl: the log ends here, it could not be written: *"])
