"""Health: named checks, asked together, each with a deadline, answers kept for a while.

A check is a callable without arguments. It passes when it returns, unless it returns False; it fails when it
returns False or raises. Time is the monotonic clock, passed in by tests.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pytest_autorl.errors import AutorlError, UsageError

Check = Callable[[], object]
Status = Literal["ok", "fail", "timeout"]


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """How one check went.

    Attributes:
        latency_ms: What it took; for a timeout, what it was given.
        reason: Why it failed. Of a foreign exception only the class, since its text may hold anything.
    """

    status: Status
    latency_ms: float
    reason: str = ""

    def to_data(self) -> dict[str, Any]:
        """As it stands in an answer."""
        data: dict[str, Any] = {"status": self.status, "latency_ms": self.latency_ms}
        return data | ({"reason": self.reason} if self.reason else {})


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to one question; ``body`` is plain data."""

    is_ok: bool
    body: Mapping[str, Any]


class HealthChecker:
    """Asks the checks, at most once in `cache_s`.

    A check that hangs keeps its one thread and is not started again before it ends, so hanging checks cannot
    pile up. Safe to call from several threads: one asks, the others wait for its answer.

    Args:
        checks: Name -> check.
        deadline_s: Longest time of one check; all run side by side, so of an answer too.
        cache_s: How long results count as fresh.
        now: Monotonic seconds.
    Raises: UsageError for a check that cannot be called.
    """

    def __init__(
        self,
        checks: Mapping[str, Check] | None = None,
        *,
        deadline_s: float = 2.0,
        cache_s: float = 5.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probes = [_Probe(name, check) for name, check in (checks or {}).items()]
        self._deadline_s = deadline_s
        self._cache_s = cache_s
        self._now = now
        self._mutex = threading.Lock()
        self._results: dict[str, CheckResult] = {}
        self._asked_s: float | None = None

    def live(self) -> Answer:
        """Whether the process answers at all: it does. Asks no check."""
        return Answer(is_ok=True, body={"status": "ok"})

    def ready(self) -> Answer:
        """Whether every check passes; names those that do not."""
        failed = sorted(name for name, result in self.results().items() if result.status != "ok")
        return Answer(is_ok=not failed, body={"status": "fail" if failed else "ok", "failed": failed})

    def detailed(self) -> Answer:
        """Every check with status and latency."""
        results = self.results()
        is_ok = all(result.status == "ok" for result in results.values())
        checks = {name: result.to_data() for name, result in results.items()}
        return Answer(is_ok=is_ok, body={"status": "ok" if is_ok else "fail", "checks": checks})

    def results(self) -> Mapping[str, CheckResult]:
        """The results by name, asked for anew when they are no longer fresh."""
        with self._mutex:
            if self._asked_s is None or self._now() - self._asked_s >= self._cache_s:
                self._results = self._ask()
                self._asked_s = self._now()
            return dict(self._results)

    def _ask(self) -> dict[str, CheckResult]:
        for probe in self._probes:
            probe.start()
        end_s = time.monotonic() + self._deadline_s
        return {probe.name: probe.result(end_s, self._deadline_s) for probe in self._probes}


class _Probe:
    """One check and the thread that asks it."""

    def __init__(self, name: str, check: Check) -> None:
        if not callable(check):
            raise UsageError(
                f"the health check {name!r} cannot be called", do="give a function without arguments"
            )
        self.name = name
        self._check = check
        self._thread: threading.Thread | None = None
        self._result: CheckResult | None = None

    def start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._result = None
            # A daemon: a check that never ends must not keep the process alive.
            self._thread = threading.Thread(target=self._run, name=f"autorl-health-{self.name}", daemon=True)
            self._thread.start()

    def result(self, end_s: float, deadline_s: float) -> CheckResult:
        assert self._thread is not None
        self._thread.join(max(0.0, end_s - time.monotonic()))
        if self._result is not None:
            return self._result
        return CheckResult(
            status="timeout", latency_ms=deadline_s * 1000, reason=f"no answer in {deadline_s:g} s"
        )

    def _run(self) -> None:
        begun_s = time.perf_counter()
        reason = ""
        try:
            passed = self._check() is not False
        except AutorlError as error:
            passed, reason = False, str(error)
        except Exception as error:  # a check may raise anything; that is its answer
            passed, reason = False, type(error).__name__
        latency_ms = round((time.perf_counter() - begun_s) * 1000, 3)
        self._result = CheckResult(status="ok" if passed else "fail", latency_ms=latency_ms, reason=reason)


_current = HealthChecker()


def init_health_checker(**checks: Check) -> HealthChecker:
    """Make the checker of this process; `setup_monitoring` answers by it. Replaces an earlier one."""
    global _current
    _current = HealthChecker(checks)
    return _current


def current_checker() -> HealthChecker:
    """The checker of this process; before `init_health_checker` one without checks, which is always ready."""
    return _current
