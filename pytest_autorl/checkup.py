"""Check-ups of a run's devices: verdicts kept in the state, the monitor that renews them, the gate that reads them.

The controller (or the single process) monitors; each process that leases has a gate. What a gate refuses is gathered
here until a test's record or the summary fetches it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_autorl.errors import StateError
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.fitness import Verdict
from pytest_autorl.farm.gate import GateDecision, HealthGate
from pytest_autorl.farm.health import DeviceHealthMonitor
from pytest_autorl.farm.sample import HealthSample

if TYPE_CHECKING:
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.farm.providers.base import Provider
    from pytest_autorl.state.leases import LeaseStore

logger = logging.getLogger("pytest_autorl")

#: Between two looks whether anybody wants a device, and longest wait for their end, seconds.
_LOOK_S, _STOP_S = 0.25, 5.0
#: Asks a device; the second argument is how long it may take, seconds.
Probe = Callable[[Device, float], HealthSample]


class StateBook:
    """Verdicts in the state, where every process of every run finds them. See `farm.health.Book`."""

    def __init__(self, store: LeaseStore) -> None:
        self._store = store

    def verdict(self, device_id: str) -> Verdict | None:
        """See `Book.verdict`. Raises StateError."""
        return Verdict.from_text(self._store.health(device_id))

    def judge(self, device_id: str, verdict: Verdict) -> None:
        """See `Book.judge`. Raises StateError."""
        self._store.judge(device_id, verdict.to_text(), status=verdict.status, reason=verdict.reason)


class Checkups:
    """See the module.

    Args:
        farm: The devices and the policy.
        providers: Block name -> provider.
        plugins: Lays what other plugins know over a probe, see `hooks.with_plugins`.
    """

    def __init__(
        self,
        farm: FarmConfig,
        providers: Mapping[str, Provider],
        store: LeaseStore,
        *,
        plugins: Callable[[Probe], Probe] = lambda probe: probe,
    ) -> None:
        self._providers = providers
        probe = plugins(self._probe)
        self._book = StateBook(store)
        self.gate = HealthGate(
            probe, farm.policies.health, self._book, pulse=self._pulse, on_decision=self._decided
        )
        self._monitor = DeviceHealthMonitor(
            farm.policies.health.heartbeat_interval,
            devices=farm.devices,
            probe=probe,
            policy=farm.policies.health,
            book=self._book,
            on_change=self._changed,
        )
        #: What the monitor has found unfit, whatever became of it: device -> why.
        self.unfit: dict[str, str] = {}
        self._decisions: deque[GateDecision] = deque()
        self._ended = threading.Event()
        self._starter: threading.Thread | None = None

    def start(self) -> None:
        """Begin to monitor. Safe to call twice."""
        self._monitor.start_monitoring()

    def start_when(self, is_needed: Callable[[], bool]) -> None:
        """Begin to monitor as soon as that is so: a suite that wants no device leaves the devices alone."""
        if self._starter is None:
            self._starter = threading.Thread(
                target=self._start_when, args=(is_needed,), name="autorl-checkup", daemon=True
            )
            self._starter.start()

    def _start_when(self, is_needed: Callable[[], bool]) -> None:
        while not self._ended.wait(_LOOK_S):
            with contextlib.suppress(StateError):  # whoever needs the state says what is wrong with it
                if is_needed():
                    self.start()
                    return

    def stop(self) -> None:
        """End the monitor, in bounded time. Safe to call twice."""
        self._ended.set()
        if self._starter is not None:
            self._starter.join(_STOP_S)
        self._monitor.stop_monitoring()

    def record(self, device_id: str, *, is_success: bool) -> None:
        """Count what an attempt says of its device."""
        self._monitor.record(device_id, is_success)

    def fetch(self) -> list[dict[str, Any]]:
        """The gate's decisions since the last call, as plain data."""
        found = []
        while self._decisions:  # another thread of the test may add to it meanwhile
            found.append(to_wire(self._decisions.popleft()))
        return found

    def _probe(self, device: Device, deadline_s: float) -> HealthSample:
        return self._providers[device.provider].readings(device, deadline_s=deadline_s)

    def _pulse(self, device: Device) -> str:
        return self._providers[device.provider].pulse(device)

    def _changed(self, device_id: str, verdict: Verdict) -> None:
        facts = {"device": device_id, "fit": verdict.is_fit, "why": verdict.reason}
        logger.info("health %s", facts, extra={"autorl": {"event": "health", **facts}})
        if not verdict.is_fit:
            self.unfit[device_id] = verdict.reason

    def _decided(self, decision: GateDecision) -> None:
        self._decisions.append(decision)
        if not decision.verdict.is_fit:
            facts = {
                "device": decision.device_id,
                "why": decision.verdict.reason,
                "purpose": decision.purpose,
            }
            logger.info("refused %s", facts, extra={"autorl": {"event": "refused", **facts}})


def to_wire(decision: GateDecision) -> dict[str, Any]:
    """A decision as plain data: device, whether it is fit, why not, and how that was found out."""
    return {
        "device": decision.device_id,
        "fit": decision.verdict.is_fit,
        "why": decision.verdict.reason,
        "checked": "cached" if decision.is_cached else "probed",
        "age": round(max(0.0, time.time() - decision.verdict.at_s), 3),
        "took": round(decision.took_s, 6),
    }


def told(text: str, now_s: float) -> str:
    """What a verdict in the state says, for people; "" when there is none.

    Args:
        now_s: Seconds since the epoch.
    """
    verdict = Verdict.from_text(text)
    if verdict is None:
        return ""
    said = ", ".join(readings(verdict.sample)) if verdict.sample is not None else "no answer"
    what = verdict.reason or "fit"
    return f"{what} ({said or 'it states no readings'}; looked at {max(0.0, now_s - verdict.at_s):.0f} s ago)"


def readings(sample: HealthSample) -> list[str]:
    """What a device says of itself, for people: each reading that it states.

    >>> readings(HealthSample(battery_pct=87.0, storage_free_mb=1234.5, response_s=0.0123))
    ['battery 87 %', '1.2 GB free', 'answers in 12 ms']
    """
    shown = (
        ("battery {:.0f} %", sample.battery_pct, 1.0),
        ("{:.1f} °C", sample.temperature_c, 1.0),
        ("{:.1f} GB free", sample.storage_free_mb, 1e-3),
        ("memory {:.0f} %", sample.memory_pct, 1.0),
        ("cpu {:.0f} %", sample.cpu_pct, 1.0),
        ("answers in {:.0f} ms", sample.response_s, 1e3),
    )
    return [text.format(value * factor) for text, value, factor in shown if value is not None]
