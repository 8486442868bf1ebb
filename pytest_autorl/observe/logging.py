"""The package's own log: JSON lines for programs, or text for people.

Only the logger ``pytest_autorl`` is touched, never the root: what a suite logs is the suite's. Records carry
facts in ``extra={"autorl": {...}}``; in JSON these are keys of the line.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any, Protocol, TextIO

from pytest_autorl.errors import UsageError

#: Name of the one logger this module configures.
LOGGER = "pytest_autorl"
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

#: Keys that every JSON line has; a fact of the same name is written as ``extra_NAME``.
_CORE = ("ts", "level", "logger", "message")
#: The logger's level before our first handler, kept while we have one.
_UNTOUCHED: list[int] = []


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``ts`` (UTC, ISO 8601), ``level``, ``logger``, ``message``, facts, ``exception``."""

    def format(self, record: logging.LogRecord) -> str:
        """Never raises: a fact that is no JSON is written as text."""
        line: dict[str, Any] = {
            "ts": _iso(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        facts = getattr(record, "autorl", None)
        if isinstance(facts, dict):
            line |= {f"extra_{key}" if key in _CORE else str(key): value for key, value in facts.items()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return _json(line)


class ConsoleFormatter(logging.Formatter):
    """``12:00:01 INFO pytest_autorl.farm: message``, local time, with the traceback when there is one."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S")


class TextStream(Protocol):
    """What a log can be written to."""

    def write(self, text: str, /) -> object:
        """Write text. Raises OSError, ValueError."""

    def flush(self) -> object:
        """Keep nothing back."""


class LogHandler(logging.Handler):
    """Writes to a stream, and gives up on it after its first fault: a full disk must not fill the terminal too.

    Args:
        target: What tells two handlers apart: the file's path, or the stream.
        file: Closed with the handler; None when the stream is somebody else's.
    """

    def __init__(self, stream: TextStream, *, target: object, file: TextIO | None = None) -> None:
        super().__init__()
        self.target = target
        self._stream = stream
        self._file = file
        self._is_broken = False

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        if self._is_broken:
            return
        try:
            text = self.format(record) + "\n"
        except Exception:  # a fault in the caller's arguments: logging's own way to tell
            self.handleError(record)
            return
        try:
            self._write(text)
        except (OSError, ValueError) as error:  # ValueError: the stream is closed
            self._is_broken = True
            with contextlib.suppress(OSError, ValueError, AttributeError):
                sys.stderr.write(f"autorl: the log ends here, it could not be written: {error}\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            coding = str(getattr(self._stream, "encoding", None) or "ascii")
            self._stream.write(text.encode(coding, "backslashreplace").decode(coding))
        self._stream.flush()

    def close(self) -> None:
        """See `logging.Handler.close`."""
        with contextlib.suppress(OSError, ValueError):
            if self._file is not None:
                self._file.close()
        super().close()


def setup_logging(
    log_level: str = "INFO",
    json_logs: bool = True,
    stream: TextStream | None = None,
    path: str | os.PathLike[str] | None = None,
) -> logging.Handler:
    """Write the package's log somewhere; returns the handler, for `remove_logging`.

    A second call for the same target changes level and format of the handler that is there.

    Args:
        log_level: DEBUG, INFO, WARNING, ERROR or CRITICAL, in any case.
        json_logs: `JsonFormatter`, else `ConsoleFormatter`.
        stream: Written to, never closed; default: standard error as it is now.
        path: File to append to instead (made with mode 0600).
    Raises: UsageError for another level, both targets at once, or a file that cannot be opened.
    """
    level = log_level.strip().upper()
    if level not in LEVELS:
        raise UsageError(f"log_level={log_level!r} is no level", do=f"use one of {', '.join(LEVELS)}")
    if stream is not None and path is not None:
        raise UsageError("setup_logging got a stream and a path", do="give one of them")
    handler = _handler(stream, path)
    handler.setLevel(level)
    handler.setFormatter(JsonFormatter() if json_logs else ConsoleFormatter())
    logger = logging.getLogger(LOGGER)
    if not _UNTOUCHED:
        _UNTOUCHED.append(logger.level)
    if handler not in logger.handlers:
        logger.addHandler(handler)
    _weigh(logger)
    return handler


def remove_logging(handler: logging.Handler) -> None:
    """Take a handler down again; with the last one the logger's level is as it was. Safe to call twice."""
    logger = logging.getLogger(LOGGER)
    logger.removeHandler(handler)
    handler.close()
    _weigh(logger)


def _handler(stream: TextStream | None, path: str | os.PathLike[str] | None) -> LogHandler:
    target: Any = Path(path).absolute() if path is not None else stream if stream is not None else sys.stderr
    for one in logging.getLogger(LOGGER).handlers:
        if isinstance(one, LogHandler) and (
            one.target is target or (path is not None and one.target == target)
        ):
            return one
    if path is not None:
        file = _private_file(target)
        return LogHandler(file, target=target, file=file)
    return LogHandler(target, target=target)


def _private_file(path: Path) -> TextIO:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise UsageError(
            f"cannot write the log {path}: {error.strerror}", do="name a writable file"
        ) from error
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace")


def _weigh(logger: logging.Logger) -> None:
    # A logger passes on what any of its handlers wants.
    levels = [handler.level for handler in logger.handlers if isinstance(handler, LogHandler)]
    if levels:
        logger.setLevel(min(levels))
    elif _UNTOUCHED:
        logger.setLevel(_UNTOUCHED.pop())


def _iso(at_s: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_s))
    return f"{whole}.{int(at_s % 1 * 1000):03d}Z"


def _json(line: dict[str, Any]) -> str:
    try:
        return json.dumps(line, ensure_ascii=False, allow_nan=False, default=str)
    except (TypeError, ValueError, RecursionError):  # a key that is no text, NaN, a cycle
        return json.dumps({key: _plain(value) for key, value in line.items()}, ensure_ascii=False)


def _plain(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return repr(value)
    return value
