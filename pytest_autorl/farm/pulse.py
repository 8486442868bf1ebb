"""Whether a WebDriver server answers: its /status, asked once and in bounded time.

It tells a sick server from a sick device. Of the devices behind it an Appium server says nothing here.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from pytest_autorl.farm.fitness import shortened

#: Longest wait for an answer where nothing else is said, seconds.
QUICK_S = 2.0
#: More of an answer is never read, bytes: a status is small.
_ANSWER_BYTES = 100_000
#: What stands in a path as it is; the rest is written as %XX.
_PATH = "/%:@!$&'()*+,;=~"

#: up: ready. waiting: it answers that it is not ready. error: an HTTP error. alien: an answer that is not of the
#: protocol. silent: no answer in time. unreachable: no connection, or a broken one.
Kind = Literal["up", "waiting", "error", "alien", "silent", "unreachable"]


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """What a server said to the question how it is.

    Attributes:
        why: What is wrong, without its address; "" when nothing is.
        code: HTTP status of the answer; 0 when there was none.
        version: Of the server; "" when it does not say.
        response_s: How long the answer took, seconds.
    """

    kind: Kind
    why: str = ""
    code: int = 0
    version: str = ""
    response_s: float = 0.0

    @property
    def is_up(self) -> bool:
        """It answers, and takes sessions."""
        return self.kind == "up"

    @property
    def is_there(self) -> bool:
        """It answers as the protocol has it: also one that takes no further session while it serves ours."""
        return self.kind in ("up", "waiting")


def take(url: str, headers: Mapping[str, str], *, limit_s: float = QUICK_S) -> Pulse:
    """Ask a server. Never raises, and follows no redirect: the headers may hold a hub's token.

    Args:
        url: Its base URL, without user info.
        limit_s: Longest wait in all, whatever holds the answer up: names that are not resolved, or an answer that
            comes byte by byte.
    """
    inquiry = _Inquiry(url, headers, limit_s)
    try:
        inquiry.start()
    except RuntimeError as error:  # no thread to be had
        return Pulse(kind="silent", why=f"could not be asked: {error}")
    inquiry.join(limit_s)
    found = inquiry.found
    if found is None:
        inquiry.hang_up()
        return Pulse(kind="silent", why=f"no answer in {limit_s:g} s")
    return found


class _Inquiry(threading.Thread):
    """One question, in a thread that is left to itself when its time is over.

    Attributes:
        found: What came of it; None before.
    """

    def __init__(self, url: str, headers: Mapping[str, str], limit_s: float) -> None:
        super().__init__(name="autorl-pulse", daemon=True)
        self.found: Pulse | None = None
        self._url = url
        self._headers = headers
        self._limit_s = limit_s
        self._connection: HTTPConnection | None = None
        self._is_over = False

    def run(self) -> None:
        try:
            self.found = self._asked()
        except TimeoutError:
            self.found = Pulse(kind="silent", why=f"no answer in {self._limit_s:g} s")
        except Exception as error:  # foreign servers, and addresses that nobody can reach, fail in many ways
            self.found = Pulse(kind="unreachable", why=_told(error))

    def hang_up(self) -> None:
        """Break the connection, so that the thread ends also where a byte now and then would keep it alive."""
        self._is_over = True
        connected = getattr(self._connection, "sock", None)
        with contextlib.suppress(OSError, ValueError):  # it has just ended by itself
            if connected is not None:
                connected.shutdown(socket.SHUT_RDWR)

    def _asked(self) -> Pulse:
        parts = urlsplit(self._url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=self._limit_s)
        begun_s = time.monotonic()
        with contextlib.closing(self._connection) as connection:
            connection.connect()
            if self._is_over:  # there was nothing to hang up yet
                raise TimeoutError
            connection.request("GET", f"{quote(parts.path, safe=_PATH)}/status", headers=dict(self._headers))
            answer = connection.getresponse()
            took_s = time.monotonic() - begun_s
            if answer.status != 200:
                why = f"answers HTTP {answer.status} to /status"
                return Pulse(kind="error", code=answer.status, why=why, response_s=took_s)
            body = answer.read(_ANSWER_BYTES)
            if answer.length and len(body) < _ANSWER_BYTES:
                raise HTTPException("it broke off its answer")
        return read(body, response_s=time.monotonic() - begun_s)


def read(body: bytes, *, response_s: float = 0.0) -> Pulse:
    """What the body of a good answer says."""
    try:
        value: Any = json.loads(body)["value"]
        is_ready, version = bool(value.get("ready", True)), str(value.get("build", {}).get("version", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Pulse(
            kind="alien", code=200, why="answers, but not as an Appium server", response_s=response_s
        )
    if not is_ready:
        return Pulse(kind="waiting", code=200, why="is not ready", version=version, response_s=response_s)
    return Pulse(kind="up", code=200, version=version, response_s=response_s)


def _told(error: Exception) -> str:
    """The system's own words where there are some ("Connection refused"), else the kind of error and its text."""
    words = getattr(error, "strerror", None)
    return shortened(str(words) if words else f"{type(error).__name__}: {error}")
