"""Options of pytest's that the commands about its runs take too, under either name."""

from __future__ import annotations

from typing import Annotated

import typer

FarmOption = Annotated[
    str,
    typer.Option(
        "--farm",
        "--autorl-farm",
        metavar="PATH|virtual[:N]",
        envvar="AUTORL_FARM",
        help="Farm file, or N simulated devices (default: the one that pytest finds here).",
    ),
]
StateOption = Annotated[
    str,
    typer.Option(
        "--state",
        "--autorl-state",
        metavar="PATH",
        envvar="AUTORL_STATE",
        help="Database of leases, device states and history.",
    ),
]
