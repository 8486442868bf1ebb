"""``autorl doctor``: looks at everything that a run needs, and says what to do about what is not well."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import typer

from pytest_autorl.cli import checks
from pytest_autorl.cli.checks import Finding
from pytest_autorl.cli.choice import FarmOption, JsonOption, StateOption, farm_of, name_of
from pytest_autorl.cli.output import show
from pytest_autorl.settings import DEFAULT_FARM


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
    from pytest_autorl.cli import servers
    from pytest_autorl.cli.status import device_rows, look
    from pytest_autorl.errors import AutorlError, NoFarmError
    from pytest_autorl.run import place_of
    from pytest_autorl.settings import Settings, resolve

    yield from checks.program()
    yield from checks.environment(env)
    try:
        settings = resolve(env=env)
    except AutorlError:  # told by `environment`
        settings = Settings()
    settings = dataclasses.replace(settings, state=state or settings.state)
    is_local = False
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
        with contextlib.suppress(AutorlError):  # told by `state`
            yield checks.devices(device_rows(look(farm, settings.state)))
        try:
            yield from checks.state(place_of(settings, farm, here), here / settings.reports)
        except AutorlError as error:
            yield Finding(name="state", status="fail", detail=str(error.args[0]), do=error.do)
        yield from servers.providers(farm, settings)
        used = {device.provider for device in farm.devices}
        urls = [
            block.url for name, block in farm.providers.items() if name in used and block.type == "appium"
        ]
        is_local = any(urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1") for url in urls)
    yield from checks.tools(here, are_needed=is_local)
