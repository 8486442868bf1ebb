"""A child process of ours that is told what to do in one line, answers in one line, and ends with its stdin."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from typing import IO, Any


def first_answer(process: subprocess.Popen[str], orders: str, deadline_s: float) -> dict[str, Any]:
    """What the child says first; empty when it says nothing in time.

    Args:
        orders: One line of JSON.
        deadline_s: Longest wait for the answer, seconds.
    """
    said: dict[str, Any] = {}

    def talk(stdin: IO[str], stdout: IO[str]) -> None:
        # In a thread: both pipes may block on a child that hangs.
        with contextlib.suppress(OSError, ValueError):
            stdin.write(orders + "\n")
            stdin.flush()
            said.update(json.loads(stdout.readline()))

    assert process.stdin is not None
    assert process.stdout is not None
    speaker = threading.Thread(target=talk, args=(process.stdin, process.stdout), daemon=True)
    speaker.start()
    speaker.join(deadline_s)
    return dict(said)


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
            process.wait(wait_s)
            break
        escalate()
    if process.stdout is not None:
        process.stdout.close()
