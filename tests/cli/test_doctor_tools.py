"""What `autorl doctor` says of Node.js, Appium and its drivers: scripted programs, and the real ones."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import real_parts
import real_servers
from pytest_autorl.cli.checks import Finding
from pytest_autorl.cli.checks.tools import appium, node, node_suits
from pytest_autorl.cli.checks.wants import Installation, Wants, wants
from pytest_autorl.farm.config import load_farm

#: For programs that do answer: machines that test are busy.
LIMIT_S = 60.0
FAKE = {"fake": {"version": "6.2.4", "automationName": "Fake", "installed": True}}


def program(path: Path, body: str) -> Path:
    """A program that runs this Python text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{body}\n")
    path.chmod(0o755)
    return path


def lists(installed: object) -> str:
    """What a scripted Appium does: its version, or its drivers behind a word of its own."""
    return (
        "if sys.argv[1:] == ['--version']: print('3.8.0')\n"
        "elif sys.argv[1:] == ['driver', 'list', '--installed', '--json']:\n"
        "    print('dbug Appium looks', file=sys.stderr)\n"
        f"    print({json.dumps(installed)!r})"
    )


def seen(
    here: Path,
    wanted: Wants | None = None,
    *,
    where: Installation = Installation(),  # noqa: B008 (frozen)
    env: dict[str, str] | None = None,
    limit_s: float = LIMIT_S,
) -> dict[str, Finding]:
    found = appium(here, where, wanted or Wants(), env or {}, path=str(here / "bin"), limit_s=limit_s)
    return {finding.name: finding for finding in found}


@pytest.mark.parametrize(
    ("version", "suits"),
    [
        ("v20.18.3", False),
        ("v20.19.0", True),
        ("v20.20.2", True),
        ("v21.9.9", False),
        ("v22.11.9", False),
        ("v22.12.0", True),
        ("v23.9.0", False),
        ("v24.0.0", True),
        ("v130.1.0", True),
        ("", False),
        ("nonsense", False),
    ],
)
def test_which_nodes_suit_appium(version: str, suits: bool) -> None:
    assert node_suits(version) is suits


@pytest.mark.parametrize(
    ("need", "statuses"),
    [("none", ("ok", "ok")), ("local", ("warn", "warn")), ("managed", ("fail", "warn"))],
)
def test_what_is_missing_is_as_bad_as_it_is_needed(
    need: Any, statuses: tuple[str, str], tmp_path: Path
) -> None:
    """A server that somebody runs may have its Node.js elsewhere; one that we start has not. npm only installs."""
    found = list(node(tmp_path, need, path=str(tmp_path)))

    assert tuple(finding.status for finding in found) == statuses
    assert [finding.do for finding in found] == ["" if need == "none" else "install Node.js"] * 2


@pytest.mark.parametrize(("need", "status"), [("none", "ok"), ("local", "warn"), ("managed", "fail")])
def test_a_node_that_does_not_suit_is_told_with_those_that_do(need: Any, status: str, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "node", "print('v21.7.1')")

    found = next(node(tmp_path, need, path=str(tmp_path / "bin"), limit_s=LIMIT_S))

    assert (found.name, found.status) == ("node", status)
    assert "v21.7.1: Appium 3 does not run on it" in found.detail
    assert need == "none" or "22.12" in found.do


def test_a_node_that_hangs_has_no_version_and_is_well(tmp_path: Path) -> None:
    path = program(tmp_path / "bin" / "node", "time.sleep(600)")

    found = next(node(tmp_path, "managed", path=str(tmp_path / "bin"), limit_s=0.3))

    assert found == Finding(name="node", status="ok", detail=str(path))


def test_programs_are_found_in_the_projects_own_folder(tmp_path: Path) -> None:
    own = tmp_path / ".tools" / "node_modules" / ".bin"
    at = program(own / "node", "print('v24.1.0')")
    program(own / "appium", lists(FAKE))
    (tmp_path / ".tools" / "appium-home").mkdir()

    assert next(node(tmp_path, "managed", path=str(tmp_path), limit_s=LIMIT_S)).detail == f"{at}, v24.1.0"
    found = seen(tmp_path)
    assert found["appium"].detail == f"{own / 'appium'}, 3.8.0"
    assert found["appium drivers"].detail == f"fake 6.2.4 (APPIUM_HOME {tmp_path / '.tools' / 'appium-home'})"


def test_the_version_is_read_where_it_stands(tmp_path: Path) -> None:
    """Starting Appium to ask it takes more than a second."""
    package = tmp_path / "lib" / "node_modules" / "appium"
    program(package / "index.js", "sys.exit('not to be asked')")
    (package / "package.json").write_text('{"name": "appium", "version": "3.8.1"}')
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "appium").symlink_to(package / "index.js")

    assert seen(tmp_path)["appium"].detail.endswith("bin/appium, 3.8.1")


def test_a_driver_that_the_farm_wants_and_nobody_has_installed(tmp_path: Path) -> None:
    at = program(tmp_path / "bin" / "appium", lists(FAKE))
    wanted = Wants("managed", {"UiAutomator2": ["a", "b"], "FAKE": ["c"]}, ["lab"])

    found = seen(tmp_path, wanted)

    assert found["driver fake"] == Finding(name="driver fake", status="ok", detail="fake 6.2.4, for c")
    assert found["driver uiautomator2"] == Finding(
        name="driver uiautomator2",
        status="fail",
        detail="not installed, and a, b cannot do without",
        do=f"{at} driver install uiautomator2",
    )


def test_a_server_that_somebody_runs_here_may_have_its_drivers_elsewhere(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "appium", lists({}))

    found = seen(tmp_path, Wants("local", {"chromium": ["a"]}, ["lab"]))

    assert (found["appium drivers"].detail, found["driver chromium"].status) == ("none installed", "warn")


def test_devices_that_name_no_driver_are_told(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "appium", lists(FAKE))

    found = seen(tmp_path, Wants("local", {"": ["web-1"]}, ["lab"]))

    assert "the sessions of web-1 name none" in found["driver"].detail
    assert found["driver"].do == "state appium:automationName"


def test_a_home_that_is_not_there_is_empty_and_is_not_made(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "appium", "sys.exit('not to be asked')")
    home = tmp_path / "home"

    found = seen(tmp_path, Wants("managed", {"fake": ["a"]}, ["lab"]), env={"APPIUM_HOME": str(home)})

    assert found["appium drivers"].detail == f"none installed (APPIUM_HOME {home})"
    assert found["driver fake"].status == "fail"
    assert f"APPIUM_HOME={home} " in found["driver fake"].do
    assert not home.exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("time.sleep(600)", "no answer in 0.5 s"),
        ("print('hello')", "not understood"),
        ("print('[1]')", "not understood"),
        ("print('{\"fake\": 3}')", "not understood"),
        ("sys.exit(1)", "not understood"),
    ],
)
def test_drivers_that_cannot_be_listed_are_no_reason_to_fail(body: str, words: str, tmp_path: Path) -> None:
    program(tmp_path / "bin" / "appium", body)
    limit_s = 0.5 if "sleep" in body else LIMIT_S

    found = seen(tmp_path, Wants("managed", {"fake": ["a"]}, ["lab"]), limit_s=limit_s)

    assert found["appium drivers"].status == "warn"
    assert words in found["appium drivers"].detail
    assert "driver list --installed" in found["appium drivers"].do
    assert "driver fake" not in found


@pytest.mark.parametrize(("need", "status"), [("none", "ok"), ("local", "warn"), ("managed", "fail")])
def test_without_appium(need: Any, status: str, tmp_path: Path) -> None:
    (found,) = seen(tmp_path, Wants(need)).values()

    assert (found.name, found.status) == ("appium", status)
    assert bool(found.do) is (need != "none")


def test_an_appium_of_a_blocks_own_stands_under_its_name(tmp_path: Path) -> None:
    at = program(tmp_path / "own" / "appium", lists(FAKE))
    where = Installation(command=str(at), home="")

    found = seen(tmp_path, Wants("managed", {"fake": ["a"]}, ["lab", "desk"]), where=where)

    assert list(found) == ["appium lab, desk", "appium lab, desk drivers", "driver fake"]


def test_what_a_farm_wants_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "device_farm.yml"
    path.write_text(
        """
providers:
  away: {type: appium, url: "http://hub.example:4444"}
  here: {type: appium, urls: ["http://hub.example:4444", "http://localhost:4723"]}
  ours: {type: appium, server: managed}
  special: {type: appium, server: managed, managed: {command: /opt/appium, home: /opt/home}}
devices:
  - {id: a, provider: away, platform: android}
  - {id: b, provider: here, platform: android}
  - {id: c, provider: ours, platform: ios}
  - {id: d, provider: ours, platform: web, capabilities: {automationName: Chromium}}
  - {id: e, provider: special, platform: web}
  - {id: f, provider: virtual, platform: android}
"""
    )

    found = wants(load_farm(path, {}))

    assert found == {
        Installation(): Wants(
            "managed", {"UiAutomator2": ["b"], "XCUITest": ["c"], "Chromium": ["d"]}, ["here", "ours"]
        ),
        Installation("/opt/appium", "/opt/home"): Wants("managed", {"": ["e"]}, ["special"]),
    }


@pytest.mark.real
def test_the_real_appium_lists_its_drivers(tmp_path: Path) -> None:
    layout = real_parts.Layout(real_parts.TOOLS)
    if absent := real_parts.missing(layout):
        real_servers.require_real(
            "Appium server", f"{', '.join(absent)} not in .tools/; run `make real-parts`"
        )
    path = str(Path(shutil.which("node") or "").parent)
    wanted = Wants("managed", {"Fake": ["a"]}, ["lab"])

    here = real_parts.ROOT
    found = {
        finding.name: finding
        for finding in appium(
            here,
            Installation(),
            wanted,
            {"PATH": path, "HOME": str(tmp_path)},
            path=str(tmp_path),
            limit_s=LIMIT_S,
        )
    }

    assert found["appium"].detail.endswith(f", {real_parts.APPIUM_VERSION}")
    assert "fake 6." in found["appium drivers"].detail
    assert found["driver fake"].status == "ok"


@pytest.mark.real
def test_the_real_node_has_a_version_that_suits(free_port: Callable[[], int], tmp_path: Path) -> None:
    if shutil.which("node") is None:
        real_servers.require_real("Node.js", "it is not on PATH")

    found = {finding.name: finding for finding in node(tmp_path, "managed", limit_s=LIMIT_S)}

    assert ", v" in found["node"].detail
