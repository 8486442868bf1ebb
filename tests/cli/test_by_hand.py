"""`autorl farm release|hold|quarantine|restore`: what people do to devices by hand.

The devices stand behind a real server of the protocol (that of the simulated ones), reached as an Appium server is.
"""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.cli import by_hand
from pytest_autorl.errors import LeaseLostError, LeaseTimeoutError
from pytest_autorl.state.engine import DeviceRow, SessionRow
from pytest_autorl.state.grants import BLOCK_SIZE
from pytest_autorl.state.leases import Lease, Session
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.store import DurableStore
from pytest_autorl.virtual.admin import AdminClient
from pytest_autorl.virtual.library import load_app
from pytest_autorl.virtual.server import DeviceServer, make_server
from state_child import Child

Call = Callable[..., Any]

FARM = """\
providers:
  lab: {{type: appium, url: "{url}"}}
devices:
  - {{id: phone, provider: lab, platform: android, capabilities: {{appium:udid: phone}}}}
  - {{id: tablet, provider: lab, platform: android, capabilities: {{appium:udid: tablet}}}}
  - {{id: sim, provider: virtual, platform: ios}}
"""

#: Leases a device, records a session on it, and lives until it is killed.
HOLDER = """
import sys
from pathlib import Path
from pytest_autorl.state.leases import Session
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.store import DurableStore

path, url, session = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
store = DurableStore(SqliteEngine(path), folder=path.with_name(path.name + ".holders"), devices={"phone": 5},
                     run_id="run-1", owner="Runner-child")
(lease,) = store.acquire(["phone"], count=1, owner="Runner-child", purpose="test_that_dies", wait_s=0)
store.note_sessions(lease, [Session(url=url, id=session)])
print("holds", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[DeviceServer]:
    devices = [{"id": name, "app": "bank", "platform": "android"} for name in ("phone", "tablet")]
    with make_server({"apps": {"bank": load_app("bank")}, "devices": devices, "admin_key": "k"}) as running:
        yield running


@pytest.fixture
def farm(here: Path, server: DeviceServer) -> Path:
    path = here / "device_farm.yml"
    path.write_text(FARM.format(url=server.url))
    return path


@pytest.fixture
def make_store(shelf: Any) -> Iterator[Callable[..., DurableStore]]:
    """A pytest process of the host, as far as the state can tell."""
    made = []

    def make(owner: str = "Runner-gw0", **more: Any) -> DurableStore:
        devices = {"phone": 5, "tablet": 5, "sim": 0}
        store = DurableStore(
            SqliteEngine(shelf.path),
            folder=shelf.path.with_name("mine.db.holders"),
            devices=devices,
            owner=owner,
            **{"run_id": "run-1", "is_of_run": lambda device_id: device_id == "sim", **more},
        )
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()


def lease_of(store: DurableStore, *device_ids: str, wait_s: float = 0, owner: str = "Runner-gw0") -> Lease:
    test = "tests/test_a.py::test_pay"
    (lease,) = store.acquire(device_ids, count=1, owner=owner, purpose=test, wait_s=wait_s)
    return lease


def begin_session(server: DeviceServer, udid: str) -> str:
    """A session on a device of the server, as somebody left it."""
    names = {"platformName": "Android", "appium:automationName": "UiAutomator2", "appium:udid": udid}
    body = json.dumps({"capabilities": {"alwaysMatch": names}}).encode()
    request = urllib.request.Request(f"{server.url}/session", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["value"]["sessionId"])


def session_on(server: DeviceServer, udid: str) -> str | None:
    found: str | None = AdminClient(server.url, "k").device(udid)["session"]
    return found


# -- release -------------------------------------------------------------------------------------------------


def test_a_lease_of_a_living_process_is_not_ended(autorl: Call, farm: Path, make_store: Any) -> None:
    """Its test runs on the device at this moment; who reads this knows whom to ask."""
    store = make_store()
    lease = lease_of(store, "phone")

    said = autorl("farm", "release", "phone")

    assert said.code == 1
    assert said.out.startswith("phone: not released: Runner-gw0 (process ")
    assert " holds it since 20" in said.out
    assert " for tests/test_a.py::test_pay; end that process, or use --force" in said.out
    store.check(lease)


def test_by_force_its_next_command_is_refused_and_the_device_is_recovered(
    autorl: Call, farm: Path, make_store: Any, server: DeviceServer
) -> None:
    """Not at its next heartbeat, which may be a quarter of a minute away: it is told at once."""
    store, is_told = make_store(), threading.Event()
    lease = lease_of(store, "phone")
    session = begin_session(server, "phone")
    store.note_sessions(lease, [Session(url=server.url, id=session)])
    store.listen(is_told.set)

    said = autorl("farm", "release", "phone", "--force", "--json")

    assert said.code == 0
    (row,) = said.data["devices"]
    assert (row["id"], row["done"], row["status"], row["reason"]) == ("phone", True, "available", "")
    assert row["what"].startswith("taken from Runner-gw0 (process ")
    assert session_on(server, "phone") is None
    assert is_told.wait(30)
    with pytest.raises(LeaseLostError, match=r"it was taken away \(token 2"):
        store.check(lease)
    assert lease_of(make_store("Runner-gw1"), "phone").token > lease.token


def test_what_a_killed_process_held_is_released_without_force(
    autorl: Call, farm: Path, shelf: Any, server: DeviceServer
) -> None:
    session = begin_session(server, "phone")
    with Child(HOLDER, shelf.path, server.url, session) as child:
        assert child.line() == "holds"
        child.kill()

        said = autorl("farm", "release", "phone")

    assert said.code == 0
    assert said.out == f"phone: taken from Runner-child (process {child.pid}); now available\n"
    assert session_on(server, "phone") is None


def test_a_device_that_cannot_be_recovered_is_told_and_given_to_nobody(
    autorl: Call, here: Path, make_store: Any, free_port: Callable[[], int]
) -> None:
    (here / "device_farm.yml").write_text(FARM.format(url=f"http://127.0.0.1:{free_port()}"))
    lease_of(make_store(), "phone")

    said = autorl("farm", "release", "phone", "--force")

    assert said.code == 1
    assert "now unhealthy (quarantined: its recovery failed: http://127.0.0.1:" in said.out
    assert "does not answer" in said.out
    with pytest.raises(LeaseTimeoutError):
        lease_of(make_store("Runner-gw1"), "phone")


def test_a_recovery_that_takes_long_is_told_and_left_to_others(
    autorl: Call, farm: Path, make_store: Any, shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with this command; the next process that looks begins it anew. Until then nobody gets the device."""
    from pytest_autorl.farm.providers.appium import AppiumProvider

    may_end = threading.Event()
    monkeypatch.setattr(AppiumProvider, "recover", lambda self, device, unclean: str(may_end.wait(60)))
    monkeypatch.setattr(by_hand, "RECOVERY_S", 0.05)
    monkeypatch.setattr("pytest_autorl.state.store._PATIENCE_S", 0.05)
    lease_of(make_store(), "phone")

    said = autorl("farm", "release", "phone", "--force")
    row = shelf.rows()["phone"]
    may_end.set()

    assert said.code == 1
    assert "now maintenance (recovering: released by " in said.out
    assert (row.status, bool(row.holder)) == ("maintenance", True)


def test_what_was_to_follow_the_lease_follows_its_release(autorl: Call, farm: Path, make_store: Any) -> None:
    lease_of(make_store(), "phone")
    autorl("farm", "hold", "phone", "--reason", "cable")

    said = autorl("farm", "release", "phone", "--force")

    assert said.code == 0
    assert "now maintenance (held by " in said.out


def test_a_device_that_changed_hands_since_it_was_looked_at_is_left_alone(
    autorl: Call, farm: Path, shelf: Any, make_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen with a dead holder, then leased by a living one: only the former was meant."""
    shelf.holder("gone", is_alive=False)
    shelf.put(DeviceRow(key="phone", status="busy", token=5, holder="gone", owner="Runner-gone"))
    store, real, leases = make_store(), by_hand._store, []

    def meanwhile(*args: Any) -> DurableStore:
        leases.append(lease_of(store, "phone", wait_s=30))
        return real(*args)

    monkeypatch.setattr(by_hand, "_store", meanwhile)

    said = autorl("farm", "release", "phone")

    assert (said.code, "it has changed hands meanwhile" in said.out) == (1, True)
    store.check(leases[0])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "nobody holds it: available"),
        ([DeviceRow(key="phone", status="available")], "nobody holds it: available"),
        ([DeviceRow(key="phone", status="offline", reason="cable")], "nobody holds it: offline (cable)"),
    ],
    ids=["unknown to the state", "free", "out of service"],
)
def test_a_device_that_nobody_holds_needs_no_release(
    autorl: Call, farm: Path, shelf: Any, rows: list[DeviceRow], words: str
) -> None:
    shelf.put(*rows)

    said = autorl("farm", "release", "phone")

    assert (said.code, said.out) == (0, f"phone: {words}\n")


def test_a_simulated_device_is_released_in_its_run(autorl: Call, farm: Path, make_store: Any) -> None:
    """Its server is known to its run alone, and keeps out an older token by itself: nothing else is to be done."""
    store = make_store()
    lease = lease_of(store, "sim")

    kept, ended = autorl("farm", "release", "sim"), autorl("farm", "release", "sim", "--force")

    assert (kept.code, ended.code) == (1, 0)
    assert ended.out.startswith("sim of run run-1: taken from Runner-gw0")
    assert lease_of(make_store("Runner-gw1"), "sim").token > lease.token


# -- out of service and back ---------------------------------------------------------------------------------


def test_a_device_that_no_run_has_ever_seen_can_be_held(
    autorl: Call, farm: Path, shelf: Any, make_store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ann")

    said = autorl("farm", "hold", "phone", "--reason", " new   cable\n", "--json")

    assert said.code == 0
    assert said.data == {
        "devices": [
            {
                "id": "phone",
                "run": None,
                "done": True,
                "status": "maintenance",
                "reason": "held by ann: new cable",
                "what": "maintenance, held by ann: new cable",
            }
        ]
    }
    assert shelf.rows()["phone"].port_count == BLOCK_SIZE  # as a run has it
    assert lease_of(make_store(), "phone", "tablet").device_id == "tablet"


def test_a_quarantined_device_is_unhealthy_until_it_is_restored(
    autorl: Call, farm: Path, make_store: Any
) -> None:
    put_out = autorl("farm", "quarantine", "phone", "--reason", "cracked screen")
    with pytest.raises(LeaseTimeoutError, match=r"unhealthy, quarantined by .*: cracked screen"):
        lease_of(make_store(), "phone")
    restored = autorl("farm", "restore", "phone")

    assert (put_out.code, restored.code) == (0, 0)
    assert "phone: unhealthy, quarantined by " in put_out.out
    assert restored.out == "phone: available\n"
    assert lease_of(make_store(), "phone").device_id == "phone"


def test_a_device_in_use_is_held_when_its_lease_ends(autorl: Call, farm: Path, make_store: Any) -> None:
    store = make_store()
    lease = lease_of(store, "phone")

    said = autorl("farm", "hold", "phone")
    during = store.devices()["phone"]
    store.check(lease)
    store.release(lease)
    after = store.devices()["phone"]

    assert said.code == 0
    assert said.out == "phone: in use by Runner-gw0 for tests/test_a.py::test_pay; held when that has ended\n"
    assert (str(during.status), str(during.next_status)) == ("busy", "maintenance")
    assert (str(after.status), after.reason[:8]) == ("maintenance", "held by ")


def test_a_holder_that_keeps_a_device_between_tests_gives_it_up_at_once(
    autorl: Call, farm: Path, make_store: Any
) -> None:
    """It would reuse a device that nobody waits for until its run ends."""
    store, is_told = make_store(), threading.Event()
    lease = lease_of(store, "phone")
    store.listen(is_told.set)

    autorl("farm", "hold", "phone")

    assert is_told.wait(30)
    assert store.is_wanted("phone")
    assert store.offer(lease)


def test_what_is_to_follow_a_lease_can_be_taken_back(autorl: Call, farm: Path, make_store: Any) -> None:
    store = make_store()
    lease = lease_of(store, "phone")
    autorl("farm", "hold", "phone", "--reason", "cable")

    said = autorl("farm", "restore", "phone")
    store.release(lease)

    assert said.code == 0
    assert "; available after that, not maintenance (held by " in said.out
    assert str(store.devices()["phone"].status) == "available"


def test_what_is_in_use_or_being_recovered_cannot_be_restored(autorl: Call, farm: Path, shelf: Any) -> None:
    shelf.holder("gw0")
    held = DeviceRow(key="phone", status="busy", holder="gw0", owner="Runner-gw0")
    reason = "recovering: Runner-gw1 gave no sign of life for 60 s"
    shelf.put(held._replace(is_parked=True), held._replace(key="tablet", status="maintenance", reason=reason))

    said = autorl("farm", "restore", "phone", "tablet")

    assert said.code == 1
    assert said.out.splitlines() == [
        "phone: not restored: in use by Runner-gw0 between two tests",
        f"tablet: not restored: {reason}",
    ]


def test_of_several_devices_each_is_done_and_told_in_the_farms_order(
    autorl: Call, farm: Path, shelf: Any
) -> None:
    """One that cannot be changed does not keep the others from it."""
    shelf.holder("gw0")
    shelf.put(DeviceRow(key="phone", status="busy", holder="gw0", owner="Runner-gw0"))
    shelf.put(DeviceRow(key="tablet", status="unhealthy", reason="x", sessions=(SessionRow("u", "s"),)))

    said = autorl("farm", "restore", "tablet", "sim", "phone", "tablet")

    assert said.code == 1
    assert [line.split(":")[0] for line in said.out.splitlines()] == ["phone", "tablet", "sim"]
    assert shelf.rows()["tablet"].status == "available"


def test_restoring_what_is_available_changes_nothing(autorl: Call, farm: Path, shelf: Any) -> None:
    row = DeviceRow(key="phone", status="available", since_at_s=5.0, token=3, port_count=BLOCK_SIZE)
    shelf.put(row)

    said = autorl("farm", "restore", "phone")

    assert (said.code, said.out) == (0, "phone: available already\n")
    assert shelf.rows()["phone"] == row


def test_who_waits_is_served_at_once_with_what_is_restored(
    autorl: Call, farm: Path, make_store: Any, shelf: Any
) -> None:
    """The command rings: nobody has to look by himself first."""
    autorl("farm", "hold", "tablet")
    holder, waiter = make_store(), make_store("Runner-gw1")
    lease_of(holder, "phone")
    is_waiting, served = threading.Event(), []
    holder.listen(is_waiting.set)
    thread = threading.Thread(
        target=lambda: served.append(lease_of(waiter, "phone", "tablet", wait_s=60, owner="Runner-gw1"))
    )
    thread.start()
    assert is_waiting.wait(30)

    said = autorl("farm", "restore", "tablet")
    thread.join(30)

    assert said.code == 0
    assert [lease.device_id for lease in served] == ["tablet"]


def test_simulated_devices_are_held_in_every_run_that_is_alive(autorl: Call, farm: Path, shelf: Any) -> None:
    shelf.holder("gw0", run="run-1")
    shelf.holder("gw1", run="run-2")
    shelf.holder("gw2", run="run-3", is_alive=False)
    shelf.put(*(DeviceRow(key=f"run-{n}@sim", status="available") for n in (1, 2, 3)))

    said = autorl("farm", "hold", "sim")

    assert said.code == 0
    assert [line.split(":")[0] for line in said.out.splitlines()] == [
        "sim of run run-1",
        "sim of run run-2",
    ]
    assert [row.status for row in shelf.rows().values()] == ["maintenance", "maintenance", "available"]


@pytest.mark.parametrize(
    "arguments",
    [["hold", "sim"], ["quarantine", "sim", "--reason", "x"], ["restore", "sim"], ["release", "sim"]],
)
def test_without_a_run_there_is_no_simulated_device(
    autorl: Call, farm: Path, here: Path, shelf: Any, arguments: list[str]
) -> None:
    said = autorl("farm", *arguments)

    assert (said.code, said.out) == (1, "sim: simulated: each run has its own, and none runs now\n")
    assert not shelf.path.exists()


def test_a_run_that_ends_meanwhile_has_no_device_any_more(
    autorl: Call, farm: Path, shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.holder("gw0")
    shelf.put(DeviceRow(key="run-1@sim", status="available"))
    monkeypatch.setattr(by_hand, "_keys", lambda seen, device: ["run-0@sim"])

    said = autorl("farm", "hold", "sim")

    assert (said.code, said.out) == (1, "sim: simulated: each run has its own, and none runs now\n")


# -- wrong use -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["release", "hold", "restore"])
def test_a_device_that_the_farm_does_not_have_is_exit_code_2_with_the_nearest(
    autorl: Call, farm: Path, shelf: Any, command: str
) -> None:
    """Also when others of the list are known: nothing is done by half."""
    said = autorl("farm", command, "tablet", "phonee")

    assert (said.code, said.out) == (2, "")
    assert "phonee: the farm has no device with this id" in said.err
    assert "did you mean phone?" in said.err
    assert not shelf.path.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["hold"],
        ["release"],
        ["restore"],
        ["quarantine", "phone"],
        ["quarantine", "phone", "--reason", "  "],
        ["hold", "phone", "--force"],
    ],
)
def test_what_is_missing_is_exit_code_2(autorl: Call, farm: Path, shelf: Any, arguments: list[str]) -> None:
    said = autorl("farm", *arguments)

    assert (said.code, said.out) == (2, "")
    assert not shelf.path.exists()


def test_an_account_without_a_name_is_told_by_its_number(
    autorl: Call, farm: Path, shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers run as users that no file knows."""
    import os

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)

    autorl("farm", "hold", "phone")

    assert shelf.rows()["phone"].reason == f"held by user {os.getuid()}"
