"""The broker, rule by rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from broker_world import LOOSE, Book, klass, table, unit
from pytest_autorl.dispatch.backlog import HELD_S
from pytest_autorl.dispatch.broker import Broker, Patience, Seen
from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.needs_table import NONE, NeedsTable
from pytest_autorl.dispatch.orders import Again, Holds, Order
from pytest_autorl.resilience.budget import Budgets

pytestmark = pytest.mark.unit

NOTHING = Holds()
A_OR_B = klass("a", "b")
ONLY_A = klass("a")
BOTH = klass("a", "b", count=2)


class Desk:
    """A broker with its book, and short words for what happens."""

    def __init__(
        self,
        needs: NeedsTable,
        devices: Sequence[str] = ("a", "b"),
        *,
        workers: int = 1,
        history: Mapping[str, float] | None = None,
        slots: Mapping[str, tuple[str, int]] | None = None,
        patience: Patience | None = None,
        budgets: Budgets | None = None,
    ) -> None:
        self.book = Book()
        self.now_s = 0.0
        self.broker = Broker(
            needs,
            devices,
            Estimates(history or {}),
            self.book,
            slots=slots,
            patience=patience,
            budgets=budgets,
        )
        for number in range(workers):
            self.broker.join(f"w{number}", 100 + number)

    def go(self, after_s: float = 0.0) -> list[tuple[str, int, tuple[str, ...]]]:
        """Dispatch; returns what was sent."""
        self.now_s += after_s
        self.broker.dispatch(self.now_s)
        return self.book.new()

    def done(self, worker: str, index: int, *, parked: str = "", used: str = "") -> None:
        """A test has run; devices are given as letters."""
        self.broker.done(worker, index, Holds(parked=tuple(parked), used=tuple(used)), self.now_s)

    def order(self, after_s: float = 0.0) -> Order:
        """Dispatch; the only order that was sent."""
        self.now_s += after_s
        self.broker.dispatch(self.now_s)
        [(_, order)] = self.book.sent
        self.book.sent.clear()
        return order

    def retry(
        self,
        worker: str,
        index: int,
        *,
        elsewhere: bool = True,
        delay_s: float = 0.0,
        parked: str = "",
        used: str = "",
    ) -> None:
        """An attempt has failed by itself, and another one is to follow."""
        again = Again(kind="retry", elsewhere=elsewhere, delay_s=delay_s, is_flaky=True)
        holds = Holds(parked=tuple(parked), used=tuple(used))
        self.broker.again(worker, index, holds, again, self.now_s)

    def lose(self, worker: str, index: int, *devices: str) -> None:
        """An attempt was lost with its devices."""
        self.broker.again(worker, index, NOTHING, Again(kind="loss", devices=devices), self.now_s)

    def see(self, **how: Seen) -> None:
        """The state says so."""
        self.broker.see(how, self.now_s)

    def is_done(self) -> bool:
        """Whether every test has its verdict."""
        return self.broker.is_done

    def die(self, worker: str, *, has_ended: bool = False) -> int | None:
        """A worker is gone."""
        return self.broker.leave(worker, self.now_s, has_ended=has_ended)


def simple(count: int, place: int = 0) -> list[tuple[int, int]]:
    """Tests of one class that share nothing."""
    return [(place, NONE)] * count


# -- attempts ----------------------------------------------------------------------------------------------------


def test_each_worker_gets_one_test_and_device() -> None:
    """Two workers, two devices, three tests: the third waits."""
    desk = Desk(table(*simple(3), classes=[A_OR_B]), workers=2)

    sent = desk.go()

    assert {worker for worker, _, _ in sent} == {"w0", "w1"}
    assert {devices for _, _, devices in sent} == {("a",), ("b",)}
    assert desk.go() == []


def test_the_run_has_begun_with_the_first_order() -> None:
    """And not with the first worker."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]))
    begun = [desk.broker.has_begun]
    desk.go()

    assert [*begun, desk.broker.has_begun] == [False, True]


def test_the_run_is_done_when_all_have_verdicts() -> None:
    """And not before."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]))
    [(worker, index, devices)] = desk.go()
    assert not desk.is_done()

    desk.done(worker, index, parked=devices[0])

    assert desk.is_done()
    assert desk.go() == []
    assert desk.broker.attempt_of(worker) is None
    assert desk.broker.attempt_of("nobody") is None


def test_a_worker_goes_on_with_the_device_that_it_keeps() -> None:
    """And not another one that is idle, too; a kept device is told apart from one with a new session."""
    desk = Desk(table(*simple(2), classes=[ONLY_A]), ["a"])
    [(_, first, _)] = desk.go()
    cold = desk.broker.attempt_of("w0")
    assert cold is not None
    assert not cold.is_warm
    desk.broker.join("other", 1)  # by name it would be first

    desk.done("w0", first, parked="a")

    assert desk.go() == [("w0", 1 - first, ("a",))]
    warm = desk.broker.attempt_of("w0")
    assert warm is not None
    assert warm.is_warm


def test_a_device_is_recalled_from_a_worker_that_is_busy() -> None:
    """w0 keeps a and runs a test without device: w1 may have a."""
    desk = Desk(table((0, NONE), LOOSE, classes=[ONLY_A]), ["a"])
    assert desk.go() == [("w0", 0, ("a",))]
    desk.done("w0", 0, parked="a")
    assert desk.go() == [("w0", 1, ())]
    desk.broker.pend(0, 0.0)
    desk.broker.join("w1", 1)

    assert desk.go() == [("w1", 0, ("a",))]
    desk.done("w1", 0, parked="a")
    assert desk.broker.crew["w0"].holds.parked == ()


def test_answers_of_the_wrong_test_are_refused() -> None:
    """Whoever mixes them up would lose a test without a word."""
    desk = Desk(table(*simple(2), classes=[A_OR_B]))
    [(_, index, _)] = desk.go()

    with pytest.raises(AssertionError, match=f"w0 was to run {index} and answers for {1 - index}"):
        desk.done("w0", 1 - index)


def test_one_node_id_twice() -> None:
    """Both run, also when one is to run again while the other runs."""
    needs = NeedsTable(
        tests=("m.py::t", "m.py::t"), classes=(A_OR_B,), units=(), class_of=(0, 0), unit_of=(NONE, NONE)
    )
    desk = Desk(needs, workers=2)
    worker_of = {index: worker for worker, index, _ in desk.go()}
    assert sorted(worker_of) == [0, 1]

    for index in (1, 0):
        desk.die(worker_of[index], has_ended=True)
        desk.broker.join(f"new {index}", 1)

        assert [(worker, again) for worker, again, _ in desk.go()] == [(f"new {index}", index)]


# -- lost attempts -----------------------------------------------------------------------------------------------


def test_a_lost_attempt_runs_elsewhere_and_not_for_ever() -> None:
    """Two times, then its reports are to be kept."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]))
    found = []
    for _ in range(3):
        desk.broker.dispatch(desk.now_s)
        [(_, order)] = desk.book.sent
        found.append((order.devices, order.attempt, order.may_be_lost))
        desk.book.new()
        if order.may_be_lost:
            desk.broker.again("w0", 0, NOTHING, Again(kind="loss", devices=order.devices), desk.now_s)

    assert found[0][0] != found[1][0]
    assert [(attempt, may) for _, attempt, may in found] == [(1, True), (2, True), (3, False)]


def test_without_reruns_nothing_is_lost() -> None:
    """Neither with a device nor with a worker."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]), patience=Patience(reruns=False))
    desk.broker.dispatch(0.0)

    [(_, order)] = desk.book.sent
    assert not order.may_be_lost
    assert desk.die("w0") == 0
    assert desk.is_done()


@pytest.mark.parametrize(("lost", "is_ended"), [((), True), (("a",), True), (("elsewhere",), False)])
def test_a_loss_ends_the_scopes_of_its_device_only(lost: tuple[str, ...], is_ended: bool) -> None:
    """The device of the session is the culprit, or may be; or it is another one."""
    needs = table((0, 0), (0, 0), (0, 0), classes=[ONLY_A], units=[unit("s", "session")])
    desk = Desk(needs, ["a"])
    [(_, first, _)] = desk.go()
    desk.done("w0", first, used="a")
    [(_, second, _)] = desk.go()

    desk.broker.again("w0", second, Holds(used=("a",)), Again(kind="loss", devices=lost), 0.0)

    assert desk.book.closed == [("w0", first, "session_device")] * is_ended
    assert len(desk.go()) == (not is_ended)


# -- retries -----------------------------------------------------------------------------------------------------


def test_a_retry_runs_elsewhere_then_at_a_third_place_then_at_the_first() -> None:
    """Though the worker keeps the device that it had, and that would be quicker."""
    desk = Desk(table(*simple(1), classes=[klass("a", "b", "c")]), ["a", "b", "c"])
    orders = [desk.order()]
    for _ in range(3):
        desk.retry("w0", 0, parked=orders[-1].devices[0])
        orders.append(desk.order())

    places = [order.devices[0] for order in orders]
    assert sorted(places[:3]) == ["a", "b", "c"]
    assert places[3] == places[0]
    assert [order.attempt for order in orders] == [1, 2, 3, 4]
    assert [order.retries for order in orders] == [0, 1, 2, 3]
    assert [order.is_flaky for order in orders] == [False, True, True, True]
    assert all(order.may_be_lost and not order.why_no_retry for order in orders)


def test_a_retry_may_want_to_stay() -> None:
    """Its device is busy by now, and the other one is free: it waits for its own."""
    desk = Desk(table((0, NONE), (1, NONE), classes=[A_OR_B, ONLY_A]), history={"m0.py::t0": 9.0})
    desk.see(b=Seen.OUT)
    assert desk.go() == [("w0", 0, ("a",))]
    desk.retry("w0", 0, elsewhere=False, delay_s=5.0)
    desk.see(b=Seen.FREE)
    assert desk.go() == [("w0", 1, ("a",))]
    desk.broker.join("w1", 1)

    assert desk.go(5.0) == []
    desk.done("w0", 1, parked="a")
    assert [(index, devices) for _, index, devices in desk.go()] == [(0, ("a",))]


def test_a_loss_after_retries_goes_elsewhere_all_the_same() -> None:
    """The device is the culprit then; and the loss counts as none of the retries."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]))
    first = desk.order()
    desk.retry("w0", 0, elsewhere=False)
    assert desk.order().devices == first.devices
    desk.lose("w0", 0)

    last = desk.order()
    assert last.devices != first.devices
    assert (last.attempt, last.retries, last.is_flaky) == (3, 1, True)


def test_a_crash_and_a_loss_are_remembered_together() -> None:
    """Three devices: the third attempt is on the third."""
    desk = Desk(table(*simple(1), classes=[klass("a", "b", "c")]), ["a", "b", "c"])
    places = {*desk.order().devices}
    assert desk.die("w0") is None
    desk.broker.join("w1", 1)
    places |= {*desk.order().devices}
    desk.lose("w1", 0)

    assert places | {*desk.order().devices} == {"a", "b", "c"}


def test_only_the_device_that_was_lost_is_avoided() -> None:
    """Two of three: the other one is as good as before."""
    desk = Desk(table(*simple(1), classes=[klass("a", "b", "c", count=2)]), ["a", "b", "c"])
    lost, other = desk.order().devices
    desk.lose("w0", 0, lost)

    assert set(desk.order().devices) == {"a", "b", "c"} - {lost}
    assert other != lost


def test_a_refusal_does_not_make_it_forget() -> None:
    """Lost on one device, refused by the other: it still waits for that."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]))
    first = desk.order()
    desk.lose("w0", 0)
    second = desk.order()
    desk.broker.refused("w0", 0, NOTHING, 0.0)

    assert desk.go(0.1) == []
    desk.now_s = 1.0
    desk.see()
    third = desk.order()
    assert third.devices == second.devices != first.devices
    assert third.attempt == 2


def test_the_rest_of_a_module_stays_where_it_is() -> None:
    """Its first test failed, and runs once more elsewhere, while the others go on."""
    desk = Desk(table(*[(0, 0)] * 3, classes=[A_OR_B], units=[unit("m", "module")]), workers=2)
    [(worker, first, (device,))] = desk.go()
    desk.retry(worker, first, used=device)

    sent = {index: (who, places) for who, index, places in desk.go()}
    other, elsewhere = sent.pop(first)
    [(second, place)] = sent.items()
    assert place == (worker, (device,))
    assert (other != worker, elsewhere != (device,)) == (True, True)
    desk.done(worker, second, used=device)
    desk.done(other, first, used=elsewhere[0])
    [(who, third, places)] = desk.go()
    assert (who, places) == place
    assert len({first, second, third}) == 3
    desk.done(worker, third, used=device)
    assert desk.is_done()


def test_the_last_of_a_module_comes_again_by_itself() -> None:
    """The scope has ended before: it is set up anew."""
    desk = Desk(table((0, 0), (0, 0), classes=[A_OR_B], units=[unit("m", "module")]))
    [(_, first, (device,))] = desk.go()
    desk.done("w0", first, used=device)
    [(_, last, _)] = desk.go()
    desk.retry("w0", last, used=device)

    assert desk.go() == []
    assert [who for who, _, _ in desk.book.closed] == ["w0"]
    desk.broker.closed("w0", Holds(parked=(device,)), 0.0)
    [(_, again, (other,))] = desk.go()
    assert (again, other != device) == (last, True)


def test_a_module_that_is_lost_moves_as_a_whole_after_a_retry() -> None:
    """Two are left of it; the first one is elsewhere already."""
    desk = Desk(table(*[(0, 0)] * 3, classes=[klass("a", "b", "c")], units=[unit("m", "module")]), "abc")
    [(_, first, (device,))] = desk.go()
    desk.retry("w0", first, used=device, delay_s=100.0)
    [(_, second, _)] = desk.go()
    desk.lose("w0", second)

    [(_, again, (other,))] = desk.go()
    assert (again, other != device) == (second, True)
    desk.done("w0", second, used=other)
    [(_, third, places)] = desk.go()
    assert ({first, second, third}, places) == ({0, 1, 2}, (other,))


def test_a_session_begins_anew_elsewhere_for_a_retry() -> None:
    """Others go on in the scope; when only the retry is left it ends, and begins on the other device."""
    desk = Desk(table((0, 0), (0, 0), classes=[A_OR_B], units=[unit("s", "session")]))
    [(_, first, (device,))] = desk.go()
    desk.retry("w0", first, used=device)

    assert desk.go() == [("w0", 1 - first, (device,))]
    assert desk.book.closed == []
    desk.done("w0", 1 - first, used=device)
    assert desk.go() == []
    assert [who for who, _, _ in desk.book.closed] == ["w0"]
    desk.broker.closed("w0", Holds(parked=(device,)), 0.0)
    [(_, again, (other,))] = desk.go()
    assert (again, other != device) == (first, True)


def test_a_session_goes_on_for_a_retry_that_stays() -> None:
    """In the worker that has it on that device; the scope of another worker ends."""
    desk = Desk(table((0, 0), (0, 0), classes=[A_OR_B], units=[unit("s", "session")]), workers=2)
    (_, first, (device,)), (other, second, (place,)) = desk.go()
    desk.done(other, second, used=place)
    desk.retry("w0", first, elsewhere=False, used=device)

    assert desk.go() == [("w0", first, (device,))]
    assert desk.book.closed == [(other, second, "session_device")]


def test_a_test_without_devices_is_retried() -> None:
    """Before the others; it can be lost with none."""
    desk = Desk(table(LOOSE, LOOSE))
    first = desk.order()
    assert (first.index, first.may_be_lost, first.why_no_retry) == (0, False, "")
    desk.retry("w0", 0)

    again = desk.order()
    assert (again.index, again.attempt, again.is_flaky) == (0, 2, True)


def test_attempts_that_never_began_are_not_counted() -> None:
    """Neither those behind the one over which the worker died, nor what a worker had that ended in order."""
    needs = table(*[LOOSE] * 8)
    desk = Desk(needs, history=dict.fromkeys(needs.tests, 0.01))
    assert len(desk.go()) == 4
    assert desk.die("w0") is None
    desk.broker.join("w1", 1)
    desk.broker.dispatch(0.0)
    sent = {order.index: order.attempt for _, order in desk.book.sent}
    assert (sent[0], {sent[index] for index in sent if index}) == (2, {1})
    desk.book.new()
    assert desk.die("w1", has_ended=True) is None
    desk.broker.join("w2", 2)
    desk.broker.dispatch(0.0)

    assert {order.index: order.attempt for _, order in desk.book.sent} == sent


# -- rests -------------------------------------------------------------------------------------------------------


def test_a_test_that_rests_blocks_nobody() -> None:
    """The worker runs another one on the only device; then the first one is due."""
    desk = Desk(table(*simple(2), classes=[ONLY_A]), ["a"])
    first = desk.order()
    desk.now_s = 1.0
    desk.retry("w0", first.index, delay_s=2.0, parked="a")
    assert desk.broker.next_due_s == 3.0
    assert desk.order().index == 1 - first.index
    desk.done("w0", 1 - first.index, parked="a")

    assert not desk.is_done()
    assert desk.go(1.999) == []
    assert desk.order(0.001).index == first.index
    assert desk.broker.next_due_s is None


def test_a_test_without_devices_rests_too() -> None:
    """And comes back where it was."""
    desk = Desk(table(LOOSE))
    desk.go()
    desk.retry("w0", 0, delay_s=2.0)

    assert desk.go(1.0) == []
    assert desk.order(1.0).attempt == 2


def test_a_rest_survives_the_last_worker() -> None:
    """Another one runs it when it is due."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]))
    desk.go()
    desk.retry("w0", 0, delay_s=2.0)
    assert desk.die("w0") is None
    assert desk.go(2.0) == []
    desk.broker.join("w1", 1)

    assert desk.order().attempt == 2


def test_who_rests_is_given_up_with_the_others() -> None:
    """Once, and does not come back."""
    desk = Desk(table(*simple(2), classes=[ONLY_A]), ["a"])
    first = desk.order()
    desk.retry("w0", first.index, delay_s=2.0)

    desk.broker.stop("no worker is left")

    assert desk.book.given_up == dict.fromkeys(range(2), "no worker is left")
    assert desk.broker.next_due_s is None
    assert desk.go(2.0) == []


def test_who_rests_does_not_starve() -> None:
    """No device is there while it rests, long beyond all patience; the wait begins when it is due."""
    desk = Desk(table(*simple(1), classes=[ONLY_A]), ["a"], patience=Patience(wait_s=30.0))
    desk.go()
    desk.retry("w0", 0, delay_s=100.0)
    desk.see(a=Seen.OUT)

    assert desk.go(99.0) == []
    assert desk.go(1.0) == []
    assert desk.go(29.0) == []
    assert desk.go(1.0) == [("w0", 0, ())]


# -- purses ------------------------------------------------------------------------------------------------------


def test_an_empty_purse_allows_no_more_retries() -> None:
    """Orders say so from then on; one that was under way may still come again. Losses have a purse of their own."""
    desk = Desk(table(*simple(3), classes=[A_OR_B]), workers=2, budgets=Budgets(3, 20.0, 1))
    desk.broker.dispatch(0.0)
    (early, one), (late, other) = desk.book.sent
    assert (one.why_no_retry, other.why_no_retry) == ("", "")
    desk.book.new()

    desk.retry(early, one.index)
    third = desk.order()
    assert third.may_be_lost
    assert "budget of 1 retries is used up" in third.why_no_retry
    desk.retry(late, other.index)
    assert desk.order().why_no_retry == third.why_no_retry


def test_a_broken_build_allows_no_more_retries() -> None:
    """Whoever reads the verdicts tells the purse."""
    budgets = Budgets(3, 20.0)
    for _ in range(50):
        budgets.verdict(has_failed=True)
    desk = Desk(table(*simple(1), LOOSE, classes=[A_OR_B]), workers=2, budgets=budgets)

    desk.broker.dispatch(0.0)

    assert [order.why_no_retry for _, order in desk.book.sent] == [
        "50 of 50 tests have failed: the build is broken"
    ] * 2


def test_an_empty_purse_allows_no_more_losses() -> None:
    """Nor a second attempt for a test over which its worker died: that is its verdict."""
    needs = table(*simple(2), classes=[klass("a", "b", "c")])
    desk = Desk(needs, "abc", workers=2, budgets=Budgets(2, 20.0, 1))
    (first, index, _), (second, other, _) = desk.go()
    desk.lose(first, index)
    assert not desk.order().may_be_lost

    assert desk.die(second) == other
    assert desk.book.lost_with == []


def test_a_crash_is_paid_from_the_purse_of_losses() -> None:
    """As its attempt is none of the test's own."""
    budgets = Budgets(1, 20.0, 1)
    desk = Desk(table(*simple(1), classes=[A_OR_B]), budgets=budgets)
    desk.go()
    assert desk.die("w0") is None
    desk.broker.join("w1", 1)

    order = desk.order()
    assert (order.may_be_lost, order.retries, order.is_flaky, order.why_no_retry) == (False, 0, False, "")
    assert (budgets.spent("loss"), budgets.spent("retry")) == (1, 0)


def test_without_reruns_nothing_is_retried() -> None:
    """The order says why."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]), patience=Patience(reruns=False))

    assert desk.order().why_no_retry == "retries are switched off"


def test_a_last_call_is_the_last() -> None:
    """The wait was long enough: it is not had once more."""
    desk = Desk(table(*simple(1), classes=[ONLY_A]), ["a"], patience=Patience(wait_s=0.0))
    desk.see(a=Seen.OUT)

    assert desk.order().why_no_retry == "no device came in time"


# -- detours -----------------------------------------------------------------------------------------------------


def test_a_test_that_comes_again_waits_for_the_device_that_others_hold() -> None:
    """The one that it has tried is free; it is taken when the other one does not come in a minute."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]), patience=Patience(wait_s=600.0))
    [first] = desk.order().devices
    other = "b" if first == "a" else "a"
    desk.see(**{other: Seen.FOREIGN})
    desk.retry("w0", 0)
    came_s = desk.now_s
    assert desk.order().devices == (other,)
    while desk.now_s < came_s + HELD_S - 10.0:
        desk.now_s += 10.0
        desk.broker.refused("w0", 0, NOTHING, desk.now_s)
        assert desk.go() == []
        desk.now_s += 0.5
        desk.see(**{other: Seen.FOREIGN})
        assert desk.order().devices == (other,)
    desk.broker.refused("w0", 0, NOTHING, desk.now_s)

    desk.now_s = came_s + 2 * HELD_S
    assert desk.order().devices == (first,)


def test_a_test_that_is_held_up_goes_when_the_device_is_free() -> None:
    """No time has passed: the tried device was never given to it."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]))
    first = desk.order()
    [other] = {"a", "b"}.difference(first.devices)
    desk.see(**{other: Seen.FOREIGN})
    desk.retry("w0", 0)
    assert desk.order().devices == (other,)
    desk.broker.refused("w0", 0, NOTHING, 0.0)
    assert desk.go() == []

    desk.now_s = 1.0
    desk.see(**{other: Seen.FREE})
    assert desk.order().devices == (other,)


def test_a_device_that_comes_back_is_tried() -> None:
    """All others were out of service, so the test was to go back; meanwhile one is there."""
    needs = table((0, NONE), (1, NONE), classes=[A_OR_B, ONLY_A])
    desk = Desk(needs, history={needs.tests[0]: 9.0})
    desk.see(b=Seen.OUT)
    assert desk.order().devices == ("a",)
    desk.retry("w0", 0, delay_s=1.0)
    assert desk.order().index == 1
    assert desk.go(1.0) == []
    desk.see(b=Seen.FREE)
    desk.broker.join("w1", 1)

    assert desk.go() == [("w1", 0, ("b",))]


def test_a_device_that_goes_is_not_waited_for() -> None:
    """The only other one is out of service: back to the first."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]))
    first = desk.order()
    [other] = {"a", "b"}.difference(first.devices)
    desk.see(**{other: Seen.FOREIGN})
    desk.retry("w0", 0)
    desk.order()
    desk.broker.refused("w0", 0, NOTHING, 0.0)
    assert desk.go() == []

    desk.now_s = 1.0
    desk.see(**{other: Seen.OUT})
    assert desk.order().devices == first.devices


def test_the_wait_for_others_ends_by_itself() -> None:
    """Nothing is seen any more, as when the state cannot be read."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]))
    first = desk.order()
    desk.retry("w0", 0)
    second = desk.order()
    assert second.devices != first.devices
    desk.broker.refused("w0", 0, NOTHING, 0.0)

    assert desk.go() == []
    assert desk.go(HELD_S - 0.1) == []
    assert desk.order(0.1).devices == first.devices


def test_a_detour_is_found_anew_for_who_came_in_between() -> None:
    """b was free just when the test came back; when orders are given, others have it, as they had before."""
    desk = Desk(table((0, NONE), (1, NONE), classes=[A_OR_B, klass("c")]), "abc", workers=2)
    desk.see(b=Seen.FOREIGN)
    worker_of = {index: worker for worker, index, _ in desk.go()}
    desk.retry(worker_of[1], 1)
    desk.see(c=Seen.OUT)
    assert desk.go() == []
    desk.see(b=Seen.FREE)
    desk.retry(worker_of[0], 0)
    desk.see(b=Seen.FOREIGN)

    assert desk.order().devices == ("b",)


def test_who_waited_for_any_of_several_has_tried_none_for_certain() -> None:
    """Its worker died before it could tell which one it had."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]))
    desk.see(a=Seen.FOREIGN, b=Seen.FOREIGN)
    assert desk.order().devices == ("a", "b")
    assert desk.die("w0") is None
    desk.broker.join("w1", 1)

    desk.see(a=Seen.FREE)
    assert desk.order().devices == ("a",)


@pytest.mark.parametrize(("device", "other"), [("a", "b"), ("b", "a")])
def test_who_waited_for_one_has_tried_that(device: str, other: str) -> None:
    """There was no choice, so it is known without a word."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]))
    desk.see(**{device: Seen.FOREIGN, other: Seen.OUT})
    assert desk.order().devices == (device,)
    assert desk.die("w0") is None
    desk.broker.join("w1", 1)

    desk.see(a=Seen.FREE, b=Seen.FREE)
    assert desk.order().devices == (other,)


@pytest.mark.parametrize(("device", "other"), [("a", "b"), ("b", "a")])
def test_a_retry_tells_where_it_was(device: str, other: str) -> None:
    """It waited for any of two, and nothing else has said which one it got."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]))
    desk.see(a=Seen.FOREIGN, b=Seen.FOREIGN)
    desk.order()
    desk.broker.again("w0", 0, NOTHING, Again(kind="retry", devices=(device,)), 0.0)

    desk.see(a=Seen.FREE, b=Seen.FREE)
    assert desk.order().devices == (other,)


def test_no_detour_to_a_device_that_nobody_will_give_back() -> None:
    """A worker uses it for something that no table told of: the test goes back to where it was."""
    desk = Desk(table((0, NONE), LOOSE, classes=[A_OR_B]), workers=2)
    sent = {index: (worker, devices) for worker, index, devices in desk.go()}
    worker, (device,) = sent[0]
    [other] = {"a", "b"} - {device}
    desk.done(sent[1][0], 1, used=other)
    desk.retry(worker, 0)

    assert desk.order().devices == (device,)


def test_no_detour_where_no_server_could_serve_it() -> None:
    """The two that are left share one slot: it goes where it was, or it would wait for ever."""
    slots = {"c": ("s", 1), "d": ("s", 1)}
    desk = Desk(table(*simple(1), classes=[klass("a", "b", "c", "d", count=2)]), "abcd", slots=slots)
    first = desk.order()
    assert set(first.devices) != {"c", "d"}
    desk.retry("w0", 0)

    second = desk.order()
    assert len(set(second.devices)) == 2
    assert set(second.devices) != {"c", "d"}


def test_a_device_that_nobody_will_give_back_is_not_at_hand() -> None:
    """Nor is the third, which others hold: after a minute the test goes back to the first."""
    desk = Desk(table((0, NONE), LOOSE, classes=[klass("a", "b", "c")]), "abc", workers=2)
    sent = {index: (worker, devices) for worker, index, devices in desk.go()}
    worker, (device,) = sent[0]
    stuck, foreign = sorted({"a", "b", "c"} - {device})
    desk.done(sent[1][0], 1, used=stuck)
    desk.see(**{foreign: Seen.FOREIGN})
    desk.retry(worker, 0)
    [(waiting, _, devices)] = desk.go()
    assert devices == (foreign,)
    desk.broker.refused(waiting, 0, NOTHING, 0.0)

    assert desk.go() == []
    assert desk.order(HELD_S).devices == (device,)


def test_who_is_pended_is_no_comeback() -> None:
    """Its verdict is known: another plugin has it run anew, where that is best."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]))
    desk.go()
    desk.retry("w0", 0)
    [device] = desk.order().devices
    desk.done("w0", 0, parked=device)
    desk.broker.pend(0, 0.0)

    assert desk.order().devices == (device,)


# -- workers that die --------------------------------------------------------------------------------------------


def test_a_test_that_kills_its_worker_runs_once_more() -> None:
    """On another device; the second death is its own failure."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]), workers=2)
    [(first, _, devices)] = desk.go()

    assert desk.die(first) is None
    assert desk.book.lost_with == [(first, 0)]
    [(second, _, others)] = desk.go()
    assert others != devices

    assert desk.die(second) == 0
    assert desk.is_done()


def test_no_rerun_where_the_run_stops() -> None:
    """-x: the crash is the verdict."""
    desk = Desk(table(*simple(2), classes=[A_OR_B]))
    [(worker, index, _)] = desk.go()

    assert desk.broker.leave(worker, 0.0, has_ended=False, may_rerun=False) == index


def test_a_worker_that_ends_in_order_has_not_begun() -> None:
    """What it was sent runs elsewhere, and nobody is blamed."""
    desk = Desk(table(*simple(1), LOOSE, classes=[A_OR_B]), workers=1)
    desk.go()

    assert desk.die("w0", has_ended=True) is None
    assert desk.die("w0") is None  # not here any more
    assert desk.book.lost_with == []
    desk.broker.join("w1", 1)
    assert len(desk.go()) == 1


def test_a_crash_after_the_report_is_no_crash() -> None:
    """The test has its verdict."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]))
    desk.go()

    assert desk.broker.leave("w0", 0.0, has_ended=False, is_reported=True) is None
    assert desk.is_done()
    assert desk.book.lost_with == []


def test_a_worker_that_dies_leaving_has_not_begun_the_next() -> None:
    """The one before is told, the next one runs, and its own death counts as the first."""
    desk = Desk(table(*simple(2), classes=[ONLY_A]), ["a"])
    [(_, first, _)] = desk.go()
    desk.done("w0", first, parked="a")
    desk.go()
    desk.broker.leaving("w0")

    assert desk.die("w0") is None
    assert desk.book.died == [("w0", first)]
    assert desk.book.lost_with == []


def test_a_report_of_before_is_not_that_of_the_next() -> None:
    """What was reported is the teardown that it was in; the test that was sent has not begun."""
    desk = Desk(table(*simple(2), classes=[ONLY_A]), ["a"])
    [(_, first, _)] = desk.go()
    desk.done("w0", first, parked="a")
    [(_, second, _)] = desk.go()
    desk.broker.leaving("w0")

    assert desk.broker.leave("w0", 0.0, has_ended=False, is_reported=True) is None
    desk.broker.join("w1", 1)
    assert [index for _, index, _ in desk.go()] == [second]


def test_a_worker_that_dies_leaving_with_nothing_to_do() -> None:
    """It is told all the same; a test that ends it in order is not."""
    desk = Desk(table(*simple(3), classes=[ONLY_A]), ["a"], workers=2)
    [(worker, first, _)] = desk.go()
    desk.done(worker, first)
    desk.broker.leaving(worker)
    assert desk.die(worker) is None
    assert desk.book.died == [(worker, first)]

    [(other, _, _)] = desk.go()
    desk.broker.leaving(other)
    assert desk.die(other, has_ended=True) is None
    assert len(desk.book.died) == 1


@pytest.mark.parametrize("says", ["left", "closed"])
def test_who_has_left_can_crash_again(says: str) -> None:
    """A later death is that of the test that runs then."""
    desk = Desk(table(*simple(2), classes=[ONLY_A]), ["a"])
    [(_, first, _)] = desk.go()
    desk.done("w0", first)
    [(_, second, _)] = desk.go()
    desk.broker.leaving("w0")
    getattr(desk.broker, says)("w0", NOTHING, 0.0)

    assert desk.die("w0") is None
    assert desk.book.lost_with == [("w0", second)]
    assert desk.book.died == []


# -- tests that share a device -----------------------------------------------------------------------------------


def test_the_tests_of_a_module_stay_together() -> None:
    """One worker, one device, one at a time, while another is idle; then the scope is ended."""
    desk = Desk(table((0, 0), (0, 0), classes=[A_OR_B], units=[unit("m", "module")]), workers=2)
    [(worker, first, (device,))] = desk.go()
    assert desk.go() == []
    desk.done(worker, first, used=device)

    assert desk.go() == [(worker, 1 - first, (device,))]
    desk.done(worker, 1 - first, used=device)
    desk.broker.pend(first, 0.0)
    desk.go()
    assert desk.book.closed == [(worker, first, "module_device")]
    desk.go()
    assert len(desk.book.closed) == 1


@pytest.mark.parametrize("how", ["died", "ended"])
def test_a_module_moves_as_a_whole(how: str) -> None:
    """Its worker is gone over the first of three: all of it runs elsewhere, on one device."""
    desk = Desk(table(*[(0, 0)] * 3, classes=[A_OR_B], units=[unit("m", "module")]), workers=2)
    [(worker, first, (device,))] = desk.go()
    assert desk.die(worker, has_ended=how == "ended") is None
    desk.broker.join("w2", 2)

    [(other, again, (place,))] = desk.go()
    assert again == first
    assert (place != device) or how == "ended"
    assert desk.go() == []
    for _ in range(2):
        desk.done(other, again, used=place)
        [(who, again, devices)] = desk.go()
        assert (who, devices) == (other, (place,))


def test_what_is_left_of_a_module_stays_together() -> None:
    """Its worker died over one that is judged, or between two of its tests: the others are one job."""
    for is_reported in (True, False):
        desk = Desk(table(*[(0, 0)] * 3, classes=[A_OR_B], units=[unit("m", "module")]))
        [(_, first, (device,))] = desk.go()
        if not is_reported:
            desk.done("w0", first, used=device)
        desk.broker.leave("w0", 0.0, has_ended=False, is_reported=is_reported)
        desk.broker.join("w1", 1)
        desk.broker.join("w2", 2)

        [(_, again, _)] = desk.go()
        assert again != first
        assert len(desk.broker.crew.idle) == 1


def test_a_module_whose_device_is_refused_moves_as_a_whole() -> None:
    """Nothing of it has run."""
    desk = Desk(table((0, 0), (0, 0), classes=[A_OR_B], units=[unit("m", "class")]))
    [(_, index, (device,))] = desk.go()
    desk.broker.refused("w0", index, NOTHING, 0.0)

    [(_, again, (other,))] = desk.go()
    assert (again, other != device) == (index, True)
    desk.done("w0", again, used=other)
    assert desk.go() == [("w0", 1 - index, (other,))]


def test_the_tests_of_a_session_are_spread() -> None:
    """Each worker opens the scope once, and goes on with its own device."""
    desk = Desk(table(*[(0, 0)] * 4, classes=[A_OR_B], units=[unit("s", "session")]), workers=2)
    sent = desk.go()
    assert len(sent) == 2
    for worker, index, (device,) in sent:
        desk.done(worker, index, used=device)

    assert {(worker, devices) for worker, _, devices in desk.go()} == {
        (worker, devices) for worker, _, devices in sent
    }
    assert desk.book.closed == []


def test_a_scope_ends_with_its_last_test() -> None:
    """Even in a worker that is idle: others want the device."""
    desk = Desk(table((0, 0), (0, NONE), classes=[ONLY_A], units=[unit("s", "session")]), ["a"])
    [(_, first, _)] = desk.go()
    desk.done("w0", first, used="a" if first == 0 else "", parked="" if first == 0 else "a")
    if first == 1:
        [(_, second, _)] = desk.go()
        desk.done("w0", second, used="a")
        assert desk.is_done()
        return

    assert desk.go() == []
    assert desk.book.closed == [("w0", 0, "session_device")]
    desk.broker.closed("w0", Holds(parked=("a",)), 0.0)
    assert desk.go() == [("w0", 1, ("a",))]


def test_a_scope_whose_device_goes_out_of_service_ends() -> None:
    """One worker only: its other tests need another device, and it cannot open the scope twice."""
    desk = Desk(table((0, 0), (0, 0), classes=[A_OR_B], units=[unit("s", "session")]))
    [(_, first, (device,))] = desk.go()
    desk.done("w0", first, used=device)
    desk.broker.see({device: Seen.OUT}, 0.0)

    assert desk.go() == []
    assert desk.book.closed == [("w0", first, "session_device")]
    desk.broker.closed("w0", NOTHING, 0.0)
    [(_, _, (other,))] = desk.go()
    assert other != device


def test_a_scope_without_all_its_devices_ends() -> None:
    """No test could go on with it."""
    desk = Desk(table((0, 0), (0, 0), classes=[BOTH], units=[unit("s", "session")]))
    [(_, first, _)] = desk.go()
    desk.done("w0", first, used="a")

    assert desk.go() == []
    assert desk.book.closed == [("w0", first, "session_device")]


def test_a_lost_test_goes_on_in_the_scope_of_another_worker() -> None:
    """That is on another device; a new worker has nothing to do."""
    desk = Desk(table(*[(0, 0)] * 3, classes=[A_OR_B], units=[unit("s", "session")]), workers=2)
    (_, lost, (device,)), (other, done, (place,)) = desk.go()
    desk.done(other, done, used=place)
    [(_, last, _)] = desk.go()
    desk.done(other, last, used=place)
    assert desk.die("w0") is None
    desk.broker.join("w2", 2)

    assert desk.go() == [(other, lost, (place,))]
    assert place != device


def test_no_test_goes_back_to_the_device_it_was_lost_on() -> None:
    """Another worker has the scope open there, and nothing else to run in it: the scope ends, b is waited for."""
    needs = table((0, 0), (0, 0), (1, NONE), classes=[A_OR_B, klass("b")], units=[unit("s", "session")])
    desk = Desk(needs, workers=2)
    sent = {devices: (worker, index) for worker, index, devices in desk.go()}
    worker, lost = sent["a",]
    busy, last = sent["b",]
    assert desk.die(worker) is None
    desk.broker.join("w2", 2)
    assert desk.go() == [("w2", 1 - lost, ("a",))]
    desk.done("w2", 1 - lost, used="a")

    assert desk.go() == []
    assert desk.book.closed == [("w2", 1 - lost, "session_device")]
    desk.broker.closed("w2", Holds(parked=("a",)), 0.0)
    assert desk.go() == []
    desk.done(busy, last, parked="b")
    assert [(index, devices) for _, index, devices in desk.go()] == [(lost, ("b",))]


def test_who_waits_for_others_does_not_wait_for_a_device_to_avoid() -> None:
    """It was lost on a, which somebody else has now; b is up, if busy."""
    desk = Desk(table((0, NONE), (1, NONE), classes=[A_OR_B, klass("b")]), workers=2)
    sent = {index: (worker, devices) for worker, index, devices in desk.go()}
    assert sent[0][1] == ("a",)
    assert desk.die(sent[0][0]) is None
    desk.see(a=Seen.FOREIGN)
    desk.broker.join("w2", 2)

    assert desk.go() == []
    desk.done(sent[1][0], 1, parked="b")
    [(_, again, devices)] = desk.go()
    assert (again, devices) == (0, ("b",))


def test_a_device_that_must_not_rest_is_taken_from_who_keeps_it() -> None:
    """w0 keeps it and is busy elsewhere; w1 has a device of its own, but that has time enough."""
    needs = table((0, NONE), *[(1, NONE)] * 8, classes=[klass("a"), klass("b", "c")])
    history = dict.fromkeys(needs.tests, 1.0) | {needs.tests[0]: 30.0}
    desk = Desk(needs, "abc", workers=2, history=history)
    sent = {index: (worker, devices) for worker, index, devices in desk.go()}
    worker, _ = sent.pop(0)
    [(index, (other, (place,)))] = sent.items()
    desk.done(worker, 0, parked="a")
    [(_, _, (elsewhere,))] = desk.go()
    desk.broker.pend(0, 0.0)
    desk.done(other, index, parked=place)

    assert {place, elsewhere} == {"b", "c"}
    assert desk.go() == [(other, 0, ("a",))]


def test_a_scope_that_ended_by_itself_is_forgotten() -> None:
    """The worker has left the package: its device is free for others."""
    desk = Desk(table((0, 0), (0, 0), classes=[ONLY_A], units=[unit("p", "package")]), ["a"])
    [(_, first, _)] = desk.go()
    desk.done("w0", first, used="a")
    desk.broker.leaving("w0")
    desk.broker.left("w0", Holds(parked=("a",)), 0.0)

    [(_, _, devices)] = desk.go()
    attempt = desk.broker.attempt_of("w0")
    assert devices == ("a",)
    assert attempt is not None
    assert not desk.broker.crew["w0"].scopes


def test_two_scopes_end_one_after_the_other() -> None:
    """The worker is not idle before both have ended; one that nobody has asked for changes nothing."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]))
    worker = desk.broker.crew["w0"]
    worker.closing.extend(["s device", "p device"])

    idle = []
    for _ in range(3):
        desk.broker.closed("w0", NOTHING, 0.0)
        idle.append(worker.is_idle)

    assert idle == [False, True, True]


def test_a_worker_opens_a_scope_once() -> None:
    """Its device is refused for the moment, and another is free: the scope's test has to wait or go elsewhere."""
    desk = Desk(table((0, 0), (0, 0), classes=[A_OR_B], units=[unit("s", "session")]))
    [(_, first, (device,))] = desk.go()
    desk.done("w0", first, used=device)
    [(_, second, _)] = desk.go()
    desk.broker.refused("w0", second, Holds(used=(device,)), 0.0)

    assert desk.go() == []
    desk.broker.join("w1", 1)
    [(worker, _, (other,))] = desk.go()
    assert (worker, other != device) == ("w1", True)


# -- devices that cannot be had ----------------------------------------------------------------------------------


def test_a_refused_device_is_left_alone_for_a_moment() -> None:
    """And tried again when the state has been looked at."""
    desk = Desk(table(*simple(1), classes=[ONLY_A]), ["a"])
    [(_, index, _)] = desk.go()
    desk.broker.refused("w0", index, NOTHING, 0.0)

    assert desk.go(0.1) == []
    desk.see(a=Seen.FREE)
    assert desk.go() == []
    desk.now_s = 1.0
    desk.see()
    desk.broker.dispatch(desk.now_s)
    [(_, order)] = desk.book.sent
    assert (order.devices, order.attempt) == (("a",), 1)


def test_a_device_that_is_refused_for_ever_starves_its_class() -> None:
    """It shows itself as free each time, and can never be had."""
    desk = Desk(table(*simple(1), classes=[ONLY_A]), ["a"], patience=Patience(wait_s=5.0))
    for _ in range(20):
        for _, index, devices in desk.go(0.3):
            if not devices:
                assert desk.now_s >= 5.0
                return
            desk.broker.refused("w0", index, NOTHING, desk.now_s)
        desk.see(a=Seen.FREE)
        if not desk.go(0.3):
            continue
        desk.broker.refused("w0", 0, NOTHING, desk.now_s)
    pytest.fail("tried for ever")


def test_old_news_are_no_news() -> None:
    """The worker has parked its device since."""
    desk = Desk(table(*simple(2), classes=[A_OR_B]))
    [(_, index, (device,))] = desk.go()
    desk.now_s = 2.0
    desk.done("w0", index, parked=device)

    desk.broker.see({device: Seen.FREE}, 2.0, looked_s=1.0)
    assert [*desk.broker.crew["w0"].holds.parked] == [device]

    desk.broker.see({device: Seen.FREE}, 2.6, looked_s=2.5)
    assert [*desk.broker.crew["w0"].holds.parked] == []


def test_devices_of_others_are_waited_for() -> None:
    """Who waits is who they give way to; one that is out of service is not."""
    desk = Desk(table(*simple(2), classes=[klass("a", "b", "c")]), ["a", "b", "c"], workers=3)
    desk.see(a=Seen.FOREIGN, b=Seen.FOREIGN, c=Seen.OUT)

    desk.broker.dispatch(0.0)

    assert [order.devices for _, order in desk.book.sent] == [("a", "b"), ("b",)]
    assert all(order.wait_s == 10.0 for _, order in desk.book.sent)
    assert "waits for a, which others hold" in desk.book.whys


def test_a_wait_in_vain_is_taken_up_again() -> None:
    """The device is held by others all the time: after each wait the worker is free for something else, then waits."""
    desk = Desk(table(*simple(1), classes=[ONLY_A]), ["a"])
    desk.see(a=Seen.FOREIGN)
    assert len(desk.go()) == 1
    desk.now_s = 10.0
    desk.broker.refused("w0", 0, NOTHING, 10.0)
    assert desk.go() == []

    desk.now_s = 11.0
    desk.see(a=Seen.FOREIGN)

    assert len(desk.go()) == 1


def test_who_waited_for_several_has_one_of_them() -> None:
    """The others are free for others, as soon as that is seen."""
    desk = Desk(table(*simple(2), classes=[A_OR_B]))
    desk.see(a=Seen.FOREIGN, b=Seen.FOREIGN)
    assert [devices for _, _, devices in desk.go()] == [("a", "b")]
    desk.see(a=Seen.FREE, b=Seen.OURS)
    attempt = desk.broker.attempt_of("w0")
    assert attempt is not None
    assert attempt.devices == ("b",)
    desk.broker.join("w1", 1)

    assert [devices for _, _, devices in desk.go()] == [("a",)]


def test_a_module_that_waited_stays_on_the_device_that_came() -> None:
    """As its scope shows, when nothing was seen before."""
    desk = Desk(table((0, 0), (0, 0), classes=[A_OR_B], units=[unit("m", "module")]))
    desk.see(a=Seen.FOREIGN, b=Seen.FOREIGN)
    [(_, index, _)] = desk.go()
    desk.done("w0", index, used="b")

    assert desk.go() == [("w0", 1 - index, ("b",))]


def test_what_a_worker_takes_is_believed_where_it_can_be() -> None:
    """Not of one that waits for nothing, nor of a device that another uses."""
    desk = Desk(table(*simple(2), classes=[A_OR_B]), workers=2)
    desk.see(a=Seen.FREE, b=Seen.FOREIGN)
    by_device = {devices[0]: worker for worker, _, devices in desk.go()}

    desk.broker.took("nobody", ["a"], 0.0)
    desk.broker.took(by_device["a"], ["b"], 0.0)
    desk.broker.took(by_device["b"], ["a"], 0.0)

    found = {worker.running[0].devices: worker.id for worker in desk.broker.crew if worker.running}
    assert found == {("a",): by_device["a"], ("b",): by_device["b"]}
    desk.broker.took(by_device["b"], ["b"], 0.0)
    attempt = desk.broker.attempt_of(by_device["b"])
    assert attempt is not None
    assert not attempt.waits


def test_a_gang_takes_what_is_free_along() -> None:
    """One of two is held by others."""
    desk = Desk(table(*simple(1), classes=[BOTH]))
    desk.see(a=Seen.FREE, b=Seen.FOREIGN)

    assert desk.go() == [("w0", 0, ("b", "a"))]


def test_a_gang_that_cannot_come_together_is_not_waited_for() -> None:
    """The other device is out of service."""
    desk = Desk(table(*simple(1), classes=[BOTH]))
    desk.see(a=Seen.OUT, b=Seen.FOREIGN)

    assert desk.go() == []


def test_a_device_of_another_farm_is_nothing_to_us() -> None:
    """The state may know more."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]))

    desk.see(x=Seen.FREE)

    assert desk.broker.planner.pending_for("x") == 0


def test_a_device_out_of_service_in_use_comes_back() -> None:
    """The job goes on; what follows goes by what is seen."""
    desk = Desk(table(*simple(2), classes=[ONLY_A]), ["a"])
    [(_, index, _)] = desk.go()
    desk.see(a=Seen.OUT)
    desk.done("w0", index)
    assert desk.go() == []

    desk.broker.pend(index, 0.0)
    desk.see(a=Seen.FREE)
    [(_, second, _)] = desk.go()
    desk.see(a=Seen.OUT)
    desk.see(a=Seen.OURS)
    desk.done("w0", second, parked="a")
    assert len(desk.go()) == 1


def test_demand_of_others_reaches_the_planner() -> None:
    """It counts as work."""
    desk = Desk(table(*simple(1), classes=[ONLY_A]), ["a"])
    before_s = desk.broker.planner.remaining_s()

    desk.broker.demand([(frozenset({"a"}), 1)])

    assert desk.broker.planner.remaining_s() > before_s


# -- classes without devices -------------------------------------------------------------------------------------


def test_a_class_without_devices_gets_its_last_call_in_time() -> None:
    """After the wait, not before."""
    desk = Desk(table(*simple(2), classes=[ONLY_A]), ["a"], patience=Patience(wait_s=30.0))
    desk.see(a=Seen.OUT)
    assert desk.go(5.0) == []
    assert desk.go(29.9) == []

    desk.now_s += 0.1
    desk.broker.dispatch(desk.now_s)

    [(_, order)] = desk.book.sent
    assert (order.index, order.devices, order.count) == (0, (), 0)
    assert order.last_call_s == 30.0
    desk.book.new()
    desk.done("w0", 0)
    assert [index for _, index, _ in desk.go()] == [1]
    desk.die("w0")
    desk.broker.join("w1", 1)
    assert [index for _, index, _ in desk.go()] == [1]
    assert desk.die("w1") == 1
    assert desk.is_done()


def test_unfit_devices_are_not_waited_for_where_the_user_says_so() -> None:
    """Devices of others are."""
    desk = Desk(
        table(*simple(1), (1, NONE), classes=[ONLY_A, klass("b")]), patience=Patience(is_for_unfit=False)
    )
    desk.see(a=Seen.OUT, b=Seen.FOREIGN)

    assert desk.go() == [("w0", 0, ())]


def test_a_refusal_does_not_end_the_wait() -> None:
    """What it means the state will tell."""
    desk = Desk(table(*simple(1), classes=[ONLY_A]), ["a"], patience=Patience(is_for_unfit=False))
    desk.go()
    desk.broker.refused("w0", 0, NOTHING, 0.0)
    assert desk.go() == []

    desk.now_s = 1.0
    desk.see(a=Seen.OUT)

    assert desk.go() == [("w0", 0, ())]


def test_the_wait_begins_anew_when_a_device_was_had() -> None:
    """The class starved for 20 s, then one came for long, then none for 20 s: it is not over."""
    desk = Desk(table(*simple(2), classes=[ONLY_A]), ["a"], patience=Patience(wait_s=30.0))
    desk.see(a=Seen.FOREIGN)
    [(_, index, _)] = desk.go()
    desk.now_s = 20.0
    desk.done("w0", index)
    desk.see(a=Seen.OUT)
    desk.go()
    desk.now_s = 40.0

    assert desk.go() == []
    assert [devices for _, _, devices in desk.go(10.0)] == [()]


def test_who_waits_does_not_have_it() -> None:
    """A wait for others' devices does not stop the clock, and is not longer than what is left."""
    desk = Desk(table(*simple(2), classes=[ONLY_A]), ["a"], patience=Patience(wait_s=14.0))
    desk.see(a=Seen.FOREIGN)
    desk.broker.dispatch(0.0)
    desk.book.new()
    desk.now_s = 10.0
    desk.broker.refused("w0", 0, NOTHING, 10.0)
    desk.now_s = 10.6
    desk.see(a=Seen.FOREIGN)
    desk.broker.dispatch(desk.now_s)
    [(_, order)] = desk.book.sent
    assert order.wait_s == pytest.approx(3.4)
    desk.book.new()
    desk.broker.join("w1", 1)
    desk.now_s = 14.0

    assert [(worker, devices) for worker, _, devices in desk.go()] == [("w1", ())]


def test_a_device_that_nobody_will_give_back() -> None:
    """A worker uses it for something that no table told of, and does nothing: who needs it is told in time."""
    desk = Desk(table(LOOSE, (0, NONE), classes=[ONLY_A]), ["a"], patience=Patience(wait_s=30.0), workers=1)
    desk.see(a=Seen.OUT)
    assert desk.go() == [("w0", 0, ())]
    desk.see(a=Seen.FREE)
    desk.done("w0", 0, used="a")

    assert desk.go() == []
    assert desk.go(30.0) == [("w0", 1, ())]


def test_stop_ends_everything() -> None:
    """Every test that is left has the reason, and nothing runs any more."""
    desk = Desk(
        table(*simple(1), LOOSE, (0, 0), (0, 0), classes=[A_OR_B], units=[unit("m", "module")]), workers=1
    )
    [(_, first, _)] = desk.go()
    desk.broker.join("w1", 1)  # has nothing to end

    desk.broker.stop("no worker is left")

    assert desk.book.given_up == dict.fromkeys(range(4), "no worker is left")
    assert desk.is_done()
    desk.broker.pend(1, 0.0)
    desk.done("w0", first)
    assert [index for _, index, _ in desk.go()] == [1]


def test_who_was_had_is_not_doubted_any_more() -> None:
    """It was refused once. Much later it goes out of service: the wait begins then."""
    desk = Desk(
        table((0, NONE), (1, NONE), classes=[ONLY_A, klass("a")]), ["a"], patience=Patience(wait_s=30.0)
    )
    [(_, index, _)] = desk.go()
    desk.broker.refused("w0", index, NOTHING, 0.0)
    desk.now_s = 1.0
    desk.see(a=Seen.FREE)
    [(_, index, _)] = desk.go()
    desk.done("w0", index)
    desk.broker.pend(index, 1.0)
    [(_, index, _)] = desk.go()
    desk.broker.join("w1", 1)
    desk.go()
    desk.now_s = 50.0
    desk.done("w0", index)
    desk.see(a=Seen.OUT)

    assert desk.go() == []


# -- tests without devices ---------------------------------------------------------------------------------------


def test_short_tests_without_devices_come_several_at_once() -> None:
    """A part of them, so that the other worker has some too; and in pytest's order."""
    needs = table(*[LOOSE] * 40)
    desk = Desk(needs, history=dict.fromkeys(needs.tests, 0.01), workers=2)

    assert [(worker, index) for worker, index, _ in desk.go()] == [
        *(("w0", index) for index in range(10)),
        *(("w1", index) for index in range(10, 17)),
    ]
    assert desk.die("w0") is None
    assert desk.book.lost_with == [("w0", 0)]
    desk.broker.join("w2", 2)
    assert [index for _, index, _ in desk.go()][:5] == [0, 1, 2, 3, 4]


def test_a_batch_is_short() -> None:
    """No more than takes about a quarter of a second."""
    needs = table(*[LOOSE] * 40)
    desk = Desk(needs, history=dict.fromkeys(needs.tests, 0.1))

    assert len(desk.go()) == 2


def test_devices_come_first() -> None:
    """One worker, one device: the test without device waits."""
    desk = Desk(table(LOOSE, (0, NONE), classes=[ONLY_A]), ["a"])

    assert desk.go() == [("w0", 1, ("a",))]


def test_a_long_test_without_device_does_not_come_last() -> None:
    """It alone would outlast all the others."""
    needs = table(LOOSE, (0, NONE), LOOSE, classes=[ONLY_A])
    desk = Desk(needs, ["a"], history={"m0.py::t0": 1.0, "m0.py::t1": 5.0, "m0.py::t2": 60.0})

    assert desk.go() == [("w0", 2, ())]


def test_who_keeps_no_device_takes_them() -> None:
    """The device of the other is free for its next test."""
    desk = Desk(table(*simple(1), LOOSE, classes=[ONLY_A]), ["a"])
    [(_, index, _)] = desk.go()
    desk.done("w0", index, parked="a")
    desk.broker.join("w1", 1)
    desk.broker.pend(index, 0.0)

    assert sorted(desk.go()) == [("w0", 0, ("a",)), ("w1", 1, ())]


def test_pending_twice_is_running_once() -> None:
    """A test without verdict runs anyway."""
    desk = Desk(table(*simple(1), classes=[A_OR_B]), workers=2)
    desk.broker.pend(0, 0.0)

    assert len(desk.go()) == 1


# -- servers with few slots --------------------------------------------------------------------------------------


def test_a_server_with_one_slot() -> None:
    """Its second device waits for the first; one that is kept gives way."""
    slots = {"a": ("s", 1), "b": ("s", 1)}
    desk = Desk(table((0, NONE), (1, NONE), classes=[ONLY_A, klass("b")]), slots=slots, workers=2)
    [(worker, index, (device,))] = desk.go()
    assert desk.go() == []

    desk.done(worker, index, parked=device)

    [(_, _, (other,))] = desk.go()
    assert other != device


def test_a_server_whose_slot_others_have() -> None:
    """The device is free and cannot be had: it is waited for like a device of others."""
    slots = {"a": ("s", 1), "b": ("s", 1)}
    desk = Desk(table(*simple(1), classes=[ONLY_A]), slots=slots, patience=Patience(wait_s=60.0))
    desk.see(a=Seen.FREE, b=Seen.FOREIGN)

    desk.broker.dispatch(0.0)

    [(_, order)] = desk.book.sent
    assert (order.devices, order.wait_s) == (("a",), 10.0)
    desk.book.new()
    desk.broker.refused("w0", 0, NOTHING, 0.0)
    desk.now_s = 60.0
    assert desk.go() == [("w0", 0, ())]


def test_two_devices_of_one_slot_are_no_pair() -> None:
    """Of three devices only some go together."""
    slots = {"a": ("s", 1), "b": ("s", 1)}
    desk = Desk(table(*simple(1), classes=[klass("a", "b", "c", count=2)]), "abc", slots=slots)

    [(_, _, devices)] = desk.go()

    assert set(devices) in ({"a", "c"}, {"b", "c"})


def test_a_pair_that_no_server_can_serve_is_told() -> None:
    """Else it would wait for ever."""
    slots = {"a": ("s", 1), "b": ("s", 1)}
    desk = Desk(table(*simple(1), classes=[BOTH]), slots=slots, patience=Patience(wait_s=30.0))

    assert desk.go() == []
    assert desk.go(30.0) == [("w0", 0, ())]


def test_a_pair_is_found_behind_many_that_do_not_fit() -> None:
    """The planner offers only so many."""
    devices = [f"a{number}" for number in range(12)]
    slots = dict.fromkeys(devices, ("s", 1))
    desk = Desk(table(*simple(1), classes=[klass(*devices, "z", count=2)]), [*devices, "z"], slots=slots)

    [(_, _, pair)] = desk.go()

    assert "z" in pair


def test_no_pair_is_found_where_none_fits() -> None:
    """A single test takes the only slot; then it is waited for."""
    devices = [f"a{number}" for number in range(12)]
    slots = dict.fromkeys(devices, ("s", 1))
    desk = Desk(table(*simple(2), classes=[klass(*devices, count=2)]), devices, slots=slots)

    assert desk.go() == []
