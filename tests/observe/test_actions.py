"""Loggers for agents and suites: what each method writes, and that they are standard loggers to everybody else."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_autorl.observe import get_logger, remove_logging, setup_logging

Rows = Callable[[], list[dict[str, Any]]]

NAME = "MyAgent"


@pytest.fixture
def rows() -> Iterator[Rows]:
    """A log at INFO; call it for what it holds."""
    stream = io.StringIO()
    handler = setup_logging("INFO", stream=stream, redact=False)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    remove_logging(handler)


@pytest.fixture
def agent() -> Iterator[logging.Logger]:
    """The standard logger, as it was before."""
    logger = logging.getLogger(NAME)
    yield logger
    logger.setLevel(logging.NOTSET)
    logger.propagate, logger.disabled, logger.handlers, logger.filters = True, False, [], []


def without_head(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("ts", "logger")}


def test_an_agents_action_with_its_context_and_result(rows: Rows) -> None:
    get_logger("MyAgent").log_agent_action(
        agent_name="MyAgent",
        action="analyze_screen",
        context={"device": "emulator-5554"},
        result={"elements_found": 5},
    )

    (row,) = rows()
    assert row["logger"] == "MyAgent"
    assert without_head(row) == {
        "level": "INFO",
        "message": "MyAgent: analyze_screen",
        "event": "agent_action",
        "agent_name": "MyAgent",
        "action": "analyze_screen",
        "context": {"device": "emulator-5554"},
        "result": {"elements_found": 5},
    }


def test_the_other_actions(rows: Rows) -> None:
    log = get_logger(NAME)

    log.log_device_action("pixel-8", "reboot", result="back after 40 s")
    log.log_test_start("test_pay", attempt=2)
    log.log_test_result("test_pay", "passed", 1.5)
    log.log_test_result("test_pay", "FAILED", reason="no button")
    log.log_performance("boot", 12.25, device="pixel-8")
    log.log_error("no route", {"device": "pixel-8"})

    assert [without_head(row) for row in rows()] == [
        {
            "level": "INFO",
            "message": "pixel-8: reboot",
            "event": "device_action",
            "device": "pixel-8",
            "action": "reboot",
            "result": "back after 40 s",
        },
        {
            "level": "INFO",
            "message": "test_pay started",
            "event": "test_start",
            "test": "test_pay",
            "attempt": 2,
        },
        {
            "level": "INFO",
            "message": "test_pay passed",
            "event": "test_result",
            "test": "test_pay",
            "outcome": "passed",
            "duration_s": 1.5,
        },
        {
            "level": "ERROR",
            "message": "test_pay FAILED",
            "event": "test_result",
            "test": "test_pay",
            "outcome": "FAILED",
            "reason": "no button",
        },
        {
            "level": "INFO",
            "message": "boot took 12.250 s",
            "event": "performance",
            "operation": "boot",
            "duration_s": 12.25,
            "device": "pixel-8",
        },
        {
            "level": "ERROR",
            "message": "no route",
            "event": "error",
            "context": {"device": "pixel-8"},
        },
    ]


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        ("low", "INFO"),
        ("medium", "WARNING"),
        ("HIGH", "ERROR"),
        ("critical", "CRITICAL"),
        ("grave", "WARNING"),
    ],
)
def test_a_security_event_has_the_level_of_its_severity(rows: Rows, severity: str, level: str) -> None:
    get_logger(NAME).log_security_event("three wrong PINs", severity, device="pixel-8")

    (row,) = rows()
    assert (row["level"], row["severity"], row["security_event"]) == (level, severity, "three wrong PINs")


def test_an_error_that_was_raised_has_its_traceback(rows: Rows) -> None:
    try:
        raise ConnectionError("refused")
    except ConnectionError as error:
        get_logger(NAME).log_error(error, "at start")

    (row,) = rows()
    assert (row["message"], row["error_type"], row["context"]) == ("refused", "ConnectionError", "at start")
    assert row["exception"].endswith("ConnectionError: refused")
    assert "test_an_error_that_was_raised" in row["exception"]


def test_levels_arguments_facts_and_tracebacks_as_in_logging(rows: Rows) -> None:
    log = get_logger(NAME)

    log.debug("below the level of the log")
    log.info("%d of %d", 1, 2, event="a fact may be called event", self="or self")
    log.warning("100%")
    log.error("no exception", exc_info=True)
    log.critical("with stack", stack_info=True)
    try:
        _ = {}["key"]
    except KeyError:
        log.exception("caught")

    first, second, third, fourth, fifth = rows()
    assert (first["message"], first["event"], first["self"]) == (
        "1 of 2",
        "a fact may be called event",
        "or self",
    )
    assert second["message"] == "100%"
    assert "exception" not in third
    assert "test_levels_arguments" in fourth["stack"].splitlines()[-2]
    assert fifth["exception"].endswith("KeyError: 'key'")


def test_an_exception_may_be_given_as_logging_takes_it(rows: Rows) -> None:
    log = get_logger(NAME)
    try:
        raise KeyError("k")
    except KeyError as error:
        caught = error

    log.info("itself", exc_info=caught)
    log.info("its three parts", exc_info=(KeyError, caught, caught.__traceback__))

    assert log.name == NAME
    assert [row["exception"].splitlines()[-1] for row in rows()] == ["KeyError: 'k'"] * 2


def test_bound_ids_are_in_every_record_of_that_logger_only(rows: Rows) -> None:
    plain = get_logger(NAME)
    bound = plain.bind(device="pixel-8", session="s").bind(session=None, agent="a")

    bound.info("one", step=1)
    plain.info("two")

    one, two = rows()
    assert [(key, one[key]) for key in ("device", "agent", "step")] == list(one.items())[4:]
    assert list(two) == ["ts", "level", "logger", "message"]


def test_without_a_log_records_go_to_standard_logging(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=NAME):
        get_logger(NAME).log_agent_action("MyAgent", "look", result="nothing")

    (made,) = caplog.records
    assert (made.name, made.getMessage(), made.funcName) == (
        NAME,
        "MyAgent: look",
        "test_without_a_log_records_go_to_standard_logging",
    )
    assert made.pathname == __file__
    assert made.autorl["result"] == "nothing"


def test_a_record_that_both_ways_want_is_written_once(rows: Rows, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        get_logger(NAME).info("hi")
        get_logger("pytest_autorl.own").info("ho")
        get_logger().info("ha")

    assert [row["message"] for row in rows()] == ["hi", "ho", "ha"]
    assert caplog.messages == ["hi", "ho", "ha"]


def test_the_log_gets_what_the_root_loggers_level_keeps_from_others(
    rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    assert logging.getLogger().level == logging.WARNING
    get_logger(NAME).info("hi")

    assert [row["message"] for row in rows()] == ["hi"]
    assert caplog.messages == []


@pytest.mark.parametrize("way", ["own level", "parent's level", "disabled", "logging.disable"])
def test_what_somebody_has_switched_off_stays_off(rows: Rows, agent: logging.Logger, way: str) -> None:
    if way == "disabled":
        agent.disabled = True
    elif way == "logging.disable":
        logging.disable(logging.INFO)
    else:
        agent.setLevel(logging.ERROR)

    get_logger(f"{NAME}.child" if way == "parent's level" else NAME).info("unwanted")
    logging.disable(logging.NOTSET)

    assert rows() == []


def test_a_logger_that_does_not_propagate_reaches_the_log(rows: Rows, agent: logging.Logger) -> None:
    agent.propagate = False

    get_logger(NAME).info("hi")

    assert [row["message"] for row in rows()] == ["hi"]
