"""`autorl init`: what it writes can be used at once, and what is there is never lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.cli.init import STARTER
from pytest_autorl.farm.config import load_farm

Call = Callable[..., Any]


def test_the_starter_is_a_farm_at_once(autorl: Call, here: Path) -> None:
    said = autorl("init")

    assert said.code == 0
    assert [device.id for device in load_farm(here / "device_farm.yml", {}).devices] == [
        "phone-1",
        "phone-2",
        "tablet",
    ]
    assert autorl("farm", "why", "--form-factor", "tablet", "--where", "ram_mb >= 4096").code == 0


def test_the_commented_appium_block_is_right_too(here: Path) -> None:
    """What users uncomment must not be their first error."""
    lines = STARTER.splitlines()
    start, end = (
        lines.index("  # lab:"),
        lines.index("  # lab:") + 2,
    )
    device = lines.index("  # - id: desk-phone")
    wanted = {*range(start, end + 1), *range(device, len(lines))}
    text = "\n".join(line.replace("# ", "", 1) if i in wanted else line for i, line in enumerate(lines))
    path = here / "farm.yml"
    path.write_text(text)

    farm = load_farm(path, {"DESK_PHONE_UDID": "0A1B2C"})

    assert farm.devices[-1].capabilities == {"appium:udid": "0A1B2C"}
    assert farm.providers["lab"].type == "appium"


def test_a_file_that_is_there_stays(autorl: Call, here: Path) -> None:
    path = here / "device_farm.yml"
    path.write_text("mine")

    said = autorl("init", "--json")

    assert (said.code, said.data["written"]) == (1, False)
    assert path.read_text() == "mine"
    assert os.listdir(here) == ["device_farm.yml"]


def test_force_overwrites_and_path_names_another_place(autorl: Call, here: Path) -> None:
    (here / "lab.yml").write_text("mine")

    said = autorl("init", "--path", "lab.yml", "--force", "--json")

    assert said.data == {"path": "lab.yml", "written": True, "left_out": []}
    assert (here / "lab.yml").read_text() == STARTER
    assert os.listdir(here) == ["lab.yml"]


def test_a_place_that_cannot_be_written_is_exit_code_2(autorl: Call, here: Path) -> None:
    said = autorl("init", "--path", "no/such/folder/farm.yml")

    assert said.code == 2
    assert "cannot write no/such/folder/farm.yml: No such file" in said.err


@pytest.fixture
def old_files(here: Path) -> Path:
    (here / "integration.json").write_text(
        json.dumps(
            {"connection": {"max_delay": 120.0, "colour": "red"}, "health": {"heartbeat_interval": 10.0}}
        )
    )
    (here / "automation.json").write_text(
        json.dumps({"tasks": [{"name": "nightly", "command": "true", "schedule": "daily at 03:00"}]})
    )
    (here / "reporting.json").write_text(json.dumps({"alerts": {"cpu_percent": 75.0}}))
    return here


def test_older_json_files_become_one_farm_file(autorl: Call, old_files: Path) -> None:
    said = autorl("init", "--from-json", "integration.json", "automation.json", "reporting.json")

    assert said.code == 0
    farm = load_farm(old_files / "device_farm.yml", {})
    assert farm.policies.connection.max_delay == 120.0
    assert farm.policies.health.heartbeat_interval == 10.0
    assert farm.policies.tasks[0].name == "nightly"
    assert farm.policies.alerts.cpu_percent == 75.0
    assert farm.devices[0].id == "phone-1"


def test_keys_that_have_no_place_are_named(autorl: Call, old_files: Path) -> None:
    """Nothing of the user's is dropped in silence."""
    said = autorl("init", "--from-json", "integration.json", "--json")

    assert said.code == 0
    assert "connection.colour" in said.err
    assert any("connection.colour" in line for line in said.data["left_out"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from-json", "missing/integration.json"], "does not exist"),
        (["--from-json", "other.json"], "none of the files that can be imported"),
        (["integration.json"], "without --from-json"),
    ],
)
def test_files_that_cannot_be_taken_over_are_exit_code_2(
    autorl: Call, old_files: Path, arguments: list[str], words: str
) -> None:
    said = autorl("init", *arguments)

    assert said.code == 2
    assert words in said.err
    assert not (old_files / "device_farm.yml").exists()


def test_values_that_a_farm_file_refuses_are_not_written(autorl: Call, here: Path) -> None:
    (here / "reporting.json").write_text(json.dumps({"alerts": {"cpu_percent": 750}}))

    said = autorl("init", "--from-json", "reporting.json")

    assert said.code == 2
    assert "cpu_percent" in said.err
    assert not (here / "device_farm.yml").exists()
