"""What controller and workers tell each other survives the line."""

from __future__ import annotations

import json

import pytest

from pytest_autorl.dispatch.orders import Again, Holds, Order

pytestmark = pytest.mark.unit


def test_an_order_survives_the_line() -> None:
    """As plain data, and with its kind."""
    order = Order(
        index=3,
        devices=("a", "b"),
        count=1,
        wait_s=1.5,
        attempt=3,
        may_be_lost=True,
        retries=1,
        why_no_retry="the purse is empty",
        is_flaky=True,
        last_call_s=20.0,
    )
    wire = json.loads(json.dumps(order.to_wire()))

    assert wire["do"] == "run"
    assert Order.from_wire(wire) == order


@pytest.mark.parametrize(
    "again",
    [
        Again(kind="retry", elsewhere=False, delay_s=1.5),
        Again(kind="loss", devices=("a", "b")),
    ],
)
def test_what_follows_an_attempt_survives_the_line(again: Again) -> None:
    """Whatever it is."""
    assert Again.from_wire(json.loads(json.dumps(again.to_wire()))) == again


def test_holds_survive_the_line_within_a_message() -> None:
    """Among other things that the message says."""
    holds = Holds(parked=("a",), used=("b", "c"))
    wire = json.loads(json.dumps({"say": "done", **holds.to_wire()}))

    assert Holds.from_wire(wire) == holds


def test_a_message_without_devices_holds_none() -> None:
    """As one of a worker that has no pool."""
    assert Holds.from_wire({"say": "begun"}) == Holds()
