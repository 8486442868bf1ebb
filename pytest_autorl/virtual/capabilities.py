"""New-session capabilities: W3C merging as Appium does it, what they ask for, what the driver adds. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_autorl.virtual.protocol import MAX_NUMBER, ProtocolError

if TYPE_CHECKING:
    from pytest_autorl.virtual.device import Device

_STANDARD = {
    "browserName", "browserVersion", "platformName", "acceptInsecureCerts", "pageLoadStrategy", "proxy",
    "setWindowRect", "timeouts", "strictFileInteractability", "unhandledPromptBehavior", "userAgent",
    "webSocketUrl",
}  # fmt: skip
_STANDARD_LOWER = {name.lower() for name in _STANDARD}
_PREFIX = "appium:"

#: Appium's default when the capability is absent, seconds.
NEW_COMMAND_TIMEOUT_S = 60.0

#: Android release -> API level.
API_LEVELS = {"9": 28, "10": 29, "11": 30, "12": 31, "13": 33, "14": 34, "15": 35, "16": 36}

#: (automation name, platform), lower case, that virtual devices answer to.
DRIVERS = {("uiautomator2", "android"), ("xcuitest", "ios")}
#: Driver names as Appium's messages say them.
DRIVER_NAMES = {"android": "AndroidUiautomator2Driver", "ios": "XCUITestDriver"}

_NOT_W3C = (
    "A new session could not be created. Details: Session capabilities format must comply to the W3C "
    "standard. Make sure your client is up to date. See https://www.w3.org/TR/webdriver/#new-session for "
    "more details."
)
_TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "newCommandTimeout": ((int, float), "number"),
    "noReset": (bool, "boolean"),
    "fullReset": (bool, "boolean"),
    "autoLaunch": (bool, "boolean"),
    "autoGrantPermissions": (bool, "boolean"),
    "udid": (str, "string"),
    "deviceName": (str, "string"),
    "platformVersion": (str, "string"),
    "appPackage": (str, "string"),
    "bundleId": (str, "string"),
    "app": (str, "string"),
}


def merge(params: Mapping[str, Any]) -> dict[str, Any]:
    """The capabilities of a POST /session body, without the `appium:` prefix.

    Raises:
        ProtocolError: not W3C, no match, a missing or wrongly typed capability.
    """
    asked = params.get("capabilities")
    if not isinstance(asked, Mapping):
        raise ProtocolError("session not created", _NOT_W3C)
    always, firsts = asked.get("alwaysMatch", {}), asked.get("firstMatch", [{}])
    shaped = isinstance(always, Mapping) and isinstance(firsts, list) and bool(firsts)
    if not shaped or not all(isinstance(each, Mapping) for each in firsts) or not (always or any(firsts)):
        raise ProtocolError("session not created", _NOT_W3C)
    unprefixed = [
        name for caps in (always, *firsts) for name in caps if ":" not in name and not _is_standard(name)
    ]
    if unprefixed:
        raise ProtocolError(
            "invalid argument",
            "All non-standard capabilities should have a vendor prefix. The following capabilities did not "
            f"have one: {','.join(dict.fromkeys(unprefixed))}",
        )
    problems = []
    for first in firsts:
        merged, problem = _combine(_strip(always), _strip(first))
        if not problem:
            _check_types(merged)
            return merged
        problems.append(problem)
    if len(problems) == 1:
        raise ProtocolError("invalid argument", problems[0])
    listed = "\n ".join(problems)
    raise ProtocolError(
        "invalid argument", f"Could not find matching capabilities from {json.dumps(asked)}:\n {listed}"
    )


def check_driver(caps: Mapping[str, Any]) -> str:
    """The platform asked for, lower case. Raises when no virtual driver answers to these capabilities."""
    platform, automation = str(caps["platformName"]), str(caps["automationName"])
    if (automation.lower(), platform.lower()) not in DRIVERS:
        raise ProtocolError(
            "unknown error",
            f"Could not find a driver for automationName '{automation}' and platformName '{platform}'. Virtual "
            "devices have UiAutomator2 for Android and XCUITest for iOS",
        )
    return platform.lower()


def version_fits(asked: object, version: str) -> bool:
    """Whether a device's version is the asked one or a part of it ("14" asks for 14 and 14.1).

    >>> version_fits("17", "17.2"), version_fits("17.2", "17")
    (True, False)
    """
    wanted = str(asked).split(".")
    return version.split(".")[: len(wanted)] == wanted


def _is_standard(name: str) -> bool:
    return name.lower() in _STANDARD_LOWER


def _strip(caps: Mapping[str, Any]) -> dict[str, Any]:
    stripped = {name: value for name, value in caps.items() if not name.startswith(_PREFIX)}
    for name, value in caps.items():
        if name.startswith(_PREFIX):
            short = name[len(_PREFIX) :]
            if not (_is_standard(short) and stripped.get(short) is not None):
                stripped[short] = value
    options = stripped.pop("options", None)
    return {**stripped, **options} if isinstance(options, Mapping) else stripped


def _combine(always: dict[str, Any], first: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The two merged, and why they cannot be used (empty: they can)."""
    for name in first:
        if name in always:
            return {}, (
                f"property '{name}' should not exist on both primary ({json.dumps(always)}) and secondary "
                f"({json.dumps(first)}) object"
            )
    merged = {**always, **first}
    missing = [name for name in ("platformName", "automationName") if merged.get(name) is None]
    return merged, "; ".join(f"'{name}' is required to be present" for name in missing[:1])


def command_timeout_s(caps: Mapping[str, Any]) -> float:
    """After how many idle seconds the session ends; 0: never."""
    asked = caps.get("newCommandTimeout")
    return NEW_COMMAND_TIMEOUT_S if asked is None else min(float(asked), MAX_NUMBER)


def _check_types(caps: Mapping[str, Any]) -> None:
    for name, (kind, called) in _TYPES.items():
        value = caps.get(name)
        wrong = not isinstance(value, kind) or (isinstance(value, bool) and called == "number")
        if value is not None and wrong:
            raise ProtocolError(
                "session not created",
                f"A new session could not be created. Details: '{name}' must be of type {called}",
            )


def facts(device: Device) -> dict[str, Any]:
    """What the driver adds to the capabilities of a session."""
    spec, display = device.spec, device.display
    found: dict[str, Any] = {
        "platformName": "iOS" if spec.platform == "ios" else "Android",
        "platformVersion": spec.os_version,
        "deviceName": spec.id,
        "deviceUDID": spec.id,
        "udid": spec.id,
        "deviceModel": spec.model,
        "deviceManufacturer": "autorl",
        "deviceScreenSize": f"{display.width}x{display.height}",
        "deviceScreenDensity": spec.density,
        "pixelRatio": display.scale,
        "statBarHeight": display.top,
        "viewportRect": {
            "left": 0, "top": display.top, "width": display.width,
            "height": display.height - display.top - display.bottom,
        },
    }  # fmt: skip
    if spec.platform == "android":
        found["deviceApiLevel"] = API_LEVELS.get(spec.os_version.split(".")[0], 34)
    if device.model is not None:
        found["bundleId" if spec.platform == "ios" else "appPackage"] = device.model.package
        if spec.platform == "android":
            found["appActivity"] = device.model.activity
    return found
