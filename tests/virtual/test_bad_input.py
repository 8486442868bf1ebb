"""Bad parameters over the wire: the error names the parameter, and no text of a Python exception gets out."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_autorl.virtual.server import DeviceServer

HUGE = 10**400
Script = Callable[..., dict[str, Any]]


@pytest.fixture
def post(server: DeviceServer) -> Callable[..., tuple[int, Any]]:
    def send(path: str, body: Any, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
        connection.request("POST", path, body if isinstance(body, bytes) else json.dumps(body), headers)
        answer = connection.getresponse()
        value = json.loads(answer.read())["value"]
        connection.close()
        return answer.status, value

    return send


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("mobile: getDeviceTime", {"format": 5}, "'format' must be a string, got 5"),
        ("mobile: setClipboard", {"content": "\ud800"}, "'content' is not base64"),
        ("mobile: pushFile", {"remotePath": "x" * 5000, "payload": "YQ=="}, "at most 4096 characters"),
        ("mobile: setConnectivity", {"wifi": "no"}, "'wifi' must be a boolean, got 'no'"),
        ("mobile: startActivity", {}, 'missing: ["intent"]'),
        ("mobile: clickGesture", {"x": 1e308, "y": 5}, "'x' must be a number"),
        (
            "mobile: dragGesture",
            {"endX": 1, "endY": 1, "startX": "a", "startY": 1},
            "'startX' must be a number",
        ),
        (
            "mobile: swipeGesture",
            {"left": 0, "top": 0, "width": 9, "height": 1e300, "direction": "up", "percent": 0.5},
            "'height' must be a number",
        ),
    ],
)
def test_a_script_with_wrong_arguments_names_them(
    driver: Any, post: Callable[..., tuple[int, Any]], name: str, args: dict[str, Any], said: str
) -> None:
    status, value = post(f"/session/{driver.session_id}/execute/sync", {"script": name, "args": [args]})
    assert (status, value["error"]) == (400, "invalid argument")
    assert said in value["message"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("appium/events", {"type": [["commands"]]}, "'type' must be a list of names"),
        ("appium/log_event", {"vendor": "v", "event": "x" * 2000}, "at most 1000 characters"),
        ("timeouts", {"implicit": 2**53}, "Invalid timeout value"),
        ("appium/settings", b'{"settings": {"x": NaN}}', "NaN is not a finite number"),
        ("appium/settings", b'{"settings": {"x": 1e999}}', "1e999 is not a finite number"),
        ("appium/settings", b'{"settings": {"x": 1%s}}' % (b"0" * 400), "is not a finite number"),
        (
            "actions",
            {"actions": [{"type": "pointer", "actions": [{"type": "pause", "duration": "x"}]}]},
            "'duration' must be a number, got 'x'",
        ),
    ],
)
def test_a_command_with_wrong_parameters_names_them(
    driver: Any, post: Callable[..., tuple[int, Any]], path: str, body: Any, said: str
) -> None:
    status, value = post(f"/session/{driver.session_id}/{path}", body)
    assert (status, value["error"]) == (400, "invalid argument")
    assert said in value["message"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("faults", {"name": []}, "unknown fault []"),
        ("faults", {"name": "slow", "ms": None}, "ms is a number of 0 or more"),
        ("faults", {"name": "slow", "ms": 1e300}, "ms is a number of 0 or more, up to 1e+09"),
        ("faults", {"name": "hang", "times": HUGE}, "is not a finite number"),
        ("state", {"battery_state": []}, "one of charging"),
        ("state", {"battery": 1e300}, "a number of 0 or more"),
    ],
)
def test_an_admin_request_with_wrong_parameters_names_them(
    post: Callable[..., tuple[int, Any]], device_id: str, path: str, body: Any, said: str
) -> None:
    headers = {"X-Autorl-Admin": "admin-key-of-the-tests"}
    status, value = post(f"/autorl/devices/{device_id}/{path}", body, **headers)
    assert (status, value["error"]) == (400, "invalid argument")
    assert said in value["message"]


def test_a_session_may_ask_for_a_timeout_of_ages(connect: Callable[..., Any], device_id: str) -> None:
    driver = connect(device_id, **{"appium:newCommandTimeout": 1e300})
    assert driver.page_source


def test_the_time_of_the_device_is_told_in_any_format(driver: Any) -> None:
    assert driver.get_device_time("[YYYY] 100% \ud83d") == "YYYY 100% ?"
    assert driver.device_time.endswith("+00:00")
    assert len(driver.get_device_time("YY-MM-DD HH:mm:ss.SSS ZZ")) == len("26-01-02 03:04:05.678 +0000")


def test_performance_data_that_is_listed_can_be_had(driver: Any) -> None:
    kinds = driver.get_performance_data_types()
    assert [driver.get_performance_data("com.autorl.bank", kind, 5) for kind in kinds] == [
        [["power"], ["87"]]
    ]
