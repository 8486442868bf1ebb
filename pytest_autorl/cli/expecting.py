"""What the planner expects of a collection: its jobs, how long each test takes, and where that is known from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pytest_autorl.errors import StateError

if TYPE_CHECKING:
    from pytest_autorl.cli.collecting import Collected
    from pytest_autorl.dispatch.estimate import Estimates
    from pytest_autorl.dispatch.jobs import Job
    from pytest_autorl.dispatch.needs_table import NeedsTable
    from pytest_autorl.state.engine import Books

#: Where an estimate can be from, the best source first, and how people are told.
SOURCES: Final[Mapping[str, str]] = {
    "history": "earlier runs",
    "module": "the mean of its module",
    "suite": "the mean of all tests",
    "none": "nothing yet, a guess",
}


@dataclass(frozen=True, kw_only=True)
class Expectations:
    """See the module.

    Attributes:
        jobs: One for each test that needs a device, or for the several that share one; in order of collection.
        source: Where a test's estimate is from, a word of `SOURCES`; by node id.
        setup: What sessions and fixtures took in the last run.
        trouble: Why the history could not be read; "" when it could.
    """

    jobs: tuple[Job, ...]
    estimates: Estimates
    source: Mapping[str, str]
    setup: Setup
    trouble: str


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Of a run that has ended; None for what is not known.

    Attributes:
        share: Share of the devices' time that sessions and fixtures took.
        session_s: Mean seconds of a session.
        fixture_s: Mean seconds of a module's fixtures.
    """

    share: float | None = None
    session_s: float | None = None
    fixture_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What the state says of a suite."""

    works_s: Mapping[str, float] = field(default_factory=dict)
    ran: frozenset[str] = frozenset()
    setup: Setup = Setup()
    trouble: str = ""


def expect(found: Collected, table: NeedsTable) -> Expectations:
    """Weigh a collection. Reads the history of its suite, and makes no state where there is none."""
    from pytest_autorl.dispatch.estimate import Estimates

    known = _known(found)
    groups = table.groups(range(len(table.tests)))
    tests = {table.tests[index]: table.module_of(index) for group in groups for index in group}
    return Expectations(
        jobs=tuple(_job(table, group) for group in groups),
        estimates=Estimates(
            known.works_s,
            ran=known.ran,
            modules=tests,
            prior_session_s=known.setup.session_s or 0.0,
            prior_fixture_s=known.setup.fixture_s or 0.0,
        ),
        source=_sources(tests, known.works_s),
        setup=known.setup,
        trouble=known.trouble,
    )


def _job(table: NeedsTable, group: list[int]) -> Job:
    unit = table.unit(group[0])
    return table.job(group, name=unit.name if unit is not None and table.stays_together(group[0]) else "")


def _known(found: Collected) -> _Known:
    """Nothing, and why, of a state that cannot be read: a plan without history is better than none."""
    from pytest_autorl.state.history import suite_of
    from pytest_autorl.state.peek import peek

    if found.state is None:
        return _Known()
    suite = suite_of(found.rootdir)
    try:
        return peek(found.state, lambda books: _read(books, suite))
    except StateError as error:
        return _Known(trouble=str(error))


def _read(books: Books, suite: str) -> _Known:
    from pytest_autorl.cli.figures import facts_of
    from pytest_autorl.state.history import LATEST, estimates, find_run, ran

    run = find_run(books, suite, LATEST)
    facts = facts_of(run) if run is not None else {}
    setup = Setup(
        share=_number(facts.get("setup_share")),
        session_s=_number(facts.get("session_s")),
        fixture_s=_number(facts.get("fixture_s")),
    )
    return _Known(works_s=estimates(books, suite), ran=ran(books, suite), setup=setup)


def _number(value: object) -> float | None:
    """A figure of a run; None for what another version or a broken file has in its place."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def _sources(tests: Mapping[str, str], history: Mapping[str, float]) -> dict[str, str]:
    known = {module for test, module in tests.items() if test in history}

    def source(test: str, module: str) -> str:
        if test in history:
            return "history"
        if module in known:
            return "module"
        return "suite" if history else "none"

    return {test: source(test, module) for test, module in tests.items()}


def took(seconds: float) -> str:
    """Seconds for people.

    >>> [took(s) for s in (0.25, 9.96, 59.6, 60, 3725)]
    ['0.2 s', '10 s', '1 min', '1 min', '1 h 2 min']
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def named(ids: Iterable[str], most: int) -> str:
    """The first few of several names.

    >>> named(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    names = list(ids)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def tests(count: int) -> str:
    """So many tests, in words."""
    return "1 test" if count == 1 else f"{count} tests"
