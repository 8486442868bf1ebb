"""When devices went out of service, and came back."""

from __future__ import annotations

import pytest

from pytest_autorl.dispatch.outages import Outages
from pytest_autorl.dispatch.shelf import Seen
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.state.leases import DeviceState

pytestmark = pytest.mark.unit

OFF = DeviceState(device_id="a", run="", status=DeviceStatus.OFFLINE, reason="gone", since_s=0.0, token=1)


def test_an_outage_lasts_from_the_first_look_that_saw_it_to_the_first_that_did_not() -> None:
    outages = Outages()
    looks = [Seen.FREE, Seen.OUT, Seen.OUT, Seen.OURS, Seen.OUT]
    for at_s, how in enumerate(looks):
        outages.note({"a": how}, {"a": OFF}, float(at_s))
    outages.note({}, {}, 9.0)  # a look that saw nothing tells nothing

    assert outages.rows == [
        {"device": "a", "start_s": 1.0, "end_s": 3.0, "why": "gone"},
        {"device": "a", "start_s": 4.0, "end_s": None, "why": "gone"},
    ]
