"""The managed servers of one provider block, as the processes of a run see them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_autorl.errors import ServerDownError
from pytest_autorl.farm import child
from pytest_autorl.farm.descent import process
from pytest_autorl.farm.servers import backoff, records
from pytest_autorl.farm.servers.client import StewardClient
from pytest_autorl.farm.servers.control import ServerState, make_folder
from pytest_autorl.farm.servers.orders import Orders, Timing, groups, log_name

#: Longest wait for a steward to say where it is, seconds.
_START_S = 20.0
#: Longest wait for a steward to end, on top of the grace of its servers, seconds.
_STOP_S = 20.0
_TERM_S = 3.0
#: The folder that holds the package: the steward starts there, so that no file of the user's current folder
#: can stand in the way of a module.
_ROOT = Path(__file__).resolve().parents[3]


class ManagedServers:
    """Starts the steward in one process of a run, and reaches it from all of them.

    Args:
        devices: Ids of the block's devices, in the order of the farm file.
        managed: The keys of `managed:`, see `farm.schema.ManagedServers`.
        rootdir: Servers start there; relative paths in `managed` are from there.
        reports: The reports folder; logs are `logs/appium-NAME.log` in it.
        records_folder: Private folder, shared by all runs of this user on this host.
        redaction: What is taken out of what they print, see `farm.servers.orders`.
        timing: How patient the steward is; its `start_timeout_s` is that of `managed`.
    """

    def __init__(
        self,
        devices: Sequence[str],
        managed: Mapping[str, Any],
        *,
        rootdir: Path,
        reports: Path,
        records_folder: Path,
        redaction: Mapping[str, Any] | None = None,
        timing: Timing | None = None,
    ) -> None:
        timing = timing or Timing()
        self._orders = Orders(
            devices=tuple(devices),
            each=int(managed.get("devices", 1)),
            command=str(managed.get("command", "")),
            home=str(managed.get("home", "")),
            drivers=tuple(managed.get("drivers", ())),
            arguments=tuple(managed.get("arguments", ())),
            rootdir=str(rootdir.absolute()),
            reports=str(reports.absolute()),
            records=str(records_folder.absolute()),
            folder="",
            key="",
            redaction=redaction or {},
            timing=replace(
                timing, start_timeout_s=float(managed.get("start_timeout", timing.start_timeout_s))
            ),
        )
        self._servers = groups(self._orders.devices, self._orders.each)
        self._name_of = {device: name for name, its in self._servers.items() for device in its}
        self._client: StewardClient | None = None
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def start(self) -> Mapping[str, Any]:
        """Start the steward, and no server yet; returns plain data for `attach`. Idempotent.

        Raises:
            ServerDownError: it does not come up.
        """
        with self._lock:
            if self._client is None:
                self._client = self._begin()
        return {"address": self._client.address}

    def attach(self, state: Mapping[str, Any]) -> None:
        """Use the steward that another process of this run has started."""
        self._client = self._reach(str(state["address"]))

    def url(self, device_id: str) -> str:
        """The address of the device's server, which is up then. Starts what is not there.

        Raises:
            ServerDownError: it does not come up; says why, with the end of its log.
        """
        if self._client is None:
            self.start()
        assert self._client is not None
        return self._client.ensure(device_id)

    def sweep(self) -> frozenset[int]:
        """End what runs that were killed have left; returns the ports of all servers that are still looked after.

        Starts nothing, and needs no steward.
        """
        folder = Path(self._orders.records)
        records.sweep(folder)
        return records.ports_in_use(folder)

    def states(self) -> list[ServerState]:
        """How the servers are; empty before `start`. Raises ServerDownError when the steward does not say."""
        return [] if self._client is None else self._client.states()

    def log_path(self, device_id: str) -> Path:
        """The log of the device's server, whether it is there or not."""
        return Path(self._orders.reports) / log_name(self._name_of[device_id])

    def stop(self) -> None:
        """End the steward, and with it all servers. Idempotent; not for a fork of its parent, nor who attached."""
        if self._owner == os.getpid():
            self._stopping.set()
            with self._lock:
                process, self._process = self._process, None
                if process is not None:
                    child.end(process, self._orders.timing.grace_s + _STOP_S, term_s=_TERM_S)
                    self._clear_away()
                    shutil.rmtree(self._orders.folder, ignore_errors=True)
        self._client = None

    def _begin(self) -> StewardClient:
        folder = make_folder()
        me = process(os.getpid())
        self._orders = replace(
            self._orders,
            folder=str(folder),
            key=secrets.token_hex(8),
            owner=(me.pid, me.started) if me else (0, ""),
        )
        # A new one: the thread of an earlier steward still has to see that its own was stopped.
        self._stopping = threading.Event()
        self._owner = os.getpid()
        records.sweep(Path(self._orders.records))
        try:
            address = self._start_steward()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        threading.Thread(
            target=self._replace_dead, args=(self._stopping,), name="autorl-steward", daemon=True
        ).start()
        return self._reach(address)

    def _reach(self, address: str) -> StewardClient:
        timing = self._orders.timing
        # They start side by side, as many as there are cores; each may have to wait for its turn.
        waves = -(-len(self._servers) // (os.cpu_count() or 1))
        patience_s = (waves + 1) * timing.start_timeout_s + timing.backoff_most_s + 30.0
        return StewardClient(address, patience_s=patience_s)

    def _start_steward(self) -> str:
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest_autorl.farm.servers"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
                cwd=_ROOT,
                # Ctrl-C reaches the whole group in the foreground; the run must still be able to quit its sessions.
                start_new_session=True,
            )
            said = child.first_answer(process, json.dumps(self._orders.plain()), _START_S)
            if "address" in said:
                self._process = process
                return str(said["address"])
            child.end(process, _TERM_S, term_s=_TERM_S)
            errors.seek(0)
            tail = errors.read()[-2000:].strip()
        reason = said.get("error") or tail or f"it said nothing within {_START_S:g} s"
        raise ServerDownError(
            f"the process that looks after the Appium servers did not start: {reason}",
            do="see docs/servers.md",
        )

    # The thread that sees to it that there is a steward

    def _replace_dead(self, stopping: threading.Event) -> None:
        failures = 0
        while True:
            process = self._process
            begun_s = time.monotonic()
            if process is not None:
                process.wait()
                child.end(process, _TERM_S, term_s=_TERM_S)  # its pipes
            failures = backoff.count(
                failures, time.monotonic() - begun_s, quiet_s=self._orders.timing.quiet_s
            )
            with self._lock:
                if stopping.is_set():
                    return
                self._clear_away()
            timing = self._orders.timing
            pause_s = backoff.delay_s(failures, first_s=timing.backoff_first_s, most_s=timing.backoff_most_s)
            # Who asks now waits for the next one; only one that dies again and again is let wait.
            if stopping.wait(0.0 if failures == 1 else pause_s):
                return
            with self._lock:
                if stopping.is_set():
                    return
                with contextlib.suppress(ServerDownError, OSError):  # then after the next pause
                    self._start_steward()

    def _clear_away(self) -> None:
        """End what a steward has left that was killed; its servers keep their ports for the next one."""
        path = records.path_of(Path(self._orders.records), self._orders.key)
        record = records.read(path)
        if record is not None:
            records.end_left(record)
            path.unlink(missing_ok=True)
            self._orders = replace(self._orders, ports=record.ports)
        self._orders = replace(self._orders, is_first=False)
