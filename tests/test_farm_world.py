"""The simulated farm of `benchmarks/makespan.py`: the same luck for all, and no policy that cheats."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autorl.dispatch.bound import Bay, Bound
from pytest_autorl.dispatch.broker import LOST_BOOST, PENDED_BOOST
from pytest_autorl.dispatch.jobs import Job
from pytest_autorl.dispatch.review import Klass, review

SCRIPTS = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(SCRIPTS))  # the scripts import each other by their bare names

from _farm_luck import SCENARIOS, build  # noqa: E402
from _farm_world import Attempt, Policy, Start, Task, World, WrongRunError, run  # noqa: E402
from _ours import Ours  # noqa: E402
from _rivals import RIVALS, Load, LoadScope, WorkSteal  # noqa: E402

POLICIES: dict[str, Callable[[World], Policy]] = {**RIVALS, "ours": Ours}
NAMES = sorted(set(SCENARIOS) - {"big"})


@cache
def world_of(scenario: str) -> tuple[World, Bound]:
    world = build(scenario, 7)
    return world, world.bound()


def tiny(luck: random.Random) -> World:
    """A few tests on five devices, some of which die or come late; the last one does neither."""
    windows: list[tuple[tuple[float, float | None], ...]] = [
        ((0.0, None),),
        ((0.0, 9.0), (14.0, None)),
        ((5.0, None),),
        ((0.0, 7.0),),
    ]
    bays = tuple(
        Bay(
            id=f"d{n}",
            session_s=2.0,
            speed_factor=luck.choice((1.0, 2.0)),
            windows=luck.choice(windows) if n < 3 else windows[0],
        )
        for n in range(5)
    )
    needs = {
        "all": frozenset(bay.id for bay in bays),
        "late": frozenset(("d2", "d3", "d4")),
        "one": frozenset(("d4",)),
    }
    tasks = []
    for order in range(luck.randrange(1, 25)):
        need = luck.choice([*needs])
        is_pair = need != "one" and luck.random() < 0.2
        tasks.append(
            Task(
                name=f"test_{order}",
                order=order,
                need=f"2 x {need}" if is_pair else need,
                devices=needs[need],
                count=2 if is_pair else 1,
                session=luck.choice(("main", "other")),
                module=f"m{order // 4}",
                attempts_s=tuple(luck.uniform(0.0, 5.0) for _ in range(luck.choice((1, 1, 1, 2)))),
                is_passed=luck.random() < 0.9,
                history_s=luck.choice((None, 3.0)),
            )
        )
    return World(scenario="tiny", seed=0, bays=bays, tasks=tuple(tasks))


# -- the luck ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", NAMES)
def test_a_seed_is_a_world(scenario: str) -> None:
    """All figures can be had again, by anybody."""
    assert build(scenario, 3) == build(scenario, 3)
    assert build(scenario, 3) != build(scenario, 4)


@pytest.mark.parametrize("scenario", NAMES)
def test_a_world_is_what_its_scenario_says(scenario: str) -> None:
    world, _ = world_of(scenario)
    chosen = SCENARIOS[scenario]
    pairs = [task for task in world.tasks if task.count == 2]
    dying = [bay for bay in world.bays if bay.windows != ((0.0, None),)]

    assert (len(world.tasks), len(world.bays)) == (chosen.tests, chosen.devices)
    assert [task.order for task in world.tasks] == [*range(chosen.tests)]
    assert len({task.name for task in world.tasks}) == chosen.tests
    assert len(pairs) == round(chosen.pairs * chosen.tests)
    assert len(dying) == round(chosen.dying * chosen.devices)
    assert sum(bay.windows[-1][1] is None for bay in dying) == len(dying) // 2
    assert any(task.history_s for task in world.tasks) is not chosen.is_cold
    assert (max(bay.speed_factor for bay in world.bays) >= 3) is (chosen.slow_factor > 1)
    assert len({task.devices for task in world.tasks}) == (5 if chosen.is_mixed else 1)


def test_the_history_says_roughly_what_comes() -> None:
    """Else the planner would be tried with noise: the median test takes within 30 % of its history."""
    world, _ = world_of("homogeneous")
    ratios = sorted(
        task.attempts_s[-1] / task.history_s
        for task in world.tasks
        if task.history_s is not None and task.is_passed
    )
    new = sum(task.history_s is None for task in world.tasks)

    assert 0.95 < ratios[len(ratios) // 2] < 1.05
    assert ratios[len(ratios) // 10] > 0.7
    assert ratios[len(ratios) * 9 // 10] < 1.4
    assert 20 < new < 90


# -- the loop ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POLICIES)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_every_policy_does_everything_once_with_the_luck_of_the_world(name: str, seed: int) -> None:
    """All attempts of all tests are run to their end, with the durations that were drawn, on devices that were up."""
    world = tiny(random.Random(seed))

    result = run(world, POLICIES[name])

    bays = {bay.id: bay for bay in world.bays}
    seen: dict[str, list[float]] = {}
    for attempt in sorted(result.attempts, key=lambda attempt: attempt.start_s):
        factor = max(bays[device].speed_factor for device in attempt.devices)
        seen.setdefault(attempt.task.name, []).append(attempt.work_s / factor)
        end_s = attempt.start_s + attempt.setup_s + attempt.work_s
        for device in attempt.devices:
            assert any(
                since_s <= attempt.start_s and (to is None or end_s <= to)
                for since_s, to in bays[device].windows
            )
    assert seen == {task.name: pytest.approx(task.attempts_s) for task in world.tasks}
    assert result.makespan_s == max(a.start_s + a.setup_s + a.work_s for a in result.attempts)


@pytest.mark.parametrize("scenario", ["two_device", "few_workers"])
@pytest.mark.parametrize("name", POLICIES)
def test_the_review_of_a_run_finds_nothing_wrong(name: str, scenario: str) -> None:
    """Two parts that know nothing of each other agree: no overlaps, everything finished, bounds below the makespan."""
    world, bound = world_of(scenario)

    result = run(world, POLICIES[name], bound)

    rows = [
        {
            "test": a.task.name,
            "module": a.task.module,
            "devices": a.devices,
            "class": a.task.need,
            "outcome": "passed" if a.is_passed else "failed",
            "start": a.start_s,
            "end": a.start_s + a.setup_s + a.work_s,
            "setup": a.setup_s,
            "fixture": a.fixture_s,
        }
        for a in result.attempts
    ]
    classes = {task.need: Klass(devices=task.devices, count=task.count) for task in world.tasks}
    seen = review(rows, classes, [bay.id for bay in world.bays], workers=world.workers)
    assert seen.violations == ()
    assert seen.makespan_s == pytest.approx(result.makespan_s)
    assert seen.tests == 1000
    assert 1 <= seen.ratio <= result.ratio * 1.1


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_has_more_workers_than_the_world(name: str) -> None:
    world, bound = world_of("few_workers")

    result = run(world, POLICIES[name], bound)

    changes = [(a.start_s + a.setup_s + a.work_s, -1) for a in result.attempts]
    changes += [(a.start_s, 1) for a in result.attempts]
    assert max(accumulate(change for _, change in sorted(changes))) == world.workers == 8
    assert bound.kind == "workers"
    assert {attempt.task.name for attempt in result.attempts} == {task.name for task in world.tasks}


class Scripted:
    """Starts what a list says, and waits when it is at its end."""

    def __init__(self, *starts: tuple[int, tuple[str, ...]]) -> None:
        self._starts = [*starts]
        self.tasks: Sequence[Task] = ()

    def __call__(self, world: World) -> Scripted:
        self.tasks = world.tasks
        return self

    def next(self, idle: Sequence[str], now_s: float) -> Start | None:
        if not self._starts:
            return None
        place, devices = self._starts.pop(0)
        return self.tasks[place], devices

    def ended(self, attempt: Attempt, now_s: float) -> None: ...
    def lost(self, attempt: Attempt, now_s: float) -> None: ...
    def up(self, device: str, now_s: float) -> None: ...
    def down(self, device: str, now_s: float) -> None: ...


def two_tests() -> World:
    def task(order: int) -> Task:
        return Task(
            name=f"test_{order}",
            order=order,
            need="ab",
            devices=frozenset("ab"),
            count=1,
            session="main",
            module="m",
            attempts_s=(1.0,),
            is_passed=True,
            history_s=1.0,
        )

    return World(scenario="two", seed=0, bays=tuple(Bay(id=id) for id in "abc"), tasks=(task(0), task(1)))


@pytest.mark.parametrize(
    ("starts", "text"),
    [
        ([(0, ("a",)), (1, ("a",))], "not all idle"),
        ([(0, ("a",)), (0, ("b",))], "test_0 runs already"),
        ([(0, ("c",))], "does not fit"),
        ([(0, ("a", "b"))], "test_0: "),
        ([(0, ())], "test_0: "),
        ([(0, ("a",))], "1 tests were never started"),
    ],
)
def test_a_policy_that_does_what_it_must_not_is_stopped(
    starts: list[tuple[int, tuple[str, ...]]], text: str
) -> None:
    with pytest.raises(WrongRunError, match=text):
        run(two_tests(), Scripted(*starts))


def test_a_bound_that_a_policy_beats_is_an_error() -> None:
    """The ratio would be worth nothing."""
    both = Scripted((0, ("a",)), (1, ("b",)))

    with pytest.raises(WrongRunError, match="below the bound of"):
        run(two_tests(), both, Bound(seconds=50.0, tight=(), kind="work"))


def test_set_up_is_paid_on_a_change_only() -> None:
    """One device, two tests of one module: one session, the fixtures once."""
    world = two_tests()
    again = Scripted((0, ("a",)))
    again.ended = lambda attempt, now_s: again._starts.extend([(1, ("a",))] * (attempt.task.order == 0))  # type: ignore[method-assign]

    result = run(world, again)

    assert [attempt.setup_s for attempt in result.attempts] == [4.0, 0.0]
    assert result.makespan_s == pytest.approx(4.0 + 2.0)


def test_the_sessions_of_one_test_begin_one_after_the_other() -> None:
    """A process opens them; the fixtures come once."""
    world = two_tests()
    pair = replace(world.tasks[0], count=2)
    farm = tuple(Bay(id=id, session_s=3.0) for id in "abc")

    result = run(replace(world, bays=farm, tasks=(pair,)), Scripted((0, ("a", "b"))))

    assert [(a.session_s, a.setup_s) for a in result.attempts] == [({"a": 3.0, "b": 3.0}, 3.0 + 3.0 + 4.0)]


class Notes:
    """The planner's place: what it is told."""

    def __init__(self) -> None:
        self.added: list[tuple[float, frozenset[str]]] = []

    def add(self, job: Job, *, boost: float, avoid: frozenset[str] = frozenset(), now_s: float) -> None:
        self.added.append((boost, avoid))

    def end(self, name: str, now_s: float) -> None: ...
    def down(self, device: str, now_s: float) -> None: ...


def test_ours_hears_of_what_comes_again_what_a_broker_says() -> None:
    """A retry may be on the same device; what was lost avoids the device that died, not the other one."""
    world = two_tests()
    again = Attempt(
        task=replace(world.tasks[0], attempts_s=(1.0, 1.0), count=2),
        number=1,
        devices=("a", "b"),
        start_s=0.0,
        session_s={},
        fixture_s=0.0,
        setup_s=0.0,
        work_s=1.0,
    )
    ours, notes = Ours(world), Notes()
    ours._planner = notes  # type: ignore[assignment]

    ours.ended(again, 1.0)
    ours.down("b", 2.0)
    ours.lost(again, 2.0)

    assert notes.added == [(PENDED_BOOST, frozenset()), (LOST_BOOST, frozenset("b"))]


# -- the others ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Load, LoadScope, WorkSteal])
def test_a_worker_of_xdist_gets_at_least_two_tests_while_there_are_some(kind: type[Load]) -> None:
    """Its loop runs a test only when it knows the next one, so the scheduler never leaves it with one."""
    world, _ = world_of("homogeneous")

    policy = kind(world)

    sizes = [len(worker.queue) for worker in policy.workers]
    assert min(sizes) >= 2
    assert len(sizes) == 20
    if kind is Load:
        assert set(sizes) == {1000 // 20 // 4}, "a quarter of an even share"
    if kind is WorkSteal:
        assert set(sizes) == {50}


def test_ours_is_better_than_all_others_where_needs_differ() -> None:
    """The reason to have it; the exact figures are those of the benchmark."""
    world, bound = world_of("nested")

    ratios = {name: run(world, make, bound).ratio for name, make in POLICIES.items()}

    assert min(ratios, key=ratios.__getitem__) == "ours"
    assert ratios["ours"] < 1.1


# -- the command ---------------------------------------------------------------------------------------------


def benchmark(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / "makespan.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def test_the_benchmark_prints_its_tables_and_whether_the_targets_are_met() -> None:
    done = benchmark("--scenario", "nested", "cold", "--seeds", "1", "--first-seed", "0")

    assert done.returncode in (0, 1), done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    for name in RIVALS:
        assert sum(line.startswith(f"{name}  ") for line in lines) == 3
    assert sum(line.startswith("> pytest-autorl") for line in lines) == 3
    assert [line.partition(",")[0] for line in lines[-2:]] == ["nested", "cold"]
    assert ("MISSED" in done.stdout) == (done.returncode == 1)


@pytest.mark.parametrize("options", [["--scenario", "nope"], ["--seeds", "0"], ["--fast"]])
def test_wrong_use_of_the_benchmark_is_said(options: list[str]) -> None:
    done = benchmark(*options)

    assert done.returncode == 2
    assert "usage" in done.stderr
