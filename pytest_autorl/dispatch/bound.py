"""The lower bound of a run: seconds that no scheduler can beat, even one that knows every duration beforehand.

The bound is the optimum of a linear program, in which tests may be cut into pieces at will. For each kind of work
c (fitting devices E, number of devices k at once, seconds W on a device of speed factor 1) and device i, let y[c,i]
be the work of c that i does. Minimise T such that

    sum over i in E of y[c,i]  =  k * W[c]
    y[c,i]                    <=  W[c]                                 (a device is in a test once at most)
    sum over c of y[c,i]      <=  max(0, avail[i](T) - session[i]) / factor[i]

where avail[i](T) is the time until T in which device i is up, and session[i] is one session, which each device that
is used has to begin. Each module adds one piece of work on one device for its fixtures. For k = 1 without sessions
this is Hall's condition: T >= the work that fits in S only / (sum over S of 1 / factor), for each set S of devices.

Devices that fit the same kinds are one group, so the program becomes a small flow problem: is there room for all
work until T? If not, the smallest cut is a set of devices with too little room, and the next T is the time at which
that set has enough (Newton's method for fractional programs, Dinkelbach 1967). It ends at the optimum.
The longest chain counts too: all attempts of one test, which run one after the other (a single one after the session
of its device; of several each may be on another device, whose session has begun meanwhile).

So do the workers, where their number is known: each runs one test at a time, whatever that takes of devices. Where m
devices are used by w workers no more than min(m, w) tests run at once, so

    T * min(m, w)  >=  sum of what each test takes on its fastest devices + fixtures of each module
                       + the m cheapest sessions

and the bound is the least such T of all m that can do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf, isfinite
from types import MappingProxyType
from typing import Literal

from pytest_autorl.dispatch.flow import ROUNDING, Flow

#: What a bound can be due to, see `Bound`.
BoundKind = Literal["work", "chain", "workers"]

_Kind = tuple[frozenset[str], int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What one test took: all its attempts that ran to their end, whatever came out.

    Attributes:
        devices: Ids of the devices that fit.
        count: How many it takes at once.
        work_s: Sum of its attempts on a device of speed factor 1, set-up not counted.
        attempts: How many they were.
        module: Whose fixtures it needs; "" for none.
    """

    devices: frozenset[str]
    work_s: float
    count: int = 1
    attempts: int = 1
    module: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bay:
    """A device as the bound sees it.

    Attributes:
        speed_factor: How many times longer than on a device of factor 1 a test takes.
        session_s: Seconds that the begin of a session takes on it.
        windows: From when to when it is up, in order and apart from each other; None: for good.
    """

    id: str
    speed_factor: float = 1.0
    session_s: float = 0.0
    windows: Sequence[tuple[float, float | None]] = ((0.0, None),)

    def room(self, until_s: float) -> float:
        """Work that it has time for before `until_s`, once its session has begun."""
        up_s = sum(
            max(0.0, min(until_s, inf if to is None else to) - since_s) for since_s, to in self.windows
        )
        return max(0.0, up_s - self.session_s) / self.speed_factor

    def since_s(self) -> float:
        """When it is up for the first time."""
        return min((since_s for since_s, _ in self.windows), default=inf)

    def alone_s(self, work_s: float) -> float:
        """When it can have done one attempt that is its first; never cut in pieces. Infinite if no window is
        long enough."""
        takes_s = self.session_s + work_s * self.speed_factor
        slack_s = takes_s * ROUNDING
        return min(
            (
                since_s + takes_s
                for since_s, to in self.windows
                if to is None or since_s + takes_s <= to + slack_s
            ),
            default=inf,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """The bound, and what it is due to.

    Attributes:
        tight: Ids of the devices that have to work without a pause to reach it; for a chain those that fit it; none
            for workers.
        kind: "work": devices have no more room; "chain": one test and its attempts take that long; "workers": they
            are too few for the devices.
    """

    seconds: float
    tight: tuple[str, ...]
    kind: BoundKind


def lower_bound(
    works: Sequence[Work],
    bays: Sequence[Bay],
    *,
    fixture_s: Mapping[str, float] = MappingProxyType({}),
    workers: int | None = None,
) -> Bound:
    """The bound of these tests on these devices.

    Args:
        works: One for each test. Device ids without a bay are left out.
        fixture_s: Seconds of a module's fixtures on a device of factor 1.
        workers: So many tests run at once, and a worker opens the sessions of a test one after the other; None: as
            many as there are devices for.
    Raises: ValueError for negative or endless seconds, for a factor that is not above 0, without a worker, and when
        the work can never be done: too few devices fit, or they go before it can be.

    >>> two = frozenset({"a", "b"})
    >>> works = [Work(devices=two, work_s=4.0), Work(devices=frozenset({"a"}), work_s=5.0)]
    >>> lower_bound(works, [Bay(id="a"), Bay(id="b")])
    Bound(seconds=5.0, tight=('a',), kind='work')
    """
    by_id = {bay.id: bay for bay in bays}
    _refuse_nonsense(works, bays, fixture_s)
    if workers is not None and workers < 1:
        raise ValueError(f"a run needs a worker, got {workers}")
    kinds: dict[_Kind, float] = defaultdict(float)
    homes: dict[str, set[frozenset[str]]] = defaultdict(set)
    known: dict[frozenset[str], frozenset[str]] = {}
    chains: dict[tuple[_Kind, bool], float] = defaultdict(float)
    for work in works:
        fits = known.get(work.devices)
        if fits is None:
            fits = known[work.devices] = frozenset(work.devices & by_id.keys())
        if len(fits) < work.count:
            raise ValueError(f"a test takes {work.count} devices, and {len(fits)} of the given ones fit it")
        kinds[fits, work.count] += work.work_s
        chain = (fits, work.count), work.attempts == 1
        chains[chain] = max(chains[chain], work.work_s)
        if work.module:
            homes[work.module].add(fits)
    by_workers_s = 0.0
    own = {
        (frozenset[str]().union(*sets), module): fixture_s.get(module, 0.0) for module, sets in homes.items()
    }
    if workers is not None:
        setups_s = sum(
            seconds * min(by_id[device].speed_factor for device in fits) for (fits, _), seconds in own.items()
        )
        by_workers_s = _by_workers_s(kinds, by_id, setups_s, workers)
    for (fits, _), seconds in own.items():
        kinds[fits, 1] += seconds
    volume = _Room(kinds, by_id).bound()
    longest = max(
        (_chain(kind, work_s, by_id, is_one=is_one) for (kind, is_one), work_s in chains.items()),
        key=lambda bound: bound.seconds,
        default=volume,
    )
    bound = longest if longest.seconds > volume.seconds * (1 + ROUNDING) else volume
    if by_workers_s > bound.seconds * (1 + ROUNDING):
        return Bound(seconds=by_workers_s, tight=(), kind="workers")
    return bound


def _refuse_nonsense(works: Sequence[Work], bays: Sequence[Bay], fixture_s: Mapping[str, float]) -> None:
    seconds = [*(w.work_s for w in works), *(b.session_s for b in bays), *fixture_s.values()]
    wrong = next((value for value in seconds if not (isfinite(value) and value >= 0)), None)
    if wrong is not None:
        raise ValueError(f"seconds are finite and not negative, got {wrong}")
    for bay in bays:
        if not (isfinite(bay.speed_factor) and bay.speed_factor > 0):
            raise ValueError(f"{bay.id}: a speed factor is finite and above 0, got {bay.speed_factor}")


def _chain(kind: _Kind, work_s: float, bays: Mapping[str, Bay], *, is_one: bool) -> Bound:
    """When a test that takes `work_s` can have ended if nothing else runs.

    One attempt ends when the k-th of its devices could have done it. Several may be on different devices: the first
    begins no earlier than k of them are up, and each is as slow as the slowest of k at least.
    """
    fits, count = [bays[device] for device in kind[0]], kind[1]
    if is_one:
        seconds = sorted(bay.alone_s(work_s) for bay in fits)[count - 1]
        if seconds == inf:
            raise ValueError(f"an attempt of {work_s:g} s fits into no window of its devices")
    else:
        since_s = sorted(bay.since_s() for bay in fits)[count - 1]
        seconds = since_s + work_s * sorted(bay.speed_factor for bay in fits)[count - 1]
    return Bound(seconds=seconds, tight=tuple(sorted(kind[0])), kind="chain")


def _by_workers_s(
    kinds: Mapping[_Kind, float], bays: Mapping[str, Bay], setups_s: float, workers: int
) -> float:
    """When so many workers can have run all tests, whatever the devices have room for. See the module.

    Args:
        setups_s: Seconds of all fixtures.
    """
    if not kinds:
        return 0.0
    whole_s = setups_s
    for (fits, count), work_s in kinds.items():
        whole_s += work_s * sorted(bays[device].speed_factor for device in fits)[count - 1]
    used = frozenset[str]().union(*(fits for fits, _ in kinds))
    cheapest_s = [0.0, *accumulate(sorted(bays[device].session_s for device in used))]
    apart_s = _apart_s(kinds, bays)
    least = max(count for _, count in kinds)
    return min(
        (whole_s + max(cheapest_s[number], apart_s)) / min(number, workers)
        for number in range(least, min(len(used), max(least, workers)) + 1)
    )


def _apart_s(kinds: Iterable[_Kind], bays: Mapping[str, Bay]) -> float:
    """Seconds of sessions that tests which share no device cannot do without: the cheapest of each."""
    seen: set[str] = set()
    sum_s = 0.0
    for fits, count in sorted(kinds, key=lambda kind: (len(kind[0]), -kind[1], sorted(kind[0]))):
        if seen.isdisjoint(fits):
            seen |= fits
            sum_s += sum(sorted(bays[device].session_s for device in fits)[:count])
    return sum_s


class _Room:
    """The flow problem: kinds of work on one side, groups of devices on the other."""

    def __init__(self, kinds: Mapping[_Kind, float], bays: Mapping[str, Bay]) -> None:
        self._kinds = [(fits, count, work_s) for (fits, count), work_s in kinds.items() if work_s > 0]
        by_signature: dict[tuple[int, ...], list[Bay]] = defaultdict(list)
        for bay in bays.values():
            signature = tuple(n for n, (fits, *_) in enumerate(self._kinds) if bay.id in fits)
            by_signature[signature].append(bay)
        by_signature.pop((), None)
        self._groups = list(by_signature.values())
        self._groups_of: list[list[int]] = [[] for _ in self._kinds]
        for place, signature in enumerate(by_signature):
            for kind in signature:
                self._groups_of[kind].append(place)

    def bound(self) -> Bound:
        until_s, tight = 0.0, set[int]()
        while True:
            cut = self._too_small(until_s)
            if cut is None:
                break
            later_s = self._enough_s(*cut)
            if later_s <= until_s * (1 + ROUNDING):
                break  # nothing but rounding is missing
            # Where what lacks is that a device is in a test once only, all devices of the tests have to work on.
            until_s, tight = later_s, cut[1] or {place for kind in cut[0] for place in self._groups_of[kind]}
        devices = (bay.id for place in tight for bay in self._groups[place])
        return Bound(seconds=until_s, tight=tuple(sorted(devices)), kind="work")

    def _pieces(self, kind: int, place: int, until_s: float) -> float:
        """How much of a kind a group can do: no device more than the whole of it."""
        _, count, work_s = self._kinds[kind]
        if count == 1:
            return work_s
        return sum(min(work_s, bay.room(until_s)) for bay in self._groups[place])

    def _too_small(self, until_s: float) -> tuple[set[int], set[int]] | None:
        """The kinds and the groups of the smallest cut if not all work can be done until then."""
        flow = Flow(
            [count * work_s for _, count, work_s in self._kinds],
            [
                {place: self._pieces(kind, place, until_s) for place in places}
                for kind, places in enumerate(self._groups_of)
            ],
            [sum(bay.room(until_s) for bay in group) for group in self._groups],
        )
        return flow.cut()

    def _enough_s(self, kinds: set[int], groups: set[int]) -> float:
        """The first time at which this cut has room for its work."""
        demand = sum(self._kinds[kind][1] * self._kinds[kind][2] for kind in kinds)
        devices = [bay for place in groups for bay in self._groups[place]]
        edges = [(kind, place) for kind in kinds for place in self._groups_of[kind] if place not in groups]

        def missing(until_s: float) -> float:
            room = sum(bay.room(until_s) for bay in devices)
            return demand - room - sum(self._pieces(kind, place, until_s) for kind, place in edges)

        return _root(missing)


def _root(missing: Callable[[float], float]) -> float:
    """The first place where a falling, piecewise linear function is no longer above 0."""
    low, high = 0.0, 1.0
    while missing(high) > 0:
        low, high = high, high * 2
        if high > 1e15:
            raise ValueError("the work does not fit into the windows of its devices")
    above, below = missing(low), missing(high)
    for _ in range(200):
        # A secant hits the root at once when both ends are on its line; halving alone never would.
        place = low + (high - low) * above / (above - below) if above > below else low
        if not low < place < high:
            place = (low + high) / 2
        value = missing(place)
        if value > 0:
            low, above = place, value
        else:
            high, below = place, value
        middle = (low + high) / 2
        if not low < middle < high:
            break
        value = missing(middle)
        if value > 0:
            low, above = middle, value
        else:
            high, below = middle, value
        if high - low <= 1e-14 * high:
            break
    return high
