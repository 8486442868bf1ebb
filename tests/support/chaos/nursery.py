"""Processes that hold a device and do as they are told: for tests in which one of them dies or is stopped.

They are forks of one process that has everything imported and a single thread: twenty deaths do not cost twenty
starts of Python. Run as a module it is that process; `Nursery` is the test's side of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from chaos.history import History
from chaos.phones import Phones, RefusedError
from chaos.worker import fork
from pytest_autorl.errors import LeaseLostError
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.store import DurableStore

_SUPPORT = Path(__file__).resolve().parents[1]
_START_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a new process is to hold, and of which store. Times in seconds."""

    state: str
    devices: tuple[str, ...]
    url: str
    ttl_s: float = 60.0
    heartbeat_s: float = 15.0


class Child:
    """One process. What it says and is asked goes over a socket.

    Attributes:
        pid: Its process id.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(_START_S)
        self._connection = connection
        self._lines: IO[bytes] = connection.makefile("rb")
        self.pid = 0
        self.pid = int(self.hear()["pid"])

    def hear(self) -> dict[str, Any]:
        """What it says next: ``pid``, ``held`` (tokens), ``wanted``, or the answer to an order."""
        line = self._lines.readline()
        if not line:
            raise EOFError(f"process {self.pid} has ended; why may stand in nursery.jsonl")
        return dict(json.loads(line))

    def hear_of(self, name: str) -> Any:
        """What it says of this, whatever it says before."""
        while name not in (said := self.hear()):
            pass
        return said[name]

    def order(self, what: str) -> None:
        """Have it do something: ``press``."""
        self._connection.sendall(what.encode() + b"\n")

    def stop(self, state: str) -> None:
        """Stop it while it is not in the gate of this state: there it would hold up everybody."""
        with contextlib.ExitStack() as stack:
            for ending in (".queue", ".gate"):
                lock = stack.enter_context(Path(state + ending).open("rb"))
                fcntl.flock(lock, fcntl.LOCK_EX)
            os.kill(self.pid, signal.SIGSTOP)
            late_s = time.monotonic() + _START_S
            while Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2][0] != "T":
                if time.monotonic() > late_s:
                    raise TimeoutError(f"process {self.pid} does not stop")

    def go_on(self) -> None:
        """The end of a stop."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """At once, wherever it is."""
        os.kill(self.pid, signal.SIGKILL)

    def wait_until_dead(self) -> None:
        """Until the kernel has closed its end of the socket."""
        while self._lines.readline():
            pass

    def close(self) -> None:
        """End it, whatever it does."""
        with self._connection, self._lines:
            with contextlib.suppress(ProcessLookupError):
                self.kill()
            self.wait_until_dead()


class Nursery:
    """Starts children. A context manager that ends them all."""

    def __init__(self, folder: Path) -> None:
        self._children: list[Child] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.settimeout(_START_S)
        address = f"chaos-{uuid.uuid4().hex}"
        self._listener.bind(f"\0{address}")
        self._listener.listen(8)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chaos.nursery", address, str(folder)],
            stdin=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(_SUPPORT)},
            text=True,
        )

    def child(self, wish: Wish) -> Child:
        """A new process, which at once asks for what it is to hold."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(wish)) + "\n")
        self._process.stdin.flush()
        born = Child(self._listener.accept()[0])
        self._children.append(born)
        return born

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *exc: object) -> None:
        with self._listener, self._process, contextlib.ExitStack() as stack:
            for each in self._children:
                stack.callback(each.close)


def _live(wish: Wish, address: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"\0{address}")

        def say(**what: Any) -> None:
            connection.sendall(json.dumps(what).encode() + b"\n")

        say(pid=os.getpid())
        store = DurableStore(
            SqliteEngine(Path(wish.state)),
            folder=Path(wish.state + ".holders"),
            devices=dict.fromkeys(wish.devices, 0),
            owner=f"child {os.getpid()}",
            ttl_s=wish.ttl_s,
            heartbeat_s=wish.heartbeat_s,
        )
        store.listen(lambda: say(wanted=True))
        leases = store.acquire(
            wish.devices, count=len(wish.devices), owner="child", purpose="life", wait_s=60
        )
        phones = Phones(wish.url, {})
        sessions = [phones.begin(lease.device_id, lease.token) for lease in leases]
        say(held=[lease.token for lease in leases])
        for _ in connection.makefile("rb"):
            try:
                store.check(leases[0])
                phones.press(sessions[0], leases[0].token, 7)
                say(done=True)
            except (LeaseLostError, RefusedError) as error:
                say(**{type(error).__name__: str(error)})


def main() -> None:
    """Fork a child for each wish on stdin."""
    address, folder = sys.argv[1:]
    history = History(Path(folder), "nursery")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: the kernel buries them
    for line in sys.stdin:
        wish = Wish(**json.loads(line))
        fork(history, lambda wish=wish: _live(wish, address))  # type: ignore[misc]


if __name__ == "__main__":
    main()
