"""The log's handler, and how the records of others reach it.

`LogHandler` hangs on the logger ``pytest_autorl``. Records come to it in three ways:

- what the package logs, through that logger;
- what an `ActionLogger` logs, handed over directly, whatever the name of its logger: a suite asks us for one to have
  its records in our log, and need not lower the level of a logger for it;
- when `Relay` is there, what everybody else logs. It hangs on the root logger, has no level of its own and lowers
  none: a record that its logger's level drops is dropped, `caplog` and other handlers see what they saw before.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Any, Protocol

#: Name of the logger that the package's own records come from.
LOGGER = "pytest_autorl"

#: Set on a record that an `ActionLogger` has handed over itself: it is not taken a second time.
DIRECT = "_autorl_direct"


class TextStream(Protocol):
    """What a log can be written to."""

    def write(self, text: str, /) -> object:
        """Write text. Raises OSError, ValueError."""

    def flush(self) -> object:
        """Keep nothing back."""


class Closable(Protocol):
    """What is closed with the log."""

    def close(self) -> object:
        """End it."""


class LogHandler(logging.Handler):
    """Writes to a stream, and gives up on it after its first fault: a full disk must not fill the terminal too.

    Args:
        target: What tells two handlers apart: the file's path, or the stream.
        file: Closed by `end`; None when the stream is somebody else's.
    """

    def __init__(self, stream: TextStream, *, target: object, file: Closable | None = None) -> None:
        super().__init__()
        self.target = target
        self.relay: Relay | None = None
        self._stream = stream
        self._file = file
        self._is_broken = False

    @property
    def is_terminal(self) -> bool:
        """Whether a person watches: only then are there colours."""
        try:
            return bool(getattr(self._stream, "isatty", bool)())
        except ValueError:  # closed
            return False

    def handle(self, record: logging.LogRecord) -> bool:
        """See `logging.Handler.handle`; passes over what was handed to `take`."""
        return not getattr(record, DIRECT, False) and self.take(record)

    def take(self, record: logging.LogRecord) -> bool:
        """Write a record if the filters let it through. The text is made outside the lock: redacting takes time."""
        passed: Any = self.filter(record)
        if passed:
            # Since Python 3.12 a filter may answer with another record.
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        if self._is_broken:
            return
        text = self.format(record) + "\n"
        with self.lock or contextlib.nullcontext():
            try:
                self._write(text)
            except (OSError, ValueError) as error:  # ValueError: the stream is closed
                self._give_up(error)

    def close(self) -> None:
        """Nothing: `logging.config` closes every handler there is, and the run goes on. See `end`."""

    def end(self) -> None:
        """Close for good."""
        with contextlib.suppress(OSError, ValueError):
            if self._file is not None:
                self._file.close()
        super().close()

    def _give_up(self, error: Exception) -> None:
        was_broken, self._is_broken = self._is_broken, True
        if not was_broken:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                sys.stderr.write(f"autorl: the log ends here, it could not be written: {error}\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            narrow = getattr(self.formatter, "narrow", None)
            coding = str(getattr(self._stream, "encoding", None) or "ascii")
            plain = narrow(text) if narrow else text
            self._stream.write(plain.encode(coding, "backslashreplace").decode(coding))
        self._stream.flush()


class Relay(logging.Handler):
    """Hands over what libraries log. Records of our own logger have gone to the handler already."""

    def __init__(self, own: LogHandler) -> None:
        super().__init__()
        self._own = own

    def handle(self, record: logging.LogRecord) -> bool:
        """See `logging.Handler.handle`."""
        is_ours = record.name == LOGGER or record.name.startswith(f"{LOGGER}.")
        return not is_ours and record.levelno >= self._own.level and self._own.handle(record)


def handlers() -> list[LogHandler]:
    """The logs that are up."""
    return [one for one in logging.getLogger(LOGGER).handlers if isinstance(one, LogHandler)]
