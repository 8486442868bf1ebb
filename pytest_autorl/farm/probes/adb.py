"""Readings of an Android device through adb's server: one round trip, no session, no app on the device.

One shell call asks for everything, so that a probe costs little more than `adb shell true`. What the device leaves
out, or says in a way that nobody understands, is a reading that is missing: it is not guessed.
"""

from __future__ import annotations

import re
import time
from typing import Protocol

from pytest_autorl.errors import (
    DeviceError,
    DeviceProviderError,
    DeviceTimeoutError,
    DeviceUnhealthyError,
)
from pytest_autorl.farm.providers import adbserver
from pytest_autorl.farm.sample import HealthSample

#: Between the two looks at the processors; shorter ones would mostly see the probe itself, seconds.
_PAUSE_S = 0.2
_MARK = "@autorl:"
_END = f"{_MARK}end"
_PARTS = (
    ("battery", "dumpsys battery"),
    ("storage", "df /data"),
    ("memory", "cat /proc/meminfo"),
    ("uptime", "cat /proc/uptime"),
    ("cpu", "grep '^cpu ' /proc/stat"),
    ("pause", f"sleep {_PAUSE_S}"),
    ("cpu later", "grep '^cpu ' /proc/stat"),
    ("uptime later", "cat /proc/uptime"),
)
#: What the device's shell is asked. It ends well whatever becomes of its parts.
SCRIPT = "; ".join(f"echo '{_MARK}{name}'; {command}" for name, command in _PARTS) + f"; echo '{_END}'"

#: With these adb takes what follows for a property, which several devices may have, and not for a serial number.
_QUALIFIERS = ("product:", "model:", "device:", "usb:", "tcp:", "udp:", "vsock:")
#: Powers of 1024 that sizes are written with.
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
#: More of what adb says is not shown, characters.
_SHOWN = 200

#: What adb's server says -> what that means, whose fault it is, and the way out. The first that fits.
_MEANINGS: tuple[tuple[str, str, type[DeviceError], str], ...] = (
    (
        r"unauthorized|still authorizing",
        "the device does not let this host in: adb calls it unauthorized",
        DeviceUnhealthyError,
        "unlock it and allow USB debugging for this host; then `adb reconnect offline`",
    ),
    (
        r"device( '.*')? not found|no devices/emulators found|no such device",
        "adb does not see the device",
        DeviceUnhealthyError,
        "plug it in or `adb connect` it, see `adb devices`; or correct appium:udid",
    ),
    (
        r"device( still)? (offline|connecting)|^closed|device .*disconnected",
        "the device does not answer: adb calls it offline",
        DeviceUnhealthyError,
        "`adb reconnect offline`; if it stays so, plug it in again or restart it",
    ),
    (
        r"no permissions|insufficient permissions",
        "adb may not use the device's USB port",
        DeviceProviderError,
        "add a udev rule for it on this host, then plug it in again",
    ),
)


class Shell(Protocol):
    """`adbserver.shell`, or what stands in for it."""

    def __call__(self, serial: str, command: str, *, port: int, deadline_s: float) -> str:
        """See `adbserver.shell`."""


def probe(
    udid: str,
    *,
    deadline_s: float,
    port: int | None = None,
    device_id: str | None = None,
    shell: Shell = adbserver.shell,
) -> HealthSample:
    """Ask an Android device how it is, through the server of adb that runs on this host.

    Args:
        udid: Serial number, as `adb devices` shows it.
        deadline_s: Longest time, seconds.
        port: Of adb's server; None = as the environment says, else 5037. Where none runs none is started.
        device_id: How errors name the device; they do not show the udid.
    Raises:
        DeviceTimeoutError: It does not answer in time.
        DeviceUnhealthyError: It is not there, offline, lets nobody in, or its shell does not work.
        DeviceProviderError: adb's server is missing or does not work, or the udid is none.
    """
    if not _is_serial(udid):
        do = "write appium:udid as `adb devices` shows it"
        raise DeviceProviderError("its udid is no serial number of adb", device_id=device_id, do=do)
    port = adbserver.port_of(port)
    begun_s = time.monotonic()
    try:
        said = shell(udid, SCRIPT, port=port, deadline_s=deadline_s)
    except TimeoutError:
        what = f"no answer through adb in {deadline_s:g} s"
        do = "look at the device; restart it, or plug it in again"
        raise DeviceTimeoutError(what, device_id=device_id, do=do) from None
    except adbserver.RefusalError as error:
        raise refused(str(error), udid=udid, device_id=device_id) from error
    except OSError as error:
        what = f"no server of adb answers on port {port} ({error.strerror or error})"
        do = f"`adb -P {port} start-server`, or see who uses its port"
        raise DeviceProviderError(what, device_id=device_id, do=do) from error
    took_s = time.monotonic() - begun_s
    # The answer ends well also when the device goes away in its middle: only the last mark tells.
    if _END not in said:
        raise broken(said, udid=udid, device_id=device_id)
    return parse(said, took_s=took_s)


def refused(said: str, *, udid: str, device_id: str | None = None) -> DeviceError:
    """The error that a refusal of adb's server stands for; it does not show the udid."""
    for pattern, what, kind, do in _MEANINGS:
        if re.search(pattern, said, re.IGNORECASE):
            return kind(what, device_id=device_id, do=do)
    what = f"adb does not reach the device: {_words(said, udid)}"
    do = "`adb reconnect offline`; if it stays so, plug it in again or restart it"
    return DeviceUnhealthyError(what, device_id=device_id, do=do)


def broken(said: str, *, udid: str, device_id: str | None = None) -> DeviceError:
    """The error that an answer without its end stands for; it does not show the udid."""
    if _MARK in said:
        do = "see whether it restarts by itself; plug it in again"
        return DeviceUnhealthyError("the device broke off its answer to adb", device_id=device_id, do=do)
    what = f"the device's shell does not work: {_words(said, udid)}"
    return DeviceUnhealthyError(what, device_id=device_id, do="restart the device")


def _words(said: str, udid: str) -> str:
    """On one line, not too long, nothing that a terminal would take for a command."""
    shown = said.replace(udid, "...")
    line = " ".join("".join(c if c.isprintable() else " " for c in shown).split())
    return line[:_SHOWN] or "no word"


def parse(text: str, *, took_s: float | None = None) -> HealthSample:
    """The readings in an answer to `SCRIPT`; None for each that is missing or garbled.

    Args:
        took_s: How long the answer took, seconds; what the script waited in it is taken off.
    """
    parts = _split(text)
    battery = parts.get("battery", "")
    level, scale = _number(battery, "level"), _number(battery, "scale")
    tenths = _number(battery, "temperature")
    if re.search(r"^\s*present:\s*false\b", battery, re.MULTILINE):
        level = tenths = None  # a board without one says 0 for everything
    return HealthSample(
        battery_pct=None if level is None else _share(level, 100.0 if scale is None else scale),
        temperature_c=None if tenths is None else tenths / 10,
        storage_free_mb=_free_mb(parts.get("storage", "")),
        memory_pct=_memory_pct(parts.get("memory", "")),
        cpu_pct=_cpu_pct(parts.get("cpu", ""), parts.get("cpu later", "")),
        response_s=None if took_s is None else took_s - _waited_s(parts, took_s),
    )


def _is_serial(udid: str) -> bool:
    """Whether adb can only take it for the serial number of one device."""
    is_word = bool(udid) and udid.isprintable() and udid == udid.strip()
    return is_word and not udid.startswith(("-", *_QUALIFIERS))


def _split(text: str) -> dict[str, str]:
    """The parts by name; what stands before the first belongs to none."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        name = line.strip()
        if name.startswith(_MARK):
            lines = found.setdefault(name.removeprefix(_MARK), [])
        else:
            lines.append(line)
    return {name: "\n".join(lines) for name, lines in found.items()}


def _number(text: str, name: str) -> float | None:
    """The number in the line ``name: 12``."""
    found = re.search(rf"^\s*{name}:\s*(-?[0-9]+)\b", text, re.MULTILINE)
    return float(found[1]) if found else None


def _share(part: float, whole: float) -> float | None:
    return part / whole * 100 if whole > 0 else None


def _free_mb(table: str) -> float | None:
    """Free room by `df`: in blocks as toybox writes it, or for people (`df -h`, and devices before Android 6)."""
    head, *rows = [line.split() for line in table.splitlines() if line.strip()] or [[]]
    names = [name.lower() for name in head]
    column = next((names.index(name) for name in ("available", "avail", "free") if name in names), None)
    if column is None:
        return None
    block = next((found for name in names if (found := re.fullmatch(r"([0-9]+)([kmg]?)-blocks", name))), None)
    unit_bytes = float(block[1]) * 1024.0 ** _POWERS[block[2]] if block else 1.0
    # A long name of a file system makes a line of its own.
    cells = [cell for row in rows for cell in row] if rows and len(rows[0]) == 1 else (rows or [[]])[-1]
    cell = cells[column].lower() if column < len(cells) else ""
    size = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([kmgtp]?)i?b?", cell)
    if size is None:
        return None
    return float(size[1]) * (1024.0 ** _POWERS[size[2]] if size[2] else unit_bytes) / 1e6


def _memory_pct(text: str) -> float | None:
    total, available = _number(text, "MemTotal"), _number(text, "MemAvailable")
    if total is None or available is None:
        return None
    return _share(total - available, total)


def _cpu_pct(before: str, after: str) -> float | None:
    """Share of the time between the two looks in which the processors did something."""
    first, second = _ticks(before), _ticks(after)
    if first is None or second is None:
        return None
    total, idle = (late - early for early, late in zip(first, second, strict=True))
    share = _share(total - idle, total)
    # The kernel's count of idle time is now and then set back by a tick.
    return None if share is None else min(100.0, max(0.0, share))


def _ticks(text: str) -> tuple[float, float] | None:
    """All ticks of the processors since the start, and those in which they did nothing."""
    found = re.search(r"^cpu +([0-9]{1,18}(?: [0-9]{1,18}){4,9})\s*$", text, re.MULTILINE)
    if found is None:
        return None
    # user nice system idle iowait irq softirq steal; guests are counted as users already.
    ticks = [float(word) for word in found[1].split()[:8]]
    return sum(ticks), ticks[3] + ticks[4]


def _waited_s(parts: dict[str, str], took_s: float) -> float:
    """How long the script waited, by the device's own clock; 0 when that cannot be known."""
    looks = [
        re.match(r"\s*([0-9]{1,12}\.[0-9]+)", parts.get(name, "")) for name in ("uptime", "uptime later")
    ]
    begun, ended = looks
    waited_s = float(ended[1]) - float(begun[1]) if begun and ended else 0.0
    return waited_s if 0 <= waited_s <= took_s else 0.0
