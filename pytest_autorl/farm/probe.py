"""Asking a device how it is, within a deadline, whatever the asking does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from pytest_autorl.errors import AutorlError, DeviceError
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.sample import HealthSample

logger = logging.getLogger("pytest_autorl")

#: Asks a device; the second argument is how long it may take, seconds. May raise anything.
Probe = Callable[[Device, float], HealthSample]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of one probe.

    Attributes:
        sample: The readings; None when there are none.
        trouble: Why there are none, safe to publish.
    """

    sample: HealthSample | None = None
    trouble: str = ""


class _Inquiry:
    """One probe under way. `answer` is set once, under the prober's lock."""

    def __init__(self) -> None:
        self.begun_s = time.monotonic()
        self.answer: Answer | None = None


class Prober:
    """Asks devices, each in a thread of its own that may hang without harm.

    While a device hangs it is not asked again, so threads that hang cannot pile up: there is at most one a device.
    Safe to call from several threads: who asks for a device that is being asked gets the same answer.

    Args:
        timeout_s: Longest wait for an answer.
    """

    def __init__(self, probe: Probe, *, timeout_s: float) -> None:
        self._probe = probe
        self._timeout_s = timeout_s
        self._running: dict[str, _Inquiry] = {}
        self._changed = threading.Condition()

    def ask(self, device: Device, stop: threading.Event | None = None) -> Answer | None:
        """What the device says. Never raises; None when `stop` was set meanwhile, see `wake`."""
        with self._changed:
            inquiry = self._running.get(device.id)
            if inquiry is None:
                inquiry = _Inquiry()
                # A daemon: a device that never answers must not keep the process alive.
                name = f"autorl-probe-{device.id}"
                thread = threading.Thread(target=self._run, args=(device, inquiry), name=name, daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # no thread to be had: the next time there may be one
                    return Answer(trouble=f"it could not be asked: {error}")
                self._running[device.id] = inquiry
            self._changed.wait_for(
                lambda: inquiry.answer is not None or (stop is not None and stop.is_set()),
                timeout=max(0.0, inquiry.begun_s + self._timeout_s - time.monotonic()),
            )
            if inquiry.answer is None and stop is not None and stop.is_set():
                return None
            return inquiry.answer or Answer(trouble=f"no answer in {self._timeout_s:g} s")

    def wake(self) -> None:
        """Whoever waits looks at its `stop` now."""
        with self._changed:
            self._changed.notify_all()

    def _run(self, device: Device, inquiry: _Inquiry) -> None:
        try:
            answer = self._asked(device)
        except BaseException as error:  # pytest's own outcomes (skip, fail) are no Exceptions
            if not isinstance(error, AutorlError):
                logger.debug("the probe of %s failed", device.id, exc_info=True)
            answer = Answer(trouble=_told(error))
        with self._changed:
            inquiry.answer = answer
            self._running.pop(device.id, None)
            self._changed.notify_all()

    def _asked(self, device: Device) -> Answer:
        begun_s = time.perf_counter()
        sample: object = self._probe(device, self._timeout_s)  # scripts bring probes of their own
        took_s = round(time.perf_counter() - begun_s, 3)
        if not isinstance(sample, HealthSample):
            return Answer(trouble=f"the probe returned {type(sample).__name__}, not a HealthSample")
        return Answer(sample=sample if sample.response_s is not None else replace(sample, response_s=took_s))


def _told(error: BaseException) -> str:
    """Of a foreign exception only the class, since its text may hold anything."""
    if not isinstance(error, AutorlError):
        return f"the probe failed: {type(error).__name__}"
    text = str(error.args[0])
    return f"server: {text}" if isinstance(error, DeviceError) and error.blame == "farm" else text
