"""What a run says on the terminal."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_autorl.capture.terminal import header_lines, review_lines, summary_lines, unmet_lines
from pytest_autorl.dispatch.review import Klass, review
from pytest_autorl.farm.device import Device

pytestmark = pytest.mark.unit


def row(test: str, start: float, end: float, device: str = "d1", **more: Any) -> dict[str, Any]:
    return {
        "test": test,
        "devices": [device],
        "start": start,
        "end": end,
        "outcome": "passed",
        "blame": None,
        **more,
    }


def test_the_header_counts_devices_by_kind_and_status_and_names_seed_and_state() -> None:
    lines = header_lines(
        devices=[
            Device(id="a", provider="v", platform="android", form_factor="phone"),
            Device(id="b", provider="v", platform="android", form_factor="phone"),
            Device(id="c", provider="v", platform="ios", form_factor="tablet"),
        ],
        source="device_farm.yml",
        statuses={"a": "available", "b": "busy", "c": "available"},
        state=".autorl/state.leases",
        run_id="r1",
        seed=7,
        fixtures="device/driver",
    )

    assert lines == [
        "autorl: farm device_farm.yml: 3 devices (2 android phone, 1 ios tablet); 2 available, 1 busy",
        "autorl: run r1, seed 7, state .autorl/state.leases, fixtures device/driver",
    ]


def test_the_summary_tells_devices_waits_and_the_slowest() -> None:
    rows = [row("t::fast", 0, 1), row("t::slow", 1, 4), row("t::bad", 0, 2, "d2", blame="device")]

    lines = summary_lines(rows, [0.0, 0.3, 1.2], gave_up=0, farm_size=6, files=["reports/trace.jsonl"])

    assert lines == [
        "2 of 6 devices used (tests in seconds): d1 2 in 4.0 s, d2 1 in 2.0 s",
        "2 tests waited for a device: 1.5 s in all, 1.2 s at most",
        "slowest: t::slow 3.00 s, t::bad 2.00 s, t::fast 1.00 s",
        "failures by blame: 1 device",
        "written: reports/trace.jsonl",
    ]


def test_the_summary_says_how_far_from_the_lower_bound_a_run_was() -> None:
    rows = [row("t::a", 0, 10), row("t::b", 10, 20)]
    farm = {"any": Klass(devices=frozenset({"d1", "d2"}))}

    (line,) = review_lines(review(rows, farm, ["d1", "d2"]))

    assert line.startswith("from first to last 20.0 s, ")
    assert " x the lower bound; devices busy 50% of the time, " in line
    assert review_lines(review(rows[:1], farm, ["d1"])) == review_lines(review([], {}, [])) == []


@pytest.mark.parametrize(
    ("workers", "words"), [(1, " of 1 worker;"), (2, " of 2 workers;"), (4, ";"), (None, ";")]
)
def test_the_summary_says_when_the_bound_is_that_of_the_workers(workers: int | None, words: str) -> None:
    """Four devices with 5 s of work each; the one in which a test is twice as long has no more room."""
    rows = [row(f"t::{n}", 0, 10 if n == 1 else 5, f"d{n}") for n in range(1, 5)]
    farm = {"any": Klass(devices=frozenset({"d1", "d2", "d3", "d4"}))}

    (line,) = review_lines(review(rows, farm, [], workers=workers))

    assert f" x the lower bound{words} devices busy " in line


def test_the_summary_names_what_was_lost_and_on_which_devices() -> None:
    lost = {"outcome": "lost", "blame": "farm"}

    one = summary_lines([row("t::a", 0, 1, **lost)], [], gave_up=0, farm_size=6, files=[])
    many = [row(f"t::{n}", 0, 1, devices=["d1", "d2"], **lost) for n in range(7)]

    told = summary_lines(
        [row("t::a", 0, 1, **lost, attempt=2)],
        [],
        gave_up=0,
        farm_size=6,
        files=[],
        reasons={("t::a", 2): "it is gone"},
    )
    assert one[-2:] == ["lost with worker or device: t::a on d1", "failures by blame: 1 farm"]
    assert told[-2] == "lost with worker or device: t::a on d1 (it is gone)"
    assert summary_lines(many, [], gave_up=0, farm_size=6, files=[])[-2] == (
        "lost with worker or device: "
        "t::0 on d1, d2; t::1 on d1, d2; t::2 on d1, d2; t::3 on d1, d2; t::4 on d1, d2; 2 more"
    )


def test_failures_that_are_no_verdicts_are_told_apart() -> None:
    """Of attempts that others have followed: lost ones, and those that were tried again."""
    rows = [
        row("t::a", 0, 1, outcome="failed", blame="test", attempt=1),
        row("t::b", 0, 1, outcome="failed", blame="test", attempt=1),
        row("t::a", 1, 2, outcome="lost", blame="farm", attempt=2),
        row("t::a", 2, 3, outcome="failed", blame="app", attempt=3),
        row("t::c", 0, 1, outcome="failed", blame="device", attempt=1),
        row("t::c", 0, 1, attempt=2),
    ]

    lines = summary_lines(rows, [], gave_up=0, farm_size=6, files=[])

    assert lines[-2:] == [
        "failures by blame: 1 app, 1 test",
        "attempts tried again, by blame: 1 device, 1 farm, 1 test",
    ]


def test_a_run_without_device_tests_says_nothing() -> None:
    assert summary_lines([], [], gave_up=0, farm_size=6, files=[]) == []
    assert summary_lines([], [], gave_up=1, farm_size=6, files=[]) == ["1 test gave up waiting for a device"]


def test_tests_that_cannot_run_for_one_reason_are_told_once() -> None:
    lines = unmet_lines(
        [("a::one", "no device\n  nearest: d1"), ("a::two", "no device\n  nearest: d1"), ("b::x", "why")]
    )

    assert lines == [
        "autorl: 2 tests cannot run: a::one and 1 more",
        "    no device",
        "      nearest: d1",
        "autorl: 1 test cannot run: b::x",
        "    why",
    ]


def test_many_reasons_are_cut_and_the_cut_is_told() -> None:
    lines = unmet_lines([(f"t::{n}", f"reason {n}") for n in range(25)])

    assert lines[-1] == "autorl: and 5 more reasons"
    assert len(lines) == 41
