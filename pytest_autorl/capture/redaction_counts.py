"""How much was redacted: what the header and the summary say of it, from all processes of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from pytest_autorl.capture.guard import Guard

#: Key of a worker's counts, in xdist's `workeroutput`.
COUNTS = "autorl_redactions"


class RedactionCounts:
    """See the module.

    Args:
        is_worker: Of xdist: the controller tells.
    """

    def __init__(self, guard: Guard, *, is_worker: bool) -> None:
        self._guard = guard
        self._is_worker = is_worker
        self._of_workers: Counter[str] = Counter()

    @property
    def totals(self) -> Mapping[str, int]:
        """Values that were taken out so far, by kind; those of workers when they have ended."""
        return self._of_workers + Counter(self._guard.counts)

    def pytest_report_header(self) -> str | None:
        """Only what is not as everybody expects."""
        if self._guard.is_off:
            return "autorl: redaction is off, personal data and secrets are shown and written as they are"
        return "autorl: redaction is strict" if self._guard.is_strict else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A worker tells its counts."""
        if self._is_worker:
            session.config.workeroutput[COUNTS] = dict(self._guard.counts)  # type: ignore[attr-defined]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker has ended; one that has crashed has told nothing."""
        self._of_workers.update(getattr(node, "workeroutput", {}).get(COUNTS, {}))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """One line, where something was taken out or nothing could be."""
        if self._guard.is_off:
            terminalreporter.write_line("autorl: redaction was off: look after the reports")
        elif totals := self.totals:
            terminalreporter.write_line(f"autorl: redacted {summary(totals)}")


def summary(totals: Mapping[str, int]) -> str:
    """What was taken out, the most frequent kinds first.

    >>> summary({"EMAIL": 3, "SECRET": 12})
    '15 values (12 SECRET, 3 EMAIL)'
    """
    parts = [
        f"{count} {kind}" for kind, count in sorted(totals.items(), key=lambda each: (-each[1], each[0]))
    ]
    count = sum(totals.values())
    return f"{count} value{'s' if count != 1 else ''} ({', '.join(parts)})"
