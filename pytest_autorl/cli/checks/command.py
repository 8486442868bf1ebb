"""Programs of others that are asked for a few lines, and may hang or flood."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: More than this no program is let say, bytes.
LIMIT_BYTES = 1_000_000


class Output(NamedTuple):
    """What a program said, and its exit code (negative: the signal that ended it)."""

    code: int
    text: str


def run(
    command: Sequence[str],
    *,
    deadline_s: float,
    env: Mapping[str, str] | None = None,
    has_errors: bool = True,
) -> Output:
    """Run a program to its end, or end it with all that it has started in its group.

    Args:
        command: Its words; no shell of ours reads them.
        deadline_s: Longest time from start to end, seconds.
        env: Its environment; default: ours.
        has_errors: What it writes to standard error is part of what it said.
    Raises: OSError when it cannot be started; TimeoutError at the deadline.
    """
    end_s = time.monotonic() + deadline_s
    process = subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if has_errors else subprocess.DEVNULL,
        # A group of its own, so that its children end with it, and Ctrl-C in our terminal is ours alone.
        start_new_session=True,
    )
    try:
        said = _read(process, end_s)
        return Output(process.wait(max(0.0, end_s - time.monotonic())), said.decode("utf-8", "replace"))
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"no end within {deadline_s:g} s") from None
    finally:
        _end(process)


def _read(process: subprocess.Popen[bytes], end_s: float) -> bytes:
    """What it says until it closes its output. Raises subprocess.TimeoutExpired."""
    assert process.stdout is not None
    said = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(said) < LIMIT_BYTES:
            left_s = end_s - time.monotonic()
            if left_s <= 0 or not selector.select(left_s):
                raise subprocess.TimeoutExpired(process.args, left_s)
            # Not `read`, which waits for so many bytes.
            piece = os.read(process.stdout.fileno(), 65_536)
            if not piece:
                return bytes(said)
            said += piece
    _kill(process)
    return bytes(said[:LIMIT_BYTES])


def _end(process: subprocess.Popen[bytes]) -> None:
    # Not `poll`: of one that has ended and was not asked yet, children may live on in its group.
    if process.returncode is None:
        _kill(process)
    assert process.stdout is not None
    process.stdout.close()
    process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    # Not reaped yet, so that its number is still its own, and its group's.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
