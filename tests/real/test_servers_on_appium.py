"""Several real Appium servers behind one block, and what their ends mean for sessions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import close, run
from pytest_autorl.errors import NoSessionError, ServerDownError, SessionEndedError, SessionRefusedError
from pytest_autorl.farm.orphans import end_sessions
from pytest_autorl.farm.session import Endpoint, Limits, close_session, open_session
from pytest_autorl.state.leases import Session
from pytest_autorl.state.peek import peek
from real_servers import AppiumServer

pytestmark = [pytest.mark.real, pytest.mark.integration]

APP = Path(__file__).with_name("protocol_app.xml")
FAKE = {
    "platformName": "fake",
    "appium:automationName": "Fake",
    "appium:deviceName": "Fake",
    "appium:app": str(APP),
}


@pytest.fixture
def short_lived(tmp_path: Path) -> Iterator[AppiumServer]:
    """A server that a test may kill."""
    with AppiumServer(log=tmp_path / "short-lived.log") as server:
        yield server


def opened(url: str, **capabilities: object) -> object:
    endpoint = Endpoint(url=url, capabilities={**FAKE, **capabilities})
    return open_session(endpoint, device_id="fake", limits=Limits(command_s=5))


def test_a_session_that_was_ended_takes_no_command_any_more(appium_server: AppiumServer) -> None:
    """So a DELETE that was answered is confirmed, and the device can be given on."""
    driver = opened(appium_server.url)

    assert close_session(driver) == ""

    with pytest.raises(SessionEndedError, match="after quit"):
        _ = driver.page_source


def test_after_a_kill_the_server_is_blamed_and_its_sessions_count_as_gone_where_another_serves(
    appium_server: AppiumServer, short_lived: AppiumServer
) -> None:
    driver = opened(short_lived.url)
    left = Session(url=short_lived.url, id=str(driver.session_id))
    short_lived.kill()

    with pytest.raises(ServerDownError, match="its server is down"):
        _ = driver.page_source

    assert close_session(driver) != ""
    assert end_sessions(appium_server.url, [left], headers={}) == ""
    assert "does not answer" in end_sessions(short_lived.url, [left], headers={})


def test_a_server_that_hangs_is_blamed_too(short_lived: AppiumServer) -> None:
    driver = opened(short_lived.url)
    driver.command_executor.client_config.timeout = 1.0
    short_lived.freeze()
    try:
        with pytest.raises(
            ServerDownError, match="did not answer getPageSource within 1 s, and its server is down"
        ):
            _ = driver.page_source
    finally:
        short_lived.thaw()


def test_refusals_of_the_real_server_are_told_apart(appium_server: AppiumServer) -> None:
    with pytest.raises(NoSessionError, match="Could not find a driver") as missing:
        opened(appium_server.url, **{"appium:automationName": "Nope"})
    with pytest.raises(NoSessionError, match="must be of type number") as wrong:
        opened(appium_server.url, **{"appium:newCommandTimeout": "soon"})
    unique = opened(appium_server.url, **{"appium:uniqueApp": True})
    try:
        with pytest.raises(SessionRefusedError) as busy:
            opened(appium_server.url, **{"appium:uniqueApp": True})
    finally:
        close_session(unique)

    assert [error.value.blame for error in (missing, wrong, busy)] == ["farm", "farm", "device"]


def test_a_suite_goes_on_at_the_second_server_when_the_first_one_dies(
    tmp_path: Path, appium_server: AppiumServer, short_lived: AppiumServer
) -> None:
    (tmp_path / "device_farm.yml").write_text(
        f"""
providers:
  lab: {{type: appium, urls: ["{short_lived.url}", "{appium_server.url}"]}}
devices:
  - id: fake
    provider: lab
    platform: fake
    capabilities: {{"appium:automationName": Fake, "appium:deviceName": Fake, "appium:app": "{APP}"}}
"""
    )
    (tmp_path / "test_it.py").write_text(
        f"""
import os, signal
def test_before(driver):
    assert driver.page_source
    assert driver.command_executor.client_config.remote_server_addr == "{short_lived.url}"
def test_that_kills_the_server():
    os.kill({short_lived.pid}, signal.SIGKILL)
def test_after(driver):
    assert driver.page_source
    assert driver.command_executor.client_config.remote_server_addr == "{appium_server.url}"
"""
    )
    state = tmp_path / "state.db"

    output = close(run(tmp_path, "-p", "no:xdist", state=state))

    assert "3 passed" in output, output
    assert [device.status.value for device in peek(state).devices] == ["available"]
