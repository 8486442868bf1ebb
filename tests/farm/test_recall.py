"""The thread that looks after parked devices."""

from __future__ import annotations

import threading

import pytest

from pytest_autorl.farm.recall import Recall

pytestmark = pytest.mark.unit


def test_it_sweeps_until_nothing_is_parked_and_begins_again_when_asked() -> None:
    swept = threading.Semaphore(0)
    left = [True, False, False]

    def sweep() -> bool:
        swept.release()
        return left.pop(0)

    recall = Recall(sweep, interval_s=0.001)
    recall.ensure()
    assert swept.acquire(timeout=30)
    assert swept.acquire(timeout=30)

    while left:
        recall.ensure()
    assert swept.acquire(timeout=30)
    recall.stop()


def test_a_stopped_recall_stays_stopped() -> None:
    recall = Recall(lambda: True, interval_s=0.001)
    recall.ensure()

    recall.stop()
    recall.ensure()

    assert not any(thread.name == "autorl-recall" and thread.is_alive() for thread in threading.enumerate())
