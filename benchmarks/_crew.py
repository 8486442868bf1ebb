"""A crew: processes that begin at one instant, so that starting them is never measured.

Every member prepares, waits for all others, does its work, waits for all others again (nobody closes its files while
somebody is still measured) and cleans up. Everything is bounded in time; what does not end is terminated.
"""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as readable
from threading import Barrier
from typing import TypeVar

R = TypeVar("R")
#: Prepares for the member of this number; what it yields is the work, done between the two barriers.
Part = Callable[[int], AbstractContextManager[Callable[[], R]]]

#: Spawned, not forked: a fork has the connections and locks of its parent.
context = multiprocessing.get_context("spawn")
#: Longest time for preparing, and for coming to an end after the work, seconds.
PATIENCE_S = 60.0


def run(part: Part[R], count: int, *, seconds: float) -> list[R]:
    """What each of `count` members has found out, in the order of their numbers.

    Args:
        part: Can be pickled; called in each member with its number.
        seconds: How long the work takes.
    Raises: SystemExit with the member's traceback when one fails, or when they do not end in time.
    """
    limit_s = seconds + 2 * PATIENCE_S
    barrier = context.Barrier(count, timeout=limit_s)
    pipes, members = [], []
    for number in range(count):
        ours, theirs = context.Pipe(duplex=False)
        member = context.Process(target=_serve, args=(part, number, barrier, theirs), daemon=True)
        member.start()
        theirs.close()  # so that the end of the member is the end of the pipe
        pipes.append(ours)
        members.append(member)
    try:
        results = _gather(pipes, time.monotonic() + limit_s)
        for member in members:
            member.join(PATIENCE_S)
    finally:
        for member in members:
            if member.is_alive():
                member.terminate()
        for pipe in pipes:
            pipe.close()
    return results


def _gather(pipes: list[Connection], deadline_s: float) -> list[R]:
    results: dict[Connection, R] = {}
    while len(results) < len(pipes):
        ready = readable(set(pipes) - set(results), timeout=max(0.0, deadline_s - time.monotonic()))
        if not ready:
            raise SystemExit("the processes did not end in time")
        for pipe in ready:
            try:
                result, trouble = pipe.recv()
            except EOFError:
                result, trouble = None, "a process ended without a result"
            if trouble:
                raise SystemExit(trouble)
            results[pipe] = result
    return [results[pipe] for pipe in pipes]


def _serve(part: Part[R], number: int, barrier: Barrier, pipe: Connection) -> None:
    try:
        with part(number) as work:
            barrier.wait()
            result = work()
            barrier.wait()
        pipe.send((result, ""))
    except BaseException:
        pipe.send((None, traceback.format_exc()))
        barrier.abort()  # after the reason, so that it is read before the complaints of the others
