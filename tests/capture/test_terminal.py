"""What a run says on the terminal."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_autorl.capture.terminal import header_lines, summary_lines, unmet_lines
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


def test_the_summary_names_what_was_lost_and_on_which_devices() -> None:
    lost = {"outcome": "lost", "blame": "farm"}

    one = summary_lines([row("t::a", 0, 1, **lost)], [], gave_up=0, farm_size=6, files=[])
    many = [row(f"t::{n}", 0, 1, devices=["d1", "d2"], **lost) for n in range(7)]

    assert one[-2:] == ["lost with its worker: t::a on d1", "failures by blame: 1 farm"]
    assert summary_lines(many, [], gave_up=0, farm_size=6, files=[])[-2] == (
        "lost with their worker: t::0 on d1, d2; t::1 on d1, d2; t::2 on d1, d2; t::3 on d1, d2; t::4 on d1, d2; 2 more"
    )


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
