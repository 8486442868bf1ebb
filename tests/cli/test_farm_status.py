"""`autorl farm status`: who has which device, since when and why, and who waits for what."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.cli.status import age
from pytest_autorl.state.engine import DeviceRow, TicketRow
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.store import DurableStore

Call = Callable[..., Any]

FARM = """\
providers:
  lab: {type: appium, url: "http://127.0.0.1:4723"}
devices:
  - {id: pixel-8, provider: lab, platform: android, os_version: "14", form_factor: phone}
  - {id: old-one, provider: lab, platform: android, os_version: "12", form_factor: phone}
  - {id: sim, provider: virtual, platform: ios, os_version: "17.2", form_factor: tablet}
"""


@pytest.fixture
def farm(here: Path) -> Path:
    path = here / "device_farm.yml"
    path.write_text(FARM)
    return path


def busy(key: str, **more: Any) -> DeviceRow:
    """A device that gw0 holds since two minutes."""
    row = DeviceRow(key=key, status="busy", since_at_s=time.time() - 125, token=7, holder="gw0")
    row = row._replace(owner="Runner-gw0", purpose="tests/test_a.py::test_pay", need="android")
    return row._replace(**more)


def by_id(said: Any) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in said.data["devices"]}


def test_a_store_that_holds_a_device_is_named_with_its_test_and_its_process(
    autorl: Call, farm: Path, shelf: Any
) -> None:
    """What a run writes, as it writes it."""
    holders = shelf.path.with_name("mine.db.holders")
    store = DurableStore(
        SqliteEngine(shelf.path),
        folder=holders,
        devices={"pixel-8": 5},
        run_id="run-1",
        owner="Runner-here-gw0",
    )
    with closing(store):
        asked = {"owner": "Runner-here-gw0", "purpose": "tests/test_a.py::test_pay", "need": "android"}
        (lease,) = store.acquire(["pixel-8"], count=1, wait_s=0, **asked)
        said = autorl("farm", "status", "--json")

    row = by_id(said)["pixel-8"]
    since = row.pop("since")
    assert said.code == 0
    assert since.endswith("Z")
    assert row == {
        "id": "pixel-8",
        "platform": "android",
        "os_version": "14",
        "form_factor": "phone",
        "model": "",
        "tags": [],
        "provider": "lab",
        "status": "busy",
        "reason": "tests/test_a.py::test_pay",
        "holder": "Runner-here-gw0",
        "run": "run-1",
        "pid": os.getpid(),
        "token": lease.token,
        "holder_alive": True,
        "purpose": "tests/test_a.py::test_pay",
        "need": "android",
        "parked": False,
        "next_status": None,
        "next_reason": "",
        "health": "",
    }


def test_people_read_who_has_a_device_for_how_long_and_what_follows(
    autorl: Call, farm: Path, shelf: Any
) -> None:
    shelf.holder("gw0")
    shelf.put(busy("pixel-8", after="maintenance held by ann: cable"))
    shelf.put(DeviceRow(key="old-one", status="unhealthy", reason="quarantined by ann: battery"))

    lines = autorl("farm", "status").out.splitlines()

    assert " ".join(lines[0].split()) == ("ID PLATFORM OS VERSION FORM FACTOR STATUS SINCE HOLDER WHY RUN")
    assert "busy       2 min" in lines[1]
    assert "Runner-gw0  tests/test_a.py::test_pay; then maintenance: held by ann: cable" in lines[1]
    assert lines[1].endswith("run-1")
    assert "unhealthy" in lines[2]
    assert lines[2].endswith("quarantined by ann: battery")
    assert lines[-1] == "nobody waits"


def test_a_parked_device_and_one_whose_holder_died_are_told_apart(
    autorl: Call, farm: Path, shelf: Any
) -> None:
    """A parked one comes back by itself; a dead holder's is taken over by the next who looks."""
    shelf.holder("gw0")
    shelf.holder("gw1", is_alive=False)
    shelf.put(busy("pixel-8", is_parked=True, purpose=""), busy("old-one", holder="gw1", owner="Runner-gw1"))

    rows = by_id(autorl("farm", "status", "--json"))
    lines = autorl("farm", "status").out.splitlines()

    assert (rows["pixel-8"]["reason"], rows["pixel-8"]["parked"]) == ("parked", True)
    assert [rows[name]["holder_alive"] for name in ("pixel-8", "old-one", "sim")] == [True, False, None]
    assert "Runner-gw0  parked  " in lines[1]
    assert "tests/test_a.py::test_pay; its process has ended" in lines[2]


def test_the_recovery_of_a_device_is_held_by_whoever_does_it(autorl: Call, farm: Path, shelf: Any) -> None:
    """The row still remembers whom the device was taken from; that one holds nothing any more."""
    shelf.holder("gw1")
    reason = "recovering: Runner-gw0 ended without giving it back"
    shelf.put(busy("pixel-8", status="maintenance", reason=reason, holder="gw1"))

    row = by_id(autorl("farm", "status", "--json"))["pixel-8"]

    assert (row["status"], row["holder"], row["reason"]) == ("maintenance", "Runner-gw1", reason)


def test_who_waits_is_shown_in_order_with_what_is_missing(autorl: Call, farm: Path, shelf: Any) -> None:
    shelf.holder("gw0")
    shelf.holder("gw1", run="run-2")
    shelf.put(busy("pixel-8"), DeviceRow(key="old-one", status="available"))
    ticket = TicketRow(
        number=0,
        holder="gw1",
        owner="Runner-gw1",
        purpose="tests/test_b.py::test_chat",
        need="android*2",
        candidates=("old-one", "pixel-8"),
        wants=2,
        asked_at_s=time.time() - 3,
        deadline_s=9e9,
        wake="",
    )
    shelf.put(ticket, ticket._replace(owner="Runner-gone", holder="gone", candidates=("pixel-8",), wants=1))
    shelf.put(ticket._replace(candidates=("of-another-farm",), wants=1))

    first, second = autorl("farm", "status", "--json").data["queue"]
    lines = autorl("farm", "status").out.splitlines()

    assert {key: first[key] for key in first if key not in ("since", "waits_for")} == {
        "ticket": 1,
        "holder": "Runner-gw1",
        "holder_alive": True,
        "run": "run-2",
        "purpose": "tests/test_b.py::test_chat",
        "need": "android*2",
        "count": 2,
        "candidates": ["old-one", "pixel-8"],
    }
    ((missing_id, missing_holder),) = [(each["id"], each["holder"]) for each in first["waits_for"]]
    assert (missing_id, missing_holder) == ("pixel-8", "Runner-gw0")
    assert (second["ticket"], second["holder_alive"]) == (2, False)
    head, one, two = lines[-3:]
    assert " ".join(head.split()) == "WAITS HOLDER FOR SINCE DEVICES HELD BY"
    assert one.startswith("1      Runner-gw1")
    assert one.endswith("2 of old-one, pixel-8  pixel-8: Runner-gw0")
    assert "Runner-gone (its process has ended)" in two


def test_of_many_candidates_a_few_are_named(autorl: Call, shelf: Any) -> None:
    shelf.holder("gw0")
    keys = [f"run-1@virtual-{n}" for n in range(1, 8)]
    shelf.put(*(busy(key) for key in keys))
    wish = TicketRow(0, "gw0", "Runner-gw0", "t", "", tuple(keys), 1, time.time(), 9e9, "")
    shelf.put(wish)

    line = autorl("farm", "status", "--farm", "virtual:7").out.splitlines()[-1]

    assert "1 of virtual-1, virtual-2, virtual-3, virtual-4, and 3 more" in line
    assert line.endswith("virtual-4: Runner-gw0; and 3 more")


def test_a_simulated_device_is_shown_as_the_runs_that_are_alive_have_it(
    autorl: Call, farm: Path, shelf: Any
) -> None:
    """Each run has its own of that name: one in use says most. What a killed run has left says nothing."""
    shelf.holder("gw0", run="run-1")
    shelf.holder("gw1", run="run-2")
    shelf.holder("gw2", run="run-3", is_alive=False)
    shelf.put(DeviceRow(key="run-1@sim", status="available"), busy("run-2@sim", holder="gw1"))
    shelf.put(busy("run-3@sim", holder="gw2"))

    row = by_id(autorl("farm", "status", "--json"))["sim"]

    assert (row["status"], row["run"], row["holder_alive"]) == ("busy", "run-2", True)


def test_without_a_run_a_simulated_device_is_available(autorl: Call, farm: Path, shelf: Any) -> None:
    shelf.holder("gw2", run="run-3", is_alive=False)
    shelf.put(busy("run-3@sim", holder="gw2"))

    row = by_id(autorl("farm", "status", "--json"))["sim"]

    assert (row["status"], row["reason"], row["run"]) == ("available", "each run has its own", None)


def test_a_long_name_of_a_test_is_shortened_in_its_middle_for_people_only(
    autorl: Call, farm: Path, shelf: Any
) -> None:
    shelf.holder("gw0")
    name = f"tests/test_a.py::test_pay[{'x' * 100}-the-end]"
    shelf.put(busy("pixel-8", purpose=name))

    assert "tests/test_a.py::test_pay[xxx…" in autorl("farm", "status").out
    assert "the-end]" in autorl("farm", "status").out
    assert by_id(autorl("farm", "status", "--json"))["pixel-8"]["reason"] == name


def test_looking_makes_no_state(autorl: Call, farm: Path, shelf: Any, here: Path) -> None:
    assert autorl("farm", "status").code == 0

    assert [path.name for path in here.iterdir()] == ["device_farm.yml"]


def test_a_state_elsewhere_than_one_would_expect_is_told(
    autorl: Call, farm: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks for the file has to know; the answer itself stays readable for programs."""
    from pytest_autorl.state import place

    def everything_but_here(path: Path, mounts: str | None = None) -> str:
        return "ext4" if here in path.parents else "nfs4"

    monkeypatch.setattr(place, "file_system", everything_but_here)
    monkeypatch.setattr("tempfile.tempdir", str(here))

    said = autorl("farm", "status", "--json")

    assert said.code == 0
    assert "is on a network file system (nfs4): the state is" in said.err
    assert len(said.data["devices"]) == 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (59.9, "59 s"),
        (61, "1 min"),
        (18_060, "5 h 1 min"),
        (259_260, "3 d"),
        (93_600, "1 d 2 h"),
    ],
)
def test_a_time_is_told_in_one_unit_or_two(seconds: float, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_watching_wants_a_terminal(autorl: Call, farm: Path, more: list[str]) -> None:
    said = autorl("farm", "status", "--watch", "1", *more)

    assert (said.code, said.out) == (2, "")
    assert "--watch draws on a terminal" in said.err


def test_watching_draws_again_what_has_changed_until_ctrl_c(farm: Path, shelf: Any) -> None:
    own, terminal = pty.openpty()
    command = [sys.executable, "-m", "pytest_autorl.cli", "farm", "status", "--watch", "0.1"]
    watching = subprocess.Popen(command, stdout=terminal, stderr=subprocess.STDOUT, stdin=terminal)
    os.close(terminal)
    try:
        before = read_until(own, b"nobody waits")
        shelf.put(DeviceRow(key="pixel-8", status="offline", reason="cable"))
        after = read_until(own, b"offline")
        watching.send_signal(signal.SIGINT)

        assert watching.wait(30) == 0
        assert b"offline" not in before
        assert b"\x1b[H\x1b[J" in after
    finally:
        watching.kill()
        watching.wait(30)
        os.close(own)


def read_until(descriptor: int, words: bytes) -> bytes:
    """What a terminal shows until the words come; the suite's time limit bounds it."""
    seen = b""
    while words not in seen:
        seen += os.read(descriptor, 65536)
    return seen
