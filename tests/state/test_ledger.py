"""The rules of leases, over the books of every engine."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_autorl.errors import StateError
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.state import grants, ledger, takeover
from pytest_autorl.state.engine import Books, DeviceRow, Engine, HolderRow, SessionRow, TicketRow
from pytest_autorl.state.ledger import Answer, Now, can_become
from pytest_autorl.state.memory import MemoryBooks
from state_engines import ENGINES

AVAILABLE, BUSY = DeviceStatus.AVAILABLE, DeviceStatus.BUSY
OFFLINE, MAINTENANCE, UNHEALTHY = DeviceStatus.OFFLINE, DeviceStatus.MAINTENANCE, DeviceStatus.UNHEALTHY

TTL_S = 60.0
SESSION = SessionRow("http://127.0.0.1:4723", "s1")


def at(seconds: float) -> Now:
    """A reading of the clocks, so long after the beginning."""
    return Now(1000.0 + seconds, 1_700_000_000.0 + seconds, TTL_S)


class State:
    """Short words for what the tests do with an engine: each is one transaction, at the time `now`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.now = at(0)

    def do(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.engine.write(lambda books: work(books, *args, **kwargs))

    def enroll(self, *keys: str, ports: int = 0) -> frozenset[str]:
        found: frozenset[str] = self.do(ledger.enroll, dict.fromkeys(keys, ports), self.now)
        return found

    def join(self, *holders: str, run: str = "r1") -> None:
        for holder in holders:
            self.do(ledger.join, HolderRow(holder, run, f"{holder}/gw0", 1, "boot", f"bell-{holder}"))

    def ask(
        self, holder: str, *candidates: str, wants: int = 1, wait_s: float = 300.0, may_wait: bool = True
    ) -> Answer:
        wish = TicketRow(
            number=0,
            holder=holder,
            owner=f"{holder}/gw0",
            purpose="test_a",
            need="phone",
            candidates=candidates,
            wants=wants,
            asked_at_s=self.now.wall_s,
            deadline_s=self.now.s + wait_s,
            wake=f"bell-{holder}-waits",
        )
        answer: Answer = self.do(ledger.ask, wish, self.now, may_wait=may_wait)
        return answer

    def lease(self, holder: str, key: str) -> DeviceRow:
        (row,) = self.ask(holder, key).granted
        return row

    def release(self, row: DeviceRow) -> frozenset[str] | None:
        rings: frozenset[str] | None = self.do(ledger.release, row.key, row.holder, row.token, self.now)
        return rings

    def by_hand(self, key: str, status: DeviceStatus, reason: str = "") -> tuple[DeviceRow, frozenset[str]]:
        found: tuple[DeviceRow, frozenset[str]] = self.do(ledger.set_status, key, status, reason, self.now)
        return found

    def row(self, key: str) -> DeviceRow:
        row = self.engine.read(lambda books: books.device(key))
        assert row is not None
        return row

    def tickets(self) -> list[TicketRow]:
        return self.engine.read(lambda books: books.tickets())


@pytest.fixture(params=ENGINES)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    """A state in which three devices are known and three holders have joined."""
    engine = ENGINES[request.param](tmp_path)
    found = State(engine)
    found.enroll("a", "b", "c")
    found.join("h1", "h2", "reaper")
    yield found
    engine.close()


# -- statuses ------------------------------------------------------------------------------------------------

#: Row: what it is; column: what it may become, in the order of `DeviceStatus`.
LEGAL = {
    #             available busy  offline maint. unhealthy
    AVAILABLE:   (False,    True,  True,  True,  True),
    BUSY:        (True,     False, True,  True,  True),
    OFFLINE:     (True,     False, False, True,  True),
    MAINTENANCE: (True,     False, True,  False, True),
    UNHEALTHY:   (True,     False, True,  True,  False),
}  # fmt: skip


@pytest.mark.parametrize(("was", "becomes"), list(itertools.product(DeviceStatus, DeviceStatus)))
def test_the_legal_transitions_are_those_of_the_table(was: DeviceStatus, becomes: DeviceStatus) -> None:
    assert can_become(was, becomes) is LEGAL[was][list(DeviceStatus).index(becomes)]
    assert can_become(was.value, becomes) is can_become(was, becomes)


def test_the_documentation_shows_the_same_transitions() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "state.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([`\w, ]+) \|$", page, re.MULTILINE)

    assert {was: re.findall(r"`(\w+)`", becomes) for was, becomes in rows} == {
        was: [status for status, is_legal in zip(DeviceStatus, row, strict=True) if is_legal]
        for was, row in LEGAL.items()
    }


@pytest.mark.parametrize("status", [OFFLINE, MAINTENANCE, UNHEALTHY])
@pytest.mark.parametrize("becomes", [AVAILABLE, OFFLINE, MAINTENANCE, UNHEALTHY])
def test_by_hand_a_device_out_of_service_becomes_anything_but_busy(
    state: State, status: DeviceStatus, becomes: DeviceStatus
) -> None:
    state.by_hand("a", status, "first")

    row, _ = state.by_hand("a", becomes, "second")

    assert (row.status, row.reason) == (becomes, "second")
    assert state.row("a") == row


def test_a_device_is_not_made_busy_by_hand(state: State) -> None:
    with pytest.raises(StateError, match="leased by asking for it, not by hand"):
        state.by_hand("a", BUSY)

    assert state.row("a").status == AVAILABLE


def test_the_status_of_an_unknown_device_cannot_be_changed(state: State) -> None:
    with pytest.raises(StateError, match=r"\[z\] the state knows no such device\n  do: `autorl farm list`"):
        state.by_hand("z", OFFLINE)


def test_what_is_out_of_service_is_never_granted_even_by_a_mistake_in_the_books(tmp_path: Path) -> None:
    """The last guard against a device that two believe to have: the transition itself is refused."""

    class Lying(MemoryBooks):
        def available(self) -> dict[str, bool]:
            return {"a": False}

    books = Lying()
    books.put_device(DeviceRow(key="a", status=MAINTENANCE, reason="cable"))
    wish = TicketRow(0, "h1", "", "", "", ("a",), 1, 0.0, 0.0, "")

    with pytest.raises(StateError, match=r"\[a\] a device that is maintenance \(cable\) cannot become busy"):
        ledger.ask(books, wish, at(0))


def test_taking_a_free_device_out_keeps_it_from_everybody(state: State) -> None:
    state.by_hand("a", MAINTENANCE, "new battery")

    assert state.ask("h1", "a", may_wait=False).granted == ()
    assert state.row("a").reason == "new battery"


def test_putting_a_device_back_by_hand_serves_who_waits(state: State) -> None:
    state.by_hand("a", OFFLINE, "unplugged")
    number = state.ask("h1", "a").ticket

    _, rings = state.by_hand("a", AVAILABLE)

    assert rings == {"bell-h1-waits"}
    assert [row.key for row in state.do(ledger.granted_to, number, "h1")] == ["a"]


def test_taking_a_leased_device_out_waits_for_the_end_of_its_lease(state: State) -> None:
    lease = state.lease("h1", "a")

    row, rings = state.by_hand("a", MAINTENANCE, "new battery, please")

    assert (row.status, row.after) == (BUSY, "maintenance new battery, please")
    assert rings == {"bell-h1"}  # it may keep the device parked for as long as it hears of nobody
    state.release(lease)
    assert (state.row("a").status, state.row("a").reason) == (MAINTENANCE, "new battery, please")
    assert state.row("a").after == ""


def test_making_a_leased_device_available_by_hand_takes_back_what_was_to_follow(state: State) -> None:
    lease = state.lease("h1", "a")
    state.by_hand("a", OFFLINE)

    state.by_hand("a", AVAILABLE)

    state.release(lease)
    assert state.row("a").status == AVAILABLE


def test_what_was_to_follow_the_lease_follows_its_recovery_too(state: State) -> None:
    """Somebody wants the device out: that its holder died meanwhile does not change it."""
    state.lease("h1", "a")
    state.by_hand("a", MAINTENANCE, "cable")
    ((_, held),) = state.do(takeover.reap, {"h1"}, "reaper", state.now).devices

    state.do(takeover.recovered, "a", "reaper", held.token, "", state.now)

    assert (state.row("a").status, state.row("a").reason) == (MAINTENANCE, "cable")


def test_what_was_to_follow_the_lease_follows_also_when_the_first_recovery_fails(state: State) -> None:
    state.lease("h1", "a")
    state.by_hand("a", MAINTENANCE, "cable")
    ((_, held),) = state.do(takeover.reap, {"h1"}, "reaper", state.now).devices
    state.do(takeover.recovered, "a", "reaper", held.token, "no answer", state.now)

    (again,) = state.do(takeover.retry, "reaper", state.now)
    state.do(takeover.recovered, "a", "reaper", again.token, "", state.now)

    assert (state.row("a").status, state.row("a").reason) == (MAINTENANCE, "cable")


def test_a_change_by_hand_ends_what_was_to_follow(state: State) -> None:
    state.lease("h1", "a")
    state.by_hand("a", MAINTENANCE, "cable")
    ((_, held),) = state.do(takeover.reap, {"h1"}, "reaper", state.now).devices
    state.do(takeover.recovered, "a", "reaper", held.token, "no answer", state.now)

    state.by_hand("a", AVAILABLE)

    state.release(state.lease("h2", "a"))
    assert state.row("a").status == AVAILABLE


def test_sessions_to_clean_stay_noted_until_a_device_is_said_to_be_available(state: State) -> None:
    lease = state.lease("h1", "a")
    state.do(ledger.note_sessions, "a", "h1", lease.token, [SESSION])
    ((_, held),) = state.do(takeover.reap, {"h1"}, "reaper", state.now).devices
    state.do(takeover.recovered, "a", "reaper", held.token, "no answer", state.now)

    assert state.by_hand("a", OFFLINE)[0].sessions == (SESSION,)
    assert state.by_hand("a", AVAILABLE)[0].sessions == ()


# -- devices and holders -------------------------------------------------------------------------------------


def test_a_new_device_is_available_and_was_never_granted(state: State) -> None:
    state.enroll("new", ports=5)

    assert state.row("new") == DeviceRow(
        key="new", status=AVAILABLE, since_at_s=state.now.wall_s, port_count=5
    )


def test_tokens_of_new_devices_begin_above_the_floor(state: State) -> None:
    """After a damaged state the new one must not give a token again that the old one gave."""
    state.do(lambda books: books.set_number("floor", 700))

    state.enroll("new")

    assert state.lease("h1", "new").token == 701


def test_enrolling_again_changes_nothing_but_the_ports(state: State) -> None:
    lease = state.lease("h1", "a")

    state.enroll("a", ports=3)

    assert state.row("a") == lease._replace(port_count=3)


def test_a_device_that_comes_back_into_the_books_serves_who_waits_for_it(state: State) -> None:
    """A worker of the same run may still have been waiting when the run's devices were forgotten."""
    state.enroll("r1@v")
    state.by_hand("r1@v", OFFLINE)
    state.ask("h1", "r1@v")
    state.do(ledger.forget, "r1", state.now, stale_s=86_400)

    assert state.enroll("r1@v") == {"bell-h1-waits"}
    assert state.row("r1@v").holder == "h1"


def test_leaving_gives_up_what_is_held_and_what_is_waited_for(state: State) -> None:
    state.lease("h1", "a")
    state.ask("h2", "a")
    state.by_hand("b", OFFLINE)
    state.ask("h1", "b")

    rings = state.do(ledger.leave, "h1", state.now)

    assert rings == {"bell-h2-waits"}
    assert state.row("a").holder == "h2"
    assert state.tickets() == []
    assert [row.id for row in state.engine.read(lambda books: books.holders())] == ["h2", "reaper"]


def test_leaving_in_the_middle_of_a_recovery_does_not_make_the_device_clean(state: State) -> None:
    """A session may still drive it: the next reaper has to finish what this one has begun."""
    lease = state.lease("h1", "a")
    state.do(ledger.note_sessions, "a", "h1", lease.token, [SESSION])
    state.do(takeover.reap, {"h1"}, "reaper", state.now)

    state.do(ledger.leave, "reaper", state.now)

    assert state.row("a").status == MAINTENANCE
    ((_, held),) = state.do(takeover.reap, set(), "h2", state.now).devices
    assert (held.key, held.holder, held.sessions) == ("a", "h2", (SESSION,))


def test_leaving_with_a_session_that_may_live_does_not_make_the_device_clean(state: State) -> None:
    lease = state.lease("h1", "a")
    state.do(ledger.note_sessions, "a", "h1", lease.token, [SESSION])

    state.do(ledger.leave, "h1", state.now)

    assert state.row("a").holder == "h1"
    ((_, held),) = state.do(takeover.reap, set(), "h2", state.now).devices
    assert (held.key, held.sessions) == ("a", (SESSION,))


def test_the_devices_of_a_run_are_forgotten_with_it(state: State) -> None:
    state.enroll("r1@v1", "r1@v2", "r2@v1")
    state.join("h3", run="r2")
    state.lease("h2", "r1@v2")

    state.do(ledger.forget, "r1", state.now, stale_s=86_400)

    keys = [row.key for row in state.engine.read(lambda books: books.devices())]
    assert keys == ["a", "b", "c", "r1@v2", "r2@v1"]  # one is still leased, one is another run's


def test_devices_of_a_run_that_ended_long_ago_are_forgotten_by_others(state: State) -> None:
    """It was killed and could not do so itself. One that has a holder left is not over."""
    state.enroll("dead@v", "alive@v")
    state.join("h3", run="alive")
    state.now = at(90_000)
    state.enroll("young@v")

    state.do(ledger.forget, "r1", state.now, stale_s=86_400)

    keys = [row.key for row in state.engine.read(lambda books: books.devices())]
    assert keys == ["a", "alive@v", "b", "c", "young@v"]


def test_forgetting_everything_leaves_no_last_grant_behind(state: State) -> None:
    """The engine's mark of the last token must not speak of a device that is gone on purpose."""
    noted = []

    class Noting(MemoryBooks):
        def note_token(self, key: str, token: int) -> None:
            noted.append((key, token))

    books = Noting()
    ledger.enroll(books, {"r1@v": 0}, at(0))
    ledger.forget(books, "r1", at(0), stale_s=86_400)

    assert noted == [("", 0)]


def test_forgetting_a_device_frees_what_a_ticket_kept_with_it(state: State) -> None:
    """The first one wants three and can never have them any more; the second wants what it kept."""
    state.enroll("r1@v")
    state.lease("h2", "a")
    state.ask("h1", "a", "b", "r1@v", wants=3)
    waiting = state.ask("h2", "b").ticket

    rings = state.do(ledger.forget, "r1", state.now, stale_s=86_400)

    assert waiting
    assert rings == {"bell-h2-waits"}
    assert state.row("b").ticket == waiting


# -- asking --------------------------------------------------------------------------------------------------


def test_a_free_device_is_granted_at_once(state: State) -> None:
    answer = state.ask("h1", "b", "a")

    (row,) = answer.granted
    assert answer.ticket == 0
    assert answer.rings == frozenset()
    assert row == DeviceRow(
        key="b",
        status=BUSY,
        since_at_s=state.now.wall_s,
        token=1,
        holder="h1",
        owner="h1/gw0",
        purpose="test_a",
        need="phone",
        granted_at_s=state.now.wall_s,
        expires_s=state.now.s + TTL_S,
    )
    assert state.row("b") == row


def test_several_are_granted_together_in_the_order_of_preference(state: State) -> None:
    assert [row.key for row in state.ask("h1", "c", "a", "b", wants=2).granted] == ["c", "a"]


def test_while_one_is_missing_none_is_taken(state: State) -> None:
    state.lease("h2", "b")

    answer = state.ask("h1", "a", "b", wants=2)

    assert answer.granted == ()
    assert state.row("a").holder == ""


def test_who_will_not_wait_leaves_no_ticket_behind(state: State) -> None:
    state.lease("h2", "a")

    assert state.ask("h1", "a", may_wait=False) == Answer((), 0, frozenset())
    assert state.tickets() == []


def test_whoever_holds_what_is_wanted_is_told_so(state: State) -> None:
    """It may be parked there, between two tests: its holder can give it up."""
    state.lease("h2", "a")
    state.lease("reaper", "b")

    assert state.ask("h1", "a").rings == {"bell-h2"}


def test_a_device_given_back_goes_to_who_has_waited_longest(state: State) -> None:
    lease = state.lease("reaper", "a")
    first, second = state.ask("h1", "a").ticket, state.ask("h2", "a").ticket

    rings = state.release(lease)

    assert rings == {"bell-h1-waits"}
    assert state.row("a").ticket == first
    assert [ticket.number for ticket in state.tickets()] == [second]


def test_with_others_in_line_what_they_cannot_use_is_granted_at_once(state: State) -> None:
    state.lease("h2", "a")
    state.ask("reaper", "a")

    answer = state.ask("h1", "b")

    assert [row.key for row in answer.granted] == ["b"]
    assert answer.ticket == 0


def test_nobody_gets_past_a_need_for_several(state: State) -> None:
    state.lease("h2", "a")
    gang = state.ask("reaper", "a", "b", wants=2).ticket

    assert state.ask("h1", "b", may_wait=False).granted == ()
    state.release(state.row("a"))

    assert {row.key for row in state.do(ledger.granted_to, gang, "reaper")} == {"a", "b"}


def test_a_ticket_whose_waiter_is_long_gone_is_removed_by_others(state: State) -> None:
    """The waiter gives up by itself in time if it can: there are some seconds between."""
    lease = state.lease("h2", "a")
    state.ask("h1", "a", wait_s=10)
    second = state.ask("reaper", "a", wait_s=300).ticket
    state.now = at(16)

    rings = state.release(lease)

    assert rings == {"bell-h1-waits", "bell-reaper-waits"}
    assert state.row("a").ticket == second
    assert state.tickets() == []


def test_a_ticket_just_past_its_time_is_still_served(state: State) -> None:
    """Its waiter sees the grant when it gives up, and takes it."""
    lease = state.lease("h2", "a")
    number = state.ask("h1", "a", wait_s=10).ticket
    state.now = at(14)

    state.release(lease)

    assert [row.key for row in state.do(ledger.cancel, number, "h1")] == ["a"]


def test_a_ticket_that_is_cancelled_waits_no_more(state: State) -> None:
    lease = state.lease("h2", "a")
    number = state.ask("h1", "a").ticket

    assert state.do(ledger.cancel, number, "h1") == ()

    assert state.release(lease) == frozenset()
    assert state.row("a").status == AVAILABLE


def test_a_grant_belongs_to_whoever_drew_the_ticket(state: State) -> None:
    lease = state.lease("h2", "a")
    number = state.ask("h1", "a").ticket
    state.release(lease)

    assert state.do(ledger.granted_to, number, "h2") == ()


def test_a_grant_that_was_taken_away_meanwhile_is_none(state: State) -> None:
    lease = state.lease("h2", "a")
    number = state.ask("h1", "a").ticket
    state.release(lease)
    state.do(takeover.seize, "a", "h1", "by force", state.now)

    assert state.do(ledger.granted_to, number, "h1") == ()


# -- ports ---------------------------------------------------------------------------------------------------


def test_devices_with_ports_get_blocks_that_do_not_meet(state: State) -> None:
    state.enroll("p1", "p2", "p3", ports=5)

    rows = state.ask("h1", "p1", "p2", "p3", wants=3).granted

    assert [row.port for row in rows] == [grants.FIRST_PORT + place * grants.BLOCK_SIZE for place in range(3)]


def test_a_block_is_free_again_after_its_lease(state: State) -> None:
    state.enroll("p1", "p2", ports=5)
    lease = state.lease("h1", "p1")
    state.release(lease)

    assert state.row("p1").port == 0
    assert state.lease("h1", "p2").port == lease.port


def test_a_leased_device_gets_another_block_when_something_sits_on_its_own(state: State) -> None:
    """Programs that know nothing of leases take ports too."""
    state.enroll("p1", ports=5)
    lease = state.lease("h1", "p1")
    second = lease.port + grants.BLOCK_SIZE

    row = state.do(ledger.move_ports, "p1", "h1", lease.token, {lease.port, second})

    assert row == state.row("p1") == lease._replace(port=second + grants.BLOCK_SIZE)


# -- holding: the guard of every change ----------------------------------------------------------------------

Step = Callable[[Books, str, str, int], object]

GUARDED: dict[str, tuple[Step, object]] = {
    "release": (lambda books, key, holder, token: ledger.release(books, key, holder, token, at(1)), None),
    "recover": (
        lambda books, key, holder, token: takeover.recover(books, key, holder, token, "x", at(1)),
        None,
    ),
    "recovered": (
        lambda books, key, holder, token: takeover.recovered(books, key, holder, token, "", at(1)),
        None,
    ),
    "offer": (ledger.offer, False),
    "note_sessions": (
        lambda books, key, holder, token: ledger.note_sessions(books, key, holder, token, [SESSION]),
        False,
    ),
    "move_ports": (lambda books, key, holder, token: ledger.move_ports(books, key, holder, token, ()), None),
}


@pytest.mark.parametrize("name", GUARDED)
@pytest.mark.parametrize(
    ("key", "holder", "late"), [("a", "h1", -1), ("a", "h1", 1), ("a", "h2", 0), ("z", "h1", 0)]
)
def test_whoever_cannot_name_holder_and_token_changes_nothing(
    state: State, name: str, key: str, holder: str, late: int
) -> None:
    """A holder that was stopped and goes on must not touch what somebody else has by now."""
    step, refused = GUARDED[name]
    state.release(state.lease("h1", "a"))
    lease = state.lease("h1", "a")
    state.ask("reaper", "a")

    answer = state.do(step, key, holder, lease.token + late)

    assert answer == refused
    assert state.row("a") == lease


def test_a_lease_is_given_back_once(state: State) -> None:
    lease = state.lease("h1", "a")

    assert state.release(lease) == frozenset()
    assert state.release(lease) is None
    assert state.row("a") == DeviceRow(key="a", status=AVAILABLE, since_at_s=state.now.wall_s, token=1)


def test_a_late_release_does_not_end_the_next_lease(state: State) -> None:
    old = state.lease("h1", "a")
    state.release(old)
    new = state.lease("h2", "a")

    assert state.release(old) is None
    assert state.row("a") == new


def test_each_grant_has_a_higher_token(state: State) -> None:
    tokens = []
    for holder in ("h1", "h2", "h1"):
        tokens.append(state.lease(holder, "a").token)
        state.release(state.row("a"))

    assert tokens == [1, 2, 3]


def test_a_sign_of_life_prolongs_all_leases_of_the_holder_and_no_others(state: State) -> None:
    state.ask("h1", "a", "b", wants=2)
    other = state.lease("h2", "c")
    state.now = at(30)

    rows = state.do(ledger.beat, "h1", {}, state.now)

    assert [(row.key, row.expires_s) for row in rows] == [("a", at(90).s), ("b", at(90).s)]
    assert state.row("a") == rows[0]
    assert state.row("c") == other


def test_a_sign_of_life_tells_what_the_lease_is_used_for(state: State) -> None:
    lease = state.lease("h1", "a")
    other = state.lease("h1", "b")

    state.do(ledger.beat, "h1", {("a", lease.token): ("test_b", "tablet", True)}, state.now)

    row = state.row("a")
    assert (row.purpose, row.need, row.is_parked) == ("test_b", "tablet", True)
    assert state.row("b") == other


def test_a_note_for_an_earlier_lease_of_the_device_is_passed_over(state: State) -> None:
    state.release(state.lease("h1", "a"))
    state.lease("h1", "a")

    state.do(ledger.beat, "h1", {("a", 1): ("old", "old", True)}, state.now)

    assert state.row("a").purpose == "test_a"


def test_a_holder_that_the_state_does_not_know_is_told_so(state: State) -> None:
    """A new state was begun after a damaged one, or others have declared it dead."""
    assert state.do(ledger.beat, "h9", {}, state.now) is None


def test_a_parked_device_is_to_be_given_up_only_while_somebody_misses_it(state: State) -> None:
    lease = state.lease("h1", "a")

    assert state.do(ledger.offer, "a", "h1", lease.token) is False
    state.ask("h2", "a")
    assert state.do(ledger.offer, "a", "h1", lease.token) is True
    assert state.row("a").is_yielding
    assert state.do(ledger.offer, "a", "h1", lease.token) is False  # it has been agreed already


def test_sessions_are_recorded_and_end_with_a_clean_lease(state: State) -> None:
    lease = state.lease("h1", "a")
    begun = SessionRow("http://127.0.0.1:4723", "")

    assert state.do(ledger.note_sessions, "a", "h1", lease.token, [SESSION, begun]) is True

    assert state.row("a").sessions == (SESSION, begun)
    state.release(lease)
    assert state.row("a").sessions == ()


# -- unclean ends --------------------------------------------------------------------------------------------


def test_what_a_dead_holder_had_is_recovered_before_anybody_gets_it(state: State) -> None:
    state.enroll("p", ports=5)
    lease = state.lease("h1", "p")
    state.do(ledger.note_sessions, "p", "h1", lease.token, [SESSION])
    waiting = state.ask("h2", "p").ticket

    reaped = state.do(takeover.reap, {"h1"}, "reaper", state.now)

    ((before, held),) = reaped.devices
    assert before == lease._replace(sessions=(SESSION,))
    assert held == state.row("p")
    assert (held.status, held.holder, held.token) == (MAINTENANCE, "reaper", lease.token + 1)
    assert held.reason == "recovering: h1/gw0 ended without giving it back"
    assert (held.sessions, held.port, held.expires_s) == ((SESSION,), lease.port, state.now.s + TTL_S)
    assert [holder.id for holder in reaped.holders] == ["h1"]
    assert [ticket.number for ticket in state.tickets()] == [waiting]


def test_a_recovery_that_ends_well_makes_the_device_available(state: State) -> None:
    state.lease("h1", "a")
    number = state.ask("h2", "a").ticket
    ((_, held),) = state.do(takeover.reap, {"h1"}, "reaper", state.now).devices

    rings = state.do(takeover.recovered, "a", "reaper", held.token, "", state.now)

    assert rings == {"bell-h2-waits"}
    assert (state.row("a").ticket, state.row("a").token) == (number, held.token + 1)


def test_a_recovery_that_fails_quarantines_the_device_and_keeps_its_sessions(state: State) -> None:
    lease = state.lease("h1", "a")
    state.do(ledger.note_sessions, "a", "h1", lease.token, [SESSION])
    ((_, held),) = state.do(takeover.reap, {"h1"}, "reaper", state.now).devices

    assert state.do(takeover.recovered, "a", "reaper", held.token, "no answer", state.now) == frozenset()

    row = state.row("a")
    assert (row.status, row.holder, row.sessions) == (UNHEALTHY, "", (SESSION,))
    assert row.reason == "quarantined: its recovery failed: no answer"


def test_a_device_that_falls_out_is_not_kept_for_those_who_waited_for_it(state: State) -> None:
    """The pair cannot be had any more, so the one who waits behind it gets the other half."""
    state.lease("h1", "a")
    state.ask("h2", "a", "b", wants=2)
    behind = state.ask("reaper", "b").ticket
    ((_, held),) = state.do(takeover.reap, {"h1"}, "reaper", state.now).devices

    rings = state.do(takeover.recovered, "a", "reaper", held.token, "no answer", state.now)

    assert rings == {"bell-reaper-waits"}
    assert state.row("b").ticket == behind


def test_a_failed_recovery_is_tried_again_under_a_new_token(state: State) -> None:
    state.lease("h1", "a")
    ((_, held),) = state.do(takeover.reap, {"h1"}, "reaper", state.now).devices
    state.do(takeover.recovered, "a", "reaper", held.token, "no answer", state.now)
    assert takeover.is_to_be_retried(state.row("a"))

    (again,) = state.do(takeover.retry, "h2", state.now)

    assert again == state.row("a")
    assert (again.status, again.holder, again.token) == (MAINTENANCE, "h2", held.token + 1)
    assert again.reason == "recovering: its recovery is tried again"


def test_a_device_that_somebody_quarantined_is_left_alone(state: State) -> None:
    state.by_hand("a", UNHEALTHY, "quarantined: screen is broken")

    assert state.do(takeover.retry, "reaper", state.now) == []


def test_a_silent_holder_loses_its_leases_and_stays_a_holder(state: State) -> None:
    """Its process is stopped, not dead: when it goes on, it will find out and may ask again."""
    state.lease("h1", "a")
    state.now = at(TTL_S)
    assert state.do(takeover.reap, set(), "reaper", state.now).devices == ()
    state.now = at(TTL_S + 0.1)

    reaped = state.do(takeover.reap, set(), "reaper", state.now)

    ((_, held),) = reaped.devices
    assert held.reason == "recovering: h1/gw0 gave no sign of life for 60 s"
    assert reaped.holders == ()
    assert state.do(ledger.beat, "h1", {}, state.now) == []


def test_a_holder_that_nobody_knows_is_dead(state: State) -> None:
    """A device from a damaged state: whoever had it is not in the books."""
    state.do(lambda books: books.put_device(DeviceRow(key="g", status=BUSY, holder="gone", token=7)))

    ((_, held),) = state.do(takeover.reap, set(), "reaper", state.now).devices

    assert (held.key, held.token) == ("g", 8)
    assert held.reason == "recovering: gone ended without giving it back"


def test_the_reaper_does_not_take_from_itself_or_from_the_living(state: State) -> None:
    state.lease("reaper", "a")
    state.lease("h2", "b")
    state.now = at(TTL_S + 1)
    state.do(ledger.beat, "h2", {}, state.now)

    assert state.do(takeover.reap, set(), "reaper", state.now).devices == ()


def test_tickets_of_the_dead_and_the_unknown_are_removed(state: State) -> None:
    state.lease("reaper", "a")
    state.ask("h1", "a")
    state.ask("h9", "a")  # never joined
    last = state.ask("h2", "a").ticket

    state.do(takeover.reap, {"h1"}, "reaper", state.now)

    assert [ticket.number for ticket in state.tickets()] == [last]


def test_reaping_serves_who_waited_behind_a_dead_one(state: State) -> None:
    state.lease("h2", "a")
    state.ask("h1", "a", "b", wants=2)
    behind = state.ask("reaper", "b").ticket

    rings = state.do(takeover.reap, {"h1"}, "reaper", state.now).rings

    assert rings == {"bell-reaper-waits"}
    assert state.row("b").ticket == behind


def test_a_device_of_another_run_is_left_to_that_run_while_any_of_it_lives(state: State) -> None:
    """Only its own run can reach it, so only that can say whether it is clean."""
    state.join("x1", "x2", run="r2")
    state.enroll("r2@v")
    lease = state.lease("x1", "r2@v")

    assert state.do(takeover.reap, {"x1"}, "reaper", state.now) == ((), (), frozenset())
    assert state.row("r2@v") == lease
    ((before, _),) = state.do(takeover.reap, {"x1"}, "x2", state.now).devices
    assert before == lease


def test_a_dead_holder_is_remembered_until_nothing_is_to_be_taken_from_it(state: State) -> None:
    """Its run has to learn whose device it was."""
    state.join("x1", "x2", run="r2")
    state.enroll("r2@v")
    state.lease("x1", "r2@v")
    state.lease("x1", "a")

    first = state.do(takeover.reap, {"x1"}, "reaper", state.now)
    second = state.do(takeover.reap, {"x1"}, "x2", state.now)

    assert [row.key for row, _ in first.devices] == ["a"]
    assert (first.holders, [holder.id for holder in second.holders]) == ((), ["x1"])


def test_leased_devices_of_a_run_that_is_dead_are_forgotten(state: State) -> None:
    state.join("x1", "x2", run="r2")
    state.enroll("r2@v", "r2@w")
    state.lease("x1", "r2@v")

    reaped = state.do(takeover.reap, {"x1", "x2"}, "reaper", state.now)

    assert reaped.devices == ()
    assert [holder.id for holder in reaped.holders] == ["x1", "x2"]
    assert [row.key for row in state.engine.read(lambda books: books.devices())] == ["a", "b", "c", "r2@w"]


def test_a_failed_recovery_of_another_run_is_left_to_that_run(state: State) -> None:
    state.join("x1", run="r2")
    state.enroll("r2@v")
    lease = state.lease("x1", "r2@v")
    held = state.do(takeover.recover, "r2@v", "x1", lease.token, "", state.now)
    state.do(takeover.recovered, "r2@v", "x1", held.token, "no answer", state.now)

    assert state.do(takeover.retry, "reaper", state.now) == []
    assert [row.key for row in state.do(takeover.retry, "x1", state.now)] == ["r2@v"]


def test_a_dead_reaper_s_recovery_is_begun_again(state: State) -> None:
    state.lease("h1", "a")
    ((_, first),) = state.do(takeover.reap, {"h1"}, "reaper", state.now).devices

    ((_, second),) = state.do(takeover.reap, {"reaper"}, "h2", state.now).devices

    assert (second.status, second.holder, second.token) == (MAINTENANCE, "h2", first.token + 1)
    assert state.do(takeover.recovered, "a", "reaper", first.token, "", state.now) is None


def test_a_holder_can_have_its_own_device_recovered(state: State) -> None:
    """Its test broke off: the session may still be there."""
    lease = state.lease("h1", "a")

    row = state.do(takeover.recover, "a", "h1", lease.token, "the session did not end", state.now)

    assert (row.status, row.holder, row.token) == (MAINTENANCE, "h1", lease.token + 1)
    assert row.reason == "recovering: the session did not end"
    assert state.release(lease) is None


def test_a_device_can_be_taken_by_force(state: State) -> None:
    lease = state.lease("h1", "a")

    before, row = state.do(takeover.seize, "a", "h2", "released by hand", state.now)

    assert before == lease
    assert (row.status, row.holder, row.reason) == (MAINTENANCE, "h2", "recovering: released by hand")


@pytest.mark.parametrize("key", ["a", "z"])
def test_what_nobody_holds_cannot_be_taken_by_force(state: State, key: str) -> None:
    assert state.do(takeover.seize, key, "h2", "by hand", state.now) is None


# -- transactions --------------------------------------------------------------------------------------------


def test_a_step_that_fails_leaves_no_trace(state: State) -> None:
    before = state.engine.read(lambda books: books.devices())

    def work(books: Books) -> None:
        ledger.enroll(books, {"new": 0}, state.now)
        ledger.set_status(books, "a", OFFLINE, "", state.now)
        raise KeyError("half way")

    with pytest.raises(KeyError, match="half way"):
        state.engine.write(work)

    assert state.engine.read(lambda books: books.devices()) == before


def test_what_was_posted_is_done_before_anything_asked_for_later(state: State) -> None:
    lease = state.lease("h1", "a")
    answers = list[object]()

    state.engine.post(
        lambda books: ledger.release(books, "a", "h1", lease.token, state.now),
        lambda result, error: answers.append((result, error)),
    )

    assert state.row("a").status == AVAILABLE
    assert answers == [(frozenset(), None)]


def test_what_came_of_a_posted_step_that_failed_is_told(state: State) -> None:
    answers = list[object]()

    state.engine.post(
        lambda books: ledger.set_status(books, "z", OFFLINE, "", state.now),
        lambda result, error: answers.append((result, str(error).splitlines()[0])),
    )
    state.row("a")  # waits for what was posted

    assert answers == [(None, "[z] the state knows no such device")]


def test_a_reaper_leaves_devices_alone_that_it_cannot_reach(state: State) -> None:
    """Two projects of one host share the state and not their farms: only who knows a phone can clean it."""
    state.ask("h1", "a", "b", wants=2)

    def knows(key: str) -> bool:
        return key == "a"

    ((before, _),) = state.do(takeover.reap, {"h1"}, "reaper", state.now, knows=knows).devices

    assert before.key == "a"
    assert state.row("b").holder == "h1"
