"""Further attempts in one process, and who sees what of them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

pytestmark = pytest.mark.integration

HEAD = """
import pytest
runs = []
"""


class Watch:
    """Sees what any plugin may see of a run; in the place of waiting, `at_rest` is called."""

    def __init__(self, at_rest: Callable[[float], None] = lambda delay_s: None) -> None:
        self._at_rest = at_rest
        self.waits: list[float] = []
        self.rounds: list[str] = []
        self.reports: list[tuple[str, str]] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        again: Any = session.config.pluginmanager.get_plugin("autorl-again")
        if again is not None:
            again._sleep = self._rest

    def _rest(self, delay_s: float) -> None:
        self.waits.append(delay_s)
        self._at_rest(delay_s)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self.rounds.append(f"{item.name} begins")
        answer = yield
        self.rounds.append(f"{item.name} ends")
        return answer

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.append((str(report.when), report.outcome))


def run(pytester: pytest.Pytester, watch: object, *options: str) -> Any:
    return pytester.inline_run(
        *("-p", "no:randomly", "-p", "no:playwright", "-p", "no:cacheprovider", *options),
        plugins=[watch],
        no_reraise_ctrlc=True,  # an interrupt inside is not one of this run
    )


def test_delays_are_those_of_the_policy(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        HEAD
        + "@pytest.mark.retry(max_attempts=4, on=AssertionError, initial_delay=1.5, max_delay=4, jitter=False)\n"
        "def test_it(): assert 0\n"
    )
    watch = Watch()

    run(pytester, watch).assertoutcome(failed=1)

    assert watch.waits == [1.5, 3.0, 4.0]


def test_others_see_a_round_for_each_attempt_and_the_reports_of_the_last(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        HEAD + "@pytest.mark.retry(on=AssertionError)\n"
        "def test_it():\n"
        "    runs.append(1)\n"
        "    assert len(runs) == 3\n"
    )
    watch = Watch()

    run(pytester, watch).assertoutcome(passed=1)

    assert watch.rounds == ["test_it begins", "test_it ends"] * 3
    assert watch.reports == [("setup", "passed"), ("call", "passed"), ("teardown", "passed")]


def test_an_interrupt_between_two_attempts_makes_the_first_one_the_verdict(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(HEAD + "@pytest.mark.retry(on=AssertionError)\ndef test_it(): assert 0\n")

    def interrupt(delay_s: float) -> None:
        raise KeyboardInterrupt

    watch = Watch(interrupt)

    found = run(pytester, watch)

    found.assertoutcome(failed=1)
    assert found.ret == pytest.ExitCode.INTERRUPTED
    assert watch.reports == [("setup", "passed"), ("call", "failed"), ("teardown", "passed")]


@pytest.mark.parametrize("where", ["call", "teardown"])
def test_an_exit_in_a_later_attempt_makes_the_one_before_the_verdict(
    pytester: pytest.Pytester, where: str
) -> None:
    pytester.makepyfile(
        HEAD + "def leave(now):\n"
        f"    if now == {where!r} and len(runs) == 2: pytest.exit('enough')\n"
        "@pytest.fixture\n"
        "def ends():\n"
        "    yield\n"
        "    leave('teardown')\n"
        "@pytest.mark.retry(on=AssertionError)\n"
        "def test_it(ends):\n"
        "    runs.append(1)\n"
        "    leave('call')\n"
        "    assert 0\n"
    )
    watch = Watch()

    found = run(pytester, watch)

    found.assertoutcome(failed=1)
    assert found.ret == pytest.ExitCode.INTERRUPTED
    assert watch.reports == [("setup", "passed"), ("call", "failed"), ("teardown", "passed")]


@pytest.mark.parametrize("name", ["shouldstop", "shouldfail"])
def test_no_attempt_follows_where_the_run_is_to_end(pytester: pytest.Pytester, name: str) -> None:
    pytester.makepyfile(
        HEAD + "@pytest.mark.retry(on=AssertionError)\n"
        "def test_it(request):\n"
        "    runs.append(1)\n"
        f"    request.session.{name} = 'enough'\n"
        "    assert len(runs) > 1\n"
        "def test_then(): pass\n"
    )
    watch = Watch()

    run(pytester, watch).assertoutcome(failed=1)

    assert watch.waits == []
    assert watch.rounds == ["test_it begins", "test_it ends"]


def test_no_attempt_follows_where_that_is_said_while_the_test_rests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(HEAD + "@pytest.mark.retry(on=AssertionError)\ndef test_it(): assert 0\n")
    sessions: list[pytest.Session] = []

    class Stops(Watch):
        def pytest_sessionstart(self, session: pytest.Session) -> None:
            sessions.append(session)

    def stop(delay_s: float) -> None:
        sessions[0].shouldstop = "enough"

    watch = Stops(stop)

    run(pytester, watch).assertoutcome(failed=1)

    assert watch.rounds == ["test_it begins", "test_it ends"]
    assert watch.reports == [("setup", "passed"), ("call", "failed"), ("teardown", "passed")]


def test_a_plugin_that_runs_tests_itself_is_left_to_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(HEAD + "@pytest.mark.retry(on=AssertionError)\ndef test_it(): assert 0\n")

    class Runs:
        asked = 0

        @pytest.hookimpl(trylast=False)
        def pytest_runtest_protocol(self, item: pytest.Item) -> bool:
            self.asked += 1
            return True

    runs = Runs()

    run(pytester, runs).assertoutcome()

    assert runs.asked == 1


def test_what_tests_share_is_set_up_once_for_all_attempts(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        HEAD + "made = []\n"
        "@pytest.fixture(scope='module')\n"
        "def shared():\n"
        "    made.append('up')\n"
        "    yield\n"
        "    made.append('down')\n"
        "@pytest.mark.retry(on=AssertionError)\n"
        "def test_a(shared):\n"
        "    runs.append(1)\n"
        "    assert len(runs) == 2\n"
        "    assert made == ['up']\n"
        "@pytest.mark.retry(on=AssertionError)\n"
        "def test_b_is_the_last(shared):\n"
        "    runs.append(1)\n"
        "    assert len(runs) == 4\n"
        "    assert made == ['up']\n",
        test_zz="from sys import modules\n"
        "def test_then():\n"
        "    (found,) = [each.made for name, each in modules.items() if name.startswith('test_what')]\n"
        "    assert found == ['up', 'down']\n",
    )

    run(pytester, Watch()).assertoutcome(passed=3)
