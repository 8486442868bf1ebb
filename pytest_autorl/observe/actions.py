"""Loggers for suites and agents: what was done to which device, by whom, and what came of it.

    log = get_logger("MyAgent")
    log.log_agent_action("MyAgent", "analyze_screen", {"device": "emulator-5554"}, {"elements_found": 5})

Behind each stands the standard logger of the same name, so `caplog`, levels and handlers work as ever, and nothing
has to be set up. When a log is up (`setup_logging`), it gets the record in any case: its own level decides, and the
root logger's does not. Levels and switches that somebody has set for the logger or a parent of it count.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Any, Literal, TypeAlias

from pytest_autorl.observe.binding import without_none
from pytest_autorl.observe.handler import DIRECT, LOGGER, handlers

Severity = Literal["low", "medium", "high", "critical"]
_Exception: TypeAlias = (
    "bool | BaseException | tuple[type[BaseException], BaseException, TracebackType | None] | None"
)

_SEVERITIES = {
    "low": logging.INFO,
    "info": logging.INFO,
    "medium": logging.WARNING,
    "warning": logging.WARNING,
    "high": logging.ERROR,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
#: Outcomes of a test that somebody should look at.
_BAD = frozenset({"failed", "fail", "error", "errored", "broken", "lost"})


class ActionLogger:
    """A standard logger with facts: ``log.info("leased", device="pixel-8")``. Get one from `get_logger`.

    The message is a text with ``%``-arguments, as in `logging`. Facts are keys of the line in JSON; a fact whose value
    is None is written as null. Two names are no facts: ``exc_info`` and ``stack_info``, as in `logging`.
    """

    def __init__(self, logger: logging.Logger, bound: Mapping[str, Any] | None = None) -> None:
        self._logger = logger
        self._bound = dict(bound or {})

    @property
    def name(self) -> str:
        """Name of the standard logger behind it."""
        return self._logger.name

    def bind(self, **ids: Any) -> ActionLogger:
        """A logger whose records all carry these ids too; one that is None is taken off. This one stays as it is."""
        return ActionLogger(self._logger, without_none({**self._bound, **ids}))

    def debug(self, event: str, /, *args: Any, **facts: Any) -> None:
        """Log at DEBUG."""
        self._log(logging.DEBUG, event, args, facts)

    def info(self, event: str, /, *args: Any, **facts: Any) -> None:
        """Log at INFO."""
        self._log(logging.INFO, event, args, facts)

    def warning(self, event: str, /, *args: Any, **facts: Any) -> None:
        """Log at WARNING."""
        self._log(logging.WARNING, event, args, facts)

    def error(self, event: str, /, *args: Any, **facts: Any) -> None:
        """Log at ERROR."""
        self._log(logging.ERROR, event, args, facts)

    def critical(self, event: str, /, *args: Any, **facts: Any) -> None:
        """Log at CRITICAL."""
        self._log(logging.CRITICAL, event, args, facts)

    def exception(self, event: str, /, *args: Any, **facts: Any) -> None:
        """Log at ERROR, with the traceback of the exception that is being handled."""
        self._log(logging.ERROR, event, args, {"exc_info": True, **facts})

    def log_agent_action(
        self,
        agent_name: str,
        action: str,
        context: Mapping[str, Any] | str | None = None,
        result: Mapping[str, Any] | str | None = None,
    ) -> None:
        """What an agent has done: in which situation, and what came of it."""
        facts = {"event": "agent_action", "agent_name": agent_name, "action": action}
        self._log(
            logging.INFO, "%s: %s", (agent_name, action), facts | _given(context=context, result=result)
        )

    def log_device_action(
        self,
        device_id: str,
        action: str,
        context: Mapping[str, Any] | str | None = None,
        result: Mapping[str, Any] | str | None = None,
    ) -> None:
        """What was done to a device."""
        facts = {"event": "device_action", "device": device_id, "action": action}
        self._log(logging.INFO, "%s: %s", (device_id, action), facts | _given(context=context, result=result))

    def log_test_start(self, test_name: str, **facts: Any) -> None:
        """A test begins."""
        self._log(
            logging.INFO, "%s started", (test_name,), {"event": "test_start", "test": test_name, **facts}
        )

    def log_test_result(
        self, test_name: str, outcome: str, duration_s: float | None = None, **facts: Any
    ) -> None:
        """A test has ended. At ERROR when the outcome is a bad one (failed, error, broken, lost), else INFO."""
        level = logging.ERROR if outcome.lower() in _BAD else logging.INFO
        known = {"event": "test_result", "test": test_name, "outcome": outcome}
        self._log(level, "%s %s", (test_name, outcome), known | _given(duration_s=duration_s) | facts)

    def log_error(
        self, error: BaseException | str, context: Mapping[str, Any] | str | None = None, **facts: Any
    ) -> None:
        """Something went wrong; of an exception with its traceback."""
        known: dict[str, Any] = {"event": "error"} | _given(context=context)
        if isinstance(error, BaseException):
            known |= {"error_type": type(error).__name__, "exc_info": error}
        self._log(logging.ERROR, "%s", (error,), known | facts)

    def log_performance(self, operation: str, duration_s: float, **facts: Any) -> None:
        """What something took, in seconds."""
        known = {"event": "performance", "operation": operation, "duration_s": duration_s}
        self._log(logging.INFO, "%s took %.3f s", (operation, duration_s), known | facts)

    def log_security_event(self, event: str, severity: Severity | str = "medium", **facts: Any) -> None:
        """Something that matters to security: low at INFO, medium at WARNING, high at ERROR, critical at CRITICAL.

        Another word counts as medium: a record is worth more than an error about it.
        """
        level = _SEVERITIES.get(severity.lower(), logging.WARNING)
        known = {"event": "security_event", "security_event": event, "severity": severity}
        self._log(level, "security: %s", (event,), known | facts)

    def _log(self, level: int, event: str, args: tuple[Any, ...], facts: dict[str, Any]) -> None:
        logger = self._logger
        is_enabled = logger.isEnabledFor(level)
        wanted = [one for one in handlers() if level >= one.level] if _is_open(logger, level) else []
        if not is_enabled and not wanted:
            return
        exc_info, has_stack = facts.pop("exc_info", None), facts.pop("stack_info", False)
        frame = _caller()
        record = logger.makeRecord(
            logger.name,
            level,
            frame.f_code.co_filename,
            frame.f_lineno,
            event,
            args,
            _exception(exc_info),
            frame.f_code.co_name,
            {"autorl": {**self._bound, **facts}},
            _stack(frame) if has_stack else None,
        )
        if wanted:
            setattr(record, DIRECT, True)
            for one in wanted:
                one.take(record)
        if is_enabled:
            logger.handle(record)


def get_logger(name: str | None = None) -> ActionLogger:
    """The logger of a name; without one, the package's own."""
    return ActionLogger(logging.getLogger(name or LOGGER))


def _is_open(logger: logging.Logger, level: int) -> bool:
    """Whether nobody has said that such records are not wanted; the root logger's level is nobody's word on it."""
    if logger.disabled or logger.manager.disable >= level:
        return False
    one: logging.Logger | None = logger
    while one is not None and one is not logging.root:
        if one.level:
            return level >= one.level
        one = one.parent
    return True


def _given(**facts: Any) -> dict[str, Any]:
    """The facts that the caller has given."""
    return without_none(facts)


def _caller() -> FrameType:
    """Where something was logged: the first frame outside of this file."""
    frame = sys._getframe()
    ours = frame.f_code.co_filename
    while frame.f_code.co_filename == ours and frame.f_back is not None:
        frame = frame.f_back
    return frame


def _exception(asked: _Exception) -> Any:
    """As a record holds it; None when there is none."""
    if isinstance(asked, BaseException):
        return (type(asked), asked, asked.__traceback__)
    if isinstance(asked, tuple):
        return asked
    current = sys.exc_info() if asked else None
    return current if current and current[0] is not None else None


def _stack(frame: FrameType) -> str:
    import traceback

    return "Stack (most recent call last):\n" + "".join(traceback.format_stack(frame)).rstrip("\n")
