"""At collection: what every test needs, and which needs no device can ever meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from pytest_autorl.errors import AutorlError
from pytest_autorl.needs import need_key, note_needs, with_problem
from pytest_autorl.run import Run


class Collection:
    """Notes needs; tells the run when there are any.

    Args:
        on_needs: Called once, when the first collected test needs a device.
    """

    def __init__(self, run: Run, on_needs: Callable[[], None]) -> None:
        self._run = run
        self._on_needs = on_needs
        self._problems: list[tuple[str, str]] = []
        self._inert: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Last, so that markers other plugins add at collection count."""
        if self._run.config is not None:
            self._inert = inert_markers(items)
        needing = note_needs(items)
        if not needing:
            return
        self._on_needs()
        self._problems = unmet(needing, self._run)
        if self._problems:
            config.pluginmanager.register(_Refusals(), "autorl-refusals")

    def pytest_report_collectionfinish(self) -> Sequence[str]:
        """The tests that cannot run, before the first one does."""
        if not self._problems and not self._inert:
            return ()
        from pytest_autorl.capture.terminal import unmet_lines

        return [*self._inert, *unmet_lines(self._problems)]


class _Refusals:
    """Registered where some tests cannot run: the others pay nothing for it."""

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Such a test ends here, as an ERROR with the reason; one that is skipped is skipped before."""
        __tracebackhide__ = True
        need = item.stash.get(need_key, None)
        if need is not None and need.problem is not None:
            raise need.problem


#: Markers whose feature is not part of this version.
_RESERVED = frozenset({"retry", "recovery", "scenario", "quarantine"})


def inert_markers(items: Sequence[pytest.Item]) -> list[str]:
    """A line about markers that have no effect yet: nobody shall count on them."""
    counts = Counter(
        name for item in items for name in {mark.name for mark in item.iter_markers()} & _RESERVED
    )
    if not counts:
        return []
    used = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
    return [f"autorl: markers without effect in this version, with their tests: {used}"]


def unmet(items: Sequence[pytest.Item], run: Run) -> list[tuple[str, str]]:
    """Note in the stash why a test cannot run; returns (node id, why) of those that cannot."""
    from pytest_autorl.farm.requirement import eligible
    from pytest_autorl.farm.slots import slots_of, together
    from pytest_autorl.farm.unmet import unsatisfiable

    slots = slots_of(run.farm, "this run") if run.config is not None else {}
    verdicts: dict[object, AutorlError | None] = {}
    found = []
    for item in items:
        need = item.stash[need_key]
        problem = need.problem
        if problem is None and need.requirement is not None:
            requirement = need.requirement
            if requirement not in verdicts:
                try:
                    devices = run.farm.devices
                    fitting = (device.id for device in eligible(devices, requirement))
                    fits = together(fitting, slots) >= requirement.count
                    verdicts[requirement] = None if fits else unsatisfiable(devices, requirement, slots)
                except AutorlError as error:
                    verdicts[requirement] = error
            problem = verdicts[requirement]
            if problem is not None:
                with_problem(item, problem)
        if problem is not None:
            found.append((item.nodeid, str(problem)))
    return found
