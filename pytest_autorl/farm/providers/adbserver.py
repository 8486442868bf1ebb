"""The server of adb on this host, spoken to over its socket.

The program `adb` is never asked: it ends a server of another version than its own, and with that all sessions that
reach their devices through it; and it starts one where none runs.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from types import TracebackType

#: Where adb's server listens when nothing else is said.
DEFAULT_PORT = 5037
#: More than this no device is let say, bytes.
LIMIT_BYTES = 1_000_000
#: The longest question that every version takes, bytes.
_QUESTION_BYTES = 1024


class RefusalError(Exception):
    """adb's server says no; the text is what it says."""


def port_of(stated: object, env: Mapping[str, str] = os.environ) -> int:
    """The port that holds for a device: that of its capability, else of adb's own variable, else adb's usual one."""
    for said in (stated, env.get("ANDROID_ADB_SERVER_PORT")):
        text = str(said or "")
        if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
            return int(text)
    return DEFAULT_PORT


def serials(port: int, *, limit_s: float) -> frozenset[str] | None:
    """The devices that adb's server knows, in whatever state; None when none runs, or it does not answer."""
    try:
        return frozenset(states(port, limit_s=limit_s))
    except (OSError, RefusalError):
        return None


def states(port: int, *, limit_s: float) -> dict[str, str]:
    """Serial number -> state of the devices that adb's server knows. Raises OSError, RefusalError."""
    with _Talk(port, limit_s) as talk:
        talk.ask("host:devices")
        rows = (line.partition("\t") for line in talk.text().splitlines())
        return {serial: state.strip() for serial, tab, state in rows if tab}


def version(port: int, *, limit_s: float) -> int:
    """The version of the protocol that adb's server speaks. Raises OSError, RefusalError."""
    with _Talk(port, limit_s) as talk:
        talk.ask("host:version")
        return _number(talk.text().encode())


def shell(serial: str, command: str, *, port: int, deadline_s: float) -> str:
    """What a device's shell says to a command; cut off where the device goes away.

    Args:
        deadline_s: Longest time of all of it, seconds.
    Raises:
        TimeoutError: At the deadline.
        OSError: No server of adb runs, or what runs there is none.
        RefusalError: The server knows no such device, or does not reach it.
    """
    with _Talk(port, deadline_s) as talk:
        talk.ask(f"host:transport:{serial}")
        try:
            talk.ask(f"shell:{command}")
        except ConnectionError:  # the way to a device that goes away just now ends without a word
            raise RefusalError("closed") from None
        return talk.rest()


class _Talk:
    """One connection, with an end to all that is said on it. What is not understood is a ConnectionError."""

    def __init__(self, port: int, limit_s: float) -> None:
        self._end_s = time.monotonic() + limit_s
        self._link = socket.create_connection(("127.0.0.1", port), timeout=self._left_s())

    def __enter__(self) -> _Talk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.close()

    def ask(self, question: str) -> None:
        """Have the server agree to something. Raises OSError, RefusalError."""
        words = question.encode()
        if len(words) > _QUESTION_BYTES:
            raise RefusalError("the question is too long")
        self._link.settimeout(self._left_s())
        self._link.sendall(b"%04x" % len(words) + words)
        said = self._exactly(4)
        if said == b"FAIL":
            raise RefusalError(self.text())
        if said != b"OKAY":
            raise ConnectionError("no server of adb")

    def text(self) -> str:
        """A text with its length before it."""
        return self._exactly(_number(self._exactly(4))).decode("utf-8", "replace")

    def rest(self) -> str:
        """Everything until the other side closes."""
        said = bytearray()
        while len(said) < LIMIT_BYTES and (piece := self._piece(65_536)):
            said += piece
        return bytes(said[:LIMIT_BYTES]).decode("utf-8", "replace")

    def _exactly(self, size_bytes: int) -> bytes:
        said = b""
        while len(said) < size_bytes:
            piece = self._piece(size_bytes - len(said))
            if not piece:
                raise ConnectionError("adb's server broke off")
            said += piece
        return said

    def _piece(self, most_bytes: int) -> bytes:
        self._link.settimeout(self._left_s())
        try:
            return self._link.recv(most_bytes)
        except ConnectionError:
            return b""

    def _left_s(self) -> float:
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s


def _number(digits: bytes) -> int:
    try:
        return int(digits, 16)
    except ValueError:
        raise ConnectionError("no server of adb") from None
