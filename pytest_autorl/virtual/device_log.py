"""The log of a virtual device: a ring of lines, written by any thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

LOG_LINES = 2000


@dataclass(frozen=True)
class LogLine:
    """One line; `number` grows for ever, the ring forgets old lines. `level` is a letter as in logcat."""

    number: int
    at_ms: int
    level: str
    pid: int
    tag: str
    message: str

    def text(self) -> str:
        """As `logcat -v threadtime` prints it (UTC)."""
        moment = time.gmtime(self.at_ms / 1000)
        stamp = time.strftime("%m-%d %H:%M:%S", moment)
        return f"{stamp}.{self.at_ms % 1000:03d} {self.pid:5d} {self.pid:5d} {self.level} {self.tag}: {self.message}"


class DeviceLog:
    """The lines of one device. Has a lock of its own: sessions begin and end while a command holds the device."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[LogLine] = deque(maxlen=LOG_LINES)
        self._number = 0

    def write(self, level: str, tag: str, message: str, *, pid: int) -> None:
        """Add a line."""
        with self._lock:
            self._number += 1
            self._lines.append(LogLine(self._number, round(time.time() * 1000), level, pid, tag, message))

    def lines(self, after: int = 0) -> list[LogLine]:
        """Lines numbered above `after` that the ring still holds."""
        with self._lock:
            return [line for line in self._lines if line.number > after]
