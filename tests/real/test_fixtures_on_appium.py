"""The same fixtures over a real Appium server with its fake driver."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = [pytest.mark.real, pytest.mark.integration]

APP = Path(__file__).with_name("protocol_app.xml")


@pytest.fixture
def lab(pytester: pytest.Pytester, appium_server: object) -> pytest.Pytester:
    (pytester.path / "device_farm.yml").write_text(
        f"""
providers:
  lab: {{type: appium, url: "{appium_server.url}"}}
devices:
  - id: fake
    provider: lab
    platform: fake
    count: 2
    capabilities: {{"appium:automationName": Fake, "appium:deviceName": Fake, "appium:app": "{APP}"}}
"""
    )
    return pytester


def test_device_driver_and_reports_work_as_on_virtual_devices(lab: pytest.Pytester) -> None:
    lab.makepyfile(
        """
        import pytest
        from selenium.common.exceptions import NoSuchElementException
        def test_source(driver): assert "<" in driver.page_source
        def test_missing(device):
            with pytest.raises(NoSuchElementException):
                device.driver.find_element("id", "nowhere")
        @pytest.mark.device(count=2)
        def test_two(drivers): assert len({driver.session_id for driver in drivers}) == 2
        def test_fails(driver): assert driver.page_source == "no"
        """
    )

    result = lab.runpytest_subprocess("--autorl-state", "state.db")

    result.assert_outcomes(passed=3, failed=1)
    (folder,) = (lab.path / "reports/artefacts").glob("*/*")
    # The fake driver's page source says of nothing where it is.
    assert (folder / "screenshot-unmasked.png").read_bytes().startswith(b"\x89PNG")
    rows = [json.loads(line) for line in (lab.path / "reports/trace.jsonl").read_text().splitlines()]
    assert {device for row in rows for device in row["devices"]} == {"fake-1", "fake-2"}


def test_workers_share_the_servers_devices(lab: pytest.Pytester) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    lab.makepyfile(
        """
        import pytest
        @pytest.mark.parametrize("n", range(6))
        def test_it(driver, n): assert driver.page_source
        """
    )

    result = lab.runpytest_subprocess("-n", "2", "--autorl-state", "state.db")

    result.assert_outcomes(passed=6)


def test_a_server_that_is_not_there_is_the_farms_fault(pytester: pytest.Pytester, free_port: object) -> None:
    (pytester.path / "device_farm.yml").write_text(
        "devices: [{id: d1, provider: lab, platform: fake}]\n"
        f"providers: {{lab: {{type: appium, url: 'http://127.0.0.1:{free_port()}'}}}}\n"
    )
    pytester.makepyfile("def test_it(driver): pass")

    result = pytester.runpytest_subprocess("--autorl-state=state.db", "--autorl-wait", "0")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*out of service: d1: offline, health: server: http://127.0.0.1:*refused*", "*not fit: d1*server: *"]
    )
    assert not (pytester.path / "reports/trace.jsonl").exists()  # no attempt had a device
