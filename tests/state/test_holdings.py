"""What a process knows of its leases, and when it must not believe it any more."""

from __future__ import annotations

import pytest

from pytest_autorl.state.engine import DeviceRow
from pytest_autorl.state.holdings import Holdings
from pytest_autorl.state.leases import Lease
from pytest_autorl.state.ledger import Now

pytestmark = pytest.mark.unit

LEASE = Lease(device_id="a", owner="me", token=7, since_s=0.0)


def at(seconds: float) -> Now:
    return Now(seconds, 1_700_000_000.0 + seconds, 60.0)


def row(token: int = 7, *, granted_at_s: float = 0.0, expires_s: float = 160.0) -> DeviceRow:
    return DeviceRow("a", "busy", token=token, granted_at_s=granted_at_s, expires_s=expires_s)


def test_a_lease_is_sure_for_three_quarters_of_its_life() -> None:
    holdings = Holdings()
    holdings.add(LEASE, "a", 160.0, at(100.0))
    held = holdings.get(LEASE)

    assert held is not None
    assert held.is_sure(145.0)
    assert not held.is_sure(145.1)


def test_a_grant_that_is_younger_than_the_rows_is_not_lost() -> None:
    """The sign of life was written before the grant; its answer is looked at afterwards."""
    holdings = Holdings()
    holdings.add(LEASE, "a", 160.0, at(100.0))
    held = holdings.get(LEASE)

    holdings.renewed((), at(99.0), asking_since_s=0.0)
    assert held is not None
    assert not held.is_lost

    holdings.renewed((), at(101.0), asking_since_s=0.0)
    assert held.is_lost


def test_a_row_that_nobody_knows_is_told_the_second_time_it_is_seen() -> None:
    """Once it may be a grant on its way, or a release."""
    holdings = Holdings()
    rows = [row(granted_at_s=50.0)]

    assert holdings.renewed(rows, at(100.0), asking_since_s=60.0) == set()
    assert holdings.renewed(rows, at(101.0), asking_since_s=60.0) == {("a", 7)}
    assert holdings.renewed(rows, at(102.0), asking_since_s=50.0) == set()  # somebody is being granted it


def test_a_higher_token_means_that_ours_is_lost() -> None:
    holdings = Holdings()
    holdings.add(LEASE, "a", 160.0, at(100.0))
    held = holdings.get(LEASE)
    assert held is not None

    holdings.overtaken({"a": 7, "b": 99})
    assert not held.is_lost

    holdings.overtaken({"a": 8})
    assert held.is_lost
