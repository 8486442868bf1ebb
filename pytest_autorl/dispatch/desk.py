"""The desk where orders to workers are written: one for each attempt, in the order of what is most urgent."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from pytest_autorl.dispatch.backlog import Backlog
from pytest_autorl.dispatch.crew import Attempt, Bundle, Crew, OpenScope, Worker
from pytest_autorl.dispatch.loose import Loose
from pytest_autorl.dispatch.needs_table import TOGETHER, NeedsTable
from pytest_autorl.dispatch.orders import Order, Orders
from pytest_autorl.dispatch.pairing import Match, Pairing
from pytest_autorl.dispatch.shelf import Shelf
from pytest_autorl.dispatch.starvation import Starvation
from pytest_autorl.dispatch.tally import Tally

#: How long a worker waits for a device that is free as far as is known: its last session may be ending.
GRANT_S: Final = 15.0
#: For so long a worker is left to wait for devices of others, before it is looked at anew what else it could do.
QUEUE_S: Final = 10.0


class Desk:
    """See the module.

    Attributes:
        last_calls: Tests to which no device came: any worker has them say so. With how long that was waited for.
        numbers: How many attempts of each test were begun.
    """

    def __init__(
        self,
        table: NeedsTable,
        crew: Crew,
        shelf: Shelf,
        backlog: Backlog,
        loose: Loose,
        starvation: Starvation,
        tally: Tally,
        orders: Orders,
    ) -> None:
        self._table = table
        self._crew = crew
        self._shelf = shelf
        self._backlog = backlog
        self._loose = loose
        self._starvation = starvation
        self._tally = tally
        self._orders = orders
        self._pairing = Pairing(table, crew, shelf, backlog)
        self.last_calls: deque[tuple[int, float]] = deque()
        self.numbers: Counter[int] = Counter()

    def give(self, now_s: float) -> None:
        """Give every order that can be given now."""
        for worker in self._crew:
            if worker.running or worker.closing:
                continue
            if worker.bundle is not None:
                self._send_next_of(worker, worker.bundle)
            else:
                self.close_scopes(worker, self._pairing.is_over)
        self._call_last(now_s)
        if self._loose.head_s > 0.0 and self._loose.head_s > self._backlog.planner.remaining_s():
            self._send_loose(1)  # it would end last if it had to wait for those with devices
        while (match := self._pairing.within_scope(now_s) or self._pairing.next(now_s)) is not None:
            self._grant(match, now_s, wait_s=GRANT_S)
        self._send_loose(len(self._crew))
        while (match := self._pairing.to_wait()) is not None:
            left_s = self._starvation.left_s(self._backlog.kind_of(match.choice.job).klass, now_s)
            self._grant(match, now_s, wait_s=min(QUEUE_S, max(0.0, left_s)))

    def close_scopes(self, worker: Worker, is_over: Callable[[OpenScope], bool]) -> None:
        """Have a worker end those of its wider scopes of which `is_over` says so, unless it was asked already."""
        for name, scope in worker.scopes.items():
            unit = self._table.unit(scope.index)
            if unit is not None and name not in worker.closing and is_over(scope):
                worker.closing.append(name)
                self._orders.close(worker.id, scope.index, unit.fixture)

    def never_began(self, attempt: Attempt) -> None:
        """An attempt was sent, and came to nothing before it began: the next one has its number."""
        self.numbers[attempt.index] -= 1

    def _grant(self, match: Match, now_s: float, *, wait_s: float) -> None:
        """Start a job: its only test, or the first of several."""
        worker, choice = match.worker, match.choice
        held = {*worker.holds.parked, *worker.holds.used}
        for device in set(choice.devices) - held:
            self._backlog.planner.forget(device)  # where it is parked, its session ends there
        indices = self._backlog.start(choice, now_s)
        unit = self._table.unit(indices[0])
        if unit is not None and unit.scope in TOGETHER:
            worker.bundle = Bundle(job=choice.job, devices=choice.devices, left=deque(indices[1:]))
        self._shelf.touch(choice.devices, now_s)
        attempt = Attempt(
            index=indices[0],
            number=0,
            devices=choice.devices,
            job=choice.job,
            is_warm=held.issuperset(choice.devices),
            among=match.among,
        )
        self._send(worker, attempt, why=choice.why, wait_s=wait_s)

    def _send_next_of(self, worker: Worker, bundle: Bundle) -> None:
        index = bundle.left.popleft()
        attempt = Attempt(index=index, number=0, devices=bundle.devices, job=bundle.job, is_warm=True)
        self._send(worker, attempt, why="shares the device of its scope", wait_s=GRANT_S)

    def _call_last(self, now_s: float) -> None:
        """Have tests of classes to which no device came say so."""
        klasses = {kind.klass for kind in self._backlog.kinds()}
        # Who waits for a device does not have it.
        busy, stuck = self._crew.busy_devices() - self._crew.waited_for(), self._crew.stuck_devices()
        for klass in self._starvation.over(klasses, busy, stuck, now_s):
            waited_s = self._starvation.waited_s(klass, now_s)
            self.last_calls.extend((index, waited_s) for index in self._backlog.drop(klass))
        for worker in self._crew.idle:
            if self.last_calls:
                index, waited_s = self.last_calls.popleft()
                attempt = Attempt(index=index, number=0)
                self._send(worker, attempt, why="no device came in time", last_call_s=waited_s)

    def _send_loose(self, most: int) -> None:
        """Tests that need no device, to so many workers, those first that keep no device from anybody."""
        if not self._loose:
            return
        idle = sorted(self._crew.idle, key=lambda one: (len(one.holds.parked) + len(one.holds.used), one.id))
        for worker in idle[:most]:
            for index in self._loose.batch(len(self._crew)):
                self._send(worker, Attempt(index=index, number=0), why="needs no device")

    def _send(
        self,
        worker: Worker,
        attempt: Attempt,
        *,
        why: str,
        wait_s: float = 0.0,
        last_call_s: float | None = None,
    ) -> None:
        index = attempt.index
        self.numbers[index] += 1
        attempt.number = self.numbers[index]
        worker.running.append(attempt)
        chances = self._tally.chances(index, has_devices=bool(attempt.devices))
        order = Order(
            index=index,
            devices=attempt.among or attempt.devices,
            count=len(attempt.devices),
            wait_s=wait_s,
            attempt=attempt.number,
            may_be_lost=chances.may_be_lost,
            retries=chances.retries,
            # No device has come for so long: asking for one once more would only take as long again.
            why_no_retry=chances.why_no_retry if last_call_s is None else why,
            is_flaky=chances.is_flaky,
            last_call_s=last_call_s,
        )
        self._orders.run(worker.id, order, why)
