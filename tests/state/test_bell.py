"""Bells: datagrams that say "look again"."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_autorl.state.bell import Bell, ring
from state_child import PATIENCE_S, Child

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX")

RING = "import sys; from pytest_autorl.state.bell import ring; ring(sys.argv[1:])"
RING_BEFORE_AND_AFTER_A_FORK = """
import os, sys
from pytest_autorl.state.bell import ring
ring([sys.argv[1]])
child = os.fork()
if not child:
    ring([sys.argv[2]])
    sys.exit()
os.waitpid(child, 0)
ring([sys.argv[3]])
"""
abstract = pytest.param(
    True, marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such names"), id="abstract"
)


@pytest.fixture(params=[abstract, pytest.param(False, id="file")])
def bell(request: pytest.FixtureRequest) -> Iterator[Bell]:
    each = Bell(is_abstract=request.param)
    yield each
    each.close()


def test_a_ring_wakes_who_waits(bell: Bell) -> None:
    heard: list[bool] = []
    waiter = threading.Thread(target=lambda: heard.append(bell.wait(PATIENCE_S)))
    waiter.start()

    ring([bell.address])
    waiter.join(PATIENCE_S)

    assert heard == [True]


def test_a_ring_that_came_before_the_waiting_is_heard(bell: Bell) -> None:
    """Else whoever looks, finds nothing and goes to sleep would miss what came in between."""
    ring([bell.address])

    assert bell.wait(PATIENCE_S)


def test_many_rings_are_one(bell: Bell) -> None:
    for _ in range(3):
        ring([bell.address])

    assert bell.wait(PATIENCE_S)
    assert not bell.wait(0)


def test_rings_can_be_forgotten(bell: Bell) -> None:
    ring([bell.address])

    assert bell.hush()
    assert not bell.hush()


def test_nobody_rings_and_the_wait_ends(bell: Bell) -> None:
    assert not bell.wait(0.01)
    assert not bell.wait(-1)  # a deadline that has passed already


def test_a_descriptor_ends_the_wait_without_a_ring(bell: Bell) -> None:
    """So the death of a holder is seen at once (`liveness.end_of`)."""
    reading, writing = os.pipe()
    try:
        os.write(writing, b"x")

        assert not bell.wait(PATIENCE_S, [reading])
    finally:
        os.close(reading)
        os.close(writing)


def test_other_processes_ring_too(bell: Bell) -> None:
    with Child(RING, bell.address) as other:
        assert bell.wait(PATIENCE_S)
        assert other.wait() == 0


def test_a_fork_rings_as_well_as_its_parent() -> None:
    bells = [Bell() for _ in range(3)]
    try:
        with Child(RING_BEFORE_AND_AFTER_A_FORK, *(each.address for each in bells)) as other:
            assert [each.wait(PATIENCE_S) for each in bells] == [True] * 3
            assert other.wait() == 0
    finally:
        for each in bells:
            each.close()


def test_a_bell_that_is_gone_does_not_keep_others_from_being_rung(bell: Bell) -> None:
    gone = Bell(is_abstract=bell.address.startswith("@"))
    gone.close()

    ring([gone.address, "", bell.address])

    assert bell.wait(PATIENCE_S)
    assert not gone.hush()


def test_mostly_there_is_nobody_to_be_woken(bell: Bell) -> None:
    """The usual end of a write, which must not cost a socket."""
    before = os.listdir("/dev/fd")

    ring([])

    assert os.listdir("/dev/fd") == before
    assert not bell.hush()


def test_a_bell_that_nobody_listens_to_holds_nobody_up(bell: Bell) -> None:
    """The kernel's queue for it is full after some hundred rings; a ring more has nothing to add."""
    ring([bell.address] * 10_000)

    assert bell.hush()
    assert not bell.wait(0)


def test_nothing_stays_behind() -> None:
    file_bell = Bell(is_abstract=False)
    place = Path(file_bell.address)
    assert place.parent == Path(tempfile.gettempdir())
    assert place.is_socket()

    file_bell.close()

    assert not place.exists()
