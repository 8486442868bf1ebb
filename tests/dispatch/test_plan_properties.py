"""What holds for every farm and suite, however odd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from planning import Farm, job, start
from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.jobs import Job
from pytest_autorl.dispatch.plan import Planner

pytestmark = pytest.mark.unit

DEVICES = [f"d{i}" for i in range(1, 6)]


@dataclass(frozen=True)
class Suite:
    """Jobs, what they take, and what is known of that."""

    devices: Sequence[str]
    jobs: Sequence[Job]
    seconds: Mapping[str, float]
    history: Mapping[str, float]

    def planner(self) -> tuple[Planner, Estimates]:
        estimates = Estimates(self.history, prior_session_s=3.0, prior_fixture_s=1.0)
        return Planner(self.devices, self.jobs, estimates), estimates


@st.composite
def suites(draw: st.DrawFn, *, least: int = 0) -> Suite:
    """Up to 15 jobs on up to five devices; a job's devices suffice for it."""
    devices = DEVICES[: draw(st.integers(1, len(DEVICES)))]
    jobs: list[Job] = []
    seconds: dict[str, float] = {}
    history: dict[str, float] = {}
    for order in range(draw(st.integers(least, 15))):
        fits = draw(st.sets(st.sampled_from(devices), min_size=1))
        count = draw(st.integers(1, min(3, len(fits))))
        name = f"t{order}"
        jobs.append(
            job(
                name,
                [*fits, "unknown"],
                count=count,
                module=draw(st.sampled_from(["", "m", "n", "o"])),
                session=draw(st.sampled_from(["", "s", "t"])),
                order=order,
            )
        )
        seconds[name] = draw(st.sampled_from([0.0, 0.5, 1.0, 3.0, 10.0, 60.0]))
        if draw(st.booleans()):
            history[name] = seconds[name] * draw(st.sampled_from([0.5, 1.0, 2.0]))
    return Suite(devices, jobs, seconds, history)


@given(suites())
def test_every_job_runs_exactly_once_where_it_fits(suite: Suite) -> None:
    """`Farm` checks each choice: exact count, and only devices that fit, are up and idle."""
    planner, estimates = suite.planner()

    farm = Farm(planner, suite.devices, suite.seconds, estimates).run()

    assert sorted(farm.done) == sorted(suite.seconds)
    assert planner.pending == 0


@given(suites(least=1), st.data())
def test_nothing_waits_while_nothing_runs(suite: Suite, data: st.DataObject) -> None:
    """All devices idle and a job that could start: it is chosen, whatever is avoided, warm, slow or foretold."""
    estimates = Estimates({**suite.history, "known": 1.0}, prior_session_s=3.0)
    for device in data.draw(st.sets(st.sampled_from(suite.devices))):
        for _ in range(20):
            estimates.learn("known", [device], 4.0)
    planner = Planner(suite.devices, [], estimates)
    for each in suite.jobs:
        avoid = frozenset(data.draw(st.sets(st.sampled_from(suite.devices))))
        planner.add(each, boost=data.draw(st.sampled_from([0.0, 0.5, 1.0])), avoid=avoid)
    planner.demand([(frozenset(data.draw(st.sets(st.sampled_from(DEVICES)))), 1)] * 3)
    for device in data.draw(st.sets(st.sampled_from(suite.devices))):
        planner.warm(device, session="s", module="m")

    now_s = 0.0
    for _ in suite.jobs:
        choice = start(planner, suite.devices, now_s)
        assert choice is not None
        now_s += suite.seconds[choice.job.name]
        planner.end(choice.job.name, now_s)
    assert planner.pending == 0


@given(suites())
def test_the_same_calls_give_the_same_answers(suite: Suite) -> None:
    """Also when jobs and devices are told in another order: ties go by the order of the collection, then by device."""
    runs = []
    for step in (1, -1):
        planner, estimates = replace(suite, devices=suite.devices[::step], jobs=suite.jobs[::step]).planner()
        runs.append(Farm(planner, suite.devices, suite.seconds, estimates).run().begun)

    assert runs[0] == runs[1]


@given(suites(), st.lists(st.tuples(st.floats(0, 100), st.sampled_from(DEVICES)), max_size=8))
def test_devices_that_come_and_go_lose_no_job(suite: Suite, losses: list[tuple[float, str]]) -> None:
    """Each loss puts its job back; in the end all devices return, so all is done, each job once."""
    planner, estimates = suite.planner()
    lost = [(at_s, device, False) for at_s, device in losses if device in suite.devices]
    back = [(at_s + 7.5, device, True) for at_s, device, _ in lost]
    last = [(500.0, device, True) for device in suite.devices]

    farm = Farm(planner, suite.devices, suite.seconds, estimates, changes=[*lost, *back, *last]).run()

    assert sorted(farm.done) == sorted(suite.seconds)


@given(st.lists(st.floats(0, 1000), max_size=40), st.integers(1, 6), st.sampled_from([0.0, 0.4, 1e9]))
@example([1.0] * 7, 3, 0.4)
def test_on_equal_devices_the_end_is_within_grahams_bound(times_s: list[float], m: int, beta: float) -> None:
    """Makespan <= total/m + (1 - 1/m) * longest (Graham 1966), in whatever order: no device idles for nothing."""
    devices = [f"d{i}" for i in range(m)]
    seconds = {f"t{i}": time_s for i, time_s in enumerate(times_s)}
    jobs = [
        job(name, devices, module=f"m{i % 3}", session=f"s{i % 2}", order=i) for i, name in enumerate(seconds)
    ]
    planner = Planner(devices, jobs, Estimates(seconds), beta=beta)

    farm = Farm(planner, devices, seconds).run()

    longest_s = max(times_s, default=0.0)
    assert farm.end_s <= (sum(times_s) / m + (1 - 1 / m) * longest_s) * (1 + 1e-9)


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0, 5.0]), min_size=4, max_size=40), st.integers(1, 4))
def test_with_beta_zero_the_longest_go_first(times_s: list[float], m: int) -> None:
    """With beta 0 all is critical: nothing short starts before anything long, which LPT's bound needs (Graham 1969)."""
    devices = [f"d{i}" for i in range(m)]
    seconds = {f"t{i}": time_s for i, time_s in enumerate(times_s)}
    planner = Planner(devices, [job(name, devices) for name in seconds], Estimates(seconds), beta=0.0)

    farm = Farm(planner, devices, seconds).run()

    starts = [each.at_s for each in farm.begun]
    lengths = [seconds[each.name] for each in farm.begun]
    assert lengths == sorted(lengths, reverse=True)
    assert starts == sorted(starts)


@given(suites(least=1), st.data())
def test_levels_cover_what_is_left(suite: Suite, data: st.DataObject) -> None:
    """The highest level is no less than the work by device, nor less than any single device's."""
    planner = Planner(suite.devices, suite.jobs, Estimates(suite.seconds))

    remaining_s = planner.remaining_s()

    work_s = sum(suite.seconds[each.name] * each.count for each in suite.jobs)
    assert remaining_s >= work_s / len(suite.devices) * (1 - 1e-9)
    assert all(0 <= planner.level_s(device) <= remaining_s for device in suite.devices)
    assert all(planner.has_work_for(device) == (planner.pending_for(device) > 0) for device in suite.devices)
    assert all(planner.explain(each.name).startswith("waits as number") for each in suite.jobs)
