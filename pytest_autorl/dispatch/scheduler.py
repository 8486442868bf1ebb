"""xdist's scheduler over a `Broker`: what xdist and the workers tell goes in, orders to the workers come out.

xdist asks for it through ``pytest_xdist_make_scheduler`` and calls it from its main loop only (see
``xdist.scheduler.protocol.Scheduling``); the workers' messages come through the same loop (`xdist_api.MainLoop`).
A suite that needs no device at all is handed on to xdist's own ``LoadScheduling``, before its first test.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pytest

from pytest_autorl.attempts.earlier import Earlier
from pytest_autorl.capture.lost import Sent
from pytest_autorl.dispatch import lookout, verdicts, xdist_api
from pytest_autorl.dispatch.agreement import Agreement
from pytest_autorl.dispatch.alarm import Alarm
from pytest_autorl.dispatch.broker import Broker, Patience
from pytest_autorl.dispatch.crew import Attempt as Running
from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.learning import Learning
from pytest_autorl.dispatch.ledger import Ledger
from pytest_autorl.dispatch.lookout import Lookout, Sight, seen_of
from pytest_autorl.dispatch.needs_table import NONE
from pytest_autorl.dispatch.orders import Again, Holds, Order
from pytest_autorl.dispatch.outages import Outages
from pytest_autorl.dispatch.trace import Attempt
from pytest_autorl.facts import told
from pytest_autorl.resilience.budget import Budgets

#: Exit codes with which a worker ends in the course of a run: passed, failed, nothing was run.
_PLAIN_ENDS: Final = (0, 1, 5)
#: How long a run that was broken off waits for a look at the devices to end, seconds.
_BROKEN_OFF_S: Final = 2.0


class DeviceScheduling:
    """See the module.

    Args:
        config: pytest's.
        numnodes: How many workers xdist starts.
        devices: Ids of the farm's devices.
        slots: See `Broker`.
        estimates: How long things take, as earlier runs have it.
        budgets: Makes the run's budgets for so many tests.
        run_id: Of this run.
        look: The devices and those who wait for them, as the state shows them.
        begin: Called with the time of the first order, seconds since the epoch.
        stock: Makes xdist's own scheduler.
    """

    def __init__(
        self,
        config: pytest.Config,
        *,
        numnodes: int,
        devices: Sequence[str],
        slots: Mapping[str, tuple[str, int]],
        estimates: Estimates,
        patience: Patience,
        budgets: Callable[[int], Budgets],
        run_id: str,
        look: Callable[[], Sight],
        begin: Callable[[float], None],
        ledger: Ledger,
        stock: Callable[[], Any],
    ) -> None:
        self._config = config
        self._numnodes = numnodes
        self._devices = devices
        self._slots = slots
        self._patience = patience
        self._make_budgets = budgets
        self._budgets: Budgets | None = None
        self._begin = begin
        self._run_id = run_id
        self._ledger = ledger
        self._make_stock = stock
        self._stock: Any = None
        self._nodes: dict[str, Any] = {}
        self._raw_needs: dict[str, Mapping[str, Any]] = {}
        self._collected: set[str] = set()
        self._tests: tuple[str, ...] = ()
        #: Those of them that need no device.
        self._plain: frozenset[str] = frozenset()
        #: Why a worker ended the run, with `pytest.exit`; the first one's reason.
        self._why_exit = ""
        #: Last reports of tests that ran once, by worker.
        self._ended: dict[str, str] = {}
        #: Which worker died over a test that was to run again.
        self._died_over: dict[int, str] = {}
        #: When each was sent its last order, seconds since the epoch.
        self._sent_s: dict[str, float] = {}
        #: Of which tests a failure was reported, with the worker, until their verdicts are counted.
        self._failing: set[tuple[str, str]] = set()
        #: Reports of failed attempts, with their workers, as long as it is not sure that another follows.
        self._kept: dict[int, tuple[Any, Sequence[Mapping[str, Any]]]] = {}
        #: How long things take, as far as the run knows.
        self.estimates = estimates
        self._learning = Learning(self.estimates)
        self._agreement: Agreement | None = None
        self.broker: Broker | None = None
        #: Why a test was sent where it was, by test and attempt.
        self.whys: dict[tuple[str, int], str] = {}
        self._outages = Outages()
        self._loop = xdist_api.MainLoop(config)
        self._loop.listen(self._on_message)
        self._lookout = Lookout(look, lambda sight: self._loop.wake({"say": "seen", "sight": sight}))
        # What is seen wakes the loop: a message of its own could take the place of that.
        self._alarm = Alarm(self._lookout.call)

    # -- xdist's protocol --------------------------------------------------------------------------------------

    @property
    def nodes(self) -> list[Any]:
        """The workers that are there."""
        return self._stock.nodes if self._stock is not None else list(self._nodes.values())

    @property
    def collection_is_completed(self) -> bool:
        """Whether the workers of the start have collected."""
        if self._stock is not None:
            return bool(self._stock.collection_is_completed)
        return len(self._collected) >= self._numnodes

    @property
    def tests_finished(self) -> bool:
        """Whether every test has its verdict: then xdist ends the workers."""
        if self._stock is not None:
            return bool(self._stock.tests_finished)
        return self.broker is not None and self.broker.is_done

    @property
    def has_pending(self) -> bool:
        """Whether tests were sent."""
        if self._stock is not None:
            return bool(self._stock.has_pending)
        return self.broker is not None and self.broker.has_begun

    def add_node(self, node: Any) -> None:
        """A worker is there; it collects yet."""
        self._nodes[node.gateway.id] = node
        if self._stock is not None:
            self._stock.add_node(node)

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        """A worker has collected. The first one says what the tests are, and work begins at once."""
        name, raw = node.gateway.id, self._raw_needs.pop(node.gateway.id, None)
        self._collected.add(name)
        if self._stock is None and raw is not None and not raw["is_ours"] and self.broker is None:
            self._hand_on()
        if self._stock is not None:
            if raw is not None and raw["is_ours"]:  # it would wait for orders of ours
                verdicts.send_away(
                    self._config,
                    node,
                    "needs devices for its tests, and the first worker needs none for them",
                )
                xdist_api.leave_out(self._stock, node)
            else:
                self._stock.add_node_collection(node, collection)
            return
        if raw is None:  # it runs without us
            verdicts.send_away(
                self._config, node, "says nothing of its needs: is pytest-autorl switched off in workers?"
            )
            return
        if self._agreement is None:
            try:
                agreement = Agreement(raw["table"], collection)
            except ValueError as error:
                verdicts.send_away(self._config, node, f"told other needs than tests: {error}")
                return
            self._start(agreement)
        elif why := self._agreement.difference(name, raw["table"], collection):
            verdicts.send_away(self._config, node, why)
            return
        assert self.broker is not None
        self.broker.join(name, raw["pid"])
        self._dispatch()

    def schedule(self) -> None:
        """All workers of the start have collected, or another one has."""
        if self._stock is not None:
            self._stock.schedule()
        else:
            self._dispatch()

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Only xdist's own loop says this: ours has messages of its own."""
        self._stock.mark_test_complete(node, item_index, duration)

    def mark_test_pending(self, item: str) -> None:
        """Another plugin has a test run again whose worker died."""
        if self._stock is not None:
            self._stock.mark_test_pending(item)
        elif self.broker is not None:
            self.broker.pend(self._tests.index(item), time.monotonic())
            self._dispatch()

    def remove_pending_tests_from_node(self, node: Any, indices: Sequence[int]) -> None:
        """The answer to a request that only xdist's own schedulers make."""
        self._stock.remove_pending_tests_from_node(node, indices)

    def remove_node(self, node: Any) -> str | None:
        """A worker has ended, or died; returns the test over which it died for good. Raises KeyError."""
        if self._stock is not None:
            self._nodes.pop(node.gateway.id, None)
            return self._stock.remove_node(node)  # type: ignore[no-any-return]
        name = node.gateway.id
        del self._nodes[name]
        is_dead = not hasattr(node, "workeroutput")
        if not is_dead and (why := self._why_it_ended(name, node.workeroutput)):
            self._loop.stop(why)
        if self.broker is None:
            return None
        attempt = self.broker.attempt_of(name)
        if is_dead and attempt is None and name in self.broker.crew:
            self._ledger.died_idle(name)
        if is_dead and attempt is not None:
            self._tell_death(name, attempt)
        index = self.broker.leave(
            name,
            time.monotonic(),
            has_ended=not is_dead,
            is_reported=attempt is not None and self._ended.get(name) == self._tests[attempt.index],
            may_rerun=not self._loop.why_it_stops,
        )
        if index is not None:
            self._kept.pop(index, None)  # its verdict is that its worker died
            self._count_failed()
        self._lookout.call()
        if not (is_dead or self._loop.why_it_stops or self.broker.crew) and self._loop.worker_count <= 1:
            # This was the last one (those that take no part end in order), and nobody follows it.
            self.broker.stop("no worker is left that could run it")
        self._dispatch()
        return None if index is None else self._tests[index]

    def _tell_death(self, name: str, attempt: Running) -> None:
        """A worker has died over what it was told to run."""
        assert self._agreement is not None
        klass = self._agreement.table.klass(attempt.index)
        sent = Sent(
            devices=attempt.known_devices,
            need=klass.key if klass is not None else "",
            at_s=self._sent_s.get(name, time.time()),
        )
        self._ledger.dies(name, sent)

    def _why_it_ended(self, name: str, output: Mapping[str, Any]) -> str:
        """Why the run ends with a worker that has ended in order; "" when it goes on without it."""
        if self._why_exit:
            return self._why_exit  # said again: xdist may have put words of its own in its place
        if self._loop.why_it_stops:
            return ""
        code = output.get("exitstatus", 0)
        is_at_work = self.broker is not None and self.broker.attempt_of(name) is not None
        if not is_at_work and code in _PLAIN_ENDS:
            return ""
        return f"worker {name} ended with exit code {code}" + (
            " in the middle of a test" if is_at_work else ""
        )

    # -- what is heard -----------------------------------------------------------------------------------------

    def on_report(self, report: Any) -> None:
        """A report has come: learn from it, and know what is reported already."""
        node = getattr(report, "node", None)
        if node is None or self.broker is None:
            return
        if report.failed:
            self._failing.add((node.gateway.id, report.nodeid))
        if report.when == "teardown":
            self._ended[node.gateway.id] = report.nodeid
        facts = told(report)
        if "attempt" in facts:
            running = self.broker.attempt_of(node.gateway.id)
            is_warm = running is not None and running.is_warm
            self._learning.note(Attempt.from_wire(facts["attempt"]), is_warm=is_warm)
        elif report.when == "call" and report.passed and report.nodeid in self._plain:
            self.estimates.learn(report.nodeid, (), report.duration)

    def _on_message(self, node: Any, message: xdist_api.Message) -> None:
        """In the main loop."""
        say = message["say"]
        if say == "needs":
            self._raw_needs[node.gateway.id] = message
            return
        if say == "exit":
            if not self._loop.why_it_stops:
                self._why_exit = f"{message['why']} (pytest.exit in worker {node.gateway.id})"
                self._loop.stop(self._why_exit)
            return
        if self.broker is None:
            return
        if say == "seen":
            self._see(message["sight"])
        elif node.gateway.id in self.broker.crew:
            self._take(node.gateway.id, say, message)
        self._dispatch()

    def _see(self, sight: Sight) -> None:
        """What the lookout has seen."""
        assert self.broker is not None
        pids = {worker.pid for worker in self.broker.crew}
        seen = {device: seen_of(state, pids) for device, state in sight.states.items()}
        self._outages.note(seen, sight.states, time.time())
        self.broker.see(seen, time.monotonic(), looked_s=sight.at_s)
        others = [waiting for waiting in sight.waiting if waiting.run != self._run_id]
        self.broker.demand([(frozenset(one.candidates), one.count) for one in others])

    def _take(self, name: str, say: str, message: xdist_api.Message) -> None:
        """A worker tells what has happened."""
        assert self.broker is not None
        now_s, holds = time.monotonic(), Holds.from_wire(message)
        # What has ended has ended, whatever becomes of its worker in the next moment.
        running = self.broker.attempt_of(name)
        if say == "begun":
            self._ledger.begun(message["facts"])
            self.broker.took(name, message["facts"]["devices"], now_s)
        elif say == "took":
            self.broker.took(name, message["devices"], now_s)
        elif say == "starts":
            self._ledger.starts(name, message["allure"])
        elif say == "leaving":
            self.broker.leaving(name)
        elif say == "left":
            self._ended.pop(name, None)  # the report of a teardown was of an earlier test
            self.broker.left(name, holds, now_s)
        elif say == "closed":
            self._ended.pop(name, None)
            self.broker.closed(name, holds, now_s)
        elif running is not None:
            self._ended.pop(name, None)
            if say == "done":
                self._judged(name, running.index)
                self.broker.done(name, running.index, holds, now_s)
            elif say == "refused":
                self.broker.refused(name, running.index, holds, now_s)
            elif say == "again":
                self._failing.discard((name, self._tests[running.index]))
                self._kept[running.index] = self._nodes[name], message["reports"]
                test, earlier = self._tests[running.index], Earlier.from_wire(message["earlier"])
                self._ledger.again(test, earlier, message["facts"])
                self.broker.again(name, running.index, holds, Again.from_wire(message["again"]), now_s)

    # -- orders ------------------------------------------------------------------------------------------------

    def run(self, worker: str, order: Order, why: str) -> None:
        """See `broker.Orders`."""
        if order.devices:
            self.whys[self._tests[order.index], order.attempt] = why
        wire = order.to_wire()
        wire["index"] = self._place(worker, order.index)
        self._sent_s[worker] = time.time()
        xdist_api.send(self._nodes[worker], wire)

    def close(self, worker: str, index: int, fixture: str) -> None:
        """See `broker.Orders`."""
        wire = {"do": "close", "index": self._place(worker, index), "fixture": fixture}
        xdist_api.send(self._nodes[worker], wire)

    def give_up(self, index: int, why: str) -> None:
        """See `broker.Orders`: nobody could run it, and it is reported all the same."""
        self._count_failed()
        if index in self._kept:
            self._hand_out(index)  # no other attempt follows: this is its verdict
            return
        if index in self._died_over:
            why = f"worker {self._died_over[index]} died while it ran, and {why}"
        verdicts.report(self._config, self._tests[index], "setup", why)

    def lost(self, worker: str, index: int) -> None:
        """See `broker.Orders`."""
        self._died_over[index] = worker
        self._ledger.crashed(worker, self._tests[index])

    def died_leaving(self, worker: str, index: int) -> None:
        """See `broker.Orders`."""
        why = f"worker {worker} died while it tore down what this test and those before it had set up"
        verdicts.report(self._config, self._tests[index], "teardown", why)

    def _judged(self, worker: str, index: int) -> None:
        """A test has its verdict."""
        assert self._budgets is not None
        key = worker, self._tests[index]
        self._budgets.verdict(key in self._failing)
        self._failing.discard(key)
        self._kept.pop(index, None)

    def _count_failed(self) -> None:
        """A test has its verdict without having come to its end."""
        if self._budgets is not None:
            self._budgets.verdict(True)

    def _hand_out(self, index: int) -> None:
        """Report an attempt after all."""
        node, rows = self._kept.pop(index)
        verdicts.hand_out(self._config, node, rows)

    def _place(self, worker: str, index: int) -> int:
        assert self._agreement is not None
        return self._agreement.place(worker, index)

    # -- life --------------------------------------------------------------------------------------------------

    def _start(self, agreement: Agreement) -> None:
        self._agreement, table = agreement, agreement.table
        self._tests = table.tests
        places = zip(table.tests, table.class_of, strict=True)
        self._plain = frozenset(test for test, klass in places if klass == NONE)
        self._budgets = self._make_budgets(len(table.tests))
        self.broker = Broker(
            table,
            self._devices,
            self.estimates,
            self,
            slots=self._slots,
            patience=self._patience,
            budgets=self._budgets,
            now_s=time.monotonic(),
        )
        self._begin(time.time())
        self._lookout.start()

    def _hand_on(self) -> None:
        """No test needs a device: xdist's own way."""
        self._stock = self._make_stock()
        for node in self._nodes.values():
            self._stock.add_node(node)

    def _dispatch(self) -> None:
        if self.broker is None:
            return
        if not self._loop.why_it_stops and not self._loop.is_shutting_down:
            self.broker.dispatch(time.monotonic())
            self._alarm.set(self.broker.next_due_s)

    @property
    def outages(self) -> list[dict[str, Any]]:
        """See `Outages.rows`."""
        return self._outages.rows

    def stop(self, *, is_broken_off: bool = False) -> None:
        """Nothing is looked at any more.

        Args:
            is_broken_off: Somebody waits for the end.
        """
        self._alarm.set(None)
        self._lookout.stop(patience_s=_BROKEN_OFF_S if is_broken_off else lookout.PATIENCE_S)
        for index in sorted(self._kept) if is_broken_off else ():
            self._hand_out(index)

    def end(self, why: str) -> None:
        """xdist's loop is over, and was not broken off: what has no verdict yet gets one."""
        self.stop()
        if self.broker is not None and not self.broker.is_done:
            self.broker.stop(why)
