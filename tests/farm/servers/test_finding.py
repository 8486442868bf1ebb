"""Which Appium is started, and with which drivers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_autorl.errors import ServerDownError
from pytest_autorl.farm.servers.finding import Appium, find_appium

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a farm needs POSIX (docs: use WSL2)")


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


class Host:
    """A host whose path has one folder, and a project on it."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.project = folder / "work" / "project"
        self.project.mkdir(parents=True)

    def which(self, name: str) -> str | None:
        path = Path(name) if os.sep in name else self.bin / name
        return str(path) if path.is_file() and os.access(path, os.X_OK) else None

    def find(self, *, env: dict[str, str] | None = None, **told: str) -> Appium:
        return find_appium(self.project, env=env or {}, which=self.which, **told)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_each_place_is_looked_at_in_its_turn(host: Host) -> None:
    outer = program(host.project.parent / "node_modules" / ".bin" / "appium")
    assert host.find() == Appium((str(outer),), "", "work/node_modules")

    local = program(host.project / "node_modules" / ".bin" / "appium")
    assert host.find() == Appium((str(local),), "", "project/node_modules")

    node = program(host.bin / "node")
    script = program(host.project / ".tools" / "node_modules" / "appium" / "index.js")
    assert host.find() == Appium((str(node), str(script)), "", ".tools")

    linked = program(host.project / ".tools" / "node_modules" / ".bin" / "appium")
    home = host.project / ".tools" / "appium-home"
    home.mkdir()
    assert host.find() == Appium((str(linked),), str(home), ".tools")

    on_path = program(host.bin / "appium")
    assert host.find() == Appium((str(on_path),), "", "the path")


@pytest.mark.parametrize(
    ("told", "env", "home"),
    [
        ("", {}, ".tools/appium-home"),
        ("", {"APPIUM_HOME": "/from/env"}, "/from/env"),
        ("own", {"APPIUM_HOME": "/from/env"}, "own"),
        ("/own", {}, "/own"),
    ],
)
def test_its_drivers_are_where_the_file_says_else_the_environment(
    host: Host, told: str, env: dict[str, str], home: str
) -> None:
    program(host.project / ".tools" / "node_modules" / ".bin" / "appium")
    (host.project / ".tools" / "appium-home").mkdir()

    assert host.find(home=told, env=env).home == str(host.project / home)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("appium", ["{bin}/appium"]),
        ("appium --flag 'two words'", ["{bin}/appium", "--flag", "two words"]),
        ("own/appium", ["{project}/own/appium"]),
        ("own folder/appium", ["{project}/own folder/appium"]),
        ("{bin}/appium", ["{bin}/appium"]),
    ],
)
def test_a_command_is_a_program_with_words_or_a_path_with_spaces(
    host: Host, command: str, words: list[str]
) -> None:
    for path in (host.bin / "appium", host.project / "own/appium", host.project / "own folder/appium"):
        program(path)
    names = {"bin": str(host.bin), "project": str(host.project)}

    found = host.find(command=command.format(**names))

    assert found.command == tuple(word.format(**names) for word in words)


@pytest.mark.parametrize("command", ["no-such-appium", "own/appium", "'unclosed"])
def test_a_command_that_is_none_is_refused(host: Host, command: str) -> None:
    program(host.bin / "appium")

    with pytest.raises(ServerDownError, match="is no program that can be started"):
        host.find(command=command)


def test_none_at_all_says_where_it_was_looked_for_and_how_to_install_it(host: Host) -> None:
    with pytest.raises(ServerDownError) as caught:
        host.find()

    assert "not on the path, not in .tools/node_modules, not in node_modules" in str(caught.value)
    assert "npm install -g appium" in str(caught.value)
