"""The server of virtual devices as a child process: started, awaited, stopped by its own pid."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_autorl.errors import DeviceProviderError
from pytest_autorl.farm import child
from pytest_autorl.virtual.admin import AdminClient

_STOP_S = 3.0
#: The folder that holds the package: the child starts there, so that no file of the user's current folder
#: can stand in the way of a module.
_ROOT = Path(__file__).resolve().parents[2]
#: glibc gives each thread an arena that keeps freed memory; with one thread per session that adds up.
_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}


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
        return Launch(devices, apps, admin_key=admin_key, host=host, port=port).server(deadline_s)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def admin(self) -> AdminClient:
        """A client for its admin API."""
        return AdminClient(self.url, self.admin_key)

    def stop(self) -> None:
        """End the process: by the end of its stdin, else TERM, else KILL. Idempotent; not for a fork of its parent."""
        if os.getpid() == self._parent:
            child.end(self._process, _STOP_S, term_s=_STOP_S)

    def __enter__(self) -> VirtualServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


class Launch:
    """A server process that has been started, and may not listen yet. To be handed over or ended, by its methods.

    Args: as of `VirtualServer.start`.
    """

    def __init__(
        self,
        devices: Sequence[Mapping[str, Any]],
        apps: Mapping[str, Mapping[str, Any]],
        *,
        admin_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        config = json.dumps(
            {"apps": apps, "devices": list(devices), "admin_key": admin_key, "host": host, "port": port}
        )
        self._admin_key = admin_key
        self._parent = os.getpid()
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pytest_autorl.virtual"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, encoding="utf-8",
                cwd=_ROOT, env={**os.environ, **_ENVIRONMENT},
            )  # fmt: skip
        except BaseException:
            self._errors.close()
            raise
        self._talk = child.Talk(self._process, config)

    @property
    def is_ours(self) -> bool:
        """Whether this process has started it; a fork of that one has not, and cannot hear the server."""
        return os.getpid() == self._parent

    def server(self, deadline_s: float = 10.0) -> VirtualServer:
        """The server, when it listens. Raises DeviceProviderError as `VirtualServer.start`."""
        with self._errors:
            try:
                said = self._talk.answer(deadline_s)
            except BaseException:  # Ctrl-C while somebody waits: nobody else knows of the process
                self.end()
                raise
            if "url" in said:
                return VirtualServer(self._process, said["url"], self._admin_key)
            is_late = not said and self._process.poll() is None
            child.end(self._process, _STOP_S, term_s=_STOP_S)
            self._errors.seek(0)
            tail = self._errors.read()[-2000:].strip()
        reason = f"it said nothing within {deadline_s:g} s" if is_late else said.get("error") or tail
        raise DeviceProviderError(
            f"the server of virtual devices did not start: {reason}",
            do="correct the devices or the app model",
        )

    def end(self) -> None:
        """End the process: nobody wants it any more. Not for a fork of its parent."""
        if self.is_ours:
            # At once: nobody has been served, and one that still starts sees the end of its stdin only after that.
            self._process.terminate()
            child.end(self._process, _STOP_S, term_s=_STOP_S)
            self._errors.close()
