"""The table of options: how each setting is spelled, read, and whether its feature is part of this version.

`OPTIONS` is the only list of names in the package: pytest options, ini keys, environment variables, the record
`Settings` and the documentation all follow it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


def _text(raw: str) -> str:
    return raw


def _seconds(raw: str) -> float:
    value = float(raw)
    if not 0 <= value < float("inf"):
        raise ValueError("seconds must be 0 or more")
    return value


def _count(raw: str) -> int:
    value = int(raw)
    if value < 0:
        raise ValueError("must be 0 or more")
    return value


def _retries(raw: str) -> int:
    value = _count(raw)
    if value > 99:
        raise ValueError("must be between 0 and 99")
    return value


def _percent(raw: str) -> float:
    value = float(raw.rstrip("% "))
    if not 0 <= value <= 100:
        raise ValueError("percent must be between 0 and 100")
    return value


def _switch(raw: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "": False}
    words |= {"0": False, "false": False, "no": False, "off": False}
    if raw.strip().lower() not in words:
        raise ValueError("expected on or off")
    return words[raw.strip().lower()]


def _lines(raw: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in raw.splitlines() if line.strip())


def _run_id(raw: str) -> str:
    # It becomes part of file names.
    if (
        len(raw) > 100
        or not raw.replace("-", "").replace("_", "").replace(".", "").isalnum()
        or not raw.isascii()
    ):
        raise ValueError("cannot be a run's name: use letters, digits, dot, dash and underscore, 100 at most")
    return raw


def _address(raw: str) -> str:
    from pytest_autorl.address import server_url

    return server_url(raw)


def _log_level(raw: str) -> str:
    level = raw.strip().upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        raise ValueError("expected DEBUG, INFO, WARNING, ERROR or CRITICAL")
    return level


def _log_format(raw: str) -> str:
    # Many programs say LOG_FORMAT=text for what is our console format.
    word = {"text": "console"}.get(raw.strip().lower(), raw.strip().lower())
    if word not in ("json", "console"):
        raise ValueError("expected json or console")
    return word


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Option:
    """One setting: how it is spelled, read, and whether its feature is part of this version.

    Attributes:
        name: Field of `Settings`; the option is ``--autorl-NAME`` with dashes, the ini key ``autorl_NAME``,
            the environment variable ``AUTORL_NAME``.
        parse: Text to value; raises ValueError with what was expected.
        built: False: the name is reserved and its use is an error.
        already: With a reserved name, the one value that may be given: what happens without the feature.
        surface: Where it can be given: "all", "ini" (ini and environment) or "env" (environment only).
        fallback_env: Unprefixed variable, read after the prefixed one.
        is_secret: The value may hold a secret: errors do not repeat it.
        farm_key: Dotted key of the farm file that may give it.
    """

    name: str
    help: str
    parse: Callable[[str], Any] = _text
    metavar: str = ""
    choices: tuple[str, ...] = ()
    flag: bool = False
    built: bool = True
    already: Any = None
    surface: Literal["all", "ini", "env"] = "all"
    fallback_env: str = ""
    farm_key: str = ""
    is_secret: bool = False

    @property
    def flag_text(self) -> str:
        return "--autorl-" + self.name.replace("_", "-")

    @property
    def ini_key(self) -> str:
        return "autorl_" + self.name

    @property
    def ini_type(self) -> Literal["bool", "int", "float", "string"]:
        """pytest's name of the type: what a native TOML file may hold."""
        kinds: dict[Any, Literal["bool", "int", "float"]] = {
            _switch: "bool",
            _count: "int",
            _retries: "int",
            _seconds: "float",
        }
        return kinds.get(self.parse, "string")

    @property
    def env_name(self) -> str:
        return "AUTORL_" + self.name.upper()


OPTIONS: tuple[Option, ...] = (
    Option(
        name="farm",
        metavar="PATH|virtual[:N]",
        help="farm file, or N simulated devices (default: device_farm.yml in rootdir)",
    ),
    Option(name="device", metavar="ID", parse=_lines, help="only this device; may be given more than once"),
    Option(
        name="where",
        metavar="EXPR",
        help='only devices for which this expression holds, e.g. "ram_mb >= 4096"',
    ),
    Option(
        name="app",
        metavar="PATH|URL",
        help="the build under test, for real devices; wins over `app:` of the farm file",
    ),
    Option(
        name="state",
        metavar="PATH|URL",
        help="database of leases and device states (default: .autorl in rootdir, or per host and user)",
    ),
    Option(
        name="reports",
        metavar="DIR",
        help="folder for everything this plugin writes (default: reports in rootdir)",
    ),
    Option(
        name="unhealthy",
        choices=("wait", "skip", "fail"),
        help="what a test does while too few fitting devices are in service (default wait, see --autorl-wait)",
    ),
    Option(
        name="wait",
        metavar="S",
        parse=_seconds,
        help="seconds a test waits for its device before it ends as an ERROR (default 300)",
    ),
    Option(
        name="retries",
        metavar="N",
        parse=_retries,
        help="attempts after the first for unmarked tests (default 0); an explicit 0 disables every rerun",
    ),
    Option(
        name="retry_budget",
        metavar="P",
        parse=_percent,
        help="percent of the tests that retries may add to a run, never fewer than 20 attempts (default 20)",
    ),
    Option(
        name="recovery",
        choices=("on", "off"),
        built=False,
        already="off",
        help="recovery actions between attempts",
    ),
    Option(name="resume", flag=True, parse=_switch, built=False, help="go on with the last unfinished run"),
    Option(name="resume_run", metavar="ID", built=False, help="go on with this run"),
    Option(
        name="resume_force", flag=True, parse=_switch, built=False, help="resume although the tests changed"
    ),
    Option(
        name="redact",
        choices=("on", "strict", "off"),
        help="redaction of everything that a run writes or prints: on (default), strict (what cannot be looked into "
        "is dropped, a find in the reports fails the run), off",
    ),
    Option(name="run_id", parse=_run_id, metavar="ID", help="name of this run (default: made from the time)"),
    Option(
        name="metrics_push",
        metavar="URL",
        built=False,
        farm_key="metrics.push_url",
        help="Pushgateway to push metrics to during the run",
    ),
    Option(name="push_interval", metavar="S", parse=_seconds, built=False, help="seconds between pushes"),
    Option(
        name="push_required",
        flag=True,
        parse=_switch,
        built=False,
        help="a push that fails at the end fails the run",
    ),
    Option(
        name="metrics_port",
        metavar="N",
        parse=_count,
        built=False,
        help="port of the metrics endpoint, 0 = any",
    ),
    Option(
        name="trace",
        flag=True,
        parse=_switch,
        built=False,
        help="OpenTelemetry spans for run, test, step and command",
    ),
    Option(name="trace_endpoint", metavar="URL", built=False, help="OTLP/HTTP endpoint for the spans"),
    Option(
        name="log_format",
        metavar="json|console",
        parse=_log_format,
        fallback_env="LOG_FORMAT",
        help="format of the plugin's own log: json (logs/*.jsonl) or console",
    ),
    Option(
        name="log_level",
        metavar="L",
        parse=_log_level,
        fallback_env="LOG_LEVEL",
        help="level of the plugin's own log (default INFO)",
    ),
    Option(
        name="abort_on_critical",
        flag=True,
        parse=_switch,
        help="end the run at the first CRITICAL failure",
    ),
    Option(
        name="gate",
        flag=True,
        parse=_switch,
        built=False,
        help="judge the results by the rules of `gate:` at the end",
    ),
    Option(
        name="redact_patterns",
        surface="ini",
        parse=_lines,
        help="more patterns to redact, one a line (regular expressions); farm file: observability.redact_patterns",
    ),
    Option(
        name="redact_fields",
        surface="ini",
        parse=_lines,
        help="more names of fields whose values are redacted, one a line; farm file: observability.redact_fields",
    ),
    Option(
        name="mask_selectors",
        surface="ini",
        parse=_lines,
        help="elements that are masked in screenshots, one a line: id=..., accessibility id=..., css=..., text~=...",
    ),
    Option(
        name="mask_status_bar",
        surface="ini",
        parse=_switch,
        help="mask the status bar in screenshots too",
    ),
    Option(
        name="log_max_bytes",
        surface="ini",
        parse=_count,
        help="size at which a log file is rotated, bytes; 0 = never (default 10000000)",
    ),
    Option(
        name="log_backup_count",
        surface="ini",
        parse=_count,
        help="how many rotated files of a log are kept (default 5)",
    ),
    Option(
        name="log_retention_days",
        surface="ini",
        parse=_count,
        help="days for which logs of earlier runs are kept; 0 = none is (default 14)",
    ),
    Option(
        name="lease_ttl",
        surface="ini",
        parse=_seconds,
        farm_key="lease.ttl",
        help="seconds a lease lives without a heartbeat (60)",
    ),
    Option(
        name="lease_heartbeat",
        surface="ini",
        parse=_seconds,
        farm_key="lease.heartbeat",
        help="seconds between heartbeats (15)",
    ),
    Option(
        name="plain_fixtures",
        surface="ini",
        parse=_switch,
        help="define `device` and `driver` although another plugin does",
    ),
    Option(
        name="artefacts",
        surface="ini",
        choices=("failed", "all", "off"),
        help="of which tests screenshot, page source and logs are kept: failed (default), all, off",
    ),
    Option(
        name="seed",
        surface="env",
        parse=_count,
        help="seed of every random choice of the run; printed in the header",
    ),
    Option(name="runner_name", surface="env", help="name under which leases are held"),
    Option(
        name="farm_url",
        surface="env",
        parse=_address,
        is_secret=True,
        help="URL of the hub in front of the devices",
    ),
    Option(name="farm_token", surface="env", is_secret=True, help="token for that hub"),
    Option(
        name="dashboard_host",
        surface="env",
        fallback_env="DASHBOARD_HOST",
        farm_key="dashboard.host",
        help="address of the dashboard",
    ),
    Option(
        name="dashboard_port",
        surface="env",
        fallback_env="DASHBOARD_PORT",
        parse=_count,
        farm_key="dashboard.port",
        help="port of the dashboard",
    ),
    Option(
        name="automation_enabled",
        surface="env",
        fallback_env="AUTOMATION_ENABLED",
        parse=_switch,
        help="whether scheduled tasks run",
    ),
    Option(
        name="metrics_enabled",
        surface="env",
        fallback_env="METRICS_ENABLED",
        parse=_switch,
        farm_key="observability.metrics_enabled",
        help="whether metrics are kept",
    ),
)
