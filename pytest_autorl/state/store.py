"""The lease store of one process: an `Engine`, a sign of life, and a thread that keeps the leases alive.

A lease is ours as long as we know that nobody else can have it: three quarters of its life after the last sign that
the state took from us. Later `check` asks the state before it lets a command pass; a process that was stopped and
goes on so finds out before anything leaves it. What remains (stopped between the check and the effect) the device
refuses by its token.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pytest_autorl.errors import LeaseLostError, LeaseTimeoutError, StateError
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.state import bell, ledger, liveness, ports, refusals, takeover
from pytest_autorl.state.clock import Clock, HostClock
from pytest_autorl.state.engine import OF_RUN, Books, DeviceRow, Engine, HolderRow, SessionRow, TicketRow
from pytest_autorl.state.holdings import Holdings
from pytest_autorl.state.keeper import Keeper
from pytest_autorl.state.leases import DeviceState, Lease, Loss, Session, Waiting
from pytest_autorl.state.liveness import Liveness
from pytest_autorl.state.reaper import Reaper, Recover, nothing_to_clean
from pytest_autorl.state.view import view
from pytest_autorl.state.waiter import Waiter

#: How long the end of a store waits for recoveries that are under way, seconds.
_PATIENCE_S = 5.0
#: After so long the devices of a run that was killed are forgotten, seconds.
_STALE_S = 86_400.0
#: Of each text so many characters are kept.
_LONGEST_TEXT = 300

logger = logging.getLogger("pytest_autorl")


class DurableStore:
    """A `LeaseStore` over an engine.

    Args:
        engine: Closed with the store.
        folder: Where the holders of this state keep their signs of life.
        devices: Ids of the devices, each with how many ports its grants come with.
        slots: For each device whose server takes fewer sessions than it has devices: the server, and how many.
            None: whoever looks only does not know, and what others have said stays.
        run_id: Run that the devices named by `is_of_run` belong to: two runs never meet over devices that only
            look alike.
        is_of_run: Whether a device belongs to the run alone.
        owner: Name of this process, for those who look.
        ttl_s: How long a lease lives without a sign of life.
        heartbeat_s: Between two signs; a third of `ttl_s` at most.
        recover: Cleans a device whose lease ended in disorder, see `Recover`.
        on_loss: Told of each lease that this process took from a dead or silent holder.
        clock: Injected by tests.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        folder: Path,
        devices: Mapping[str, int],
        slots: Mapping[str, tuple[str, int]] | None = None,
        run_id: str = "",
        is_of_run: Callable[[str], bool] = lambda device_id: False,
        owner: str = "",
        ttl_s: float = 60.0,
        heartbeat_s: float = 15.0,
        recover: Recover = nothing_to_clean,
        on_loss: Callable[[Loss], None] = lambda loss: None,
        clock: Clock | None = None,
    ) -> None:
        self._engine = engine
        self._folder = folder
        self._run_id = run_id
        self._is_of_run = is_of_run
        self._owner = owner
        self._clock = clock or HostClock()
        self._ports = {self._key(device_id): count for device_id, count in devices.items()}
        self._keys = {device_id: self._key(device_id) for device_id in devices}
        self._slots = None if slots is None else {self._key(one): each for one, each in slots.items()}
        self._pid = os.getpid()
        self._holder = uuid.uuid4().hex
        self._mutex = threading.RLock()
        self._holdings = Holdings()
        #: Since when there are calls of `acquire` that may have been granted something that is not in `_holdings` yet.
        self._asking: dict[object, float] = {}
        self._liveness: Liveness | None = None
        self._on_wanted: Callable[[], None] = lambda: None
        self._is_closed = False
        self._reaper = Reaper(
            engine,
            folder=folder,
            holder=self._holder,
            clock=self._clock,
            ttl_s=ttl_s,
            knows=self._ports.__contains__,
            recover=recover,
            on_loss=on_loss,
        )
        self._waiter = Waiter(engine, self._reaper, holder=self._holder, clock=self._clock)
        self._keeper = Keeper(heartbeat_s, beat=self._beat, look=self._look, on_ring=self._rung)

    # -- asking ----------------------------------------------------------------------------------------------

    def acquire(
        self,
        candidates: Sequence[str],
        *,
        count: int,
        owner: str,
        purpose: str,
        wait_s: float,
        need: str = "",
        is_patient: bool = True,
        waited_s: float = 0.0,
    ) -> tuple[Lease, ...]:
        """See `LeaseStore.acquire`."""
        __tracebackhide__ = True
        if len(candidates) < count:
            raise ValueError(f"{count} devices wanted of only {len(candidates)} candidates")
        self._join()
        now = self._reaper.now()
        wish = TicketRow(
            number=0,
            holder=self._holder,
            owner=_kept(owner),
            purpose=_kept(purpose),
            need=_kept(need),
            candidates=tuple(self._keys[device_id] for device_id in candidates),
            wants=count,
            asked_at_s=now.wall_s,
            deadline_s=now.s + wait_s,
            wake="",
        )
        order = {key: place for place, key in enumerate(wish.candidates)}
        asking = object()
        with self._mutex:
            self._asking[asking] = now.wall_s
        try:
            rows = self._waiter.get(wish, is_patient=is_patient)
            leases = self._take_all(sorted(rows, key=lambda row: order[row.key]), now)
        finally:
            with self._mutex:
                del self._asking[asking]
        if not leases:
            raise self._timeout(candidates, count, round(waited_s + self._clock.now_s() - now.s, 1))
        return leases

    def _take_all(self, rows: Sequence[DeviceRow], now: ledger.Now) -> tuple[Lease, ...]:
        """The leases of one grant: all of them known here, or all given back."""
        leases: list[Lease] = []
        try:
            leases += (self._take(row, now) for row in rows)
        except BaseException:
            for lease in leases:
                self.release(lease)
            for row in rows[len(leases) :]:
                self._give_back(row.key, row.token)
            raise
        return tuple(leases)

    def _take(self, row: DeviceRow, now: ledger.Now) -> Lease:
        if row.port_count:
            row = self._with_free_ports(row)
        block = tuple(range(row.port, row.port + row.port_count)) if row.port else ()
        device_id = row.key.rpartition(OF_RUN)[2]
        lease = Lease(
            device_id=device_id, owner=row.owner, token=row.token, since_s=row.granted_at_s, ports=block
        )
        self._holdings.add(lease, row.key, row.expires_s, now)
        return lease

    def _with_free_ports(self, row: DeviceRow) -> DeviceRow:
        """A block of which no port is in use by a program that knows nothing of leases."""
        avoid: set[int] = set()
        while row.port and not ports.are_free(range(row.port, row.port + row.port_count)):
            avoid.add(row.port)
            moved = self._move_ports(row, avoid)
            if moved is None:
                break  # lost already: the first check will say so
            row = moved
        return row

    def _move_ports(self, row: DeviceRow, avoid: set[int]) -> DeviceRow | None:
        return self._engine.write(
            lambda books: ledger.move_ports(books, row.key, self._holder, row.token, avoid)
        )

    # -- holding ---------------------------------------------------------------------------------------------

    def check(self, lease: Lease) -> None:
        """See `LeaseStore.check`. Costs a look at the clock, unless signs of life have failed for long."""
        __tracebackhide__ = True
        held = self._holdings.get(lease)
        if held is None or os.getpid() != self._pid:
            raise LeaseLostError(
                f"the lease of {lease.owner} (token {lease.token}) was given back",
                device_id=lease.device_id,
                do="use a device only while the test or scope that asked for it runs",
            )
        if held.is_sure(self._clock.now_s()):
            return
        why = ""
        if not held.is_lost:
            try:
                self._beat()
            except StateError as error:
                why = f"it could not be renewed: {error.args[0]}"
            if held.is_sure(self._clock.now_s()):
                return
        raise LeaseLostError(
            f"the lease of {lease.owner} (token {lease.token}) has ended: {why or self._taker(lease)}",
            device_id=lease.device_id,
            do="find what stopped this process, or raise autorl_lease_ttl",
        )

    def _taker(self, lease: Lease) -> str:
        state = None
        with contextlib.suppress(StateError):
            state = self.devices().get(lease.device_id)
        return refusals.taker(state, lease)

    def release(self, lease: Lease, *, unclean: str = "") -> None:
        """See `LeaseStore.release`."""
        held = self._holdings.pop(lease) if os.getpid() == self._pid else None
        if held is None:
            return
        try:
            if unclean:
                self._recover(held.key, lease.token, unclean)
            else:
                self._give_back(held.key, lease.token)
        except StateError as error:
            self._could_not_give_back(held.key, error)

    def _recover(self, key: str, token: int, why: str) -> None:
        now = self._reaper.now()
        row = self._engine.write(
            lambda books: takeover.recover(books, key, self._holder, token, why, now), is_vital=True
        )
        if row is not None:
            self._reaper.recover(row)

    def _give_back(self, key: str, token: int) -> None:
        """Not waited for: if we die before it is written, the device is recovered from us as from any dead."""
        now = self._reaper.now()

        def then(rings: frozenset[str] | None, error: BaseException | None) -> None:
            bell.ring(rings or ())
            if error is not None:
                self._could_not_give_back(key, error)

        self._engine.post(lambda books: ledger.release(books, key, self._holder, token, now), then)

    def _could_not_give_back(self, key: str, error: BaseException) -> None:
        # The next signs of life find a row that nobody here knows, and give it back.
        logger.warning("%s could not be given back: %s", key, error)

    def note(self, lease: Lease, *, purpose: str, need: str, is_parked: bool) -> None:
        """See `LeaseStore.note`."""
        if self._holdings.note(lease, _kept(purpose), _kept(need), is_parked):
            self._keeper.hurry()

    def note_sessions(self, lease: Lease, sessions: Sequence[Session]) -> None:
        """See `LeaseStore.note_sessions`."""
        __tracebackhide__ = True
        key = self._keys[lease.device_id]
        rows = [SessionRow(session.url, session.id, session.key) for session in sessions]
        is_ours = self._engine.write(
            lambda books: ledger.note_sessions(books, key, self._holder, lease.token, rows), is_vital=True
        )
        held = self._holdings.get(lease)
        if not is_ours and held is not None:
            held.is_lost = True
        if not is_ours:
            self.check(lease)

    def is_wanted(self, device_id: str) -> bool:
        """See `LeaseStore.is_wanted`."""
        key = self._keys[device_id]

        def work(books: Books) -> bool:
            row, tickets = books.device(key), books.tickets()
            if row is None or row.after or not tickets:
                return row is not None and bool(row.after)
            keys = {key}
            if row.slots:  # giving it up makes room for another device of its server
                keys |= {other for other, phase in books.phases().items() if phase.server == row.server}
            return any(keys.intersection(ticket.candidates) for ticket in tickets)

        return self._engine.read(work)

    def offer(self, lease: Lease) -> bool:
        """See `LeaseStore.offer`."""
        key = self._keys[lease.device_id]
        return self._engine.write(lambda books: ledger.offer(books, key, self._holder, lease.token))

    def listen(self, on_wanted: Callable[[], None]) -> None:
        """Call `on_wanted`, from a thread of the store, when somebody new waits for something that we hold."""
        self._on_wanted = on_wanted

    # -- health ----------------------------------------------------------------------------------------------

    def judge(self, device_id: str, health: str, *, status: DeviceStatus, reason: str) -> None:
        """See `LeaseStore.judge`."""
        self._join()
        key, now = self._keys[device_id], self._reaper.now()
        bell.ring(
            self._engine.write(lambda books: ledger.judge(books, key, health, status, _kept(reason), now))
        )

    def health(self, device_id: str) -> str:
        """See `LeaseStore.health`."""
        row = self._engine.read(lambda books: books.device(self._keys[device_id]))
        return row.health if row is not None else ""

    # -- looking ---------------------------------------------------------------------------------------------

    def devices(self) -> Mapping[str, DeviceState]:
        """See `LeaseStore.devices`."""
        seen = self._engine.read(view)
        return {d.device_id: d for d in seen.devices if self._keys.get(d.device_id) == self._key_of(d)}

    def queue(self) -> Sequence[Waiting]:
        """See `LeaseStore.queue`."""
        return self._engine.read(view).queue

    def has_company(self) -> bool:
        """Whether another process of this run has asked for devices, and not left again."""
        holders = self._engine.read(lambda books: books.holders())
        return any(holder.run == self._run_id and holder.id != self._holder for holder in holders)

    def reap(self, *, waits: bool = False) -> int:
        """Take over at once what dead or silent holders have; returns how many devices. Raises StateError.

        Args:
            waits: Return when they are recovered, or have had time enough.
        """
        self._join()
        count = self._reaper.look()
        if waits:
            self._reaper.wait(_PATIENCE_S)
        return count

    def seize(self, device_id: str, why: str, *, token: int, wait_s: float) -> bool:
        """Take a device from whoever holds it under this token, and recover it; its holder loses the lease at once.

        Waits `wait_s` seconds at most for the recovery; what came of it, `devices` says. False when it is not held
        under this token any more. Raises StateError.
        """
        self._join()
        is_taken = self._reaper.seize(self._keys[device_id], why, token=token)
        if is_taken:
            self._reaper.wait(wait_s)
        return is_taken

    # -- life ------------------------------------------------------------------------------------------------

    def forget_run(self) -> None:
        """Remove the devices of this run, and of runs that ended long ago. By the process that ends last."""
        now = self._reaper.now()
        bell.ring(
            self._engine.write(
                lambda books: ledger.forget(books, self._run_id, now, stale_s=_STALE_S), is_vital=True
            )
        )
        liveness.sweep(self._folder)

    def close(self) -> None:
        """See `LeaseStore.close`. `acquire` calls that wait end with LeaseTimeoutError."""
        if os.getpid() != self._pid:
            return  # before any lock: a fork may have been made while one was held
        with self._mutex:
            if self._is_closed:
                return
            self._is_closed = True
        self._waiter.wake()
        self._keeper.close()
        self._reaper.wait(_PATIENCE_S)
        if self._liveness is not None:
            now = self._reaper.now()
            try:
                bell.ring(
                    self._engine.write(lambda books: ledger.leave(books, self._holder, now), is_vital=True)
                )
            except StateError as error:
                logger.warning("%s could not take its leave: %s", self._owner, error)
            self._liveness.close()
        self._waiter.close()
        self._engine.close()

    def abandon(self) -> None:
        """`close` without waiting for anybody: give everything back and leave. Raises StateError."""
        if self._liveness is not None:
            now = self._reaper.now()
            bell.ring(self._engine.write(lambda books: ledger.leave(books, self._holder, now), is_vital=True))
            self._liveness.close()

    def _join(self) -> None:
        """Become a holder, once: nobody has to know of a process that asks for nothing."""
        with self._mutex:
            if self._liveness is not None:
                return
            try:
                sign = Liveness(self._folder, self._holder)
            except OSError as error:
                raise StateError(
                    f"cannot give a sign of life in {self._folder}: {error.strerror}",
                    do="name a local, writable place with --autorl-state",
                ) from error
            try:
                self._enter()
            except BaseException:
                sign.close()
                raise
            self._liveness = sign
            self._keeper.start()

    def _enter(self) -> None:
        me = HolderRow(
            id=self._holder,
            run=self._run_id,
            owner=self._owner,
            pid=self._pid,
            boot_id=self._clock.boot_id,
            wake=self._keeper.address,
        )
        now = self._reaper.now()

        def work(books: Books) -> frozenset[str]:
            ledger.join(books, me)
            return ledger.enroll(books, self._ports, now, slots=self._slots)

        bell.ring(self._engine.write(work))

    def _beat(self) -> None:
        """A sign of life for all leases; finds out which are lost. Raises StateError."""
        now = self._reaper.now()
        notes = self._holdings.notes()
        rows = self._engine.write(lambda books: ledger.beat(books, self._holder, notes, now), is_vital=True)
        if rows is None:
            self._enter()  # a new state was begun, which does not know us
        with self._mutex:
            asking_since_s = min(self._asking.values(), default=math.inf)
        for key, token in self._holdings.renewed(rows or (), now, asking_since_s=asking_since_s):
            # Not simply given back: it may be here because its unclean end could not be written.
            self._recover(key, token, "its holder has lost sight of it")

    def _look(self) -> None:
        self._reaper.look()

    def _rung(self) -> None:
        """Somebody waits for something of ours, or has taken it away."""
        tokens = self._engine.read(lambda books: {row.key: row.token for row in books.devices()})
        self._holdings.overtaken(tokens)
        self._on_wanted()

    def _key(self, device_id: str) -> str:
        return f"{self._run_id}{OF_RUN}{device_id}" if self._is_of_run(device_id) else device_id

    def _key_of(self, state: DeviceState) -> str:
        return f"{state.run}{OF_RUN}{state.device_id}" if state.run else state.device_id

    def _timeout(self, candidates: Sequence[str], count: int, wait_s: float) -> LeaseTimeoutError:
        states: Mapping[str, DeviceState] = {}
        with contextlib.suppress(StateError):  # then without saying who has them
            states = self.devices()
        return refusals.in_vain(states, candidates, count, wait_s=wait_s, now_s=self._clock.wall_s())


def _kept(text: str) -> str:
    """What is kept of a text: ids of tests can be of any length, and come from file names that are no Unicode."""
    cut = text[:_LONGEST_TEXT]
    return cut if cut.isascii() else cut.encode("utf-8", "backslashreplace").decode()
