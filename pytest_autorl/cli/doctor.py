"""``autorl doctor``: looks at everything that a run needs, and says what to do about what is not well."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pytest_autorl.cli.checks import Finding
from pytest_autorl.cli.choice import FarmOption, JsonOption, StateOption, farm_of, name_of
from pytest_autorl.cli.output import show
from pytest_autorl.settings import DEFAULT_FARM

if TYPE_CHECKING:
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.settings import Settings

#: Longest time of all that others have to answer, seconds; each of them has less.
LIMIT_S = 4.5

Take = Callable[[], Iterator[Finding]]


def doctor(farm: FarmOption = "", state: StateOption = "", as_json: JsonOption = False) -> None:
    """Check the set-up. Exit code 1 when something must be mended."""
    findings = list(_findings(farm, state, os.environ, Path.cwd()))
    is_ok = all(finding.status != "fail" for finding in findings)
    width = max(len(finding.name) for finding in findings)
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.status:<4}  {finding.name:<{width}}  {finding.detail}")
        lines += [f"{'':<4}  {'':<{width}}  do: {finding.do}"] if finding.do else []
    count = sum(finding.status == "fail" for finding in findings)
    lines.append("all is well" if is_ok else f"{count} to be mended")
    show(
        {"ok": is_ok, "checks": [dataclasses.asdict(finding) for finding in findings]}, lines, as_json=as_json
    )
    if not is_ok:
        raise typer.Exit(1)


def _findings(farm_option: str, state: str, env: Mapping[str, str], here: Path) -> Iterator[Finding]:
    from pytest_autorl.cli.checks.environment import environment
    from pytest_autorl.cli.checks.host import disk, memory
    from pytest_autorl.cli.checks.program import program
    from pytest_autorl.errors import AutorlError, NoFarmError
    from pytest_autorl.settings import Settings, resolve

    yield from program()
    yield from environment(env)
    try:
        settings = resolve(env=env)
    except AutorlError:  # told by `environment`
        settings = Settings()
    settings = dataclasses.replace(settings, state=state or settings.state)
    farm = None
    try:
        farm = farm_of(farm_option)
    except NoFarmError as error:
        detail = f"no {DEFAULT_FARM} here: tests that ask for a device end as errors"
        yield Finding(name="farm", status="warn", detail=detail, do=error.do)
    except AutorlError as error:
        # The error's own words, with file, line and key; its advice in our column.
        detail = str(error).partition("\n  do: ")[0]
        yield Finding(name="farm", status="fail", detail=detail, do=error.do)
    else:
        yield Finding(name="farm", status="ok", detail=f"{name_of(farm)}: {len(farm.devices)} devices")
    others = _ask_others(farm, settings, env, here)
    if farm is not None:
        yield from _books(farm, settings, here)
        yield from memory(farm.policies.alerts.memory_percent)
        yield disk(here / settings.reports)
    for take in others:
        yield from take()


def _ask_others(
    farm: FarmConfig | None, settings: Settings, env: Mapping[str, str], here: Path
) -> list[Take]:
    """Begin with all that takes its time; the findings come in this order."""
    from pytest_autorl.cli import servers
    from pytest_autorl.cli.checks import adb, fitness, tools
    from pytest_autorl.cli.checks.aside import Aside
    from pytest_autorl.cli.checks.wants import Installation, Wants, most, over_adb, wants

    wanted = wants(farm) if farm is not None else {Installation(): Wants()}
    need = most(wanted.values())
    aside = Aside(LIMIT_S)
    takes: list[Take] = []
    if farm is not None:
        takes.append(aside.start("providers", partial(servers.providers, farm, settings)))
        takes.append(aside.start("fitness", partial(fitness.fitness, farm, settings)))
    takes.append(aside.start("node", partial(tools.node, here, need)))
    for where, what in wanted.items():
        takes.append(aside.start("appium", partial(tools.appium, here, where, what, env)))
    direct = over_adb(farm) if farm is not None else {}
    takes.append(aside.start("adb", partial(adb.adb, direct, need)))
    return takes


def _books(farm: FarmConfig, settings: Settings, here: Path) -> Iterator[Finding]:
    """What the state says, and whether it can."""
    from pytest_autorl.cli.checks import books, host, state
    from pytest_autorl.cli.status import full_device_rows, look
    from pytest_autorl.errors import AutorlError
    from pytest_autorl.run import place_of
    from pytest_autorl.state.clock import HostClock

    with contextlib.suppress(AutorlError):  # told by `state`
        yield state.devices(full_device_rows(look(farm, settings.state)))
    try:
        place = place_of(settings, farm, here)
    except AutorlError as error:
        yield Finding(name="state", status="fail", detail=str(error.args[0]), do=error.do)
        return
    yield from state.state(place)
    kept = books.read(place.path)
    yield from books.jobs(kept.jobs, HostClock())
    yield host.ports(kept.blocks)
