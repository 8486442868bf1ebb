"""Turns: one thread of a process that does what has to pass the gate, and waits there for it.

Whoever asks waits for the thread with a deadline. A process that was stopped inside the gate so holds up a test run
for that long and not for ever, and Ctrl-C reaches the run meanwhile. What has gathered while the thread waited is
handed over in one batch, so that it can share one sync of the disk.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pytest_autorl.errors import StateBusyError, StateError
from pytest_autorl.state.gate import Gate

T = TypeVar("T")

logger = logging.getLogger("pytest_autorl")

#: So many turns are done in one pass of the gate at most: others wait.
_BATCH = 32


class Turn:
    """One piece of work. Bare locks: a `Future` costs more than the work does.

    Attributes:
        work: What is to be done.
        is_vital: It must go through on a full disk.
        result, error: What came of it, once `finish` was called.
    """

    __slots__ = ("claim", "done", "error", "is_vital", "result", "work")

    def __init__(self, work: Callable[..., Any], *, is_vital: bool = False) -> None:
        self.work = work
        self.is_vital = is_vital
        #: Taken by whoever comes first: the thread, to do it, or the asker, to call it off.
        self.claim = threading.Lock()
        #: Locked until the work has ended.
        self.done = threading.Lock()
        self.done.acquire()
        self.result: Any = None
        self.error: BaseException | None = None

    def finish(self, result: Any = None, error: BaseException | None = None) -> None:
        """The work has ended, so or so."""
        self.result, self.error = result, error

    def tell(self) -> None:
        """Let its asker go on."""
        self.done.release()


class Turns:
    """Does what it is given inside the gate.

    Args:
        gate: Closed with the turns.
        do: Does a batch of turns, in order, inside the gate; must `finish` each and raise nothing.
        after: Called when a batch is through, outside the gate; must raise nothing.
        name: What is written, for errors.
        deadline_s: Longest wait for one turn.
    """

    def __init__(
        self,
        gate: Gate,
        do: Callable[[Sequence[Turn]], None],
        *,
        name: str,
        deadline_s: float,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        self._gate = gate
        self._do = do
        self._after = after
        self._name = name
        self._deadline_s = deadline_s
        self._turns: queue.SimpleQueue[Turn | None] = queue.SimpleQueue()
        #: The last turn that nobody waits for.
        self._posted: Turn | None = None
        self._posting = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="autorl-state", daemon=True)
        self._thread.start()

    def take(self, turn: Turn) -> Any:
        """Have a turn done; returns its result, raises its error.

        Raises:
            StateBusyError: The turn did not come in time: it was not and will not be done.
            StateError: It began and did not end in time: whether it was done is unknown.
        """
        try:
            self._turns.put(turn)
            self._wait(turn)
        except BaseException:  # Ctrl-C, a test's time limit
            turn.claim.acquire(blocking=False)  # nobody waits for it any more
            raise
        if turn.error is not None:
            raise turn.error
        return turn.result

    def post(self, turn: Turn) -> None:
        """Have a turn done soon, before any that is taken later; nobody waits for it."""
        with self._posting:
            self._posted = turn
            self._turns.put(turn)

    def flush(self) -> None:
        """Wait until what was posted is done. Raises StateBusyError when that takes too long; it is not called off:
        it will still be done, and nothing that is asked for later before it.
        """
        posted = self._posted
        if posted is not None:
            if not posted.done.acquire(timeout=self._deadline_s):
                raise self._busy()
            posted.done.release()  # for others who wait for the same
            if self._posted is posted:
                self._posted = None

    def close(self, *, waits: bool = True) -> bool:
        """End the thread after what was given to it. False when it is still held up at the gate: then it ends,
        and closes the gate, when that opens.

        Args:
            waits: Wait for it, as long as for a turn.
        """
        self._turns.put(None)
        self._thread.join(self._deadline_s if waits else 0.0)
        return not self._thread.is_alive()

    def _wait(self, turn: Turn) -> None:
        if turn.done.acquire(timeout=self._deadline_s):
            return
        if turn.claim.acquire(blocking=False):
            raise self._busy()
        # It is being done: a slow disk, not a closed gate. It cannot be called back any more.
        if not turn.done.acquire(timeout=self._deadline_s):
            raise StateError(
                f"{self._name} took longer than {2 * self._deadline_s:g} s to be written: whether it was is unknown",
                do="look at the disk",
            )

    def _serve(self) -> None:
        is_closed = False
        while not is_closed and (first := self._turns.get()) is not None:
            is_closed = self._pass(first)
            del first  # an idle thread must not keep alive what a result refers to
        self._gate.close()

    def _pass(self, first: Turn) -> bool:
        """Pass the gate with this turn and what has come meanwhile. Whether the end has come, too."""
        is_closed = False
        with self._gate:
            turns = [first]
            # Drained inside: what came while we waited for the gate is done with it.
            while not is_closed and len(turns) < _BATCH and not self._turns.empty():
                turn = self._turns.get()
                if turn is None:
                    is_closed = True
                else:
                    turns.append(turn)
            claimed = [turn for turn in turns if turn.claim.acquire(blocking=False)]
            self._do(claimed)
        # Outside: a thread that is woken wants the interpreter, and other processes would wait for that at the gate.
        self._after()
        for turn in claimed:
            try:
                turn.tell()
            except Exception:  # this thread serves all the others, too
                logger.exception("what follows a write to %s has failed", self._name)
        return is_closed

    def _busy(self) -> StateBusyError:
        keepers = ", ".join(str(pid) for pid in self._gate.keepers())
        who = f"process {keepers} holds it up" if keepers else "another process holds it up"
        return StateBusyError(
            f"{self._name} could not be written within {self._deadline_s:g} s: {who}",
            do="is that process stopped? let it go on (kill -CONT), or end it",
        )
