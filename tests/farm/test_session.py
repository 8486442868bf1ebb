"""Guards around the unmodified client, against a server that misbehaves on purpose.

The real servers cannot be made to send a proxy's HTML page or an old session id, so a small one does.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from selenium.common.exceptions import InvalidSessionIdException

from pytest_autorl.errors import (
    DeviceProviderError,
    DeviceTimeoutError,
    LeaseLostError,
    NoSessionError,
    ServerAnswerError,
    ServerDownError,
    SessionEndedError,
    SessionRefusedError,
)
from pytest_autorl.farm.drivers.builtin import FAKE
from pytest_autorl.farm.session import Endpoint, Limits, close_session, open_session

pytestmark = pytest.mark.integration


class Script:
    """What the server answers next, and what it was asked."""

    def __init__(self) -> None:
        self.session_id = "s-1"
        self.status = 200
        self.body: bytes = b'{"value": null}'
        self.content_type = "application/json"
        self.hold = threading.Event()
        self.holds = False
        self.is_well = True
        self.drops = False
        self.requests: list[tuple[str, str, dict[str, str]]] = []


@contextlib.contextmanager
def running(script: Script) -> Iterator[str]:
    """A server that follows the script; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            script.requests.append((self.command, self.path, dict(self.headers)))
            if script.drops:
                self.close_connection = True
                return
            status, body, kind = script.status, script.body, script.content_type
            if self.path == "/session" and status == 200:
                value = {"sessionId": script.session_id, "capabilities": {"platformName": "Android"}}
                body, kind = json.dumps({"value": value}).encode(), "application/json"
            elif self.path == "/status" and script.is_well:
                status, body, kind = 200, b'{"value": {"ready": true}}', "application/json"
            elif script.holds:
                script.hold.wait(30)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815  # the names that http.server calls

        def log_message(self, *args: object) -> None:
            """The tests read `requests`."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that gave up waiting closes its end: that is what some tests are about."""

    httpd = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
    finally:
        script.hold.set()
        httpd.shutdown()
        thread.join()
        httpd.server_close()


@pytest.fixture
def server() -> Iterator[tuple[str, Script]]:
    script = Script()
    with running(script) as url:
        yield url, script


_numbers = iter(range(10_000))


def opened(url: str, script: Script, guard: Callable[[], None] | None = None, **limits: float) -> Any:
    script.session_id = f"{url}-{next(_numbers)}"
    endpoint = Endpoint(url=url, capabilities={"platformName": "Android"}, headers={"X-Autorl-Token": "7"})
    return open_session(endpoint, device_id="d1", limits=Limits(**limits), guard=guard)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (502, b"<html><h1>Bad Gateway</h1></html>", "text/html"),
        (200, b"<html>a login page</html>", "text/html"),
        (500, b"", "text/plain"),
        (200, b"", "application/json"),
        (200, b'"a string"', "application/json"),
        (200, b"[1, 2]", "application/json"),
        (404, b'{"value": {}}', "application/json"),
        (503, b'{"message": "no upstream"}', "application/json"),
        (401, b"", "text/html"),
    ],
)
def test_an_answer_that_is_not_webdrivers_is_never_a_value(
    server: tuple[str, Script], status: int, body: bytes, kind: str
) -> None:
    """The client alone returns the HTML page of a proxy as the page source."""
    url, script = server
    driver = opened(url, script)
    script.status, script.body, script.content_type = status, body, kind

    with pytest.raises(ServerAnswerError, match=r"\[d1\] .*not a WebDriver answer"):
        _ = driver.page_source


def test_a_webdriver_error_stays_the_clients_own_exception(server: tuple[str, Script]) -> None:
    from selenium.common.exceptions import NoSuchElementException

    url, script = server
    driver = opened(url, script)
    error = {"error": "no such element", "message": "not here", "stacktrace": ""}
    script.status, script.body = 404, json.dumps({"value": error}).encode()

    with pytest.raises(NoSuchElementException, match="not here"):
        driver.find_element("id", "x")


@pytest.mark.parametrize("ending", ["quit", "close"])
def test_whoever_ends_a_session_and_goes_on_is_told_so(server: tuple[str, Script], ending: str) -> None:
    """The server only says that it does not know the session, as it does when it has lost it."""
    url, script = server
    driver = opened(url, script)
    getattr(driver, ending)()
    script.status = 404
    script.body = b'{"value": {"error": "invalid session id", "message": "gone", "stacktrace": ""}}'

    for _ in range(2):
        with pytest.raises(SessionEndedError, match=rf"after {ending}\(\)"):
            _ = driver.page_source
    assert close_session(driver) == ""


def test_a_session_that_the_server_has_lost_is_none_that_was_ended(server: tuple[str, Script]) -> None:
    url, script = server
    driver = opened(url, script)
    driver.close()
    _ = driver.page_source  # there was another window
    script.status = 404
    script.body = b'{"value": {"error": "invalid session id", "message": "gone", "stacktrace": ""}}'

    with pytest.raises(InvalidSessionIdException):
        _ = driver.page_source


@pytest.mark.parametrize("value", [None, "text", 17, True, [], {"x": 1}, "401"])
def test_plain_values_pass(server: tuple[str, Script], value: object) -> None:
    url, script = server
    driver = opened(url, script)
    script.body = json.dumps({"value": value}).encode()

    assert driver.execute_script("mobile: x") == value


def test_a_command_that_hangs_ends_at_its_limit_and_is_sent_once(server: tuple[str, Script]) -> None:
    """The client alone waits for ever, and repeats a GET three times."""
    url, script = server
    driver = opened(url, script, command_s=0.3)
    script.holds = True

    with pytest.raises(DeviceTimeoutError, match=r"\[d1\] .* did not answer getPageSource within 0.3 s"):
        _ = driver.page_source

    assert len([request for request in script.requests if request[1].endswith("/source")]) == 1


@pytest.mark.parametrize("is_well", [True, False])
def test_a_time_out_is_the_devices_when_the_server_says_that_it_is_well_and_else_the_farms(
    server: tuple[str, Script], is_well: bool
) -> None:
    url, script = server
    driver = opened(url, script, command_s=0.3)
    script.holds, script.is_well = True, is_well

    with pytest.raises((DeviceTimeoutError, ServerDownError), match="did not answer getPageSource") as caught:
        _ = driver.page_source

    assert caught.value.blame == ("device" if is_well else "farm")
    assert ("its server is down: no answer in 2 s" in str(caught.value)) is not is_well


def test_a_server_that_went_away_between_two_commands_is_down() -> None:
    script = Script()
    with running(script) as url:
        driver = opened(url, script)
        script.drops = True  # what is left of it closes the connection that the client keeps

    with pytest.raises(ServerDownError, match=r"\[d1\] .*goBack.* its server is down: .*refused") as caught:
        driver.back()

    assert caught.value.blame == "farm"


def test_a_server_that_hangs_while_a_session_is_made_may_have_begun_one(server: tuple[str, Script]) -> None:
    """So it is no NoSessionError: what may be alive is to be ended before the next one."""
    url, script = server
    script.status, script.holds, script.is_well = 201, True, False

    with pytest.raises(ServerDownError) as caught:
        opened(url, script, create_s=0.3)

    assert not isinstance(caught.value, NoSessionError)


def test_a_session_that_does_not_come_ends_at_its_own_limit(server: tuple[str, Script]) -> None:
    url, script = server
    script.status, script.holds = 201, True  # 201 keeps the script from answering the session at once

    with pytest.raises(DeviceTimeoutError, match=r"did not answer newSession within 0\.3 s"):
        opened(url, script, create_s=0.3)


def test_a_server_that_is_not_there_is_the_farms_fault() -> None:
    endpoint = Endpoint(url="http://127.0.0.1:9", capabilities={"platformName": "x"})

    with pytest.raises(DeviceProviderError, match=r"\[d1\] .*cannot be reached for newSession") as caught:
        open_session(endpoint, device_id="d1", limits=Limits())

    assert caught.value.blame == "farm"


def test_a_refused_session_tells_the_servers_reason(server: tuple[str, Script]) -> None:
    url, script = server
    error = {"error": "session not created", "message": "no such phone", "stacktrace": ""}
    script.status, script.body = 500, json.dumps({"value": error}).encode()

    with pytest.raises(SessionRefusedError, match="refused a session: no such phone") as caught:
        opened(url, script)

    assert caught.value.blame == "device"


def test_a_missing_driver_is_the_farms_fault_and_says_what_to_install(server: tuple[str, Script]) -> None:
    url, script = server
    message = "Could not find a driver for automationName 'Fake' and platformName 'Nope'."
    error = {"error": "unknown error", "message": message, "stacktrace": ""}
    script.status, script.body = 500, json.dumps({"value": error}).encode()
    endpoint = Endpoint(url=url, capabilities={"platformName": "Nope"}, driver=FAKE)

    with pytest.raises(NoSessionError, match="Could not find a driver") as caught:
        open_session(endpoint, device_id="d1", limits=Limits())

    assert caught.value.blame == "farm"
    assert "appium driver install --source=npm @appium/fake-driver" in caught.value.do


def test_an_old_session_id_as_a_new_session_is_refused(server: tuple[str, Script]) -> None:
    """Two clients that share an idempotency key are given one session: neither may use it unknowing."""
    url, _ = server
    endpoint = Endpoint(url=url, capabilities={"platformName": "Android"})
    open_session(endpoint, device_id="d1", limits=Limits())

    with pytest.raises(DeviceProviderError, match="s-1, which is not new"):
        open_session(endpoint, device_id="d2", limits=Limits())


def test_the_guard_stops_a_command_before_it_leaves(server: tuple[str, Script]) -> None:
    url, script = server
    is_lost = threading.Event()

    def guard() -> None:
        if is_lost.is_set():
            raise LeaseLostError("overtaken", device_id="d1")

    driver = opened(url, script, guard)
    sent = len(script.requests)
    is_lost.set()

    with pytest.raises(LeaseLostError):
        driver.back()

    assert len(script.requests) == sent


def test_every_request_carries_the_endpoints_headers_and_only_the_first_an_idempotency_key(
    server: tuple[str, Script],
) -> None:
    url, script = server
    driver = opened(url, script)
    driver.back()
    other = opened(url, script)
    other.back()

    assert all(headers["X-Autorl-Token"] == "7" for _, _, headers in script.requests)
    keys = [headers.get("X-Idempotency-Key") for _, path, headers in script.requests if path == "/session"]
    assert len(set(keys)) == 2
    assert None not in keys
    assert not any(
        "X-Idempotency-Key" in headers for _, path, headers in script.requests if path != "/session"
    )


def test_closing_never_raises_and_tells_what_went_wrong(server: tuple[str, Script]) -> None:
    url, script = server
    fine, gone, broken = opened(url, script), opened(url, script), opened(url, script)

    assert close_session(fine) == ""
    error = {"error": "invalid session id", "message": "gone", "stacktrace": ""}
    script.status, script.body = 404, json.dumps({"value": error}).encode()
    assert close_session(gone) == ""
    script.body, script.content_type = b"<html>", "text/html"
    assert close_session(broken).startswith("ServerAnswerError: ")


def test_an_endpoints_headers_stay_out_of_its_repr() -> None:
    assert "canary" not in repr(
        Endpoint(url="http://h", capabilities={}, headers={"Authorization": "canary"})
    )
