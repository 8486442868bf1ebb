"""Where the state is, whether it can be used, and what stands in it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_autorl.cli.checks import Finding
from pytest_autorl.errors import StateError
from pytest_autorl.state.peek import peek
from pytest_autorl.state.place import Place, file_system, nearest_folder
from pytest_autorl.state.sqlite_file import has_wal_reset_bug


def devices(rows: Sequence[Mapping[str, Any]]) -> Finding:
    """How many are available, and what the others are.

    Args:
        rows: As `status.full_device_rows` gives them.
    """
    others = [row for row in rows if row["status"] != "available"]
    text = ", ".join(f"{row['id']} {row['status']} ({row['holder'] or row['reason']})" for row in others)
    detail = f"{len(rows) - len(others)} available" + (f"; {text}" if text else "")
    stuck = [row["id"] for row in rows if row["holder_alive"] is False]
    if not stuck:
        return Finding(name="devices", status="ok", detail=detail)
    detail += f"; of {', '.join(stuck)} the holder's process has ended"
    do = f"`autorl farm release {' '.join(stuck)}`, or start a run: it takes them over"
    return Finding(name="devices", status="warn", detail=detail, do=do)


def state(place: Place) -> Iterator[Finding]:
    """Where the state is: can it be written to, locked, is it local and whole."""
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
