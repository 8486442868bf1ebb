"""`autorl why`: how long a test takes, who else wants its devices, where the plan has it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.state.history import History, suite_of
from pytest_autorl.state.sqlite import SqliteEngine

Call = Callable[..., Any]

SUITE = """
    import pytest
    from pytest_autorl import device_fixture

    tablet = device_fixture(scope="module", form_factor="tablet")

    def test_any(autorl_device):
        pass

    @pytest.mark.device(form_factor="phone")
    @pytest.mark.parametrize("n", range(3))
    def test_phone(n):
        pass

    def test_tablet_1(tablet):
        pass

    def test_tablet_2(tablet):
        pass

    @pytest.mark.skip
    def test_later(autorl_device):
        pass
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> str:
    """A suite beside a farm of three virtual devices; gives its file name (another one for each test)."""
    pytester.makefile(
        ".yml",
        device_farm="""
            devices:
              - {id: phone, provider: virtual, count: 2, platform: android, os_version: "14", form_factor: phone}
              - {id: pad, provider: virtual, platform: android, os_version: "13", form_factor: tablet}
        """,
    )
    pytester.makeini("[pytest]\naddopts = -p no:asyncio -p no:randomly")
    return pytester.makepyfile(SUITE).name


def remember(durations: dict[str, float], state: Path = Path(".autorl/state.db")) -> None:
    """What earlier runs of the suite here have taught."""
    state.parent.mkdir(parents=True, exist_ok=True)
    with closing(SqliteEngine(state)) as engine:
        History(engine, suite=suite_of(Path())).put(durations)


def test_it_says_how_long_who_competes_and_what_the_planner_thinks(autorl: Call, suite: str) -> None:
    remember({f"{suite}::test_phone[1]": 7.0})

    lines = autorl("why", f"{suite}::test_phone[1]").out.splitlines()

    takes, rivals, plan = lines[-3:]
    assert takes == "  takes about 7.0 s, known from earlier runs"
    assert rivals == "  2 more tests have this need, 1 test with another need wants some of its devices"
    assert plan.startswith("  plan: waits as number ")
    for words in ("any/phone", "7.0 s (from earlier runs)", "may run on phone-1, phone-2"):
        assert words in plan


def test_programs_get_the_same_of_each_test(autorl: Call, suite: str) -> None:
    remember({f"{suite}::test_phone[1]": 7.0})

    rows = autorl("why", suite, "-k", "phone", "--json").data["tests"]

    assert [row["expected"] for row in rows] == [
        {"work_s": 7.0, "from": "module"},
        {"work_s": 7.0, "from": "history"},
        {"work_s": 7.0, "from": "module"},
    ]
    assert {row["rivals"]["same_need"] for row in rows} == {2}
    assert len({row["plan"] for row in rows}) == 3


def test_of_many_tests_the_first_have_their_place_told(
    autorl: Call, suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each place has to be counted."""
    # By import: a run of pytest in this process may have had the module loaded anew since.
    monkeypatch.setattr(importlib.import_module("pytest_autorl.cli.outlook"), "MOST_PLACES", 2)

    rows = autorl("why", "test_phone", "--json").data["tests"]

    assert sorted(row["plan"] is not None for row in rows) == [False, True, True]
    assert all(row["rivals"] == {"same_need": 2, "same_devices": 1} for row in rows)


@pytest.mark.parametrize("names", [("--farm", "--state"), ("--autorl-farm", "--autorl-state")])
def test_farm_and_state_have_the_names_of_pytests_options_too(
    autorl: Call, suite: str, names: tuple[str, str]
) -> None:
    """Before the test's name as well: pytest would take the value for a file."""
    remember({f"{suite}::test_any": 7.0}, Path("other.db"))

    said = autorl("why", names[0], "virtual:2", names[1], "other.db", f"{suite}::test_any").out

    assert "fits: virtual-1, virtual-2" in said
    assert "takes about 7.0 s, known from earlier runs" in said


def test_several_tests_of_one_need_are_added_up_without_a_place_of_each(autorl: Call, suite: str) -> None:
    remember({f"{suite}::test_phone[1]": 7.0})

    said = autorl("why", "test_phone").out

    assert "  takes about 21 s in all, known from earlier runs, the mean of its module" in said
    assert "  0 more tests have this need, 1 test with another need wants some of its devices" in said
    assert "plan:" not in said


def test_tests_that_share_a_device_name_each_other(autorl: Call, suite: str) -> None:
    (row,) = autorl("why", f"{suite}::test_tablet_1", "--json").data["tests"]
    said = autorl("why", "tablet").out

    assert row["together_with"] == [f"{suite}::test_tablet_2"]
    assert row["rivals"] == {"same_need": 1, "same_devices": 1}
    assert "plan: waits as number 1 of 1" in said, "they are one for the planner"


@pytest.mark.parametrize("name", ["test_later", "test_never"])
def test_a_test_that_will_not_run_has_no_place(
    autorl: Call, suite: str, pytester: pytest.Pytester, name: str
) -> None:
    pytester.makepyfile(
        test_never="""
            import pytest

            @pytest.mark.device(platform="ios")
            def test_never(): pass
        """
    )

    (row,) = autorl("why", f"::{name}", "--json").data["tests"]

    assert row["needs"]["fixture"] == "autorl_device"
    assert not {"expected", "rivals", "plan"} & row.keys()
    assert "takes about" not in autorl("why", f"::{name}").out


def test_a_state_that_is_named_is_read_and_one_that_is_none_is_told(
    autorl: Call, suite: str, pytester: pytest.Pytester
) -> None:
    state = pytester.path / "elsewhere" / "mine.db"
    remember({f"{suite}::test_any": 9.0}, state)
    text = pytester.path / "text.db"
    text.write_text("this is no database" * 100)

    read = autorl("why", f"{suite}::test_any", "--state", str(state))
    told = autorl("why", f"{suite}::test_any", "--state", str(text))

    assert "takes about 9.0 s, known from earlier runs" in read.out
    assert (told.code, f"the history could not be read: {text} is no state" in told.out) == (0, True)


def test_looking_makes_no_state(autorl: Call, suite: str, pytester: pytest.Pytester) -> None:
    assert autorl("why", f"{suite}::test_any").code == 0
    assert not (pytester.path / ".autorl").exists()
