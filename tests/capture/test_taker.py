"""Artefacts of devices that do not answer as they should: bounded in time, in size, and in all."""

from __future__ import annotations

import contextlib
import io
import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from PIL import Image

from pytest_autorl.capture import artefacts, bounds
from pytest_autorl.capture.artefacts import Spot, Taker, failure_section
from pytest_autorl.capture.bounds import Quota
from pytest_autorl.capture.guard import Guard
from pytest_autorl.capture.reports import taker_of
from pytest_autorl.capture.sink import Sink
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.handle import DeviceHandle
from pytest_autorl.farm.session import Endpoint, Limits, open_session
from pytest_autorl.identity import RunIdentity
from pytest_autorl.privacy.masking import Masking
from pytest_autorl.settings import Settings
from pytest_autorl.state.leases import Lease

pytestmark = pytest.mark.unit

PATIENCE_S = 30.0
SPOT = Spot(test="test_it.py::test_it", attempt=1, begun_s=0.0)


class Provider:
    """Its devices have a log; that of their server is a file.

    Attributes:
        asked: How often a device was asked for its log.
    """

    def __init__(self, server_log: Path | None = None) -> None:
        self.asked = 0
        self._server_log = server_log

    def log(self, device: Device, driver: Any, *, since_s: float | None = None) -> str:
        self.asked += 1
        return "a line"

    def server_log(self, device: Device) -> Path | None:
        return self._server_log


class Driver:
    """A session. What it shows can be held back.

    Attributes:
        most_at_once: Threads that used it at the same time.
    """

    def __init__(self, *, picture: bytes = b"picture", source: str = "<page/>") -> None:
        self.capabilities: dict[str, Any] = {}
        self._source = source
        self.command_executor = SimpleNamespace(client_config=SimpleNamespace(timeout=60.0))
        self.log_types: list[str] = []
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.most_at_once = self._users = 0
        self._picture = picture

    def get_screenshot_as_png(self) -> bytes:
        return self._picture

    @property
    def page_source(self) -> str:
        self._users += 1
        self.most_at_once = max(self.most_at_once, self._users)
        self.goes_on.wait(PATIENCE_S)
        self._users -= 1
        return self._source


class Sessions:
    """Of the pool behind a handle what is used here.

    Attributes:
        distrusted: Handles whose session nobody else is to get.
    """

    def __init__(self) -> None:
        self.distrusted: list[DeviceHandle] = []

    def distrust(self, handle: DeviceHandle) -> None:
        self.distrusted.append(handle)


def handle_of(driver: Any, sessions: Sessions | None = None) -> DeviceHandle:
    lease = Lease(device_id="d", owner="me", token=1, since_s=0.0)
    behind: Any = sessions or Sessions()
    handle = DeviceHandle(Device(id="d", provider="p"), lease, behind, {}, granted_at_s=0.0)
    handle.use(driver)
    return handle


def taker(folder: Path, provider: Provider, *, limit_bytes: int = 10**9, **more: Any) -> Taker:
    quota = Quota(folder / "artefacts", since_s=0.0, limit_bytes=limit_bytes)
    return Taker(Sink(folder), {"p": provider}, quota, **more)  # type: ignore[dict-item]


def names(lines: list[str]) -> dict[str, str]:
    return {name: rest for name, _, rest in (line.partition(": ") for line in lines)}


@contextlib.contextmanager
def dripping_server() -> Iterator[str]:
    """Opens sessions; whatever else it is asked for comes one byte at a time, for long. Gives its URL."""
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"value": {"sessionId": "s", "capabilities": {}}}).encode()
            self._begin(len(body))
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._begin(1_000_000)
            with contextlib.suppress(OSError):  # the client has hung up
                for _ in range(int(PATIENCE_S / 0.05)):
                    if stop.wait(0.05):
                        return
                    self.wfile.write(b" ")

        def _begin(self, size_bytes: int) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(size_bytes))
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE_S)


@pytest.mark.integration
def test_a_server_that_drips_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes well within the limit of a read, so that only a limit in all ends it."""
    monkeypatch.setattr(artefacts, "_DEVICE_S", 1.0)
    with dripping_server() as url:
        driver = open_session(Endpoint(url=url, capabilities={}), device_id="d", limits=Limits())
        provider, sessions = Provider(), Sessions()
        handle = handle_of(driver, sessions)

        lines = names(taker(tmp_path, provider).lines(handle, SPOT))

    assert lines["screenshot"] == "not taken, no answer in 1 s"
    assert sessions.distrusted == [handle]
    assert lines["page-source"] == lines["device-log"] == "not taken, the device does not answer"
    assert provider.asked == 0
    assert driver.command_executor.client_config.timeout == Limits().command_s


def test_a_device_is_asked_again_only_when_it_has_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No driver is used from two threads at once, in later tests neither. What is known without it is had."""
    monkeypatch.setattr(artefacts, "_DEVICE_S", 0.5)
    log = tmp_path / "server.log"
    log.write_text("begun\n")
    driver, provider = Driver(), Provider(log)
    handle, taking = handle_of(driver), taker(tmp_path, provider)
    taking.begin([handle], SPOT)
    log.write_text("begun\nwas asked\n")

    driver.goes_on.clear()
    first = names(taking.lines(handle, SPOT))
    second = names(taking.lines(handle, SPOT, with_stacks=True))
    (hung,) = [thread for thread in threading.enumerate() if thread.name == "autorl-artefact-d"]
    driver.goes_on.set()
    hung.join(PATIENCE_S)
    monkeypatch.setattr(artefacts, "_DEVICE_S", PATIENCE_S)
    third = names(taking.lines(handle, SPOT))

    assert first["screenshot"].endswith("screenshot.png")
    assert first["page-source"].startswith("not taken, no answer in 0.")
    assert first["device-log"] == "not taken, the device does not answer"
    assert first["server-log"].endswith("server-log.txt")
    assert second["threads"].endswith("threads.txt")
    assert {second["screenshot"], second["page-source"]} == {"not taken, the device does not answer"}
    assert third["page-source"].endswith("page-source.xml")
    assert (driver.most_at_once, provider.asked) == (1, 1)


def test_a_time_limit_that_runs_out_over_an_artefact_ends_the_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked for is still under way then, in its own thread."""

    def runs_out(self: bounds.Errand[Any], limit_s: float) -> bool:
        pytest.fail("Timeout (>1.0s) from pytest-timeout.")

    driver, provider = Driver(), Provider()
    driver.goes_on.clear()
    monkeypatch.setattr(driver, "get_screenshot_as_png", lambda: driver.page_source, raising=False)
    monkeypatch.setattr(bounds.Errand, "wait", runs_out)

    lines = names(taker(tmp_path, provider).lines(handle_of(driver), SPOT))
    driver.goes_on.set()

    assert lines["screenshot"].startswith("not taken: Failed: Timeout")
    assert lines["page-source"] == lines["device-log"] == "not taken, the device does not answer"
    assert provider.asked == 0


def test_a_picture_that_is_too_large_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artefacts, "SCREENSHOT_BYTES", 1_000_000)
    fits, exceeds = (Driver(picture=b"x" * size) for size in (1_000_000, 1_230_000))

    kept = names(taker(tmp_path / "kept", Provider()).lines(handle_of(fits), SPOT))
    lines = names(taker(tmp_path / "not", Provider()).lines(handle_of(exceeds), SPOT))

    assert kept["screenshot"].endswith("screenshot.png")
    assert lines["screenshot"] == "not taken, too large: 1.23 MB, the limit is 1 MB"
    assert lines["page-source"].endswith("page-source.xml")
    assert not list((tmp_path / "not").rglob("*.png"))


def test_with_artefacts_off_the_folder_is_not_looked_at(tmp_path: Path) -> None:
    """What others left there is no concern of a run that takes nothing, and it does not call itself full."""
    (tmp_path / "artefacts").mkdir()
    (tmp_path / "artefacts/left").write_text("much")
    taking, handle = taker(tmp_path, Provider(), limit_bytes=1, is_off=True), handle_of(Driver())

    section = failure_section(taking, [handle], SPOT, options=())
    captured = taking.capture(handle, "", SPOT)
    taking.note_hang([handle], SPOT)

    assert "artefacts" not in section
    assert (captured, taking.full_text) == ((), "")


def test_a_failure_looks_at_the_folder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold thousands of files."""
    looks = Mock(wraps=bounds._size_bytes)
    monkeypatch.setattr(bounds, "_size_bytes", looks)
    (tmp_path / "artefacts").mkdir()
    taking = taker(tmp_path, Provider())

    failure_section(taking, [handle_of(Driver())], SPOT, options=())

    assert taking.full_text == ""
    assert [call.args[0] for call in looks.mock_calls].count(tmp_path / "artefacts") == 1


def test_a_run_that_is_full_tells_so_once_it_has_refused(tmp_path: Path) -> None:
    """The stacks of a hang are no exception; what just fitted in is no refusal."""
    taking, handle = taker(tmp_path, Provider(), limit_bytes=1), handle_of(Driver())
    first = failure_section(taking, [handle], SPOT, options=())
    told_first = taking.full_text

    second = failure_section(taking, [handle], SPOT, options=())
    taking.note_hang([handle], SPOT)

    assert "page-source.xml" in first
    assert told_first == ""
    assert f"  no artefacts: {taking.full_text}" in second.splitlines()
    assert taking.full_text.endswith("no more are taken")
    assert not list(tmp_path.rglob("threads.txt"))


def test_a_worker_that_replaces_another_counts_what_was_taken_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run began long before this process. What is older than the run counts for nothing."""
    monkeypatch.setattr(bounds, "RUN_BYTES", 100)
    now_s = time.time()
    identity = RunIdentity(run_id="r", seed=1, begun_s=now_s - 1000)
    left = tmp_path / "artefacts/a/attempt-1-d/device-log.txt"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x" * 100)
    handle = handle_of(Driver())

    def taken(written_s: float) -> tuple[Path, ...]:
        os.utime(left, (written_s, written_s))
        taking = taker_of(
            Sink(tmp_path), {"p": Provider()}, identity, settings=Settings(), guard=Guard("off")
        )  # type: ignore[dict-item]
        return taking.capture(handle, "", SPOT)

    assert taken(now_s - 500) == ()
    assert taken(now_s - 2000) != ()


def plain_picture(text: str = "") -> bytes:
    """White; with a text beside the picture."""
    from PIL.PngImagePlugin import PngInfo

    beside = PngInfo()
    beside.add_text("Comment", text)
    out = io.BytesIO()
    Image.new("RGB", (90, 200), "white").save(out, "PNG", pnginfo=beside)
    return out.getvalue()


def is_black(path: Path, x: int, y: int) -> bool:
    with Image.open(path) as image:
        return image.getpixel((x, y)) == (0, 0, 0)


WORD = "hunter" + "2"
SIGNING_IN = (
    '<hierarchy width="90" height="200"><w bounds="[0,0][90,200]">'
    f'<a text="{WORD}" password="true" bounds="[10,50][30,60]"/><b text="Dana" bounds="[10,80][30,90]"/>'
    "</w></hierarchy>"
)


class Names:
    """Finds Dana."""

    def finds(self, text: str) -> bool:
        return "Dana" in text


@pytest.mark.parametrize("mode", ["on", "strict"])
def test_pictures_and_sources_are_kept_without_what_must_not_be_seen(mode: str, tmp_path: Path) -> None:
    driver = Driver(picture=plain_picture("of dana"), source=SIGNING_IN)
    taking = taker(tmp_path, Provider(), redactor=Names(), masking=Masking.of(["text~=^x"]), mode=mode)

    lines = names(taking.lines(handle_of(driver), SPOT))

    (kept,) = tmp_path.rglob("*.png")
    (source,) = tmp_path.rglob("*.xml")
    assert lines["screenshot"].endswith("screenshot.png")
    assert (is_black(kept, 20, 55), is_black(kept, 20, 85), is_black(kept, 60, 85)) == (True, True, False)
    assert b"of dana" not in kept.read_bytes()
    assert WORD not in source.read_text()
    assert 'text="Dana"' in source.read_text(), "text is the sink's to redact"


def test_a_picture_that_cannot_be_masked_is_marked(tmp_path: Path) -> None:
    """Who looks at it has to know; also in a capture, whose paths the test uses."""
    driver = Driver(picture=plain_picture("of dana"))
    taking = taker(tmp_path, Provider(), mode="on")

    lines = names(taking.lines(handle_of(driver), SPOT))
    paths = taking.capture(handle_of(driver), "mine", SPOT)

    assert lines["screenshot-unmasked"].endswith(
        "screenshot-unmasked.png, not masked: the page source does not say where its elements are"
    )
    assert "mine-screenshot-unmasked.png" in {path.name for path in paths}
    assert all(b"of dana" not in path.read_bytes() for path in tmp_path.rglob("*.png"))


def test_a_strict_run_keeps_no_picture_that_cannot_be_masked(tmp_path: Path) -> None:
    driver = Driver(picture=plain_picture())

    lines = names(taker(tmp_path, Provider(), mode="strict").lines(handle_of(driver), SPOT))

    assert lines["screenshot"] == (
        "not kept, not masked: the page source does not say where its elements are"
    )
    assert lines["page-source"].endswith("page-source.xml")
    assert not list(tmp_path.rglob("*.png"))


def test_without_masks_all_is_kept_as_it_was_taken(tmp_path: Path) -> None:
    driver = Driver(picture=plain_picture("of dana"), source=SIGNING_IN)

    taker(tmp_path, Provider(), mode="off").lines(handle_of(driver), SPOT)

    assert next(tmp_path.rglob("*.png")).read_bytes() == plain_picture("of dana")
    assert next(tmp_path.rglob("*.xml")).read_text() == SIGNING_IN


def test_a_masked_picture_that_failed_is_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing raw is written, whatever goes wrong over it."""
    monkeypatch.setattr("pytest_autorl.capture.shots.masked", Mock(side_effect=MemoryError("no room")))
    driver = Driver(picture=plain_picture(), source=SIGNING_IN)

    lines = names(taker(tmp_path, Provider(), mode="on").lines(handle_of(driver), SPOT))

    assert lines["screenshot"] == "not taken: MemoryError: no room"
    assert not list(tmp_path.rglob("*.png"))


def test_a_raw_picture_never_touches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as a temporary file: a killed run would leave it there."""
    written: list[bytes] = []
    write = Sink.write

    def seen(self: Sink, relative: str, body: str | bytes) -> Path:
        written.append(body if isinstance(body, bytes) else body.encode())
        return write(self, relative, body)

    monkeypatch.setattr(Sink, "write", seen)
    raw = plain_picture("of dana")

    taker(tmp_path, Provider(), mode="on").lines(handle_of(Driver(picture=raw, source=SIGNING_IN)), SPOT)

    assert len(written) == 3
    assert raw not in written


@pytest.mark.parametrize(("mode", "kept"), [("on", ["screenshot-unmasked.png"]), ("strict", [])])
def test_a_device_that_does_not_get_to_tell_its_source_has_been_seen(
    mode: str, kept: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artefacts, "_DEVICE_S", 0.5)
    driver = Driver(picture=plain_picture())
    driver.goes_on.clear()

    lines = names(taker(tmp_path, Provider(), mode=mode).lines(handle_of(driver), SPOT))
    driver.goes_on.set()

    assert [path.name for path in tmp_path.rglob("*.png")] == kept
    assert "not masked: page source not taken, no answer in 0." in "".join(lines.values())
    assert lines["page-source"].startswith("not taken, no answer in 0.")
    assert lines["device-log"] == "not taken, the device does not answer"


def test_a_picture_too_large_is_neither_masked_nor_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artefacts, "SCREENSHOT_BYTES", 100)
    driver = Driver(picture=plain_picture(), source=SIGNING_IN)

    lines = names(taker(tmp_path, Provider(), mode="on").lines(handle_of(driver), SPOT))

    assert lines["screenshot"].startswith("not taken, too large")
    assert lines["page-source"].endswith("page-source.xml")
