"""Managed servers that are real: started, killed, hung and ended, with whatever their drivers have started."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab import family, is_running, until
from pytest_autorl.farm.servers import ManagedServers, appium, records
from pytest_autorl.farm.servers.orders import Timing
from real_parts import BROWSER, CHROMEDRIVER, ROOT, TOOLS, Layout, driver_named, missing, missing_programs

pytestmark = [
    pytest.mark.real,
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="adopts orphans, which only Linux can"),
]

APP = Path(__file__).with_name("protocol_app.xml")
FAKE = {
    "platformName": "fake",
    "appium:automationName": "Fake",
    "appium:deviceName": "Fake",
    "appium:app": str(APP),
}

#: A run in little, which is killed.
OWNER = """
import json, signal, sys
from pathlib import Path
from pytest_autorl.farm.servers import ManagedServers
root, folder, managed = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
servers = ManagedServers(
    ["a"], managed, rootdir=root, reports=folder / "reports", records_folder=folder / "records"
)
print(json.dumps({"url": servers.url("a"), "steward": servers._process.pid}), flush=True)
signal.pause()
"""


def chromium() -> dict[str, Any]:
    """Capabilities of a headless browser, on a port of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    return {
        "platformName": "linux",
        "browserName": "chrome",
        "appium:automationName": "Chromium",
        "appium:executable": CHROMEDRIVER.path,
        "appium:chromedriverPort": port,
        "goog:chromeOptions": {"binary": BROWSER.path, "args": arguments},
    }


def begin(url: str, capabilities: dict[str, Any]) -> str:
    """Begin a session; returns its id."""
    body = json.dumps({"capabilities": {"alwaysMatch": capabilities, "firstMatch": [{}]}}).encode()
    question = urllib.request.Request(f"{url}/session", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(question, timeout=90) as answer:
        return str(json.load(answer)["value"]["sessionId"])


def is_alive(url: str, session: str) -> bool:
    """Whether the server still knows the session."""
    try:
        with urllib.request.urlopen(f"{url}/session/{session}/source", timeout=30) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False


Make = Callable[..., ManagedServers]


@pytest.fixture
def managed(require_real: Callable[[str, str], None]) -> dict[str, Any]:
    """The keys of `managed:` for the Appium of `.tools/`; skips when it is not there."""
    absent = missing(Layout(TOOLS), [driver_named("fake"), driver_named("chromium")])
    if absent:
        require_real("Appium server", f"{', '.join(absent)} not in {TOOLS.name}/; run `make real-parts`")
    absent = missing_programs([BROWSER, CHROMEDRIVER])
    if absent:
        require_real("browser", f"{', '.join(absent)} not on PATH; run `make real-parts`")
    return {
        "command": f"{TOOLS.name}/node_modules/.bin/appium",
        "home": str(Layout(TOOLS).home),
        "drivers": ["fake", "chromium"],
        "start_timeout": 90.0,
    }


@pytest.fixture
def make(tmp_path: Path, managed: dict[str, Any]) -> Iterator[Make]:
    made: list[ManagedServers] = []

    def of(*devices: str, timing: Timing = Timing(), **more: Any) -> ManagedServers:  # noqa: B008
        made.append(
            ManagedServers(
                devices,
                managed | more,
                rootdir=ROOT,
                reports=tmp_path / "reports",
                records_folder=tmp_path / "records",
                timing=replace(timing, backoff_first_s=0.1),
            )
        )
        return made[-1]

    yield of
    for one in made:
        one.stop()


def server_pid(servers: ManagedServers) -> int:
    pid = servers.states()[0].pid
    assert pid is not None
    return pid


def test_a_killed_server_comes_back_at_its_address_and_the_end_leaves_nothing(make: Make) -> None:
    servers = make("a")
    url = servers.url("a")
    session = begin(url, FAKE)
    assert is_alive(url, session)

    os.kill(server_pid(servers), signal.SIGKILL)
    until(lambda: servers.states()[0].restarts == 1, "it is started again")

    assert servers.url("a") == url
    assert not is_alive(url, session)
    begin(url, FAKE)
    steward = servers._process.pid
    everybody = {steward, *family(steward)}
    assert len(everybody) >= 2
    servers.stop()
    assert [pid for pid in everybody if is_running(pid)] == []
    log = servers.log_path("a").read_text()
    assert log.count("Appium REST http interface listener started") == 2
    assert "its process was ended by SIGKILL; starting again" in log


def test_browsers_of_a_killed_server_are_ended_before_it_is_started_again(make: Make) -> None:
    """Killed, Appium takes neither its chromedrivers nor their browsers with it."""
    servers = make("a")
    url = servers.url("a")
    begin(url, chromium())
    begin(url, chromium())
    doomed = {server_pid(servers), *family(server_pid(servers))}
    assert len(doomed) > 6  # two chromedrivers, two browsers with several processes each

    os.kill(server_pid(servers), signal.SIGKILL)
    until(lambda: servers.states()[0].restarts == 1, "it is started again")

    assert [pid for pid in doomed if is_running(pid)] == []
    begin(servers.url("a"), chromium())
    steward = servers._process.pid
    doomed = {steward, *family(steward)}
    servers.stop()
    assert [pid for pid in doomed if is_running(pid)] == []


def test_a_server_that_hangs_with_a_browser_is_replaced(make: Make) -> None:
    servers = make("a", timing=Timing(probe_every_s=0.5, probe_timeout_s=3.0))
    url = servers.url("a")
    begin(url, chromium())
    doomed = {server_pid(servers), *family(server_pid(servers))}

    os.kill(server_pid(servers), signal.SIGSTOP)
    until(lambda: servers.states()[0].restarts == 1, "it is started again")

    assert [pid for pid in doomed if is_running(pid)] == []
    assert is_alive(servers.url("a"), begin(url, FAKE))


@pytest.mark.parametrize(
    "with_steward", [False, True], ids=["the run is killed", "run and steward are killed"]
)
def test_a_killed_run_leaves_no_browser(tmp_path: Path, managed: dict[str, Any], with_steward: bool) -> None:
    """Even when nobody is left: the kernel tells Appium, which quits its sessions."""
    run = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(ROOT), str(tmp_path), json.dumps(managed)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    doomed = set[int]()
    try:
        said = json.loads(run.stdout.readline())
        begin(said["url"], chromium())
        doomed = {said["steward"], *family(said["steward"])}
        assert len(doomed) > 4

        if with_steward:
            os.kill(said["steward"], signal.SIGSTOP)
        run.kill()
        run.wait()
        if with_steward:
            os.kill(said["steward"], signal.SIGKILL)

        until(lambda: not any(map(is_running, doomed)), "everything has ended")
    finally:
        run.kill()
        run.wait()
        run.stdout.close()
        for pid in filter(is_running, doomed):
            os.kill(pid, signal.SIGKILL)
        records.sweep(tmp_path / "records")


def test_a_port_that_is_anothers_is_left_to_it(make: Make) -> None:
    """What Appium says of a taken port is understood, and another one is tried."""
    servers = make("a")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        servers._orders = replace(servers._orders, ports={"a": port})

        url = servers.url("a")

    assert url != f"http://127.0.0.1:{port}"
    assert is_alive(url, begin(url, FAKE))


def test_a_driver_that_is_not_installed_is_named(make: Make) -> None:
    servers = make("a", drivers=["no-such-driver"])

    with pytest.raises(Exception, match="no-such-driver"):
        servers.url("a")


@pytest.fixture
def node(managed: dict[str, Any], request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A program of Node, as the servers are, that runs."""
    script = f"{request.param} console.log('up'); setInterval(() => {{}}, 1000);"
    with subprocess.Popen(
        ["node", "--require", str(appium._ONCE), "-e", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "up\n"
            yield process
        finally:
            process.kill()


LISTENS = "process.once('SIGTERM', () => console.log('told')); process.on('SIGUSR2', () => process.exit(7));"


@pytest.mark.parametrize("node", [LISTENS], indirect=True)
def test_of_several_terms_a_server_hears_one(node: subprocess.Popen[str]) -> None:
    """The kernel sends one for each thread of a steward that was killed."""
    node.terminate()
    assert node.stdout is not None
    assert node.stdout.readline() == "told\n"
    node.terminate()  # it would be dead by the next line
    node.send_signal(signal.SIGUSR2)

    assert node.wait(30) == 7


@pytest.mark.parametrize("node", [""], indirect=True)
def test_a_server_that_does_not_listen_yet_ends_at_once(node: subprocess.Popen[str]) -> None:
    node.terminate()

    assert node.wait(30) == 143
