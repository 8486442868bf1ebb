"""The session itself: what it was made with, its settings, time limits, logs and events; and what it cannot do."""

from __future__ import annotations

import time
from typing import Any

from pytest_autorl.virtual.commands.registry import Call, route
from pytest_autorl.virtual.protocol import ProtocolError
from pytest_autorl.virtual.session import SETTINGS

_TIMEOUTS = ("implicit", "pageLoad", "script")
#: WebDriver, section 9.2: the maximum safe integer.
_MAX_TIMEOUT_MS = 2**53 - 1
#: Longest name of a client's event; hundreds of them are kept.
_MAX_EVENT = 1000

#: Commands of the protocol that make no sense in a native app; Appium knows their names and answers 405.
_OF_BROWSERS = (
    ("POST", "execute/async"), ("GET", "url"), ("POST", "url"), ("GET", "title"), ("POST", "forward"),
    ("POST", "refresh"), ("GET", "cookie"), ("POST", "cookie"), ("DELETE", "cookie"), ("GET", "cookie/{name}"),
    ("DELETE", "cookie/{name}"), ("POST", "frame"), ("POST", "frame/parent"), ("POST", "window"),
    ("DELETE", "window"), ("GET", "window/handles"), ("POST", "window/rect"), ("POST", "window/maximize"),
    ("POST", "window/minimize"), ("POST", "window/fullscreen"),
)  # fmt: skip


@route("GET", "")
def capabilities(call: Call) -> dict[str, Any]:
    return call.session.capabilities


@route("DELETE", "", waits=True)
def quit_session(call: Call) -> None:
    with call.holding():
        call.farm.end_session(call.session)


@route("GET", "appium/capabilities")
def appium_capabilities(call: Call) -> dict[str, Any]:
    return {"capabilities": call.session.capabilities}


@route("GET", "appium/settings")
def get_settings(call: Call) -> dict[str, Any]:
    return call.session.settings


@route("POST", "appium/settings", required=("settings",))
def update_settings(call: Call) -> None:
    given = call.params["settings"]
    if not isinstance(given, dict):
        raise ProtocolError("invalid argument", "'settings' must be an object")
    if len(call.session.settings) + len(given) > len(SETTINGS["android"]) + 200:
        raise ProtocolError("invalid argument", "Too many settings")
    call.session.settings.update(given)


@route("GET", "timeouts")
def get_timeouts(call: Call) -> dict[str, Any]:
    # Appium answers these two and no others, so that `driver.timeouts` of the client fails here as it does there.
    command_ms = round(call.session.new_command_timeout_s * 1000)
    return {"command": command_ms, "implicit": call.session.timeouts["implicit"]}


@route("POST", "timeouts")
def set_timeouts(call: Call) -> None:
    given = {name: call.params[name] for name in _TIMEOUTS if name in call.params}
    if not given:
        raise ProtocolError(
            "invalid argument", "W3C protocol expects any of script, pageLoad or implicit to be set"
        )
    for value in given.values():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MAX_TIMEOUT_MS:
            raise ProtocolError("invalid argument", f"Invalid timeout value '{value}'")
    call.session.timeouts.update({name: int(value) for name, value in given.items()})


@route("POST", "appium/log_event", required=("vendor", "event"))
def log_event(call: Call) -> None:
    name = f"{call.text('vendor')}:{call.text('event')}"
    if len(name) > _MAX_EVENT:
        raise ProtocolError("invalid argument", f"An event's name has at most {_MAX_EVENT} characters")
    call.session.note_event(name, round(time.time() * 1000))


@route("POST", "appium/events")
def get_events(call: Call) -> dict[str, Any]:
    """Commands so far and events by name, those named in `type` only when it is given."""
    events = call.session.events()
    wanted = call.params.get("type") or list(events)
    if not isinstance(wanted, list) or not all(isinstance(each, str) for each in wanted):
        raise ProtocolError("invalid argument", f"'type' must be a list of names, got {wanted!r}")
    return {name: events[name] for name in wanted if name in events}


def _device_log(call: Call) -> str:
    return "syslog" if call.device.spec.platform == "ios" else "logcat"


@route("GET", "se/log/types")
def log_types(call: Call) -> list[str]:
    return [_device_log(call), "server"]


@route("POST", "se/log", required=("type",))
def get_log(call: Call) -> list[dict[str, Any]]:
    """Lines since the last call, as Appium gives them."""
    kind, session = call.params["type"], call.session
    if kind == _device_log(call):
        lines = call.device.log_lines(session.log_read)
        if lines:
            session.log_read = lines[-1].number
        return [{"timestamp": line.at_ms, "level": "ALL", "message": line.text()} for line in lines]
    if kind == "server":
        entries = list(session.server_log)
        session.server_log.clear()
        return [{"timestamp": at_ms, "level": "ALL", "message": message} for at_ms, message in entries]
    raise ProtocolError("unknown error", f"Don't understand log type '{kind}'")


def note(call: Call, line: str) -> None:
    """Remember a command for `get_log("server")`."""
    call.session.server_log.append((round(time.time() * 1000), line))


def _refuse(call: Call) -> None:
    raise ProtocolError("unknown method", "Method is not implemented")


for _method, _path in _OF_BROWSERS:
    route(_method, _path)(_refuse)
