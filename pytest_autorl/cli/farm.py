"""``autorl farm``: the devices, what they are, who has them, and which fit a need."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pytest_autorl.cli.choice import FarmOption, JsonOption, StateOption, farm_of, name_of
from pytest_autorl.cli.output import show, table
from pytest_autorl.errors import UsageError

if TYPE_CHECKING:
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.farm.requirement import Requirement
    from pytest_autorl.state.leases import Holder

app = typer.Typer(help="Look at the farm.", no_args_is_help=True)

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
    rows = device_rows(farm_of(farm), state=state)
    heads = [column.upper().replace("_", " ") for column in _COLUMNS]
    lines = table(heads, ([row[column] or "" for column in _COLUMNS] for row in rows))
    show({"devices": rows, "queue": []}, lines, as_json=as_json)


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

    chosen = farm_of(farm)
    rows = device_rows(chosen, state=state)
    if device:
        chosen = _only(chosen, device)
        rows = [row for row in rows if row["id"] == device]
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
    lines = [_status_line(row) for row in rows] if device else []
    show(data, [*lines, *explanation.to_lines()], as_json=as_json)
    if not explanation.can_be_met:
        raise typer.Exit(1)


@app.command("schema")
def schema(as_json: JsonOption = False) -> None:
    """Print the JSON Schema of device_farm.yml, for editors."""
    from pytest_autorl.farm.config import json_schema

    found = json_schema()
    show(found, json.dumps(found, indent=2).splitlines(), as_json=True)


def device_rows(farm: FarmConfig, *, state: str = "") -> list[dict[str, Any]]:
    """One row per device: what is known without disturbing a device.

    Args:
        state: Where leases are kept, "" = the default place.
    """
    holders = _holders(farm, state)
    rows = []
    for device in farm.devices:
        holder = holders.get(device.id)
        is_simulated = farm.providers[device.provider].type == "virtual"
        reason = "each run has its own" if is_simulated else holder.purpose if holder is not None else ""
        rows.append(
            {
                "id": device.id,
                "platform": device.platform,
                "os_version": device.os_version,
                "form_factor": device.form_factor,
                "model": device.model,
                "tags": sorted(device.tags),
                "provider": device.provider,
                "status": "busy" if holder is not None else "available",
                "reason": reason,
                "holder": holder.owner if holder is not None else None,
                "since": _iso(holder.since_s) if holder is not None else None,
            }
        )
    return rows


def _holders(farm: FarmConfig, state: str) -> dict[str, Holder]:
    """Who holds which device that several runs share. Simulated ones belong to their run."""
    shared = [d.id for d in farm.devices if farm.providers[d.provider].type != "virtual"]
    if not shared:
        return {}
    from pytest_autorl.run import lease_directory
    from pytest_autorl.settings import Settings
    from pytest_autorl.state.filelocks import FileLockStore

    directory = lease_directory(Settings(state=state), farm, Path.cwd())
    if not directory.is_dir():  # no run has been here; looking must not make it
        return {}
    store = FileLockStore(directory)
    found = {device_id: store.holder(device_id) for device_id in shared}
    return {device_id: holder for device_id, holder in found.items() if holder is not None}


def _only(farm: FarmConfig, device: str) -> FarmConfig:
    try:
        return farm.select(device_ids=(device,))
    except UsageError as error:
        raise UsageError(str(error.args[0]).removeprefix("--autorl-device "), do=error.do) from None


def _need(farm: FarmConfig, where: str, *, tags: Sequence[str], **words: Any) -> Requirement:
    from pytest_autorl.farm.requirement import Requirement
    from pytest_autorl.farm.where import parse

    # Read against the farm: an attribute that no device has is a typing error here.
    expression = parse(where, farm.attribute_names()) if where.strip() else None
    return Requirement(tags=tuple(tags), where=expression, **words)


def _status_line(row: dict[str, Any]) -> str:
    held = f", held by {row['holder']} since {row['since']}" if row["holder"] else ""
    why = f" ({row['reason']})" if row["reason"] else ""
    return f"{row['id']}: {row['status']}{held}{why}"


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
