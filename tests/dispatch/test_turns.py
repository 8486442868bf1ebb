"""Which free device is asked first, where workers are fewer than devices."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planning import Farm, job, start
from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.plan import Planner

pytestmark = pytest.mark.unit

SIX = [f"d{i}" for i in range(1, 7)]


def test_with_a_worker_for_each_device_the_fastest_is_first() -> None:
    """Whatever has a session; also where a number says so."""
    planner = Planner(SIX[:2], [job(f"t{i}", SIX, session="s") for i in range(9)], Estimates())
    planner.warm("d2", session="s")
    choices = []
    for count in (None, 2, 1):
        planner.set_workers(count)
        choices.append(planner.choose(SIX, 0.0))

    assert [choice.devices for choice in choices if choice] == [("d1",), ("d1",), ("d2",)]


def test_devices_that_must_not_rest_come_first() -> None:
    """Two workers, 60 s of work: 30 s on the tablet alone, which has no session while all others have one."""
    jobs = [job(f"tablet{i}", ["d6"], session="s") for i in range(30)]
    jobs += [job(f"any{i}", SIX[:5], session="s") for i in range(30)]
    planner = Planner(SIX, jobs, Estimates())
    for device in SIX[:5]:
        planner.warm(device, session="s")
    unlimited = planner.pressing()
    planner.set_workers(2)

    choice = start(planner, SIX)

    assert choice is not None
    assert choice.devices == ("d6",)
    assert (unlimited, planner.pressing()) == (frozenset(), frozenset({"d6"}))


def test_a_device_with_one_long_job_must_not_rest() -> None:
    """Six devices share it, so each has little to do; but one of them will have all of it."""
    jobs = [job("long", SIX[3:]), *(job(f"t{i}", SIX[:3], session="s") for i in range(60))]
    planner = Planner(SIX, jobs, Estimates({f"t{i}": 1.0 for i in range(60)} | {"long": 40.0}))
    planner.set_workers(3)
    for device in SIX[:3]:
        planner.warm(device, session="s")

    choice = planner.choose(SIX, 0.0)

    assert choice is not None
    assert choice.job.name == "long"


def test_a_session_is_opened_where_most_can_be_done() -> None:
    """Of all devices that are cold; one that has no work is not asked."""
    jobs = [job(f"any{i}", SIX[:5], session="s") for i in range(40)]
    jobs += [job(f"new{i}", SIX[3:5], session="s") for i in range(4)]
    planner = Planner(SIX, jobs, Estimates())
    planner.set_workers(2)

    choice = planner.choose(SIX, 0.0)

    assert choice is not None
    assert choice.devices == ("d4",)


def test_a_worker_goes_on_with_the_device_that_it_has() -> None:
    """Two workers need two sessions, also when devices are free that had one before."""
    seconds = {f"t{i}": 2.0 + i % 3 for i in range(40)}
    planner = Planner(SIX, [job(name, SIX, session="s") for name in seconds], Estimates(seconds))
    planner.set_workers(2)
    for device in SIX:
        planner.warm(device, session="s")

    farm = Farm(planner, SIX, seconds, workers=2).run()

    assert len({device for each in farm.begun for device in each.devices}) == 2


def test_a_slow_device_is_left() -> None:
    """A session more costs less than to be slow to the end; a slow one that is warm is still a device."""
    estimates = Estimates({"learn": 10.0})
    for _ in range(60):
        estimates.learn("learn", ["d1"], 13.0)
    planner = Planner(SIX[:2], [job(f"t{i}", SIX, session="s") for i in range(20)], estimates)
    planner.set_workers(1)
    planner.warm("d1", session="s")

    both, slow = planner.choose(SIX, 0.0), planner.choose(["d1"], 0.0)

    assert both is not None
    assert slow is not None
    assert (both.devices, slow.devices) == (("d2",), ("d1",))


def test_what_is_left_counts_for_the_workers() -> None:
    """60 s of work and two workers: 30 s, on six devices or not. A job of 10 s does not decide that."""
    jobs = [job(f"t{i}", SIX, module="m") for i in range(50)] + [job("long", SIX, module="n")]
    planner = Planner(SIX, jobs, Estimates({f"t{i}": 1.0 for i in range(50)} | {"long": 10.0}))
    alone_s = planner.remaining_s()
    planner.set_workers(2)
    few_s = planner.remaining_s()
    planner.warm("d1", session="", module="m")

    choice = start(planner, ["d1"])
    planner.choose([], 0.5)

    assert alone_s == pytest.approx(10.0)
    assert few_s == pytest.approx(30.0)
    assert choice is not None
    assert choice.job.module == "m"
    planner.set_workers(1)
    assert planner.remaining_s() == pytest.approx(59.5)


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_few_workers_never_rest_while_devices_suffice(seed: int, workers: int) -> None:
    """Nested needs, jobs of nearly one length: the end is near the bound, with few sessions more than workers."""
    chance = random.Random(seed)
    fits = [SIX, SIX[3:], SIX[5:]]
    seconds = {f"t{i}": chance.uniform(0.8, 1.2) for i in range(120)}
    needs = dict(zip(seconds, chance.choices(range(3), [8, 4, 1], k=120), strict=True))
    jobs = [job(name, fits[need], session="s") for name, need in needs.items()]
    planner = Planner(SIX, jobs, Estimates(seconds))
    planner.set_workers(workers)

    farm = Farm(planner, SIX, seconds, workers=workers).run()

    alone_s = [sum(seconds[name] for name, need in needs.items() if need >= least) for least in (1, 2)]
    bound_s = max(sum(seconds.values()) / workers, alone_s[0] / 3, alone_s[1])
    assert farm.end_s <= 1.05 * bound_s + 1.2
