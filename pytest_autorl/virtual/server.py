"""The HTTP server of virtual devices: HTTP/1.1 with keep-alive, one thread per connection, standard library.

Answers go out in one write on a socket without Nagle's delay: without that every command would take 44 ms.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
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
_LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = KEEP_ALIVE_S
    server: DeviceServer

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
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            return failure(ProtocolError("invalid argument", "A body needs a Content-Length"))
        if int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            made = failure(
                ProtocolError(
                    "invalid argument", f"The body has {length} bytes, the limit is {MAX_BODY_BYTES}"
                )
            )
            return Answer(413, made.body)
        body = self.rfile.read(int(length)) if int(length) else b""
        if not self.server.is_allowed_host(headers.get("host", "")):
            # A web page whose name was rebound to 127.0.0.1 must not drive devices.
            return refusal(f"the Host header {headers.get('host', '')!r} does not name this machine")
        return self.server.dispatcher.handle(self.command, self.path, headers, body)

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
        self.close_connection = True
        self.command = getattr(self, "command", None) or "GET"
        made = failure(ProtocolError("invalid argument", message or HTTPStatus(code).phrase))
        self._send(Answer(code, made.body))

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
        self._is_serving = False
        super().__init__((host, port), _Handler)
        self.host = host

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.server_address[1]}"

    def is_allowed_host(self, header: str) -> bool:
        """Whether a Host header names this server as its users do."""
        name = header.rsplit(":", 1)[0] if not header.endswith("]") else header
        return name in _LOOPBACK or name == self.host or self.host not in _LOOPBACK

    def serve_forever(self, poll_interval: float = 0.2) -> None:
        self._is_serving = True
        super().serve_forever(poll_interval)

    def start(self) -> DeviceServer:
        """Serve in a thread of its own."""
        self._is_serving = True
        threading.Thread(target=self.serve_forever, name="virtual-devices", daemon=True).start()
        return self

    def close(self) -> None:
        """Stop serving and close all connections; waiting commands end without an answer. Idempotent."""
        self.farm.stop()
        if self._is_serving:
            self._is_serving = False
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
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
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
