"""The run ends with the first CRITICAL failure, in one process and in a controller."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_autorl.attempts.abort import Abort
from pytest_autorl.dispatch import xdist_api
from pytest_autorl.facts import tell
from pytest_autorl.resilience import classify_error

pytestmark = pytest.mark.unit


@pytest.fixture
def session() -> SimpleNamespace:
    return SimpleNamespace(shouldfail=False, shouldstop=False)


@pytest.fixture
def abort(session: SimpleNamespace) -> Abort:
    plugins = {"session": session}
    config = SimpleNamespace(pluginmanager=SimpleNamespace(get_plugin=plugins.get))
    return Abort(cast("pytest.Config", config))


def report(error: BaseException | None = None, **facts: Any) -> pytest.TestReport:
    made = pytest.TestReport("t::a", ("t", 0, "a"), {}, "failed", None, "call")
    if error is not None:
        tell(made, error=classify_error(error).to_dict())
    if facts:
        tell(made, **facts)
    return made


@pytest.mark.parametrize(
    "harmless",
    [report(), report(attempt={}), report(AssertionError()), report(TimeoutError())],
    ids=["says nothing", "says something else", "assertion", "transient"],
)
def test_another_failure_ends_nothing(
    abort: Abort, session: SimpleNamespace, harmless: pytest.TestReport
) -> None:
    abort.pytest_runtest_logreport(harmless)

    assert (session.shouldfail, session.shouldstop) == (False, False)


def test_a_critical_one_ends_the_session_with_its_reason(abort: Abort, session: SimpleNamespace) -> None:
    abort.pytest_runtest_logreport(report(MemoryError()))

    assert session.shouldfail == "CRITICAL failure of t::a: MemoryError (test, permanent)"


def test_one_of_a_worker_ends_the_controllers_loop(
    abort: Abort, session: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    monkeypatch.setattr(xdist_api, "MainLoop", lambda config: SimpleNamespace(stop=ended.append))
    made: Any = report(MemoryError())
    made.node = SimpleNamespace()

    abort.pytest_runtest_logreport(made)

    assert ended == ["CRITICAL failure of t::a: MemoryError (test, permanent)"]
    assert session.shouldfail is False
