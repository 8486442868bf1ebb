"""What the system shows around apps: launcher, lock screen, notifications, "isn't responding"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_autorl.virtual.display import Picture, dialog_node, window
from pytest_autorl.virtual.node import Node

if TYPE_CHECKING:
    from pytest_autorl.virtual.device import Device

ANR_WAIT, ANR_CLOSE = "aerr_wait", "aerr_close"
_ICONS_PER_ROW = 4


def launcher_package(platform: str) -> str:
    """Package of the home screen."""
    return "com.apple.springboard" if platform == "ios" else "com.android.launcher"


def picture(device: Device, app: Picture | None) -> Picture:
    """The screen of a device whose app in front draws ``app`` (None: no app, or locked)."""
    if device.is_locked:
        return _alone(device, "lock", "Locked")
    if device.notifications_open:
        return _alone(device, "notifications", "No notifications")
    shown = app if app is not None else _launcher(device)
    if not device.anr_package:
        return shown
    dialog = anr_dialog(device)
    root = window(device.display, shown.root.package, [*shown.root.children, dialog])
    return Picture(root, window(device.display, "android", [dialog]), shown.targets, {})


def anr_dialog(device: Device) -> Node:
    """The dialog for an app that does not respond; ids as in Android (android:id/aerr_wait)."""
    found = device.apps.get(device.anr_package)
    title = found.model.title if found is not None and found.model is not None else device.anr_package
    return dialog_node(
        device.display, "android", "anr", title=f"{title} isn't responding", message="",
        buttons=[(ANR_CLOSE, "Close app"), (ANR_WAIT, "Wait")], names=("anr_dialog", "alertTitle", "message"),
    )  # fmt: skip


def tap(device: Device, key: str) -> bool:
    """Answer a tap on a node of the system. False when the node is an app's."""
    if key == f"anr/{ANR_WAIT}":
        device.anr_package = ""
    elif key == f"anr/{ANR_CLOSE}":
        device.terminate(device.anr_package)
    elif key.startswith("launcher/"):
        device.activate(key.removeprefix("launcher/"))
    else:
        return False
    return True


def _alone(device: Device, name: str, text: str) -> Picture:
    display, package = device.display, "com.android.systemui"
    middle = display.height // 3
    label = Node(
        "text", f"system/{name}", name=f"{name}_text", text=text, package=package, style="headline",
        bounds=(display.dp(24), middle, display.width - display.dp(24), middle + display.dp(48)),
    )  # fmt: skip
    root = window(display, package, [label])
    return Picture(root, root)


def _launcher(device: Device) -> Picture:
    display, package = device.display, launcher_package(device.spec.platform)
    dp = display.dp
    if (front := device.foreground()) is not None:
        # An app we have no model of is in front: an empty window of its own.
        root = window(display, front.package, [])
        return Picture(root, root)
    icons = []
    size = display.width // _ICONS_PER_ROW
    for number, each in enumerate(device.apps.values()):
        x1, y1 = size * (number % _ICONS_PER_ROW), dp(120) + size * (number // _ICONS_PER_ROW)
        title = each.model.title if each.model is not None else each.package
        icon = Node("button", f"launcher/{each.package}", name="icon", text=title, description=title)
        icon.package, icon.clickable, icon.focusable = package, True, True
        icon.bounds = (x1 + dp(8), y1, x1 + size - dp(8), y1 + size - dp(8))
        icons.append(icon)
    root = window(display, package, icons)
    return Picture(root, root)
