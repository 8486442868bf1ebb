"""Rows of the trace: the fields that programs rely on."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.dispatch.trace import Attempt, busy_s, trace_row

pytestmark = pytest.mark.unit


def attempt(start_s: float = 101.0, end_s: float = 103.5, devices: tuple[str, ...] = ("d1",)) -> Attempt:
    return Attempt(
        test="tests/test_a.py::test_b",
        module="tests/test_a.py",
        devices=devices,
        need="any",
        attempt=1,
        outcome="passed",
        blame=None,
        worker="gw0",
        start_s=start_s,
        end_s=end_s,
        setup_s=0.5,
        fixture_s=0.1,
        waited_s=0.0,
        sessions=2,
    )


def test_a_row_has_exactly_the_fields_of_the_contract() -> None:
    row = trace_row(attempt(), run="r1", zero_s=100.0)

    assert row == {
        "run": "r1",
        "test": "tests/test_a.py::test_b",
        "module": "tests/test_a.py",
        "devices": ["d1"],
        "class": "any",
        "attempt": 1,
        "outcome": "passed",
        "blame": None,
        "worker": "gw0",
        "start": 1.0,
        "end": 3.5,
        "setup": 0.5,
        "fixture": 0.1,
        "gate": [],
    }


@given(st.floats(0, 1e9), st.floats(0, 1e5))
def test_an_attempt_survives_the_way_to_the_controller(start_s: float, took_s: float) -> None:
    sent = attempt(start_s, start_s + took_s, ("d1", "d2"))

    assert Attempt.from_wire(json.loads(json.dumps(sent.to_wire()))) == sent


def test_a_device_is_busy_for_every_row_that_names_it() -> None:
    rows = [
        trace_row(attempt(1.0, 3.0, ("d1", "d2")), run="r", zero_s=0.0),
        trace_row(attempt(3.0, 4.0, ("d1",)), run="r", zero_s=0.0),
    ]

    assert busy_s(rows) == {"d1": 3.0, "d2": 2.0}
