"""Gathers what a run has found out of its tests, and adds it to the suite's history when the run has ended."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_autorl.errors import StateError
from pytest_autorl.state.engine import RunRow
from pytest_autorl.state.history import History


class Recorder:
    """One run's part in the history. For one thread, that of the controller.

    Args:
        begun_at_s: When the run began, seconds since the epoch.
    """

    def __init__(self, history: History, *, run_id: str, begun_at_s: float) -> None:
        self._history = history
        self._run_id = run_id
        self._begun_at_s = begun_at_s
        self._works: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._seen: set[str] = set()

    def note_ran(self, test: str) -> None:
        """An attempt of the test has ended, however: the test is not forgotten."""
        self._seen.add(test)

    def note_passed(self, test: str, work_s: float, *, devices: Sequence[str] = ()) -> None:
        """An attempt has passed. Of several the last counts; only that it ran does where a clock was set meanwhile.

        Args:
            work_s: Seconds without the set-up of session and fixtures, as measured.
            devices: Ids of those it ran on; none for a test without a device.
        """
        self._seen.add(test)
        if math.isfinite(work_s) and work_s >= 0:
            self._works[test] = (work_s, tuple(devices))

    def finish(
        self,
        *,
        outcome: str,
        ended_at_s: float,
        factors: Mapping[str, float] | None = None,
        reports: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> str:
        """Keep the run, once, at its end. Returns why that could not be done; "" when it was.

        The verdict on a run never depends on its history, so nothing is raised for a state that cannot be used.

        Args:
            outcome: "passed", "failed", "interrupted", ...
            ended_at_s: Seconds since the epoch.
            factors: How many times longer than expected each device has taken, above 0, as `Estimates.factor` has
                them in the end; 1.0 for one that is left out.
            reports: Folder of the run's reports.
            facts: What `autorl runs show` says of it: `classes` (of the trace), and the fields of a review. Plain
                data; `tests`, the number of tests that ran, is added unless given.
        """
        told = {"tests": len(self._seen), **(facts or {})}
        run = RunRow(
            id=self._run_id,
            suite=self._history.suite,
            begun_at_s=self._begun_at_s,
            ended_at_s=ended_at_s,
            outcome=outcome,
            reports=reports,
            facts=json.dumps(told, separators=(",", ":")),
        )
        try:
            self._history.record(run, plain_works(self._works, factors or {}), seen=self._seen)
        except StateError as error:
            return str(error)
        return ""


def plain_works(
    works: Mapping[str, tuple[float, tuple[str, ...]]], factors: Mapping[str, float]
) -> dict[str, float]:
    """What tests would have taken on an average device of the run, seconds.

    Each is divided by the factor of its slowest device over the mean of the factors: the geometric one, weighted by
    work. Only how devices differ goes out. Where all of them take longer than history says, the tests have become
    slower, and history has to follow.

    Args:
        works: Seconds as measured, and the devices, by test.
        factors: By device; above 0.

    >>> plain_works({"a": (6.0, ("old",)), "b": (6.0, ("new",))}, {"old": 4.0, "new": 1.0})
    {'a': 3.0, 'b': 12.0}
    >>> plain_works({"a": (6.0, ("old",)), "b": (6.0, ("new",))}, {"old": 1.5, "new": 1.5})
    {'a': 6.0, 'b': 6.0}
    """
    slowness = {
        test: math.log(max(factors.get(device, 1.0) for device in devices))
        for test, (_, devices) in works.items()
        if devices
    }
    # Weights of at most 1: the sum of the works themselves may be too large a number where a clock was set.
    longest_s = max((works[test][0] for test in slowness), default=0.0) or 1.0
    weights = {test: works[test][0] / longest_s for test in slowness}
    mean = math.fsum(weights[test] * log for test, log in slowness.items()) / (
        math.fsum(weights.values()) or 1.0
    )
    plain = {test: work_s * math.exp(mean - slowness.get(test, mean)) for test, (work_s, _) in works.items()}
    return {test: work_s for test, work_s in plain.items() if math.isfinite(work_s)}
