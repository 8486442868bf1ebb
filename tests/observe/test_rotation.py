"""Bounds of a log file: size, number, age, mode; and that two processes never share one that is renamed."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.errors import UsageError
from pytest_autorl.observe import get_logger, remove_logging, setup_logging
from pytest_autorl.observe import rotation as rotation_module
from pytest_autorl.observe.rotation import RotatingFile

DAY_S = 86_400


def lines(folder: Path) -> dict[str, list[str]]:
    return {path.name: path.read_text("utf-8").splitlines() for path in sorted(folder.iterdir())}


def write(file: RotatingFile, *words: str) -> None:
    for word in words:
        file.write(f"{word}\n")
    file.flush()


def age(path: Path, days: float) -> None:
    at_s = path.stat().st_mtime - days * DAY_S
    os.utime(path, (at_s, at_s))


def test_a_full_file_becomes_a_backup_and_the_oldest_goes(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "gw0.jsonl", max_bytes=8, backup_count=2)

    write(file, "one", "two", "three", "four", "five", "six", "seven")
    file.close()

    assert lines(tmp_path) == {"gw0.jsonl": ["seven"], "gw0.jsonl.1": ["six"], "gw0.jsonl.2": ["five"]}


def test_every_file_is_private_whatever_the_umask_and_the_mode_before(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("old\n")
    (tmp_path / "a.log").chmod(0o644)
    before = os.umask(0)
    try:
        file = RotatingFile(tmp_path / "a.log", max_bytes=8, backup_count=3)
        write(file, "one", "two", "three")
        file.close()
    finally:
        os.umask(before)

    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert len(lines(tmp_path)) == 3


def test_without_backups_the_file_starts_over(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "a.log", max_bytes=8)

    write(file, "one", "two", "three")
    file.close()

    assert lines(tmp_path) == {"a.log": ["three"]}


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=30), max_size=40
    ),
    st.integers(1, 60),
    st.integers(0, 4),
)
@settings(max_examples=40, deadline=None)
def test_lines_stay_whole_in_order_and_within_the_bounds(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], max_bytes: int, backup_count: int
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    file = RotatingFile(folder / "a.log", max_bytes=max_bytes, backup_count=backup_count)
    write(file, *words)
    file.close()

    found = sorted(folder.iterdir(), key=lambda path: -int(path.suffix[1:]) if path.suffix != ".log" else 1)
    kept: list[str] = []
    for path in found:
        text = path.read_text("utf-8")
        own = text.split("\n")
        assert own.pop() == ""
        assert len(text.encode()) <= max_bytes or len(own) == 1
        kept += own

    assert len(found) <= backup_count + 1
    assert kept == words[len(words) - len(kept) :]
    assert kept or not words


def test_a_fresh_log_keeps_the_earlier_runs_as_a_backup_while_there_are_to_be_any(tmp_path: Path) -> None:
    for word in ("first", "second", "third"):
        file = RotatingFile(tmp_path / "logs/gw0.jsonl", backup_count=1, retention_days=1, fresh=True)
        write(file, word)
        file.close()

    assert lines(tmp_path / "logs") == {"gw0.jsonl": ["third"], "gw0.jsonl.1": ["second"]}


@pytest.mark.parametrize("bounds", [{"retention_days": 0, "backup_count": 3}, {"retention_days": 9}])
def test_a_fresh_log_removes_the_earlier_runs_when_none_are_to_be_kept(
    tmp_path: Path, bounds: dict[str, int]
) -> None:
    for name in ("gw0.jsonl", "gw0.jsonl.1", "gw0.jsonl.12"):
        (tmp_path / name).write_text("old\n")

    file = RotatingFile(tmp_path / "gw0.jsonl", fresh=True, **bounds)  # type: ignore[arg-type]
    write(file, "new", "newer")
    file.close()

    assert lines(tmp_path) == {"gw0.jsonl": ["new", "newer"]}


def test_a_fresh_log_that_gets_no_line_touches_nothing(tmp_path: Path) -> None:
    RotatingFile(tmp_path / "logs" / "gw0.jsonl", fresh=True).close()

    assert list(tmp_path.iterdir()) == []


def test_age_removes_logs_of_all_workers_and_nothing_else(tmp_path: Path) -> None:
    """A run with eight workers leaves files that a later one with two would never touch."""
    ours = ["main.jsonl", "gw7.jsonl", "gw7.jsonl.3", "gw12-2.jsonl", "main-3.jsonl.1"]
    others = ["appium-pixel.log", "gw7.jsonl.bak", "gwx.jsonl", "main.json", "domain.jsonl", "notes.txt"]
    young = ["gw1.jsonl", "gw1.jsonl.1"]
    for name in [*ours, *others, *young]:
        (tmp_path / name).write_text("old\n")
        age(tmp_path / name, 0.5 if name in young else 3)
    (tmp_path / "gw3.jsonl").mkdir()
    (tmp_path / "gw4.jsonl").symlink_to(tmp_path / "notes.txt")
    age(tmp_path / "gw3.jsonl", 3)

    file = RotatingFile(tmp_path / "gw0.jsonl", retention_days=2, fresh=True)
    write(file, "new")
    file.close()

    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"gw0.jsonl", "gw3.jsonl", "gw4.jsonl", *others, *young}


def test_age_of_a_file_of_another_name_is_its_own_matter(tmp_path: Path) -> None:
    for name in ("farm.log", "farm.log.1", "farm.log.2", "farmer.log.1", "gw0.jsonl", "farmxlog.1"):
        (tmp_path / name).write_text("old\n")
        age(tmp_path / name, 3)

    RotatingFile(tmp_path / "farm.log", retention_days=1).open()

    assert {path.name for path in tmp_path.iterdir()} == {
        "farm.log",
        "farmer.log.1",
        "gw0.jsonl",
        "farmxlog.1",
    }


def test_the_clock_of_the_age_is_passed_in(tmp_path: Path) -> None:
    (tmp_path / "a.log.1").write_text("old\n")
    later_s = (tmp_path / "a.log.1").stat().st_mtime + 2 * DAY_S

    file = RotatingFile(tmp_path / "a.log", retention_days=1, now=lambda: later_s)
    write(file, "new")
    file.close()

    assert lines(tmp_path) == {"a.log": ["new"]}


@pytest.mark.skipif(os.name == "nt", reason="there are no such locks")
def test_a_second_writer_takes_a_file_of_its_own_and_the_name_is_free_again_later(tmp_path: Path) -> None:
    first = RotatingFile(tmp_path / "main.jsonl", fresh=True)
    second = RotatingFile(tmp_path / "main.jsonl", max_bytes=4, backup_count=1)
    write(first, "a")
    write(second, "b", "cc")
    write(first, "d")
    first.close()
    third = RotatingFile(tmp_path / "main.jsonl", fresh=True)
    write(third, "e")
    second.close()
    third.close()

    assert lines(tmp_path) == {"main.jsonl": ["e"], "main-2.jsonl": ["cc"], "main-2.jsonl.1": ["b"]}
    assert second.path.name == "main-2.jsonl"


@pytest.mark.skipif(os.name == "nt", reason="there are no such locks")
def test_a_name_that_everybody_wants_is_refused_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation_module, "_SIBLINGS", 2)
    files = [RotatingFile(tmp_path / "main.jsonl", fresh=True) for _ in range(3)]
    write(files[0], "a")
    write(files[1], "b")

    with pytest.raises(OSError, match="other processes write to it"):
        files[2].write("c\n")
    for file in files:
        file.close()

    assert lines(tmp_path) == {"main.jsonl": ["a"], "main-2.jsonl": ["b"]}


def test_without_locks_there_is_still_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as on Windows

    file = RotatingFile(tmp_path / "a.log", max_bytes=8, backup_count=1)
    write(file, "one", "two", "three")
    file.close()

    assert lines(tmp_path) == {"a.log": ["three"], "a.log.1": ["one", "two"]}


_CHILD = """
import sys
from pathlib import Path
from pytest_autorl.observe.rotation import RotatingFile
file = RotatingFile(Path(sys.argv[1]), max_bytes=2000, backup_count=50, retention_days=1, fresh=True)
for number in range(200):
    file.write(f"{sys.argv[2]} {number:03d} {'x' * 40}\\n")
    if number == 0:
        print("ready", flush=True)
        sys.stdin.readline()
file.close()
"""


@pytest.mark.skipif(os.name == "nt", reason="there are no such locks")
def test_two_processes_that_rotate_one_name_lose_no_line(tmp_path: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(tmp_path / "main.jsonl"), who],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for who in ("a", "b")
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.communicate("go\n", timeout=60)

    found = lines(tmp_path)
    for own in found.values():
        assert len({line[0] for line in own}) == 1
    assert sorted(line[:5] for own in found.values() for line in own) == [
        f"{who} {number:03d}" for who in "ab" for number in range(200)
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is inherited there")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # forking while threads run: the child only writes
def test_a_forked_child_writes_and_never_renames(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "a.log", max_bytes=8, backup_count=5)
    write(file, "one")
    pid = os.fork()
    if pid == 0:
        try:
            write(file, "child1", "child2")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    during = lines(tmp_path)
    write(file, "two")
    file.close()

    assert during == {"a.log": ["one", "child1", "child2"]}
    assert lines(tmp_path) == {"a.log": ["two"], "a.log.1": ["one", "child1", "child2"]}


def test_a_file_that_another_program_has_moved_is_not_touched_again(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "a.log", max_bytes=8, backup_count=2)
    write(file, "one")
    (tmp_path / "a.log").rename(tmp_path / "theirs.log")
    write(file, "three", "four")
    file.close()

    assert lines(tmp_path) == {"a.log": ["four"], "a.log.1": ["three"], "theirs.log": ["one"]}


def test_a_disk_that_fills_up_in_a_line_leaves_only_whole_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = RotatingFile(tmp_path / "a.log", fresh=True)
    write(file, "whole")
    real, calls = os.write, []

    def full(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return real(descriptor, bytes(data)[:3])

    with monkeypatch.context() as patched:
        patched.setattr(rotation_module.os, "write", full)
        with pytest.raises(OSError, match="No space"):
            file.write("half a line\n")
    file.close()

    assert calls == [12, 9]
    assert lines(tmp_path) == {"a.log": ["whole"]}


def test_a_write_in_pieces_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RotatingFile(tmp_path / "a.log")
    real = os.write
    with monkeypatch.context() as patched:
        patched.setattr(rotation_module.os, "write", lambda fd, data: real(fd, bytes(data)[:3]))
        write(file, "one long line")
    file.close()

    assert lines(tmp_path) == {"a.log": ["one long line"]}


def test_a_closed_file_says_so_and_closing_twice_is_fine(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "a.log")
    write(file, "one")
    file.close()
    file.close()

    with pytest.raises(ValueError, match="closed"):
        file.write("two\n")


def test_what_is_no_file_is_never_rotated(tmp_path: Path) -> None:
    file = RotatingFile(Path(os.devnull), max_bytes=1, backup_count=2, fresh=True)

    write(file, "one", "two")
    file.close()

    assert not Path(f"{os.devnull}.1").exists()


@pytest.fixture
def _as_it_was() -> Iterator[None]:
    logger = logging.getLogger("pytest_autorl")
    before = list(logger.handlers)
    yield
    for handler in [handler for handler in logger.handlers if handler not in before]:
        remove_logging(handler)


@pytest.mark.usefixtures("_as_it_was")
def test_a_log_rotates_as_it_was_set_up(tmp_path: Path) -> None:
    handler = setup_logging(
        path=tmp_path / "logs/gw0.jsonl", max_bytes=400, backup_count=2, retention_days=14, fresh=True
    )
    for number in range(50):
        get_logger("MyAgent").info("line", number=number)
    remove_logging(handler)

    found = lines(tmp_path / "logs")
    assert list(found) == ["gw0.jsonl", "gw0.jsonl.1", "gw0.jsonl.2"]
    numbers = [json.loads(line)["number"] for own in reversed(found.values()) for line in own]
    assert numbers == list(range(50 - len(numbers), 50))


@pytest.mark.usefixtures("_as_it_was")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"max_bytes": 10}, "max_bytes needs a file"),
        ({"path": "x.log", "backup_count": -1}, "backup_count=-1 is below 0"),
    ],
)
def test_bounds_that_mean_nothing_are_refused(
    arguments: dict[str, object], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=words):
        setup_logging(**arguments)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
