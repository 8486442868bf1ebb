"""What waits to be delivered while a hub or gateway is down."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.errors import StateError
from pytest_autorl.state import outbox
from pytest_autorl.state.engine import Engine, OutboxRow
from pytest_autorl.state.memory import MemoryEngine
from pytest_autorl.state.outbox import Limits, OfflineQueue


class FakeTime:
    """Seconds since the epoch."""

    def __init__(self) -> None:
        self.s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def wall_s() -> FakeTime:
    return FakeTime()


@pytest.fixture
def queue(engine: Engine, wall_s: FakeTime) -> OfflineQueue:
    return OfflineQueue(engine, max_rows=4, max_attempts=3, wall_s=wall_s)


def keys(rows: list[OutboxRow]) -> list[str]:
    return [row.key for row in rows]


def result(queue: OfflineQueue, key: str, payload: Any = None) -> int:
    return queue.put("hub", "result", payload, key)


def metrics(queue: OfflineQueue, key: str, payload: Any = None) -> int:
    return queue.put("gateway", "metrics", payload, key, replace=True)


# -- putting and delivering ----------------------------------------------------------------------------------


def test_what_was_put_waits_until_it_is_acknowledged(queue: OfflineQueue, wall_s: FakeTime) -> None:
    number = result(queue, "run-1/test_a", {"outcome": "passed", "seconds": 1.5})

    (row,) = queue.due()
    assert row == OutboxRow(
        number=number,
        destination="hub",
        key="run-1/test_a",
        kind="result",
        payload='{"outcome":"passed","seconds":1.5}',
        created_at_s=wall_s.s,
        next_at_s=wall_s.s,
    )
    assert queue.due() == [row]
    queue.ack([number])
    assert queue.due() == []
    assert queue.count() == 0


def test_the_oldest_are_due_first(queue: OfflineQueue) -> None:
    for key in ("b", "c", "a"):
        result(queue, key)

    assert keys(queue.due()) == ["b", "c", "a"]
    assert keys(queue.due(limit=2)) == ["b", "c"]


def test_the_same_key_twice_is_one_item(queue: OfflineQueue) -> None:
    """Whoever puts may be run again after a crash."""
    first = result(queue, "a", 1)

    assert result(queue, "a", 2) == first

    assert [row.payload for row in queue.due()] == ["1"]


def test_the_same_key_for_another_destination_is_another_item(queue: OfflineQueue) -> None:
    queue.put("hub", "result", None, "a")
    queue.put("mirror", "result", None, "a")

    assert [row.destination for row in queue.due()] == ["hub", "mirror"]


def test_of_snapshots_under_one_key_the_latest_waits(queue: OfflineQueue) -> None:
    """A push gateway keeps the last one anyway: replaying the earlier ones would only cost time."""
    metrics(queue, "run-1", 1)
    result(queue, "a")
    metrics(queue, "run-1", 2)

    assert [(row.key, row.payload) for row in queue.due()] == [("a", "null"), ("run-1", "2")]


def test_a_newer_snapshot_is_not_acknowledged_by_the_delivery_of_an_older_one(queue: OfflineQueue) -> None:
    """It is put while the older one is under way."""
    metrics(queue, "run-1", 1)
    (sent,) = queue.due()
    metrics(queue, "run-1", 2)

    queue.ack([sent.number])
    assert queue.fail(sent.number, "too late") is None

    assert [row.payload for row in queue.due()] == ["2"]


def test_a_newer_snapshot_does_not_make_a_gateway_that_fails_be_tried_sooner(
    queue: OfflineQueue, wall_s: FakeTime
) -> None:
    """Snapshots come every few seconds: the back-off would never grow."""
    queue.fail(metrics(queue, "run-1", 1), "refused")
    queue.fail(metrics(queue, "run-1", 2), "refused")

    metrics(queue, "run-1", 3)

    assert queue.due() == []
    wall_s.s += 2.0
    (row,) = queue.due()
    assert (row.payload, row.attempts, row.error) == ("3", 2, "refused")


def test_a_newer_snapshot_takes_the_place_of_one_that_was_given_up(queue: OfflineQueue) -> None:
    for _ in range(3):
        number = metrics(queue, "run-1", 1)
        queue.fail(number, "refused")
    assert len(queue.dead()) == 1

    metrics(queue, "run-1", 2)

    assert [(row.payload, row.attempts) for row in queue.due()] == [("2", 0)]


def test_acknowledging_what_is_gone_does_no_harm(queue: OfflineQueue) -> None:
    number = result(queue, "a")

    queue.ack([number, number, 999])
    queue.ack([])

    assert queue.count() == 0


# -- payloads ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [object(), {"when": {1, 2}}, float("nan"), [float("inf")], b"bytes", {(1, 2): 3}],
    ids=["object", "set", "nan", "infinity", "bytes", "key"],
)
def test_what_json_cannot_say_is_refused(queue: OfflineQueue, payload: Any) -> None:
    with pytest.raises(ValueError, match="the payload of result a for hub cannot be written as JSON: "):
        result(queue, "a", payload)

    assert queue.count() == 0


def test_a_payload_that_holds_itself_is_refused(queue: OfflineQueue) -> None:
    payload = list[Any]()
    payload.append(payload)

    with pytest.raises(ValueError, match="cannot be written as JSON: "):
        result(queue, "a", payload)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
def test_a_payload_comes_out_as_it_went_in(payload: Any) -> None:
    queue = OfflineQueue(MemoryEngine())
    result(queue, "a", payload)

    (row,) = queue.due()

    assert json.loads(row.payload) == payload


# -- failing -------------------------------------------------------------------------------------------------


def test_the_pause_after_a_failure_doubles(queue: OfflineQueue, wall_s: FakeTime) -> None:
    number = result(queue, "a")

    for pause_s, attempts in ((1.0, 1), (2.0, 2)):
        row = queue.fail(number, "refused")
        assert row is not None
        assert (row.next_at_s, row.attempts) == (wall_s.s + pause_s, attempts)
        wall_s.s += pause_s - 0.1
        assert queue.due() == []
        wall_s.s += 0.1
        assert queue.due() == [row]


@given(st.integers(0, 5000), st.floats(0.001, 10), st.floats(1, 10_000))
def test_no_pause_is_longer_than_the_longest(attempts: int, initial: float, longest: float) -> None:
    """Also after so many failures that two to their power is no number of seconds any more."""
    engine = MemoryEngine()
    item = OutboxRow(0, "hub", "a", "result", "null", 0.0, attempts=attempts)
    limits = Limits(max_attempts=10_000, initial_delay=initial, max_delay=longest)
    number = engine.write(lambda books: books.add_outbox(item))

    row = engine.write(lambda books: outbox.fail(books, number, "", limits, 100.0))

    assert row is not None
    assert 100.0 < row.next_at_s <= 100.0 + longest


def test_after_so_many_failures_an_item_is_given_up_and_kept(queue: OfflineQueue, wall_s: FakeTime) -> None:
    number = result(queue, "a")
    result(queue, "b")

    is_dead = []
    for error in ("first", "second", "x" * 1000):
        row = queue.fail(number, error)
        assert row is not None
        is_dead.append(row.is_dead)
    wall_s.s += 1e6

    assert is_dead == [False, False, True]
    assert keys(queue.due()) == ["b"]
    assert [(row.key, row.attempts, row.error) for row in queue.dead()] == [("a", 3, "x" * 300)]
    assert queue.count() == 2


def test_an_error_that_cannot_be_encoded_is_kept_as_well_as_it_can_be(queue: OfflineQueue) -> None:
    row = queue.fail(result(queue, "a"), "answer: \udcff")

    assert row is not None
    assert row.error == "answer: \\udcff"


def test_a_failure_of_what_is_gone_is_nothing(queue: OfflineQueue) -> None:
    assert queue.fail(7, "refused") is None


def test_an_item_that_was_given_up_can_be_dropped(queue: OfflineQueue) -> None:
    number = result(queue, "a")
    for _ in range(3):
        queue.fail(number, "refused")

    queue.ack(row.number for row in queue.dead())

    assert queue.dead() == []


def test_when_the_destination_is_back_everything_is_due(queue: OfflineQueue) -> None:
    dead, late = result(queue, "dead"), result(queue, "late")
    result(queue, "due")
    for _ in range(3):
        queue.fail(dead, "refused")
    queue.fail(late, "refused")

    assert queue.retry() == 2

    assert [(row.key, row.attempts) for row in queue.due()] == [("dead", 0), ("late", 0), ("due", 0)]
    assert queue.retry() == 0


# -- bounds --------------------------------------------------------------------------------------------------


def test_a_full_queue_drops_the_oldest_snapshots_first(queue: OfflineQueue) -> None:
    metrics(queue, "m1")
    result(queue, "r1")
    metrics(queue, "m2")
    result(queue, "r2")

    result(queue, "r3")
    metrics(queue, "m3")

    assert keys(queue.due()) == ["r1", "r2", "r3", "m3"]


def test_results_are_never_dropped(queue: OfflineQueue) -> None:
    for key in "abcd":
        result(queue, key)

    with pytest.raises(StateError, match="the outbox holds 4 items, none of which may be dropped") as caught:
        result(queue, "e")

    assert "result e for hub was not taken" in str(caught.value)
    assert "do: bring the destination back" in str(caught.value)
    with pytest.raises(StateError, match="metrics m for gateway was not taken"):
        metrics(queue, "m")
    assert keys(queue.due()) == list("abcd")


def test_what_waits_already_fits_into_a_full_queue(queue: OfflineQueue) -> None:
    for key in "abc":
        result(queue, key)
    metrics(queue, "m", 1)

    result(queue, "a")
    metrics(queue, "m", 2)

    assert [row.payload for row in queue.due()] == ["null", "null", "null", "2"]


def test_a_lower_bound_is_reached_by_dropping_all_that_may_be_dropped(engine: Engine) -> None:
    """The queue was filled under a higher one."""
    before = OfflineQueue(engine)
    for number in range(5):
        metrics(before, f"m{number}")

    result(OfflineQueue(engine, max_rows=3), "r")

    assert keys(before.due()) == ["m3", "m4", "r"]


def test_what_may_be_dropped_is_for_the_caller_to_say(engine: Engine) -> None:
    queue = OfflineQueue(engine, max_rows=1, droppable={"log"})
    queue.put("hub", "log", None, "a")

    queue.put("hub", "metrics", None, "b")

    assert keys(queue.due()) == ["b"]
    with pytest.raises(StateError):
        queue.put("hub", "log", None, "c")


_puts = st.lists(
    st.tuples(st.sampled_from(["result", "metrics"]), st.integers(0, 9), st.booleans(), st.booleans()),
    max_size=30,
)


@given(_puts)
def test_no_result_is_lost_and_no_bound_is_passed(puts: list[tuple[str, int, bool, bool]]) -> None:
    """Against a model: results that were taken wait until they are acknowledged, whatever else comes."""
    queue = OfflineQueue(MemoryEngine(), max_rows=5)
    results = dict[str, int]()

    for number, (kind, name, replace, acks) in enumerate(puts):
        key = f"{kind}-{name}"
        try:
            queue.put("hub", kind, number, key, replace=replace)
        except StateError:
            assert queue.count() == 5
            continue
        if kind == "result" and (replace or key not in results):
            results[key] = number
        if acks:
            (first, *_) = queue.due()
            queue.ack([first.number])
            results.pop(first.key, None)

        assert queue.count() <= 5
        waiting = {row.key: int(row.payload) for row in queue.due() if row.kind == "result"}
        assert waiting == results


# -- places and processes ------------------------------------------------------------------------------------


def test_a_queue_is_below_the_current_folder_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with OfflineQueue() as queue:
        result(queue, "a")

    with OfflineQueue(tmp_path / ".autorl" / "offline.db") as again:
        assert keys(again.due()) == ["a"]
    with pytest.raises(StateError, match="closed already"):
        again.due()


def test_an_engine_is_not_closed_with_a_queue_that_uses_it(engine: Engine) -> None:
    with OfflineQueue(engine) as queue:
        result(queue, "a")

    assert engine.read(lambda books: books.outbox_count()) == 1


_SENDER = """
import sys
from pytest_autorl.state.outbox import OfflineQueue
queue = OfflineQueue(sys.argv[1])
for number in range(3):
    queue.put("hub", "result", number, f"test-{number}")
queue.ack([queue.due()[0].number])
print(*(row.key for row in queue.due()), flush=True)
sys.stdin.read()  # sent, not acknowledged: here it is killed
"""


@pytest.mark.integration
def test_what_was_not_acknowledged_survives_the_death_of_its_sender(tmp_path: Path) -> None:
    path = tmp_path / "offline.db"
    sender = subprocess.Popen(
        [sys.executable, "-c", _SENDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert sender.stdout is not None
        assert sender.stdout.readline() == "test-1 test-2\n"
    finally:
        sender.kill()
        sender.communicate()
    assert sender.returncode == -signal.SIGKILL

    with OfflineQueue(path) as queue:
        assert [(row.key, row.payload) for row in queue.due()] == [("test-1", "1"), ("test-2", "2")]


def test_two_items_under_one_key_are_the_caller_s_mistake(engine: Engine) -> None:
    """Only whoever goes around the rules can make it."""
    item = OutboxRow(0, "hub", "a", "result", "null", 0.0)
    engine.write(lambda books: books.add_outbox(item))

    with pytest.raises(StateError):
        engine.write(lambda books: books.add_outbox(item))

    assert engine.read(lambda books: books.outbox_count()) == 1
