"""Several servers that reach the same devices: which one serves, and what one that is down costs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pytest_autorl.errors import ServerDownError
from pytest_autorl.farm.providers.external import PATIENT_S, SILENT_S, ExternalServers
from pytest_autorl.farm.pulse import QUICK_S, Kind, Pulse

pytestmark = pytest.mark.unit

A, B, C = "http://a:1", "http://b:1", "http://c:1"


class World:
    """Servers as the test wants them, and a clock that their silence moves."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.kinds: dict[str, Kind] = {}
        #: How long a server is silent before it answers after all, seconds.
        self.slow_s: dict[str, float] = {}
        self.asked: list[tuple[str, float]] = []

    def take(self, url: str, headers: Mapping[str, str], *, limit_s: float) -> Pulse:
        self.asked.append((url, limit_s))
        if self.slow_s.get(url, 0.0) > limit_s or self.kinds.get(url) == "silent":
            self.now_s += limit_s
            return Pulse(kind="silent", why=f"no answer in {limit_s:g} s")
        kind = self.kinds.get(url, "up")
        return Pulse(
            kind=kind, why="" if kind == "up" else f"it is {kind}", code=401 if kind == "error" else 0
        )

    def servers(self, *urls: str) -> ExternalServers:
        return ExternalServers(urls, ["d1", "d2", "d3", "d4"], take=self.take, now=lambda: self.now_s)


@pytest.fixture
def world() -> World:
    return World()


def test_devices_are_spread_over_the_servers_in_order(world: World) -> None:
    servers = world.servers(A, B, C)

    assert [servers.address(f"d{i}").url for i in (1, 2, 3, 4)] == [A, B, C, A]


def test_when_its_home_is_down_the_next_one_serves(world: World) -> None:
    world.kinds = {B: "unreachable"}

    assert world.servers(A, B, C).address("d2").url == C


def test_the_last_ones_next_is_the_first(world: World) -> None:
    world.kinds = {C: "waiting"}

    assert world.servers(A, B, C).address("d3").url == A


def test_a_server_that_is_not_ready_comes_after_those_that_are_and_before_none(world: World) -> None:
    """It is up: our own session may be what it is busy with."""
    world.kinds = {A: "waiting", B: "unreachable", C: "silent"}
    servers = world.servers(A, B, C)

    assert servers.address("d1").url == servers.address("d2").url == A
    address, found = servers.look("d2", limit_s=10)
    assert (address and address.url, found.kind) == (A, "waiting")

    world.kinds = {A: "waiting", B: "unreachable"}
    world.now_s += SILENT_S
    assert servers.address("d1").url == C


def test_a_silent_server_is_waited_for_once_and_left_alone_for_a_while(world: World) -> None:
    world.kinds = {A: "silent"}
    servers = world.servers(A, B)

    begun_s = world.now_s
    assert [servers.address("d1").url for _ in range(3)] == [B, B, B]
    assert world.now_s - begun_s == QUICK_S

    world.now_s += SILENT_S
    world.kinds = {}
    assert servers.address("d1").url == A


def test_one_that_refuses_is_asked_anew_each_time_since_that_costs_nothing(world: World) -> None:
    world.kinds = {A: "unreachable"}
    servers = world.servers(A, B)
    assert servers.address("d1").url == B

    world.kinds = {}

    assert servers.address("d1").url == A


def test_a_slow_server_is_not_down_where_there_is_no_other(world: World) -> None:
    world.slow_s = {A: 6.0}

    assert world.servers(A).address("d1").url == A
    assert world.asked == [(A, QUICK_S), (A, PATIENT_S)]


def test_when_all_are_down_each_is_named_with_its_trouble(world: World) -> None:
    world.kinds = {A: "unreachable", B: "silent"}
    servers = world.servers(A, B)

    with pytest.raises(ServerDownError) as caught:
        servers.address("d1")

    assert caught.value.args[0] == (
        "http://a:1 cannot be reached for newSession: it is unreachable; "
        f"http://b:1 cannot be reached for newSession: no answer in {PATIENT_S:g} s"
    )
    assert (caught.value.device_id, caught.value.blame) == ("d1", "farm")
    begun_s = world.now_s
    with pytest.raises(ServerDownError):
        servers.address("d1")
    assert world.now_s == begun_s


@pytest.mark.parametrize(
    ("kind", "do"),
    [("unreachable", "is the server running?"), ("error", "AUTORL_FARM_TOKEN"), ("alien", "/wd/hub")],
)
def test_the_way_out_fits_the_trouble(world: World, kind: Kind, do: str) -> None:
    world.kinds = {A: kind}

    with pytest.raises(ServerDownError) as caught:
        world.servers(A).address("d1")

    assert do in caught.value.do


def test_a_look_finds_a_server_that_serves_and_waits_for_a_silent_one_once(world: World) -> None:
    """The gate looks twice before each test."""
    world.kinds = {A: "silent"}
    servers = world.servers(A, B)

    for limit_s in (QUICK_S, 10.0, QUICK_S):
        address, found = servers.look("d1", limit_s=limit_s)
        assert (address and address.url, found.is_up) == (B, True)

    assert world.now_s - 100.0 == QUICK_S / 2
    assert servers.address("d1").url == B
    assert world.now_s - 100.0 == QUICK_S / 2
    world.now_s += SILENT_S
    world.kinds = {}
    address, _ = servers.look("d1", limit_s=QUICK_S)
    assert address == servers.order("d1")[0]


def test_a_short_look_does_not_make_a_slow_server_one_that_is_down(world: World) -> None:
    world.slow_s = {A: 1.5, B: 6.0}
    servers = world.servers(A, B)
    _, found = servers.look("d1", limit_s=QUICK_S)
    assert found.kind == "silent"

    assert servers.address("d1").url == A
    assert world.asked[-1] == (A, PATIENT_S)


def test_where_patience_was_in_vain_the_next_test_is_not_kept_waiting(world: World) -> None:
    world.kinds = {A: "silent", B: "silent"}
    servers = world.servers(A, B)
    for _ in range(3):
        with pytest.raises(ServerDownError):
            servers.address("d1")

    # Once more for B, whose silence is not believed any more when that of A has been waited for.
    assert world.now_s - 100.0 == 3 * QUICK_S + PATIENT_S


def test_a_look_ends_in_time_and_tells_of_the_home(world: World) -> None:
    world.kinds = {A: "silent", B: "silent", C: "silent"}

    address, found = world.servers(A, B, C).look("d1", limit_s=3)

    assert (address and address.url, found.kind) == (A, "silent")
    assert world.now_s - 100.0 <= 3.0 + 1e-6


def test_user_info_becomes_a_header_and_the_hubs_token_goes_to_the_hub_only() -> None:
    servers = ExternalServers(
        ["https://me:canary@hub.example:443/wd", "http://hub.example", "https://hub.example/x"],
        ["d1"],
        hub=("https://hub.example", "canary-token"),
    )

    hub, other, same = servers.known()

    assert [each.url for each in (hub, other, same)] == [
        "https://hub.example:443/wd",
        "http://hub.example",
        "https://hub.example/x",
    ]
    assert hub.headers == same.headers == {"Authorization": "Bearer canary-token"}
    assert other.headers == {}
    assert "canary" not in repr(servers.known())
    basic = ExternalServers(["http://me:canary@h:1"], ["d1"]).known()[0]
    assert basic.headers["Authorization"].startswith("Basic ")
