"""The pool without pytest: leases by need, sessions over simulated devices, nothing left behind."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.errors import LeaseLostError, LeaseTimeoutError, UnsatisfiableError
from pytest_autorl.farm.config import virtual_farm
from pytest_autorl.farm.pool import Pool
from pytest_autorl.farm.providers import build
from pytest_autorl.farm.providers.base import Provider
from pytest_autorl.farm.requirement import Requirement
from pytest_autorl.settings import Settings
from pytest_autorl.state.filelocks import FileLockStore

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
) -> Iterator[Callable[..., tuple[Pool, FileLockStore, Events]]]:
    pools: list[Pool] = []

    def make(*, parks: bool = False, wait_s: float = 0.0) -> tuple[Pool, FileLockStore, Events]:
        store = FileLockStore(directory)
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
        )
        pools.append(pool)
        return pool, store, events

    yield make
    for pool in pools:
        pool.close()


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
    assert store.holder(device.id) is not None

    pool.close()

    assert names(events).count("session closed") == 1
    assert store.holder(device.id) is None


def test_without_parking_a_device_is_free_at_once(make_pool: Any) -> None:
    pool, store, events = make_pool()

    with pool.lease(Requirement()) as (device,):
        assert device.driver.session_id
        assert store.holder(device.id) is not None

    assert store.holder(device.id) is None
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
    assert store.holder(device.id) is not None

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
