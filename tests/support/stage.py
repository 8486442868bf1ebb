"""Managed servers over a stand-in for Appium: `appium_stand_in.py` says what can go wrong with it."""

from __future__ import annotations

import contextlib
import http.client
import os
import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pytest_autorl.farm.servers import ManagedServers, records
from pytest_autorl.farm.servers.orders import Timing

STAND_IN = Path(__file__).with_name("appium_stand_in.py")
#: Quick after a failure; patient with a busy machine.
QUICK = Timing(backoff_first_s=0.05, backoff_most_s=0.2, census_s=0.1)


class Stage:
    """A folder for the stand-ins of one test, and servers that start them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scene = folder / "scene"
        self.scene.mkdir()
        self.records = folder / "records"
        self.reports = folder / "reports"
        self.made: list[ManagedServers] = []

    @property
    def managed(self) -> dict[str, Any]:
        """The keys of `managed:`."""
        return {
            "command": shlex.join([sys.executable, "-S", str(STAND_IN)]),
            "arguments": ["--scene", str(self.scene)],
            "start_timeout": 60.0,
        }

    def servers(self, *devices: str, timing: dict[str, Any] | None = None, **managed: Any) -> ManagedServers:
        """Servers for these devices, not started."""
        made = ManagedServers(
            devices or ("a",),
            self.managed | managed,
            rootdir=self.folder,
            reports=self.reports,
            records_folder=self.records,
            timing=replace(QUICK, **(timing or {})),
        )
        self.made.append(made)
        return made

    def told(self, name: str) -> list[str]:
        """The lines that stand-ins have written into a file of the scene."""
        with contextlib.suppress(FileNotFoundError):
            return (self.scene / name).read_text().splitlines()
        return []

    def started(self) -> list[int]:
        """Process ids of all stand-ins so far."""
        return [int(line.split()[0]) for line in self.told("starts")]

    def children(self) -> list[int]:
        """Process ids of all children of stand-ins so far."""
        return [int(line) for line in self.told("children")]

    def clear(self) -> None:
        """End what there is."""
        for servers in self.made:
            servers.stop()
        for pid in self.started() + self.children():  # only where a test has failed
            with contextlib.suppress(OSError):
                if str(self.scene).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
        records.sweep(self.records)

    def steward(self, servers: ManagedServers) -> int:
        """Process id of the steward."""
        process = servers._process
        assert process is not None
        return process.pid


def get(url: str) -> int:
    """The status of an answer, 0 when there is none."""
    parts = urlsplit(url)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        line.request("GET", parts.path)
        return line.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        line.close()
