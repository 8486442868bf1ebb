"""The lower bound: never above what is possible, and equal to the formulas where there are some."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain, combinations, permutations, product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_autorl.dispatch.bound import Bay, Bound, Work, lower_bound

IDS = ("a", "b", "c")
Job = tuple[int, int, float]  # work, attempt, seconds


def works(
    *, counts: Sequence[int] = (1,), least: int = 0, modules: Sequence[str] = ("",)
) -> st.SearchStrategy[Work]:
    return st.builds(
        Work,
        devices=st.sets(st.sampled_from(IDS), min_size=max(counts)).map(frozenset),
        count=st.sampled_from(counts),
        work_s=st.integers(least, 9).map(float),
        module=st.sampled_from(modules),
    )


def bays(
    *,
    sessions: Sequence[float] = (0.0,),
    windows: Sequence[Sequence[tuple[float, float | None]]] = (((0.0, None),),),
) -> st.SearchStrategy[list[Bay]]:
    def bay(id: str) -> st.SearchStrategy[Bay]:
        return st.builds(
            Bay,
            id=st.just(id),
            speed_factor=st.sampled_from((1.0, 1.5, 2.0)),
            session_s=st.sampled_from(sessions),
            windows=st.sampled_from(windows),
        )

    return st.tuples(*map(bay, IDS)).map(list)


# -- against what is possible --------------------------------------------------------------------------------


def best_s(
    tests: Sequence[tuple[Work, tuple[float, ...]]],
    farm: Sequence[Bay],
    fixture_s: float,
    workers: int | None,
) -> float:
    """The shortest makespan: all orders and all devices, each attempt as early as it can begin."""
    jobs = [(n, number, s) for n, (_, attempts) in enumerate(tests) for number, s in enumerate(attempts)]
    return min(
        (
            makespan
            for order in permutations(jobs)
            if all(a[1] < b[1] for a, b in combinations(order, 2) if a[0] == b[0])
            for makespan in _makespans(order, tests, {bay.id: bay for bay in farm}, fixture_s, workers)
        ),
        default=math.inf,
    )


def _makespans(
    order: Sequence[Job],
    tests: Sequence[tuple[Work, tuple[float, ...]]],
    farm: dict[str, Bay],
    fixture_s: float,
    workers: int | None,
) -> Iterator[float]:
    """Without a number of workers even the sessions of one test are begun at once."""
    ways = [[*combinations(sorted(tests[n][0].devices), tests[n][0].count)] for n, _, _ in order]
    for places in product(*ways):
        free_s = {id: bay.windows[0][0] for id, bay in farm.items()}
        hands_s = [0.0] * (len(order) if workers is None else workers)
        had: set[tuple[str, str]] = set()
        ended_s: dict[int, float] = {}
        is_possible = True
        for (n, _, seconds), devices in zip(order, places, strict=True):
            module = tests[n][0].module
            sessions = {d: farm[d].session_s * ((d, "session") not in had) for d in devices}
            own = {
                d: fixture_s * farm[d].speed_factor if module and (d, module) not in had else 0.0
                for d in devices
            }
            at_once_s = max(sessions[d] + own[d] for d in devices)
            setup_s = at_once_s if workers is None else sum(sessions.values()) + max(own.values())
            had.update((d, key) for d in devices for key in ("session", module))
            begin_s = max(ended_s.get(n, 0.0), hands_s[0], *(free_s[d] for d in devices))
            end_s = begin_s + setup_s + seconds * max(farm[d].speed_factor for d in devices)
            is_possible &= all((farm[d].windows[0][1] or math.inf) >= end_s for d in devices)
            ended_s[n] = end_s
            free_s.update(dict.fromkeys(devices, end_s))
            hands_s = sorted([*hands_s[1:], end_s])
        if is_possible:
            yield max(ended_s.values(), default=0.0)


@given(
    st.lists(st.tuples(works(counts=(1, 2), modules=("", "m")), st.integers(1, 2)), max_size=3),
    bays(sessions=(0.0, 1.0, 3.0), windows=(((0.0, None),), ((2.0, None),), ((0.0, 12.0),))),
    st.sampled_from((0.0, 1.0)),
    st.sampled_from((None, 1, 2, 3)),
)
@settings(max_examples=100, deadline=None)
def test_nothing_that_is_possible_ends_before_the_bound(
    drawn: list[tuple[Work, int]], farm: list[Bay], fixture_s: float, workers: int | None
) -> None:
    """Every schedule of tiny instances is tried, with sessions, fixtures, deaths, retries and tests of two devices, by
    few workers and many."""
    assume(sum(attempts for _, attempts in drawn) <= 4)
    tests = [
        (
            Work(devices=w.devices, count=w.count, work_s=w.work_s * n, attempts=n, module=w.module),
            (w.work_s,) * n,
        )
        for w, n in drawn
    ]
    best = best_s(tests, farm, fixture_s, workers) if tests else 0.0
    assume(best < math.inf)

    bound = lower_bound([work for work, _ in tests], farm, fixture_s={"m": fixture_s}, workers=workers)

    assert bound.seconds <= best * (1 + 1e-9)


def hall_s(tests: Sequence[Work], farm: Sequence[Bay]) -> float:
    """Hall's condition, set by set."""
    subsets = chain.from_iterable(combinations(farm, n) for n in range(1, len(farm) + 1))
    return max(
        sum(work.work_s for work in tests if work.devices <= {bay.id for bay in subset})
        / sum(1 / bay.speed_factor for bay in subset)
        for subset in subsets
    )


@given(st.lists(works(), max_size=12), bays())
def test_without_set_up_it_is_halls_formula_or_the_longest_test(tests: list[Work], farm: list[Bay]) -> None:
    factors = {bay.id: bay.speed_factor for bay in farm}
    longest = max((work.work_s * min(factors[d] for d in work.devices) for work in tests), default=0.0)
    hall = hall_s(tests, farm)

    bound = lower_bound(tests, farm)

    assert bound.seconds == pytest.approx(max(hall, longest))
    assert bound.kind == ("chain" if longest > hall * (1 + 1e-6) else "work")


@given(st.lists(works(counts=(1, 2)), max_size=8), bays(sessions=(0.0, 2.0)))
def test_it_does_not_depend_on_the_order(tests: list[Work], farm: list[Bay]) -> None:
    there, back = lower_bound(tests, farm), lower_bound(tests[::-1], farm[::-1])

    assert there.seconds == pytest.approx(back.seconds)
    assert there.kind == back.kind


@given(st.lists(works(least=1), min_size=1, max_size=8), works(), bays(sessions=(0.0, 2.0)))
def test_more_work_never_lowers_it_and_one_more_device_never_raises_it(
    tests: list[Work], more: Work, farm: list[Bay]
) -> None:
    bound = lower_bound(tests, farm).seconds
    other = Bay(id="other", session_s=1.0)
    wider = [Work(devices=work.devices | {"other"}, work_s=work.work_s) for work in tests]

    assert lower_bound([*tests, more], farm).seconds >= bound * (1 - 1e-9)
    assert lower_bound(wider, [*farm, other]).seconds <= bound * (1 + 1e-9)


@given(st.lists(works(counts=(1, 2)), max_size=8), bays(sessions=(0.0, 2.0)), st.integers(1, 4))
def test_one_more_worker_never_raises_it_and_enough_of_them_do_not_count(
    tests: list[Work], farm: list[Bay], workers: int
) -> None:
    few, more = (lower_bound(tests, farm, workers=number) for number in (workers, workers + 1))

    assert few.seconds >= more.seconds * (1 - 1e-9)
    assert lower_bound(tests, farm, workers=1).seconds >= sum(work.work_s for work in tests) * (1 - 1e-9)
    if len(farm) <= workers and all(work.count == 1 for work in tests):
        assert few.seconds == pytest.approx(lower_bound(tests, farm).seconds)


@given(st.lists(works(counts=(1, 2), least=1), min_size=1, max_size=8), bays(sessions=(0.0, 2.0)))
def test_there_are_always_devices_to_name(tests: list[Work], farm: list[Bay]) -> None:
    """Also where what lacks is that a device takes part in a test once only."""
    bound = lower_bound(tests, farm)

    assert set(bound.tight) & {device for work in tests for device in work.devices}


@given(st.lists(works(least=1), min_size=1, max_size=8), bays(sessions=(0.0, 2.0)))
def test_a_tight_device_that_is_slower_makes_it_later(tests: list[Work], farm: list[Bay]) -> None:
    """That is what tight means: a faster device elsewhere would not help."""
    bound = lower_bound(tests, farm)
    assume(bound.kind == "work")
    busy = [bay for bay in farm if bay.id in bound.tight and bay.session_s < bound.seconds - 1e-6]
    assert busy
    slower = Bay(id=busy[0].id, speed_factor=busy[0].speed_factor * 2, session_s=busy[0].session_s)

    later = lower_bound(tests, [slower if bay.id == slower.id else bay for bay in farm])

    assert later.seconds > bound.seconds * (1 + 1e-6)


# -- examples ------------------------------------------------------------------------------------------------

AB = frozenset("ab")
ABC = frozenset("abc")


def test_nothing_to_do_takes_no_time() -> None:
    nothing = Bound(seconds=0.0, tight=(), kind="work")

    assert lower_bound([], []) == nothing
    assert lower_bound([Work(devices=AB, work_s=0.0)], [Bay(id="a", session_s=9.0)]) == Bound(
        seconds=9.0, tight=("a",), kind="chain"
    )


def test_the_devices_without_room_are_named() -> None:
    tests = [Work(devices=frozenset("a"), work_s=7.0), *[Work(devices=ABC, work_s=1.0)] * 6]

    assert lower_bound(tests, [Bay(id=id) for id in "abc"]) == Bound(seconds=7.0, tight=("a",), kind="work")


def test_each_device_that_is_used_needs_a_session() -> None:
    """Ten seconds of work on two devices; the second is worth its long session only when there is enough work."""
    farm = [Bay(id="a", session_s=1.0), Bay(id="b", session_s=20.0)]

    little = lower_bound([Work(devices=AB, work_s=1.0)] * 10, farm)
    much = lower_bound([Work(devices=AB, work_s=1.0)] * 100, farm)

    assert little.seconds == pytest.approx(11.0)
    assert much.seconds == pytest.approx((100 + 21) / 2)


def test_a_device_takes_part_in_a_test_once() -> None:
    """Three tests of two devices on three: each pair of devices could share the work, or one is in all of them."""
    pairs = [Work(devices=ABC, count=2, work_s=4.0)] * 3
    alone = [Work(devices=AB, count=2, work_s=4.0), Work(devices=frozenset("a"), work_s=1.0)]

    assert lower_bound(pairs, [Bay(id=id) for id in "abc"]).seconds == pytest.approx(8.0)
    assert lower_bound(alone, [Bay(id=id) for id in "ab"]).seconds == pytest.approx(5.0)


def test_a_pair_cannot_be_done_by_one_fast_device_twice() -> None:
    """The fast device does its half of each test; the slow ones have to do the other."""
    farm = [Bay(id="a"), Bay(id="b", speed_factor=4.0), Bay(id="c", speed_factor=4.0)]
    pairs = [Work(devices=ABC, count=2, work_s=1.0)] * 8

    assert lower_bound(pairs, farm).seconds == pytest.approx(8 * 4 / 2)


def test_a_pair_names_its_devices_though_each_of_them_has_room() -> None:
    """Both tests need both devices for all of their time, as the devices are in each test once."""
    pairs = [Work(devices=AB, count=2, work_s=1.0)] * 2

    assert lower_bound(pairs, [Bay(id="a"), Bay(id="b")]) == Bound(seconds=2.0, tight=("a", "b"), kind="work")


def test_few_workers_need_the_time_of_all_work_and_of_its_set_up() -> None:
    """Three devices with sessions of 1, 2 and 6 s; 12 tests of 2 s, fixtures of 3 s: one device could do it in 28 s,
    two in (27 + 3) / 2, and to begin a third one does not help two workers."""
    farm = [Bay(id=id, session_s=s) for id, s in (("a", 1.0), ("b", 2.0), ("c", 6.0))]
    tests = [Work(devices=ABC, work_s=2.0, module="m")] * 12

    found = [lower_bound(tests, farm, fixture_s={"m": 3.0}, workers=number) for number in (1, 2)]

    assert found == [
        Bound(seconds=28.0, tight=(), kind="workers"),
        Bound(seconds=15.0, tight=(), kind="workers"),
    ]
    assert lower_bound(tests, farm, fixture_s={"m": 3.0}, workers=3).kind == "work"


def test_a_test_of_two_devices_has_one_worker_who_opens_both_sessions() -> None:
    farm = [Bay(id=id, session_s=2.0, speed_factor=1.0 + (id == "c")) for id in "abc"]
    pairs = [Work(devices=ABC, count=2, work_s=3.0)] * 2

    assert lower_bound(pairs, farm, workers=1) == Bound(seconds=2 * 3 + 2 * 2, tight=(), kind="workers")


def test_devices_that_tests_do_not_share_each_need_a_session() -> None:
    farm = [Bay(id="a", session_s=5.0), Bay(id="b", session_s=4.0), Bay(id="c", session_s=1.0)]
    tests = [Work(devices=frozenset("a"), work_s=3.0), Work(devices=frozenset("bc"), work_s=3.0)]

    assert lower_bound(tests, farm, workers=1) == Bound(seconds=6 + 5 + 1, tight=(), kind="workers")


def test_fixtures_are_needed_once_in_each_module() -> None:
    tests = [Work(devices=AB, work_s=2.0, module=module) for module in ("m", "m", "n")]

    bound = lower_bound(tests, [Bay(id=id) for id in "ab"], fixture_s={"m": 3.0, "n": 1.0})

    assert bound.seconds == pytest.approx((2 * 3 + 3 + 1) / 2)


def test_fixtures_are_no_work_of_a_certain_class() -> None:
    """The module has tests for a and tests for b: its fixtures may be set up on either."""
    tests = [
        Work(devices=frozenset("a"), work_s=6.0, module="m"),
        Work(devices=frozenset("b"), work_s=2.0, module="m"),
    ]

    assert lower_bound(tests, [Bay(id=id) for id in "ab"], fixture_s={"m": 4.0}).seconds == pytest.approx(6.0)
    assert lower_bound(tests, [Bay(id=id) for id in "ab"], fixture_s={"m": 6.0}).seconds == pytest.approx(7.0)


@pytest.mark.parametrize("attempts", [1, 2])
def test_a_test_is_as_slow_as_the_slowest_of_its_devices(attempts: int) -> None:
    """The work of the pair could be spread over three devices, but one of the slow ones is always in it."""
    farm = [Bay(id="a", windows=((2.0, None),)), *(Bay(id=id, speed_factor=3.0) for id in "bc")]
    late = [Bay(id=id, windows=((5.0, None),), speed_factor=3.0) for id in "abc"]

    pair = [Work(devices=ABC, count=2, work_s=8.0, attempts=attempts)]

    assert lower_bound(pair, farm) == Bound(seconds=24.0, tight=("a", "b", "c"), kind="chain")
    assert lower_bound(pair, late) == Bound(seconds=29.0, tight=("a", "b", "c"), kind="chain")


def test_attempts_of_one_test_run_one_after_the_other() -> None:
    """Two attempts of 5 s: the second may be on another device, whose session began during the first."""
    farm = [Bay(id="a", session_s=4.0), Bay(id="b", speed_factor=2.0), Bay(id="c", windows=((1.0, None),))]

    twice = lower_bound([Work(devices=ABC, work_s=10.0, attempts=2)], farm)
    once = lower_bound([Work(devices=AB, work_s=10.0)], farm)

    assert twice == Bound(seconds=10.0, tight=("a", "b", "c"), kind="chain")
    assert once == Bound(seconds=14.0, tight=("a", "b"), kind="chain")


def test_devices_count_only_while_they_are_up() -> None:
    dies = [Bay(id="a"), Bay(id="b", windows=((0.0, 4.0), (10.0, None)))]
    tests = [Work(devices=AB, work_s=1.0)] * 12

    assert lower_bound(tests, dies).seconds == pytest.approx(8.0)
    assert lower_bound(tests * 2, dies).seconds == pytest.approx(15.0)


def test_an_attempt_is_not_cut_by_the_death_of_its_device() -> None:
    """Three seconds fit into the first window only together with what comes after the pause."""
    farm = [Bay(id="a", session_s=1.0, windows=((0.0, 3.0), (8.0, 20.0)))]

    assert lower_bound([Work(devices=AB, work_s=3.0)], farm) == Bound(
        seconds=12.0, tight=("a",), kind="chain"
    )
    assert lower_bound([Work(devices=AB, work_s=2.0)], farm).seconds == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("tests", "farm", "text"),
    [
        ([Work(devices=ABC, count=2, work_s=1.0)], [Bay(id="a")], "takes 2 devices, and 1 of the given ones fit"),
        ([Work(devices=AB, work_s=-1.0)], [Bay(id="a")], "not negative, got -1"),
        ([Work(devices=AB, work_s=math.nan)], [Bay(id="a")], "finite and not negative, got nan"),
        ([], [Bay(id="a", session_s=math.inf)], "finite and not negative, got inf"),
        ([], [Bay(id="a", speed_factor=0.0)], "a: a speed factor is finite and above 0, got 0.0"),
        ([Work(devices=AB, work_s=2.0)] * 3, [Bay(id="a", windows=((0.0, 5.0),))], "does not fit into the windows"),
        (
            [Work(devices=AB, work_s=4.0)],
            [Bay(id="a", windows=((0.0, 3.0), (4.0, 7.0)))],
            "4 s fits into no window",
        ),
    ],
)  # fmt: skip
def test_what_can_never_be_done_is_refused(tests: list[Work], farm: list[Bay], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        lower_bound(tests, farm)


def test_a_run_needs_a_worker() -> None:
    with pytest.raises(ValueError, match="needs a worker, got 0"):
        lower_bound([], [], workers=0)


def test_a_large_farm_is_no_problem() -> None:
    """200 devices of many speeds in overlapping classes: Hall's sets could not be counted, the flow is small."""
    ids = [f"d{n}" for n in range(200)]
    farm = [Bay(id=id, speed_factor=1 + n % 7 / 10, session_s=n % 3) for n, id in enumerate(ids)]
    tests = [
        Work(
            devices=frozenset(ids[n % 12 * 10 : n % 12 * 10 + 60]),
            work_s=1.0 + n % 5,
            count=1 + (n % 50 == 0),
        )
        for n in range(4000)
    ]

    bound = lower_bound(tests, farm)

    work_s = sum(work.work_s * work.count for work in tests)
    assert bound.seconds >= work_s / sum(1 / bay.speed_factor for bay in farm)
    assert 0 < len(bound.tight) <= 200
