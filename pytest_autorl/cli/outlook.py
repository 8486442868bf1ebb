"""What `autorl why` says of a test's chances: how long it takes, who else wants its devices, where the plan has it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_autorl.cli.collecting import Collected
    from pytest_autorl.cli.expecting import Expectations
    from pytest_autorl.dispatch.jobs import Job
    from pytest_autorl.dispatch.needs_table import NeedsTable
    from pytest_autorl.dispatch.plan import Planner

#: So many jobs have their place in the plan told: to count those before one takes the longer the more there are.
MOST_PLACES = 100


class Outlook:
    """The collection as the planner sees it before the first test.

    Args:
        table: Its needs.
    """

    def __init__(self, found: Collected, table: NeedsTable) -> None:
        self._found = found
        self._table = table
        self._wanted: dict[tuple[str, frozenset[str]], tuple[int, int]] = {}
        self._places: dict[str, str] = {}

    @cached_property
    def _expected(self) -> Expectations:
        from pytest_autorl.cli.expecting import expect

        return expect(self._found, self._table)

    @cached_property
    def _planner(self) -> Planner:
        from pytest_autorl.dispatch.plan import Planner

        return Planner(self._devices, self._expected.jobs, self._expected.estimates)

    @property
    def _devices(self) -> list[str]:
        return [device.id for device in self._found.farm.devices] if self._found.farm is not None else []

    @cached_property
    def _jobs(self) -> dict[str, Job]:
        return {test: job for job in self._expected.jobs for test in job.tests}

    @cached_property
    def _counts(self) -> Counter[tuple[str, frozenset[str]]]:
        """How many tests have each need, with the devices that fit."""
        counts: Counter[tuple[str, frozenset[str]]] = Counter()
        for job in self._expected.jobs:
            counts[job.need, job.devices] += len(job.tests)
        return counts

    def row(self, test: str) -> dict[str, Any]:
        """For programs; nothing of a test that is not planned: it cannot run, or is skipped by a marker."""
        job = self._jobs.get(test)
        if job is None:
            return {}
        same, sharing = self._rivals(job, [test])
        return {
            "expected": {
                "work_s": round(self._expected.estimates.work_s(test), 3),
                "from": self._expected.source[test],
            },
            "together_with": [other for other in job.tests if other != test],
            "rivals": {"same_need": same, "same_devices": sharing},
            "plan": self._place(job),
        }

    def lines(self, tests: Sequence[str]) -> list[str]:
        """For people, of tests of one need."""
        from pytest_autorl.cli.expecting import SOURCES, took

        planned = [test for test in tests if test in self._jobs]
        if not planned:
            return []
        job = self._jobs[planned[0]]
        work_s = sum(map(self._expected.estimates.work_s, planned))
        sources = sorted({self._expected.source[test] for test in planned}, key=list(SOURCES).index)
        same, sharing = self._rivals(job, planned)
        known = ", ".join(SOURCES[source] for source in sources)
        have = "more test has" if same == 1 else "more tests have"
        want = "test with another need wants" if sharing == 1 else "tests with other needs want"
        lines = [
            f"takes about {took(work_s)}{' in all' if planned[1:] else ''}, known from {known}",
            f"{same} {have} this need, {sharing} {want} some of its devices",
        ]
        if self._expected.trouble:
            lines.append(f"the history could not be read: {self._expected.trouble}")
        if len({self._jobs[test].name for test in planned}) == 1:
            lines.append(f"plan: {self._planner.explain(job.name)}")
        return lines

    def _place(self, job: Job) -> str | None:
        """What the planner says of a job; None when it has said enough."""
        if job.name not in self._places and len(self._places) < MOST_PLACES:
            self._places[job.name] = self._planner.explain(job.name)
        return self._places.get(job.name)

    def _rivals(self, job: Job, own: Iterable[str]) -> tuple[int, int]:
        """How many tests beside one's own have the same need, and how many another one and some of the same devices."""
        key = job.need, job.devices
        if key not in self._wanted:
            counts = self._counts.items()
            self._wanted[key] = (
                sum(count for (need, _), count in counts if need == job.need),
                sum(count for (need, them), count in counts if need != job.need and them & job.devices),
            )
        same, sharing = self._wanted[key]
        return same - sum(self._jobs[test].need == job.need for test in own), sharing
