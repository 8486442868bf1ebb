"""What attempts came before, and what may follow."""

from __future__ import annotations

import pytest

from broker_world import LOOSE, klass, table
from pytest_autorl.dispatch.needs_table import NONE
from pytest_autorl.dispatch.tally import (
    LOST_BOOST,
    MOST_CRASHES,
    PENDED_BOOST,
    RETRIED_BOOST,
    SWITCHED_OFF,
    Prospects,
    Tally,
)
from pytest_autorl.resilience.budget import Budgets
from pytest_autorl.resilience.decide import MOST_LOSSES

pytestmark = pytest.mark.unit


def tally(*, least: int = 20, reruns: bool = True) -> Tally:
    """Of a test with two of four devices, and of one without."""
    needs = table((0, NONE), LOOSE, classes=[klass("a", "b", "c", "d", count=2)])
    return Tally(needs, Budgets(len(needs.tests), 20.0, least), reruns=reruns)


def test_a_first_attempt_may_be_followed_by_any() -> None:
    """Nothing came before it."""
    fresh = tally()

    assert fresh.chances(0, has_devices=True) == Prospects(
        may_be_lost=True, retries=0, why_no_retry="", is_flaky=False
    )
    assert (fresh.boost(0), fresh.has_tried(0), fresh.to_avoid(0)) == (0.0, False, frozenset())
    assert fresh.may_crash(0)


def test_without_devices_nothing_is_lost_with_them() -> None:
    """It may be retried, and its worker may die."""
    chances = tally().chances(1, has_devices=False)

    assert not chances.may_be_lost
    assert chances.why_no_retry == ""


def test_a_test_is_lost_only_so_often() -> None:
    """Losses are no retries: the test is not flaky for them."""
    some = tally()
    for _ in range(MOST_LOSSES):
        assert some.chances(0, has_devices=True).may_be_lost
        some.lost(0, ["a"])

    chances = some.chances(0, has_devices=True)
    assert not chances.may_be_lost
    assert (chances.retries, chances.is_flaky) == (0, False)
    assert some.boost(0) == LOST_BOOST


def test_a_test_kills_its_worker_only_so_often() -> None:
    """Then the death is its verdict."""
    some = tally()
    for _ in range(MOST_CRASHES):
        assert some.may_crash(0)
        some.crashed(0, ["a", "b"])

    assert not some.may_crash(0)
    assert some.boost(0) == LOST_BOOST


def test_retries_are_counted_by_test() -> None:
    """One that has been retried is flaky should it pass."""
    some = tally()
    some.retried(0, ["a", "b"], elsewhere=True)

    assert some.chances(0, has_devices=True).retries == 1
    assert some.chances(0, has_devices=True).is_flaky
    assert some.chances(1, has_devices=False).retries == 0
    assert some.boost(0) == RETRIED_BOOST


def test_a_retry_after_a_device_went_wrong_makes_no_test_flaky() -> None:
    some = tally()
    some.retried(0, ["a"], elsewhere=True, is_flaky=False)

    assert some.chances(0, has_devices=True).retries == 1
    assert not some.chances(0, has_devices=True).is_flaky


def test_crashes_and_losses_share_a_purse() -> None:
    """That of retries is another."""
    some = tally(least=2)
    some.crashed(0, [])
    some.lost(0, [])

    chances = some.chances(0, has_devices=True)
    assert not chances.may_be_lost
    assert not some.may_crash(1)
    assert chances.why_no_retry == ""


def test_the_purse_of_retries_says_that_it_is_empty() -> None:
    """In its own words; attempts may still be lost."""
    some = tally(least=1)
    some.retried(0, ["a"], elsewhere=True)

    chances = some.chances(1, has_devices=True)
    assert "budget of 1 retries" in chances.why_no_retry
    assert chances.may_be_lost


def test_nothing_is_repeated_where_that_is_switched_off() -> None:
    """Neither by the test's fault nor by others'."""
    none = tally(reruns=False)

    chances = none.chances(0, has_devices=True)
    assert not chances.may_be_lost
    assert chances.why_no_retry == SWITCHED_OFF
    assert not none.may_crash(0)


def test_all_attempts_are_remembered() -> None:
    """Crashes and losses too; one of which nobody knows where it ran says nothing."""
    some = tally()
    some.crashed(0, ["a"])
    some.lost(0, [])
    some.lost(0, ["b"])

    assert some.has_tried(0)
    assert some.to_avoid(0) == {"a", "b"}


def test_the_last_one_says_whether_to_stay() -> None:
    """On the devices of the last attempt, as long as that was a retry of its own that wants to."""
    some = tally()
    some.retried(0, ["a", "b"], elsewhere=False)
    assert some.to_avoid(0) == {"c", "d"}
    assert some.to_avoid(0, out={"a"}) == frozenset()

    some.lost(0, ["b"])
    assert some.to_avoid(0) == {"a", "b"}

    some.retried(0, ["c", "d"], elsewhere=True)
    assert some.to_avoid(0) == {"c", "d"}  # all were tried: back to those of the first
    assert some.to_avoid(0, out={"b"}) == frozenset()


def test_who_is_pended_begins_anew() -> None:
    """Another plugin wants it once more: where it was is forgotten, how often it was retried is not."""
    some = tally()
    some.retried(0, ["a", "b"], elsewhere=False)

    some.pended(0)

    assert not some.has_tried(0)
    assert some.to_avoid(0) == frozenset()
    assert some.boost(0) == PENDED_BOOST
    assert some.chances(0, has_devices=True).retries == 1


def test_a_test_without_devices_avoids_none() -> None:
    """Whatever was said of it."""
    some = tally()
    some.retried(1, ["a"], elsewhere=True)

    assert some.to_avoid(1) == frozenset()
