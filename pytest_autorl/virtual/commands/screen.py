"""What is on the screen as a whole: source, screenshots, dialogs, orientation."""

from __future__ import annotations

import base64
import threading

from pytest_autorl.virtual import system_ui
from pytest_autorl.virtual.commands.registry import Call, route
from pytest_autorl.virtual.protocol import ProtocolError

#: A picture of a tablet needs some 12 MB while it is drawn: not fifty at a time.
_drawing = threading.Semaphore(2)
_NATIVE = "NATIVE_APP"
_ORIENTATIONS = ("LANDSCAPE", "PORTRAIT")


@route("GET", "source")
def source(call: Call) -> str:
    from pytest_autorl.virtual.source import page_source

    device = call.device
    front = device.foreground()
    title = front.model.title if front is not None and front.model is not None else ""
    rotation = 1 if device.orientation == "LANDSCAPE" else 0
    return page_source(device.picture().active, device.spec.platform, app=title, rotation=rotation)


@route("GET", "screenshot", waits=True)
def screenshot(call: Call) -> str:
    return take_screenshot(call, None)


def take_screenshot(call: Call, bounds: tuple[int, int, int, int] | None) -> str:
    """The screen, or a part of it, as base64 PNG."""
    from pytest_autorl.virtual import render

    device = call.device
    with call.holding():
        root, display = device.picture().root, device.display
    # Drawn without the device's lock: the tree is a snapshot, and drawing is the slowest thing here.
    with _drawing:
        png = render.screenshot(root, (display.width, display.height), device.spec.platform)
        if bounds is not None:
            png = render.crop(png, bounds)
    return base64.b64encode(png).decode("ascii")


@route("POST", "back")
def back(call: Call) -> None:
    call.device.back()


# Dialogs: UiAutomator2 sees them as elements, and answers the alert commands for the topmost one


def _alert(call: Call) -> None:
    device = call.device
    run = device.front_run()
    is_covered = device.is_locked or device.notifications_open
    if is_covered or (not device.anr_package and (run is None or run.dialog() is None)):
        raise ProtocolError("no such alert")


@route("GET", "alert/text")
def alert_text(call: Call) -> str:
    _alert(call)
    dialog = call.device.picture().active.children[0]
    return "\n".join(node.text for node in dialog.children if node.role == "text")


def _answer_alert(call: Call, *, accepts: bool) -> None:
    _alert(call)
    device = call.device
    if device.anr_package:
        system_ui.tap(device, f"anr/{system_ui.ANR_WAIT if accepts else system_ui.ANR_CLOSE}")
        return
    label = call.params.get("buttonLabel")
    run = device.front_run()
    dialog = run.dialog() if run is not None else None
    if run is not None and dialog is not None:
        named = next((each for each in dialog.buttons if each.text == label), None)
        device.effect("alert", accepts=accepts)
        run.answer((named or dialog.button(accepts)).name)


@route("POST", "alert/accept")
def accept_alert(call: Call) -> None:
    _answer_alert(call, accepts=True)


@route("POST", "alert/dismiss")
def dismiss_alert(call: Call) -> None:
    _answer_alert(call, accepts=False)


@route("POST", "alert/text", required=("text",))
def type_into_alert(call: Call) -> None:
    _alert(call)
    raise ProtocolError("unsupported operation", "This dialog has no text field")


# Orientation and window


@route("GET", "orientation")
def orientation(call: Call) -> str:
    return call.device.orientation


@route("POST", "orientation", required=("orientation",))
def rotate(call: Call) -> None:
    asked = call.text("orientation").upper()
    if asked not in _ORIENTATIONS:
        raise ProtocolError("unknown error", "Orientation must be LANDSCAPE or PORTRAIT")
    call.device.rotate(asked)


@route("GET", "window/rect")
def window_rect(call: Call) -> dict[str, int]:
    display = call.device.display
    return {"x": 0, "y": 0, "width": display.width, "height": display.height}


@route("GET", "window")
def window(call: Call) -> str:
    raise ProtocolError("unknown method")


# Contexts, settings, timeouts


@route("GET", "contexts")
def contexts(call: Call) -> list[str]:
    return [_NATIVE]


@route("GET", "context")
def context(call: Call) -> str:
    return _NATIVE


@route("POST", "context", required=("name",))
def switch_context(call: Call) -> None:
    if call.params["name"] not in (_NATIVE, None):
        raise ProtocolError("unknown error", "No such context found.")


@route("GET", "location")
def location(call: Call) -> dict[str, float]:
    return call.device.location


@route("POST", "location", required=("location",))
def set_location(call: Call) -> None:
    given = call.params["location"]
    if not isinstance(given, dict):
        raise ProtocolError("invalid argument", "'location' must be an object")
    try:
        found = {name: float(given.get(name) or 0.0) for name in ("latitude", "longitude", "altitude")}
    except (TypeError, ValueError) as exc:
        raise ProtocolError("invalid argument", f"'location' holds no numbers: {given!r}") from exc
    if abs(found["latitude"]) > 90 or abs(found["longitude"]) > 180:
        raise ProtocolError("invalid argument", f"There is no such place: {given!r}")
    call.device.location = found
