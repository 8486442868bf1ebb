"""What each test needs of the farm, read from its markers and fixtures at collection.

A test has at most one ticket: one root fixture (`device_fixture`) that leases for it. Tests whose need no device
can meet, or that cannot be understood, are kept: each ends as an ERROR with the reason, the others run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autorl.errors import AutorlError, LeaseConflictError, RequirementError
from pytest_autorl.private_api import fixture_functions

if TYPE_CHECKING:
    from pytest_autorl.farm.requirement import Requirement

#: Name of the fixture that leases for a test that has the marker and asks for no device fixture.
DEFAULT_ROOT = "autorl_device"
#: The same where the marker counts more than one.
MANY_ROOT = "devices"

#: Attribute of a root fixture's function.
_ROOT = "__autorl_root__"


@dataclass(frozen=True, kw_only=True, eq=False)
class Root:
    """A fixture that leases: one object for each definition, so that two of one name are told apart.

    Attributes:
        scope: pytest's scope word.
        need: What the fixture itself asks for, in the marker's words.
        is_many: It gives a list of devices; else exactly one.
    """

    scope: str
    need: Mapping[str, Any]
    is_many: bool = False


@dataclass(frozen=True, kw_only=True)
class Need:
    """What one test needs.

    Attributes:
        requirement: None when it could not be understood.
        fixture: Name of the root fixture.
        problem: Why the test cannot run; None when it can.
    """

    requirement: Requirement | None
    fixture: str
    problem: AutorlError | None = None


need_key = pytest.StashKey[Need]()


def mark_root(function: Callable[..., Any], root: Root) -> None:
    """Make a fixture function known as one that leases."""
    setattr(function, _ROOT, root)


def roots_of(item: pytest.Item) -> dict[str, Root]:
    """The fixtures of the test's closure that lease."""
    found = ((name, getattr(function, _ROOT, None)) for name, function in fixture_functions(item))
    return {name: root for name, root in found if root is not None}


def need_of(item: pytest.Item) -> Need | None:
    """The test's need; None for a test that asks for nothing of ours. Never raises."""
    marker = item.get_closest_marker("device")
    if marker is None and not getattr(item, "fixturenames", None):
        return None
    roots = roots_of(item)
    if marker is None and not roots:
        return None
    is_many = marker is not None and not roots and marker.kwargs.get("count", 1) != 1
    default = (MANY_ROOT if is_many else DEFAULT_ROOT, Root(scope="function", need={}, is_many=is_many))
    name, root = next(iter(roots.items()), default)
    try:
        if len(roots) > 1:
            raise LeaseConflictError(
                f"the test asks for {len(roots)} tickets: {', '.join(sorted(roots))}",
                do="ask once: @pytest.mark.device(count=2) with `devices`, or one scoped device",
            )
        requirement = requirement_for(item, root)
        return Need(requirement=requirement, fixture=name)
    except AutorlError as error:
        return Need(requirement=None, fixture=name, problem=error)


def requirement_for(node: pytest.Item | pytest.Collector, root: Root) -> Requirement:
    """The requirement of a root fixture, for the test or scope that asks.

    The marker of the fixture's own scope counts: a module's device cannot depend on one test's marker.
    Raises RequirementError.
    """
    from pytest_autorl.farm.requirement import Requirement

    holder = scope_node(node, root.scope)
    marker = holder.get_closest_marker("device") if holder is not None else None
    if isinstance(node, pytest.Item) and root.scope != "function":
        _refuse_own_marker(node, root)
    words = {**root.need, **(marker.kwargs if marker else {})}
    requirement = Requirement.from_marker(marker.args if marker else (), words)
    if requirement.count != 1 and not root.is_many:
        raise RequirementError(
            f"the marker asks for count={requirement.count}, the fixture gives one device",
            do="use the fixture `devices` or `drivers`",
        )
    return requirement


def _refuse_own_marker(item: pytest.Item, root: Root) -> None:
    # An Item's own markers are those on the function (and its parameters).
    if any(marker.name == "device" for marker in item.own_markers):
        raise RequirementError(
            f"a `device` marker on a test has no say over a {root.scope}-scoped device",
            do=f"put the marker on the {root.scope}, or ask for a function-scoped device",
        )


def scope_node(node: pytest.Item | pytest.Collector, scope: str) -> pytest.Item | pytest.Collector | None:
    """The node whose markers count for a fixture of this scope; None for the session, which has none."""
    if scope == "function":
        return node
    if scope == "class":
        return node.getparent(pytest.Class) or node.getparent(pytest.Module)
    if scope == "module":
        return node.getparent(pytest.Module)
    if scope == "package":
        return node.getparent(pytest.Package)
    return None


def note_needs(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Write each test's need into its stash; returns the tests that have one.

    A test with the marker alone gets the default root as one more fixture.
    """
    needing = []
    for item in items:
        need = need_of(item)
        if need is None:
            continue
        item.stash[need_key] = need
        names: Sequence[str] = getattr(item, "fixturenames", ())
        if need.fixture not in names and need.problem is None:
            # A list of its own: pytest shares one between the parameters of a test, which may differ in marks.
            item.fixturenames = [*names, need.fixture]  # type: ignore[attr-defined]
        needing.append(item)
    return needing


def with_problem(item: pytest.Item, problem: AutorlError) -> None:
    """Note why a test cannot run."""
    need = item.stash[need_key]
    item.stash[need_key] = Need(requirement=need.requirement, fixture=need.fixture, problem=problem)
