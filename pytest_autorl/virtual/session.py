"""One WebDriver session on a virtual device: ids of elements, timeouts, settings, what it was created with."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any

from pytest_autorl.virtual.device import Device
from pytest_autorl.virtual.display import Picture
from pytest_autorl.virtual.node import Node
from pytest_autorl.virtual.protocol import ProtocolError

MAX_ELEMENTS = 5000
SERVER_LOG_LINES = 500
#: Commands, and events of the client, that `driver.get_events()` remembers.
EVENTS = 500

#: Defaults that `driver.get_settings()` shows, per platform.
SETTINGS: dict[str, dict[str, Any]] = {
    "android": {
        "actionAcknowledgmentTimeout": 3000, "allowInvisibleElements": False, "enableNotificationListener": True,
        "ignoreUnimportantViews": False, "keyInjectionDelay": 0, "scrollAcknowledgmentTimeout": 200,
        "shouldUseCompactResponses": True, "waitForIdleTimeout": 10000, "waitForSelectorTimeout": 0,
    },
    "ios": {
        "boundElementsByIndex": False, "elementResponseAttributes": "type,label", "maxTypingFrequency": 60,
        "mjpegServerFramerate": 10, "shouldUseCompactResponses": True, "snapshotMaxDepth": 50,
    },
}  # fmt: skip


class Session:
    """A session.

    Args:
        capabilities: As answered to the client.
        token: Fencing token it was created with, None without.
        now_s: Monotonic seconds.
    """

    def __init__(
        self,
        device: Device,
        *,
        capabilities: Mapping[str, Any],
        token: int | None,
        new_command_timeout_s: float,
        now_s: float,
    ) -> None:
        self.id = str(uuid.uuid4())
        self.device = device
        self.capabilities = dict(capabilities)
        self.token = token
        self.new_command_timeout_s = new_command_timeout_s
        self.timeouts = {"implicit": 0, "pageLoad": 300_000, "script": 30_000}
        self.settings = dict(SETTINGS[device.spec.platform])
        self.log_read = 0
        self.server_log: deque[tuple[int, str]] = deque(maxlen=SERVER_LOG_LINES)
        self._commands: deque[dict[str, Any]] = deque(maxlen=EVENTS)
        self._events: deque[tuple[str, int]] = deque(maxlen=EVENTS)
        self._used_at_s = now_s
        self._running = 0
        self._lock = threading.Lock()
        self._ids: OrderedDict[str, str] = OrderedDict()  # id -> node key
        self._by_key: dict[str, str] = {}
        self._numbers = itertools.count(1)

    @property
    def app_package(self) -> str:
        """Package of the app under test, empty when there is none."""
        return str(self.capabilities.get("appPackage") or self.capabilities.get("bundleId") or "")

    def begin(self, now_s: float) -> None:
        """A command starts: the session is in use."""
        with self._lock:
            self._running += 1
            self._used_at_s = now_s

    def end(self, now_s: float) -> None:
        """A command has ended: idle time counts from now."""
        with self._lock:
            self._running -= 1
            self._used_at_s = now_s

    def is_expired(self, now_s: float) -> bool:
        """Whether nothing came for longer than newCommandTimeout (0: never expires)."""
        with self._lock:
            idle_s = now_s - self._used_at_s
            return self._running == 0 and 0 < self.new_command_timeout_s < idle_s

    def note_command(self, name: str, begun_ms: int, ended_ms: int) -> None:
        """Remember a command for `events`."""
        self._commands.append({"cmd": name, "startTime": begun_ms, "endTime": ended_ms})

    def note_event(self, name: str, at_ms: int) -> None:
        """Remember an event of the client's own."""
        self._events.append((name, at_ms))

    def events(self) -> dict[str, list[Any]]:
        """Commands under "commands", epoch milliseconds of the client's events under "vendor:event"."""
        found: dict[str, list[Any]] = {"commands": list(self._commands)}
        for name, at_ms in list(self._events):
            found.setdefault(name, []).append(at_ms)
        return found

    def element_id(self, node: Node) -> str:
        """The id of a node: the same while the node lives. The oldest are forgotten beyond a bound."""
        known = self._by_key.get(node.key)
        if known is not None:
            self._ids.move_to_end(known)
            return known
        made = f"{self.id[:8]}-{next(self._numbers)}"
        self._ids[made] = node.key
        self._by_key[node.key] = made
        if len(self._ids) > MAX_ELEMENTS:
            _, key = self._ids.popitem(last=False)
            del self._by_key[key]
        return made

    def forget_elements(self) -> None:
        """Make all element ids stale."""
        self._ids.clear()
        self._by_key.clear()

    def node(self, element_id: str, picture: Picture) -> tuple[Node, bool]:
        """The node of an id and whether a finger could reach it (it is displayed and nothing covers it).

        Raises:
            ProtocolError: stale element reference when the node is gone.
        """
        key = self._ids.get(element_id)
        if key is None or self.device.faults.take("stale") is not None:
            raise ProtocolError("stale element reference")
        for node in picture.active.walk():
            if node.key == key:
                return node, node.displayed
        for node in picture.root.walk():
            if node.key == key:
                return node, False
        raise ProtocolError("stale element reference")
