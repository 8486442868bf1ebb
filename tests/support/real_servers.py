"""Real servers for tests: found in `.tools/`, started on a free loopback port, stopped by their own pid.

`tests/conftest.py` hands these out as fixtures. What is fetched, and how: `real_parts.py` beside this file.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn

import pytest

from real_parts import TOOLS, Layout, NotFetchedError, driver_named, missing, node

#: Boot takes 3 s on an idle machine; CI shares its cores.
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0


def free_port() -> int:
    """A loopback TCP port that was free a moment ago; whoever binds it must be ready to ask again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def require_real(part: str, reason: str) -> NoReturn:
    """End a test whose real part is not here: a skip, or with AUTORL_REQUIRE_REAL=1 a failure."""
    text = f"needs the real {part}: {reason}"
    if os.environ.get("AUTORL_REQUIRE_REAL") == "1":
        pytest.fail(f"{text} (AUTORL_REQUIRE_REAL=1)", pytrace=False)
    pytest.skip(text)


class AppiumServer:
    """One Appium process of ours, in its own process group. Use as a context manager, or start() and stop().

    Attributes:
        url: Base URL, without a trailing slash; set by `start`.
        log: File that takes the server's whole output.
    """

    def __init__(self, *, log: Path, drivers: Sequence[str] = ("fake",), tools: Path = TOOLS) -> None:
        self.url = ""
        self.log = log
        self._drivers = tuple(drivers)
        self._layout = Layout(tools)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None else self._process.pid

    @property
    def family(self) -> set[int]:
        """The server's process and all that came of it, as they are now: chromedrivers, browsers."""
        from lab import family

        return set() if self.pid is None else {self.pid, *family(self.pid)}

    def start(self) -> AppiumServer:
        """Start it and return when /status answers. Skips or fails the test when it is not installed."""
        absent = missing(self._layout, [driver_named(name) for name in self._drivers])
        if absent:
            where = f"{self._layout.tools.name}/"
            require_real("Appium server", f"{', '.join(absent)} not in {where}; run `make real-parts`")
        try:
            interpreter = node()
        except NotFetchedError as error:
            require_real("Appium server", str(error))
        for _ in range(3):  # between free_port() and the bind anyone may take the port
            port = free_port()
            self._spawn(interpreter, port)
            if self._wait_until_ready(port):
                self.url = f"http://127.0.0.1:{port}"
                return self
            self.stop()
        pytest.fail(f"Appium did not come up; the end of its log:\n{self._tail()}", pytrace=False)

    def stop(self) -> None:
        """End the process and its children; nothing happens when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            # The group outlives its leader while a child of the leader lives.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT_S)
                if number == signal.SIGTERM and not _group_lives(process.pid):
                    return

    def kill(self) -> None:
        """SIGKILL the server alone, as a crash would end it; what it started lives on until `stop`."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_TIMEOUT_S)

    def freeze(self) -> None:
        """It keeps its port and its connections, and does nothing any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> AppiumServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self, interpreter: str, port: int) -> None:
        command = [interpreter, str(self._layout.appium / "index.js"), "server"]
        command += ["--address", "127.0.0.1", "--port", str(port), "--use-drivers", ",".join(self._drivers)]
        command += ["--log-level", "info", "--log-no-colors"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self._layout.tools,
                env=self._layout.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait_until_ready(self, port: int) -> bool:
        """Whether it answers before the deadline; False at once when the process ends."""
        assert self._process is not None
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            try:
                connection.request("GET", "/status")
                if connection.getresponse().status == 200:
                    return self._process.poll() is None
            except OSError:
                pass
            finally:
                connection.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
                return False
        return False

    def _tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-15:])


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
