"""Records of other libraries in our log, with ids and redacted; and that nobody else notices us."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.observe import bound, get_logger, remove_logging, setup_logging
from pytest_autorl.observe.logging import attach

THEIRS = logging.getLogger("somebody.else")
OURS = logging.getLogger("pytest_autorl.tests")


class Log:
    """A log that is up, and what it holds."""

    def __init__(self, **options: Any) -> None:
        self.stream = io.StringIO()
        self.handler = setup_logging("INFO", stream=self.stream, third_party=True, **options)

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def messages(self) -> list[str]:
        return [row["message"] for row in self.rows()]


@pytest.fixture
def new_log() -> Iterator[Callable[..., Log]]:
    made: list[Log] = []

    def new(**options: Any) -> Log:
        made.append(Log(**options))
        return made[-1]

    yield new
    for log in made:
        remove_logging(log.handler)
    THEIRS.setLevel(logging.NOTSET)
    THEIRS.propagate = True


def test_they_are_in_the_log_only_when_asked_for(new_log: Callable[..., Log]) -> None:
    asked = new_log()
    other = io.StringIO()
    handler = setup_logging("INFO", stream=other)

    THEIRS.warning("theirs")
    OURS.warning("ours")
    remove_logging(handler)

    assert asked.messages() == ["theirs", "ours"]
    assert [json.loads(line)["message"] for line in other.getvalue().splitlines()] == ["ours"]


def test_their_own_level_and_ours_decide_and_no_level_is_lowered(
    new_log: Callable[..., Log], caplog: pytest.LogCaptureFixture
) -> None:
    root = logging.getLogger()
    before = (root.level, THEIRS.level)
    log = new_log()

    THEIRS.info("dropped by the root's level, as without us")
    during = (root.level, THEIRS.level)
    THEIRS.setLevel(logging.DEBUG)
    THEIRS.info("let through")
    THEIRS.debug("below the level of our log")

    assert during == before
    assert log.messages() == ["let through"]
    assert caplog.messages == ["let through", "below the level of our log"]


def test_a_library_that_does_not_propagate_stays_out(new_log: Callable[..., Log]) -> None:
    log = new_log()
    THEIRS.propagate = False

    THEIRS.error("private")

    assert log.messages() == []


def test_every_record_carries_the_ids_whoever_logs_in_whatever_thread(new_log: Callable[..., Log]) -> None:
    log = new_log(context={"run_id": "r1", "worker": "gw0"})

    def work() -> None:
        THEIRS.error("from a thread")
        get_logger("MyAgent").info("from a thread too")

    with bound(everywhere=True, nodeid="test_a.py::test_a", device="pixel-8"), bound(session="s"):
        THEIRS.error("theirs")
        OURS.info("ours")
        get_logger("MyAgent").info("agent")
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    ids = [{name: row.get(name) for name in ("run_id", "worker", "nodeid", "device")} for row in log.rows()]
    assert ids == 5 * [{"run_id": "r1", "worker": "gw0", "nodeid": "test_a.py::test_a", "device": "pixel-8"}]
    assert [row.get("session") for row in log.rows()][:3] == ["s", "s", "s"]


def test_two_logs_keep_their_own_ids_and_redactors(new_log: Callable[..., Log]) -> None:
    class Shout:
        def redact(self, text: str) -> str:
            return text.upper()

        def redact_data(self, value: Any) -> Any:
            return {key: self.redact(str(one)) for key, one in value.items()}

    one, two = (
        new_log(context={"run_id": "a"}, redactor=Shout()),
        new_log(context={"run_id": "b"}, redact=False),
    )

    THEIRS.error("hi")

    assert (one.rows()[0]["run_id"], one.messages()) == ("A", ["HI"])
    assert (two.rows()[0]["run_id"], two.messages()) == ("b", ["hi"])


def test_a_second_call_for_one_target_adds_what_was_not_asked_for_and_no_double(
    new_log: Callable[..., Log],
) -> None:
    stream = io.StringIO()
    first = setup_logging(stream=stream)
    second = setup_logging(stream=stream, third_party=True)
    setup_logging(stream=stream, third_party=True)

    THEIRS.error("once")
    remove_logging(first)
    THEIRS.error("gone")

    assert second is first
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["once"]


def test_removal_leaves_the_root_logger_as_it_was(new_log: Callable[..., Log]) -> None:
    root = logging.getLogger()
    before = list(root.handlers)

    log = new_log()
    assert len(root.handlers) == len(before) + 1
    remove_logging(log.handler)
    remove_logging(log.handler)

    assert root.handlers == before


def test_a_suite_that_configures_logging_anew_does_not_end_the_log(tmp_path: Path) -> None:
    """`dictConfig` closes every handler of the process and empties the root logger."""
    root, path = logging.getLogger(), tmp_path / "own.jsonl"
    kept = (root.level, list(root.handlers))
    handler = setup_logging(path=path, third_party=True)
    try:
        OURS.info("before")
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "root": {"handlers": []}})
        OURS.info("after")
        attach(handler)
        THEIRS.error("theirs again")
    finally:
        remove_logging(handler)
        root.setLevel(kept[0])
        for one in kept[1]:
            if one not in root.handlers:
                root.addHandler(one)

    messages = [json.loads(line)["message"] for line in path.read_text().splitlines()]
    assert messages == ["before", "after", "theirs again"]


SUITE = """
    import logging
    import pytest

    def test_sees_what_it_always_saw(caplog):
        logging.getLogger("appium").info("below")
        logging.getLogger("appium").warning("over %s", "it")
        assert caplog.messages == ["over it"]
        with caplog.at_level("DEBUG"):
            logging.getLogger("urllib3").debug("now")
        assert caplog.messages == ["over it", "now"]
        assert logging.getLogger().level == logging.WARNING

    def test_fails_with_its_log_shown():
        logging.getLogger("appium").error("shown")
        assert False
"""


def test_reports_of_a_run_are_the_same_and_the_records_are_in_the_log(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    without = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:asyncio")
    pytester.makeconftest(
        """
        from pytest_autorl.observe import remove_logging, setup_logging

        def pytest_configure(config):
            config.add_cleanup(lambda: remove_logging(handler))
            handler = setup_logging("DEBUG", path="own.jsonl", third_party=True)
        """
    )

    within = pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:asyncio")

    def shown(result: pytest.RunResult) -> list[str]:
        return [re.sub(r" in [\d.]+s", " in a moment", line) for line in result.outlines]

    assert shown(within) == shown(without)
    without.assert_outcomes(passed=1, failed=1)
    rows = [json.loads(line) for line in (pytester.path / "own.jsonl").read_text().splitlines()]
    theirs = [(row["logger"], row["message"]) for row in rows if row["logger"] in ("appium", "urllib3")]
    assert theirs == [("appium", "over it"), ("urllib3", "now"), ("appium", "shown")]
