"""What every test of a run needs, as one table: plain data that travels from a worker to the controller.

A test has a class (which devices fit, how many of them at once, for which capabilities), and a unit where it shares a
device of a wider scope with others. Tests that need no device, or cannot run at all, have no class.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pytest_autorl.dispatch.jobs import Job
from pytest_autorl.farm.requirement import eligible
from pytest_autorl.needs import need_key, roots_of, scope_node

if TYPE_CHECKING:
    import pytest

    from pytest_autorl.farm.device import Device
    from pytest_autorl.farm.requirement import Requirement

#: In place of a class or unit: none.
NONE: Final = -1
#: Scopes whose tests stay together, on one device. Those of the wider ones have one device in each worker.
TOGETHER: Final = ("class", "module")


@dataclass(frozen=True, kw_only=True, slots=True)
class NeedClass:
    """Tests that any of the same devices would do for.

    Attributes:
        key: Key of the requirement.
        devices: Ids of the devices that fit, in the farm's order.
        session: The capabilities for which a session is asked: tests of one text can share a session.
    """

    key: str
    devices: tuple[str, ...]
    count: int
    session: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """Tests that share a device of a wider scope.

    Attributes:
        name: Of the scope and the fixture; unique.
        scope: pytest's word.
        fixture: Name of the fixture that leases.
    """

    name: str
    scope: str
    fixture: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NeedsTable:
    """See the module.

    Attributes:
        tests: Node ids, in pytest's order.
        class_of, unit_of: Places in `classes` and `units` by test, or NONE.
    """

    tests: tuple[str, ...]
    classes: tuple[NeedClass, ...]
    units: tuple[Unit, ...]
    class_of: tuple[int, ...]
    unit_of: tuple[int, ...]

    def to_wire(self) -> dict[str, Any]:
        """Plain data, without the node ids: xdist sends these."""
        return {
            "classes": [(one.key, list(one.devices), one.count, one.session) for one in self.classes],
            "units": [(one.name, one.scope, one.fixture) for one in self.units],
            "class_of": list(self.class_of),
            "unit_of": list(self.unit_of),
        }

    @classmethod
    def from_wire(cls, data: Mapping[str, Any], tests: Sequence[str]) -> NeedsTable:
        """What `to_wire` made, with the node ids. Raises ValueError where they are not as many."""
        if len(data["class_of"]) != len(tests):
            raise ValueError(f"needs of {len(data['class_of'])} tests, and {len(tests)} tests")
        return cls(
            tests=tuple(tests),
            classes=tuple(
                NeedClass(key=key, devices=tuple(devices), count=count, session=session)
                for key, devices, count, session in data["classes"]
            ),
            units=tuple(
                Unit(name=name, scope=scope, fixture=fixture) for name, scope, fixture in data["units"]
            ),
            class_of=tuple(data["class_of"]),
            unit_of=tuple(data["unit_of"]),
        )

    def module_of(self, index: int) -> str:
        """The module of a test: its file."""
        return self.tests[index].partition("::")[0]

    def klass(self, index: int) -> NeedClass | None:
        """The class of a test; None when it needs no device."""
        place = self.class_of[index]
        return None if place == NONE else self.classes[place]

    def unit(self, index: int) -> Unit | None:
        """The unit of a test; None when it shares no device."""
        place = self.unit_of[index]
        return None if place == NONE else self.units[place]

    def stays_together(self, index: int) -> bool:
        """Whether the test is one of several that run one after the other on one device."""
        unit = self.unit(index)
        return unit is not None and unit.scope in TOGETHER

    def job(self, indices: Sequence[int], *, name: str = "") -> Job:
        """One job of these tests, which are of one class.

        Args:
            name: Default: the only test's.
        Raises ValueError for tests that need no device.
        """
        klass, unit = self.klass(indices[0]), self.unit(indices[0])
        if klass is None:
            raise ValueError(f"{self.tests[indices[0]]} needs no device")
        # Tests of a wider scope share its session even where others ask for the same capabilities.
        session = klass.session if unit is None else f"{unit.name} {klass.session}"
        return Job(
            name=name or self.tests[indices[0]],
            order=indices[0],
            tests=tuple(self.tests[index] for index in indices),
            devices=frozenset(klass.devices),
            count=klass.count,
            session=session,
            module=self.module_of(indices[0]),
            need=klass.key,
        )

    def groups(self, indices: Iterable[int]) -> list[list[int]]:
        """The tests that need devices, those that stay together in one list."""
        groups: list[list[int]] = []
        places: dict[int, int] = {}
        for index in indices:
            if self.class_of[index] == NONE:
                continue
            if not self.stays_together(index):
                groups.append([index])
            elif self.unit_of[index] in places:
                groups[places[self.unit_of[index]]].append(index)
            else:
                places[self.unit_of[index]] = len(groups)
                groups.append([index])
        return groups


def read_needs(items: Sequence[pytest.Item], devices: Sequence[Device]) -> NeedsTable:
    """The table of the collected tests, over the farm's devices."""
    classes: dict[object, tuple[int, NeedClass]] = {}
    units: dict[str, tuple[int, Unit]] = {}
    class_of, unit_of = [], []
    for item in items:
        need = item.stash.get(need_key, None)
        requirement = need.requirement if need is not None and need.problem is None else None
        # A test that is skipped in any case shall not have a device wait for it.
        if need is None or requirement is None or item.get_closest_marker("skip") is not None:
            class_of.append(NONE)
            unit_of.append(NONE)
            continue
        if requirement not in classes:
            classes[requirement] = len(classes), _class(requirement, devices)
        class_of.append(classes[requirement][0])
        unit = _unit(item, need.fixture)
        if unit is not None and unit.name not in units:
            units[unit.name] = len(units), unit
        unit_of.append(NONE if unit is None else units[unit.name][0])
    return NeedsTable(
        tests=tuple(item.nodeid for item in items),
        classes=tuple(klass for _, klass in classes.values()),
        units=tuple(unit for _, unit in units.values()),
        class_of=tuple(class_of),
        unit_of=tuple(unit_of),
    )


def _class(requirement: Requirement, devices: Sequence[Device]) -> NeedClass:
    return NeedClass(
        key=requirement.key,
        devices=tuple(device.id for device in eligible(devices, requirement)),
        count=requirement.count,
        session=json.dumps(dict(requirement.capabilities), sort_keys=True, default=str),
    )


def _unit(item: pytest.Item, fixture: str) -> Unit | None:
    root = roots_of(item).get(fixture)
    if root is None or root.scope == "function":
        return None
    node = scope_node(item, root.scope)
    where = node.nodeid if node is not None else ""
    return Unit(name=f"{where or root.scope} {fixture}", scope=root.scope, fixture=fixture)
