"""The workers as the controller knows them."""

from __future__ import annotations

from collections import deque

import pytest

from broker_world import klass, table
from pytest_autorl.dispatch.crew import Attempt, Bundle, Crew, OpenScope, Worker, burden
from pytest_autorl.dispatch.orders import Holds

pytestmark = pytest.mark.unit

JOB = table((0, -1), classes=[klass("a")]).job([0])


def test_a_worker_is_idle_when_it_has_nothing_to_do() -> None:
    """Nothing to run, nothing to end, and no tests that are to come first."""
    bundle = Bundle(job=JOB, devices=("a",), left=deque())
    busy = [
        Worker(id="w", pid=1, closing=deque(["scope"])),
        Worker(id="w", pid=1, bundle=bundle),
        Worker(id="w", pid=1, running=deque([Attempt(index=0, number=1)])),
    ]

    assert Worker(id="w", pid=1).is_idle
    assert not any(worker.is_idle for worker in busy)


def test_busy_devices_are_those_of_attempts_bundles_and_scopes() -> None:
    """What is parked is not busy."""
    worker = Worker(id="w", pid=1, holds=Holds(parked=("p",), used=("u",)))
    worker.running.append(Attempt(index=0, number=1, devices=("a",)))
    worker.bundle = Bundle(job=JOB, devices=("b",), left=deque())
    crew = Crew()
    crew.add(worker)
    crew.add(Worker(id="v", pid=2))

    assert worker.busy_devices == crew.busy_devices() == {"a", "b", "u"}
    assert list(crew.keepers()) == ["p"]


def test_stuck_devices_are_of_no_scope_and_no_test() -> None:
    """While the worker runs something, that may yet give them back."""
    worker = Worker(id="w", pid=1, holds=Holds(used=("s", "u")))
    worker.scopes["unit"] = OpenScope(devices=("s",), index=0)
    crew = Crew()
    crew.add(worker)
    crew.add(Worker(id="v", pid=2))
    assert worker.stuck_devices == crew.stuck_devices() == {"u"}

    worker.running.append(Attempt(index=0, number=1))
    assert crew.stuck_devices() == set()


def test_waited_for_are_the_devices_of_those_who_wait() -> None:
    """Others have theirs."""
    worker = Worker(id="w", pid=1)
    worker.running.append(Attempt(index=0, number=1, devices=("a",), among=("a", "b")))
    other = Worker(id="v", pid=2)
    other.running.append(Attempt(index=1, number=1, devices=("c",)))
    crew = Crew()
    crew.add(worker)
    crew.add(other)

    assert crew.waited_for() == {"a"}


def test_the_crew_is_found_by_id() -> None:
    """Those who leave are gone."""
    crew = Crew()
    worker = Worker(id="w", pid=1)
    crew.add(worker)

    assert (list(crew), len(crew), crew["w"], crew.get("w"), crew.idle) == (
        [worker],
        1,
        worker,
        worker,
        [worker],
    )
    assert "w" in crew
    assert crew.remove("w") is worker
    assert crew.remove("w") is None
    assert crew.get("w") is None
    assert "w" not in crew


def test_what_a_worker_lets_go_it_keeps_no_longer() -> None:
    """What it uses it uses."""
    worker = Worker(id="w", pid=1, holds=Holds(parked=("a", "b"), used=("c",)))

    worker.lets_go({"x", "c"})
    assert worker.holds == Holds(parked=("a", "b"), used=("c",))
    worker.lets_go({"a"})
    assert worker.holds == Holds(parked=("b",), used=("c",))


def test_the_best_worker_keeps_the_devices_and_loses_nothing() -> None:
    """Then one without scopes, then one that keeps little, then by name."""
    keeper = Worker(id="z", pid=1, holds=Holds(parked=("a", "b")))
    empty = Worker(id="a", pid=2)
    twin = Worker(id="b", pid=3)
    rich = Worker(id="c", pid=4, holds=Holds(parked=("x",)))
    scoped = Worker(id="d", pid=5, scopes={"unit": OpenScope(devices=("y",), index=0)})

    workers = sorted([scoped, rich, twin, empty, keeper], key=lambda one: burden(one, ["a"]))

    assert workers == [keeper, empty, twin, rich, scoped]
