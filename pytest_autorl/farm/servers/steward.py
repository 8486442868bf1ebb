"""The steward: owns the servers of one provider block for one run, and ends them with everything they started."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pytest_autorl.errors import ServerDownError
from pytest_autorl.farm.descent import Identity, adopt_orphans, process
from pytest_autorl.farm.servers import records
from pytest_autorl.farm.servers.appium import AppiumServer
from pytest_autorl.farm.servers.control import Door, address_in
from pytest_autorl.farm.servers.kin import Kin
from pytest_autorl.farm.servers.log import ServerLog
from pytest_autorl.farm.servers.orders import Orders, groups

#: On top of the grace: for killing what did not end by itself, seconds.
_KILL_S = 15.0


class Steward:
    """All servers of a block. Nothing is started before a device is asked for.

    Args:
        make_log: The log of a server, from its name.
    """

    def __init__(self, orders: Orders, make_log: Callable[[str], ServerLog]) -> None:
        adopt_orphans()
        self._orders = orders
        me = process(os.getpid())
        self._record = records.Record(
            steward=me.identity if me else Identity(os.getpid(), ""),
            owner=Identity(*orders.owner),
            key=orders.key,
            folder=orders.folder,
        )
        self._servers: dict[str, AppiumServer] = {}
        self._kin = Kin(orders.key, self._note)
        # A start keeps a core busy for seconds: more of them at once would only be late together.
        boots = threading.BoundedSemaphore(os.cpu_count() or 1)
        for name, devices in groups(orders.devices, orders.each).items():
            self._servers[name] = AppiumServer(
                name,
                devices,
                orders,
                log=make_log(name),
                kin=self._kin,
                boots=boots,
                port=orders.ports.get(name, 0),
            )
        self._of_device = {
            device: server for server in self._servers.values() for device in server.state.devices
        }
        self._stopping = threading.Event()
        self._note(frozenset())
        self._door = Door(address_in(Path(orders.folder)), self.answer)

    def answer(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a process of the run asks. Raises ServerDownError, which is an answer, too."""
        asked = question.get("ask")
        if asked == "stop":
            self.stop()
            return {}
        if asked == "states":
            return {"states": [asdict(server.state) for server in self._servers.values()]}
        server = self._of_device.get(str(question.get("device")))
        if server is None:
            raise ServerDownError("no server of this block serves such a device")
        return {"url": server.ensure()}

    def stop(self) -> None:
        """Tell it to end; may be called from anywhere."""
        self._stopping.set()

    def run(self) -> None:
        """Until it is told to stop; returns when nothing is left of what it started."""
        touched_s = time.monotonic()
        while not self._stopping.wait(self._orders.timing.census_s):
            self._kin.look()
            if time.monotonic() - touched_s > records.TOUCH_S:
                touched_s = time.monotonic()
                with contextlib.suppress(OSError):
                    records.path_of(Path(self._orders.records), self._orders.key).touch()
        self._end()

    def _end(self) -> None:
        for server in self._servers.values():
            server.stop()
        deadline_s = time.monotonic() + self._orders.timing.grace_s + _KILL_S
        for server in self._servers.values():
            server.join(max(0.0, deadline_s - time.monotonic()))
        left = self._kin.end_all()
        self._door.close()
        if not left:  # else the next run tries it
            records.path_of(Path(self._orders.records), self._orders.key).unlink(missing_ok=True)
            shutil.rmtree(self._orders.folder, ignore_errors=True)

    def _note(self, kin: frozenset[Identity]) -> None:
        """Write down what runs, for whoever has to end it in our place."""
        ports = {name: server.port for name, server in self._servers.items() if server.port}
        with contextlib.suppress(OSError):  # the disk is full: a sweep then knows less
            records.write(Path(self._orders.records), replace(self._record, kin=kin, ports=ports))
