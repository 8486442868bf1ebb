"""The admin API and its client."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_autorl.errors import DeviceProviderError, UsageError
from pytest_autorl.virtual.admin import AdminClient
from pytest_autorl.virtual.server import DeviceServer, make_server


def test_without_the_key_or_with_a_wrong_one_nothing_is_told(server: DeviceServer) -> None:
    for key in (None, "wrong", "admin-key-of-the-test", "ümlaut"):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
        headers = {} if key is None else {"X-Autorl-Admin": key}
        connection.request("GET", "/autorl/devices", headers=headers)
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())["value"]["error"]) == (403, "forbidden")
        connection.close()
    with pytest.raises(DeviceProviderError, match="403"):
        AdminClient(server.url, "wrong").devices()


def test_a_server_without_a_key_asks_for_none() -> None:
    with make_server({}) as server:
        assert AdminClient(server.url).devices() == []


def test_a_server_open_to_the_network_needs_a_key() -> None:
    with pytest.raises(UsageError, match="needs an admin key"):
        make_server({}, host="0.0.0.0")


def test_a_device_is_described_in_full(admin: AdminClient, device_id: str) -> None:
    told = admin.device(device_id)
    assert told in admin.devices()
    assert (told["id"], told["online"], told["session"], told["faults"]) == (device_id, True, None, [])
    assert told["battery_level"] == 0.87


def test_readings_can_be_set_within_their_limits(admin: AdminClient, device_id: str) -> None:
    told = admin.set_state(
        device_id, battery=12, temperature_c=44.5, storage_free_mb=100, network=False, locked=True
    )
    assert (told["battery_level"], told["temperature_c"], told["storage_free_mb"]) == (0.12, 44.5, 100)
    assert (told["network"], told["locked"]) == (False, True)
    for wrong in ({"batery": 3}, {"battery": 300}, {"battery_state": "flat"}, {"network": "no"}):
        with pytest.raises(UsageError):
            admin.set_state(device_id, **wrong)


def test_what_does_not_exist_is_said_with_the_nearest_name(admin: AdminClient, device_id: str) -> None:
    with pytest.raises(UsageError, match=f"nearest valid: '{device_id}'"):
        admin.device(device_id + "x")
    with pytest.raises(UsageError, match="nearest valid: 'offline'"):
        admin.fault(device_id, "ofline")
    with pytest.raises(UsageError, match="nearest valid: 'offline'"):
        admin.clear_faults(device_id, "ofline")
    with pytest.raises(UsageError, match="unknown parameter"):
        admin.fault(device_id, "offline", seconds=3)
    with pytest.raises(UsageError, match="exists already"):
        admin.add_device({"id": device_id})
    with pytest.raises(UsageError, match="nearest valid: 'bank'"):
        admin.add_device({"id": "new", "app": "bnk"})


def test_ids_with_odd_letters_work(admin: AdminClient, make_device: Callable[..., str]) -> None:
    made = admin.add_device({"id": "odd id/2".replace("/", "#") + "é?"})
    assert admin.device(made["id"])["id"] == made["id"]
    admin.remove_device(made["id"])


def test_a_reset_by_the_admin_starts_the_app_anew(admin: AdminClient, device_id: str) -> None:
    admin.set_state(device_id, locked=True)
    admin.reset(device_id)
    told = admin.device(device_id)
    assert (told["foreground"], told["locked"]) == ("com.autorl.bank", False)
    assert admin.effects(device_id)[-1]["kind"] == "reset"


def test_log_and_faults_can_be_read(admin: AdminClient, device_id: str) -> None:
    assert any("is up" in line for line in admin.log(device_id))
    admin.fault(device_id, "slow", ms=5, times=3, after_commands=2)
    assert admin.device(device_id)["faults"] == [{"name": "slow", "times": 3, "after_commands": 2, "ms": 5.0}]
    assert admin.clear_faults(device_id) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "nothing", None), ("PUT", "devices", {}), ("GET", "devices/x/faults/y/z", None)],
)
def test_unknown_admin_paths_are_refused(admin: AdminClient, method: str, path: str, body: Any) -> None:
    with pytest.raises((DeviceProviderError, UsageError)):
        admin._call(method, path, body)


def test_a_server_that_is_gone_is_named() -> None:
    with make_server({}) as server:
        url = server.url
    with pytest.raises(DeviceProviderError, match="did not answer GET devices"):
        AdminClient(url).devices()


def test_shutdown_ends_the_server_also_while_a_command_hangs(
    bank: dict[str, Any],
) -> None:
    import threading

    server = make_server({"apps": {"bank": bank}, "devices": [{"id": "d", "app": "bank"}]}).start()
    admin = AdminClient(server.url)
    admin.fault("d", "hang")
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    caps = {"platformName": "Android", "appium:automationName": "UiAutomator2", "appium:udid": "d"}
    ended = threading.Event()

    def ask() -> None:
        try:
            connection.request("POST", "/session", json.dumps({"capabilities": {"alwaysMatch": caps}}))
            connection.getresponse()
        except (OSError, http.client.HTTPException):
            ended.set()

    asking = threading.Thread(target=ask)
    asking.start()
    admin.shutdown()
    asking.join(5)
    assert ended.is_set()
    connection.close()
    assert server.farm.stopping.is_set()
