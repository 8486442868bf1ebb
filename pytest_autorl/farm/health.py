"""Health: a monitor that asks devices at intervals and keeps what it finds where others read it.

Usable alone, from a script:

    with DeviceHealthMonitor(5.0, devices=devices, probe=ask) as monitor:
        ...
        print(monitor.get_device_health("pixel-8").status)
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pytest_autorl.errors import UsageError
from pytest_autorl.farm.device import Device, DeviceStatus
from pytest_autorl.farm.fitness import FEWEST_COUNTED, Policy, Verdict, is_fresh, judge, would_turn
from pytest_autorl.farm.probe import Answer, Probe, Prober
from pytest_autorl.farm.sample import HealthSample

logger = logging.getLogger("pytest_autorl")

#: So many devices are asked side by side.
SIDE_BY_SIDE = 8
#: A device that is out of reach is asked again after so long, seconds: somebody may wait for it.
RETURN_S = 2.0
#: The error rate is that of so many last attempts, the response time the mean of so many last answers.
COUNTED = 20
#: Longest wait for the monitor's thread to end, seconds: it may be writing to a busy state.
STOP_S = 10.0


class Book(Protocol):
    """Where verdicts are kept, for all who use the devices."""

    def verdict(self, device_id: str) -> Verdict | None:
        """The last verdict on a device, whoever gave it; None when there is none."""

    def judge(self, device_id: str, verdict: Verdict) -> None:
        """Write a verdict down."""


class MemoryBook:
    """A book of this process alone."""

    def __init__(self) -> None:
        self._verdicts: dict[str, Verdict] = {}

    def verdict(self, device_id: str) -> Verdict | None:
        """See `Book.verdict`."""
        return self._verdicts.get(device_id)

    def judge(self, device_id: str, verdict: Verdict) -> None:
        """See `Book.judge`."""
        self._verdicts[device_id] = verdict


@dataclass(frozen=True, kw_only=True)
class DeviceHealth:
    """What is known of one device.

    Attributes:
        status: By the last verdict; available while there is none.
        success_count, error_count: Probes and recorded attempts of this monitor. A probe that finds the device or
            its server out of reach is an error.
        last_heartbeat: When the device last answered, seconds since the epoch; None when it never has.
        average_response_s: Mean of its last answers to this monitor, seconds; None before the first.
        memory_pct, cpu_pct: As it last stated them, percent.
        error_rate_pct: Share of the last attempts that this monitor was told of that failed, since that was last too
            much; percent, None while too few were counted.
        verdict: The last one, whoever gave it.
    """

    device_id: str
    status: DeviceStatus
    success_count: int
    error_count: int
    last_heartbeat: float | None
    average_response_s: float | None
    memory_pct: float | None
    cpu_pct: float | None
    error_rate_pct: float | None
    verdict: Verdict | None

    @property
    def success_rate(self) -> float | None:
        """s / (s + e), 0 to 1; None while nothing was counted."""
        counted = self.success_count + self.error_count
        return self.success_count / counted if counted else None


@dataclass
class _Counts:
    """What the monitor counts of one device."""

    success_count: int = 0
    error_count: int = 0
    #: Of attempts: when it was told of them, seconds since the epoch, and whether they went well. No probes: that a
    #: device cannot be reached is known by itself, and is over as soon as it can.
    last_outcomes: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=COUNTED))
    last_responses_s: deque[float] = field(default_factory=lambda: deque(maxlen=COUNTED))
    answered_s: float | None = None

    def add(self, is_success: bool) -> None:
        self.success_count += is_success
        self.error_count += not is_success

    def error_rate_pct(self, from_s: float | None) -> float | None:
        outcomes = [is_success for at_s, is_success in self.last_outcomes if from_s is None or at_s > from_s]
        if len(outcomes) < FEWEST_COUNTED:
            return None
        return round(100 * outcomes.count(False) / len(outcomes), 1)


def _has_answered(sample: HealthSample | None) -> bool:
    """Whether the device itself did, not only whoever was asked about it."""
    return sample is not None and sample.is_online and not sample.server


def _silent(device_id: str, verdict: Verdict) -> None:
    """Nobody listens."""


class DeviceHealthMonitor:
    """Asks every device at intervals, judges it, and writes the verdict into a book.

    Nothing that a device or the book does ends the monitor or the process: a device that does not answer in time is
    offline, and is not asked again before it does.

    Args:
        heartbeat_interval: Seconds between two looks at a device. One that somebody else has looked at within half
            of that is left out.
        devices: Whom to ask.
        probe: Asks a device; called from several threads at once.
        policy: When a device is fit; None = the defaults of a farm file.
        book: Where verdicts are kept; None = in memory.
        clock: Seconds since the epoch.
        on_change: Told, from a thread of the monitor, which device is no longer fit, or fit again. One that nobody has
            judged before counts as fit.
    Raises: UsageError for devices without a probe, or an interval that is not above 0.
    """

    def __init__(
        self,
        heartbeat_interval: float = 30.0,
        *,
        devices: Sequence[Device] = (),
        probe: Probe | None = None,
        policy: Policy | None = None,
        book: Book | None = None,
        clock: Callable[[], float] = time.time,
        on_change: Callable[[str, Verdict], None] = _silent,
    ) -> None:
        if devices and probe is None:
            raise UsageError("a health monitor cannot ask its devices", do="give it a probe=")
        if not heartbeat_interval > 0:
            raise UsageError(f"heartbeat_interval is a number above 0, got {heartbeat_interval!r}")
        if policy is None:
            from pytest_autorl.farm.policies import Health

            policy = Health()
        self._interval_s = heartbeat_interval
        self._devices = tuple(devices)
        self._policy: Policy = policy
        self._book: Book = MemoryBook() if book is None else book
        self._clock = clock
        self._on_change = on_change
        self._prober = None if probe is None else Prober(probe, timeout_s=policy.probe_timeout)
        self._counts = {device.id: _Counts() for device in devices}
        self._mutex = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        #: Device id -> what could not be done, as it was last told.
        self._told: dict[str, str] = {}

    def __enter__(self) -> DeviceHealthMonitor:
        self.start_monitoring()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop_monitoring()

    def start_monitoring(self) -> None:
        """Begin to look, at once and then at intervals. Safe to call twice."""
        with self._mutex:
            if self._thread is None and self._prober is not None:
                self._stop = threading.Event()
                args = (self._prober, self._stop)
                self._thread = threading.Thread(
                    target=self._loop, args=args, name="autorl-health", daemon=True
                )
                self._thread.start()

    def stop_monitoring(self) -> None:
        """Stop looking, within `STOP_S` also when a device hangs. Safe to call twice."""
        with self._mutex:
            thread, self._thread = self._thread, None
            self._stop.set()
        if self._prober is not None:
            self._prober.wake()
        if thread is not None:
            thread.join(STOP_S)

    def record(self, device_id: str, is_success: bool) -> None:
        """Count what an attempt tells of its device.

        A failure counts only when it is the device's: that a test finds a bug says nothing against the device.
        """
        now_s = self._clock()
        with self._mutex:
            counts = self._counts.setdefault(device_id, _Counts())
            counts.add(is_success)
            counts.last_outcomes.append((now_s, is_success))

    def get_device_health(self, device_id: str) -> DeviceHealth:
        """What is known of a device now; asks it nothing.

        Raises UsageError for a device that the monitor has never heard of, and what the book raises.
        """
        with self._mutex:
            counts = self._counts.get(device_id)
            if counts is None:
                known = ", ".join(sorted(self._counts)) or "none"
                raise UsageError(f"the health monitor knows no device {device_id!r}", do=f"known: {known}")
            success_count, error_count = counts.success_count, counts.error_count
            heartbeat_s, responses_s = counts.answered_s, list(counts.last_responses_s)
        verdict = self._book.verdict(device_id)
        sample = verdict.sample if verdict is not None else None
        if verdict is not None and _has_answered(sample):
            heartbeat_s = max(verdict.at_s, heartbeat_s or 0.0)
        return DeviceHealth(
            device_id=device_id,
            status=verdict.status if verdict is not None else DeviceStatus.AVAILABLE,
            success_count=success_count,
            error_count=error_count,
            last_heartbeat=heartbeat_s,
            average_response_s=math.fsum(responses_s) / len(responses_s) if responses_s else None,
            memory_pct=sample.memory_pct if sample is not None else None,
            cpu_pct=sample.cpu_pct if sample is not None else None,
            error_rate_pct=self._error_rate_pct(device_id, verdict, self._clock()),
            verdict=verdict,
        )

    def probe_now(self, device: Device) -> Verdict:
        """Ask and judge a device in this thread, and write the verdict down.

        Raises UsageError without a probe, and what the book raises.
        """
        if self._prober is None:
            raise UsageError("this health monitor cannot ask a device", do="give it a probe=")
        answer = self._prober.ask(device)
        assert answer is not None  # nobody can stop us
        return self._judge(device, answer)

    # -- the monitor's threads -------------------------------------------------------------------------------

    def _loop(self, prober: Prober, stop: threading.Event) -> None:
        round_s = time.monotonic()
        while not stop.is_set():
            begun_s = time.monotonic()
            is_round = begun_s >= round_s
            if is_round:
                round_s = begun_s + self._interval_s
            try:
                self._look_round(prober, stop, only_away=not is_round)
            except Exception:  # no thread to be had, perhaps: next time it may be
                logger.exception("the health of the devices could not be looked at")
            stop.wait(max(0.0, min(round_s, begun_s + RETURN_S) - time.monotonic()))

    def _look_round(self, prober: Prober, stop: threading.Event, *, only_away: bool) -> None:
        waiting = deque(self._devices)
        lanes = [
            threading.Thread(
                target=self._look_along,
                args=(waiting, prober, stop, only_away),
                name=f"autorl-health-{number}",
                daemon=True,
            )
            for number in range(min(SIDE_BY_SIDE, len(waiting)))
        ]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()

    def _look_along(
        self, waiting: deque[Device], prober: Prober, stop: threading.Event, only_away: bool
    ) -> None:
        while not stop.is_set():
            try:
                device = waiting.popleft()
            except IndexError:
                return
            try:
                self._look_at(device, prober, stop, only_away=only_away)
                self._told.pop(device.id, None)
            except Exception as error:  # whatever the book does: the other devices get their turn
                self._complain(device.id, error)

    def _look_at(self, device: Device, prober: Prober, stop: threading.Event, *, only_away: bool) -> None:
        before, now_s = self._book.verdict(device.id), self._clock()
        # Out of reach, or kept back after that: it may be back at any moment, and somebody may wait for it. What has
        # tripped a limit takes its time.
        is_away = before is not None and not before.is_fit and not before.tripped
        if only_away and not is_away:
            return
        within_s = self._interval_s / 2
        if before is not None and is_fresh(
            before, now_s, min(within_s, RETURN_S / 2) if is_away else within_s
        ):
            # Who judged it knows nothing of the attempts that were counted here.
            rate_pct = self._error_rate_pct(device.id, before, now_s)
            if not would_turn(rate_pct, self._policy, before):
                return
        answer = prober.ask(device, stop)
        if answer is not None and not stop.is_set():
            self._judge(device, answer)

    def _judge(self, device: Device, answer: Answer) -> Verdict:
        now_s = self._clock()
        with self._mutex:
            counts = self._counts.setdefault(device.id, _Counts())
            counts.add(_has_answered(answer.sample))
            if answer.sample is not None and _has_answered(answer.sample):
                counts.answered_s = now_s
                counts.last_responses_s.append(answer.sample.response_s or 0.0)
        before = self._book.verdict(device.id)
        verdict = judge(
            answer.sample,
            self._policy,
            before,
            now_s,
            trouble=answer.trouble,
            error_rate_pct=self._error_rate_pct(device.id, before, now_s),
        )
        self._book.judge(device.id, verdict)
        if verdict.is_fit != (before is None or before.is_fit):
            self._on_change(device.id, verdict)
        return verdict

    def _error_rate_pct(self, device_id: str, verdict: Verdict | None, now_s: float) -> float | None:
        """Of the attempts that count by what is known: none that has made the device unfit does so twice."""
        from_s = verdict.counted_from_s if verdict is not None else None
        if from_s is not None and from_s > now_s:  # the clock was set back
            from_s = None
        with self._mutex:
            return self._counts[device_id].error_rate_pct(from_s)

    def _complain(self, device_id: str, error: Exception) -> None:
        """Once for each trouble of a device: looks come often."""
        text = f"{type(error).__name__}: {error}"
        level = logging.DEBUG if self._told.get(device_id) == text else logging.WARNING
        self._told[device_id] = text
        logger.log(level, "the health of %s could not be noted: %s", device_id, text)
