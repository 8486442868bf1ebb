"""Whether a server answers, and in which way it does not."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import until
from pytest_autorl.farm import pulse

pytestmark = pytest.mark.unit


@given(st.binary(max_size=200))
def test_whatever_a_server_says_is_read(body: bytes) -> None:
    assert pulse.read(body).kind in ("up", "waiting", "alien")


@pytest.mark.parametrize(
    ("body", "kind", "version"),
    [
        (b'{"value": {"ready": true, "build": {"version": "3.8.0"}}}', "up", "3.8.0"),
        (b'{"value": {}}', "up", ""),
        (b'{"value": {"ready": false, "message": "shutting down"}}', "waiting", ""),
        (b'{"value": null}', "alien", ""),
        (b'{"value": {"build": 3}}', "alien", ""),
        (b"<html>", "alien", ""),
        (b"[" * 50_000, "alien", ""),
    ],
)
def test_a_status_is_read_as_the_protocol_has_it(body: bytes, kind: str, version: str) -> None:
    found = pulse.read(body)

    assert (found.kind, found.version) == (kind, version)
    assert found.is_up is (kind == "up")
    assert found.is_there is (kind != "alien")
    assert bool(found.why) is not found.is_up


def test_nobody_there_and_nobody_who_says_anything_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        silent = pulse.take(url, {}, limit_s=0.1)
    gone = pulse.take(url, {}, limit_s=5)

    assert (silent.kind, silent.why) == ("silent", "no answer in 0.1 s")
    assert (gone.kind, gone.why) == ("unreachable", "Connection refused")


#: What comes at once, and what then comes over and over, byte by byte.
_DRIPS = {
    "head": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n", b" "),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
}


@pytest.fixture
def serve() -> Iterator[Callable[[bytes, bytes], str]]:
    """Call it for the URL of a server that says something at once, and then drips until nobody listens."""
    listeners, threads = list[socket.socket](), list[threading.Thread]()

    def answer(listener: socket.socket, begin: bytes, drop: bytes) -> None:
        with contextlib.suppress(OSError):  # hung up, as it should be
            connected, _ = listener.accept()
            with connected:
                connected.recv(10_000)
                connected.sendall(begin)
                while drop:
                    connected.sendall(drop)
                    threading.Event().wait(0.02)

    def start(begin: bytes, drop: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(60)
        listeners.append(listener)
        threads.append(threading.Thread(target=answer, args=(listener, begin, drop), daemon=True))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for thread in threads:
        thread.join(60)
    for listener in listeners:
        listener.close()


def _under_way() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "autorl-pulse"]


@pytest.mark.parametrize("part", _DRIPS)
def test_a_server_that_drips_is_silent_in_time_and_is_hung_up_on(
    serve: Callable[[bytes, bytes], str], part: str
) -> None:
    """The limit is for all of the answer, not for each piece of it."""
    begun_s = time.monotonic()

    found = pulse.take(serve(*_DRIPS[part]), {}, limit_s=0.3)

    assert (found.kind, found.why) == ("silent", "no answer in 0.3 s")
    assert time.monotonic() - begun_s < 30, "it drips for as long as somebody listens"
    until(lambda: not _under_way(), "nobody listens any more")


@pytest.mark.parametrize(
    ("said", "kind", "why"),
    [
        (b"", "unreachable", "RemoteDisconnected: Remote end closed connection without response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "unreachable", "it broke off its answer"),
        (b"SSH-2.0-\x1b[31m\r\n", "unreachable", "BadStatusLine: SSH-2.0-?[31m"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\n\r\n",
            "error",
            "answers HTTP 302 to /status",
        ),
        (b'HTTP/1.1 200 OK\r\n\r\n{"value": {"ready": false}}', "waiting", "is not ready"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 200_000, "alien", "answers, but not as an Appium server"),
    ],
    ids=["nothing", "half", "other protocol", "redirect", "waiting", "endless"],
)
def test_what_is_said_is_told_apart(
    serve: Callable[[bytes, bytes], str], said: bytes, kind: str, why: str
) -> None:
    found = pulse.take(serve(said, b""), {}, limit_s=30)

    assert found.kind == kind
    assert why in found.why


def test_a_name_that_is_not_resolved_in_time_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()

    def resolve(*args: object, **kwargs: object) -> None:
        is_over.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    try:
        found = pulse.take("http://lab.invalid:4723", {}, limit_s=0.1)
    finally:
        is_over.set()
        until(lambda: not _under_way(), "its thread ends")

    assert (found.kind, found.why) == ("silent", "no answer in 0.1 s")
    assert pulse.take("http://lab.invalid:4723", {}, limit_s=30).why == "Temporary failure in name resolution"


def test_what_cannot_be_asked_at_all_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pulse.take("http://" + "a" * 70 + ".invalid", {}, limit_s=30).kind == "unreachable"
    assert pulse.take("http://127.0.0.1:1", {"X": "a\nb"}, limit_s=30).kind == "unreachable"

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert pulse.take("http://127.0.0.1:1", {}).why == "could not be asked: can't start new thread"
