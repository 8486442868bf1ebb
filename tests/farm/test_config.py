"""The farm of a run: from a file, by number, narrowed down, and as schema."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_autorl.errors import FarmFileError, UsageError
from pytest_autorl.farm.config import (
    FarmChoice,
    FarmConfig,
    import_json,
    json_schema,
    load_farm,
    parse_farm_option,
    virtual_farm,
)
from pytest_autorl.farm.requirement import Requirement, eligible
from pytest_autorl.farm.schema import FarmModel

ROOT = Path(__file__).parents[2]
LAB = """
app: builds/bank.apk
providers:
  sim: {type: virtual, app: apps/shop.yml}
  lab: {type: appium, url: "https://bob:${PASS}@hub.example", capabilities: {"df:token": "${TOKEN}"}}
connection: {connection_timeout: 7}
devices:
  - id: sim
    provider: sim
    platform: android
    count: 2
    attributes: {ram_mb: 4096}
    virtual: {available: [[0, 60], [90, null]], command_ms: 2}
  - {id: pixel, provider: lab, os_version: "14", capabilities: {"appium:udid": "${UDID}"}, tags: [nfc]}
"""
ENV = {"PASS": "canary-pass", "TOKEN": "canary-token", "UDID": "XYZ1"}


@pytest.fixture
def lab(tmp_path: Path) -> FarmConfig:
    (tmp_path / "farm.yml").write_text(LAB)
    return load_farm(tmp_path / "farm.yml", ENV)


def test_a_file_becomes_devices_in_its_order(lab: FarmConfig) -> None:
    assert [device.id for device in lab.devices] == ["sim-1", "sim-2", "pixel"]
    assert lab.devices[0].settings == {"available": [[0.0, 60.0], [90.0, None]], "command_ms": 2.0}
    assert lab.devices[2].capabilities == {"appium:udid": "XYZ1"}
    assert lab.devices[2].tags == {"nfc"}
    assert not lab.is_virtual
    assert lab.connection_timeout_s == 7


def test_paths_are_seen_from_the_files_folder(lab: FarmConfig, tmp_path: Path) -> None:
    assert lab.app == str(tmp_path / "builds" / "bank.apk")
    assert lab.providers["sim"].app == str(tmp_path / "apps" / "shop.yml")  # type: ignore[union-attr]
    assert lab.providers["virtual"].app == "bank"  # type: ignore[union-attr]


def test_secrets_are_listed_for_the_redactor_and_printed_nowhere(lab: FarmConfig) -> None:
    assert set(lab.secrets) == {"canary-pass", "canary-token"}
    assert "canary" not in repr(lab)


def test_only_what_the_file_states_counts_as_stated(lab: FarmConfig) -> None:
    assert lab.stated == {"connection": {"connection_timeout": 7.0}}
    assert lab.policies.lease.ttl == 60


def test_a_farm_can_travel_to_a_worker(lab: FarmConfig) -> None:
    again = pickle.loads(pickle.dumps(lab))

    assert again.devices == lab.devices
    assert again.policies == lab.policies


def test_a_stated_count_of_one_numbers_the_device(tmp_path: Path) -> None:
    (tmp_path / "f.yml").write_text(
        "devices: [{id: a, provider: virtual, count: 1}, {id: b, provider: virtual}]"
    )

    assert [device.id for device in load_farm(tmp_path / "f.yml", {}).devices] == ["a-1", "b"]


def test_the_demo_farm_has_phones_and_tablets_of_both_kinds() -> None:
    """The file in the root of the repository is read as documentation: it must be right."""
    farm = load_farm(ROOT / "device_farm.yml", {})

    assert farm.is_virtual
    assert sorted(device.form_factor for device in farm.devices) == ["phone"] * 4 + ["tablet"] * 2
    assert {device.platform for device in farm.devices} == {"android", "ios"}
    assert len(eligible(farm.devices, Requirement(platform="android", os_version=">=13", tags=("nfc",)))) == 3
    assert farm.policies == virtual_farm().policies  # what it states are the defaults


def test_a_farm_by_number_is_the_same_each_time() -> None:
    farm = virtual_farm(9)

    assert farm.devices == virtual_farm(9).devices
    assert [device.id for device in farm.devices] == [f"virtual-{i}" for i in range(1, 10)]
    tablets = [device for device in farm.devices if device.form_factor == "tablet"]
    assert [device.id for device in tablets] == ["virtual-3", "virtual-6", "virtual-9"]
    assert {device.os_version for device in tablets} == {"13", "14", "15"}
    assert all(device.platform == "android" and device.model and device.tags for device in farm.devices)
    assert farm.is_virtual
    assert farm.path is None
    assert len(virtual_farm().devices) == 4


@pytest.mark.parametrize("n", [0, -1, 1001])
def test_a_farm_by_number_is_bounded(n: int) -> None:
    with pytest.raises(ValueError, match="makes 1 to 1000 devices"):
        virtual_farm(n)


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("virtual", FarmChoice(None, 4)),
        ("virtual:8", FarmChoice(None, 8)),
        ("./virtual", FarmChoice(Path("virtual"))),
        ("farms/lab.yml", FarmChoice(Path("farms/lab.yml"))),
    ],
)
def test_the_farm_option_is_a_file_or_a_number(text: str, choice: FarmChoice) -> None:
    assert parse_farm_option(text) == choice


@pytest.mark.parametrize(
    "text", ["", " ", "virtual:", "virtual:x", "virtual:0", "virtual:-1", "virtual:1001", "virtual:٣"]
)
def test_a_farm_option_that_is_neither_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--autorl-farm"):
        parse_farm_option(text)


def test_a_choice_loads_its_farm(tmp_path: Path) -> None:
    (tmp_path / "farm.yml").write_text(LAB)

    assert len(FarmChoice(tmp_path / "farm.yml").load(ENV).devices) == 3
    farm = FarmChoice(None, 2).load({"APPIUM_SERVER": "box:1"})
    assert len(farm.devices) == 2
    assert farm.policies.connection.url == "http://box:1"


def test_a_selection_keeps_the_farms_order_and_both_conditions(lab: FarmConfig) -> None:
    assert [d.id for d in lab.select(["pixel", "sim-1", "pixel"]).devices] == ["sim-1", "pixel"]
    assert [d.id for d in lab.select(where="ram_mb >= 4096").devices] == ["sim-1", "sim-2"]
    assert [d.id for d in lab.select(["sim-2", "pixel"], "ram_mb >= 4096").devices] == ["sim-2"]
    assert lab.select() == lab


@pytest.mark.parametrize(
    ("ids", "where", "message"),
    [
        (
            ["pixle"],
            "",
            r"--autorl-device pixle: .*\n  do: did you mean pixel\? devices: sim-1, sim-2, pixel",
        ),
        (
            [],
            "ram_md > 1",
            r"(?s)--autorl-where: no device of the farm has an attribute ram_md\n.*\^.*mean ram_mb",
        ),
        ([], "ram_mb >", r"(?s)--autorl-where: expected .*found the end"),
        ([], "battery > 20", r"(?s)--autorl-where: battery is a reading"),
        (["pixel"], "ram_mb > 1", r"(?s)none of 1 devices fits\n  nearest: pixel: ram_mb is unknown"),
    ],
)
def test_a_selection_that_leaves_nothing_says_why(
    lab: FarmConfig, ids: list[str], where: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        lab.select(ids, where)


def test_the_schema_lists_every_section_and_allows_references_for_numbers() -> None:
    schema = json_schema()

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["properties"]) == set(FarmModel.model_fields)
    assert {"lease", "health", "retry", "gate", "tasks", "devices", "providers"} <= set(schema["properties"])
    assert schema["required"] == ["devices"]
    ttl = schema["$defs"]["Lease"]["properties"]["ttl"]
    assert ttl["default"] == 60
    assert [choice["type"] for choice in ttl["anyOf"]] == ["number", "string"]
    assert json.loads(json.dumps(schema)) == schema


def test_old_json_files_become_one_farm_file(tmp_path: Path) -> None:
    (tmp_path / "integration.json").write_text(
        json.dumps(
            {"connection": {"url": "${APPIUM_SERVER}"}, "heartbeat_interval": 15.0, "metrics_enabled": False}
        )
    )
    (tmp_path / "automation.json").write_text(
        json.dumps({"tasks": {"nightly": {"command": "pytest", "schedule": "daily at 03:00"}}})
    )
    (tmp_path / "reporting.json").write_text(
        json.dumps({"reports": [{"name": "daily", "channels": ["log"]}], "alerts": {"cpu_percent": 70}})
    )

    made = import_json(tmp_path / name for name in ("integration.json", "automation.json", "reporting.json"))

    assert made == {
        "version": 1,
        "connection": {"url": "${APPIUM_SERVER}"},
        "health": {"heartbeat_interval": 15.0},
        "observability": {"metrics_enabled": False},
        "tasks": [{"name": "nightly", "command": "pytest", "schedule": "daily at 03:00"}],
        "reports": [{"name": "daily", "channels": ["log"]}],
        "alerts": {"cpu_percent": 70},
    }
    (tmp_path / "farm.json").write_text(json.dumps({**made, "devices": [{"id": "a", "provider": "virtual"}]}))
    farm = load_farm(tmp_path / "farm.json", {"APPIUM_SERVER": "box:4723"})
    assert farm.policies.connection.url == "http://box:4723"
    assert farm.policies.tasks[0].name == "nightly"


def test_keys_that_cannot_be_imported_are_reported_never_dropped_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "integration.json"
    path.write_text('{\n"services": {},\n"health": {"battery": {"stopp": 3, "stop": 10}}}')
    told: list[str] = []

    made = import_json([path], told.append)

    assert made == {"version": 1, "health": {"battery": {"stop": 10}}}
    assert [line.removeprefix(str(path)) for line in told] == [
        ":2: services: no key of a farm file, not imported",
        ":3: health.battery.stopp: no key of a farm file, not imported (did you mean stop?)",
    ]
    with pytest.raises(FarmFileError, match=r"(?s)services: no key of a farm file.*stopp"):
        import_json([path])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("intergration.json", "{}", "did you mean integration.json?"),
        ("integration.json", "[]", "found a list"),
        ("integration.json", '{"health": 3}', "health: expected a mapping, got 3"),
        ("automation.json", '{"tasks": 3}', "tasks: expected a list, got 3"),
        ("automation.json", '{"tasks": [3]}', "tasks[0]: expected a mapping, got 3"),
    ],
)
def test_a_json_file_that_cannot_be_imported_says_why(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(FarmFileError) as caught:
        import_json([tmp_path / name])

    assert message in str(caught.value)


def test_a_section_given_twice_is_refused(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "automation.json").write_text('{"tasks": []}')

    with pytest.raises(FarmFileError, match="another file gives this section too"):
        import_json([tmp_path / "a" / "automation.json", tmp_path / "b" / "automation.json"])


def test_importing_the_farm_loads_nothing_heavy() -> None:
    """Loading the plugin is to cost under 20 ms; pydantic alone takes more."""
    code = (
        "import sys, pytest_autorl.farm as farm, pytest_autorl.farm.config\n"
        "names = ['Device', 'DeviceHealthMonitor', 'DeviceStatus', 'Requirement']\n"
        "assert farm.__all__ == sorted(farm.__all__) == names\n"
        "farm.Requirement(platform='android', tags='nfc')\n"
        "heavy = {'pydantic', 'yaml', 'packaging', 'appium', 'selenium', 'PIL', 'pytest'} & set(sys.modules)\n"
        "print(sorted(heavy))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)

    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    import pytest_autorl.farm as farm

    assert "Requirement" in dir(farm)
    with pytest.raises(AttributeError, match="'Requirment'"):
        farm.Requirment  # noqa: B018


@pytest.mark.parametrize("env", [{}, {"APPIUM_SERVER": "box:1"}])
def test_a_farm_by_number_is_what_a_file_of_its_devices_gives(env: dict[str, str], tmp_path: Path) -> None:
    """It is made without the model of farm files, for the sake of the time that takes."""
    farm = virtual_farm(9, env)
    stated = ("id", "provider", "platform", "os_version", "form_factor", "model")
    devices = [
        {
            **{name: getattr(device, name) for name in stated},
            "tags": sorted(device.tags),
            "attributes": dict(device.attributes),
        }
        for device in farm.devices
    ]
    (tmp_path / "farm.json").write_text(json.dumps({"devices": devices}))

    of_file = load_farm(tmp_path / "farm.json", env)

    assert replace(of_file, path=None) == farm
    assert of_file.policies.model_dump() == farm.policies.model_dump()
    assert of_file.policies.model_fields_set == farm.policies.model_fields_set
    assert [device.attributes for device in of_file.devices] == [device.attributes for device in farm.devices]
    assert of_file.providers["virtual"].model_dump() == farm.providers["virtual"].model_dump()
