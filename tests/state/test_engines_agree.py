"""All engines do the same: one machine drives them with the same steps, and compares answers and tables.

The same run holds the rules of leases to what they promise, whatever happened before.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pytest_autorl.errors import StateError
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.farm.sample import HEALTH
from pytest_autorl.state import grants, history, jobs, ledger, outbox, takeover
from pytest_autorl.state.engine import (
    Books,
    DeviceRow,
    HolderRow,
    JobRow,
    OutboxRow,
    RunRow,
    SessionRow,
    TicketRow,
    WorkRow,
)
from pytest_autorl.state.jobs import Claimant, JobStatus
from pytest_autorl.state.ledger import Now
from state_engines import ENGINES

TTL_S = 60.0
#: As `ledger.settle` has it: so long after its time a ticket is removed by others.
GRACE_S = 5.0

#: Devices of the host, and of two runs.
DEVICES = ("a", "b", "r1@v", "r2@v", "c")
HOLDERS = ("h1", "h2", "h3", "h4")
RUN_OF = {"h1": "r1", "h2": "r1", "h3": "r2", "h4": "r3"}
JOBS = ("job-1", "job-2")
SUITES = ("/src/a", "/src/b")
LIMITS = outbox.Limits(max_rows=4, max_attempts=2, initial_delay=2.0, max_delay=30.0)

texts = st.text(max_size=8)
keys = st.sampled_from(DEVICES)
holders = st.sampled_from(HOLDERS)
candidates = st.lists(keys, min_size=1, max_size=4, unique=True)
words = st.tuples(texts, texts, texts)
#: Which of several, around and around.
places = st.integers(0, 5)


class Lease(NamedTuple):
    key: str
    holder: str
    token: int


class Dump(NamedTuple):
    """Everything in the books."""

    devices: list[DeviceRow]
    tickets: list[TicketRow]
    holders: list[HolderRow]
    floor: int
    jobs: list[JobRow]
    outbox: list[OutboxRow]
    #: The last used one last.
    suites: list[str]
    runs: list[RunRow]
    works: dict[str, list[WorkRow]]


class BrokeOffError(Exception):
    """Raised within a transaction."""


def dump(books: Books) -> Dump:
    rows = Dump(
        books.devices(),
        books.tickets(),
        books.holders(),
        books.number("floor"),
        books.jobs(),
        books.outbox_rows(),
        books.suites(),
        [run for suite in SUITES for run in books.runs(suite)],
        {suite: books.history(suite) for suite in SUITES},
    )
    # What is asked in other ways has to be what is in the rows.
    assert {row.key: books.device(row.key) for row in rows.devices} == {row.key: row for row in rows.devices}
    assert books.phases() == {
        row.key: (row.status, bool(row.holder), row.is_yielding, row.server, row.slots)
        for row in rows.devices
    }
    assert books.available() == {
        row.key: row.slots > 0 for row in rows.devices if row.status == DeviceStatus.AVAILABLE
    }
    assert books.ports_in_use() == {row.port for row in rows.devices if row.port}
    for holder in HOLDERS:
        assert books.devices_of(holder) == [row for row in rows.devices if row.holder == holder]
    assert [books.job(row.id) for row in rows.jobs] == rows.jobs
    assert [books.outbox_row(row.number) for row in rows.outbox] == rows.outbox
    assert [books.outbox_item(row.destination, row.key) for row in rows.outbox] == rows.outbox
    assert books.outbox_count() == len(rows.outbox)
    return rows


class Agreement(RuleBasedStateMachine):
    """Steps are those of the store, the reaper and people, in any order, true and mistaken."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="engines-")
        self.engines = {}
        for name, make in ENGINES.items():
            folder = Path(self.folder.name, name)
            folder.mkdir()
            self.engines[name] = make(folder)
        self.s = 1000.0
        self.rows = Dump([], [], [], 0, [], [], [], [], {})
        #: Keys that are enrolled and not forgotten.
        self.known = set[str]()
        #: Everything that was ever leased, true or not any more.
        self.leases = list[Lease]()
        #: Tokens that each device has given since it was enrolled, with who got them.
        self.tokens = dict[str, dict[int, tuple[str, int]]]()
        #: Tickets that wait, and why those that do no more were not served.
        self.waiting = dict[int, TicketRow]()
        self.gone = set[int]()
        self.claims = list[tuple[str, str, int]]()
        self.boots = 1

    def teardown(self) -> None:
        for engine in self.engines.values():
            engine.close()
        self.folder.cleanup()

    # -- driving all of them -----------------------------------------------------------------------------------

    @property
    def now(self) -> Now:
        return Now(self.s, 1_700_000_000.0 + self.s, TTL_S)

    def all(self, work: Callable[..., Any], *args: Any, posted: bool = False, **kwargs: Any) -> Any:
        """Do the same in every engine, as one transaction; returns or raises what all of them answered."""
        answers = {}
        for name, engine in self.engines.items():
            told = list[tuple[Any, BaseException | None]]()
            if posted:
                engine.post(
                    lambda books: work(books, *args, **kwargs),
                    lambda result, error, told=told: told.append((result, error)),  # type: ignore[misc]
                )
                engine.read(lambda books: None)  # comes after it
            else:
                try:
                    told.append((engine.write(lambda books: work(books, *args, **kwargs)), None))
                except (StateError, BrokeOffError) as error:
                    told.append((None, error))
            ((result, error),) = told
            answers[name] = (result, type(error), str(error), error)
        first = next(iter(answers.values()))
        for name, answer in answers.items():
            assert answer[:3] == first[:3], name
        if first[3] is not None:
            raise first[3]
        return first[0]

    def dump(self) -> Dump:
        """What the first engine holds now, in the middle of a step."""
        return next(iter(self.engines.values())).read(dump)

    # -- devices and holders -----------------------------------------------------------------------------------
    # Hypothesis picks among rules evenly: what is rare in life shares a rule with others.

    @initialize(ports=st.sampled_from([0, 3]), slots=st.sampled_from([None, 0, 1, 2]))
    def begin(self, ports: int, slots: int | None) -> None:
        """Mostly there are devices and holders; the rules below add more, and take them away."""
        self._enroll(DEVICES[:3], ports, slots)
        for holder in HOLDERS[:3]:
            self._join(holder)

    def _enroll(self, which: Iterable[str], ports: int, slots: int | None) -> None:
        """`slots`: of one server for all of them; 0: without a limit; None: whoever enrolls them does not know."""
        limits = {} if not slots else dict.fromkeys(which, ("one", slots))
        self.all(
            ledger.enroll, dict.fromkeys(which, ports), self.now, slots=None if slots is None else limits
        )
        self.known |= set(which)

    def _join(self, holder: str) -> None:
        self.all(ledger.join, HolderRow(holder, RUN_OF[holder], "gw0", 7, "boot", f"bell-{holder}"))

    @rule(
        holder=holders,
        which=st.lists(keys, unique=True),
        ports=st.sampled_from([0, 3, grants.BLOCK_SIZE]),
        slots=st.sampled_from([None, 0, 2]),
    )
    def a_process_comes(self, holder: str, which: list[str], ports: int, slots: int | None) -> None:
        self._join(holder)
        self._enroll(which, ports, slots)

    @rule(
        key=st.sampled_from((*DEVICES, "unknown")),
        status=st.sampled_from([DeviceStatus.AVAILABLE, DeviceStatus.UNHEALTHY, DeviceStatus.OFFLINE]),
    )
    def its_health_is_judged(self, key: str, status: DeviceStatus) -> None:
        before = {row.key: row for row in self.dump().devices}.get(key)
        reason = "" if status == DeviceStatus.AVAILABLE else f"{HEALTH}battery 12 %"

        self.all(ledger.judge, key, f"{status} at {self.s}", status, reason, self.now)

        after = {row.key: row for row in self.dump().devices}.get(key)
        if before is None or after is None:
            assert before is after
            return
        assert after.health == f"{status} at {self.s}"
        is_by_hand = before.status not in (DeviceStatus.AVAILABLE, DeviceStatus.BUSY) and not (
            before.reason.startswith(HEALTH)
        )
        if not before.holder and is_by_hand:
            assert (after.status, after.reason) == (before.status, before.reason)

    @rule(holder=holders, forgets=st.booleans(), stale_s=st.sampled_from([0.0, 500.0]))
    def a_process_ends(self, holder: str, forgets: bool, stale_s: float) -> None:
        self.gone |= {number for number, row in self.waiting.items() if row.holder == holder}
        self.all(ledger.leave, holder, self.now)
        if forgets:
            run = RUN_OF[holder]
            living = {row.run for row in self.dump().holders}
            self.all(ledger.forget, run, self.now, stale_s=stale_s)
            for key in self._forgotten():
                assert key.startswith(f"{run}@") or key.partition("@")[0] not in living

    def _forgotten(self) -> set[str]:
        """The keys that the last step has removed: never those of the host. Their tokens may come again."""
        keys = self.known - {row.key for row in self.dump().devices}
        assert all("@" in key for key in keys)
        self.known -= keys
        for key in keys:
            self.tokens.pop(key, None)
        return keys

    @rule(
        key=st.sampled_from((*DEVICES, "unknown")),
        status=st.sampled_from([DeviceStatus.AVAILABLE, *DeviceStatus]),
        reason=st.sampled_from(["", "new battery", "quarantined: its recovery failed: x"]),
    )
    def set_status_by_hand(self, key: str, status: DeviceStatus, reason: str) -> None:
        try:
            row, _ = self.all(ledger.set_status, key, status, reason, self.now)
        except StateError:
            assert key not in self.known or status == DeviceStatus.BUSY
        else:
            assert row.holder or row.status == status

    @rule(seconds=st.sampled_from([0.5, GRACE_S, TTL_S / 2, TTL_S + 1, 1000.0]))
    def time_passes(self, seconds: float) -> None:
        self.s += seconds

    # -- asking ------------------------------------------------------------------------------------------------

    @rule(
        holder=holders,
        candidates=candidates,
        wants=st.integers(1, 2),
        wait_s=st.sampled_from([300.0, 1.0]),
        words=words,
    )
    def wait_for_what_is_held(
        self, holder: str, candidates: list[str], wants: int, wait_s: float, words: tuple[str, str, str]
    ) -> None:
        held = [row.key for row in self.rows.devices if row.holder]
        wanted = list(dict.fromkeys([*held[: len(candidates)], *candidates]))
        self._ask(holder, wanted, min(wants, len(held) or 1, len(wanted)), wait_s, words)

    @rule(holder=holders, candidates=candidates, wants=st.integers(1, 3), may_wait=st.booleans(), words=words)
    def ask_for_any(
        self, holder: str, candidates: list[str], wants: int, may_wait: bool, words: tuple[str, str, str]
    ) -> None:
        self._ask(holder, candidates, min(wants, len(candidates)), 300.0, words, may_wait=may_wait)

    def _ask(
        self,
        holder: str,
        candidates: list[str],
        wants: int,
        wait_s: float,
        words: tuple[str, str, str],
        *,
        may_wait: bool = True,
    ) -> None:
        now = self.now
        wish = TicketRow(
            0, holder, *words, tuple(candidates), wants, now.wall_s, now.s + wait_s, f"waits-{holder}"
        )
        answer = self.all(ledger.ask, wish, now, may_wait=may_wait)

        assert len(answer.granted) in (0, wants)
        assert not (answer.granted and answer.ticket)
        assert answer.granted or answer.ticket or not may_wait
        if answer.ticket:
            assert answer.ticket > max(self.waiting, default=0)
            self.waiting[answer.ticket] = wish._replace(number=answer.ticket)

    @precondition(lambda self: self.waiting)
    @rule(place=places)
    def cancel(self, place: int) -> None:
        """As whoever waits does it when its patience has ended."""
        number = sorted(self.waiting)[place % len(self.waiting)]
        holder = self.waiting[number].holder

        def work(books: Books) -> tuple[Any, Any]:
            return ledger.cancel(books, number, holder), ledger.settle(books, self.now)

        self.gone.add(number)
        self.all(work)

        assert number not in {ticket.number for ticket in self.dump().tickets}

    # -- holding -----------------------------------------------------------------------------------------------

    def lease(self, place: int) -> tuple[Lease, bool]:
        """A lease, and whether it is a true one: mostly it is, else it has ended or never was."""
        true = [Lease(row.key, row.holder, row.token) for row in self.rows.devices if row.holder]
        ended = [lease for lease in self.leases if lease not in true][-2:]
        # A token that is not given within the step either.
        mixed = true + ended + [lease._replace(token=lease.token + 100) for lease in true[:1]]
        found = mixed[place % len(mixed)]
        return found, found in true

    @precondition(lambda self: self.leases)
    @rule(chosen=st.lists(places, min_size=1, max_size=3, unique=True), posted=st.booleans())
    def release(self, chosen: list[int], posted: bool) -> None:
        for lease, is_true in dict(map(self.lease, chosen)).items():
            assert (self.all(ledger.release, *lease, self.now, posted=posted) is not None) == is_true

    @precondition(lambda self: self.leases)
    @rule(place=places, trouble=st.sampled_from(["", "no answer"]), is_begun=st.booleans())
    def recover(self, place: int, trouble: str, is_begun: bool) -> None:
        lease, is_true = self.lease(place)

        if is_begun:
            assert (self.all(takeover.recovered, *lease, trouble, self.now) is not None) == is_true
        else:
            assert (self.all(takeover.recover, *lease, trouble, self.now) is not None) == is_true

    @rule(holder=holders, purpose=texts, is_parked=st.booleans(), place=places)
    def beat(self, holder: str, purpose: str, is_parked: bool, place: int) -> None:
        notes = {}
        if self.leases:
            lease, _ = self.lease(place)
            notes[lease.key, lease.token] = (purpose, "need", is_parked)

        rows = self.all(ledger.beat, holder, notes, self.now)

        assert (rows is not None) == (holder in {row.id for row in self.rows.holders})

    @precondition(lambda self: self.leases)
    @rule(
        place=places,
        sessions=st.lists(st.builds(SessionRow, texts, texts), max_size=2),
        blocks=st.sets(st.integers(0, 3)),
    )
    def use(self, place: int, sessions: list[SessionRow], blocks: set[int]) -> None:
        lease, is_true = self.lease(place)
        avoid = {grants.FIRST_PORT + block * grants.BLOCK_SIZE for block in blocks}

        assert self.all(ledger.note_sessions, *lease, sessions) == is_true
        is_wanted = self.all(ledger.offer, *lease)
        assert is_true or not is_wanted
        row = self.all(ledger.move_ports, *lease, avoid)

        assert (row is not None) == is_true
        assert row is None or row.port not in avoid

    # -- unclean ends ------------------------------------------------------------------------------------------

    @rule(dead=st.sets(holders, max_size=2), reaper=holders)
    def reap(self, dead: set[str], reaper: str) -> None:
        dead -= {reaper}
        self._join(reaper)
        living = {row.id for row in self.dump().holders} - dead
        self.gone |= {number for number, row in self.waiting.items() if row.holder not in living}

        reaped = self.all(takeover.reap, dead, reaper, self.now)

        for before, _ in reaped.devices:
            assert before.holder != reaper
            assert before.holder not in living or before.expires_s < self.s
        assert {ticket.holder for ticket in self.dump().tickets} <= living
        runs = {RUN_OF[holder] for holder in living}
        assert all(key.partition("@")[0] not in runs for key in self._forgotten())

    @rule(key=keys, reaper=holders, is_retry=st.booleans())
    def take(self, key: str, reaper: str, is_retry: bool) -> None:
        if is_retry:
            self.all(takeover.retry, reaper, self.now)
        else:
            self.all(takeover.seize, key, reaper, "by hand", self.now)

    # -- jobs and the outbox -----------------------------------------------------------------------------------

    @rule(
        step=st.sampled_from(["claim", "claim", "beat", "progress", "release", "cancel", "reboot"]),
        job_id=st.sampled_from(JOBS),
        holder=holders,
        place=places,
        share=st.floats(0, 1),
        status=st.sampled_from(JobStatus),
    )
    def do_a_job(
        self, step: str, job_id: str, holder: str, place: int, share: float, status: JobStatus
    ) -> None:
        boot = f"boot-{self.boots}"
        claim = self.claims[-1 - place % len(self.claims)] if self.claims else (job_id, holder, 1)
        if step == "claim":
            row = self.all(jobs.claim, job_id, Claimant("robot", holder, boot), self.now)
            self.claims += [(job_id, holder, row.token)] if row else []
        elif step == "beat":
            self.all(jobs.beat, *claim, self.now)
        elif step == "progress":
            self.all(jobs.note_progress, *claim, share)
        elif step == "release":
            self.all(jobs.release, *claim, status)
        elif step == "cancel":
            self.all(jobs.request_cancel, job_id, "why", boot, self.now)
        else:
            self.boots += 1

    @rule(
        step=st.sampled_from(["put", "put", "put", "delivered", "failed", "retry"]),
        address=st.tuples(st.sampled_from(["hub", "gateway"]), st.sampled_from(["1", "2", "3"])),
        kind=st.sampled_from(["metrics", "result"]),
        payload=texts,
        replace=st.booleans(),
        limit=st.integers(1, 3),
    )
    def use_the_outbox(
        self, step: str, address: tuple[str, str], kind: str, payload: str, replace: bool, limit: int
    ) -> None:
        wall_s = self.now.wall_s
        if step == "put":
            item = OutboxRow(0, *address, kind, payload, wall_s, next_at_s=wall_s)
            try:
                self.all(outbox.put, item, LIMITS, replace=replace)
            except StateError:
                assert len(self.rows.outbox) == LIMITS.max_rows
            return
        numbers = [row.number for row in self.all(lambda books: books.outbox(due_at_s=wall_s, limit=limit))]
        if step == "delivered":
            self.all(lambda books: books.remove_outbox([*numbers, 999]))
        elif step == "failed":
            self.all(outbox.fail, next(iter(numbers), 999), payload, LIMITS, wall_s)
        else:
            self.all(outbox.retry, wall_s)

    # -- the history of tests ----------------------------------------------------------------------------------

    @rule(
        step=st.sampled_from(["record", "record", "put", "forget", "remove"]),
        suite=st.sampled_from(SUITES),
        durations=st.dictionaries(st.sampled_from("abc"), st.floats(0, 1e6), max_size=3),
        seen=st.sets(st.sampled_from("abc")),
        words=words,
    )
    def keep_a_history(
        self, step: str, suite: str, durations: dict[str, float], seen: set[str], words: tuple[str, str, str]
    ) -> None:
        if step == "record":
            run = RunRow(words[0], suite, self.s, self.s + 1, *words[1:])
            number = self.all(history.record, run, durations, seen)
            assert number > max((run.number for run in self.rows.runs), default=0)
        elif step == "put":
            self.all(history.put, suite, durations)
        elif step == "forget":
            numbers = [run.number for run in self.rows.runs[:1]]
            self.all(lambda books: books.remove_runs([*numbers, 999]))
            self.all(lambda books: books.remove_history(suite, [*seen, "unknown"]))
        else:
            self.all(lambda books: books.remove_suite(suite))
        found = self.all(history.estimates, suite)
        assert step not in ("record", "put") or set(found) >= set(durations)
        assert self.all(history.find_run, suite, history.LATEST) == next(
            reversed(self.all(lambda books: books.runs(suite))), None
        )

    # -- transactions ------------------------------------------------------------------------------------------

    @rule(floor=st.integers(1, 50), posted=st.booleans(), breaks_off=st.booleans())
    def many_changes_at_once(self, floor: int, posted: bool, breaks_off: bool) -> None:
        """Whatever a transaction has done when it fails is undone, numbers that were used up too."""

        def work(books: Books) -> None:
            books.set_number("floor", max(floor, books.number("floor")))
            if not breaks_off:
                return
            ledger.enroll(books, dict.fromkeys(DEVICES, 1), self.now)
            for row in books.devices()[:2]:
                books.put_device(row._replace(reason="half way"))
                books.remove_device(books.devices()[-1].key)
            books.add_ticket(TicketRow(0, "h1", "", "", "", ("a",), 1, 0.0, 0.0, ""))
            books.remove_ticket(books.tickets()[0].number)
            books.put_holder(HolderRow("h9", "", "", 0, "", ""))
            books.remove_holder("h1")
            books.put_job(JobRow("half way"))
            books.remove_outbox([row.number for row in books.outbox_rows()[:1]])
            books.add_outbox(OutboxRow(0, "half", "way", "result", "", 0.0))
            books.put_outbox(OutboxRow(999, "of", "nobody", "result", "", 0.0))
            books.add_run(RunRow("half way", SUITES[0], 0.0, 0.0, "passed"))
            books.put_history(SUITES[1], [WorkRow("half way", 1, (1.0,))])
            books.remove_suite(SUITES[0])
            raise BrokeOffError("half way")

        try:
            self.all(work, posted=posted)
        except BrokeOffError:
            assert breaks_off
        else:
            assert not breaks_off

    # -- what holds after every step ---------------------------------------------------------------------------

    @invariant()
    def engines_hold_the_same(self) -> None:
        dumps = {name: engine.read(dump) for name, engine in self.engines.items()}
        first = next(iter(dumps.values()))
        for name, each in dumps.items():
            assert each == first, name
        before, self.rows = self.rows, first
        self._check_devices()
        self._check_grants(before)
        self._check_line()
        self._check_outbox(before)

    def _check_devices(self) -> None:
        """No device is lost, and each is held by one or by nobody."""
        assert {row.key for row in self.rows.devices} == self.known
        blocks = []
        for row in self.rows.devices:
            held_as = (DeviceStatus.BUSY, DeviceStatus.MAINTENANCE)
            assert row.status in held_as if row.holder else row.status != DeviceStatus.BUSY
            if not row.holder:
                assert (row.ticket, row.port, row.owner, row.is_parked, row.is_yielding) == (
                    0,
                    0,
                    "",
                    False,
                    False,
                )
            if row.port:
                blocks.append(set(range(row.port, row.port + grants.BLOCK_SIZE)))
        assert sum(map(len, blocks)) == len(set().union(*blocks))

    def _check_grants(self, before: Dump) -> None:
        """A token is given once, to one, and each is above the last; tickets are served in full."""
        was = {row.key: row for row in before.devices}
        for row in self.rows.devices:
            given = self.tokens.setdefault(row.key, {})
            if not row.holder:
                assert row.token == max(given, default=row.token)
                continue
            who = (row.holder, row.ticket)
            if row.token not in given:
                assert row.token > max(given, default=0)
                assert row.key not in was or row.token > was[row.key].token
                given[row.token] = who
                if row.status == DeviceStatus.BUSY:
                    self._check_order(row)
                self.leases.append(Lease(row.key, row.holder, row.token))
            assert given[row.token] == who
        still = {ticket.number for ticket in self.rows.tickets}
        for number in sorted(set(self.waiting) - still):
            ticket = self.waiting.pop(number)
            rows = [row for row in self.rows.devices if row.ticket == number and row.holder == ticket.holder]
            if rows:
                assert len(rows) == ticket.wants
                assert {row.key for row in rows} <= set(ticket.candidates)
            else:
                assert number in self.gone or ticket.deadline_s + GRACE_S < self.s
        assert still == set(self.waiting)

    def _check_order(self, granted: DeviceRow) -> None:
        """Nobody who was there earlier, and whom waiting can serve, waits for it still."""
        for ticket in self.rows.tickets:
            if granted.ticket == 0 or ticket.number < granted.ticket:
                assert granted.key not in ticket.candidates or not self._can_wait(ticket)

    def _check_line(self) -> None:
        """Nothing that could be served waits, found without the function that serves."""
        available = {row.key for row in self.rows.devices if row.status == DeviceStatus.AVAILABLE}
        kept = [row.key for row in self.rows.devices if row.holder]
        for ticket in self.rows.tickets:
            mine = self._together(ticket, available.difference(kept), kept)
            assert len(mine) < ticket.wants
            if self._can_wait(ticket):
                kept += mine

    def _together(self, ticket: TicketRow, usable: Collection[str], taken: Sequence[str]) -> list[str]:
        """Which of its candidates it can have besides what is taken, without more on a server than that allows."""
        rows = {row.key: row for row in self.rows.devices}
        found: list[str] = []
        for key in ticket.candidates:
            server = rows[key].server if key in rows else ""
            limits = [row.slots for row in rows.values() if row.slots and server and row.server == server]
            users = [each for each in (*taken, *found) if rows[each].server == server]
            if key in usable and len(found) < ticket.wants and not (limits and len(users) >= min(limits)):
                found.append(key)
        return found

    def _can_wait(self, ticket: TicketRow) -> bool:
        rows = [row for row in self.rows.devices if row.key in ticket.candidates]
        back = {row.key for row in rows if row.holder or row.status == DeviceStatus.AVAILABLE}
        return len(self._together(ticket, back, [])) >= ticket.wants

    def _check_outbox(self, before: Dump) -> None:
        assert len(self.rows.outbox) <= LIMITS.max_rows
        numbers = {row.number for row in before.outbox}
        last = max(numbers, default=0)
        assert all(row.number in numbers or row.number > last for row in self.rows.outbox)


Agreement.TestCase.settings = settings(max_examples=100, stateful_step_count=50)
# Every step waits for the disk a few times: beside other programs that can take long.
TestEnginesAgree = pytest.mark.timeout(300)(Agreement.TestCase)
