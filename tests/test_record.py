"""The record of a test: what becomes of it when the attempt has ended."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_autorl.farm.device import Device
from pytest_autorl.farm.handle import DeviceHandle
from pytest_autorl.record import TestRecord

pytestmark = pytest.mark.unit


def handle(device_id: str, *, sessions: int, session_s: float = 0.0) -> DeviceHandle:
    """A device that was granted at 100 s."""
    device = Device(id=device_id, provider="virtual", platform="android", os_version="14")
    nothing: Any = None
    made = DeviceHandle(device, nothing, nothing, {}, granted_at_s=100.0)
    made.sessions, made.session_s = sessions, session_s
    return made


def test_an_attempt_has_opened_what_was_opened_while_it_ran() -> None:
    """A device of a wider scope has had sessions before."""
    shared, other = handle("a", sessions=3, session_s=9.0), handle("b", sessions=0)
    record = TestRecord(nodeid="t.py::test_it", begun_s=100.0)
    record.share([shared, other])
    shared.sessions, shared.session_s = 5, 13.0
    record.share([shared])  # asked for again: what was before the test stays so
    record.end_setup(105.0)

    attempt = record.attempt(need="any", worker="gw0", now_s=110.0)

    assert attempt is not None
    assert (attempt.sessions, attempt.setup_s, attempt.fixture_s) == (2, 5.0, 1.0)


def test_a_test_without_a_device_is_no_attempt() -> None:
    record = TestRecord(nodeid="t.py::test_it", begun_s=100.0)

    assert record.attempt(need="any", worker="gw0", now_s=110.0) is None
