"""The dry run: every job once, where it fits, never two on one device, never sooner than the bound."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.forecast import Forecast, forecast, work_s
from pytest_autorl.dispatch.jobs import Job

DEVICES = ("a", "b", "c", "d")


def job(
    name: str, devices: str = "ab", *, order: int = 0, count: int = 1, tests: int = 1, session: str = "usual"
) -> Job:
    """A job of so many tests, in a module of its own."""
    ids = tuple(f"{name}[{number}]" for number in range(tests)) if tests > 1 else (name,)
    fits = frozenset(devices)
    return Job(name=name, order=order, tests=ids, devices=fits, count=count, session=session, module=name)


def taking(**seconds: float) -> Estimates:
    return Estimates(seconds)


def names(seen: Forecast, device: str) -> list[str]:
    return [turn.choice.job.name for turn in seen.lane(device).turns]


@st.composite
def farms(draw: st.DrawFn) -> tuple[list[Job], Estimates, int]:
    """Jobs over four devices, with and without history, on fast and slow devices with costly sessions."""
    jobs, history = [], {}
    for number in range(draw(st.integers(0, 12))):
        name = f"t{number}"
        fits = draw(st.sets(st.sampled_from([*DEVICES, "gone"]), min_size=1))
        count = draw(st.integers(1, 3))
        jobs.append(
            Job(
                name=name,
                order=number,
                tests=(name, f"{name}+"),
                devices=frozenset(fits),
                count=count,
                session=draw(st.sampled_from(["", "usual", "other"])),
                module=draw(st.sampled_from(["", "m", "n"])),
            )
        )
        if draw(st.booleans()):
            # Shorter ones than a clock can tell are lost in the rounding of a sum.
            history[name] = draw(st.just(0.0) | st.floats(1e-6, 100.0))
    estimates = Estimates(history, prior_fixture_s=draw(st.floats(0.0, 5.0)))
    for device in draw(st.sets(st.sampled_from(DEVICES))):
        estimates.learn_session(device, draw(st.floats(0.0, 10.0)))
        if "t0" in history:
            estimates.learn("t0", [device], history["t0"] * draw(st.floats(0.5, 3.0)))
    return jobs, estimates, draw(st.integers(1, 5))


@given(farms())
def test_every_job_that_can_runs_once_where_it_fits_and_nothing_overlaps(
    farm: tuple[list[Job], Estimates, int],
) -> None:
    jobs, estimates, workers = farm

    seen = forecast(DEVICES, jobs, estimates, workers=workers)

    ran = [turn.choice.job.name for turn in seen.turns]
    assert sorted(ran + [each.name for each in seen.stuck]) == sorted(each.name for each in jobs)
    for turn in seen.turns:
        chosen = turn.choice
        assert set(chosen.devices) <= chosen.job.devices & set(DEVICES)
        assert len(set(chosen.devices)) == len(chosen.devices) == chosen.job.count
    for device in DEVICES:
        for one, other in itertools.pairwise(seen.lane(device).turns):
            assert one.end_s <= other.begin_s
    for turn in seen.turns:
        at_once = [each for each in seen.turns if each.begin_s <= turn.begin_s < each.end_s]
        assert len(at_once) <= workers


@given(farms())
def test_no_forecast_ends_before_its_bound(farm: tuple[list[Job], Estimates, int]) -> None:
    jobs, estimates, workers = farm

    seen = forecast(DEVICES, jobs, estimates, workers=workers)

    assert seen.makespan_s >= seen.bound_s * (1 - 1e-9)


@given(farms())
def test_the_same_farm_has_the_same_forecast(farm: tuple[list[Job], Estimates, int]) -> None:
    jobs, estimates, workers = farm

    assert forecast(DEVICES, jobs, estimates, workers=workers) == forecast(
        DEVICES, jobs, estimates, workers=workers
    )


def test_work_is_shared_and_lanes_add_it_up() -> None:
    jobs = [job("long", order=0), job("x", order=1), job("y", order=2)]

    seen = forecast(["a", "b"], jobs, taking(long=10.0, x=6.0, y=4.0), workers=2)

    assert (seen.makespan_s, seen.bound_s, seen.due_to) == (10.0, 10.0, "work")
    assert sorted([names(seen, "a"), names(seen, "b")]) == [["long"], ["x", "y"]]
    assert [seen.lane(device).busy_s for device in "ab"] == [10.0, 10.0]
    assert sorted(seen.lane(device).tests for device in "ab") == [1, 2]
    assert all(turn.choice.why for turn in seen.turns)


def test_a_job_of_several_tests_takes_as_long_as_all_of_them() -> None:
    together = job("m", "a", tests=3)

    seen = forecast(["a"], [together], Estimates({"m[0]": 1.0, "m[1]": 2.0, "m[2]": 4.0}), workers=1)

    assert seen.makespan_s == 7.0
    assert seen.lane("a").tests == 3
    assert work_s(together, Estimates()) == 3.0  # a second each while nothing is known


def test_a_session_is_opened_once_and_fixtures_are_set_up_for_each_module() -> None:
    estimates = Estimates({"x": 1.0, "y": 1.0}, prior_session_s=10.0, prior_fixture_s=3.0)

    seen = forecast(["a"], [job("x", order=0), job("y", order=1)], estimates, workers=1)

    assert [turn.setup_s for turn in seen.turns] == [13.0, 3.0]
    assert seen.lane("a").setup_s == 16.0
    assert seen.makespan_s == seen.bound_s == 18.0


def test_a_job_without_session_opens_none_and_leaves_what_is_open() -> None:
    estimates = Estimates({"x": 1.0, "y": 2.0, "z": 3.0}, prior_session_s=10.0)
    jobs = [job("x"), job("y", session=""), job("z")]

    alone = forecast(["a"], [job("y", session="")], estimates, workers=1)
    mixed = forecast(
        ["a"], [job(each.name, "a", session=each.session) for each in jobs], estimates, workers=1
    )

    assert (alone.makespan_s, alone.bound_s) == (2.0, 2.0)
    assert sorted(turn.setup_s for turn in mixed.turns) == [0.0, 0.0, 10.0]


def test_a_slow_device_takes_longer_and_several_are_as_slow_as_the_slowest() -> None:
    estimates = Estimates({"known": 10.0, "pair": 10.0})
    for _ in range(50):
        estimates.learn("known", ["b"], 20.0)

    alone = forecast(["b"], [job("known", "b")], estimates, workers=1)
    pair = forecast(["a", "b"], [job("pair", count=2)], estimates, workers=1)

    assert alone.makespan_s == pair.makespan_s == pytest.approx(20.0, rel=0.05)


def test_a_job_that_too_few_devices_fit_is_stuck_and_the_others_run() -> None:
    jobs = [job("pair", "a", count=2), job("gone", "z"), job("fine", "a")]

    seen = forecast(["a", "b"], jobs, Estimates(), workers=2)

    assert [each.name for each in seen.stuck] == ["pair", "gone"]
    assert names(seen, "a") == ["fine"]


@pytest.mark.parametrize(
    ("workers", "bound_s", "due_to", "tight"),
    [(3, 8.0, "chain", ("a", "b", "c")), (2, 8.0, "chain", ("a", "b", "c")), (1, 12.0, "workers", ())],
)
def test_the_bound_says_what_it_is_due_to(
    workers: int, bound_s: float, due_to: str, tight: tuple[str, ...]
) -> None:
    jobs = [job("long", "abc"), job("x", "abc"), job("y", "abc")]

    seen = forecast(["a", "b", "c"], jobs, taking(long=8.0, x=2.0, y=2.0), workers=workers)

    assert (seen.bound_s, seen.due_to, seen.tight) == (bound_s, due_to, tight)
    assert seen.makespan_s == bound_s


@pytest.mark.parametrize("workers", [4, 8])
def test_few_workers_use_scarce_devices_all_the_time(workers: int) -> None:
    """Twenty devices, on two of which a tenth of the work has to be done: if that were left for the end, most workers
    would stand idle there."""
    devices = [f"d{number:02}" for number in range(20)]
    needs = [devices] * 6 + [devices[10:]] * 3 + [devices[18:]]
    jobs = [
        Job(
            name=f"m{module}::t{number}",
            order=10 * module + number,
            tests=(f"m{module}::t{number}",),
            devices=frozenset(needs[module % len(needs)]),
            count=1,
            session="usual",
            module=f"m{module}",
        )
        for module in range(40)
        for number in range(10)
    ]
    history = {job.name: 10.0 + 37 * job.order % 31 for job in jobs}
    estimates = Estimates(history, prior_session_s=15.0, prior_fixture_s=4.0)

    seen = forecast(devices, jobs, estimates, workers=workers)

    assert seen.due_to == "workers"
    assert seen.makespan_s <= 1.05 * seen.bound_s


def test_scarce_devices_are_what_the_bound_is_due_to() -> None:
    jobs = [job("x", "a"), job("y", "a"), job("z", "ab")]

    seen = forecast(["a", "b"], jobs, taking(x=4.0, y=4.0, z=1.0), workers=2)

    assert (seen.makespan_s, seen.due_to, seen.tight) == (8.0, "work", ("a",))
    assert names(seen, "b") == ["z"]


def test_nothing_to_run_takes_no_time() -> None:
    seen = forecast(["a"], [], Estimates(), workers=1)

    assert (seen.turns, seen.stuck, seen.makespan_s, seen.bound_s) == ((), (), 0.0, 0.0)
    assert (seen.lane("a").busy_s, seen.lane("a").end_s, seen.lane("a").tests) == (0.0, 0.0, 0)


def test_a_run_needs_a_worker() -> None:
    with pytest.raises(ValueError, match="needs a worker, got 0"):
        forecast(["a"], [], Estimates(), workers=0)
