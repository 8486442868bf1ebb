"""A simulated device for the real `adb`: the transport of adbd on loopback TCP, with scripted answers.

    with PrivateAdb(folder) as adb, Adbd() as phone:
        adb.connect(phone)
        phone.answers["dumpsys battery"] = "  level: 12\\n  scale: 100\\n"

A shell line is taken apart at its semicolons, as far as the scripts of our probes need it: `echo`, `sleep`, and what
stands in `answers`. It is no shell.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal

from real_servers import free_port, require_real

#: device: lets everybody in. unauthorized: lets nobody in. hang: opens shells that never say anything.
#: mute: says nothing at all, not even who it is.
State = Literal["device", "unauthorized", "hang", "mute"]

_MAX_BYTES = 262_144
_VERSION = 0x01000000
_HEADER = struct.Struct("<6I")
#: Longest wait for a host that does not take what it is sent, seconds.
_PATIENCE_S = 10.0

BATTERY = """\
Current Battery Service state:
  AC powered: false
  USB powered: true
  status: 2
  health: 2
  present: true
  level: 87
  scale: 100
  voltage: 4210
  temperature: 312
  technology: Li-ion
"""
STORAGE = """\
Filesystem       1K-blocks    Used Available Use% Mounted on
/dev/block/dm-44 116635648 9200000 107435648   8% /data
"""
MEMORY = """\
MemTotal:        8000000 kB
MemFree:          300000 kB
MemAvailable:    2000000 kB
Buffers:            4000 kB
"""


def healthy() -> dict[str, Callable[[], str] | str]:
    """Answers of a device that is well: 25 % of its processors' time is busy."""
    looks = itertools.count(1)

    def ticks() -> str:
        n = next(looks)
        return f"cpu  {25 * n} 0 0 {70 * n} {5 * n} 0 0 0 0 0\n"

    return {
        "dumpsys battery": BATTERY,
        "df /data": STORAGE,
        "cat /proc/meminfo": MEMORY,
        "cat /proc/uptime": lambda: f"{time.monotonic():.2f} 1.00\n",
        "grep '^cpu ' /proc/stat": ticks,
    }


class Adbd:
    """One simulated device. Use as a context manager.

    Attributes:
        answers: Command -> what it prints; a command that is not there is not found.
        asked: The shell lines that have come, oldest first.
        state: How it behaves from the next connection or shell on.
        exit_code: Of a shell line that it answers.
    """

    def __init__(self, *, state: State = "device") -> None:
        self.answers = healthy()
        self.asked: list[str] = []
        self.state: State = state
        self.exit_code = 0
        #: Ends the connection in the middle of an answer.
        self.breaks = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._links: list[_Link] = []
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._accept, name="adbd", daemon=True)

    @property
    def serial(self) -> str:
        """How adb calls it."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Adbd:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        self._thread.join(_PATIENCE_S)

    def drop(self) -> None:
        """Cut all connections: adb finds the device offline, and then does not see it any more."""
        for link in self._links:
            link.close()

    def shell(self, line: str, say: Callable[[bytes], None]) -> int:
        """Do a shell line; returns its exit code."""
        self.asked.append(line)
        if self.state == "hang":
            self._is_closed.wait()
            return 255
        for command in filter(None, (part.strip() for part in line.split(";"))):
            if self.breaks and command.startswith("sleep"):
                self.drop()
                return 255
            say(self._do(command).encode())
        return self.exit_code

    def _do(self, command: str) -> str:
        word, _, rest = command.partition(" ")
        if command in self.answers:
            answer = self.answers[command]
            return answer if isinstance(answer, str) else answer()
        if word == "echo":
            return rest.strip("'\"") + "\n"
        if word == "sleep":
            time.sleep(float(rest))
            return ""
        return f"/system/bin/sh: {word}: inaccessible or not found\n"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._is_closed.is_set():
                connection.close()
                return
            # Without it each answer waits for the host's delayed acknowledgement: 40 ms.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = _Link(self, connection)
            self._links.append(link)
            threading.Thread(target=link.serve, name="adbd-link", daemon=True).start()


class _Link:
    """One connection of a host: frames with a header of six words."""

    def __init__(self, device: Adbd, connection: socket.socket) -> None:
        self._device = device
        self._socket = connection
        self._mutex = threading.Lock()
        self._ids = itertools.count(1)
        #: Streams by our id; each is set when the host has taken what was last sent.
        self._taken: dict[int, threading.Event] = {}
        self._max_bytes = 4096

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def serve(self) -> None:
        """Answer until one side closes."""
        with self._socket, contextlib.suppress(OSError):
            while frame := self._receive():
                self._handle(*frame)
        for taken in list(self._taken.values()):
            taken.set()

    def _handle(self, name: bytes, first: int, second: int, payload: bytes) -> None:
        if name in (b"CNXN", b"AUTH"):
            self._greet(name, first, second)
        elif name == b"OPEN":
            self._open(first, payload.rstrip(b"\0").decode())
        elif name == b"WRTE":
            self._send(b"OKAY", second, first)
        elif name == b"OKAY" and second in self._taken:
            self._taken[second].set()
        elif name == b"CLSE" and second in self._taken:
            self._taken.pop(second).set()

    def _greet(self, name: bytes, first: int, second: int) -> None:
        if self._device.state == "mute":
            return
        if self._device.state == "unauthorized":
            # Each signature is refused; the public key waits for somebody to allow it, who never comes.
            if name == b"CNXN" or first == 2:
                self._send(b"AUTH", 1, 0, os.urandom(20))
            return
        self._max_bytes = min(second, _MAX_BYTES)
        banner = (
            b"device::ro.product.name=sim;ro.product.model=Sim;ro.product.device=sim;features=shell_v2,cmd"
        )
        self._send(b"CNXN", min(first, _VERSION), _MAX_BYTES, banner)

    def _open(self, host_id: int, service: str) -> None:
        kind, _, line = service.partition(":")
        if kind.split(",")[0] != "shell":
            self._send(b"CLSE", 0, host_id)
            return
        own_id = next(self._ids)
        self._taken[own_id] = threading.Event()
        self._send(b"OKAY", own_id, host_id)
        is_v2 = "v2" in kind.split(",")
        threading.Thread(
            target=self._shell, args=(own_id, host_id, line, is_v2), name="adbd-shell", daemon=True
        ).start()

    def _shell(self, own_id: int, host_id: int, line: str, is_v2: bool) -> None:
        def packet(number: int, text: bytes) -> bytes:
            return struct.pack("<BI", number, len(text)) + text if is_v2 else text

        with contextlib.suppress(OSError):
            code = self._device.shell(line, lambda text: self._write(own_id, host_id, packet(1, text)))
            if is_v2:  # without it adb waits for ever
                self._write(own_id, host_id, packet(3, bytes([code])))
            self._send(b"CLSE", own_id, host_id)
            self._taken.pop(own_id, None)

    def _write(self, own_id: int, host_id: int, content: bytes) -> None:
        """Send, one frame after the other: the next when the host has taken the last one."""
        for begin in range(0, len(content), self._max_bytes):
            taken = self._taken.get(own_id)
            if taken is None:
                raise OSError("the host has closed the stream")
            taken.clear()
            self._send(b"WRTE", own_id, host_id, content[begin : begin + self._max_bytes])
            if not taken.wait(_PATIENCE_S):
                raise OSError("the host takes nothing")

    def _send(self, name: bytes, first: int, second: int, payload: bytes = b"") -> None:
        number = int.from_bytes(name, "little")
        check = sum(payload) & 0xFFFFFFFF
        header = _HEADER.pack(number, first, second, len(payload), check, number ^ 0xFFFFFFFF)
        with self._mutex:
            self._socket.sendall(header + payload)

    def _receive(self) -> tuple[bytes, int, int, bytes] | None:
        header = self._exactly(_HEADER.size)
        if header is None:
            return None
        number, first, second, size, _, _ = _HEADER.unpack(header)
        payload = self._exactly(size)
        return None if payload is None else (number.to_bytes(4, "little"), first, second, payload)

    def _exactly(self, size: int) -> bytes | None:
        content = b""
        while len(content) < size:
            piece = self._socket.recv(size - len(content))
            if not piece:
                return None
            content += piece
        return content


class PrivateAdb:
    """The real adb with a server of its own: port, keys and log are nobody else's. Use as a context manager.

    Attributes:
        port: Of the server; commands that are given it meet our devices and no others.
        env: Environment of its commands.
    """

    def __init__(self, folder: Path) -> None:
        self.program = shutil.which("adb") or ""
        self.port = free_port()
        self.env = {
            **os.environ,
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "ANDROID_ADB_SERVER_PORT": str(self.port),
            # It would look for devices on the network, and on USB.
            "ADB_MDNS": "0",
            "ADB_USB": "0",
        }

    def __enter__(self) -> PrivateAdb:
        if not self.program:
            require_real("adb", "it is not on PATH; install Android's platform-tools")
        self("start-server")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self("kill-server")

    def __call__(self, *arguments: str) -> str:
        """What adb says to these arguments."""
        done = subprocess.run(
            [self.program, "-P", str(self.port), *arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout + done.stderr

    def connect(self, device: Adbd) -> None:
        """Let the server know a device."""
        self("connect", device.serial)

    def states(self) -> dict[str, str]:
        """Serial -> state of all devices that the server sees."""
        lines = self("devices").splitlines()[1:]
        return dict(line.split("\t") for line in lines if "\t" in line)


@contextlib.contextmanager
def phone(folder: Path, *, state: State = "device") -> Iterator[tuple[PrivateAdb, Adbd]]:
    """One device that a private adb knows."""
    with PrivateAdb(folder) as adb, Adbd(state=state) as device:
        adb.connect(device)
        yield adb, device
