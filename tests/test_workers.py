"""The run under xdist: one server, devices shared without overlap, told once."""

from __future__ import annotations

import itertools
import json
import os
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl import wiring
from pytest_autorl.dispatch.workers import auto_workers

pytestmark = pytest.mark.integration
pytest.importorskip("xdist", reason="pytest-xdist is not installed")


def rows(pytester: pytest.Pytester) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (pytester.path / "reports/trace.jsonl").read_text().splitlines()]


def overlaps(found: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Pairs of attempts that were on one device at one time."""
    bad = []
    for device in {device for row in found for device in row["devices"]}:
        lane = sorted((row for row in found if device in row["devices"]), key=lambda row: row["start"])
        bad += [(device, a["test"], b["test"]) for a, b in itertools.pairwise(lane) if b["start"] < a["end"]]
    return bad


@pytest.mark.parametrize("dist", ["load", "worksteal", "loadfile", "loadscope"])
def test_workers_share_the_farm_without_overlap(pytester: pytest.Pytester, dist: str) -> None:
    pytester.makepyfile(
        test_one="""
        import pytest
        @pytest.mark.parametrize("n", range(8))
        def test_user(driver, n):
            driver.find_element("accessibility id", "username").send_keys(str(n))
            assert driver.find_element("accessibility id", "username").text == str(n)
        """,
        test_two="""
        import pytest
        @pytest.mark.device(count=2)
        @pytest.mark.parametrize("n", range(4))
        def test_pair(drivers, n):
            assert len({driver.capabilities["udid"] for driver in drivers}) == 2
        def test_scoped(module_driver): assert module_driver.page_source
        """,
    )

    result = pytester.runpytest_subprocess("-n", "3", "--dist", dist, "--autorl-farm", "virtual:3")

    result.assert_outcomes(passed=13)
    found = rows(pytester)
    assert len(found) == 13
    assert overlaps(found) == []
    assert {row["worker"] for row in found} <= {"gw0", "gw1", "gw2"}
    assert all(row["end"] >= row["start"] >= 0 for row in found)


def test_header_and_summary_are_told_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_it(device, n): pass"
    )

    result = pytester.runpytest_subprocess("-n", "2", "--autorl-farm", "virtual:2")

    text = result.stdout.str()
    assert text.count("autorl: farm virtual:2: 2 devices") == 1
    assert text.count("autorl: devices ==") == 1
    assert len({row["run"] for row in rows(pytester)}) == 1


def test_needs_that_cannot_be_met_are_told_in_the_summary(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.device(platform="ios")
        def test_ios(device): pass
        def test_any(device): pass
        """
    )

    result = pytester.runpytest_subprocess("-n", "2", "--autorl-farm", "virtual:2")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["autorl: 1 test cannot run: *::test_ios", "*platform is android, needs ios*"]
    )


def test_a_crashed_workers_device_is_used_again(pytester: pytest.Pytester) -> None:
    """The lock goes with the process; the device's old session gives way to the higher token."""
    pytester.makepyfile(
        """
        import os, signal, pytest
        def test_dies(driver):
            os.kill(os.getpid(), signal.SIGKILL)
        @pytest.mark.parametrize("n", range(4))
        def test_lives(driver, n): assert driver.page_source
        """
    )

    result = pytester.runpytest_subprocess("-n", "2", "--autorl-farm", "virtual:1", "--autorl-wait", "30")

    result.assert_outcomes(passed=4, failed=1)
    assert list((pytester.path / ".autorl").rglob("*.lease")) == []


def test_auto_means_as_many_workers_as_devices(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(device): pass")

    result = pytester.runpytest_subprocess("-n", "auto", "--autorl-farm", "virtual:5")

    result.stdout.fnmatch_lines([f"*{max(5, os.cpu_count() or 1)} workers*"])


def test_auto_counts_the_devices_that_are_in_service(pytester: pytest.Pytester) -> None:
    """One that is held by hand needs no worker."""
    devices = "".join(f"  - {{id: phone-{i}, provider: lab, platform: android}}\n" for i in range(40))
    pytester.makefile(".yml", device_farm=f"providers:\n  lab: {{type: appium}}\ndevices:\n{devices}")
    state = pytester.path / "state.db"
    arguments = (
        "farm",
        "hold",
        *(f"phone-{i}" for i in range(5)),
        "--state",
        str(state),
        "--reason",
        "repair",
    )

    held = pytester.run(sys.executable, "-m", "pytest_autorl.cli", *arguments)
    config = pytester.parseconfig("--autorl-state", str(state))

    assert held.ret == 0
    assert wiring.auto_workers(config) == max(35, len(os.sched_getaffinity(0)))


@given(st.integers(1, 500))
def test_auto_never_means_fewer_workers_than_devices(devices: int) -> None:
    count = auto_workers(devices, {})

    assert count is not None
    assert count >= devices
    assert auto_workers(0, {}) is None
    assert auto_workers(devices, {"PYTEST_XDIST_AUTO_NUM_WORKERS": "3"}) is None


def test_workers_on_other_hosts_are_refused(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(device): pass")

    result = pytester.runpytest_subprocess(
        "--tx", "ssh=nobody@nowhere.invalid//python=python3", "--dist", "load", "--autorl-farm", "virtual:1"
    )

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--tx ssh*workers must be on this host*", "*use -n*"])
