"""What a worker knows of earlier attempts travels on the last one's first report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pytest_autorl.attempts.courier import Receiver, Sender
from pytest_autorl.attempts.earlier import Earlier
from pytest_autorl.facts import tell, told

pytestmark = pytest.mark.unit

FIRST = Earlier(kind="retry", number=1, devices=("a",), worker="gw1")
SECOND = Earlier(kind="loss", number=2, devices=("b",), worker="gw1")


class Books:
    def __init__(self) -> None:
        self.told: list[tuple[str, Earlier, Sequence[Mapping[str, Any]]]] = []

    def again(self, nodeid: str, earlier: Earlier, facts: Sequence[Mapping[str, Any]]) -> None:
        self.told.append((nodeid, earlier, facts))


def report(nodeid: str = "t::a") -> pytest.TestReport:
    return pytest.TestReport(nodeid, ("t", 0, "a"), {}, "passed", None, "setup")


def test_what_is_given_comes_out_in_its_order_on_the_next_report() -> None:
    sender, books = Sender(), Books()
    sender.again("t::a", FIRST, [{"attempt": {"number": 1}}])
    sender.again("t::a", SECOND, [])
    one, two = report(), report()

    sender.pytest_runtest_logreport(one)
    sender.pytest_runtest_logreport(two)
    for each in (one, two):
        Receiver(books).pytest_runtest_logreport(each)

    assert books.told == [("t::a", FIRST, [{"attempt": {"number": 1}}]), ("t::a", SECOND, [])]
    assert told(one) == {}


def test_a_report_is_read_once() -> None:
    sender, books = Sender(), Books()
    sender.again("t::a", FIRST, [])
    one = report()
    tell(one, gave_up=True)
    sender.pytest_runtest_logreport(one)

    Receiver(books).pytest_runtest_logreport(one)
    Receiver(books).pytest_runtest_logreport(one)

    assert len(books.told) == 1
    assert told(one) == {"gave_up": True}


def test_a_report_that_carries_nothing_is_left_as_it_is() -> None:
    books, one = Books(), report()

    Sender().pytest_runtest_logreport(one)
    Receiver(books).pytest_runtest_logreport(one)

    assert "autorl" not in one.__dict__
    assert books.told == []
