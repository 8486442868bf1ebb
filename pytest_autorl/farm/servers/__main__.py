"""The steward's process: its orders as one line of JSON on stdin, `{"address", "pid"}` as one line on stdout.

It ends, with everything it started, when its stdin reaches its end, when its parent dies, and on TERM and INT.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pytest_autorl.capture.guard import Guard
from pytest_autorl.capture.sink import Sink
from pytest_autorl.farm.servers.control import address_in
from pytest_autorl.farm.servers.log import ServerLog
from pytest_autorl.farm.servers.orders import Orders, log_name
from pytest_autorl.farm.servers.steward import Steward

#: How often the parent's life is looked at, seconds; needed when a fork of it still holds our stdin.
PARENT_POLL_S = 0.5


def main() -> int:
    """Serve until told to end. Exit code 2 when the orders cannot be used (the reason is on stdout)."""
    parent = os.getppid()
    orders = Orders.read(json.loads(sys.stdin.readline()))
    sink = Sink(Path(orders.reports), redactor=_guard(orders))
    try:
        steward = Steward(orders, partial(_log, sink, orders.is_first))
    except OSError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 2

    def told(*_: object) -> None:
        # In a thread: a handler may interrupt the very wait that it would wake.
        threading.Thread(target=steward.stop, daemon=True).start()

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)
    threading.Thread(target=_watch_stdin, args=(steward.stop,), name="stdin", daemon=True).start()
    threading.Thread(target=_watch_parent, args=(steward.stop, parent), name="parent", daemon=True).start()
    print(json.dumps({"address": address_in(Path(orders.folder)), "pid": os.getpid()}), flush=True)
    steward.run()
    return 0


def _guard(orders: Orders) -> Guard:
    """What the servers print passes what the run's own output passes."""
    guard = Guard("on")
    if orders.redaction:
        guard.learn(**orders.redaction)
    if not guard.is_off:
        from pytest_autorl.privacy.registry import default_registry

        default_registry().from_environment(os.environ)
    return guard


def _log(sink: Sink, is_first: bool, server: str) -> ServerLog:
    name = log_name(server)
    return ServerLog(
        server, sink.root / name, lambda: sink.open_log(name), redact=sink.text, is_first=is_first
    )


def _watch_stdin(on_end: Callable[[], None]) -> None:
    # os.read, not sys.stdin: a buffered reader blocked in a daemon thread breaks the interpreter's exit.
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    on_end()


def _watch_parent(on_end: Callable[[], None], parent: int) -> None:
    waiting = threading.Event()
    while os.getppid() == parent:
        waiting.wait(PARENT_POLL_S)
    on_end()


if __name__ == "__main__":
    sys.exit(main())
