"""Dispatch by device, while devices go and come: tests move to others, wait, and give up in the end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab import close, lab, run
from ordered import farm_file, overlaps, rows, run_ordered

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="a farm needs POSIX"),
]
pytest.importorskip("xdist", reason="pytest-xdist is not installed")


def test_an_attempt_that_is_lost_with_its_device_runs_again_on_another(pytester: pytest.Pytester) -> None:
    """And no other test is lost with the same device: whoever loses one has it looked at."""
    farm_file(pytester, a="available: [[0, 3]]", b="")
    pytester.makepyfile(
        """
        import time
        import pytest

        @pytest.mark.parametrize("n", range(6))
        def test_it(driver, device, n):
            for _ in range(3000):
                assert driver.page_source  # until it is out of reach
                if device.id == "b":
                    break
                time.sleep(0.01)
        """
    )

    result = run_ordered(pytester, farm="")

    result.assert_outcomes(passed=6)
    found = rows(pytester)
    lost = [row for row in found if row["outcome"] == "lost"]
    assert [(row["devices"], row["attempt"]) for row in lost] == [(["a"], 1)]
    assert lost[0]["blame"] in ("device", "farm")  # whose server it is that does not find it
    again = next(row for row in found if row["test"] == lost[0]["test"] and row["outcome"] == "passed")
    assert (again["devices"], again["attempt"]) == (["b"], 2)
    assert overlaps(found) == []


def test_a_failure_of_the_test_itself_is_no_loss(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(driver): assert 0\n")

    result = run_ordered(pytester)

    result.assert_outcomes(failed=1)
    assert [(row["outcome"], row["attempt"]) for row in rows(pytester)] == [("failed", 1)]


@pytest.mark.parametrize(
    ("retries", "attempts"), [((), 3), (("--autorl-retries", "0"), 1)], ids=["on", "off"]
)
def test_a_test_is_lost_twice_at_most(
    pytester: pytest.Pytester, retries: tuple[str, ...], attempts: int
) -> None:
    """Then the error stands; with no retries the first one does."""
    pytester.makepyfile(
        "from pytest_autorl.errors import DeviceTimeoutError\n"
        "def test_it(device): raise DeviceTimeoutError('gone', device_id=device.id)\n"
        "def test_other(device): pass\n"
    )

    result = run_ordered(pytester, *retries)

    result.assert_outcomes(passed=1, failed=1)
    found = [row for row in rows(pytester) if row["test"].endswith("test_it")]
    assert [row["outcome"] for row in found] == [*["lost"] * (attempts - 1), "failed"]
    assert [row["attempt"] for row in found] == list(range(1, attempts + 1))


def test_a_class_whose_devices_never_come_gives_up_and_the_others_run(pytester: pytest.Pytester) -> None:
    farm_file(pytester, a="", b="available: [[600, null]]")
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.device(where="id == 'b'")
        @pytest.mark.parametrize("n", range(3))
        def test_waits(driver, n): pass
        @pytest.mark.device(where="id == 'b'")
        class TestShared:
            def test_one(self, class_device): pass
            def test_two(self, class_device): pass
        @pytest.mark.parametrize("n", range(6))
        def test_runs(driver, n): assert driver.page_source
        """
    )

    result = run_ordered(pytester, "--autorl-wait", "2", farm="")

    found = result.parseoutcomes()
    assert found["passed"] >= 6
    assert found["passed"] + found["errors"] == 11
    result.stdout.fnmatch_lines(["*out of service: b: offline*"])


def test_when_all_devices_are_lost_every_test_is_told_of(pytester: pytest.Pytester) -> None:
    farm_file(pytester, a="available: [[0, 2]]", b="available: [[0, 2]]")
    pytester.makepyfile(
        "import time, pytest\n@pytest.mark.parametrize('n', range(8))\n"
        "def test_it(driver, n): time.sleep(0.6); assert driver.page_source\n"
    )

    result = run_ordered(pytester, "--autorl-wait", "2", farm="")

    found = result.parseoutcomes()
    assert sum(found.get(outcome, 0) for outcome in ("passed", "failed", "errors")) == 8
    assert found["errors"] >= 1


def test_a_device_that_comes_back_is_used(pytester: pytest.Pytester) -> None:
    farm_file(pytester, a="available: [[0, 1.5], [3, null]]")
    pytester.makepyfile(
        "import time, pytest\n@pytest.mark.parametrize('n', range(6))\n"
        "def test_it(driver, n): time.sleep(0.5)\n"
    )

    result = run_ordered(pytester, farm="", workers=1)

    result.assert_outcomes(passed=6)
    assert max(row["end"] for row in rows(pytester)) > 3


@pytest.mark.parametrize(("choice", "outcome"), [("skip", "skipped"), ("fail", "errors")])
def test_what_is_out_of_service_for_its_health_is_told_at_once_where_that_was_asked(
    pytester: pytest.Pytester, choice: str, outcome: str
) -> None:
    farm_file(pytester, a="battery: 3", b="")
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.device(where="id == 'a'")
        @pytest.mark.parametrize("n", range(2))
        def test_sick(device, n): pass
        @pytest.mark.parametrize("n", range(3))
        def test_well(device, n): assert device.id == "b"
        """
    )

    result = run_ordered(pytester, "--autorl-unhealthy", choice, "--autorl-wait", "3600", farm="")

    result.assert_outcomes(passed=3, **{outcome: 2})
    result.stdout.fnmatch_lines(["*battery 3 %*"])


def test_two_runs_share_the_devices_of_one_lab(tmp_path: Path) -> None:
    """Each by its own scheduler over one state: turns are taken, nobody waits for ever."""
    text = (
        "import pytest\n@pytest.mark.parametrize('n', range(8))\n"
        "def test_turn(driver, n): assert driver.page_source\n"
        "@pytest.mark.parametrize('n', range(2))\n"
        "def test_scoped(module_driver, n): assert module_driver.page_source\n"
    )
    with lab(tmp_path, count=2) as shelf:
        processes = []
        for name in ("a", "b"):
            folder = shelf.folder / name
            folder.mkdir()
            (folder / "test_turns.py").write_text(text)
            farm = str(shelf.folder / "device_farm.yml")
            options = ("--rootdir", ".", "--autorl-farm", farm, "-n", "2", "--autorl-wait", "40")
            processes.append(run(folder, *options, state=shelf.state))

        outputs = [close(process, patience_s=100) for process in processes]

        assert all("10 passed" in output for output in outputs), "\n".join(outputs)
        assert [one for one in shelf.view().devices if one.owner] == []
