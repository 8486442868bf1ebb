"""What is kept of earlier runs: values of each test, the runs, and that all of it is bounded."""

from __future__ import annotations

import math
import sqlite3
import statistics
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.state.engine import DeviceRow, Engine, RunRow
from pytest_autorl.state.history import KEPT_RUNS, KEPT_SUITES, KEPT_WORKS, History, median, suite_of
from pytest_autorl.state.memory import MemoryEngine
from pytest_autorl.state.peek import peek
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.sqlite_books import MIGRATIONS, migrate

durations = st.floats(0, allow_infinity=False, allow_nan=False)


@pytest.fixture
def history(engine: Engine) -> History:
    return History(engine, suite="/src/bank")


def run(name: str = "run", **more: Any) -> RunRow:
    return RunRow(name, "", 10.0, 25.0, "passed")._replace(**more)


def works(history: History, engine: Engine) -> dict[str, tuple[float, ...]]:
    """All that is kept of each test."""
    rows = engine.read(lambda books: books.history(history.suite))
    return {row.test: row.works_s for row in rows}


def test_a_suite_without_runs_has_no_estimates(history: History) -> None:
    assert history.estimates() == {}
    assert history.runs() == []
    assert history.run() is None


def test_a_run_is_kept_with_what_was_said_of_it(history: History) -> None:
    first = run("nightly-1", outcome="failed", reports="/src/bank/reports", facts='{"ratio": 1.04}')

    numbers = [history.record(first, {}), history.record(run("nightly-2"), {})]

    kept = [
        first._replace(suite="/src/bank", number=numbers[0]),
        run("nightly-2", suite="/src/bank", number=numbers[1]),
    ]
    assert history.runs() == kept
    assert history.run() == history.run("latest") == history.run("nightly-2") == kept[1]
    assert history.run("nightly-1") == kept[0]
    assert history.run("nightly-3") is None


def test_of_runs_with_one_id_the_newest_is_meant(history: History) -> None:
    """CI jobs give the same one to each build."""
    history.record(run("nightly", outcome="failed"), {})
    history.record(run("nightly"), {})

    found = history.run("nightly")

    assert found is not None
    assert found.outcome == "passed"
    assert len(history.runs()) == 2


def test_the_estimate_is_the_median_of_the_last_five(history: History) -> None:
    for seconds in (100.0, 1.0, 2.0, 30.0, 4.0, 5.0):
        history.record(run(), {"test_pay": seconds})

    assert history.estimates() == {"test_pay": 4.0}


def test_a_test_that_did_not_pass_keeps_its_estimate(history: History) -> None:
    history.record(run(), {"test_pay": 3.0, "test_chat": 1.0})
    history.record(run(), {"test_chat": 2.0}, seen={"test_pay", "test_never_passed"})

    assert history.estimates() == {"test_chat": 1.5, "test_pay": 3.0}


def test_a_test_that_ran_and_never_passed_is_known_to_have_run(history: History, engine: Engine) -> None:
    """It is not new in the next run, and has no duration until it passes."""
    history.record(run(), {"test_pay": 3.0}, seen={"test_fails", "test_pay"})

    assert history.ran() == {"test_pay", "test_fails"}
    assert history.estimates() == {"test_pay": 3.0}

    history.record(run(), {"test_fails": 4.0})

    assert works(history, engine) == {"test_pay": (3.0,), "test_fails": (4.0,)}


def test_a_suite_of_which_nothing_is_known_has_run_nothing(history: History) -> None:
    history.put({"test_pay": 1.0})

    assert History(MemoryEngine(), suite="/src/bank").ran() == frozenset()
    assert history.ran() == {"test_pay"}, "what was imported ran somewhere"


def test_a_test_that_never_passes_is_forgotten_like_others(history: History) -> None:
    history.record(run(), {"test_now": 1.0}, seen={"test_fails"})
    for _ in range(KEPT_RUNS - 1):
        history.record(run(), {"test_now": 1.0})
    assert history.ran() == {"test_now", "test_fails"}

    history.record(run(), {"test_now": 1.0})

    assert history.ran() == {"test_now"}


def test_so_many_values_of_a_test_are_kept_and_no_more(history: History, engine: Engine) -> None:
    for number in range(KEPT_WORKS + 3):
        history.record(run(), {"test_pay": float(number)})

    assert works(history, engine) == {"test_pay": tuple(map(float, range(3, KEPT_WORKS + 3)))}


def test_so_many_runs_of_a_suite_are_kept_and_no_more(history: History) -> None:
    for number in range(KEPT_RUNS + 2):
        history.record(run(f"run-{number}"), {})

    assert [row.id for row in history.runs()] == [f"run-{number}" for number in range(2, KEPT_RUNS + 2)]


def test_a_test_that_has_not_run_for_as_many_runs_as_are_kept_is_forgotten(history: History) -> None:
    history.record(run(), {"test_old": 1.0, "test_fails": 1.0, "test_comes_back": 1.0})
    for _ in range(KEPT_RUNS - 1):
        history.record(run(), {"test_new": 2.0}, seen={"test_fails"})
    assert set(history.estimates()) == {"test_old", "test_fails", "test_comes_back", "test_new"}

    history.record(run(), {"test_new": 2.0, "test_comes_back": 3.0})

    assert set(history.estimates()) == {"test_fails", "test_comes_back", "test_new"}


def test_what_was_imported_is_kept_as_long_as_what_a_run_has_found_out(history: History) -> None:
    found = {"test_now": 1.0, "test_too": 1.0}
    history.put({"test_before_all": 1.0})
    for _ in range(KEPT_RUNS - 1):
        history.record(run(), found)
    history.put({"test_later": 2.0})
    assert set(history.estimates()) == {"test_before_all", "test_later", *found}

    for _ in range(KEPT_RUNS - 1):
        history.record(run(), found)
    assert set(history.estimates()) == {"test_later", *found}

    history.record(run(), found)
    assert set(history.estimates()) == set(found)


def test_runs_of_a_few_tests_say_nothing_of_all_others(history: History) -> None:
    """Somebody works on one test for a day."""
    history.record(run(), {"test_a": 1.0, "test_b": 1.0, "test_c": 1.0})
    for _ in range(KEPT_RUNS + 2):
        history.record(run(), {"test_a": 2.0})

    assert set(history.estimates()) == {"test_a", "test_b", "test_c"}


def test_so_many_tests_of_a_suite_are_kept_those_that_ran_last(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_autorl.state.history.KEPT_TESTS", 3)
    for number in range(5):
        history.record(run(), {f"test_{number}": 1.0})

    assert set(history.estimates()) == {"test_2", "test_3", "test_4"}


def test_of_one_run_no_more_tests_are_kept_either_first_those_that_passed(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    history.record(run(), {}, seen={"test_old", "test_a"})
    monkeypatch.setattr("pytest_autorl.state.history.KEPT_TESTS", 3)

    history.record(run(), {"test_c": 1.0, "test_b": 1.0}, seen={"test_a", "test_d"})

    assert set(history.estimates()) == {"test_b", "test_c"}
    assert len(history.ran()) == 3
    assert "test_old" not in history.ran()

    history.record(run(), {"test_1": 1.0, "test_2": 1.0, "test_3": 1.0}, seen=history.ran())

    assert history.ran() == {"test_1", "test_2", "test_3"}


def test_an_import_keeps_to_the_bound_and_takes_the_place_of_what_ran_longest_ago(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_autorl.state.history.KEPT_TESTS", 3)
    history.record(run(), {"test_old": 1.0, "test_again": 1.0})
    history.record(run(), {"test_late": 1.0})

    history.put({"test_again": 2.0, "test_new": 2.0})

    assert history.estimates() == {"test_again": 2.0, "test_late": 1.0, "test_new": 2.0}


def test_an_import_of_more_tests_than_are_kept_is_refused(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_autorl.state.history.KEPT_TESTS", 3)
    history.put({"test_pay": 1.0})

    with pytest.raises(ValueError, match="durations of 4 tests, and of a suite at most 3 are kept"):
        history.put({f"test_{number}": 1.0 for number in range(4)})

    assert history.estimates() == {"test_pay": 1.0}


def test_an_import_replaces_what_is_known_of_its_tests_and_of_no_other(
    history: History, engine: Engine
) -> None:
    for seconds in (1.0, 2.0):
        history.record(run(), {"test_pay": seconds, "test_chat": seconds})

    history.put({"test_pay": 7})

    assert works(history, engine) == {"test_pay": (7.0,), "test_chat": (1.0, 2.0)}
    assert history.estimates() == {"test_chat": 1.5, "test_pay": 7.0}


def test_suites_know_nothing_of_each_other(engine: Engine) -> None:
    bank, shop = History(engine, suite="/src/bank"), History(engine, suite="/src/shop")

    bank.record(run("bank-1"), {"test_pay": 1.0})
    shop.record(run("shop-1"), {"test_pay": 2.0})

    assert (bank.estimates(), shop.estimates()) == ({"test_pay": 1.0}, {"test_pay": 2.0})
    assert [row.id for row in (*bank.runs(), *shop.runs())] == ["bank-1", "shop-1"]


def test_so_many_suites_are_kept_the_last_used_ones(engine: Engine) -> None:
    """A host that checks out into a new folder for each build has a new suite each time."""
    suites = [History(engine, suite=f"/build/{number}") for number in range(KEPT_SUITES + 1)]
    for each in suites[:-1]:
        each.record(run(), {"test_pay": 1.0})
    suites[0].put({"test_chat": 2.0})

    suites[-1].put({"test_pay": 1.0})

    assert set(suites[0].estimates()) == {"test_pay", "test_chat"}
    assert (suites[1].estimates(), suites[1].runs()) == ({}, [])
    assert all(each.estimates() for each in suites[2:])
    suites[1].record(run(), {"test_pay": 1.0})
    assert (suites[2].estimates(), suites[2].runs()) == ({}, [])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (-0.1, "is -0.1 s: it must be 0 or more, and finite"),
        (math.nan, "is nan s"),
        (math.inf, "is inf s"),
        (10**400, "is inf s"),
        ("3", "is no number: '3'"),
        (True, "is no number: True"),
        (None, "is no number: None"),
    ],
)
def test_what_is_no_duration_is_refused_and_nothing_kept(history: History, value: Any, words: str) -> None:
    for keep in (lambda of: history.record(run(), of), history.put):
        with pytest.raises(ValueError, match=words) as caught:
            keep({"test_chat": 1.0, "tests/test_a.py::test_pay": value})
        assert str(caught.value).startswith("the duration of tests/test_a.py::test_pay ")

    assert (history.estimates(), history.runs()) == ({}, [])


def test_ids_that_are_no_unicode_are_kept_in_a_form_that_is(history: History) -> None:
    """They come from names of files."""
    history.record(run("run-\udcff", reports="/r\udcff"), {"test_\udcff.py::test": 1.0, "tést": 2.0})

    assert history.estimates() == {"test_\\udcff.py::test": 1.0, "tést": 2.0}
    assert [(row.id, row.reports) for row in history.runs()] == [("run-\\udcff", "/r\\udcff")]


@given(st.dictionaries(st.text(), durations, max_size=30))
def test_what_was_exported_comes_back_to_the_last_bit(found: dict[str, float]) -> None:
    kept = History(MemoryEngine(), suite="a")
    kept.put(found)
    there = kept.estimates()

    again = History(MemoryEngine(), suite="b")
    again.put(there)

    assert list(again.estimates().items()) == list(there.items())
    assert there == {test.encode("utf-8", "backslashreplace").decode(): s for test, s in found.items()}


@pytest.mark.parametrize("value", [0.0, 5e-324, 0.1, 1 / 3, 1.7976931348623157e308])
def test_a_value_is_kept_to_the_last_bit(history: History, value: float) -> None:
    history.put({"test_pay": value})

    assert history.estimates() == {"test_pay": value}


@given(st.lists(durations, min_size=1, max_size=9))
def test_the_median_is_that_of_the_book(values: list[float]) -> None:
    found = median(values)

    assert min(values) <= found <= max(values)
    if max(values) < 1e300:  # whose sum is a number
        assert math.isclose(found, statistics.median(values), rel_tol=1e-12, abs_tol=1e-300)


def test_a_suite_is_named_by_its_folder_however_one_comes_there(tmp_path: Path) -> None:
    (tmp_path / "checkout").mkdir()
    (tmp_path / "link").symlink_to("checkout")

    assert suite_of(tmp_path / "link") == suite_of(tmp_path / "link" / ".." / "checkout")
    assert suite_of(tmp_path / "checkout") == str((tmp_path / "checkout").resolve())


# -- the file ------------------------------------------------------------------------------------------------


def test_it_outlives_the_process(path: Path) -> None:
    code = """if True:
        import sys
        from pathlib import Path
        from pytest_autorl.state.engine import RunRow
        from pytest_autorl.state.history import History
        from pytest_autorl.state.sqlite import SqliteEngine

        history = History(SqliteEngine(Path(sys.argv[1])), suite="/src/bank")
        history.record(RunRow("run-1", "", 0.0, 1.0, "passed"), {"test_pay": 0.1})
    """
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=60)

    with closing(SqliteEngine(path, checks=True)) as engine:
        again = History(engine, suite="/src/bank")
        assert again.estimates() == {"test_pay": 0.1}
        assert [row.id for row in again.runs()] == ["run-1"]


def test_a_state_of_the_version_before_gets_a_history_and_keeps_its_devices(
    path: Path, opened: Callable[..., SqliteEngine]
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, 0, MIGRATIONS[:2])
    with closing(SqliteEngine(path, migrations=MIGRATIONS[:2])) as old:
        old.write(lambda books: books.put_device(DeviceRow(key="phone", status="available")))
    assert peek(path, lambda books: books.runs("/src/bank")) == []

    engine = opened(checks=True)
    history = History(engine, suite="/src/bank")
    history.record(run(), {"test_pay": 1.0})

    assert engine.notes == []
    assert [row.key for row in engine.read(lambda books: books.devices())] == ["phone"]
    assert peek(path, lambda books: books.history("/src/bank")) == engine.read(
        lambda books: books.history("/src/bank")
    )


def test_a_big_suite_is_recorded_in_one_short_write(path: Path, opened: Callable[..., SqliteEngine]) -> None:
    """Others wait meanwhile, heartbeats among them. The bound is wide, for busy machines."""
    from time import perf_counter

    history = History(opened(), suite="/src/big")
    found = {f"tests/test_{n % 500}.py::test_{n}": n / 7 for n in range(20_000)}
    history.record(run(), found)

    begun_s = perf_counter()
    history.record(run(), found)
    took_s = perf_counter() - begun_s

    assert took_s < 5.0
    assert len(history.estimates()) == 20_000
