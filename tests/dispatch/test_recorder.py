"""What a run adds to the history of its suite, and that a state in trouble cannot fail it."""

from __future__ import annotations

import json
import math
import random
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.recorder import Recorder, plain_works
from pytest_autorl.state.history import History
from pytest_autorl.state.memory import MemoryEngine
from pytest_autorl.state.sqlite import SqliteEngine


@pytest.fixture
def history() -> History:
    return History(MemoryEngine(), suite="/src/bank")


def begin(history: History) -> Recorder:
    return Recorder(history, run_id="nightly", begun_at_s=100.0)


def test_what_has_passed_is_kept_as_on_an_average_device(history: History) -> None:
    recorder = begin(history)
    recorder.note_passed("test_slow", 6.0, devices=["old"])
    recorder.note_passed("test_fast", 6.0, devices=["new"])
    recorder.note_passed("test_both", 6.0, devices=["new", "old"])
    recorder.note_passed("test_other", 6.0, devices=["never seen"])
    recorder.note_passed("test_plain", 2.5)

    assert recorder.finish(outcome="passed", ended_at_s=130.0, factors={"old": 4.0, "new": 0.25}) == ""

    assert history.estimates() == {
        "test_both": pytest.approx(6.0 / 4 * 2**0.5),
        "test_fast": pytest.approx(6.0 * 4 * 2**0.5),
        "test_other": pytest.approx(6.0 * 2**0.5),
        "test_plain": 2.5,
        "test_slow": pytest.approx(6.0 / 4 * 2**0.5),
    }


def test_without_factors_all_devices_are_alike(history: History) -> None:
    recorder = begin(history)
    recorder.note_passed("test_pay", 6.0, devices=["d1"])

    recorder.finish(outcome="passed", ended_at_s=130.0)

    assert history.estimates() == {"test_pay": 6.0}


def runs_of(history: History, slowness: dict[str, float], works: dict[str, float], *, runs: int) -> Estimates:
    """So many runs of tests that take `works` on a device of slowness 1, each elsewhere in the next run. What the
    last one has learned of its devices is returned."""
    devices = sorted(slowness)
    for number in range(runs):
        estimates = Estimates(history.estimates(), modules=dict.fromkeys(works, "m"))
        recorder = begin(history)
        for place, (test, work_s) in enumerate(works.items()):
            device = devices[(place + number) % len(devices)]
            took_s = work_s * slowness[device]
            estimates.learn(test, [device], took_s)
            recorder.note_passed(test, took_s, devices=[device])
        factors = {device: estimates.factor(device) for device in devices}
        assert recorder.finish(outcome="passed", ended_at_s=130.0, factors=factors) == ""
    return estimates


def works_of_tests(seed: int) -> dict[str, float]:
    """Sixty tests, a few of them long."""
    chance = random.Random(seed)
    return {f"test_{number}": chance.lognormvariate(1.0, 1.0) for number in range(60)}


seeds = st.integers(0, 1000)


@settings(max_examples=20)
@given(seeds, st.floats(0.3, 6.0), st.integers(1, 4))
def test_a_suite_that_becomes_slower_as_a_whole_is_expected_to_be(
    seed: int, slowness: float, devices: int
) -> None:
    """Three of the five values that count are new after three runs."""
    works = works_of_tests(seed)
    history = History(MemoryEngine(), suite="/src/bank")
    for _ in range(5):
        before = begin(history)
        for test, work_s in works.items():
            before.note_passed(test, work_s)
        before.finish(outcome="passed", ended_at_s=130.0)

    runs_of(history, {f"d{number}": slowness for number in range(devices)}, works, runs=3)

    found = history.estimates()
    assert found == {test: pytest.approx(work_s * slowness, rel=0.05) for test, work_s in works.items()}


@settings(max_examples=20)
@given(seeds, st.floats(1.2, 3.0), st.integers(2, 4))
def test_one_slow_device_is_no_trait_of_the_tests_that_ran_on_it(
    seed: int, slowness: float, devices: int
) -> None:
    """All are expected to take the same multiple of what they take, which with the device's factor is right."""
    works = works_of_tests(seed)
    history = History(MemoryEngine(), suite="/src/bank")
    history.put(works)
    farm = {"d0": slowness, **{f"d{number}": 1.0 for number in range(1, devices)}}

    last = runs_of(history, farm, works, runs=8)

    levels = [seconds / works[test] for test, seconds in history.estimates().items()]
    assert max(levels) / min(levels) < 1.25
    assert max(levels) < slowness
    assert last.factor("d0") / last.factor("d1") == pytest.approx(slowness, rel=0.25)


SECONDS = st.one_of(st.floats(0, 1e6), st.floats(0, allow_nan=False, allow_infinity=False))


@given(
    st.dictionaries(st.text(), st.tuples(SECONDS, st.lists(st.sampled_from("abc")).map(tuple)), max_size=8),
    st.dictionaries(st.sampled_from("abc"), st.floats(0.5, 4.0)),
    st.floats(0.5, 4.0),
)
def test_only_how_devices_differ_goes_out(
    works: dict[str, tuple[float, tuple[str, ...]]], factors: dict[str, float], slowness: float
) -> None:
    """Factors that are all so many times as high say the same; what is kept is a duration, whatever was measured."""
    plain = plain_works(works, {device: factors.get(device, 1.0) for device in "abc"})
    other = plain_works(works, {device: factors.get(device, 1.0) * slowness for device in "abc"})

    assert all(math.isfinite(seconds) and seconds >= 0 for seconds in plain.values())
    for test, (work_s, devices) in works.items():
        if work_s < 1e300:  # which eight times as long is a number
            assert other[test] == pytest.approx(plain[test], rel=1e-9, abs=1e-300)
            assert devices or plain[test] == work_s
            assert work_s / 8.01 <= plain[test] <= work_s * 8.01 or work_s < 1e-300


def test_a_run_is_kept_with_its_figures_and_the_number_of_its_tests(history: History) -> None:
    recorder = begin(history)
    recorder.note_passed("test_pay", 6.0)
    recorder.note_ran("test_pay")
    recorder.note_ran("test_fails")

    recorder.finish(outcome="failed", ended_at_s=130.0, reports="/r", facts={"ratio": 1.04})

    run = history.run("nightly")
    assert run is not None
    assert (run.begun_at_s, run.ended_at_s, run.outcome, run.reports) == (100.0, 130.0, "failed", "/r")
    assert json.loads(run.facts) == {"tests": 2, "ratio": 1.04}


def test_who_counts_the_tests_itself_is_believed(history: History) -> None:
    begin(history).finish(outcome="passed", ended_at_s=130.0, facts={"tests": 7})

    run = history.run()
    assert run is not None
    assert json.loads(run.facts) == {"tests": 7}


def test_of_a_test_that_passed_twice_the_last_time_counts(history: History) -> None:
    """As it does when the first worker died before its verdict was there."""
    recorder = begin(history)
    recorder.note_passed("test_pay", 6.0)
    recorder.note_passed("test_pay", 4.0)

    recorder.finish(outcome="passed", ended_at_s=130.0)

    assert history.estimates() == {"test_pay": 4.0}


@pytest.mark.parametrize("seconds", [-0.5, math.nan, math.inf])
def test_a_time_that_a_clock_has_spoilt_is_passed_over_and_the_test_not_forgotten(
    history: History, seconds: float
) -> None:
    history.put({"test_pay": 3.0})
    for _ in range(40):  # more than a test is remembered for that never ran
        recorder = begin(history)
        recorder.note_passed("test_pay", seconds)
        assert recorder.finish(outcome="passed", ended_at_s=130.0) == ""

    assert history.estimates() == {"test_pay": 3.0}


def test_a_state_that_cannot_be_used_is_told_and_nothing_raised(tmp_path: Path) -> None:
    with closing(SqliteEngine(tmp_path / "state.db")) as engine:
        recorder = begin(History(engine, suite="/src/bank"))
        recorder.note_passed("test_pay", 6.0)

    trouble = recorder.finish(outcome="passed", ended_at_s=130.0)

    assert "state.db is closed already" in trouble
