"""The outbox: what waits to be delivered while a hub or gateway is down, on the disk.

Delivery is at least once: an item stays until it is acknowledged, so a process that dies between sending and
acknowledging sends it again; the receiver tells the two apart by `key`. The functions over `Books` are the rules, for
any engine; `OfflineQueue` is what programs use. Payloads are stored as they are: redact first.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from pytest_autorl.errors import StateError
from pytest_autorl.state.engine import Books, Engine, OutboxRow
from pytest_autorl.state.opening import engine_at

#: Where the queue is unless told otherwise, seen from the current folder.
DEFAULT_PLACE = Path(".autorl", "offline.db")
#: Kinds of which only the latest counts: dropped, oldest first, when the queue is full. All others are kept.
DROPPABLE = frozenset({"metrics"})
#: Of each error so many characters are kept.
_LONGEST_ERROR = 300


class Limits(NamedTuple):
    """How much is kept, and how often it is tried. Delays in seconds."""

    max_rows: int = 10_000
    max_attempts: int = 100
    initial_delay: float = 1.0
    max_delay: float = 300.0
    droppable: Collection[str] = DROPPABLE


# -- the rules -----------------------------------------------------------------------------------------------


def put(books: Books, item: OutboxRow, limits: Limits, *, replace: bool = False) -> int:
    """Append an item, unless its key waits already. Returns the number under which it waits.

    Args:
        replace: The newer one takes the place of what waits, at the end and under a new number: a delivery of the
            older one that is under way must not acknowledge it.
    Raises: StateError when the queue is full of what may not be dropped.
    """
    old = books.outbox_item(item.destination, item.key)
    if old is not None:
        if not replace:
            return old.number
        books.remove_outbox([old.number])
        if not old.is_dead:  # its destination still fails: a newer item is no reason to try it sooner
            item = item._replace(attempts=old.attempts, next_at_s=old.next_at_s, error=old.error)
    excess = books.outbox_count() + 1 - limits.max_rows
    if excess > 0:
        surplus = books.outbox_oldest(limits.droppable, excess)
        if len(surplus) < excess:
            raise StateError(
                f"the outbox holds {limits.max_rows} items, none of which may be dropped: "
                f"{item.kind} {item.key} for {item.destination} was not taken",
                do="bring the destination back and deliver them, or raise the limit of rows",
            )
        books.remove_outbox(surplus)
    return books.add_outbox(item)


def fail(books: Books, number: int, error: str, limits: Limits, now_s: float) -> OutboxRow | None:
    """A delivery has failed: try again later, with exponential back-off, or give up. None when it is not there."""
    row = books.outbox_row(number)
    if row is None:
        return None
    attempts = row.attempts + 1
    doublings = min(attempts - 1, 64)  # beyond, a float of seconds has long passed every delay
    row = row._replace(
        attempts=attempts,
        next_at_s=now_s + min(limits.max_delay, limits.initial_delay * 2.0**doublings),
        # A server's answer can hold what no encoding knows: that must not stop the delivery of all others.
        error=error[:_LONGEST_ERROR].encode("utf-8", "backslashreplace").decode(),
        is_dead=attempts >= limits.max_attempts,
    )
    books.put_outbox(row)
    return row


def retry(books: Books, now_s: float) -> int:
    """Make everything due, also what was given up. Returns how many items had not been due."""
    rows = [row for row in books.outbox_rows() if row.is_dead or row.next_at_s > now_s]
    for row in rows:
        books.put_outbox(row._replace(attempts=0, next_at_s=now_s, is_dead=False))
    return len(rows)


# -- the queue -----------------------------------------------------------------------------------------------


class OfflineQueue:
    """A durable queue of what is to be delivered. Safe to use from several threads and processes of one host.

    One process should deliver at a time: two would send everything twice.

    Args:
        place: Path of a state database, made when missing; or an engine, which is not closed with the queue.
        max_rows: Bound on the items, dead ones included.
        max_attempts: After so many failed deliveries an item is dead: kept, and not tried again by itself.
        initial_delay, max_delay: First and longest pause before another attempt, seconds; it doubles each time.
        droppable: Kinds of which the oldest are dropped when the queue is full.
        wall_s: Seconds since the epoch; injected by tests.
    Raises: UsageError and StateError as `engine_at`.

    All methods raise StateError when the state cannot be used.
    """

    def __init__(
        self,
        place: str | os.PathLike[str] | Engine = DEFAULT_PLACE,
        *,
        max_rows: int = 10_000,
        max_attempts: int = 100,
        initial_delay: float = 1.0,
        max_delay: float = 300.0,
        droppable: Collection[str] = DROPPABLE,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._limits = Limits(max_rows, max_attempts, initial_delay, max_delay, frozenset(droppable))
        self._wall_s = wall_s
        self._engine, self._is_ours = engine_at(place)

    def __enter__(self) -> OfflineQueue:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def put(self, destination: str, kind: str, payload: Any, key: str, *, replace: bool = False) -> int:
        """Keep something until it is delivered; it is on the disk when this returns.

        Args:
            destination: Where it has to go, for whoever delivers it.
            kind: `result`, `audit`, `metrics`, ...: decides whether it may be dropped.
            payload: Anything that JSON can say.
            key: Names it at its destination. While it waits, a second one under the same key is taken for the same.
            replace: It is a snapshot: the latest one counts, and takes the place of the one that waits.
        Returns: the item's number.
        Raises: ValueError for a payload that JSON cannot say; StateError when the queue is full of what may not
            be dropped: nothing was kept.
        """
        now_s = self._wall_s()
        item = OutboxRow(
            number=0,
            destination=destination,
            key=key,
            kind=kind,
            payload=_as_json(payload, f"{kind} {key} for {destination}"),
            created_at_s=now_s,
            next_at_s=now_s,
        )
        return self._engine.write(lambda books: put(books, item, self._limits, replace=replace))

    def due(self, limit: int = 100) -> list[OutboxRow]:
        """What is to be delivered now, oldest first; `payload` is JSON text. It stays until `ack`."""
        now_s = self._wall_s()
        return self._engine.read(lambda books: books.outbox(due_at_s=now_s, limit=limit))

    def ack(self, numbers: Iterable[int]) -> None:
        """These were delivered: forget them. Nothing happens for those that are gone."""
        gone = list(numbers)
        self._engine.write(lambda books: books.remove_outbox(gone), is_vital=True)

    def fail(self, number: int, error: str) -> OutboxRow | None:
        """A delivery has failed. Returns the item with its next attempt, or dead; None when it is gone."""
        now_s = self._wall_s()
        return self._engine.write(lambda books: fail(books, number, error, self._limits, now_s))

    def dead(self) -> list[OutboxRow]:
        """What was given up, oldest first, each with its last error. Drop it with `ack`, or `retry`."""
        return self._engine.read(lambda books: [row for row in books.outbox_rows() if row.is_dead])

    def retry(self) -> int:
        """The destination is back: everything is due now, dead items too. Returns how many had not been due."""
        now_s = self._wall_s()
        return self._engine.write(lambda books: retry(books, now_s))

    def count(self) -> int:
        """How many items there are, dead ones too."""
        return self._engine.read(lambda books: books.outbox_count())

    def close(self) -> None:
        """Give the files back."""
        if self._is_ours:
            self._engine.close()


def _as_json(payload: Any, name: str) -> str:
    try:
        # NaN and infinity are Python's, not JSON's: the receiver could not read them.
        return json.dumps(payload, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the payload of {name} cannot be written as JSON: {error}") from error
