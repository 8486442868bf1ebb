"""Whether workers see the same tests with the same needs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.dispatch.agreement import Agreement
from pytest_autorl.dispatch.needs_table import NeedClass, NeedsTable, Unit

pytestmark = pytest.mark.unit

ANY = NeedClass(key="any", devices=("a", "b"), count=1, session="{}")
TWO = NeedClass(key="any", devices=("a", "b"), count=2, session="")
MODULE = Unit(name="m.py module_device", scope="module", fixture="module_device")
TABLE = NeedsTable(
    tests=("t0", "t1", "t2", "t3"),
    classes=(ANY, TWO),
    units=(MODULE,),
    class_of=(0, 1, -1, 0),
    unit_of=(-1, -1, -1, 0),
)


def agreement(table: NeedsTable = TABLE) -> Agreement:
    return Agreement(table.to_wire(), table.tests)


def difference(found: NeedsTable, first: NeedsTable = TABLE) -> str:
    return agreement(first).difference("gw1", found.to_wire(), found.tests)


def shuffled(table: NeedsTable, order: Sequence[int]) -> NeedsTable:
    """The same tests in another order, the classes too."""
    flipped = [-1 if one == -1 else len(table.classes) - 1 - one for one in table.class_of]
    return replace(
        table,
        tests=tuple(table.tests[place] for place in order),
        classes=table.classes[::-1],
        class_of=tuple(flipped[place] for place in order),
        unit_of=tuple(table.unit_of[place] for place in order),
    )


@given(st.permutations(range(4)))
def test_the_order_of_tests_and_classes_is_no_difference_and_each_test_is_found(order: list[int]) -> None:
    found, ours = shuffled(TABLE, order), agreement()

    assert ours.difference("gw1", found.to_wire(), found.tests) == ""
    assert [found.tests[ours.place("gw1", index)] for index in range(4)] == list(TABLE.tests)
    assert [ours.place("gw0", index) for index in range(4)] == [0, 1, 2, 3]


@given(order=st.permutations(range(4)), index=st.integers(0, 3), klass=st.sampled_from([-1, 0, 1]))
def test_a_test_of_another_class_is_found_in_any_order(order: list[int], index: int, klass: int) -> None:
    class_of = [*TABLE.class_of]
    class_of[index] = klass
    unit_of = [*TABLE.unit_of]
    if klass == -1:
        unit_of[index] = -1
    found = shuffled(replace(TABLE, class_of=tuple(class_of), unit_of=tuple(unit_of)), order)

    why = difference(found)

    assert bool(why) is (klass != TABLE.class_of[index])
    assert [line.partition(":")[0] for line in why.splitlines()[1:]] == ([f"t{index}"] if why else [])


def test_the_difference_is_told_in_words() -> None:
    units = replace(TABLE, unit_of=(-1, -1, -1, -1))
    devices = replace(TABLE, classes=(replace(ANY, devices=("a", "b", "c")), TWO))

    assert difference(replace(TABLE, class_of=(-1, 1, -1, 0))).splitlines() == [
        "workers read the needs of their tests differently; this one takes no part",
        "t0: the first worker needs 1 of a, b, this worker needs no device",
    ]
    assert "this worker needs 1 of a, b, c" in difference(devices)
    assert "needs 1 of a, b, shared in m.py module_device, this worker needs 1 of a, b" in difference(units)


def test_capabilities_that_differ_by_process_are_no_difference() -> None:
    """An object without a text of its own shows its address."""
    assert difference(replace(TABLE, classes=(replace(ANY, session='{"x": "<o at 0x1>"}'), TWO))) == ""


def test_a_long_difference_is_cut() -> None:
    many = NeedsTable(
        tests=tuple(f"t{number}" for number in range(100)),
        classes=(replace(ANY, devices=tuple(f"d{number:02}" for number in range(30))),),
        units=(),
        class_of=(0,) * 100,
        unit_of=(-1,) * 100,
    )
    lines = difference(replace(many, class_of=(-1,) * 100), many).splitlines()

    assert len(lines) == 42
    assert "d11 and 18 more" in lines[1]
    assert lines[-1] == "and 60 more"


def test_needs_of_other_tests_than_told_are_a_difference() -> None:
    wire = TABLE.to_wire()
    wire["class_of"] = wire["class_of"][:-1]

    assert "other needs than tests" in agreement().difference("gw1", wire, TABLE.tests)


def test_workers_of_one_order_share_their_places() -> None:
    """With many workers and tests these are what the controller holds most of."""
    ours, order = agreement(), list(range(4))
    random.Random(1).shuffle(order)
    found = shuffled(TABLE, order)
    for worker in ("gw1", "gw2"):
        assert ours.difference(worker, found.to_wire(), found.tests) == ""

    assert ours._places["gw1"] is ours._places["gw2"]
