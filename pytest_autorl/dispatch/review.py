"""What a run made of its devices: makespan, lower bound, and where the time went. From the rows of its trace.

Pure: rows as `trace.trace_row` makes them, in seconds since the first dispatch. Shown by `autorl runs show` and on
the page of the farm.

The bound is that of `bound.py` for what really ran: the work of a test is the sum of its attempts (end - start -
set-up) but those that were lost with a device. Each device that was used needs one session, the shortest that was
seen on it by a test of one device, and each module its fixtures once, the shortest time that was seen. So the bound
rather errs downwards, and a ratio upwards. Workers count where their number is known: each runs one test at a time.
Rows without a set-up have all they cost in their work: then the bound has it too, and the ratio says nothing about
sessions. That is why such rows are counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pytest_autorl.dispatch.bound import Bay, BoundKind, Work, lower_bound

#: Times in a trace are rounded to microseconds: less than this is neither an overlap nor a gap.
ROUNDING_S = 2e-6
#: How many of the longest tests and gaps are told.
MOST = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Klass:
    """A requirement class.

    Attributes:
        devices: Ids of the devices that fit.
        count: How many of them a test takes at once.
    """

    devices: frozenset[str]
    count: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What one device did.

    Attributes:
        busy_s: In use by attempts, set-up and lost ones included.
        setup_s: Session and fixtures within.
        lost_s: In attempts that ended with the loss of a device.
        idle_s: The rest of the makespan, time out of service included.
        utilisation: Share of the makespan in use.
        tests: Attempts.
        lost: How many of them were lost.
    """

    id: str
    busy_s: float
    setup_s: float
    lost_s: float
    idle_s: float
    utilisation: float
    tests: int
    lost: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """One attempt of the critical path.

    Attributes:
        waited: Seconds between the end of the link before it and its start.
    """

    test: str
    devices: tuple[str, ...]
    start: float
    end: float
    waited: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Longest:
    """A test that took long.

    Attributes:
        seconds: Of all its attempts, set-up included.
    """

    test: str
    seconds: float
    attempts: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """A device stood idle between two attempts, or before its first one.

    Attributes:
        test: What ran on it next.
    """

    device: str
    start: float
    seconds: float
    test: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """A run, seen from its devices. Shares are of the device time: makespan times number of devices.

    Attributes:
        makespan_s: From the first dispatch to the end of the last attempt.
        bound_s: No order of these tests on these devices takes less.
        ratio: Makespan over bound; 1.0 when nothing ran.
        bound_kind: "work": devices had no more room; "chain": one test and its attempts take that long; "workers":
            they were too few for the devices.
        tight: Devices that the bound is due to; none for workers.
        workers: How many the run had; None when that is not known.
        setup_share: Session and fixtures, lost attempts left out.
        lost_share: Attempts that ended with the loss of a device.
        critical_path: The attempts that lead to the last end, first one first: each began after the end of the one
            before it, on one of its devices or in its worker.
        longest: Tests by seconds of all their attempts, longest first.
        waits: Gaps on the devices, longest first.
        rows_without_setup: Rows that state no seconds of set-up.
        violations: What must not be, in words: two attempts at once on a device, tests that never finished, devices
            that do not fit.
    """

    makespan_s: float
    bound_s: float
    ratio: float
    bound_kind: BoundKind
    tight: tuple[str, ...]
    workers: int | None
    tests: int
    attempts: int
    devices: tuple[Usage, ...]
    utilisation: float
    setup_share: float
    lost_share: float
    idle_share: float
    critical_path: tuple[Link, ...]
    longest: tuple[Longest, ...]
    waits: tuple[Gap, ...]
    rows_without_setup: int
    violations: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """A row of the trace, with what may be missing filled in."""

    test: str
    module: str
    devices: tuple[str, ...]
    klass: str
    is_lost: bool
    worker: str
    start: float
    end: float
    setup: float
    fixture: float

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> _Row:
        start, end = float(row["start"]), float(row["end"])
        setup = min(max(0.0, float(row.get("setup") or 0.0)), max(0.0, end - start))
        return cls(
            test=str(row["test"]),
            module=str(row.get("module") or ""),
            devices=tuple(row["devices"]),
            klass=str(row.get("class") or ""),
            is_lost=row.get("outcome") == "lost",
            worker=str(row.get("worker") or ""),
            start=start,
            end=max(start, end),
            setup=setup,
            fixture=min(max(0.0, float(row.get("fixture") or 0.0)), setup),
        )

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def work_s(self) -> float:
        return self.seconds - self.setup

    @property
    def session_s(self) -> float:
        return self.setup - self.fixture


def review(
    rows: Iterable[Mapping[str, Any]],
    classes: Mapping[str, Klass],
    devices: Iterable[str],
    *,
    workers: int | None = None,
) -> Review:
    """What the rows of one run say.

    Args:
        rows: In any order. Rows without a device are left out.
        classes: By the name in the rows' `class`. For one that is not among them the devices count that its rows had.
        devices: All of the run, in the order in which they are told; others that rows name come after them.
        workers: How many tests could run at once; None when that is not known: as many as there were devices for.
    Raises: ValueError without a worker.
    """
    run = sorted(
        (_Row.of(row) for row in rows if row["devices"]), key=lambda row: (row.start, row.end, row.test)
    )
    ids = tuple(dict.fromkeys([*devices, *sorted({device for row in run for device in row.devices})]))
    lanes: dict[str, list[_Row]] = {device: [] for device in ids}
    for row in run:
        for device in row.devices:
            lanes[device].append(row)
    makespan_s = max((row.end for row in run), default=0.0)
    usages = tuple(_usage(device, lane, makespan_s) for device, lane in lanes.items())
    whole_s = makespan_s * len(ids) or 1.0
    tests: dict[str, list[_Row]] = defaultdict(list)
    for row in run:
        tests[row.test].append(row)
    known = {**_seen(run), **classes}
    bound = lower_bound(
        _works(tests, known, ids),
        _bays(lanes),
        fixture_s=_shortest((row.module, row.fixture) for row in run),
        workers=workers,
    )
    return Review(
        makespan_s=makespan_s,
        bound_s=bound.seconds,
        ratio=makespan_s / bound.seconds if bound.seconds else 1.0,
        bound_kind=bound.kind,
        tight=bound.tight,
        workers=workers,
        tests=len(tests),
        attempts=len(run),
        devices=usages,
        utilisation=sum(usage.busy_s for usage in usages) / whole_s,
        setup_share=sum(row.setup * len(row.devices) for row in run if not row.is_lost) / whole_s,
        lost_share=sum(usage.lost_s for usage in usages) / whole_s,
        idle_share=sum(usage.idle_s for usage in usages) / whole_s,
        critical_path=_critical_path(run),
        longest=_longest(tests),
        waits=_waits(lanes),
        rows_without_setup=sum(row.setup == 0 for row in run),
        violations=(*_overlaps(lanes), *_unfinished(tests), *_misfits(run, classes)),
    )


# -- the bound -----------------------------------------------------------------------------------------------


def _seen(run: Sequence[_Row]) -> dict[str, Klass]:
    """Classes as their rows show them, for those that nobody has described."""
    seen: dict[str, set[str]] = defaultdict(set)
    counts: dict[str, int] = {}
    for row in run:
        seen[row.klass].update(row.devices)
        counts[row.klass] = max(counts.get(row.klass, 1), len(row.devices))
    return {name: Klass(devices=frozenset(devices), count=counts[name]) for name, devices in seen.items()}


def _works(
    tests: Mapping[str, Sequence[_Row]], classes: Mapping[str, Klass], ids: Sequence[str]
) -> list[Work]:
    works: list[Work] = []
    every = frozenset(ids)
    for rows in tests.values():
        ended = [row for row in rows if not row.is_lost]
        if not ended:
            continue
        klass = classes[ended[-1].klass]
        # It did run on these: a description that says otherwise (an older farm file) must not break the bound.
        fits = (klass.devices & every).union(*(row.devices for row in ended))
        works.append(
            Work(
                devices=fits,
                count=min(klass.count, *(len(row.devices) for row in ended)),
                work_s=sum(row.work_s for row in ended),
                attempts=len(ended),
                module=ended[-1].module,
            )
        )
    return works


def _bays(lanes: Mapping[str, Sequence[_Row]]) -> list[Bay]:
    """The devices, each with the shortest session that a test of this device alone has begun.

    What a row of several devices says is the sum of the sessions that were begun, and nobody can tell of which
    devices they were. A device that never was alone counts as one that needs none: the bound errs downwards.
    """
    alone = _shortest(
        (device, row.session_s) for device, lane in lanes.items() for row in lane if len(row.devices) == 1
    )
    return [Bay(id=device, session_s=alone.get(device, 0.0)) for device in lanes]


def _shortest(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The smallest value above 0 of each name."""
    least: dict[str, float] = {}
    for name, seconds in pairs:
        if name and seconds > 0:
            least[name] = min(seconds, least.get(name, seconds))
    return least


# -- where the time went -------------------------------------------------------------------------------------


def _usage(device: str, lane: Sequence[_Row], makespan_s: float) -> Usage:
    busy_s = sum(row.seconds for row in lane)
    return Usage(
        id=device,
        busy_s=busy_s,
        setup_s=sum(row.setup for row in lane),
        lost_s=sum(row.seconds for row in lane if row.is_lost),
        idle_s=max(0.0, makespan_s - busy_s),
        utilisation=busy_s / makespan_s if makespan_s else 0.0,
        tests=len(lane),
        lost=sum(row.is_lost for row in lane),
    )


def _critical_path(run: Sequence[_Row]) -> tuple[Link, ...]:
    """Walks back from the last end, each time to the attempt that held a device or the worker up to the end."""
    if not run:
        return ()
    before: dict[tuple[str, str], list[_Row]] = defaultdict(list)
    for row in sorted(run, key=lambda row: row.end):
        for key in _keys(row):
            before[key].append(row)
    row = max(run, key=lambda row: row.end)
    links: list[Link] = []
    taken = {id(row)}
    while True:
        earlier = [_last_before(before[key], row.start, taken) for key in _keys(row)]
        latest = max((other for other in earlier if other), key=lambda other: other.end, default=None)
        waited = max(0.0, row.start - (latest.end if latest else 0.0))
        links.append(Link(test=row.test, devices=row.devices, start=row.start, end=row.end, waited=waited))
        if latest is None:
            return tuple(reversed(links))
        row = latest
        taken.add(id(row))


def _keys(row: _Row) -> list[tuple[str, str]]:
    worker = [("worker", row.worker)] if row.worker else []
    return [*(("device", device) for device in row.devices), *worker]


def _last_before(rows: list[_Row], start_s: float, taken: set[int]) -> _Row | None:
    """The last of the rows, which are in order of their ends, that ended by then. Those behind it are not needed any
    more: the walk goes back in time."""
    while rows and (rows[-1].end > start_s + ROUNDING_S or id(rows[-1]) in taken):
        rows.pop()
    return rows[-1] if rows else None


def _longest(tests: Mapping[str, Sequence[_Row]]) -> tuple[Longest, ...]:
    every = [
        Longest(test=test, seconds=sum(row.seconds for row in rows), attempts=len(rows))
        for test, rows in tests.items()
    ]
    return tuple(sorted(every, key=lambda one: (-one.seconds, one.test))[:MOST])


def _waits(lanes: Mapping[str, Sequence[_Row]]) -> tuple[Gap, ...]:
    gaps: list[Gap] = []
    for device, lane in lanes.items():
        free_s = 0.0
        for row in lane:
            if row.start - free_s > ROUNDING_S:
                gaps.append(Gap(device=device, start=free_s, seconds=row.start - free_s, test=row.test))
            free_s = max(free_s, row.end)
    return tuple(sorted(gaps, key=lambda gap: (-gap.seconds, gap.device, gap.start))[:MOST])


# -- what must not be ----------------------------------------------------------------------------------------


def _overlaps(lanes: Mapping[str, Sequence[_Row]]) -> Iterable[str]:
    for device, lane in lanes.items():
        longest = lane[0] if lane else None
        for row in lane[1:]:
            assert longest is not None
            both_s = min(longest.end, row.end) - row.start
            if both_s > ROUNDING_S:
                yield f"{device}: {longest.test} and {row.test} were on it at once for {both_s:.3f} s"
            longest = max(longest, row, key=lambda one: one.end)


def _unfinished(tests: Mapping[str, Sequence[_Row]]) -> Iterable[str]:
    for test, rows in tests.items():
        if rows[-1].is_lost:
            yield f"{test}: never finished, its last attempt was lost with {', '.join(rows[-1].devices)}"


def _misfits(run: Sequence[_Row], classes: Mapping[str, Klass]) -> Iterable[str]:
    for row in run:
        klass = classes.get(row.klass)
        if klass is None:
            continue
        strange = [device for device in row.devices if device not in klass.devices]
        if strange:
            yield f"{row.test}: {', '.join(strange)} does not fit class {row.klass}"
        if len(row.devices) != klass.count:
            yield f"{row.test}: had {len(row.devices)} devices, class {row.klass} takes {klass.count}"
