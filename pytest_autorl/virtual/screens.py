"""What a running app keeps of its screens: entries of the stack, and dialogs in front of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_autorl.virtual import app as m

PERMISSION_PACKAGE = "com.android.permissioncontroller"


@dataclass
class Entry:
    """One screen on the stack. A new `serial` makes all its elements new ones."""

    screen: m.Screen
    serial: int
    ready_at_ms: float = 0.0
    scroll: dict[str, int] = field(default_factory=dict)

    def key(self, name: str) -> str:
        return f"{self.screen.name}#{self.serial}/{name}"

    def offset(self, container: str, limit: int) -> int:
        """The scroll offset, brought back within a limit that may have shrunk."""
        offset = max(0, min(self.scroll.get(container, 0), limit))
        self.scroll[container] = offset
        return offset


@dataclass(frozen=True)
class Dialog:
    """A dialog as it is shown; `answer` runs with the name of the button."""

    key: str
    package: str
    title: str
    message: str
    buttons: tuple[m.Button, ...]
    names: tuple[str, str, str] = ("dialog", "dialog_title", "dialog_message")
    permission: m.Ask | None = None

    def button(self, accepts: bool) -> m.Button:
        """The one that accepts (or dismisses); the last one when there is no such button."""
        return next((each for each in self.buttons if each.accepts is accepts), self.buttons[-1])


def alert_dialog(alert: m.Alert, package: str, serial: int, scope: Mapping[str, Any]) -> Dialog:
    """One of the app's own alerts, with its texts as they are now."""
    return Dialog(f"{alert.name}#{serial}", package, alert.title(scope), alert.message(scope), alert.buttons)


def permission_dialog(ask: m.Ask, question: str, serial: int) -> Dialog:
    """The system's question for a permission; ids as in Android's permission controller."""
    buttons = (
        m.Button("permission_allow_button", "Allow", accepts=True),
        m.Button("permission_deny_button", "Don't allow", accepts=False),
    )
    names = ("permission_dialog", "permission_title", "permission_message")
    key = f"permission_{ask.permission}#{serial}"
    return Dialog(key, PERMISSION_PACKAGE, "", question, buttons, names=names, permission=ask)
