"""`autorl doctor`: each thing that can be wrong is found, and says what to do."""

from __future__ import annotations

import http.server
import json
import re
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.cli.checks import Finding
from pytest_autorl.cli.checks.environment import environment
from pytest_autorl.cli.servers import providers, status_of
from pytest_autorl.farm.config import load_farm
from pytest_autorl.settings import Settings
from pytest_autorl.state.engine import DeviceRow, TicketRow
from pytest_autorl.state.jobs import JobLocker
from pytest_autorl.state.sqlite_file import has_wal_reset_bug

Call = Callable[..., Any]

READY = {"value": {"ready": True, "message": "ready", "build": {"version": "3.1.0"}}}


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others that test at the same time must not make a check late."""
    monkeypatch.setattr("pytest_autorl.cli.doctor.LIMIT_S", 60.0)


@contextmanager
def answering(
    body: bytes, *, status: int = 200, headers: dict[str, str] | None = None
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that answers so; gives its URL and the headers of each request."""
    seen: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({"path": self.path, **dict(self.headers.items())})
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()


def checks_of(said: Any) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in said.data["checks"]}


def farm_at(here: Path, url: str) -> None:
    (here / "device_farm.yml").write_text(
        f"providers: {{lab: {{type: appium, url: '{url}'}}}}\ndevices: [{{id: a, provider: lab, platform: android}}]\n"
    )


@pytest.fixture
def farm_of_two(here: Path) -> Path:
    """Devices of the host, behind a server that nobody asks for long."""
    path = here / "device_farm.yml"
    lab = "providers: {lab: {type: appium, url: 'http://127.0.0.1:9'}}"
    path.write_text(f"{lab}\ndevices: [{{id: a, provider: lab}}, {{id: b, provider: lab}}]\n")
    return path


def test_a_virtual_farm_is_well(autorl: Call, here: Path) -> None:
    autorl("init")

    said = autorl("doctor", "--json")
    checks = checks_of(said)

    assert (said.code, said.data["ok"]) == (0, True)
    assert checks["farm"]["detail"] == "device_farm.yml: 3 devices"
    assert checks["provider virtual"]["status"] == "ok"
    assert checks["state"]["status"] == "ok"
    assert {
        "python",
        "system",
        "pytest",
        "plugin",
        "appium client",
        "pytest-xdist",
        "disk",
        "node",
    } <= checks.keys()


def test_for_people_each_thing_is_a_line_and_a_way_out_stands_below(autorl: Call, here: Path) -> None:
    said = autorl("doctor")

    lines = said.out.splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith("warn  farm ")]
    assert lines[at + 1].strip().startswith("do: run `autorl init`")
    assert (said.code, lines[-1]) == (0, "all is well")


def test_a_broken_farm_file_fails_with_its_place(autorl: Call, here: Path) -> None:
    (here / "device_farm.yml").write_text("version: 1\ndevices:\n  - {id: a, provider: nobody}\n")

    said = autorl("doctor", "--json")

    assert said.code == 1
    farm = checks_of(said)["farm"]
    assert farm["status"] == "fail"
    assert farm["detail"].startswith("device_farm.yml:3: ")
    assert farm["do"]


def test_a_server_that_is_not_there_fails(autorl: Call, here: Path, free_port: Callable[[], int]) -> None:
    farm_at(here, f"http://127.0.0.1:{free_port()}")

    said = autorl("doctor", "--state", "own.db", "--json")

    assert said.code == 1
    found = checks_of(said)["provider lab"]
    assert (found["status"], found["do"]) == ("fail", "start it, or correct `url:` in the farm file")
    assert "cannot be reached" in found["detail"]


def test_a_server_that_is_ready_is_well_with_its_version(autorl: Call, here: Path) -> None:
    with answering(json.dumps(READY).encode()) as (url, seen):
        farm_at(here, url)
        said = autorl("doctor", "--state", "own.db", "--json")

    assert checks_of(said)["provider lab"]["detail"] == f"{url}: Appium 3.1.0"
    assert {request["path"] for request in seen} == {"/status"}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"<html>hello</html>", 200, "not as an Appium server"),
        (b"[1]", 200, "not as an Appium server"),
        (b'{"value": null}', 200, "not as an Appium server"),
        (b"", 404, "answers HTTP 404 to /status"),
        (b"", 401, "answers HTTP 401 to /status"),
    ],
)
def test_what_answers_wrongly_fails(body: bytes, status: int, words: str) -> None:
    with answering(body, status=status) as (url, _):
        found = status_of("provider lab", url, {})

    assert found.status == "fail"
    assert words in found.detail
    assert found.do


def test_a_server_that_is_busy_is_there_all_the_same() -> None:
    with answering(b'{"value": {"ready": false}}', status=200) as (url, _):
        found = status_of("provider lab", url, {})

    assert found.status == "warn"
    assert "is not ready" in found.detail
    assert found.do


def test_a_server_that_never_answers_fails_in_time(here: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        farm_at(here, f"http://127.0.0.1:{silent.getsockname()[1]}")
        farm = load_farm(here / "device_farm.yml", {})

        (found,) = providers(farm, Settings(), limit_s=0.1)

    assert found == Finding(
        name="provider lab", status="fail", detail="no answer in 0.1 s", do="start or free the server"
    )


def test_the_hubs_token_goes_to_the_hub_and_nowhere_else(here: Path) -> None:
    with (
        answering(json.dumps(READY).encode()) as (hub, at_hub),
        answering(b"", status=500) as (other, at_other),
    ):
        for url in (hub, other):
            farm_at(here, url)
            farm = load_farm(here / "device_farm.yml", {})
            list(providers(farm, Settings(farm_url=hub, farm_token="a-token")))

    assert at_hub[0]["Authorization"] == "Bearer a-token"
    assert "Authorization" not in at_other[0]


def test_a_redirect_does_not_take_the_token_along(here: Path) -> None:
    with answering(json.dumps(READY).encode()) as (target, at_target):
        moved = {"Location": f"{target}/status"}
        with answering(b"", status=302, headers=moved) as (hub, _):
            found = status_of("provider lab", hub, {"Authorization": "Bearer a-token"})

    assert at_target == []
    assert found.status == "fail"


def test_settings_of_the_environment_are_named_and_secrets_are_hidden(
    autorl: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AUTORL_FARM": "virtual:2",
        "AUTORL_FARM_TOKEN": "tok-abc123",
        "AUTORL_FARM_URL": "http://hub.example",
        "LOG_LEVEL": "debug",
    }.items():
        monkeypatch.setenv(name, value)

    said = autorl("doctor", "--json")

    checks = checks_of(said)
    listed = checks["from environment"]["detail"].split(", ")
    assert listed == [
        "AUTORL_FARM",
        "LOG_LEVEL",
        "AUTORL_FARM_URL set (hidden)",
        "AUTORL_FARM_TOKEN set (hidden)",
    ]
    assert "log_level=DEBUG (LOG_LEVEL)" in checks["shared settings"]["detail"]
    assert "dashboard_port=8080 (default)" in checks["shared settings"]["detail"]
    assert "tok-abc123" not in said.out + said.err


def test_a_mistyped_variable_is_a_warning_with_the_nearest() -> None:
    found = [finding for finding in environment({"AUTORL_WIAT": "5"}) if finding.status == "warn"]

    assert found == [
        Finding(
            name="environment",
            status="warn",
            detail="AUTORL_WIAT is no setting",
            do="did you mean AUTORL_WAIT?",
        )
    ]


def test_a_value_that_cannot_be_used_fails() -> None:
    first = next(environment({"AUTORL_WAIT": "soon"}))

    assert first.status == "fail"
    assert "AUTORL_WAIT='soon'" in first.detail


def test_a_state_directory_that_cannot_be_written_fails(autorl: Call, here: Path) -> None:
    """Tried with a folder in which not even root can make files."""
    said = autorl("doctor", "--farm", "virtual:1", "--state", "/proc/autorl/state.db", "--json")

    assert said.code == 1
    state = checks_of(said)["state"]
    assert state["status"] == "fail"
    assert "--autorl-state" in state["do"]


def test_looking_leaves_nothing_behind(autorl: Call, here: Path) -> None:
    autorl("doctor", "--farm", "virtual:1")

    assert list(here.iterdir()) == []


def test_what_stands_in_the_state_is_counted(autorl: Call, farm_of_two: Path, shelf: Any) -> None:
    shelf.holder("gw0")
    shelf.put(DeviceRow(key="a", status="busy", holder="gw0", owner="Runner-gw0"))
    shelf.put(DeviceRow(key="b", status="offline", reason="cable"))
    shelf.put(TicketRow(0, "gw0", "Runner-gw0", "t", "", ("a",), 1, 0.0, 9e9, ""))

    checks = checks_of(autorl("doctor", "--json"))

    assert re.search(
        r"mine\.db: 2 devices, 1 in use, 1 waiting, 1\.\d MB \(\w+\)$", checks["state"]["detail"]
    )
    assert checks["devices"]["detail"] == "0 available; a busy (Runner-gw0), b offline (cable)"


def test_a_state_that_nobody_has_made_is_well(autorl: Call, farm_of_two: Path, shelf: Any) -> None:
    state = checks_of(autorl("doctor", "--json"))["state"]

    assert (state["status"], ": not made yet (" in state["detail"]) == ("ok", True)


def test_a_damaged_state_fails_with_the_way_out_and_the_rest_is_looked_at(
    autorl: Call, farm_of_two: Path, shelf: Any
) -> None:
    shelf.put(DeviceRow(key="a", status="available"))
    shelf.path.write_bytes(b"\0" * 4096)

    said = autorl("doctor", "--json")

    checks = checks_of(said)
    assert said.code == 1
    assert checks["state"]["status"] == "fail"
    assert "mine.db is damaged" in checks["state"]["detail"]
    assert "start a new run" in checks["state"]["do"]
    assert checks["disk"]["status"] in ("ok", "warn")


def test_a_state_that_can_only_be_read_fails(autorl: Call, farm_of_two: Path, shelf: Any) -> None:
    """Its folder can be written, which is not enough."""
    shelf.put(DeviceRow(key="a", status="available"))
    mounted = ["mount", "--bind", shelf.path, shelf.path]
    if subprocess.run(mounted, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file read-only needs root")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", shelf.path], check=True)
        said = autorl("doctor", "--json")
    finally:
        subprocess.run(["umount", "-l", shelf.path], check=True)

    state = checks_of(said)["state"]
    assert (said.code, state["status"]) == (1, "fail")
    assert state["detail"].endswith("mine.db can be read, and not written")


def test_a_state_on_a_network_file_system_fails_or_is_told_to_be_elsewhere(
    autorl: Call, farm_of_two: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails where it was named; the default gives way to a local folder, which one has to know."""
    (here / "net").mkdir()
    (here / "local").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(here / "local"))
    monkeypatch.setattr("platformdirs.user_state_dir", lambda name: str(here / "net" / name))

    def kind_of(path: Path, mounts: str | None = None) -> str:
        return "nfs4" if here / "net" in (path, *path.parents) else "ext4"

    monkeypatch.setattr("pytest_autorl.state.place.file_system", kind_of)

    named = checks_of(autorl("doctor", "--state", str(here / "net" / "s.db"), "--json"))["state"]
    default = [check for check in autorl("doctor", "--json").data["checks"] if check["name"] == "state"]

    assert (named["status"], named["do"]) == ("fail", "name a path on a local disk")
    assert [check["status"] for check in default] == ["warn", "ok"]
    assert "is on a network file system (nfs4): the state is" in default[0]["detail"]


def test_the_version_of_sqlite_is_told_with_its_bug(autorl: Call, here: Path) -> None:
    found = checks_of(autorl("doctor", "--farm", "virtual:1", "--json"))["sqlite"]

    has_bug = has_wal_reset_bug(sqlite3.sqlite_version_info)
    assert found["detail"].startswith(sqlite3.sqlite_version)
    assert (found["status"], bool(found["do"])) == (("warn", True) if has_bug else ("ok", False))


def test_what_a_dead_process_holds_is_told_with_the_way_out(
    autorl: Call, farm_of_two: Path, shelf: Any
) -> None:
    shelf.holder("gw0", is_alive=False)
    shelf.put(DeviceRow(key="a", status="busy", holder="gw0", owner="Runner-gw0"))

    devices = checks_of(autorl("doctor", "--json"))["devices"]

    assert devices["status"] == "warn"
    assert devices["detail"].endswith("; of a the holder's process has ended")
    assert "autorl farm release a" in devices["do"]


def test_leased_ports_and_stuck_jobs_are_told(autorl: Call, farm_of_two: Path, shelf: Any) -> None:
    shelf.holder("gw0")
    shelf.put(DeviceRow(key="a", status="busy", holder="gw0", owner="Runner-gw0", port=20_008, port_count=5))
    with JobLocker(shelf.path, "robot-7", lock_timeout=1e-9) as robot:
        robot.try_claim("nightly")

    checks = checks_of(autorl("doctor", "--json"))

    assert "1 of 1250 blocks are leased" in checks["ports"]["detail"]
    assert checks["jobs"]["status"] == "warn"
    assert "nightly (claimed by robot-7" in checks["jobs"]["detail"]


def test_it_ends_although_a_server_never_answers(
    autorl: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So slow would be too slow for people: 6 seconds on a machine that does nothing else."""
    monkeypatch.setenv("PATH", str(here))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        farm_at(here, f"http://127.0.0.1:{silent.getsockname()[1]}")
        begun_s = time.monotonic()
        said = autorl("doctor", "--state", "own.db", "--json")
        took_s = time.monotonic() - begun_s

    checks = checks_of(said)
    assert checks["provider lab"]["status"] == "fail"
    assert checks["device a"]["status"] == "warn"
    assert took_s < 30


def test_a_device_behind_a_server_that_is_well_is_fit(autorl: Call, here: Path) -> None:
    with answering(json.dumps(READY).encode()) as (url, _):
        farm_at(here, url)
        checks = checks_of(autorl("doctor", "--state", "own.db", "--json"))

    assert checks["fitness"] == {
        "name": "fitness",
        "status": "ok",
        "detail": "1 of 1 that were asked are fit",
        "do": "",
    }
    assert checks["device a"]["detail"].startswith("fit: answers in ")


def test_a_farm_of_which_no_device_is_fit_must_be_mended(autorl: Call, farm_of_two: Path, shelf: Any) -> None:
    said = autorl("doctor", "--json")

    checks = checks_of(said)
    assert said.code == 1
    assert (checks["fitness"]["status"], checks["device a"]["status"]) == ("fail", "warn")
    assert checks["fitness"]["detail"] == "0 of 2 that were asked are fit"
