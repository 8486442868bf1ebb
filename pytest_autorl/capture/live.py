"""The live line: devices in use and what waits for what, below pytest's own progress on a terminal.

The text is a pure function of what the state knows. It is drawn by a thread about twice a second, and taken away
before pytest writes. One row of a terminal can be had for that without knowing where the cursor is: make room
below it, save its place, write there, come back; everything below the cursor is ours to erase.

Leans on one thing of pytest that is public in name only: all that its reporter and xdist's write passes
`write_raw` (`write` before it existed) of ``config.get_terminal_writer()``. `tests/test_live_line.py` fails when
that changes.
"""

from __future__ import annotations

import os
import threading
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from pytest_autorl.capture.sink import Screen
from pytest_autorl.errors import StateError
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.run import Run
from pytest_autorl.state.leases import DeviceState, Waiting
from pytest_autorl.state.takeover import RECOVERING

#: Between two looks at the state, seconds.
_LOOK_S = 0.5
#: After a test's report the line is back at once, but not more often than this, seconds: a fast suite draws dots.
_DRAW_S = 0.05
#: On a narrower terminal there is no room for anything worth reading.
_NARROWEST = 24
#: Holders that are named of those that somebody waits for.
_NAMED = 2

#: Everything right of and below the cursor.
_ERASE = "\x1b[J"
#: One row down, column kept, scrolling at the bottom of the screen; up again; remember the place; down.
_GO = "\x1bD\x1b[A\x1b7\x1b[B\r"
_BACK = "\x1b8"


def live_text(
    devices: Sequence[DeviceState],
    queue: Sequence[Waiting],
    *,
    farm_size: int,
    now_s: float,
    short: Callable[[str], str] = str,
) -> str:
    """What the line says; "" when nothing is in use and nobody waits.

    Args:
        devices: Of the farm, as far as the state knows them.
        queue: Who waits, of this run.
        now_s: Seconds since the epoch.
        short: Makes an owner's name short.
    """
    counts = Counter(_word(device) for device in devices)
    del counts["available"]
    used = counts.pop("in use", 0)
    if not (used or counts or queue):
        return ""
    others = "".join(f", {count} {word}" for word, count in sorted(counts.items()))
    text = f"autorl: {used} of {farm_size} devices in use{others}"
    if not queue:
        return text
    first = min(queue, key=lambda waiting: (waiting.since_s, waiting.number))
    more = f"; {len(queue)} wait" if len(queue) > 1 else ""
    by_id = {device.device_id: device for device in devices}
    return f"{text}{more}; {_wait(first, by_id, now_s, short)}"


def _word(device: DeviceState) -> str:
    if device.status is DeviceStatus.BUSY:
        return "parked" if device.is_parked else "in use"
    if device.status is DeviceStatus.MAINTENANCE and device.reason.startswith(RECOVERING):
        return "recovering"
    return str(device.status)


def _wait(
    waiting: Waiting, devices: Mapping[str, DeviceState], now_s: float, short: Callable[[str], str]
) -> str:
    """``12 s: gw2 test_pay waits for desk-tablet (gw1 test_long)``."""
    wanted = waiting.candidates[0] if len(waiting.candidates) == 1 else _needed(waiting)
    held = [devices[one] for one in waiting.candidates if one in devices]
    users = [_user(one, short) for one in held if one.status is not DeviceStatus.AVAILABLE]
    named = ", ".join(users[:_NAMED]) + (f", {len(users) - _NAMED} more" if users[_NAMED:] else "")
    who = " ".join(filter(None, (short(waiting.owner), _test(waiting.purpose))))
    seconds = max(0.0, now_s - waiting.since_s)
    return f"{seconds:.0f} s: {who or 'somebody'} waits for {wanted}{f' ({named})' if named else ''}"


def _needed(waiting: Waiting) -> str:
    """The need, where it says anything."""
    if waiting.need in ("", "any", f"any x{waiting.count}"):
        return "a device" if waiting.count == 1 else f"{waiting.count} devices"
    return waiting.need


def _user(device: DeviceState, short: Callable[[str], str]) -> str:
    word = _word(device)
    if word == "in use":
        return " ".join(filter(None, (short(device.owner), _test(device.purpose)))) or word
    return word


def _test(purpose: str) -> str:
    """Name of a test without its file."""
    return purpose.rpartition("::")[2]


def fitted(text: str, width: int) -> str:
    """The text in at most so many columns, a cut marked with "…"; nothing in it moves a cursor.

    Characters that some terminals show in two columns count two: a line that wraps could not be taken away.
    """
    text = "".join(char if char.isprintable() else "?" for char in text)
    if sum(map(_columns, text)) <= width:
        return text
    room, kept = width - _columns("…"), []
    for char in text:
        room -= _columns(char)
        if room < 0:
            break
        kept.append(char)
    return "".join(kept) + "…"


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F", "A") else 1


def is_wanted(config: pytest.Config, env: Mapping[str, str]) -> bool:
    """Whether a line of ours has a place: pytest's own reporter on a terminal that nobody else writes to."""
    option = config.getoption
    is_loud = (
        # Tests, or a person at a debugger, write to the terminal themselves.
        option("capture", default="no") == "no"
        or option("usepdb", default=False)
        or option("trace", default=False)
        or _is_live_log(config)
    )
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return (
        # A reporter of another kind has a screen of its own.
        type(reporter) is pytest.TerminalReporter
        and bool(reporter.isatty)
        and config.get_verbosity() >= 0
        and env.get("TERM", "") not in ("", "dumb")
        and not env.get("CI")
        and not is_loud
    )


def add_live_line(config: pytest.Config, run: Run, env: Mapping[str, str]) -> None:
    """Register the line where it has a place. Call it while nothing is captured, when pytest's reporter is there."""
    asked = {"log_format", "log_level"} & run.settings.sources.keys()
    if not is_wanted(config, env) or (asked and run.settings.log_format == "console"):
        return
    screen = run.sink.open_screen()
    if screen is None:
        return
    line = LiveLine(run, screen, config.get_terminal_writer())
    config.pluginmanager.register(line, "autorl-live-line")
    config.add_cleanup(line.close)  # for an end without `pytest_sessionfinish`


def _is_live_log(config: pytest.Config) -> bool:
    """Whether pytest shows the log while tests run, as its logging plugin decides."""
    try:
        return config.getoption("--log-cli-level") is not None or bool(config.getini("log_cli"))
    except ValueError:  # the plugin is off
        return False


class LiveLine:
    """Draws the line from the first test on, until `close`.

    Args:
        screen: The terminal; capturing does not take it away. Closed with this.
        writer: pytest's terminal writer.
    """

    def __init__(self, run: Run, screen: Screen, writer: Any) -> None:
        self._run = run
        self._screen = screen
        self._writer = writer
        self._size = len(run.farm.devices)
        self._pid = os.getpid()
        self._mutex = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="autorl-live-line", daemon=True)
        self._text = ""
        self._is_drawn = False
        self._is_at_rest = False
        self._drawn_s = 0.0
        self._prefix = run.settings.holder("")

    # -- pytest's side -----------------------------------------------------------------------------------------

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logstart(self) -> None:
        """Begin with the first test: before, xdist rewrites its own line."""
        if self._thread.ident is None and not self._ended.is_set():
            self._intercept()
            self._thread.start()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self) -> None:
        """pytest has written: back again."""
        self._back()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        """pytest may have written how far it is."""
        self._back()

    def pytest_enter_pdb(self) -> None:
        """A person writes at the cursor now, who has moved it already: nothing can be taken away."""
        with self._mutex:
            self._is_drawn, self._is_at_rest = False, True

    def pytest_leave_pdb(self) -> None:
        """Go on."""
        self._is_at_rest = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self) -> None:
        """The end."""
        self.close()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """The end, before xdist waits for its workers; comes after Ctrl-C too."""
        self.close()

    def close(self) -> None:
        """Take the line away for good. Safe to call twice."""
        with self._mutex:
            if self._ended.is_set():
                return
            self._ended.set()
            self._erase()
        self._release()
        if self._thread.ident is not None and os.getpid() == self._pid:
            # It may be about to read the state, which is closed next.
            self._thread.join(timeout=5)
        self._screen.close()

    # -- the screen --------------------------------------------------------------------------------------------

    def _intercept(self) -> None:
        """Whatever pytest writes, by a hook or not, finds the screen without us."""
        self._name = "write_raw" if hasattr(self._writer, "write_raw") else "write"
        original = getattr(self._writer, self._name)

        def write(*args: Any, **kwargs: Any) -> Any:
            if os.getpid() != self._pid:  # a fork has a copy of the lock that nobody will open
                return original(*args, **kwargs)
            with self._mutex:
                self._erase()
                return original(*args, **kwargs)

        setattr(self._writer, self._name, write)

    def _release(self) -> None:
        if self._thread.ident is not None:
            delattr(self._writer, self._name)  # the class's own shows again

    def _back(self) -> None:
        if self._text and not self._is_drawn and time.monotonic() - self._drawn_s > _DRAW_S:
            self._draw()

    def _draw(self) -> None:
        with self._mutex:
            if self._ended.is_set() or self._is_at_rest or os.getpid() != self._pid:
                return
            width = self._screen.columns
            if not self._text or width < _NARROWEST:
                self._erase()
                return
            # What pytest has written may still be on its way.
            self._writer.flush()
            # Before it is true: Ctrl-C may come between, and erasing nothing does no harm.
            self._is_drawn = True
            # The last column stays free: a terminal that has filled it is about to wrap.
            self._put(_ERASE + _GO + fitted(self._text, width - 1) + _BACK)
            self._drawn_s = time.monotonic()

    def _erase(self) -> None:
        if self._is_drawn:
            self._put(_ERASE)
            self._is_drawn = False

    def _put(self, text: str) -> None:
        try:
            self._screen.write(text)
        except (OSError, ValueError):  # the terminal has gone
            self._ended.set()

    # -- the thread's side -------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._ended.is_set():
            text = self._look()
            if text != self._text or not self._is_drawn:
                self._text = text
                self._draw()
            self._ended.wait(_LOOK_S)

    def _look(self) -> str:
        try:
            seen = self._run.look()
        except StateError:  # whoever needs the state says what is wrong with it
            return ""
        if seen is None:
            return ""
        devices, queue = seen
        text = live_text(
            list(devices.values()),
            queue,
            farm_size=self._size,
            now_s=time.time(),
            short=lambda owner: owner.removeprefix(self._prefix),
        )
        return self._run.sink.text(text)
