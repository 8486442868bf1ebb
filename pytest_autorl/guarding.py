"""Puts the guard at every place where text leaves a pytest process.

In three steps, as early as each can be: before conftests are read (streams, log records), when all options are known
(reports, ids, cache, JUnit), and when every plugin is there (Allure, the fixture `caplog`).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autorl.capture.guard import MODES, Guard
from pytest_autorl.capture.streams import guard_begun_capture, guard_streams, is_guarded
from pytest_autorl.options import OPTIONS
from pytest_autorl.settings import given

if TYPE_CHECKING:
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.run import Run

#: The guard of a process, in its configuration.
guard_key = pytest.StashKey[Guard]()

#: A shorter value of a setting is no secret, or would be met everywhere; characters.
_SHORTEST = 6


def begin(config: pytest.Config) -> Guard:
    """Before the first conftest, or whenever this plugin is loaded after that. Safe to call twice."""
    known = config.stash.get(guard_key, None)
    if known is not None:
        return known
    while _late:
        take_out = _late.pop()
        atexit.unregister(take_out)
        take_out()
    guard = config.stash[guard_key] = _early_guard(config)
    if guard.is_off:
        return guard
    from pytest_autorl.capture import descriptors
    from pytest_autorl.capture.cached import guard_cache
    from pytest_autorl.capture.leftovers import guard_leftovers
    from pytest_autorl.capture.records import guard_records
    from pytest_autorl.capture.reprs import guard_reprs

    _learn_environment()
    if descriptors.needs_guard(config, guard):
        config.add_cleanup(descriptors.guard_descriptors(guard))
    _take_out_late(config, guard_streams(guard))
    config.add_cleanup(guard_begun_capture(config, guard))
    for put_up in (guard_leftovers, guard_records, guard_reprs, guard_cache):
        config.add_cleanup(put_up(guard))
    return guard


def _take_out_late(config: pytest.Config, take_out: Callable[[], None]) -> None:
    """When the configuration ends; or with the process, where an error ends it.

    pytest and Python print such an error when the plugins have gone, with all that its text and its lines of code hold.
    """

    def end() -> None:
        if isinstance(sys.exc_info()[1], Exception):
            _late.append(take_out)
            atexit.register(take_out)
        else:
            take_out()

    config.add_cleanup(end)


#: What stays up after the end of a run that an error has ended: it goes with the process, or before the next run.
_late: list[Callable[[], None]] = []


def _learn_environment() -> None:
    """Values of variables that are named like secrets are taken out wherever they stand."""
    from pytest_autorl.privacy.registry import default_registry

    default_registry().from_environment(os.environ)


def go_on(config: pytest.Config, run: Run) -> None:
    """All settings are known. Raises UsageError for a pattern or the name of a field that cannot be used."""
    guard, settings = begin(config), run.settings
    stated = run.config.policies.observability if run.config is not None else None
    guard.learn(
        MODES[settings.redact],
        patterns=(*settings.redact_patterns, *(stated.redact_patterns if stated else ())),
        fields=(*settings.redact_fields, *(stated.redact_fields if stated else ())),
        public=_public(run.config),
        secrets=[value for value in _secrets(run) if len(value) >= _SHORTEST],
    )
    run.guard = guard
    if settings.mask_selectors:
        from pytest_autorl.privacy.masking import Masking

        Masking.of(settings.mask_selectors)  # one that cannot be used is told now
    from pytest_autorl.capture.redaction_counts import RedactionCounts

    is_worker = run.role == "worker"
    config.pluginmanager.register(RedactionCounts(guard, is_worker=is_worker), "autorl-redaction-counts")
    if guard.is_off:
        return
    from pytest_autorl.capture.junit import JUnitRedaction
    from pytest_autorl.capture.redaction import ReportRedaction
    from pytest_autorl.capture.streams import guard_trace
    from pytest_autorl.capture.test_ids import TestIds

    _guard_terminal(config, guard)
    config.add_cleanup(guard_trace(config, guard))
    manager = config.pluginmanager
    manager.register(ReportRedaction(guard, is_worker=is_worker), "autorl-redaction")
    manager.register(TestIds(guard), "autorl-test-ids")
    manager.register(JUnitRedaction(guard), "autorl-junit")
    if guard.is_strict and not is_worker:
        from pytest_autorl.capture.residue import Residue

        manager.register(Residue(guard, run.reports, begun_s=run.identity.begun_s), "autorl-residue")


def end_start(config: pytest.Config, guard: Guard) -> None:
    """Every plugin is there. Raises UsageError for an allure-pytest that is not as known."""
    if guard.is_off:
        return
    from pytest_autorl.capture.allure_writer import guard_allure
    from pytest_autorl.capture.records import spare_caplog

    guard_allure(config, guard)
    spare_caplog(config)
    _guard_terminal(config, guard)


def _guard_terminal(config: pytest.Config, guard: Guard) -> None:
    """pytest's writer took its stream before we came, where this plugin is loaded by a conftest."""
    from pytest_autorl.capture.streams import GuardedStream

    reporter = config.pluginmanager.get_plugin("terminalreporter")
    writer: Any = getattr(reporter, "_tw", None)
    stream = getattr(writer, "_file", None)
    if stream is not None and not is_guarded(stream):
        guarded = writer._file = GuardedStream(stream, guard)
        config.add_cleanup(guarded.end)


def _public(farm: FarmConfig | None) -> Iterable[str]:
    """What a farm file makes known to all who read reports: its devices and where their servers are."""
    if farm is None:
        return
    for device in farm.devices:
        yield device.id
        yield device.model or ""
    for block in farm.providers.values():
        for url in (getattr(block, "url", None), *(getattr(block, "urls", None) or ())):
            if url:
                with contextlib.suppress(ValueError):
                    yield from _address(str(url))


def _address(url: str) -> Iterable[str]:
    """A server's address without user info: as a whole, and its host."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    yield from (f"{parts.scheme}://{host}{port}", f"{host}{port}", host)


def _secrets(run: Run) -> Iterator[str]:
    """What the settings and the farm file hold that must not be seen."""
    from pytest_autorl.privacy.names import url_password

    settings = run.settings
    yield settings.farm_token
    for url in (settings.farm_url, settings.metrics_push, settings.trace_endpoint, settings.app):
        yield url_password(url)
    if run.config is None:
        return
    yield from run.config.secrets
    for block in run.config.providers.values():
        yield from _of_capabilities(getattr(block, "capabilities", None) or {})
        for url in (getattr(block, "url", None), *(getattr(block, "urls", None) or ())):
            yield url_password(str(url or ""))
    for device in run.config.devices:
        yield from _of_capabilities(device.capabilities)


def _of_capabilities(capabilities: Mapping[str, Any]) -> Iterator[str]:
    from pytest_autorl.privacy.names import is_secret_name

    for name, value in capabilities.items():
        if isinstance(value, Mapping):
            yield from _of_capabilities(value)
        elif isinstance(value, str) and is_secret_name(name):
            yield value


def _early_guard(config: pytest.Config) -> Guard:
    """The guard as it can be known before the farm file and the conftests are read.

    A value that cannot be used is told later, by those who weigh all settings; until then redaction is on.
    """
    found = {name: _early(config, name) for name in ("redact", "redact_patterns", "redact_fields")}
    mode = MODES.get(str(found["redact"]), "on")
    return Guard(mode, patterns=_lines(found["redact_patterns"]), fields=_lines(found["redact_fields"]))


def _early(config: pytest.Config, name: str) -> Any:
    option = next(option for option in OPTIONS if option.name == name)
    namespace: Any = getattr(config, "known_args_namespace", None)
    cli = {name: getattr(namespace, option.ini_key, None)}
    ini = {}
    try:
        ini[name] = config.getini(option.ini_key) or None
    except (KeyError, ValueError, TypeError, pytest.UsageError):
        ini[name] = None
    found = given(option, cli, os.environ, ini)
    return None if found is None else found[2]


def _lines(raw: Any) -> tuple[str, ...]:
    text = "\n".join(raw) if isinstance(raw, (list, tuple)) else str(raw or "")
    return tuple(line.strip() for line in text.splitlines() if line.strip())
