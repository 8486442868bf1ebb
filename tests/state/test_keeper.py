"""The thread that keeps leases alive outlives whatever its work runs into."""

from __future__ import annotations

import threading

import pytest

from pytest_autorl.errors import StateBusyError
from pytest_autorl.state.keeper import Keeper

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("error", [StateBusyError("held up"), ValueError("unexpected")])
def test_a_sign_of_life_that_fails_is_tried_again(error: Exception) -> None:
    tried = threading.Semaphore(0)

    def beat() -> None:
        tried.release()
        raise error

    keeper = Keeper(0.01, beat=beat, look=lambda: None, on_ring=lambda: None)
    keeper.start()

    assert all(tried.acquire(timeout=30) for _ in range(3))
    keeper.close()
