"""Standard output and error below Python: what child processes and libraries in C write, in strict mode.

pytest's ``--capture=fd`` (the default) keeps them in files whose content reaches the reports, redacted. With ``-s`` and
``--capture=sys`` they go straight to the terminal: then a pipe takes the place of both, and a thread redacts what comes
through it. Python's streams, which are redacted themselves, write past the pipes.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from pytest_autorl.capture.guard import Guard
from pytest_autorl.capture.streams import NAMES, GuardedStream

#: So long the end of a run waits for what is still in a pipe, seconds: a child that outlives it keeps it open.
_LAST_CALL_S = 2.0


def guard_descriptors(guard: Guard) -> Callable[[], None]:
    """Redact what is written to descriptors 1 and 2 from now on; returns what ends that.

    To be called before `streams.guard_streams`: Python's streams are replaced by such as write past the pipes.
    """
    pumps = {number: pump for number in (1, 2) if (pump := _Pump.of(number, guard)) is not None}
    before = {name: getattr(sys, name, None) for name in NAMES}
    # `sys.stdout` and `sys.__stdout__` are mostly one, and stay so.
    by_id = {id(stream): _moved(stream, pumps) for stream in before.values()}
    moved = {name: by_id[id(stream)] for name, stream in before.items() if by_id[id(stream)] is not None}
    for name, stream in moved.items():
        setattr(sys, name, stream)

    def end() -> None:
        for name, stream in moved.items():
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
            if getattr(sys, name) is stream:
                setattr(sys, name, before[name])
        for pump in pumps.values():
            pump.end()

    return end


def _moved(stream: Any, pumps: Mapping[int, _Pump]) -> Any:
    """A stream like one of Python's that writes past its pipe; None for another one."""
    try:
        pump = pumps.get(stream.fileno())
        stream.flush()
    except (OSError, ValueError, AttributeError):
        return None
    if pump is None:
        return None
    return open(
        pump.outside,
        "w",
        encoding=stream.encoding,
        errors=stream.errors,
        buffering=1 if os.isatty(pump.outside) else -1,
        closefd=False,
    )


class _Pump:
    """One descriptor."""

    def __init__(self, number: int, guard: Guard) -> None:
        self._number = number
        self.outside = os.dup(number)
        reader, writer = os.pipe()
        os.dup2(writer, number, inheritable=True)
        os.close(writer)
        self._guard = guard
        self._thread = threading.Thread(
            target=self._run, args=(reader,), name=f"autorl-fd{number}", daemon=True
        )
        self._thread.start()

    @classmethod
    def of(cls, number: int, guard: Guard) -> _Pump | None:
        """None where the descriptor is closed."""
        try:
            os.fstat(number)
        except OSError:
            return None
        return cls(number, guard)

    def _run(self, reader: int) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        stream = GuardedStream(_Outside(self.outside), self._guard)
        with open(reader, "rb", buffering=0) as source, contextlib.suppress(OSError):
            while data := source.read(65536):
                stream.write(decoder.decode(data))
        stream.write(decoder.decode(b"", final=True))
        stream.end()

    def end(self) -> None:
        """Put the descriptor back; what was written before is given out."""
        # Closes the pipe's end here: the thread sees that nothing follows.
        os.dup2(self.outside, self._number, inheritable=True)
        self._thread.join(_LAST_CALL_S)
        if not self._thread.is_alive():
            os.close(self.outside)


class _Outside:
    """A text stream to a descriptor. Where nobody reads any more, what is written is lost, and nobody waits for it."""

    def __init__(self, number: int) -> None:
        self._number = number

    def write(self, text: str) -> None:
        data = text.encode("utf-8", "surrogateescape")
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._number, data) :]

    def flush(self) -> None:
        """Nothing is kept."""


def needs_guard(config: Any, guard: Guard) -> bool:
    """Whether anything reaches the descriptors uncaptured."""
    capture = getattr(getattr(config, "known_args_namespace", None), "capture", "fd")
    return guard.is_strict and os.name != "nt" and capture != "fd"
