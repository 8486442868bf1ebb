"""What the end of a run says of its devices."""

from __future__ import annotations

import os
from typing import Any

import pytest

from pytest_autorl.capture.results import status_note
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.state.leases import DeviceState

pytestmark = pytest.mark.unit

BUSY, UNHEALTHY = DeviceStatus.BUSY, DeviceStatus.UNHEALTHY


@pytest.mark.parametrize(
    ("status", "more", "expected"),
    [
        (DeviceStatus.AVAILABLE, {}, ""),
        (
            UNHEALTHY,
            {"reason": "quarantined: its battery swells"},
            "unhealthy: quarantined: its battery swells",
        ),
        (DeviceStatus.OFFLINE, {}, "offline"),
        (BUSY, {"pid": 1, "owner": "gw0", "purpose": "t.py::a"}, "busy: gw0 for t.py::a"),
        # What this process is about to give back is no news, unless it is to be something else then.
        (BUSY, {"pid": os.getpid(), "owner": "main", "is_parked": True}, ""),
        (
            BUSY,
            {"pid": os.getpid(), "next_status": DeviceStatus.MAINTENANCE, "next_reason": "held: new cable"},
            "maintenance: held: new cable",
        ),
    ],
)
def test_a_device_that_cannot_be_had_is_noted_with_the_reason(
    status: DeviceStatus, more: dict[str, Any], expected: str
) -> None:
    facts: dict[str, Any] = {"device_id": "d1", "run": "", "reason": "", "since_s": 0.0, "token": 1}

    assert status_note(DeviceState(status=status, **{**facts, **more})) == expected
