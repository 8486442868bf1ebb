"""Servers that take fewer sessions than they have devices: who gets what, in every engine and in the store."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.errors import LeaseTimeoutError
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.state import grants, ledger
from pytest_autorl.state.engine import DeviceRow, Engine, HolderRow, Phase, TicketRow
from pytest_autorl.state.ledger import Now
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.state.sqlite_books import MIGRATIONS, migrate, salvage
from pytest_autorl.state.store import DurableStore

FREE, HELD = DeviceStatus.AVAILABLE, DeviceStatus.BUSY
NOW = Now(1000.0, 1_700_000_000.0, 60.0)
KEYS = "abcdef"


def ticket(number: int, candidates: str, wants: int = 1) -> TicketRow:
    return TicketRow(number, f"h{number}", "", "", "", tuple(candidates), wants, 0.0, 0.0, "")


def shelf(slots: int, **statuses: str) -> dict[str, Phase]:
    """Devices of one server; f(ree), h(eld), y(ielding), o(ut)."""
    kinds = {"f": (FREE, False, False), "h": (HELD, True, False), "y": (HELD, True, True)}
    kinds["o"] = (DeviceStatus.OFFLINE, False, False)
    return {key: Phase(*kinds[kind], "s1", slots) for key, kind in statuses.items()}


@pytest.mark.parametrize(
    ("phases", "tickets", "served"),
    [
        pytest.param(shelf(1, a="f", b="h"), [ticket(1, "a")], {}, id="full"),
        pytest.param(shelf(2, a="f", b="h"), [ticket(1, "a")], {1: "a"}, id="one left"),
        pytest.param(shelf(2, a="f", b="f", c="h"), [ticket(1, "ab", 2)], {}, id="two wanted, one left"),
        pytest.param(
            shelf(2, a="f", b="f", c="h"),
            [ticket(1, "ab", 2), ticket(2, "b")],
            {},
            id="who waits keeps the slot",
        ),
        pytest.param(
            {**shelf(1, a="f", b="h"), "z": Phase(FREE, False, False)},
            [ticket(1, "az")],
            {1: "z"},
            id="elsewhere",
        ),
        pytest.param(
            shelf(1, a="f", b="f"),
            [ticket(1, "ab", 2), ticket(2, "b")],
            {2: "b"},
            id="never more than it takes",
        ),
        pytest.param(
            {**shelf(1, a="f"), "b": Phase(HELD, True, False, "s1", 2)},
            [ticket(1, "a")],
            {},
            id="the lower limit",
        ),
    ],
)
def test_a_free_device_is_granted_only_where_its_server_has_a_slot(
    phases: Mapping[str, Phase], tickets: Sequence[TicketRow], served: Mapping[int, str]
) -> None:
    decided = {each.number: "".join(keys) for each, keys in grants.decide(tickets, phases)}

    assert decided == served


@pytest.mark.parametrize(
    ("phases", "waiting", "key", "is_wanted"),
    [
        pytest.param(shelf(1, a="f", b="h"), ticket(1, "a"), "b", True, id="it takes the slot"),
        pytest.param(shelf(2, a="f", b="h"), ticket(1, "a"), "b", False, id="there is another slot"),
        pytest.param(shelf(1, a="o", b="h"), ticket(1, "a"), "b", False, id="the device itself is out"),
        pytest.param(shelf(2, a="f", b="h", c="y"), ticket(1, "a"), "b", False, id="a slot comes already"),
        pytest.param(shelf(2, a="f", b="f", c="h"), ticket(1, "ab", 2), "c", True, id="one slot of two"),
        pytest.param(
            {**shelf(1, a="f", b="h"), "z": Phase(HELD, True, False)},
            ticket(1, "a"),
            "z",
            False,
            id="another server",
        ),
    ],
)
def test_giving_up_a_device_helps_whoever_waits_for_its_slot(
    phases: Mapping[str, Phase], waiting: TicketRow, key: str, is_wanted: bool
) -> None:
    assert grants.is_wanted([waiting], phases, key) is is_wanted


def test_waiting_helps_only_within_what_the_servers_take() -> None:
    phases = shelf(1, a="h", b="h")

    assert grants.can_be_served(ticket(1, "ab", 1), phases)
    assert not grants.can_be_served(ticket(1, "ab", 2), phases)


@given(
    st.dictionaries(
        st.sampled_from(KEYS), st.tuples(st.sampled_from("fhyo"), st.sampled_from(["", "s1", "s2"]))
    ),
    st.integers(1, 3),
    st.lists(
        st.tuples(st.lists(st.sampled_from(KEYS), min_size=1, unique=True), st.integers(1, 3)), max_size=5
    ),
)
def test_no_server_ever_gets_more_than_it_takes(
    devices: dict[str, tuple[str, str]], slots: int, asked: list[tuple[list[str], int]]
) -> None:
    phases = {
        key: shelf(slots, x=kind)["x"]._replace(server=server, slots=slots if server else 0)
        for key, (kind, server) in devices.items()
    }
    tickets = [
        ticket(n, "".join(keys), min(wants, len(keys))) for n, (keys, wants) in enumerate(asked, start=1)
    ]
    held = {key for key, phase in phases.items() if phase.is_held}

    granted = [key for _, keys in grants.decide(tickets, phases) for key in keys]

    for server in ("s1", "s2"):
        mine = [key for key in granted if phases[key].server == server]
        before = [key for key in held if phases[key].server == server]
        assert not mine or len(mine) + len(before) <= slots


# -- over the books ------------------------------------------------------------------------------------------


def enter(engine: Engine, *holders: str, slots: dict[str, tuple[str, int]] | None) -> None:
    for holder in holders:
        row = HolderRow(holder, "r1", holder, 1, "boot", f"bell-{holder}")
        engine.write(lambda books, row=row: ledger.join(books, row))  # type: ignore[misc]
    engine.write(lambda books: ledger.enroll(books, {"a": 0, "b": 0}, NOW, slots=slots))


def ask(engine: Engine, holder: str, candidates: str) -> ledger.Answer:
    wish = TicketRow(
        0, holder, holder, "", "", tuple(candidates), 1, NOW.wall_s, NOW.s + 300, f"waits-{holder}"
    )
    return engine.write(lambda books: ledger.ask(books, wish, NOW))


def test_who_has_the_slot_is_told_that_it_is_wanted_and_its_end_serves_the_waiter(engine: Engine) -> None:
    enter(engine, "h1", "h2", slots={"a": ("s1", 1), "b": ("s1", 1)})
    (held,) = ask(engine, "h1", "b").granted

    answer = ask(engine, "h2", "a")

    assert not answer.granted
    assert answer.ticket
    assert answer.rings == {"bell-h1"}
    rings = engine.write(lambda books: ledger.release(books, "b", "h1", held.token, NOW))
    assert rings == {"waits-h2"}
    rows = {row.key: row for row in engine.read(lambda books: books.devices())}
    assert (rows["a"].holder, rows["b"].holder) == ("h2", "")
    assert (rows["b"].server, rows["b"].slots) == ("s1", 1)


def test_who_does_not_know_of_limits_leaves_them(engine: Engine) -> None:
    enter(engine, "h1", slots={"a": ("s1", 1)})

    engine.write(lambda books: ledger.enroll(books, {"a": 3}, NOW))
    known = engine.read(lambda books: books.device("a"))
    engine.write(lambda books: ledger.enroll(books, {"a": 3}, NOW, slots={}))
    forgotten = engine.read(lambda books: books.device("a"))

    assert known is not None
    assert forgotten is not None
    assert (known.server, known.slots, known.port_count) == ("s1", 1, 3)
    assert (forgotten.server, forgotten.slots) == ("", 0)


# -- tables of an earlier version ----------------------------------------------------------------------------


@pytest.fixture
def old(path: Path) -> Path:
    """A state as the first version of the tables had it, with one leased device."""
    with sqlite3.connect(path, isolation_level=None) as connection:
        migrate(connection, 0, MIGRATIONS[:1])
        names = [name for name in DeviceRow._fields if name not in ("server", "slots", "health")]
        row = DeviceRow(key="a", status="busy", holder="h1", owner="gw0", token=7)._asdict()
        values = ["[]" if name == "sessions" else row[name] for name in names]
        marks = ", ".join("?" * len(names))
        connection.execute(f"INSERT INTO device ({', '.join(names)}) VALUES ({marks})", values)
    connection.close()
    return path


def test_tables_of_an_earlier_version_are_brought_up(old: Path, opened: Callable[..., SqliteEngine]) -> None:
    row = opened().read(lambda books: books.device("a"))

    assert row == DeviceRow(key="a", status="busy", holder="h1", owner="gw0", token=7)


def test_what_a_damaged_state_of_an_earlier_version_tells_is_read(old: Path) -> None:
    with sqlite3.connect(old) as connection:
        highest, rows = salvage(connection)
    connection.close()

    assert highest == 7
    assert rows == [DeviceRow(key="a", status="busy", holder="h1", owner="gw0", token=7)]


# -- the store -----------------------------------------------------------------------------------------------


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Callable[[], DurableStore]]:
    made: list[DurableStore] = []

    def store() -> DurableStore:
        made.append(
            DurableStore(
                SqliteEngine(tmp_path / "state.db"),
                folder=tmp_path / "holders",
                devices={"a": 0, "b": 0, "c": 0},
                slots={"a": ("http://lab", 1), "b": ("http://lab", 1)},
            )
        )
        return made[-1]

    yield store
    for each in made:
        each.close()


@pytest.mark.skipif(os.name == "nt", reason="leases are POSIX")
def test_a_device_that_takes_the_slot_is_wanted_and_recalled(stores: Callable[[], DurableStore]) -> None:
    first, second = stores(), stores()
    (lease,) = first.acquire(["b"], count=1, owner="gw0", purpose="", wait_s=0)
    (other,) = first.acquire(["c"], count=1, owner="gw0", purpose="", wait_s=0)
    assert not first.is_wanted("b")
    is_asked = threading.Event()
    first.listen(is_asked.set)
    granted: list[str] = []

    def wait() -> None:
        leases = second.acquire(["a"], count=1, owner="gw1", purpose="", wait_s=60)
        granted.extend(each.device_id for each in leases)

    waiter = threading.Thread(target=wait)
    waiter.start()
    try:
        assert is_asked.wait(60)
        assert first.is_wanted("b")
        assert not first.is_wanted("c")
        assert first.offer(lease)
        assert not first.offer(other)
    finally:
        first.release(lease)
        waiter.join(60)

    assert granted == ["a"]


@pytest.mark.skipif(os.name == "nt", reason="leases are POSIX")
def test_who_waits_in_vain_for_a_slot_is_told_who_has_it(stores: Callable[[], DurableStore]) -> None:
    store = stores()
    store.acquire(["b"], count=1, owner="gw0", purpose="test_b", wait_s=0)

    with pytest.raises(
        LeaseTimeoutError, match=r"a: its server http://lab takes 1 at once, and has b \(gw0\)"
    ):
        store.acquire(["a"], count=1, owner="gw0", purpose="test_a", wait_s=0)


@pytest.mark.skipif(os.name == "nt", reason="leases are POSIX")
def test_a_store_that_does_not_know_of_limits_leaves_them(
    tmp_path: Path, stores: Callable[[], DurableStore]
) -> None:
    """As that of `autorl farm release`, in the middle of a run."""
    store = stores()
    store.acquire(["b"], count=1, owner="gw0", purpose="", wait_s=0)
    by_hand = DurableStore(
        SqliteEngine(tmp_path / "state.db"), folder=tmp_path / "holders", devices={"a": 0, "b": 0}
    )
    by_hand.reap()

    with pytest.raises(LeaseTimeoutError):
        store.acquire(["a"], count=1, owner="gw0", purpose="", wait_s=0)

    by_hand.close()


@pytest.mark.skipif(os.name == "nt", reason="leases are POSIX")
def test_a_store_knows_whether_others_of_its_run_have_asked_for_devices(tmp_path: Path) -> None:
    def open_one(run_id: str) -> DurableStore:
        return DurableStore(
            SqliteEngine(tmp_path / "state.db"), folder=tmp_path / "holders", devices={"a": 0}, run_id=run_id
        )

    mine, worker, other = open_one("r1"), open_one("r1"), open_one("r2")
    try:
        mine.reap()
        other.reap()
        assert not mine.has_company()
        worker.reap()
        assert mine.has_company()
    finally:
        for each in (mine, worker, other):
            each.close()
