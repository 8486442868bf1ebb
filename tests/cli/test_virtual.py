"""`autorl virtual serve`: a real process, a real client, ended as a user ends it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from pytest_autorl.errors import DeviceProviderError
from pytest_autorl.virtual.admin import AdminClient

Call = Callable[..., Any]


def read_object(stream: IO[str]) -> dict[str, Any]:
    """The JSON object that is printed over several lines, while the process goes on."""
    text = ""
    for line in stream:
        text += line
        if line == "}\n":
            found: dict[str, Any] = json.loads(text)
            return found
    raise AssertionError(f"no JSON in {text!r}")


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest_autorl.cli", "virtual", "serve", "--port", "0", "--json", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        assert process.stdout is not None
        yield process, read_object(process.stdout)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end_and_ends_with_0(here: Path, end: signal.Signals) -> None:
    with serving("--devices", "3") as (process, said):
        with urllib.request.urlopen(f"{said['url']}/status", timeout=10) as answer:
            assert json.load(answer)["value"]["ready"] is True
        devices = AdminClient(said["url"], said["admin_key"]).devices()

        process.send_signal(end)
        _, errors = process.communicate(timeout=20)

    assert [device["id"] for device in devices] == said["devices"] == ["virtual-1", "virtual-2", "virtual-3"]
    assert (process.returncode, errors) == (0, "")


def test_the_printed_capabilities_open_a_session(here: Path) -> None:
    from pytest_autorl.farm.session import Endpoint, Limits, close_session, open_session

    with serving("--devices", "1", "--app", "bank") as (_, said):
        endpoint = Endpoint(url=said["url"], capabilities=said["capabilities"])
        driver = open_session(endpoint, device_id="virtual-1", limits=Limits(create_s=20, command_s=10))
        try:
            assert "hierarchy" in driver.page_source
        finally:
            close_session(driver)


def test_a_key_from_the_environment_is_used_and_not_printed(here: Path) -> None:
    with serving("--devices", "1", AUTORL_ADMIN_KEY="only-for-this-test") as (process, said):
        assert said["admin_key"] is None
        assert len(AdminClient(said["url"], "only-for-this-test").devices()) == 1
        with pytest.raises(DeviceProviderError, match="admin key"):
            AdminClient(said["url"], "another").devices()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=20)

    assert "only-for-this-test" not in rest + errors


def test_devices_of_the_farm_file_are_served_and_real_ones_left_out(here: Path) -> None:
    (here / "device_farm.yml").write_text(
        "providers: {lab: {type: appium}}\n"
        "devices: [{id: sim, provider: virtual, platform: ios, os_version: '17.2'}, {id: real, provider: lab}]\n"
    )
    with serving() as (_, said):
        assert said["devices"] == ["sim"]
        assert said["capabilities"]["platformName"] == "iOS"


def test_for_people_it_says_where_it_listens_and_shows_a_made_key(here: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest_autorl.cli", "virtual", "serve", "--devices", "1", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)

    assert lines[0].startswith("serving 1 simulated devices at http://127.0.0.1:")
    assert lines[1].startswith("admin key: ")
    assert "this server only" in lines[1]
    assert "'appium:udid': 'virtual-1'" in lines[2]
    assert lines[3] == "Ctrl-C ends it\n"


def test_a_taken_port_is_exit_code_2(autorl: Call, here: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = autorl("virtual", "serve", "--devices", "1", "--port", str(port))

    assert said.code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--devices", "1", "--app", "no-such-app"], "no-such-app"),
        ([], "no device_farm.yml here"),
        (["--devices", "-1"], "Invalid value"),
    ],
)
def test_what_cannot_be_served_is_exit_code_2(
    autorl: Call, here: Path, arguments: list[str], words: str
) -> None:
    said = autorl("virtual", "serve", *arguments)

    assert said.code == 2
    assert words in said.err


def test_a_farm_without_simulated_devices_is_exit_code_2(autorl: Call, here: Path) -> None:
    (here / "device_farm.yml").write_text(
        "providers: {lab: {type: appium}}\ndevices: [{id: real, provider: lab}]\n"
    )

    said = autorl("virtual", "serve")

    assert said.code == 2
    assert "no simulated device" in said.err
