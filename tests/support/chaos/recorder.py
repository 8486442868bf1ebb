"""An engine that tells the history what each of its transactions changed, at the moment of the commit.

Inside the gate there is one transaction at a time, so these lines are in the order of the commits. A transaction
that was written down and not followed by a ``committed`` line may or may not have happened: its process died in
between, and the next one that saw the same rows tells.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from chaos.history import History
from pytest_autorl.state.engine import Books, DeviceRow, HolderRow, TicketRow
from pytest_autorl.state.sqlite import SqliteEngine

T = TypeVar("T")


class RecordedEngine(SqliteEngine):
    """See the module.

    Args:
        strike: Told of each point inside a write, after the history was.
        clock_s: The clock by which leases end.
    """

    def __init__(
        self, path: Path, history: History, *, strike: Callable[[str], None], clock_s: Callable[[], float]
    ) -> None:
        self._history = history
        self._strike = strike
        self._clock_s = clock_s
        self._changes = Changes()
        super().__init__(path, at=self._reach)

    def write(self, work: Callable[[Books], T], *, is_vital: bool = False) -> T:
        """See `Engine.write`."""
        return super().write(self._recorded(work), is_vital=is_vital)

    def post(
        self, work: Callable[[Books], T], then: Callable[[T | None, BaseException | None], None]
    ) -> None:
        """See `Engine.post`."""
        super().post(self._recorded(work), then)

    def _recorded(self, work: Callable[[Books], T]) -> Callable[[Books], T]:
        return lambda books: work(RecordedBooks(books, self._changes))

    def _reach(self, point: str) -> None:
        if point == "begun":
            self._changes = Changes()
        is_told = any(vars(self._changes).values())
        if point == "worked" and is_told:
            self._history.write("txn", clock_s=self._clock_s(), **vars(self._changes))
        self._strike(point)
        if point == "committed" and is_told:
            self._history.write("committed")


class Changes:
    """What a transaction has changed.

    Attributes:
        rows: [device, before, after], each of the two as `brief` says; before is None for a new device.
        added: [number, holder, candidates, wants] of each new ticket.
        dropped: Numbers of tickets.
        joined: [holder, its name] of each new holder.
    """

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.added: list[Any] = []
        self.dropped: list[int] = []
        self.joined: list[list[str]] = []


class RecordedBooks:
    """`Books` that write down the changes of devices and tickets."""

    def __init__(self, books: Books, changes: Changes) -> None:
        self._books = books
        self._changes = changes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._books, name)

    def put_device(self, row: DeviceRow) -> None:
        """See `Books.put_device`."""
        old = self._books.device(row.key)
        self._books.put_device(row)
        before, after = None if old is None else brief(old), brief(row)
        if before != after:
            self._changes.rows.append([row.key, before, after])

    def add_ticket(self, row: TicketRow) -> int:
        """See `Books.add_ticket`."""
        number = self._books.add_ticket(row)
        self._changes.added.append([number, row.holder, list(row.candidates), row.wants])
        return number

    def remove_ticket(self, number: int) -> None:
        """See `Books.remove_ticket`."""
        self._books.remove_ticket(number)
        self._changes.dropped.append(number)

    def put_holder(self, row: HolderRow) -> None:
        """See `Books.put_holder`."""
        self._books.put_holder(row)
        self._changes.joined.append([row.id, row.owner])


def brief(row: DeviceRow) -> list[Any]:
    """[status, token, holder, ticket, expires_s] of a device."""
    return [str(row.status), row.token, row.holder, row.ticket, round(row.expires_s, 3)]
