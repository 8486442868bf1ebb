"""`autorl plan`: what a run would do. Collected by real pytest, planned by the real planner."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.state.engine import RunRow
from pytest_autorl.state.history import History, suite_of
from pytest_autorl.state.sqlite import SqliteEngine

Call = Callable[..., Any]

FARM = """
    devices:
      - {id: phone, provider: virtual, count: 2, platform: android, os_version: "14", form_factor: phone}
      - {id: pad, provider: virtual, platform: android, os_version: "13", form_factor: tablet}
"""

FINE = """
    import pytest
    from pytest_autorl import device_fixture

    tablet = device_fixture(scope="module", form_factor="tablet")

    def test_plain():
        pass

    @pytest.mark.device(form_factor="phone")
    @pytest.mark.parametrize("n", range(4))
    def test_phone(n):
        pass

    def test_tablet_1(tablet):
        pass

    def test_tablet_2(tablet):
        pass

    @pytest.mark.skip
    def test_later(autorl_device):
        pass

    @pytest.mark.device(count=2, form_factor="phone")
    def test_two():
        pass
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> str:
    """A suite beside a farm of three virtual devices; gives its file name (another one for each test)."""
    pytester.makefile(".yml", device_farm=FARM)
    # pytest-asyncio warns about a setting that none of these tests is about; the order is that of the file.
    pytester.makeini("[pytest]\naddopts = -p no:asyncio -p no:randomly")
    return pytester.makepyfile(FINE).name


def remember(durations: dict[str, float], state: Path = Path(".autorl/state.db")) -> None:
    """What earlier runs of the suite here have taught."""
    state.parent.mkdir(parents=True, exist_ok=True)
    with closing(SqliteEngine(state)) as engine:
        History(engine, suite=suite_of(Path())).put(durations)


def known(suite: str) -> dict[str, float]:
    """A history of everything."""
    phones = {f"{suite}::test_phone[{n}]": seconds for n, seconds in enumerate((8.0, 1.0, 1.0, 1.0))}
    return {
        **phones,
        f"{suite}::test_tablet_1": 2.0,
        f"{suite}::test_tablet_2": 3.0,
        f"{suite}::test_two": 4.0,
    }


def test_it_says_what_a_run_would_do(autorl: Call, suite: str) -> None:
    remember(known(suite))

    data = autorl("plan", "--json").data

    assert (data["tests"], data["tests_without_device"], data["tests_skipped"]) == (7, 1, 1)
    assert (data["workers"], data["estimates"]["history"]) == (3, 7)
    assert (data["bound_s"], data["due_to"], data["tight"]) == (9.5, "work", ["phone-1", "phone-2"])
    # Whatever comes first, the pair and the longest share a phone.
    assert (data["makespan_s"], data["ratio"]) == (12.0, round(12.0 / 9.5, 4))
    assert {one["class"]: (one["tests"], one["work_s"], one["count"]) for one in data["classes"]} == {
        "any/phone": (4, 11.0, 1),
        "any/tablet": (2, 5.0, 1),
        "any/phone x2": (1, 4.0, 2),
    }
    lanes = {lane["id"]: lane for lane in data["devices"]}
    assert (lanes["pad"]["tests"], lanes["pad"]["busy_s"]) == (2, 5.0)
    assert lanes["phone-1"]["tests"] + lanes["phone-2"]["tests"] == 6  # the pair on both
    (pair,) = [turn for turn in lanes["phone-1"]["order"] if turn["tests"] == [f"{suite}::test_two"]]
    assert pair["devices"] == ["phone-1", "phone-2"]
    assert pair in lanes["phone-2"]["order"]


def test_what_set_up_took_in_the_last_run_is_told(autorl: Call, suite: str) -> None:
    remember(known(suite))
    note_run('{"setup_share": 0.125}')

    assert (
        "sessions and fixtures come on top: 12.5% of the devices' time in the last run" in autorl("plan").out
    )
    assert autorl("plan", "--json").data["last_setup_share"] == 0.125


def note_run(facts: str) -> None:
    """A run of the suite here has ended, of which this is known."""
    with closing(SqliteEngine(Path(".autorl/state.db"))) as engine:
        History(engine, suite=suite_of(Path())).record(RunRow("r", "", 0.0, 1.0, "passed", "", facts), {})


def test_what_a_session_and_fixtures_took_in_the_last_run_is_planned_for(
    autorl: Call, pytester: pytest.Pytester, suite: str
) -> None:
    """Two seconds for the session of a test that asks for a driver, half a one for the fixtures of its module."""
    name = pytester.makepyfile(test_driven="def test_driven(driver): pass").name
    remember({**known(suite), f"{name}::test_driven": 3.0})
    note_run('{"session_s": 2, "fixture_s": 0.5, "setup_share": 0.125}')

    said = autorl("plan", name)
    driven = autorl("plan", name, "--json").data

    assert (
        "with set-up as in the last run: 2.0 s a session, 0.5 s a module's fixtures" in said.out.splitlines()
    )
    assert "come on top" not in said.out
    assert (driven["session_s"], driven["fixture_s"]) == (2.0, 0.5)
    assert (driven["makespan_s"], driven["bound_s"]) == (5.5, 5.0)  # as if another test had its fixtures


@pytest.mark.parametrize("value", ['"2"', "true", "-1", "NaN", "Infinity", "[]", "null"])
def test_figures_of_set_up_that_are_none_are_no_figures(autorl: Call, suite: str, value: str) -> None:
    """Another version or another hand wrote them."""
    note_run(f'{{"session_s": {value}, "fixture_s": {value}, "setup_share": {value}}}')

    said = autorl("plan", "--json")

    assert said.code == 0
    assert (said.data["session_s"], said.data["fixture_s"], said.data["last_setup_share"]) == (
        None,
        None,
        None,
    )


def test_it_says_when_there_are_too_few_workers(autorl: Call, suite: str) -> None:
    remember(known(suite))

    lines = autorl("plan", "-n", "1").out.splitlines()

    assert lines[1] == "no order takes less than 20 s: so much work there is for 1 worker"


def test_tests_that_share_a_device_are_planned_as_one(autorl: Call, suite: str) -> None:
    data = autorl("plan", "--json").data

    (pad,) = [lane for lane in data["devices"] if lane["id"] == "pad"]
    assert [turn["tests"] for turn in pad["order"]] == [
        [f"{suite}::test_tablet_1", f"{suite}::test_tablet_2"]
    ]


def test_people_get_the_expectation_the_tables_and_why(autorl: Call, suite: str) -> None:
    remember(known(suite))

    said = autorl("plan")

    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].startswith("7 tests on 3 devices with 3 workers: ")
    assert lines[1].startswith("no order takes less than ")
    assert lines[2] == "times from history: 7, from the mean of the module: 0, of the suite: 0, unknown: 0"
    assert lines[3] == "beside these: 1 test without a device, 1 test skipped by a marker"
    assert "any/tablet    2      5.0 s  1: pad" in lines
    (pad,) = [line for line in lines if line.startswith("pad ") and "test_tablet_1 and 1 more" in line]
    assert "5.0 s" in pad


def test_where_times_are_from_is_counted(autorl: Call, suite: str, pytester: pytest.Pytester) -> None:
    other = pytester.makepyfile(test_other="def test_new(autorl_device): pass").name
    remember({f"{suite}::test_phone[0]": 8.0, "gone.py::test": 100.0})

    data = autorl("plan", "--json").data

    assert other == "test_other.py"
    assert data["estimates"] == {"history": 1, "module": 6, "suite": 1, "none": 0}


def test_without_history_each_test_counts_the_same_and_no_state_is_made(
    autorl: Call, suite: str, pytester: pytest.Pytester
) -> None:
    said = autorl("plan")

    assert said.code == 0
    assert "unknown: 7" in said.out
    assert "nothing has run yet, so each test counts as 1 s: run the suite, or import a history" in said.out
    assert not (pytester.path / ".autorl").exists()


def test_a_state_that_is_none_is_told_and_the_plan_made_without(
    autorl: Call, suite: str, pytester: pytest.Pytester
) -> None:
    state = pytester.path / "text.db"
    state.write_text("this is no database" * 100)

    said = autorl("plan", "--state", str(state))

    assert said.code == 0
    assert f"the history could not be read: {state} is no state of pytest-autorl" in said.out


def test_a_state_that_is_named_is_read(autorl: Call, suite: str, pytester: pytest.Pytester) -> None:
    state = pytester.path / "elsewhere" / "mine.db"
    remember(known(suite), state)

    data = autorl("plan", "--state", str(state), "--json").data

    assert data["estimates"]["history"] == 7


def test_arguments_go_to_pytest(autorl: Call, suite: str) -> None:
    remember(known(suite))

    data = autorl("plan", suite, "-k", "phone", "--json").data

    assert (data["tests"], [one["class"] for one in data["classes"]]) == (4, ["any/phone"])


@pytest.mark.parametrize(("count", "makespan_s"), [("1", 11.0), ("0", 11.0), ("2", 8.0)])
def test_fewer_workers_than_devices_take_longer(
    autorl: Call, suite: str, count: str, makespan_s: float
) -> None:
    remember(known(suite))

    data = autorl("plan", "-k", "phone", "-n", count, "--json").data

    assert data["workers"] == max(1, int(count))
    assert data["makespan_s"] == makespan_s
    assert data["due_to"] == ("workers" if makespan_s == 11.0 else "chain")


def test_auto_means_what_it_means_in_a_run(autorl: Call, suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "2")

    assert autorl("plan", "-n", "auto", "--json").data["workers"] == 2


def test_another_farm_can_be_asked_about(autorl: Call, suite: str) -> None:
    data = autorl("plan", "-k", "phone", "--farm", "virtual:2", "--json").data

    assert [lane["id"] for lane in data["devices"]] == ["virtual-1", "virtual-2"]


def test_a_test_that_can_never_run_is_exit_code_1_with_why(
    autorl: Call, suite: str, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        test_never="""
            import pytest

            @pytest.mark.device(platform="ios")
            @pytest.mark.parametrize("n", range(2))
            def test_ios(n): pass

            @pytest.mark.device(platfrom="android")
            def test_mistyped(): pass
        """
    )

    said, data = autorl("plan"), autorl("plan", "--json").data

    assert said.code == 1
    assert "2 tests cannot run: test_never.py::test_ios[0] and 1 more" in said.out
    assert "platform is android, needs ios" in said.out
    assert "did you mean platform?" in said.out
    assert [row["test"] for row in data["cannot_run"]] == [
        "test_never.py::test_ios[0]",
        "test_never.py::test_ios[1]",
        "test_never.py::test_mistyped",
    ]
    assert data["tests"] == 7  # the others are planned all the same


def test_a_suite_without_devices_has_nothing_to_plan(autorl: Call, suite: str) -> None:
    said = autorl("plan", "-k", "plain or later")

    assert (said.code, said.out.splitlines()) == (
        0,
        [
            "no test that could run needs a device",
            "beside these: 1 test without a device, 1 test skipped by a marker",
        ],
    )


def test_without_a_farm_it_is_exit_code_2(autorl: Call, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\naddopts = -p no:asyncio")
    pytester.makepyfile("def test_any(autorl_device): pass")

    said = autorl("plan")

    assert (said.code, said.out) == (2, "")
    assert "autorl init" in said.err


def test_a_suite_that_cannot_be_collected_is_exit_code_2(
    autorl: Call, suite: str, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(test_broken="import nothing_of_this_name")

    said = autorl("plan")

    assert (said.code, said.out) == (2, "")
    assert "pytest cannot collect" in said.err
    assert "nothing_of_this_name" in said.err


def test_long_lists_are_cut(autorl: Call, suite: str, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_many="""
            import pytest

            @pytest.mark.parametrize("n", range(40))
            def test_any(autorl_device, n): pass
        """
    )

    lines = autorl("plan", "test_many.py", "--farm", "virtual:30").out.splitlines()

    assert "any    40     40 s  30: virtual-1, virtual-2, virtual-3, virtual-4 and 26 more" in lines
    assert lines[-1] == "and 10 more devices"


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ("phone", "8.0 s: the longest takes that long by itself"),
        ("phone or tablet", "8.0 s: the longest takes that long by itself"),
        ("tablet or two", "5.0 s: so much work has no other place than pad"),
    ],
)
def test_the_bound_says_what_stands_in_the_way(autorl: Call, suite: str, chosen: str, words: str) -> None:
    remember(known(suite))

    assert autorl("plan", "-k", chosen).out.splitlines()[1] == f"no order takes less than {words}"
