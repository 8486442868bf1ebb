"""The health gate in whole runs: no test starts on a device that is not fit, and everybody is told why."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.integration

#: Looks that come soon, and nothing that keeps a device back once it is well.
SOON = "health: {heartbeat_interval: 0.2, cool_down: 0}\n"
#: As `SOON`, and every verdict is stale at once: each grant asks the device.
ALWAYS = "health: {heartbeat_interval: 0.2, cool_down: 0, stale_after: 0.000001}\n"
LOW = "battery 3 % is below 20 % (fit again from 40 %)"
TEST = "def test_it(device): pass\n"


def farm(pytester: pytest.Pytester, *devices: str, health: str = SOON) -> None:
    lines = [f"  - {{id: {device}, provider: virtual, platform: android}}" for device in devices]
    text = health + "\n".join(["devices:", *lines, ""])
    (pytester.path / "device_farm.yml").write_text(
        text.replace("id: sick,", "id: sick, virtual: {battery: 3},"), encoding="utf-8"
    )


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rsE", *options)


def rows(pytester: pytest.Pytester) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (pytester.path / "reports/trace.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_no_test_starts_on_a_device_that_is_not_fit(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    """With as many workers as devices: one of them waits for the other's, rather than take the sick one."""
    if options:
        pytest.importorskip("xdist")
    farm(pytester, "sick", "well")
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.parametrize("n", range(6))
        def test_it(device, n):
            assert device.id == "well"
            assert device.health.battery_pct == 87
        """
    )

    result = run(pytester, *options)

    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines([f"*sick*{LOW}*"])
    assert {device for row in rows(pytester) for device in row["devices"]} == {"well"}


#: The battery is empty until the device was looked at five times, which begins when a test asks for it. Counted in a
#: file, since with xdist most looks are the controller's.
RECOVERS = """
    from pathlib import Path
    from pytest_autorl.farm.sample import HealthSample

    LOOKS = Path(__file__).with_name("looks")

    def pytest_autorl_probe_device(device, sample, config):
        with LOOKS.open("a") as file:
            file.write("x")
        return HealthSample(battery_pct=3 if LOOKS.stat().st_size <= 5 else 50)
"""


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_a_test_waits_until_the_device_is_well_again(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    if options:
        pytest.importorskip("xdist")
    farm(pytester, "phone")
    pytester.makeconftest(RECOVERS)
    pytester.makepyfile(
        """
        from pathlib import Path
        def test_it(device):
            assert Path(__file__).with_name("looks").stat().st_size > 5
        """
    )

    result = run(pytester, "--autorl-unhealthy", "wait", "--autorl-wait", "60", *options)

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["not fit: phone, refused *"])


def test_waiting_ends_and_says_what_was_wrong(pytester: pytest.Pytester) -> None:
    farm(pytester, "sick")
    pytester.makepyfile(TEST)

    result = run(pytester, "--autorl-wait", "1")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*sick*{LOW}*"])


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_skip_skips_at_once_with_the_reason(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    if options:
        pytest.importorskip("xdist")
    farm(pytester, "sick")
    pytester.makepyfile(TEST)

    result = run(pytester, "--autorl-unhealthy", "skip", "--autorl-wait", "3600", *options)

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([f"SKIPPED*sick*{LOW}*"])


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_fail_ends_as_an_error_at_once_that_names_device_and_reading(
    pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    if options:
        pytest.importorskip("xdist")
    farm(pytester, "sick")
    pytester.makepyfile(TEST)

    pytester.makeconftest(
        """
        from pathlib import Path
        def pytest_runtest_makereport(call):
            if call.excinfo:
                Path(__file__).with_name("ended").write_text(call.excinfo.typename)
        """
    )

    result = run(pytester, "--autorl-unhealthy", "fail", "--autorl-wait", "3600", *options)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*sick*{LOW}*"])
    assert (pytester.path / "ended").read_text() == "DeviceUnhealthyError"


@pytest.mark.parametrize("choice", ["skip", "fail"])
def test_a_fit_device_that_is_only_in_use_is_waited_for_all_the_same(
    pytester: pytest.Pytester, choice: str
) -> None:
    pytest.importorskip("xdist")
    farm(pytester, "sick", "well")
    pytester.makepyfile(
        """
        import pytest
        @pytest.mark.parametrize("n", range(6))
        def test_it(device, n): assert device.id == "well"
        """
    )

    run(pytester, "-n", "3", "--autorl-unhealthy", choice).assert_outcomes(passed=6)


def test_a_device_that_turns_unfit_gets_no_further_test(pytester: pytest.Pytester) -> None:
    """Also the one that its process keeps between two tests, with its session."""
    farm(pytester, "one", "two", health=ALWAYS)
    pytester.makeconftest(
        """
        from pathlib import Path
        from pytest_autorl.farm.sample import HealthSample

        def pytest_autorl_probe_device(device):
            if Path(__file__).with_name(device.id).exists():
                return HealthSample(temperature_c=60)
        """
    )
    pytester.makepyfile(
        """
        from pathlib import Path
        def test_1_heats_it_up(device, driver):
            Path(__file__).with_name(device.id).touch()
        def test_2_gets_the_other(device, driver):
            assert not Path(__file__).with_name(device.id).exists()
        """
    )

    result = run(pytester, "-p", "no:randomly")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*temperature 60 °C is above 45 °C*"])


def test_a_device_that_cannot_be_reached_is_not_fit(pytester: pytest.Pytester) -> None:
    (pytester.path / "device_farm.yml").write_text(
        SOON + "devices: [{id: gone, provider: virtual, platform: android, virtual: {faults: [offline]}}]\n"
    )
    pytester.makepyfile(TEST)

    result = run(pytester, "--autorl-unhealthy", "skip")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*gone*it cannot be reached*"])


def test_a_plugin_that_fails_keeps_its_device_back_and_is_named(pytester: pytest.Pytester) -> None:
    """And its text, which may hold anything, stays inside."""
    farm(pytester, "phone")
    pytester.makeconftest(
        "def pytest_autorl_probe_device(device): raise ValueError('hunter' + '2')\n",
    )
    pytester.makepyfile(TEST)

    result = run(pytester, "--autorl-unhealthy", "skip")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        ["SKIPPED*phone*pytest_autorl_probe_device of conftest.py failed: ValueError*"]
    )
    result.stdout.no_fnmatch_line("*hunter2*")


def test_tests_without_a_device_run_whatever_the_farm_is_like(pytester: pytest.Pytester) -> None:
    farm(pytester, "sick")
    pytester.makepyfile("def test_it(): pass\n")

    run(pytester, "--autorl-unhealthy", "fail").assert_outcomes(passed=1)
