"""The HTTP server of virtual devices: HTTP/1.1 with keep-alive, one thread per connection, standard library.

Answers go out in one write on a socket without Nagle's delay: without that every command would take 44 ms.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pytest_autorl.errors import UsageError
from pytest_autorl.virtual.admin_api import AdminApi, refusal
from pytest_autorl.virtual.dispatch import Dispatcher
from pytest_autorl.virtual.farm import Farm
from pytest_autorl.virtual.protocol import Answer, ConnectionDroppedError, ProtocolError, failure

MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_CONNECTIONS = 512
#: An idle connection is closed after this, seconds (Appium says the same).
KEEP_ALIVE_S = 600
#: A request that has begun and a reader of an answer may pause so long, seconds.
REQUEST_S = 30
#: How much of a refused request is read, and how long, seconds, so that its sender gets to see the refusal.
_DRAIN_BYTES = 4 * MAX_BODY_BYTES
_DRAIN_S = 2
_LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = KEEP_ALIVE_S
    server: DeviceServer

    def handle_one_request(self) -> None:
        self.connection.settimeout(KEEP_ALIVE_S)
        super().handle_one_request()

    def parse_request(self) -> bool:
        self.connection.settimeout(REQUEST_S)
        return super().parse_request()

    def handle_expect_100(self) -> bool:
        # Our wfile is buffered: unflushed, the client would wait for this and we for its body.
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def _serve(self) -> None:
        try:
            answer = self._answer()
        except ConnectionDroppedError:
            self.close_connection = True
            return
        self._send(answer)
        if answer.after is not None:
            answer.after()

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = do_OPTIONS = do_HEAD = _serve  # noqa: N815

    def _answer(self) -> Answer:
        headers = {name.lower(): value for name, value in self.headers.items()}
        if "transfer-encoding" in headers:
            return self._refuse(
                HTTPStatus.LENGTH_REQUIRED, "A body needs a Content-Length; chunks are not taken"
            )
        given = set(self.headers.get_all("Content-Length", ["0"]))
        length = given.pop()
        if given or not (length.isascii() and length.isdigit() and len(length) < 16):
            return self._refuse(
                HTTPStatus.BAD_REQUEST, f"Content-Length is one whole number, got {length[:40]!r}"
            )
        if int(length) > MAX_BODY_BYTES:
            return self._refuse(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"The body has {length} bytes, the limit is {MAX_BODY_BYTES}",
            )
        body = self.rfile.read(int(length)) if int(length) else b""
        if len(body) < int(length):
            raise ConnectionDroppedError  # the client has gone: half a command is none
        if not self.server.is_allowed_host(headers.get("host", "")):
            # A web page whose name was rebound to 127.0.0.1 must not drive devices.
            return refusal(f"the Host header {headers.get('host', '')!r} does not name this machine")
        return self.server.dispatcher.handle(self.command, self.path, headers, body)

    def _refuse(self, status: HTTPStatus, reason: str) -> Answer:
        """Answer and close: where this request ends and the next begins is not known."""
        self.close_connection = True
        body = failure(ProtocolError("invalid argument", reason)).body
        return Answer(status, body, after=self._drain)

    def _drain(self) -> None:
        """After the answer, read what still comes and forget it, within bounds.

        Closing on unread data would reset the connection: its sender would fail, and never see the answer.
        """
        left, deadline = _DRAIN_BYTES, time.monotonic() + _DRAIN_S
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_DRAIN_S)
            while left > 0 and time.monotonic() < deadline and (chunk := self.rfile.read1(65536)):
                left -= len(chunk)

    def _send(self, answer: Answer) -> None:
        phrase = HTTPStatus(answer.status).phrase
        head = (
            f"HTTP/1.1 {answer.status} {phrase}\r\nContent-Type: {answer.content_type}\r\n"
            f"Content-Length: {len(answer.body)}\r\n"
            f"Connection: {'close' if self.close_connection else 'keep-alive'}\r\n\r\n"
        )
        body = b"" if self.command == "HEAD" else answer.body
        try:
            self.wfile.write(head.encode("latin-1") + body)
            self.wfile.flush()
        except OSError:
            # The client has gone, perhaps on its own timeout.
            self.close_connection = True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class answers to malformed requests, in our envelope."""
        self.command = getattr(self, "command", None) or "GET"
        self._send(self._refuse(HTTPStatus(code), message or HTTPStatus(code).phrase))
        self._drain()

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the devices keep their own logs."""


class DeviceServer(ThreadingHTTPServer):
    """The server of one farm. `serve_forever` blocks; `start` does it in a thread; `close` ends both.

    Args:
        admin_key: See `AdminApi`.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, farm: Farm, *, host: str, port: int, admin_key: str | None) -> None:
        self.farm = farm
        self.dispatcher = Dispatcher(farm, AdminApi(farm, key=admin_key, shutdown=self.close))
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        self._state = threading.Lock()
        self._is_serving = self._is_closed = False
        self.host = host
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # Not HTTPServer's: it looks up the host's name, which takes seconds where name service is slow.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.host, self.server_address[1]

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.server_address[1]}"

    def is_allowed_host(self, header: str) -> bool:
        """Whether a Host header names this server as its users do."""
        name = (header.rsplit(":", 1)[0] if not header.endswith("]") else header).lower()
        return name in _LOOPBACK or name == self.host or self.host not in _LOOPBACK

    def serve_forever(self, poll_interval: float = 0.2) -> None:
        with self._state:
            if self._is_closed:
                return
            self._is_serving = True
        super().serve_forever(poll_interval)

    def start(self) -> DeviceServer:
        """Serve in a thread of its own."""
        threading.Thread(target=self.serve_forever, name="virtual-devices", daemon=True).start()
        return self

    def close(self) -> None:
        """Stop serving and close all connections; waiting commands end without an answer. Idempotent."""
        self.farm.stop()
        with self._state:
            self._is_closed = True
            was_serving, self._is_serving = self._is_serving, False
        if was_serving:
            # Wakes the serving thread, which else looks after `poll_interval` only; not every system does that.
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.shutdown()
        self.server_close()
        with self._open_lock:
            connections = list(self._open)
        for each in connections:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> DeviceServer:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.close()

    # Called by socketserver, in the serving thread

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(blocking=False):
            with contextlib.suppress(OSError):
                request.sendall(
                    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
            self.shutdown_request(request)
            return
        with self._open_lock:
            self._open.add(request)
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no more threads: the one that was to give the slot back never ran
            self._forget(request)
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._forget(request)

    def _forget(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc()


def make_server(config: Mapping[str, Any], *, host: str = "127.0.0.1", port: int = 0) -> DeviceServer:
    """A server that listens and does not serve yet.

    Args:
        config: `{"apps": {id: model}, "devices": [spec, ...], "admin_key": text or None}`.
        port: 0 for a free one; see `url`.
    Raises:
        UsageError: an app or device that cannot be made, or a server open to the network without a key.
    """
    if host not in _LOOPBACK and not config.get("admin_key"):
        raise UsageError(f"a server on {host} needs an admin key", do="give one, or serve on 127.0.0.1")
    farm = Farm(config.get("apps") or {}, config.get("devices") or [])
    return DeviceServer(farm, host=host, port=port, admin_key=config.get("admin_key"))
