"""A test whose worker dies leaves a row `lost` with its devices, whoever finds them; and no other row comes of it."""

from __future__ import annotations

import itertools
import json
import textwrap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.capture.lost import LONGEST_PURPOSE, LostAttempts
from pytest_autorl.dispatch.trace import Attempt

#: Put before the tests of a run. `until` is how one waits for the other, whichever worker they are in.
TOOLS = """
import os, pathlib, pytest, signal, time

def die(pid=None):
    os.kill(pid or os.getpid(), signal.SIGKILL)

def until(name):
    ends_s = time.monotonic() + 60
    while not pathlib.Path(name).exists():
        assert time.monotonic() < ends_s
        time.sleep(0.005)
    return pathlib.Path(name).read_text()

def say(name, text=""):
    pathlib.Path("part").write_text(text)
    os.replace("part", name)
"""


def rows(pytester: pytest.Pytester) -> list[dict[str, Any]]:
    """The trace; the page beside it must show the same attempts."""
    found = [json.loads(line) for line in (pytester.path / "reports/trace.jsonl").read_text().splitlines()]
    page = (pytester.path / "reports/farm.html").read_text()
    assert page.count('class="bar lost"') == sum(len(r["devices"]) for r in found if r["outcome"] == "lost")
    return found


def lost(pytester: pytest.Pytester) -> list[dict[str, Any]]:
    return [row for row in rows(pytester) if row["outcome"] == "lost"]


def run(pytester: pytest.Pytester, farm: str, *options: str) -> pytest.RunResult:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    return pytester.runpytest_subprocess(
        # xdist's own distribution: a test that asks while another one holds the device, and none runs again.
        *("-p", "no:randomly", "-n", "2", "--dist", "load", "--autorl-farm", farm, "--autorl-wait", "60"),
        *options,
    )


def write(pytester: pytest.Pytester, tests: str) -> None:
    pytester.makepyfile(TOOLS + textwrap.dedent(tests))


@pytest.mark.integration
def test_a_killed_workers_test_is_lost_on_its_device(pytester: pytest.Pytester) -> None:
    """The other worker waits for the device, and mostly finds the death first: its next report brings it."""
    write(
        pytester,
        """
        @pytest.fixture
        def said(): say("asking")
        def test_dies(driver):
            until("asking")
            die()
        @pytest.mark.parametrize("n", range(3))
        def test_lives(said, driver, n): assert driver.page_source
        """,
    )

    result = run(pytester, "virtual:1")
    result.assert_outcomes(passed=3, failed=1)

    (row,) = lost(pytester)
    assert row["test"].endswith("::test_dies")
    assert row["devices"] == ["virtual-1"]
    assert (row["attempt"], row["class"], row["blame"]) == (1, "any", "farm")
    assert f"worker '{row['worker']}' crashed while running" in result.stdout.str()
    assert 0 <= row["start"] < row["end"]
    lane = sorted((one["start"], one["end"]) for one in rows(pytester))
    assert len(lane) == 4
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(lane))


@pytest.mark.integration
@pytest.mark.parametrize("place", ["fixture", "test", "teardown"])
def test_devices_of_one_lease_are_lost_in_one_row_though_nobody_waits(
    pytester: pytest.Pytester, place: str
) -> None:
    """Nobody but the controller is there to find it; who dies in set-up has told nothing of its devices."""
    write(
        pytester,
        f"""
        @pytest.fixture
        def deadly(devices):
            if {place!r} == "fixture": die()
            yield
            if {place!r} == "teardown": die()
        @pytest.mark.device(platform="android", count=2)
        def test_pair(deadly, devices):
            if {place!r} == "test": die()
        """,
    )

    run(pytester, "virtual:2").assert_outcomes(failed=1, passed=0)

    (row,) = rows(pytester)
    assert row["outcome"] == "lost"
    assert sorted(row["devices"]) == ["virtual-1", "virtual-2"]
    assert row["class"] == "android x2"


@pytest.mark.integration
def test_a_device_of_a_wider_scope_is_lost_with_the_test_that_used_it(pytester: pytest.Pytester) -> None:
    write(
        pytester,
        """
        def test_first(module_driver): pass
        def test_dies(module_driver): die()
        """,
    )

    run(pytester, "virtual:2", "--dist", "loadfile", "--max-worker-restart", "0").assert_outcomes(
        passed=1, failed=1
    )

    first, row = rows(pytester)
    assert (first["outcome"], row["outcome"]) == ("passed", "lost")
    assert row["devices"] == first["devices"]
    assert row["start"] >= first["end"]


@pytest.mark.integration
def test_a_device_that_was_kept_between_two_tests_is_lost_once(pytester: pytest.Pytester) -> None:
    """The state may still think it unused or with the test before: what the worker has told counts."""
    write(
        pytester,
        """
        @pytest.mark.parametrize("n", range(3))
        def test_first(driver, n): pass
        def test_dies(driver): die()
        """,
    )

    run(pytester, "virtual:1", "--dist", "loadfile", "--max-worker-restart", "0").assert_outcomes(
        passed=3, failed=1
    )

    *others, row = rows(pytester)
    assert [other["outcome"] for other in others] == ["passed"] * 3
    assert row["test"].endswith("test_dies")
    assert row["start"] >= max(other["end"] for other in others)


@pytest.mark.integration
def test_a_killed_test_that_had_no_device_leaves_no_row(pytester: pytest.Pytester) -> None:
    """One has not got it yet, the other never asks."""
    write(
        pytester,
        """
        @pytest.fixture
        def said():
            until("held")
            say("asking", str(os.getpid()))
        def test_holds(device):
            say("held")
            die(int(until("asking")))
        def test_waits(said, device): pass
        def test_plain(): die()
        """,
    )

    run(pytester, "virtual:1").assert_outcomes(passed=1, failed=2)

    assert [row["test"].rpartition("::")[2] for row in rows(pytester)] == ["test_holds"]


# The matching alone


def attempt(**more: Any) -> Attempt:
    facts: dict[str, Any] = {"test": "t.py::a", "module": "t.py", "devices": ("d1",), "need": "ios"}
    facts |= {
        "attempt": 1,
        "outcome": "passed",
        "blame": None,
        "worker": "gw0",
        "start_s": 10.0,
        "end_s": 11.0,
    }
    return Attempt(**{**facts, "setup_s": 0.5, "fixture_s": 0.5, "waited_s": 0.0, **more})


def lease(device: str = "d1", purpose: str = "t.py::a", **more: Any) -> dict[str, Any]:
    return {"device": device, "purpose": purpose, "need": "ios", "start_s": 10.0, "end_s": 20.0, **more}


@pytest.mark.unit
@given(
    st.permutations(["crash", "d1", "d2", "d1", "other"]),
    st.booleans(),
)
def test_the_order_in_which_things_become_known_does_not_matter(order: list[str], has_begun: bool) -> None:
    """A loss is told twice when the one who took over dies too."""
    attempts, found = LostAttempts(), list[Attempt]()
    if has_begun:
        attempts.begin(attempt(devices=("d1", "d2")).to_wire())

    for event in order:
        if event == "crash":
            found += attempts.crash("gw0", "t.py::a", 21.0)
        elif event == "other":
            found += attempts.lose([lease("d3", "t.py::a2")])
        else:
            found += attempts.lose([lease(event)])

    assert {(one.worker, one.test) for one in found} == {("gw0", "t.py::a")}
    last = found[-1]
    assert sorted(last.devices) == ["d1", "d2"]
    assert (last.outcome, last.blame, last.need) == ("lost", "farm", "ios")
    assert (last.start_s, last.end_s) == (10.0, 20.0)


@pytest.mark.unit
def test_a_lease_older_than_the_test_counts_from_the_end_of_the_test_before() -> None:
    attempts = LostAttempts()
    attempts.end(attempt(test="t.py::before", end_s=15.0))
    attempts.end(attempt(test="t.py::after", worker="gw1", start_s=22.0, end_s=23.0))

    assert list(attempts.lose([lease()])) == []
    (found,) = attempts.crash("gw0", "t.py::a", 21.0)

    assert (found.start_s, found.end_s) == (15.0, 20.0)


@pytest.mark.unit
def test_a_test_that_is_tried_again_loses_only_what_it_held_then() -> None:
    attempts = LostAttempts()
    attempts.lose([lease("d1")])
    list(attempts.lose([lease("d1")]))
    (first,) = attempts.crash("gw0", "t.py::a", 21.0)

    assert list(attempts.crash("gw1", "t.py::a", 31.0)) == []
    (second,) = attempts.lose([lease("d2", start_s=25.0, end_s=30.0)])

    assert (first.worker, first.devices) == ("gw0", ("d1",))
    assert (second.worker, second.devices) == ("gw1", ("d2",))


@pytest.mark.unit
def test_long_test_ids_are_known_by_what_the_state_keeps_of_them() -> None:
    test = "t.py::a[" + "x" * LONGEST_PURPOSE + "]"
    attempts = LostAttempts()
    list(attempts.lose([lease(purpose=test[:LONGEST_PURPOSE]), lease("d2", "")]))

    (found,) = attempts.crash("gw0", test, 21.0)

    assert found.devices == ("d1",)
    assert list(attempts.crash("gw0", "", 21.0)) == []
