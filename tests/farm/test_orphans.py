"""Sessions that nobody owns any more, ended without a client."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import Iterator

import pytest

from pytest_autorl.farm.orphans import end_sessions
from pytest_autorl.farm.session import Endpoint, Limits, open_session
from pytest_autorl.state.leases import Session
from pytest_autorl.virtual.library import load_app
from pytest_autorl.virtual.process import VirtualServer

pytestmark = pytest.mark.integration

CAPABILITIES = {"platformName": "Android", "appium:automationName": "UiAutomator2", "appium:udid": "d1"}


@pytest.fixture(scope="module")
def server() -> Iterator[VirtualServer]:
    devices = [{"id": "d1", "platform": "android", "app": "bank"}]
    with VirtualServer.start(devices, {"bank": load_app("bank")}, admin_key="k") as running:
        yield running


def begin(server: VirtualServer, key: str = "") -> str:
    endpoint = Endpoint(url=server.url, capabilities=CAPABILITIES)
    return str(open_session(endpoint, device_id="d1", limits=Limits(), key=key).session_id)


def session_of(server: VirtualServer) -> str | None:
    return server.admin().device("d1")["session"]  # type: ignore[no-any-return]


def test_a_recorded_session_is_ended(server: VirtualServer) -> None:
    session = begin(server)

    assert end_sessions(server.url, [Session(url=server.url, id=session)], headers={}) == ""

    assert session_of(server) is None


def test_one_that_is_gone_already_is_no_trouble(server: VirtualServer) -> None:
    assert end_sessions(server.url, [Session(url=server.url, id="gone")], headers={}) == ""


def test_one_whose_creator_died_in_between_is_found_by_its_key(server: VirtualServer) -> None:
    begin(server, key="key-1")

    assert end_sessions(server.url, [Session(url=server.url, id="", key="key-1")], headers={}) == ""

    assert session_of(server) is None


@pytest.mark.parametrize("key", ["", "never-sent"])
def test_what_was_never_begun_needs_no_end(server: VirtualServer, key: str) -> None:
    assert end_sessions(server.url, [Session(url=server.url, id="", key=key)], headers={}) == ""


def test_a_server_that_is_gone_is_trouble() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    # Closed again: nobody listens there.

    trouble = end_sessions(url, [Session(url=url, id="s")], headers={}, deadline_s=5)

    assert trouble == (
        f"session s on {url} could not be ended: NewConnectionError; {url} does not answer: NewConnectionError"
    )


def test_a_server_that_says_nothing_is_trouble_after_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        trouble = end_sessions(url, [], headers={}, deadline_s=0.2)

    assert trouble == f"{url} does not answer: ReadTimeoutError"


def test_what_answers_without_being_a_webdriver_server_is_trouble(server: VirtualServer) -> None:
    trouble = end_sessions(f"{server.url}/nowhere", [], headers={})

    assert "does not answer" in trouble


def test_a_creation_of_which_nothing_is_known_is_trouble() -> None:
    """It may be under way still: the device must not be another's when its session appears."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        trouble = end_sessions(url, [Session(url=url, id="", key="k")], headers={}, deadline_s=0.2)

    assert trouble.startswith(f"whether {url} has begun a session is unknown: ReadTimeoutError")


def refusing() -> str:
    """Where nobody listens any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("session", [{"id": "s"}, {"id": "", "key": "k"}])
def test_sessions_of_a_server_that_is_gone_went_with_it_where_another_one_serves(
    server: VirtualServer, session: dict[str, str]
) -> None:
    assert end_sessions(server.url, [Session(url=refusing(), **session)], headers={}) == ""


def test_a_server_that_hangs_may_have_its_session_still_whoever_else_serves(server: VirtualServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        trouble = end_sessions(server.url, [Session(url=url, id="s")], headers={}, deadline_s=0.2)

    assert trouble == f"session s on {url} could not be ended: ReadTimeoutError"


@contextlib.contextmanager
def saying(*answers: bytes) -> Iterator[str]:
    """What gives each connection the next of these answers, the last one again and again; gives its URL.

    An empty one is a connection that breaks. After b"END" nobody listens any more.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    left = list(answers)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = listener.accept()
                with link:
                    link.recv(10_000)
                    link.sendall(left[0])
                if len(left) > 1:
                    left.pop(0)
                if left[0] == b"END":
                    listener.close()
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def http_answer(status: str, body: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return (head + body).encode()


PAGE = "<html>hello</html>"
GONE = http_answer("404 Not Found", '{"value": {"error": "invalid session id"}}')


@pytest.mark.parametrize(
    "answer",
    [
        http_answer("404 Not Found", PAGE),
        http_answer("405 Method Not Allowed", "{}"),
        http_answer("501 Unsupported method", PAGE),
        http_answer("200 OK", PAGE),
        b"SSH-2.0-OpenSSH_9.6\r\n",
    ],
)
@pytest.mark.parametrize("session", [{"id": "s"}, {"id": "", "key": "k"}])
def test_sessions_went_with_a_server_whose_port_is_anothers_by_now(
    server: VirtualServer, answer: bytes, session: dict[str, str]
) -> None:
    with saying(answer) as url:
        assert end_sessions(server.url, [Session(url=url, **session)], headers={}, deadline_s=5) == ""


@pytest.mark.parametrize("status", ["401 Unauthorized", "502 Bad Gateway", "503 Unavailable"])
def test_what_stands_in_front_of_a_server_says_nothing_of_its_sessions(
    server: VirtualServer, status: str
) -> None:
    with saying(http_answer(status, PAGE)) as url:
        known = end_sessions(server.url, [Session(url=url, id="s")], headers={}, deadline_s=5)
        unseen = end_sessions(server.url, [Session(url=url, id="", key="k")], headers={}, deadline_s=5)

    assert known == f"session s on {url} could not be ended: status {status[:3]}, not a WebDriver answer"
    assert unseen.startswith(f"whether {url} has begun a session is unknown: status {status[:3]}")


@pytest.mark.parametrize("then", [GONE, b"END"])
def test_a_server_that_breaks_off_while_it_ends_is_asked_again(server: VirtualServer, then: bytes) -> None:
    with saying(b"", b"", then) as url:
        assert end_sessions(server.url, [Session(url=url, id="s")], headers={}, deadline_s=5) == ""


def test_one_that_goes_on_breaking_off_may_have_its_session_still(
    server: VirtualServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a tunnel, say: what is behind it nobody knows."""
    monkeypatch.setattr("pytest_autorl.farm.orphans._BREAKS_S", 0.3)
    with saying(b"") as url:
        trouble = end_sessions(server.url, [Session(url=url, id="s")], headers={}, deadline_s=5)

    assert trouble == f"session s on {url} could not be ended: ProtocolError"


def test_a_server_that_is_none_cannot_reach_the_device() -> None:
    with saying(http_answer("200 OK", PAGE)) as url:
        trouble = end_sessions(url, [], headers={}, deadline_s=5)

    assert trouble == f"{url} does not answer: status 200, not a WebDriver answer"


def test_without_a_server_of_ours_only_what_was_recorded_is_looked_at() -> None:
    """Servers that we start are yet to be started: then there is nothing that could answer."""
    assert end_sessions("", [Session(url=refusing(), id="s")], headers={}) == ""


def test_each_server_of_ours_gets_its_own_headers_and_a_strangers_none() -> None:
    seen: dict[str, list[str | None]] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            port = str(self.server.server_address[1])
            seen.setdefault(port, []).append(self.headers.get("Authorization"))
            body = b'{"value": null}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_DELETE = _answer  # noqa: N815  # the names that http.server calls

        def log_message(self, *args: object) -> None:
            """The test reads `seen`."""

    with contextlib.ExitStack() as stack:
        ports = []
        for _ in range(3):
            one = stack.enter_context(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            stack.callback(thread.join)
            stack.callback(one.shutdown)
            ports.append(str(one.server_address[1]))
        home, other, stranger = (f"http://127.0.0.1:{port}" for port in ports)
        sessions = [Session(url=url, id="s") for url in (home, other, stranger)]

        trouble = end_sessions(
            home, sessions, headers={"Authorization": "h"}, others={other: {"Authorization": "o"}}
        )

    assert trouble == ""
    assert [seen[port] for port in ports] == [["h", "h"], ["o"], [None]]
