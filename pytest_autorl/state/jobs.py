"""Jobs that one of several robots does: claimed for a time, under a fencing token, and ended once.

A claim is to a job what a lease is to a device: whoever cannot name its holder and token changes nothing. It ends by
release, or by itself when its robot gives no sign of life for `lock_timeout` seconds or the host has been started
anew; then another robot may claim the job. The functions over `Books` are the rules, for any engine; `JobLocker` is one
robot's side of them.
"""

from __future__ import annotations

import enum
import os
import socket
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from pytest_autorl.state.clock import Clock, HostClock
from pytest_autorl.state.engine import Books, Engine, JobRow
from pytest_autorl.state.ledger import Now
from pytest_autorl.state.opening import engine_at

T = TypeVar("T")

#: How long a claim lives without a sign of life, seconds.
LOCK_TIMEOUT_S = 300.0


class JobStatus(str, enum.Enum):
    """What can be said of a job; the last three are for good."""

    #: Nobody does it: new, or given back.
    PENDING = "pending"
    #: A robot has claimed it. Also when that robot is gone, until the next one claims it.
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    #: Ended because that was requested.
    CANCELLED = "cancelled"

    def __str__(self) -> str:
        return self.value


class Signal(str, enum.Enum):
    """What a robot hears when it gives a sign of life."""

    #: Go on.
    OK = "ok"
    #: The job is not this robot's any more: stop, and touch nothing that belongs to it.
    LOST = "lost"
    #: Somebody wants it to end: tidy up, and release it as cancelled.
    CANCEL = "cancel"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Heartbeat:
    """The answer to a sign of life; `reason` says why the job is lost or to end, and is empty with `OK`."""

    signal: Signal
    reason: str = ""


class Claimant(NamedTuple):
    """Who claims: name for people, id of one locker, and the boot whose clock counts."""

    robot: str
    holder: str
    boot_id: str


# -- the rules -----------------------------------------------------------------------------------------------


def is_claimed(row: JobRow, boot_id: str, now: Now) -> bool:
    """Whether somebody does it: a claim that has not run out, made in this boot."""
    return row.status == JobStatus.RUNNING and row.boot_id == boot_id and row.expires_s >= now.s


def claim(books: Books, job_id: str, who: Claimant, now: Now) -> JobRow | None:
    """Have the job, unless it has ended or somebody does it; an unknown one is new.

    A job that was left behind by its robot and is to be cancelled ends here instead.
    """
    row = books.job(job_id) or JobRow(job_id, token=books.number("floor"))
    if row.status not in (JobStatus.PENDING, JobStatus.RUNNING) or is_claimed(row, who.boot_id, now):
        return None
    if row.cancel_requested:
        books.put_job(row._replace(status=JobStatus.CANCELLED))
        return None
    row = JobRow(
        id=job_id,
        status=JobStatus.RUNNING,
        claimed_by=who.robot,
        holder=who.holder,
        boot_id=who.boot_id,
        token=row.token + 1,
        claimed_at_s=now.wall_s,
        expires_s=now.s + now.ttl_s,
    )
    books.put_job(row)
    return row


def ours(books: Books, job_id: str, holder: str, token: int) -> JobRow | None:
    """The row, if it is claimed by this holder under this token; else None. The guard of every change."""
    row = books.job(job_id)
    if row is None or row.status != JobStatus.RUNNING or (row.holder, row.token) != (holder, token):
        return None
    return row


def beat(books: Books, job_id: str, holder: str, token: int, now: Now) -> Heartbeat:
    """A sign of life: the claim lives on, also one whose time was up, if nobody has taken it meanwhile."""
    row = ours(books, job_id, holder, token)
    if row is None:
        return Heartbeat(Signal.LOST, _taker(books.job(job_id)))
    books.put_job(row._replace(expires_s=now.s + now.ttl_s))
    if row.cancel_requested:
        return Heartbeat(Signal.CANCEL, row.cancel_requested)
    return Heartbeat(Signal.OK)


def note_progress(books: Books, job_id: str, holder: str, token: int, share: float) -> bool:
    """Record how much is done; never less than before. False when it is not ours any more."""
    row = ours(books, job_id, holder, token)
    if row is None:
        return False
    if share > row.progress:
        books.put_job(row._replace(progress=share))
    return True


def release(books: Books, job_id: str, holder: str, token: int, status: JobStatus) -> bool:
    """End it, or give it back (pending), unless nobody is to do it: that one is cancelled.

    False when it was not ours any more, and nothing was changed.
    """
    row = ours(books, job_id, holder, token)
    if row is None:
        return False
    if status is JobStatus.PENDING and not row.cancel_requested:
        books.put_job(JobRow(job_id, token=token))
    else:
        books.put_job(row._replace(status=JobStatus.CANCELLED if status is JobStatus.PENDING else status))
    return True


def request_cancel(books: Books, job_id: str, reason: str, boot_id: str, now: Now) -> bool:
    """Ask whoever does it to end it; one that nobody does is cancelled at once. False when there is nothing to end.

    The first reason stands.
    """
    row = books.job(job_id)
    if row is None or row.status not in (JobStatus.PENDING, JobStatus.RUNNING):
        return False
    if not is_claimed(row, boot_id, now):
        row = row._replace(status=JobStatus.CANCELLED)
    books.put_job(row._replace(cancel_requested=row.cancel_requested or reason))
    return True


def _taker(row: JobRow | None) -> str:
    """Why a job is not its former robot's."""
    if row is None:
        return "nobody knows the job"
    if row.status == JobStatus.RUNNING:
        return f"{row.claimed_by} has it now (token {row.token})"
    return f"it is {row.status}"


# -- robots --------------------------------------------------------------------------------------------------


def claim_job(
    engine: Engine,
    job_id: str,
    robot: str,
    *,
    holder: str = "",
    lock_timeout: float = LOCK_TIMEOUT_S,
    clock: Clock | None = None,
) -> JobRow | None:
    """Claim a job in one atomic step: of several robots that try at once, exactly one gets it.

    Args:
        robot: Name, for people.
        holder: Id of the process or thread that does it, never used by another; made up when empty.
        lock_timeout: How long the claim lives without a sign of life, seconds.
    Returns: the job's row, with holder and token of the claim; None when it is not to be had.
    Raises: StateError.
    """
    clock = clock or HostClock()
    who = Claimant(robot, holder or uuid.uuid4().hex, clock.boot_id)
    now = Now(clock.now_s(), clock.wall_s(), lock_timeout)
    return engine.write(lambda books: claim(books, job_id, who, now))


class JobLocker:
    """One robot's claims. Safe to use from several threads: they count as one robot, and a job is claimed once.

    Args:
        place: Path of a state database, made when missing; or an engine, which is not closed with the locker.
        robot_id: Name of the robot, for people; default: host and process.
        lock_timeout: How long a claim lives without `heartbeat`, seconds. Give a sign of life at least three times
            in it.
        clock: Injected by tests.
    Raises: ValueError for a `lock_timeout` that is not above 0; UsageError and StateError as `engine_at`.

    All methods raise StateError when the state cannot be used.
    """

    def __init__(
        self,
        place: str | os.PathLike[str] | Engine,
        robot_id: str = "",
        lock_timeout: float = LOCK_TIMEOUT_S,
        *,
        clock: Clock | None = None,
    ) -> None:
        if not lock_timeout > 0:
            raise ValueError(f"lock_timeout is {lock_timeout} s: it must be above 0")
        self.robot_id = robot_id or f"{socket.gethostname()}/{os.getpid()}"
        self.lock_timeout = lock_timeout
        self._clock = clock or HostClock()
        #: Names change hands; whoever is started anew under an old one must not be taken for it.
        self._holder = uuid.uuid4().hex
        self._tokens: dict[str, int] = {}
        self._mutex = threading.Lock()
        self._engine, self._is_ours = engine_at(place)

    def __enter__(self) -> JobLocker:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def try_claim(self, job_id: str) -> bool:
        """Have the job, if nobody does it and it has not ended; an id that is unknown is a new job."""
        row = claim_job(
            self._engine,
            job_id,
            self.robot_id,
            holder=self._holder,
            lock_timeout=self.lock_timeout,
            clock=self._clock,
        )
        if row is None:
            return False
        with self._mutex:
            self._tokens[job_id] = row.token
        return True

    def heartbeat(self, job_id: str) -> Heartbeat:
        """Give a sign of life for a claim, and hear whether to go on."""
        return self._with_token(
            job_id, lambda books, token: beat(books, job_id, self._holder, token, self._now())
        )

    def report_progress(self, job_id: str, share: float) -> bool:
        """Record how much is done, 0 to 1; less than before is passed over. False when the claim is lost.

        A new claim begins at 0. Raises ValueError.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"progress of {job_id} is {share}: it must be 0 to 1")
        return self._with_token(
            job_id, lambda books, token: note_progress(books, job_id, self._holder, token, share)
        )

    def release(self, job_id: str, status: JobStatus | str = JobStatus.COMPLETED) -> bool:
        """End a claimed job: completed, failed, cancelled, or pending to let another robot try.

        A job ends once. Returns False, and changes nothing, when the claim was lost meanwhile: a robot that comes
        late must not undo what another one did, and its tidying up must not fail. Raises ValueError for another
        status.
        """
        status = JobStatus(status)
        if status is JobStatus.RUNNING:
            raise ValueError(f"{job_id} cannot be released as running")
        is_done = self._with_token(
            job_id, lambda books, token: release(books, job_id, self._holder, token, status)
        )
        with self._mutex:
            self._tokens.pop(job_id, None)
        return is_done

    def request_cancel(self, job_id: str, reason: str = "") -> bool:
        """Ask for the end of a job, whoever does it: its robot hears of it at its next heartbeat.

        A job that nobody does is cancelled at once. False for one that has ended or is unknown.
        """
        reason, boot_id, now = reason or f"requested by {self.robot_id}", self._clock.boot_id, self._now()
        return self._engine.write(lambda books: request_cancel(books, job_id, reason, boot_id, now))

    def job(self, job_id: str) -> JobRow | None:
        """What is known of a job: status, claimed_by, claimed_at_s, cancel_requested, progress; None: nothing."""
        return self._engine.read(lambda books: books.job(job_id))

    def jobs(self) -> list[JobRow]:
        """All jobs, in the order of their ids."""
        return self._engine.read(lambda books: books.jobs())

    def close(self) -> None:
        """Give the files back. Claims that were not released run out by themselves."""
        if self._is_ours:
            self._engine.close()

    def _with_token(self, job_id: str, work: Callable[[Books, int], T]) -> T:
        with self._mutex:
            token = self._tokens.get(job_id, 0)  # 0: no claim has it
        return self._engine.write(lambda books: work(books, token), is_vital=True)

    def _now(self) -> Now:
        return Now(self._clock.now_s(), self._clock.wall_s(), self.lock_timeout)
