"""Finding elements and using them."""

from __future__ import annotations

import time
from typing import Any

from pytest_autorl.virtual.commands.registry import Call, route
from pytest_autorl.virtual.keys import ENTER_KEYS
from pytest_autorl.virtual.node import Node, attributes, tag
from pytest_autorl.virtual.protocol import ProtocolError, element

#: Pause between two looks while the implicit wait runs, seconds.
POLL_S = 0.05
_STRATEGY = ("using", "value")
_ATTRIBUTE_ALIASES = {
    "className": "class", "contentDescription": "content-desc", "longClickable": "long-clickable",
    "name": "content-desc", "resourceId": "resource-id",
}  # fmt: skip


@route("POST", "element", required=_STRATEGY, waits=True)
def find_element(call: Call) -> dict[str, str]:
    return _one(call, None)


@route("POST", "elements", required=_STRATEGY, waits=True)
def find_elements(call: Call) -> list[dict[str, str]]:
    return _look(call, None)


@route("POST", "element/{element}/element", required=_STRATEGY, waits=True)
def find_below(call: Call) -> dict[str, str]:
    return _one(call, call.args["element"])


@route("POST", "element/{element}/elements", required=_STRATEGY, waits=True)
def find_all_below(call: Call) -> list[dict[str, str]]:
    return _look(call, call.args["element"])


def _one(call: Call, parent: str | None) -> dict[str, str]:
    found = _look(call, parent)
    if not found:
        raise ProtocolError("no such element")
    return found[0]


def _look(call: Call, parent: str | None) -> list[dict[str, str]]:
    """Search until something is found or the implicit wait is over; the device is free in between.

    Raises ProtocolError when the session ends meanwhile.
    """
    from pytest_autorl.virtual.selectors import InvalidSelector

    using, value = call.text("using"), call.text("value")
    deadline = time.monotonic() + call.session.timeouts["implicit"] / 1000
    while True:
        with call.holding():
            try:
                nodes = _search(call, using, value, parent)
            except InvalidSelector as exc:
                raise ProtocolError("invalid selector", str(exc)) from exc
            if nodes or time.monotonic() >= deadline:
                return [element(call.session.element_id(node)) for node in nodes]
        call.farm.pause(POLL_S)


def _search(call: Call, using: str, value: str, parent: str | None) -> list[Node]:
    from pytest_autorl.virtual import selectors

    device = call.device
    if using == "-android uiautomator" and device.spec.platform == "android":
        _scroll_into_view(call, value)
    picture = device.picture()  # one for both: the context must be a node of the tree that is searched
    context = None if parent is None else call.session.node(parent, picture)[0]
    return selectors.find(picture.active, using, value, device.spec.platform, context=context)


def _scroll_into_view(call: Call, text: str) -> None:
    """What UiScrollable does: from the start, page by page, until the target is on the screen."""
    from pytest_autorl.virtual import uiselector

    asked = uiselector.parse(text)
    run = call.device.front_run()
    if not isinstance(asked, uiselector.UiScrollable) or run is None:
        return

    def shown() -> bool:
        return bool(uiselector.find(call.device.picture().active, asked.target, "android"))

    containers = uiselector.find(call.device.picture().active, asked.container, "android")
    if not containers or shown():
        return
    key, page = containers[0].key, (containers[0].bounds[3] - containers[0].bounds[1]) * 3 // 4
    run.scroll_to_start(key)
    for _ in range(asked.max_swipes):
        if shown() or not run.scroll(key, page):
            return


@route("GET", "element/active")
def active_element(call: Call) -> dict[str, str]:
    for node in call.device.picture().active.walk():
        if node.focused:
            return element(call.session.element_id(node))
    raise ProtocolError("no such element", "No element has the focus")


def reachable(call: Call, element_id: str | None = None) -> Node:
    """The node of an element that a finger can reach. Raises element not interactable."""
    node, is_reachable = call.node(element_id)
    if not is_reachable:
        dialog = call.device.picture().active.children
        covered = bool(dialog and dialog[0].role == "dialog" and node.displayed)
        reason = f"a dialog ({dialog[0].name}) covers it" if covered else "it is not displayed"
        raise ProtocolError(
            "element not interactable", f"The element {_called(node)} cannot be touched: {reason}"
        )
    return node


def center(node: Node) -> tuple[int, int]:
    """The middle of a node."""
    x1, y1, x2, y2 = node.bounds
    return (x1 + x2) // 2, (y1 + y2) // 2


def _called(node: Node) -> str:
    return repr(node.name or node.text or node.role)


@route("POST", "element/{element}/click")
def click(call: Call) -> None:
    call.device.tap_at(*center(reachable(call)))


@route("POST", "element/{element}/clear")
def clear(call: Call) -> None:
    node, run = reachable(call), call.device.front_run()
    if run is None or not run.clear(node.key):
        raise ProtocolError("invalid element state", f"Cannot clear {_called(node)}: it is not a text field")
    call.device.effect("clear_field", key=node.key)


@route("POST", "element/{element}/value", required=("text",))
def send_keys(call: Call) -> None:
    node = reachable(call)
    given = call.params["text"]
    text = "".join(map(str, given)) if isinstance(given, list) else given
    if not isinstance(text, str):
        raise ProtocolError("invalid argument", f"'text' must be a string, got {text!r}")
    run = call.device.front_run()
    # Before typing: what the text causes (a screen, a transfer) must follow it in the list of effects.
    call.device.effect("type", key=node.key, length=len(text), enter=any(key in text for key in ENTER_KEYS))
    if run is None or not run.type_text(node.key, text):
        raise ProtocolError(
            "invalid element state",
            f"Cannot set the element {_called(node)} to the given text. Did you interact with the correct element?",
        )


@route("GET", "element/{element}/text")
def text(call: Call) -> str:
    node, platform = call.node()[0], call.device.spec.platform
    found = attributes(node, platform)
    return found["text"] if platform == "android" else found.get("value", found.get("label", ""))


@route("GET", "element/{element}/name")
def name(call: Call) -> str:
    node, platform = call.node()[0], call.device.spec.platform
    return node.description if platform == "android" else tag(node, platform)


@route("GET", "element/{element}/attribute/{name}")
@route("GET", "element/{element}/property/{name}")
def attribute(call: Call) -> str | None:
    node, platform, asked = call.node()[0], call.device.spec.platform, call.args["name"]
    found = attributes(node, platform)
    wanted = _ATTRIBUTE_ALIASES.get(asked, asked) if platform == "android" else asked
    if wanted in found:
        return found[wanted]
    optional = ("content-desc", "hint", "label", "name", "resource-id", "value")
    if wanted in optional:
        return None
    known = ", ".join(sorted({*found, *optional}))
    raise ProtocolError(
        "unknown error",
        f"'{asked}' attribute is unknown for the element. Only the following attributes are supported: [{known}]",
    )


@route("GET", "element/{element}/rect")
def rect(call: Call) -> dict[str, int]:
    x1, y1, x2, y2 = call.node()[0].bounds
    return {"x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}


@route("GET", "element/{element}/location_in_view")
def location_in_view(call: Call) -> dict[str, int]:
    x1, y1, _, _ = call.node()[0].bounds
    return {"x": x1, "y": y1}


@route("GET", "element/{element}/displayed")
def displayed(call: Call) -> bool:
    return call.node()[1]


@route("GET", "element/{element}/enabled")
def enabled(call: Call) -> bool:
    return call.node()[0].enabled


@route("GET", "element/{element}/selected")
def selected(call: Call) -> bool:
    node = call.node()[0]
    return node.selected or node.checked


@route("GET", "element/{element}/screenshot", waits=True)
def element_screenshot(call: Call) -> Any:
    from pytest_autorl.virtual.commands.screen import take_screenshot

    with call.holding():
        bounds = call.node()[0].bounds
    return take_screenshot(call, bounds)
