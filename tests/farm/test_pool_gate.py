"""The pool and the health gate: what is not fit is given back, and others are asked for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_autorl.checkup import StateBook
from pytest_autorl.errors import OutOfServiceError, StateError
from pytest_autorl.farm.config import virtual_farm
from pytest_autorl.farm.device import Device, DeviceStatus
from pytest_autorl.farm.gate import GateDecision, HealthGate
from pytest_autorl.farm.pool import Pool
from pytest_autorl.farm.providers import build
from pytest_autorl.farm.providers.base import Provider
from pytest_autorl.farm.requirement import Requirement
from pytest_autorl.farm.sample import HealthSample
from pytest_autorl.settings import Settings
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.store import DurableStore

pytestmark = pytest.mark.integration

FARM = virtual_farm(3)
ANY, TWO = Requirement(), Requirement(count=2)


class Shelf:
    """A pool whose devices read what a test says."""

    def __init__(self, folder: Path, providers: dict[str, Provider]) -> None:
        self.store = DurableStore(
            SqliteEngine(folder / "state.db"),
            folder=folder / "holders",
            devices={device.id: 0 for device in FARM.devices},
        )
        self.battery: dict[str, float] = {}
        self.asked: list[str] = []
        self.decisions: list[GateDecision] = []
        self.book = StateBook(self.store)
        policy = FARM.policies.health.model_copy(update={"cool_down": 0.0})
        gate = HealthGate(self._probe, policy, self.book, on_decision=self.decisions.append)
        self.pool = Pool(FARM.devices, providers, self.store, owner="me", wait_s=0.0, parks=True, gate=gate)

    def _probe(self, device: Device, deadline_s: float) -> HealthSample:
        self.asked.append(device.id)
        return HealthSample(battery_pct=self.battery.get(device.id, 80.0))

    def statuses(self) -> dict[str, str]:
        return {device_id: str(state.status) for device_id, state in self.store.devices().items()}


@pytest.fixture(scope="module")
def providers() -> Iterator[dict[str, Provider]]:
    built = build(FARM, Settings())
    yield built
    for provider in built.values():
        provider.stop()


@pytest.fixture
def shelf(tmp_path: Path, providers: dict[str, Provider]) -> Iterator[Shelf]:
    made = Shelf(tmp_path, providers)
    # Other tests of this module have used the devices under tokens of their own states.
    yield made
    made.pool.close()
    made.store.close()


def test_what_is_fit_is_asked_once_and_its_verdict_serves_the_next_grant(shelf: Shelf) -> None:
    for _ in range(3):
        with shelf.pool.lease(ANY):
            pass

    assert len(shelf.asked) == len(set(shelf.asked))
    assert [decision.verdict.is_fit for decision in shelf.decisions] == [True] * 3


def test_another_device_is_taken_where_one_is_not_fit(shelf: Shelf) -> None:
    shelf.battery = {"virtual-1": 5.0, "virtual-3": 5.0}

    with shelf.pool.lease(ANY, purpose="test_a") as (device,):
        assert device.id == "virtual-2"

    refused = {decision.device_id for decision in shelf.decisions if not decision.verdict.is_fit}
    assert refused <= {"virtual-1", "virtual-3"}
    assert all(decision.purpose == "test_a" for decision in shelf.decisions)
    unfit = {device_id for device_id, status in shelf.statuses().items() if status == "unhealthy"}
    assert unfit == refused


def test_with_none_fit_the_wait_ends_with_every_reason_and_nothing_stays_leased(shelf: Shelf) -> None:
    shelf.battery = {device.id: 5.0 for device in FARM.devices}

    with pytest.raises(OutOfServiceError) as caught:
        shelf.pool.acquire(ANY)

    assert "battery 5 % is below 20 %" in str(caught.value)
    assert "busy" not in shelf.statuses().values()


def test_a_pair_is_all_fit_or_nobodys(shelf: Shelf) -> None:
    shelf.battery = {"virtual-1": 5.0, "virtual-2": 5.0}

    with pytest.raises(OutOfServiceError):  # which two are tried first is left to chance
        shelf.pool.acquire(TWO)

    assert "busy" not in shelf.statuses().values()


def test_a_parked_device_that_is_no_longer_fit_is_given_back_with_its_session(shelf: Shelf) -> None:
    only = Requirement(where=None, model=FARM.devices[0].model, os_version=f"=={FARM.devices[0].os_version}")
    with shelf.pool.lease(only) as (device,):
        assert device.driver.session_id
        device_id = device.id
    assert shelf.statuses()[device_id] == "busy"  # parked
    verdict = shelf.book.verdict(device_id)
    assert verdict is not None
    shelf.store.judge(device_id, "", status=DeviceStatus.AVAILABLE, reason="")  # nothing is known any more
    shelf.battery = {device_id: 5.0}

    with pytest.raises(OutOfServiceError, match="battery 5 %"):
        shelf.pool.acquire(only)

    assert shelf.statuses()[device_id] == "unhealthy"


def test_who_waits_gets_a_device_that_has_become_fit(shelf: Shelf) -> None:
    shelf.battery = {device.id: 5.0 for device in FARM.devices}
    for device in FARM.devices:
        shelf.store.judge(device.id, "", status=DeviceStatus.UNHEALTHY, reason="health: battery 5 %")
    granted: list[str] = []

    def wait() -> None:
        with shelf.pool.lease(ANY, wait_s=60.0) as (device,):
            granted.append(device.id)

    waiter = threading.Thread(target=wait)
    waiter.start()
    while not shelf.store.queue():
        waiter.join(0.01)
        assert waiter.is_alive()
    shelf.battery = {}
    shelf.store.judge("virtual-2", "", status=DeviceStatus.AVAILABLE, reason="")
    waiter.join(60)

    assert granted == ["virtual-2"]


def test_one_that_others_find_fit_each_time_is_not_asked_for_ever(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.battery = {device.id: 5.0 for device in FARM.devices}
    judge = shelf.store.judge

    def contradicted(device_id: str, health: str, *, status: DeviceStatus, reason: str) -> None:
        judge(device_id, "", status=DeviceStatus.AVAILABLE, reason="")

    monkeypatch.setattr(shelf.store, "judge", contradicted)

    with pytest.raises(OutOfServiceError, match=r"no fit device: virtual-\d: health: battery 5 %"):
        shelf.pool.acquire(ANY)


def test_a_gate_that_cannot_read_its_book_keeps_no_device(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(device_id: str) -> str:
        raise StateError("the disk is gone")

    monkeypatch.setattr(shelf.store, "health", broken)

    with pytest.raises(StateError, match="the disk is gone"):
        shelf.pool.acquire(ANY)

    monkeypatch.undo()
    assert "busy" not in shelf.statuses().values()


def test_an_impatient_pool_does_not_wait_for_what_is_out_of_service(
    tmp_path: Path, providers: dict[str, Provider]
) -> None:
    store = DurableStore(
        SqliteEngine(tmp_path / "state.db"),
        folder=tmp_path / "holders",
        devices={d.id: 0 for d in FARM.devices},
    )
    for device in FARM.devices:
        store.judge(device.id, "", status=DeviceStatus.UNHEALTHY, reason="health: battery 5 %")
    pool = Pool(FARM.devices, providers, store, owner="me", wait_s=3600.0, is_patient=False)

    with pytest.raises(OutOfServiceError):
        pool.acquire(ANY)

    pool.close()
    store.close()


def out_of_service(shelf: Shelf) -> None:
    """As an earlier run has left it, which found all devices unfit."""
    shelf.battery = {device.id: 5.0 for device in FARM.devices}
    for _ in FARM.devices:
        with contextlib.suppress(OutOfServiceError), shelf.pool.lease(ANY):
            pass
    assert set(shelf.statuses().values()) == {"unhealthy"}


def test_what_was_found_out_long_ago_is_looked_at_again_before_a_test_gives_up(shelf: Shelf) -> None:
    out_of_service(shelf)
    shelf.battery = {}
    shelf.pool._tickets._looked_s.clear()  # a new run

    with shelf.pool.lease(ANY) as (device,):
        assert device.id

    assert shelf.asked.count(device.id) >= 2


def test_a_device_that_stays_unfit_is_not_asked_by_every_test(shelf: Shelf) -> None:
    out_of_service(shelf)
    before = len(shelf.asked)

    for _ in range(5):
        with pytest.raises(OutOfServiceError):
            shelf.pool.acquire(ANY)

    assert len(shelf.asked) - before <= len(FARM.devices)


def test_what_is_back_in_service_and_only_in_use_is_waited_for(shelf: Shelf) -> None:
    """One who has waited in vain for what was out of service does so once; then it is as with any other device."""
    out_of_service(shelf)
    with pytest.raises(OutOfServiceError):
        shelf.pool.acquire(ANY)
    shelf.battery = {}
    for device in FARM.devices:
        shelf.store.judge(device.id, "", status=DeviceStatus.AVAILABLE, reason="")
    ids = [device.id for device in FARM.devices]
    held = shelf.store.acquire(ids, count=len(ids), owner="other", purpose="", wait_s=0)
    granted: list[str] = []

    def wait() -> None:
        with shelf.pool.lease(ANY, wait_s=60.0) as (device,):
            granted.append(device.id)

    waiter = threading.Thread(target=wait)
    waiter.start()
    while not shelf.store.queue():
        waiter.join(0.01)
        assert waiter.is_alive()
    shelf.store.release(held[0])
    waiter.join(60)

    assert granted == [held[0].device_id]
    for lease in held[1:]:
        shelf.store.release(lease)
