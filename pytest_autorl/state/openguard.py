"""Keeps Python from opening the file of a database that SQLite has open in this process.

POSIX locks belong to the process: closing *any* descriptor of the file drops those of SQLite too. Another process
then believes to be the last one and removes the log from under us, and committed rows are gone without an error
(https://www.sqlite.org/howtocorrupt.html, 2.2). So whoever hashes, copies or attaches the file gets an error instead,
with the way that works. SQLite opens its files itself, which this does not see.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

from pytest_autorl.errors import StateError

_guarded: dict[str, int] = {}
_mutex = threading.Lock()
_is_installed = False


def guard(path: Path) -> None:
    """From now on nothing of this process may open the database or its log. Counted: ends with as many `free`."""
    global _is_installed
    with _mutex:
        if not _is_installed:
            sys.addaudithook(_look)  # for good: there is no way to take one away
            _is_installed = True
        for name in _names(path):
            _guarded[name] = _guarded.get(name, 0) + 1


def free(path: Path) -> None:
    """The database was closed."""
    with _mutex:
        for name in _names(path):
            _guarded[name] -= 1
            if not _guarded[name]:
                del _guarded[name]


def _names(path: Path) -> list[str]:
    real = os.path.realpath(path)
    return [real, f"{real}-wal", f"{real}-shm"]


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not _guarded:
        return
    name = arguments[0]
    if not isinstance(name, (str, bytes)):
        return
    try:
        real = os.path.realpath(os.fsdecode(name))
    except OSError:  # relative to a current folder that is gone: then it is not one of ours
        return
    if real in _guarded:
        raise StateError(
            f"{real} is open as a database here: opening it another way would drop its locks and lose data",
            do="copy it with SqliteEngine.backup, or from another process with sqlite3 and VACUUM INTO",
        )


#: Else debuggers and coverage do not see a hook (`sys.addaudithook`).
_look.__cantrace__ = True  # type: ignore[attr-defined]
