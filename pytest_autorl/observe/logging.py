"""Putting the log up and taking it down: JSON lines for programs, or text for people.

    from pytest_autorl.observe import get_logger, remove_logging, setup_logging

    handler = setup_logging("INFO", path="farm.jsonl", max_bytes=10_000_000, backup_count=5)
    get_logger("MyAgent").log_device_action("pixel-8", "reboot")
    remove_logging(handler)

The handler hangs on the logger ``pytest_autorl``, whose level it sets while it is there; what a suite logs is the
suite's, and no other logger's level is touched. With ``third_party=True`` a second handler on the root logger hands
over what other libraries log. It sees what their levels let through, so somebody who wants an info record of a library
in the log sets that library's level, as for any handler. With it the root logger has a handler, so a later
`logging.basicConfig` does nothing; `logging.config` may take it down, and `attach` puts it back.

Every line is redacted, see `observe/lines.py`; carries ids, see `observe/binding.py`; a file can rotate, see
`observe/rotation.py`. structlog is imported by the first `setup_logging`.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_autorl.errors import UsageError
from pytest_autorl.observe.handler import LOGGER, LogHandler, Relay, TextStream, handlers

if TYPE_CHECKING:
    from pytest_autorl.observe.lines import Redacts

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

#: The logger's level before our first handler, kept while we have one.
_UNTOUCHED: list[int] = []


def setup_logging(
    log_level: str = "INFO",
    json_logs: bool = True,
    stream: TextStream | None = None,
    path: str | os.PathLike[str] | None = None,
    *,
    redactor: Redacts | None = None,
    redact: bool = True,
    context: Mapping[str, Any] | None = None,
    third_party: bool = False,
    colours: bool | None = None,
    max_bytes: int = 0,
    backup_count: int = 0,
    retention_days: float = 0.0,
    fresh: bool = False,
) -> LogHandler:
    """Write the package's log somewhere; returns the handler, for `remove_logging`.

    A second call for the same target changes level, format, redactor and ids of the handler that is there.

    Args:
        log_level: DEBUG, INFO, WARNING, ERROR or CRITICAL, in any case.
        json_logs: `JsonFormatter`, else `ConsoleFormatter`.
        stream: Written to, never closed; default: standard error as it is now.
        path: File to append to instead (made with mode 0600).
        redactor: What every line passes; None = a `pytest_autorl.privacy.Redactor` of its own.
        redact: False writes what comes, personal data and secrets too.
        context: Ids that every line carries, whatever thread it comes from: ``run_id``, ``worker``.
        third_party: Other libraries' records too.
        colours: Of text; None = on a terminal, unless NO_COLOR is set.
        max_bytes, backup_count, retention_days, fresh: How the file rotates, see `RotatingFile`; by default it
            does not. With `fresh` it is opened by the first line, in a folder that is made for it.
    Raises: UsageError for another level, both targets at once, bounds without a file or below 0, or a file that
        cannot be opened.
    """
    level = log_level.strip().upper()
    if level not in LEVELS:
        raise UsageError(f"log_level={log_level!r} is no level", do=f"use one of {', '.join(LEVELS)}")
    if stream is not None and path is not None:
        raise UsageError("setup_logging got a stream and a path", do="give one of them")
    bounds = {"max_bytes": max_bytes, "backup_count": backup_count, "retention_days": retention_days}
    _check(bounds, has_file=path is not None)
    if redactor is None and redact:
        from pytest_autorl.privacy.redactor import Redactor

        redactor = Redactor()
    handler = _handler(stream, path, **bounds, fresh=fresh)
    handler.setLevel(level)
    handler.setFormatter(
        _formatter(json_logs, redactor if redact else None, context or {}, _wants_colours(handler, colours))
    )
    if third_party and handler.relay is None:
        handler.relay = Relay(handler)
    attach(handler)
    return handler


def attach(handler: LogHandler) -> None:
    """Hang a handler up again, where `logging.config` has taken it down. Safe to call at any time."""
    logger = logging.getLogger(LOGGER)
    if not _UNTOUCHED:
        _UNTOUCHED.append(logger.level)
    logger.addHandler(handler)
    if handler.relay is not None:
        logging.getLogger().addHandler(handler.relay)
    _weigh(logger)


def remove_logging(handler: logging.Handler) -> None:
    """Take a handler down again; with the last one the logger's level is as it was. Safe to call twice."""
    logger = logging.getLogger(LOGGER)
    logger.removeHandler(handler)
    if isinstance(handler, LogHandler):
        if handler.relay is not None:
            logging.getLogger().removeHandler(handler.relay)
            handler.relay.close()
            handler.relay = None
        handler.end()
    else:
        handler.close()
    _weigh(logger)


def _check(bounds: Mapping[str, float], *, has_file: bool) -> None:
    for name, value in bounds.items():
        if value < 0:
            raise UsageError(f"{name}={value} is below 0", do="give 0 for no limit")
        if value and not has_file:
            raise UsageError(f"{name} needs a file", do="give a path")


def _handler(stream: TextStream | None, path: str | os.PathLike[str] | None, **options: Any) -> LogHandler:
    target: Any = Path(path).absolute() if path is not None else stream if stream is not None else sys.stderr
    for one in handlers():
        if one.target is target or (path is not None and one.target == target):
            return one
    if path is None:
        return LogHandler(target, target=target)
    from pytest_autorl.observe.rotation import RotatingFile

    file = RotatingFile(target, **options)
    if not options["fresh"]:
        try:
            file.open()
        except OSError as error:
            raise UsageError(
                f"cannot write the log {path}: {error.strerror}", do="name a writable file"
            ) from error
    return LogHandler(file, target=target, file=file)


def _formatter(
    is_json: bool, redactor: Redacts | None, context: Mapping[str, Any], has_colours: bool
) -> logging.Formatter:
    from pytest_autorl.observe.lines import ConsoleFormatter, JsonFormatter

    if is_json:
        return JsonFormatter(redactor=redactor, context=context)
    return ConsoleFormatter(redactor=redactor, context=context, colours=has_colours)


def _wants_colours(handler: LogHandler, asked: bool | None) -> bool:
    if asked is not None:
        return asked
    return handler.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _weigh(logger: logging.Logger) -> None:
    # A logger passes on what any of its handlers wants.
    levels = [handler.level for handler in handlers()]
    if levels:
        logger.setLevel(min(levels))
    elif _UNTOUCHED:
        logger.setLevel(_UNTOUCHED.pop())
