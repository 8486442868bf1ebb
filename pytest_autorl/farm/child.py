"""A child process of ours that is told what to do in one line, answers in one line, and ends with its stdin."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import threading
from typing import IO, Any


class Talk:
    """Tells a child its orders, and hears what it says first.

    Args:
        orders: One line of JSON.
    """

    def __init__(self, process: subprocess.Popen[str], orders: str) -> None:
        self._process = process
        #: What the child has not been told yet.
        self._rest = _sent(process.stdin, (orders + "\n").encode())

    def answer(self, deadline_s: float) -> dict[str, Any]:
        """What it says first; empty when it says nothing in so many seconds. To be asked once."""
        said: dict[str, Any] = {}

        def talk(stdin: Any, stdout: IO[str]) -> None:
            with contextlib.suppress(OSError, ValueError):
                stdin.buffer.write(self._rest)
                stdin.buffer.flush()
                said.update(json.loads(stdout.readline()))

        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # In a thread: both pipes may block on a child that hangs.
        streams = self._process.stdin, self._process.stdout
        speaker = threading.Thread(target=talk, args=streams, daemon=True)
        speaker.start()
        speaker.join(deadline_s)
        return dict(said)


def _sent(pipe: IO[str] | None, data: bytes) -> bytes:
    """Write what the pipe takes at once; returns the rest.

    Not in a thread: a test that forks while one runs is warned of, from Python 3.12 on.
    """
    assert pipe is not None
    descriptor = pipe.fileno()
    with contextlib.suppress(OSError, AttributeError):  # full, or broken, or of a system that cannot do it
        os.set_blocking(descriptor, False)
        try:
            data = data[os.write(descriptor, data) :]
        finally:
            os.set_blocking(descriptor, True)
    return data


def first_answer(process: subprocess.Popen[str], orders: str, deadline_s: float) -> dict[str, Any]:
    """What the child says first; empty when it says nothing in time.

    Args:
        orders: One line of JSON.
        deadline_s: Longest wait for the answer, seconds.
    """
    return Talk(process, orders).answer(deadline_s)


def end(process: subprocess.Popen[str], patience_s: float, *, term_s: float) -> None:
    """End the child: by the end of its stdin, else TERM, else KILL. Safe to call for one that has ended.

    Args:
        patience_s: How long it may take to end by itself, seconds.
        term_s: How long it may take after TERM, and again after KILL, seconds.
    """
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    steps = ((patience_s, process.terminate), (term_s, process.kill), (term_s, lambda: None))
    for wait_s, escalate in steps:
        with contextlib.suppress(subprocess.TimeoutExpired):
            _wait(process, wait_s)
            break
        escalate()
    if process.stdout is not None:
        process.stdout.close()


def _wait(process: subprocess.Popen[str], wait_s: float) -> None:
    """As `Popen.wait`, which looks every 50 ms only once it has waited a little. Raises TimeoutExpired."""
    if process.returncode is None and hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):  # a kernel that does not let us
            descriptor = os.pidfd_open(process.pid)
            try:
                ended = select.poll()
                ended.register(descriptor, select.POLLIN)
                if not ended.poll(1000 * wait_s):
                    wait_s = 0.0
            finally:
                os.close(descriptor)
    process.wait(wait_s)
