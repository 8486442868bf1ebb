"""Work poured over groups of devices: the levels reach the bound, and shares say who does what."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.dispatch.shares import Demand, pour

pytestmark = pytest.mark.unit


def test_equal_groups_get_equal_work() -> None:
    """One class, two groups that differ in size."""
    shares = pour([0.0, 0.0], [1.0, 3.0], [Demand(work_s=80.0, groups=(0, 1))])

    assert shares.of == ({0: 20.0, 1: 60.0},)
    assert shares.levels_s == (20.0, 20.0)


def test_a_flexible_class_leaves_the_devices_that_others_need() -> None:
    """Group 1 is loaded beyond the mean by what only it can do: nothing else may run there."""
    shares = pour(
        [0.0, 0.0], [1.0, 1.0], [Demand(work_s=90.0, groups=(1,)), Demand(work_s=30.0, groups=(0, 1))]
    )

    assert shares.of == ({1: 90.0}, {0: 30.0})
    assert shares.levels_s == (30.0, 90.0)


def test_running_work_counts() -> None:
    """A group that is busy for long gets less."""
    shares = pour([50.0, 0.0], [1.0, 1.0], [Demand(work_s=20.0, groups=(0, 1))])

    assert shares.of == ({1: 20.0},)
    assert shares.levels_s == (50.0, 20.0)


def test_a_job_takes_a_device_only_once() -> None:
    """Pairs of ten seconds: a lone fast device can be in each of them, but not twice."""
    shares = pour([0.0, 0.0], [8.0, 2.0], [Demand(work_s=20.0, groups=(0, 1), limits=(10.0, 20.0))])

    assert shares.of == ({0: 10.0, 1: 10.0},)


def test_limits_that_leave_no_room_are_all_used() -> None:
    """Two devices, and every job takes both."""
    shares = pour([5.0, 0.0], [1.0, 1.0], [Demand(work_s=20.0, groups=(0, 1), limits=(10.0, 10.0))])

    assert shares.of == ({0: 10.0, 1: 10.0},)
    assert shares.levels_s == (15.0, 10.0)


def test_no_work_makes_no_share() -> None:
    """Tests that take no time, and groups that nobody wants."""
    shares = pour([0.0, 3.0], [1.0, 1.0], [Demand(work_s=0.0, groups=(0,))])

    assert shares.of == ({},)
    assert shares.levels_s == (0.0, 3.0)


def test_few_rounds_are_as_good_as_nothing_to_correct() -> None:
    """Classes that share no group are right at once."""
    demands = [Demand(work_s=5.0, groups=(0,)), Demand(work_s=7.0, groups=(1,))]

    assert pour([0.0, 0.0], [1.0, 1.0], demands, rounds=1) == pour([0.0, 0.0], [1.0, 1.0], demands)


@st.composite
def farms(draw: st.DrawFn) -> tuple[list[float], list[Demand], list[tuple[float, int, tuple[int, ...]]]]:
    """Capacities of devices, each a group of its own, and classes (work, count, devices)."""
    capacities = draw(st.lists(st.floats(0.25, 4.0), min_size=1, max_size=5))
    places = range(len(capacities))
    classes = []
    for _ in range(draw(st.integers(1, 5))):
        groups = tuple(sorted(draw(st.sets(st.sampled_from(places), min_size=1))))
        classes.append((draw(st.floats(1.0, 100.0)), draw(st.integers(1, min(2, len(groups)))), groups))
    demands = [
        Demand(work_s=work_s * count, groups=groups, limits=(work_s,) * len(groups) if count > 1 else None)
        for work_s, count, groups in classes
    ]
    return capacities, demands, classes


@given(farms())
def test_the_highest_level_is_halls_bound(
    farm: tuple[list[float], list[Demand], list[tuple[float, int, tuple[int, ...]]]],
) -> None:
    """Max over sets S of what must run in S / capacity of S. A pair with one device outside needs one inside."""
    capacities, demands, classes = farm
    places = range(len(capacities))

    shares = pour([0.0] * len(capacities), capacities, demands, rounds=3000)

    hall_s = max(
        sum(work_s * max(0, count - len({*groups} - {*inside})) for work_s, count, groups in classes)
        / sum(capacities[i] for i in inside)
        for size in range(1, len(capacities) + 1)
        for inside in combinations(places, size)
    )
    assert max(shares.levels_s) == pytest.approx(hall_s, rel=2e-3)


@given(farms())
def test_all_work_is_shared_out(
    farm: tuple[list[float], list[Demand], list[tuple[float, int, tuple[int, ...]]]],
) -> None:
    """Whatever the rounds: no work is lost, no limit is passed, no group is used that does not fit."""
    capacities, demands, _ = farm

    shares = pour([0.0] * len(capacities), capacities, demands)

    for demand, share in zip(demands, shares.of, strict=True):
        assert sum(share.values()) == pytest.approx(demand.work_s, rel=1e-2)
        assert share.keys() <= {*demand.groups}
        if demand.limits is not None:
            limits = dict(zip(demand.groups, demand.limits, strict=True))
            assert all(work_s <= limits[group] * (1 + 1e-9) for group, work_s in share.items())
