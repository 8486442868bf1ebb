"""`benchmarks/_real_makespan.py`: what a run is measured by. The runs themselves take minutes and are not for here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(SCRIPTS))  # the scripts import each other by their bare names

import _real_makespan as real_makespan  # noqa: E402
import _real_suite as real_suite  # noqa: E402


@pytest.fixture
def suite() -> real_suite.Suite:
    return real_suite.generate(tests=60, mean_s=1.0, seed=5)


def bench(suite: real_suite.Suite, folder: Path, workers: int) -> real_makespan.Bench:
    place = folder / f"suite-{workers}"
    place.mkdir()
    return real_makespan.Bench(suite, place, workers)


def one_after_the_other(suite: real_suite.Suite) -> list[dict[str, Any]]:
    """Rows of a run by one worker, on the last device of those that fit each class."""
    last = {
        "android": "a14-1",
        "android>=13": "a14-1",
        "any/tablet": "tab13-1",
        "ios": "i17-1",
        "any": "i17-1",
    }
    rows = []
    now_s = 100.0
    for module in suite.modules:
        key = real_makespan.Requirement.from_marker((), module.need).key
        for test in module.tests:
            seconds = suite.round_s(0)[test]
            rows.append(
                {
                    "test": test,
                    "module": module.name,
                    "devices": [last[key]],
                    "class": key,
                    "outcome": "passed",
                    "worker": "gw0",
                    "start": now_s,
                    "end": now_s + seconds,
                    "setup": 0.0,
                    "fixture": 0.0,
                }
            )
            now_s += seconds
    return rows


def instants(place: Path, **of: tuple[float, ...]) -> None:
    """What the workers of a run wrote down."""
    for folder, times in of.items():
        (place / folder).mkdir(parents=True)
        for number, at_s in enumerate(times):
            (place / folder / f"gw{number}").write_text(repr(at_s))


def test_the_bound_is_that_of_the_sleeps_whoever_ran_them(suite: real_suite.Suite, tmp_path: Path) -> None:
    """One worker needs all seconds and a session; twenty have at best a twentieth each."""
    seconds = sum(suite.round_s(0).values())
    session_s = min(device["virtual"]["session_seconds"] for device in suite.farm()["devices"])

    alone, all_of_them = (bench(suite, tmp_path, workers)._bound_s(0) for workers in (1, 20))

    assert seconds + session_s <= alone <= seconds * 1.2
    assert seconds / 20 < all_of_them < alone / 4


def test_the_makespan_is_from_the_last_arrival_to_the_last_end(
    suite: real_suite.Suite, tmp_path: Path
) -> None:
    """The instants of the rows, which each side counts in its own way, do not matter to it."""
    rows = one_after_the_other(suite)
    instants(tmp_path / "run", meeting=(1000.0, 1003.5, 1001.0), ends=(1090.0, 1080.0))

    taken = bench(suite, tmp_path, 1)._taken(0, tmp_path / "run", rows, 120.0)

    assert taken.makespan_s == pytest.approx(86.5)
    assert taken.own_bound_s == pytest.approx(sum(suite.round_s(0).values()))
    assert taken.ratio == pytest.approx(86.5 / taken.bound_s)
    assert taken.own_ratio == pytest.approx(86.5 / taken.own_bound_s)
    assert taken.own_bound_s < taken.bound_s, "rows without set-up say nothing of sessions"


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda rows: rows[1:], "59 of 60 tests have a row"),
        (lambda rows: [*rows, rows[0]], "61 of 60 tests have a row"),
        (lambda rows: [{**row, "devices": ["a11-1"]} for row in rows], "no valid run"),
    ],
)
def test_a_run_that_is_none_ends_the_benchmark(
    suite: real_suite.Suite,
    tmp_path: Path,
    spoil: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
    text: str,
) -> None:
    with pytest.raises(SystemExit, match=text):
        bench(suite, tmp_path, 1)._taken(0, tmp_path, spoil(one_after_the_other(suite)), 1.0)
