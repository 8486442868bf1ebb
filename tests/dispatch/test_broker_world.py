"""The broker in a world of chance: whatever happens in whatever order, every test gets one verdict."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker_world import World, klass, unit
from pytest_autorl.dispatch.broker import Patience
from pytest_autorl.dispatch.needs_table import NONE, NeedClass, NeedsTable, Unit
from pytest_autorl.resilience.budget import Budgets

pytestmark = pytest.mark.unit

DEVICES = ("a", "b", "c", "d")
SCOPES = ("class", "module", "package", "session")


@st.composite
def tables(draw: st.DrawFn) -> NeedsTable:
    """Up to twelve tests of up to three classes, some of which share devices."""
    classes: list[NeedClass] = []
    for _ in range(draw(st.integers(1, 3))):
        devices = draw(st.lists(st.sampled_from(DEVICES), min_size=1, unique=True))
        classes.append(klass(*devices, count=draw(st.integers(1, min(2, len(devices))))))
    units: list[Unit] = []
    of_unit: list[int] = []
    for place in range(draw(st.integers(0, 3))):
        units.append(unit(f"u{place}", draw(st.sampled_from(SCOPES))))
        of_unit.append(draw(st.integers(0, len(classes) - 1)))
    class_of, unit_of = [], []
    for _ in range(draw(st.sampled_from((12, 20, 6, 1)))):
        place = draw(st.integers(NONE, len(units) - 1))
        unit_of.append(place)
        class_of.append(of_unit[place] if place != NONE else draw(st.integers(NONE, len(classes) - 1)))
    return NeedsTable(
        tests=tuple(f"m{index // 3}.py::t{index}" for index in range(len(class_of))),
        classes=tuple(classes),
        units=tuple(units),
        class_of=tuple(class_of),
        unit_of=tuple(unit_of),
    )


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    needs=tables(),
    seed=st.integers(0, 2**32),
    events=st.sampled_from((150, 80, 30, 0)),
    workers=st.integers(1, 4),
    is_limited=st.booleans(),
    reruns=st.booleans(),
    is_for_unfit=st.booleans(),
    percent=st.sampled_from((100.0, 20.0, 0.0)),
    least=st.sampled_from((20, 3, 0)),
    is_broken=st.booleans(),
    fail_rate=st.sampled_from((0.2, 0.6, 1.0, 0.0)),
    stay_rate=st.sampled_from((0.0, 0.5, 1.0)),
)
def test_every_test_gets_one_verdict(
    needs: NeedsTable,
    seed: int,
    events: int,
    workers: int,
    is_limited: bool,
    reruns: bool,
    is_for_unfit: bool,
    percent: float,
    least: int,
    is_broken: bool,
    fail_rate: float,
    stay_rate: float,
) -> None:
    """Crashes, losses, retries, refusals, scopes that do not open, old news: then calm, and the run comes to its end.

    What the world checks at each order is told there: numbers, chances, places, rests and purses are as they should be.
    """
    slots = {"a": ("server", 2), "b": ("server", 2), "c": ("server", 2)} if is_limited else {}
    patience = Patience(wait_s=20.0, reruns=reruns, is_for_unfit=is_for_unfit)
    budgets = Budgets(len(needs.tests), percent, least)
    for _ in range(50 if is_broken else 0):
        budgets.verdict(has_failed=True)
    world = World(
        needs,
        DEVICES,
        random.Random(seed),
        workers=workers,
        slots=slots,
        patience=patience,
        budgets=budgets,
        fail_rate=fail_rate,
        stay_rate=stay_rate,
    )
    world.broker.dispatch(0.0)

    for _ in range(events):
        world.chaos()
    world.calm_down()

    assert world.broker.next_due_s is None
    if is_for_unfit:
        assert all(at_s >= patience.wait_s for at_s in world.last_calls.values())
