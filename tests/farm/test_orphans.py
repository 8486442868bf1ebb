"""Sessions that nobody owns any more, ended without a client."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pytest_autorl.farm.orphans import end_sessions
from pytest_autorl.farm.session import Endpoint, Limits, open_session
from pytest_autorl.state.leases import Session
from pytest_autorl.virtual.library import load_app
from pytest_autorl.virtual.process import VirtualServer

pytestmark = pytest.mark.integration

CAPABILITIES = {"platformName": "Android", "appium:automationName": "UiAutomator2", "appium:udid": "d1"}


@pytest.fixture(scope="module")
def server() -> Iterator[VirtualServer]:
    devices = [{"id": "d1", "platform": "android", "app": "bank"}]
    with VirtualServer.start(devices, {"bank": load_app("bank")}, admin_key="k") as running:
        yield running


def begin(server: VirtualServer, key: str = "") -> str:
    endpoint = Endpoint(url=server.url, capabilities=CAPABILITIES)
    return str(open_session(endpoint, device_id="d1", limits=Limits(), key=key).session_id)


def session_of(server: VirtualServer) -> str | None:
    return server.admin().device("d1")["session"]  # type: ignore[no-any-return]


def test_a_recorded_session_is_ended(server: VirtualServer) -> None:
    session = begin(server)

    assert end_sessions(server.url, [Session(url=server.url, id=session)], headers={}) == ""

    assert session_of(server) is None


def test_one_that_is_gone_already_is_no_trouble(server: VirtualServer) -> None:
    assert end_sessions(server.url, [Session(url=server.url, id="gone")], headers={}) == ""


def test_one_whose_creator_died_in_between_is_found_by_its_key(server: VirtualServer) -> None:
    begin(server, key="key-1")

    assert end_sessions(server.url, [Session(url=server.url, id="", key="key-1")], headers={}) == ""

    assert session_of(server) is None


@pytest.mark.parametrize("key", ["", "never-sent"])
def test_what_was_never_begun_needs_no_end(server: VirtualServer, key: str) -> None:
    assert end_sessions(server.url, [Session(url=server.url, id="", key=key)], headers={}) == ""


def test_a_server_that_is_gone_is_trouble() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    # Closed again: nobody listens there.

    trouble = end_sessions(url, [Session(url=url, id="s")], headers={}, deadline_s=5)

    assert trouble == (
        f"session s on {url} could not be ended: NewConnectionError; {url} does not answer: NewConnectionError"
    )


def test_a_server_that_says_nothing_is_trouble_after_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        trouble = end_sessions(url, [], headers={}, deadline_s=0.2)

    assert trouble == f"{url} does not answer: ReadTimeoutError"


def test_what_answers_without_being_a_webdriver_server_is_trouble(server: VirtualServer) -> None:
    trouble = end_sessions(f"{server.url}/nowhere", [], headers={})

    assert "does not answer" in trouble


def test_a_creation_of_which_nothing_is_known_is_trouble() -> None:
    """It may be under way still: the device must not be another's when its session appears."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        trouble = end_sessions(url, [Session(url=url, id="", key="k")], headers={}, deadline_s=0.2)

    assert trouble.startswith(f"whether {url} has begun a session is unknown: ReadTimeoutError")
