"""One Appium server: started when it is first asked for, watched, and started again when it ends or hangs."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_autorl.errors import ServerDownError
from pytest_autorl.farm.descent import listens
from pytest_autorl.farm.servers import backoff, leash
from pytest_autorl.farm.servers.control import Condition, ServerState
from pytest_autorl.farm.servers.finding import Appium, find_appium
from pytest_autorl.farm.servers.kin import Kin
from pytest_autorl.farm.servers.log import ServerLog
from pytest_autorl.farm.servers.orders import Orders, base_path
from pytest_autorl.farm.servers.records import MARK

#: What Node loads first.
_ONCE = Path(__file__).with_name("once.cjs")
_HOST = "127.0.0.1"
#: Between two looks whether the process still runs, seconds.
_LOOK_S = 0.1
#: Longest wait for one answer of a server that starts, seconds.
_FIRST_ANSWER_S = 2.0
#: For the last words of a process to reach the log, seconds; who else holds its output may hold it for ever.
_LAST_WORDS_S = 1.0
#: So many ports are tried for one start when others take them.
_PORTS = 5
#: So many starts in a row find the server's own port taken, and it moves to another.
_PATIENCE_WITH_PORT = 3
_DO = "correct what its log says; see docs/servers.md"
#: What Node and Appium print when the port is another's.
_TAKEN = re.compile(r"EADDRINUSE|port may already be in use")


class AppiumServer:
    """One server for some devices. Everything about its process happens in one thread of its own.

    Args:
        name: Of the server.
        devices: Whose ids it serves.
        boots: How many servers may start at once.
        port: Its port so far; 0 = none.
    """

    def __init__(
        self,
        name: str,
        devices: tuple[str, ...],
        orders: Orders,
        *,
        log: ServerLog,
        kin: Kin,
        boots: threading.Semaphore,
        port: int = 0,
    ) -> None:
        self.name = name
        self.port = port
        self._orders = orders
        self._timing = orders.timing
        self._log = log
        self._kin = kin
        self._boots = boots
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._state = ServerState(name=name, devices=devices, condition="idle", since_s=time.time())
        self._starts = 0
        self._failed_starts = 0
        self._port_trouble = 0
        self._do = _DO
        self._thread: threading.Thread | None = None
        self._reader = threading.Thread()

    @property
    def state(self) -> ServerState:
        """How it is now."""
        return self._state

    def ensure(self) -> str:
        """Its address, once it is up: starts it, or waits for the start that is under way.

        Raises:
            ServerDownError: that start failed, or the last one did and the next is yet to come; or the run ends.
        """
        with self._changed:
            if self._thread is None and not self._stopping.is_set():
                self._become("starting")
                self._thread = threading.Thread(
                    target=self._look_after, name=f"server {self.name}", daemon=True
                )
                self._thread.start()
            failed_before = self._failed_starts
            # Every start ends in bounded time, and so does every pause before one.
            while self._state.condition != "up":
                if self._stopping.is_set():
                    raise ServerDownError(f"the Appium server {self.name} is not up: the run ends")
                if self._state.condition == "failed" or self._failed_starts > failed_before:
                    raise ServerDownError(self._failure(), do=self._do)
                self._changed.wait()
            return self._state.url

    def stop(self) -> None:
        """Tell it to end; see `join`."""
        with self._changed:
            self._stopping.set()
            self._changed.notify_all()

    def join(self, deadline_s: float) -> None:
        """Wait until it has ended, with everything it started; at most so many seconds."""
        if self._thread is not None:
            self._thread.join(deadline_s)

    def _failure(self) -> str:
        often = f" (start {self._starts})" if self._starts > 1 else ""
        end = self._log.end()
        return f"the Appium server {self.name} did not come up{often}: {self._state.why}" + (
            f"; the end of its log:\n{end}" if end else ""
        )

    def _become(self, condition: Condition, **change: Any) -> None:
        with self._changed:
            since_s = self._state.since_s if self._state.condition == condition else time.time()
            self._state = replace(self._state, condition=condition, since_s=since_s, **change)
            self._changed.notify_all()

    # The thread of the server

    def _look_after(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                up_s = self._live()
            except Exception as error:  # whatever it is, who waits must hear of it
                up_s = 0.0
                self._fail(error)
            left = self._kin.end(self.name)
            if left:
                self._log.note(f"could not end {', '.join(str(one.pid) for one in left)}")
            if self._stopping.is_set():
                break
            failures = backoff.count(failures, up_s, quiet_s=self._timing.quiet_s)
            pause_s = backoff.delay_s(
                failures, first_s=self._timing.backoff_first_s, most_s=self._timing.backoff_most_s
            )
            self._log.note(f"{self._state.why}; starting again in {pause_s:g} s")
            self._stopping.wait(pause_s)
        self._become("idle", pid=None)
        self._log.close()

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, ServerDownError):  # no memory, no process left, no folder to start in
            error = ServerDownError(f"it cannot be started: {error}", do=_DO)
        self._do = error.do
        self._failed_starts += 1
        self._become("failed", pid=None, why=str(error.args[0]))

    def _live(self) -> float:
        """One life of its process, from start to end; returns for how long it was up, seconds."""
        process = self._start()
        if process is None:
            return 0.0
        self._log.note(f"up on port {self.port}")
        begun_s = time.monotonic()
        self._become("up", url=self._url(), why="")
        why = self._watch(process)
        up_s = time.monotonic() - begun_s
        self._become("starting", why=why)
        if not why:
            self._end_gently(process)
        self._end_process(process)
        self._become("starting", pid=None)
        return up_s

    def _start(self) -> subprocess.Popen[bytes] | None:
        """A process that answers; None when the server is to stop. Raises ServerDownError."""
        while not self._boots.acquire(timeout=_LOOK_S):
            if self._stopping.is_set():
                return None
        try:
            self._starts += 1
            self._log.forget()
            for _ in range(_PORTS):
                process = self._spawn()
                why = self._await_answer(process)
                if not why and not self._stopping.is_set():
                    self._port_trouble = 0
                    return process
                self._end_process(process)
                if self._stopping.is_set():
                    return None
                if not (process.returncode and _TAKEN.search(self._log.end())):
                    break
                why = f"port {self.port} was taken by another process"
                self._lose_port()
                if self.port:
                    break
            raise ServerDownError(why, do=_DO)
        finally:
            self._boots.release()

    def _lose_port(self) -> None:
        """Others have it. Before the first start any other will do; later, clients know this one, so we wait."""
        self._port_trouble += 1
        if not self._state.url or self._port_trouble >= _PATIENCE_WITH_PORT:
            self.port = self._port_trouble = 0

    def _spawn(self) -> subprocess.Popen[bytes]:
        found = find_appium(
            Path(self._orders.rootdir), command=self._orders.command, home=self._orders.home, env=os.environ
        )
        if not self.port:
            self.port = _free_port()
        env = _environment(os.environ, found.home, f"{self._orders.key}/{self.name}")
        reading, writing = os.pipe()
        output = os.fdopen(reading, "rb")

        def spawn() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), *self._command(found)],
                cwd=self._orders.rootdir,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=subprocess.STDOUT,
                # It has both ends: if we are killed, there is nobody to read its last words, and Node would die
                # of that before it has quit its sessions.
                pass_fds=(reading,),
            )

        try:
            process = self._kin.start(self.name, spawn)
        except OSError:
            output.close()
            raise
        finally:
            os.close(writing)
        self._reader = threading.Thread(target=self._log.take, args=(output,), name="log", daemon=True)
        self._reader.start()
        origin = f"{found.command[0]} (from {found.origin})"
        self._log.note(f"started {origin}, pid {process.pid}, port {self.port}")
        self._become("starting", pid=process.pid, restarts=self._starts - 1)
        return process

    def _command(self, found: Appium) -> list[str]:
        words = [*found.command, "server", "--log-no-colors", "--log-level", "info"]
        if self._orders.drivers:
            words += ["--use-drivers", ",".join(self._orders.drivers)]
        # Ours last: of two that say the same, Appium takes the last.
        return [*words, *self._orders.arguments, "--address", _HOST, "--port", str(self.port)]

    def _await_answer(self, process: subprocess.Popen[bytes]) -> str:
        """Wait for the first answer; returns why there was none, "" when there was one or it is to stop."""
        deadline_s = time.monotonic() + self._timing.start_timeout_s
        while not self._stopping.is_set():
            if process.poll() is not None:
                self._reader.join(_LAST_WORDS_S)
                return f"its process {ending(process.returncode)}"
            if self._is_ready() and self._is_ours():
                return ""
            if time.monotonic() > deadline_s:
                return f"it did not answer within {self._timing.start_timeout_s:g} s"
            self._stopping.wait(_LOOK_S)
        return ""

    def _is_ready(self) -> bool:
        status, body = _get_status(self.port, self._path(), timeout_s=_FIRST_ANSWER_S)
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return status == 200 and json.loads(body)["value"].get("ready", True) is True
        return False

    def _is_ours(self) -> bool:
        """Whether it is our process that listens on the port; somebody else's Appium would answer as well."""
        its = [one.pid for one in self._kin.look().get(self.name, [])]
        return listens(its, self.port) is not False

    def _watch(self, process: subprocess.Popen[bytes]) -> str:
        """Until it ends; returns why it is not up any more, "" when it is to stop."""
        missed = 0
        next_s = time.monotonic() + self._timing.probe_every_s
        while not self._stopping.wait(_LOOK_S):
            if process.poll() is not None:
                return f"its process {ending(process.returncode)}"
            if time.monotonic() < next_s:
                continue
            # Any answer will do: it shows that the server is not stuck.
            status, _ = _get_status(self.port, self._path(), timeout_s=self._timing.probe_timeout_s)
            missed = 0 if status else missed + 1
            if missed >= self._timing.misses:
                return f"it hung: no answer to {missed} probes in a row"
            next_s = time.monotonic() + self._timing.probe_every_s
        return ""

    def _end_gently(self, process: subprocess.Popen[bytes]) -> None:
        """Let it quit its sessions, and with them what its drivers have started."""
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self._timing.grace_s)

    def _end_process(self, process: subprocess.Popen[bytes]) -> None:
        # The others of its kin are still found after it: they are known, or carry the mark.
        self._kin.look()
        process.kill()
        process.wait()

    def _path(self) -> str:
        return base_path(self._orders.arguments)

    def _url(self) -> str:
        return f"http://{_HOST}:{self.port}{self._path()}"


def ending(code: int) -> str:
    """How a process ended, from its return code as `subprocess` gives it.

    >>> ending(-9), ending(1)
    ('was ended by SIGKILL', 'ended with code 1')
    """
    if code >= 0:
        return f"ended with code {code}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"


def _environment(env: Mapping[str, str], home: str, mark: str) -> dict[str, str]:
    """A server gets nothing of ours, tokens of a hub above all, but its mark."""
    told = {name: value for name, value in env.items() if not name.startswith("AUTORL_")}
    preload = f'{env.get("NODE_OPTIONS", "")} --require "{_ONCE}"'.strip()
    return told | ({"APPIUM_HOME": home} if home else {}) | {MARK: mark, "NODE_OPTIONS": preload}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _get_status(port: int, path: str, *, timeout_s: float) -> tuple[int, bytes]:
    """Answer to GET /status: its code and body; 0 when there is none in time."""
    connection = http.client.HTTPConnection(_HOST, port, timeout=timeout_s)
    try:
        connection.request("GET", f"{path}/status")
        answer = connection.getresponse()
        return answer.status, answer.read(100_000)
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
