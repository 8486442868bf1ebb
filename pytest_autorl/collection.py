"""At collection: what every test needs, which needs no device can ever meet, and how each test is retried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from pytest_autorl.attempts.policies import aside_lines, note_policies, policy_problem_key
from pytest_autorl.errors import AutorlError
from pytest_autorl.needs import need_key, note_needs, with_problem
from pytest_autorl.run import Run

#: Key of xdist's `workeroutput`: how many tests a worker leaves to which other plugin.
_ASIDE = "autorl_aside"


class Collection:
    """Notes needs and policies; tells the run when there are any.

    Args:
        on_needs: Called once, when the first collected test needs a device.
        on_policies: Called once, when the first collected test may be retried by its own policy.
    """

    def __init__(
        self, run: Run, on_needs: Callable[[], None], on_policies: Callable[[], None] = lambda: None
    ) -> None:
        self._run = run
        self._on_needs = on_needs
        self._on_policies = on_policies
        self._problems: list[tuple[str, str]] = []
        self._inert: list[str] = []
        self._aside = Counter[str]()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Last, so that markers other plugins add at collection count."""
        if self._run.config is not None:
            self._inert = inert_markers(items)
        needing = note_needs(items)
        if needing:
            self._on_needs()
            self._problems = unmet(needing, self._run)
        self._note_policies(config, items)
        if self._problems:
            config.pluginmanager.register(_Refusals(), "autorl-refusals")

    def _note_policies(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        farm = self._run.config
        noted = note_policies(items, self._run.settings, farm.policies.retry if farm is not None else None)
        self._problems += noted.problems
        self._aside = noted.aside
        if noted.aside and self._run.role == "worker":
            config.workeroutput[_ASIDE] = dict(noted.aside)  # type: ignore[attr-defined]
        if noted.has_any:
            self._on_policies()

    def pytest_report_collectionfinish(self) -> Sequence[str]:
        """The tests that cannot run, before the first one does; and those that others run again."""
        if not self._problems and not self._inert and not self._aside:
            return ()
        from pytest_autorl.capture.terminal import unmet_lines

        return [*self._inert, *unmet_lines(self._problems), *aside_lines(self._aside)]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker has ended: all have collected the same, so each can tell for all."""
        self._aside |= Counter(getattr(node, "workeroutput", {}).get(_ASIDE, {}))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """With workers, what only they could know: here is the first chance."""
        if self._run.role == "controller":
            for line in aside_lines(self._aside):
                terminalreporter.write_line(self._run.sink.text(line))


class _Refusals:
    """Registered where some tests cannot run: the others pay nothing for it."""

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Such a test ends here, as an ERROR with the reason; one that is skipped is skipped before."""
        __tracebackhide__ = True
        need = item.stash.get(need_key, None)
        problem = need.problem if need is not None else None
        problem = problem or item.stash.get(policy_problem_key, None)
        if problem is not None:
            raise problem.with_traceback(None)  # it was found at collection: those frames explain nothing


#: Markers whose feature is not part of this version.
_RESERVED = frozenset({"recovery", "scenario", "quarantine"})


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
