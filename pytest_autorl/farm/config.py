"""The farm of a run: a farm file, or simulated devices by number, as one frozen record.

Importing this module is cheap: pydantic and PyYAML are loaded when a farm is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_autorl.errors import RequirementError, UsageError
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.imports import import_json
from pytest_autorl.privacy.names import is_secret_path, url_password

if TYPE_CHECKING:
    from pytest_autorl.farm.policies import Policies
    from pytest_autorl.farm.schema import AppiumProvider, DeviceModel, FarmModel, VirtualProvider
    from pytest_autorl.farm.source import Source

__all__ = [
    "FarmChoice",
    "FarmConfig",
    "import_json",
    "json_schema",
    "load_farm",
    "parse_farm_option",
    "virtual_farm",
]

#: Devices of ``--autorl-farm virtual``.
DEFAULT_VIRTUAL_COUNT = 4
MAX_VIRTUAL_COUNT = 1000

_PHONES = ("Pixel 8", "Galaxy S23", "Xperia 5")
_TABLETS = ("Pixel Tablet", "Galaxy Tab S9")


@dataclass(frozen=True, kw_only=True)
class FarmConfig:
    """What devices exist and by which rules they are used.

    Attributes:
        path: The farm file; None for a farm by number.
        devices: In the file's order, `count` expanded; those that were selected.
        all_devices: The same without a selection: by its place among those of its block a device has its server, in
            every run of the farm.
        providers: Provider blocks by name.
        policies: Its policy sections.
        is_virtual: All devices of the whole farm are simulated: such a farm belongs to its run. A selection does not
            change that, or one run of a farm would keep its state elsewhere than another.
        app: The build under test for real devices: absolute path or URL, "" when not stated.
        stated: Only what the file states of the policy sections, as plain data: settings rank it below
            options, a mere default not.
        secrets: Values that came from the environment under a secret's name, for the redactor.
    """

    path: Path | None
    devices: tuple[Device, ...]
    all_devices: tuple[Device, ...] = field(repr=False)
    providers: Mapping[str, VirtualProvider | AppiumProvider]
    policies: Policies
    is_virtual: bool = True
    app: str = field(default="", repr=False)
    stated: Mapping[str, Any] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def connection_timeout_s(self) -> float:
        """Longest time that one command may take to be answered."""
        return self.policies.connection.connection_timeout

    def attribute_names(self) -> tuple[str, ...]:
        """Names that a ``where=`` can ask for in this farm, sorted."""
        from pytest_autorl.farm.predicates import STATIC_NAMES

        return tuple(
            sorted({*STATIC_NAMES, *(name for device in self.devices for name in device.attributes)})
        )

    def select(self, device_ids: Iterable[str] = (), where: str = "") -> FarmConfig:
        """The farm with only these devices (``--autorl-device``, ``--autorl-where``); both must hold.

        Raises: UsageError for an id or an attribute that no device has, and when nothing is left.
        """
        from pytest_autorl.farm.predicates import nearest

        wanted = tuple(dict.fromkeys(device_ids))
        known = {device.id: device for device in self.devices}
        for device_id in wanted:
            if device_id not in known:
                near = nearest(device_id, known)
                shown = ", ".join([*known][:10]) + (", ..." if len(known) > 10 else "")
                raise UsageError(
                    f"--autorl-device {device_id}: the farm has no device with this id",
                    do=(f"did you mean {near}? " if near else "") + f"devices: {shown}",
                )
        devices = tuple(device for device in self.devices if not wanted or device.id in wanted)
        if where.strip():
            devices = self._where(devices, where)
        return replace(self, devices=devices)

    def _where(self, devices: tuple[Device, ...], where: str) -> tuple[Device, ...]:
        from pytest_autorl.farm import where as where_language

        try:
            expression = where_language.parse(where, self.attribute_names())
        except RequirementError as error:
            raise UsageError(f"--autorl-{error.args[0]}", do=error.do) from None
        failed = {device.id: where_language.explain(expression, device) for device in devices}
        fitting = tuple(device for device in devices if not failed[device.id])
        if not fitting:
            close = sorted(failed.items(), key=lambda item: len(item[1]))[:3]
            lines = "".join(f"\n  nearest: {device_id}: {'; '.join(whys)}" for device_id, whys in close)
            raise UsageError(
                f"--autorl-where {expression}: none of {len(devices)} devices fits{lines}",
                do="loosen the expression; `autorl farm list` shows what each device has",
            )
        return fitting


@dataclass(frozen=True)
class FarmChoice:
    """What ``--autorl-farm`` names: a file, or `virtual_count` simulated devices when `path` is None."""

    path: Path | None
    virtual_count: int = 0

    def load(self, env: Mapping[str, str]) -> FarmConfig:
        """The farm. Raises FarmFileError."""
        return virtual_farm(self.virtual_count, env) if self.path is None else load_farm(self.path, env)


def parse_farm_option(text: str) -> FarmChoice:
    """Read ``PATH``, ``virtual`` or ``virtual:N``. A file named so is ``./virtual``. Raises UsageError."""
    if not text.strip():
        raise UsageError("--autorl-farm is empty", do="give a farm file, or virtual, or virtual:8")
    word, colon, number = text.strip().partition(":")
    if word.lower() != "virtual":
        return FarmChoice(Path(text))
    if not colon:
        return FarmChoice(None, DEFAULT_VIRTUAL_COUNT)
    if not (number.isascii() and number.isdigit() and len(number) < 9):
        raise UsageError(f"--autorl-farm {text}: {number!r} is no number of devices", do="write virtual:8")
    if not 1 <= int(number) <= MAX_VIRTUAL_COUNT:
        raise UsageError(
            f"--autorl-farm {text}: between 1 and {MAX_VIRTUAL_COUNT} devices can be simulated",
            do="write e.g. virtual:8",
        )
    return FarmChoice(None, int(number))


def load_farm(path: Path, env: Mapping[str, str]) -> FarmConfig:
    """The farm of a file. Raises FarmFileError with everything that is wrong with it."""
    from pytest_autorl.farm.schema import read_model
    from pytest_autorl.farm.source import read

    source = read(path, env)
    return _config(read_model(source, env), path, _secrets(source))


def virtual_farm(n: int = DEFAULT_VIRTUAL_COUNT, env: Mapping[str, str] | None = None) -> FarmConfig:
    """A farm of simulated Android devices ``virtual-1`` to ``virtual-N``, every third a tablet.

    The same N gives the same devices. Raises: ValueError unless 1 <= n <= 1000.
    """
    if not 1 <= n <= MAX_VIRTUAL_COUNT:
        raise ValueError(f"virtual_farm() makes 1 to {MAX_VIRTUAL_COUNT} devices, not {n}")
    from pytest_autorl.farm.environment import substitute
    from pytest_autorl.farm.policies import DEFAULT_SERVER, Connection, Policies
    from pytest_autorl.farm.schema import VirtualProvider

    # What a file with these devices and nothing else gives, as a test sees to. No model validates it: this is the
    # start of every run over such a farm, and before its first validator pydantic reads the metadata of all packages
    # that are installed. Only what the environment says is not ours.
    usual = substitute(DEFAULT_SERVER, {}).text
    if substitute(DEFAULT_SERVER, env or {}).text == usual:
        connection = Connection.model_construct(set(), url=usual)
    else:
        connection = Connection.model_validate({}, context={"env": env})
    devices = tuple(_virtual_device(i) for i in range(1, n + 1))
    return FarmConfig(
        path=None,
        devices=devices,
        all_devices=devices,
        providers={"virtual": VirtualProvider.model_construct()},
        policies=Policies.model_construct(set(), connection=connection),
    )


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the farm file, for editors and `autorl farm schema`."""
    from pytest_autorl.farm.schema import plain_schema

    schema = _with_references(plain_schema())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "device_farm.yml of pytest-autorl",
    }


def _config(model: FarmModel, path: Path | None, secrets: tuple[str, ...]) -> FarmConfig:
    from pytest_autorl.farm.policies import Policies

    folder = path.absolute().parent if path is not None else Path()
    providers = {
        name: block.model_copy(update={"app": _beside(folder, block.app)})
        if block.type == "virtual"
        else _appium(folder, block)
        for name, block in model.providers.items()
    }
    sections = {name: getattr(model, name) for name in Policies.model_fields}
    devices = tuple(device for entry in model.devices for device in _devices(entry))
    return FarmConfig(
        path=path,
        devices=devices,
        all_devices=devices,
        providers=providers,
        is_virtual=all(providers[device.provider].type == "virtual" for device in devices),
        policies=Policies.model_construct(model.model_fields_set & sections.keys(), **sections),
        app=_beside(folder, model.app, is_file=True),
        stated=model.model_dump(include=set(sections), exclude_unset=True),
        secrets=secrets,
    )


def _appium(folder: Path, block: AppiumProvider) -> AppiumProvider:
    """Paths of the block, seen from the farm file's folder."""
    managed = block.managed
    paths = {
        "command": _beside(folder, managed.command),
        "home": _beside(folder, managed.home, is_file=True),
    }
    return block.model_copy(update={"managed": managed.model_copy(update=paths)})


def _devices(entry: DeviceModel) -> Iterable[Device]:
    settings = entry.virtual.model_dump(mode="json", exclude_unset=True) if entry.virtual else {}
    for device_id in entry.ids():
        yield Device(
            id=device_id,
            provider=entry.provider,
            platform=entry.platform,
            os_version=entry.os_version,
            form_factor=entry.form_factor,
            model=entry.model,
            tags=frozenset(entry.tags),
            capabilities=dict(entry.capabilities),
            attributes=dict(entry.attributes),
            settings=settings,
        )


def _beside(folder: Path, name: str, *, is_file: bool = False) -> str:
    """A path seen from the farm file's folder; a URL and the name of a shipped app stay as they are."""
    looks_like_file = is_file or "/" in name or name.endswith((".yml", ".yaml", ".json"))
    return str(folder / Path(name).expanduser()) if name and looks_like_file and "://" not in name else name


def _secrets(source: Source) -> tuple[str, ...]:
    """Values of the environment under a secret's name, and passwords in addresses."""
    found: dict[str, None] = {}
    for at in source.literals:
        value = str(source.get(at))
        secret = value if is_secret_path(at) else url_password(value)
        if secret:
            found[secret] = None
    return tuple(found)


def _virtual_device(i: int) -> Device:
    is_tablet = i % 3 == 0
    models = _TABLETS if is_tablet else _PHONES
    return Device(
        id=f"virtual-{i}",
        provider="virtual",
        platform="android",
        # Not in step with the tablets: in a large farm each form factor has every version and size.
        os_version=("13", "14", "15")[(i - 1 + (i - 1) // 3) % 3],
        form_factor="tablet" if is_tablet else "phone",
        model=models[(i - 1) // 3 % len(models)],
        tags=frozenset(["camera", "wifi", *([] if is_tablet else ["nfc", "sim"])]),
        attributes={
            "ram_mb": (4096, 8192, 12288)[(i + i // 3) % 3],
            "screen_inches": 10.9 if is_tablet else 6.2,
        },
    )


def _with_references(node: Any) -> Any:
    """Wherever a number or a switch may stand, a reference to the environment may."""
    if isinstance(node, list):
        return [_with_references(item) for item in node]
    if not isinstance(node, dict):
        return node
    # Provider blocks are told apart by type, which may be left out: both kinds can fit, so not "one of".
    renamed = {"anyOf" if key == "oneOf" else key: _with_references(value) for key, value in node.items()}
    renamed.pop("discriminator", None)
    if renamed.get("type") not in ("integer", "number", "boolean"):
        return renamed
    notes = {key: renamed.pop(key) for key in ("default", "description", "title") if key in renamed}
    return {**notes, "anyOf": [renamed, {"type": "string", "pattern": r"\$\{.+\}"}]}
