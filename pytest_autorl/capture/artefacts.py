"""Artefacts of a failure: screenshot, page source and log of each device, as they stood when it failed."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_autorl.capture.sink import Kind, Sink, folder_name
from pytest_autorl.errors import DeviceTimeoutError
from pytest_autorl.farm.handle import DeviceHandle

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

#: Longest that one artefact may take, seconds: a dead device must not hold up the run.
_LIMIT_S = 5.0


def failure_section(
    sink: Sink, handles: Sequence[DeviceHandle], *, test: str, attempt: int, options: Sequence[str]
) -> str:
    """Take the artefacts of every device and return the text of the report's section.

    ``options`` are those of the command line that the test needs to find its devices again. What could not be
    taken is named with the reason; nothing here makes a test fail.
    """
    lines = []
    for handle in handles:
        lines.append(f"device {handle.device}, lease token {handle.lease.token}")
        folder = folder_name(test, attempt, handle.id)
        lines += [f"  {line}" for line in _of_device(sink, handle, folder)]
    again = ["pytest", test, *options]
    for handle in handles:
        again += ["--autorl-device", handle.id]
    lines.append(f"reproduce with: {shlex.join(again)}")
    return sink.text("\n".join(lines))


def _of_device(sink: Sink, handle: DeviceHandle, folder: str) -> Iterator[str]:
    driver = handle.open_driver
    if driver is None:
        yield "no session was open: no artefacts"
        return
    takes: list[tuple[str, Kind, Callable[[], str | bytes]]] = [
        ("screenshot", "png", driver.get_screenshot_as_png),
        ("page-source", "xml", lambda: driver.page_source),
        ("device-log", "text", lambda: handle.log),
    ]
    deadline = time.monotonic() + 2 * _LIMIT_S
    with _limited(driver):
        is_silent = False
        for name, kind, take in takes:
            if is_silent or time.monotonic() > deadline:
                yield f"{name}: not taken, the device does not answer"
                continue
            try:
                body = take()
                path = sink.artefact(folder, name, body, kind) if body else None
                yield f"{name}: {sink.shown(path) if path is not None else 'empty'}"
            # Whatever a broken device answers: the verdict is the test's, not ours.
            except Exception as error:
                is_silent = isinstance(error, DeviceTimeoutError)
                first_line = next(iter(str(error).splitlines()), "")
                yield f"{name}: not taken: {type(error).__name__}: {first_line}"


@contextmanager
def _limited(driver: WebDriver) -> Iterator[None]:
    config = driver.command_executor.client_config
    before = config.timeout
    config.timeout = min(before or _LIMIT_S, _LIMIT_S)
    try:
        yield
    finally:
        config.timeout = before
