"""Log records: redacted before any handler has them, pytest's own for reports, live logs and log files among them.

A record whose text, facts or traceback hold something is replaced by one that does not; others are passed on as they
are. Two handlers are left out, by which a test looks at what its own code has logged: that of the fixture ``caplog``,
and that of unittest's ``assertLogs``. What a test does with that is redacted where it leaves.

They are redacted after the filters of their logger, which may add to them, and when they come by a logger that
handles its records in a way of its own.

Public: `logging.Logger.callHandlers`, which `Logger.handle` calls. Private: ``caplog_handler`` of pytest's plugin
``logging-plugin``, ``_CapturingHandler`` of ``unittest._log``. Fall-back: both see redacted records.
"""

from __future__ import annotations

import copy
import logging
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autorl.capture.guard import UNSCANNABLE, Guard

if TYPE_CHECKING:
    from pytest_autorl.privacy.redactor import Redactor

#: Attributes that every record has.
_PLAIN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime"}
#: Those of them that a handler may show and that hold names that others have given.
_NAMES = ("name", "threadName", "processName", "taskName", "pathname", "funcName")
#: Formats a traceback as handlers do.
_FORMATTER = logging.Formatter()


class _Now(threading.local):
    """The record that a thread hands to handlers now: as it was made, and as they get it."""

    raw: logging.LogRecord | None = None
    given: logging.LogRecord | None = None


_now = _Now()


def guard_records(guard: Guard) -> Callable[[], None]:
    """Redact all records of the process from now on; returns what ends that."""
    call_handlers = logging.Logger.callHandlers
    now = _now
    is_over = False

    def guarded(self: logging.Logger, record: logging.LogRecord) -> None:
        if is_over or guard.is_off:
            return call_handlers(self, record)
        outer = now.raw, now.given
        # One run within another, in one process: what it gets is redacted already.
        raw = now.raw if record is now.given else record
        given = clean(record, guard.of_now())
        now.raw, now.given = raw, given
        try:
            return call_handlers(self, given)
        finally:
            now.raw, now.given = outer

    logging.Logger.callHandlers = guarded  # type: ignore[method-assign]
    end_sparing = _spare_assert_logs()

    def end() -> None:
        nonlocal is_over
        is_over = True
        end_sparing()
        if logging.Logger.callHandlers is guarded:  # else somebody has laid another one over it
            logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign]

    return end


def _raw(record: logging.LogRecord) -> logging.LogRecord:
    """A record as it was made, of one that this thread hands to handlers now."""
    return _now.raw if record is _now.given and _now.raw is not None else record


def _spare_assert_logs() -> Callable[[], None]:
    from unittest import _log

    kind: Any = getattr(_log, "_CapturingHandler", None)
    if kind is None:
        return lambda: None
    emit = kind.emit

    def emit_raw(self: Any, record: logging.LogRecord) -> None:
        emit(self, _raw(record))

    kind.emit = emit_raw

    def end() -> None:
        if kind.emit is emit_raw:
            kind.emit = emit

    return end


def spare_caplog(config: pytest.Config) -> None:
    """Have the fixture `caplog` see records as they were made. To be called when pytest's plugins are there."""
    handler: Any = getattr(config.pluginmanager.get_plugin("logging-plugin"), "caplog_handler", None)
    if handler is None:
        return
    emit = handler.emit

    def emit_raw(record: logging.LogRecord) -> None:
        emit(_raw(record))

    handler.emit = emit_raw


def clean(record: logging.LogRecord, redactor: Redactor) -> logging.LogRecord:
    """The record, or a redacted one in its place; never raises."""
    try:
        message = record.getMessage()
    except Exception:  # its arguments do not fit: each handler says so in its own way
        return _stripped(record, redactor)
    changes: dict[str, Any] = {}
    if redactor.finds(message) or _names_secret(record.args):
        changes |= _message(record, redactor)
    if record.exc_info:
        text = _trace(record.exc_info)
        if redactor.finds(f"{text}\n{record.exc_text or ''}"):
            # A handler that formats the exception by itself would show it as it is.
            changes |= {
                "exc_text": redactor.redact(record.exc_text or text),
                "exc_info": _redacted_exception(record.exc_info, redactor),
            }
    elif record.exc_text and redactor.finds(record.exc_text):
        changes["exc_text"] = redactor.redact(record.exc_text)
    if record.stack_info and redactor.finds(record.stack_info):
        changes["stack_info"] = redactor.redact(record.stack_info)
    held = vars(record)
    if redactor.finds("\n".join([str(held.get(name)) for name in _NAMES])):
        changes |= {name: redactor.redact(held[name]) for name in _NAMES if isinstance(held.get(name), str)}
    if len(held) > len(_PLAIN & held.keys()):
        for name in [name for name in held if name not in _PLAIN]:
            value = redactor.redact_data({name: held[name]}).get(name, UNSCANNABLE)
            if value is not held[name] and value != held[name]:
                changes[name] = value
    return _changed(record, changes) if changes else record


def _names_secret(args: Any) -> bool:
    """Whether the arguments have names, which may say of a value what its text does not."""
    return isinstance(args, Mapping) and bool(args)


def _message(record: logging.LogRecord, redactor: Redactor) -> dict[str, Any]:
    """What its message becomes: data stay data, for a handler that writes them in its own way."""
    parts = {"msg": record.msg, "args": record.args}
    if not isinstance(record.msg, str):
        parts["msg"] = redactor.redact_data(record.msg)
    if _names_secret(record.args):
        parts["args"] = redactor.redact_data(record.args)
    try:
        text = str(parts["msg"]) % parts["args"] if parts["args"] else str(parts["msg"])
    except Exception:
        return {"msg": redactor.redact(record.getMessage()), "args": None}
    if redactor.finds(text):  # across its parts
        return {"msg": redactor.redact(text), "args": None}
    return parts


def _changed(record: logging.LogRecord, changes: dict[str, Any]) -> logging.LogRecord:
    made = copy.copy(record)
    vars(made).update(changes)
    vars(made).pop("message", None)
    return made


def _stripped(record: logging.LogRecord, redactor: Redactor) -> logging.LogRecord:
    """A record that cannot be formatted, with its parts redacted."""
    message, arguments = redactor.redact_data(record.msg), redactor.redact_data(record.args)
    return _changed(record, {"msg": message, "args": arguments})


def _trace(exc_info: Any) -> str:
    try:
        return _FORMATTER.formatException(exc_info)
    except Exception:
        return ""


class RedactedError(Exception):
    """Stands in a log record for an exception whose text must not leave."""


def _redacted_exception(exc_info: Any, redactor: Redactor) -> Any:
    kind, error, trace = exc_info
    name = getattr(kind, "__name__", "Exception")
    text = redactor.redact("".join(traceback.format_exception_only(kind, error)).strip())
    made = type(name, (RedactedError,), {})(text.removeprefix(f"{name}: "))
    return type(made), made, trace
