"""Whether the devices of a farm are fit now, asked side by side."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_autorl.cli.checks import Finding
from pytest_autorl.cli.checks.wants import over_adb, real_devices
from pytest_autorl.errors import AutorlError

if TYPE_CHECKING:
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.farm.device import Device
    from pytest_autorl.farm.fitness import Verdict
    from pytest_autorl.farm.probe import Probe
    from pytest_autorl.farm.sample import HealthSample
    from pytest_autorl.settings import Settings

#: Longest time that one device is given, seconds.
LIMIT_S = 3.0
#: Later than this no device is asked any more, seconds: the command has an end.
_LAST_START_S = 1.0
#: Whether adb's server is there is known sooner, seconds.
_QUICK_S = 1.0
#: So many are asked at once.
_AT_ONCE = 32
#: Of a larger farm only the devices are listed that are not fit.
_LISTED = 20


@dataclass(frozen=True)
class Fitness:
    """How one device is, for people; `do` is the way out of what is not well."""

    is_fit: bool
    detail: str
    do: str = ""


def fitness(farm: FarmConfig, settings: Settings, *, limit_s: float = LIMIT_S) -> Iterator[Finding]:
    """One finding for all, then one for each device that was asked (of a large farm: that is not fit)."""
    real = list(real_devices(farm))
    direct = _through_adb(farm)
    asked = [device for device, block in real if block.server == "external" or device.id in direct]
    found = judged(farm, asked, probe_of(farm, settings, direct), limit_s=limit_s)
    fit = sum(each.is_fit for each in found.values())
    simulated, later = len(farm.devices) - len(real), len(real) - len(asked)
    parts = [f"{fit} of {len(asked)} that were asked are fit"] if asked else []
    parts += [f"{simulated} are simulated"] if simulated else []
    parts += [f"{later} can be asked when a run starts their servers"] if later else []
    is_hopeless = bool(asked) and fit == 0 and not simulated and not later
    yield Finding(
        name="fitness",
        status="fail" if is_hopeless else "warn" if fit < len(asked) else "ok",
        detail="; ".join(parts),
        do="mend what is said of the devices below" if fit < len(asked) else "",
    )
    for device_id, each in found.items():
        name = f"device {device_id}"
        if not each.is_fit:
            yield Finding(name=name, status="warn", detail=each.detail, do=each.do)
        elif len(found) <= _LISTED:
            yield Finding(name=name, status="ok", detail=each.detail)


def probe_of(farm: FarmConfig, settings: Settings, direct: Mapping[str, tuple[str, int]]) -> Probe:
    """How devices are asked: by their provider; those whose server is not there yet through adb alone."""
    from pytest_autorl.farm.probes import adb
    from pytest_autorl.farm.providers import build

    external = [device for device, block in real_devices(farm) if block.server == "external"]
    providers = build(replace(farm, devices=tuple(external)), settings)

    def probe(device: Device, deadline_s: float) -> HealthSample:
        provider = providers.get(device.provider)
        if provider is not None:
            return provider.readings(device, deadline_s=deadline_s)
        udid, port = direct[device.id]
        return adb.probe(udid, deadline_s=deadline_s, port=port, device_id=device.id)

    return probe


def _through_adb(farm: FarmConfig) -> dict[str, tuple[str, int]]:
    """Devices that can be asked although their server is not there: id -> udid, and port of adb's server."""
    from pytest_autorl.farm.providers.adbserver import serials

    named = {id: each for id, each in over_adb(farm).items() if each[0]}
    known = {port: serials(port, limit_s=_QUICK_S) for port in {port for _, port in named.values()}}
    return {id: (udid, port) for id, (udid, port) in named.items() if udid in (known[port] or ())}


def judged(farm: FarmConfig, devices: list[Device], probe: Probe, *, limit_s: float) -> Mapping[str, Fitness]:
    """How each device is, in the order given."""
    from pytest_autorl.checkup import readings
    from pytest_autorl.farm.fitness import judge
    from pytest_autorl.farm.probe import Prober
    from pytest_autorl.farm.sample import HEALTH

    ways_out: dict[str, str] = {}

    def noted(device: Device, deadline_s: float) -> HealthSample:
        try:
            return probe(device, deadline_s)
        except AutorlError as error:
            ways_out[device.id] = error.do
            raise

    prober = Prober(noted, timeout_s=limit_s)
    last_s = time.monotonic() + _LAST_START_S

    def ask(device: Device) -> Fitness:
        if time.monotonic() > last_s:
            return Fitness(is_fit=False, detail="there was no time to ask it", do="mend the slow ones first")
        answer = prober.ask(device)
        sample, trouble = (answer.sample, answer.trouble) if answer is not None else (None, "")
        verdict = judge(sample, farm.policies.health, None, time.time(), trouble=trouble)
        if verdict.is_fit:
            said = ", ".join(readings(sample)) if sample is not None else ""
            return Fitness(is_fit=True, detail=f"fit: {said or 'it states no readings'}")
        do = ways_out.get(device.id) or _do(verdict)
        return Fitness(is_fit=False, detail=verdict.reason.removeprefix(HEALTH), do=do)

    if not devices:
        return {}
    with ThreadPoolExecutor(min(_AT_ONCE, len(devices)), "autorl-fitness") as pool:
        return dict(zip((device.id for device in devices), pool.map(ask, devices), strict=True))


def _do(verdict: Verdict) -> str:
    """The way out of what a device says of itself."""
    if verdict.sample is not None and verdict.sample.server:
        return "see the server's own finding"
    ways = {
        "battery": "charge it",
        "temperature": "let it cool down",
        "free storage": "make room on it",
        "memory": "restart it",
        "cpu": "see what runs on it",
        "response time": "restart it, or plug it in again",
    }
    found = [ways[name] for name in verdict.tripped if name in ways]
    return "; ".join(found) or "look at the device"
