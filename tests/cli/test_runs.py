"""`autorl runs`: the runs that a state knows, their figures, and the durations of tests in and out."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.cli import figures, history_file
from pytest_autorl.cli.trace_file import requirement_of
from pytest_autorl.farm.config import load_farm
from pytest_autorl.farm.requirement import Requirement
from pytest_autorl.state.engine import RunRow
from pytest_autorl.state.history import KEPT_RUNS, History, suite_of
from pytest_autorl.state.sqlite import SqliteEngine

Call = Callable[..., Any]

FIGURES = {
    "tests": 3,
    "attempts": 4,
    "makespan_s": 722.44,
    "bound_s": 701.0,
    "ratio": 1.0306,
    "bound_kind": "work",
    "tight": [f"pixel-{n}" for n in range(8)],
    "devices": [
        {"id": "pixel-8", "utilisation": 0.85, "busy_s": 612, "setup_s": 12.0, "idle_s": 110.44, "tests": 2},
        {
            "id": "old",
            "utilisation": 0,
            "busy_s": 0.0,
            "setup_s": 0.0,
            "idle_s": 722.4,
            "tests": 0,
            "lost": 1,
        },
    ],
    "setup_share": 0.0262,
    "lost_share": 0.0,
    "idle_share": 0.5,
    "critical_path": [
        {"test": "t.py::a", "devices": ["pixel-8"], "start": 0.0, "end": 4.0, "waited": 0.0},
        {"test": "t.py::b", "devices": ["pixel-8", "old"], "start": 4.5, "end": 722.4, "waited": 0.5},
    ],
    "longest": [{"test": "t.py::b", "seconds": 717.9, "attempts": 2}],
    "waits": [{"device": "old", "start": 0.0, "seconds": 4.5, "test": "t.py::b"}],
    "rows_without_setup": 1,
    "violations": ["t.py::c: never finished"],
}


def record(suite: Path, *runs: RunRow, durations: dict[str, float] | None = None) -> None:
    """What runs of a suite have written into its default state."""
    path = suite / ".autorl" / "state.db"
    with closing(SqliteEngine(path)) as engine:
        history = History(engine, suite=suite_of(suite))
        for run in runs:
            history.record(run, durations or {})
        if not runs:
            history.put(durations or {})


def run(name: str, **facts: Any) -> RunRow:
    """A run of twelve minutes that failed."""
    begun_s = 1_772_360_104.0
    return RunRow(name, "", begun_s, begun_s + 722.5, "failed", "/src/reports", json.dumps(facts))


@pytest.fixture
def suite(here: Path) -> Path:
    """The current folder, which is the root directory of a suite with two simulated phones."""
    (here / "pytest.ini").write_text("[pytest]\naddopts = -p no:asyncio\n")
    (here / "device_farm.yml").write_text(
        "devices: [{id: phone, provider: virtual, platform: android, count: 2}]\n"
    )
    return here


# -- list ----------------------------------------------------------------------------------------------------


def test_a_suite_without_runs_is_fine_and_nothing_is_made(autorl: Call, suite: Path) -> None:
    before = sorted(suite.rglob("*"))

    said = autorl("runs", "list")

    state = suite / ".autorl" / "state.db"
    assert (said.code, said.err) == (0, "")
    assert said.out == f"no runs of {suite} are known in {state}\n"
    assert sorted(suite.rglob("*")) == before
    assert autorl("runs", "list", "--json").data == {"suite": str(suite), "state": str(state), "runs": []}


def test_runs_are_listed_with_what_people_compare(autorl: Call, suite: Path) -> None:
    record(suite, run("nightly-1", **FIGURES), run("nightly-2"))

    said = autorl("runs", "list")

    assert said.out.splitlines() == [
        "ID         BEGUN                 TOOK     OUTCOME  TESTS  MAKESPAN  RATIO",
        "nightly-1  2026-03-01T10:15:04Z  722.5 s  failed   3      722.4 s   1.031",
        "nightly-2  2026-03-01T10:15:04Z  722.5 s  failed",
    ]
    first, second = autorl("runs", "list", "--json").data["runs"]
    assert first == {
        "id": "nightly-1",
        "suite": str(suite),
        "begun": "2026-03-01T10:15:04Z",
        "ended": "2026-03-01T10:27:06Z",
        "took_s": 722.5,
        "outcome": "failed",
        "reports": "/src/reports",
        "tests": 3,
        "makespan_s": 722.44,
        "ratio": 1.0306,
    }
    assert (second["id"], second["tests"], second["ratio"]) == ("nightly-2", None, None)


@pytest.mark.parametrize("facts", ["no JSON", "[1]", "[" * 100_000, '{"tests": null, "makespan_s": "long"}'])
def test_facts_that_cannot_be_read_are_left_out(autorl: Call, suite: Path, facts: str) -> None:
    """Another version may have written them."""
    record(suite, run("nightly")._replace(facts=facts))

    assert autorl("runs", "list").out.splitlines()[1].split() == [
        "nightly",
        "2026-03-01T10:15:04Z",
        "722.5",
        "s",
        "failed",
    ]
    assert autorl("runs", "show").out.startswith("run nightly: failed, ")


# -- where the suite and its state are -----------------------------------------------------------------------


def test_the_suite_is_that_of_pytests_root_directory(
    autorl: Call, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(suite, run("nightly"))
    (suite / "tests" / "deep").mkdir(parents=True)
    monkeypatch.chdir(suite / "tests" / "deep")

    assert autorl("runs", "list", "--json").data["suite"] == str(suite)
    assert autorl("runs", "show").code == 0


def test_the_farm_and_the_state_of_the_ini_file_are_those_of_pytest(autorl: Call, suite: Path) -> None:
    (suite / "pytest.ini").write_text("[pytest]\nautorl_state = shelf/mine.db\naddopts = -p no:asyncio\n")

    assert autorl("runs", "list", "--json").data["state"] == str(suite / "shelf" / "mine.db")


@pytest.mark.parametrize("is_typed", [True, False])
def test_a_path_that_is_typed_starts_here_and_one_of_the_environment_at_the_root(
    autorl: Call, suite: Path, monkeypatch: pytest.MonkeyPatch, is_typed: bool
) -> None:
    (suite / "tests").mkdir()
    monkeypatch.chdir(suite / "tests")
    if not is_typed:
        monkeypatch.setenv("AUTORL_STATE", "s.db")

    said = autorl("runs", "list", "--json", *(["--state", "s.db"] if is_typed else []))

    assert said.data["state"] == str((suite / "tests" if is_typed else suite) / "s.db")


@pytest.mark.parametrize("name", ["--state", "--autorl-state"])
def test_the_state_has_the_name_of_pytests_option_too(autorl: Call, suite: Path, name: str) -> None:
    said = autorl("runs", "list", name, "other.db", "--json")

    assert (said.code, said.data["state"]) == (0, str(suite / "other.db"))


@pytest.mark.parametrize("name", ["--farm", "--autorl-farm"])
def test_the_farm_has_the_name_of_pytests_option_too(autorl: Call, suite: Path, name: str) -> None:
    said = autorl("runs", "list", name, "missing.yml")

    assert said.code == 2
    assert "missing.yml" in said.err


def test_another_suite_can_be_named(
    autorl: Call, suite: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    record(other, run("others"))

    assert [row["id"] for row in autorl("runs", "list", "--suite", str(other), "--json").data["runs"]] == [
        "others"
    ]


def test_with_suite_and_state_the_folder_may_be_gone_and_pytest_is_not_asked(
    autorl: Call, suite: Path
) -> None:
    """A build server removes what it has checked out."""
    (suite / "pytest.ini").write_text("this is no ini file")
    gone = suite / "gone"
    with closing(SqliteEngine(suite / "mine.db")) as engine:
        History(engine, suite=str(gone)).record(run("nightly"), {})

    said = autorl("runs", "list", "--suite", str(gone), "--state", "mine.db", "--json")

    assert [row["id"] for row in said.data["runs"]] == ["nightly"]


def test_where_pytest_cannot_tell_the_way_out_is_said(autorl: Call, suite: Path) -> None:
    (suite / "pytest.ini").write_text("this is no ini file")

    said = autorl("runs", "list")

    assert (said.code, said.out) == (2, "")
    assert "pytest cannot tell where the suite is: " in said.err
    assert "this is no ini file" in said.err
    assert "do: name its root directory with --suite, and its state with --state" in said.err


def test_a_farm_that_cannot_be_used_is_told(autorl: Call, suite: Path) -> None:
    said = autorl("runs", "list", "--farm", "none.yml")

    assert (said.code, said.out) == (2, "")
    assert "none.yml: the farm file does not exist" in said.err


def test_without_a_farm_the_state_is_that_of_runs_on_simulated_devices(autorl: Call, here: Path) -> None:
    record(here, run("nightly"))

    assert autorl("runs", "list", "--json").data["runs"][0]["id"] == "nightly"


def test_a_state_that_is_not_where_one_would_expect_is_told(
    autorl: Call, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_autorl.cli import suite as module
    from pytest_autorl.state.place import Place

    moved = Place(suite / "moved.db", "the default is on a network file system")
    monkeypatch.setattr(module, "place_of", lambda *args, **kwargs: moved)

    said = autorl("runs", "list", "--json")

    assert said.err == "autorl: the default is on a network file system\n"
    assert said.data["state"] == str(suite / "moved.db")


# -- show ----------------------------------------------------------------------------------------------------


def test_the_latest_run_is_shown_with_its_figures(autorl: Call, suite: Path) -> None:
    record(suite, run("nightly-1"), run("nightly-2", **FIGURES))

    said = autorl("runs", "show")

    assert said.code == 0
    assert said.out.splitlines() == [
        "run nightly-2: failed, 2026-03-01T10:15:04Z, 722.5 s, 3 tests",
        "reports: /src/reports",
        (
            "makespan 722.4 s, lower bound 701.0 s (work of pixel-0, pixel-1, pixel-2, pixel-3, pixel-4 and 3 more), "
            "ratio 1.031"
        ),
        "set-up 2.6 %, lost 0.0 %, idle 50.0 %",
        "",
        "DEVICE   IN USE                        BUSY     SET-UP   IDLE     TESTS  LOST",
        "pixel-8  █████████████████░░░  85.0 %  612.0 s  12.0 s   110.4 s  2",
        "old      ░░░░░░░░░░░░░░░░░░░░  0.0 %   0.000 s  0.000 s  722.4 s  0      1",
        "",
        "critical path:",
        "START    END      WAITED   DEVICES       TEST",
        "0.000 s  4.00 s            pixel-8       t.py::a",
        "4.50 s   722.4 s  0.500 s  pixel-8, old  t.py::b",
        "longest: t.py::b 717.9 s",
        "old stood idle for 4.50 s before t.py::b",
        "wrong: t.py::c: never finished",
        "1 of 4 attempts state no set-up: if they had one, it counts as work in the bound",
    ]
    data = autorl("runs", "show", "--json").data
    assert data["run"]["id"] == "nightly-2"
    assert data["figures"] == FIGURES


def test_a_run_without_figures_says_so(autorl: Call, suite: Path) -> None:
    record(suite, run("nightly-1", tests=1), run("nightly-2", **FIGURES))

    said = autorl("runs", "show", "nightly-1")

    assert said.out.splitlines() == [
        "run nightly-1: failed, 2026-03-01T10:15:04Z, 722.5 s, 1 test",
        "reports: /src/reports",
        "no test had a device: there are no figures",
    ]


def test_what_failed_and_was_tried_again_is_told_by_type(autorl: Call, suite: Path) -> None:
    told = {
        "failures": [
            {"agent": "gw0", "error_type": "element", "count": 2},
            {"agent": "gw1", "error_type": "element", "count": 1},
            {"agent": "gw1", "error_type": "crash", "count": 1},
        ],
        "retries": 3,
        "flaky": ["t.py::a", "t.py::b[\x1b]"],
    }
    record(suite, run("nightly", **FIGURES, **told))

    said = autorl("runs", "show")

    lines = said.out.splitlines()
    begin = lines.index("failed attempts: 1 crash, 3 element")
    assert lines[begin : begin + 6] == [
        "failed attempts: 1 crash, 3 element",
        "retries: 3",
        "flaky: 2 tests, passed when tried again",
        "  t.py::a",
        "  t.py::b[?]",
        "wrong: t.py::c: never finished",
    ]
    found = autorl("runs", "show", "--json").data["figures"]
    assert {key: found[key] for key in told} == told


def test_what_failed_is_told_of_a_run_without_devices_too() -> None:
    failures = [{"agent": "main", "error_type": "assertion", "count": 1}]

    lines = figures.figure_lines({"failures": failures, "retries": 1, "flaky": ["t.py::a"]}, blocks=False)

    assert lines == [
        "no test had a device: there are no figures",
        "failed attempts: 1 assertion",
        "retries: 1",
        "flaky: 1 test, passed when tried again",
        "  t.py::a",
    ]


def test_of_many_flaky_tests_the_first_are_named() -> None:
    lines = figures.figure_lines({"flaky": [f"t.py::test_{n}" for n in range(20)]}, blocks=False)

    assert lines[1] == "flaky: 20 tests, passed when tried again"
    assert lines[-2:] == ["  t.py::test_11", "  and 8 more"]


@pytest.mark.parametrize(
    "facts",
    [
        {"failures": [], "retries": 0, "flaky": []},
        {"failures": None, "retries": None, "flaky": None},
        {"failures": 7, "retries": "many", "flaky": "t.py::a"},
    ],
)
def test_nothing_is_told_where_nothing_failed_or_another_version_wrote_it(facts: dict[str, Any]) -> None:
    assert figures.figure_lines(facts, blocks=False) == ["no test had a device: there are no figures"]


def test_what_is_missing_of_the_figures_is_left_out() -> None:
    lines = figures.figure_lines({"makespan_s": 3.0}, blocks=True)

    assert lines[:2] == ["makespan 3.00 s", ""]
    assert not any("None" in line for line in lines)


def test_long_lists_are_cut_and_say_so() -> None:
    step = {"devices": ["a"], "start": 0.0, "end": 1.0, "waited": 0.0}
    facts = {
        "makespan_s": 30.0,
        "critical_path": [{**step, "test": f"test_{n}"} for n in range(30)],
        "violations": [f"trouble {n}" for n in range(9)],
        "longest": [{"test": "tests/" + "x" * 200 + "::test_end", "seconds": 1.0}],
        "rows_without_setup": 2,
    }

    lines = figures.figure_lines(facts, blocks=False)

    assert "critical path (the last 12 of 30 steps):" in lines
    assert [line for line in lines if "test_29" in line]
    assert not [line for line in lines if "test_17" in line]
    assert [line for line in lines if line.startswith("wrong")][-1] == "wrong: 4 more"
    assert "2 attempts state no set-up: if they had one, it counts as work in the bound" in lines
    (longest,) = [line for line in lines if line.startswith("longest: tests/xxx")]
    assert "..." in longest
    assert longest.endswith("xxx::test_end 1.00 s")
    assert len(longest) < 80


@pytest.mark.parametrize(
    ("share", "blocks", "shown"),
    [
        (0.5, True, "██████████░░░░░░░░░░"),
        (0.5, False, "##########.........."),
        (7.0, False, "####################"),
        (-1, False, "...................."),
        (None, True, ""),
    ],
)
def test_a_bar_shows_a_share(share: object, blocks: bool, shown: str) -> None:
    assert figures.bar(share, blocks=blocks) == shown


@pytest.mark.parametrize(
    ("encoding", "has_blocks"), [("utf-8", True), ("cp437", True), ("ascii", False), ("latin-1", False)]
)
def test_bars_are_drawn_with_what_the_terminal_knows(
    monkeypatch: pytest.MonkeyPatch, encoding: str, has_blocks: bool
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))

    assert figures.has_blocks() is has_blocks


def test_a_run_that_is_not_known_is_exit_code_1_with_those_that_are(autorl: Call, suite: Path) -> None:
    assert autorl("runs", "show").code == 1
    record(suite, run("nightly-1"), run("nightly-1"), run("nightly-2"))

    said = autorl("runs", "show", "nightly-3")

    assert (said.code, said.out) == (1, "")
    assert said.err == "autorl: there is no run nightly-3: known are: nightly-1, nightly-2\n"


def test_where_no_run_is_known_that_is_said(autorl: Call, suite: Path) -> None:
    said = autorl("runs", "show")

    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"autorl: no runs of {suite} are known in ")


def test_what_a_terminal_would_obey_is_not_printed(autorl: Call, suite: Path) -> None:
    record(suite, run("nightly\x1b[2J", makespan_s=1.0, violations=["\x1b]0;title\x07"]))

    said = autorl("runs", "show")

    assert "\x1b" not in said.out
    assert "run nightly?[2J: " in said.out


# -- show --trace --------------------------------------------------------------------------------------------


def row(test: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    plain = {"test": test, "devices": ["phone-1"], "class": "android", "outcome": "passed"}
    return {**plain, "start": start, "end": end, "setup": 0.5, **more}


def write_trace(path: Path, *rows: object, tail: str = "") -> str:
    path.write_text("".join(json.dumps(each) + "\n" for each in rows) + tail)
    return str(path)


def test_a_trace_on_the_disk_gives_the_same_figures(autorl: Call, here: Path) -> None:
    trace = write_trace(here / "trace.jsonl", row("t.py::a", 0.0, 4.0), row("t.py::b", 4.0, 6.0))

    said = autorl("runs", "show", "--trace", trace, "--json")

    assert said.code == 0
    assert (said.data["run"], said.data["trace"]) == (None, trace)
    found = said.data["figures"]
    assert (found["makespan_s"], found["tests"], found["bound_s"]) == (6.0, 2, 5.5)
    assert [device["id"] for device in found["devices"]] == ["phone-1"]
    assert autorl("runs", "show", "--trace", trace).out.startswith("makespan 6.00 s, lower bound 5.50 s ")


def test_with_the_farm_devices_that_fitted_and_stood_idle_count(autorl: Call, suite: Path) -> None:
    trace = write_trace(suite / "trace.jsonl", row("t.py::a", 0.0, 4.0), row("t.py::b", 4.0, 8.0))

    found = autorl("runs", "show", "--trace", trace, "--farm", "device_farm.yml", "--json").data["figures"]

    assert [device["id"] for device in found["devices"]] == ["phone-1", "phone-2"]
    assert found["bound_s"] < 5.0
    assert found["ratio"] > 1.5


def test_a_row_that_was_not_written_to_its_end_is_left_out(autorl: Call, here: Path) -> None:
    """The run was killed."""
    trace = write_trace(here / "trace.jsonl", row("t.py::a", 0.0, 4.0), tail='\n{"test": "t.py')

    assert autorl("runs", "show", "--trace", trace, "--json").data["figures"]["tests"] == 1


def test_an_empty_trace_has_no_figures(autorl: Call, here: Path) -> None:
    said = autorl("runs", "show", "--trace", write_trace(here / "trace.jsonl"))

    assert (said.code, said.out) == (0, "no test had a device: there are no figures\n")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([1], "not an object"),
        ({}, "`test` is None, not a text"),
        (row("a", 0, 1, devices="phone"), "`devices` is 'phone', not a list"),
        (row("a", 0, 1, devices=[1]), "`devices` is [1], not a list of ids"),
        ({**row("a", 0, 1), "start": "0"}, "`start` is '0', not a number of seconds"),
        ({**row("a", 0, 1), "end": True}, "`end` is True, not a number"),
        (row("a", 0, float("nan")), "`end` is nan, not a number"),
        (row("a", 0, 1, setup=None), "`setup` is None, not a number"),
        (row("a", 3, 1), "it runs from 3 to 1 s"),
        (row("a", -3, 1), "it runs from -3 to 1 s"),
    ],
)
def test_a_row_that_cannot_be_used_is_told_with_its_line(
    autorl: Call, here: Path, wrong: object, words: str
) -> None:
    trace = write_trace(here / "trace.jsonl", row("t.py::a", 0.0, 4.0), wrong, row("t.py::b", 4.0, 5.0))

    said = autorl("runs", "show", "--trace", trace)

    assert (said.code, said.out) == (2, "")
    assert f"trace.jsonl:2: {words}" in said.err
    assert "do: give a trace.jsonl that a run has written" in said.err


def test_a_file_that_is_no_trace_is_told(autorl: Call, here: Path) -> None:
    (here / "a.jsonl").write_text("milk\nbread\n")
    (here / "b.jsonl").write_bytes(b"\xff\xfe\x00")

    assert "a.jsonl:1: not JSON: " in autorl("runs", "show", "--trace", "a.jsonl").err
    assert "b.jsonl is no trace: " in autorl("runs", "show", "--trace", "b.jsonl").err
    assert "cannot read c.jsonl: No such file" in autorl("runs", "show", "--trace", "c.jsonl").err
    assert autorl("runs", "show", "--trace", "c.jsonl").code == 2


@pytest.mark.parametrize("more", [["nightly"], ["--suite", "."]])
def test_a_trace_and_a_run_are_one_too_many(autorl: Call, here: Path, more: list[str]) -> None:
    said = autorl("runs", "show", "--trace", "t.jsonl", *more)

    assert said.code == 2
    assert "--trace names a run already" in said.err


FARM = """\
devices:
  - {id: p, provider: virtual, platform: android, os_version: "14", form_factor: phone, model: Pixel 8, tags: [nfc]}
  - {id: t, provider: virtual, platform: ios, os_version: "17.2", form_factor: tablet, model: iPad, count: 2}
"""


@pytest.mark.parametrize(
    "need",
    [
        Requirement(),
        Requirement(count=2),
        Requirement(platform="android"),
        Requirement(platform="android", os_version=">=13", tags=("nfc",)),
        Requirement(os_version="14"),
        Requirement(platform="android", os_version="14"),
        Requirement(form_factor="tablet", model="ipad"),
        Requirement(platform="ios", form_factor="tablet", tags=("b", "a"), count=2),
        Requirement(model="Pixel 8"),
    ],
    ids=lambda need: need.key,
)
def test_a_need_is_told_from_its_key(tmp_path: Path, need: Requirement) -> None:
    (tmp_path / "f.yml").write_text(FARM)
    farm = load_farm(tmp_path / "f.yml", {})

    found = requirement_of(need.key, farm)

    assert found is not None
    assert found.key == need.key
    assert (found.platform, found.os_version, found.tags) == (need.platform, need.os_version, need.tags)
    assert found.count == need.count


def test_a_condition_is_told_from_its_key_when_it_stands_in_it_in_full(tmp_path: Path) -> None:
    from pytest_autorl.farm.where import parse

    (tmp_path / "f.yml").write_text(FARM)
    farm = load_farm(tmp_path / "f.yml", {})
    short = Requirement(platform="android", where=parse("ram_mb >= 4096"))
    long = Requirement(platform="android", where=parse(f"ram_mb >= 4096 and note != '{'x' * 60}'"))

    found = requirement_of(short.key, farm)

    assert found is not None
    assert str(found.where) == str(short.where)
    assert requirement_of(long.key, farm) is None


@pytest.mark.parametrize("key", ["", "[", "amiga", "android=>13", "any/a/b/c", "any[ram >]", 'any{"a"="b"}'])
def test_a_key_that_tells_no_need_is_passed_over(tmp_path: Path, key: str) -> None:
    (tmp_path / "f.yml").write_text(FARM)

    assert requirement_of(key, load_farm(tmp_path / "f.yml", {})) is None


# -- export-history, import-history --------------------------------------------------------------------------


def test_durations_go_from_one_state_into_another_and_stay_the_same(autorl: Call, suite: Path) -> None:
    durations = {"tests/test_ü.py::test[1]": 1 / 3, "a": 0.0, "b": 5e-324, "c": 12345678.9}
    record(suite, durations=durations)

    said = autorl("runs", "export-history", "history.json")
    took = autorl("runs", "import-history", "history.json", "--state", "other.db", "--json")
    there = autorl("runs", "export-history", "-", "--state", "other.db")

    assert (said.code, said.out) == (0, "wrote the durations of 4 tests to history.json\n")
    state = str(suite / "other.db")
    assert took.data == {"file": "history.json", "suite": str(suite), "state": state, "tests": 4}
    written = (suite / "history.json").read_text(encoding="utf-8")
    assert list(json.loads(written).items()) == sorted(durations.items())
    assert written == there.out


def test_an_export_is_the_median_of_the_last_runs(autorl: Call, suite: Path) -> None:
    for seconds in (100.0, 1.0, 2.0, 30.0, 4.0, 5.0):
        record(suite, run("nightly"), durations={"test_pay": seconds})

    assert autorl("runs", "export-history", "-").data == {"test_pay": 4.0}


def test_what_nobody_knows_is_an_empty_history(autorl: Call, suite: Path) -> None:
    """The first build of a job has none to give to the next."""
    said = autorl("runs", "export-history", "history.json", "--json")

    assert (said.code, said.data["tests"]) == (0, 0)
    assert json.loads((suite / "history.json").read_text()) == {}
    assert not (suite / ".autorl").exists()
    assert autorl("runs", "import-history", "history.json").code == 0


def test_standard_input_is_read(autorl: Call, suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from pytest_autorl.cli.app import app

    said = CliRunner().invoke(app, ["runs", "import-history", "-"], input='{"test_pay": 3}')

    assert said.output == f"took over the durations of 1 test for {suite}\n"
    assert autorl("runs", "export-history", "-").data == {"test_pay": 3.0}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"milk", "h.json is no history: Expecting value"),
        (b"", "h.json is no history: Expecting value"),
        (b"\xff{}", "h.json is no history: 'utf-8' codec can't decode"),
        (b"[1]", "h.json is no history: it is a list, not an object"),
        (b'"a"', "it is a text, not an object"),
        (b"3.5", "it is a number, not an object"),
        (b"true", "it is true or false, not an object"),
        (b"null", "it is null, not an object"),
        (b"[" * 200_000, "it is nested too deeply"),
        (b'{"a": 1, "t.py::b": "fast"}', "h.json: the duration of t.py::b is no number: 'fast'"),
        (b'{"a": 1, "t.py::b": null}', "h.json: the duration of t.py::b is no number: None"),
        (b'{"a": 1, "t.py::b": [2]}', "h.json: the duration of t.py::b is no number: [2]"),
        (b'{"a": 1, "t.py::b": true}', "h.json: the duration of t.py::b is no number: True"),
        (b'{"a": 1, "t.py::b": -2}', "h.json: the duration of t.py::b is -2.0 s: it must be 0 or more"),
        (b'{"a": 1, "t.py::b": NaN}', "h.json: the duration of t.py::b is nan s"),
        (b'{"a": 1, "t.py::b": 1e999}', "h.json: the duration of t.py::b is inf s"),
    ],
)
def test_a_file_that_is_no_history_is_told_and_nothing_taken_over(
    autorl: Call, suite: Path, content: bytes, words: str
) -> None:
    (suite / "h.json").write_bytes(content)

    said = autorl("runs", "import-history", "h.json")

    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert "  do: " in said.err
    assert not (suite / ".autorl").exists()


def test_more_tests_than_are_kept_are_refused(
    autorl: Call, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_autorl.state.history.KEPT_TESTS", 2)
    (suite / "history.json").write_text(json.dumps({f"test_{number}": 1.0 for number in range(3)}))

    said = autorl("runs", "import-history", "history.json")

    assert said.code == 2
    assert (
        "history.json is no history: it has durations of 3 tests, and of a suite at most 2 are kept"
        in said.err
    )


def test_a_value_of_any_length_is_told_in_short(autorl: Call, suite: Path) -> None:
    (suite / "h.json").write_text(json.dumps({"t.py::b": "x" * 100_000}))

    assert len(autorl("runs", "import-history", "h.json").err) < 300


def test_a_file_that_is_too_large_is_not_read_to_its_end(
    autorl: Call, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_file, "_MOST_BYTES", 1024 * 1024)
    (suite / "h.json").write_bytes(b" " * (1024 * 1024 + 1))

    assert "h.json is no history: it has more than 1 MB" in autorl("runs", "import-history", "h.json").err


def test_a_file_that_cannot_be_read_or_written_is_told(autorl: Call, suite: Path) -> None:
    read = autorl("runs", "import-history", "none.json")
    written = autorl("runs", "export-history", "none/h.json")

    assert (read.code, written.code) == (2, 2)
    assert "cannot read none.json: No such file" in read.err
    assert "cannot write none/h.json: No such file" in written.err


def test_a_byte_order_mark_is_no_trouble(autorl: Call, suite: Path) -> None:
    """Editors of Windows write it."""
    (suite / "h.json").write_text('{"a": 1}', encoding="utf-8-sig")

    assert autorl("runs", "import-history", "h.json").code == 0


def test_the_file_that_was_there_stays_when_the_new_one_cannot_be_written(
    autorl: Call, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (suite / "h.json").write_text("{}")

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dump", fail)

    said = autorl("runs", "export-history", "h.json")

    assert "cannot write h.json: No space left on device" in said.err
    assert sorted(path.name for path in suite.iterdir()) == ["device_farm.yml", "h.json", "pytest.ini"]
    assert (suite / "h.json").read_text() == "{}"


def test_the_runs_that_are_kept_are_all_listed(autorl: Call, suite: Path) -> None:
    record(suite, *(run(f"nightly-{number}") for number in range(KEPT_RUNS + 1)))

    assert len(autorl("runs", "list", "--json").data["runs"]) == KEPT_RUNS
