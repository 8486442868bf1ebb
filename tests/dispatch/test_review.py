"""What is said of a run: the figures add up, and what must not be is named."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.dispatch.review import MOST, Gap, Klass, Link, Longest, Usage, review

ANY = {"any": Klass(devices=frozenset("ab"))}


def row(test: str, devices: str, start: float, end: float, **others: Any) -> dict[str, Any]:
    """A row of the trace; a letter is a device."""
    return {
        "run": "r",
        "test": test,
        "module": "",
        "devices": list(devices),
        "class": "any",
        "attempt": 1,
        "outcome": "passed",
        "blame": None,
        "worker": "",
        "start": start,
        "end": end,
        "setup": 0.0,
        "fixture": 0.0,
        **others,
    }


@st.composite
def runs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Any run without overlaps. Set-up may be anywhere: sessions end early, fixtures live in workers, rows lack it."""
    free_s = {"a": 0.0, "b": 0.0, "c": 0.0}
    free_test_s: dict[str, float] = {}
    rows: list[dict[str, Any]] = []
    seconds = st.integers(0, 50).map(lambda tenths: tenths / 10)
    setups = st.sampled_from((0.0, 0.0, 0.5, 3.0))
    for _ in range(draw(st.integers(0, 14))):
        devices = draw(st.sampled_from(("a", "b", "c", "ab", "bc")))
        test = f"test_{draw(st.integers(0, 5))}_on_{len(devices)}"
        session_s, fixture_s = draw(setups), draw(setups)
        start_s = max(free_test_s.get(test, 0.0), *(free_s[device] for device in devices)) + draw(seconds)
        end_s = start_s + session_s + fixture_s + draw(seconds)
        free_s.update(dict.fromkeys(devices, end_s))
        free_test_s[test] = end_s
        rows.append(
            row(
                test,
                devices,
                start_s,
                end_s,
                setup=session_s + fixture_s,
                fixture=fixture_s,
                module=draw(st.sampled_from(("m", "n"))),
                outcome=draw(st.sampled_from(("passed", "failed", "skipped", "lost"))),
                **{"class": f"class {len(devices)}"},
            )
        )
    return draw(st.permutations(rows))


CLASSES = {
    "class 1": Klass(devices=frozenset("abc")),
    "class 2": Klass(devices=frozenset("abc"), count=2),
}


def at_once(rows: list[dict[str, Any]]) -> int:
    """How many attempts ran at once, at most: so many workers there must have been."""
    return max((sum(o["start"] <= one["start"] < o["end"] for o in rows) for one in rows), default=1) or 1


@given(runs(), st.booleans(), st.booleans())
def test_the_makespan_is_never_below_the_bound(
    rows: list[dict[str, Any]], is_described: bool, is_told: bool
) -> None:
    """The run itself is one of those that the bound is about, however its set-up is spread."""
    workers = at_once(rows) if is_told else None

    seen = review(rows, CLASSES if is_described else {}, ["a", "b", "c"], workers=workers)

    assert seen.makespan_s >= seen.bound_s * (1 - 1e-9)
    assert seen.ratio >= 1 - 1e-9
    assert seen.workers == workers
    assert not any("at once" in text or "does not fit" in text for text in seen.violations)


@given(runs())
def test_the_shares_add_up(rows: list[dict[str, Any]]) -> None:
    """Work, set-up, losses and idle time are all device time there is."""
    seen = review(rows, CLASSES, ["a", "b", "c"])
    ended = [one for one in rows if one["outcome"] != "lost"]
    work_s = sum((one["end"] - one["start"] - one["setup"]) * len(one["devices"]) for one in ended)
    whole_s = 3 * seen.makespan_s

    assert seen.utilisation + seen.idle_share == pytest.approx(1.0 if whole_s else 0.0)
    if whole_s:
        assert work_s / whole_s + seen.setup_share + seen.lost_share + seen.idle_share == pytest.approx(1.0)
    for usage in seen.devices:
        assert usage.busy_s + usage.idle_s == pytest.approx(seen.makespan_s)
        assert 0 <= usage.setup_s <= usage.busy_s + 1e-9
    assert sum(usage.tests for usage in seen.devices) == sum(len(one["devices"]) for one in rows)


@given(runs())
def test_the_critical_path_has_no_hole_that_is_not_told(rows: list[dict[str, Any]]) -> None:
    """Its attempts and its waits are the makespan, without a rest."""
    seen = review(rows, CLASSES, ["a", "b", "c"])
    path = seen.critical_path

    assert bool(path) == bool(rows)
    assert sum(link.end - link.start + link.waited for link in path) == pytest.approx(seen.makespan_s)
    for before, after in pairwise(path):
        assert after.waited == pytest.approx(after.start - before.end, abs=1e-5)
        assert set(before.devices) & set(after.devices)


@given(runs())
def test_it_can_be_written_as_json(rows: list[dict[str, Any]]) -> None:
    told = review(rows, CLASSES, ["a", "b", "c"]).to_dict()

    assert set(json.loads(json.dumps(told, allow_nan=False))) == set(told)


def test_a_run_without_rows_is_no_error() -> None:
    seen = review([], {}, ["a"])

    assert (seen.makespan_s, seen.bound_s, seen.ratio, seen.tight) == (0.0, 0.0, 1.0, ())
    assert seen.devices == (
        Usage(
            id="a", busy_s=0.0, setup_s=0.0, lost_s=0.0, idle_s=0.0, utilisation=0.0, tests=0, lost=0
        ),
    )  # fmt: skip
    assert (seen.critical_path, seen.longest, seen.waits, seen.violations) == ((), (), (), ())


def test_one_attempt_of_no_length_is_no_error() -> None:
    seen = review([row("t", "a", 3.0, 3.0), row("u", "a", 3.0, 3.0)], {}, [])

    assert (seen.makespan_s, seen.bound_s, seen.ratio) == (3.0, 0.0, 1.0)
    assert [link.test for link in seen.critical_path] in (["t", "u"], ["u", "t"])


def test_devices_and_classes_that_nobody_described_are_taken_from_the_rows() -> None:
    """An older trace, a farm file that has changed: the review says what it can."""
    rows = [row("t", "x", 0, 4, **{"class": "odd"}), row("u", "y", 0, 2, **{"class": "odd"})]

    seen = review(rows, {}, ["a"])

    assert [usage.id for usage in seen.devices] == ["a", "x", "y"]
    assert seen.bound_s == pytest.approx(4.0), "one test of 4 s; two devices fit the class"
    assert seen.tight == ("x", "y")
    assert seen.bound_kind == "chain"


def test_a_session_for_each_device_and_the_fixtures_of_each_module_count_once() -> None:
    """The shortest that were seen: 2 s for a, 3 s for b, 1 s for the fixtures; 12 s of work on the two devices."""
    rows = [
        row("t1", "a", 0, 9, setup=5.0, fixture=1.5, module="m"),
        row("t2", "a", 9, 15, setup=3.0, fixture=1.0, module="m"),
        row("t3", "b", 0, 8, setup=4.0, fixture=1.0, module="m"),
        row("t4", "b", 8, 9, setup=0.0, module="m"),
    ]

    seen = review(rows, ANY, "ab")

    assert seen.bound_s == pytest.approx((4 + 3 + 4 + 1 + 2 + 3 + 1) / 2)
    assert seen.makespan_s == 15
    assert seen.ratio == pytest.approx(15 / 9)
    assert seen.rows_without_setup == 1
    assert seen.setup_share == pytest.approx(12 / 30)


def test_sessions_that_were_begun_together_say_nothing_of_one_device() -> None:
    """9 s is the sum of two sessions, or that of one device which had none: only b, which was alone, has a figure."""
    rows = [row("t", "ab", 0, 10, setup=9.0, **{"class": "pair"}), row("u", "b", 10, 12, setup=1.0)]
    classes = {"pair": Klass(devices=frozenset("ab"), count=2), "any": Klass(devices=frozenset("b"))}

    seen = review(rows, classes, "ab")

    assert seen.bound_s == pytest.approx(3.0), "b: 1 s of session, 1 s for each test"


def test_the_order_of_a_run_is_no_part_of_its_bound() -> None:
    """A pair that opens both sessions, and the same tests with the pair at the end: that run shows what can be."""
    classes = {"pair": Klass(devices=frozenset("ab"), count=2), **ANY}
    pair = {"class": "pair"}
    first = [
        row("two", "ab", 0, 1.1, setup=1.0, **pair),
        row("t", "a", 1.1, 1.2),
        row("u", "b", 1.1, 1.2),
    ]
    last = [
        row("t", "a", 0, 0.6, setup=0.5),
        row("u", "b", 0, 0.6, setup=0.5),
        row("two", "ab", 0.6, 0.7, **pair),
    ]

    assert review(first, classes, "ab").bound_s <= review(last, classes, "ab").makespan_s


@pytest.mark.parametrize(
    ("workers", "bound_s", "kind"), [(1, 27.0, "workers"), (2, 14.0, "workers"), (4, 7.5, "work")]
)
def test_few_workers_take_longer_than_their_devices_would(workers: int, bound_s: float, kind: str) -> None:
    """Four devices, two tests of 3 s on each, 1 s of set-up for each device and 2 s of fixtures somewhere."""
    rows = [
        row(f"{n} {id}", id, 4 * n, 4 * n + 3 + (n == 0), setup=float(n == 0))
        for n in (0, 1)
        for id in "abcd"
    ]
    rows[0] = {**rows[0], "module": "m", "setup": 3.0, "fixture": 2.0, "end": 6.0}
    rows[4] = {**rows[4], "module": "m", "start": 6.0, "end": 9.0}
    classes = {"any": Klass(devices=frozenset("abcd"))}

    seen = review(rows, classes, "abcd", workers=workers)

    assert seen.bound_s == pytest.approx(bound_s)
    assert (seen.bound_kind, seen.workers) == (kind, workers)
    assert (seen.tight == ()) is (kind == "workers")


def test_a_description_that_the_run_contradicts_does_not_break_the_bound() -> None:
    """The farm file has changed since: devices are gone, counts are others. What ran, could be run."""
    rows = [row("t", "a", 0, 3), row("u", "b", 0, 4, **{"class": "pair"})]
    classes = {"any": Klass(devices=frozenset("z")), "pair": Klass(devices=frozenset("b"), count=2)}

    seen = review(rows, classes, "ab")

    assert seen.bound_s == pytest.approx(4.0)
    assert seen.violations == (
        "t: a does not fit class any",
        "u: had 1 devices, class pair takes 2",
    )


def test_what_was_lost_is_no_work_but_costs_time() -> None:
    rows = [
        row("t", "a", 0, 6, outcome="lost", worker="gw0"),
        row("t", "b", 6, 10, attempt=2, worker="gw0"),
    ]

    seen = review(rows, ANY, "ab")

    assert seen.bound_s == pytest.approx(4.0)
    assert seen.lost_share == pytest.approx(6 / 20)
    assert seen.violations == ()
    assert [usage.lost for usage in seen.devices] == [1, 0]
    assert seen.critical_path == (
        Link(test="t", devices=("a",), start=0.0, end=6.0, waited=0.0),
        Link(test="t", devices=("b",), start=6.0, end=10.0, waited=0.0),
    ), "the worker leads from one device to the other"


def test_the_critical_path_names_the_gaps() -> None:
    rows = [row("t", "a", 1, 4), row("other", "b", 0, 4.5), row("u", "a", 6, 9)]

    seen = review(rows, ANY, "ab")

    assert [(link.test, link.waited) for link in seen.critical_path] == [("t", 1.0), ("u", 2.0)]
    assert seen.waits == (
        Gap(device="a", start=4.0, seconds=2.0, test="u"),
        Gap(device="a", start=0.0, seconds=1.0, test="t"),
    )


def test_the_longest_tests_count_all_their_attempts() -> None:
    rows = [row(f"t{n}", "a", n, n + 0.5) for n in range(MOST + 5)]
    rows += [row("again", "b", n, n + 0.4, attempt=n + 1) for n in range(2)]

    seen = review(rows, ANY, "ab")

    assert len(seen.longest) == MOST
    assert seen.longest[0] == Longest(test="again", seconds=pytest.approx(0.8), attempts=2)
    assert (seen.tests, seen.attempts) == (MOST + 6, MOST + 7)


def test_what_must_not_be_is_named() -> None:
    rows = [
        row("t", "a", 0, 5),
        row("u", "a", 4, 6),
        row("v", "c", 0, 1),
        row("w", "ab", 6, 7),
        row("x", "b", 8, 9, outcome="lost"),
    ]

    assert review(rows, ANY, "abc").violations == (
        "a: t and u were on it at once for 1.000 s",
        "x: never finished, its last attempt was lost with b",
        "v: c does not fit class any",
        "w: had 2 devices, class any takes 1",
    )


def test_an_attempt_within_a_longer_one_is_an_overlap_with_that() -> None:
    rows = [row("long", "a", 0, 9), row("within", "a", 1, 2), row("late", "a", 8, 10)]

    assert review(rows, ANY, "a").violations == (
        "a: long and within were on it at once for 1.000 s",
        "a: long and late were on it at once for 1.000 s",
    )


def test_rows_without_a_device_and_rows_without_details_are_understood() -> None:
    """A trace may have been written by an older version, or by somebody else in the documented format."""
    bare = {"test": "t", "devices": ["a"], "start": 0, "end": 2}

    seen = review([bare, row("u", "", 0, 50)], {}, [])

    assert (seen.makespan_s, seen.bound_s, seen.attempts, seen.rows_without_setup) == (2.0, 2.0, 1, 1)
