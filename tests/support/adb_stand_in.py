"""What stands in for a server of adb of another version: it says what it is told to, and remembers what it was asked.

with AdbServer(version=39, states={"R5CT1": "device"}) as server:
    server.says = "..."  # what each shell says
    probe("R5CT1", port=server.port, deadline_s=30)
assert "host:kill" not in server.asked
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from types import TracebackType

#: Longest wait for a client that says nothing, seconds.
_PATIENCE_S = 30.0


class AdbServer:
    """Speaks the protocol of adb's clients on a free port. Use as a context manager.

    Attributes:
        asked: The questions that have come, oldest first.
        refuses: Beginning of a question -> the refusal that it gets.
        says: What a shell says before it ends.
    """

    def __init__(self, *, version: int = 41, states: Mapping[str, str] | None = None) -> None:
        self.asked: list[str] = []
        self.refuses: dict[str, str] = {}
        self.says = ""
        self._version = version
        self._states = dict(states or {})
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, name="adb-server", daemon=True)

    def __enter__(self) -> AdbServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(_PATIENCE_S)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = self._listener.accept()
                link.settimeout(_PATIENCE_S)
                with link, contextlib.suppress(OSError):
                    self._serve(link)

    def _serve(self, link: socket.socket) -> None:
        while size := _exactly(link, 4):
            question = _exactly(link, int(size, 16)).decode()
            self.asked.append(question)
            refusal = next((why for begin, why in self.refuses.items() if question.startswith(begin)), "")
            if refusal:
                link.sendall(b"FAIL" + _text(refusal))
                return
            if question.startswith("host:transport:"):
                link.sendall(b"OKAY")  # and goes on with what the device is asked
                continue
            link.sendall(b"OKAY" + self._answer(question))
            return

    def _answer(self, question: str) -> bytes:
        if question == "host:version":
            return _text(f"{self._version:04x}")
        if question == "host:devices":
            return _text("".join(f"{serial}\t{state}\n" for serial, state in self._states.items()))
        return self.says.encode()


def _text(words: str) -> bytes:
    return b"%04x" % len(words.encode()) + words.encode()


def _exactly(link: socket.socket, size: int) -> bytes:
    """b"" when the other side has closed."""
    content = b""
    while len(content) < size:
        piece = link.recv(size - len(content))
        if not piece:
            return b""
        content += piece
    return content
