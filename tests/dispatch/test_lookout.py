"""The lookout: what the state shows of a device, and a thread that tells it until it is stopped."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import replace

import pytest

from pytest_autorl.dispatch.lookout import Lookout, Sight, seen_of
from pytest_autorl.dispatch.shelf import Seen
from pytest_autorl.errors import StateBusyError
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.state.leases import DeviceState

pytestmark = pytest.mark.unit

FREE = DeviceState(device_id="a", run="", status=DeviceStatus.AVAILABLE, reason="", since_s=0.0, token=1)
HELD = replace(FREE, status=DeviceStatus.BUSY, owner="gw0", pid=7)
#: Longer than any answer takes, seconds.
PATIENCE_S = 30.0


@pytest.mark.parametrize(
    ("state", "seen"),
    [
        (FREE, Seen.FREE),
        (HELD, Seen.OURS),
        (replace(HELD, pid=8), Seen.FOREIGN),
        # It is judged unfit while a test of ours uses it: it will not come back.
        (replace(HELD, next_status=DeviceStatus.UNHEALTHY), Seen.OUT),
        (replace(HELD, next_status=DeviceStatus.AVAILABLE), Seen.OURS),
        (replace(HELD, pid=8, next_status=DeviceStatus.UNHEALTHY), Seen.FOREIGN),
        # Recovered after an unclean end, by whomever.
        (replace(HELD, status=DeviceStatus.MAINTENANCE), Seen.FOREIGN),
        *(
            (replace(FREE, status=status), Seen.OUT)
            for status in (DeviceStatus.OFFLINE, DeviceStatus.MAINTENANCE, DeviceStatus.UNHEALTHY)
        ),
    ],
)
def test_a_device_is_ours_or_others_or_free_or_out_of_service(state: DeviceState, seen: Seen) -> None:
    assert seen_of(state, {7}) is seen


def test_what_is_seen_is_told_and_a_state_that_cannot_be_read_is_an_empty_sight() -> None:
    """The one who is told has time limits to look after, so it is told in any case."""
    answers: list[Sight | StateBusyError] = [
        Sight(states={"a": FREE}),
        StateBusyError("busy"),
        Sight(states={"a": HELD}),
    ]
    told: queue.SimpleQueue[Sight] = queue.SimpleQueue()

    def look() -> Sight:
        answer = answers.pop(0) if answers else Sight()
        if isinstance(answer, StateBusyError):
            raise answer
        return answer

    lookout = Lookout(look, told.put, interval_s=0.001)
    lookout.start()
    seen = [dict(told.get(timeout=PATIENCE_S).states) for _ in range(3)]
    lookout.stop()

    assert seen == [{"a": FREE}, {}, {"a": HELD}]


def test_a_call_has_it_look_at_once() -> None:
    told: queue.SimpleQueue[Sight] = queue.SimpleQueue()
    lookout = Lookout(Sight, told.put, interval_s=3600.0)
    lookout.start()
    told.get(timeout=PATIENCE_S)

    lookout.call()

    assert told.get(timeout=PATIENCE_S).states == {}
    lookout.stop()


def test_after_the_stop_nothing_is_told() -> None:
    """Not even what was looked at meanwhile."""
    looks, may_answer = threading.Event(), threading.Event()
    told: list[Sight] = []

    def look() -> Sight:
        looks.set()
        may_answer.wait(PATIENCE_S)
        return Sight()

    others = set(threading.enumerate())
    lookout = Lookout(look, told.append)
    lookout.start()
    assert looks.wait(PATIENCE_S)
    (thread,) = (one for one in set(threading.enumerate()) - others if one.name == "autorl-lookout")
    lookout.stop(patience_s=0.0)
    assert thread.is_alive()  # the one who stops it has not waited
    may_answer.set()
    thread.join(PATIENCE_S)

    assert not thread.is_alive()
    assert told == []


def test_who_has_not_waited_for_its_end_once_does_not_wait_for_it_again() -> None:
    looks, may_answer = threading.Event(), threading.Event()

    def look() -> Sight:
        looks.set()
        may_answer.wait(PATIENCE_S)
        return Sight()

    lookout = Lookout(look, lambda _: None)
    lookout.start()
    assert looks.wait(PATIENCE_S)

    lookout.stop(patience_s=0.0)
    begin_s = time.monotonic()
    lookout.stop()

    assert time.monotonic() - begin_s < PATIENCE_S / 2
    may_answer.set()


def test_an_error_of_any_kind_is_logged_once_and_it_looks_on(caplog: pytest.LogCaptureFixture) -> None:
    """Were the thread to end, no time limit would ever end."""
    told: queue.SimpleQueue[Sight] = queue.SimpleQueue()

    def look() -> Sight:
        raise ValueError("no such table")

    lookout = Lookout(look, told.put, interval_s=0.001)
    lookout.start()
    seen = [told.get(timeout=PATIENCE_S) for _ in range(3)]
    lookout.stop()

    assert [dict(sight.states) for sight in seen] == [{}, {}, {}]
    assert [record.message for record in caplog.records if "looked at" in record.message] == [
        "the devices cannot be looked at; dispatch goes on by what its workers tell"
    ]


def test_one_that_was_never_started_can_be_stopped() -> None:
    told: list[Sight] = []
    Lookout(Sight, told.append).stop()

    assert told == []
