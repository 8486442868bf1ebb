"""Ends what is behind a session of Appium's Chromium driver: its page, browser, chromedriver or server.

For tests inside a run, beside which it is copied. Nobody is ended by name: the browser says which process it is, its
parent is the chromedriver, and the parent of that one the server. Linux only.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_autorl.resilience import classify_error

_BEHIND = Path(__file__).with_name("behind")
_RULES = Path(__file__).with_name("rules")


def browser(driver: Any) -> int:
    """Id of the session's process."""
    return int(driver.capabilities["goog:processID"])


def chromedriver(driver: Any) -> int:
    """Of this session alone: Appium starts one for each."""
    return _parent(browser(driver))


def server(driver: Any) -> int:
    """The Appium process."""
    return _parent(chromedriver(driver))


def crash_pages(driver: Any) -> None:
    """SIGKILL the processes that show the browser's pages; there must be one."""
    shown = [pid for pid in _family(browser(driver)) if "--type=renderer" in _command(pid)]
    assert shown
    for pid in shown:
        with contextlib.suppress(ProcessLookupError):  # a spare one may end by itself
            os.kill(pid, signal.SIGKILL)


def kill(pid: int, word: str) -> None:
    """SIGKILL a process, whose command line must hold the word."""
    assert word in _command(pid), f"{pid} is {_command(pid)!r}"
    os.kill(pid, signal.SIGKILL)


def note(driver: Any) -> None:
    """Write down what is behind a session, but for the server, for `left`."""
    _BEHIND.mkdir(exist_ok=True)
    first = chromedriver(driver)
    found = {pid: _begun(pid) for pid in (first, *_family(first))}
    (_BEHIND / str(driver.session_id)).write_text(json.dumps(found))


def left(folder: Path) -> set[int]:
    """Which of the chromedrivers and processes of browsers of a run in this folder still live."""
    noted = [json.loads(file.read_text()) for file in (folder / _BEHIND.name).iterdir()]
    assert noted
    return {
        int(pid) for found in noted for pid, begun in found.items() if begun and _begun(int(pid)) == begun
    }


@contextlib.contextmanager
def told(name: str) -> Iterator[None]:
    """Write down, under a name, by which rule an error of the block is classified, and its text."""
    try:
        yield
    except Exception as error:
        _RULES.mkdir(exist_ok=True)
        (_RULES / name).write_text(f"{classify_error(error).rule}\n{error}")
        raise


def rules(folder: Path) -> dict[str, str]:
    """What `told` has written in a run in this folder: the rules, by name."""
    return {file.name: file.read_text().splitlines()[0] for file in (folder / _RULES.name).iterdir()}


def _parent(pid: int) -> int:
    return int(_facts(pid)[1])


def _begun(pid: int) -> str:
    """When a process began, in clock ticks since boot; "" when it has ended. With its id that is nobody else."""
    with contextlib.suppress(OSError):
        facts = _facts(pid)
        return "" if facts[0] in "ZX" else facts[19]
    return ""


def _facts(pid: int) -> list[str]:
    """Of /proc/PID/stat, from the state on, which is the third of proc(5). Raises OSError."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _command(pid: int) -> str:
    """Its command line; "" when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    return ""


def _family(pid: int) -> list[int]:
    """Its children, and theirs."""
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *_family(int(child))]
    return found
