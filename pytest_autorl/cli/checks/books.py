"""Jobs and leased ports: what stands in the state and `view` does not show."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pytest_autorl.cli.checks import Finding
from pytest_autorl.cli.status import age
from pytest_autorl.errors import StateError
from pytest_autorl.state.clock import Clock
from pytest_autorl.state.engine import JobRow
from pytest_autorl.state.jobs import JobStatus, is_claimed
from pytest_autorl.state.ledger import Now
from pytest_autorl.state.peek import peek

#: So many jobs are named.
_NAMED = 4


class Kept(NamedTuple):
    """What `read` finds: all jobs, and the first ports of the leased blocks."""

    jobs: tuple[JobRow, ...] = ()
    blocks: frozenset[int] = frozenset()


def read(path: Path) -> Kept:
    """Jobs and leased blocks; nothing when there is no state of ours, or it cannot be read: told by `state`."""
    with contextlib.suppress(StateError):
        return peek(path, lambda books: Kept(tuple(books.jobs()), frozenset(books.ports_in_use())))
    return Kept()


def jobs(rows: tuple[JobRow, ...], clock: Clock) -> Iterator[Finding]:
    """Whether each job that is claimed is still being done; nothing when there is none."""
    if not rows:
        return
    now = Now(clock.now_s(), clock.wall_s(), 0.0)
    running = [row for row in rows if row.status == JobStatus.RUNNING]
    stuck = [row for row in running if not is_claimed(row, clock.boot_id, now)]
    detail = f"{len(rows)} jobs, {len(running) - len(stuck)} being done"
    if not stuck:
        yield Finding(name="jobs", status="ok", detail=detail)
        return
    told = [_told(row, clock) for row in stuck[:_NAMED]]
    told += [f"and {len(stuck) - _NAMED} more"] if len(stuck) > _NAMED else []
    detail += f"; {len(stuck)} stuck: " + "; ".join(told)
    do = "start a robot: the first that claims it goes on; or end it with JobLocker.request_cancel"
    yield Finding(name="jobs", status="warn", detail=detail, do=do)


def _told(row: JobRow, clock: Clock) -> str:
    since = age(clock.wall_s() - row.claimed_at_s)
    why = "its time ran out" if row.boot_id == clock.boot_id else "this machine was started anew"
    return f"{row.id} (claimed by {row.claimed_by} {since} ago, {row.progress * 100:.0f} % done, {why})"
