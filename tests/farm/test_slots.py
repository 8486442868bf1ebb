"""Which server of a farm file limits which device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_autorl.errors import LeaseConflictError, UnsatisfiableError
from pytest_autorl.farm.config import load_farm, virtual_farm
from pytest_autorl.farm.pool import Pool
from pytest_autorl.farm.providers import build
from pytest_autorl.farm.requirement import Requirement
from pytest_autorl.farm.slots import slots_of, together
from pytest_autorl.farm.where import parse
from pytest_autorl.settings import Settings
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.store import DurableStore


def limits(folder: Path, block: str, *device_ids: str) -> dict[str, tuple[str, int]]:
    path = folder / "device_farm.yml"
    path.write_text(
        f"providers:\n  lab: {{type: appium, {block}}}\n  free: {{type: appium, url: 'http://free:1'}}\n"
        "devices:\n"
        "  - {id: phone, provider: lab, platform: android, count: 3}\n"
        "  - {id: other, provider: free, platform: android}\n"
        "  - {id: simulated, provider: virtual, platform: android}\n"
    )
    return slots_of(load_farm(path, {"LAB_PASSWORD": "x" * 9}).select(device_ids), "run-1")


@pytest.mark.parametrize(
    ("block", "server"),
    [
        ("urls: ['http://a:1', 'http://b:2'], slots: 1", "http://b:2"),
        ("server: managed, managed: {devices: 1}, slots: 1", "lab server 2 of run-1"),
    ],
)
def test_a_selection_gives_no_device_another_server(tmp_path: Path, block: str, server: str) -> None:
    """Else two runs of one farm would count the sessions of a server apart."""
    assert limits(tmp_path, block, "phone-2", "other") == {"phone-2": (server, 1)}


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("url: 'http://a:1'", {}),
        ("url: 'http://a:1', slots: 2", {f"phone-{n}": ("http://a:1", 2) for n in (1, 2, 3)}),
        # As many devices on each as their sessions go there.
        (
            "urls: ['http://a:1', 'http://b:2'], slots: 1",
            {"phone-1": ("http://a:1", 1), "phone-2": ("http://b:2", 1), "phone-3": ("http://a:1", 1)},
        ),
        # No password stands in the state.
        (
            "url: 'http://me:${LAB_PASSWORD}@a:1', slots: 1",
            {f"phone-{n}": ("http://a:1", 1) for n in (1, 2, 3)},
        ),
        # One that we start is not another run's, whatever it is called.
        (
            "server: managed, managed: {devices: 2}, slots: 1",
            {
                "phone-1": ("lab server 1 of run-1", 1),
                "phone-2": ("lab server 1 of run-1", 1),
                "phone-3": ("lab server 2 of run-1", 1),
            },
        ),
    ],
)
def test_devices_share_the_slots_of_the_server_that_they_are_behind(
    tmp_path: Path, block: str, expected: dict[str, tuple[str, int]]
) -> None:
    assert limits(tmp_path, block) == expected


@pytest.mark.parametrize(
    ("ids", "taken", "count"),
    [
        ("abc", "", 2),
        ("ab", "", 1),
        ("ab", "a", 0),
        ("abc", "a", 1),
        ("c", "ab", 1),
        ("", "", 0),
    ],
)
def test_what_can_be_had_together_is_bounded_by_slots(ids: str, taken: str, count: int) -> None:
    assert together(ids, {"a": ("s", 1), "b": ("s", 1)}, taken) == count


# -- the pool ------------------------------------------------------------------------------------------------

FARM = virtual_farm(3)
SLOTS = {"virtual-1": ("http://lab", 1), "virtual-2": ("http://lab", 1)}


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    """Two of three devices are behind a server of one slot."""
    providers = build(FARM, Settings())
    store = DurableStore(
        SqliteEngine(tmp_path / "state.db"),
        folder=tmp_path / "holders",
        devices={device.id: 0 for device in FARM.devices},
        slots=SLOTS,
    )
    with Pool(FARM.devices, providers, store, owner="me", wait_s=600.0, parks=True, slots=SLOTS) as made:
        yield made
    store.close()
    for provider in providers.values():
        provider.stop()


def only(*places: int) -> Requirement:
    ids = [f"virtual-{place}" for place in places]
    return Requirement(where=parse(f"id in {ids}"), count=1)


@pytest.mark.integration
def test_a_need_that_the_slots_make_impossible_is_told_at_once(pool: Pool) -> None:
    with pytest.raises(UnsatisfiableError, match=r"2 devices fit, but http://lab takes 1 at once"):
        pool.acquire(replace(only(1, 2), count=2))


@pytest.mark.integration
def test_who_holds_the_slot_itself_does_not_wait_for_it(pool: Pool) -> None:
    with pool.lease(only(1)), pytest.raises(LeaseConflictError, match=r"the slot of its server.*: virtual-1"):
        pool.acquire(only(2))


@pytest.mark.integration
def test_a_parked_device_gives_its_slot_to_the_next_test(pool: Pool) -> None:
    with pool.lease(only(1)) as (device,):
        assert device.driver.session_id

    with pool.lease(only(2), wait_s=0) as (device,):
        assert device.id == "virtual-2"
