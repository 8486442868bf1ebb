"""A world for tests of the broker: workers that answer its orders, devices that come and go, all by chance.

The world knows the truth, and raises AssertionError where an order cannot be right: a worker that has enough to do, a
device that another test uses, a verdict too many.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_autorl.dispatch.backlog import HELD_S
from pytest_autorl.dispatch.broker import MOST_CRASHES, MOST_LOSSES, Broker, Patience, Seen
from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.needs_table import NONE, TOGETHER, NeedClass, NeedsTable, Unit
from pytest_autorl.dispatch.orders import Again, Holds, Order
from pytest_autorl.resilience.budget import Budgets
from pytest_autorl.resilience.decide import Kind

FOREIGN = "foreign"
#: No more workers than this at once.
MOST_HANDS = 4
#: As many attempts as a test's policy gives it, losses and crashes apart.
MOST_ATTEMPTS = 3


def klass(*devices: str, count: int = 1) -> NeedClass:
    """A class of tests for these devices."""
    return NeedClass(key=f"{count} of {'/'.join(devices)}", devices=devices, count=count, session="{}")


def unit(name: str, scope: str) -> Unit:
    """A unit whose fixture is called like it."""
    return Unit(name=f"{name} device", scope=scope, fixture=f"{scope}_device")


def table(
    *tests: tuple[int, int], classes: Sequence[NeedClass] = (), units: Sequence[Unit] = (), module: int = 4
) -> NeedsTable:
    """A table of tests given as (place of the class, place of the unit); `module` of them in each file."""
    return NeedsTable(
        tests=tuple(f"m{index // module}.py::t{index}" for index in range(len(tests))),
        classes=tuple(classes),
        units=tuple(units),
        class_of=tuple(one for one, _ in tests),
        unit_of=tuple(one for _, one in tests),
    )


LOOSE = (NONE, NONE)
#: Why an order was given to go on with a unit whose tests stay together.
SHARES = "shares the device of its scope"


@dataclass
class Book:
    """Writes orders down; the simplest of worlds."""

    sent: list[tuple[str, Order]] = field(default_factory=list)
    whys: list[str] = field(default_factory=list)
    closed: list[tuple[str, int, str]] = field(default_factory=list)
    given_up: dict[int, str] = field(default_factory=dict)
    lost_with: list[tuple[str, int]] = field(default_factory=list)
    died: list[tuple[str, int]] = field(default_factory=list)

    def run(self, worker: str, order: Order, why: str) -> None:
        """See `Orders`."""
        self.sent.append((worker, order))
        self.whys.append(why)

    def close(self, worker: str, index: int, fixture: str) -> None:
        """See `Orders`."""
        self.closed.append((worker, index, fixture))

    def give_up(self, index: int, why: str) -> None:
        """See `Orders`."""
        assert index not in self.given_up
        self.given_up[index] = why

    def lost(self, worker: str, index: int) -> None:
        """See `Orders`."""
        self.lost_with.append((worker, index))

    def died_leaving(self, worker: str, index: int) -> None:
        """See `Orders`."""
        self.died.append((worker, index))

    def new(self) -> list[tuple[str, int, tuple[str, ...]]]:
        """What was sent since the last call: worker, test, devices."""
        sent, self.sent = self.sent, []
        return [(worker, order.index, order.devices) for worker, order in sent]


@dataclass
class Hand:
    """A worker, as it really is.

    Attributes:
        inbox: Orders not begun; the head may be in the middle.
        outbox: What it has said and the broker has not heard.
        step: What it does of the head: "" nothing yet, "leaving", "holding" (has its devices), "running".
    """

    name: str
    inbox: deque[Order | tuple[int, str]] = field(default_factory=deque)
    outbox: deque[Callable[[], None]] = field(default_factory=deque)
    step: str = ""
    parked: list[str] = field(default_factory=list)
    using: list[str] = field(default_factory=list)
    scopes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    has_begun: bool = False

    @property
    def holds(self) -> Holds:
        """As it would say it."""
        used = [one for devices in self.scopes.values() for one in devices]
        return Holds(parked=tuple(self.parked), used=tuple(used))


class World(Book):
    """See the module."""

    def __init__(
        self,
        needs: NeedsTable,
        devices: Sequence[str],
        chance: random.Random,
        *,
        workers: int = 2,
        slots: Mapping[str, tuple[str, int]] | None = None,
        patience: Patience | None = None,
        budgets: Budgets | None = None,
        fail_rate: float = 0.2,
        stay_rate: float = 0.3,
        is_calm: bool = False,
    ) -> None:
        super().__init__()
        self.needs = needs
        self.devices = tuple(devices)
        self.chance = chance
        self.is_calm = is_calm
        self.now_s = 0.0
        self.slots = slots or {}
        self.patience = patience or Patience()
        self.budgets = budgets or Budgets(len(needs.tests))
        self.fail_rate = fail_rate
        self.stay_rate = stay_rate
        self.owner: dict[str, str] = {}
        self.out: set[str] = set()
        self.hands: dict[str, Hand] = {}
        self.dead: set[str] = set()
        self.verdicts: Counter[int] = Counter()
        self.crashes: Counter[int] = Counter()
        self.losses: Counter[int] = Counter()
        self.retries: Counter[int] = Counter()
        #: Attempts of each test that were begun, and are over.
        self.ended: Counter[int] = Counter()
        #: When the next attempt of a test may begin at the earliest.
        self.not_before_s: dict[int, float] = {}
        #: Devices of each attempt of a test so far, oldest first.
        self.tried: dict[int, list[tuple[str, ...]]] = {}
        #: Tests whose next attempt is to stay where the last one was.
        self.staying: set[int] = set()
        #: Tests of which nobody can tell where they ran, since they waited for any of several devices.
        self.vague: set[int] = set()
        self.last_calls: dict[int, float] = {}
        #: Units whose tests could not stay together.
        self.broken: set[int] = set()
        self.places: dict[int, tuple[str, tuple[str, ...]]] = {}
        self._snapshots: deque[tuple[float, dict[str, str], frozenset[str]]] = deque()
        self._names = 0
        self.broker = Broker(
            needs,
            devices,
            Estimates({}),
            self,
            slots=slots,
            patience=patience,
            budgets=self.budgets,
            now_s=self.now_s,
        )
        for _ in range(workers):
            self.hire()

    # -- orders ------------------------------------------------------------------------------------------------

    def run(self, worker: str, order: Order, why: str) -> None:
        """See `Orders`."""
        hand = self.hands[worker]
        index, unit_place = order.index, self.needs.unit_of[order.index]
        assert why
        assert not self.verdicts[index], f"{index} has its verdict and is sent once more"
        heads = [one for one in hand.inbox if isinstance(one, Order)]
        assert not heads or not (order.devices or heads[-1].devices), f"{worker} has enough to do"
        assert sum(index == one.index for other in self.hands.values() for one in _orders(other)) == 0
        self._check_chances(order)
        assert order.attempt == self.ended[index] + 1
        assert self.now_s >= self.not_before_s.get(index, 0.0), f"{index} has not rested"
        if order.last_call_s is not None:
            assert not order.devices
            self.last_calls[index] = self.now_s
        if self.needs.class_of[index] == NONE:
            assert not order.devices
        elif order.last_call_s is None:
            need = self.needs.classes[self.needs.class_of[index]]
            assert order.count == need.count <= len(order.devices)
            assert set(order.devices) <= set(need.devices)
            if why != SHARES:  # else it goes with those with which it stays together
                self._check_place(order, need)
        is_together = self.needs.stays_together(index) and not self.retries[index]
        if is_together and order.last_call_s is None and unit_place not in self.broken:
            keeper, devices = self.places.get(unit_place, (worker, order.devices))
            # Whoever waited for some of several goes on with those that it got.
            assert keeper == worker and set(order.devices) <= set(devices), (  # noqa: PT018
                f"unit {unit_place} is torn apart: {keeper} {devices}, {worker} {order.devices}"
            )
            self.places[unit_place] = worker, order.devices
        hand.inbox.append(order)

    def _check_chances(self, order: Order) -> None:
        """What may follow an attempt."""
        index, reruns = order.index, self.patience.reruns
        has_purse = not self.budgets.why_not("loss")
        is_losable = reruns and has_purse and self.losses[index] < MOST_LOSSES
        assert order.may_be_lost == (is_losable and bool(order.devices))
        may_retry = reruns and not self.budgets.why_not("retry") and order.last_call_s is None
        assert (not order.why_no_retry) == may_retry
        assert order.retries == self.retries[index]
        assert order.is_flaky == (self.retries[index] > 0)

    def _check_place(self, order: Order, need: NeedClass) -> None:
        """A test that comes again is sent to the right devices, as long as they are in service."""
        tried = self.tried.get(order.index)
        if not tried or order.index in self.vague:
            return
        # What others hold may be waited for so long; it has waited so long at most since it came back.
        if self.now_s - self.not_before_s.get(order.index, 0.0) >= HELD_S:
            return
        shelf, stuck = self.broker._shelf, self.broker.crew.stuck_devices()
        up = {one for one in need.devices if shelf.how(one) is not Seen.OUT and one not in stuck}
        last, untried = frozenset(tried[-1]), frozenset(up.difference(*tried))
        if order.index in self.staying:
            if last <= up and shelf.reach(last, frozenset()) >= need.count:
                assert set(order.devices) <= last, f"{order.index} was to stay on {last}: {order.devices}"
        elif shelf.reach(untried, frozenset()) >= need.count:
            assert set().union(*tried).isdisjoint(order.devices), (
                f"{order.index} has tried {tried}, and gets {order.devices}"
            )

    def close(self, worker: str, index: int, fixture: str) -> None:
        """See `Orders`."""
        one = self.needs.unit(index)
        assert one is not None
        assert one.fixture == fixture
        self.hands[worker].inbox.append((index, one.name))

    def give_up(self, index: int, why: str) -> None:
        """See `Orders`."""
        super().give_up(index, why)
        self._judge(index)

    # -- what happens ------------------------------------------------------------------------------------------

    def hire(self) -> None:
        """One more worker."""
        name = f"gw{self._names}"
        self._names += 1
        self.hands[name] = Hand(name=name)
        self.broker.join(name, self._names)

    def look(self) -> None:
        """Somebody looks at the state; what was seen is told later."""
        self._snapshots.append((self.now_s, dict(self.owner), frozenset(self.out)))

    def tell(self) -> None:
        """What was seen is told."""
        if not self._snapshots:
            return
        looked_s, owner, out = self._snapshots.popleft()
        seen = {}
        for device in self.devices:
            who = owner.get(device, "")
            if who and who in self.hands:
                seen[device] = Seen.OUT if device in out else Seen.OURS
            elif who:
                seen[device] = Seen.FOREIGN
            else:
                seen[device] = Seen.OUT if device in out else Seen.FREE
        self.broker.see(seen, self.now_s, looked_s=looked_s)

    def hear(self, hand: Hand) -> None:
        """The next that a worker has said reaches the broker."""
        if hand.outbox:
            hand.outbox.popleft()()
            self.broker.dispatch(self.now_s)
            self.check()

    def work(self, hand: Hand) -> None:
        """A worker goes on with what it has to do, by one step."""
        if not hand.inbox:
            return
        head = hand.inbox[0]
        if isinstance(head, tuple):
            self._close(hand, head)
        elif hand.step in ("", "leaving") and self._leaves(hand, head):
            self._leave(hand, head)
        elif hand.step != "running":
            self._begin(hand, head)
        else:
            self._end(hand, head)

    def crash(self, hand: Hand, *, has_ended: bool = False, may_rerun: bool = True) -> None:
        """A worker dies, or ends in order; what it said before is heard before."""
        # Nobody can tell whether it had begun, or was about to.
        head = next(iter(_orders(hand)), None)
        was_running = hand.step != "leaving"
        while hand.outbox:
            hand.outbox.popleft()()
        del self.hands[hand.name]
        self.dead.add(hand.name)
        self._break(hand)
        if was_running and not has_ended and head is not None:
            self.crashes[head.index] += 1
            assert self.crashes[head.index] <= MOST_CRASHES + 1
        died, lost = len(self.died), len(self.lost_with)
        has_purse = not self.budgets.why_not("loss")
        if was_running and not has_ended and head is not None:
            self.not_before_s[head.index] = self.now_s
            self._over(head, head.devices, elsewhere=True)
        index = self.broker.leave(hand.name, self.now_s, has_ended=has_ended, may_rerun=may_rerun)
        assert len(self.died) - died == (hand.step == "leaving" and not has_ended and hand.has_begun)
        assert len(self.lost_with) - lost <= 1
        if index is not None:
            assert head is not None
            assert index == head.index
            self._judge(index)
        if was_running and not has_ended and head is not None:
            is_first = self.crashes[head.index] <= MOST_CRASHES
            assert (index is None) == (may_rerun and self.patience.reruns and is_first and has_purse)
        self.broker.dispatch(self.now_s)
        self.check()

    def chaos(self) -> None:
        """Something happens."""
        hand = self.chance.choice(list(self.hands.values())) if self.hands else None
        device = self.chance.choice(self.devices)
        event = self.chance.choices(
            [
                "work",
                "hear",
                "look",
                "tell",
                "time",
                "crash",
                "end",
                "out",
                "foreign",
                "back",
                "hire",
                "recall",
            ],
            [40, 30, 8, 8, 8, 2, 1, 2, 3, 8, 2, 3],
        )[0]
        if event == "look":
            self.look()
        elif event == "tell":
            self.tell()
        elif event == "time":
            self.now_s += self.chance.choice([0.01, 0.3, 1.0, 6.0])
        elif event == "out":
            self.out.add(device)
        elif event == "foreign" and device not in self.owner and device not in self.out:
            self.owner[device] = FOREIGN
        elif event == "back":
            self.out.discard(device)
            if self.owner.get(device, "") not in self.hands:
                self.owner.pop(device, None)
        elif event == "hire" and len(self.hands) < MOST_HANDS:
            self.hire()
        elif hand is None:
            return
        elif event == "work":
            self.work(hand)
        elif event == "hear":
            self.hear(hand)
        elif event == "crash":
            self.crash(hand)
        elif event == "end" and hand.step == "":
            self.crash(hand, has_ended=True)
        elif event == "recall" and hand.parked:
            self._release(hand.parked.pop())
        self.broker.dispatch(self.now_s)
        self.check()

    def calm_down(self, *, rounds: int = 3000) -> None:
        """Nothing bad happens any more; in the end every test has its verdict."""
        self.is_calm = True
        while not self.hands:
            self.hire()
        for _ in range(rounds):
            if self.broker.is_done:
                break
            self.now_s += 0.5
            for device, who in list(self.owner.items()):
                if who not in self.hands:
                    del self.owner[device]
            self.look()
            while self._snapshots:
                self.tell()
            for hand in list(self.hands.values()):
                self.work(hand)
                while hand.outbox:
                    self.hear(hand)
            self.broker.dispatch(self.now_s)
            self.check()
        assert self.broker.is_done, (
            f"left: {[index for index in range(len(self.needs.tests)) if not self.verdicts[index]]}"
        )
        assert self.verdicts == dict.fromkeys(range(len(self.needs.tests)), 1)

    def check(self) -> None:
        """Where nothing runs, nothing could."""
        broker = self.broker
        kinds: tuple[Kind, ...] = ("retry", "loss")
        assert broker.next_due_s is None or broker.next_due_s > self.now_s
        for kind in kinds:
            # One for each worker that had begun when the purse ran out.
            assert self.budgets.spent(kind) < self.budgets.size(kind) + MOST_HANDS
        if broker.is_done or not self.hands or len(broker.crew.idle) < len(broker.crew):
            return
        backlog = broker._backlog
        names = {name for name, one in backlog._comebacks.items() if one.is_held}
        held = {index for name in names for index in backlog._waiting[backlog._kinds[name]][name][1]}
        for index in range(len(self.needs.tests)):
            if self.verdicts[index] or self.not_before_s.get(index, 0.0) > self.now_s:
                continue
            if index in held:  # others have what it should have
                continue
            need = self.needs.klass(index)
            assert need is not None, f"{index} needs no device, and everybody is idle"
            stuck = broker.crew.stuck_devices()
            can = [one for one in need.devices if broker._shelf.can_have(one) and one not in stuck]
            reach = broker._shelf.reach(frozenset(can), frozenset())
            assert reach < need.count, f"{index} could run on {can}, and everybody is idle"

    # -- what workers do ---------------------------------------------------------------------------------------

    def _say(self, hand: Hand, what: Callable[[], object]) -> None:
        def say() -> None:
            what()

        hand.outbox.append(say)

    def _close(self, hand: Hand, head: tuple[int, str]) -> None:
        if hand.step == "":
            hand.step = "leaving"
            self._say(hand, lambda: self.broker.leaving(hand.name))
            return
        hand.inbox.popleft()
        hand.step = ""
        self._end_scope(hand, head[1])
        holds, now_s = hand.holds, self.now_s
        self._say(hand, lambda: self.broker.closed(hand.name, holds, now_s))

    def _leaves(self, hand: Hand, order: Order) -> list[str]:
        """Units that end before a test that is not of them."""
        own = self.needs.unit(order.index)
        ending = {one.name for one in self.needs.units if one.scope in (*TOGETHER, "package")}
        return [name for name in hand.scopes if name in ending and (own is None or own.name != name)]

    def _leave(self, hand: Hand, order: Order) -> None:
        if hand.step == "":
            hand.step = "leaving"
            self._say(hand, lambda: self.broker.leaving(hand.name))
            return
        hand.step = ""
        for name in self._leaves(hand, order):
            self._end_scope(hand, name)
        holds, now_s = hand.holds, self.now_s
        self._say(hand, lambda: self.broker.left(hand.name, holds, now_s))

    def _begin(self, hand: Hand, order: Order) -> None:
        own = self.needs.unit(order.index)
        if order.devices and (own is None or own.name not in hand.scopes):
            taken = self._take(hand, order)
            if taken is None:
                hand.inbox.popleft()
                hand.step = ""
                self._break_unit(order.index)
                holds, now_s = hand.holds, self.now_s
                self._say(hand, lambda: self.broker.refused(hand.name, order.index, holds, now_s))
                return
            hand.using = taken
        hand.step, hand.has_begun = "running", True

    def _take(self, hand: Hand, order: Order) -> list[str] | None:
        """The devices of an order; None when it cannot have them."""
        if not self.is_calm and self.chance.random() < 0.05:
            return None
        ready = [one for one in order.devices if one in hand.parked]
        if len(ready) >= order.count:
            taken = ready[: order.count]
            hand.parked = [one for one in hand.parked if one not in taken]
            return taken
        for one in ready:
            hand.parked.remove(one)
            self._release(one)
        attempt = self.broker.attempt_of(hand.name)
        waits = attempt is not None and attempt.index == order.index and attempt.waits
        can = [one for one in order.devices if self._can_take(hand, one, waits=waits)]
        can = [one for place, one in enumerate(can) if self._has_slot(one, can[:place])]
        if len(can) < order.count:
            return None
        taken = can[: order.count]
        for one in taken:
            for other in self.hands.values():
                if one in other.parked:
                    other.parked.remove(one)
            self.owner[one] = hand.name
        return taken

    def _can_take(self, hand: Hand, device: str, *, waits: bool) -> bool:
        who = self.owner.get(device, "")
        if device in self.out and who not in self.hands:
            return False
        if not who:
            return True
        if who not in self.hands:
            return False
        other = self.hands[who]
        if device in other.parked:
            return True
        # In use by another one. Only one that waited for any of several could have it without the broker's knowing.
        head = other.inbox[0] if other.inbox else None
        is_known = isinstance(head, Order) and len(head.devices) == head.count and device in head.devices
        assert waits or not is_known, f"{hand.name} was sent for {device}, which {who} uses"
        return False

    def _has_slot(self, device: str, with_: Iterable[str]) -> bool:
        if device not in self.slots:
            return True
        server, limit = self.slots[device]
        parked = {one for hand in self.hands.values() for one in hand.parked}
        users = [
            one
            for one in self.slots
            if self.slots[one][0] == server
            and one != device
            and (one in with_ or (one in self.owner and one not in parked))
        ]
        if len(users) >= limit:
            return False
        kept = [one for one in self.slots if self.slots[one][0] == server and one in parked and one != device]
        for one in kept[: max(0, len(users) + len(kept) + 1 - limit)]:
            for hand in self.hands.values():
                if one in hand.parked:
                    hand.parked.remove(one)
                    self._release(one)
        return True

    def _end(self, hand: Hand, order: Order) -> None:
        index, own = order.index, self.needs.unit(order.index)
        chance = 0.0 if self.is_calm else self.chance.random()
        is_lost = order.may_be_lost and chance > 0.85
        has_failed = not is_lost and self.chance.random() < self.fail_rate
        hand.inbox.popleft()
        hand.step = ""
        used, hand.using = hand.using, []
        had = tuple(used or hand.scopes.get(own.name if own is not None else "", ()))
        opens = self.is_calm or self.chance.random() < 0.9
        if own is not None and used and opens:
            hand.scopes[own.name] = tuple(used)
        elif is_lost or self.chance.random() < 0.3:
            for one in used:
                self._release(one)
        else:
            hand.parked += used
        holds, now_s = hand.holds, self.now_s
        if is_lost:
            self.losses[index] += 1
            self._break_unit(index)
            self._again(hand, order, had, Again(kind="loss", devices=self._culprits(order, had)))
        elif has_failed and not order.why_no_retry and order.retries + 1 < MOST_ATTEMPTS:
            self.retries[index] += 1
            delay_s = self.chance.choice([0.0, 0.0, 0.3, 2.0, 6.0])
            stays = self.chance.random() < self.stay_rate
            devices = had if len(order.devices) > order.count else ()
            again = Again(kind="retry", elsewhere=not stays, delay_s=delay_s, devices=devices, is_flaky=True)
            self._again(hand, order, had, again)
        else:
            self._judge(index)
            self._over(order, had, elsewhere=True)
            self._say(hand, lambda: self._done(hand, index, holds, now_s, has_failed=has_failed))

    def _done(self, hand: Hand, index: int, holds: Holds, now_s: float, *, has_failed: bool) -> None:
        self.budgets.verdict(has_failed)
        self.broker.done(hand.name, index, holds, now_s)

    def _again(self, hand: Hand, order: Order, had: tuple[str, ...], again: Again) -> None:
        holds, now_s = hand.holds, self.now_s
        self.not_before_s[order.index] = now_s + again.delay_s
        self._over(order, again.devices or had, elsewhere=again.elsewhere)
        self._say(hand, lambda: self.broker.again(hand.name, order.index, holds, again, now_s))

    def _culprits(self, order: Order, had: tuple[str, ...]) -> tuple[str, ...]:
        """Devices with which an attempt was lost, as its worker tells: one, or all, which it need not say."""
        if not had:  # what it should have had, it had not
            return order.devices[:1]
        if len(order.devices) > order.count or self.chance.random() < 0.3:
            return had
        return (self.chance.choice(had),) if self.chance.random() < 0.5 else ()

    def _over(self, order: Order, devices: tuple[str, ...], *, elsewhere: bool) -> None:
        """An attempt that was begun is over."""
        self.ended[order.index] += 1
        (self.staying.discard if elsewhere else self.staying.add)(order.index)
        if len(order.devices) > order.count:
            self.vague.add(order.index)
        if devices:
            self.tried.setdefault(order.index, []).append(devices)

    def _end_scope(self, hand: Hand, name: str) -> None:
        for device in hand.scopes.pop(name, ()):
            if self.chance.random() < 0.5:
                hand.parked.append(device)
            else:
                self._release(device)

    def _release(self, device: str) -> None:
        self.owner.pop(device, None)

    # -- books -------------------------------------------------------------------------------------------------

    def _judge(self, index: int) -> None:
        self.verdicts[index] += 1
        assert self.verdicts[index] == 1, f"{index} has a second verdict"

    def _break_unit(self, index: int) -> None:
        self.broken.add(self.needs.unit_of[index])

    def _break(self, hand: Hand) -> None:
        """Units of whatever a worker had to do are broken up."""
        for name in hand.scopes:
            self.broken.update(place for place, one in enumerate(self.needs.units) if one.name == name)
        self.broken.update(place for place, (keeper, _) in self.places.items() if keeper == hand.name)


def _orders(hand: Hand) -> list[Order]:
    return [one for one in hand.inbox if isinstance(one, Order)]
