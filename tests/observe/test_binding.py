"""Ids of a record: which thread and task sees which, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_autorl.observe import bind, bound, inheriting, unbind
from pytest_autorl.observe import binding as binding_module
from pytest_autorl.observe.binding import bound_ids


@pytest.fixture(autouse=True)
def _nothing_bound(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(binding_module, "_everywhere", {})
    token = binding_module._bound.set(None)
    yield
    binding_module._bound.reset(token)


def in_a_thread(work: Callable[[], Any]) -> Any:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(work()))
    thread.start()
    thread.join()
    return answers[0]


def test_ids_are_bound_changed_and_taken_off() -> None:
    bind(device="a", session="s")
    bind(device="b", worker=None)
    unbind("session", "never bound")

    assert bound_ids() == {"device": "b"}


def test_a_block_gives_its_names_back_and_leaves_others_alone() -> None:
    bind(device="outer")

    with bound(device="inner", nodeid="n"):
        bind(session="kept")
        assert bound_ids() == {"device": "inner", "nodeid": "n", "session": "kept"}

    assert bound_ids() == {"device": "outer", "session": "kept"}


def test_a_block_that_raises_gives_back_too() -> None:
    with pytest.raises(KeyError), bound(everywhere=True, device="a"), bound(device="b"):
        raise KeyError

    assert bound_ids() == {}


def test_every_thread_sees_what_is_bound_everywhere_and_its_own_wins() -> None:
    with bound(everywhere=True, nodeid="n", device="a"):
        bind(device="mine")

        assert bound_ids() == {"nodeid": "n", "device": "mine"}
        assert in_a_thread(bound_ids)["nodeid"] == "n"
        if not getattr(sys.flags, "thread_inherit_context", 0):
            assert in_a_thread(bound_ids)["device"] == "a"

    unbind("device")
    assert bound_ids() == {}


def test_a_thread_gets_ids_by_inheriting_and_keeps_its_own_to_itself() -> None:
    bind(device="a")

    def work() -> dict[str, Any]:
        bind(session="of the thread")
        return bound_ids()

    handed_on = inheriting(work)
    bind(device="later")

    assert in_a_thread(handed_on) == {"device": "a", "session": "of the thread"}
    assert in_a_thread(handed_on) == {"device": "a", "session": "of the thread"}
    assert bound_ids() == {"device": "later"}


def test_each_task_has_its_own_ids() -> None:
    async def work(name: str) -> dict[str, Any]:
        bind(device=name)
        await asyncio.sleep(0)
        return bound_ids()

    async def both() -> list[dict[str, Any]]:
        bind(run="r")
        return await asyncio.gather(work("a"), work("b"))

    assert asyncio.run(both()) == [{"run": "r", "device": "a"}, {"run": "r", "device": "b"}]
    assert bound_ids() == {}


def test_threads_that_bind_everywhere_at_once_lose_nothing() -> None:
    threads = [
        threading.Thread(target=lambda n=n: [bind(everywhere=True, **{f"k{n}-{i}": i}) for i in range(50)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(bound_ids()) == 200


def test_the_active_span_is_named_once_the_program_has_opentelemetry() -> None:
    trace = pytest.importorskip("opentelemetry.trace", reason="the extra `otel` is not installed")
    context = trace.SpanContext(0xABC, 0x12, is_remote=False)

    with trace.use_span(trace.NonRecordingSpan(context)):
        ids = bound_ids()

    assert ids == {"trace_id": f"{'abc':0>32}", "span_id": f"{'12':0>16}"}
    assert bound_ids() == {}


def test_a_tracing_package_that_breaks_costs_only_its_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", object())  # type: ignore[arg-type]
    bind(device="a")

    assert bound_ids() == {"device": "a"}


def test_loggers_and_ids_need_no_structlog() -> None:
    """A run that asks for no log must not pay for one."""
    code = (
        "import sys\n"
        "from pytest_autorl.observe import bind, get_logger\n"
        "bind(device='a')\n"
        "get_logger('MyAgent').log_agent_action('MyAgent', 'look')\n"
        "print([name for name in ('structlog', 'opentelemetry', 're2') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "[]"
