"""Hooks that the plugin calls, and how their answers are used.

Implement one in a `conftest.py` in the root folder, or in a plugin of your own:

    # conftest.py
    from pytest_autorl.farm.sample import HealthSample

    def pytest_autorl_probe_device(device, sample):
        return HealthSample(cpu_pct=ask_my_monitoring(device.id))
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_autorl.farm.device import Device
    from pytest_autorl.farm.sample import HealthSample
    from pytest_autorl.resilience.info import ErrorInfo


@pytest.hookspec
def pytest_autorl_probe_device(
    device: Device, sample: HealthSample, config: pytest.Config
) -> HealthSample | None:
    """Add readings to what a device says about itself; None adds nothing.

    Called whenever a device is asked how it is and has answered: by the controller at intervals, by a worker before a
    test when what is known is stale. Called from threads, for several devices at once, and is to return within
    `health.probe_timeout` seconds. What it states is laid over what is known, see `merge`; of several plugins all are
    heard. An exception is a failed probe: the device counts as offline until it goes well.

    Args:
        device: The device that is asked.
        sample: What the provider has found out.

    Example: keep a phone out of use while its charger is unplugged.

        def pytest_autorl_probe_device(device, sample):
            if not (Path("/run/chargers") / device.id).exists():
                return HealthSample(is_online=False)
    """


@pytest.hookspec(firstresult=True)
def pytest_autorl_classify_error(error: BaseException, config: pytest.Config) -> ErrorInfo | None:
    """Say what a failure means; None leaves it to others, and in the end to the table of the plugin.

    Called in the process that has run the test, for each failure of its set-up, call and teardown. The first plugin
    that answers counts, even against what the table holds for CRITICAL. A domain of `DEVICE`, `SERVER` or `FARM` makes
    the test run again elsewhere, as a failure of the infrastructure. A plugin that raises, or returns something else,
    is warned of once, and the table decides. "Something else" is also an ErrorInfo with a field of another type or with
    a word that it cannot have: what is answered must pass between processes.

    Args:
        error: What was raised. What it came from is in `__cause__` and `__context__`.

    Example: an app that says it is under maintenance is no reason to give up.

        from pytest_autorl.resilience import ErrorCategory, ErrorDomain, ErrorInfo, ErrorSeverity, Strategy

        def pytest_autorl_classify_error(error):
            if isinstance(error, MaintenanceError):
                return ErrorInfo(
                    error="MaintenanceError",
                    category=ErrorCategory.TRANSIENT,
                    severity=ErrorSeverity.LOW,
                    domain=ErrorDomain.APP,
                    strategy=Strategy.RETRY,
                )
    """


def merge(sample: HealthSample, other: HealthSample) -> HealthSample:
    """`sample` with everything that `other` states laid over it.

    A device is online when both say so, since a sample that says nothing of it says yes.
    """
    names = [field.name for field in fields(sample) if field.name not in ("is_online", "server")]
    stated = {name: value for name in names if (value := getattr(other, name)) is not None}
    return replace(
        sample,
        **stated,
        is_online=sample.is_online and other.is_online,
        server=other.server or sample.server,
    )


def with_plugins(
    probe: Callable[[Device, float], HealthSample], config: pytest.Config
) -> Callable[[Device, float], HealthSample]:
    """The probe, and `pytest_autorl_probe_device` over what it has found."""
    from pytest_autorl.errors import DeviceError
    from pytest_autorl.farm.sample import HealthSample

    hook = config.hook.pytest_autorl_probe_device

    def ask(device: Device, deadline_s: float) -> HealthSample:
        begun_s = time.perf_counter()
        sample = probe(device, deadline_s)
        if sample.response_s is None:
            # Measured here, or the device would answer for what plugins take.
            sample = replace(sample, response_s=round(time.perf_counter() - begun_s, 3))
        if not hook.get_hookimpls():
            return sample
        try:
            found = hook(device=device, sample=sample, config=config)
        except BaseException as error:  # pytest's own outcomes (skip, fail) are no Exceptions
            # Of a foreign exception only the class, since its text may hold anything.
            what = f"pytest_autorl_probe_device of {_culprit(hook, error.__traceback__, config)} failed"
            raise DeviceError(f"{what}: {type(error).__name__}", device_id=device.id) from error
        for each in reversed(found):  # what pytest has called first goes last, and so before the others
            if not isinstance(each, HealthSample):
                what = f"pytest_autorl_probe_device returned {type(each).__name__}, not a HealthSample"
                raise DeviceError(what, device_id=device.id)
            sample = merge(sample, each)
        return sample

    return ask


def classification(config: pytest.Config) -> Callable[[BaseException], ErrorInfo | None]:
    """`pytest_autorl_classify_error` as an `ErrorClassifier` asks it: whatever plugins do, it raises nothing."""
    from pytest_autorl.resilience.classify import checked

    hook = config.hook.pytest_autorl_classify_error
    told: set[str] = set()

    def ask(error: BaseException) -> ErrorInfo | None:
        if not hook.get_hookimpls():
            return None
        try:
            found = hook(error=error, config=config)
        except KeyboardInterrupt:
            raise
        except BaseException as mistake:  # pytest's own outcomes (skip, fail) are no Exceptions
            # Of a foreign exception only the class, since its text may hold anything.
            _warn_once(
                f"of {_culprit(hook, mistake.__traceback__, config)} failed: {type(mistake).__name__}", told
            )
            return None
        try:
            return None if found is None else checked(found)
        except KeyboardInterrupt:
            raise
        except BaseException as mistake:  # a class of the suite's own may do anything when it is looked at
            is_known = isinstance(mistake, TypeError | ValueError)
            what = mistake if is_known else f"what cannot be read: {type(mistake).__name__}"
            # pluggy does not say whose the first result is.
            _warn_once(f"of {_names(hook, config)} returned {what}", told)
            return None

    return ask


def _warn_once(what: str, told: set[str]) -> None:
    if what in told:
        return
    told.add(what)
    warning = pytest.PytestWarning(f"pytest_autorl_classify_error {what}; the plugin's own table decides")
    try:
        warnings.warn(warning, stacklevel=2)
    except pytest.PytestWarning:
        # The suite makes errors of warnings: this one would take the place of the failure that is looked at.
        with warnings.catch_warnings():
            warnings.simplefilter("always", pytest.PytestWarning)
            warnings.warn(warning, stacklevel=2)


def _names(hook: Any, config: pytest.Config) -> str:
    """The plugins that implement a hook, for people."""
    return " or ".join(sorted(_name(impl, config) for impl in hook.get_hookimpls()))


def _culprit(hook: Any, traceback: TracebackType | None, config: pytest.Config) -> str:
    """Name of the plugin whose part of a hook an exception has come through."""
    codes = set()
    while traceback is not None:
        codes.add(traceback.tb_frame.f_code)
        traceback = traceback.tb_next
    for impl in hook.get_hookimpls():
        if getattr(impl.function, "__code__", None) in codes:
            return _name(impl, config)
    return "a plugin"


def _name(impl: Any, config: pytest.Config) -> str:
    """Name of the plugin that an implementation is of; a conftest.py is named by its path."""
    name = str(impl.plugin_name)
    path = Path(name)
    return str(path.relative_to(config.rootpath)) if path.is_relative_to(config.rootpath) else name
