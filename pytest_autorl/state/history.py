"""The history of a suite: how long its tests took in earlier runs, and the runs themselves.

What is kept of a test is its work: seconds of runs that passed, without the set-up of sessions and fixtures, on a
device of factor 1. Everything is bounded: values of a test, runs of a suite, suites of a state; a test that has not run
for as many runs as are kept is forgotten. The functions over `Books` are the rules, for any engine; `History` is one
suite's side of them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pytest_autorl.state.engine import Books, Engine, RunRow, WorkRow

#: So many values of a test are kept.
KEPT_WORKS = 20
#: So many runs of a suite are kept.
KEPT_RUNS = 30
#: So many tests of a suite are kept, those that ran last.
KEPT_TESTS = 100_000
#: So many suites are kept: on a host that checks out into a new folder for each build they would grow for ever.
KEPT_SUITES = 30
#: The estimate is the median of so many, the newest: older ones tell of a test that has changed since.
_RECENT = 5
#: Of a value that is refused so many characters are shown.
_LONGEST = 60
#: Stands for the id of the run that was recorded last.
LATEST = "latest"


def suite_of(rootdir: Path) -> str:
    """The name of the suite whose root directory this is."""
    return _kept(str(rootdir.resolve()))


# -- the rules -----------------------------------------------------------------------------------------------


def estimates(books: Books, suite: str) -> dict[str, float]:
    """Seconds of work to expect, by test id, in the order of the ids; only of tests that are known."""
    return {row.test: median(row.works_s[-_RECENT:]) for row in books.history(suite) if row.works_s}


def ran(books: Books, suite: str) -> frozenset[str]:
    """Ids of the tests that are known: they ran or were imported, also those that never passed."""
    return frozenset(row.test for row in books.history(suite))


def record(books: Books, run: RunRow, durations: Mapping[str, float], seen: Collection[str]) -> int:
    """A run has ended: keep it, and add to what is known of its tests. Returns its number.

    Args:
        durations: Seconds of work by test, see `check`.
        seen: Further tests that ran, and whose durations say nothing: what is known of them stays, of a new one only
            that it ran.
    """
    number = books.add_run(run)
    known = {row.test: row for row in books.history(run.suite)}
    rows = [
        WorkRow(test, number, (*_works(known, test), seconds)[-KEPT_WORKS:])
        for test, seconds in durations.items()
    ]
    rows += [WorkRow(test, number, _works(known, test)) for test in seen if test not in durations]
    runs = books.runs(run.suite)
    books.remove_runs(row.number for row in runs[:-KEPT_RUNS])
    # A selection of the tests says nothing of those that it leaves out.
    is_whole = len(runs) >= KEPT_RUNS and len(rows) >= len(known.keys() - {row.test for row in rows})
    _put(books, run.suite, known, rows, oldest=runs[-KEPT_RUNS].number if is_whole else 0)
    return number


def put(books: Books, suite: str, durations: Mapping[str, float]) -> None:
    """What is known of these tests is one value from now on; that of others stays, as long as there is room."""
    # Counts as seen in the last run: it is kept as long as what that has found out.
    last = max((run.number for run in books.runs(suite)), default=0)
    known = {row.test: row for row in books.history(suite)}
    _put(books, suite, known, [WorkRow(test, last, (seconds,)) for test, seconds in durations.items()])


def find_run(books: Books, suite: str, run_id: str) -> RunRow | None:
    """The run of this id, of several the newest; None when there is none."""
    runs = [run for run in books.runs(suite) if run_id in (LATEST, run.id)]
    return runs[-1] if runs else None


def _works(known: Mapping[str, WorkRow], test: str) -> tuple[float, ...]:
    return known[test].works_s if test in known else ()


def _put(
    books: Books, suite: str, known: Mapping[str, WorkRow], rows: Sequence[WorkRow], *, oldest: int = 0
) -> None:
    """Write these rows, and forget others: what has not run since the run `oldest`, and what there is no room for."""
    again = {row.test for row in rows}
    others = sorted((row for row in known.values() if row.test not in again), key=lambda row: row.seen)
    # Of too many at once those stay of which more is known than that they ran.
    kept = sorted(rows, key=lambda row: not row.works_s)[:KEPT_TESTS]
    excess = max(0, len(rows) + len(others) - KEPT_TESTS)
    stale = [row.test for place, row in enumerate(others) if row.seen < oldest or place < excess]
    books.put_history(suite, kept)
    books.remove_history(suite, [*stale, *(again.intersection(known) - {row.test for row in kept})])
    for name in books.suites()[:-KEPT_SUITES]:
        books.remove_suite(name)


def median(values: Sequence[float]) -> float:
    """Of one value at least.

    >>> median([3.0, 1.0, 2.0]), median([4.0, 1.0])
    (2.0, 2.5)
    """
    ordered, half = sorted(values), len(values) // 2
    if len(ordered) % 2:
        return ordered[half]
    # Not half of the sum: that of two large ones is no number.
    return ordered[half - 1] + (ordered[half] - ordered[half - 1]) / 2


def check(test: str, seconds: object) -> float:
    """A duration that can be kept: a number, finite, not below 0. Raises ValueError for another one."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        shown = repr(seconds)
        shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
        raise ValueError(f"the duration of {test} is no number: {shown}")
    try:
        found = float(seconds)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found) or found < 0:
        raise ValueError(f"the duration of {test} is {found!r} s: it must be 0 or more, and finite")
    return found


def check_count(tests: int) -> None:
    """Raises ValueError for more tests than are kept of a suite."""
    if tests > KEPT_TESTS:
        raise ValueError(f"it has durations of {tests} tests, and of a suite at most {KEPT_TESTS} are kept")


# -- one suite -----------------------------------------------------------------------------------------------


class History:
    """The history of one suite. Safe to use from several threads and processes of one host.

    Args:
        suite: Its name, see `suite_of`.

    All methods raise StateError when the state cannot be used.
    """

    def __init__(self, engine: Engine, *, suite: str) -> None:
        self.suite = _kept(suite)
        self._engine = engine

    def estimates(self) -> dict[str, float]:
        """Seconds of work to expect, by test id: the median of the last 5 values; in the order of the ids."""
        return self._engine.read(lambda books: estimates(books, self.suite))

    def ran(self) -> frozenset[str]:
        """Ids of the tests that are known: they ran or were imported, also those that never passed."""
        return self._engine.read(lambda books: ran(books, self.suite))

    def record(
        self, run: RunRow, durations: Mapping[str, float], *, seen: Collection[str] = frozenset()
    ) -> int:
        """Keep a run that has ended, in one write. Returns its number.

        Args:
            run: Its `suite` and `number` are set here.
            durations: Seconds of work by test id, of tests that passed.
            seen: Further tests that ran: they are not forgotten, and not new in the next run.
        Raises: ValueError for a duration that is no finite number of 0 or more; nothing was kept.
        """
        row = run._replace(suite=self.suite, id=_kept(run.id), reports=_kept(run.reports))
        works, others = _checked(durations), frozenset(map(_kept, seen))
        return self._engine.write(lambda books: record(books, row, works, others))

    def put(self, durations: Mapping[str, float]) -> None:
        """Take durations over: each becomes all that is known of its test.

        Raises: ValueError as `record`, and for more tests than are kept of a suite.
        """
        check_count(len(durations))
        works = _checked(durations)
        self._engine.write(lambda books: put(books, self.suite, works))

    def runs(self) -> list[RunRow]:
        """The runs that are kept, oldest first."""
        return self._engine.read(lambda books: books.runs(self.suite))

    def run(self, run_id: str = LATEST) -> RunRow | None:
        """The run of this id, or the latest; of several with one id the newest. None when there is none."""
        return self._engine.read(lambda books: find_run(books, self.suite, run_id))


def _checked(durations: Mapping[str, float]) -> dict[str, float]:
    return {_kept(test): check(test, seconds) for test, seconds in durations.items()}


def _kept(text: str) -> str:
    """Ids of tests come from file names, which can be no Unicode."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
