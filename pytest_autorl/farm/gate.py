"""The gate: may a test start on this device, now?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from pytest_autorl.farm.device import Device
from pytest_autorl.farm.fitness import Policy, Verdict, is_fresh, judge, stale_after_s
from pytest_autorl.farm.health import Book
from pytest_autorl.farm.probe import Probe, Prober


@dataclass(frozen=True, kw_only=True)
class GateDecision:
    """One answer of the gate.

    Attributes:
        is_cached: The verdict was known; else the device was asked.
        took_s: What the answer took, seconds.
        purpose: What the device was wanted for (a test's id).
    """

    device_id: str
    verdict: Verdict
    is_cached: bool
    took_s: float
    purpose: str


def _regular(device: Device) -> str:
    """Nothing is known to be wrong."""
    return ""


def _silent(decision: GateDecision) -> None:
    """Nobody listens."""


class HealthGate:
    """Answers by the last verdict on a device, and asks the device itself when that is stale or is not good.

    Args:
        probe: Asks a device; called in a thread of its own, whose end is waited for no longer than
            `policy.probe_timeout`.
        book: Where verdicts are kept, for all who use the devices.
        clock: Seconds since the epoch.
        pulse: What is wrong right now with what the device is reached by, "" when nothing is, in a few milliseconds:
            a server can have died since the last verdict.
        on_decision: Told of every answer, in the thread that asked.
    """

    def __init__(
        self,
        probe: Probe,
        policy: Policy,
        book: Book,
        clock: Callable[[], float] = time.time,
        *,
        pulse: Callable[[Device], str] = _regular,
        on_decision: Callable[[GateDecision], None] = _silent,
    ) -> None:
        self._prober = Prober(probe, timeout_s=policy.probe_timeout)
        self._policy = policy
        self._book = book
        self._clock = clock
        self._pulse = pulse
        self._on_decision = on_decision

    def check(self, device: Device, *, purpose: str = "") -> Verdict:
        """Whether a test may start on the device. One read of the book and a pulse; a probe when that is not enough.

        Raises: what the book raises; never for a device's sake.
        """
        begun_s = time.perf_counter()
        verdict = self._book.verdict(device.id)
        is_cached = verdict is not None and self._is_good(verdict) and not self._pulse(device)
        if verdict is None or not is_cached:
            verdict = self._probe(device)
        took_s = time.perf_counter() - begun_s
        self._on_decision(
            GateDecision(
                device_id=device.id, verdict=verdict, is_cached=is_cached, took_s=took_s, purpose=purpose
            )
        )
        return verdict

    def look(self, device: Device) -> Verdict:
        """Ask the device itself, whatever is known of it, and write the verdict down. Raises what the book raises."""
        return self._probe(device)

    def _is_good(self, verdict: Verdict) -> bool:
        """Whether it is answer enough.

        One that is not fit never is: who is given the device although it was judged so (it was restored by hand)
        would be refused, and given it again, for as long as nobody writes down what it is to be.
        """
        return verdict.is_fit and is_fresh(verdict, self._clock(), stale_after_s(self._policy))

    def _probe(self, device: Device) -> Verdict:
        answer = self._prober.ask(device)
        assert answer is not None  # nobody can stop us
        # Read anew: somebody may have judged it while it was asked.
        before = self._book.verdict(device.id)
        verdict = judge(answer.sample, self._policy, before, self._clock(), trouble=answer.trouble)
        self._book.judge(device.id, verdict)
        return verdict
