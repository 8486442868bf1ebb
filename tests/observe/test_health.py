"""Health checks: what passes, deadlines, freshness, and the three answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pytest_autorl.errors import DeviceProviderError, UsageError
from pytest_autorl.observe import HealthChecker, init_health_checker
from pytest_autorl.observe import health as health_module


@pytest.fixture
def _own_checker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "_current", HealthChecker())


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opened at the end, so that no test leaves a thread that waits."""
    event = threading.Event()
    yield event
    event.set()


def _raise(error: Exception) -> None:
    raise error


def test_a_check_passes_unless_it_returns_false_or_raises() -> None:
    checker = HealthChecker(
        {
            "none": lambda: None,
            "zero": lambda: 0,
            "false": lambda: False,
            "ours": lambda: _raise(DeviceProviderError("hub is down")),
            "foreign": lambda: _raise(RuntimeError("password=hunter2")),
        }
    )

    checks = checker.detailed().body["checks"]

    assert {name: result["status"] for name, result in checks.items()} == {
        "none": "ok",
        "zero": "ok",
        "false": "fail",
        "ours": "fail",
        "foreign": "fail",
    }
    assert checks["ours"]["reason"] == "hub is down"


def test_the_text_of_a_foreign_exception_is_not_published() -> None:
    """It may hold anything, and the answer goes over HTTP."""
    checker = HealthChecker({"foreign": lambda: _raise(RuntimeError("password=hunter2"))})

    assert checker.detailed().body["checks"]["foreign"]["reason"] == "RuntimeError"


def test_ready_names_what_fails_and_live_asks_nothing() -> None:
    asked: list[str] = []
    checker = HealthChecker({"a": lambda: asked.append("a"), "b": lambda: False})

    live = checker.live()
    assert (live.is_ok, live.body, asked) == (True, {"status": "ok"}, [])

    ready = checker.ready()
    assert (ready.is_ok, ready.body) == (False, {"status": "fail", "failed": ["b"]})


def test_a_checker_without_checks_is_ready() -> None:
    assert HealthChecker().ready().is_ok
    assert HealthChecker().detailed().body == {"status": "ok", "checks": {}}


def test_every_result_has_its_latency() -> None:
    result = HealthChecker({"quick": lambda: None}).results()["quick"]

    assert 0 <= result.latency_ms < 2000


def test_a_check_that_hangs_is_a_timeout_and_holds_up_no_other(gate: threading.Event) -> None:
    checker = HealthChecker({"hangs": gate.wait, "fine": lambda: None}, deadline_s=0.05)

    results = checker.results()

    assert {name: result.status for name, result in results.items()} == {"hangs": "timeout", "fine": "ok"}
    assert results["hangs"].latency_ms == 50
    assert "no answer in 0.05 s" in results["hangs"].reason


def test_a_hanging_check_is_not_started_again_before_it_ends(gate: threading.Event) -> None:
    """Else every question would leave one more thread behind."""
    started: list[int] = []

    def hang() -> None:
        started.append(1)
        gate.wait()

    checker = HealthChecker({"hangs": hang}, deadline_s=0.02, cache_s=0)
    statuses = [checker.results()["hangs"].status for _ in range(3)]

    assert statuses == ["timeout"] * 3
    assert len(started) == 1


def test_results_are_kept_while_they_are_fresh() -> None:
    now_s, asked = [100.0], []
    checker = HealthChecker({"a": lambda: asked.append(1)}, cache_s=5, now=lambda: now_s[0])

    for at_s in (100.0, 104.9, 105.0, 109.9):
        now_s[0] = at_s
        checker.ready()

    assert len(asked) == 2


def test_askers_at_the_same_time_share_one_question() -> None:
    asked: list[int] = []
    together = threading.Barrier(4)
    checker = HealthChecker({"a": lambda: asked.append(1)}, cache_s=60)

    def ask() -> None:
        together.wait()
        checker.ready()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(asked) == 1


def test_what_cannot_be_called_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match="'disk' cannot be called"):
        HealthChecker({"disk": 5})  # type: ignore[dict-item]


@pytest.mark.usefixtures("_own_checker")
def test_init_makes_the_checker_of_the_process() -> None:
    made = init_health_checker(disk=lambda: True)

    assert health_module.current_checker() is made
    assert list(made.results()) == ["disk"]
