"""The hooks: what plugins state is laid over what is known, and a plugin that fails is named."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pluggy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl import hooks
from pytest_autorl.errors import DeviceError
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.sample import HealthSample

pytestmark = pytest.mark.unit

PHONE = Device(id="phone", provider="p")
ROOT = Path("/suite")


def config(**plugins: Any) -> pytest.Config:
    """As much of a config as there is to a hook: the plugins by name, registered in this order."""
    manager = pluggy.PluginManager("pytest")
    manager.add_hookspecs(hooks)
    for name, implementation in plugins.items():
        holder = SimpleNamespace(pytest_autorl_probe_device=pytest.hookimpl(implementation))
        manager.register(holder, name)
    return cast("pytest.Config", SimpleNamespace(hook=manager.hook, rootpath=ROOT))


def asked(own: HealthSample, settings: pytest.Config) -> HealthSample:
    return hooks.with_plugins(lambda device, deadline_s: own, settings)(PHONE, 10.0)


def test_all_plugins_are_heard_and_the_first_that_is_called_wins() -> None:
    seen: list[tuple[str, HealthSample]] = []

    def early(device: Device, sample: HealthSample) -> HealthSample:
        seen.append((device.id, sample))
        return HealthSample(battery_pct=50, cpu_pct=1)

    def late(sample: HealthSample) -> HealthSample:
        return HealthSample(battery_pct=60)

    own = HealthSample(battery_pct=87, temperature_c=30, response_s=0.1)

    found = asked(
        own, config(early=early, nothing=lambda: None, late=late)
    )  # pytest calls the last one first

    assert found == HealthSample(battery_pct=60, temperature_c=30, cpu_pct=1, response_s=0.1)
    assert seen == [("phone", own)]


def test_without_a_plugin_the_probe_is_as_it_was_but_for_its_time() -> None:
    assert asked(HealthSample(response_s=7.0), config()) == HealthSample(response_s=7.0)
    measured = asked(HealthSample(battery_pct=9), config())
    assert measured.battery_pct == 9
    assert measured.response_s is not None


def test_a_plugin_that_fails_is_named_and_its_text_is_not() -> None:
    """By its path below the root when it is a conftest.py. A skip of pytest is a failure like any other here."""

    def breaks(device: Device) -> None:
        raise ValueError("token=hunter2")

    def skips() -> None:
        pytest.skip("not today")

    for name, implementation, told in (
        ("chargers", breaks, "pytest_autorl_probe_device of chargers failed: ValueError"),
        ("/suite/conftest.py", skips, "pytest_autorl_probe_device of conftest.py failed: Skipped"),
    ):
        settings = config(**{"quiet": lambda: None, name: implementation})
        with pytest.raises(DeviceError) as caught:
            asked(HealthSample(), settings)
        assert (caught.value.args[0], caught.value.device_id) == (told, "phone")


def test_a_plugin_that_returns_something_else_is_told_so() -> None:
    with pytest.raises(DeviceError, match="returned dict, not a HealthSample"):
        asked(HealthSample(), config(wrong=lambda: {"battery": 3}))


def test_a_probe_that_fails_reaches_no_plugin() -> None:
    def probe(device: Device, deadline_s: float) -> HealthSample:
        raise DeviceError("no answer", device_id=device.id)

    def never() -> None:
        raise AssertionError("there is nothing to add to")

    with pytest.raises(DeviceError, match="no answer"):
        hooks.with_plugins(probe, config(never=never))(PHONE, 10.0)


_readings = st.one_of(st.none(), st.floats(0, 100))
samples = st.builds(
    HealthSample,
    battery_pct=_readings,
    temperature_c=_readings,
    memory_pct=_readings,
    is_online=st.booleans(),
    server=st.sampled_from(["", "down", "slow"]),
)


@given(samples, samples, samples)
def test_what_is_laid_over_what_can_be_grouped_at_will(
    one: HealthSample, two: HealthSample, three: HealthSample
) -> None:
    assert hooks.merge(hooks.merge(one, two), three) == hooks.merge(one, hooks.merge(two, three))
    assert hooks.merge(one, HealthSample()) == one
    assert hooks.merge(one, one) == one
