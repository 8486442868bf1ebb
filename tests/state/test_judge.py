"""What is found out about a device's health: which status it gives, and what it leaves alone."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_autorl.errors import OutOfServiceError
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.farm.sample import HEALTH
from pytest_autorl.state import ledger, takeover
from pytest_autorl.state.engine import DeviceRow, Engine, HolderRow, TicketRow
from pytest_autorl.state.ledger import Now
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.store import DurableStore

A, B, O, M, U = (  # noqa: E741
    DeviceStatus.AVAILABLE,
    DeviceStatus.BUSY,
    DeviceStatus.OFFLINE,
    DeviceStatus.MAINTENANCE,
    DeviceStatus.UNHEALTHY,
)
LOW = f"{HEALTH}battery 12 %"
NOW = Now(1000.0, 1_700_000_000.0, 60.0)
LATER = Now(1010.0, 1_700_000_010.0, 60.0)


def judge(
    engine: Engine, status: DeviceStatus, reason: str = "", *, now: Now = LATER, key: str = "a"
) -> frozenset[str]:
    return engine.write(lambda books: ledger.judge(books, key, f"seen {status}", status, reason, now))


def row(engine: Engine) -> DeviceRow:
    found = engine.read(lambda books: books.device("a"))
    assert found is not None
    return found


@pytest.fixture
def engine(engine: Engine) -> Engine:
    for holder in ("h1", "h2"):
        engine.write(
            lambda books, h=holder: ledger.join(books, HolderRow(h, "r1", h, 1, "boot", f"bell-{h}"))
        )  # type: ignore[misc]
    engine.write(lambda books: ledger.enroll(books, {"a": 0}, NOW))
    return engine


def ask(engine: Engine, holder: str) -> ledger.Answer:
    wish = TicketRow(0, holder, holder, "", "", ("a",), 1, NOW.wall_s, NOW.s + 300, f"waits-{holder}")
    return engine.write(lambda books: ledger.ask(books, wish, NOW))


@pytest.mark.parametrize(
    ("before", "why", "verdict", "reason", "expected"),
    [
        (A, "", U, LOW, (U, LOW)),
        (A, "", O, f"{HEALTH}no answer", (O, f"{HEALTH}no answer")),
        (A, "", A, "", (A, "")),
        (U, LOW, A, "", (A, "")),
        (U, LOW, O, f"{HEALTH}no answer", (O, f"{HEALTH}no answer")),
        (O, f"{HEALTH}no answer", U, LOW, (U, LOW)),
        # Decided by hand, or by a recovery: not undone by a good reading, nor relabelled by a bad one.
        (M, "new battery", A, "", (M, "new battery")),
        (M, "new battery", U, LOW, (M, "new battery")),
        (U, "quarantined: swollen", A, "", (U, "quarantined: swollen")),
        (U, "quarantined: swollen", O, f"{HEALTH}no answer", (U, "quarantined: swollen")),
        (O, "lent", A, "", (O, "lent")),
    ],
)
def test_only_a_status_that_health_gave_changes(
    engine: Engine,
    before: DeviceStatus,
    why: str,
    verdict: DeviceStatus,
    reason: str,
    expected: tuple[str, str],
) -> None:
    if before is not A:
        engine.write(lambda books: ledger.set_status(books, "a", before, why, NOW))

    judge(engine, verdict, reason)

    found = row(engine)
    assert (found.status, found.reason) == expected
    assert found.health == f"seen {verdict}"


def test_a_status_that_stays_keeps_its_beginning(engine: Engine) -> None:
    judge(engine, U, LOW, now=NOW)
    judge(engine, U, f"{HEALTH}battery 11 %")

    assert row(engine).since_at_s == NOW.wall_s
    assert row(engine).reason == f"{HEALTH}battery 11 %"


def test_what_is_leased_changes_when_its_lease_ends_and_its_holder_is_told(engine: Engine) -> None:
    (held,) = ask(engine, "h1").granted

    rings = judge(engine, U, LOW)
    assert rings == {"bell-h1"}
    assert judge(engine, U, LOW) == frozenset()
    assert (row(engine).status, row(engine).holder) == (B, "h1")
    engine.write(lambda books: ledger.release(books, "a", "h1", held.token, LATER))

    assert (row(engine).status, row(engine).reason) == (U, LOW)


def test_what_has_become_well_before_its_lease_ends_is_free_then(engine: Engine) -> None:
    (held,) = ask(engine, "h1").granted
    judge(engine, U, LOW)

    assert judge(engine, A) == frozenset()
    engine.write(lambda books: ledger.release(books, "a", "h1", held.token, LATER))

    assert (row(engine).status, row(engine).health) == (A, f"seen {A}")


def test_what_is_to_follow_by_hand_stays(engine: Engine) -> None:
    ask(engine, "h1")
    engine.write(lambda books: ledger.set_status(books, "a", M, "new battery", NOW))

    judge(engine, U, LOW)
    judge(engine, A)

    assert row(engine).after == f"{M} new battery"


def test_a_device_under_recovery_is_judged_for_afterwards(engine: Engine) -> None:
    (held,) = ask(engine, "h1").granted
    taken = engine.write(lambda books: takeover.recover(books, "a", "h1", held.token, "broken", NOW))
    assert taken is not None

    judge(engine, U, LOW)
    engine.write(lambda books: takeover.recovered(books, "a", "h1", taken.token, "", LATER))

    assert (row(engine).status, row(engine).reason) == (U, LOW)


def test_who_waits_is_served_when_the_device_is_well_again(engine: Engine) -> None:
    judge(engine, U, LOW)
    assert ask(engine, "h1").ticket

    rings = judge(engine, A)

    assert rings == {"waits-h1"}
    assert row(engine).holder == "h1"


def test_who_restores_a_device_lets_it_be_looked_at_anew(engine: Engine) -> None:
    judge(engine, U, LOW)

    engine.write(lambda books: ledger.set_status(books, "a", A, "", LATER))

    assert (row(engine).status, row(engine).health) == (A, "")


def test_a_device_that_is_gone_is_not_made_again(engine: Engine) -> None:
    assert judge(engine, U, LOW, key="gone") == frozenset()
    assert engine.read(lambda books: books.device("gone")) is None


# -- the store -----------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DurableStore]:
    made = DurableStore(
        SqliteEngine(tmp_path / "state.db"),
        folder=tmp_path / "holders",
        devices={"a": 0, "b": 0},
        run_id="r1",
        is_of_run="b".__eq__,
    )
    yield made
    made.close()


posix = pytest.mark.skipif(os.name == "nt", reason="leases are POSIX")


@posix
def test_the_store_keeps_the_verdict_and_shows_it(store: DurableStore) -> None:
    assert store.health("a") == ""

    store.judge("a", "seen", status=U, reason=LOW)
    store.judge("b", "well", status=A, reason="")

    assert (store.health("a"), store.health("b")) == ("seen", "well")
    shown = store.devices()["a"]
    assert (shown.status, shown.reason, shown.health) == (U, LOW, "seen")


@posix
def test_who_is_not_patient_does_not_wait_for_what_is_out_of_service(store: DurableStore) -> None:
    store.judge("a", "seen", status=U, reason=LOW)

    with pytest.raises(OutOfServiceError, match="out of service: a: unhealthy, health: battery 12 %"):
        store.acquire(["a"], count=1, owner="gw0", purpose="", wait_s=600, is_patient=False)


@posix
def test_who_is_not_patient_waits_for_what_is_in_use_until_it_goes_out_of_service(
    store: DurableStore,
) -> None:
    (lease,) = store.acquire(["a"], count=1, owner="gw0", purpose="", wait_s=0)
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            store.acquire(["a"], count=1, owner="gw1", purpose="", wait_s=600, is_patient=False)
        except OutOfServiceError as error:
            caught.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    while not store.queue():
        waiter.join(0.01)
        assert waiter.is_alive()
    store.judge("a", "seen", status=U, reason=LOW)
    store.release(lease)
    waiter.join(60)

    assert len(caught) == 1
    assert store.queue() == ()


@posix
def test_who_is_patient_gets_it_when_it_is_well_again(store: DurableStore) -> None:
    store.judge("a", "seen", status=U, reason=LOW)
    granted: list[str] = []

    def wait() -> None:
        granted.extend(
            each.device_id for each in store.acquire(["a"], count=1, owner="", purpose="", wait_s=600)
        )

    waiter = threading.Thread(target=wait)
    waiter.start()
    while not store.queue():
        waiter.join(0.01)
    store.judge("a", "seen", status=A, reason="")
    waiter.join(60)

    assert granted == ["a"]
