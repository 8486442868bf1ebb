"""The server process: config as one line of JSON on stdin, `{"url", "pid"}` as one line on stdout.

It ends when stdin reaches its end or its parent dies, whichever it sees first: nobody has to clean up after
a killed test run.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading

from pytest_autorl.errors import AutorlError
from pytest_autorl.virtual.server import DeviceServer, make_server

#: How often the parent's life is looked at, seconds; needed when a fork of it still holds our stdin.
PARENT_POLL_S = 1.0


def main() -> int:
    """Serve until told to end. Exit code 2 when the config cannot be used (the reason is on stdout)."""
    # Ctrl-C reaches the whole process group; the run must still be able to quit its sessions here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    config = json.loads(sys.stdin.readline() or "{}")
    try:
        server = make_server(config, host=config.get("host", "127.0.0.1"), port=config.get("port", 0))
    except (AutorlError, OSError) as exc:
        print(json.dumps({"error": str(exc)}), flush=True)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.close, daemon=True).start())
    threading.Thread(target=_watch_stdin, args=(server,), name="stdin", daemon=True).start()
    threading.Thread(target=_watch_parent, args=(server, parent), name="parent", daemon=True).start()
    print(json.dumps({"url": server.url, "pid": os.getpid()}), flush=True)
    server.serve_forever()
    return 0


def _watch_stdin(server: DeviceServer) -> None:
    # os.read, not sys.stdin: a buffered reader blocked in a daemon thread breaks the interpreter's exit.
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    server.close()


def _watch_parent(server: DeviceServer, parent: int) -> None:
    while not server.farm.stopping.wait(PARENT_POLL_S):
        if os.getppid() != parent:
            server.close()


if __name__ == "__main__":
    sys.exit(main())
