"""Whether the servers behind a farm's devices can be reached, asked side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_autorl.cli.checks import Finding
from pytest_autorl.errors import AutorlError
from pytest_autorl.farm import pulse
from pytest_autorl.farm.pulse import Pulse

if TYPE_CHECKING:
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.farm.providers.servers import Address
    from pytest_autorl.farm.schema import AppiumProvider
    from pytest_autorl.settings import Settings

#: Longest wait for the answers of all servers, seconds.
LIMIT_S = 2.0
_WAYS_OUT: Mapping[pulse.Kind, str] = {
    "waiting": "wait, or free its sessions",
    "error": "check the url",
    "alien": "check the url: something else listens there",
    "silent": "start or free the server",
    "unreachable": "start it, or correct `url:` in the farm file",
}


def providers(
    farm: FarmConfig, settings: Settings, *, limit_s: float = LIMIT_S, rootdir: Path | None = None
) -> Iterator[Finding]:
    """One finding for each server of the providers that the farm's devices name.

    Args:
        rootdir: Where Appium is looked for, for servers that a run starts; None = the working directory.
    """
    from pytest_autorl.observe.health import HealthChecker

    found: dict[str, Finding] = {}
    asks: dict[str, Callable[[], object]] = {}
    #: In the farm's order, whoever answers first.
    names: list[str] = []
    for name in dict.fromkeys(device.provider for device in farm.devices):
        block = farm.providers[name]
        title = f"provider {name}"
        if block.type == "virtual":
            names.append(title)
            found[title] = _virtual(title, block.app)
        elif block.server == "managed":
            names.append(title)
            found[title] = _managed(title, block, rootdir or Path.cwd())
        else:
            for each, address in _addresses(farm, settings, name, block):
                names.append(each)
                asks[each] = partial(_note, found, each, address, limit_s)
    HealthChecker(asks, deadline_s=limit_s).results()
    for name in names:
        late = Finding(
            name=name,
            status="fail",
            detail=f"no answer in {limit_s:g} s",
            do=_WAYS_OUT["silent"],
        )
        yield found.get(name, late)


def _addresses(
    farm: FarmConfig, settings: Settings, name: str, block: AppiumProvider
) -> list[tuple[str, Address]]:
    """The servers of a block, each with the name of its finding: one of several has its address in it."""
    from pytest_autorl.farm.providers import servers_of

    devices = [device for device in farm.devices if device.provider == name]
    known = servers_of(block, name, devices, settings, None).known()
    title = f"provider {name}"
    return [(title if len(known) == 1 else f"{title} {address.url}", address) for address in known]


def _virtual(title: str, app: str) -> Finding:
    from pytest_autorl.virtual.app_loader import load_model
    from pytest_autorl.virtual.library import load_app

    try:
        load_model(app, load_app(app))
    except AutorlError as error:
        return Finding(name=title, status="fail", detail=str(error.args[0]), do=error.do)
    return Finding(name=title, status="ok", detail=f"simulated devices with the app {app}")


def _managed(title: str, block: AppiumProvider, rootdir: Path) -> Finding:
    """What a run would start; nothing is started."""
    from pytest_autorl.farm.servers.finding import find_appium

    told = block.managed
    try:
        appium = find_appium(rootdir, command=told.command, home=told.home, env=os.environ)
    except AutorlError as error:
        return Finding(name=title, status="fail", detail=str(error.args[0]), do=error.do)
    home = f", drivers in {appium.home}" if appium.home else ""
    shared = f"one for {told.devices} devices" if told.devices > 1 else "one for each device"
    words = " ".join(appium.command)
    return Finding(
        name=title, status="ok", detail=f"a run starts {words} (from {appium.origin}{home}), {shared}"
    )


def _note(found: dict[str, Finding], name: str, address: Address, limit_s: float) -> None:
    found[name] = status_of(name, address.url, address.headers, limit_s=limit_s)


def status_of(name: str, url: str, headers: Mapping[str, str], *, limit_s: float = LIMIT_S) -> Finding:
    """Ask an Appium server for its status."""
    return finding(name, url, pulse.take(url, headers, limit_s=limit_s))


def finding(name: str, url: str, seen: Pulse) -> Finding:
    """What an answer means."""
    if seen.is_up:
        return Finding(name=name, status="ok", detail=f"{url}: Appium {seen.version or 'unknown'}")
    do = _WAYS_OUT[seen.kind]
    if seen.code in (401, 403):
        do = "check AUTORL_FARM_URL and AUTORL_FARM_TOKEN"
    detail = {
        "silent": seen.why,
        "unreachable": f"{url} cannot be reached: {seen.why}",
    }.get(seen.kind, f"{url} {seen.why}")
    return Finding(name=name, status="warn" if seen.is_there else "fail", detail=detail, do=do)
