"""The live line in a real pseudo-terminal, as a terminal would show it, and its text."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.capture.live import fitted, live_text
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.state.leases import DeviceState, Waiting

ROWS, COLUMNS = 16, 100
#: Longest wait for anything that is to appear, seconds.
PATIENCE_S = 90.0

#: One device, held by whichever test comes first until a file appears; the others wait.
HOLDERS = """
    import pathlib, pytest, time
    @pytest.mark.parametrize("n", range(3))
    def test_hold(device, n):
        ends_s = time.monotonic() + 60
        while not pathlib.Path("go").exists():
            assert time.monotonic() < ends_s
            time.sleep(0.01)
"""


# The text


def device(name: str, status: DeviceStatus = DeviceStatus.BUSY, **more: Any) -> DeviceState:
    facts = {"run": "r", "reason": "", "since_s": 0.0, "token": 1}
    return DeviceState(**{"device_id": name, "status": status, **facts, **more})


def waiting(number: int = 1, **more: Any) -> Waiting:
    facts = {"run": "r", "owner": "host-gw2", "purpose": "tests/test_a.py::test_pay", "need": "tablet"}
    return Waiting(
        number=number, **{"candidates": ("desk-tablet",), "count": 1, "since_s": 88.0, **facts, **more}
    )


def text(devices: Sequence[DeviceState], queue: Sequence[Waiting] = ()) -> str:
    return live_text(
        devices, queue, farm_size=6, now_s=100.0, short=lambda owner: owner.removeprefix("host-")
    )


@pytest.mark.unit
def test_the_line_tells_what_is_used_and_who_waits_longest_for_what() -> None:
    devices = [
        device("desk-tablet", owner="host-gw1", purpose="tests/test_a.py::test_long"),
        device("pixel-1", owner="host-gw0"),
        device("pixel-2", is_parked=True, owner="host-gw0"),
        device("pixel-3", DeviceStatus.MAINTENANCE, reason="recovering: gw4 ended"),
        device("pixel-4", DeviceStatus.MAINTENANCE, reason="held by hand"),
        device("pixel-5", DeviceStatus.AVAILABLE),
    ]

    assert text(devices, [waiting()]) == (
        "autorl: 2 of 6 devices in use, 1 maintenance, 1 parked, 1 recovering; "
        "12 s: gw2 test_pay waits for desk-tablet (gw1 test_long)"
    )
    assert text(devices, [waiting(1, since_s=99.0), waiting(2, since_s=40.0)]).endswith(
        "1 recovering; 2 wait; 60 s: gw2 test_pay waits for desk-tablet (gw1 test_long)"
    )


@pytest.mark.unit
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"candidates": ("a", "b"), "need": "any"}, "waits for a device (gw0 test_x, parked)"),
        ({"candidates": ("a", "b"), "need": "ios"}, "waits for ios (gw0 test_x, parked)"),
        (
            {"candidates": ("a", "b", "c", "e"), "need": "any x2", "count": 2},
            "waits for 2 devices (gw0 test_x, parked, 1 more)",
        ),
        ({"candidates": ("d",)}, "waits for d"),
        ({"candidates": ("unknown",)}, "waits for unknown"),
    ],
)
def test_what_is_waited_for_is_named_with_its_holders(more: dict[str, Any], expected: str) -> None:
    devices = [
        device("a", owner="host-gw0", purpose="t.py::test_x"),
        device("b", is_parked=True),
        device("c", DeviceStatus.UNHEALTHY),
        device("d", DeviceStatus.AVAILABLE),
    ]

    assert text(devices, [waiting(**more)]).endswith(expected)


@pytest.mark.unit
def test_where_nothing_happens_there_is_no_line() -> None:
    assert text([]) == ""
    assert text([device("a", DeviceStatus.AVAILABLE)]) == ""


@pytest.mark.unit
@given(st.text(max_size=80), st.integers(2, 60))
def test_a_line_fits_its_width_and_moves_no_cursor(line: str, width: int) -> None:
    found = fitted(line, width)

    assert found.isprintable()
    assert len(found) <= width
    if line.isascii() and line.isprintable():
        assert found == line if len(line) <= width else found == line[: width - 2] + "…"


@pytest.mark.unit
def test_wide_characters_count_twice() -> None:
    assert fitted("設定設定設定", 8) == "設定設…"


# The terminal


class Screen:
    """As much of a terminal as pytest and the line use; a sequence that it does not know fails the test."""

    def __init__(self) -> None:
        self.lines = [[" "] * COLUMNS for _ in range(ROWS)]
        self.gone: list[str] = []
        self.row = self.column = 0
        self.saved = (0, 0)
        self.rest = ""

    def feed(self, text: str) -> None:
        text, self.rest = self.rest + text, ""
        while text:
            found = re.match(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b([78D])|\x1b\][^\x1b]*\x1b\\|([^\x1b])", text)
            if found is None:  # the rest of it is on its way
                assert len(text) < 40, f"what is {text[:40]!r}?"
                self.rest = text
                return
            number, final, short, char = found.groups()
            if char:
                self._char(char)
            elif final or short:
                self._control(final or short, int(number) if number and number.isdigit() else 0)
            text = text[found.end() :]

    def _char(self, char: str) -> None:
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self._down()
        else:
            assert char.isprintable(), f"what is {char!r}?"
            if self.column == COLUMNS:
                self.column = 0
                self._down()
            self.lines[self.row][self.column] = char
            self.column += 1

    def _control(self, name: str, number: int) -> None:
        if name == "A":
            self.row = max(0, self.row - max(1, number))
        elif name == "B":
            self.row = min(ROWS - 1, self.row + max(1, number))
        elif name == "D":
            self._down()
        elif name == "7":
            self.saved = (self.row, self.column)
        elif name == "8":
            self.row, self.column = self.saved
        elif name == "J":
            assert number == 0
            self.lines[self.row][self.column :] = [" "] * (COLUMNS - self.column)
            for row in range(self.row + 1, ROWS):
                self.lines[row] = [" "] * COLUMNS
        elif name == "K":
            self.lines[self.row][self.column :] = [" "] * (COLUMNS - self.column)
        else:
            assert name == "m", f"what is {name!r}?"

    def _down(self) -> None:
        if self.row < ROWS - 1:
            self.row += 1
            return
        self.gone.append("".join(self.lines.pop(0)).rstrip())
        self.lines.append([" "] * COLUMNS)

    @property
    def shown(self) -> list[str]:
        """What stands on the screen now."""
        return ["".join(line).rstrip() for line in self.lines]

    @property
    def text(self) -> str:
        """Everything that can be scrolled back to."""
        return "\n".join([*self.gone, *self.shown]).rstrip()


class Terminal:
    """A pytest run in a pseudo-terminal, and what its screen shows."""

    def __init__(self, folder: Path, *options: str, environ: dict[str, str] | None = None) -> None:
        self.screen = Screen()
        self.raw = ""
        self._reading, writing = pty.openpty()
        fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        env = {key: value for key, value in os.environ.items() if not key.startswith(("CI", "COLUMNS"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", *options],
            cwd=folder,
            env={**env, "TERM": "xterm", **(environ or {})},
            stdin=writing,
            stdout=writing,
            stderr=writing,
            start_new_session=True,
        )
        os.close(writing)
        self._decode = codecs.getincrementaldecoder("utf-8")().decode

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exc: object) -> None:
        """Whatever happened, nothing stays behind."""
        os.close(self._reading)
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE_S)

    def until(self, is_there: Callable[[Screen], bool]) -> None:
        """Read until the screen shows it; fails when it never does."""
        ends_s = time.monotonic() + PATIENCE_S
        while not is_there(self.screen):
            assert self._read(ends_s - time.monotonic()), f"it never came:\n{self.screen.text}"

    def end(self) -> int:
        """Read to the end; returns the exit status."""
        ends_s = time.monotonic() + PATIENCE_S
        while self._read(ends_s - time.monotonic()):
            pass
        return self.process.wait(PATIENCE_S)

    def listen(self, wait_s: float) -> None:
        """Take in what is written in the next seconds."""
        end_s = time.monotonic() + wait_s
        while (left_s := end_s - time.monotonic()) > 0:
            self._read(left_s)

    def type(self, text: str) -> None:
        """As if a person did."""
        os.write(self._reading, text.encode())

    def _read(self, wait_s: float) -> bool:
        if not select.select([self._reading], [], [], max(0.0, wait_s))[0]:
            return False
        try:
            data = os.read(self._reading, 65536)
        except OSError:  # Linux says the end so
            return False
        text = self._decode(data)
        self.raw += text
        self.screen.feed(text)
        return bool(data)


def is_below_progress(screen: Screen, line: str) -> bool:
    """Whether a row with `line` is the only one below the cursor."""
    below = [text for text in screen.shown[screen.row + 1 :] if text]
    return len(below) == 1 and re.search(line, below[0]) is not None


WAITS = r"^autorl: 1 of 1 devices in use; \d+ s: gw\d test_hold\[\d\] waits for virtual-1 \(gw\d test_hold\[\d\]\)$"


@pytest.mark.integration
def test_the_line_stands_below_pytests_progress_and_leaves_no_trace(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    pytester.makepyfile(HOLDERS)

    with Terminal(pytester.path, "-n", "2", "--autorl-farm", "virtual:1", "--dist", "load") as terminal:
        terminal.until(lambda screen: is_below_progress(screen, WAITS))
        (pytester.path / "go").touch()
        status = terminal.end()

    assert status == 0
    assert "devices in use" not in terminal.screen.text
    assert "waits for" not in terminal.screen.text
    assert re.search(r"^\.\.\. +\[100%\]$", terminal.screen.text, re.MULTILINE)
    assert re.search(r"^=+ autorl: devices =+$", terminal.screen.text, re.MULTILINE)
    assert re.search(r"=+ 3 passed in [\d.]+s =+$", terminal.screen.text)


#: What the line is made of: taken away, and drawn.
_OURS = re.compile(r"\x1b\[J|\x1bD\x1b\[A\x1b7\x1b\[B\r[^\x1b]*\x1b8")


def without_us(raw: str) -> str:
    """What the screen would have shown had the line never been there."""
    screen = Screen()
    screen.feed(_OURS.sub("", raw))
    return screen.text


@pytest.mark.integration
def test_nothing_of_pytests_output_is_lost_where_the_screen_scrolls_and_workers_crash(
    pytester: pytest.Pytester,
) -> None:
    """At the bottom of the screen each row is made by scrolling; xdist tells of crashes outside of any hook."""
    pytest.importorskip("xdist")
    pytester.makepyfile(
        HOLDERS
        + """
    @pytest.mark.parametrize("n", range(20))
    def test_quick(n): pass
    def test_dies():
        import os, signal
        while not pathlib.Path("go").exists(): time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    @pytest.mark.parametrize("n", range(20))
    def test_last(n): pass
    """
    )
    options = ("-v", "-n", "3", "--autorl-farm", "virtual:1", "--dist", "load", "--maxschedchunk", "1")

    with Terminal(pytester.path, *options) as terminal:
        terminal.until(lambda screen: "waits for" in "\n".join(screen.shown))
        (pytester.path / "go").touch()
        terminal.end()

    shown = terminal.screen.text
    assert terminal.raw.count("\x1bD") > 1
    assert "devices in use" not in shown
    assert shown == without_us(terminal.raw)
    assert "node down: Not properly terminated" in shown
    assert "1 failed, 43 passed" in shown


@pytest.mark.integration
def test_ctrl_c_takes_the_line_away(pytester: pytest.Pytester) -> None:
    """In a single process, while the test that runs is captured."""
    pytester.makepyfile(HOLDERS)

    with Terminal(pytester.path, "--autorl-farm", "virtual:1") as terminal:
        terminal.until(lambda screen: is_below_progress(screen, "^autorl: 1 of 1 devices in use$"))
        os.kill(terminal.process.pid, signal.SIGINT)
        status = terminal.end()

    assert status == pytest.ExitCode.INTERRUPTED
    assert "devices in use" not in terminal.screen.text
    assert terminal.screen.text == without_us(terminal.raw)
    assert "KeyboardInterrupt" in terminal.screen.text


@pytest.mark.integration
def test_a_person_at_the_debugger_is_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(HOLDERS + "        breakpoint()\n")

    with Terminal(pytester.path, "--autorl-farm", "virtual:1", "-k", "0") as terminal:
        terminal.until(lambda screen: is_below_progress(screen, "^autorl: 1 of 1 devices in use$"))
        (pytester.path / "go").touch()
        terminal.until(lambda screen: screen.shown[screen.row].startswith("(Pdb)"))
        assert "devices in use" not in terminal.screen.text
        at_prompt = len(terminal.raw)
        # Two looks at the state and more. What comes now can only be the rest of the debugger's own prompt.
        terminal.listen(1.5)
        assert not _OURS.search(terminal.raw[at_prompt:])
        assert terminal.screen.shown[terminal.screen.row].startswith("(Pdb)")
        terminal.type("c\n")
        status = terminal.end()

    assert status == 0
    assert "devices in use" not in terminal.screen.text
    assert "1 passed" in terminal.screen.text


#: A conftest that tells whether there is a line.
PLACES = """
    def pytest_report_collectionfinish(config):
        return f"line: {config.pluginmanager.has_plugin('autorl-live-line')}"
"""


@pytest.mark.integration
@pytest.mark.parametrize(
    ("options", "environ", "has_line"),
    [
        ((), {}, True),
        (("-q",), {}, False),
        (("-s",), {}, False),
        (("--pdb",), {}, False),
        (("--log-cli-level", "info"), {}, False),
        (("-p", "no:logging"), {}, True),
        (("--autorl-log-format", "console"), {}, False),
        ((), {"TERM": "dumb"}, False),
        ((), {"CI": "true"}, False),
    ],
)
def test_a_line_has_its_place_where_nobody_else_writes(
    pytester: pytest.Pytester, options: tuple[str, ...], environ: dict[str, str], has_line: bool
) -> None:
    pytester.makeconftest(PLACES)
    pytester.makepyfile("def test_plain(): pass")

    with Terminal(pytester.path, "--autorl-farm", "virtual:1", *options, environ=environ) as terminal:
        assert terminal.end() == 0

    found = re.search(r"line: (True|False)", terminal.screen.text)
    assert str(has_line) == (found[1] if found else "False")  # -q says nothing
    assert "\x1bD" not in terminal.raw  # no device was asked for


@pytest.mark.integration
def test_what_goes_into_a_pipe_has_no_line(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(PLACES)
    pytester.makepyfile(HOLDERS)
    (pytester.path / "go").touch()

    result = pytester.runpytest_subprocess("--autorl-farm", "virtual:1")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["line: False"])
    assert "\x1b" not in result.stdout.str()
    assert "devices in use" not in result.stdout.str()
