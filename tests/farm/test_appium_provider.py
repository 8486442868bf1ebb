"""Devices behind Appium servers: capabilities, ports, readings, logs, recovery."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.errors import DeviceUnhealthyError, ServerDownError
from pytest_autorl.farm.config import FarmConfig, load_farm
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.providers import adbserver, build
from pytest_autorl.farm.providers.appium import AppiumProvider, is_here
from pytest_autorl.farm.providers.base import Places
from pytest_autorl.farm.providers.external import ExternalServers
from pytest_autorl.farm.providers.managed import HANG_S, OwnServers
from pytest_autorl.farm.providers.servers import Address
from pytest_autorl.farm.pulse import Kind, Pulse
from pytest_autorl.farm.sample import HealthSample
from pytest_autorl.settings import Settings
from pytest_autorl.state.leases import Lease, Session, Unclean

pytestmark = pytest.mark.unit

PHONE = Device(id="d1", provider="lab", platform="android", capabilities={"appium:udid": "R5CT1"})
WEB = Device(id="d2", provider="lab", platform="web", capabilities={"appium:automationName": "Chromium"})
LEASE = Lease(device_id="d1", owner="me", token=3, since_s=0.0, ports=(20000, 20001, 20002))


class Shelf:
    """Servers as the test wants them."""

    are_ours = False

    def __init__(self, url: str = "http://127.0.0.1:1", pulse: Pulse | None = None) -> None:
        self.place = Address(url=url, headers={"Authorization": "canary"})
        self.pulse = pulse or Pulse(kind="up", response_s=0.02)

    def start(self) -> Mapping[str, Any]:
        return {}

    def attach(self, state: Mapping[str, Any]) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""

    def address(self, device_id: str) -> Address:
        if not self.pulse.is_up:
            raise ServerDownError(self.pulse.why, device_id=device_id)
        return self.place

    def look(self, device_id: str, *, limit_s: float) -> tuple[Address | None, Pulse]:
        return self.place, self.pulse

    def known(self) -> tuple[Address, ...]:
        return (self.place,)

    def surviving(self, sessions: Sequence[Session]) -> tuple[Session, ...]:
        return tuple(sessions)

    def log_path(self, device_id: str) -> Path | None:
        return None


def provider(*, servers: Any = None, app: str = "") -> AppiumProvider:
    return AppiumProvider(
        "lab",
        servers=servers or Shelf(),
        capabilities={"appium:newCommandTimeout": 9},
        app=app,
        reset_policy="app",
    )


# -- sessions


def test_an_endpoint_has_the_servers_address_the_merged_capabilities_and_the_leases_ports() -> None:
    endpoint = provider(app="/builds/bank.apk").endpoint(PHONE, LEASE, {"appium:locale": "de"})

    assert endpoint.url == "http://127.0.0.1:1"
    assert endpoint.capabilities == {
        "platformName": "android",
        "appium:automationName": "UiAutomator2",
        "appium:newCommandTimeout": 9,
        "appium:ignoreHiddenApiPolicyError": True,
        "appium:app": "/builds/bank.apk",
        "appium:udid": "R5CT1",
        "appium:locale": "de",
        "appium:systemPort": 20000,
        "appium:chromedriverPort": 20001,
        "appium:mjpegServerPort": 20002,
    }
    assert "canary" not in repr(endpoint)


def test_a_marker_that_names_another_driver_finds_the_ports_which_that_one_wants() -> None:
    lab = provider()
    lease = Lease(device_id="d2", owner="me", token=3, since_s=0.0, ports=tuple(range(1, 1 + lab.port_count)))

    wanted = lab.endpoint(WEB, lease, {"appium:automationName": "UiAutomator2"}).capabilities

    names = ("appium:systemPort", "appium:chromedriverPort", "appium:mjpegServerPort")
    assert [wanted[name] for name in names] == [1, 2, 3]


def test_the_driver_of_the_open_session_resets_the_app_and_not_that_of_the_device() -> None:
    class Client:
        capabilities = {"appium:appPackage": "com.bank"}  # noqa: RUF012  # of this test only
        done = 0

        def terminate_app(self, app_id: str) -> None:
            self.done += 1

        activate_app = terminate_app

        def execute_script(self, script: str, params: object) -> None:
            self.done += 1

    client: Any = Client()
    lab = provider()
    assert lab.reset(PHONE, client) is True
    lab.endpoint(PHONE, LEASE, {"appium:automationName": "Chromium"})

    assert lab.reset(PHONE, client) is False
    assert client.done == 3


def test_blocks_of_a_farm_file_become_providers_with_their_servers(tmp_path: Path) -> None:
    farm = farm_of(
        tmp_path,
        "a: {type: appium, urls: ['h:1', 'h:2']}\n  b: {type: appium, server: managed}",
        "- {id: p1, provider: a, platform: android}\n- {id: p2, provider: b, platform: ios}",
    )

    built = build(farm, Settings())

    several, ours = built["a"], built["b"]
    assert isinstance(several, AppiumProvider)
    assert isinstance(several.servers, ExternalServers)
    assert [each.url for each in several.servers.known()] == ["http://h:1", "http://h:2"]
    assert isinstance(ours, AppiumProvider)
    assert isinstance(ours.servers, OwnServers)
    assert ours.readings(farm.devices[1]) == HealthSample()
    assert ours.pulse(farm.devices[1]) == ""


def test_a_selection_gives_no_device_another_home_and_no_server_other_devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm = farm_of(
        tmp_path,
        "a: {type: appium, urls: ['h:1', 'h:2']}\n  b: {type: appium, server: managed, managed: {devices: 2}}",
        "- {id: p, provider: a, count: 3}\n- {id: q, provider: b, count: 3}",
    ).select(["p-2", "q-2"])
    made: list[Sequence[str]] = []

    class Managed(Facade):
        def __init__(self, devices: Sequence[str], managed: object, **places: object) -> None:
            super().__init__()
            made.append(devices)

    monkeypatch.setattr("pytest_autorl.farm.servers.managed.ManagedServers", Managed)
    places = Places(rootdir=tmp_path, reports=tmp_path, records=tmp_path)

    a, b = build(farm, Settings(), place=places).values()
    assert isinstance(a, AppiumProvider)
    assert isinstance(a.servers, ExternalServers)
    assert [each.url for each in a.servers.order("p-2")] == ["http://h:2", "http://h:1"]
    b.start()
    assert made == [("q-1", "q-2", "q-3")]


def test_servers_of_our_own_are_started_by_a_run_only(tmp_path: Path) -> None:
    farm = farm_of(tmp_path, "b: {type: appium, server: managed}", "- {id: p2, provider: b}")
    (ours,) = build(farm, Settings()).values()

    with pytest.raises(ServerDownError, match="the servers of b are started by a run"):
        ours.endpoint(farm.devices[0], LEASE)


def farm_of(folder: Path, providers: str, devices: str) -> FarmConfig:
    path = folder / "farm.yml"
    path.write_text(f"providers:\n  {providers}\ndevices:\n{devices}\n")
    return load_farm(path, {})


# -- servers of our own


class Facade:
    """What `farm.servers.ManagedServers` does, as far as it is used."""

    def __init__(self) -> None:
        self.done: list[str] = []
        #: Where the server is, each time that it is asked for; the last one again and again.
        self.urls = ["http://127.0.0.1:9"]
        self.ports: frozenset[int] = frozenset()

    def start(self) -> Mapping[str, Any]:
        self.done.append("start")
        return {"address": "x"}

    def attach(self, state: Mapping[str, Any]) -> None:
        self.done.append("attach")

    def url(self, device_id: str) -> str:
        self.done.append(f"url {device_id}")
        return self.urls.pop(0) if len(self.urls) > 1 else self.urls[0]

    def sweep(self) -> frozenset[int]:
        self.done.append("sweep")
        return self.ports

    def log_path(self, device_id: str) -> Path:
        return Path("/logs") / device_id

    def stop(self) -> None:
        self.done.append("stop")


def test_our_own_servers_are_started_when_a_session_is_wanted_and_not_by_a_look() -> None:
    facade = Facade()
    servers = OwnServers(lambda: facade, take=always("up"))

    assert (servers.look("d1", limit_s=1), servers.known(), servers.log_path("d1"), facade.done) == (
        (None, Pulse(kind="up")),
        (),
        None,
        [],
    )
    assert servers.address("d1") == Address(url="http://127.0.0.1:9")
    assert facade.done == ["start", "url d1"]
    assert servers.log_path("d1") == Path("/logs/d1")
    servers.stop()
    assert facade.done[-1] == "stop"


def always(kind: Kind) -> Callable[..., Pulse]:
    return lambda url, headers, *, limit_s: Pulse(kind=kind, why="" if kind == "up" else f"it is {kind}")


def test_a_server_of_ours_that_is_in_trouble_says_nothing_against_the_device() -> None:
    """What is known of a device is known to all runs, and other runs reach it by servers of their own."""
    servers = OwnServers(Facade, take=always("unreachable"))
    servers.attach({})
    lab = provider(servers=servers)

    assert (lab.pulse(WEB), lab.readings(WEB)) == ("", HealthSample())


def test_one_that_is_about_to_be_found_dead_is_waited_for_until_it_is_there_again() -> None:
    """Also at another address, when its port was lost."""
    facade = Facade()
    facade.urls = ["http://127.0.0.1:9", "http://127.0.0.1:9", "http://127.0.0.1:8"]

    def take(url: str, headers: Mapping[str, str], *, limit_s: float) -> Pulse:
        return Pulse(kind="up" if url.endswith(":8") else "unreachable")

    servers = OwnServers(lambda: facade, take=take, pause=lambda seconds: None)

    assert servers.address("d1") == Address(url="http://127.0.0.1:8")


def test_one_that_never_answers_is_waited_for_in_bounded_time() -> None:
    now_s = [100.0]

    def pause(seconds: float) -> None:
        now_s[0] += seconds

    servers = OwnServers(Facade, take=always("silent"), now=lambda: now_s[0], pause=pause)

    with pytest.raises(
        ServerDownError, match=r"http://127\.0\.0\.1:9 cannot be reached for newSession: it is silent"
    ):
        servers.address("d1")
    assert now_s[0] - 100.0 == pytest.approx(HANG_S, abs=1.0)


def test_sessions_on_servers_of_runs_that_are_gone_went_with_them() -> None:
    facade = Facade()
    facade.ports = frozenset([8])
    lives = Session(url="http://127.0.0.1:8/wd/hub", id="a")
    elsewhere = Session(url="http://lab.example:9", id="b")
    gone = Session(url="http://127.0.0.1:9", id="c")
    servers = OwnServers(lambda: facade)

    assert servers.surviving([lives, elsewhere, gone]) == (lives, elsewhere)
    assert servers.surviving([]) == ()
    assert facade.done == ["sweep"]


def test_who_only_looks_knows_nothing_of_other_runs() -> None:
    def none() -> Facade:
        raise ServerDownError("this is no run")

    gone = Session(url="http://127.0.0.1:9", id="c")

    assert OwnServers(none).surviving([gone]) == (gone,)


def test_a_device_whose_servers_are_ours_is_given_on_though_what_listens_there_now_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        unclean = Unclean(lease=LEASE, sessions=(Session(url=url, id="s"),), why="killed")

        assert provider(servers=OwnServers(Facade)).recover(PHONE, unclean) == ""


# -- readings


def test_a_server_in_trouble_is_said_without_asking_the_device() -> None:
    down = Shelf(pulse=Pulse(kind="silent", why="no answer in 2 s"))

    assert provider(servers=down).readings(PHONE) == HealthSample(
        server="http://127.0.0.1:1: no answer in 2 s", is_online=False
    )


def test_a_device_that_adb_cannot_reach_has_the_servers_answer_only() -> None:
    assert provider().readings(WEB) == HealthSample(response_s=0.02)
    remote = provider(servers=Shelf("http://lab.example:4723"))
    assert remote.readings(PHONE) == HealthSample(response_s=0.02)


@contextlib.contextmanager
def adb_server(answer: bytes) -> Iterator[int]:
    """What answers each connection with these bytes; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = listener.accept()
                with link:
                    link.recv(100)
                    link.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def listing(*serials: str) -> bytes:
    body = "".join(f"{serial}\tdevice\n" for serial in serials).encode()
    return b"OKAY%04x" % len(body) + body


@pytest.fixture
def adb(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stand-in for the probe: no program is run. The serial numbers that it was asked for."""
    asked: list[str] = []

    def probe(udid: str, **how: Any) -> HealthSample:
        asked.append(udid)
        if how["port"] == 0:
            raise DeviceUnhealthyError("gone")
        return HealthSample(battery_pct=50.0)

    monkeypatch.setattr("pytest_autorl.farm.probes.adb.probe", probe)
    return asked


def test_a_phone_that_adb_knows_is_asked_through_it(adb: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with adb_server(listing("other", "R5CT1")) as port:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        sample = provider().readings(PHONE)

    assert sample == HealthSample(battery_pct=50.0, response_s=0.02)
    assert adb == ["R5CT1"]


def test_a_phone_at_the_end_of_a_tunnel_is_not_missed(
    adb: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server seems to be on this host, and the adb of this host has never seen it."""
    with adb_server(listing("other")) as port:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        assert provider().readings(PHONE) == HealthSample(response_s=0.02)

    assert adb == []


def test_a_phone_that_was_there_is_missed(adb: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lab = provider()
    for there in (("R5CT1",), ()):
        with adb_server(listing(*there)) as port:
            monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
            lab.readings(PHONE)

    assert adb == ["R5CT1", "R5CT1"]  # the probe says what is wrong with it


@pytest.mark.parametrize("answer", [b"", b"FAIL0004nope", b"OKAYzzzz", b"OKAY00"])
def test_an_adb_server_that_talks_nonsense_knows_no_devices(answer: bytes) -> None:
    with adb_server(answer) as port:
        assert adbserver.serials(port, limit_s=5) is None


def test_asking_starts_no_adb_server(free_port: Any) -> None:
    port = free_port()

    assert adbserver.serials(port, limit_s=5) is None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.parametrize(
    ("stated", "env", "port"),
    [
        (None, {}, 5037),
        (5038, {"ANDROID_ADB_SERVER_PORT": "5039"}, 5038),
        ("5038", {}, 5038),
        (None, {"ANDROID_ADB_SERVER_PORT": "5039"}, 5039),
        ("x", {"ANDROID_ADB_SERVER_PORT": "99999"}, 5037),
    ],
)
def test_the_port_of_adb_is_the_stated_one_else_that_of_the_environment(
    stated: object, env: dict[str, str], port: int
) -> None:
    assert adbserver.port_of(stated, env) == port


def test_servers_of_this_host_are_told_from_others() -> None:
    assert is_here(None)
    assert is_here(Address(url="http://127.0.0.1:4723"))
    assert is_here(Address(url="http://[::1]:4723"))
    assert is_here(Address(url=f"http://{socket.gethostname().lower()}:4723"))
    assert not is_here(Address(url="http://lab.example:4723"))


# -- logs and recovery


class Session1:
    """A session with logs, each line of which is given away once, as a server does."""

    def __init__(self, session_id: str, **logs: list[dict[str, Any]]) -> None:
        self.session_id = session_id
        self.logs = logs

    @property
    def log_types(self) -> list[str]:
        return list(self.logs)

    def get_log(self, kind: str) -> list[dict[str, Any]]:
        lines, self.logs[kind] = self.logs[kind], []
        return lines


def entry(at_ms: Any, message: str) -> dict[str, Any]:
    return {"timestamp": at_ms, "level": "ALL", "message": message}


def test_a_log_tells_everything_of_its_session_however_often_it_is_read() -> None:
    lab = provider()
    session: Any = Session1("s1", logcat=[entry(1000, "one")], server=[entry(1, "not asked for")])
    assert lab.log(PHONE, session) == "1970-01-01T00:00:01.000Z one"
    session.logs["logcat"] = [entry(2500, "two")]

    assert lab.log(PHONE, session).splitlines() == [
        "1970-01-01T00:00:01.000Z one",
        "1970-01-01T00:00:02.500Z two",
    ]
    assert lab.log(PHONE, session, since_s=2.0) == "1970-01-01T00:00:02.500Z two"
    other: Any = Session1("s2", logcat=[])
    assert lab.log(PHONE, other) == ""
    assert lab.log(PHONE, None) == ""


def test_the_logs_of_a_browser_are_one_in_the_order_of_time() -> None:
    session: Any = Session1("s1", browser=[entry(2000, "page")], driver=[entry(1000, "starts")])
    lab = provider()

    assert [line.split()[1] for line in lab.log(WEB, session).splitlines()] == ["starts", "page"]


@pytest.mark.parametrize("timestamp", [None, "soon", -5, float("nan"), 1e300, True])
def test_an_entry_without_a_usable_time_is_a_line_all_the_same(timestamp: object) -> None:
    session: Any = Session1("s1", logcat=[entry(timestamp, "text")])

    assert provider().log(PHONE, session).endswith("text")


def test_recovery_ends_what_was_recorded_and_says_what_is_wrong_with_the_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    unclean = Unclean(lease=LEASE, sessions=(Session(url=url, id="s"),), why="killed")

    assert provider(servers=Shelf(url)).recover(PHONE, unclean) == (
        f"session s on {url} could not be ended: NewConnectionError; {url} does not answer: NewConnectionError"
    )
