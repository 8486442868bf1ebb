"""Jobs that one of several robots does."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autorl.errors import StateError, UsageError
from pytest_autorl.state import jobs
from pytest_autorl.state.engine import Engine, JobRow
from pytest_autorl.state.jobs import Claimant, Heartbeat, JobLocker, JobStatus, Signal, claim_job
from pytest_autorl.state.ledger import Now
from pytest_autorl.state.memory import MemoryEngine
from pytest_autorl.state.opening import engine_at

OK = Heartbeat(Signal.OK)


class FakeClock:
    """Of one host: all robots read the same."""

    def __init__(self) -> None:
        self.s = 1000.0
        self.boot_id = "boot-1"

    def now_s(self) -> float:
        return self.s

    def wall_s(self) -> float:
        return 1_700_000_000.0 + self.s


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def robot(engine: Engine, clock: FakeClock) -> Callable[[str], JobLocker]:
    """Call it with a name for one more robot of this state."""
    return lambda name: JobLocker(engine, name, 300.0, clock=clock)


Robot = Callable[[str], JobLocker]


def row_of(locker: JobLocker, job_id: str = "j") -> JobRow:
    row = locker.job(job_id)
    assert row is not None
    return row


# -- claiming ------------------------------------------------------------------------------------------------


def test_a_job_is_claimed_by_one_robot(robot: Robot) -> None:
    first, second = robot("r1"), robot("r2")

    assert first.try_claim("j")
    assert not second.try_claim("j")

    row = row_of(second)
    assert (row.status, row.claimed_by, row.progress, row.cancel_requested) == ("running", "r1", 0.0, "")
    assert row.claimed_at_s == 1_700_001_000.0


def test_a_robot_does_not_claim_what_it_does_already(robot: Robot) -> None:
    """Two threads of one robot, or one that forgot: the job would be done twice."""
    first = robot("r1")

    assert first.try_claim("j")
    assert not first.try_claim("j")


def test_jobs_are_listed_by_their_ids(robot: Robot) -> None:
    first = robot("r1")
    for job_id in ("b", "a"):
        first.try_claim(job_id)

    assert [row.id for row in first.jobs()] == ["a", "b"]
    assert first.job("c") is None


def test_a_claim_without_a_sign_of_life_can_be_claimed_by_another(robot: Robot, clock: FakeClock) -> None:
    first, second = robot("r1"), robot("r2")
    first.try_claim("j")

    clock.s += 300.0
    assert not second.try_claim("j")
    clock.s += 0.1
    assert second.try_claim("j")

    assert row_of(second).claimed_by == "r2"
    assert first.heartbeat("j") == Heartbeat(Signal.LOST, "r2 has it now (token 2)")


def test_a_claim_from_before_a_reboot_can_be_claimed_at_once(robot: Robot, clock: FakeClock) -> None:
    """The clock that it was to end by has started anew: its time says nothing any more."""
    robot("r1").try_claim("j")

    clock.boot_id, clock.s = "boot-2", 5.0

    assert robot("r1").try_claim("j")
    assert row_of(robot("r1")).token == 2


def test_a_robot_under_an_old_name_does_not_have_the_old_claims(robot: Robot) -> None:
    """A robot that was killed and started anew has done nothing of them."""
    robot("r1").try_claim("j")

    anew = robot("r1")

    assert not anew.try_claim("j")
    assert anew.heartbeat("j").signal is Signal.LOST


def test_the_atomic_step_gives_what_later_steps_have_to_name(engine: Engine) -> None:
    row = claim_job(engine, "j", "r1")

    assert row is not None
    assert (row.status, row.claimed_by, row.token) == (JobStatus.RUNNING, "r1", 1)
    assert row.holder != ""
    assert claim_job(engine, "j", "r2") is None


def test_tokens_of_jobs_begin_above_the_floor(engine: Engine) -> None:
    """As those of devices: a state that was begun anew must not give one again."""
    engine.write(lambda books: books.set_number("floor", 70))

    row = claim_job(engine, "j", "r1")

    assert row is not None
    assert row.token == 71


# -- doing ---------------------------------------------------------------------------------------------------


def test_a_heartbeat_keeps_the_claim(robot: Robot, clock: FakeClock) -> None:
    first, second = robot("r1"), robot("r2")
    first.try_claim("j")

    for _ in range(3):
        clock.s += 299.0
        assert first.heartbeat("j") == OK

    assert not second.try_claim("j")


def test_a_late_heartbeat_revives_a_claim_that_nobody_has_taken(robot: Robot, clock: FakeClock) -> None:
    """The work is not thrown away for a pause that did no harm."""
    first = robot("r1")
    first.try_claim("j")
    clock.s += 1000.0

    assert first.heartbeat("j") == OK
    assert not robot("r2").try_claim("j")


def test_whoever_never_claimed_has_nothing_to_keep(robot: Robot) -> None:
    assert robot("r1").heartbeat("j") == Heartbeat(Signal.LOST, "nobody knows the job")


def test_progress_only_grows(robot: Robot) -> None:
    first = robot("r1")
    first.try_claim("j")

    for share in (0.25, 0.75, 0.5):
        assert first.report_progress("j", share)

    assert row_of(first).progress == 0.75


def test_progress_begins_anew_with_a_new_claim(robot: Robot) -> None:
    first, second = robot("r1"), robot("r2")
    first.try_claim("j")
    first.report_progress("j", 0.75)
    first.release("j", JobStatus.PENDING)

    second.try_claim("j")

    assert row_of(second).progress == 0.0
    assert not first.report_progress("j", 0.9)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_progress_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match=r"progress of j is .*: it must be 0 to 1"):
        JobLocker(MemoryEngine(), "r1").report_progress("j", share)


# -- ending --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, "failed"])
def test_a_job_ends_once(robot: Robot, status: JobStatus | str) -> None:
    first, second = robot("r1"), robot("r2")
    first.try_claim("j")

    assert first.release("j", status)

    assert (row_of(first).status, row_of(first).claimed_by) == (status, "r1")
    assert not first.release("j", JobStatus.COMPLETED)
    assert not second.try_claim("j")
    assert second.heartbeat("j") == Heartbeat(Signal.LOST, f"it is {JobStatus(status)}")
    assert row_of(first).status == status


def test_a_late_release_does_not_end_what_another_robot_does(robot: Robot, clock: FakeClock) -> None:
    """The zombie: it was stopped for long, goes on, and believes to be done."""
    zombie, second = robot("r1"), robot("r2")
    zombie.try_claim("j")
    clock.s += 301.0
    second.try_claim("j")
    before = row_of(second)

    assert not zombie.release("j", JobStatus.FAILED)

    assert row_of(second) == before
    assert second.release("j")
    assert row_of(second).status == "completed"


def test_a_job_given_back_can_be_claimed_by_another(robot: Robot) -> None:
    first, second = robot("r1"), robot("r2")
    first.try_claim("j")

    assert first.release("j", JobStatus.PENDING)

    assert row_of(second) == JobRow("j", token=1)
    assert second.try_claim("j")


def test_what_nobody_claimed_is_not_released(robot: Robot) -> None:
    assert not robot("r1").release("j")


@pytest.mark.parametrize(
    ("status", "words"),
    [("running", "j cannot be released as running"), ("done", "'done' is not a valid JobStatus")],
)
def test_a_job_ends_as_something_that_is_an_end(status: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        JobLocker(MemoryEngine(), "r1").release("j", status)


# -- cancelling ----------------------------------------------------------------------------------------------


def test_a_robot_hears_of_a_cancellation_at_its_next_heartbeat(robot: Robot) -> None:
    first, second = robot("r1"), robot("boss")
    first.try_claim("j")

    assert second.request_cancel("j", "the build is broken")
    assert second.request_cancel("j", "another reason")

    answer = first.heartbeat("j")
    assert answer == Heartbeat(Signal.CANCEL, "the build is broken")
    assert f"{answer.signal}: {answer.reason}" == "cancel: the build is broken"
    assert row_of(first).status == "running"
    assert first.release("j", JobStatus.CANCELLED)


def test_without_a_reason_the_asker_is_named(robot: Robot) -> None:
    first = robot("r1")
    first.try_claim("j")

    robot("boss").request_cancel("j")

    assert first.heartbeat("j").reason == "requested by boss"


def test_a_job_that_was_done_before_the_robot_heard_of_it_is_done(robot: Robot) -> None:
    first = robot("r1")
    first.try_claim("j")
    robot("boss").request_cancel("j")

    assert first.release("j", JobStatus.COMPLETED)

    assert row_of(first).status == "completed"


def test_a_job_that_nobody_does_is_cancelled_at_once(robot: Robot) -> None:
    first = robot("r1")
    first.try_claim("j")
    first.release("j", JobStatus.PENDING)

    assert robot("boss").request_cancel("j")

    assert row_of(first).status == "cancelled"
    assert not first.try_claim("j")


def test_a_job_whose_robot_is_gone_is_cancelled_at_once(robot: Robot, clock: FakeClock) -> None:
    zombie = robot("r1")
    zombie.try_claim("j")
    clock.s += 301.0

    assert robot("boss").request_cancel("j")

    assert row_of(zombie).status == "cancelled"
    assert zombie.heartbeat("j") == Heartbeat(Signal.LOST, "it is cancelled")


def test_a_job_to_be_cancelled_is_not_begun_again_when_its_robot_dies(robot: Robot, clock: FakeClock) -> None:
    robot("r1").try_claim("j")
    robot("boss").request_cancel("j")
    clock.s += 301.0

    second = robot("r2")

    assert not second.try_claim("j")
    assert row_of(second).status == "cancelled"


def test_a_job_to_be_cancelled_that_is_given_back_is_cancelled(robot: Robot) -> None:
    first = robot("r1")
    first.try_claim("j")
    robot("boss").request_cancel("j")

    assert first.release("j", JobStatus.PENDING)

    assert row_of(first).status == "cancelled"


def test_what_has_ended_or_was_never_there_cannot_be_cancelled(robot: Robot) -> None:
    first = robot("r1")
    first.try_claim("j")
    first.release("j")

    assert not first.request_cancel("j")
    assert not first.request_cancel("unknown")
    assert row_of(first).cancel_requested == ""


# -- a model -------------------------------------------------------------------------------------------------

_steps = st.lists(
    st.tuples(
        st.sampled_from(["claim", "beat", "progress", "release", "back", "cancel", "wait", "reboot"]),
        st.integers(0, 2),
        st.floats(0, 1),
    ),
    max_size=40,
)


@given(_steps)
def test_a_job_has_one_robot_at_a_time_and_one_end(steps: list[tuple[str, int, float]]) -> None:
    """Whatever three robots do, stopped for however long: the model knows whose it is, and when it has ended."""
    clock = FakeClock()
    engine = MemoryEngine()
    robots = [JobLocker(engine, str(number), 10.0, clock=clock) for number in range(3)]
    owner, end, tokens = -1, "", list[int]()

    for step, who, share in steps:
        before = engine.read(lambda books: books.job("j"))
        if step == "claim" and robots[who].try_claim("j"):
            assert not end
            assert before is None or not jobs.is_claimed(before, clock.boot_id, _now(clock))
            owner = who
            tokens.append(row_of(robots[who]).token)
        elif step == "beat":
            assert (robots[who].heartbeat("j").signal is not Signal.LOST) == (who == owner and not end)
        elif step == "progress":
            assert robots[who].report_progress("j", share) == (who == owner and not end)
        elif step == "release":
            assert robots[who].release("j", JobStatus.FAILED) == (who == owner and not end)
        elif step == "back":
            was_ours = who == owner and not end
            assert robots[who].release("j", JobStatus.PENDING) == was_ours
            owner = -1 if was_ours else owner
        elif step == "cancel":
            assert robots[who].request_cancel("j") == (before is not None and not end)
        elif step == "wait":
            clock.s += share * 20
        elif step == "reboot":
            clock.boot_id += "+"

        row = engine.read(lambda books: books.job("j"))
        if row is None:
            continue
        is_over = row.status not in (JobStatus.PENDING, JobStatus.RUNNING)
        assert not end or (row == before and row.status == end)
        end = str(row.status) if is_over else ""
        if before is not None and before.token == row.token and step != "back":
            assert row.progress >= before.progress
    assert tokens == sorted(set(tokens))


def _now(clock: FakeClock) -> Now:
    return Now(clock.s, 0.0, 10.0)


@pytest.mark.parametrize(("holder", "token"), [("h1", 1), ("h1", 3), ("h2", 2)])
def test_whoever_cannot_name_holder_and_token_changes_nothing(
    engine: Engine, holder: str, token: int
) -> None:
    """One thread of a robot was stopped; another one of the same robot has claimed the job anew."""
    who = Claimant("r1", "h1", "boot")
    engine.write(lambda books: jobs.claim(books, "j", who, Now(0.0, 0.0, 60.0)))
    row = engine.write(lambda books: jobs.claim(books, "j", who, Now(100.0, 0.0, 60.0)))
    assert row is not None
    assert row.token == 2

    beat = engine.write(lambda books: jobs.beat(books, "j", holder, token, Now(101.0, 0.0, 60.0)))
    assert beat == Heartbeat(Signal.LOST, "r1 has it now (token 2)")
    assert not engine.write(lambda books: jobs.note_progress(books, "j", holder, token, 0.5))
    assert not engine.write(lambda books: jobs.release(books, "j", holder, token, JobStatus.FAILED))

    assert engine.read(lambda books: books.job("j")) == row


def test_a_claimant_s_rules_are_usable_within_a_transaction_of_ones_own(engine: Engine) -> None:
    """What comes with a job (its first checkpoint, say) can be written in the same step."""
    who = Claimant("r1", "h1", "boot")

    def work(books: jobs.Books) -> bool:
        row = jobs.claim(books, "j", who, Now(0.0, 0.0, 60.0))
        return row is not None and jobs.release(books, "j", "h1", row.token, JobStatus.COMPLETED)

    assert engine.write(work)


# -- places and processes ------------------------------------------------------------------------------------


def test_a_path_names_a_state_database(tmp_path: Path) -> None:
    path = tmp_path / "new" / "jobs.db"
    with JobLocker(path, "r1") as first:
        assert first.try_claim("j")

    with JobLocker(str(path), "r2") as second:
        assert not second.try_claim("j")
        assert row_of(second).claimed_by == "r1"
    with pytest.raises(StateError, match="closed already"):
        second.jobs()


def test_an_engine_is_not_closed_with_a_locker_that_uses_it(engine: Engine) -> None:
    with JobLocker(engine, "r1") as locker:
        locker.try_claim("j")

    assert engine.read(lambda books: books.jobs()) != []


def test_a_robot_without_a_name_is_called_by_its_process(engine: Engine) -> None:
    locker = JobLocker(engine)
    locker.try_claim("j")

    name = row_of(locker).claimed_by

    assert name == locker.robot_id
    assert name.rpartition("/")[2].isdigit()
    assert locker.lock_timeout == 300.0


@pytest.mark.parametrize("lock_timeout", [0, -1, float("nan")])
def test_a_claim_lives_for_some_time(lock_timeout: float) -> None:
    with pytest.raises(ValueError, match=r"lock_timeout is .* s: it must be above 0"):
        JobLocker(MemoryEngine(), "r1", lock_timeout)


def test_a_database_by_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a database URL is not part of this version"):
        engine_at("postgresql://db/state")


def test_a_network_file_system_is_refused(tmp_path: Path) -> None:
    mounts = f"1 0 0:1 / / rw - ext4 /dev/vda rw\n2 1 0:2 / {tmp_path} rw - nfs4 server:/x rw\n"

    with pytest.raises(UsageError, match=r"jobs.db is on a network file system \(nfs4\)"):
        engine_at(tmp_path / "jobs.db", mounts=mounts)

    assert list(tmp_path.iterdir()) == []


def test_of_many_threads_of_one_robot_one_claims(engine: Engine) -> None:
    locker = JobLocker(engine, "r1")
    barrier = threading.Barrier(8)
    won = list[bool]()

    def race() -> None:
        barrier.wait(timeout=30)
        won.append(locker.try_claim("j"))

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert sorted(won) == [False] * 7 + [True]


_RACER = """
import sys
from pytest_autorl.state.jobs import JobLocker
with JobLocker(sys.argv[1], sys.argv[2]) as locker:
    print("ready", flush=True)
    for job_id in sys.stdin.readline().split():
        print(int(locker.try_claim(job_id)), end=" ")
"""


@pytest.mark.integration
def test_of_two_processes_that_race_for_a_job_exactly_one_wins(tmp_path: Path) -> None:
    """Both wait at the start until the other is ready; then each tries fifty jobs as fast as it can."""
    ids = [f"job-{number}" for number in range(50)]
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, str(tmp_path / "jobs.db"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("r1", "r2")
    ]
    try:
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write(" ".join(ids) + "\n")
            racer.stdin.flush()
        first, second = ([int(word) for word in racer.communicate(timeout=60)[0].split()] for racer in racers)
    finally:
        for racer in racers:
            racer.kill()
            racer.communicate()

    assert [a + b for a, b in zip(first, second, strict=True)] == [1] * 50
    with JobLocker(tmp_path / "jobs.db", "looker") as looker:
        claimed_by = {row.id: row.claimed_by for row in looker.jobs()}
    assert claimed_by == {job_id: ("r2", "r1")[won] for job_id, won in zip(ids, first, strict=True)}
