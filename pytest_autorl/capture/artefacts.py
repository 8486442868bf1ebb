"""Artefacts of a test: screenshot, page source and logs of each device, as they stood when they were taken.

Nothing here makes a test fail, and nothing holds it up for long: what cannot be taken is named with the reason.
Everything is bounded: each file, the time that a device may take, and what a run keeps in all.
"""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import pytest

from pytest_autorl.capture.asking import Asking, Errands, Got, failed
from pytest_autorl.capture.bounds import (
    LOG_BYTES,
    SCREENSHOT_BYTES,
    SOURCE_BYTES,
    Quota,
    head,
    tail,
)
from pytest_autorl.capture.sink import Kind, Sink, folder_name
from pytest_autorl.capture.stacks import thread_stacks
from pytest_autorl.farm.servers.log import Mark, mark, since
from pytest_autorl.privacy.masking import Masking

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

    from pytest_autorl.capture import shots
    from pytest_autorl.farm.handle import DeviceHandle
    from pytest_autorl.farm.providers.base import Provider

T = TypeVar("T")

logger = logging.getLogger(__name__)

#: Longest that one device is waited for in all, seconds: a dead device must not hold up the run.
_DEVICE_S = 10.0
#: What a broken device answers with, and a time limit that runs out just then: pytest-timeout's alarm comes once,
#: and outside a test's body it would end the whole run.
_MISHAPS = (Exception, pytest.fail.Exception)
#: Names of what can be taken of a device.
_NAMES = ("screenshot", "page-source", "device-log", "server-log", "threads")
#: One artefact: its name, what it is, and how to get it. An empty one is not kept.
Take = tuple[str, Kind, Callable[[], "str | bytes"]]
#: Keeps one, by its name, and says where.
Keep = Callable[[str, Kind, Got["str | bytes"]], Iterator[tuple[str, "Path | None"]]]


class _Blind:
    """A redactor for masks of passwords and the user's selectors alone."""

    def finds(self, text: str) -> bool:
        """See `shots.Finder`."""
        return False


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
        redactor: Judges what screenshots show.
        masking: What else is masked in them.
        mode: on: screenshots are masked, and marked where that cannot be done; strict: those are not kept; off: all
            are as they were taken, page sources as well.
    """

    sink: Sink
    providers: Mapping[str, Provider]
    quota: Quota
    is_off: bool = False
    redactor: shots.Finder = field(default_factory=_Blind)
    masking: Masking = field(default_factory=Masking)
    mode: Literal["on", "strict", "off"] = "off"
    #: By device: the log of its server from where the attempt began, for devices of this attempt.
    _server_logs: dict[str, tuple[Path, Mark] | None] = field(default_factory=dict)
    #: By folder of the artefacts: where the threads stood while the test hung.
    _stacks: dict[str, str] = field(default_factory=dict)
    _errands: Errands = field(default_factory=Errands)

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
            takes.append(("screenshot", "png", driver.get_screenshot_as_png))
            if self.mode == "off":  # else it comes with the screenshot
                takes.append(("page-source", "xml", lambda: head(driver.page_source, SOURCE_BYTES)))
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
        driver = handle.open_driver
        if driver is None:
            yield "no session was open: neither screenshot nor page source", None
        asking = Asking(self._errands, handle, limit_s=_DEVICE_S, survives=survives)
        keep = partial(self._keep, spot.folder(handle), prefix, survives)
        for name, kind, take in takes:
            if name == "screenshot" and driver is not None and self.mode != "off":
                yield from self._take_masked(driver, asking.for_, keep, survives)
            # What this process knows by itself is had of a silent device too.
            elif name == "threads" or (name == "server-log" and self._server_logs.get(handle.id) is not None):
                yield from keep(name, kind, _had(take, survives))
            else:
                yield from keep(name, kind, asking.for_(take))

    def _take_masked(
        self, driver: WebDriver, ask: shots.Ask, keep: Keep, survives: tuple[type[BaseException], ...]
    ) -> Iterator[tuple[str, Path | None]]:
        """Screenshot and page source, without what must not be seen in them."""
        from pytest_autorl.capture import shots
        from pytest_autorl.privacy.sourcetext import mask_source

        look = shots.look_at(driver, ask, self.masking)
        if not look.picture.body or _excess(look.picture.body, SCREENSHOT_BYTES):
            yield from keep("screenshot", "png", look.picture)
        else:
            shot = _had(lambda: shots.mask_look(look, self.redactor, self.masking), survives)
            if shot.body is None:
                yield f"screenshot: {shot.why}", None
            elif shot.body.why_raw and self.mode == "strict":
                yield f"screenshot: not kept, not masked: {shot.body.why_raw}", None
            elif shot.body.why_raw:
                for line, path in keep("screenshot-unmasked", "png", Got(shot.body.picture)):
                    yield f"{line}, not masked: {shot.body.why_raw}", path
            else:
                yield from keep("screenshot", "png", Got(shot.body.picture))
        source = look.source
        if source.body is not None:
            source = Got(head(mask_source(source.body, self.masking), SOURCE_BYTES))
        yield from keep("page-source", "xml", source)

    def _keep(
        self,
        folder: str,
        prefix: str,
        survives: tuple[type[BaseException], ...],
        name: str,
        kind: Kind,
        got: Got[str | bytes],
    ) -> Iterator[tuple[str, Path | None]]:
        """Write what was had; one line that says where, or why not. Nothing of an empty log that few servers have."""
        body = got.body
        if body is None:
            yield f"{name}: {got.why}", None
        elif kind == "png" and (excess := _excess(body, SCREENSHOT_BYTES)):
            yield f"{name}: not taken, {excess}", None
        elif body:
            try:
                path = self.sink.artefact(folder, f"{prefix}-{name}" if prefix else name, body, kind)
            except survives as error:
                yield f"{name}: {failed(error)}", None
            else:
                yield f"{name}: {self.sink.shown(path)}", path
        elif name != "server-log":
            yield f"{name}: empty", None


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


def _had(take: Callable[[], T], survives: tuple[type[BaseException], ...]) -> Got[T]:
    """What is had without asking anybody."""
    try:
        return Got(take())
    except survives as error:
        return Got(None, failed(error))


def _excess(body: str | bytes, limit_bytes: int) -> str:
    """How much larger it is than allowed; "" when it is not."""
    if len(body) <= limit_bytes:
        return ""
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
