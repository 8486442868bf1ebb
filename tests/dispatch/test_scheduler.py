"""The scheduler as xdist drives it, over stand-ins for workers and main loop: no process is started."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest

from pytest_autorl.attempts.earlier import Earlier
from pytest_autorl.capture.lost import Sent
from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.lookout import Sight
from pytest_autorl.dispatch.needs_table import NeedClass, NeedsTable
from pytest_autorl.dispatch.orders import Again
from pytest_autorl.dispatch.scheduler import DeviceScheduling
from pytest_autorl.dispatch.starvation import Patience
from pytest_autorl.facts import tell
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.resilience.budget import Budgets
from pytest_autorl.state.leases import DeviceState, Waiting

pytestmark = pytest.mark.unit

TESTS = ("m.py::test_0", "m.py::test_1", "m.py::test_2")
ANY = NeedClass(key="any", devices=("a", "b"), count=1, session="{}")


class Node:
    """Stands for xdist's WorkerController."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.orders: list[dict[str, Any]] = []
        self.is_shut_down = False

    def sendcommand(self, name: str, **message: Any) -> None:
        assert name == "autorl"
        self.orders.append(message)

    def shutdown(self) -> None:
        self.is_shut_down = True


class Hook:
    """Stands for pytest's hooks: what is reported."""

    def pytest_report_from_serializable(self, config: object, data: Mapping[str, Any]) -> Any:
        return SimpleNamespace(location=("m.py", 0, ""), failed=True, when="call", **data)

    def __init__(self) -> None:
        self.reports: list[Any] = []

    def pytest_runtest_logstart(self, **_: Any) -> None: ...

    def pytest_runtest_logfinish(self, **_: Any) -> None: ...

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.reports.append(report)

    def pytest_collectreport(self, report: Any) -> None:
        self.reports.append(report)


class Stock:
    """Stands for xdist's own scheduler."""

    tests_finished = has_pending = True

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.numnodes = 2
        self.calls: list[str] = []

    def add_node(self, node: Any) -> None:
        self.nodes.append(node)

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        self.calls.append("collection")

    def schedule(self) -> None:
        self.calls.append("schedule")

    def mark_test_complete(self, node: Any, index: int, duration: float) -> None:
        self.calls.append("complete")

    def mark_test_pending(self, item: str) -> None:
        self.calls.append("pending")

    def remove_pending_tests_from_node(self, node: Any, indices: Sequence[int]) -> None:
        self.calls.append("unscheduled")

    @property
    def collection_is_completed(self) -> bool:
        return self.calls.count("collection") >= self.numnodes

    def remove_node(self, node: Any) -> str:
        self.nodes.remove(node)
        return "m.py::test_crashed"


def table_of(tests: Sequence[str] = TESTS, *, is_needy: bool = True) -> NeedsTable:
    """All tests need any device, or none does."""
    return NeedsTable(
        tests=tuple(tests),
        classes=(ANY,) if is_needy else (),
        units=(),
        class_of=(0 if is_needy else -1,) * len(tests),
        unit_of=(-1,) * len(tests),
    )


class Stand:
    """A scheduler, and all that is around it."""

    def __init__(self, *, workers: int = 2, tests: Sequence[str] = TESTS, is_needy: bool = True) -> None:
        self.hook, self.stock = Hook(), Stock()
        self.session: Any = SimpleNamespace(
            queue=queue.SimpleQueue(), shouldstop="", shuttingdown=False, _active_nodes=set()
        )
        plugins = SimpleNamespace(getplugin=lambda name: self.session)
        config = cast("pytest.Config", SimpleNamespace(pluginmanager=plugins, hook=self.hook))
        self.zeros: list[float] = []
        self.told: list[tuple[str, ...]] = []
        self.dead: dict[str, Sent] = {}
        self.sight = Sight()
        self.scheduling = DeviceScheduling(
            config,
            numnodes=workers,
            devices=("a", "b"),
            slots={},
            estimates=Estimates(),
            patience=Patience(wait_s=1000.0),
            budgets=Budgets,
            run_id="ours",
            look=lambda: self.sight,
            begin=self.zeros.append,
            ledger=self,
            stock=lambda: self.stock,
        )
        self.table = table_of(tests, is_needy=is_needy)
        #: Of workers that read the needs in another way.
        self.tables: dict[str, NeedsTable] = {}
        self.nodes = [self.add(f"gw{number}") for number in range(workers)]

    # -- the ledger

    def starts(self, worker: str, allure: Mapping[str, Any]) -> None:
        self.told.append(("starts", worker, allure["name"]))

    def begun(self, facts: Mapping[str, Any]) -> None:
        self.told.append(("begun", facts["test"]))

    def again(self, nodeid: str, earlier: Earlier, facts: Sequence[Mapping[str, Any]]) -> None:
        self.told.append(("again", nodeid, earlier.kind))

    def dies(self, worker: str, order: Sent) -> None:
        self.dead[worker] = order

    def crashed(self, worker: str, nodeid: str) -> None:
        self.told.append(("crashed", worker, nodeid))

    def died_idle(self, worker: str) -> None:
        self.told.append(("died idle", worker))

    # -- xdist

    def add(self, name: str) -> Node:
        node = Node(name)
        self.session._active_nodes.add(node)
        self.scheduling.add_node(node)
        return node

    def say(self, node: Node | None, say: str, **facts: Any) -> None:
        self.session.worker_autorl(node=node, message={"say": say, **facts})

    def collect(self, node: Node, tests: Sequence[str] = TESTS) -> None:
        table = self.tables.get(node.gateway.id, self.table)
        is_ours = bool(table.classes)
        self.say(node, "needs", pid=int(node.gateway.id[2:]), table=table.to_wire(), is_ours=is_ours)
        self.scheduling.add_node_collection(node, tests)

    def end(self, node: Node, *, is_dead: bool = False, code: int = 0) -> str | None:
        if not is_dead:
            node.workeroutput = {"exitstatus": code}  # type: ignore[attr-defined]
        crashed = self.scheduling.remove_node(node)
        self.session._active_nodes.discard(node)
        return crashed

    def done(self, node: Node) -> None:
        """The worker has run what it was told last, and keeps the device."""
        (order,) = node.orders[-1:]
        self.say(node, "done", index=order["index"], parked=order["devices"], used=[])

    def run_again(self, node: Node, kind: Literal["retry", "loss"] = "retry", **more: Any) -> None:
        """The test that the worker was told last has failed, and is to run again."""
        (order,) = node.orders[-1:]
        self.say(
            node,
            "again",
            index=order["index"],
            again=Again(kind=kind, devices=tuple(order["devices"]), **more).to_wire(),
            earlier=Earlier(kind=kind, number=order["attempt"]).to_wire(),
            facts=[],
            reports=[{"nodeid": TESTS[order["index"]], "attempt": order["attempt"]}],
            parked=[],
            used=[],
        )


@pytest.fixture
def stand(request: pytest.FixtureRequest) -> Iterator[Stand]:
    """Two workers over two devices; ended with the test."""
    made = Stand(**getattr(request, "param", {}))
    yield made
    made.scheduling.stop()


def orders(*nodes: Node) -> list[list[tuple[str, int]]]:
    """What each was told to do."""
    return [[(order["do"], order["index"]) for order in node.orders] for node in nodes]


def test_work_begins_with_the_first_worker_that_has_collected(stand: Stand) -> None:
    first, second = stand.nodes

    stand.collect(first)

    assert orders(first, second) == [[("run", 0)], []]
    assert len(stand.zeros) == 1
    assert not stand.scheduling.collection_is_completed
    stand.collect(second)
    assert orders(first, second) == [[("run", 0)], [("run", 1)]]
    assert stand.scheduling.collection_is_completed
    assert stand.scheduling.has_pending
    assert first.orders[0]["devices"] != second.orders[0]["devices"]


def test_it_is_finished_when_every_test_has_its_verdict(stand: Stand) -> None:
    first, second = stand.nodes
    stand.collect(first)
    stand.collect(second)

    stand.done(first)
    stand.done(second)
    assert not stand.scheduling.tests_finished
    stand.done(next(node for node in stand.nodes if len(node.orders) == 2))

    assert stand.scheduling.tests_finished
    assert {order["index"] for node in stand.nodes for order in node.orders} == {0, 1, 2}
    assert set(stand.scheduling.whys) == {(test, 1) for test in TESTS}
    assert stand.hook.reports == []


def test_a_worker_with_the_tests_in_another_order_gets_its_own_indices(stand: Stand) -> None:
    first, second = stand.nodes
    stand.collect(first)

    stand.collect(second, TESTS[::-1])

    assert orders(second) == [[("run", 1)]]  # the middle one
    stand.done(first)
    assert orders(first)[0][-1] == ("run", 2)
    assert not stand.hook.reports


@pytest.mark.parametrize("tests", [TESTS[:2], (*TESTS, "m.py::test_3"), (TESTS[0], TESTS[0], TESTS[1])])
def test_a_worker_with_other_tests_is_sent_away_with_the_difference(
    stand: Stand, tests: tuple[str, ...]
) -> None:
    first, second = stand.nodes
    stand.collect(first)

    stand.collect(second, tests)

    assert second.is_shut_down
    assert second.orders == []
    assert "different tests" in stand.hook.reports[0].longrepr
    assert stand.scheduling.collection_is_completed


def test_a_worker_without_the_plugin_is_sent_away(stand: Stand) -> None:
    first = stand.nodes[0]

    stand.scheduling.add_node_collection(first, TESTS)

    assert first.is_shut_down
    assert "switched off" in stand.hook.reports[0].longrepr


def test_a_test_whose_worker_died_runs_elsewhere_and_then_is_a_crash(stand: Stand) -> None:
    first, second = stand.nodes
    stand.collect(first)
    stand.collect(second)

    assert stand.end(first, is_dead=True) is None
    assert stand.told == [("crashed", "gw0", TESTS[0])]
    assert stand.dead["gw0"].devices == ("a",)
    assert stand.dead["gw0"].need == "any"
    stand.done(second)
    while second.orders[-1]["index"] != 0:
        stand.done(second)

    assert second.orders[-1]["attempt"] == 2
    assert stand.end(second, is_dead=True) == TESTS[0]


def test_a_test_that_was_reported_before_its_worker_died_has_run(stand: Stand) -> None:
    first = stand.nodes[0]
    stand.collect(first)
    report = pytest.TestReport(TESTS[0], ("m.py", None, "test_0"), {}, "passed", None, "teardown")
    report.node = first  # type: ignore[attr-defined]

    stand.scheduling.on_report(report)

    assert stand.end(first, is_dead=True) is None
    assert stand.told == []


def test_a_worker_that_dies_idle_is_noted_and_nothing_is_lost(stand: Stand) -> None:
    first, second = stand.nodes
    for node in stand.nodes:
        stand.collect(node)
    stand.done(first)
    stand.done(first)

    assert stand.end(first, is_dead=True) is None
    assert stand.told == [("died idle", "gw0")]
    stand.done(second)
    assert stand.scheduling.tests_finished


def test_when_the_last_worker_ends_what_is_left_is_told_with_the_reason(stand: Stand) -> None:
    """It ends between two tests: here, where it has no device for the next one."""
    first, second = stand.nodes
    stand.collect(first)
    stand.end(second, is_dead=True)
    stand.collect(third := stand.add("gw2"))
    see(stand, *(state(device, DeviceStatus.OFFLINE) for device in "ab"))
    stand.done(first)
    stand.done(third)
    assert [len(node.orders) for node in (first, third)] == [1, 1]
    stand.end(third)

    stand.end(first)

    assert [(report.nodeid, report.when, report.outcome) for report in stand.hook.reports] == [
        (TESTS[2], "setup", "failed")
    ]
    assert "no worker is left" in stand.hook.reports[0].longrepr
    assert stand.scheduling.tests_finished
    assert stand.session.shouldstop == ""


def test_the_end_tells_of_a_death_where_there_was_one(stand: Stand) -> None:
    first, second = stand.nodes
    stand.collect(first)
    stand.end(first, is_dead=True)
    stand.end(second, is_dead=True)

    stand.scheduling.end("the run is over")

    assert [report.longrepr for report in stand.hook.reports] == [
        "worker gw0 died while it ran, and the run is over",
        "the run is over",
        "the run is over",
    ]


def test_a_run_that_stops_gives_no_more_orders_and_leaves_no_errors(stand: Stand) -> None:
    first, second = stand.nodes
    for node in stand.nodes:
        stand.collect(node)
    stand.session.shouldstop = "stopping after 1 failures"

    stand.done(first)
    stand.end(first)
    stand.end(second)

    assert orders(first, second) == [[("run", 0)], [("run", 1)]]
    assert stand.told == []  # nobody died, and nothing runs again
    assert stand.hook.reports == []
    assert stand.session.shouldstop == "stopping after 1 failures"


@pytest.mark.parametrize("code", [2, 3])
def test_an_exit_stops_the_run_with_its_reason_and_the_test_does_not_run_again(
    stand: Stand, code: int
) -> None:
    first, second = stand.nodes
    for node in stand.nodes:
        stand.collect(node)

    stand.say(first, "exit", why="the bench is down")
    assert stand.session.shouldstop == "the bench is down (pytest.exit in worker gw0)"
    stand.session.shouldstop = "gw0 received keyboard-interrupt"  # xdist's words
    assert stand.end(first, code=code) is None
    stand.done(second)
    stand.end(second)

    assert stand.session.shouldstop == "the bench is down (pytest.exit in worker gw0)"
    assert orders(first, second) == [[("run", 0)], [("run", 1)]]
    assert (stand.told, stand.hook.reports) == ([], [])


@pytest.mark.parametrize("code", [0, 1, 7])
def test_a_worker_that_ends_in_the_middle_of_a_test_stops_the_run(stand: Stand, code: int) -> None:
    first, second = stand.nodes
    for node in stand.nodes:
        stand.collect(node)

    assert stand.end(first, code=code) is None
    stand.done(second)

    assert stand.session.shouldstop == f"worker gw0 ended with exit code {code} in the middle of a test"
    assert len(second.orders) == 1
    assert stand.told == []


@pytest.mark.parametrize(("code", "stops"), [(0, False), (1, False), (5, False), (3, True), (4, True)])
@pytest.mark.parametrize("has_collected", [False, True], ids=["collects", "idle"])
def test_a_worker_without_a_test_stops_the_run_by_its_exit_code(
    stand: Stand, code: int, stops: bool, has_collected: bool
) -> None:
    first = stand.nodes[0]
    if has_collected:
        for node in stand.nodes:
            stand.collect(node)
        stand.done(first)
        stand.done(first)

    stand.end(first, code=code)

    assert bool(stand.session.shouldstop) is stops
    assert stand.told == []


def test_the_first_reason_to_stop_counts(stand: Stand) -> None:
    first, second = stand.nodes
    for node in stand.nodes:
        stand.collect(node)
    stand.session.shouldstop = "stopping after 1 failures"

    stand.say(first, "exit", why="late")
    stand.end(first, code=3)
    stand.end(second)

    assert stand.session.shouldstop == "stopping after 1 failures"


def test_an_exit_while_a_scope_is_torn_down_is_no_death(stand: Stand) -> None:
    first = stand.nodes[0]
    stand.collect(first)
    stand.done(first)

    stand.say(first, "leaving")
    stand.say(first, "exit", why="enough")
    stand.end(first, code=2)

    assert (stand.told, stand.hook.reports) == ([], [])
    assert stand.session.shouldstop.startswith("enough")


def test_a_worker_that_reads_its_needs_differently_is_sent_away_and_says_where(stand: Stand) -> None:
    first, second = stand.nodes
    stand.tables["gw1"] = table_of(is_needy=False)
    stand.collect(first)

    stand.collect(second)

    assert second.is_shut_down
    assert second.orders == []
    assert f"{TESTS[0]}: the first worker needs 1 of a, b, this worker needs no device" in (
        stand.hook.reports[0].longrepr
    )
    assert stand.scheduling.collection_is_completed
    stand.end(second)
    for _ in TESTS:
        stand.done(first)
    assert stand.scheduling.tests_finished


def test_a_first_worker_whose_needs_are_not_of_its_tests_is_sent_away(stand: Stand) -> None:
    first, second = stand.nodes
    stand.tables["gw0"] = table_of(TESTS[:2])

    stand.collect(first)
    stand.collect(second)

    assert first.is_shut_down
    assert "other needs than tests" in stand.hook.reports[0].longrepr
    assert orders(second) == [[("run", 0)]]


@pytest.mark.parametrize("stand", [{"is_needy": False}], indirect=True)
def test_where_xdist_distributes_a_worker_with_needs_is_sent_away_and_nobody_waits_for_it(
    stand: Stand,
) -> None:
    first, second = stand.nodes
    stand.tables["gw1"] = table_of()
    stand.collect(first)
    assert not stand.scheduling.collection_is_completed

    stand.collect(second)

    assert second.is_shut_down
    assert "the first worker needs none" in stand.hook.reports[0].longrepr
    assert stand.scheduling.collection_is_completed
    assert stand.scheduling.nodes == [first]


def test_messages_of_a_worker_that_is_gone_are_late(stand: Stand) -> None:
    first, second = stand.nodes
    stand.collect(first)
    stand.collect(second)
    stand.end(first, is_dead=True)

    stand.say(first, "done", index=0, parked=[], used=[])

    assert not stand.scheduling.tests_finished
    assert orders(first) == [[("run", 0)]]


def test_an_attempt_that_was_lost_is_told_to_the_ledger_and_runs_again(stand: Stand) -> None:
    first = stand.nodes[0]
    stand.collect(first)

    stand.run_again(first, "loss")
    while first.orders[-1]["index"] != 0:
        stand.done(first)

    assert stand.told == [("again", TESTS[0], "loss")]
    assert first.orders[-1]["attempt"] == 2
    assert stand.hook.reports == []


@pytest.mark.parametrize("stand", [{"tests": TESTS[:2]}], indirect=True, ids=[""])
@pytest.mark.parametrize("is_broken_off", [False, True], ids=["ended", "broken off"])
def test_an_attempt_that_none_has_followed_is_reported_after_all(stand: Stand, is_broken_off: bool) -> None:
    """And one that another has followed is not."""
    first, second = stand.nodes
    stand.collect(first, TESTS[:2])
    stand.collect(second, TESTS[:2])
    stand.run_again(first, delay_s=1000.0)
    stand.run_again(second)
    again = [node for node in (first, second) if node.orders[-1]["attempt"] == 2]
    assert orders(*again)[0][-1] == ("run", 1)
    stand.done(again[0])

    if is_broken_off:
        stand.scheduling.stop(is_broken_off=True)
    else:
        stand.scheduling.end("it ends")

    handed = [each for each in stand.hook.reports if hasattr(each, "attempt")]
    assert [(each.nodeid, each.attempt, each.node.gateway.id) for each in handed] == [(TESTS[0], 1, "gw0")]
    if not is_broken_off:
        assert [each.nodeid for each in stand.hook.reports] == [TESTS[0]]
        assert stand.scheduling.tests_finished


def test_a_test_that_rests_is_sent_when_its_time_has_come(stand: Stand) -> None:
    first = stand.nodes[0]
    stand.collect(first)
    stand.run_again(first, delay_s=0.2)
    for _ in range(2):
        stand.done(first)
    assert orders(first) == [[("run", 0), ("run", 1), ("run", 2)]]

    begun_s = time.monotonic()
    while len(first.orders) == 3 and time.monotonic() < begun_s + 60:
        # The lookout wakes the loop, at its intervals and when it is time.
        _, message = stand.session.queue.get(timeout=60)
        stand.session.worker_autorl(**message)

    assert orders(first)[0][-1] == ("run", 0)
    assert first.orders[-1]["attempt"] == 2


def test_verdicts_are_counted_and_a_broken_build_stops_retries() -> None:
    tests = [f"m.py::test_{number}" for number in range(60)]
    stand = Stand(workers=1, tests=tests)
    (first,) = stand.nodes
    stand.collect(first, tests)
    for _ in range(50):
        test = tests[first.orders[-1]["index"]]
        report = pytest.TestReport(test, ("m.py", 0, test), {}, "failed", None, "call")
        report.node = first  # type: ignore[attr-defined]
        assert first.orders[-1]["why_no_retry"] == ""
        stand.scheduling.on_report(report)
        stand.done(first)

    assert "broken" in first.orders[-1]["why_no_retry"]
    stand.scheduling.stop()


def state(device: str, status: DeviceStatus, **more: Any) -> DeviceState:
    return DeviceState(device_id=device, run="", status=status, reason="health", since_s=0.0, token=1, **more)


def see(stand: Stand, *states: DeviceState, waiting: Sequence[Waiting] = ()) -> None:
    """What the lookout would tell, without its thread."""
    sight = Sight(states={one.device_id: one for one in states}, waiting=waiting)
    stand.say(None, "seen", sight=sight)


def test_a_device_out_of_service_gets_no_test_and_its_outage_is_noted(stand: Stand) -> None:
    first, second = stand.nodes
    stand.collect(first)
    device = first.orders[0]["devices"][0]
    other = "b" if device == "a" else "a"

    see(stand, state(other, DeviceStatus.OFFLINE))
    stand.collect(second)
    assert orders(second) == [[]]
    see(stand, state(other, DeviceStatus.AVAILABLE))

    assert orders(second) == [[("run", 1)]]
    (outage,) = stand.scheduling.outages
    assert (outage["device"], outage["why"]) == (other, "health")
    assert outage["end_s"] >= outage["start_s"]


def test_what_other_runs_wait_for_is_demand_and_what_ours_wait_for_is_not(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.collect(stand.nodes[0])
    assert stand.scheduling.broker is not None
    wishes: list[object] = []
    monkeypatch.setattr(stand.scheduling.broker, "demand", wishes.append)
    ticket = {"number": 1, "owner": "x", "purpose": "", "need": "", "since_s": 0.0, "count": 2}

    see(
        stand,
        waiting=[
            Waiting(run="theirs", candidates=("a", "b"), **ticket),  # type: ignore[arg-type]
            Waiting(run="ours", candidates=("a",), **ticket),  # type: ignore[arg-type]
        ],
    )

    assert wishes == [[(frozenset({"a", "b"}), 2)]]


def test_a_deferred_teardown_that_kills_is_an_error_of_the_test_that_ran_last(stand: Stand) -> None:
    first = stand.nodes[0]
    stand.collect(first)
    stand.done(first)

    stand.say(first, "leaving")
    stand.end(first, is_dead=True)

    (report,) = stand.hook.reports
    assert (report.nodeid, report.when) == (TESTS[0], "teardown")
    assert "worker gw0 died while it tore down" in report.longrepr
    assert stand.told == []  # the test that was to come next had not begun


def test_a_report_teaches_how_long_a_test_takes(stand: Stand) -> None:
    first = stand.nodes[0]
    stand.collect(first)
    report = pytest.TestReport(TESTS[1], ("m.py", None, "test_1"), {}, "passed", None, "call", duration=3.0)
    report.node = first  # type: ignore[attr-defined]
    tell(report, problem="")

    stand.scheduling.on_report(report)

    assert stand.scheduling.estimates.factor("a") == 1.0


@pytest.mark.parametrize(("bare", "lessons"), [((), 0), ((TESTS[1],), 1)], ids=["device", "bare"])
def test_call_reports_teach_of_tests_without_a_device_only(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, bare: Sequence[str], lessons: int
) -> None:
    """Others teach with their attempt, which knows the device too."""
    first = stand.nodes[0]
    places = tuple(-1 if test in bare else 0 for test in TESTS)
    stand.table = NeedsTable(tests=TESTS, classes=(ANY,), units=(), class_of=places, unit_of=(-1,) * 3)
    stand.collect(first)
    learned: list[object] = []
    monkeypatch.setattr(stand.scheduling.estimates, "learn", lambda *facts: learned.append(facts))
    report = pytest.TestReport(TESTS[1], ("m.py", None, "test_1"), {}, "passed", None, "call", duration=3.0)
    report.node = first  # type: ignore[attr-defined]

    stand.scheduling.on_report(report)

    assert learned == [(TESTS[1], (), 3.0)] * lessons


def test_another_plugin_may_have_a_test_run_again(stand: Stand) -> None:
    first = stand.nodes[0]
    stand.collect(first)
    stand.done(first)

    stand.scheduling.mark_test_pending(TESTS[0])
    for _ in range(3):
        stand.done(first)

    assert sorted(order["index"] for order in first.orders) == [0, 0, 1, 2]
    assert stand.scheduling.tests_finished


@pytest.mark.parametrize("stand", [{"is_needy": False}], indirect=True)
def test_a_suite_without_needs_is_handed_on_to_xdists_own(stand: Stand) -> None:
    first, second = stand.nodes
    stand.collect(first)
    stand.collect(second)
    third = stand.add("gw2")
    scheduling = stand.scheduling

    scheduling.schedule()
    scheduling.mark_test_complete(first, 0)
    scheduling.mark_test_pending(TESTS[0])
    scheduling.remove_pending_tests_from_node(first, [1])

    assert stand.stock.nodes == [first, second, third]
    assert not stand.hook.reports
    assert scheduling.nodes == [first, second, third]
    assert stand.stock.calls == ["collection", "collection", "schedule", "complete", "pending", "unscheduled"]
    assert scheduling.tests_finished
    assert scheduling.has_pending
    assert scheduling.collection_is_completed
    assert stand.end(first, is_dead=True) == "m.py::test_crashed"
    assert scheduling.broker is None


def test_a_worker_that_dies_before_it_has_collected_is_no_loss(stand: Stand) -> None:
    assert stand.end(stand.nodes[0], is_dead=True) is None
    with pytest.raises(KeyError):
        stand.scheduling.remove_node(stand.nodes[0])
