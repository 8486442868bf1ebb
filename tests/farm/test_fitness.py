"""From readings to verdicts: every reading around its marks, and what must hold for all of them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.farm.fitness import (
    LET_GO_S,
    READINGS,
    Verdict,
    is_fresh,
    judge,
    shortened,
    stale_after_s,
    would_turn,
)
from pytest_autorl.farm.policies import Cpu, Health
from pytest_autorl.farm.sample import HealthSample

pytestmark = pytest.mark.unit

A, U, O = DeviceStatus.AVAILABLE, DeviceStatus.UNHEALTHY, DeviceStatus.OFFLINE  # noqa: E741

POLICY = Health(cool_down=0.0, cpu_percent=Cpu(stop=95, resume=80))
NOW_S = 1_000_000.0
#: Reading -> its attribute; (value, complaint) past `stop`, the mark itself, between the marks with its complaint when
#: it has tripped, at `resume`, beyond it, one that cannot be with its complaint, and the complaint when it is missing.
FAULTS: dict[str, dict[str, Any]] = {
    "battery": {
        "attribute": "battery_pct",
        "past": (19.5, "battery 19.5 % is below 20 % (fit again from 40 %)"),
        "stop": 20,
        "between": (30, "battery 30 % was below 20 % (fit again from 40 %)"),
        "resume": 40,
        "beyond": 100,
        "impossible": (250, "battery reads 250, which cannot be (0 to 100 %)"),
        "missing": "battery is not known any more, was below 20 % (fit again from 40 %)",
    },
    "temperature": {
        "attribute": "temperature_c",
        "past": (45.1, "temperature 45.1 °C is above 45 °C (fit again from 40 °C down)"),
        "stop": 45,
        "between": (42, "temperature 42 °C was above 45 °C (fit again from 40 °C down)"),
        "resume": 40,
        "beyond": -50,
        "impossible": (-273.0, "temperature reads -273, which cannot be (-50 to 150 °C)"),
        "missing": "temperature is not known any more, was above 45 °C (fit again from 40 °C down)",
    },
    "free storage": {
        "attribute": "storage_free_mb",
        "past": (499, "free storage 499 MB is below 500 MB (fit again from 500 MB)"),
        "stop": 500,
        "between": None,
        "resume": 500,
        "beyond": 64_000_000,
        "impossible": (-1, "free storage reads -1, which cannot be (0 or more MB)"),
        "missing": "free storage is not known any more, was below 500 MB (fit again from 500 MB)",
    },
    "memory": {
        "attribute": "memory_pct",
        "past": (96, "memory 96 % is above 95 % (fit again from 90 % down)"),
        "stop": 95,
        "between": (92, "memory 92 % was above 95 % (fit again from 90 % down)"),
        "resume": 90,
        "beyond": 0,
        "impossible": (math.nan, "memory reads nan, which cannot be (0 to 100 %)"),
        "missing": "memory is not known any more, was above 95 % (fit again from 90 % down)",
    },
    "cpu": {
        "attribute": "cpu_pct",
        "past": (99, "cpu 99 % is above 95 % (fit again from 80 % down)"),
        "stop": 95,
        "between": (81, "cpu 81 % was above 95 % (fit again from 80 % down)"),
        "resume": 80,
        "beyond": 0,
        "impossible": ("busy", "cpu reads 'busy', which cannot be (0 to 100 %)"),
        "missing": "cpu is not known any more, was above 95 % (fit again from 80 % down)",
    },
    "response time": {
        "attribute": "response_s",
        "past": (5.5, "response time 5.5 s is above 5 s (fit again from 2 s down)"),
        "stop": 5,
        "between": (3, "response time 3 s was above 5 s (fit again from 2 s down)"),
        "resume": 2,
        "beyond": 0,
        "impossible": (math.inf, "response time reads inf, which cannot be (0 or more s)"),
        "missing": "response time is not known any more, was above 5 s (fit again from 2 s down)",
    },
    "error rate": {
        "attribute": "",
        "past": (60, "error rate 60 % is above 50 % (fit again from 20 % down)"),
        "stop": 50,
        "between": (40, "error rate 40 % was above 50 % (fit again from 20 % down)"),
        "resume": 20,
        "beyond": 0,
        "impossible": (120, "error rate reads 120, which cannot be (0 to 100 %)"),
        "missing": "error rate was above 50 % (fit again from 20 % down, or 300 s after that)",
    },
}
KINDS = ("past", "stop", "between", "between, tripped", "resume, tripped", "beyond, tripped", "impossible",
         "missing", "missing, tripped", "timeout")  # fmt: skip
CASES = [
    (name, kind)
    for name, of in FAULTS.items()
    for kind in KINDS
    if of.get(kind.partition(",")[0], 0) is not None
]


def found(attribute: str, value: Any, before: Verdict | None = None, **more: Any) -> Verdict:
    """The verdict on a device that states one thing; the error rate is no statement of its own."""
    sample = HealthSample(**{attribute: value}) if attribute else HealthSample()
    rate = {} if attribute else {"error_rate_pct": value}
    return judge(sample, POLICY, before, NOW_S, **rate, **more)


def tripped(name: str) -> Verdict:
    from_s = NOW_S - 100 if name == "error rate" else None
    return Verdict(
        status=U,
        reason="health: bad",
        at_s=NOW_S,
        tripped=(name,),
        since_s=NOW_S - 100,
        counted_from_s=from_s,
    )


def test_every_reading_is_in_the_table() -> None:
    assert list(FAULTS) == [reading.name for reading in READINGS]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_each_reading_around_its_marks(name: str, case: str) -> None:
    """Right status, right words, and right memory of what has tripped."""
    of = FAULTS[name]
    kind, _, was = case.partition(", ")
    before = tripped(name) if was else None
    if kind == "timeout":
        verdict = judge(None, POLICY, tripped(name), NOW_S, trouble="no answer in 10 s")
        assert (verdict.status, verdict.reason) == (O, "health: no answer in 10 s")
        assert verdict.tripped == (name,), "a silence heals nothing"
        return
    if kind == "missing":
        verdict = found(of["attribute"], None, before)
        complaint = of["missing"] if was else ""
    else:
        told = of[kind] if isinstance(of[kind], tuple) else (of[kind], "")
        verdict = found(of["attribute"], told[0], before)
        complaint = "" if kind == "between" and not was else told[1]

    assert verdict.reason == (f"health: {complaint}" if complaint else "")
    assert verdict.status is (U if complaint else A)
    assert verdict.is_fit == (not complaint)
    assert verdict.tripped == ((name,) if complaint and kind != "impossible" else ())


def test_everything_that_is_wrong_is_said() -> None:
    verdict = judge(HealthSample(battery_pct=3, temperature_c=math.nan), POLICY, None, NOW_S)

    assert verdict.reason == (
        "health: battery 3 % is below 20 % (fit again from 40 %); "
        "temperature reads nan, which cannot be (-50 to 150 °C)"
    )
    assert verdict.sample == HealthSample(battery_pct=3), "nobody is to compute with what cannot be"


@pytest.mark.parametrize(
    ("sample", "trouble", "reason"),
    [
        (None, "", "no answer"),
        (None, "server: connection\nrefused \x1b[31m", "server: connection refused ?[31m"),
        (HealthSample(is_online=False, battery_pct=3), "", "it cannot be reached"),
        (HealthSample(server="answers 502"), "", "server: answers 502"),
    ],
)
def test_what_cannot_be_asked_is_offline(sample: HealthSample | None, trouble: str, reason: str) -> None:
    verdict = judge(sample, POLICY, None, NOW_S, trouble=trouble)

    assert (verdict.status, verdict.reason) == (O, f"health: {reason}")


def test_cpu_is_judged_only_where_a_policy_says_so() -> None:
    sample = HealthSample(cpu_pct=100)

    assert judge(sample, Health(), None, NOW_S).is_fit
    assert not judge(sample, POLICY, None, NOW_S).is_fit
    assert judge(sample, Health(cool_down=0.0), tripped("cpu"), NOW_S).tripped == ()


def test_an_error_rate_that_was_too_high_is_let_go_some_day() -> None:
    """Without tests the device cannot do better, so nobody would ever have another rate."""
    well = HealthSample()
    sick = judge(well, POLICY, None, NOW_S, error_rate_pct=90)

    held = judge(well, POLICY, sick, NOW_S + LET_GO_S - 1)
    freed = judge(well, POLICY, held, NOW_S + LET_GO_S)

    assert (sick.counted_from_s, held.counted_from_s, freed.counted_from_s) == (NOW_S, NOW_S, NOW_S)
    assert (held.is_fit, held.tripped) == (False, ("error rate",))
    assert (freed.is_fit, freed.tripped, freed.since_s) == (True, (), NOW_S + LET_GO_S)
    assert judge(well, POLICY, sick, NOW_S - 1).is_fit, "the clock was set back"
    assert judge(well, POLICY, replace(sick, counted_from_s=None), NOW_S).is_fit, "nobody knows since when"


def test_attempts_that_fail_on_keep_the_device_back_anew() -> None:
    sick = judge(HealthSample(), POLICY, None, NOW_S, error_rate_pct=90)
    worse = judge(HealthSample(), POLICY, sick, NOW_S + 200, error_rate_pct=100)

    assert worse.counted_from_s == NOW_S + 200
    assert not judge(HealthSample(), POLICY, worse, NOW_S + LET_GO_S + 100).is_fit
    assert judge(HealthSample(), POLICY, worse, NOW_S + 210, error_rate_pct=20).is_fit


@pytest.mark.parametrize(
    ("rate", "was_tripped", "turns"),
    [(None, False, False), (None, True, False), (50, False, False), (50.1, False, True), (20.1, True, False),
     (20, True, True)],
)  # fmt: skip
def test_a_rate_that_crosses_its_mark_is_news(rate: float | None, was_tripped: bool, turns: bool) -> None:
    before = tripped("error rate" if was_tripped else "battery")

    assert would_turn(rate, POLICY, before) is turns


def test_an_unfit_device_cools_down() -> None:
    """Counted from when it became unfit, whatever happened to it since, and never from a time that is to come."""
    policy = Health(cool_down=30.0)
    well, sick = HealthSample(battery_pct=90), HealthSample(battery_pct=3)

    first = judge(sick, policy, None, NOW_S)
    gone = judge(None, policy, first, NOW_S + 10)
    early = judge(well, policy, gone, NOW_S + 29)
    late = judge(well, policy, early, NOW_S + 30)

    assert (first.since_s, gone.since_s, early.since_s, late.since_s) == (NOW_S, NOW_S, NOW_S, NOW_S + 30)
    assert (early.status, early.reason) == (U, "health: well again, kept back for 30 s since it was not")
    assert early.tripped == ()
    assert late.is_fit
    assert judge(well, policy, first, NOW_S - 3600).is_fit, "the clock was set back"


def test_a_verdict_is_fresh_for_two_heartbeats_unless_told_otherwise() -> None:
    verdict = judge(HealthSample(), POLICY, None, NOW_S)

    assert (stale_after_s(Health()), stale_after_s(Health(stale_after=7.0))) == (60.0, 7.0)
    assert is_fresh(verdict, NOW_S + 60, 60.0)
    assert not is_fresh(verdict, NOW_S + 60.1, 60.0)
    assert not is_fresh(verdict, NOW_S - 1, 60.0), "the clock was set back"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        '{"status":"busy","reason":"","at_s":1,"since_s":1,"tripped":[],"sample":null}',
        '{"status":"broken","reason":"","at_s":1,"since_s":1,"tripped":[],"sample":null}',
        '{"status":"available","reason":3,"at_s":1,"since_s":1,"tripped":[],"sample":null}',
        '{"status":"available","reason":"","at_s":NaN,"since_s":1,"tripped":[],"sample":null}',
        '{"status":"available","reason":"","at_s":1,"since_s":null,"tripped":[],"sample":null}',
        '{"status":"available","reason":"","at_s":1,"since_s":1,"tripped":"battery","sample":null}',
        '{"status":"available","reason":"","at_s":1,"since_s":1,"counted_from_s":NaN,"tripped":[],"sample":null}',
        '{"status":"available","reason":"","at_s":1,"since_s":1,"counted_from_s":[],"tripped":[],"sample":null}',
        '{"status":"available","reason":"","at_s":1,"since_s":1,"tripped":[],"sample":3}',
        '{"status":"available","reason":"","at_s":1,"since_s":1,"tripped":[],"sample":{"battery_pct":"x"}}',
    ],
)
def test_a_text_that_is_no_verdict_is_none(text: str) -> None:
    assert Verdict.from_text(text) is None


def test_a_text_of_an_older_version_is_understood() -> None:
    plain = json.loads(judge(HealthSample(), POLICY, None, NOW_S).to_text())
    del plain["counted_from_s"]

    assert Verdict.from_text(json.dumps(plain)) == judge(HealthSample(), POLICY, None, NOW_S)


def test_a_text_of_a_newer_version_is_understood_as_far_as_it_goes() -> None:
    plain = json.loads(judge(HealthSample(battery_pct=50), POLICY, None, NOW_S).to_text())
    plain["sample"]["charge_cycles"], plain["mood"] = 12, "fine"

    verdict = Verdict.from_text(json.dumps(plain))

    assert verdict == judge(HealthSample(battery_pct=50), POLICY, None, NOW_S)


def test_texts_of_devices_fit_on_a_line() -> None:
    assert shortened("a\n\tb\x07 \ud800") == "a b? ?"
    assert len(shortened("x" * 5000)) == 200


# What must hold for all readings

_amounts = st.one_of(st.none(), st.floats(), st.integers(-60, 160))
samples = st.builds(
    HealthSample,
    **{reading.attribute: _amounts for reading in READINGS if reading.attribute},
    is_online=st.sampled_from([True, True, True, False]),
    server=st.sampled_from(["", "", "", "down"]),
)
rates = st.one_of(st.none(), st.floats(0, 100))


def chain(seen: list[HealthSample], policy: Health = POLICY) -> list[Verdict]:
    """Verdicts on one sample after the other, a second apart."""
    verdicts: list[Verdict] = []
    for number, sample in enumerate(seen):
        before = verdicts[-1] if verdicts else None
        verdicts.append(judge(sample, policy, before, NOW_S + number))
    return verdicts


@given(samples, samples, rates)
def test_judging_twice_by_the_same_is_judging_once(
    first: HealthSample, sample: HealthSample, rate: float | None
) -> None:
    before = judge(first, POLICY, None, NOW_S)
    once = judge(sample, POLICY, before, NOW_S + 1, error_rate_pct=rate)

    assert judge(sample, POLICY, once, NOW_S + 1, error_rate_pct=rate) == once


@given(st.lists(samples, min_size=1, max_size=5), rates)
def test_a_verdict_survives_its_text(seen: list[HealthSample], rate: float | None) -> None:
    verdicts = chain(seen, Health())
    for verdict in (*verdicts, judge(seen[0], Health(), verdicts[-1], NOW_S + 9, error_rate_pct=rate)):
        assert Verdict.from_text(verdict.to_text()) == verdict
        assert verdict.is_fit == (verdict.reason == "")


@given(st.lists(st.floats(20, 40, exclude_max=True), min_size=1, max_size=20), st.booleans())
def test_nothing_flaps_between_the_marks(levels: list[float], was_low: bool) -> None:
    """Whatever the battery does between 20 and 40, the device stays what it was."""
    start = HealthSample(battery_pct=5 if was_low else 95)
    verdicts = chain([start, *(HealthSample(battery_pct=level) for level in levels)])

    assert {verdict.is_fit for verdict in verdicts} == {not was_low}
    assert {verdict.since_s for verdict in verdicts} == {NOW_S}


@given(samples, samples)
def test_readings_are_judged_each_by_itself(first: HealthSample, sample: HealthSample) -> None:
    """So their order cannot matter: what all of them trip together is what each trips alone."""
    before = judge(first, POLICY, None, NOW_S)
    together = judge(replace(sample, is_online=True, server=""), POLICY, before, NOW_S)

    alone, complaints = [], []
    for reading in READINGS:
        own = replace(before, tripped=tuple(name for name in before.tripped if name == reading.name))
        value = getattr(sample, reading.attribute) if reading.attribute else None
        verdict = found(reading.attribute, value, own)
        alone += verdict.tripped
        complaints += [verdict.reason.removeprefix("health: ")] if verdict.reason else []

    assert sorted(together.tripped) == sorted(alone)
    assert together.reason == ("health: " + "; ".join(complaints) if complaints else "")
