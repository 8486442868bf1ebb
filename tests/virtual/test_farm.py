"""The fence at the last moment: what a command may still do when its device has been given away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from pytest_autorl.virtual.commands import Call, find_route, run
from pytest_autorl.virtual.commands.apps import launch
from pytest_autorl.virtual.device import FOREGROUND, Device
from pytest_autorl.virtual.farm import Farm
from pytest_autorl.virtual.protocol import ProtocolError
from pytest_autorl.virtual.session import Session

BANK = "com.autorl.bank"


@pytest.fixture
def farm(bank: dict[str, Any]) -> Farm:
    return Farm({"bank": bank}, [{"id": "d", "app": "bank"}])


def begin(farm: Farm, token: int | None) -> Session:
    wanted = {"platformName": "Android", "appium:automationName": "UiAutomator2", "appium:udid": "d"}

    def prepare(device: Device, caps: dict[str, Any]) -> None:
        launch(farm, device, caps)

    return farm.create_session({"capabilities": {"alwaysMatch": wanted}}, token=token, launch=prepare)


def command(
    farm: Farm, session: Session, method: str, path: str, params: dict[str, Any] | None = None
) -> Any:
    """A command that has passed the door: faults and delays are behind it."""
    route, args = find_route(method, path.split("/") if path else [])
    call = Call(farm, session, args, params or {}, session.token)
    return run(call, route.handler, route.required, waits=route.waits)


@pytest.mark.parametrize(
    ("method", "path", "params"),
    [
        ("POST", "back", {}),
        ("DELETE", "", {}),
        ("POST", "elements", {"using": "id", "value": "username"}),
        ("GET", "screenshot", {}),
        ("POST", "execute/sync", {"script": "mobile: backgroundApp", "args": [{"seconds": 0}]}),
        ("POST", "execute/sync", {"script": "mobile: lock", "args": []}),
        ("POST", "execute/sync", {"script": "mobile: terminateApp", "args": [{"appId": BANK}]}),
    ],
)
def test_a_command_on_its_way_does_nothing_once_the_device_was_taken_over(
    farm: Farm, method: str, path: str, params: dict[str, Any]
) -> None:
    old = begin(farm, 1)
    begin(farm, 2)
    device = farm.devices["d"]
    before = device.effects()

    with pytest.raises(ProtocolError) as caught:
        command(farm, old, method, path, params)

    assert caught.value.error == "invalid session id"
    assert device.effects() == before
    assert (device.app_state(BANK), device.is_locked) == (FOREGROUND, False)


def test_a_fence_ends_the_session_of_a_lower_token_and_never_goes_back(farm: Farm) -> None:
    """Whoever cleans up after a dead holder may come late: by then the device can be another's already."""
    device = farm.devices["d"]
    old = begin(farm, 1)

    assert farm.fence(device, 2)

    assert farm.session_of(device) is None
    with pytest.raises(ProtocolError, match="terminated or not started"):
        farm.check(old, 1)
    new = begin(farm, 3)
    assert not farm.fence(device, 2)
    assert farm.session_of(device) is new
    farm.check(new, 3)


def test_a_creation_gives_way_to_a_higher_token(farm: Farm) -> None:
    """Whoever had begun it is dead by then: the next holder need not wait for what nobody waits for."""
    device = farm.devices["d"]
    wanted = {"platformName": "Android", "appium:automationName": "UiAutomator2", "appium:udid": "d"}
    caps = {"capabilities": {"alwaysMatch": wanted}}
    begun, may_go_on = threading.Event(), threading.Event()
    outcomes: dict[int, object] = {}

    def create(token: int, launch: Callable[..., None]) -> None:
        try:
            outcomes[token] = farm.create_session(caps, token=token, launch=launch)
        except ProtocolError as error:
            outcomes[token] = str(error)

    def hold(*_: object) -> None:
        begun.set()
        assert may_go_on.wait(30)

    first = threading.Thread(target=create, args=(1, hold))
    first.start()
    assert begun.wait(30)
    second = threading.Thread(target=create, args=(2, lambda *_: None))
    second.start()
    while device.required_token != 2:
        assert second.is_alive()
    may_go_on.set()
    first.join(30)
    second.join(30)

    assert "device d was given to token 2 meanwhile" in str(outcomes[1])
    assert farm.session_of(device) is outcomes[2]


def test_a_raised_token_stops_a_command_on_its_way(farm: Farm) -> None:
    session = begin(farm, 1)
    farm.set_token(farm.devices["d"], 2)
    with pytest.raises(ProtocolError, match="token 1 is stale, device d now requires token 2"):
        command(farm, session, "POST", "back")


def test_effects_of_a_command_that_waits_carry_its_own_session(farm: Farm) -> None:
    session = begin(farm, 7)
    farm.devices["d"].actor = ("somebody else", 1)
    command(
        farm, session, "POST", "execute/sync", {"script": "mobile: backgroundApp", "args": [{"seconds": 0}]}
    )
    last = farm.devices["d"].effects()[-1]
    assert (last["kind"], last["session"], last["token"]) == ("activate", session.id, 7)


def test_a_session_whose_device_is_taken_off_the_shelf_meanwhile_is_not_created(farm: Farm) -> None:
    wanted = {"platformName": "Android", "appium:automationName": "UiAutomator2", "appium:udid": "d"}
    with pytest.raises(ProtocolError, match="device d was taken off the shelf meanwhile"):
        farm.create_session(
            {"capabilities": {"alwaysMatch": wanted}}, token=None, launch=lambda *_: farm.remove_device("d")
        )
