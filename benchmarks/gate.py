"""What the health gate costs a test: 50 virtual devices, the monitor at work on all of them.

    python benchmarks/gate.py [--devices 50] [--seconds 6] [--quick]

A server of virtual devices runs in a process of its own. The monitor asks all devices over and over in this one, with a
heartbeat of half a second (30 seconds in a run), and writes its verdicts into a durable state; the gate reads them
there, as it does after every grant of a run. Prints per kind of check: how many, median, p99 and longest in
milliseconds, and how many looks of the monitor fell into that time

  cached   the verdict in the state is fresh: one read of it
  probe    it is stale: the device is asked, judged, and the verdict is written and synced
  status   for comparison, a bare question about a device over HTTP, as the probe has it within

Probes leave the monitor nothing to do: what somebody has just looked at it leaves out. Bounds, exit code 1 when one is
missed: p99 of the cached check below 100 ms, while the monitor has looked at least twice at each device.
`--quick` shows in about 5 s that the script works; its figures prove nothing.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pytest_autorl.farm.config import virtual_farm
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.fitness import Verdict
from pytest_autorl.farm.gate import HealthGate
from pytest_autorl.farm.health import DeviceHealthMonitor
from pytest_autorl.farm.policies import Health
from pytest_autorl.farm.providers import build
from pytest_autorl.farm.providers.base import Provider
from pytest_autorl.farm.sample import HealthSample
from pytest_autorl.settings import Settings
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.store import DurableStore

#: Bound that the project promises, p99 of a cached check.
CACHED_MS = 100.0
HEARTBEAT_S = 0.5
#: Of each device, in the time of the cached checks.
LOOKS = 2


class StateBook:
    """Verdicts in a durable state, as a run keeps them."""

    def __init__(self, store: DurableStore) -> None:
        self._store = store

    def verdict(self, device_id: str) -> Verdict | None:
        return Verdict.from_text(self._store.health(device_id))

    def judge(self, device_id: str, verdict: Verdict) -> None:
        self._store.judge(device_id, verdict.to_text(), status=verdict.status, reason=verdict.reason)


class Watched:
    """A probe that counts how often it is used."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._mutex = threading.Lock()
        self.looks = 0

    def __call__(self, device: Device, deadline_s: float) -> HealthSample:
        with self._mutex:
            self.looks += 1
        return self._provider.readings(device, deadline_s=deadline_s)


def timed_ms(step: Callable[[Device], object], devices: Sequence[Device], seconds: float) -> list[float]:
    """What each call took, sorted; the devices take turns."""
    taken: list[float] = []
    end_s = time.perf_counter() + seconds
    for device in itertools.cycle(devices):
        begun_s = time.perf_counter()
        if begun_s > end_s and len(taken) >= len(devices):
            return sorted(taken)
        step(device)
        taken.append((time.perf_counter() - begun_s) * 1000)
    raise AssertionError("there are devices")


def measure(folder: Path, count: int, seconds: float) -> bool:
    """Whether the bounds hold."""
    farm = virtual_farm(count)
    (provider,) = build(farm, Settings()).values()
    provider.start()
    store = DurableStore(
        SqliteEngine(folder / "state.db"),
        folder=folder / "holders",
        devices={device.id: 0 for device in farm.devices},
    )
    book, watched = StateBook(store), Watched(provider)
    ask = partial(provider.readings, deadline_s=10.0)
    monitor = DeviceHealthMonitor(HEARTBEAT_S, devices=farm.devices, probe=watched, book=book)
    cached = HealthGate(Watched(provider), Health(), book)
    asking = HealthGate(Watched(provider), Health(stale_after=1e-9), book)
    p99s, looks = {}, {}
    print(f"{'check':<10}{'n':>8}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}{'looks':>8}")
    try:
        for device in farm.devices:
            asking.check(device)
        with monitor:
            arms = {"cached": cached.check, "probe": asking.check, "status": ask}
            for name, step in arms.items():
                before = watched.looks
                taken_ms = timed_ms(step, farm.devices, seconds if name == "cached" else seconds / 3)
                p50, p99 = taken_ms[len(taken_ms) // 2], taken_ms[int(len(taken_ms) * 0.99)]
                p99s[name], looks[name] = p99, watched.looks - before
                row = f"{name:<10}{len(taken_ms):>8}{p50:>10.2f}{p99:>10.2f}{taken_ms[-1]:>10.2f}"
                print(f"{row}{looks[name]:>8}", flush=True)
    finally:
        store.close()
        provider.stop()
    return tell(
        "p99 of a cached check, ms", p99s["cached"], p99s["cached"] < CACHED_MS, f"below {CACHED_MS:g}"
    ) & tell(
        "looks of the monitor meanwhile",
        looks["cached"],
        looks["cached"] >= LOOKS * count,
        f"at least {LOOKS * count}",
    )


def tell(name: str, value: float, is_met: bool, bound: str) -> bool:
    """One verdict, which counts for the exit code."""
    print(f"{name:<32}{value:10.2f} ({bound})  {'ok' if is_met else 'MISSED'}")
    return is_met


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autorl-gate-") as folder:
        return 0 if measure(Path(folder), given.devices, 1.5 if given.quick else given.seconds) else 1


if __name__ == "__main__":
    sys.exit(main())
