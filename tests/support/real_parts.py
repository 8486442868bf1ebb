"""The real parts that `make test` runs against: which, where, and how they are fetched.

    python tests/support/real_parts.py [--into DIR]

Appium and its drivers come through npm into `.tools/`, the browser and adb through the system's package
manager, where that is allowed. Standard library only: it runs before anything is installed. A part that is
present is left alone. Each is fetched on its own: one that cannot be had is named with the reason, and keeps
no other from coming; it is an error only with `AUTORL_REQUIRE_REAL=1`. The servers themselves are started by
`real_servers.py` beside this file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

APPIUM_VERSION = "3.8.0"
#: "engines" of that version and of its drivers: ^20.19.0 || ^22.12.0 || >=24.0.0
NODE_ENGINES = "Node.js 20.19+, 22.12+ or 24 and newer"
#: npm or apt on a slow line; 300 packages with 72 MB, 150 packages with 300 MB.
STEP_TIMEOUT_S = 420.0

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools"


@dataclass(frozen=True)
class AppiumDriver:
    """One driver of the server: its npm package, the version we test with, its name at run time."""

    package: str
    version: str
    name: str


DRIVERS = (
    AppiumDriver("@appium/fake-driver", "6.2.4", "fake"),
    AppiumDriver("appium-chromium-driver", "3.1.1", "chromium"),
)


@dataclass(frozen=True)
class Program:
    """A program of the system: the package that brings it, and the names under which it may be on PATH."""

    package: str
    names: tuple[str, ...]

    @property
    def path(self) -> str:
        """Where it is; "" = nowhere."""
        return next((found for name in self.names if (found := shutil.which(name))), "")


BROWSER = Program("chromium", ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser"))
CHROMEDRIVER = Program("chromium-driver", ("chromedriver",))
ADB = Program("adb", ("adb",))
PROGRAMS = (BROWSER, CHROMEDRIVER, ADB)


class NotFetchedError(Exception):
    """A part is not there, with the reason and the way out in its text."""


@dataclass(frozen=True)
class Layout:
    """Where things lie below the tools folder."""

    tools: Path

    @property
    def appium(self) -> Path:
        return self.tools / "node_modules" / "appium"

    @property
    def home(self) -> Path:
        return self.tools / "appium-home"

    def driver(self, driver: AppiumDriver) -> Path:
        return self.home / "node_modules" / driver.package

    def environment(self) -> dict[str, str]:
        """Environment of every Appium process of ours: its own home, no downloads behind our back."""
        return {**os.environ, "APPIUM_HOME": str(self.home), "APPIUM_SKIP_CHROMEDRIVER_INSTALL": "1"}


def node_suits(version: str) -> bool:
    """Whether Appium runs on this Node.js.

    >>> [node_suits(v) for v in ("v20.18.3", "v20.19.0", "v21.7.1", "v22.12.0", "v23.1.0", "v24.0.0")]
    [False, True, False, True, False, True]
    """
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found is None:
        return False
    major, minor = int(found[1]), int(found[2])
    return major >= 24 or (major == 20 and minor >= 19) or (major == 22 and minor >= 12)


def node() -> str:
    """Path of a Node.js that Appium can run on. Raises `NotFetchedError`."""
    path = shutil.which("node")
    if path is None:
        raise NotFetchedError(f"node is not on PATH; install {NODE_ENGINES}")
    version = run([path, "--version"], timeout_s=30).strip()
    if not node_suits(version):
        raise NotFetchedError(f"Node.js is {version}, Appium {APPIUM_VERSION} needs {NODE_ENGINES}")
    return path


def installed_version(package: Path) -> str:
    """Version in the package's manifest; empty when there is none that can be read."""
    try:
        return str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError):
        return ""


def missing(layout: Layout, drivers: Sequence[AppiumDriver] = DRIVERS) -> list[str]:
    """What of the server and these drivers is not there in its pinned version.

    Reads files only: cheap enough for a test.
    """
    absent = [] if _has_server(layout) else [f"appium {APPIUM_VERSION}"]
    return absent + [_name(driver) for driver in drivers if not _has_driver(layout, driver)]


def missing_programs(programs: Iterable[Program] = PROGRAMS) -> list[str]:
    """The packages of those programs that are not on PATH."""
    return [program.package for program in programs if not program.path]


def driver_named(name: str) -> AppiumDriver:
    """The driver with this name at run time."""
    return next(driver for driver in DRIVERS if driver.name == name)


def fetch(layout: Layout) -> list[str]:
    """Install what is missing, each part on its own. Returns a line for each that could not be had: name, reason."""
    refusals = []
    for name, get in _steps(layout):
        try:
            get()
        except NotFetchedError as error:
            refusals.append(f"{name}: {error}")
    return refusals


def _steps(layout: Layout) -> Iterator[tuple[str, Callable[[], None]]]:
    """What is missing now, and how to get it."""
    if not _has_server(layout):
        yield f"appium {APPIUM_VERSION}", lambda: _fetch_server(layout)
    for driver in DRIVERS:
        if not _has_driver(layout, driver):
            yield _name(driver), lambda driver=driver: _fetch_driver(layout, driver)
    for package in missing_programs():
        yield package, lambda package=package: install_package(package)


def _fetch_server(layout: Layout) -> None:
    layout.tools.mkdir(parents=True, exist_ok=True)
    layout.home.mkdir(exist_ok=True)
    node()
    npm = shutil.which("npm")
    if npm is None:
        raise NotFetchedError(f"npm is not on PATH; it comes with {NODE_ENGINES}")
    manifest = layout.tools / "package.json"
    if not manifest.exists():
        manifest.write_text('{"name": "autorl-tools", "private": true, "version": "1.0.0"}\n')
    command = [npm, "install", f"appium@{APPIUM_VERSION}", "--save-exact", "--no-audit", "--no-fund"]
    run(command, cwd=layout.tools, env=layout.environment())
    _set_complete(layout, "appium", installed_version(layout.appium))


def _fetch_driver(layout: Layout, driver: AppiumDriver) -> None:
    if not _has_server(layout):
        raise NotFetchedError("there is no Appium to install it")
    cli = [node(), str(layout.appium / "index.js"), "driver"]
    listed = _installed_drivers(cli, layout)
    if listed.get(driver.name, driver.version) != driver.version:
        run([*cli, "uninstall", driver.name], cwd=layout.tools, env=layout.environment())
        del listed[driver.name]
    if driver.name not in listed:
        spec = f"{driver.package}@{driver.version}"
        run([*cli, "install", "--source=npm", spec], cwd=layout.tools, env=layout.environment())
    _set_complete(layout, driver.name, installed_version(layout.driver(driver)))


def install_package(package: str) -> None:
    """Install a package of the system, where we may without being asked. Raises `NotFetchedError`."""
    by_hand = f"`apt-get install {package}`, or whatever your system has instead"
    apt = shutil.which("apt-get")
    if apt is None:
        raise NotFetchedError(f"it is not on PATH, and there is no apt-get; install it: {by_hand}")
    # A password is never asked for: `make test` may run where nobody looks.
    rights = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if rights and not _succeeds([*rights, "true"]):
        raise NotFetchedError(f"it is not on PATH, and this user may not install it; as root: {by_hand}")
    apt_get = [*rights, "env", "DEBIAN_FRONTEND=noninteractive", apt]
    install = [*apt_get, "install", "-y", "--no-install-recommends", package]
    try:
        run(install)
    except NotFetchedError:  # its lists may be empty, as in a fresh container, or out of date
        run([*apt_get, "update"])
        run(install)


def _succeeds(command: Sequence[str]) -> bool:
    try:
        run(command, timeout_s=30)
    except NotFetchedError:
        return False
    return True


def run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float = STEP_TIMEOUT_S,
) -> str:
    """Standard output of the command. Raises `NotFetchedError` with its last words, or its time limit.

    It gets its own process group, so that a time-out also ends npm's children.
    """
    shown = " ".join([Path(command[0]).name, *command[1:]])
    try:
        child = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        raise NotFetchedError(f"`{shown}` did not start: {error}") from error
    try:
        out, err = child.communicate(timeout=timeout_s)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise NotFetchedError(f"`{shown}` did not end within {timeout_s:.0f} s") from error
        raise
    if child.returncode != 0:
        words = "\n    ".join((err or out).strip().splitlines()[-8:])
        raise NotFetchedError(f"`{shown}` ended with code {child.returncode}:\n    {words}")
    return out


def _installed_drivers(cli: Sequence[str], layout: Layout) -> dict[str, str]:
    """Name -> version of what Appium itself says is installed."""
    out = run([*cli, "list", "--installed", "--json"], cwd=layout.tools, env=layout.environment())
    return {name: str(facts.get("version", "")) for name, facts in json.loads(out).items()}


def _name(driver: AppiumDriver) -> str:
    return f"{driver.package} {driver.version}"


def _has_server(layout: Layout) -> bool:
    return installed_version(layout.appium) == APPIUM_VERSION and _is_complete(layout, "appium")


def _has_driver(layout: Layout, driver: AppiumDriver) -> bool:
    return installed_version(layout.driver(driver)) == driver.version and _is_complete(layout, driver.name)


def _stamp(layout: Layout) -> Path:
    return layout.tools / "fetched.json"


def _stamps(layout: Layout) -> dict[str, str]:
    try:
        return dict(json.loads(_stamp(layout).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _is_complete(layout: Layout, part: str) -> bool:
    """Whether an installation of this part came to its end (npm writes manifests early)."""
    return part in _stamps(layout)


def _set_complete(layout: Layout, part: str, version: str) -> None:
    stamps = {**_stamps(layout), part: version}
    _stamp(layout).write_text(json.dumps(stamps, indent=2) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch, say how it went, and return the exit code."""
    parser = argparse.ArgumentParser(description="Fetch the real servers that tests/real/ runs against.")
    parser.add_argument("--into", type=Path, default=TOOLS, metavar="DIR", help="default: .tools")
    layout = Layout(parser.parse_args(arguments).into.resolve())
    wanted = [*missing(layout), *missing_programs()]
    if not wanted:
        drivers = ", ".join(f"{driver.name} {driver.version}" for driver in DRIVERS)
        print(f"real parts: appium {APPIUM_VERSION} with {drivers}, browser, chromedriver, adb: present")
        return 0
    print(f"real parts: fetching {', '.join(wanted)} ...", flush=True)
    begin_s = time.monotonic()
    refusals = fetch(layout)
    absent = [*missing(layout), *missing_programs()]
    if not absent:
        print(f"real parts: ready after {time.monotonic() - begin_s:.0f} s")
        return 0
    print(f"real parts: NOT fetched: {', '.join(absent)}", file=sys.stderr)
    for refusal in refusals or ["installed, but not as expected"]:
        print(f"  why: {refusal}", file=sys.stderr)
    if os.environ.get("AUTORL_REQUIRE_REAL") == "1":
        print("  AUTORL_REQUIRE_REAL=1 makes this an error", file=sys.stderr)
        return 1
    print("  the tests that need them will be skipped and say so", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
