"""Locks that neither a signal handler nor a forked child waits for."""

from __future__ import annotations

import os
import threading

import pytest

from pytest_autorl.privacy.locking import Locked
from pytest_autorl.privacy.placeholders import Numbering
from redactors import redactor_over

pytestmark = pytest.mark.unit


def test_its_own_thread_may_take_it_again() -> None:
    one = Locked()
    with one.lock, one.lock:
        assert not taken_elsewhere(one)
    assert taken_elsewhere(one)


def taken_elsewhere(one: Locked) -> bool:
    """Whether another thread can have the lock now."""
    got: list[bool] = []

    def take() -> None:
        got.append(one.lock.acquire(blocking=False))
        if got[0]:
            one.lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return got[0]


def test_a_numbering_is_used_by_a_handler_in_the_middle_of_another_use() -> None:
    numbers = Numbering()
    with numbers.lock:
        assert numbers.number("EMAIL", "a@x.org") == 1


def test_a_text_is_redacted_by_a_handler_in_the_middle_of_another_one() -> None:
    redactor = redactor_over()
    with redactor._search.lock:
        assert redactor.redact("to a@x.org") == "to [REDACTED:EMAIL#1]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_a_thread_that_has_not_come_along() -> None:
    redactor = redactor_over()
    stream = redactor.stream(str)
    is_held, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        with stream.lock, redactor._search.lock:
            is_held.set()
            may_go.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait(30)
    child = os.fork()
    if child == 0:
        # A child that waits for ever is ended by its own alarm, and then its status says so.
        import signal

        signal.alarm(5)
        stream.write("to a@x.org\n")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    may_go.set()
    thread.join()
    assert status == 0
