"""Python's own streams: what is printed past pytest's capture, and what pytest prints itself.

pytest remembers the streams that stand in `sys` when it starts to capture, writes its report to them, and puts them
back whenever it captures nothing (``-s``, ``capsys.disabled()``, live logs, a debugger). So those that are put there
before it starts see all of that. What a child process or a library in C writes does not pass them: see `descriptors`.

Private parts of pytest: ``_global_capturing`` of its ``capturemanager``, of that ``out`` and ``err`` with ``_old`` or
``syscapture``. Fall-back: where a conftest loads the plugin, and no entry point, what is printed uncaptured passes. Of
pluggy: ``_writer`` of the tracer. Fall-back: the file of ``--debug`` is as it would be without this plugin.
"""

from __future__ import annotations

import codecs
import io
import sys
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pytest_autorl.capture.guard import Guard

if TYPE_CHECKING:
    from pytest_autorl.privacy.stream import RedactingStream

#: Streams of `sys` that text leaves by.
NAMES = ("stdout", "stderr", "__stdout__", "__stderr__")


#: What pytest shows of each test as it goes along, with the colours that it gives them.
_LETTERS = tuple(".FEsxXRLuP,-")
_MARKS = frozenset(_LETTERS) | {
    f"\x1b[{colour}m{letter}\x1b[0m"
    for letter in _LETTERS
    for colour in ("31", "32", "33", "1m\x1b[31", "1;31")
}


class GuardedStream:
    """A text stream that redacts on its way to another one, line by line.

    An incomplete line is kept until it is complete, or somebody asks for it to be seen (`flush`): then a value that
    goes on after it has gone out in part. In strict mode no incomplete line goes out, be it a prompt or the dots of a
    progress bar. Attributes of the other stream are its own.
    """

    def __init__(self, inner: Any, guard: Guard) -> None:
        self._inner = inner
        self._guard = guard
        self._stream: RedactingStream | None = None
        self._redactor: object = None
        self._lock = threading.RLock()
        self._is_busy = False
        self._bytes: _GuardedBuffer | None = None

    def write(self, text: str, /) -> int:
        """Write text. Raises what the stream behind it raises, but for characters that it cannot encode."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self._guard.is_off:
            self._give(text)
            return len(text)
        with self._lock:
            if (
                text in _MARKS
                and not self._guard.is_strict
                and not self._is_busy
                and self._current().mark(text)
            ):
                return len(text)
            if self._is_busy:  # a signal's handler prints in the middle of it
                self._give(self._guard.redact(text))
                return len(text)
            self._is_busy = True
            try:
                self._current().write(text)
            finally:
                self._is_busy = False
        return len(text)

    def writelines(self, lines: Iterable[str], /) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Show what was written so far."""
        with self._lock:
            if self._stream is not None and not self._is_busy and not self._guard.is_strict:
                self._stream.flush(partial=True)
        self._inner.flush()

    def end(self) -> None:
        """Give out everything; the stream behind it stays open."""
        try:
            if self._bytes is not None:
                self._bytes.end()
            if self._stream is not None:
                stream, self._stream = self._stream, None
                stream.close()
            self._inner.flush()
        except (OSError, ValueError):  # closed, or nobody reads any more
            return

    @property
    def buffer(self) -> Any:
        """Bytes that are written are redacted as text of the stream's encoding; other bytes stay as they are."""
        if self._bytes is None:
            self._bytes = _GuardedBuffer(self, self._inner.buffer)
        return self._bytes

    def detach(self) -> Any:
        """The binary side, as of a text stream; this one stays usable, since others hold it."""
        self.flush()
        return self.buffer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __iter__(self) -> Any:
        return iter(self._inner)

    def __enter__(self) -> GuardedStream:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        self.flush()
        return self._inner.__exit__(*error)

    def __repr__(self) -> str:
        return f"<guarded {self._inner!r}>"

    def _current(self) -> RedactingStream:
        redactor = self._guard.redactor
        if self._stream is None or redactor is not self._redactor:
            if self._stream is not None:  # more is known by now of what must not leave
                self._stream.close()
            self._redactor, self._stream = redactor, redactor.stream(self._give)
        return self._stream

    def _give(self, text: str) -> None:
        try:
            self._inner.write(text)
        except UnicodeEncodeError:
            coding = getattr(self._inner, "encoding", None) or "ascii"
            out = getattr(self._inner, "buffer", None)
            if self._bytes is None or out is None:
                self._inner.write(text.encode(coding, "backslashreplace").decode(coding))
                return
            self._inner.flush()
            out.write(b"".join(_encoded(char, coding) for char in text))
            out.flush()


def _encoded(char: str, coding: str) -> bytes:
    """A character, or the byte that it stands for."""
    try:
        return char.encode(coding, "surrogateescape")
    except UnicodeEncodeError:
        return char.encode(coding, "backslashreplace")


class _GuardedBuffer:
    """The binary side of a guarded stream."""

    def __init__(self, stream: GuardedStream, inner: Any) -> None:
        self._stream = stream
        self._inner = inner
        coding = getattr(stream, "encoding", None) or "utf-8"
        #: A character may come in two pieces.
        self._decoder = codecs.getincrementaldecoder(coding)("surrogateescape")

    @property
    def raw(self) -> _GuardedBuffer:
        """Nobody gets past it."""
        return self

    def write(self, data: Any, /) -> int:
        octets = bytes(data)
        self._stream.write(self._decoder.decode(octets))
        return len(octets)

    def writelines(self, lines: Iterable[bytes], /) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._stream.flush()

    def end(self) -> None:
        """What is left of a character goes out as it is."""
        self._stream.write(self._decoder.decode(b"", True))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


# What asks for the kind of a stream finds one.
io.TextIOBase.register(GuardedStream)
io.BufferedIOBase.register(_GuardedBuffer)


def guard_streams(guard: Guard) -> Callable[[], None]:
    """Put guarded streams into `sys`; returns what takes them out again. To be called before pytest captures."""
    guarded: dict[int, GuardedStream] = {}
    before: dict[str, Any] = {}
    for name in NAMES:
        stream = getattr(sys, name, None)
        if stream is None:  # pythonw has none
            continue
        # `sys.stdout` and `sys.__stdout__` are mostly one.
        one = guarded.setdefault(id(stream), GuardedStream(stream, guard))
        before[name] = (stream, one)
        setattr(sys, name, one)

    def take_out() -> None:
        for name, (stream, one) in before.items():
            if getattr(sys, name, None) is one:
                setattr(sys, name, stream)
        for one in guarded.values():
            one.end()

    return take_out


def guard_begun_capture(config: Any, guard: Guard) -> Callable[[], None]:
    """The streams that pytest has put aside already, where this plugin came late; returns what ends that."""
    capture = getattr(config.pluginmanager.get_plugin("capturemanager"), "_global_capturing", None)
    guarded: list[tuple[Any, Any, GuardedStream]] = []
    for name in ("out", "err"):
        part = getattr(capture, name, None)
        holder: Any = getattr(part, "syscapture", part)  # of --capture=fd, and of sys
        stream = getattr(holder, "_old", None)
        if stream is not None and not is_guarded(stream):
            one = holder._old = GuardedStream(stream, guard)
            guarded.append((holder, stream, one))

    def end() -> None:
        for holder, stream, one in guarded:
            holder._old = stream
            one.end()

    return end


class _Written:
    """What has a function to write with, and nothing else of a stream."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self.write = write

    def flush(self) -> None:
        """Nothing is kept."""


def guard_trace(config: Any, guard: Guard) -> Callable[[], None]:
    """The file of ``--debug``, which holds the arguments of all hooks; returns what ends that."""
    root = getattr(config.trace, "root", None)
    write = getattr(root, "_writer", None)
    if root is None or write is None:
        return lambda: None
    stream = GuardedStream(_Written(write), guard)
    root.setwriter(stream.write)

    def end() -> None:
        stream.end()
        if root._writer == stream.write:
            root.setwriter(write)

    return end


def is_guarded(stream: object) -> bool:
    """Whether a stream, or what a wrapper holds, redacts what is written to it."""
    return isinstance(stream, GuardedStream)
