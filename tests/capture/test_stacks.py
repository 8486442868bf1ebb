"""Stacks of a process that hangs: whose they are, and which failures count as a hang."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from pytest_autorl.capture.stacks import HangWatch, is_hang, thread_stacks
from pytest_autorl.errors import DeviceProviderError, DeviceTimeoutError, ServerDownError

pytestmark = pytest.mark.unit

PATIENCE_S = 30.0


def test_every_thread_is_named_with_where_it_stands() -> None:
    is_there, go_on = threading.Event(), threading.Event()

    def holds_on() -> None:
        is_there.set()
        go_on.wait(PATIENCE_S)

    thread = threading.Thread(target=holds_on, name="the-holder", daemon=True)
    thread.start()
    is_there.wait(PATIENCE_S)

    stacks = thread_stacks()

    go_on.set()
    thread.join(PATIENCE_S)
    assert "thread the-holder, daemon:\n" in stacks
    assert "in holds_on" in stacks
    assert stacks.index("in holds_on") < stacks.index("test_every_thread_is_named"), "the caller comes last"


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "hangs"),
    [
        (None, False),
        (AssertionError("Timeout (>1.0s) from pytest-timeout."), False),
        (DeviceProviderError("refused"), False),
        (DeviceTimeoutError("no answer"), True),
        (ServerDownError("no server"), True),
        (caused(AssertionError("not there"), DeviceTimeoutError("no answer")), True),
        (pytest.fail.Exception("Timeout (>1.0s) from pytest-timeout."), True),
        (pytest.fail.Exception("Timeout >1.0s"), True),
        (pytest.fail.Exception("The Timeout (>1.0s) was not shown"), False),
    ],
    ids=str,
)
def test_a_hang_is_told_from_other_failures(error: BaseException | None, hangs: bool) -> None:
    assert is_hang(error) is hangs


def test_a_loop_of_causes_has_an_end() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first

    assert not is_hang(first)


def test_the_watch_calls_once_while_the_test_goes_on() -> None:
    called = threading.Event()
    watch = HangWatch()

    watch.arm(0.001, called.set)

    assert called.wait(PATIENCE_S)
    watch.disarm()


class Timers:
    """Timers whose time comes when a test says so."""

    def __init__(self) -> None:
        self._made: list[Timer] = []

    def new(self, after_s: float, callback: Callable[[], None]) -> Timer:
        self._made.append(Timer(after_s, callback))
        return self._made[-1]

    def pass_s(self, seconds: float) -> None:
        """All that run for so long call."""
        for timer in self._made:
            if timer.is_running and timer.after_s <= seconds:
                timer.callback()


class Timer:
    """One of them."""

    name, daemon = "", False

    def __init__(self, after_s: float, callback: Callable[[], None]) -> None:
        self.after_s, self.callback = after_s, callback
        self.is_running = False

    def start(self) -> None:
        assert self.daemon, "it must not keep the process alive"
        self.is_running = True

    def cancel(self) -> None:
        self.is_running = False


def test_a_watch_that_is_armed_anew_calls_for_the_new_test_alone() -> None:
    timers, called = Timers(), list[str]()
    watch = HangWatch(timers.new)

    watch.arm(10.0, lambda: called.append("first"))
    watch.arm(20.0, lambda: called.append("second"))
    timers.pass_s(10.0)
    early = list(called)
    timers.pass_s(20.0)

    assert (early, called) == ([], ["second"])


def test_a_watch_that_is_disarmed_does_not_call() -> None:
    timers, called = Timers(), list[str]()
    watch = HangWatch(timers.new)
    watch.arm(10.0, lambda: called.append("first"))

    watch.disarm()
    watch.disarm()
    timers.pass_s(10.0)

    assert called == []
