"""`autorl farm` against a run that is under way: what the command says, and what the run makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lab

pytestmark = pytest.mark.integration

#: Two tests on one phone; the command comes within the first, or between them while the phone is parked.
WAIT = """
import time
from pathlib import Path

def let_the_command_in():
    Path("begun").touch()
    deadline_s = time.monotonic() + 60
    while not Path("go").exists():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
"""
IN_A_TEST = f"""{WAIT}
def test_one(driver):
    assert driver.page_source
    let_the_command_in()
    assert driver.page_source

def test_two(driver):
    assert driver.page_source
"""
BETWEEN_TESTS = f"""{WAIT}
def test_one(driver):
    assert driver.page_source

def test_without_a_device():
    let_the_command_in()

def test_two(driver):
    assert driver.page_source
"""


@pytest.fixture
def begin(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Callable[[], str]]]:
    """Begin a run of a suite over a lab with one phone; call what it returns to let the run go on to its end, for
    what it printed."""
    ends: list[Callable[[], str]] = []
    with lab.lab(here) as shelf:
        monkeypatch.setenv("AUTORL_STATE", str(shelf.state))

        def started(suite: str) -> Callable[[], str]:
            (here / "test_suite.py").write_text(suite)
            running = lab.run(here, "-v", "--autorl-wait", "1", "test_suite.py", state=shelf.state)

            def end() -> str:
                (here / "go").touch()
                return lab.close(running)

            ends.append(end)
            lab.until((here / "begun").exists, "the run came to where the command comes in")
            return end

        yield started
        for end in ends:
            end()


def test_its_device_is_shown_with_the_test_and_a_lease_that_was_taken_away_has_it_run_again(
    autorl: Callable[..., Any], begin: Callable[[str], Callable[[], str]]
) -> None:
    """It leases the device anew, recovered: what happened says nothing of the test."""
    end = begin(IN_A_TEST)

    (row,) = autorl("farm", "status", "--json").data["devices"]
    kept = autorl("farm", "release", "phone-1")
    ended = autorl("farm", "release", "phone-1", "--force")
    printed = end()

    assert (row["status"], row["holder_alive"]) == ("busy", True)
    assert row["reason"] == "test_suite.py::test_one"
    assert row["holder"].endswith("-main")
    assert (kept.code, ended.code) == (1, 0)
    assert "for test_suite.py::test_one; end that process, or use --force" in kept.out
    assert ended.out.endswith("; now available\n")
    assert "lost with worker or device: test_suite.py::test_one on phone-1 (" in printed
    assert "2 passed, 1 lost" in printed


def test_a_parked_device_that_was_taken_away_is_leased_anew(
    autorl: Callable[..., Any], begin: Callable[[str], Callable[[], str]]
) -> None:
    """Nothing was running on it: no test has to fail for it."""
    end = begin(BETWEEN_TESTS)

    shown = autorl("farm", "status")
    kept = autorl("farm", "release", "phone-1")
    ended = autorl("farm", "release", "phone-1", "--force")
    printed = end()

    assert " parked" in shown.out
    assert (kept.code, ended.code) == (1, 0)
    assert " between two tests; end that process" in kept.out
    assert "3 passed" in printed


def test_a_device_that_is_held_meanwhile_is_not_kept_for_the_next_test(
    autorl: Callable[..., Any], begin: Callable[[str], Callable[[], str]]
) -> None:
    """A run parks its device between tests and takes it again without asking: this one has to be given up first."""
    end = begin(IN_A_TEST)

    said = autorl("farm", "hold", "phone-1", "--reason", "new cable")
    printed = end()
    (row,) = autorl("farm", "status", "--json").data["devices"]

    assert said.code == 0
    assert "for test_suite.py::test_one; held when that has ended" in said.out
    assert "1 passed, 1 error" in printed
    assert "phone-1: maintenance, held by " in printed
    assert (row["status"], row["reason"].endswith(": new cable")) == ("maintenance", True)
