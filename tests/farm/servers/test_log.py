"""The log of a server: whole lines, bounded, and slices of it that survive when it is begun anew."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.capture.sink import Sink
from pytest_autorl.farm.servers.log import ServerLog, mark, since


def a_log(folder: Path, *, limit_bytes: int = 10_000, is_first: bool = True) -> ServerLog:
    sink = Sink(folder)
    return ServerLog(
        "a",
        folder / "a.log",
        lambda: sink.open_log("a.log"),
        redact=sink.text,
        is_first=is_first,
        limit_bytes=limit_bytes,
    )


def test_output_becomes_whole_lines(tmp_path: Path) -> None:
    log = a_log(tmp_path, limit_bytes=1_000_000)

    log.take(io.BytesIO(b"one\r\ntwo \xff\n" + b"x" * 100_000 + b"\nlast"))

    lines = log.path.read_text(encoding="utf-8").split("\n")
    assert "log of the Appium server a, part 1" in lines[0]
    assert lines[1:3] == ["one", "two \ufffd"]
    assert [len(line) for line in lines[3:5]] == [64_000, 36_000]
    assert lines[5:] == ["last", ""]


def test_nothing_printed_is_no_file(tmp_path: Path) -> None:
    a_log(tmp_path).close()

    assert list(tmp_path.iterdir()) == []


def test_it_is_bounded_and_the_part_before_is_kept(tmp_path: Path) -> None:
    log = a_log(tmp_path, limit_bytes=1000)

    for number in range(500):
        log.write(f"line {number}")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log", "a.log.1"]
    assert all(path.stat().st_size < 1100 for path in tmp_path.iterdir())
    both = (tmp_path / "a.log.1").read_text() + log.path.read_text()
    kept = [line for line in both.splitlines() if not line.startswith("--")]
    assert kept == [f"line {number}" for number in range(500)][-len(kept) :]


def test_a_run_begins_it_anew_and_a_second_steward_of_the_run_does_not_lose_it(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("of an earlier run\n")
    (tmp_path / "a.log.1").write_text("of an earlier run\n")

    a_log(tmp_path).write("first")
    assert "earlier" not in (tmp_path / "a.log").read_text()
    assert not (tmp_path / "a.log.1").exists()

    a_log(tmp_path, is_first=False).write("second")
    assert "first" in (tmp_path / "a.log.1").read_text()
    assert "first" not in (tmp_path / "a.log").read_text()


def test_a_disk_that_is_full_does_not_stop_the_server(tmp_path: Path) -> None:
    def full() -> io.StringIO:
        raise OSError("No space left on device")

    log = ServerLog("a", tmp_path / "a.log", full)

    log.take(io.BytesIO(b"one\ntwo\n"))

    assert log.end() == "one\ntwo"


@settings(deadline=None)
@given(
    before=st.lists(st.integers(1, 60), max_size=30),
    after=st.lists(st.integers(1, 60), max_size=30),
    limit=st.integers(200, 2000),
)
def test_a_slice_holds_what_came_after_the_mark_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, before: list[int], after: list[int], limit: int
) -> None:
    log = a_log(tmp_path_factory.mktemp("log"), limit_bytes=limit)
    for number, length in enumerate(before):
        log.write(f"before {number} " + "b" * length)
    place = mark(log.path)
    written = [f"after {number} " + "a" * length for number, length in enumerate(after)]
    for line in written:
        log.write(line)
    log.close()

    found = [line for line in since(log.path, place).splitlines() if not line.startswith("--")]

    assert not [line for line in found if line.startswith("before")] or len(after) > 2
    found = [line for line in found if line.startswith("after")]
    # The oldest are lost when it was begun anew more than once.
    assert found == written[len(written) - len(found) :]
    if sum(map(len, written)) + len(written) < limit // 2:
        assert found == written


def test_a_slice_is_bounded_by_its_newest_whole_lines(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    place = mark(log.path)
    for number in range(100):
        log.write(f"line {number:02}")

    assert since(log.path, place, limit_bytes=20) == "line 98\nline 99\n"
    assert since(log.path, mark(log.path)) == ""


def test_a_slice_of_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert since(tmp_path / "a.log", mark(tmp_path / "a.log")) == ""


def test_a_slice_begun_before_the_runs_first_line_has_nothing_of_an_earlier_run(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("of an earlier run\n" * 100)
    place = mark(tmp_path / "a.log")

    a_log(tmp_path).write("of this run")

    text = since(tmp_path / "a.log", place)
    assert text.endswith("of this run\n")
    assert "earlier" not in text
