"""Whether ports of this host are free: of those that are leased, some may be in use by programs that do not lease."""

from __future__ import annotations

import socket
from collections.abc import Iterable


def are_free(ports: Iterable[int]) -> bool:
    """Whether all of these TCP ports can be listened on, on every address."""
    return all(_is_free(port) for port in ports)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port that only waits for the last packets of old connections is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
