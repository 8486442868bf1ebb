"""What `autorl doctor` says of this machine's memory and ports, of jobs, and of what takes its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from pytest_autorl.cli.checks import Finding
from pytest_autorl.cli.checks.aside import Aside
from pytest_autorl.cli.checks.books import Kept, jobs, read
from pytest_autorl.cli.checks.host import memory, ports
from pytest_autorl.errors import StateError
from pytest_autorl.state.engine import JobRow
from pytest_autorl.state.jobs import JobLocker
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.sqlite_books import MIGRATIONS

WELL = Finding(name="x", status="ok", detail="well")


def proc(folder: Path, **files: str) -> Path:
    """A /proc with these files; `__` stands for a slash."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def listeners(*numbers: int, state: str = "0A") -> str:
    """As /proc/net/tcp shows them."""
    rows = [
        f"   {i}: 0100007F:{number:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0"
        for i, number in enumerate(numbers)
    ]
    return "\n".join(
        ["  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid", *rows]
    )


# -- ports


def test_ports_outside_the_systems_own_range_are_well(tmp_path: Path) -> None:
    found = ports({20_000, 20_016}, proc(tmp_path, sys__net__ipv4__ip_local_port_range="32768\t60999\n"))

    assert found == Finding(name="ports", status="ok", detail="20000 to 29999: 2 of 1250 blocks are leased")


@pytest.mark.parametrize(
    ("span", "is_well"), [("29999 60999", False), ("30000 60999", True), ("1024 19999", True)]
)
def test_ports_that_the_system_gives_away_are_a_warning(span: str, is_well: bool, tmp_path: Path) -> None:
    found = ports((), proc(tmp_path, sys__net__ipv4__ip_local_port_range=span))

    assert (found.status == "ok") is is_well
    assert is_well or found.do == "sysctl -w net.ipv4.ip_local_reserved_ports=20000-29999"


@pytest.mark.parametrize(
    ("reserved", "status"),
    [
        ("20000-29999", "ok"),
        ("80,19000-31000", "ok"),
        ("20000-25000", "warn"),
        ("20000", "warn"),
        ("", "warn"),
    ],
)
def test_what_it_says_to_do_helps(reserved: str, status: str, tmp_path: Path) -> None:
    found = ports(
        (),
        proc(
            tmp_path,
            sys__net__ipv4__ip_local_port_range="16000 61000",
            sys__net__ipv4__ip_local_reserved_ports=f"{reserved}\n",
        ),
    )

    assert found.status == status


def test_listeners_of_others_are_named_and_those_of_leases_are_not(tmp_path: Path) -> None:
    table = listeners(20_003, 20_010, 80, 45_000)
    found = ports({20_000}, proc(tmp_path, net__tcp=table, net__tcp6=listeners(20_010, 29_999)))

    assert found.status == "ok"
    assert "; other programs listen on 20010, 29999, their blocks are passed over" in found.detail


def test_connections_are_no_listeners(tmp_path: Path) -> None:
    assert "other programs" not in ports((), proc(tmp_path, net__tcp=listeners(20_003, state="01"))).detail


def test_many_listeners_are_a_warning_and_a_few_are_named(tmp_path: Path) -> None:
    found = ports((), proc(tmp_path, net__tcp=listeners(*range(20_000, 25_100, 8))))

    assert found.status == "warn"
    assert "20000, 20008, 20016, 20024, 20032, 20040 and 632 more" in found.detail


# -- memory


@pytest.mark.parametrize(("available_kb", "status"), [(1_200_000, "ok"), (1_199_000, "warn"), (0, "warn")])
def test_memory_above_the_ceiling_is_a_warning(available_kb: int, status: str, tmp_path: Path) -> None:
    text = f"MemTotal: 8000000 kB\nMemFree: 1 kB\nMemAvailable: {available_kb} kB\n"
    (found,) = memory(85.0, proc(tmp_path, meminfo=text))

    assert found.status == status
    assert "of 8.2 GB available" in found.detail
    assert bool(found.do) is (status == "warn")


def test_where_the_system_says_nothing_of_memory_nothing_is_said(tmp_path: Path) -> None:
    assert list(memory(85.0, tmp_path)) == []


# -- jobs


class Clock:
    boot_id = "this"

    def now_s(self) -> float:
        return 1000.0

    def wall_s(self) -> float:
        return 50_000.0


def job(name: str, *, status: str = "running", boot: str = "this", expires_s: float = 2000.0) -> JobRow:
    return JobRow(name, status, "robot-7", "h", boot, 3, 50_000.0 - 7260, expires_s, progress=0.4)


def test_jobs_that_are_being_done_are_well() -> None:
    rows = (job("a"), job("b", status="completed"), job("c", status="pending"))

    assert list(jobs(rows, Clock())) == [Finding(name="jobs", status="ok", detail="3 jobs, 1 being done")]


def test_a_job_without_a_sign_of_life_is_stuck_and_told_with_what_is_done() -> None:
    (found,) = jobs((job("a"), job("b", expires_s=999.0), job("c", boot="earlier")), Clock())

    assert found.status == "warn"
    assert found.detail == (
        "3 jobs, 1 being done; 2 stuck: b (claimed by robot-7 2 h 1 min ago, 40 % done, its time ran out); "
        "c (claimed by robot-7 2 h 1 min ago, 40 % done, this machine was started anew)"
    )
    assert found.do


def test_of_many_stuck_jobs_a_few_are_told() -> None:
    (found,) = jobs(tuple(job(f"job-{i}", expires_s=1.0) for i in range(9)), Clock())

    assert "9 stuck" in found.detail
    assert found.detail.endswith("and 5 more")


def test_without_jobs_nothing_is_said() -> None:
    assert list(jobs((), Clock())) == []


def test_jobs_are_read_without_making_anything(tmp_path: Path) -> None:
    assert read(tmp_path / "state.db") == Kept()
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_others_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"something else")

    assert read(tmp_path / "state.db") == Kept()
    assert [path.name for path in tmp_path.iterdir()] == ["state.db"]


def test_jobs_of_a_state_are_read(tmp_path: Path) -> None:
    with JobLocker(tmp_path / "state.db", "robot-7") as robot:
        robot.try_claim("nightly")

    (row,) = read(tmp_path / "state.db").jobs

    assert (row.id, row.claimed_by) == ("nightly", "robot-7")


def test_reading_leaves_the_state_as_it_is(tmp_path: Path) -> None:
    """Neither is its reserve made anew, nor the state of an older run migrated."""
    SqliteEngine(tmp_path / "state.db", migrations=MIGRATIONS[:1]).close()
    (tmp_path / "state.db.ballast").unlink()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}

    assert read(tmp_path / "state.db") == Kept()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_damaged_state_has_no_jobs_and_is_told_elsewhere(tmp_path: Path) -> None:
    SqliteEngine(tmp_path / "state.db").close()
    (tmp_path / "state.db").write_bytes(b"\0" * 4096)

    assert read(tmp_path / "state.db") == Kept()


# -- side by side


def test_checks_run_side_by_side_and_are_told_in_the_order_wanted() -> None:
    both = threading.Barrier(2, timeout=60)

    def meet() -> Iterable[Finding]:
        both.wait()
        return [WELL]

    aside = Aside(60.0)
    first, second = aside.start("first", meet), aside.start("second", meet)

    assert [*second(), *first()] == [WELL, WELL]


def test_one_that_hangs_is_told_and_does_not_keep_the_others() -> None:
    stop = threading.Event()

    def hang() -> Iterable[Finding]:
        stop.wait()
        return []

    begun_s = time.monotonic()
    aside = Aside(0.2)
    slow, quick = aside.start("slow", hang), aside.start("quick", lambda: [WELL])
    found = [*quick(), *slow()]
    stop.set()

    assert found[0] == WELL
    assert (found[1].name, found[1].status) == ("slow", "warn")
    assert "within 0.2 s" in found[1].detail
    assert time.monotonic() - begun_s < 30


def test_one_that_breaks_does_not_hide_the_others() -> None:
    def ours() -> Iterable[Finding]:
        raise StateError("no room", do="make some")

    def other() -> Iterable[Finding]:
        yield WELL
        raise KeyError("a secret")

    aside = Aside(60.0)

    assert list(aside.start("mine", ours)()) == [
        Finding(name="mine", status="fail", detail="no room", do="make some")
    ]
    found = list(aside.start("theirs", other)())
    assert "could not be looked at: KeyError" in found[-1].detail
    assert "secret" not in str(found)
