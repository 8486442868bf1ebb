"""Node.js, npm, Appium and its drivers on this machine, in the versions that suit each other."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_autorl.cli.checks import Finding, Need, lack
from pytest_autorl.cli.checks.command import run
from pytest_autorl.cli.checks.wants import Installation, Wants
from pytest_autorl.errors import AutorlError

if TYPE_CHECKING:
    from pytest_autorl.farm.servers.finding import Appium

#: Longest time of one program, seconds.
LIMIT_S = 4.0
#: "engines" of Appium 3 and its drivers: ^20.19.0 || ^22.12.0 || >=24.0.0
_NODE_ENGINES = "Node.js 20.19 or newer of 20, 22.12 or newer of 22, or 24 and newer"
_IDLE = "not found; only an Appium server on this machine needs it"
_MISSED = "not found, and the farm names a server here"


def node(here: Path, need: Need, *, path: str | None = None, limit_s: float = LIMIT_S) -> Iterator[Finding]:
    """Node.js and npm, on the path or in ``.tools``.

    Args:
        need: Of the farm, for an Appium server on this machine.
        path: Search path; default: that of the process.
    """
    detail = _IDLE if need == "none" else _MISSED
    program = _which(here, "node", path)
    if program is None:
        yield lack("node", detail, "install Node.js", need)
    else:
        version = _first_line([program, "--version"], limit_s)
        if version and not node_suits(version):
            detail = f"{program}, {version}: Appium 3 does not run on it"
            yield lack("node", detail, f"install {_NODE_ENGINES}", need)
        else:
            yield Finding(name="node", status="ok", detail=_joined(program, version))
    program = _which(here, "npm", path)
    if program is None:
        # Needed to install, not to run.
        yield lack("npm", detail, "install Node.js", "local" if need == "managed" else need)
    else:
        yield Finding(name="npm", status="ok", detail=_joined(program, _stated_version(program, "npm")))


def node_suits(version: str) -> bool:
    """Whether Appium 3 runs on this Node.js.

    >>> [node_suits(v) for v in ("v20.18.3", "v20.19.0", "v21.7.1", "v22.12.0", "v23.1.0", "v24.0.0", "?")]
    [False, True, False, True, False, True, False]
    """
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found is None:
        return False
    major, minor = int(found[1]), int(found[2])
    return major >= 24 or (major == 20 and minor >= 19) or (major == 22 and minor >= 12)


def appium(
    here: Path,
    where: Installation,
    wanted: Wants,
    env: Mapping[str, str],
    *,
    path: str | None = None,
    limit_s: float = LIMIT_S,
) -> Iterator[Finding]:
    """One installation of Appium, its drivers, and whether those are there that the farm wants.

    Args:
        here: Root of the project.
        path: Search path; default: that of the process.
    """
    from pytest_autorl.farm.servers.finding import find_appium

    # What a block names for itself is told under its name.
    label = "appium" if where == Installation() else f"appium {', '.join(wanted.blocks)}"
    try:
        which = partial(shutil.which, path=path)
        found = find_appium(here, command=where.command, home=where.home, env=env, which=which)
    except AutorlError as error:
        if wanted.need == "none":
            yield Finding(name=label, status="ok", detail=_IDLE)
        else:
            yield lack(label, str(error.args[0]), error.do, wanted.need)
        return
    program = found.command[-1]
    version = _stated_version(program, "appium") or _first_line([*found.command, "--version"], limit_s)
    yield Finding(name=label, status="ok", detail=_joined(program, version))
    yield from drivers(found, wanted, label, env, limit_s=limit_s)


def drivers(
    found: Appium, wanted: Wants, label: str, env: Mapping[str, str], *, limit_s: float = LIMIT_S
) -> Iterator[Finding]:
    """Which drivers an Appium has, and which of those that the farm wants it has not."""
    name = f"{label} drivers"
    prefix = f"APPIUM_HOME={found.home} " if found.home else ""
    command = f"{prefix}{' '.join(found.command)} driver list --installed"
    if found.home and not Path(found.home).is_dir():  # Appium would make it
        listed: dict[str, Any] = {}
    else:
        try:
            asked = [*found.command, "driver", "list", "--installed", "--json"]
            own = {**env, "APPIUM_HOME": found.home} if found.home else env
            listed = _listed(run(asked, deadline_s=limit_s, env=own, has_errors=False).text)
        except (OSError, ValueError) as error:
            why = f"no answer in {limit_s:g} s" if isinstance(error, TimeoutError) else "not understood"
            yield lack(name, f"could not be listed: {why}", f"try `{command}`", _at_most_warn(wanted.need))
            return
    known = {
        _automation_name(key, facts): f"{key} {facts.get('version', '')}".strip()
        for key, facts in listed.items()
    }
    place = f" (APPIUM_HOME {found.home})" if found.home else ""
    yield Finding(name=name, status="ok", detail=(", ".join(known.values()) or "none installed") + place)
    for driver, devices in wanted.drivers.items():
        yield _driver(
            driver, devices, known.get(driver.lower(), ""), f"{prefix}{' '.join(found.command)}", wanted.need
        )


def _driver(name: str, devices: list[str], installed: str, command: str, need: Need) -> Finding:
    from pytest_autorl.farm.drivers import find

    whose = ", ".join(devices[:4]) + (f" and {len(devices) - 4} more" if len(devices) > 4 else "")
    if not name:
        detail = f"the sessions of {whose} name none, and their platform has no usual one"
        return Finding(name="driver", status="warn", detail=detail, do="state appium:automationName")
    if installed:
        return Finding(name=f"driver {name.lower()}", status="ok", detail=f"{installed}, for {whose}")
    package = find(name).package or name.lower()
    do = f"{command} driver install {package}"
    return lack(f"driver {name.lower()}", f"not installed, and {whose} cannot do without", do, need)


def _listed(text: str) -> dict[str, Any]:
    """What ``appium driver list --json`` prints, behind what Appium says before. Raises ValueError."""
    begin = text.find("{")
    listed = json.loads(text[begin:]) if begin >= 0 else None
    if not isinstance(listed, dict) or not all(isinstance(facts, dict) for facts in listed.values()):
        raise ValueError("no list of drivers")
    return listed


def _automation_name(key: str, facts: Mapping[str, Any]) -> str:
    return str(facts.get("automationName") or key).lower()


def _at_most_warn(need: Need) -> Need:
    """It may well be there."""
    return "local" if need == "managed" else need


def _which(here: Path, name: str, path: str | None) -> str | None:
    tools = here / ".tools"
    own = (tools / "node_modules" / ".bin", tools / "bin", tools / "node" / "bin")
    places: list[Callable[[], str | None]] = [partial(shutil.which, name, path=path)]
    places += [partial(shutil.which, name, path=str(folder)) for folder in own]
    return next((found for look in places if (found := look())), None)


def _stated_version(program: str, package: str) -> str:
    """Version in the manifest of the npm package that a program is of: starting it would take a second."""
    for folder in Path(os.path.realpath(program)).parents:
        try:
            manifest = json.loads((folder / "package.json").read_text(encoding="utf-8"))
            if manifest["name"] == package:
                return str(manifest["version"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return ""


def _first_line(command: list[str], limit_s: float) -> str:
    """The first line that a program says; "" when it does not start, end or say something."""
    try:
        lines = run(command, deadline_s=limit_s, has_errors=False).text.split("\n")
    except OSError:
        return ""
    return lines[0].strip()[:100]


def _joined(program: str, version: str) -> str:
    return f"{program}, {version}" if version else program
