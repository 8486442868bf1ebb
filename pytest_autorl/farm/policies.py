"""The policy sections of a farm file, with their defaults.

Plain settings: each is read by the part whose name it bears. Seconds are floats, ``*_percent`` are 0 to 100.
"""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pytest_autorl.address import server_url
from pytest_autorl.farm.environment import substitute

#: Where an Appium server is expected when nothing else is said.
DEFAULT_SERVER = "${APPIUM_SERVER:-http://127.0.0.1:4723}"

RecoveryAction = Literal[
    "dismiss_dialog",
    "back",
    "home",
    "restart_app",
    "clear_app_data",
    "new_session",
    "restart_server",
    "reboot",
    "power_cycle",
    "quarantine",
]
Channel = Literal["email", "slack", "webhook", "file", "log", "dashboard"]


class Section(BaseModel):
    """Base of all blocks of the file: nothing is converted silently, nothing unknown is accepted.

    Blocks that are defaults are made without validation (`model_construct`): it would need a validator for each.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True,
        # Of all validators a run needs one or two: each is made when it is first used.
        defer_build=True,
    )  # fmt: skip


def fault(what: str, *at: str | int, do: str = "") -> PydanticCustomError:
    """An error about the key `at` below the block that is validated. The text holds no value of the file."""
    return PydanticCustomError("autorl", "{what}", {"what": what, "at": list(at), "do": do})


def _server_url(text: str) -> str:
    """`address.server_url`, as a validator."""
    try:
        return server_url(text)
    except ValueError:
        raise fault("is no address of a server", do="write http://host:port or host:port") from None


def default_from_environment(value: Any, info: ValidationInfo) -> Any:
    """Validator: the default server, as the environment in the validation context says."""
    # Only the default is a reference still: what the file says was replaced when it was read.
    if value == DEFAULT_SERVER:
        env: Mapping[str, str] = (info.context or {}).get("env", {})
        return substitute(DEFAULT_SERVER, env).text
    return value


Seconds = Annotated[float, Field(ge=0, le=10_000_000)]
PositiveSeconds = Annotated[float, Field(gt=0, le=10_000_000)]
Percent = Annotated[float, Field(ge=0, le=100)]
Port = Annotated[int, Field(ge=0, le=65535)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
Words = Annotated[tuple[Word, ...], Field(strict=False)]
ServerUrl = Annotated[str, AfterValidator(_server_url), StringConstraints(min_length=1, max_length=2000)]


class Lease(Section):
    """How long the right to a device lives without a sign of life."""

    ttl: PositiveSeconds = 60.0
    heartbeat: PositiveSeconds = 15.0

    @model_validator(mode="after")
    def _survives_two_lost_heartbeats(self) -> Lease:
        if self.ttl < 3 * self.heartbeat:
            raise fault(
                "must be at least three heartbeats, or one late heartbeat loses the device",
                "ttl",
                do="raise ttl or lower heartbeat",
            )
        return self


class Battery(Section):
    """Percent. Below `stop` no test starts, from `resume` on tests start again."""

    stop: Percent = 20.0
    resume: Percent = 40.0

    @model_validator(mode="after")
    def _order(self) -> Battery:
        if self.resume < self.stop:
            raise fault("must not be below stop", "resume", do="e.g. {stop: 20, resume: 40}")
        return self


class Ceiling(Section):
    """Above `stop` no test starts, from `resume` down tests start again."""

    stop: float
    resume: float

    @model_validator(mode="after")
    def _order(self) -> Ceiling:
        if self.resume > self.stop:
            raise fault("must not be above stop", "resume", do=f"e.g. {type(self)._example()}")
        return self

    @classmethod
    def _example(cls) -> str:
        return "{" + ", ".join(f"{name}: {of.default:g}" for name, of in cls.model_fields.items()) + "}"


class Temperature(Ceiling):
    """Degrees Celsius of the battery."""

    stop: Annotated[float, Field(ge=-50, le=150)] = 45.0
    resume: Annotated[float, Field(ge=-50, le=150)] = 40.0


class Memory(Ceiling):
    """Percent that is in use."""

    stop: Percent = 95.0
    resume: Percent = 90.0


class Cpu(Ceiling):
    """Percent that is busy."""

    stop: Percent = 95.0
    resume: Percent = 80.0


class ResponseTime(Ceiling):
    """Seconds that the device takes to say how it is."""

    stop: Seconds = 5.0
    resume: Seconds = 2.0


class ErrorRate(Ceiling):
    """Percent of the device's last attempts and probes that failed."""

    stop: Percent = 50.0
    resume: Percent = 20.0


class Health(Section):
    """When a device is fit for a test, and how often that is looked at."""

    heartbeat_interval: PositiveSeconds = 30.0
    battery: Battery = Battery.model_construct()
    temperature: Temperature = Temperature.model_construct()
    #: Free storage below which no test starts, MB.
    storage_mb: Annotated[float, Field(ge=0)] = 500.0
    memory_percent: Memory = Memory.model_construct()
    #: None: not judged. Devices are busy while they start something, and that passes.
    cpu_percent: Cpu | None = None
    response_s: ResponseTime = ResponseTime.model_construct()
    error_rate_percent: ErrorRate = ErrorRate.model_construct()
    #: A device that was found unfit stays so for so long at least, seconds.
    cool_down: Seconds = 30.0
    #: Longest that a device may take to say how it is, seconds.
    probe_timeout: PositiveSeconds = 10.0
    #: Age from which on a verdict is not good enough for a test to start, seconds; None: two heartbeats.
    stale_after: PositiveSeconds | None = None


class Retry(Section):
    """Defaults of the `retry` marker, same names."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    on: Words = ("transient",)
    elsewhere: bool = True
    initial_delay: Seconds = 1.0
    max_delay: Seconds = 30.0
    backoff_multiplier: Annotated[float, Field(ge=1, le=100)] = 2.0
    jitter: bool = True

    @field_validator("on")
    @classmethod
    def _known(cls, on: tuple[str, ...]) -> tuple[str, ...]:
        from pytest_autorl.resilience.policy import WORDS

        for place, word in enumerate(on):
            if word.lower() not in WORDS:
                raise fault("is no category or domain of errors", place, do=f"known: {', '.join(WORDS)}")
        return on

    @model_validator(mode="after")
    def _order(self) -> Retry:
        if self.max_delay < self.initial_delay:
            raise fault("must not be below initial_delay", "max_delay", do="raise it")
        return self


class Recovery(Section):
    """What is tried before a device is given up, from the mildest on."""

    enabled: bool = True
    ladder: Annotated[tuple[RecoveryAction, ...], Field(strict=False)] = (
        "dismiss_dialog",
        "back",
        "home",
        "restart_app",
        "new_session",
    )


class Connection(Section):
    """How servers are reached, and how long they are waited for."""

    url: ServerUrl = Field(default=DEFAULT_SERVER, validate_default=True, repr=False)
    initial_delay: Seconds = 1.0
    max_delay: Seconds = 300.0
    backoff_multiplier: Annotated[float, Field(ge=1, le=100)] = 2.0
    #: Longest time that one command may take.
    connection_timeout: PositiveSeconds = 30.0
    #: Longest time that the opening of a session may take.
    session_timeout: PositiveSeconds = 120.0

    _env = field_validator("url", mode="before")(default_from_environment)


class Breaker(Section):
    """Circuit breaker per device and per server."""

    failure_threshold: Annotated[int, Field(ge=1)] = 5
    success_threshold: Annotated[int, Field(ge=1)] = 2
    timeout: PositiveSeconds = 60.0


class JobExecution(Section):
    """Jobs and scenario steps. `max_concurrent_jobs` never limits the device leases of a run."""

    max_concurrent_jobs: Annotated[int, Field(ge=1)] = 3
    checkpoint_enabled: bool = True
    checkpoint_on_every_node: bool = True
    progress_reporting_enabled: bool = True
    cancellation_check_interval: PositiveSeconds = 2.0
    node_timeout: PositiveSeconds = 120.0
    lock_timeout: PositiveSeconds = 300.0


class Observability(Section):
    """What is kept about a run."""

    metrics_enabled: bool = True
    resource_monitoring_enabled: bool = True
    audit_enabled: bool = True
    progress_interval: PositiveSeconds = 1.0
    #: Patterns and names of fields to redact, beside those of the ini file.
    redact_patterns: Words = ()
    redact_fields: Words = ()

    @field_validator("redact_patterns")
    @classmethod
    def _can_be_searched(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        from pytest_autorl.privacy.detectors.custom import fault_of

        for place, pattern in enumerate(patterns):
            wrong = fault_of(pattern)
            if wrong is not None:
                raise fault(wrong[0], place, do=wrong[1])
        return patterns

    @field_validator("redact_fields")
    @classmethod
    def _are_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        from pytest_autorl.privacy.detectors.looks import words_of

        for place, name in enumerate(names):
            if not words_of(name):
                raise fault(
                    "has no letter from a to z and no digit",
                    place,
                    do="name it in letters from a to z or digits; for another name write a pattern",
                )
        return names


class Alerts(Section):
    """Values above which (coverage: below which) an alert is raised."""

    cpu_percent: Percent = 80.0
    memory_percent: Percent = 85.0
    disk_percent: Percent = 90.0
    failed_tests: Annotated[int, Field(ge=0)] = 0
    security_issues: Annotated[int, Field(ge=0)] = 0
    coverage_min: Percent = 70.0


class Gate(Section):
    """Rules of the verdict for CI; null switches a rule off."""

    min_coverage: Percent | None = 70.0
    min_new_coverage: Percent | None = None
    critical_paths: Words = ()
    critical_coverage: Percent | None = 100.0
    max_failures: Annotated[int, Field(ge=0)] | None = 0
    min_tests: Annotated[int, Field(ge=0)] | None = 1
    min_security_tests: Annotated[int, Field(ge=0)] | None = 1
    max_flaky_percent: Percent | None = 5.0
    max_unhealthy_devices: Annotated[int, Field(ge=0)] | None = None
    suite_seconds: PositiveSeconds | None = 300.0
    perf_regression_percent: Annotated[float, Field(ge=0)] | None = 20.0


class Dashboard(Section):
    host: Word = "127.0.0.1"
    port: Port = 8080


class Metrics(Section):
    """The metrics endpoint and the push to a gateway; port 0 = any free one."""

    port: Port = 8000
    push_url: ServerUrl | None = Field(default=None, repr=False)
    push_interval: PositiveSeconds = 10.0
    push_timeout: PositiveSeconds = 2.0


class Task(Section):
    """A scheduled task."""

    name: Word
    command: Word
    schedule: Word
    description: str = ""
    priority: Annotated[int, Field(ge=0, le=100)] = 2
    timeout: PositiveSeconds = 600.0
    enabled: bool = False
    depends_on: Words = ()
    retries: Annotated[int, Field(ge=0, le=100)] = 0


class Report(Section):
    """A recurring report and where it goes. Addresses and keys of channels come from the environment."""

    name: Word
    channels: Annotated[tuple[Channel, ...], Field(strict=False, min_length=1)]
    schedule: str = ""


def _named_once(items: tuple[Any, ...]) -> tuple[Any, ...]:
    seen: set[str] = set()
    for i, item in enumerate(items):
        if item.name in seen:
            raise fault("this name stands twice", i, "name", do="give each its own name")
        seen.add(item.name)
    return items


def _runnable(tasks: tuple[Task, ...]) -> tuple[Task, ...]:
    names = {task.name for task in tasks}
    for i, task in enumerate(tasks):
        for j, other in enumerate(task.depends_on):
            if other not in names:
                raise fault("no task has this name", i, "depends_on", j, do="name a task of this list")
    try:
        TopologicalSorter({task.name: task.depends_on for task in tasks}).prepare()
    except CycleError:
        raise fault("the tasks depend on each other in a circle", do="remove one depends_on") from None
    return tasks


class Policies(Section):
    """All policy sections; the farm file holds them side by side with `devices`."""

    lease: Lease = Lease.model_construct()
    health: Health = Health.model_construct()
    retry: Retry = Retry.model_construct()
    recovery: Recovery = Recovery.model_construct()
    # Made from {} so that its default is read from the environment that is passed in.
    connection: Connection = Field(default_factory=dict, validate_default=True)
    circuit_breaker: Breaker = Breaker.model_construct()
    job_execution: JobExecution = JobExecution.model_construct()
    observability: Observability = Observability.model_construct()
    alerts: Alerts = Alerts.model_construct()
    gate: Gate = Gate.model_construct()
    dashboard: Dashboard = Dashboard.model_construct()
    metrics: Metrics = Metrics.model_construct()
    tasks: Annotated[
        tuple[Task, ...], Field(strict=False), AfterValidator(_named_once), AfterValidator(_runnable)
    ] = ()
    reports: Annotated[tuple[Report, ...], Field(strict=False), AfterValidator(_named_once)] = ()
