"""`autorl farm`: the devices of a farm, who holds them, and which fit a need."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.farm.fitness import judge
from pytest_autorl.farm.policies import Health
from pytest_autorl.farm.sample import HealthSample
from pytest_autorl.state.engine import DeviceRow, TicketRow

Call = Callable[..., Any]

FARM = """\
providers:
  lab: {type: appium, url: "http://127.0.0.1:4723"}
devices:
  - {id: pixel-8, provider: lab, platform: android, os_version: "14", form_factor: phone, tags: [nfc]}
  - {id: old-one, provider: lab, platform: android, os_version: "12", form_factor: phone, attributes: {ram_mb: 2048}}
  - {id: sim, provider: virtual, platform: ios, os_version: "17.2", form_factor: tablet, model: iPad}
"""


@pytest.fixture
def farm(here: Path) -> Path:
    path = here / "device_farm.yml"
    path.write_text(FARM)
    return path


def test_list_shows_every_device_of_the_file_that_lies_here(autorl: Call, farm: Path) -> None:
    said = autorl("farm", "list")

    assert said.code == 0
    head, *rows = [line.split() for line in said.out.splitlines()]
    assert head[:3] == ["ID", "PLATFORM", "OS"]
    assert [row[:3] for row in rows] == [
        ["pixel-8", "android", "14"],
        ["old-one", "android", "12"],
        ["sim", "ios", "17.2"],
    ]


def test_list_as_json_has_the_documented_keys(autorl: Call, farm: Path) -> None:
    data = autorl("farm", "list", "--json").data

    assert data["queue"] == []
    assert data["devices"][0] == {
        "id": "pixel-8",
        "platform": "android",
        "os_version": "14",
        "form_factor": "phone",
        "model": "",
        "tags": ["nfc"],
        "provider": "lab",
        "status": "available",
        "reason": "",
        "holder": None,
        "since": None,
    }


def test_list_names_who_holds_a_device_and_since_when(
    autorl: Call, farm: Path, here: Path, shelf: Any
) -> None:
    shelf.holder("gw1")
    held = DeviceRow(key="pixel-8", status="busy", since_at_s=1_700_000_000.0, holder="gw1")
    shelf.put(held._replace(owner="Runner-host-gw1", purpose="tests/test_a.py::test_pay"))

    rows = autorl("farm", "list", "--json").data["devices"]

    assert {key: rows[0][key] for key in ("status", "holder", "reason", "since")} == {
        "status": "busy",
        "holder": "Runner-host-gw1",
        "reason": "tests/test_a.py::test_pay",
        "since": "2023-11-14T22:13:20Z",
    }
    assert [row["status"] for row in rows[1:]] == ["available", "available"]


def test_list_has_the_queue_of_status(autorl: Call, farm: Path, shelf: Any) -> None:
    shelf.holder("gw1")
    shelf.put(TicketRow(0, "gw1", "Runner-gw1", "test_b", "", ("pixel-8",), 1, 0.0, 9e9, ""))

    listed, status = autorl("farm", "list", "--json"), autorl("farm", "status", "--json")

    assert [waiting["purpose"] for waiting in listed.data["queue"]] == ["test_b"]
    assert listed.data["queue"] == status.data["queue"]


def test_looking_makes_no_state_directory(autorl: Call, farm: Path, here: Path) -> None:
    autorl("farm", "list", "--state", "new.db")

    assert sorted(path.name for path in here.iterdir()) == ["device_farm.yml"]


def test_the_farm_can_be_named_by_option_and_by_environment(
    autorl: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTORL_FARM", "virtual:2")
    by_environment = autorl("farm", "list", "--json").data["devices"]
    by_option = autorl("farm", "list", "--farm", "virtual:3", "--json").data["devices"]

    assert [row["id"] for row in by_environment] == ["virtual-1", "virtual-2"]
    assert [row["form_factor"] for row in by_option] == ["phone", "phone", "tablet"]


def test_why_names_the_devices_that_fit_and_what_fails_on_the_others(autorl: Call, farm: Path) -> None:
    said = autorl("farm", "why", "--platform", "android", "--os-version", ">=13", "--tag", "nfc")

    assert said.code == 0
    assert said.out.splitlines() == [
        "needs: platform android, os_version >=13, tag nfc",
        "fits: pixel-8",
        "  old-one: os_version is 12, needs >=13; tags are none, needs nfc",
        "  sim: platform is ios, needs android; tags are none, needs nfc",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--platform", "web"], "cannot be met: 0 of the farm's devices fit, 1 needed"),
        (["--platform", "android", "--count", "3"], "cannot be met: 2 of the farm's devices fit, 3 needed"),
        (["--where", "ram_mb >= 4096"], "old-one: ram_mb is 2048, needs >= 4096"),
        (["--model", "iPhone"], "sim: model is iPad, needs iPhone"),
    ],
)
def test_a_need_that_cannot_be_met_is_exit_code_1(
    autorl: Call, farm: Path, arguments: list[str], words: str
) -> None:
    said = autorl("farm", "why", *arguments)

    assert said.code == 1
    assert words in said.out


def test_why_a_device_tells_its_status_and_whether_it_fits(autorl: Call, farm: Path) -> None:
    fits = autorl("farm", "why", "pixel-8", "--form-factor", "phone")
    fails = autorl("farm", "why", "sim", "--form-factor", "phone", "--json")

    assert (fits.code, fits.out.splitlines()[0]) == (0, "pixel-8: available")
    assert fails.code == 1
    assert fails.data["misfits"] == [{"device": "sim", "failed": ["form_factor is tablet, needs phone"]}]
    assert [row["id"] for row in fails.data["devices"]] == ["sim"]


def test_why_one_simulated_device_looks_where_the_whole_farm_has_its_state(
    autorl: Call, farm: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A farm of nothing but simulated devices has its state in the project; this one is not such a farm."""
    (here / ".autorl").mkdir()
    (here / ".autorl" / "state.db").write_text("nothing of ours")
    monkeypatch.setenv("XDG_STATE_HOME", str(here / "of-the-user"))

    assert autorl("farm", "why", "sim").code == 0


def test_an_unknown_device_or_attribute_is_exit_code_2_with_the_nearest(autorl: Call, farm: Path) -> None:
    device = autorl("farm", "why", "pixel-9")
    attribute = autorl("farm", "why", "--where", "ramm_mb > 1")

    assert (device.code, attribute.code) == (2, 2)
    assert "did you mean pixel-8?" in device.err
    assert "did you mean ram_mb?" in attribute.err


def test_why_as_json_says_the_need_and_both_sides(autorl: Call, farm: Path) -> None:
    data = autorl("farm", "why", "--platform", "ios", "--json").data

    assert data["need"] == {"key": "ios", "text": "platform ios", "count": 1}
    assert data["can_be_met"] is True
    assert data["fits"] == ["sim"]
    assert [entry["device"] for entry in data["misfits"]] == ["pixel-8", "old-one"]


# -- health


def judged(name: str, **readings: Any) -> DeviceRow:
    """A phone as the monitor leaves it in the state, looked at a minute ago."""
    verdict = judge(HealthSample(**readings), Health(), None, time.time() - 60)
    return DeviceRow(
        key=name, status=str(verdict.status), reason=verdict.reason, since_at_s=1e9, health=verdict.to_text()
    )


BATTERY = "battery 12 % is below 20 % (fit again from 40 %)"


def test_why_a_fit_device_tells_what_it_said_of_itself(autorl: Call, farm: Path, shelf: Any) -> None:
    shelf.put(judged("pixel-8", battery_pct=87.0, storage_free_mb=110_000.0, response_s=0.012))

    device, health, *_ = autorl("farm", "why", "pixel-8").out.splitlines()

    assert device == "pixel-8: available"
    assert re.fullmatch(
        r"  health: fit \(battery 87 %, 110\.0 GB free, answers in 12 ms; looked at \d+ s ago\)", health
    )


def test_why_a_device_that_the_monitor_found_unfit_tells_the_reading(
    autorl: Call, farm: Path, shelf: Any
) -> None:
    shelf.put(judged("pixel-8", battery_pct=12.0))

    device, health, *_ = autorl("farm", "why", "pixel-8").out.splitlines()

    assert device == f"pixel-8: unhealthy (health: {BATTERY})"
    assert re.fullmatch(re.escape(f"  health: {BATTERY} (battery 12 %; looked at ") + r"\d+ s ago\)", health)


def test_why_a_device_that_cannot_be_reached_tells_so(autorl: Call, farm: Path, shelf: Any) -> None:
    shelf.put(judged("pixel-8", is_online=False))

    device, health, *_ = autorl("farm", "why", "pixel-8").out.splitlines()

    assert device == "pixel-8: offline (health: it cannot be reached)"
    assert health.startswith("  health: it cannot be reached (it states no readings; looked at ")


def test_why_a_need_names_the_unfit_device_that_would_fit(autorl: Call, farm: Path, shelf: Any) -> None:
    """It fits all the same: readings keep it back for a while, and decide nothing more."""
    shelf.put(judged("pixel-8", battery_pct=12.0), judged("old-one", battery_pct=90.0))

    said = autorl("farm", "why", "--tag", "nfc")

    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0] == f"pixel-8: unhealthy (health: {BATTERY})"
    assert lines[2:4] == ["needs: tag nfc", "fits: pixel-8"]
    assert "old-one: available" not in said.out  # what is fit needs no word


def test_a_device_that_was_found_unfit_while_it_is_used_says_what_follows(
    autorl: Call, farm: Path, shelf: Any
) -> None:
    shelf.holder("gw1")
    found = judged("pixel-8", battery_pct=12.0)
    held = found._replace(status="busy", reason="", after=f"{found.status} {found.reason}", holder="gw1")
    shelf.put(held._replace(owner="Runner-gw1", purpose="test_pay"))

    device = autorl("farm", "why", "--tag", "nfc").out.splitlines()[0]

    assert device == (
        f"pixel-8: busy, held by Runner-gw1 since 2001-09-09T01:46:40Z (test_pay), then unhealthy: health: {BATTERY}"
    )


def test_health_as_json_is_a_text_and_empty_where_nobody_has_looked(
    autorl: Call, farm: Path, shelf: Any
) -> None:
    shelf.put(judged("pixel-8", battery_pct=12.0))

    for command in ("status", "why"):
        rows = {row["id"]: row for row in autorl("farm", command, "--json").data["devices"]}
        assert rows["pixel-8"]["health"].startswith(f"health: {BATTERY} (battery 12 %; looked at ")
        assert (rows["old-one"]["health"], rows["sim"]["health"]) == ("", "")


def test_a_verdict_that_nobody_understands_is_none(autorl: Call, farm: Path, shelf: Any) -> None:
    shelf.put(DeviceRow(key="pixel-8", status="available", health='{"status": "busy"}'))

    assert autorl("farm", "why", "pixel-8").out.splitlines()[0] == "pixel-8: available"
    assert "  health" not in autorl("farm", "why", "pixel-8").out


# -- schema


def test_schema_is_a_json_schema_that_knows_the_required_keys(autorl: Call, here: Path) -> None:
    schema = autorl("farm", "schema").data

    assert schema["$schema"].endswith("2020-12/schema")
    assert "devices" in schema["required"]
    assert schema == autorl("farm", "schema", "--json").data
