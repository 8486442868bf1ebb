"""The broker: which worker runs which test on which devices, now. No pytest, no xdist, no clock, no I/O.

It is told what happens (a worker is ready, a test has ended, a device is gone) and gives orders. Which test goes to
which devices the planner says (`pairing`, `desk`), who has what `custody` knows. The broker sees to it that nothing is
lost: every test ends with a verdict, by a worker or, where none can run it, by `Orders.give_up`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_autorl.dispatch.backlog import Backlog
from pytest_autorl.dispatch.crew import Attempt, Crew, OpenScope, Worker
from pytest_autorl.dispatch.custody import Custody
from pytest_autorl.dispatch.desk import Desk
from pytest_autorl.dispatch.detours import Detours
from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.loose import Loose
from pytest_autorl.dispatch.needs_table import NeedsTable
from pytest_autorl.dispatch.orders import Again, Holds, Orders
from pytest_autorl.dispatch.plan import Planner
from pytest_autorl.dispatch.rest import Rest
from pytest_autorl.dispatch.shelf import Seen, Shelf
from pytest_autorl.dispatch.starvation import Patience, Starvation
from pytest_autorl.dispatch.tally import LOST_BOOST, MOST_CRASHES, PENDED_BOOST, Tally
from pytest_autorl.resilience.budget import Budgets
from pytest_autorl.resilience.decide import MOST_LOSSES

__all__ = [
    "LOST_BOOST",
    "MOST_CRASHES",
    "MOST_LOSSES",
    "PENDED_BOOST",
    "Broker",
    "Orders",
    "Patience",
    "Seen",
]


class Broker:
    """See the module. Times are seconds on any clock that never goes back.

    Args:
        devices: Ids of the farm's devices.
        slots: For each device whose server sets a limit: the server, and how many sessions it takes at once.
        budgets: How many attempts may follow others. Whoever reads the verdicts tells them. Default: as for a run
            without options.
    """

    def __init__(
        self,
        table: NeedsTable,
        devices: Sequence[str],
        estimates: Estimates,
        orders: Orders,
        *,
        slots: Mapping[str, tuple[str, int]] | None = None,
        patience: Patience | None = None,
        budgets: Budgets | None = None,
        now_s: float = 0.0,
    ) -> None:
        for index, test in enumerate(table.tests):
            estimates.know(test, table.module_of(index))
        self._table = table
        self._orders = orders
        patience = patience or Patience()
        self.crew = Crew()
        self._shelf = Shelf(devices, slots or {})
        self._tally = Tally(table, budgets or Budgets(len(table.tests)), reruns=patience.reruns)
        self._detours = Detours(table, self.crew, self._shelf, self._tally)
        self._backlog = Backlog(table, devices, estimates, detour_of=self._detours.of)
        self._rest = Rest()
        self._custody = Custody(self.crew, self._shelf, self._backlog)
        self._starvation = Starvation(table.classes, self._shelf, patience)
        self._loose = Loose(table, estimates)
        self._desk = Desk(
            table,
            self.crew,
            self._shelf,
            self._backlog,
            self._loose,
            self._starvation,
            self._tally,
            orders,
        )
        self._left = set(range(len(table.tests)))

    # -- looking -----------------------------------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        """Whether every test has its verdict."""
        return not self._left

    @property
    def has_begun(self) -> bool:
        """Whether a test was sent."""
        return bool(self._desk.numbers)

    @property
    def next_due_s(self) -> float | None:
        """When the first of the tests that rest is due: `dispatch` is to be called then. None where none rests."""
        return self._rest.next_due_s

    @property
    def planner(self) -> Planner:
        """What decides, for those who want to know why."""
        return self._backlog.planner

    def attempt_of(self, worker_id: str) -> Attempt | None:
        """What a worker runs."""
        worker = self.crew.get(worker_id)
        return worker.running[0] if worker is not None and worker.running else None

    # -- workers -----------------------------------------------------------------------------------------------

    def join(self, worker_id: str, pid: int) -> None:
        """A worker is ready."""
        self.crew.add(Worker(id=worker_id, pid=pid))
        self.planner.set_workers(len(self.crew))

    def leave(
        self,
        worker_id: str,
        now_s: float,
        *,
        has_ended: bool,
        is_reported: bool = False,
        may_rerun: bool = True,
    ) -> int | None:
        """A worker is gone, with what it had.

        Args:
            has_ended: In order; else it died.
            is_reported: The test that it ran is reported already, teardown and all.
            may_rerun: The run goes on. Then its test may run once more, out of the purse for losses.
        Returns: the test over which it died for good, None when there is none.
        """
        worker = self.crew.remove(worker_id)
        if worker is None:
            return None
        self.planner.set_workers(len(self.crew))
        self._custody.gone(worker)
        has_died_leaving = worker.is_leaving and not has_ended
        if has_died_leaving and worker.last is not None:
            self._orders.died_leaving(worker_id, worker.last)
        if not worker.running:
            self._end_bundle(worker, now_s)
            return None
        first, *behind = worker.running
        for attempt in reversed(behind):
            self._desk.never_began(attempt)
            self._again(attempt, now_s)
        if is_reported and not has_died_leaving:
            self._judged(worker, first, now_s)
            return None
        if has_died_leaving or has_ended:
            # It never began; the scopes that the worker was leaving are of earlier tests.
            self._desk.never_began(first)
            self._back(worker, first, now_s)
            return None
        if may_rerun and self._tally.may_crash(first.index):
            self._tally.crashed(first.index, first.known_devices)
            self._orders.lost(worker_id, first.index)
            self._back(worker, first, now_s)
            return None
        self._judged(worker, first, now_s)
        return first.index

    def leaving(self, worker_id: str) -> None:
        """A worker tears down scopes of its last test."""
        self.crew[worker_id].is_leaving = True

    def left(self, worker_id: str, holds: Holds, now_s: float) -> None:
        """It has done so."""
        worker = self.crew[worker_id]
        worker.is_leaving = False
        self._custody.told(worker, holds, now_s)

    def closed(self, worker_id: str, holds: Holds, now_s: float) -> None:
        """A worker has ended the scope that it was asked to end, the first of them where there were several."""
        worker = self.crew[worker_id]
        worker.is_leaving = False
        if worker.closing:
            worker.scopes.pop(worker.closing.popleft(), None)
        self._custody.told(worker, holds, now_s)

    # -- tests -------------------------------------------------------------------------------------------------

    def done(self, worker_id: str, index: int, holds: Holds, now_s: float) -> None:
        """A worker has run a test, and reported it."""
        worker = self.crew[worker_id]
        attempt = self._ran(worker, index, holds, now_s)
        self._left.discard(index)
        self._end_one(worker, attempt, now_s)

    def again(self, worker_id: str, index: int, holds: Holds, again: Again, now_s: float) -> None:
        """An attempt has failed, and is not reported: another one follows, not before `again.delay_s` are over.

        It follows even where its purse has run out since it began, see `tally`. One that was lost takes the rest of its
        bundle along; behind one that failed by itself that rest stays with its worker.
        """
        worker = self.crew[worker_id]
        attempt = self._ran(worker, index, holds, now_s)
        if again.kind == "retry":
            had = attempt.known_devices or again.devices
            self._tally.retried(index, had, elsewhere=again.elsewhere, is_flaky=again.is_flaky)
            self._end_one(worker, attempt, now_s)
            self._queue([index], now_s, delay_s=again.delay_s)
            return
        lost = again.devices or attempt.known_devices
        self._tally.lost(index, lost)
        self._back(worker, attempt, now_s, delay_s=again.delay_s)
        # A scope whose device is gone serves nobody: it ends here, and begins elsewhere.
        self._desk.close_scopes(worker, lambda scope: not set(lost).isdisjoint(scope.devices))

    def refused(self, worker_id: str, index: int, holds: Holds, now_s: float) -> None:
        """A worker could not have the devices of a test; nothing of it has run."""
        worker = self.crew[worker_id]
        attempt = self._pop(worker, index)
        self._desk.never_began(attempt)
        self._custody.told(worker, holds, now_s)
        missing = [device for device in attempt.devices if device not in holds.parked]
        self._custody.refused(missing or attempt.devices, now_s)
        self._back(worker, attempt, now_s)

    def pend(self, index: int, now_s: float) -> None:
        """A test that has its verdict is to run all the same: another plugin tries it again.

        One without a verdict runs anyway.
        """
        if index in self._left:
            return
        self._left.add(index)
        self._tally.pended(index)
        self._queue([index], now_s)

    def stop(self, why: str) -> None:
        """No worker is left, and none will come: every test that is left ends with this reason."""
        left = sorted(self._left)
        self._left.clear()
        self._loose.clear()
        self._rest.clear()
        self._desk.last_calls.clear()
        for worker in self.crew:
            if worker.bundle is not None:
                worker.bundle.left.clear()
                self._end_bundle(worker, 0.0)
        self._backlog.clear()
        for index in left:
            self._orders.give_up(index, why)

    # -- devices -----------------------------------------------------------------------------------------------

    def see(self, seen: Mapping[str, Seen], now_s: float, *, looked_s: float | None = None) -> None:
        """What the state says of the devices.

        Args:
            looked_s: When it was looked at; what workers have told since is newer. Default: now.
        """
        self._custody.see(seen, now_s, looked_s=now_s if looked_s is None else looked_s)

    def took(self, worker_id: str, devices: Sequence[str], now_s: float) -> None:
        """A worker has begun with these devices. May be left out: what others tell says it in the end."""
        worker = self.crew.get(worker_id)
        if worker is not None:
            self._custody.took(worker, devices, now_s)

    def demand(self, wishes: Sequence[tuple[frozenset[str], int]]) -> None:
        """What other runs wait for now: devices that would do, and how many of them."""
        self.planner.demand(wishes)

    # -- decisions ---------------------------------------------------------------------------------------------

    def dispatch(self, now_s: float) -> None:
        """Give every order that can be given now; first of all those come back that have rested enough."""
        if self.is_done:
            return
        for indices in self._rest.due(now_s):
            self._queue(indices, now_s)
        backlog = self._backlog
        if backlog.has_comebacks and (self._detours.may_be_old or backlog.has_waited(now_s)):
            backlog.steer(now_s)
            self._detours.all_found()
        self._desk.give(now_s)

    # -- bookkeeping -------------------------------------------------------------------------------------------

    def _ran(self, worker: Worker, index: int, holds: Holds, now_s: float) -> Attempt:
        """An attempt has run, to whatever end: what the worker has of it."""
        if (waiting := worker.running[0]).waits:
            got = [device for device in waiting.among if device in {*holds.parked, *holds.used}]
            if len(got) >= len(waiting.devices):
                self._custody.took(worker, got[: len(waiting.devices)], now_s)
        attempt = self._pop(worker, index)
        worker.last, worker.is_leaving = index, False
        self._custody.told(worker, holds, now_s, had=() if attempt.waits else attempt.devices)
        unit, used = self._table.unit(index), set(holds.used)
        if unit is not None and attempt.job is not None:
            # The devices of a wider scope that is alive after its test are the scope's.
            used.difference_update(*(scope.devices for scope in worker.scopes.values()))
            wanted = {*attempt.devices, *attempt.among}
            devices = tuple(device for device in holds.used if device in used & wanted)
            if devices and unit.name not in worker.scopes:
                worker.scopes[unit.name] = OpenScope(devices=devices, index=index)
        if attempt.devices:
            self._starvation.fed(self._table.class_of[index])
        return attempt

    def _pop(self, worker: Worker, index: int) -> Attempt:
        attempt = worker.running.popleft()
        if attempt.index != index:
            raise AssertionError(f"{worker.id} was to run {attempt.index} and answers for {index}")
        return attempt

    def _judged(self, worker: Worker, attempt: Attempt, now_s: float) -> None:
        """The verdict on a test is known, and its worker gone."""
        self._end_job(attempt, now_s)
        self._end_bundle(worker, now_s)
        self._left.discard(attempt.index)

    def _again(self, attempt: Attempt, now_s: float, *, delay_s: float = 0.0) -> None:
        """An attempt came to nothing: its test is to be run anew."""
        self._end_job(attempt, now_s)
        if attempt.job is None and self._table.klass(attempt.index) is not None:
            self._desk.last_calls.appendleft((attempt.index, 0.0))
        else:
            self._queue([attempt.index], now_s, delay_s=delay_s)

    def _back(self, worker: Worker, attempt: Attempt, now_s: float, *, delay_s: float = 0.0) -> None:
        """The same for the test that a worker ran or was about to, and for those that were to stay with it."""
        left = list(worker.bundle.left) if worker.bundle is not None else []
        worker.bundle = None
        if not left:
            self._again(attempt, now_s, delay_s=delay_s)
            return
        self._end_job(attempt, now_s)
        self._queue([attempt.index, *left], now_s, delay_s=delay_s)

    def _queue(self, indices: Sequence[int], now_s: float, *, delay_s: float = 0.0) -> None:
        """A test, or several that stay together, wait to be run; at first they rest where that is said."""
        if delay_s > 0.0:
            self._rest.put(indices, now_s + delay_s)
        elif self._table.klass(indices[0]) is None:
            self._loose.put_back(indices[0])
        else:
            self._backlog.add(indices, now_s, boost=self._tally.boost(indices[0]))

    def _end_one(self, worker: Worker, attempt: Attempt, now_s: float) -> None:
        """An attempt is over; the rest of its bundle stays with the worker."""
        if worker.bundle is None:
            self._end_job(attempt, now_s)
        elif not worker.bundle.left:  # else the next of them is sent by `dispatch`
            self._end_bundle(worker, now_s)

    def _end_job(self, attempt: Attempt, now_s: float) -> None:
        if attempt.job is not None:
            self._backlog.end(attempt.job, now_s)

    def _end_bundle(self, worker: Worker, now_s: float) -> None:
        """The tests of a bundle have run, or its worker is gone: what is left of it is to be run elsewhere."""
        bundle, worker.bundle = worker.bundle, None
        if bundle is None:
            return
        self._backlog.end(bundle.job, now_s)
        if bundle.left:
            self._backlog.add(list(bundle.left), now_s)
