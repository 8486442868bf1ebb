"""The entry point: options, markers, and which hook goes to which part. No logic here."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pytest_autorl.errors import AutorlError
from pytest_autorl.options import OPTIONS

MARKERS = (
    (
        "device(platform=, os_version='>=13', form_factor=, model=, tags=[...], count=1, capabilities={...}, "
        "where=...): what the test needs of the farm; alone it leases a device"
    ),
    (
        "retry(max_attempts=3, on=('transient',), elsewhere=True, initial_delay=1.0, max_delay=30.0, "
        "backoff_multiplier=2.0, jitter=True): when and how often a failed test runs again"
    ),
    "recovery(*actions): the recovery ladder of this test",
    "scenario(name=, resume='auto'): a long test in checkpointed steps",
    "quarantine(reason=, until=): the test runs, its failure counts as xfail until the date",
    "unit: a test of one part",
    "integration: a test of several parts together, or against a real server",
    "security: a test of what must not leak or be let in",
    "critical_path: a test of what must never break",
)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Hooks that others may implement."""
    from pytest_autorl import hooks

    pluginmanager.add_hookspecs(hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register every name of the contract, built or not."""
    group = parser.getgroup("autorl", "device farm (pytest-autorl)")
    for option in OPTIONS:
        if option.surface == "all":
            kind: dict[str, Any] = (
                {"action": "store_true"} if option.flag else {"metavar": option.metavar or None}
            )
            if option.choices:
                kind = {"choices": option.choices}
            if option.name == "device":
                kind["action"] = "append"
            group.addoption(option.flag_text, dest=option.ini_key, default=None, help=option.help, **kind)
        if option.surface in ("all", "ini"):
            parser.addini(option.ini_key, option.help, type=option.ini_type, default=None)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """``-n auto``: max(CPUs, devices)."""
    from pytest_autorl import wiring

    try:
        return wiring.auto_workers(config)
    except AutorlError as error:
        raise pytest.UsageError(f"autorl: {error}") from error


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    """Before pytest captures anything: what leaves is redacted from here on."""
    from pytest_autorl import guarding

    guarding.begin(early_config)
    return (yield)


@pytest.hookimpl(tryfirst=True, wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Before xdist looks at its options: which distribution the user chose, if any."""
    from pytest_autorl.dispatch.choice import note_choice

    note_choice(config)
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Markers, fixtures, and this process's part in the run."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    from pytest_autorl import fixtures, wiring

    config.pluginmanager.register(fixtures, "autorl-fixtures")
    try:
        wiring.set_up(config)
    except AutorlError as error:
        raise pytest.UsageError(f"autorl: {error}") from error
