"""Artefacts of a test: screenshot, page source and logs of each device, as they stood when they were taken.

Nothing here makes a test fail, and nothing holds it up for long: what cannot be taken is named with the reason.
Everything is bounded: each file, the time that a device may take, and what a run keeps in all.
"""

from __future__ import annotations

import logging
import re
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_autorl.capture.bounds import (
    LOG_BYTES,
    SCREENSHOT_BYTES,
    SOURCE_BYTES,
    Errand,
    Quota,
    head,
    tail,
)
from pytest_autorl.capture.sink import Kind, Sink, folder_name
from pytest_autorl.capture.stacks import thread_stacks
from pytest_autorl.errors import DeviceTimeoutError, ServerDownError
from pytest_autorl.farm.handle import DeviceHandle
from pytest_autorl.farm.servers.log import Mark, mark, since

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

    from pytest_autorl.farm.providers.base import Provider

logger = logging.getLogger(__name__)

#: Longest silence within one request, and longest that one device is waited for in all, seconds: a dead device must not
#: hold up the run.
_REQUEST_S, _DEVICE_S = 5.0, 10.0
#: What a broken device answers with, and a time limit that runs out just then: pytest-timeout's alarm comes once,
#: and outside a test's body it would end the whole run.
_MISHAPS = (Exception, pytest.fail.Exception)
#: After these nothing more is asked of a device.
_SILENCES = (DeviceTimeoutError, ServerDownError)
#: Names of what can be taken of a device.
_NAMES = ("screenshot", "page-source", "device-log", "server-log", "threads")
#: One artefact: its name, what it is, and how to get it. An empty one is not kept.
Take = tuple[str, Kind, Callable[[], "str | bytes"]]


@dataclass(frozen=True)
class Spot:
    """Which attempt artefacts belong to.

    Attributes:
        test: Node id.
        begun_s: When it began; seconds since the epoch.
    """

    test: str
    attempt: int
    begun_s: float

    def folder(self, handle: DeviceHandle) -> str:
        """Of one of its devices."""
        return folder_name(self.test, self.attempt, handle.id)


@dataclass
class Taker:
    """Takes the artefacts of the tests of one process.

    Args:
        sink: Where they go.
        providers: Block name -> provider, for the logs.
        is_off: Take none, whoever asks.
    """

    sink: Sink
    providers: Mapping[str, Provider]
    quota: Quota
    is_off: bool = False
    #: By device: the log of its server from where the attempt began, for devices of this attempt.
    _server_logs: dict[str, tuple[Path, Mark] | None] = field(default_factory=dict)
    #: By folder of the artefacts: where the threads stood while the test hung.
    _stacks: dict[str, str] = field(default_factory=dict)
    #: By device: what was last asked of it. Outlives the attempt: no driver is used from two threads at once.
    _errands: dict[str, Errand[str | bytes]] = field(default_factory=dict)

    def begin(self, handles: Iterable[DeviceHandle], spot: Spot) -> None:
        """The attempt works with these devices from now on. Safe to call again for the same ones."""
        for handle in handles:
            if handle.id not in self._server_logs:
                self._server_logs[handle.id] = self._end_of_server_log(handle)
                handle.on_capture = lambda handle, name: self.capture(handle, name, spot)

    def _end_of_server_log(self, handle: DeviceHandle) -> tuple[Path, Mark] | None:
        with suppress(Exception):  # a server that cannot be asked for it is no reason to fail a test
            path = self.providers[handle.device.provider].server_log(handle.device)
            return (path, mark(path)) if path is not None else None
        return None

    def end(self) -> None:
        """The attempt is over."""
        self._server_logs.clear()
        self._stacks.clear()

    @property
    def full_text(self) -> str:
        """Once something was not taken because the run has its share: what to tell; before, ""."""
        if not self.quota.was_spent:
            return ""
        return f"the run has {self.quota.limit_bytes / 1_000_000:g} MB of artefacts, no more are taken"

    def lines(self, handle: DeviceHandle, spot: Spot, *, with_stacks: bool = False) -> list[str]:
        """Take everything from a device; says of each where it is, or why there is none."""
        if self.is_off:
            return []
        if self.quota.is_spent:
            return [f"no artefacts: {self.full_text}"]
        takes: list[Take] = []
        if with_stacks or spot.folder(handle) in self._stacks:
            # What was seen while it hung says more than what is left of it now.
            takes.append(("threads", "text", lambda: self._stacks.get(spot.folder(handle)) or _stacks_now()))
        takes += self._takes(handle, spot)
        return [line for line, _ in self._take(handle, spot, "", takes, survives=_MISHAPS)]

    def capture(self, handle: DeviceHandle, name: str, spot: Spot) -> tuple[Path, ...]:
        """Take everything now, under a name of its own; the paths of what there is."""
        if self.is_off or self.quota.is_spent:
            return ()
        folder = self.sink.root / "artefacts" / spot.folder(handle)
        prefix = _free_prefix(folder, re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")[:60] or "capture")
        # Asked for by the test itself, whose time limit holds.
        taken = list(self._take(handle, spot, prefix, self._takes(handle, spot), survives=(Exception,)))
        for line, path in taken:
            if path is None:
                logger.info("%s of %s: %s", prefix, handle.id, line)
        return tuple(path for _, path in taken if path is not None)

    def note_hang(self, handles: Iterable[DeviceHandle], spot: Spot) -> None:
        """Write where the threads stand, while the test hangs; called from another thread."""
        if self.is_off or self.quota.is_spent:
            return
        stacks = _stacks_now()
        for handle in handles:
            self._stacks[spot.folder(handle)] = stacks
            # Not as an artefact: Allure's state is of the test's own thread.
            with suppress(OSError):
                self.sink.write(f"artefacts/{spot.folder(handle)}/threads.txt", stacks)

    def _takes(self, handle: DeviceHandle, spot: Spot) -> list[Take]:
        driver, provider = handle.open_driver, self.providers[handle.device.provider]
        since_s = max(spot.begun_s, handle.granted_at_s)
        takes: list[Take] = []
        if driver is not None:
            takes += [
                ("screenshot", "png", driver.get_screenshot_as_png),
                ("page-source", "xml", lambda: head(driver.page_source, SOURCE_BYTES)),
            ]
        log = partial(provider.log, handle.device, driver, since_s=since_s)
        takes.append(("device-log", "text", lambda: tail(log(), LOG_BYTES)))
        server_log = self._server_logs.get(handle.id)
        if server_log is not None:
            takes.append(("server-log", "text", lambda: since(*server_log, limit_bytes=LOG_BYTES)))
        elif driver is not None:
            takes.append(("server-log", "text", lambda: tail(_offered_log(driver, since_s), LOG_BYTES)))
        return takes

    def _take(
        self,
        handle: DeviceHandle,
        spot: Spot,
        prefix: str,
        takes: Sequence[Take],
        *,
        survives: tuple[type[BaseException], ...],
    ) -> Iterator[tuple[str, Path | None]]:
        """One line for each, with the path of what was kept."""
        if handle.open_driver is None:
            yield "no session was open: neither screenshot nor page source", None
        deadline_s = time.monotonic() + _DEVICE_S
        is_silent = self._is_still_asked(handle)
        for name, kind, take in takes:
            left_s = deadline_s - time.monotonic()
            # What this process knows by itself is had of a silent device too.
            is_own = name == "threads" or (
                name == "server-log" and self._server_logs.get(handle.id) is not None
            )
            if not is_own and (is_silent or left_s <= 0):
                yield f"{name}: not taken, the device does not answer", None
                continue
            try:
                body = take() if is_own else self._asked(handle, take, left_s)
                if body is None:
                    is_silent = True
                    yield f"{name}: not taken, no answer in {left_s:.2g} s", None
                elif kind == "png" and len(body) > SCREENSHOT_BYTES:
                    yield f"{name}: not taken, {_too_large(body, SCREENSHOT_BYTES)}", None
                elif body:
                    named = f"{prefix}-{name}" if prefix else name
                    path = self.sink.artefact(spot.folder(handle), named, body, kind)
                    yield f"{name}: {self.sink.shown(path)}", path
                elif name != "server-log":  # few servers offer one: nothing to tell
                    yield f"{name}: empty", None
            # Whatever a broken device answers: the verdict is the test's, not ours.
            except survives as error:
                # A time limit that ran out over it leaves it running.
                is_silent = is_silent or isinstance(error, _SILENCES) or self._is_still_asked(handle)
                first_line = next(iter(str(error).splitlines()), "")
                yield f"{name}: not taken: {type(error).__name__}: {first_line}", None

    def _asked(
        self, handle: DeviceHandle, take: Callable[[], str | bytes], limit_s: float
    ) -> str | bytes | None:
        """What a device gives; None when it has not come after so long."""
        with _limited(handle.open_driver, max(0.1, min(limit_s, _REQUEST_S))):
            errand = self._errands[handle.id] = Errand(take, name=f"autorl-artefact-{handle.id}")
            if not errand.wait(limit_s):
                # Part of it may still be on its way when the next test uses the session: it must not.
                handle.distrust()
                return None
        del self._errands[handle.id]
        return errand.result()

    def _is_still_asked(self, handle: DeviceHandle) -> bool:
        """Whether something that was asked of it has not come back yet, from this attempt or one before."""
        return handle.id in self._errands and self._errands[handle.id].is_out


def failure_section(
    taker: Taker,
    handles: Sequence[DeviceHandle],
    spot: Spot,
    *,
    options: Sequence[str],
    is_hang: bool = False,
) -> str:
    """Take the artefacts of every device and return the text of the report's section.

    ``options`` are those of the command line that the test needs to find its devices again.
    """
    lines = []
    for handle in handles:
        lines.append(f"device {handle.device}, lease token {handle.lease.token}")
        lines += [f"  {line}" for line in taker.lines(handle, spot, with_stacks=is_hang)]
    again = ["pytest", spot.test, *options]
    for handle in handles:
        again += ["--autorl-device", handle.id]
    lines.append(f"reproduce with: {shlex.join(again)}")
    return taker.sink.text("\n".join(lines))


def _stacks_now() -> str:
    return tail(thread_stacks(), LOG_BYTES)


def _too_large(body: str | bytes, limit_bytes: int) -> str:
    return f"too large: {len(body) / 1_000_000:.3g} MB, the limit is {limit_bytes / 1_000_000:g} MB"


def _offered_log(driver: WebDriver, since_s: float) -> str:
    """The server's own log, of one that gives it to its clients; "" of another."""
    if "server" not in driver.log_types:
        return ""
    entries = driver.get_log("server")
    return "\n".join(
        str(entry.get("message", entry)) for entry in entries if entry.get("timestamp", 0) >= 1000 * since_s
    )


def _free_prefix(folder: Path, wanted: str) -> str:
    """The name, with a number when this folder has artefacts of that name already."""
    with suppress(OSError):
        names = [path.name for path in folder.iterdir()]
        for number in range(1, len(names) + 2):
            prefix = wanted if number == 1 else f"{wanted}-{number}"
            if not any(name.startswith(f"{prefix}-{each}") for name in names for each in _NAMES):
                return prefix
    return wanted


@contextmanager
def _limited(driver: WebDriver | None, limit_s: float) -> Iterator[None]:
    if driver is None:
        yield
        return
    config = driver.command_executor.client_config
    before = config.timeout
    config.timeout = min(before or limit_s, limit_s)
    try:
        yield
    finally:
        config.timeout = before
