"""What the processes of a run and its steward say to each other: one line of JSON each way, over a Unix socket.

The socket lies in a folder that only its owner can enter.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pytest_autorl.errors import ServerDownError
from pytest_autorl.farm.servers.records import FOLDER_PREFIX

#: idle: nobody has asked for it; starting: also between an end and the next start; failed: so did its last start,
#: and the next one will come.
Condition = Literal["idle", "starting", "up", "failed"]

#: Longest path of a Unix socket, bytes: the least of the systems that we support, less a few.
_PATH_BYTES = 96
_NAME = "control"
#: Longest line, bytes.
_LINE_BYTES = 4_000_000
#: Longest wait for the rest of a question, seconds.
_QUESTION_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """How one server is.

    Attributes:
        name: Of the server: the id of its first device.
        devices: Ids of all that it serves.
        url: Its address; "" before its first start.
        pid: Of its process; None when there is none.
        since_s: Since when it is so, seconds since the epoch.
        restarts: How often it was started again.
        why: Of a server that is not up: why its process ended, or did not come up; else "".
    """

    name: str
    devices: tuple[str, ...]
    condition: Condition
    url: str = ""
    pid: int | None = None
    since_s: float = 0.0
    restarts: int = 0
    why: str = ""


#: Answers a question. Raises ServerDownError, which is the answer then.
Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def make_folder() -> Path:
    """A new private folder whose name is short enough for a socket in it."""
    usual = tempfile.gettempdir()
    is_short = len(os.fsencode(usual)) + len(FOLDER_PREFIX) + len(_NAME) + 12 <= _PATH_BYTES
    return Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=usual if is_short else "/tmp"))


def address_in(folder: Path) -> str:
    """Where the steward with this private folder listens."""
    return str(folder / _NAME)


class Door:
    """Lets questions in, each in a thread of its own."""

    def __init__(self, address: str, answer: Answer) -> None:
        with contextlib.suppress(FileNotFoundError):  # of a steward before us, which is dead
            os.unlink(address)
        self._server = _Server(address, answer)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="door", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Let nobody in any more."""
        self._server.shutdown()
        self._server.server_close()


def ask(address: str, question: Mapping[str, Any], *, patience_s: float) -> dict[str, Any]:
    """One question, and its answer.

    Raises:
        OSError: nobody answers, or not in time.
        ServerDownError: that is the answer.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(patience_s)
        line.connect(address)
        line.sendall(json.dumps(question).encode() + b"\n")
        with line.makefile("rb") as answers:
            raw = answers.readline(_LINE_BYTES)
    try:
        said: dict[str, Any] = json.loads(raw)
    except ValueError as error:  # it ended in the middle of it
        raise ConnectionResetError("the answer broke off") from error
    if "error" in said:
        raise ServerDownError(said["error"], do=said.get("do", ""))
    return said


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: str, answer: Answer) -> None:
        self.answer = answer
        super().__init__(address, _Visit)

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: who asked has hung up."""


class _Visit(socketserver.StreamRequestHandler):
    timeout = _QUESTION_S
    server: _Server

    def handle(self) -> None:
        question = json.loads(self.rfile.readline(_LINE_BYTES))
        try:
            said = self.server.answer(question)
        except ServerDownError as error:
            said = {"error": str(error.args[0]), "do": error.do}
        self.wfile.write(json.dumps(said).encode() + b"\n")
