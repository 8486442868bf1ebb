"""The pool without pytest: leases by need, sessions over simulated devices, nothing left behind."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.errors import LeaseLostError, LeaseTimeoutError, OutOfServiceError, UnsatisfiableError
from pytest_autorl.farm.config import virtual_farm
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.farm.pool import Pool
from pytest_autorl.farm.providers import build
from pytest_autorl.farm.providers.base import Provider
from pytest_autorl.farm.requirement import Requirement
from pytest_autorl.settings import Settings
from pytest_autorl.state import ledger
from pytest_autorl.state.leases import Lease, Session, Unclean
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.store import DurableStore

pytestmark = pytest.mark.integration

FARM = virtual_farm(3)
Events = list[tuple[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def providers() -> Iterator[dict[str, Provider]]:
    built = build(FARM, Settings())
    yield built
    for provider in built.values():
        provider.stop()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As old as the server: its devices refuse a token lower than the last."""
    return tmp_path_factory.mktemp("leases")


@pytest.fixture
def make_pool(
    directory: Path, providers: dict[str, Provider]
) -> Iterator[Callable[..., tuple[Pool, DurableStore, Events]]]:
    made: list[tuple[Pool, DurableStore]] = []
    devices = {device.id: device for device in FARM.devices}

    def recover(unclean: Unclean) -> str:
        device = devices[unclean.lease.device_id]
        return providers[device.provider].recover(device, unclean)

    def make(*, parks: bool = False, wait_s: float = 0.0, **words: Any) -> tuple[Pool, DurableStore, Events]:
        store = DurableStore(
            SqliteEngine(directory / "state.db"),
            folder=directory / "holders",
            devices=dict.fromkeys(devices, 0),
            recover=recover,
        )
        events: Events = []
        pool = Pool(
            FARM.devices,
            providers,
            store,
            owner="me",
            wait_s=wait_s,
            parks=parks,
            events=lambda name, facts: events.append((name, dict(facts))),
            chance=random.Random(1),
            **words,
        )
        made.append((pool, store))
        return pool, store, events

    yield make
    for pool, store in made:
        pool.close()
        store.close()


def names(events: Events) -> list[str]:
    return [name for name, _ in events]


@pytest.mark.parametrize("parks", [True, False])
def test_each_lease_finds_app_back_end_and_orientation_as_new(make_pool: Any, parks: bool) -> None:
    """Also where every lease opens a session of its own: what outlives a session must not outlive a lease."""
    pool, _, _ = make_pool(parks=parks)
    tablet = Requirement(form_factor="tablet")

    for _ in range(2):
        with pool.lease(tablet) as (device,):
            driver = device.driver
            assert driver.orientation == "PORTRAIT"
            driver.find_element("id", "username").send_keys("demo")
            driver.find_element("id", "password").send_keys("demo-pass")
            driver.find_element("id", "sign_in_button").click()
            driver.find_element("id", "payees_button").click()
            assert len(driver.find_elements("id", "payee_row")) == 2
            driver.find_element("accessibility id", "payee_electric").click()
            driver.orientation = "LANDSCAPE"


def test_a_parked_session_is_used_again_and_ended_with_the_pool(make_pool: Any) -> None:
    pool, store, events = make_pool(parks=True)

    sessions = set()
    for _ in range(3):
        with pool.lease(Requirement()) as (device,):
            sessions.add(device.driver.session_id)
    assert len(sessions) == 1
    assert store.devices()[device.id].owner == "me"

    pool.close()

    assert names(events).count("session closed") == 1
    assert store.devices()[device.id].owner == ""


def test_a_handle_counts_the_sessions_that_were_opened_for_it(make_pool: Any) -> None:
    """One that was there, or made as new, is none; who asks for no driver has none."""
    pool, _, _ = make_pool(parks=True)
    counts = []
    with pool.lease(Requirement()) as (device,):
        counts.append(device.sessions)
        assert device.driver is device.driver
        counts.append(device.sessions)
        device.reset("session")
        counts.append(device.sessions)
    with pool.lease(Requirement()) as (device,):
        assert device.driver is not None
        device.reset("app")
        counts.append(device.sessions)

    assert counts == [0, 1, 2, 0]


def test_without_parking_a_device_is_free_at_once(make_pool: Any) -> None:
    pool, store, events = make_pool()

    with pool.lease(Requirement()) as (device,):
        assert device.driver.session_id
        assert store.devices()[device.id].owner == "me"

    assert store.devices()[device.id].owner == ""
    assert names(events) == ["granted", "session opened", "session closed", "released"]


def test_other_capabilities_need_another_session(make_pool: Any) -> None:
    pool, _, _ = make_pool(parks=True)
    plain = Requirement(form_factor="tablet")
    special = Requirement(form_factor="tablet", capabilities={"appium:newCommandTimeout": 77})

    with pool.lease(plain) as (device,):
        first = device.driver.session_id
    with pool.lease(special) as (device,):
        assert device.driver.session_id != first
        assert device.driver.capabilities["newCommandTimeout"] == 77


def test_parked_devices_do_not_stand_in_the_way_of_a_larger_need(make_pool: Any) -> None:
    pool, _, _ = make_pool(parks=True)
    with pool.lease(Requirement()):
        pass

    with pool.lease(Requirement(count=3)) as devices:
        assert len({device.id for device in devices}) == 3


def test_two_pools_never_share_a_device(make_pool: Any) -> None:
    first, _, _ = make_pool()
    second, _, _ = make_pool()

    with first.lease(Requirement(count=2)) as mine, second.lease(Requirement()) as (theirs,):
        assert theirs.id not in {device.id for device in mine}
        with pytest.raises(LeaseTimeoutError, match="waited 0 s"):
            first.acquire(Requirement())


def test_a_need_nothing_can_meet_is_told_at_once_with_the_nearest(make_pool: Any) -> None:
    pool, _, _ = make_pool(wait_s=300.0)

    with pytest.raises(UnsatisfiableError, match="nearest: virtual-1") as caught:
        pool.acquire(Requirement(platform="ios"))

    assert "platform is android, needs ios" in str(caught.value)


def test_after_its_lease_a_handle_drives_nothing(make_pool: Any) -> None:
    pool, _, _ = make_pool()
    with pool.lease(Requirement()) as (device,):
        driver = device.driver

    with pytest.raises(LeaseLostError):
        _ = device.driver
    with pytest.raises(LeaseLostError):
        device.reset()
    with pytest.raises(LeaseLostError):
        driver.back()


def test_a_reset_before_the_first_command_is_no_trouble(make_pool: Any) -> None:
    pool, _, events = make_pool()

    with pool.lease(Requirement()) as (device,):
        device.reset()
        assert device.driver.find_element("id", "username").text == "User name"

    assert names(events).count("session opened") == 1


@pytest.fixture
def visible(providers: dict[str, Provider], monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the devices stood on the host's shelf, where other runs see them."""
    monkeypatch.setattr(providers["virtual"], "scope", "host")


@pytest.mark.usefixtures("visible")
def test_a_parked_device_is_given_up_when_another_run_wants_it(make_pool: Any) -> None:
    """However long this run goes on without using it."""
    first, store, _ = make_pool(parks=True)
    second, _, _ = make_pool(parks=True, wait_s=30.0)
    tablet = Requirement(form_factor="tablet")
    with first.lease(tablet) as (device,):
        assert device.driver.session_id
    assert store.devices()[device.id].owner == "me"

    with second.lease(tablet) as (theirs,):
        assert theirs.lease.token > device.lease.token
        assert theirs.driver.session_id


@pytest.mark.usefixtures("visible")
def test_two_runs_take_turns_on_one_device(make_pool: Any) -> None:
    """Whoever gives a device back and asks again does not always win."""
    tablet = Requirement(form_factor="tablet")
    order: list[str] = []

    def work(name: str) -> None:
        pool, _, _ = make_pool(parks=True, wait_s=60.0)
        for _ in range(3):
            with pool.lease(tablet) as (device,):
                assert device.driver.session_id
                order.append(name)
        pool.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=100)

    assert sorted(order) == list("aaabbb")
    assert order not in (list("aaabbb"), list("bbbaaa"))


class _BrokenOffError(BaseException):
    """As a test's time limit or Ctrl-C: no `Exception`."""


def _break_off() -> None:
    raise _BrokenOffError


@pytest.mark.parametrize("parks", [True, False])
def test_an_ending_that_is_broken_off_loses_no_device(make_pool: Any, parks: bool) -> None:
    """A time limit strikes while a session is being ended: the device is recovered, the others are given back."""
    pool, _, _ = make_pool(parks=parks)
    grant = pool.acquire(Requirement(count=3))
    for device in grant.devices:
        device.driver.quit = _break_off

    end = pool.close if parks else partial(pool.release, grant)
    with pytest.raises(_BrokenOffError):
        end()

    with pool.lease(Requirement(count=3), wait_s=30.0) as again:
        assert all(device.driver.session_id for device in again)
        assert {device.lease.owner for device in again} == {"me"}


def test_a_session_of_a_lease_that_was_lost_meanwhile_is_ended(
    make_pool: Any, providers: dict[str, Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else knows of it, and the guard keeps the client itself from ending it."""
    monkeypatch.setattr(providers["virtual"], "scope", "host")
    pool, store, _ = make_pool()
    grant = pool.acquire(Requirement(form_factor="tablet"))
    (device,) = grant.devices
    note = store.note_sessions
    opened: list[str] = []

    def lose(lease: Lease, sessions: Sequence[Session]) -> None:
        if sessions[-1].id:
            opened.append(sessions[-1].id)
            raise LeaseLostError("taken away", device_id=lease.device_id)
        note(lease, sessions)

    monkeypatch.setattr(store, "note_sessions", lose)

    with pytest.raises(LeaseLostError):
        _ = device.driver

    assert opened
    assert providers["virtual"].admin.device(device.id)["session"] is None
    pool.release(grant)


def test_of_devices_out_of_service_a_class_waits_once(make_pool: Any) -> None:
    """Not each of a hundred tests for five minutes."""
    pool, store, _ = make_pool()
    now = ledger.Now(0.0, 0.0, 60.0)
    with pool.lease(Requirement(form_factor="tablet")) as (device,):
        pass
    store._engine.write(
        lambda books: ledger.set_status(books, device.id, DeviceStatus.UNHEALTHY, "quarantined", now)
    )
    tablet = Requirement(form_factor="tablet")

    with pytest.raises(OutOfServiceError, match=r"waited 0\.2 s"):
        pool.acquire(tablet, wait_s=0.2)
    with pytest.raises(OutOfServiceError, match="waited 0 s"):
        pool.acquire(tablet, wait_s=300.0)

    store._engine.write(lambda books: ledger.set_status(books, device.id, DeviceStatus.AVAILABLE, "", now))
    pool.release(pool.acquire(tablet, wait_s=300.0))


def test_a_session_that_is_not_to_be_trusted_is_not_kept_for_the_next_test(make_pool: Any) -> None:
    pool, store, _ = make_pool(parks=True)
    with pool.lease(Requirement()) as (device,):
        first = device.driver.session_id
        device.distrust()
    device.distrust()  # somebody is late: nothing happens

    assert all(state.status is not DeviceStatus.BUSY for state in store.devices().values())
    with pool.lease(Requirement()) as (device,):
        assert device.driver.session_id != first
