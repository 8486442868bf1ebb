"""``autorl virtual``: simulated devices to look at and to point other tools at (Appium Inspector, a REPL)."""

from __future__ import annotations

import os
import secrets
import signal
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pytest_autorl.cli.choice import FarmOption, JsonOption, farm_of
from pytest_autorl.cli.output import show
from pytest_autorl.errors import UsageError

if TYPE_CHECKING:
    from pytest_autorl.farm.device import Device

app = typer.Typer(help="Simulated devices.", no_args_is_help=True)

#: Gives the key of the admin routes; without it one is made up.
KEY_VARIABLE = "AUTORL_ADMIN_KEY"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@app.callback()
def _group() -> None:
    """Keeps `serve` a word of its own although it is the only command."""


@app.command("serve")
def serve(
    farm: FarmOption = "",
    devices: Annotated[
        int, typer.Option(metavar="N", min=0, max=1000, help="So many devices, instead of a farm.")
    ] = 0,
    app_name: Annotated[
        str, typer.Option("--app", metavar="NAME|PATH", help="App model on all devices: bank, or a file.")
    ] = "",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on, 0 = any.")] = 4723,
    as_json: JsonOption = False,
) -> None:
    """Serve simulated devices over the Appium protocol until Ctrl-C.

    The admin routes (faults, readings) want the key in AUTORL_ADMIN_KEY; without one a key is made and shown.
    """
    from pytest_autorl.farm.providers.virtual import capabilities
    from pytest_autorl.virtual.server import make_server

    shelf, config = _shelf(farm, devices, app_name)
    given_key = os.environ.get(KEY_VARIABLE, "")
    config["admin_key"] = given_key or secrets.token_urlsafe(16)
    try:
        server = make_server(config, host=host, port=port)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host}:{port}: {error.strerror}", do="choose another --port, 0 = any free one"
        ) from error
    example = capabilities(shelf[0])
    data = {
        "url": server.url,
        "pid": os.getpid(),
        "devices": [device.id for device in shelf],
        "admin_key": None if given_key else config["admin_key"],
        "capabilities": example,
    }
    key = (
        f"in {KEY_VARIABLE}"
        if given_key
        else f"{config['admin_key']} (this server only; set {KEY_VARIABLE} to choose)"
    )
    lines = [
        f"serving {len(shelf)} simulated devices at {server.url}: {', '.join(map(str, shelf))}",
        f"admin key: {key}",
        f"capabilities, e.g.: {example}",
        *([] if host in _LOOPBACK else [f"warning: whoever reaches {host} can use these devices"]),
        "Ctrl-C ends it",
    ]
    server.farm.start_clock(time.time())
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        show(data, lines, as_json=as_json)
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()


def _shelf(farm_option: str, count: int, app_name: str) -> tuple[list[Device], dict[str, Any]]:
    """The simulated devices that are meant, and the server's configuration with their apps."""
    from pytest_autorl.farm.config import virtual_farm
    from pytest_autorl.farm.providers.virtual import spec
    from pytest_autorl.virtual.library import load_app

    farm = virtual_farm(count, os.environ) if count else farm_of(farm_option)
    apps: dict[str, Any] = {}
    shelf, specs = [], []
    for device in farm.devices:
        block = farm.providers[device.provider]
        if block.type != "virtual":
            continue
        name = app_name or block.app
        if name not in apps:
            apps[name] = load_app(name)
        shelf.append(device)
        specs.append(spec(device, app=name))
    if not shelf:
        raise UsageError(
            "the farm has no simulated device", do="use --devices N, or add some to the farm file"
        )
    return shelf, {"apps": apps, "devices": specs}
