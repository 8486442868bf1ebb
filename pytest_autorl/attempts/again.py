"""Further attempts in the process where a test has failed: without xdist, and where xdist distributes as it does.

Each attempt is a whole round of pytest's protocol: what others put around a test (time limits, warnings) begins anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace

import pytest

from pytest_autorl import private_api
from pytest_autorl.attempts.courier import Teller
from pytest_autorl.attempts.late_teardown import tear_down_late, tell_allure_of_teardown
from pytest_autorl.attempts.policies import policy_key
from pytest_autorl.attempts.trial import (
    Trial,
    Trials,
    add_teardown,
    ask_others,
    bare,
    clear_up,
    publish,
    stand_in,
)
from pytest_autorl.facts import tell
from pytest_autorl.needs import need_key, roots_of
from pytest_autorl.resilience.budget import LEAST, Budgets
from pytest_autorl.resilience.decide import MOST_LOSSES, Chances, Decision
from pytest_autorl.run import Run


class Again:
    """See the module. The outer part: decides after an attempt, and begins the next one.

    Args:
        may_lose: Tests that were lost with their devices run again.
        sleep: Waits so many seconds between two attempts.
    """

    def __init__(
        self,
        run: Run,
        trials: Trials,
        teller: Teller,
        *,
        may_lose: bool,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._run = run
        self._teller = teller
        self._may_lose = may_lose
        self._sleep = sleep
        self._budgets = Budgets(0)
        #: Tests that may run again. One look at it is all that the others pay.
        self._ours: frozenset[pytest.Item] = frozenset()
        #: How many tests have come by, and how many failures had been reported before the first.
        self._seen = 0
        self._failed_before = 0
        self.inner = Attempt(run, trials)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Now it is known how many tests there are."""
        settings, count = self._run.settings, len(session.items)
        # Workers that xdist feeds do not know of each other: each has its part.
        parts = self._run.worker_count if self._run.role == "worker" else 1
        self._budgets = Budgets(-(-count // parts), settings.retry_budget, -(-LEAST // parts))
        self._ours = frozenset(filter(self._may_run_again, session.items))
        self._failed_before = session.testsfailed

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        """Around all that others put around an attempt, so that nothing of it is left when the next one begins."""
        if item not in self._ours:
            self._seen += 1
            return (yield)
        if self._run.is_ordered or self.inner.chances is not None:
            return (yield)
        course = _Course()
        try:
            self.inner.begin(self._chances(item, course))
            answer = yield
            while (trial := self.inner.trial) is not None and trial.decision.kind is not None:
                self._budgets.spend(trial.decision.kind)
                earlier = trial.earlier(number=course.number, worker=self._run.worker)
                course.goes_on(trial)
                try:
                    self._teller.again(item.nodeid, earlier, trial.facts)
                    self._prepare(item, trial)
                    if _is_stopping(item.session):
                        publish(item, bare(trial.reports))
                        break
                    elsewhere = trial.decision.elsewhere
                    self._run.seat.begin_attempt(course.number, tried=course.tried, is_elsewhere=elsewhere)
                    chances = self._chances(item, course)
                    self.inner.begin(chances, number=course.number, is_flaky=course.is_flaky)
                    answer = item.config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
                except BaseException:
                    # Broken off, by an interrupt or `pytest.exit`: what has ended was the last attempt after all.
                    last = self.inner.trial or trial
                    if last.decision.kind is not None:  # else it is reported
                        publish(item, bare(last.reports))
                    raise
            return answer
        finally:
            self._seen += 1
            self.inner.end()
            self._run.seat.end_attempt()

    def _may_run_again(self, item: pytest.Item) -> bool:
        return policy_key in item.stash or (self._may_lose and need_key in item.stash)

    def _chances(self, item: pytest.Item, course: _Course) -> Chances:
        # What was kept back is not among the failures that pytest has counted.
        failed = item.session.testsfailed - self._failed_before
        self._budgets.count(self._seen, min(failed, self._seen))
        is_losable = self._may_lose and course.losses < MOST_LOSSES
        return Chances(
            retries=course.retries,
            why_no_retry=self._budgets.why_not("retry"),
            may_be_lost=is_losable and not self._budgets.why_not("loss"),
        )

    def _prepare(self, item: pytest.Item, trial: Trial) -> None:
        """Clear away what an attempt that was not the last leaves, and wait."""
        private_api.renew(item)
        clear_up(item, trial, self._steps(item, is_elsewhere=trial.decision.elsewhere))
        self._sleep(trial.decision.delay_s)

    def _steps(self, item: pytest.Item, *, is_elsewhere: bool) -> Sequence[Callable[[], None]]:
        """What ends what the next attempt must not find: fixtures that failed, a wider scope's device."""
        steps: list[Callable[[], None]] = [lambda: private_api.forget_failures(item)]
        need = item.stash.get(need_key, None)
        root = roots_of(item).get(need.fixture) if need is not None else None
        if is_elsewhere and need is not None and root is not None and root in self._run.seat.scoped:
            fixture = need.fixture
            steps.append(lambda: private_api.finish_fixture(item, fixture))
        return steps


@dataclass(kw_only=True, slots=True)
class _Course:
    """What the attempts of a test were so far.

    Attributes:
        number: Of the one that runs now.
        tried: Devices of those before it.
    """

    number: int = 1
    retries: int = 0
    losses: int = 0
    is_flaky: bool = False
    tried: list[tuple[str, ...]] = field(default_factory=list)

    def goes_on(self, trial: Trial) -> None:
        """Another attempt follows this one."""
        self.number += 1
        self.retries += trial.decision.kind == "retry"
        self.losses += trial.decision.kind == "loss"
        self.is_flaky = self.is_flaky or trial.is_flaky
        self.tried.append(trial.devices)


class Attempt:
    """The inner part: runs one attempt in pytest's place."""

    def __init__(self, run: Run, trials: Trials) -> None:
        self._run = run
        self.trials = trials
        self.trial: Trial | None = None
        self.chances: Chances | None = None
        self._number = 1
        self._is_flaky = False

    def begin(self, chances: Chances, *, number: int = 1, is_flaky: bool = False) -> None:
        """The next round of the protocol is this attempt."""
        self.trial, self.chances, self._number, self._is_flaky = None, chances, number, is_flaky

    def end(self) -> None:
        """The test has its verdict."""
        self.trial = self.chances = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> object | None:
        """With its reports kept back, unless another plugin runs the test in its own way."""
        if self.chances is None or self.trial is not None:
            return None
        answer = ask_others(item, nextitem, (self,))
        if answer is not None:
            return answer
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        # What it shares with others stays until it is known whether another attempt follows.
        is_sibling = nextitem is not None and nextitem.parent is item.parent
        following = nextitem if is_sibling else stand_in(item)
        trial = self.trials.run(item, following, self.chances, number=self._number, is_flaky=self._is_flaky)
        if trial.decision.kind is not None and (why := self._why_not(item, trial)):
            trial = replace(trial, decision=Decision(refused=why))
            tell(trial.reports[-1], not_retried=why)
        self.trial = trial
        if trial.decision.kind is None:
            torn = self._leave(item, None if _is_stopping(item.session) else nextitem)
            if torn is not None:
                add_teardown(trial.reports, torn)
            publish(item, trial.reports)
            if _is_stopping(item.session) and (torn := self._leave(item, None)) is not None:
                # Known only now: what the next test would have shared ends with this one, where it can be told of.
                publish(item, [torn])
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _why_not(self, item: pytest.Item, trial: Trial) -> str:
        """Why no other attempt can follow, whatever was decided; "" where one can."""
        if _is_stopping(item.session):
            return "the run ends"
        if not self._run.seat.may_go_on(item, trial.suspects):
            return "too few devices that fit are in service"
        return ""

    def _leave(self, item: pytest.Item, following: pytest.Item | None) -> pytest.TestReport | None:
        """Tear down what the next test does not share; returns the report of what went wrong."""
        session = item.session
        if not private_api.has_scopes_to_leave(session, following):
            return None
        call = tear_down_late(item, lambda: private_api.leave_scopes(session, following))
        if call.excinfo is None:
            return None
        report = pytest.TestReport.from_item_and_call(item, call)
        self.trials.note(report, call)
        if self._run.allure_is_active:
            tell_allure_of_teardown(item, call, report)
        return report


def _is_stopping(session: pytest.Session) -> bool:
    """Whether the run ends with this test, as a limit of failures or another plugin has it."""
    return bool(session.shouldfail or session.shouldstop)
