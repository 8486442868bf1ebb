"""The state engine's contract: rows, the books that hold them, and transactions over the books.

The rules of leases (`ledger.py`) are written once, over `Books`; an engine only keeps rows and makes a
transaction of what the rules do. Engines: `sqlite.py` (one host), `memory.py` (the reference that all others
are compared with). Rows are named tuples: they are made by the thousand inside transactions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple, Protocol, TypeVar

T = TypeVar("T")

#: Between a run's id and a device's in the key of a device that belongs to the run; neither can hold it.
OF_RUN = "@"


class SessionRow(NamedTuple):
    """A WebDriver session that may be alive on a device. See `leases.Session`."""

    url: str
    id: str
    key: str = ""


class DeviceRow(NamedTuple):
    """One device. Times: `*_at_s` since the epoch for people, `expires_s` by the host's clock (`clock.py`).

    A device with a holder is leased: status busy, or maintenance while it is recovered after an unclean end.
    """

    key: str
    status: str
    reason: str = ""
    since_at_s: float = 0.0
    #: Fencing token of the last grant.
    token: int = 0
    #: Ports that a grant comes with.
    port_count: int = 0
    #: What becomes of it when its lease ends: "", or status and reason with a blank between.
    after: str = ""
    holder: str = ""
    ticket: int = 0
    owner: str = ""
    purpose: str = ""
    need: str = ""
    granted_at_s: float = 0.0
    expires_s: float = 0.0
    #: First port of the leased block; 0 without.
    port: int = 0
    #: The server that its sessions are on, and how many that takes at once; "" and 0: no limit.
    server: str = ""
    slots: int = 0
    #: What was last found out about its health, see `farm.fitness.Verdict`; "" when nothing was.
    health: str = ""
    is_parked: bool = False
    #: Its holder has agreed to give it up.
    is_yielding: bool = False
    sessions: tuple[SessionRow, ...] = ()


class TicketRow(NamedTuple):
    """Somebody waits: for `wants` of the candidates, the first ones preferred."""

    number: int
    holder: str
    owner: str
    purpose: str
    need: str
    candidates: tuple[str, ...]
    wants: int
    asked_at_s: float
    deadline_s: float
    #: Where the waiter listens, see `bell.py`.
    wake: str


class HolderRow(NamedTuple):
    """A process that holds or wants devices."""

    id: str
    run: str
    owner: str
    pid: int
    boot_id: str
    wake: str


class JobRow(NamedTuple):
    """A job that one of several robots may do. Times as in `DeviceRow`."""

    id: str
    status: str = "pending"
    #: Name of the robot, for people.
    claimed_by: str = ""
    holder: str = ""
    #: The boot whose clock `expires_s` is of.
    boot_id: str = ""
    token: int = 0
    claimed_at_s: float = 0.0
    expires_s: float = 0.0
    #: Why it is to end; "" while nobody wants that.
    cancel_requested: str = ""
    #: Share that is done, 0 to 1.
    progress: float = 0.0


class OutboxRow(NamedTuple):
    """Something that waits to be delivered. Times since the epoch: an outbox outlives boots."""

    number: int
    destination: str
    key: str
    kind: str
    payload: str
    created_at_s: float
    attempts: int = 0
    next_at_s: float = 0.0
    error: str = ""
    is_dead: bool = False


class RunRow(NamedTuple):
    """A run that has ended. Times since the epoch."""

    id: str
    #: Whose history it belongs to, see `history.suite_of`.
    suite: str
    begun_at_s: float
    ended_at_s: float
    #: "passed", "failed", "interrupted", ...
    outcome: str
    #: Folder of its reports; "" when it wrote none.
    reports: str = ""
    #: JSON object: what its end had to say of it.
    facts: str = "{}"
    #: Grows with each run of this state; 0 until it is in the books.
    number: int = 0


class WorkRow(NamedTuple):
    """What is known of a test from earlier runs."""

    test: str
    #: Number of the last run in which it ran.
    seen: int
    #: Seconds of work of runs that passed, on a device of factor 1; the newest last.
    works_s: tuple[float, ...] = ()


class Phase(NamedTuple):
    """What granting needs to know of a device."""

    status: str
    is_held: bool
    is_yielding: bool
    server: str = ""
    slots: int = 0


class Books(Protocol):
    """The rows, within one transaction. Nothing here decides anything."""

    def device(self, key: str) -> DeviceRow | None:
        """One device; None when it is unknown."""

    def devices(self) -> list[DeviceRow]:
        """All devices, in the order of their keys."""

    def devices_of(self, holder: str) -> list[DeviceRow]:
        """The devices that a holder holds, in the order of their keys."""

    def phases(self) -> dict[str, Phase]:
        """What granting needs to know of every device."""

    def available(self) -> dict[str, bool]:
        """Keys of the devices whose status is available, each with whether its server sets a limit."""

    def put_device(self, row: DeviceRow) -> None:
        """Insert or replace."""

    def remove_device(self, key: str) -> None:
        """Nothing happens when it is unknown."""

    def ports_in_use(self) -> set[int]:
        """First ports of all leased blocks."""

    def tickets(self) -> list[TicketRow]:
        """All who wait, first come first."""

    def add_ticket(self, row: TicketRow) -> int:
        """Append it under the next number, which is returned; a number is never used again."""

    def remove_ticket(self, number: int) -> None:
        """Nothing happens when it is unknown."""

    def holders(self) -> list[HolderRow]:
        """All holders, in the order of their ids."""

    def put_holder(self, row: HolderRow) -> None:
        """Insert or replace."""

    def remove_holder(self, holder: str) -> None:
        """Nothing happens when it is unknown."""

    def number(self, name: str) -> int:
        """A number; 0 until it is set. ``floor``: tokens start above it."""

    def set_number(self, name: str, value: int) -> None:
        """Set a number."""

    def note_token(self, key: str, token: int) -> None:
        """A token was given: the engine may keep its own mark of the last one, to find out when it was lost."""

    def job(self, job_id: str) -> JobRow | None:
        """One job; None when it is unknown."""

    def jobs(self) -> list[JobRow]:
        """All jobs, in the order of their ids."""

    def put_job(self, row: JobRow) -> None:
        """Insert or replace."""

    def outbox(self, *, due_at_s: float, limit: int) -> list[OutboxRow]:
        """What is due and not dead, oldest first."""

    def outbox_item(self, destination: str, key: str) -> OutboxRow | None:
        """What waits under a key; None when nothing does."""

    def outbox_row(self, number: int) -> OutboxRow | None:
        """What waits under a number; None when nothing does."""

    def outbox_count(self) -> int:
        """How many there are, dead ones too."""

    def outbox_oldest(self, kinds: Collection[str], limit: int) -> list[int]:
        """Numbers of the oldest of these kinds, dead ones too."""

    def add_outbox(self, row: OutboxRow) -> int:
        """Append it under the next number, which is returned. A second one under its key: StateError."""

    def put_outbox(self, row: OutboxRow) -> None:
        """Replace the row of this number, under the same key; nothing happens when it is unknown."""

    def remove_outbox(self, numbers: Iterable[int]) -> None:
        """Nothing happens for what is unknown."""

    def outbox_rows(self) -> list[OutboxRow]:
        """All of it, oldest first."""

    def suites(self) -> list[str]:
        """Suites with runs or a history; what was added to or put last stands last."""

    def remove_suite(self, suite: str) -> None:
        """With all its runs and its history; nothing happens when it is unknown."""

    def runs(self, suite: str) -> list[RunRow]:
        """The runs of a suite, oldest first."""

    def add_run(self, row: RunRow) -> int:
        """Append it under the next number, which is returned; a number is never used again."""

    def remove_runs(self, numbers: Iterable[int]) -> None:
        """Nothing happens for what is unknown."""

    def history(self, suite: str) -> list[WorkRow]:
        """What is known of a suite's tests, in the order of their ids."""

    def put_history(self, suite: str, rows: Iterable[WorkRow]) -> None:
        """Insert or replace."""

    def remove_history(self, suite: str, tests: Iterable[str]) -> None:
        """Nothing happens for what is unknown."""


class Engine(Protocol):
    """Keeps the books of one state. Safe to use from several threads of the process that opened it."""

    def write(self, work: Callable[[Books], T], *, is_vital: bool = False) -> T:
        """Do `work` in one transaction, durable when this returns; whatever `work` raises undoes it.

        `work` must be quick and do no I/O: everybody else waits meanwhile. It may be run a second time when the
        first was undone.

        Args:
            is_vital: Must go through on a full disk (giving back, heartbeats): uses the reserve.
        Raises:
            StateBusyError: The turn did not come in time; nothing was done.
            StateError: The state cannot be used.
        """

    def post(
        self, work: Callable[[Books], T], then: Callable[[T | None, BaseException | None], None]
    ) -> None:
        """Do `work` like a vital write, but do not wait: it is done before anything that this engine is asked
        for later, and shares the sync of the disk with what has come meanwhile. For what loses nothing when the
        process dies before (giving back). `then` is called with what came of it, in any thread; it must be quick
        and raise nothing.
        """

    def read(self, work: Callable[[Books], T]) -> T:
        """Do `work` over one consistent view, in which all earlier writes of this engine are, without waiting
        for those of others. Raises StateError.
        """

    def close(self) -> None:
        """Give the files back. Safe to call twice."""
