"""The package's own log: what a line holds, where it goes, and that nothing else is touched."""

from __future__ import annotations

import io
import json
import logging
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.errors import UsageError
from pytest_autorl.observe import remove_logging, setup_logging
from pytest_autorl.observe.logging import ConsoleFormatter, JsonFormatter, LogHandler

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


def test_a_json_line_has_time_level_logger_message_and_the_facts() -> None:
    line = json.loads(JsonFormatter().format(record("leased %s", "pixel-8", device="pixel-8", waited_s=0.5)))

    assert line == {
        "ts": "2023-11-14T22:13:20.250Z",
        "level": "INFO",
        "logger": "pytest_autorl.farm",
        "message": "leased pixel-8",
        "device": "pixel-8",
        "waited_s": 0.5,
    }


def test_a_fact_cannot_take_the_place_of_what_every_line_has() -> None:
    made = record("real")
    made.autorl = {"message": "forged", "level": "forged"}

    line = json.loads(JsonFormatter().format(made))

    assert (line["message"], line["level"]) == ("real", "INFO")
    assert line["extra_message"] == "forged"


def test_an_exception_stands_in_the_line_with_its_traceback() -> None:
    made = record("it broke")
    try:
        raise KeyError("lost")
    except KeyError as error:
        made.exc_info = (type(error), error, error.__traceback__)

    line = JsonFormatter().format(made)

    assert "\n" not in line
    assert "KeyError: 'lost'" in json.loads(line)["exception"]


@given(
    st.dictionaries(
        st.one_of(st.text(), st.integers(), st.tuples(st.integers())),
        st.recursive(
            st.one_of(st.none(), st.floats(), st.text(), st.binary(), st.just(object)),
            lambda inner: st.one_of(
                st.lists(inner), st.dictionaries(st.one_of(st.text(), st.tuples()), inner)
            ),
        ),
    )
)
def test_any_facts_make_one_line_of_strict_json(facts: dict[Any, Any]) -> None:
    """A log that breaks on an odd value is missing when it is needed."""
    made = record()
    made.autorl = facts

    line = JsonFormatter().format(made)

    assert "\n" not in line
    json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def test_facts_that_hold_themselves_are_written_as_text() -> None:
    loop: dict[str, Any] = {"name": "a"}
    loop["self"] = loop

    assert json.loads(JsonFormatter().format(record(loop=loop, n=1)))["n"] == 1


def test_console_lines_are_for_people() -> None:
    line = ConsoleFormatter().format(record("leased pixel-8", device="pixel-8"))

    assert line.endswith("INFO pytest_autorl.farm: leased pixel-8")


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


def test_a_fault_in_the_arguments_of_one_line_does_not_end_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)  # it would print the fault, as it should
    stream = io.StringIO()
    handler = setup_logging(stream=stream)

    handler.handle(record("%d", "no number"))
    LOG.warning("next")

    assert json.loads(stream.getvalue())["message"] == "next"


def test_lines_of_many_threads_stay_whole(tmp_path: Path) -> None:
    handler = setup_logging(path=tmp_path / "threads.jsonl")
    assert isinstance(handler, LogHandler)

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
