"""Faults and device specs: reading them, counting commands. Pure."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_autorl.errors import UsageError
from pytest_autorl.virtual.faults import EVENTS, FAULTS, FaultPlan, Faults, parse_fault
from pytest_autorl.virtual.spec import DeviceSpecError, available_at, parse_spec


def test_a_fault_waits_then_acts_so_many_times_then_is_gone() -> None:
    faults = Faults([FaultPlan("slow", times=2, after_commands=3, params={"ms": 5.0})])

    acted = ["slow" in faults.command() for _ in range(7)]

    assert acted == [False, False, False, True, True, False, False]
    assert faults.describe() == []


def test_a_fault_without_an_end_acts_until_it_is_cleared() -> None:
    faults = Faults()
    faults.add(parse_fault("offline"))
    assert all("offline" in faults.command() for _ in range(50))
    assert faults.clear("offline") == 1
    assert faults.command() == {}


def test_stale_counts_uses_of_elements_not_commands() -> None:
    faults = Faults([parse_fault("stale")])
    faults.command()
    assert faults.take("stale") is not None
    assert faults.take("stale") is None


def test_a_used_up_hang_can_still_be_cleared() -> None:
    faults = Faults([parse_fault({"name": "hang", "times": 1})])
    hanging = faults.command()["hang"]
    assert faults.describe() == []

    faults.clear()

    assert hanging.cleared.is_set()


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_can_be_asked_for_by_name(name: str) -> None:
    plan = parse_fault(name)
    assert plan.times == (1 if name in EVENTS else None)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"name": "oflline"}, "nearest valid: 'offline'"),
        ({}, "unknown fault None"),
        ({"name": "slow", "mss": 1}, "nearest valid: 'ms'"),
        ({"name": "offline", "ms": 1}, "unknown parameter 'ms'"),
        ({"name": "slow", "ms": -1}, "0 or more"),
        ({"name": "slow", "times": 0}, "1 or more"),
        ({"name": "slow", "times": "x"}, "a number"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(raw: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_fault(raw)


def spec(**settings: Any) -> dict[str, Any]:
    return {"id": "d", "app": "bank", "settings": settings}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("x", "a device is a mapping"),
        ({"app": "bank"}, "needs an `id`"),
        ({"id": "a/b"}, "without '/'"),
        ({"id": "d", "modell": "x"}, "nearest valid: 'model'"),
        ({"id": "d", "platform": "symbian"}, "'symbian'"),
        ({"id": "d", "app": "bnk"}, "nearest valid: 'bank'"),
        (spec(comand_ms=3), "nearest valid: 'command_ms'"),
        (spec(command_ms="fast"), "a number of 0 or more, up to 1e.09, got .fast."),
        (spec(battery=101), "a percentage"),
        (spec(battery_state="empty"), "one of charging"),
        (spec(online="yes"), "true or false"),
        (spec(backend=3), "a text"),
        (spec(app_options=[1]), "a mapping"),
        (spec(available=[[0]]), "windows"),
        (spec(available=[[5, 2]]), "windows"),
        (spec(available=3), "windows"),
        (spec(faults=3), "a list of faults"),
        (spec(faults=["hangg"]), "nearest valid: 'hang'"),
        (spec(faults=[3]), "faults"),
        ({"id": "d", "settings": [1]}, "a mapping"),
    ],
)
def test_a_device_that_cannot_be_made_is_refused_with_the_reason(raw: Any, said: str) -> None:
    with pytest.raises(DeviceSpecError, match=said):
        parse_spec(raw, {"bank": None})


def test_a_device_needs_no_more_than_an_id() -> None:
    made = parse_spec({"id": "d"}, {})
    assert (made.platform, made.os_version, made.form_factor, made.app) == ("android", "14", "phone", "")


@pytest.mark.parametrize(
    ("windows", "seconds", "there"),
    [
        ((), 5, True),
        (((0.0, 60.0), (90.0, None)), 59.9, True),
        (((0.0, 60.0), (90.0, None)), 60, False),
        (((0.0, 60.0), (90.0, None)), 1000, True),
        (((10.0, 20.0),), 5, False),
        (((10.0, 20.0),), None, True),
    ],
)
def test_a_device_is_there_inside_its_windows(windows: Any, seconds: float | None, there: bool) -> None:
    assert available_at(windows, seconds) is there
