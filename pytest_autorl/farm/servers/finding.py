"""Where Appium is, and where its drivers are."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pytest_autorl.errors import ServerDownError

_DO = "install it (npm install -g appium, or npm install appium in the project), or set managed: command:"


class Appium(NamedTuple):
    """A program that can be started as a server.

    Attributes:
        command: Its first words; the first one is a path.
        home: APPIUM_HOME, where its drivers are; "" = Appium's own default.
        origin: Where it was found, for people.
    """

    command: tuple[str, ...]
    home: str
    origin: str


def find_appium(
    rootdir: Path,
    *,
    command: str = "",
    home: str = "",
    env: Mapping[str, str],
    which: Callable[[str], str | None] = shutil.which,
) -> Appium:
    """The Appium to start: as told, else on the path, else in `.tools/`, else what npx would find in the project.

    Args:
        rootdir: Of the project; relative paths start there.
        command: As `managed: command:` says.
        home: As `managed: home:` says.
    Raises:
        ServerDownError: there is none; says where it was looked for.
    """
    told = str(_absolute(rootdir, home)) if home else env.get("APPIUM_HOME", "")
    if command:
        return Appium(_told(rootdir, command, which), told, "managed: command:")
    for words, origin in _candidates(rootdir, which):
        tools = rootdir / ".tools" / "appium-home"
        own = str(tools) if origin == ".tools" and tools.is_dir() else ""
        return Appium(words, told or own, origin)
    raise ServerDownError(
        "no Appium was found: not on the path, not in .tools/node_modules, not in node_modules of the project",
        do=_DO,
    )


def _told(rootdir: Path, command: str, which: Callable[[str], str | None]) -> tuple[str, ...]:
    """The words of `managed: command:`. A path with spaces in it may stand there as it is."""
    try:
        readings: tuple[list[str], ...] = ([command], shlex.split(command))
    except ValueError:  # a quotation mark that is not closed
        readings = ([command],)
    for first, *others in readings:
        found = which(str(_absolute(rootdir, first)) if os.sep in first else first)
        if found is not None:
            return (found, *others)
    raise ServerDownError(
        f"managed: command: {command} is no program that can be started", do="write the path of Appium there"
    )


def _candidates(rootdir: Path, which: Callable[[str], str | None]) -> Iterator[tuple[tuple[str, ...], str]]:
    on_path = which("appium")
    if on_path is not None:
        yield (on_path,), "the path"
    tools = rootdir / ".tools" / "node_modules"
    linked = which(str(tools / ".bin" / "appium"))
    if linked is not None:
        yield (linked,), ".tools"
    node, script = which("node"), tools / "appium" / "index.js"
    if node is not None and script.is_file():
        yield (node, str(script)), ".tools"
    # As npx looks for it; npx itself would stand between us and the server.
    for folder in (rootdir, *rootdir.parents):
        local = which(str(folder / "node_modules" / ".bin" / "appium"))
        if local is not None:
            yield (local,), f"{folder.name}/node_modules"


def _absolute(rootdir: Path, text: str) -> Path:
    return rootdir / Path(text).expanduser()
