"""The HTTP side: what is odd on the wire is answered or ends the connection, and never waits."""

from __future__ import annotations

import http.client
import json
import socket
import urllib.request
from typing import Any

import pytest

from pytest_autorl.virtual.admin import AdminClient
from pytest_autorl.virtual.server import MAX_BODY_BYTES, DeviceServer, make_server

HOST = b"Host: localhost\r\n"
CLOSE = b"Connection: close\r\n\r\n"


def talk(server: DeviceServer, data: bytes, *, ends: bool = False) -> bytes:
    """What comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as connection:
        connection.sendall(data)
        if ends:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def test_a_client_that_expects_a_go_ahead_gets_it_before_it_sends(server: DeviceServer) -> None:
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=10) as connection:
        head = b"POST /session HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{}")
        assert connection.recv(65536).startswith(b"HTTP/1.1 500 ")  # session not created: no capabilities


def test_half_a_body_is_no_command(server: DeviceServer) -> None:
    """A client that died while it wrote must not end the server, nor press a button."""
    with make_server({"apps": {}, "devices": []}) as own:
        head = b"POST /autorl/shutdown HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n"
        assert talk(own, head, ends=True) == b""
        assert AdminClient(own.url).devices() == []


def test_the_sender_of_a_body_that_is_too_large_sees_the_refusal(server: DeviceServer) -> None:
    size = MAX_BODY_BYTES + 1
    head = b"POST /session HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size
    assert talk(server, head + b"x" * size).startswith(b"HTTP/1.1 413 ")


def test_two_lengths_are_refused(server: DeviceServer) -> None:
    head = b"POST /session HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} "
    assert b"Content-Length is one whole number" in talk(server, head)


def test_chunks_are_refused_with_the_way_out(server: DeviceServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    connection.request(
        "POST", "/session", iter([b"{}"]), {"Transfer-Encoding": "chunked"}, encode_chunked=True
    )
    answer = connection.getresponse()
    assert (answer.status, "needs a Content-Length" in answer.read().decode()) == (411, True)
    connection.close()


def test_requests_on_one_connection_are_answered_in_turn_also_after_errors(server: DeviceServer) -> None:
    sent = b"GET /status HTTP/1.1\r\n" + HOST + b"\r\n"
    sent += b"POST /session HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\n{"
    sent += b"HEAD /status HTTP/1.1\r\n" + HOST + b"\r\n" + b"GET /%73tatus HTTP/1.1\r\n" + HOST + CLOSE
    said = talk(server, sent)
    statuses = [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 400, 200, 200]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:1", b"200"),
        ("LocalHost", b"200"),
        ("[::1]:80", b"200"),
        ("evil.example", b"403"),
        ("127.0.0.1.evil.example", b"403"),
        ("", b"403"),
    ],
)
def test_only_names_of_this_machine_are_served(server: DeviceServer, host: str, status: bytes) -> None:
    assert (
        talk(server, b"GET /status HTTP/1.1\r\nHost: %s\r\n" % host.encode() + CLOSE).split(b" ")[1] == status
    )


def test_a_server_on_ipv6_loopback_can_be_reached_by_its_url() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as exc:
        pytest.skip(f"no IPv6 loopback here: {exc}")
    with make_server({"apps": {}, "devices": []}, host="::1") as server:
        with urllib.request.urlopen(f"{server.url}/status", timeout=10) as answer:
            assert json.loads(answer.read())["value"]["ready"] is True
        assert AdminClient(server.url).devices() == []


def test_a_server_closed_before_it_served_does_not_serve() -> None:
    """The parent may die while the child starts."""
    server = make_server({"apps": {}, "devices": []})
    server.close()
    server.serve_forever()
    server.close()


def test_the_host_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where name service is slow, a look-up holds up the start of every run."""

    def fail(name: str = "") -> str:
        raise AssertionError(f"looked up {name}")

    monkeypatch.setattr(socket, "getfqdn", fail)
    make_server({"apps": {}, "devices": []}).close()


def test_a_connection_that_gets_no_thread_gives_its_slot_back(monkeypatch: pytest.MonkeyPatch) -> None:
    server = make_server({"apps": {}, "devices": []})
    free = server._slots._value

    def no_thread(self: Any, *args: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("socketserver.ThreadingMixIn.process_request", no_thread)
    with pytest.raises(RuntimeError), socket.socket() as request:
        server.process_request(request, ("127.0.0.1", 1))
    assert server._slots._value == free
    server.close()
