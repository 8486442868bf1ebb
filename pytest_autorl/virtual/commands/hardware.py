"""The device itself: battery, time, keys, lock, clipboard, network, files."""

from __future__ import annotations

import base64
import datetime
import re
import zlib
from typing import Any

from pytest_autorl.virtual.capabilities import API_LEVELS
from pytest_autorl.virtual.commands.registry import Call, script
from pytest_autorl.virtual.protocol import ProtocolError
from pytest_autorl.virtual.spec import BATTERY_STATES

KEY_HOME, KEY_BACK, KEY_POWER, KEY_TAB, KEY_ENTER, KEY_DELETE = 3, 4, 26, 61, 66, 67
_MAX_FILES_BYTES = 16 * 1024 * 1024
_MAX_PATH = 4096
_MAX_CLIPBOARD = 1024 * 1024
#: moment.js tokens -> strftime; the clock of virtual devices is UTC.
_MOMENT = {
    "YYYY": "%Y", "YY": "%y", "MM": "%m", "DD": "%d", "HH": "%H", "hh": "%I", "mm": "%M", "ss": "%S", "A": "%p",
    "ZZ": "+0000", "Z": "+00:00",
}  # fmt: skip
_MOMENT_TOKEN = re.compile(r"\[([^\]]*)\]|YYYY|YY|MM|DD|HH|hh|mm|ss|SSS|A|X|ZZ|Z")


@script("mobile: batteryInfo")
def battery_info(call: Call) -> dict[str, Any]:
    battery = call.device.battery()
    android, ios = BATTERY_STATES[battery["state"]]
    is_ios = call.device.spec.platform == "ios"
    return {
        "level": battery["level"] / 100,
        ("state" if is_ios else "status"): ios if is_ios else android,
    }


@script("mobile: deviceInfo")
def device_info(call: Call) -> dict[str, Any]:
    device, spec = call.device, call.device.spec
    zone = "UTC"
    if spec.platform == "ios":
        return {
            "model": spec.model,
            "name": spec.id,
            "uuid": spec.id,
            "timeZone": zone,
            "currentLocale": "en_US",
        }
    display = device.display
    return {
        "androidId": f"{zlib.crc32(spec.id.encode()):016x}", "manufacturer": "autorl",
        "model": spec.model, "brand": "autorl",
        "apiVersion": str(API_LEVELS.get(spec.os_version.split(".")[0], 34)), "platformVersion": spec.os_version,
        "carrierName": "", "realDisplaySize": f"{display.width}x{display.height}", "displayDensity": spec.density,
        "networks": [{"type": 1, "isConnected": device.is_online}], "locale": "en_US", "timeZone": zone,
        "bluetooth": {"state": "ON"},
    }  # fmt: skip


@script("mobile: getDeviceTime")
def device_time(call: Call) -> str:
    now = datetime.datetime.now(datetime.timezone.utc)

    def told(token: re.Match[str]) -> str:
        if token[1] is not None:
            return token[1]  # moment.js: text in brackets stands for itself
        if token[0] == "SSS":
            return f"{now.microsecond // 1000:03d}"
        return str(int(now.timestamp())) if token[0] == "X" else now.strftime(_MOMENT[token[0]])

    return _MOMENT_TOKEN.sub(told, call.text("format", "YYYY-MM-DDTHH:mm:ssZ"))


@script("mobile: pressKey", required=("keycode",), platforms=("android",))
def press_key(call: Call) -> None:
    device, code = call.device, call.number("keycode")
    run = device.front_run()
    device.effect("press_key", keycode=code)
    if code == KEY_BACK:
        device.back()
    elif code == KEY_HOME and not device.is_locked:
        device.home()
    elif code == KEY_POWER:
        device.is_locked = not device.is_locked
    elif run is not None and code in (KEY_ENTER, KEY_TAB, KEY_DELETE):
        run.type_keys({KEY_ENTER: "\ue007", KEY_TAB: "\ue004", KEY_DELETE: "\ue003"}[int(code)])


@script("mobile: pressButton", required=("name",), platforms=("ios",))
def press_button(call: Call) -> None:
    if call.text("name").lower() == "home":
        call.device.home()


@script("mobile: hideKeyboard")
def hide_keyboard(call: Call) -> bool:
    run = call.device.front_run()
    return run is not None and run.hide_keyboard()


@script("mobile: isKeyboardShown")
def is_keyboard_shown(call: Call) -> bool:
    return call.device.keyboard_shown


@script("mobile: isLocked")
def is_locked(call: Call) -> bool:
    return call.device.is_locked


@script("mobile: lock", waits=True)
def lock(call: Call) -> None:
    """Lock; with `seconds` above 0 unlock again after that time."""
    seconds = call.number("seconds", 0)
    with call.holding():
        call.device.is_locked = True
    if seconds > 0:
        call.farm.pause(min(seconds, 60))
        with call.holding():
            call.device.is_locked = False


@script("mobile: unlock")
def unlock(call: Call) -> None:
    call.device.is_locked = False


@script("mobile: getClipboard")
def get_clipboard(call: Call) -> str:
    return base64.b64encode(call.device.clipboard).decode("ascii")


@script("mobile: setClipboard", required=("content",))
def set_clipboard(call: Call) -> None:
    call.device.clipboard = _decode(call, "content", _MAX_CLIPBOARD)


@script("mobile: openNotifications", platforms=("android",))
def open_notifications(call: Call) -> None:
    call.device.notifications_open = True


@script("mobile: getSystemBars", platforms=("android",))
def system_bars(call: Call) -> dict[str, Any]:
    display = call.device.display
    width = {"visible": True, "x": 0, "width": display.width}
    return {
        "statusBar": {**width, "y": 0, "height": display.top},
        "navigationBar": {**width, "y": display.height - display.bottom, "height": display.bottom},
    }


@script("mobile: getDisplayDensity", platforms=("android",))
def display_density(call: Call) -> int:
    return call.device.spec.density


@script("mobile: getConnectivity", platforms=("android",))
def get_connectivity(call: Call) -> dict[str, bool]:
    return call.device.connectivity


@script("mobile: setConnectivity", platforms=("android",))
def set_connectivity(call: Call) -> None:
    given = {name: call.params[name] for name in call.device.connectivity if name in call.params}
    for name, value in given.items():
        if not isinstance(value, bool):
            raise ProtocolError("invalid argument", f"'{name}' must be a boolean, got {value!r}")
    call.device.connectivity.update(given)
    call.device.effect("connectivity", **call.device.connectivity)


@script("mobile: pushFile", required=("remotePath", "payload"))
def push_file(call: Call) -> None:
    path, data = call.text("remotePath"), _decode(call, "payload", _MAX_FILES_BYTES)
    if len(path) > _MAX_PATH:
        raise ProtocolError("invalid argument", f"'remotePath' has at most {_MAX_PATH} characters")
    files = call.device.files
    stored = sum(len(each) for name, each in files.items() if name != path)
    if call.device.storage_free_mb() <= 0 or stored + len(data) > _MAX_FILES_BYTES:
        raise ProtocolError("unknown error", f"Cannot write '{path}': No space left on device")
    files[path] = data
    call.device.effect("push_file", path=path, size=len(data))


@script("mobile: pullFile", required=("remotePath",))
def pull_file(call: Call) -> str:
    path = call.text("remotePath")
    data = call.device.files.get(path)
    if data is None:
        raise ProtocolError("unknown error", f"The remote object '{path}' does not exist")
    return base64.b64encode(data).decode("ascii")


@script("mobile: getPerformanceDataTypes", platforms=("android",))
def performance_types(call: Call) -> list[str]:
    return ["batteryinfo"]


@script("mobile: getPerformanceData", required=("packageName", "dataType"), platforms=("android",))
def performance_data(call: Call) -> list[list[str]]:
    kind = call.text("dataType")
    if kind != "batteryinfo":
        raise ProtocolError("unknown error", f"No performance data of type '{kind}'. Known: batteryinfo")
    return [["power"], [f"{call.device.battery()['level']:g}"]]


def _decode(call: Call, name: str, limit: int) -> bytes:
    try:
        data = base64.b64decode(call.text(name), validate=True)
    except ValueError as exc:  # binascii.Error, or a character beyond ASCII
        raise ProtocolError("invalid argument", f"'{name}' is not base64") from exc
    if len(data) > limit:
        raise ProtocolError("invalid argument", f"'{name}' has {len(data)} bytes, the limit is {limit}")
    return data
