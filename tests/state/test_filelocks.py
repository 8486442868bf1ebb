"""Leases on one host: exclusive, all or nothing, gone with their holder."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pytest_autorl.errors import LeaseLostError, LeaseTimeoutError, StateError
from pytest_autorl.state.filelocks import FileLockStore
from pytest_autorl.state.leases import Lease

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="advisory file locks are POSIX"),
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state" / "leases"


def acquire(store: FileLockStore, *ids: str, count: int = 1, wait_s: float = 0.0) -> tuple[Lease, ...]:
    return store.acquire(ids, count=count, owner="me", purpose="a test", wait_s=wait_s)


def test_a_device_is_held_by_one_store_at_a_time(directory: Path) -> None:
    first, second = FileLockStore(directory), FileLockStore(directory)
    (lease,) = acquire(first, "d1")

    with pytest.raises(
        LeaseTimeoutError, match=r"waited 0 s for a device of d1; held by: d1: me for a test, since 0 s"
    ):
        acquire(second, "d1")

    first.release(lease)
    assert acquire(second, "d1")[0].device_id == "d1"


def test_candidates_are_taken_in_their_order(directory: Path) -> None:
    store = FileLockStore(directory)

    assert [lease.device_id for lease in acquire(store, "d3", "d1", "d2", count=2)] == ["d3", "d1"]


def test_of_several_all_or_none_are_held(directory: Path) -> None:
    first, second = FileLockStore(directory), FileLockStore(directory)
    acquire(first, "d2")

    with pytest.raises(LeaseTimeoutError, match="2 devices at once of d1, d2"):
        acquire(second, "d1", "d2", count=2)

    assert second.holder("d1") is None


def test_tokens_of_a_device_only_grow(directory: Path) -> None:
    tokens = []
    for _ in range(3):
        store = FileLockStore(directory)
        (lease,) = acquire(store, "d1")
        tokens.append(lease.token)
        store.close()

    assert tokens == [1, 2, 3]


def test_a_lease_given_back_is_lost_and_can_be_given_back_again(directory: Path) -> None:
    store = FileLockStore(directory)
    (lease,) = acquire(store, "d1")
    store.check(lease)

    store.release(lease)
    store.release(lease)

    with pytest.raises(LeaseLostError, match="token 1"):
        store.check(lease)


def test_what_was_never_ours_is_lost_too(directory: Path) -> None:
    store = FileLockStore(directory)

    with pytest.raises(LeaseLostError, match=r"\[d1\] the lease of somebody \(token 9\)"):
        store.check(Lease(device_id="d1", owner="somebody", token=9, since_s=0.0))


def test_nobody_holds_a_device_that_was_never_asked_for(directory: Path) -> None:
    assert FileLockStore(directory).holder("d1") is None


def test_a_waiter_gets_the_device_when_it_is_given_back(directory: Path) -> None:
    first, second = FileLockStore(directory), FileLockStore(directory)
    (lease,) = acquire(first, "d1")
    got: list[tuple[Lease, ...]] = []
    waiter = threading.Thread(target=lambda: got.append(acquire(second, "d1", wait_s=30)))
    waiter.start()

    first.release(lease)
    waiter.join(timeout=30)

    assert got[0][0].token == lease.token + 1


def test_closing_ends_those_who_wait(directory: Path) -> None:
    first, second = FileLockStore(directory), FileLockStore(directory)
    acquire(first, "d1")
    ended = threading.Event()

    def wait() -> None:
        with pytest.raises(LeaseTimeoutError):
            acquire(second, "d1", wait_s=60)
        ended.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    second.close()

    assert ended.wait(timeout=30)
    waiter.join(timeout=30)


def test_the_device_of_a_killed_process_is_free_at_once(directory: Path) -> None:
    """The kernel drops the lock: nothing has to expire, nothing has to be cleaned up."""
    script = (
        "import sys; from pathlib import Path; from pytest_autorl.state.filelocks import FileLockStore;"
        "s = FileLockStore(Path(sys.argv[1])); s.acquire(['d1'], count=1, owner='child', purpose='x', wait_s=0);"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        store = FileLockStore(directory)
        holder = store.holder("d1")
        assert holder is not None
        assert (holder.owner, holder.pid) == ("child", child.pid)

        child.send_signal(signal.SIGKILL)
        child.wait(timeout=30)

    assert acquire(store, "d1")[0].token == 2


def test_many_processes_never_hold_one_device_together(directory: Path, tmp_path: Path) -> None:
    """Each child appends its begin and end while it holds the device: they must never interleave."""
    log = tmp_path / "log"
    script = (
        "import os, sys; from pathlib import Path; from pytest_autorl.state.filelocks import FileLockStore\n"
        "s = FileLockStore(Path(sys.argv[1])); me = str(os.getpid())\n"
        "f = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)\n"
        "for _ in range(25):\n"
        "    (l,) = s.acquire(['d1'], count=1, owner=me, purpose='x', wait_s=60)\n"
        "    os.write(f, f'{me} begin {l.token}\\n'.encode()); os.write(f, f'{me} end {l.token}\\n'.encode())\n"
        "    s.release(l)\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", script, str(directory), str(log)]) for _ in range(4)]
    assert [child.wait(timeout=100) for child in children] == [0, 0, 0, 0]

    lines = [line.split() for line in log.read_text().splitlines()]
    pairs = list(zip(lines[::2], lines[1::2], strict=True))
    assert len(pairs) == 100
    assert all((a[0], a[1], a[2]) == (b[0], "begin", b[2]) and b[1] == "end" for a, b in pairs)
    assert [int(a[2]) for a, _ in pairs] == list(range(1, 101))


def test_a_torn_text_in_the_file_costs_nothing_but_the_text(directory: Path) -> None:
    store = FileLockStore(directory)
    (directory / "d1.lease").write_bytes(b"00000000000000000041" + b'{"owner": "ha')

    (lease,) = acquire(store, "d1")

    assert lease.token == 42


def test_a_file_that_is_not_ours_is_refused_and_left_alone(directory: Path) -> None:
    """Starting its tokens anew could let a stale command through."""
    store = FileLockStore(directory)
    (directory / "d1.lease").write_bytes(b"something else")

    with pytest.raises(
        StateError, match=r"d1\.lease does not start with a fencing token but with b'something else'"
    ):
        acquire(store, "d1")

    assert (directory / "d1.lease").read_bytes() == b"something else"
    (directory / "d1.lease").unlink()
    assert acquire(store, "d1")


def test_a_purpose_of_any_length_does_not_disturb_the_tokens(directory: Path) -> None:
    tokens = []
    for length in (1, 50_000, 3):
        store = FileLockStore(directory)
        (lease,) = store.acquire(["d1"], count=1, owner="me", purpose="ü" * length, wait_s=0)
        tokens.append(lease.token)
        holder = FileLockStore(directory).holder("d1")
        assert holder is not None
        assert "ü" in holder.purpose
        store.close()

    assert tokens == [1, 2, 3]


def test_a_forked_child_does_not_keep_a_device_that_was_given_back(directory: Path) -> None:
    """It inherits the descriptor; the lock belongs to the open file, not to the process."""
    script = (
        "import os, sys; from pathlib import Path; from pytest_autorl.state.filelocks import FileLockStore\n"
        "s = FileLockStore(Path(sys.argv[1]))\n"
        "(lease,) = s.acquire(['d1'], count=1, owner='parent', purpose='x', wait_s=0)\n"
        "r, w = os.pipe()\n"
        "if os.fork() == 0: os.close(w); os.read(r, 1); os._exit(0)\n"
        "s.release(lease); other = FileLockStore(Path(sys.argv[1]))\n"
        "print(other.acquire(['d1'], count=1, owner='o', purpose='x', wait_s=0)[0].token)\n"
        "os.close(w); os.wait()\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(directory)], capture_output=True, text=True, timeout=60
    )

    assert done.stdout == "2\n", done.stderr


def test_devices_of_a_run_do_not_meet_those_of_another_run(directory: Path) -> None:
    one = FileLockStore(directory, run_id="run-1", is_of_run=lambda device_id: True)
    other = FileLockStore(directory, run_id="run-2", is_of_run=lambda device_id: True)

    assert acquire(one, "virtual-1")
    assert acquire(other, "virtual-1")


def test_forgetting_a_run_removes_its_files_and_stale_ones_only(directory: Path) -> None:
    now = time.time()
    mine = FileLockStore(directory, run_id="mine", is_of_run=lambda device_id: device_id.startswith("v"))
    (of_run, of_host) = (*acquire(mine, "v1"), *acquire(mine, "phone"))
    mine.release(of_run)
    mine.release(of_host)
    fresh, old = directory / "fresh@v1.lease", directory / "old@v1.lease"
    for path, age_s in ((fresh, 60), (old, 200_000)):
        path.write_text("{}")
        os.utime(path, (now - age_s, now - age_s))

    mine.forget_run()

    assert sorted(path.name for path in directory.iterdir()) == ["fresh@v1.lease", "phone.lease"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")

    with pytest.raises(
        StateError, match=r"(?s)cannot make the lease directory .*file/leases.*--autorl-state"
    ):
        FileLockStore(blocker / "leases")


def test_more_devices_than_candidates_is_the_callers_mistake(directory: Path) -> None:
    with pytest.raises(ValueError, match="2 devices wanted of only 1"):
        acquire(FileLockStore(directory), "d1", count=2)


def test_back_off_is_random_and_bounded(directory: Path) -> None:
    """Pauses come from the given random source and stay short enough not to be noticed."""
    clock = [0.0]
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        clock[0] += seconds

    holder = FileLockStore(directory)
    acquire(holder, "d1")
    waiter = FileLockStore(directory, pause=pause, monotonic=lambda: clock[0], chance=random.Random(7))
    with pytest.raises(LeaseTimeoutError):
        acquire(waiter, "d1", wait_s=3.0)

    assert sum(pauses) == pytest.approx(3.0)
    assert max(pauses) <= 0.1


def test_without_posix_locks_a_store_is_refused_with_the_way_out(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)

    with pytest.raises(StateError, match=r"(?s)need POSIX file locks.*WSL2"):
        FileLockStore(directory)


def test_a_file_that_cannot_be_written_is_the_states_error_and_held_by_nobody(directory: Path) -> None:
    """The null device takes a lock and cannot be cut to a length."""
    store = FileLockStore(directory)
    (directory / "d1.lease").symlink_to("/dev/null")

    with pytest.raises(StateError, match=r"(?s)\[d1\] cannot lock .*d1\.lease: .*--autorl-state"):
        acquire(store, "d1")

    (directory / "d1.lease").unlink()
    assert acquire(store, "d1")


def test_a_file_that_cannot_be_opened_is_the_states_error(directory: Path) -> None:
    store = FileLockStore(directory)
    (directory / "d1.lease").mkdir()

    with pytest.raises(StateError, match=r"\[d1\] cannot open .*d1\.lease"):
        acquire(store, "d1")


def test_a_lease_file_in_use_outlives_the_end_of_its_run(directory: Path) -> None:
    mine = FileLockStore(directory, run_id="mine", is_of_run=lambda device_id: True)
    acquire(mine, "v1")

    FileLockStore(directory, run_id="mine", is_of_run=lambda device_id: True).forget_run()

    assert (directory / "mine@v1.lease").exists()


def test_a_holders_torn_text_is_told_as_unknown(directory: Path) -> None:
    store = FileLockStore(directory)
    acquire(store, "d1")
    (directory / "d1.lease").write_bytes(b"00000000000000000001[1]")

    holder = FileLockStore(directory).holder("d1")

    assert holder is not None
    assert holder.owner == "unknown"


def test_those_who_wait_can_be_seen_and_leave_no_mark(directory: Path) -> None:
    """What a run holds idle it can give up when somebody waits; devices of the run itself nobody else can want."""
    holder = FileLockStore(directory, run_id="r", is_of_run=lambda device_id: device_id == "own")
    acquire(holder, "d1")
    acquire(holder, "own")
    seen: list[tuple[bool, bool]] = []
    clock = [0.0]

    def pause(seconds: float) -> None:
        clock[0] += seconds
        seen.append((holder.is_wanted("d1"), waiter.is_wanted("d1")))

    waiter = FileLockStore(
        directory,
        run_id="r",
        is_of_run=lambda device_id: device_id == "own",
        pause=pause,
        monotonic=lambda: clock[0],
    )
    with pytest.raises(LeaseTimeoutError):
        acquire(waiter, "d1", "own", count=2, wait_s=1.0)

    assert set(seen) == {(True, False)}
    assert not holder.is_wanted("d1")
    assert not holder.is_wanted("own")
    assert not [path for path in directory.iterdir() if path.suffix == ".wanted"]


def test_whoever_asks_lets_those_who_wait_go_first(directory: Path) -> None:
    store = FileLockStore(directory, pause=lambda seconds: pauses.append(seconds))
    pauses: list[float] = []
    (directory / "d1.wanted").write_text("somebody else")

    assert acquire(store, "d1", "d2")[0].device_id == "d2"
    assert pauses == []
    assert acquire(store, "d1", wait_s=10.0)[0].device_id == "d1"
    assert pauses == [0.3]
