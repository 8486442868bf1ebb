"""The reaper: takes over what dead or silent holders have, and sees that it is recovered.

What ended in disorder is not simply free: a session may still drive the device. The reaper leases the device
itself, under a new token, has it cleaned by a function that knows how (`Recover`), and only then lets others have
it. If the reaper dies over it, the next one starts again: what is to be cleaned stands in the state.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from pytest_autorl.errors import StateError
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.state import bell, ledger, liveness, takeover
from pytest_autorl.state.clock import Clock
from pytest_autorl.state.engine import Books, DeviceRow, Engine, HolderRow
from pytest_autorl.state.leases import Lease, Loss, Session, Unclean
from pytest_autorl.state.view import split

#: Cleans a device; returns what could not be done, "" when it is fit for the next one. Must end in its own time.
Recover = Callable[[Unclean], str]
#: Between two attempts at a device whose recovery has failed, seconds.
RETRY_S = 30.0

logger = logging.getLogger("pytest_autorl")


def nothing_to_clean(unclean: Unclean) -> str:
    """For devices on which nothing stays behind."""
    return ""


class Reaper:
    """Looks after the leases of others, on behalf of one holder.

    Args:
        folder: Where holders keep their signs of life.
        holder: Id under which devices are taken over.
        ttl_s: How long a lease lives without a sign of life.
        knows: Whether it can be reached from here, for the key of a device; others are left to who can.
        recover: See `Recover`; called in threads of its own.
        on_loss: Told of each lease that was taken from somebody.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        folder: Path,
        holder: str,
        clock: Clock,
        ttl_s: float,
        knows: Callable[[str], bool],
        recover: Recover,
        on_loss: Callable[[Loss], None],
    ) -> None:
        self._engine = engine
        self._folder = folder
        self._holder = holder
        self._clock = clock
        self._ttl_s = ttl_s
        self._knows = knows
        self._recover = recover
        self._on_loss = on_loss
        self._mutex = threading.Lock()
        self._threads: set[threading.Thread] = set()
        #: Key and token of what is being cleaned.
        self._cleaning: set[tuple[str, int]] = set()
        self._retried_s = clock.now_s()

    def now(self) -> ledger.Now:
        """The clock, as rules want it."""
        return ledger.Now(self._clock.now_s(), self._clock.wall_s(), self._ttl_s)

    def look(self) -> int:
        """Take over what nobody holds any more. Returns how many devices that were. Raises StateError."""
        now = self.now()
        holders, rows = self._engine.read(lambda books: (books.holders(), books.devices()))
        dead = frozenset(holder.id for holder in holders if not self.is_alive(holder))
        is_due = self._is_retry_due(now.s) and any(takeover.is_to_be_retried(row) for row in rows)
        self._take_up(rows)
        holding = {row.holder for row in rows}
        if not (
            is_due
            or any(holder not in holding for holder in dead)
            or takeover.unattended(rows, holders, dead, self._holder, now, knows=self._knows)
        ):
            return 0

        def work(books: Books) -> tuple[takeover.Reaped, list[DeviceRow]]:
            reaped = takeover.reap(books, dead, self._holder, now, knows=self._knows)
            return reaped, self._retried(books, now) if is_due else []

        reaped, retried = self._engine.write(work, is_vital=True)
        bell.ring(reaped.rings)
        for holder in reaped.holders:
            liveness.bury(self._folder, holder.id)
        runs = {holder.id: holder.run for holder in reaped.holders}
        for before, row in reaped.devices:
            self._tell(before, runs.get(before.holder, ""))
            self.recover(row)
        for row in retried:
            self.recover(row)
        return len(reaped.devices) + len(retried)

    def _take_up(self, rows: Iterable[DeviceRow]) -> None:
        """Clean what we hold for that and nobody cleans: the result of its recovery could not be written."""
        for row in rows:
            if row.holder == self._holder and row.status == DeviceStatus.MAINTENANCE:
                with self._mutex:
                    is_under_way = (row.key, row.token) in self._cleaning
                if not is_under_way:
                    self.recover(row)

    def _retried(self, books: Books, now: ledger.Now) -> list[DeviceRow]:
        return takeover.retry(books, self._holder, now, knows=self._knows)

    def seize(self, key: str, why: str, *, token: int | None = None) -> bool:
        """Take a device from whoever holds it; False when nobody does. Its holder hears of it.

        Args:
            token: Take it only from whoever holds it under this one.
        """
        now = self.now()

        def work(books: Books) -> tuple[tuple[DeviceRow, DeviceRow] | None, list[HolderRow]]:
            row = books.device(key)
            if token is not None and row is not None and row.token != token:
                return None, []
            return takeover.seize(books, key, self._holder, why, now), books.holders()

        taken, holders = self._engine.write(work)
        if taken is None:
            return False
        before, row = taken
        by_id = {holder.id: holder for holder in holders}
        owner = by_id.get(before.holder)
        self._tell(before, owner.run if owner else "")
        if owner is not None:
            bell.ring([owner.wake])
        self.recover(row)
        return True

    def is_alive(self, holder: HolderRow) -> bool:
        """See the function of this name."""
        return is_alive(holder, self._folder, self._clock)

    def recover(self, row: DeviceRow) -> None:
        """Clean a device that was taken over, in a thread of its own, and let others have it."""
        thread = threading.Thread(target=self._clean, args=(row,), name="autorl-recovery", daemon=True)
        with self._mutex:
            self._threads.add(thread)
            self._cleaning.add((row.key, row.token))
        thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the recoveries that are under way; True when there were some and all have ended."""
        deadline_s = self._clock.now_s() + timeout_s
        with self._mutex:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline_s - self._clock.now_s()))
        return bool(threads) and not any(thread.is_alive() for thread in threads)

    def _clean(self, row: DeviceRow) -> None:
        try:
            try:
                trouble = self._recover(unclean_of(row))
            except Exception as error:  # whatever it was, the device is not known to be clean
                trouble = f"{type(error).__name__}: {error}"
            first = trouble.splitlines()[0] if trouble else ""
            rings = self._engine.write(
                lambda books: takeover.recovered(books, row.key, self._holder, row.token, first, self.now()),
                is_vital=True,
            )
            bell.ring(rings or ())
        except StateError as error:
            # The next look takes it up again.
            logger.warning("the recovery of %s could not be written: %s", row.key, error)
        finally:
            with self._mutex:
                self._threads.discard(threading.current_thread())
                self._cleaning.discard((row.key, row.token))

    def _is_retry_due(self, now_s: float) -> bool:
        if now_s - self._retried_s < RETRY_S:
            return False
        self._retried_s = now_s
        return True

    def _tell(self, row: DeviceRow, run: str) -> None:
        self._on_loss(
            Loss(
                device_id=split(row.key)[1],
                run=run,
                owner=row.owner,
                purpose=row.purpose,
                need=row.need,
                token=row.token,
                since_s=row.granted_at_s,
            )
        )


def is_alive(holder: HolderRow, folder: Path, clock: Clock) -> bool:
    """Whether the holder's process is still there: of this boot, and with its lock in the folder."""
    return holder.boot_id == clock.boot_id and liveness.is_alive(folder, holder.id)


def unclean_of(row: DeviceRow) -> Unclean:
    """What the cleaning has to know."""
    lease = Lease(device_id=split(row.key)[1], owner=row.owner, token=row.token, since_s=row.since_at_s)
    sessions = tuple(Session(url=session.url, id=session.id, key=session.key) for session in row.sessions)
    return Unclean(lease=lease, sessions=sessions, why=row.reason)
