"""The farm file as typed models: what may stand in it, and what the parts must have in common.

`read_model` turns a `Source` into a `FarmModel` or raises one FarmFileError with everything that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from pytest_autorl.errors import FarmFileError
from pytest_autorl.farm import policies
from pytest_autorl.farm.policies import DEFAULT_SERVER, Policies, Section, ServerUrl, Word, fault
from pytest_autorl.farm.predicates import STATIC_NAMES, nearest
from pytest_autorl.farm.requirement import TAG
from pytest_autorl.farm.where import KEYWORDS, READINGS

if TYPE_CHECKING:
    from pytest_autorl.farm.source import Source
    from pytest_autorl.farm.yamlnodes import KeyPath

#: Largest farm; far above the largest known shelf, low enough that a typo in `count` is found.
MAX_DEVICES = 10_000
MAX_COUNT = 1000
#: How many faults of a file are listed; the rest is counted.
MAX_SHOWN = 19

Reset = Literal["app", "session", "none"]
Capabilities = dict[Annotated[str, StringConstraints(min_length=1, max_length=200)], JsonValue]


def _tag(text: str) -> str:
    if not TAG.match(text):
        raise fault("a tag is one word without spaces and commas", do="e.g. tags: [nfc, camera]")
    return text


def _os_version(value: Any) -> Any:
    if isinstance(value, float):
        raise fault(
            "is a number with a point, which loses digits (14.10 would be 14.1)",
            do='put it in quotes: os_version: "{raw}"',
        )
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _attribute_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name, re.ASCII) or name in KEYWORDS:
        raise fault("is no name that where= can use", do="use letters, digits and _, starting with a letter")
    if name in READINGS:
        raise fault("is a reading: it changes, so it gates a device and never matches", do="remove it")
    if name in STATIC_NAMES:
        raise fault("is a key of the device itself", do=f"write it beside id: {name}: ...")
    return name


def _windows(value: tuple[tuple[float, float | None], ...]) -> tuple[tuple[float, float | None], ...]:
    end: float | None = 0.0
    for i, (start, stop) in enumerate(value):
        if end is None or start < end:
            raise fault("windows must be in order and must not overlap", i, do="e.g. [[0, 60], [90, null]]")
        if stop is not None and stop <= start:
            raise fault("the window ends before it starts", i, do="e.g. [[0, 60], [90, null]]")
        end = stop
    return value


def _each_once(urls: tuple[str, ...]) -> tuple[str, ...]:
    for i, url in enumerate(urls):
        if url in urls[:i]:
            raise fault("this server stands twice", i, do="name each server once")
    return urls


def _fault_names(value: Any) -> Any:
    """A fault without parameters may be just its name."""
    if not isinstance(value, list):
        return value
    return [{"name": item} if isinstance(item, str) else item for item in value]


Lower = Annotated[str, AfterValidator(str.lower), StringConstraints(max_length=100)]
Tag = Annotated[str, AfterValidator(_tag)]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
ProviderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
OsVersion = Annotated[str, BeforeValidator(_os_version), StringConstraints(max_length=100)]
Attribute = str | int | float | bool
FaultName = Literal[
    "offline",
    "session_killed",
    "hang",
    "app_crash",
    "anr",
    "stale",
    "slow",
    "low_battery",
    "hot",
    "disk_full",
    "garbage",
]
#: Faults with a parameter of their own.
FAULT_PARAMETERS = {"slow": "ms", "low_battery": "level", "hot": "celsius", "hang": "max_seconds"}
Window = Annotated[
    tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(gt=0)] | None], Field(strict=False)
]


class VirtualProvider(Section):
    """Simulated devices, one server process for the run."""

    type: Literal["virtual"] = "virtual"
    #: A shipped app, or the path of a model (from the farm file's folder).
    app: Word = "bank"
    reset: Reset = "app"
    #: Whether the simulated back end is seeded anew with the app.
    backend: Literal["reset", "keep"] = "reset"


class ManagedServers(Section):
    """How Appium servers of our own are started: `server: managed`."""

    #: How many devices share one server.
    devices: Annotated[int, Field(ge=1, le=1000)] = 1
    #: The program; "" = the first of: on the path, in `.tools/`, what npx finds in the project.
    command: Annotated[str, StringConstraints(max_length=2000)] = ""
    #: Where its drivers are (APPIUM_HOME); "" = as the environment says, else beside what was found in `.tools/`.
    home: Annotated[str, StringConstraints(max_length=2000)] = ""
    #: Only these drivers are loaded; empty = all that are installed.
    drivers: policies.Words = ()
    #: More words for its command line.
    arguments: policies.Words = ()
    #: Longest time from its start to its first answer, seconds.
    start_timeout: policies.PositiveSeconds = 60.0


class AppiumProvider(Section):
    """Devices behind Appium servers, or a hub."""

    type: Literal["appium"] = "appium"
    url: ServerUrl = Field(default=DEFAULT_SERVER, validate_default=True, repr=False)
    #: Several servers instead of one: each reaches every device of the block.
    urls: Annotated[
        tuple[ServerUrl, ...], Field(strict=False, min_length=1, max_length=100), AfterValidator(_each_once)
    ] = Field(default=(), repr=False)
    #: How many sessions a server takes at once; None = as many as it has devices.
    slots: Annotated[int, Field(ge=1, le=1000)] | None = None
    capabilities: Capabilities = Field(default_factory=dict, repr=False)
    reset: Reset = "app"
    #: external: somebody runs it; managed: we start it, and end it with the run.
    server: Literal["external", "managed"] = "external"
    managed: ManagedServers = ManagedServers.model_construct()

    _env = field_validator("url", mode="before")(policies.default_from_environment)

    @model_validator(mode="after")
    def _one_kind_of_server(self) -> AppiumProvider:
        told = self.model_fields_set
        if self.server == "managed" and {"url", "urls"} & told:
            key = "url" if "url" in told else "urls"
            raise fault(
                "we choose the address of a server that we start", key, do=f"remove {key}, or server: managed"
            )
        if self.server == "external" and "managed" in told:
            raise fault("nothing is started without server: managed", "managed", do="add server: managed")
        if {"url", "urls"} <= told:
            raise fault("url is one server, urls are several", "url", do="put all of them under urls")
        return self

    @property
    def servers(self) -> tuple[str, ...]:
        """The addresses, as the file orders them; none of a managed block."""
        return () if self.server == "managed" else self.urls or (self.url,)


Provider = Annotated[VirtualProvider | AppiumProvider, Field(discriminator="type")]


class Fault(Section):
    """Something that goes wrong with a simulated device. `pytest_autorl.virtual.faults` says what each does."""

    name: FaultName
    #: On how many commands it acts; null = until it is taken off.
    times: Annotated[int, Field(ge=1)] | None = None
    #: How many commands pass before.
    after_commands: Annotated[int, Field(ge=0)] = 0
    ms: Annotated[float, Field(ge=0)] | None = None
    level: Annotated[float, Field(ge=0, le=100)] | None = None
    celsius: Annotated[float, Field(ge=0)] | None = None
    max_seconds: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _own_parameters(self) -> Fault:
        for key in sorted(self.model_fields_set - {"name", "times", "after_commands"}):
            if FAULT_PARAMETERS.get(self.name) != key:
                own = FAULT_PARAMETERS.get(self.name)
                raise fault(
                    f"the fault {self.name} has no such parameter",
                    key,
                    do=f"its own parameter is {own}" if own else "remove it",
                )
        return self


class VirtualSettings(Section):
    """How a simulated device behaves."""

    #: Seconds that the creation of a session takes.
    session_seconds: Annotated[float, Field(ge=0, le=3600)] = 0.0
    #: Milliseconds that each command takes at least.
    command_ms: Annotated[float, Field(ge=0, le=600_000)] = 0.0
    #: When the device is reachable: [from, to] in seconds since the first dispatch, null = for ever.
    available: Annotated[tuple[Window, ...], Field(strict=False), AfterValidator(_windows)] = ()
    #: Faults from the start on.
    faults: Annotated[tuple[Fault, ...], Field(strict=False), BeforeValidator(_fault_names)] = ()
    #: Percent.
    battery: policies.Percent = 87.0
    battery_state: Literal["charging", "discharging", "not_charging", "full"] = "discharging"
    temperature_c: Annotated[float, Field(ge=0, le=150)] = 31.0
    storage_total_mb: Annotated[int, Field(ge=0)] = 64_000
    storage_free_mb: Annotated[int, Field(ge=0)] = 41_000
    #: Whether its network is up.
    online: bool = True
    #: Overrides the app's own options.
    app_options: dict[str, JsonValue] = Field(default_factory=dict)
    #: Devices with the same name here share one back end per app; "" = their own.
    backend: Annotated[str, StringConstraints(max_length=100)] = ""
    #: Permissions count as granted, no dialog comes.
    grant_permissions: bool = False


class DeviceModel(Section):
    """One entry of `devices`; with `count: n` it stands for the devices id-1 to id-n."""

    id: Id
    provider: ProviderName
    platform: Lower = ""
    os_version: OsVersion = ""
    form_factor: Lower = ""
    model: Annotated[str, StringConstraints(max_length=200)] = ""
    tags: Annotated[tuple[Tag, ...], Field(strict=False)] = ()
    capabilities: Capabilities = Field(default_factory=dict, repr=False)
    attributes: dict[Annotated[str, AfterValidator(_attribute_name)], Attribute] = Field(default_factory=dict)
    count: Annotated[int, Field(ge=1, le=MAX_COUNT)] | None = None
    virtual: VirtualSettings | None = None

    def ids(self) -> list[str]:
        return [self.id] if self.count is None else [f"{self.id}-{i}" for i in range(1, self.count + 1)]

    def udid(self) -> str:
        found = self.capabilities.get("appium:udid", self.capabilities.get("udid", ""))
        return found if isinstance(found, str) else ""


class FarmModel(Policies):
    """A whole farm file."""

    version: Literal[1] = 1
    providers: dict[ProviderName, Provider] = Field(default_factory=dict, validate_default=True)
    #: The build under test for real devices: a path (from the farm file's folder) or a URL.
    app: str = Field(default="", max_length=2000, repr=False)
    devices: Annotated[tuple[DeviceModel, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        """A section without content is one with defaults; the provider `virtual` is there anyway."""
        if not isinstance(data, dict):
            return data
        # `devices:` without content stays what it is: the farm has none, which is an error.
        data = {
            key: value
            for key, value in data.items()
            if value is not None or key not in cls.model_fields or key == "devices"
        }
        blocks = data.get("providers", {})
        if isinstance(blocks, dict):
            made = {name: _typed(name, {} if block is None else block) for name, block in blocks.items()}
            data["providers"] = {"virtual": {"type": "virtual"}, **made}
        return data

    @field_validator("providers")
    @classmethod
    def _virtual_is_virtual(cls, value: dict[str, Any]) -> dict[str, Any]:
        if value["virtual"].type != "virtual":
            raise fault(
                "the provider named virtual has simulated devices",
                "virtual",
                "type",
                do="give this provider another name",
            )
        return value


def _typed(name: str, block: Any) -> Any:
    return {"type": "virtual"} | block if name == "virtual" and isinstance(block, dict) else block


def plain_schema() -> dict[str, Any]:
    """JSON Schema of the file, as pydantic makes it."""
    for section in _sections(Section):
        # It shows defaults too, which pydantic 2.7 cannot without what `defer_build` has put off.
        section.model_rebuild()
    return FarmModel.model_json_schema()


def _sections(base: type[Section]) -> Iterator[type[Section]]:
    for section in base.__subclasses__():
        yield section
        yield from _sections(section)


def read_model(source: Source, env: Mapping[str, str]) -> FarmModel:
    """The file as a model. Raises one FarmFileError that lists everything that is wrong with it.

    Args:
        env: For defaults that come from the environment.
    """
    from pytest_autorl.farm.diagnosis import diagnose, secret_faults

    found = list(secret_faults(source))
    try:
        model = FarmModel.model_validate(source.data, context={"env": env})
    except ValidationError as error:
        found += diagnose(error, source, plain_schema())
    else:
        found += _disagreements(model, source)
    if found:
        raise _together(found)
    return model


def _disagreements(model: FarmModel, source: Source) -> Iterator[FarmFileError]:
    """What each device may say alone but not beside the others."""
    taken: dict[str, KeyPath] = {}
    phones: dict[tuple[str, str], KeyPath] = {}
    if sum(device.count or 1 for device in model.devices) > MAX_DEVICES:
        yield source.error(("devices",), f"the farm has more than {MAX_DEVICES} devices", "lower the counts")
        return
    for i, device in enumerate(model.devices):
        at: KeyPath = ("devices", i)
        block = model.providers.get(device.provider)
        if block is None:
            near = nearest(device.provider, model.providers)
            known = ", ".join(sorted(model.providers))
            yield source.error(
                (*at, "provider"),
                f"no provider is named {source.shown((*at, 'provider'))}",
                (f"did you mean {near}? " if near else "") + f"known: {known}",
            )
        elif device.virtual is not None and block.type != "virtual":
            yield source.error(
                (*at, "virtual"),
                "only virtual devices have these settings",
                "remove them, or use provider: virtual",
            )
        if block is not None and block.type == "virtual" and device.platform not in ("", "android", "ios"):
            yield source.error(
                (*at, "platform"),
                f"simulated devices are android or ios, not {source.shown((*at, 'platform'))}",
                "change the platform, or use a provider of type appium",
            )
        for one in device.ids():
            if one in taken:
                line = source.line((*taken[one], "id"))
                yield source.error(
                    (*at, "id"),
                    f"the id {source.shown((*at, 'id'))} stands twice, first in line {line}"
                    + (" (count: makes id-1, id-2, ...)" if one != device.id else ""),
                    "give each device its own id",
                )
                break
            taken[one] = at
        if isinstance(block, AppiumProvider) and device.udid():
            # Servers that we start are all on this host: they see the same phones.
            phone = (" ".join(sorted(block.servers)), device.udid())
            if phone in phones or (device.count or 1) > 1:
                yield source.error(
                    (*at, "capabilities"),
                    "one udid is one phone, and two devices of this farm would be the same phone",
                    "list each phone once, with its own udid",
                )
            phones[phone] = at


def _together(found: list[FarmFileError]) -> FarmFileError:
    """One error for all, in the file's order: the first as it is, the others in lines below it."""
    first, *others = sorted(found, key=lambda error: error.line or 0)
    if not others:
        return first
    lines = [_one_line(error) for error in others[:MAX_SHOWN]]
    lines += [f"and {len(others) - MAX_SHOWN} more"] if len(others) > MAX_SHOWN else []
    what = "\n  ".join([f"{first.args[0]} (do: {first.do})", *lines])
    return FarmFileError(what, path=first.path, line=first.line, key=first.key)


def _one_line(error: FarmFileError) -> str:
    what, _, do = str(error).partition("\n  do: ")
    return f"{what} (do: {do})" if do else what
