"""The worker's loop: runs what the controller orders, one attempt at a time, and says what came of it.

The controller decides which test comes next when the last one has ended. So what a test leaves for others (fixtures of
its module and session) is torn down when the next test is known: before it, and outside of its own time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autorl import private_api
from pytest_autorl.attempts.late_teardown import tear_down_late, tell_allure_of_teardown
from pytest_autorl.attempts.policies import policy_key
from pytest_autorl.attempts.trial import Trial, Trials, ask_others, clear_up, publish, stand_in
from pytest_autorl.dispatch.needs_table import read_needs
from pytest_autorl.dispatch.orders import Again, Order
from pytest_autorl.dispatch.xdist_api import SHUTDOWN, Line
from pytest_autorl.errors import AutorlError, DeviceUnhealthyError, LeaseConflictError, LeaseTimeoutError
from pytest_autorl.needs import need_key, roots_of, scope_node
from pytest_autorl.record import record_key
from pytest_autorl.resilience.decide import Chances
from pytest_autorl.run import Run

if TYPE_CHECKING:
    from pytest_autorl.needs import Need


class DeviceLoop:
    """See the module. Registered in workers whose controller dispatches by device."""

    def __init__(self, run: Run, line: Line, trials: Trials) -> None:
        self._run = run
        self._line = line
        self._trials = trials
        self._order: Order | None = None
        #: The test that ran last: what it shares with others may be set up still.
        self._last: tuple[int, pytest.Item] | None = None
        #: What came of the attempt that runs now, where its reports were kept back.
        self._trial: Trial | None = None
        self._is_ours = False
        #: Of each collector the first two of its tests.
        self._firsts: dict[Any, list[pytest.Item]] = {}
        run.on_begun = lambda facts: line.send({"say": "begun", "facts": facts})

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Before xdist sends the node ids: the controller knows what each test needs when it may begin."""
        table = read_needs(session.items, self._run.farm.devices)
        # Without a need for devices xdist's own ways are the best there are; but they cannot put a test off.
        self._is_ours = bool(table.classes) or any(policy_key in item.stash for item in session.items)
        self._line.send(
            {"say": "needs", "pid": os.getpid(), "table": table.to_wire(), "is_ours": self._is_ours}
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Until the controller says that it is enough, or the session is to stop."""
        if not self._is_ours:
            return None
        self._run.is_ordered = True
        self._firsts = _firsts(session.items)
        self._line.open()
        while (message := self._line.get()) is not SHUTDOWN:
            if message["do"] == "run":
                self._run_one(session, Order.from_wire(message))
            else:
                self._close(session, message)
            if session.shouldfail or session.shouldstop:
                break
        self._leave(session, None)
        return True

    # -- one attempt -------------------------------------------------------------------------------------------

    def _run_one(self, session: pytest.Session, order: Order) -> None:
        item = session.items[order.index]
        self._leave(session, item)
        why = self._prepare(item, order)
        if why:
            self._say("refused", index=order.index, why=why)
            return
        self._line.begin(order.index)
        self._order, self._trial, self._last = order, None, (order.index, item)
        self._run.seat.begin_attempt(order.attempt, last_call_s=order.last_call_s)
        self._tell_start(item, order)
        if order.attempt > 1:
            private_api.renew(item)
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=self._next_for(item))
        finally:
            self._order = None
            self._run.seat.end_attempt()
        self._tell_end(item, order)

    def _tell_end(self, item: pytest.Item, order: Order) -> None:
        suspects = _suspects(item)
        if suspects:
            # Before the controller hears of it, and sends the next test there.
            self._run.doubt(suspects)
        trial = self._trial
        if trial is None or trial.decision.kind is None:
            self._say("done", index=order.index)
            return
        again = Again(
            kind=trial.decision.kind,
            devices=trial.suspects,
            elsewhere=trial.decision.elsewhere,
            delay_s=trial.decision.delay_s,
            is_flaky=trial.is_flaky,
        )
        earlier = trial.earlier(number=order.attempt, worker=self._run.worker)
        self._say(
            "again",
            index=order.index,
            again=again.to_wire(),
            earlier=earlier.to_wire(),
            facts=self._run.guard.redact_data(trial.facts),
            reports=[self._serialised(item.config, report) for report in trial.reports],
        )

    def _tell_start(self, item: pytest.Item, order: Order) -> None:
        """What Allure would call the attempt: if this process dies over it, another has to write it down."""
        if self._run.allure_is_active:
            from pytest_autorl.capture.allure import identity
            from pytest_autorl.capture.allure_writer import clean_identity

            known = clean_identity(self._run.guard, identity(item))
            self._line.send({"say": "starts", "index": order.index, "allure": known})

    def _serialised(self, config: pytest.Config, report: pytest.TestReport) -> dict[str, Any]:
        """The report as xdist sends it."""
        self._run.guard.clean(report)
        found: dict[str, Any] = config.hook.pytest_report_to_serializable(config=config, report=report)
        return found

    def _prepare(self, item: pytest.Item, order: Order) -> str:
        """Have the devices of a test ready; returns why they are not to be had, "" when they are."""
        need = item.stash.get(need_key, None)
        if need is None or need.requirement is None or not order.devices:
            return ""
        root = roots_of(item).get(need.fixture)
        if root is not None and root in self._run.seat.scoped:
            return ""  # its scope has them
        try:
            taken = self._run.seat.prepare(
                need.requirement,
                purpose=_purpose(item, need),
                among=order.devices,
                wait_s=order.wait_s,
            )
        except (LeaseTimeoutError, LeaseConflictError, DeviceUnhealthyError) as error:
            return str(error.args[0])
        except AutorlError:
            return ""  # the test asks in its turn, and says what is wrong
        if len(order.devices) > order.count:
            self._line.send({"say": "took", "devices": taken})
        return ""

    def _next_for(self, item: pytest.Item) -> Any:
        """In the place of the next test, which nobody knows yet."""
        return stand_in(item, self._firsts.get(item.parent, ()))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: Any) -> object | None:
        """An attempt that another may follow: nobody is to see its reports before that is known."""
        order = self._order
        if order is None or not (order.may_be_lost or policy_key in item.stash):
            return None
        answer = ask_others(item, nextitem, (self,))
        if answer is not None:
            return answer
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        chances = Chances(
            retries=order.retries, why_no_retry=order.why_no_retry, may_be_lost=order.may_be_lost
        )
        self._trial = trial = self._trials.run(
            item, nextitem, chances, number=order.attempt, is_flaky=order.is_flaky
        )
        if trial.decision.kind is None:
            publish(item, trial.reports)
        else:
            clear_up(item, trial, [lambda: private_api.forget_failures(item)])
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    # -- what tests leave --------------------------------------------------------------------------------------

    def _leave(self, session: pytest.Session, item: pytest.Item | None) -> None:
        """Tear down what earlier tests have set up and this one does not share."""
        if self._last is None or not private_api.has_scopes_to_leave(session, item):
            return
        self._line.send({"say": "leaving"})  # before: it may be the last that is heard of us
        self._report_teardown(lambda: private_api.leave_scopes(session, item))
        self._say("left")

    def _close(self, session: pytest.Session, message: Mapping[str, Any]) -> None:
        """End one fixture, and what depends on it."""
        item = session.items[message["index"]]
        self._line.send({"say": "leaving"})
        self._report_teardown(lambda: private_api.finish_fixture(item, message["fixture"]))
        self._say("closed")

    def _report_teardown(self, work: Callable[[], None]) -> None:
        """An error of a teardown belongs to the test that ran last, as it does where its successor is known before."""
        if self._last is None:
            return  # no test has run, so nothing is set up
        index, item = self._last
        call = tear_down_late(item, work)
        if call.excinfo is None:
            return
        self._line.begin(index)
        # Not through the hook that makes reports: others have closed their books on this test.
        report = pytest.TestReport.from_item_and_call(item, call)
        item.ihook.pytest_runtest_logreport(report=report)
        if self._run.allure_is_active:
            tell_allure_of_teardown(item, call, report)

    def _say(self, what: str, **facts: Any) -> None:
        self._line.send({"say": what, **self._run.holds.to_wire(), **facts})


def _purpose(item: pytest.Item, need: Need) -> str:
    """What a lease is for, as the fixture would say it."""
    root = roots_of(item).get(need.fixture)
    if root is None or root.scope == "function":
        return item.nodeid
    node = scope_node(item, root.scope)
    return (node.nodeid if node is not None else "") or f"the {root.scope}"


def _suspects(item: pytest.Item) -> list[str]:
    """See `TestRecord.suspects`; a test without a device has none."""
    record = item.stash.get(record_key, None)
    return record.suspects if record is not None else []


def _firsts(items: Iterable[pytest.Item]) -> dict[Any, list[pytest.Item]]:
    found: dict[Any, list[pytest.Item]] = {}
    for item in items:
        siblings = found.setdefault(item.parent, [])
        if len(siblings) < 2:
            siblings.append(item)
    return found
