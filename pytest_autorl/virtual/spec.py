"""What a virtual device is, as a farm file or the admin API says it; unknown settings are errors.

Settings are those of the `virtual:` block of a device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, get_args

from pytest_autorl.errors import UsageError
from pytest_autorl.virtual.display import Display
from pytest_autorl.virtual.faults import MAX_AMOUNT, FaultPlan, is_amount, parse_fault
from pytest_autorl.virtual.node import Platform
from pytest_autorl.virtual.place import nearest

#: Battery states -> (Android value, iOS value) of `mobile: batteryInfo`.
BATTERY_STATES = {"charging": (2, 2), "discharging": (3, 1), "not_charging": (4, 1), "full": (5, 3)}

#: (platform, is tablet) -> (portrait width, height, density, status bar dp, navigation bar dp).
#: iOS works in points, hence density 160 (one pixel per point).
_SCREENS: dict[tuple[str, bool], tuple[int, int, int, int, int]] = {
    ("android", False): (1080, 2400, 420, 24, 24),
    ("android", True): (1600, 2560, 320, 24, 24),
    ("ios", False): (390, 844, 160, 47, 34),
    ("ios", True): (820, 1180, 160, 24, 20),
}
_MODELS = {
    ("android", False): "Virtual Phone",
    ("android", True): "Virtual Tablet",
    ("ios", False): "Virtual iPhone",
    ("ios", True): "Virtual iPad",
}
_SPEC_KEYS = ("id", "platform", "os_version", "form_factor", "model", "app", "settings")


class DeviceSpecError(UsageError):
    """A virtual device that cannot be made; the text names device, key and nearest valid key."""


@dataclass(frozen=True)
class VirtualSettings:
    """The `virtual:` block.

    Attributes:
        session_seconds: How long the creation of a session takes.
        command_ms: How long each command takes, at least.
        available: Windows (from, to) in seconds after the start given by the admin API; outside them the
            device is offline. Empty: always there. `to` None: for ever.
        battery: Percent.
        battery_state: A key of `BATTERY_STATES`.
        app_options: Override the app's `options`.
        backend: Devices with the same name here share one back-end per app; empty: their own.
        grant_permissions: Permissions count as granted, no dialog comes.
    """

    session_seconds: float = 0.0
    command_ms: float = 0.0
    available: tuple[tuple[float, float | None], ...] = ()
    faults: tuple[FaultPlan, ...] = ()
    battery: float = 87.0
    battery_state: str = "discharging"
    temperature_c: float = 31.0
    storage_total_mb: int = 64_000
    storage_free_mb: int = 41_000
    online: bool = True
    app_options: Mapping[str, Any] = field(default_factory=dict)
    backend: str = ""
    grant_permissions: bool = False


@dataclass(frozen=True)
class DeviceSpec:
    """One virtual device."""

    id: str
    platform: Platform = "android"
    os_version: str = "14"
    form_factor: str = "phone"
    model: str = ""
    app: str = ""
    settings: VirtualSettings = field(default_factory=VirtualSettings)

    @property
    def is_tablet(self) -> bool:
        return self.form_factor == "tablet"

    @property
    def density(self) -> int:
        """Dots per inch as Android counts (160 is one pixel per dp)."""
        return _SCREENS[self.platform, self.is_tablet][2]

    def display(self, orientation: str) -> Display:
        """The screen in an orientation (PORTRAIT or LANDSCAPE)."""
        width, height, density, top, bottom = _SCREENS[self.platform, self.is_tablet]
        if orientation == "LANDSCAPE":
            width, height = height, width
        scale = density / 160
        return Display(width, height, scale, round(top * scale), round(bottom * scale), self.is_tablet)


def available_at(windows: tuple[tuple[float, float | None], ...], seconds: float | None) -> bool:
    """Whether a device with these windows is there, so many seconds after the start; None: not started.

    >>> available_at(((0, 60), (90, None)), 75.0)
    False
    """
    if not windows or seconds is None:
        return True
    return any(start <= seconds and (end is None or seconds < end) for start, end in windows)


def parse_spec(raw: object, apps: Mapping[str, Any]) -> DeviceSpec:
    """Read a device of the config or the admin API; `apps` are the known app ids.

    Raises:
        DeviceSpecError: naming the device and the key.
    """
    if not isinstance(raw, Mapping):
        raise DeviceSpecError(f"a device is a mapping, got {raw!r}")
    device_id = raw.get("id")
    if not isinstance(device_id, str) or not device_id.strip() or "/" in device_id:
        raise DeviceSpecError(f"a device needs an `id`: a text without '/', got {device_id!r}")
    for key in raw:
        if key not in _SPEC_KEYS:
            raise DeviceSpecError(
                f"unknown key {key!r}{nearest(key, _SPEC_KEYS)}", device_id=device_id, do=_known(_SPEC_KEYS)
            )
    platform = str(raw.get("platform") or "android").lower()
    if platform not in get_args(Platform):
        raise DeviceSpecError(
            f"virtual devices are android or ios, got platform {platform!r}", device_id=device_id
        )
    form_factor = str(raw.get("form_factor") or "phone").lower()
    app = str(raw.get("app") or "")
    if app and app not in apps:
        raise DeviceSpecError(
            f"unknown app {app!r}{nearest(app, apps)}", device_id=device_id, do=_known(apps)
        )
    return DeviceSpec(
        id=device_id,
        platform="ios" if platform == "ios" else "android",
        os_version=str(raw.get("os_version") or ("17.2" if platform == "ios" else "14")),
        form_factor=form_factor,
        model=str(raw.get("model") or _MODELS[platform, form_factor == "tablet"]),
        app=app,
        settings=parse_settings(raw.get("settings") or {}, device_id),
    )


def parse_settings(raw: object, device_id: str) -> VirtualSettings:
    """Read the `virtual:` block of a device.

    Raises:
        DeviceSpecError: unknown key, or a value of the wrong kind.
    """
    if not isinstance(raw, Mapping):
        raise DeviceSpecError(f"`virtual` settings are a mapping, got {raw!r}", device_id=device_id)
    known = [each.name for each in fields(VirtualSettings)]
    values: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in known:
            raise DeviceSpecError(
                f"unknown virtual setting {key!r}{nearest(key, known)}", device_id=device_id, do=_known(known)
            )
        values[key] = _setting(device_id, key, value)
    return VirtualSettings(**values)


def _setting(device_id: str, key: str, value: Any) -> Any:
    def fail(expected: str) -> DeviceSpecError:
        return DeviceSpecError(
            f"virtual setting {key}: expected {expected}, got {value!r}", device_id=device_id
        )

    if key == "available":
        return _windows(value, fail("windows such as [[0, 60], [90, null]]"))
    if key == "faults":
        if not isinstance(value, list):
            raise fail("a list of faults")
        try:
            return tuple(parse_fault(each) for each in value)
        except UsageError as exc:
            raise DeviceSpecError(f"virtual setting faults: {exc}", device_id=device_id) from exc
    if key == "battery_state" and (not isinstance(value, str) or value not in BATTERY_STATES):
        raise fail(f"one of {', '.join(BATTERY_STATES)}")
    default = getattr(VirtualSettings(), key)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise fail("true or false")
    elif isinstance(default, int | float):
        if not is_amount(value):
            raise fail(f"a number of 0 or more, up to {MAX_AMOUNT:g}")
        if key == "battery" and value > 100:
            raise fail("a percentage")
    elif isinstance(default, str):
        if not isinstance(value, str):
            raise fail("a text")
    elif not isinstance(value, Mapping):
        raise fail("a mapping")
    return value


def _windows(value: Any, error: DeviceSpecError) -> tuple[tuple[float, float | None], ...]:
    if not isinstance(value, list):
        raise error
    windows = []
    for each in value:
        if not isinstance(each, list) or len(each) != 2:
            raise error
        start, end = each
        if not is_amount(start) or not (end is None or (is_amount(end) and end > start)):
            raise error
        windows.append((float(start), None if end is None else float(end)))
    return tuple(windows)


def _known(names: Any) -> str:
    return f"known: {', '.join(map(str, names)) or 'none'}"
