"""Turns: what waits for the gate on behalf of others, with a deadline."""

from __future__ import annotations

import gc
import os
import signal
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pytest_autorl.errors import StateBusyError, StateError
from pytest_autorl.state.gate import Gate
from pytest_autorl.state.turns import Turn, Turns
from state_child import PATIENCE_S, Child

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX")

#: Waits for a turn, is interrupted, and has another turn done.
INTERRUPTED = """
import signal, sys; from pathlib import Path; from pytest_autorl.state.gate import Gate
from pytest_autorl.state.turns import Turn, Turns
class TellingGate(Gate):
    def __enter__(self):
        if not is_told: is_told.append(print("waits", flush=True))
        super().__enter__()
signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent may have it ignored
done, is_told = [], []
turns = Turns(TellingGate(Path(sys.argv[1])), lambda batch: [turn.finish(turn.work()) for turn in batch],
              name="the state", deadline_s=60)
try: turns.take(Turn(lambda: done.append("called off")))
except KeyboardInterrupt: print("interrupted", flush=True)
sys.stdin.readline()
turns.take(Turn(lambda: done.append("later")))
print(done, flush=True)
"""


class Desk:
    """Does batches of turns, and remembers their sizes."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def do(self, turns: Sequence[Turn]) -> None:
        self.sizes.append(len(turns))
        for turn in turns:
            try:
                turn.finish(turn.work())
            except BaseException as error:
                turn.finish(error=error)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def make(path: Path, desk: Desk) -> Iterator[Callable[[float], Turns]]:
    """Call it with a deadline for turns at the desk, on a gate of their own."""
    made: list[Turns] = []

    def turns(deadline_s: float) -> Turns:
        made.append(Turns(Gate(path), desk.do, name="the state", deadline_s=deadline_s))
        return made[-1]

    yield turns
    for each in made:
        each.close()


@pytest.fixture
def others(path: Path) -> Iterator[Gate]:
    """The same gate as somebody else has it."""
    gate = Gate(path)
    yield gate
    gate.close()


def fail() -> None:
    raise LookupError("nothing there")


def test_result_and_error_of_a_turn_reach_its_asker(make: Callable[[float], Turns]) -> None:
    turns = make(PATIENCE_S)

    assert turns.take(Turn(lambda: "done")) == "done"
    with pytest.raises(LookupError, match="nothing there"):
        turns.take(Turn(fail))


def test_turns_are_done_inside_the_gate(make: Callable[[float], Turns], others: Gate) -> None:
    turns = make(PATIENCE_S)
    has_begun, may_end, is_through = threading.Event(), threading.Event(), threading.Event()
    turns.post(Turn(lambda: (has_begun.set(), may_end.wait(PATIENCE_S))))
    assert has_begun.wait(PATIENCE_S)

    def enter() -> None:
        with others:
            is_through.set()

    thread = threading.Thread(target=enter)
    thread.start()
    assert not is_through.wait(0.05)
    may_end.set()

    assert is_through.wait(PATIENCE_S)
    thread.join(PATIENCE_S)


def test_a_turn_that_does_not_come_in_time_is_never_done(
    make: Callable[[float], Turns], others: Gate
) -> None:
    """Whoever got the error goes on, and must not be overtaken by what was given up."""
    turns, done, has_ended = make(0.1), list[str](), threading.Event()

    with (
        others,
        pytest.raises(
            StateBusyError,
            match=r"the state could not be written within 0\.1 s: another process holds it up\n  do: .*kill -CONT",
        ),
    ):
        turns.take(Turn(lambda: done.append("given up")))
    turns.post(Turn(has_ended.set))

    assert has_ended.wait(PATIENCE_S)
    assert done == []


def test_a_turn_that_is_slow_but_ends_is_waited_for(make: Callable[[float], Turns]) -> None:
    """It cannot be called off any more: what it did is worth knowing."""
    turns = make(1.0)

    assert turns.take(Turn(lambda: threading.Event().wait(1.1))) is False


def test_of_a_turn_that_does_not_end_nobody_knows_whether_it_was_done(make: Callable[[float], Turns]) -> None:
    turns, may_end, has_ended = make(0.1), threading.Event(), threading.Event()

    with pytest.raises(
        StateError, match=r"longer than 0\.2 s to be written: whether it was is unknown\n  do: look at"
    ) as caught:
        turns.take(Turn(lambda: may_end.wait(PATIENCE_S)))
    assert not isinstance(caught.value, StateBusyError)  # which would say that nothing was done

    may_end.set()
    turns.post(Turn(has_ended.set))
    assert has_ended.wait(PATIENCE_S)  # and everything goes on


def test_ctrl_c_reaches_who_waits_and_calls_the_turn_off(path: Path, others: Gate) -> None:
    with Child(INTERRUPTED, path) as child:
        with others:
            assert child.line() == "waits"
            child.signal(signal.SIGINT)
            assert child.line() == "interrupted"
        child.say()

        assert child.line() == "['later']"
        assert child.wait() == 0


def test_what_has_gathered_is_done_in_batches_of_some_size(
    make: Callable[[float], Turns], others: Gate, desk: Desk
) -> None:
    """One sync of the disk serves many, but not so many that others wait for long."""
    turns, done = make(PATIENCE_S), list[int]()

    with others:
        for number in range(40):
            turns.post(Turn(lambda number=number: done.append(number)))
    turns.flush()

    assert done == list(range(40))
    assert desk.sizes == [32, 8]


def test_flushing_with_nothing_posted_waits_for_nobody(make: Callable[[float], Turns], others: Gate) -> None:
    turns = make(PATIENCE_S)
    turns.post(Turn(lambda: None))
    turns.flush()

    with others:
        turns.flush()


def test_several_can_wait_for_the_same(make: Callable[[float], Turns], others: Gate) -> None:
    turns, done = make(PATIENCE_S), list[int]()

    def flush() -> None:
        turns.flush()
        done.append(1)

    with others:
        turns.post(Turn(lambda: None))
        threads = [threading.Thread(target=flush) for _ in range(3)]
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)

    assert done == [1, 1, 1]


def test_what_was_posted_is_not_called_off_when_somebody_waits_for_it_in_vain(
    make: Callable[[float], Turns], others: Gate
) -> None:
    """It was promised to be done, and nobody would hear that it was not; later flushes must not fail for ever."""
    turns, has_ended = make(0.3), threading.Event()

    with others:
        turns.post(Turn(has_ended.set))
        for _ in range(2):
            with pytest.raises(StateBusyError, match="another process holds it up"):
                turns.flush()

    assert has_ended.wait(PATIENCE_S)
    turns.flush()


def test_closing_does_what_was_given_before(make: Callable[[float], Turns], others: Gate) -> None:
    turns, done = make(PATIENCE_S), list[int]()
    with others:
        turns.post(Turn(lambda: done.append(1)))
        turns.post(Turn(lambda: done.append(2)))
        closing = threading.Thread(target=turns.close)
        closing.start()
    closing.join(PATIENCE_S)

    assert done == [1, 2]


def test_closing_at_a_shut_gate_ends_and_the_rest_is_done_when_it_opens(
    path: Path, desk: Desk, others: Gate
) -> None:
    """The end of a run must not hang on a process that was stopped."""
    is_done, is_closed = threading.Event(), threading.Event()

    class TellingGate(Gate):
        def close(self) -> None:
            super().close()
            is_closed.set()

    turns = Turns(TellingGate(path), desk.do, name="the state", deadline_s=0.1)

    with others:
        turns.post(Turn(is_done.set))
        assert not turns.close()
        assert not is_done.is_set()

    assert is_done.wait(PATIENCE_S)
    assert is_closed.wait(PATIENCE_S)


def test_an_idle_thread_keeps_nothing_alive(make: Callable[[float], Turns], others: Gate) -> None:
    """What a test's work refers to must be gone when the test is over."""

    class Thing:
        pass

    turns, thing = make(PATIENCE_S), Thing()
    seen = weakref.ref(thing)
    with others:  # so that both are in one batch
        turns.post(Turn(lambda: None))
        turns.post(Turn(lambda thing=thing: thing))
    del thing

    turns.flush()
    turns.take(Turn(lambda: None))  # the batch is over now
    gc.collect()

    assert seen() is None
