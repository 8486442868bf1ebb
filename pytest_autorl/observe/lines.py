"""How a record becomes a line: fields, redaction, JSON or text. Over structlog's bridge to the standard library.

The redactor is the last step before the text is made. It sees the finished message, so nothing can hide half in
``msg`` and half in ``args``; and it sees the traceback, the stack, the names and values of facts and ids. Everything
is plain data by then: an object whose ``str`` says more than its ``repr`` has no way past it. If anything fails, the
line says only when it was, and how severe.

Records of structlog loggers are understood when `ProcessorFormatter.wrap_for_formatter` has sent them.

This module imports structlog; it is imported when a log is put up.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol

import structlog

from pytest_autorl.observe.binding import bound_ids, without_none
from pytest_autorl.observe.plain import plain, text

#: Keys that every JSON line has; a fact of the same name is written as ``extra_NAME``.
_CORE = ("ts", "level", "logger", "message")
#: Stands for what could not be redacted.
_UNSCANNABLE = "[REDACTED:UNSCANNABLE]"
#: What the standard library itself puts on a record; the rest is the caller's ``extra``.
_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {
    "message",
    "asctime",
    "taskName",
    "autorl",
}

#: Ends of lines to Python's `str.splitlines` and to JavaScript, though not to JSON.
_BREAKS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
#: Everything that steers a terminal; tab and the end of a line stay.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_COLOURS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}


class Redacts(Protocol):
    """Takes out what must not leave; `pytest_autorl.privacy.Redactor` does."""

    def redact(self, text: str) -> str:
        """The text without anything secret."""

    def redact_data(self, value: Any) -> Any:
        """The same for nested plain data; a new value."""


class LineFormatter(structlog.stdlib.ProcessorFormatter):
    """What both formats share. Never raises, and does not change the record.

    Args:
        redactor: None leaves everything as it is.
        context: Ids that every line carries.
    """

    def __init__(self, *, redactor: Redacts | None = None, context: Mapping[str, Any] | None = None) -> None:
        self._redactor = redactor
        self._context = without_none(context or {})
        super().__init__(
            processors=[structlog.processors.format_exc_info, self._lay_out, self._redact, self._finish],
            foreign_pre_chain=[_keep_traceback],
        )

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        try:
            return super().format(_sound(record))
        except Exception:  # whatever it was: its text may hold what must not be written
            return self.render({**_head(record), "logger": _UNSCANNABLE, "message": _UNSCANNABLE})

    def render(self, line: Mapping[str, Any]) -> str:
        """The line's text, without its end. ``ts`` is in seconds since the epoch, the rest is plain data."""
        raise NotImplementedError

    def _lay_out(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
        record: logging.LogRecord = event["_record"]
        ids = {**self._context, **structlog.contextvars.get_contextvars(), **bound_ids()}
        ends = {
            key: text(event[name])
            for name, key in (("exception", "exception"), ("stack_info", "stack"), ("stack", "stack"))
            if event.get(name)
        }
        taken = {*_CORE, *ends}
        line = {**_head(record), "logger": record.name, "message": text(event.get("event", ""))}
        for name, value in plain({**ids, **_facts(record), **_rest(event)}).items():
            line[f"extra_{name}" if name in taken else name] = value
        return line | ends

    def _redact(self, _logger: Any, _method: str, line: MutableMapping[str, Any]) -> dict[str, Any]:
        if self._redactor is None:
            return dict(line)
        ours = {"ts": line.pop("ts"), "level": line.pop("level")}
        return ours | dict(self._redactor.redact_data(dict(line)))

    def _finish(self, _logger: Any, _method: str, line: Mapping[str, Any]) -> str:
        return self.render(line)


class JsonFormatter(LineFormatter):
    """One JSON object a line: ``ts`` (UTC, ISO 8601), ``level``, ``logger``, ``message``, ids, facts, ``exception``."""

    def render(self, line: Mapping[str, Any]) -> str:
        """See `LineFormatter.render`."""
        made = json.dumps({**line, "ts": _iso(line["ts"])}, ensure_ascii=False, default=str)
        return made if made.isascii() else made.translate(_BREAKS)

    def narrow(self, made: str) -> str:
        """The same JSON in ASCII, for a stream that cannot hold more."""
        return re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], made)


class ConsoleFormatter(LineFormatter):
    """``12:00:01 INFO pytest_autorl.farm: message``, local time, with the traceback when there is one.

    Control characters are shown escaped: text from a device must not steer the terminal.

    Args:
        colours: Paint the level.
    """

    def __init__(
        self,
        *,
        redactor: Redacts | None = None,
        context: Mapping[str, Any] | None = None,
        colours: bool = False,
    ) -> None:
        super().__init__(redactor=redactor, context=context)
        self._has_colours = colours

    def render(self, line: Mapping[str, Any]) -> str:
        """See `LineFormatter.render`."""
        said = [f"{line['logger']}: {line['message']}"]
        said += [str(line[key]) for key in ("exception", "stack") if key in line]
        at = time.strftime("%H:%M:%S", time.localtime(line["ts"]))
        level = line["level"]
        if self._has_colours and level in _COLOURS:
            level = f"\x1b[{_COLOURS[level]}m{level}\x1b[0m"
        return f"{at} {level} {_CONTROLS.sub(lambda found: repr(found[0])[1:-1], chr(10).join(said))}"


def _head(record: logging.LogRecord) -> dict[str, Any]:
    return {"ts": record.created, "level": record.levelname}


def _sound(record: logging.LogRecord) -> logging.LogRecord:
    """The record, or a copy that holds the parts of a message that cannot be put together."""
    if not record.args and isinstance(record.msg, str | dict):
        return record
    try:
        record.getMessage()
    except Exception:  # wrong arguments; or an object's own code
        copy = logging.makeLogRecord(record.__dict__)
        copy.msg, copy.args = f"{text(record.msg)} {text(record.args)}", ()
        return copy
    return record


def _keep_traceback(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # Who sends records over a queue or a wire leaves only the text of the traceback.
    record = event["_record"]
    if record.exc_text and not record.exc_info:
        event["exception"] = record.exc_text
    return event


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller has given in ``extra``; ours stands in ``extra={"autorl": {...}}``."""
    extra = {
        name: value
        for name, value in record.__dict__.items()
        if name not in _STANDARD and not name.startswith("_")
    }
    ours = getattr(record, "autorl", None)
    return extra | ours if isinstance(ours, dict) else extra


def _rest(event: Mapping[str, Any]) -> dict[str, Any]:
    """What a structlog logger has bound, without what the record says too."""
    if not event["_from_structlog"]:
        return {}
    known = {"event", "exception", "stack", "stack_info", "level", "logger", "_record", "_from_structlog"}
    return {name: value for name, value in event.items() if name not in known}


def _iso(at_s: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s))
    return f"{whole}.{int(at_s % 1 * 1000):03d}Z"
