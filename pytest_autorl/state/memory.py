"""The reference engine: the books as plain dictionaries. What it answers, every other engine must answer.

Within one process, for tests and scripts; gone with it.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Collection, Iterable
from typing import TypeVar

from pytest_autorl.errors import StateError
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.state.engine import (
    Books,
    DeviceRow,
    HolderRow,
    JobRow,
    OutboxRow,
    Phase,
    RunRow,
    TicketRow,
    WorkRow,
)

T = TypeVar("T")


class MemoryBooks:
    """`Books` as dictionaries."""

    def __init__(self) -> None:
        self._devices: dict[str, DeviceRow] = {}
        self._tickets: dict[int, TicketRow] = {}
        self._holders: dict[str, HolderRow] = {}
        self._numbers: dict[str, int] = {}
        self._jobs: dict[str, JobRow] = {}
        self._outbox: dict[int, OutboxRow] = {}
        self._runs: dict[int, RunRow] = {}
        #: By suite, the last used one last; by test.
        self._history: dict[str, dict[str, WorkRow]] = {}
        self._last_ticket = self._last_item = self._last_run = 0

    def device(self, key: str) -> DeviceRow | None:
        """See `Books.device`."""
        return self._devices.get(key)

    def devices(self) -> list[DeviceRow]:
        """See `Books.devices`."""
        return sorted(self._devices.values())

    def devices_of(self, holder: str) -> list[DeviceRow]:
        """See `Books.devices_of`."""
        return [row for row in self.devices() if row.holder == holder]

    def phases(self) -> dict[str, Phase]:
        """See `Books.phases`."""
        return {
            row.key: Phase(row.status, bool(row.holder), row.is_yielding, row.server, row.slots)
            for row in self._devices.values()
        }

    def available(self) -> dict[str, bool]:
        """See `Books.available`."""
        free = (row for row in self._devices.values() if row.status == DeviceStatus.AVAILABLE)
        return {row.key: row.slots > 0 for row in free}

    def put_device(self, row: DeviceRow) -> None:
        """See `Books.put_device`."""
        self._devices[row.key] = row

    def remove_device(self, key: str) -> None:
        """See `Books.remove_device`."""
        self._devices.pop(key, None)

    def ports_in_use(self) -> set[int]:
        """See `Books.ports_in_use`."""
        return {row.port for row in self._devices.values() if row.port}

    def tickets(self) -> list[TicketRow]:
        """See `Books.tickets`."""
        return [row for _, row in sorted(self._tickets.items())]

    def add_ticket(self, row: TicketRow) -> int:
        """See `Books.add_ticket`."""
        self._last_ticket += 1
        self._tickets[self._last_ticket] = row._replace(number=self._last_ticket)
        return self._last_ticket

    def remove_ticket(self, number: int) -> None:
        """See `Books.remove_ticket`."""
        self._tickets.pop(number, None)

    def holders(self) -> list[HolderRow]:
        """See `Books.holders`."""
        return sorted(self._holders.values())

    def put_holder(self, row: HolderRow) -> None:
        """See `Books.put_holder`."""
        self._holders[row.id] = row

    def remove_holder(self, holder: str) -> None:
        """See `Books.remove_holder`."""
        self._holders.pop(holder, None)

    def number(self, name: str) -> int:
        """See `Books.number`."""
        return self._numbers.get(name, 0)

    def set_number(self, name: str, value: int) -> None:
        """See `Books.set_number`."""
        self._numbers[name] = value

    def note_token(self, key: str, token: int) -> None:
        """See `Books.note_token`: nothing is lost here."""

    def job(self, job_id: str) -> JobRow | None:
        """See `Books.job`."""
        return self._jobs.get(job_id)

    def jobs(self) -> list[JobRow]:
        """See `Books.jobs`."""
        return sorted(self._jobs.values())

    def put_job(self, row: JobRow) -> None:
        """See `Books.put_job`."""
        self._jobs[row.id] = row

    def outbox(self, *, due_at_s: float, limit: int) -> list[OutboxRow]:
        """See `Books.outbox`."""
        due = [row for row in self.outbox_rows() if not row.is_dead and row.next_at_s <= due_at_s]
        return due[:limit]

    def outbox_item(self, destination: str, key: str) -> OutboxRow | None:
        """See `Books.outbox_item`."""
        rows = self._outbox.values()
        return next((row for row in rows if (row.destination, row.key) == (destination, key)), None)

    def outbox_row(self, number: int) -> OutboxRow | None:
        """See `Books.outbox_row`."""
        return self._outbox.get(number)

    def outbox_count(self) -> int:
        """See `Books.outbox_count`."""
        return len(self._outbox)

    def outbox_oldest(self, kinds: Collection[str], limit: int) -> list[int]:
        """See `Books.outbox_oldest`."""
        return [row.number for row in self.outbox_rows() if row.kind in kinds][:limit]

    def add_outbox(self, row: OutboxRow) -> int:
        """See `Books.add_outbox`."""
        if self.outbox_item(row.destination, row.key) is not None:
            raise StateError(f"{row.key} for {row.destination} waits in the outbox already")
        self._last_item += 1
        self._outbox[self._last_item] = row._replace(number=self._last_item)
        return self._last_item

    def put_outbox(self, row: OutboxRow) -> None:
        """See `Books.put_outbox`."""
        if row.number in self._outbox:
            self._outbox[row.number] = row

    def remove_outbox(self, numbers: Iterable[int]) -> None:
        """See `Books.remove_outbox`."""
        for number in numbers:
            self._outbox.pop(number, None)

    def outbox_rows(self) -> list[OutboxRow]:
        """See `Books.outbox_rows`."""
        return sorted(self._outbox.values())

    def suites(self) -> list[str]:
        """See `Books.suites`."""
        return list(self._history)

    def remove_suite(self, suite: str) -> None:
        """See `Books.remove_suite`."""
        self._history.pop(suite, None)
        self.remove_runs([row.number for row in self.runs(suite)])

    def runs(self, suite: str) -> list[RunRow]:
        """See `Books.runs`."""
        return [row for row in self._runs.values() if row.suite == suite]

    def add_run(self, row: RunRow) -> int:
        """See `Books.add_run`."""
        self._use(row.suite)
        self._last_run += 1
        self._runs[self._last_run] = row._replace(number=self._last_run)
        return self._last_run

    def remove_runs(self, numbers: Iterable[int]) -> None:
        """See `Books.remove_runs`."""
        for number in numbers:
            self._runs.pop(number, None)

    def history(self, suite: str) -> list[WorkRow]:
        """See `Books.history`."""
        return sorted(self._history.get(suite, {}).values())

    def put_history(self, suite: str, rows: Iterable[WorkRow]) -> None:
        """See `Books.put_history`."""
        self._use(suite).update((row.test, row) for row in rows)

    def remove_history(self, suite: str, tests: Iterable[str]) -> None:
        """See `Books.remove_history`."""
        for test in tests:
            self._history.get(suite, {}).pop(test, None)

    def _use(self, suite: str) -> dict[str, WorkRow]:
        self._history[suite] = self._history.pop(suite, {})
        return self._history[suite]


class MemoryEngine:
    """An `Engine` without a file."""

    def __init__(self) -> None:
        self._books = MemoryBooks()
        self._mutex = threading.Lock()

    def write(self, work: Callable[[Books], T], *, is_vital: bool = False) -> T:
        """See `Engine.write`."""
        with self._mutex:
            before = copy.deepcopy(self._books)
            try:
                return work(self._books)
            except BaseException:
                self._books = before
                raise

    def post(
        self, work: Callable[[Books], T], then: Callable[[T | None, BaseException | None], None]
    ) -> None:
        """See `Engine.post`."""
        try:
            result = self.write(work)
        except Exception as error:
            then(None, error)
        else:
            then(result, None)

    def read(self, work: Callable[[Books], T]) -> T:
        """See `Engine.read`."""
        with self._mutex:
            return work(copy.deepcopy(self._books))

    def close(self) -> None:
        """See `Engine.close`."""
