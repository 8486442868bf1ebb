"""Records of what dead stewards have left: what is ended by them, and above all what is not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_autorl.farm.descent import Identity, process
from pytest_autorl.farm.servers import records

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a farm needs POSIX (docs: use WSL2)")

Sleeper = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def sleeper() -> Iterator[Sleeper]:
    """Call it for a process that waits to be ended; keywords become its environment."""
    made: list[subprocess.Popen[bytes]] = []

    def make(**environment: str) -> subprocess.Popen[bytes]:
        code = "import signal; print(flush=True); signal.pause()"
        one = subprocess.Popen(
            [sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, env={**os.environ, **environment}
        )
        made.append(one)
        assert one.stdout is not None
        one.stdout.readline()
        return one

    yield make
    for one in made:
        one.kill()
        one.wait()
        assert one.stdout is not None
        one.stdout.close()


def identity(pid: int) -> Identity:
    one = process(pid)
    assert one is not None
    return one.identity


@pytest.fixture
def dead(sleeper: Sleeper) -> Identity:
    """A process that has ended."""
    one = sleeper()
    found = identity(one.pid)
    one.kill()
    one.wait()
    return found


def test_what_a_dead_steward_has_left_is_ended_and_forgotten(
    tmp_path: Path, sleeper: Sleeper, dead: Identity
) -> None:
    left, folder = sleeper(), tmp_path / "autorl-folder"
    folder.mkdir()
    record = records.Record(
        steward=dead, key="k", folder=str(folder), kin=frozenset([identity(left.pid), dead])
    )
    records.write(tmp_path / "records", record)

    assert records.sweep(tmp_path / "records") == 1

    assert left.wait(30) == -9
    assert list((tmp_path / "records").iterdir()) == []
    assert not folder.exists()
    assert records.sweep(tmp_path / "records") == 0


def test_a_process_that_has_got_the_id_of_another_is_not_touched(
    tmp_path: Path, sleeper: Sleeper, dead: Identity
) -> None:
    stranger = sleeper()
    recycled = Identity(stranger.pid, identity(stranger.pid).started + "1")
    records.write(tmp_path, records.Record(steward=dead, key="k", folder="", kin=frozenset([recycled])))

    assert records.sweep(tmp_path) == 0

    assert stranger.poll() is None


def test_a_steward_whose_id_is_anothers_by_now_is_dead(tmp_path: Path, sleeper: Sleeper) -> None:
    left, stranger = sleeper(), sleeper()
    recycled = Identity(stranger.pid, identity(stranger.pid).started + "1")
    record = records.Record(steward=recycled, key="k", folder="", kin=frozenset([identity(left.pid)]))
    records.write(tmp_path, record)

    assert records.sweep(tmp_path) == 1

    assert left.wait(30) == -9
    assert stranger.poll() is None


def test_what_a_living_steward_has_is_its_own(tmp_path: Path, sleeper: Sleeper) -> None:
    its = sleeper()
    record = records.Record(
        steward=identity(os.getpid()), key="k", folder="", kin=frozenset([identity(its.pid)])
    )
    records.write(tmp_path, record)

    assert records.sweep(tmp_path) == 0

    assert its.poll() is None
    assert records.path_of(tmp_path, "k").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="environments can be seen on Linux only")
def test_what_is_younger_than_the_record_is_known_by_its_mark(
    tmp_path: Path, sleeper: Sleeper, dead: Identity
) -> None:
    young, others = sleeper(**{records.MARK: "k/a"}), sleeper(**{records.MARK: "other/a"})
    records.write(tmp_path, records.Record(steward=dead, key="k", folder=""))

    assert records.sweep(tmp_path) == 1

    assert young.wait(30) == -9
    assert others.poll() is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="command lines can be seen on Linux only")
def test_the_adb_server_is_the_hosts(tmp_path: Path, dead: Identity) -> None:
    """Other runs use it as well; whoever started it first does not end it for them."""
    code = "import signal; print(flush=True); signal.pause()"
    with subprocess.Popen(
        ["adb", "-S", "-c", code, "-L", "tcp:5037", "fork-server", "server"],
        executable=sys.executable,
        stdout=subprocess.PIPE,
        env={**os.environ, records.MARK: "k/a"},
    ) as adb:
        assert adb.stdout is not None
        adb.stdout.readline()
        records.write(tmp_path, records.Record(steward=dead, key="k", folder=""))

        assert records.sweep(tmp_path) == 0
        assert adb.poll() is None
        adb.kill()


def test_a_record_from_elsewhere_says_nothing_here_and_goes_when_it_is_old(
    tmp_path: Path, sleeper: Sleeper, dead: Identity
) -> None:
    """Another boot, host or container: the same numbers mean other processes."""
    stranger = sleeper()
    record = records.Record(
        steward=dead, key="k", folder="", place="elsewhere", kin=frozenset([identity(stranger.pid)])
    )
    records.write(tmp_path, record)
    (tmp_path / "broken.servers.json").write_text("{")

    assert records.sweep(tmp_path) == 0
    assert stranger.poll() is None
    assert len(list(tmp_path.iterdir())) == 2

    month_ago_s = time.time() - 30 * 86400
    for path in tmp_path.iterdir():
        os.utime(path, (month_ago_s, month_ago_s))
    assert records.sweep(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_record_is_private_and_read_as_it_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    record = records.Record(
        steward=Identity(1, "2"),
        owner=Identity(6, "7"),
        key="k",
        folder="f",
        kin=frozenset([Identity(3, "4")]),
        ports={"a": 5},
    )

    records.write(folder, record)

    assert records.read(records.path_of(folder, "k")) == record
    assert folder.stat().st_mode & 0o777 == 0o700
    assert records.path_of(folder, "k").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_not_ours_is_not_removed(tmp_path: Path, dead: Identity) -> None:
    precious = tmp_path / "home"
    precious.mkdir()
    records.write(tmp_path / "r", replace(records.Record(steward=dead, key="k", folder=str(precious))))

    records.sweep(tmp_path / "r")

    assert precious.exists()
