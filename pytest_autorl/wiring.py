"""Puts a run together from pytest's configuration, and registers its parts."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autorl import guarding, plain_fixtures
from pytest_autorl.attempts.policies import is_switched_off, is_watched
from pytest_autorl.collection import Collection
from pytest_autorl.dispatch import workers
from pytest_autorl.errors import UsageError
from pytest_autorl.hooks import with_plugins
from pytest_autorl.options import OPTIONS
from pytest_autorl.parts import Parts
from pytest_autorl.private_api import defines_fixture
from pytest_autorl.run import Role, Run, is_windows, place_of, run_key
from pytest_autorl.settings import DEFAULT_FARM, Settings, given, resolve

if TYPE_CHECKING:
    from pytest_autorl.capture.guard import Guard
    from pytest_autorl.capture.sink import Attach, Kind
    from pytest_autorl.dispatch.orphan import ParentWatch


def set_up(config: pytest.Config) -> None:
    """Build this process's `Run`, register its hooks. Raises AutorlError for anything that cannot be used."""
    run = make_run(config)
    run.plugins = lambda probe: with_plugins(probe, config)
    config.stash[run_key] = run
    guarding.go_on(config, run)
    fixtures = _register_plain_fixtures(config, run.settings)
    parts = Parts(config, run, fixtures)
    collection = Collection(run, on_needs=parts.meet_needs, on_policies=parts.add_attempts)
    config.pluginmanager.register(collection, "autorl-collection")
    config.pluginmanager.register(_Life(config, run, workers.parent_of_worker(config)), "autorl-life")
    parts.add_all()


class _Life:
    """Late parts: what is known only when every plugin is there, and the end."""

    def __init__(self, config: pytest.Config, run: Run, parent: int | None) -> None:
        self._run = run
        self._end_log = start_log(config, run)
        self._watch: ParentWatch | None = None
        if parent is not None and parent == os.getppid() and run.config is not None:
            from pytest_autorl.dispatch.orphan import GRACE_S, ParentWatch, end_now

            self._watch = ParentWatch(parent, lambda: end_now(lambda: run.abandon(deadline_s=GRACE_S)))

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """allure-pytest and pytest's reporter register in their own configure, which may come after ours."""
        if session.config.pluginmanager.has_plugin("allure_listener"):
            self._run.use_allure(_attach_for(self._run.guard))
        guarding.end_start(session.config, self._run.guard)
        if self._run.config is not None and self._run.role != "worker":
            from pytest_autorl.capture.live import add_live_line

            add_live_line(session.config, self._run, os.environ)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """A worker gives everything back before it tells that it has finished: then its time is counted.

        execnet lets it have five seconds from there, and pytest's own end, with a plugin's late import on a busy
        machine, can take longer.
        """
        if self._run.role == "worker":
            self._run.close()

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """After every fixture's end, however the session ended."""
        if self._watch is not None:
            self._watch.close()
        try:
            self._run.close()
        finally:
            self._end_log()  # last: closing is logged too


def _attach_for(guard: Guard) -> Attach:
    """Attaches our own artefacts to Allure: images of ours are masked where they could be, which others' are not."""
    from pytest_autorl.capture.allure import attach
    from pytest_autorl.capture.sink import UNMASKED

    def attach_ours(name: str, body: str | bytes, kind: Kind) -> None:
        if isinstance(body, bytes) and not name.endswith(UNMASKED):
            guard.vouch(body)
        attach(name, body, kind)

    return attach_ours


def start_log(config: pytest.Config, run: Run) -> Callable[[], None]:
    """The run's own log, when one was asked for; returns what ends it.

    JSON (also when only a level was given) goes into ``logs/<worker>.jsonl`` of the reports, text to the terminal.
    What the suite and other libraries log is in it too.
    """
    # A bare LOG_LEVEL may be meant for other programs: without a farm nothing of ours runs, nothing is written.
    if run.config is None or not {"log_format", "log_level"} & run.settings.sources.keys():
        return lambda: None
    from pytest_autorl.capture.log_ids import LogIds
    from pytest_autorl.observe.logging import remove_logging, setup_logging

    settings = run.settings
    common: dict[str, Any] = {
        "redactor": None if run.guard.is_off else run.guard.redactor,
        "redact": not run.guard.is_off,
        "third_party": True,
        "context": {"run_id": run.identity.run_id, "worker": run.worker},
    }
    if settings.log_format == "console":
        stream = run.sink.open_console()
        handler = setup_logging(settings.log_level, False, stream=stream, **common)
        close = stream.close
    else:
        handler = setup_logging(
            settings.log_level,
            True,
            path=run.sink.root / "logs" / f"{run.worker}.jsonl",
            fresh=True,
            max_bytes=settings.log_max_bytes,
            backup_count=settings.log_backup_count,
            retention_days=settings.log_retention_days,
            **common,
        )
        close = _nothing
    config.pluginmanager.register(LogIds(run), "autorl-log-ids")

    def end() -> None:
        remove_logging(handler)
        close()

    return end


def _nothing() -> None:
    """The file is the handler's own."""


def auto_workers(config: pytest.Config) -> int | None:
    """What ``-n auto`` means with this run's farm. Raises AutorlError."""
    run = make_run(config)
    return workers.auto_workers(len(run.up()) if run.config is not None else 0, os.environ)


def make_run(config: pytest.Config) -> Run:
    """Weigh the settings and load the farm. Raises AutorlError for anything that cannot be used."""
    cli = {option.name: config.getoption(option.ini_key, default=None) for option in OPTIONS}
    ini = _ini(config)
    farm, stated = _farm(config, cli, ini)
    settings = resolve(cli=cli, env=os.environ, ini=ini, farm_file=stated)
    settings = replace(
        settings,
        reports=str(_path(config, settings, "reports")),
        state=str(_path(config, settings, "state"))
        if settings.state and "://" not in settings.state
        else settings.state,
    )
    if farm is not None:
        if is_windows():
            raise UsageError("a device farm needs POSIX file locks, and this is Windows", do="use WSL2")
        farm = farm.select(device_ids=settings.device, where=settings.where)
        place_of(settings, farm, config.rootpath)  # a state that cannot be is told now, not at the first test
        _check_lease(settings)
    role: Role = (
        "worker" if workers.is_worker(config) else "controller" if workers.is_controller(config) else "single"
    )
    run = Run(
        settings=settings,
        config=farm,
        rootdir=config.rootpath,
        role=role,
        worker=os.environ.get("PYTEST_XDIST_WORKER", "main") if role == "worker" else "main",
        identity=workers.identity_of_worker(config),
        reports=Path(settings.reports),
    )
    run.reruns = not (is_watched(config) or is_switched_off(settings))
    run.worker_count = workers.count_of_worker(config)
    return run


def _check_lease(settings: Settings) -> None:
    """Raise UsageError for a lease that one late heartbeat would lose."""
    if settings.lease_ttl < 3 * settings.lease_heartbeat or not settings.lease_heartbeat:
        raise UsageError(
            f"autorl_lease_ttl is {settings.lease_ttl:g} s, autorl_lease_heartbeat {settings.lease_heartbeat:g} s: "
            "a lease must live for three heartbeats at least",
            do="raise autorl_lease_ttl, or lower autorl_lease_heartbeat",
        )


def _ini(config: pytest.Config) -> dict[str, Any]:
    """The ini values that are set."""
    found = {}
    for option in OPTIONS:
        if option.surface == "env":
            continue
        try:
            value = config.getini(option.ini_key)
        except (TypeError, ValueError, pytest.UsageError) as error:
            raise UsageError(f"{option.ini_key} in the ini file: {error}", do=option.help) from None
        if value not in (None, ""):
            found[option.name] = value
    return found


def _path(config: pytest.Config, settings: Settings, name: str) -> Path:
    """A path of the settings: on the command line it is meant from where the user stands, else from rootdir."""
    is_typed = settings.sources.get(name) == "command line"
    base = config.invocation_params.dir if is_typed else config.rootpath
    return base / Path(getattr(settings, name)).expanduser()


def _farm(config: pytest.Config, cli: dict[str, Any], ini: dict[str, Any]) -> tuple[Any, Any]:
    """The farm and its file's plain content; (None, None) when no farm was named and none lies in rootdir."""
    option = next(option for option in OPTIONS if option.name == "farm")
    found = given(option, cli, os.environ, ini)
    if found is None and not (config.rootpath / DEFAULT_FARM).exists():
        return None, None  # before anything of the farm is loaded
    from pytest_autorl.farm.config import FarmChoice, parse_farm_option

    choice = FarmChoice(config.rootpath / DEFAULT_FARM)
    if found is not None:
        base = config.invocation_params.dir if found[0] == "command line" else config.rootpath
        choice = parse_farm_option(str(found[2]))
        if choice.path is not None:
            choice = FarmChoice(base / choice.path.expanduser())
    farm = choice.load(os.environ)
    if not workers.is_worker(config):
        _check_apps(farm)
    return farm, farm.stated


def _check_apps(farm: Any) -> None:
    """Load the users' app models once before the run: a mistake in one is told at once, not at the first test."""
    from pytest_autorl.virtual.library import load_app, shipped_apps

    shipped = shipped_apps()
    for block in farm.providers.values():
        if block.type == "virtual" and block.app not in shipped:
            from pytest_autorl.virtual.app_loader import load_model

            load_model(block.app, load_app(block.app))


def _register_plain_fixtures(config: pytest.Config, settings: Settings) -> str:
    """Register `device` and `driver` unless another plugin has them; returns what the header says of it."""
    own = ("autorl", "autorl-fixtures")
    others = [
        name
        for name, plugin in config.pluginmanager.list_name_plugin()
        if plugin is not None
        and name not in own
        and not _is_conftest(plugin)
        and defines_fixture(plugin, plain_fixtures.NAMES)
    ]
    if others and not settings.plain_fixtures:
        return f"autorl_device/autorl_driver (device/driver are of {others[0]})"
    config.pluginmanager.register(plain_fixtures, "autorl-plain-fixtures")
    return "device/driver"


def _is_conftest(plugin: object) -> bool:
    # A conftest that overrides `device` does so on purpose and may extend ours.
    return Path(str(getattr(plugin, "__file__", ""))).name == "conftest.py"
