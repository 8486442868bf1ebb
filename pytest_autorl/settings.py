"""The settings of a run: one resolution of all sources, one frozen record.

Precedence: command line > environment > ini > device_farm.yml > default. `resolve` is pure: the plugin, the
command line tool and scripts hand it what they found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from pytest_autorl.errors import FeatureNotBuiltError, UsageError
from pytest_autorl.options import OPTIONS, Option

#: Farm file that is used when nothing else is said: in pytest's rootdir, for `autorl` where one stands.
DEFAULT_FARM = "device_farm.yml"

Source = Literal["command line", "environment", "ini", "farm file", "default"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run was told, after all sources were weighed. Times in seconds, shares in percent.

    `sources` says for each name that was given where its value came from; names with their default are absent.
    Secrets do not stand in the repr.
    """

    farm: str = ""
    device: tuple[str, ...] = ()
    where: str = ""
    app: str = ""
    state: str = ""
    reports: str = "reports"
    unhealthy: str = "wait"
    wait: float = 300.0
    retries: int = 0
    retry_budget: float = 20.0
    recovery: str = "on"
    resume: bool = False
    resume_run: str = ""
    resume_force: bool = False
    redact: str = "on"
    run_id: str = ""
    metrics_push: str = field(default="", repr=False)
    push_interval: float = 10.0
    push_required: bool = False
    metrics_port: int = 8000
    trace: bool = False
    trace_endpoint: str = field(default="", repr=False)
    log_format: str = ""
    log_level: str = "INFO"
    abort_on_critical: bool = False
    gate: bool = False
    redact_patterns: tuple[str, ...] = ()
    redact_fields: tuple[str, ...] = ()
    mask_selectors: tuple[str, ...] = ()
    mask_status_bar: bool = False
    log_max_bytes: int = 10_000_000
    log_backup_count: int = 5
    log_retention_days: int = 14
    lease_ttl: float = 60.0
    lease_heartbeat: float = 15.0
    plain_fixtures: bool = False
    artefacts: str = "failed"
    seed: int | None = None
    runner_name: str = ""
    farm_url: str = field(default="", repr=False)
    farm_token: str = field(default="", repr=False)
    dashboard_host: str = "127.0.0.1"
    dashboard_port: int = 8080
    automation_enabled: bool = False
    metrics_enabled: bool = True
    sources: Mapping[str, Source] = field(default_factory=dict, compare=False)

    def holder(self, worker: str) -> str:
        """Name under which this process holds leases."""
        import socket

        return self.runner_name or f"Runner-{socket.gethostname()}-{worker}"


def given(
    option: Option,
    cli: Mapping[str, Any],
    env: Mapping[str, str],
    ini: Mapping[str, Any],
    farm_file: Mapping[str, Any] | None = None,
) -> tuple[Source, str, Any] | None:
    """The strongest source that gives the option, how the user spelled it there, and the raw value.

    None when no source gives it. An empty environment variable counts as not given.
    """
    if cli.get(option.name) is not None:
        return "command line", option.flag_text, cli[option.name]
    if env.get(option.env_name):
        return "environment", option.env_name, env[option.env_name]
    if option.fallback_env and env.get(option.fallback_env) and _parses(option, env[option.fallback_env]):
        return "environment", option.fallback_env, env[option.fallback_env]
    if ini.get(option.name) is not None:
        return "ini", option.ini_key, ini[option.name]
    node: Any = farm_file if option.farm_key else None
    for key in option.farm_key.split("."):
        node = node.get(key) if isinstance(node, Mapping) else None
    return None if node is None else ("farm file", option.farm_key, node)


def _parses(option: Option, raw: str) -> bool:
    # Other programs own the unprefixed names too: what we cannot read there was not meant for us.
    try:
        option.parse(raw)
    except ValueError:
        return False
    return True


def resolve(
    *,
    cli: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    ini: Mapping[str, Any] | None = None,
    farm_file: Mapping[str, Any] | None = None,
) -> Settings:
    """Weigh all sources into one `Settings`.

    Args:
        cli: Option name -> text, True for a flag, list for a repeated option; None = not given.
        env: The environment; never read from the process here.
        ini: Option name -> text (or number, switch) of the ini file; only keys that are set.
        farm_file: The parsed farm file; its values were validated by its own schema.
    Raises:
        UsageError: A value that cannot be used; names source, spelling, value and what was expected.
        FeatureNotBuiltError: A reserved option was used.
    """
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    for option in OPTIONS:
        found = given(option, cli or {}, env or {}, ini or {}, farm_file)
        if found is None:
            continue
        source, spelling, raw = found
        value = raw if source == "farm file" else _parsed(option, spelling, raw)
        is_idle = value is False or (option.already is not None and value == option.already)
        if not option.built and source != "farm file" and not is_idle:
            raise FeatureNotBuiltError(
                f"{spelling} is reserved: its feature ({option.help}) is not part of this version",
                do=f"leave {spelling} out",
            )
        values[option.name] = value
        sources[option.name] = source
    return Settings(**values, sources=sources)


def _parsed(option: Option, spelling: str, raw: Any) -> Any:
    if raw is True:
        return True
    text = "\n".join(raw) if isinstance(raw, (list, tuple)) else str(raw)
    try:
        value = option.parse(text)
    except ValueError as error:
        shown = "" if option.is_secret else f"={text!r}"
        raise UsageError(f"{spelling}{shown}: {error}", do=f"{option.help}") from None
    if option.choices and value not in option.choices:
        raise UsageError(f"{spelling}={text!r} is not one of {', '.join(option.choices)}", do=option.help)
    return value


assert {option.name for option in OPTIONS} == {f.name for f in fields(Settings)} - {"sources"}
