"""Which farm a command is about, and the options that many commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pytest_autorl.errors import NoFarmError, UsageError
from pytest_autorl.settings import DEFAULT_FARM

if TYPE_CHECKING:
    from pytest_autorl.farm.config import FarmConfig

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
FarmOption = Annotated[
    str,
    typer.Option(
        "--farm",
        metavar="PATH|virtual[:N]",
        envvar="AUTORL_FARM",
        help=f"Farm file, or N simulated devices (default: {DEFAULT_FARM} here).",
    ),
]
StateOption = Annotated[
    str,
    typer.Option(
        "--state", metavar="PATH", envvar="AUTORL_STATE", help="Database of leases and device states."
    ),
]


def farm_of(option: str) -> FarmConfig:
    """The farm that is named, else the one of the file that lies here.

    Raises: NoFarmError when there is neither; UsageError, FarmFileError for one that cannot be used.
    """
    from pytest_autorl.farm.config import load_farm, parse_farm_option

    if option:
        return parse_farm_option(option).load(os.environ)
    default = Path(DEFAULT_FARM)
    if not default.exists():
        raise NoFarmError(
            f"there is no {DEFAULT_FARM} here, and no farm was named",
            do="run `autorl init` to write one, or try --farm virtual",
        )
    return load_farm(default, os.environ)


def only(farm: FarmConfig, *device_ids: str) -> FarmConfig:
    """The farm with only these devices. Raises UsageError, with the nearest ids, for one that it does not have."""
    try:
        return farm.select(device_ids=device_ids)
    except UsageError as error:
        raise UsageError(str(error.args[0]).removeprefix("--autorl-device "), do=error.do) from None


def name_of(farm: FarmConfig) -> str:
    """What the farm is called in answers."""
    return str(farm.path) if farm.path is not None else f"virtual:{len(farm.devices)}"
