"""No server, and nothing that a server has started, outlives its run, however the run ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import PATIENCE_S, family, is_running, until
from pytest_autorl.errors import ServerDownError
from pytest_autorl.farm.servers import records
from stage import Stage, get

ROOT = Path(__file__).resolve().parents[3]

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="adopts orphans, which only Linux can"),
]

#: A run in little: it has a server, says so, and waits for its end. Ctrl-C ends its work first, then the servers.
OWNER = """
import json, os, signal, sys, time
from pathlib import Path
from pytest_autorl.farm.servers import ManagedServers
folder, managed, forks = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3] == "forks"
servers = ManagedServers(
    ["a"], managed, rootdir=folder, reports=folder / "reports", records_folder=folder / "records"
)
url = servers.url("a")
fork = os.fork() if forks else None
try:
    if fork != 0:
        print(json.dumps({"url": url, "steward": servers._process.pid, "fork": fork}), flush=True)
    while True:
        signal.pause()
except KeyboardInterrupt:
    print(json.dumps({"up": servers.states()[0].condition}), flush=True)
    servers.stop()
"""


class Run:
    """A process that owns managed servers."""

    def __init__(self, stage: Stage, *, forks: bool = False) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", OWNER, str(stage.folder), json.dumps(stage.managed)),
                "forks" if forks else "alone",
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        said = json.loads(self.line())
        self.url: str = said["url"]
        self.steward: int = said["steward"]
        self.fork: int | None = said["fork"]

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def kill(self) -> None:
        """End it as the kernel does when memory runs out."""
        self.process.kill()
        self.process.wait()

    def kill_with_steward(self) -> None:
        """Both at once: neither sees anything of the other's end."""
        os.kill(self.steward, signal.SIGSTOP)
        self.kill()
        os.kill(self.steward, signal.SIGKILL)
        until(lambda: not is_running(self.steward), "the steward has ended")


@pytest.fixture
def runs() -> Iterator[list[Run]]:
    made: list[Run] = []
    yield made
    for run in made:
        for pid in (run.process.pid, run.steward):
            with contextlib.suppress(OSError):
                if is_running(pid):
                    os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.killpg(run.process.pid, signal.SIGKILL)
        run.process.wait()
        assert run.process.stdout is not None
        run.process.stdout.close()


def all_gone(pids: set[int]) -> bool:
    return not any(is_running(pid) for pid in pids)


def everybody(stage: Stage, run: Run) -> set[int]:
    """The steward and all below it, as they are and as they say themselves."""
    return {run.steward, *stage.started(), *stage.children()} | family(run.steward)


@pytest.mark.parametrize("forks", [False, True], ids=["alone", "a fork holds the pipe"])
def test_a_killed_run_takes_its_servers_with_it(stage: Stage, runs: list[Run], forks: bool) -> None:
    (stage.scene / "child").touch()
    run = Run(stage, forks=forks)
    runs.append(run)
    doomed = everybody(stage, run)
    assert len(doomed) == 3

    run.kill()

    until(lambda: all_gone(doomed), "everything has ended")
    until(lambda: not list(stage.records.iterdir()), "the record is gone, too")
    assert stage.told("ended") == [str(pid) for pid in stage.started()]
    if run.fork:
        assert is_running(run.fork)


def test_ctrl_c_leaves_the_servers_up_until_the_run_has_done_with_them(stage: Stage, runs: list[Run]) -> None:
    (stage.scene / "child").touch()
    run = Run(stage)
    runs.append(run)
    doomed = everybody(stage, run)

    os.killpg(run.process.pid, signal.SIGINT)

    assert json.loads(run.line()) == {"up": "up"}
    assert run.process.wait(PATIENCE_S) == 0
    assert all_gone(doomed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_steward_that_is_told_to_end_ends_everything_first(stage: Stage, number: int) -> None:
    (stage.scene / "child").touch()
    servers = stage.servers("a", timing={"backoff_first_s": 60.0, "backoff_most_s": 60.0})
    servers.url("a")
    steward = stage.steward(servers)
    doomed = {steward, *family(steward)}
    assert len(doomed) == 3

    os.kill(steward, number)

    until(lambda: all_gone(doomed), "everything has ended")
    assert stage.told("ended") == [str(pid) for pid in stage.started()]


def test_a_killed_steward_is_replaced_and_what_it_left_is_ended(stage: Stage) -> None:
    (stage.scene / "child").touch()
    servers = stage.servers("a", "b")
    url = servers.url("a")
    worker = stage.servers("a", "b")
    worker.attach(servers.start())
    steward = stage.steward(servers)
    until(lambda: len(_record(stage).kin) == 2, "the record knows of both")
    doomed = {steward, *stage.started(), *stage.children()}

    os.kill(steward, signal.SIGKILL)

    assert worker.url("a") == url  # the same port, from the record
    assert all_gone(doomed)
    assert stage.steward(servers) != steward
    assert get(f"{url}/status") == 200
    before = stage.reports / "logs" / "appium-a.log.1"
    assert f"pid {stage.started()[0]}" in before.read_text()


def test_a_steward_that_is_killed_while_it_starts_a_server_is_replaced_for_who_waits(stage: Stage) -> None:
    (stage.scene / "mute").touch()
    servers = stage.servers("a")
    servers.start()
    worker = subprocess.Popen(
        [sys.executable, "-c", _WORKER, json.dumps(dict(servers.start())), str(stage.folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    until(lambda: stage.started(), "it is asked for")
    (stage.scene / "mute").unlink()

    os.kill(stage.steward(servers), signal.SIGKILL)

    said, _ = worker.communicate(timeout=PATIENCE_S)
    assert get(f"{said.strip()}/status") == 200
    assert not is_running(stage.started()[0])


_WORKER = """
import json, sys
from pathlib import Path
from pytest_autorl.farm.servers import ManagedServers
folder = Path(sys.argv[2])
servers = ManagedServers(["a"], {}, rootdir=folder, reports=folder, records_folder=folder)
servers.attach(json.loads(sys.argv[1]))
print(servers.url("a"), flush=True)
"""


def test_when_all_are_killed_the_next_run_ends_what_is_left(stage: Stage, runs: list[Run]) -> None:
    """The server itself is told by the kernel; its grandchild, which ignores that, is left for the next run."""
    (stage.scene / "child").touch()
    run = Run(stage)
    runs.append(run)
    until(lambda: len(_record(stage).kin) == 2, "the record knows of both")
    (server,), (child,) = stage.started(), stage.children()
    folder = Path(_record(stage).folder)

    run.kill_with_steward()
    until(lambda: not is_running(server), "the server was told by the kernel")
    assert stage.told("ended") == [str(server)]
    assert is_running(child)
    (stage.scene / "child").unlink()

    stage.servers("b").start()

    assert not is_running(child)
    assert not folder.exists()
    assert len(list(stage.records.iterdir())) == 1  # that of the new run


def test_a_hung_server_of_a_killed_run_is_ended_by_the_next(stage: Stage, runs: list[Run]) -> None:
    run = Run(stage)
    runs.append(run)
    until(lambda: len(_record(stage).kin) == 1, "the record knows of it")
    (server,) = stage.started()
    os.kill(server, signal.SIGSTOP)
    run.kill_with_steward()
    assert is_running(server)

    stage.servers("b").start()

    assert not is_running(server)


def test_a_recovery_ends_it_without_starting_anything(stage: Stage, runs: list[Run]) -> None:
    run = Run(stage)
    runs.append(run)
    until(lambda: len(_record(stage).kin) == 1, "the record knows of it")
    (server,) = stage.started()
    looks = stage.servers("a")
    assert looks.sweep() == {int(run.url.rpartition(":")[2])}  # that run lives
    assert is_running(server)
    os.kill(server, signal.SIGSTOP)
    run.kill_with_steward()

    assert looks.sweep() == frozenset()

    assert not is_running(server)
    assert list(stage.records.iterdir()) == []
    assert len(stage.started()) == 1


def test_what_a_dead_steward_left_is_its_own_runs_to_end_as_long_as_that_lives(
    stage: Stage, runs: list[Run]
) -> None:
    """It puts another steward into the same folder, and servers onto the same ports."""
    run = Run(stage)
    runs.append(run)
    record = _record(stage)
    os.kill(run.process.pid, signal.SIGSTOP)
    os.kill(run.steward, signal.SIGKILL)
    until(lambda: not is_running(run.steward), "the steward has ended")

    assert stage.servers("b").sweep() == set(record.ports.values())

    assert Path(record.folder).exists()
    os.kill(run.process.pid, signal.SIGCONT)
    path = records.path_of(stage.records, record.key)

    def others() -> records.Record | None:
        found = records.read(path)
        return found if found is not None and found.steward != record.steward else None

    until(others, "another one is there")
    assert _record(stage).folder == record.folder


def test_a_running_steward_of_another_run_is_left_alone(stage: Stage, runs: list[Run]) -> None:
    run = Run(stage)
    runs.append(run)

    stage.servers("b").start()

    assert get(f"{run.url}/status") == 200
    assert len(list(stage.records.iterdir())) == 2


def test_a_fork_of_the_run_ends_nothing(stage: Stage) -> None:
    servers = stage.servers("a")
    url = servers.url("a")

    fork = os.fork()
    if fork == 0:
        servers.stop()
        os._exit(0)
    os.waitpid(fork, 0)

    assert get(f"{url}/status") == 200


def test_who_asks_while_nobody_can_answer_is_told_in_bounded_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_autorl.farm.servers.client._AWAY_S", 0.5)
    servers = stage.servers("a")
    servers.attach({"address": str(stage.folder / "nobody")})

    with pytest.raises(ServerDownError, match="looks after the Appium servers does not answer"):
        servers.url("a")
    with pytest.raises(ServerDownError, match="looks after the Appium servers does not answer"):
        servers.states()


def _record(stage: Stage) -> records.Record:
    (path,) = stage.records.glob("*.json")
    record = records.read(path)
    assert record is not None
    return record
