"""The wire format, byte by byte: envelopes, codes and status as Appium 3.8 answers them."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pytest_autorl.virtual.capabilities import merge, version_fits
from pytest_autorl.virtual.protocol import ERRORS, ProtocolError, failure, read_body
from pytest_autorl.virtual.server import MAX_BODY_BYTES, DeviceServer

Ask = Callable[..., tuple[int, Any]]
CAPS = {"platformName": "Android", "appium:automationName": "UiAutomator2"}


@pytest.fixture
def ask(server: DeviceServer) -> Ask:
    """One raw request; returns status and decoded body."""

    def request(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body)
        try:
            connection.request(
                method, path, data, {name.replace("_", "-"): value for name, value in headers.items()}
            )
            response = connection.getresponse()
            assert response.getheader("Content-Type") == "application/json; charset=utf-8"
            raw = response.read()
            assert int(response.getheader("Content-Length") or -1) == len(raw) or method == "HEAD"
            return response.status, json.loads(raw) if raw else None
        finally:
            connection.close()

    return request


@pytest.fixture
def session(ask: Ask, device_id: str) -> str:
    status, body = ask(
        "POST", "/session", {"capabilities": {"alwaysMatch": {**CAPS, "appium:udid": device_id}}}
    )
    assert status == 200
    return f"/session/{body['value']['sessionId']}"


def refused(answer: tuple[int, Any], status: int, error: str, *parts: str) -> None:
    assert (answer[0], answer[1]["value"]["error"]) == (status, error), answer
    assert set(answer[1]["value"]) == {"error", "message", "stacktrace"}
    assert all(part in answer[1]["value"]["message"] for part in parts), answer


def test_the_status_says_ready(ask: Ask) -> None:
    status, body = ask("GET", "/status")
    assert status == 200
    assert body["value"]["ready"] is True
    assert body["value"]["message"] == "The server is ready to accept new connections"
    assert body["value"]["build"]["version"] == "3.8.0"
    assert ask("HEAD", "/status") == (200, None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nope"),
        ("PUT", "/status"),
        ("POST", "/status"),
        ("GET", "/sessions"),
        ("GET", "/session/x/nope"),
        ("OPTIONS", "/session"),
        ("GET", "/"),
    ],
)
def test_an_unknown_path_or_method_is_an_unknown_command(ask: Ask, method: str, path: str) -> None:
    refused(ask(method, path), 404, "unknown command", "could not be found")


def test_an_unknown_session_is_an_invalid_session_id(ask: Ask) -> None:
    for method, path in (
        ("GET", "/session/x/source"),
        ("DELETE", "/session/x"),
        ("POST", "/session/x/element"),
    ):
        refused(ask(method, path), 404, "invalid session id", "A session is either terminated or not started")


@pytest.mark.parametrize("body", [b"{bad", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_not_json_is_an_invalid_argument(ask: Ask, body: bytes) -> None:
    refused(ask("POST", "/session", body), 400, "invalid argument")


def test_missing_parameters_are_named_as_appium_names_them(ask: Ask, session: str) -> None:
    refused(
        ask("POST", f"{session}/element", {"using": "id"}), 400, "invalid argument",
        'The following required parameter is missing: ["value"]\nKnown required parameters are: '
        '["using","value"]\nYou have provided: ["using"]',
    )  # fmt: skip
    refused(ask("POST", f"{session}/execute/sync", {}), 400, "invalid argument", "You have provided none")
    refused(ask("POST", f"{session}/element", [1]), 400, "invalid argument", 'You have provided: ["0"]')


def test_values_of_the_wrong_kind_are_invalid_arguments(ask: Ask, session: str) -> None:
    wrong: list[tuple[str, Any]] = [
        ("element", {"using": 1, "value": "x"}),
        ("timeouts", {}),
        ("timeouts", {"implicit": "x"}),
        ("actions", {"actions": "x"}),
        ("actions", {"actions": [{"type": "voice", "actions": []}]}),
        ("actions", {"actions": [{"type": "pointer", "actions": [{"type": "pointerMove", "y": 1}]}]}),
        ("appium/settings", {"settings": 3}),
        ("location", {"location": {"latitude": "north"}}),
    ]
    for path, body in wrong:
        refused(ask("POST", f"{session}/{path}", body), 400, "invalid argument")
    refused(
        ask("POST", f"{session}/orientation", {"orientation": "SIDEWAYS"}),
        500,
        "unknown error",
        "LANDSCAPE or PORTRAIT",
    )


def test_an_empty_body_is_no_parameters(ask: Ask, session: str) -> None:
    assert ask("POST", f"{session}/back") == (200, {"value": None})


def test_elements_come_under_the_w3c_key(ask: Ask, session: str) -> None:
    status, body = ask("POST", f"{session}/element", {"using": "id", "value": "username"})
    assert status == 200
    assert body["value"]["element-6066-11e4-a52e-4f735466cecf"] == body["value"]["ELEMENT"]


def test_deleting_a_session_ends_it(ask: Ask, session: str) -> None:
    assert ask("DELETE", session) == (200, {"value": None})
    refused(ask("GET", f"{session}/source"), 404, "invalid session id")


def test_text_outside_ascii_goes_both_ways(ask: Ask, session: str) -> None:
    _, body = ask("POST", f"{session}/element", {"using": "id", "value": "username"})
    element = f"{session}/element/{body['value']['ELEMENT']}"
    ask("POST", f"{element}/value", {"text": "Zoë 漢字 🙂"})
    assert ask("GET", f"{element}/text")[1]["value"] == "Zoë 漢字 🙂"
    ask("POST", f"{element}/value", b'{"text": "\\ud83d"}')
    assert ask("GET", f"{element}/text")[0] == 200, "half a surrogate pair must not break the answer"
    assert ask("GET", f"{session}/source")[0] == 200


def new_session(ask: Ask, capabilities: Any, **headers: str) -> tuple[int, Any]:
    return ask("POST", "/session", {"capabilities": capabilities}, **headers)


@pytest.mark.parametrize(
    ("capabilities", "status", "error", "said"),
    [
        (None, 500, "session not created", "W3C"),
        ({}, 500, "session not created", "W3C"),
        ({"alwaysMatch": CAPS, "firstMatch": []}, 500, "session not created", "W3C"),
        ({"alwaysMatch": CAPS, "firstMatch": {}}, 500, "session not created", "W3C"),
        ({"alwaysMatch": {**CAPS, "deviceName": "x"}}, 400, "invalid argument", "vendor prefix"),
        ({"alwaysMatch": {"appium:automationName": "UiAutomator2"}}, 400, "invalid argument", "'platformName'"),
        ({"alwaysMatch": {"platformName": "Android"}}, 400, "invalid argument", "'automationName' is required"),
        ({"alwaysMatch": CAPS, "firstMatch": [{"platformName": "x"}]}, 400, "invalid argument", "not exist on both"),
        ({"alwaysMatch": {**CAPS, "platformName": "Nope"}}, 500, "unknown error", "Could not find a driver"),
        ({"alwaysMatch": {**CAPS, "appium:newCommandTimeout": "9"}}, 500, "session not created", "type number"),
        ({"alwaysMatch": {**CAPS, "appium:udid": "absent"}}, 500, "session not created", "Device absent"),
        ({"alwaysMatch": {**CAPS, "appium:platformVersion": "99"}}, 500, "session not created", "no free device"),
    ],
)  # fmt: skip
def test_capabilities_that_cannot_be_met_are_refused(
    ask: Ask, capabilities: Any, status: int, error: str, said: str
) -> None:
    refused(new_session(ask, capabilities), status, error, said)


def test_the_first_match_that_fits_is_taken() -> None:
    merged = merge(
        {
            "capabilities": {
                "alwaysMatch": {"appium:automationName": "UiAutomator2"},
                "firstMatch": [{"appium:udid": "a"}, {"platformName": "Android", "appium:udid": "b"}],
            }
        }
    )
    assert merged == {"automationName": "UiAutomator2", "platformName": "Android", "udid": "b"}


def test_appium_options_are_unfolded() -> None:
    asked = {"platformName": "Android", "appium:options": {"automationName": "UiAutomator2", "udid": "a"}}
    assert merge({"capabilities": {"alwaysMatch": asked}})["udid"] == "a"


@pytest.mark.parametrize(
    ("asked", "version", "fits"),
    [("14", "14", True), ("14", "14.1", True), ("1", "14", False), ("14.1", "14", False), (14, "14", True)],
)
def test_a_version_fits_by_whole_parts(asked: object, version: str, fits: bool) -> None:
    assert version_fits(asked, version) is fits


def test_the_same_idempotency_key_gives_the_same_session(ask: Ask, device_id: str) -> None:
    caps = {"alwaysMatch": {**CAPS, "appium:udid": device_id}}
    first = new_session(ask, caps, X_Idempotency_Key=f"key-{device_id}")
    again = new_session(ask, caps, X_Idempotency_Key=f"key-{device_id}")
    assert first[0] == 200
    assert again == first
    refused(
        new_session(ask, caps, X_Idempotency_Key=f"other-{device_id}"),
        500,
        "session not created",
        first[1]["value"]["sessionId"],
    )


def test_a_request_under_a_foreign_host_name_is_refused(ask: Ask) -> None:
    """A web page whose name was rebound to 127.0.0.1 must not drive devices."""
    for path in ("/status", "/autorl/devices"):
        status, body = ask("GET", path, Host="evil.example:80")
        assert (status, body["value"]["error"]) == (403, "forbidden")


def raw(server: DeviceServer, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"garbage\r\n\r\n", b"400"),
        (
            f"POST /session HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MAX_BODY_BYTES + 1}\r\n\r\n".encode(),
            b"413",
        ),
        (b"POST /session HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", b"400"),
        (b"POST /session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"BREW /pot HTTP/1.1\r\nHost: localhost\r\n\r\n", b"501"),
    ],
)
def test_what_is_no_proper_request_is_answered_and_the_connection_closed(
    server: DeviceServer, data: bytes, status: bytes
) -> None:
    answer = raw(server, data)
    assert answer.split(b" ")[1] == status
    assert b'"error":"invalid argument"' in answer


def test_one_connection_serves_many_requests(server: DeviceServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    connection.request("GET", "/status")
    connection.getresponse().read()
    first = connection.sock
    connection.request("GET", "/status")
    assert connection.getresponse().status == 200
    assert connection.sock is first
    connection.close()


def test_every_error_code_has_a_status_and_a_text() -> None:
    for code, (status, text) in ERRORS.items():
        made = failure(ProtocolError(code))
        assert made.status == status
        assert json.loads(made.body)["value"]["message"] == text


@pytest.mark.parametrize(
    ("body", "expected"), [(b"", {}), (b"  ", {}), (b"null", {}), (b"3", {}), (b"[5]", {"0": 5})]
)
def test_a_body_that_is_no_object_is_read_as_parameters_all_the_same(
    body: bytes, expected: dict[str, Any]
) -> None:
    assert read_body(body) == expected


def test_the_same_key_asked_twice_at_once_makes_one_session(
    ask: Ask, make_device: Callable[..., str]
) -> None:
    device_id = make_device(settings={"session_seconds": 0.2})
    caps = {"alwaysMatch": {**CAPS, "appium:udid": device_id}}
    answers: list[tuple[int, Any]] = []

    def create() -> None:
        answers.append(new_session(ask, caps, X_Idempotency_Key=f"twin-{device_id}"))

    threads = [threading.Thread(target=create) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert [answer[0] for answer in answers] == [200, 200, 200]
    assert len({answer[1]["value"]["sessionId"] for answer in answers}) == 1
