"""The life of apps: `mobile:` commands, and what a new session does to the app under test."""

from __future__ import annotations

import posixpath
from typing import Any

from pytest_autorl.virtual.commands.registry import Call, script
from pytest_autorl.virtual.device import Device
from pytest_autorl.virtual.farm import Farm
from pytest_autorl.virtual.protocol import ProtocolError
from pytest_autorl.virtual.system_ui import launcher_package


def launch(farm: Farm, device: Device, caps: dict[str, Any]) -> None:
    """What the driver does at the start of a session: install, clear unless `noReset`, bring to the front.

    Raises:
        ProtocolError: the app cannot be there.
    """
    package = caps.get("bundleId" if device.spec.platform == "ios" else "appPackage")
    if caps.get("app"):
        package = _install(farm, device, caps["app"])
    elif package is None and device.model is not None:
        package = device.model.package
    device.is_locked = False
    if package is None:
        return
    if package not in device.apps:
        raise ProtocolError(
            "session not created",
            f"A new session could not be created. Details: '{package}' is not installed on device {device.id}",
        )
    if not caps.get("noReset"):
        device.clear_app(package)
    installed = device.apps[package]
    if caps.get("autoGrantPermissions"):
        installed.grant_all()
    if caps.get("autoLaunch", True):
        device.activate(package)


def _install(farm: Farm, device: Device, path: str) -> str:
    """Install an app by path or name; returns its package. The model of that name stands for the build."""
    if device.faults.peek("disk_full") is not None:
        raise ProtocolError(
            "unknown error",
            f"Failure [INSTALL_FAILED_INSUFFICIENT_STORAGE: Failed to override installation location] ({path})",
        )
    model = farm.models.get(path) or next(
        (each for name, each in farm.models.items() if _stem(name) == _stem(path)), None
    )
    if model is None:
        raise ProtocolError(
            "unknown error", f"The application at '{path}' does not exist or is not accessible"
        )
    return device.install(model.package, model).package


def _stem(path: str) -> str:
    """The name of a file without folders and suffix."""
    return posixpath.basename(path.rstrip("/")).rsplit(".", 1)[0]


def _app_id(call: Call) -> str:
    value = call.params.get("appId", call.params.get("bundleId"))
    if not isinstance(value, str) or not value:
        raise ProtocolError("invalid argument", 'The following required parameter is missing: ["appId"]')
    return value


def _missing(package: str, device: Device) -> ProtocolError:
    return ProtocolError("unknown error", f"App with id '{package}' is not installed on device {device.id}")


@script("mobile: activateApp")
def activate_app(call: Call) -> None:
    package = _app_id(call)
    if not call.device.activate(package):
        raise _missing(package, call.device)


@script("mobile: launchApp", platforms=("ios",))
def launch_app(call: Call) -> None:
    activate_app(call)


@script("mobile: startActivity", platforms=("android",))
def start_activity(call: Call) -> None:
    package = call.text("package") or call.text("intent").partition("/")[0]
    if not package:
        raise ProtocolError("invalid argument", 'The following required parameter is missing: ["intent"]')
    if call.params.get("stop", True):  # as `am start -S`
        call.device.terminate(package)
    if not call.device.activate(package):
        raise _missing(package, call.device)


@script("mobile: terminateApp")
def terminate_app(call: Call) -> bool:
    return call.device.terminate(_app_id(call))


@script("mobile: queryAppState")
def query_app_state(call: Call) -> int:
    return call.device.app_state(_app_id(call))


@script("mobile: backgroundApp", waits=True)
def background_app(call: Call) -> None:
    """To the launcher, and back after `seconds` (negative or absent: stay there)."""
    seconds = call.number("seconds", -1)
    with call.holding():
        front = call.device.foreground()
        call.device.home()
    if seconds < 0:
        return
    call.farm.pause(min(seconds, 60))
    with call.holding():
        if front is not None:
            call.device.activate(front.package)


@script("mobile: clearApp")
def clear_app(call: Call) -> None:
    package = _app_id(call)
    if not call.device.clear_app(package):
        raise _missing(package, call.device)


@script("mobile: installApp")
def install_app(call: Call) -> None:
    path = call.params.get("appPath", call.params.get("app"))
    if not isinstance(path, str) or not path:
        raise ProtocolError("invalid argument", 'The following required parameter is missing: ["appPath"]')
    _install(call.farm, call.device, path)


@script("mobile: removeApp")
def remove_app(call: Call) -> bool:
    return call.device.remove(_app_id(call))


@script("mobile: isAppInstalled")
def is_app_installed(call: Call) -> bool:
    return _app_id(call) in call.device.apps


@script("mobile: listApps", platforms=("ios",))
def list_apps(call: Call) -> dict[str, Any]:
    return {name: {"CFBundleIdentifier": name} for name in call.device.apps}


@script("mobile: getCurrentPackage", platforms=("android",))
def current_package(call: Call) -> str:
    return call.device.foreground_package()


@script("mobile: getCurrentActivity", platforms=("android",))
def current_activity(call: Call) -> str:
    front = call.device.foreground()
    return front.model.activity if front is not None and front.model is not None else ".Launcher"


@script("mobile: activeAppInfo", platforms=("ios",))
def active_app(call: Call) -> dict[str, Any]:
    front = call.device.foreground()
    return {
        "bundleId": front.package if front is not None else launcher_package("ios"),
        "pid": front.pid if front is not None else 1,
    }
