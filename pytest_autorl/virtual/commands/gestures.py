"""Fingers: W3C actions and the `mobile:` gestures. Declared durations are not waited for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_autorl.virtual.commands.elements import center, reachable
from pytest_autorl.virtual.commands.registry import Call, route, script
from pytest_autorl.virtual.protocol import ELEMENT_KEY, ProtocolError, number
from pytest_autorl.virtual.runtime import LONG_PRESS_MS

#: A finger that moves less than this is a tap, dp (Android: ViewConfiguration.TOUCH_SLOP is 8).
SLOP_DP = 12
_VERTICAL = {"up": 1, "down": -1}
#: Where the finger goes to scroll in a direction.
_OPPOSITE = {"up": "down", "down": "up", "left": "right", "right": "left"}


@dataclass
class _Finger:
    """One pointer on its way through its actions."""

    x: int = 0
    y: int = 0
    down_at: tuple[int, int] | None = None
    held_ms: float = 0.0


@route("POST", "actions", required=("actions",))
def perform(call: Call) -> None:
    sources = call.params["actions"]
    if not isinstance(sources, list) or not all(isinstance(each, Mapping) for each in sources):
        raise ProtocolError("invalid argument", f"'actions' must be a list of input sources, got {sources!r}")
    for source in sources:
        kind, actions = source.get("type"), source.get("actions", [])
        if kind not in ("pointer", "key", "none", "wheel") or not isinstance(actions, list):
            raise ProtocolError("invalid argument", f"Unknown input source {kind!r} or no list of actions")
        if kind == "pointer":
            _pointer(call, actions)
        elif kind == "key":
            _keys(call, actions)
        elif kind == "wheel":
            raise ProtocolError("unsupported operation", "Wheel input is not supported by touch devices")


@route("DELETE", "actions")
def release(call: Call) -> None:
    """Nothing is ever held down between two commands."""


def _pointer(call: Call, actions: list[Any]) -> None:
    finger = _Finger()
    for action in actions:
        if not isinstance(action, Mapping):
            raise ProtocolError("invalid argument", f"An action must be an object, got {action!r}")
        match action.get("type"):
            case "pointerMove":
                finger.x, finger.y = _target(call, finger, action)
                # A move is where a held finger drags to: time spent on it is no long press.
            case "pointerDown":
                finger.down_at, finger.held_ms = (finger.x, finger.y), 0.0
            case "pause":
                finger.held_ms += number(action, "duration", 0)
            case "pointerUp":
                _lift(call, finger)
            case "pointerCancel":
                finger.down_at = None
            case other:
                raise ProtocolError("invalid argument", f"Unknown pointer action {other!r}")


def _lift(call: Call, finger: _Finger) -> None:
    if finger.down_at is None:
        return
    start, end = finger.down_at, (finger.x, finger.y)
    finger.down_at = None
    moved = max(abs(start[0] - end[0]), abs(start[1] - end[1]))
    if moved > call.device.display.dp(SLOP_DP):
        call.device.swipe(start, end)
    else:
        call.device.tap_at(*start, long=finger.held_ms >= LONG_PRESS_MS)


def _target(call: Call, finger: _Finger, action: Mapping[str, Any]) -> tuple[int, int]:
    x, y = round(number(action, "x")), round(number(action, "y"))
    origin = action.get("origin", "viewport")
    if origin == "pointer":
        x, y = finger.x + x, finger.y + y
    elif isinstance(origin, Mapping) and (reference := origin.get(ELEMENT_KEY, origin.get("ELEMENT"))):
        middle = center(call.node(str(reference))[0])
        x, y = middle[0] + x, middle[1] + y
    elif origin != "viewport":
        raise ProtocolError("invalid argument", f"Unknown origin {origin!r} of a pointer move")
    display = call.device.display
    if not (0 <= x < display.width and 0 <= y < display.height):
        raise ProtocolError(
            "move target out of bounds",
            f"({x}, {y}) is outside the screen of {display.width}x{display.height}",
        )
    return x, y


def _keys(call: Call, actions: list[Any]) -> None:
    pressed = [
        each.get("value") for each in actions if isinstance(each, Mapping) and each.get("type") == "keyDown"
    ]
    text = "".join(key for key in pressed if isinstance(key, str))
    run = call.device.front_run()
    call.device.effect("keys", length=len(text))
    if run is not None:
        run.type_keys(text)


def _spot(call: Call) -> tuple[int, int]:
    """The point a gesture is meant for: an element's middle (plus x, y from its corner) or coordinates."""
    params = call.params
    if params.get("elementId"):
        node = reachable(call, call.text("elementId"))
        if "x" in params and "y" in params:
            return node.bounds[0] + round(call.number("x")), node.bounds[1] + round(call.number("y"))
        return center(node)
    return _point(call, "x", "y")


def _point(call: Call, x: str, y: str) -> tuple[int, int]:
    return round(call.number(x)), round(call.number(y))


@script("mobile: clickGesture", platforms=("android",))
def click_gesture(call: Call) -> None:
    call.device.tap_at(*_spot(call))


@script("mobile: tap", required=("x", "y"), platforms=("ios",))
def tap(call: Call) -> None:
    call.device.tap_at(*_spot(call))


@script("mobile: longClickGesture", platforms=("android",))
def long_click_gesture(call: Call) -> None:
    call.device.tap_at(*_spot(call), long=True)


@script("mobile: touchAndHold", required=("duration",), platforms=("ios",))
def touch_and_hold(call: Call) -> None:
    call.device.tap_at(*_spot(call), long=True)


def _area(call: Call) -> tuple[int, int, int, int]:
    if call.params.get("elementId"):
        return reachable(call, call.text("elementId")).bounds
    left, top = round(call.number("left")), round(call.number("top"))
    return left, top, left + round(call.number("width")), top + round(call.number("height"))


def _stroke(call: Call, area: tuple[int, int, int, int], direction: str, percent: float) -> bool:
    """Swipe within an area; "up" is the way the finger goes. True when something scrolled."""
    if direction not in _OPPOSITE:
        raise ProtocolError(
            "invalid argument", f"'direction' must be one of {', '.join(_OPPOSITE)}, got {direction!r}"
        )
    if not 0 < percent <= 1:
        raise ProtocolError("invalid argument", f"'percent' must be in (0, 1], got {percent!r}")
    x1, y1, x2, y2 = area
    x, y = (x1 + x2) // 2, (y1 + y2) // 2
    if direction not in _VERTICAL:
        half = round((x2 - x1) * percent / 2) * (1 if direction == "left" else -1)
        return call.device.swipe((x + half, y), (x - half, y))
    half = round((y2 - y1 - 2) * percent / 2) * _VERTICAL[direction]
    return call.device.swipe((x, y + half), (x, y - half))


@script("mobile: swipeGesture", required=("direction", "percent"), platforms=("android",))
def swipe_gesture(call: Call) -> None:
    _stroke(call, _area(call), call.text("direction").lower(), call.number("percent"))


@script("mobile: scrollGesture", required=("direction", "percent"), platforms=("android",))
def scroll_gesture(call: Call) -> bool:
    """Scroll in a direction (down: to what is below). Returns whether there is more."""
    asked = call.text("direction").lower()
    area = _area(call)
    _stroke(call, area, _OPPOSITE.get(asked, asked), call.number("percent"))
    containers = [
        each for each in call.device.picture().containers.values()
        if each.bounds[0] <= (area[0] + area[2]) // 2 < each.bounds[2]
        and each.bounds[1] <= (area[1] + area[3]) // 2 < each.bounds[3]
    ]  # fmt: skip
    if not containers or asked not in _VERTICAL:
        return False
    offset = containers[-1].entry.scroll.get(containers[-1].name, 0)
    return offset < containers[-1].limit if asked == "down" else offset > 0


@script("mobile: swipe", required=("direction",), platforms=("ios",))
def swipe(call: Call) -> None:
    _stroke(call, _ios_area(call), call.text("direction").lower(), 0.5)


def _ios_area(call: Call) -> tuple[int, int, int, int]:
    """An element, else the screen without its bars."""
    if call.params.get("elementId"):
        return _area(call)
    display = call.device.display
    return 0, display.top, display.width, display.height - display.bottom


@script("mobile: scroll", required=("direction",), platforms=("ios",))
def scroll(call: Call) -> None:
    """Scroll in a direction (down: to what is below), by `distance` of the area."""
    asked = call.text("direction").lower()
    _stroke(call, _ios_area(call), _OPPOSITE.get(asked, asked), call.number("distance", 0.5))


@script("mobile: dragFromToForDuration", required=("fromX", "fromY", "toX", "toY"), platforms=("ios",))
def drag_from_to(call: Call) -> None:
    call.device.swipe(_point(call, "fromX", "fromY"), _point(call, "toX", "toY"))


@script("mobile: dragGesture", required=("endX", "endY"), platforms=("android",))
def drag_gesture(call: Call) -> None:
    element_id = call.params.get("elementId")
    start = (
        center(reachable(call, call.text("elementId"))) if element_id else _point(call, "startX", "startY")
    )
    call.device.swipe(start, _point(call, "endX", "endY"))
