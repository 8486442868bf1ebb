"""One virtual device: readings, installed apps, screen, log, and what a finger does to it.

Not thread-safe by itself: callers hold `lock`. The session, its element ids and HTTP are elsewhere.
"""

from __future__ import annotations

import copy
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_autorl.virtual import system_ui
from pytest_autorl.virtual.app import AppModel
from pytest_autorl.virtual.backend import Backend
from pytest_autorl.virtual.device_log import DeviceLog, LogLine
from pytest_autorl.virtual.display import Display, Picture
from pytest_autorl.virtual.faults import Faults
from pytest_autorl.virtual.node import Node
from pytest_autorl.virtual.runtime import AppRun
from pytest_autorl.virtual.spec import DeviceSpec

#: `mobile: queryAppState` values.
NOT_INSTALLED, NOT_RUNNING, BACKGROUND, FOREGROUND = 0, 1, 3, 4
EFFECTS = 5000


@dataclass
class Installed:
    """An app on the device. Without a model it is a name only: it starts, and shows nothing."""

    package: str
    model: AppModel | None = None
    local: dict[str, Any] = field(default_factory=dict)
    permissions: dict[str, bool] = field(default_factory=dict)
    run: AppRun | None = None
    state: int = NOT_RUNNING
    pid: int = 0

    def wipe(self) -> None:
        """Forget what the app keeps on the device."""
        self.local.clear()
        self.permissions.clear()
        if self.model is not None:
            self.local.update(copy.deepcopy(dict(self.model.local)))

    def grant_all(self) -> None:
        """Give the app every permission it may ask for, as `autoGrantPermissions` does."""
        if self.model is not None:
            self.permissions.update(dict.fromkeys(self.model.permissions, True))


class Device:
    """The state of one virtual device.

    Args:
        model: The app under test; None for a device without one.
        backend: Where that app's back-end lives (shared by devices that say so).
        clock_ms: Monotonic milliseconds.

    Attributes:
        lock: Held while a command works on the device. Who takes the farm's lock too takes this one first.
        is_network_up: Whether radios that are on reach anything; set from outside, a reset leaves it alone.
        required_token: Fencing token that session commands must carry; None: none needed.
        actor: (session id, token) on whose behalf the device is being changed, for `effects`.
    """

    def __init__(
        self,
        spec: DeviceSpec,
        *,
        model: AppModel | None,
        backend: Backend,
        clock_ms: Callable[[], float] = lambda: time.monotonic() * 1000,
    ) -> None:
        self.spec = spec
        self.id = spec.id
        self.model = model
        self.backend = backend
        self.clock_ms = clock_ms
        self.lock = threading.RLock()
        self.faults = Faults(spec.settings.faults)
        self.required_token: int | None = None
        self.actor: tuple[str, int | None] = ("", None)
        self.readings: dict[str, Any] = {
            name: getattr(spec.settings, name)
            for name in ("battery", "battery_state", "temperature_c", "storage_total_mb", "storage_free_mb")
        }
        self.is_network_up = spec.settings.online
        self.connectivity: dict[str, bool] = {}
        self.location: dict[str, float] = {}
        self._place()
        self.apps: dict[str, Installed] = {}
        self.orientation = "PORTRAIT"
        self.is_locked = False
        self.clipboard = b""
        self.files: dict[str, bytes] = {}
        self.anr_package = ""
        self.notifications_open = False
        self._log = DeviceLog()
        self._effects: deque[dict[str, Any]] = deque(maxlen=EFFECTS)
        self._effect_number = 0
        self._next_pid = 2000
        if model is not None:
            self.install(model.package, model)
        self.log("I", "boot", f"{spec.model} {spec.platform} {spec.os_version} is up")

    # Readings

    @property
    def display(self) -> Display:
        """The screen in its present orientation."""
        return self.spec.display(self.orientation)

    @property
    def is_online(self) -> bool:
        """Whether apps reach the network (not whether we reach the device)."""
        ways = self.connectivity
        return self.is_network_up and (ways["wifi"] or ways["data"]) and not ways["airplaneMode"]

    def _place(self) -> None:
        """Radios on, nowhere in particular."""
        self.connectivity = {"wifi": True, "data": True, "airplaneMode": False}
        self.location = {"latitude": 0.0, "longitude": 0.0, "altitude": 0.0}

    def battery(self) -> dict[str, Any]:
        """Percent, state and degrees Celsius, faults included."""
        low, hot = self.faults.peek("low_battery"), self.faults.peek("hot")
        return {
            "level": low.param("level") if low else self.readings["battery"],
            "state": self.readings["battery_state"],
            "temperature_c": hot.param("celsius") if hot else self.readings["temperature_c"],
        }

    def storage_free_mb(self) -> int:
        """Free storage, faults included."""
        return 0 if self.faults.peek("disk_full") else int(self.readings["storage_free_mb"])

    def describe(self) -> dict[str, Any]:
        """Facts and readings for the admin API."""
        spec, battery = self.spec, self.battery()
        return {
            "id": spec.id, "platform": spec.platform, "os_version": spec.os_version, "model": spec.model,
            "form_factor": spec.form_factor, "app": spec.app, "orientation": self.orientation,
            "battery_level": battery["level"] / 100, "battery_state": battery["state"],
            "temperature_c": battery["temperature_c"], "storage_free_mb": self.storage_free_mb(),
            "storage_total_mb": self.readings["storage_total_mb"], "network": self.is_online,
            "locked": self.is_locked, "required_token": self.required_token,
            "foreground": self.foreground_package(), "faults": self.faults.describe(),
        }  # fmt: skip

    # Log and effects

    def log(self, level: str, tag: str, message: str, *, pid: int = 1000) -> None:
        """Write to the device's log; level is a letter as in logcat. Needs no lock."""
        self._log.write(level, tag, message, pid=pid)

    def log_lines(self, after: int = 0) -> list[LogLine]:
        """Lines numbered above `after` that the ring still holds."""
        return self._log.lines(after)

    def effect(self, kind: str, /, **detail: Any) -> None:
        """Note that the device was changed, and under which token."""
        self._effect_number += 1
        session, token = self.actor
        self._effects.append(
            {
                "number": self._effect_number, "at": time.time(), "kind": kind,
                "session": session, "token": token, "detail": detail,
            }
        )  # fmt: skip

    def effects(self) -> list[dict[str, Any]]:
        """What was done to the device, oldest first."""
        return list(self._effects)

    # Apps

    def install(self, package: str, model: AppModel | None = None) -> Installed:
        """Install an app (again: keeps its data, as an update does)."""
        found = self.apps.get(package)
        if found is None:
            found = self.apps[package] = Installed(package, model)
            found.wipe()
        if model is not None:
            found.model = model
        self.effect("install", package=package)
        self.log("I", "PackageManager", f"installed {package}")
        return found

    def remove(self, package: str) -> bool:
        """Uninstall. False when it was not there."""
        self.terminate(package)
        gone = self.apps.pop(package, None)
        if gone is not None:
            self.effect("remove", package=package)
        return gone is not None

    def app_state(self, package: str) -> int:
        """One of the `mobile: queryAppState` values."""
        found = self.apps.get(package)
        return NOT_INSTALLED if found is None else found.state

    def foreground(self) -> Installed | None:
        """The app in front; None for the launcher."""
        return next((each for each in self.apps.values() if each.state == FOREGROUND), None)

    def foreground_package(self) -> str:
        front = self.foreground()
        return front.package if front is not None else system_ui.launcher_package(self.spec.platform)

    def activate(self, package: str) -> bool:
        """Bring an installed app to the front, starting it if need be. False when it is not installed."""
        found = self.apps.get(package)
        if found is None:
            return False
        self.home()
        if found.state == NOT_RUNNING:
            self._start(found)
        found.state = FOREGROUND
        self.effect("activate", package=package)
        return True

    def _start(self, found: Installed) -> None:
        self._next_pid += 1
        found.pid = self._next_pid
        if found.model is not None:
            model = found.model
            if self.spec.settings.grant_permissions:
                found.permissions.update(dict.fromkeys(model.permissions, True))
            found.run = AppRun(
                model, backend=self.backend, local=found.local, permissions=found.permissions,
                display=self.display, clock_ms=self.clock_ms, facts=self._facts,
                options=self.spec.settings.app_options, emit=self.effect,
            )  # fmt: skip
        self.log("I", "ActivityManager", f"Start proc {found.pid}:{found.package}")

    def terminate(self, package: str) -> bool:
        """End an app's process. False when none ran."""
        found = self.apps.get(package)
        if found is None or found.state == NOT_RUNNING:
            return False
        found.run, found.state = None, NOT_RUNNING
        if self.anr_package == package:
            self.anr_package = ""
        self.effect("terminate", package=package)
        self.log("I", "ActivityManager", f"Killing {found.pid}:{package}")
        return True

    def clear_app(self, package: str) -> bool:
        """End an app and wipe its data. False when it is not installed."""
        self.terminate(package)
        found = self.apps.get(package)
        if found is None:
            return False
        found.wipe()
        self.effect("clear", package=package)
        return True

    def home(self) -> None:
        """To the launcher: the app in front goes to the background."""
        front = self.foreground()
        if front is not None:
            front.state = BACKGROUND
        self.notifications_open = False

    def crash(self) -> None:
        """The app in front dies of an uncaught exception."""
        front = self.foreground()
        if front is None:
            return
        front.run, front.state = None, NOT_RUNNING
        self.log("E", "AndroidRuntime", "FATAL EXCEPTION: main", pid=front.pid)
        self.log("E", "AndroidRuntime", f"Process: {front.package}, PID: {front.pid}", pid=front.pid)
        self.log("E", "AndroidRuntime", "java.lang.IllegalStateException: simulated crash", pid=front.pid)
        self.effect("crash", package=front.package)

    def not_responding(self) -> None:
        """The system asks what to do with the app in front."""
        front = self.foreground()
        if front is not None:
            self.anr_package = front.package
            self.log("E", "ActivityManager", f"ANR in {front.package}", pid=front.pid)
            self.effect("anr", package=front.package)

    def reset(self, *, backend: bool, wipe: bool = True, grant: bool = False) -> None:
        """As new for the next test: portrait, radios on, no dialogs, the app freshly in front.

        ``wipe`` clears what apps keep on the device, ``backend`` seeds the back-end anew, ``grant`` gives the app
        its permissions again.
        """
        self.is_locked, self.anr_package, self.clipboard = False, "", b""
        self.orientation, self.notifications_open = "PORTRAIT", False
        self._place()
        if backend:
            self.backend.reseed()
        if wipe:
            self.files.clear()
        for package in list(self.apps):
            _ = self.clear_app(package) if wipe else self.terminate(package)
        self.home()
        if self.model is not None:
            installed = self.install(self.model.package, self.model)
            if grant:
                installed.grant_all()
            self.activate(self.model.package)
        self.effect("reset", backend=backend, wipe=wipe)

    def _facts(self) -> Mapping[str, Any]:
        spec = self.spec
        return {
            "form_factor": spec.form_factor,
            "online": self.is_online,
            "orientation": self.orientation,
            "platform": spec.platform,
        }

    # The screen and the finger

    def rotate(self, orientation: str) -> None:
        """Turn the device; running apps are laid out anew."""
        self.orientation = orientation
        for each in self.apps.values():
            if each.run is not None:
                each.run.display = self.display
        self.effect("rotate", orientation=orientation)

    def picture(self) -> Picture:
        """The screen now, system dialogs included."""
        front = self.foreground()
        run = front.run if front is not None and not self.is_locked else None
        shown = run.picture() if run is not None else None
        return system_ui.picture(self, shown)

    def front_run(self) -> AppRun | None:
        """The app that takes input: in front, and nothing of the system over it."""
        front = self.foreground()
        return front.run if front is not None and not self.has_system_dialog else None

    def tap_at(self, x: int, y: int, *, long: bool = False) -> str:
        """Touch a point. Returns the key of the node that was hit, empty when there was none."""
        key = hit(self.picture().active, x, y)
        self.effect("long_press" if long else "tap", x=x, y=y, key=key)
        if key and not system_ui.tap(self, key) and (run := self.front_run()) is not None:
            _ = run.long_press(key) if long else run.tap(key)
        return key

    def swipe(self, start: tuple[int, int], end: tuple[int, int]) -> bool:
        """Drag from one point to another. True when something scrolled."""
        self.effect("swipe", start=list(start), end=list(end))
        run = self.front_run()
        return run is not None and run.swipe(start, end)

    def back(self) -> None:
        """The back key."""
        self.effect("back")
        if self.is_locked:
            return
        if self.notifications_open:
            self.notifications_open = False
        elif self.anr_package:
            self.anr_package = ""
        elif (run := self.front_run()) is not None and not run.back():
            self.home()

    @property
    def has_system_dialog(self) -> bool:
        return bool(self.anr_package or self.is_locked or self.notifications_open)

    @property
    def keyboard_shown(self) -> bool:
        run = self.front_run()
        return run is not None and run.keyboard_shown


def hit(root: Node, x: int, y: int) -> str:
    """Key of the topmost displayed node at a point that reacts to a finger; empty when there is none."""
    found = ""
    for node in root.walk():
        x1, y1, x2, y2 = node.bounds
        if node.displayed and (node.clickable or node.long_clickable) and x1 <= x < x2 and y1 <= y < y2:
            found = node.key
    return found
