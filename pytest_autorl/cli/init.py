"""``autorl init``: a farm file to start from, or one made of older JSON settings."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from pytest_autorl.cli.choice import JsonOption
from pytest_autorl.cli.output import complain, show
from pytest_autorl.errors import UsageError
from pytest_autorl.settings import DEFAULT_FARM

STARTER = """\
# The devices that tests run on. Every key: `autorl farm schema`. Is it well: `autorl doctor`.
version: 1

providers:
  # Simulated devices: need nothing but Python. `app` is the shipped demo app, or the path of your own model.
  virtual: {app: bank}

  # Real devices, behind an Appium server that runs already. ${NAME:-default} reads the environment; that is
  # also where passwords and access keys belong: in this file they are refused.
  # lab:
  #   type: appium
  #   url: "${APPIUM_SERVER:-http://127.0.0.1:4723}"

# The build under test for real devices, as a path from here or a URL.
# app: builds/app-debug.apk

devices:
  # `id` and `provider` are required. The rest is what tests can ask for:
  # @pytest.mark.device(platform="android", os_version=">=13", tags=["nfc"])
  - id: phone
    provider: virtual
    count: 2                 # makes phone-1 and phone-2
    platform: android
    os_version: "14"
    form_factor: phone
    model: Pixel 8
    tags: [camera, nfc]
    attributes: {ram_mb: 8192}     # facts of your own, for where="ram_mb >= 4096"

  - id: tablet
    provider: virtual
    platform: android
    os_version: "15"
    form_factor: tablet
    model: Pixel Tablet
    tags: [camera]
    attributes: {ram_mb: 8192}

  # - id: desk-phone
  #   provider: lab
  #   platform: android
  #   os_version: "15"
  #   form_factor: phone
  #   capabilities: {"appium:udid": "${DESK_PHONE_UDID}"}
"""

_IMPORTED = "\n# Taken over from {files}.\n"


def init(
    more: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="More files for --from-json.")
    ] = None,
    path: Annotated[Path, typer.Option(metavar="PATH", help="File to write.")] = Path(DEFAULT_FARM),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
    from_json: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Take over integration.json, automation.json or reporting.json."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a commented farm file to start from. Exit code 1 when the file is there already."""
    if more and not from_json:
        raise UsageError(
            f"{more[0]} is given without --from-json", do="write --from-json FILE, or --path FILE"
        )
    text = STARTER
    left_out: list[str] = []
    if from_json:
        text, left_out = _converted([*from_json, *(more or ())])
    _check(text, path)
    for line in left_out:
        complain(f"left out: {line}")
    written = _written(path, text, force=force)
    data = {"path": str(path), "written": written, "left_out": left_out}
    if not written:
        show(data, [f"{path} is there already; --force overwrites it"], as_json=as_json)
        raise typer.Exit(1)
    lines = [f"wrote {path}", "next: `autorl farm list` shows the devices, `pytest` runs on them"]
    show(data, lines, as_json=as_json)


def _converted(files: list[Path]) -> tuple[str, list[str]]:
    """The starter with the files' sections, and the keys that have no place in it."""
    import yaml

    from pytest_autorl.farm.config import import_json

    left_out: list[str] = []
    sections: dict[str, Any] = import_json(files, left_out.append)
    sections.pop("version")
    taken = yaml.safe_dump(sections, sort_keys=False, allow_unicode=True) if sections else ""
    return STARTER + _IMPORTED.format(files=", ".join(file.name for file in files)) + taken, left_out


def _check(text: str, path: Path) -> None:
    """Raise FarmFileError unless the text is a farm file that can be used: nothing else is ever written."""
    from pytest_autorl.farm.schema import read_model
    from pytest_autorl.farm.source import parse

    read_model(parse(text, os.environ, path=str(path)), os.environ)


def _written(path: Path, text: str, *, force: bool) -> bool:
    """Write it whole or not at all; False when it is there and is to stay. Raises UsageError."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(temporary).chmod(0o644)
            if force:
                Path(temporary).replace(path)
            else:
                # Unlike a rename a link never takes the place of what is there.
                os.link(temporary, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
    except FileExistsError:
        return False
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror}", do="name another place with --path"
        ) from error
    return True
