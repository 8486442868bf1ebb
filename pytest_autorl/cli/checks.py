"""The checks of `autorl doctor`: each looks at one thing and says how it is and what to do.

Environment and place are passed in; nothing here changes anything, except for one temporary file that shows
whether the state directory can be written to and locked.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.metadata
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pytest_autorl.errors import AutorlError, StateError
from pytest_autorl.options import OPTIONS
from pytest_autorl.settings import Settings, given, resolve
from pytest_autorl.state.peek import peek
from pytest_autorl.state.place import Place, file_system, nearest_folder
from pytest_autorl.state.sqlite_file import has_wal_reset_bug

Status = Literal["ok", "warn", "fail"]

#: Settings that may hold a secret: their value is never shown, only that they are set.
_HIDDEN = frozenset({"farm_token", "farm_url", "metrics_push", "trace_endpoint"})
#: Settings that also go by unprefixed names.
_SHARED = tuple(option.name for option in OPTIONS if option.fallback_env)
#: Variables of this project that are no settings.
_OTHER_VARIABLES = frozenset({"AUTORL_ADMIN_KEY", "AUTORL_REQUIRE_REAL"})

#: Below these free bytes artefacts may not find room.
_LOW_DISK_BYTES = 1_000_000_000
_NO_DISK_BYTES = 100_000_000


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How one thing is. `do` is the way out; empty when nothing is to be done."""

    name: str
    status: Status
    detail: str
    do: str = ""


def program() -> Iterator[Finding]:
    """Python, the operating system, pytest, this plugin, and what it works with."""
    yield Finding(name="python", status="ok", detail=f"{platform.python_version()} ({sys.executable})")
    system = platform.system()
    if system == "Windows":
        do = "use WSL2 for tests on devices; everything else works"
        yield Finding(name="system", status="fail", detail="Windows: a device farm is refused", do=do)
    else:
        yield Finding(name="system", status="ok", detail=f"{system} {platform.release()}")
    version = _version("pytest")
    yield Finding(name="pytest", status="ok", detail=version)
    yield _plugin()
    client = _version("Appium-Python-Client")
    yield Finding(name="appium client", status="ok", detail=client)
    for name, extra in (("pytest-xdist", "xdist"), ("allure-pytest", "allure")):
        version = _version(name)
        do = "" if version else f"pip install pytest-autorl[{extra}]"
        detail = version or "not installed: " + (
            "one device at a time" if extra == "xdist" else "no Allure report"
        )
        yield Finding(name=name, status="ok" if version else "warn", detail=detail, do=do)


def _plugin() -> Finding:
    from pytest_autorl import __version__

    entries = importlib.metadata.entry_points(group="pytest11")
    if any(entry.value == "pytest_autorl.plugin" for entry in entries):
        return Finding(name="plugin", status="ok", detail=f"pytest-autorl {__version__}")
    detail = f"pytest-autorl {__version__} is not installed where pytest looks for plugins"
    return Finding(
        name="plugin", status="fail", detail=detail, do=f"{sys.executable} -m pip install pytest-autorl"
    )


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def environment(env: Mapping[str, str]) -> Iterator[Finding]:
    """Which settings come from the environment, and whether they can be used."""
    try:
        settings = resolve(env=env)
    except AutorlError as error:
        yield Finding(name="environment", status="fail", detail=str(error.args[0]), do=error.do)
        settings = Settings()
    set_by = {option.name: found[1] for option in OPTIONS if (found := given(option, {}, env, {}))}
    names = [f"{name} set (hidden)" if key in _HIDDEN else name for key, name in set_by.items()]
    yield Finding(name="from environment", status="ok", detail=", ".join(names) or "nothing")
    values = (f"{name}={_plain(getattr(settings, name))} ({set_by.get(name, 'default')})" for name in _SHARED)
    yield Finding(name="shared settings", status="ok", detail=", ".join(values))
    known = {option.env_name for option in OPTIONS} | _OTHER_VARIABLES
    for name in sorted(name for name in env if name.startswith("AUTORL_") and name not in known):
        near = difflib.get_close_matches(name, known, n=1)
        do = f"did you mean {near[0]}?" if near else "unset it"
        yield Finding(name="environment", status="warn", detail=f"{name} is no setting", do=do)


def _plain(value: object) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value) or "-"


def devices(rows: Sequence[Mapping[str, Any]]) -> Finding:
    """How many are available, and what the others are."""
    others = [row for row in rows if row["status"] != "available"]
    text = ", ".join(f"{row['id']} {row['status']} ({row['holder'] or row['reason']})" for row in others)
    detail = f"{len(rows) - len(others)} available" + (f"; {text}" if text else "")
    return Finding(name="devices", status="ok", detail=detail)


def state(place: Place, reports: Path) -> Iterator[Finding]:
    """Where the state is: can it be written to, locked, is it local and whole; and is there room for reports."""
    folder = nearest_folder(place.path.parent)
    do = "name a local place: --autorl-state PATH"
    if place.note:
        yield Finding(name="state", status="warn", detail=place.note, do=do)
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".autorl-") as file:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        detail = "no POSIX file locks here"
        yield Finding(name="state", status="fail", detail=detail, do="use WSL2 for a farm")
    except OSError as error:
        detail = f"{place.path}: cannot write and lock in {folder}: {error.strerror}"
        yield Finding(name="state", status="fail", detail=detail, do=do)
    else:
        yield from _content(place.path, file_system(folder))
    version = sqlite3.sqlite_version
    has_bug = has_wal_reset_bug(sqlite3.sqlite_version_info)
    detail = f"{version}: two programs that write at one instant can lose a commit" if has_bug else version
    do = "write the state with nothing but this plugin, whose processes take turns; or use SQLite 3.51.3"
    yield Finding(name="sqlite", status="warn" if has_bug else "ok", detail=detail, do=do if has_bug else "")
    free = shutil.disk_usage(nearest_folder(reports)).free
    low = free < _LOW_DISK_BYTES
    yield Finding(
        name="disk",
        status="fail" if free < _NO_DISK_BYTES else "warn" if low else "ok",
        detail=f"{free / 1e9:.1f} GB free for {reports}",
        do="make room, or write the reports elsewhere: --autorl-reports DIR" if low else "",
    )


def _content(path: Path, kind: str) -> Iterator[Finding]:
    """What stands in the state; nothing is made or changed by looking."""
    try:
        seen = peek(path)
    except StateError as error:
        yield Finding(name="state", status="fail", detail=str(error.args[0]), do=error.do)
        return
    if path.exists() and not os.access(path, os.W_OK):
        detail = f"{path} can be read, and not written"
        do = "make it writable, or name another place: --autorl-state PATH"
        yield Finding(name="state", status="fail", detail=detail, do=do)
        return
    held = sum(1 for device in seen.devices if device.owner)
    content = f"{len(seen.devices)} devices, {held} in use, {len(seen.queue)} waiting"
    shown = f"{content}, {_size(path) / 1e6:.1f} MB" if path.exists() else "not made yet"
    yield Finding(name="state", status="ok", detail=f"{path}: {shown} ({kind or 'file system unknown'})")


def _size(path: Path) -> int:
    """Bytes of the database with what stands beside it."""
    total = 0
    for each in path.parent.iterdir():
        with contextlib.suppress(OSError):  # the log goes when the last one closes it
            total += each.stat().st_size if each.name.startswith(path.name) and each.is_file() else 0
    return total


def tools(here: Path, *, are_needed: bool, path: str | None = None) -> Iterator[Finding]:
    """Node.js, npm and Appium, on the path or in ``.tools``.

    Args:
        are_needed: The farm has devices behind a server on this machine.
        path: Search path; default: that of the process.
    """
    own = [
        here / ".tools" / "node_modules" / ".bin",
        here / ".tools" / "bin",
        here / ".tools" / "node" / "bin",
    ]
    for name in ("node", "npm", "appium"):
        found = shutil.which(name, path=path) or next(
            (hit for folder in own if (hit := shutil.which(name, path=str(folder)))), None
        )
        if found:
            yield Finding(name=name, status="ok", detail=found)
        elif are_needed:
            do = "npm install --global appium" if name == "appium" else "install Node.js"
            yield Finding(
                name=name, status="warn", detail="not found, and the farm names a server here", do=do
            )
        else:
            yield Finding(
                name=name, status="ok", detail="not found; only an Appium server on this machine needs it"
            )
