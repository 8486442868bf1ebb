"""execute/sync: `mobile:` commands of the drivers, and one of our own, `autorl: reset`."""

from __future__ import annotations

import json
from typing import Any

from pytest_autorl.virtual.capabilities import DRIVER_NAMES
from pytest_autorl.virtual.commands.registry import SCRIPTS, Call, route, run, script
from pytest_autorl.virtual.protocol import ProtocolError

_POLICIES = ("app", "session")


@route("POST", "execute/sync", required=("script", "args"), waits=True)
def execute(call: Call) -> Any:
    name, args = call.text("script"), call.params["args"]
    if not name.startswith(("mobile:", "autorl:")):
        # JavaScript needs a web view, and a virtual device has none.
        raise ProtocolError("unknown method")
    found = SCRIPTS.get(name)
    platform = call.device.spec.platform
    if found is None or platform not in found.platforms:
        known = ", ".join(key for key, each in SCRIPTS.items() if platform in each.platforms)
        raise ProtocolError(
            "unsupported operation",
            f"Unsupported execute method '{name}'. Make sure the installed {DRIVER_NAMES[platform]} is "
            f"up-to-date. Execute methods available in the current driver version are: {known}",
        )
    if not isinstance(args, list) or len(args) > 1:
        raise ProtocolError(
            "invalid argument",
            "Did not get correct format of arguments for execute method. Expected zero or one arguments to "
            f"execute script and instead received: {json.dumps(args)}",
        )
    params = args[0] if args and args[0] is not None else {}
    if not isinstance(params, dict):
        raise ProtocolError(
            "invalid argument",
            "Did not receive an appropriate execute method parameters object. It needs to be deserializable "
            "as a plain JS object",
        )
    inner = Call(call.farm, call.session, call.args, params, call.token)
    return run(inner, found.handler, found.required, waits=found.waits)


@script("mobile: shell", platforms=("android",))
def shell(call: Call) -> None:
    raise ProtocolError(
        "unknown error",
        "Potentially insecure feature 'adb_shell' has not been enabled. If you want to enable this feature and "
        "accept the security ramifications, please do so by following the documented instructions at "
        "http://appium.io/docs/en/latest/guides/security/",
    )


@script("autorl: reset")
def reset(call: Call) -> None:
    """Make the device as new for the next test, in one round trip.

    ``policy``: "app" wipes the app's data and starts it anew, "session" only starts it anew.
    ``backend``: seed the back-end anew too (default: with "app").
    """
    policy = call.params.get("policy", "app")
    backend = call.params.get("backend", policy == "app")
    if policy not in _POLICIES or not isinstance(backend, bool):
        raise ProtocolError(
            "invalid argument",
            f"policy is app or session and backend a boolean, got {policy!r} and {backend!r}",
        )
    grant = bool(call.session.capabilities.get("autoGrantPermissions"))
    call.device.reset(backend=backend, wipe=policy == "app", grant=grant)
    call.session.forget_elements()
    call.session.timeouts["implicit"] = 0
