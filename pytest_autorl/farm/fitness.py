"""Fitness: from what a device says about itself to whether a test may start on it.

Pure: readings, a policy, what was known before and the time come in, a verdict comes out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple, Protocol, TypeGuard

from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.farm.sample import HEALTH, HealthSample

#: The error rate says nothing before so many attempts were counted.
FEWEST_COUNTED = 5
#: An error rate that was too high is let go after so long, seconds: a device that gets no test cannot do better.
LET_GO_S = 300.0
#: Longest text of one fault within a reason, characters.
_LONGEST = 200


class Marks(Protocol):
    """Two marks of one reading: past `stop` no test starts, from `resume` on tests start again."""

    @property
    def stop(self) -> float: ...
    @property
    def resume(self) -> float: ...


class Policy(Protocol):
    """When a device is fit; `policies.Health` is one. Seconds, percent, MB, degrees Celsius."""

    @property
    def heartbeat_interval(self) -> float: ...
    @property
    def battery(self) -> Marks: ...
    @property
    def temperature(self) -> Marks: ...
    @property
    def storage_mb(self) -> float: ...
    @property
    def memory_percent(self) -> Marks: ...
    @property
    def cpu_percent(self) -> Marks | None: ...
    @property
    def response_s(self) -> Marks: ...
    @property
    def error_rate_percent(self) -> Marks: ...
    @property
    def cool_down(self) -> float: ...
    @property
    def probe_timeout(self) -> float: ...
    @property
    def stale_after(self) -> float | None: ...


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a device is fit for a test, and why not.

    Attributes:
        status: available, unhealthy or offline.
        reason: "" when it is fit, else `HEALTH` and everything that is wrong.
        at_s: When it was judged; seconds since the epoch.
        sample: What it was judged by, without what cannot be true; None when it gave no answer.
        tripped: Names of the probes that have passed `stop` and are not back at `resume`.
        since_s: Since when it has been fit, or has not been; seconds since the epoch.
        counted_from_s: When its error rate was last found too high: attempts up to then count no more, whoever has
            counted them. Seconds since the epoch; None = never.
    """

    status: DeviceStatus
    reason: str
    at_s: float
    sample: HealthSample | None = None
    tripped: tuple[str, ...] = ()
    since_s: float
    counted_from_s: float | None = None

    @property
    def is_fit(self) -> bool:
        """Whether a test may start on it."""
        return self.status is DeviceStatus.AVAILABLE

    def to_text(self) -> str:
        """As it stands in the state: JSON."""
        known = asdict(self.sample) if self.sample is not None else {}
        plain = {
            "status": str(self.status),
            "reason": self.reason,
            "at_s": self.at_s,
            "since_s": self.since_s,
            "counted_from_s": self.counted_from_s,
            "tripped": list(self.tripped),
            "sample": {name: value for name, value in known.items() if value is not None} or None,
        }
        return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Verdict | None:
        """The verdict that `to_text` has written; None for whatever else stands there."""
        try:
            plain = json.loads(text)
            status = DeviceStatus(plain["status"])
            reason, tripped, sample = plain["reason"], plain["tripped"], plain["sample"]
            at_s, since_s = float(plain["at_s"]), float(plain["since_s"])
            from_s = plain.get("counted_from_s")  # older versions have written none
            counted_from_s = None if from_s is None else float(from_s)
            is_ours = status in _GIVEN and isinstance(reason, str) and isinstance(tripped, list)
            if not is_ours or not math.isfinite(at_s + since_s + (counted_from_s or 0.0)):
                return None
            names = tuple(name for name in tripped if isinstance(name, str))
            return cls(
                status=status,
                reason=reason,
                at_s=at_s,
                sample=None if sample is None else _possible(_sample(sample)),
                tripped=names,
                since_s=since_s,
                counted_from_s=counted_from_s,
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
            return None


#: What a verdict can say: the other statuses are not for it to give.
_GIVEN = (DeviceStatus.AVAILABLE, DeviceStatus.UNHEALTHY, DeviceStatus.OFFLINE)


def _sample(plain: Mapping[str, Any]) -> HealthSample:
    """The readings of a text. Those that a newer version has added are left out. Raises TypeError."""
    types: dict[str, type | tuple[type, ...]] = {"is_online": bool, "server": str}
    known = {field.name: types.get(field.name, (int, float)) for field in fields(HealthSample)}
    stated = {name: value for name, value in plain.items() if name in known}
    if not all(isinstance(value, known[name]) for name, value in stated.items()):
        raise TypeError(f"no readings: {plain!r}")
    return HealthSample(**stated)


# -- readings ------------------------------------------------------------------------------------------------

#: Most that a reading without a limit of its own may say.
_ANY = 1e12


class Reading(NamedTuple):
    """One thing that is looked at.

    Attributes:
        name: As people read it, and as it stands in `Verdict.tripped`.
        attribute: Of a sample; "" for what is counted instead.
        unit: Behind a value.
        least, most: What can be true.
        is_floor: Too little is what is wrong; else too much.
    """

    name: str
    attribute: str
    unit: str
    least: float = 0.0
    most: float = 100.0
    is_floor: bool = False

    def is_possible(self, value: object) -> TypeGuard[float]:
        """Whether this can be a reading at all: devices, and those who ask them, say anything."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.least <= value <= self.most  # NaN is nowhere

    def is_past(self, value: float, mark: float) -> bool:
        """Whether a value is on the wrong side of a mark. At the mark it is not."""
        return value < mark if self.is_floor else value > mark

    def shown(self, value: float) -> str:
        """With its unit, in as many digits as tell it from others."""
        return f"{value:.10g} {self.unit}"

    def complaint(self, value: float | None, marks: Marks) -> str:
        """What is wrong with one that has tripped."""
        now = f" {self.shown(value)}" if value is not None else " is not known any more,"
        verb = "is" if value is not None and self.is_past(value, marks.stop) else "was"
        side, onwards = ("below", "") if self.is_floor else ("above", " down")
        again = f"fit again from {self.shown(marks.resume)}{onwards}"
        if value is None and not self.attribute:
            now, again = "", f"{again}, or {LET_GO_S:g} s after that"
        return f"{self.name}{now} {verb} {side} {self.shown(marks.stop)} ({again})"

    def doubt(self, value: object) -> str:
        """What is wrong with a value that cannot be true."""
        shown = f"{value:g}" if isinstance(value, float) else shortened(repr(value))
        span = f"{self.least:g} or more" if self.most == _ANY else f"{self.least:g} to {self.most:g}"
        return f"{self.name} reads {shown}, which cannot be ({span} {self.unit})"


_ERROR_RATE = Reading("error rate", "", "%")
READINGS = (
    Reading("battery", "battery_pct", "%", is_floor=True),
    Reading("temperature", "temperature_c", "°C", least=-50.0, most=150.0),
    Reading("free storage", "storage_free_mb", "MB", most=_ANY, is_floor=True),
    Reading("memory", "memory_pct", "%"),
    Reading("cpu", "cpu_pct", "%"),
    Reading("response time", "response_s", "s", most=_ANY),
    _ERROR_RATE,
)


class _OneMark(NamedTuple):
    """The same mark for both ways."""

    stop: float
    resume: float


def _marks(policy: Policy) -> Mapping[str, Marks | None]:
    """The marks of each reading; None where it is not judged."""
    return {
        "battery": policy.battery,
        "temperature": policy.temperature,
        "free storage": _OneMark(policy.storage_mb, policy.storage_mb),
        "memory": policy.memory_percent,
        "cpu": policy.cpu_percent,
        "response time": policy.response_s,
        "error rate": policy.error_rate_percent,
    }


# -- the decision --------------------------------------------------------------------------------------------


def judge(
    sample: HealthSample | None,
    policy: Policy,
    before: Verdict | None,
    now_s: float,
    *,
    trouble: str = "",
    error_rate_pct: float | None = None,
) -> Verdict:
    """Whether a test may start on a device.

    A reading trips past `stop` and stays so until it is back at `resume`; exactly at either it is fit. What is not
    stated is not judged, and what has tripped waits for a reading, an error rate for `LET_GO_S` at most. A reading
    that cannot be true is as bad as one past `stop`. A device that was found unfit stays so for `cool_down` seconds at
    least.

    Args:
        sample: What it says; None when it gave no answer.
        before: What was known.
        now_s: Seconds since the epoch.
        trouble: Why there is no answer.
        error_rate_pct: Share of its last attempts after `before.counted_from_s` that failed, percent; None while too
            few were counted.
    """
    tripped, faults = [], list[str]()
    marks_of = _marks(policy)
    for reading in READINGS:
        marks = marks_of[reading.name]
        if marks is None:
            continue
        value = error_rate_pct if reading is _ERROR_RATE else _stated(sample, reading)
        was_tripped = _was_tripped(before, reading)
        if value is None and reading is _ERROR_RATE and _is_let_go(before, now_s):
            was_tripped = False
        is_tripped, fault = _look(reading, marks, value, was_tripped)
        tripped += [reading.name] if is_tripped else []
        faults += [fault] if fault else []
    status = DeviceStatus.UNHEALTHY if faults else DeviceStatus.AVAILABLE
    if unreachable := _unreachable(sample, trouble):
        # What else is wrong is for when it can be asked again.
        status, faults = DeviceStatus.OFFLINE, [unreachable]
    since_s = now_s
    # A time that is still to come was written by a clock that has been set back since.
    if before is not None and before.since_s <= now_s:
        if not faults and not before.is_fit and now_s - before.since_s < policy.cool_down:
            status = DeviceStatus.UNHEALTHY
            faults = [f"well again, kept back for {policy.cool_down:g} s since it was not"]
        if before.is_fit == (not faults):
            since_s = before.since_s
    counted_from_s = before.counted_from_s if before is not None else None
    if error_rate_pct is not None and _ERROR_RATE.name in tripped:
        counted_from_s = now_s
    return Verdict(
        status=status,
        reason=HEALTH + "; ".join(faults) if faults else "",
        at_s=now_s,
        sample=None if sample is None else _possible(sample),
        tripped=tuple(tripped),
        since_s=since_s,
        counted_from_s=counted_from_s,
    )


def would_turn(error_rate_pct: float | None, policy: Policy, before: Verdict) -> bool:
    """Whether an error rate, percent, is on the other side of its mark than what was known."""
    if error_rate_pct is None:
        return False
    was_tripped, marks = _was_tripped(before, _ERROR_RATE), policy.error_rate_percent
    return _ERROR_RATE.is_past(error_rate_pct, marks.resume if was_tripped else marks.stop) != was_tripped


def _was_tripped(before: Verdict | None, reading: Reading) -> bool:
    return before is not None and reading.name in before.tripped


def _is_let_go(before: Verdict | None, now_s: float) -> bool:
    """Whether an error rate that was too high is too old to hold. So is one of a time that is still to come."""
    from_s = before.counted_from_s if before is not None else None
    return from_s is None or not 0 <= now_s - from_s < LET_GO_S


def _stated(sample: HealthSample | None, reading: Reading) -> object:
    return getattr(sample, reading.attribute) if sample is not None else None


def _look(reading: Reading, marks: Marks, value: object, was_tripped: bool) -> tuple[bool, str]:
    """Whether one reading has tripped, and what is wrong with it."""
    if value is None:
        return was_tripped, reading.complaint(None, marks) if was_tripped else ""
    if not reading.is_possible(value):
        return was_tripped, reading.doubt(value)
    is_tripped = reading.is_past(value, marks.resume if was_tripped else marks.stop)
    return is_tripped, reading.complaint(value, marks) if is_tripped else ""


def _possible(sample: HealthSample) -> HealthSample:
    """Without the readings that cannot be true: the reason names them, and nobody is to compute with them."""
    stated = [(each, _stated(sample, each)) for each in READINGS if each.attribute]
    wrong = {
        each.attribute: None for each, value in stated if value is not None and not each.is_possible(value)
    }
    return replace(sample, **wrong) if wrong else sample  # type: ignore[arg-type]


def _unreachable(sample: HealthSample | None, trouble: str) -> str:
    """Why it cannot be asked; "" when it can."""
    if trouble:
        return shortened(trouble)
    if sample is None:
        return "no answer"
    if sample.server:
        return shortened(f"server: {sample.server}")
    return "" if sample.is_online else "it cannot be reached"


def shortened(text: str) -> str:
    """On one line, not too long, and nothing that a terminal would take for a command."""
    line = "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def is_fresh(verdict: Verdict, now_s: float, within_s: float) -> bool:
    """Whether a verdict is at most so old. One of the future is not: some clock was set."""
    return 0 <= now_s - verdict.at_s <= within_s


def stale_after_s(policy: Policy) -> float:
    """How long a verdict is good for, seconds: one look may be missed."""
    return 2 * policy.heartbeat_interval if policy.stale_after is None else policy.stale_after
