"""The server of virtual devices as a child process: started, awaited, stopped by its own pid."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from pytest_autorl.errors import DeviceProviderError
from pytest_autorl.virtual.admin import AdminClient

_STOP_S = 3.0
#: The folder that holds the package: the child starts there, so that no file of the user's current folder
#: can stand in the way of a module.
_ROOT = Path(__file__).resolve().parents[2]
#: glibc gives each thread an arena that keeps freed memory; with one thread per session that adds up.
_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "PYTHONDONTWRITEBYTECODE": "1"}


class VirtualServer:
    """A running server. Use `start`; a context manager that stops it.

    Attributes:
        url: Base URL for WebDriver clients and `AdminClient`.
        pid: Of the server process.
    """

    def __init__(self, process: subprocess.Popen[str], url: str, admin_key: str | None) -> None:
        self._process = process
        self.url = url
        self.pid = process.pid
        self._parent = os.getpid()
        self.admin_key = admin_key

    @classmethod
    def start(
        cls,
        devices: Sequence[Mapping[str, Any]],
        apps: Mapping[str, Mapping[str, Any]],
        *,
        admin_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        deadline_s: float = 10.0,
    ) -> VirtualServer:
        """Start a server process and wait until it listens.

        Args:
            devices: Specs: id, platform, os_version, form_factor, model, app, settings.
            apps: App id -> model as `library.load_app` reads it.
        Raises:
            DeviceProviderError: it refused the config or did not come up in time.
        """
        config = json.dumps(
            {"apps": apps, "devices": list(devices), "admin_key": admin_key, "host": host, "port": port}
        )
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest_autorl.virtual"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8",
                cwd=_ROOT, env={**os.environ, **_ENVIRONMENT},
            )  # fmt: skip
            said = _first_line(process, config, deadline_s)
            if "url" in said:
                return cls(process, said["url"], admin_key)
            is_late = not said and process.poll() is None
            _end(process)
            errors.seek(0)
            tail = errors.read()[-2000:].strip()
        reason = f"it said nothing within {deadline_s:g} s" if is_late else said.get("error") or tail
        raise DeviceProviderError(
            f"the server of virtual devices did not start: {reason}",
            do="correct the devices or the app model",
        )

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def admin(self) -> AdminClient:
        """A client for its admin API."""
        return AdminClient(self.url, self.admin_key)

    def stop(self) -> None:
        """End the process: by the end of its stdin, else TERM, else KILL. Idempotent; not for a fork of its parent."""
        if os.getpid() == self._parent:
            _end(self._process)

    def __enter__(self) -> VirtualServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def _first_line(process: subprocess.Popen[str], config: str, deadline_s: float) -> dict[str, Any]:
    """What the child says first; empty when it says nothing in time."""
    said: dict[str, Any] = {}

    def talk(stdin: IO[str], stdout: IO[str]) -> None:
        # In a thread: both pipes may block on a child that hangs.
        with contextlib.suppress(OSError, ValueError):
            stdin.write(config + "\n")
            stdin.flush()
            said.update(json.loads(stdout.readline()))

    assert process.stdin is not None
    assert process.stdout is not None
    speaker = threading.Thread(target=talk, args=(process.stdin, process.stdout), daemon=True)
    speaker.start()
    speaker.join(deadline_s)
    return dict(said)


def _end(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    for escalate in (process.terminate, process.kill, lambda: None):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S)
            break
        escalate()
    if process.stdout is not None:
        process.stdout.close()
