"""The trace as a run writes it, without the run."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_autorl.capture.lost import Sent
from pytest_autorl.capture.rows import Rows
from pytest_autorl.capture.sink import Sink
from pytest_autorl.dispatch.trace import FILE, Attempt

pytestmark = pytest.mark.unit


def attempt(test: str, number: int = 1, outcome: str = "passed", **more: Any) -> Attempt:
    facts: dict[str, Any] = {
        "test": test,
        "module": "t.py",
        "devices": ("pixel",),
        "need": "any",
        "attempt": number,
        "outcome": outcome,
        "blame": None,
        "worker": "gw1",
        "start_s": 101.0,
        "end_s": 102.0,
        "setup_s": 0.5,
        "fixture_s": 0.1,
        "waited_s": 0.2,
        **more,
    }
    return Attempt(**facts)


@pytest.fixture
def sink(tmp_path: Path) -> Sink:
    return Sink(tmp_path)


@pytest.fixture
def rows(sink: Sink) -> Rows:
    """Of a run that began at 100 s."""
    run = SimpleNamespace(
        sink=sink, identity=SimpleNamespace(run_id="ours"), zero_s=100.0, losses=deque(), fetch_losses=list
    )

    def write(_: str, work: Callable[[], object]) -> bool:
        work()
        return True

    return Rows(cast("Any", run), write)


def written(sink: Sink) -> list[tuple[str, int, str, list[str]]]:
    found = [json.loads(line) for line in (sink.root / FILE).read_text().splitlines()]
    return [(row["test"], row["attempt"], row["outcome"], row["devices"]) for row in found]


def test_each_attempt_has_a_row_and_only_lost_ones_a_reason(rows: Rows, sink: Sink) -> None:
    rows.end(attempt("t.py::a", 1, "failed", blame="test", reason="said by us"))
    rows.end(attempt("t.py::a", 2, "lost", blame="device", reason="it is gone"))
    rows.end(attempt("t.py::a", 3))

    assert written(sink) == [
        ("t.py::a", 1, "failed", ["pixel"]),
        ("t.py::a", 2, "lost", ["pixel"]),
        ("t.py::a", 3, "passed", ["pixel"]),
    ]
    assert rows.reasons == {("t.py::a", 2): "it is gone"}
    assert rows.waits_s == [0.2, 0.2, 0.2]
    assert rows.finish() == ""


def test_a_crash_is_numbered_after_all_that_is_known_of_its_test(rows: Rows) -> None:
    """Attempts without a device have no row: who counts them says so. What the worker has told is best."""
    rows.end(attempt("t.py::a", 1, "failed", blame="test"))
    rows.lose([_lease("t.py::a", "pixel"), _lease("t.py::b", "tablet")])
    rows.begin(attempt("t.py::c", 7).to_wire())

    found = [
        rows.crash("gw1", f"t.py::{name}", number=number) for name, number in (("a", 1), ("b", 4), ("c", 1))
    ]

    assert [each.attempt if each is not None else None for each in found] == [2, 4, 7]
    assert [each.devices for each in found if each is not None] == [("pixel",), ("tablet",), ("pixel",)]


def test_a_crash_without_a_device_has_no_row(rows: Rows) -> None:
    assert rows.crash("gw1", "t.py::plain", number=3) is None
    assert rows.rows == []


def test_what_becomes_known_later_of_a_crash_puts_its_row_right(rows: Rows, sink: Sink) -> None:
    rows.crash("gw1", "t.py::a")

    rows.lose([_lease("t.py::a", "pixel")])
    rows.lose([_lease("t.py::a", "tablet")])

    assert len(rows.rows) == 1
    assert written(sink) == [("t.py::a", 1, "lost", ["pixel"])]
    assert rows.finish() == ""
    assert written(sink) == [("t.py::a", 1, "lost", ["pixel", "tablet"])]


def test_a_file_that_another_run_wrote_into_is_written_anew_and_that_is_told(rows: Rows, sink: Sink) -> None:
    rows.end(attempt("t.py::a"))
    sink.append(FILE, {"of": "another run"})

    assert rows.finish().startswith("another run wrote into the same reports folder")
    assert written(sink) == [("t.py::a", 1, "passed", ["pixel"])]


def _lease(test: str, device: str) -> dict[str, Any]:
    return {"device": device, "purpose": test, "need": "any", "start_s": 101.0, "end_s": 103.0}


def test_a_crash_of_which_nothing_was_told_has_the_devices_that_its_worker_was_sent_for(
    rows: Rows, sink: Sink
) -> None:
    order = Sent(devices=("pixel", "tablet"), need="two", at_s=103.0)

    found = rows.crash("gw1", "t.py::a", order=order)

    assert found is not None
    assert (found.devices, found.need, found.start_s, found.blame) == (
        ("pixel", "tablet"),
        "two",
        103.0,
        "farm",
    )
    assert written(sink) == [("t.py::a", 1, "lost", ["pixel", "tablet"])]


def test_what_a_test_has_told_itself_counts_for_more(rows: Rows) -> None:
    rows.begin(attempt("t.py::a", 1).to_wire())

    found = rows.crash("gw1", "t.py::a", order=Sent(devices=("tablet",), need="two", at_s=103.0))

    assert found is not None
    assert (found.devices, found.need, found.start_s) == (("pixel",), "any", 101.0)


def test_a_lease_that_began_after_a_crash_is_of_a_later_attempt(rows: Rows, sink: Sink) -> None:
    """Both attempts lose their worker, and their leases are found in any order."""
    order = Sent(devices=("pixel",), need="any", at_s=103.0)
    rows.crash("gw1", "t.py::a", order=order)
    late = time.time() + 1000.0

    rows.lose(
        [{"device": "tablet", "purpose": "t.py::a", "need": "any", "start_s": late, "end_s": late + 1.0}]
    )

    assert written(sink) == [("t.py::a", 1, "lost", ["pixel"])]
    rows.lose([{"device": "pixel", "purpose": "t.py::a", "need": "any", "start_s": 102.0, "end_s": 104.0}])
    assert rows.finish() == ""
    assert [(row["devices"], row["end"]) for row in rows.rows] == [(["pixel"], 4.0)]


def test_a_parked_device_of_a_later_attempt_is_not_the_first_ones(rows: Rows, sink: Sink) -> None:
    """Its lease is older than both attempts, and is for the test that had it last."""
    rows.crash("gw1", "t.py::a", order=Sent(devices=("pixel",), need="any", at_s=103.0))

    rows.lose([{"device": "tablet", "purpose": "t.py::a", "need": "any", "start_s": 101.0, "end_s": 104.0}])

    assert written(sink) == [("t.py::a", 1, "lost", ["pixel"])]
