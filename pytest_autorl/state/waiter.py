"""Waiting in line: a ticket is drawn, and its thread sleeps until it is served, its patience ends, or a holder dies."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pytest_autorl.errors import StateError
from pytest_autorl.state import bell, grants, ledger, liveness
from pytest_autorl.state.bell import Bell
from pytest_autorl.state.clock import Clock
from pytest_autorl.state.engine import Books, DeviceRow, Engine, TicketRow
from pytest_autorl.state.reaper import Reaper

#: Between two looks of somebody who waits and hears no bell, seconds.
_POLL_S = 0.25
#: How long somebody who will not wait waits for a recovery that is under way, seconds.
_PATIENCE_S = 5.0


class Waiter:
    """Draws tickets for one holder. Safe to use from several threads."""

    def __init__(self, engine: Engine, reaper: Reaper, *, holder: str, clock: Clock) -> None:
        self._engine = engine
        self._reaper = reaper
        self._holder = holder
        self._clock = clock
        self._pid = os.getpid()
        self._local = threading.local()
        self._bells: list[Bell] = []
        self._is_closed = False

    def get(self, wish: TicketRow, *, is_patient: bool = True) -> tuple[DeviceRow, ...]:
        """The devices that were granted; none when they were not to be had until the wish's deadline.

        A wish whose deadline has come already is tried once. Raises StateError.

        Args:
            is_patient: Wait for devices that are out of service, too.
        """
        ear = self._ear()
        wish = wish._replace(wake=ear.address)
        if wish.deadline_s > self._clock.now_s():
            return self._wait(wish, ear, is_patient=is_patient)
        rows = self._ask(wish, may_wait=False).granted
        if not rows:
            # Nobody may hold what is missing any more, or its recovery is just being done.
            self._reaper.look()
            if self._reaper.wait(_PATIENCE_S):
                rows = self._ask(wish, may_wait=False).granted
        return rows

    def wake(self) -> None:
        """Let everybody who waits give up: the store closes."""
        self._is_closed = True
        bell.ring(each.address for each in self._bells)

    def close(self) -> None:
        """Hear no more; after all threads that waited have ended."""
        for each in self._bells:
            each.close()

    def _ask(self, wish: TicketRow, *, may_wait: bool) -> ledger.Answer:
        now = self._reaper.now()
        answer = self._engine.write(lambda books: ledger.ask(books, wish, now, may_wait=may_wait))
        bell.ring(answer.rings)
        return answer

    def _wait(self, wish: TicketRow, ear: Bell, *, is_patient: bool) -> tuple[DeviceRow, ...]:
        while True:
            answer = self._ask(wish, may_wait=True)
            if not answer.ticket:
                return answer.granted
            rows = self._sit(wish, ear, answer.ticket, is_patient=is_patient)
            if rows is not None:
                return rows

    def _sit(
        self, wish: TicketRow, ear: Bell, number: int, *, is_patient: bool
    ) -> tuple[DeviceRow, ...] | None:
        """Wait with a ticket; None when it has gone and nothing came of it: it was served while this process was
        stopped, and for so long that what it had got, or a part of that, was taken away again.
        """
        # A holder whose end has woken us and that still counts as alive (a fork of it keeps its sign): not again.
        is_in_vain = False
        try:
            while not self._is_closed and self._clock.now_s() < wish.deadline_s:
                rows, is_in_line = self._engine.read(lambda books: self._come_of(books, number))
                if rows or not is_in_line:
                    return self._whole(wish, number, rows) or None
                if not is_patient and not self._engine.read(
                    lambda books: grants.can_be_served(wish, books.phases())
                ):
                    break
                has_taken = bool(self._reaper.look())
                with self._ends_of(() if is_in_vain and not has_taken else wish.candidates) as ends:
                    pause_s = min(_POLL_S, wish.deadline_s - self._clock.now_s())
                    begun_s = self._clock.now_s()
                    has_rung = ear.wait(pause_s, ends)
                    is_in_vain = not has_rung and self._clock.now_s() - begun_s < pause_s
            return self._whole(wish, number, self._cancel(number))
        except BaseException:
            # Ctrl-C, or a state that fails: what was granted meanwhile must not stay with nobody.
            with contextlib.suppress(StateError):
                self._give_back(self._cancel(number))
            raise

    def _whole(self, wish: TicketRow, number: int, rows: tuple[DeviceRow, ...]) -> tuple[DeviceRow, ...]:
        """All that was wanted, or nothing: what is left of a grant of several is given back."""
        if len(rows) == wish.wants:
            return rows
        self._give_back(rows)
        return ()

    def _come_of(self, books: Books, number: int) -> tuple[tuple[DeviceRow, ...], bool]:
        """What a ticket was served with, and whether it still waits."""
        is_in_line = any((t.number, t.holder) == (number, self._holder) for t in books.tickets())
        return ledger.granted_to(books, number, self._holder), is_in_line

    def _cancel(self, number: int) -> tuple[DeviceRow, ...]:
        now = self._reaper.now()

        def work(books: Books) -> tuple[tuple[DeviceRow, ...], frozenset[str]]:
            return ledger.cancel(books, number, self._holder), ledger.settle(books, now)

        rows, rings = self._engine.write(work, is_vital=True)
        bell.ring(rings)
        return rows

    def _give_back(self, rows: Sequence[DeviceRow]) -> None:
        now = self._reaper.now()
        for row in rows:
            rings = self._engine.write(
                lambda books, row=row: ledger.release(books, row.key, self._holder, row.token, now),  # type: ignore[misc]
                is_vital=True,
            )
            bell.ring(rings or ())

    @contextmanager
    def _ends_of(self, keys: Sequence[str]) -> Iterator[list[int]]:
        """Descriptors that become readable when a holder of one of these devices dies."""

        def pids(books: Books) -> set[int]:
            holding = {row.holder for row in books.devices() if row.key in keys}
            return {holder.pid for holder in books.holders() if holder.id in holding}

        found = [liveness.end_of(pid) for pid in self._engine.read(pids) if pid != self._pid]
        ends = [descriptor for descriptor in found if descriptor is not None]
        try:
            yield ends
        finally:
            for descriptor in ends:
                os.close(descriptor)

    def _ear(self) -> Bell:
        """This thread's own bell."""
        found: Bell | None = getattr(self._local, "bell", None)
        if found is None:
            found = self._local.bell = Bell()
            self._bells.append(found)
        return found
