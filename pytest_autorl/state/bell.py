"""Waking who waits: datagrams between processes of one host.

A bell only says "look again": what there is to see stands in the state, and who misses a ring looks by itself a
little later. Addresses are plain text: on Linux a name in the abstract namespace (unix(7)), which leaves nothing
behind; elsewhere a socket file in the folder for temporary files.
"""

from __future__ import annotations

import contextlib
import select
import socket
import sys
import tempfile
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

from pytest_autorl.errors import StateError

_ABSTRACT = "@"


class Bell:
    """Hears rings. Attribute `address`: where to ring it.

    Raises: StateError when no socket is to be had.
    """

    def __init__(self, *, is_abstract: bool = sys.platform == "linux") -> None:
        name = f"autorl-{uuid.uuid4().hex}"
        self._file: Path | None = None if is_abstract else Path(tempfile.gettempdir(), f"{name[:20]}.sock")
        self.address = f"{_ABSTRACT}{name}" if self._file is None else str(self._file)
        try:
            self._socket = _listening(_place(self.address))
        except OSError as error:
            raise StateError(
                f"cannot listen for others: {error.strerror or error}",
                do="does this process leak open files?",
            ) from error

    def wait(self, timeout_s: float, ends: Sequence[int] = ()) -> bool:
        """Wait for a ring, or for one of the descriptors `ends` to become readable. Whether it rang."""
        poll = select.poll()
        for descriptor in (self._socket.fileno(), *ends):
            poll.register(descriptor, select.POLLIN)
        poll.poll(max(0.0, timeout_s) * 1000)
        return self.hush()

    def hush(self) -> bool:
        """Forget the rings so far. Whether there were any."""
        has_rung = False
        with contextlib.suppress(OSError):
            while True:
                self._socket.recv(16)
                has_rung = True
        return has_rung

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()
        if self._file is not None:
            self._file.unlink(missing_ok=True)


def ring(addresses: Iterable[str]) -> None:
    """Ring bells. One that is gone or full is passed over: its owner looks by itself."""
    places = [_place(address) for address in addresses]
    if not places:
        return
    with (
        contextlib.suppress(OSError),  # no descriptor left
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ringer,
    ):
        ringer.setblocking(False)
        for place in places:
            with contextlib.suppress(OSError):
                ringer.sendto(b"1", place)


def _listening(place: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.bind(place)
    except OSError:
        made.close()
        raise
    return made


def _place(address: str) -> str:
    return "\0" + address[1:] if address.startswith(_ABSTRACT) else address
