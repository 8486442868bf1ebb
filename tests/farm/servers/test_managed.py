"""Managed servers: started when asked for, shared by who asks, kept up, told about."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab import family, is_running, until
from pytest_autorl.errors import ServerDownError
from pytest_autorl.farm.providers.managed import OwnServers
from pytest_autorl.farm.servers.log import mark, since
from stage import Stage, get

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name != "posix", reason="a farm needs POSIX (docs: use WSL2)"),
]


def test_nothing_is_started_before_a_device_is_asked_for(stage: Stage) -> None:
    servers = stage.servers("a", "b")

    servers.start()

    assert stage.told("starts") == []
    assert [(state.name, state.condition) for state in servers.states()] == [("a", "idle"), ("b", "idle")]


def test_each_device_has_a_server_of_its_own_that_is_started_once(stage: Stage) -> None:
    servers = stage.servers("a", "b")

    first, second, again = servers.url("a"), servers.url("b"), servers.url("a")

    assert first == again != second
    assert (get(f"{first}/status"), get(f"{second}/status")) == (200, 200)
    assert len(stage.started()) == 2
    up = servers.states()
    assert [(state.condition, state.url, state.restarts, state.why) for state in up] == [
        ("up", first, 0, ""),
        ("up", second, 0, ""),
    ]
    assert [state.pid for state in up] == stage.started()


def test_devices_may_share_a_server_in_the_order_of_the_file(stage: Stage) -> None:
    servers = stage.servers("a", "b", "c", devices=2)

    assert servers.url("b") == servers.url("a") != servers.url("c")
    assert [state.devices for state in servers.states()] == [("a", "b"), ("c",)]
    assert servers.log_path("b") == stage.reports / "logs" / "appium-a.log"


def test_workers_that_ask_at_once_share_one_start(stage: Stage) -> None:
    owner = stage.servers("a")
    state = owner.start()
    workers = [stage.servers("a") for _ in range(6)]
    for worker in workers:
        worker.attach(state)

    with ThreadPoolExecutor(len(workers)) as threads:
        urls = set(threads.map(lambda worker: worker.url("a"), workers))

    assert len(urls) == 1
    assert len(stage.started()) == 1
    workers[0].stop()  # it is not theirs to end
    assert get(f"{urls.pop()}/status") == 200


def test_the_command_line_carries_drivers_arguments_home_and_nothing_of_ours(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTORL_FARM_TOKEN", "not-for-servers")
    servers = stage.servers("a", drivers=("fake", "chromium"), home="own-home")

    url = servers.url("a")

    pid, port, home, *words = stage.told("starts")[0].split()
    assert words[:4] == ["server", "--log-no-colors", "--log-level", "info"]
    assert words[4:6] == ["--use-drivers", "fake,chromium"]
    assert words[-4:] == ["--address", "127.0.0.1", "--port", port]
    assert url == f"http://127.0.0.1:{port}"
    assert home == str(stage.folder / "own-home")
    environment = Path(f"/proc/{pid}/environ")
    if environment.exists():
        assert b"AUTORL_FARM_TOKEN" not in environment.read_bytes()


def test_a_server_that_ends_is_started_again_at_the_same_address(stage: Stage) -> None:
    servers = stage.servers("a")
    url = servers.url("a")
    first = stage.started()[0]

    get(f"{url}/crash")
    until(lambda: len(stage.started()) == 2, "it is started again")

    assert servers.url("a") == url
    state = servers.states()[0]
    assert (state.restarts, state.pid) == (1, stage.started()[1])
    assert not is_running(first)
    assert "its process ended with code 3; starting again in 0.05 s" in servers.log_path("a").read_text()


def test_a_killed_server_says_so_until_it_is_up_again(stage: Stage) -> None:
    servers = stage.servers("a", timing={"backoff_first_s": 60.0, "backoff_most_s": 60.0})
    servers.url("a")

    os.kill(stage.started()[0], signal.SIGKILL)
    until(lambda: servers.states()[0].condition != "up", "it is noticed")
    until(lambda: servers.states()[0].pid is None, "what it left is ended")

    (state,) = servers.states()
    assert (state.condition, state.why) == ("starting", "its process was ended by SIGKILL")


def test_a_server_that_hangs_is_killed_and_started_again(stage: Stage) -> None:
    servers = stage.servers("a", timing={"probe_every_s": 0.1, "probe_timeout_s": 2.0})
    url = servers.url("a")
    first = stage.started()[0]

    os.kill(first, signal.SIGSTOP)
    until(lambda: len(stage.started()) == 2, "it is started again")

    assert servers.url("a") == url
    assert not is_running(first)
    assert "it hung: no answer to 3 probes in a row" in servers.log_path("a").read_text()


def test_a_session_waits_for_a_server_that_hangs_until_another_one_answers(stage: Stage) -> None:
    servers = stage.servers("a", timing={"probe_every_s": 0.1, "probe_timeout_s": 2.0})
    own = OwnServers(lambda: servers)
    address = own.address("a")
    (first,) = stage.started()

    os.kill(first, signal.SIGSTOP)

    assert own.address("a") == address
    assert not is_running(first)
    assert get(f"{address.url}/status") == 200


def test_what_a_crashed_server_leaves_is_ended_before_the_next_start(stage: Stage) -> None:
    """A grandchild in a session of its own that ignores TERM: a browser behaves like that."""
    servers = stage.servers("a", "b")
    url, other = servers.url("a"), servers.url("b")
    get(f"{url}/child")
    get(f"{other}/child")
    mine, others = stage.children()

    get(f"{url}/crash")
    until(lambda: len(stage.started()) == 3, "it is started again")

    assert not is_running(mine)
    assert is_running(others)


def test_a_server_that_refuses_fails_at_once_with_the_end_of_its_log(stage: Stage) -> None:
    (stage.scene / "refuse").touch()
    servers = stage.servers("a", timing={"backoff_first_s": 60.0, "backoff_most_s": 60.0})

    with pytest.raises(ServerDownError) as caught:
        servers.url("a")

    assert caught.value.device_id == "a"
    assert caught.value.blame == "farm"
    text = str(caught.value)
    assert "the Appium server a did not come up: its process ended with code 1" in text
    assert "Fatal: there is no such driver" in text
    assert "docs/servers.md" in text
    (state,) = servers.states()
    assert (state.condition, state.why) == ("failed", "its process ended with code 1")
    assert len(stage.started()) == 1


def test_who_asks_before_the_next_start_is_told_of_the_last_one_at_once(stage: Stage) -> None:
    (stage.scene / "refuse").touch()
    servers = stage.servers("a", timing={"backoff_first_s": 3600.0, "backoff_most_s": 3600.0})
    for _ in range(3):
        with pytest.raises(ServerDownError, match="its process ended with code 1"):
            servers.url("a")

    assert len(stage.started()) == 1


def test_a_server_that_cannot_start_is_tried_again_and_again(stage: Stage) -> None:
    (stage.scene / "refuse").touch()
    servers = stage.servers("a")
    with pytest.raises(ServerDownError):
        servers.url("a")
    until(lambda: len(stage.started()) > 2, "it is tried again unasked")
    with pytest.raises(ServerDownError, match=r"did not come up \(start \d+\)"):
        servers.url("a")

    (stage.scene / "refuse").unlink()

    until(lambda: servers.states()[0].condition == "up", "it comes up")
    assert get(f"{servers.url('a')}/status") == 200


def test_a_server_that_says_nothing_is_given_up_after_the_start_timeout(stage: Stage) -> None:
    (stage.scene / "mute").touch()
    servers = stage.servers("a", start_timeout=1.0)

    with pytest.raises(ServerDownError, match="did not answer within 1 s"):
        servers.url("a")


def test_a_port_that_was_taken_in_between_is_changed(stage: Stage) -> None:
    (stage.scene / "taken").touch()
    servers = stage.servers("a")

    url = servers.url("a")

    ports = [line.split()[1] for line in stage.told("starts")]
    assert len(set(ports)) == 2
    assert url == f"http://127.0.0.1:{ports[1]}"


def test_another_program_on_the_port_is_not_taken_for_the_server(stage: Stage) -> None:
    """It would answer /status just as well, and sessions would begin on somebody else's server."""
    if not Path("/proc/net/tcp").exists():
        pytest.skip("who listens on a port can be seen on Linux only")
    stranger = stage.servers("stranger")
    taken = stranger.url("stranger")
    (stage.scene / "mute").touch()
    servers = stage.servers("a", start_timeout=1.5, arguments=["--scene", str(stage.scene)])
    servers._orders = servers._orders.__class__.read(
        servers._orders.plain() | {"ports": {"a": int(taken.rpartition(":")[2])}}
    )

    with pytest.raises(ServerDownError, match=r"did not answer within 1\.5 s"):
        servers.url("a")


def test_a_server_that_cannot_even_be_tried_is_a_failure_and_not_a_wait(stage: Stage) -> None:
    servers = stage.servers("a")
    gone = stage.folder / "gone"
    servers._orders = servers._orders.__class__.read(servers._orders.plain() | {"rootdir": str(gone)})

    with pytest.raises(ServerDownError, match=r"it cannot be started: .*No such file or directory"):
        servers.url("a")


def test_a_command_that_is_none_is_named(stage: Stage) -> None:
    servers = stage.servers("a", command="no/such/appium")

    with pytest.raises(ServerDownError, match="managed: command: no/such/appium is no program"):
        servers.url("a")


def test_the_slice_of_an_attempt_is_cut_out_of_the_log(stage: Stage) -> None:
    servers = stage.servers("a")
    servers.url("a")
    place = mark(servers.log_path("a"))

    get(f"{servers.url('a')}/crash")
    until(lambda: "starting again" in since(servers.log_path("a"), place), "the log goes on")

    assert "up on port" not in since(servers.log_path("a"), place).partition("starting again")[0]


def test_a_server_that_prints_a_lot_is_neither_blocked_nor_lost(stage: Stage) -> None:
    (stage.scene / "chatty").write_text("20000")
    servers = stage.servers("a")

    servers.url("a")

    until(lambda: "line 19999 " in servers.log_path("a").read_text(), "all of it is there")


def test_stop_ends_everything_gracefully_and_leaves_no_trace(stage: Stage) -> None:
    (stage.scene / "child").touch()
    servers = stage.servers("a", "b")
    servers.url("a")
    servers.url("b")
    steward = stage.steward(servers)
    everybody = {steward, *stage.started(), *stage.children()}
    folder = Path(servers.start()["address"]).parent
    if Path("/proc").exists():
        assert family(steward) | {steward} == everybody

    servers.stop()
    servers.stop()

    assert [pid for pid in everybody if is_running(pid)] == []
    assert sorted(stage.told("ended")) == sorted(str(pid) for pid in stage.started())
    assert list(stage.records.iterdir()) == []
    assert not folder.exists()


def test_a_server_that_ignores_term_is_killed_after_its_grace(stage: Stage) -> None:
    (stage.scene / "deaf").touch()
    servers = stage.servers("a", timing={"grace_s": 0.2})
    servers.url("a")

    servers.stop()

    assert not is_running(stage.started()[0])


def test_who_has_stopped_may_start_anew(stage: Stage) -> None:
    """Again and again: what looked after an earlier steward must leave the next one alone."""
    servers = stage.servers("a")
    for _ in range(3):
        servers.start()
        servers.stop()

    url = servers.url("a")

    assert get(f"{url}/status") == 200
    assert (len(stage.started()), len(list(stage.records.iterdir()))) == (1, 1)
