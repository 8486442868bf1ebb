"""The trace as it is written: a row for each attempt that had a device, lost ones put right when more is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_autorl.capture.lost import LostAttempts, Sent, to_wire
from pytest_autorl.dispatch.trace import FILE, Attempt, trace_row
from pytest_autorl.run import Run

#: Writes a file by name; whether that could be done.
Write = Callable[[str, Callable[[], object]], bool]


class Rows:
    """See the module.

    Attributes:
        rows: As in ``trace.jsonl``, in the order in which the attempts became known.
        waits_s: How long each of them waited for its devices, seconds.
        reasons: Why attempts were lost that ran again, by test and number.
    """

    def __init__(self, run: Run, write: Write) -> None:
        self._run = run
        self._write = write
        self.rows: list[dict[str, Any]] = []
        self.waits_s: list[float] = []
        self.reasons: dict[tuple[str, int], str] = {}
        self._lost = LostAttempts()
        #: Place of a lost attempt's row, by worker and test.
        self._places: dict[tuple[str, str], int] = {}
        self._is_amended = False

    def begin(self, facts: Mapping[str, Any]) -> None:
        """A test's set-up has ended; `Attempt.to_wire`."""
        self._lost.begin(facts)

    def end(self, attempt: Attempt) -> None:
        """An attempt has ended."""
        self._lost.end(attempt)
        if attempt.outcome == "lost":
            self.reasons[attempt.test, attempt.attempt] = attempt.reason
        self._note(attempt)

    def crash(
        self, worker: str, nodeid: str, *, number: int = 1, order: Sent | None = None
    ) -> Attempt | None:
        """A worker has died over a test; gives the attempt, None where it is not known to have had a device.

        Args:
            number: Which attempt it was, at least, where it has not told so itself.
            order: What it was told to run, where that is known.
        """
        number = max(
            number, 1 + max((row["attempt"] for row in self.rows if row["test"] == nodeid), default=0)
        )
        found = None
        for found in self._lost.crash(worker, nodeid, time.time(), number=number, order=order):
            self._note_lost(found)
        return found

    def lose(self, losses: Sequence[Mapping[str, Any]]) -> None:
        """Leases were taken over, see `lost.to_wire`."""
        for attempt in self._lost.lose(losses):
            self._note_lost(attempt)

    def lose_own(self) -> None:
        """This process has taken leases over."""
        if self._run.losses:
            self.lose(to_wire(self._run.fetch_losses(), self._run.identity.run_id))

    def finish(self) -> str:
        """Put the file right at the end; returns what the summary has to say of it, "" where nothing."""
        sink = self._run.sink
        if sink.count_lines(FILE) != len(self.rows):
            # Another run started in the same folder meanwhile: ours, which ends last, stands whole.
            self._write(FILE, lambda: sink.write_rows(FILE, self.rows))
            return "another run wrote into the same reports folder: give each its own --autorl-reports"
        if self._is_amended:
            self._write(FILE, lambda: sink.write_rows(FILE, self.rows))
        return ""

    def _note_lost(self, attempt: Attempt) -> None:
        """A row, or a better one in its place: the file is put right at the end."""
        key = attempt.worker, attempt.test
        if key in self._places:
            self.rows[self._places[key]] = self._row(attempt)
            self._is_amended = True
        else:
            self._places[key] = len(self.rows)
            self._note(attempt)

    def _note(self, attempt: Attempt) -> None:
        row = self._row(attempt)
        self.waits_s.append(attempt.waited_s)
        self.rows.append(row)
        self._write(FILE, lambda: self._run.sink.append(FILE, row))

    def _row(self, attempt: Attempt) -> dict[str, Any]:
        return trace_row(attempt, run=self._run.identity.run_id, zero_s=self._run.zero_s or attempt.start_s)
