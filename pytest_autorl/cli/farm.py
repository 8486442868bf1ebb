"""``autorl farm``: the devices, what they are, who has them and who waits for them, and which fit a need."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pytest_autorl.cli import by_hand
from pytest_autorl.cli.choice import FarmOption, JsonOption, StateOption, farm_of, name_of
from pytest_autorl.cli.output import redraw, show, table
from pytest_autorl.errors import UsageError
from pytest_autorl.farm.sample import HEALTH

if TYPE_CHECKING:
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.farm.requirement import Requirement

app = typer.Typer(help="Look at the farm, and at who has its devices.", no_args_is_help=True)

_COLUMNS = (
    "id",
    "platform",
    "os_version",
    "form_factor",
    "model",
    "provider",
    "status",
    "since",
    "holder",
    "reason",
)


@app.command("list")
def list_devices(farm: FarmOption = "", state: StateOption = "", as_json: JsonOption = False) -> None:
    """List the devices: what they are, their status, and who holds them."""
    from pytest_autorl.cli.status import ask, device_rows, queue_rows

    seen = ask(farm, state)
    rows = device_rows(seen)
    heads = [column.upper().replace("_", " ") for column in _COLUMNS]
    lines = table(heads, ([row[column] or "" for column in _COLUMNS] for row in rows))
    show({"devices": rows, "queue": queue_rows(seen)}, lines, as_json=as_json)


@app.command("status")
def status(
    farm: FarmOption = "",
    state: StateOption = "",
    watch: Annotated[
        float | None, typer.Option(metavar="S", min=0.1, help="Look again every S seconds until Ctrl-C.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show who has which device, since when and why, and who waits for what."""
    from pytest_autorl.cli.status import ask, full_device_rows, lines, look, queue_rows

    if watch is not None:
        _must_be_watchable(as_json=as_json)
        chosen = farm_of(farm)
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                redraw(lines(look(chosen, state)))
                time.sleep(watch)
    seen = ask(farm, state)
    data = {"devices": full_device_rows(seen), "queue": queue_rows(seen)}
    show(data, lines(seen), as_json=as_json)


def _must_be_watchable(*, as_json: bool) -> None:
    if as_json or not sys.stdout.isatty():
        raise UsageError("--watch draws on a terminal", do="leave it out, and call again for a new answer")


app.command("release")(by_hand.release)
app.command("quarantine")(by_hand.quarantine)
app.command("restore")(by_hand.restore)
app.command("hold")(by_hand.hold)


@app.command("why")
def why_device(
    device: Annotated[str, typer.Argument(metavar="[DEVICE]", help="Only this device.")] = "",
    where: Annotated[str, typer.Option(metavar="EXPR", help="As in the marker.")] = "",
    platform: Annotated[str, typer.Option(help="As in the marker.")] = "",
    os_version: Annotated[str, typer.Option(help='As in the marker, e.g. ">=13".')] = "",
    form_factor: Annotated[str, typer.Option(help="As in the marker.")] = "",
    model: Annotated[str, typer.Option(help="As in the marker.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="May be given more than once.")] = None,
    count: Annotated[int, typer.Option(help="How many devices at once.")] = 1,
    farm: FarmOption = "",
    state: StateOption = "",
    as_json: JsonOption = False,
) -> None:
    """Explain which devices fit a need, and why the others do not. Exit code 1 when the need cannot be met."""
    from pytest_autorl.cli.explain import explained
    from pytest_autorl.cli.status import ask, full_device_rows

    seen = ask(farm, state, *([device] if device else []))
    chosen, rows = seen.farm, full_device_rows(seen)
    need = _need(
        chosen,
        where,
        platform=platform,
        os_version=os_version,
        form_factor=form_factor,
        model=model,
        tags=tag or (),
        count=count,
    )
    explanation = explained(chosen.devices, need)
    data = {"farm": name_of(chosen), **explanation.to_data(), "devices": rows}
    lines = (
        [line for row in rows for line in _status_lines(row)]
        if device
        else _unfit_lines(rows, explanation.fits)
    )
    show(data, [*lines, *explanation.to_lines()], as_json=as_json)
    if not explanation.can_be_met:
        raise typer.Exit(1)


@app.command("schema")
def schema(as_json: JsonOption = False) -> None:
    """Print the JSON Schema of device_farm.yml, for editors."""
    from pytest_autorl.farm.config import json_schema

    found = json_schema()
    show(found, json.dumps(found, indent=2).splitlines(), as_json=True)


def _need(farm: FarmConfig, where: str, *, tags: Sequence[str], **words: Any) -> Requirement:
    from pytest_autorl.farm.requirement import Requirement
    from pytest_autorl.farm.where import parse

    # Read against the farm: an attribute that no device has is a typing error here.
    expression = parse(where, farm.attribute_names()) if where.strip() else None
    return Requirement(tags=tuple(tags), where=expression, **words)


def _status_lines(row: dict[str, Any]) -> list[str]:
    held = f", held by {row['holder']} since {row['since']}" if row["holder"] else ""
    why = f" ({row['reason']})" if row["reason"] else ""
    after = f", then {row['next_status']}: {row['next_reason']}" if row["next_status"] else ""
    line = f"{row['id']}: {row['status']}{held}{why}{after}"
    return [line, f"  health: {row['health'].removeprefix(HEALTH)}"] if row["health"] else [line]


def _unfit_lines(rows: Sequence[dict[str, Any]], fitting: Collection[str]) -> list[str]:
    """The devices that would fit the need, and get no test for the sake of their health."""
    unfit = [
        row for row in rows if row["id"] in fitting and HEALTH in f"{row['reason']} {row['next_reason']}"
    ]
    return [line for row in unfit for line in _status_lines(row)]
