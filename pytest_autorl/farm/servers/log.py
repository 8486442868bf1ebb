"""The log of one server: whole lines, bounded, and how the slice of an attempt is cut out of it.

At its limit the file is begun anew, and the one before stays beside it as `.1`. Each begins with a line that tells it
from every other, so that a place in the log is found again after it was begun anew.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, NamedTuple, Protocol

#: A file is begun anew when it has so many bytes.
LIMIT_BYTES = 10_000_000
#: Longest line that is kept whole, bytes.
_LINE_BYTES = 64_000
#: How many of the last lines an error shows.
_SHOWN = 15
_SHOWN_CHARS = 2000
#: Longest first line, bytes.
_HEAD_BYTES = 400


class Stream(Protocol):
    """Takes lines; what `Sink.open_log` gives."""

    def write(self, text: str, /) -> int:
        """Write lines. Raises OSError."""

    def close(self) -> None:
        """End it."""


class ServerLog:
    """Takes what a server prints.

    Args:
        name: Of the server.
        path: Of its file.
        open_stream: Begins the file at `path` anew, at the first line.
        redact: What is shown in errors passes it.
        is_first: The file belongs to an earlier run; else it is kept, as `.1`.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        open_stream: Callable[[], Stream],
        *,
        redact: Callable[[str], str] = str,
        is_first: bool = True,
        limit_bytes: int = LIMIT_BYTES,
    ) -> None:
        self.path = path
        self._name = name
        self._open = open_stream
        self._redact = redact
        self._is_first = is_first
        self._limit_bytes = limit_bytes
        self._stream: Stream | None = None
        self._bytes = 0
        self._parts = 0
        self._last: deque[str] = deque(maxlen=_SHOWN)

    def take(self, output: IO[bytes]) -> None:
        """Copy a server's output until its end. Never blocks the server: what cannot be written is dropped."""
        # In pieces: a server that never ends a line must not fill the memory.
        with output:
            for piece in iter(lambda: output.readline(_LINE_BYTES), b""):
                self.write(piece.decode("utf-8", "replace").rstrip("\r\n"))

    def write(self, line: str) -> None:
        """One line."""
        self._last.append(line)
        with contextlib.suppress(OSError, ValueError):  # the disk is full, or the log is closed
            if self._stream is None or self._bytes >= self._limit_bytes:
                self._begin()
            self._put(line)

    def note(self, text: str) -> None:
        """A line of ours, with the time."""
        self.write(f"-- {_now()} {text}")

    def forget(self) -> None:
        """What was printed so far is no longer the end that an error shows."""
        self._last.clear()

    def end(self) -> str:
        """The last lines, for people; "" when there are none."""
        return self._redact("\n".join(self._last))[-_SHOWN_CHARS:]

    def close(self) -> None:
        """End the file."""
        if self._stream is not None:
            self._stream.close()

    def _begin(self) -> None:
        before = _earlier(self.path)
        if self._stream is not None or not self._is_first:
            if self._stream is not None:
                self._stream.close()
            if self.path.exists():
                self.path.replace(before)
        else:
            before.unlink(missing_ok=True)
        self._is_first = False
        self._stream = self._open()
        self._bytes = 0
        self._parts += 1
        self._put(f"-- {_now()} log of the Appium server {self._name}, part {self._parts}")

    def _put(self, line: str) -> None:
        assert self._stream is not None
        self._stream.write(line + "\n")
        self._bytes += len(line.encode("utf-8", "replace")) + 1


class Mark(NamedTuple):
    """A place in a log: the first line of the file, and how many bytes of it there were."""

    head: bytes
    size_bytes: int


def mark(path: Path) -> Mark:
    """The end of a log as it is now; also of one that is not there yet."""
    try:
        with path.open("rb") as file:
            head = file.readline(_HEAD_BYTES)
            return Mark(head, file.seek(0, 2))
    except OSError:
        return Mark(b"", 0)


def since(path: Path, place: Mark, *, limit_bytes: int = 256_000) -> str:
    """What was written to a log after a mark: whole lines, the newest so many bytes; "" when there is nothing."""
    text, heads = b"", set[bytes]()
    for one in (path, _earlier(path)):  # newest first
        with contextlib.suppress(OSError), one.open("rb") as file:
            head = file.readline(_HEAD_BYTES)
            if head in heads:  # it was begun anew between our two looks
                continue
            heads.add(head)
            begin = place.size_bytes if head == place.head else 0
            file.seek(max(begin, file.seek(0, 2) - limit_bytes - 1))
            text = file.read() + text
        if place.head in heads:
            break
    if len(text) > limit_bytes:
        text = text[-limit_bytes:].partition(b"\n")[2]
    return text.decode("utf-8", "replace")


def _earlier(path: Path) -> Path:
    return path.with_name(path.name + ".1")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
