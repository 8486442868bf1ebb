"""The package's own log: what a line holds, where it goes, and that nothing else is touched."""

from __future__ import annotations

import io
import json
import logging
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl import secret
from pytest_autorl.errors import UsageError
from pytest_autorl.observe import get_logger, remove_logging, setup_logging

LOG = logging.getLogger("pytest_autorl.tests")


@pytest.fixture(autouse=True)
def _logger_as_it_was() -> Iterator[None]:
    """Whatever a test forgets must not reach the next one."""
    logger = logging.getLogger("pytest_autorl")
    before = list(logger.handlers)
    yield
    for handler in [handler for handler in logger.handlers if handler not in before]:
        remove_logging(handler)


def record(message: str = "hello", *args: object, **facts: Any) -> logging.LogRecord:
    made = logging.LogRecord("pytest_autorl.farm", logging.INFO, __file__, 1, message, args, None)
    made.created = 1_700_000_000.25
    if facts:
        made.autorl = facts
    return made


def test_log_goes_to_the_stream_from_its_level_on() -> None:
    stream = io.StringIO()
    setup_logging("warning", stream=stream)

    LOG.info("quiet")
    LOG.warning("loud")

    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["loud"]


def test_a_second_call_for_one_stream_changes_the_handler_and_adds_none() -> None:
    stream = io.StringIO()

    first = setup_logging("ERROR", stream=stream)
    second = setup_logging("INFO", json_logs=False, stream=stream)
    LOG.info("once")

    assert second is first
    assert stream.getvalue().count("once") == 1
    assert not stream.getvalue().startswith("{")


def test_two_targets_have_their_own_levels() -> None:
    few, many = io.StringIO(), io.StringIO()
    setup_logging("ERROR", stream=few)
    setup_logging("DEBUG", stream=many)

    LOG.debug("detail")

    assert few.getvalue() == ""
    assert "detail" in many.getvalue()


def test_lines_are_redacted_by_default_with_the_secrets_that_were_registered() -> None:
    mail, key = "ann" + "@" + "example.com", "wharf" + "lantern" + "77"
    secret(key)
    stream = io.StringIO()
    handler = setup_logging(stream=stream)
    failed = record(
        "mail%s, then", f" to {mail}", steps=[{"typed": key}], password="hunter" + "2", device="a"
    )
    try:
        raise ValueError(f"no login for {mail} with {key}")
    except ValueError:
        failed.exc_info = sys.exc_info()

    handler.handle(failed)  # past the logger, where a run of pytest redacts too
    get_logger("MyAgent").log_device_action("a", "type", {"text": f"{mail} {key}"})

    caught, typed = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert caught["message"] == "mail to [REDACTED:EMAIL#1], then"
    assert caught["steps"] == [{"typed": "[REDACTED:SECRET#1]"}]
    assert caught["exception"].endswith("no login for [REDACTED:EMAIL#1] with [REDACTED:SECRET#1]")
    assert (caught["password"], caught["device"]) == ("[REDACTED:PASSWORD#1]", "a")
    assert typed["context"] == {"text": "[REDACTED:EMAIL#1] [REDACTED:SECRET#1]"}


def test_redaction_can_be_switched_off() -> None:
    mail = "ann" + "@" + "example.com"
    stream = io.StringIO()
    handler = setup_logging(stream=stream, redact=False)

    handler.handle(record("to %s", mail))

    assert json.loads(stream.getvalue())["message"] == f"to {mail}"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "asked", "variables", "has_colours"),
    [
        (_Terminal(), None, {}, True),
        (_Terminal(), None, {"NO_COLOR": "1"}, False),
        (_Terminal(), None, {"TERM": "dumb"}, False),
        (_Terminal(), False, {}, False),
        (io.StringIO(), None, {}, False),
        (io.StringIO(), True, {}, True),
    ],
)
def test_colours_are_for_terminals(
    stream: io.StringIO,
    asked: bool | None,
    variables: dict[str, str],
    has_colours: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    setup_logging(json_logs=False, stream=stream, colours=asked)

    LOG.warning("here")

    assert ("\x1b[" in stream.getvalue()) == has_colours


def test_narrow_streams_get_json_that_means_the_same() -> None:
    raw = io.BytesIO()
    setup_logging(stream=io.TextIOWrapper(raw, encoding="latin-1", write_through=True), redact=False)

    LOG.warning("größe 😀 →")

    assert json.loads(raw.getvalue())["message"] == "größe 😀 →"


def test_a_closed_stream_ends_the_log_and_fails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    setup_logging(stream=stream)
    stream.close()

    LOG.warning("lost")
    setup_logging(json_logs=False, stream=stream)  # asks the closed stream whether it is a terminal
    LOG.warning("lost")

    assert capsys.readouterr().err.count("the log ends here") == 1


def test_removal_leaves_the_logger_as_it_was_and_the_root_is_never_touched() -> None:
    logger, root = logging.getLogger("pytest_autorl"), logging.getLogger()
    before = (logger.level, list(logger.handlers), root.level, list(root.handlers))

    handler = setup_logging("DEBUG", stream=io.StringIO())
    during = (root.level, list(root.handlers))
    remove_logging(handler)
    remove_logging(handler)

    assert during == before[2:]
    assert (logger.level, list(logger.handlers), root.level, list(root.handlers)) == before


def test_a_log_file_is_private_and_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    for word in ("one", "two"):
        handler = setup_logging(path=path)
        LOG.info("word %s of “text”", word)
        remove_logging(handler)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = path.read_text("utf-8").splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["word one of “text”", "word two of “text”"]


def test_a_removed_handler_ends_its_file_and_leaves_a_given_stream_open(tmp_path: Path) -> None:
    stream = io.StringIO()
    remove_logging(setup_logging(stream=stream))
    handler = setup_logging(path=tmp_path / "a.log")
    remove_logging(handler)

    assert not stream.closed
    LOG.warning("into nothing")
    assert (tmp_path / "a.log").read_text() == ""


def test_removal_takes_down_a_handler_of_another_kind_too() -> None:
    handler = logging.StreamHandler(io.StringIO())
    logging.getLogger("pytest_autorl").addHandler(handler)

    remove_logging(handler)

    assert handler not in logging.getLogger("pytest_autorl").handlers


def test_a_filter_of_the_handler_decides() -> None:
    stream = io.StringIO()
    handler = setup_logging(stream=stream)
    handler.addFilter(lambda made: made.getMessage() != "unwanted")

    assert not handler.handle(record("unwanted"))
    assert handler.handle(record("wanted"))
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["wanted"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"log_level": "loud"}, ["'loud'", "DEBUG"]),
        ({"stream": io.StringIO(), "path": "x"}, ["a stream and a path"]),
        ({"path": "/nonexistent/folder/x.log"}, ["/nonexistent/folder/x.log", "No such file"]),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(arguments: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        setup_logging(**arguments)

    assert all(word in str(caught.value) for word in words)


class _Full(io.StringIO):
    """A stream on a full disk."""

    tries = 0

    def write(self, text: str, /) -> int:
        self.tries += 1
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_told_once_and_fails_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    stream = _Full()
    setup_logging(stream=stream)

    for _ in range(3):
        LOG.warning("lost")

    assert stream.tries == 1
    told = capsys.readouterr().err
    assert told.count("the log ends here") == 1
    assert "No space left on device" in told


def test_a_narrow_stream_gets_escapes_instead_of_an_error() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    setup_logging(json_logs=False, stream=stream)

    LOG.warning("größe")

    assert raw.getvalue().rstrip().endswith(b"gr\\xf6\\xdfe")


def test_wrong_arguments_of_one_line_cost_neither_the_line_nor_the_log() -> None:
    stream = io.StringIO()
    handler = setup_logging(stream=stream)

    handler.handle(record("%d devices", "no number"))
    LOG.warning("next")

    messages = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert messages == ["%d devices ('no number',)", "next"]


def test_lines_of_many_threads_stay_whole(tmp_path: Path) -> None:
    handler = setup_logging(path=tmp_path / "threads.jsonl")

    def log_much() -> None:
        for _ in range(50):
            LOG.info("x" * 500)

    threads = [threading.Thread(target=log_much) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    remove_logging(handler)

    lines = (tmp_path / "threads.jsonl").read_text().splitlines()
    assert [len(json.loads(line)["message"]) for line in lines] == [500] * 200
