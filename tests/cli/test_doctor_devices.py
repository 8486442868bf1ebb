"""What `autorl doctor` says of devices: seen by the real adb, asked by their providers, fit or not and why."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import adbd
import lab
from adb_stand_in import AdbServer
from pytest_autorl.cli.checks import Finding
from pytest_autorl.cli.checks.adb import adb as look_at_adb
from pytest_autorl.cli.checks.fitness import fitness, judged
from pytest_autorl.cli.checks.wants import over_adb
from pytest_autorl.errors import DeviceTimeoutError
from pytest_autorl.farm.config import FarmConfig, load_farm
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.sample import HealthSample
from pytest_autorl.settings import Settings

Call = Callable[..., Any]
#: For programs that do answer: machines that test are busy.
LIMIT_S = 60.0


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others that test at the same time must not make a check late."""
    monkeypatch.setattr("pytest_autorl.cli.doctor.LIMIT_S", LIMIT_S)


def farm_of(folder: Path, *devices: dict[str, Any], providers: dict[str, Any] | None = None) -> FarmConfig:
    path = folder / "device_farm.yml"
    path.write_text(json.dumps({"providers": providers or {}, "devices": devices}))
    return load_farm(path, {})


def phone(name: str, serial: str, port: int, *, provider: str = "ours") -> dict[str, Any]:
    stated = {"appium:udid": serial, "appium:adbPort": port}
    return {"id": name, "provider": provider, "platform": "android", "capabilities": stated}


OURS = {"ours": {"type": "appium", "server": "managed"}}


@contextmanager
def appium_status() -> Iterator[str]:
    """A server that says it is ready, and its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"value": {"ready": true, "build": {"version": "3.8.0"}}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


# -- adb


def adb_findings(
    wanted: dict[str, tuple[str, int]], need: Any = "managed", **options: Any
) -> dict[str, Finding]:
    found = look_at_adb(wanted, need, **{"limit_s": LIMIT_S, **options})
    return {finding.name: finding for finding in found}


@pytest.fixture
def private(tmp_path: Path) -> Iterator[adbd.PrivateAdb]:
    folder = tmp_path / "adb"
    folder.mkdir()
    with adbd.PrivateAdb(folder) as started:
        yield started


def test_the_farms_devices_are_told_as_adb_sees_them(private: adbd.PrivateAdb) -> None:
    with adbd.Adbd() as well, adbd.Adbd(state="unauthorized") as shy, adbd.Adbd() as other:
        for device in (well, shy, other):
            private.connect(device)
        port = private.port
        found = adb_findings({"a": (well.serial, port), "b": (shy.serial, port), "c": ("gone", port)})

    assert found["adb"].status == "ok"
    seen = found[f"adb devices {port}"]
    assert seen.status == "warn"
    assert seen.detail == "1 of 3 are ready: b unauthorized, c not seen; 1 more that the farm does not name"
    assert "USB debugging" in seen.do


def test_all_seen_is_well(private: adbd.PrivateAdb) -> None:
    with adbd.Adbd() as device:
        private.connect(device)
        found = adb_findings({"a": (device.serial, private.port)})

    assert found[f"adb devices {private.port}"].detail == "1 of 1 are ready"
    assert [finding.status for finding in found.values()] == ["ok", "ok"]


def test_no_server_of_adb_is_started_for_a_look(tmp_path: Path, free_port: Callable[[], int]) -> None:
    adb = adbd.PrivateAdb(tmp_path)
    if not adb.program:
        adbd.require_real("adb", "it is not on PATH")

    found = adb_findings({"a": ("any", adb.port)})[f"adb devices {adb.port}"]

    assert (found.status, found.do) == ("warn", f"`adb -P {adb.port} start-server`, look again")
    assert "whether a are there is not known" in found.detail
    assert "cannot connect" in adb("kill-server")  # there is none


@pytest.mark.parametrize(("need", "status"), [("none", "ok"), ("local", "warn"), ("managed", "fail")])
def test_without_adb(need: Any, status: str, tmp_path: Path) -> None:
    (found,) = adb_findings({"a": ("x", 5037)}, need, path=str(tmp_path)).values()

    assert (found.name, found.status) == ("adb", status)
    assert ("platform-tools" in found.do) is (need != "none")


def program_of_41(folder: Path, log: Path) -> str:
    """A search path with an adb of version 41, which writes down what it is called with."""
    program = folder / "adb"
    says = "echo 'Android Debug Bridge version 1.0.41'; echo 'Version 9.9'"
    program.write_text(f'#!/bin/sh\necho "$@" >> {log}\n{says}\n')
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_a_server_of_another_version_is_told_and_lives_on(tmp_path: Path) -> None:
    """The program would end it on its next call, whatever that is."""
    log = tmp_path / "calls"
    with AdbServer(version=39, states={"S-1": "device"}) as server:
        port = server.port
        found = adb_findings({"a": ("S-1", port)}, path=program_of_41(tmp_path, log))

    assert server.asked == ["host:devices", "host:version"]
    assert log.read_text() == "version\n"
    told = found[f"adb server {port}"]
    assert told.status == "warn"
    assert f"the server on port {port} is of version 39, {tmp_path / 'adb'} of 41" in told.detail
    assert "ANDROID_HOME" in told.do
    assert found[f"adb devices {port}"] == Finding(
        name=f"adb devices {port}", status="ok", detail="1 of 1 are ready"
    )


def test_fitness_ends_no_server_of_another_version(tmp_path: Path) -> None:
    with AdbServer(version=39, states={"S-1": "device"}) as server:
        server.says = "@autorl:battery\nlevel: 43\n@autorl:end\n"
        farm = farm_of(tmp_path, phone("a", "S-1", server.port), providers=OURS)
        found = {each.name: each for each in fitness(farm, Settings(), limit_s=LIMIT_S)}

    assert found["device a"].detail.startswith("fit: battery 43 %")
    assert "host:kill" not in server.asked


@pytest.mark.parametrize("question", ["host:devices", "host:version"])
def test_a_server_that_does_not_answer_is_told(question: str, tmp_path: Path) -> None:
    with AdbServer(states={"S-1": "device"}) as server:
        server.refuses[question] = "no"
        found = adb_findings({"a": ("S-1", server.port)}, path=program_of_41(tmp_path, tmp_path / "calls"))

    told = found[f"adb devices {server.port}"]
    assert (told.status, "no server of adb answers" in told.detail) == ("warn", True)


def test_an_adb_that_hangs_is_as_bad_as_none(tmp_path: Path) -> None:
    (tmp_path / "adb").write_text("#!/bin/sh\nsleep 600\n")
    (tmp_path / "adb").chmod(0o755)

    (found,) = adb_findings({"a": ("x", 5037)}, path=str(tmp_path), limit_s=0.5).values()

    assert (found.status, "no answer in 0.5 s" in found.detail) == ("fail", True)


def test_a_farm_without_android_devices_here_needs_no_adb(tmp_path: Path) -> None:
    (found,) = adb_findings({}, "managed", path=str(tmp_path)).values()

    assert (found.status, found.do) == ("ok", "")


def test_which_devices_are_reached_over_adb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "5999")
    farm = farm_of(
        tmp_path,
        phone("a", "S-1", 5137),
        {"id": "b", "provider": "ours", "platform": "android", "capabilities": {"udid": "S-2"}},
        {"id": "c", "provider": "ours", "platform": "android"},
        {"id": "d", "provider": "ours", "platform": "ios", "capabilities": {"udid": "S-3"}},
        phone("e", "S-4", 5137, provider="away"),
        {"id": "f", "provider": "virtual", "platform": "android"},
        providers={**OURS, "away": {"type": "appium", "url": "http://hub.example"}},
    )

    assert over_adb(farm) == {"a": ("S-1", 5137), "b": ("S-2", 5999), "c": ("", 5999)}


# -- fitness


def test_simulated_devices_are_not_asked_and_no_server_is_started(tmp_path: Path) -> None:
    farm = farm_of(tmp_path, {"id": "a", "provider": "virtual", "count": 3})

    assert list(fitness(farm, Settings())) == [Finding(name="fitness", status="ok", detail="3 are simulated")]


def test_a_device_says_its_readings_over_adb_before_its_server_is_there(
    private: adbd.PrivateAdb, tmp_path: Path
) -> None:
    with adbd.Adbd() as device:
        private.connect(device)
        farm = farm_of(tmp_path, phone("a", device.serial, private.port), providers=OURS)
        whole, found = fitness(farm, Settings(), limit_s=LIMIT_S)

    assert whole.detail == "1 of 1 that were asked are fit"
    assert found.detail.startswith(
        "fit: battery 87 %, 31.2 °C, 110.0 GB free, memory 75 %, cpu 25 %, answers in "
    )


def test_an_unfit_device_is_told_with_why_and_what_to_do(private: adbd.PrivateAdb, tmp_path: Path) -> None:
    with adbd.Adbd() as low, adbd.Adbd(state="unauthorized") as shy, adbd.Adbd() as well:
        low.answers["dumpsys battery"] = "level: 12\nscale: 100\ntemperature: 480\n"
        for device in (low, shy, well):
            private.connect(device)
        serials = {"low": low.serial, "shy": shy.serial, "well": well.serial}
        phones = [phone(name, serial, private.port) for name, serial in serials.items()]
        farm = farm_of(tmp_path, *phones, providers=OURS)
        found = {each.name: each for each in fitness(farm, Settings(), limit_s=LIMIT_S)}

    assert (found["fitness"].status, found["fitness"].detail) == ("warn", "1 of 3 that were asked are fit")
    assert "battery 12 % is below 20 %" in found["device low"].detail
    assert "temperature 48 °C is above 45 °C" in found["device low"].detail
    assert found["device low"].do == "charge it; let it cool down"
    assert "unauthorized" in found["device shy"].detail
    assert "USB debugging" in found["device shy"].do
    assert found["device well"].status == "ok"


def test_devices_that_only_a_run_can_ask_are_counted(tmp_path: Path, free_port: Callable[[], int]) -> None:
    farm = farm_of(
        tmp_path,
        phone("a", "S-1", free_port()),
        {"id": "b", "provider": "ours", "platform": "ios"},
        providers=OURS,
    )

    (found,) = fitness(farm, Settings())

    assert (found.status, found.detail) == ("ok", "2 can be asked when a run starts their servers")


def test_devices_behind_a_running_server_are_asked_through_it(tmp_path: Path) -> None:
    with lab.lab(tmp_path, count=2):
        farm = load_farm(tmp_path / "device_farm.yml", {})
        found = {each.name: each for each in fitness(farm, Settings(), limit_s=LIMIT_S)}

    assert found["fitness"].status == "ok"
    assert found["device phone-1"].detail.startswith("fit")


def test_a_device_that_hangs_is_unfit_in_time_with_the_errors_own_way_out(tmp_path: Path) -> None:
    farm = farm_of(tmp_path, *({"id": name, "provider": "ours"} for name in "abc"), providers=OURS)
    stop = threading.Event()

    def probe(device: Device, deadline_s: float) -> HealthSample:
        if device.id == "a":
            stop.wait()
        if device.id == "b":
            raise DeviceTimeoutError("no answer through adb", do="plug it in again")
        return HealthSample(battery_pct=50.0)

    begun_s = time.monotonic()
    found = judged(farm, list(farm.devices), probe, limit_s=0.3)
    stop.set()

    assert time.monotonic() - begun_s < 30
    assert {name: each.is_fit for name, each in found.items()} == {"a": False, "b": False, "c": True}
    assert "no answer in 0.3 s" in found["a"].detail
    assert (found["b"].detail, found["b"].do) == ("no answer through adb", "plug it in again")
    assert found["c"].detail.startswith("fit: battery 50 %")


def test_of_a_large_farm_only_the_unfit_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    farm = farm_of(
        tmp_path, {"id": "d", "provider": "away", "count": 30}, providers={"away": {"type": "appium"}}
    )

    def probe(device: Device, deadline_s: float) -> HealthSample:
        return HealthSample(battery_pct=5.0 if device.id == "d-7" else 90.0)

    monkeypatch.setattr("pytest_autorl.cli.checks.fitness.probe_of", lambda *arguments: probe)

    found = list(fitness(farm, Settings(), limit_s=LIMIT_S))

    assert [each.name for each in found] == ["fitness", "device d-7"]
    assert found[0].detail == "29 of 30 that were asked are fit"


# -- all together


def test_doctor_sees_a_phone_through_a_server_and_adb(
    autorl: Call, here: Path, private: adbd.PrivateAdb
) -> None:
    with adbd.Adbd() as device, appium_status() as url:
        private.connect(device)
        lab_block = {"lab": {"type": "appium", "url": url}}
        farm_of(here, phone("pixel-8", device.serial, private.port, provider="lab"), providers=lab_block)
        said = autorl("doctor", "--state", "own.db", "--json")

    checks = {check["name"]: check for check in said.data["checks"]}
    assert set(said.data) == {"ok", "checks"}
    assert all(set(check) == {"name", "status", "detail", "do"} for check in said.data["checks"])
    assert checks["provider lab"]["status"] == "ok"
    assert checks[f"adb devices {private.port}"]["detail"] == "1 of 1 are ready"
    assert checks["device pixel-8"]["detail"].startswith("fit: battery 87 %")
    # Whoever runs that server may have its drivers elsewhere.
    assert "driver uiautomator2" not in checks or checks["driver uiautomator2"]["status"] != "fail"
    assert said.code == 0
    assert shutil.which("adb") in checks["adb"]["detail"]
