"""Signs of life: a lock that ends with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import stat
from pathlib import Path

import pytest

from pytest_autorl.state.liveness import Liveness, bury, end_of, is_alive, sweep
from state_child import PATIENCE_S, Child

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX")

LIVE = """
import sys; from pathlib import Path; from pytest_autorl.state.liveness import Liveness
sign = Liveness(Path(sys.argv[1]), sys.argv[2])
print("alive", flush=True); sys.stdin.readline()
"""
SLEEP = "import sys; print('here', flush=True); sys.stdin.readline()"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "holders"


def test_a_holder_lives_from_its_sign_until_its_close(folder: Path) -> None:
    assert not is_alive(folder, "me")

    sign = Liveness(folder, "me")
    assert is_alive(folder, "me")

    sign.close()
    assert not is_alive(folder, "me")


def test_a_closed_sign_leaves_nothing_and_can_be_closed_again(folder: Path) -> None:
    sign = Liveness(folder, "me")

    sign.close()
    sign.close()

    assert list(folder.iterdir()) == []


def test_nobody_else_reads_the_folder(folder: Path) -> None:
    sign = Liveness(folder, "me")

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [each.name for each in folder.iterdir()] == ["me.alive"]
    sign.close()


def test_a_killed_process_is_dead_at_once(folder: Path) -> None:
    """Nothing has to expire first: its devices go on to the next test right away."""
    with Child(LIVE, folder, "other") as other:
        other.line()
        assert is_alive(folder, "other")

        other.kill()

        assert not is_alive(folder, "other")


def test_a_process_that_ends_without_closing_is_dead_too(folder: Path) -> None:
    with Child(LIVE, folder, "other") as other:
        other.line()
        other.say()
        assert other.wait() == 0

    assert not is_alive(folder, "other")


def test_a_stopped_process_lives(folder: Path) -> None:
    """It may go on at any time: its leases end by their time, not by its silence here."""
    with Child(LIVE, folder, "other") as other:
        other.line()
        other.signal(signal.SIGSTOP)
        other.wait_until_stopped()

        assert is_alive(folder, "other")


def test_two_who_look_at_once_do_not_take_each_other_for_the_holder(folder: Path) -> None:
    with Child(LIVE, folder, "other") as other:
        other.line()
        other.kill()
    with (folder / "other.alive").open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)  # as somebody does who is looking just now

        assert not is_alive(folder, "other")


def test_a_name_that_a_dead_process_left_can_be_used_again(folder: Path) -> None:
    with Child(LIVE, folder, "name") as other:
        other.line()
        other.kill()

    sign = Liveness(folder, "name")
    assert is_alive(folder, "name")

    sign.close()
    assert not is_alive(folder, "name")


def test_the_dead_can_be_buried_by_several(folder: Path) -> None:
    with Child(LIVE, folder, "other") as other:
        other.line()
        other.kill()

    bury(folder, "other")
    bury(folder, "other")

    assert list(folder.iterdir()) == []


def test_the_files_of_all_who_died_can_be_swept_away(folder: Path) -> None:
    """Also of those that no state knows any more, because it was begun anew."""
    for name in ("first", "second"):
        with Child(LIVE, folder, name) as other:
            other.line()
            other.kill()
    sign = Liveness(folder, "me")
    (folder / "something else").touch()

    sweep(folder)

    assert sorted(each.name for each in folder.iterdir()) == ["me.alive", "something else"]
    sign.close()
    sweep(folder / "missing")


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="no pidfd_open(2) here")
def test_the_end_of_a_process_can_be_waited_for() -> None:
    with Child(SLEEP) as other:
        other.line()
        descriptor = end_of(other.pid)
        assert descriptor is not None
        try:
            assert select.select([descriptor], [], [], 0)[0] == []

            other.say()

            assert select.select([descriptor], [], [], PATIENCE_S)[0] == [descriptor]
        finally:
            os.close(descriptor)


def test_there_is_no_end_to_wait_for_when_it_is_gone_already() -> None:
    with Child(SLEEP) as other:
        other.kill()

    assert end_of(other.pid) is None


def test_where_the_kernel_cannot_tell_there_is_no_end_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits looks again by the clock then (macOS, Linux before 5.3)."""
    monkeypatch.delattr(os, "pidfd_open", raising=False)

    assert end_of(os.getpid()) is None
