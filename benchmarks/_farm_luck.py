"""The luck of the simulated farm: scenarios, and the worlds that are drawn from them.

What is drawn: base duration lognormal, median 25 s, sigma 0.8, times a module's lognormal 0.45, at most 600 s; each
run differs by lognormal 0.15 and is 1.5 to 3 times as long once in 50 cases; the history is the median of five
earlier runs, and 5 % of the tests have none; one test in ten fails with 20 % and is tried up to three times, an
attempt that fails ends after 20 to 100 % of its time; modules have about ten tests (exponential), one need and one
kind of session each (80 to 20); a session takes 9 s on Android and 25 s on iOS, a module's fixtures 4 s; devices are
1 or more times as slow as the best, exp(N(0.08, 0.06)), which no policy knows.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count

from _farm_world import Task, World

from pytest_autorl.dispatch.bound import Bay

ATTEMPTS = 3
SESSION_S = {"android": 9.0, "ios": 25.0}
#: Kind of device: its platform and how many of 20 there are.
KINDS = {
    "android-11": ("android", 4),
    "android-12": ("android", 3),
    "android-13": ("android", 3),
    "android-14": ("android", 2),
    "tablet-13": ("android", 2),
    "ios-16": ("ios", 3),
    "ios-17": ("ios", 3),
}
#: Need: the kinds that fit, and its share of the tests.
NEEDS = {
    "android": (("android-11", "android-12", "android-13", "android-14", "tablet-13"), 0.3),
    "android>=13": (("android-13", "android-14", "tablet-13"), 0.2),
    "tablet": (("tablet-13",), 0.1),
    "ios": (("ios-16", "ios-17"), 0.3),
    "any": (tuple(KINDS), 0.1),
}
#: Needs of tests that take two devices.
PAIRS = ("android", "android>=13", "ios", "any")


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """How a farm and its suite differ from the plain ones."""

    tests: int = 1000
    devices: int = 20
    is_mixed: bool = True
    pairs: float = 0.0
    dying: float = 0.0
    is_cold: bool = False
    slow_factor: float = 1.0
    workers: int | None = None


SCENARIOS: Mapping[str, Scenario] = {
    "homogeneous": Scenario(is_mixed=False),
    "nested": Scenario(),
    "two_device": Scenario(pairs=0.05),
    "dying": Scenario(dying=0.2),
    "cold": Scenario(is_cold=True),
    "slow_device": Scenario(is_mixed=False, slow_factor=3.0),
    "few_workers": Scenario(workers=8),
    "big": Scenario(tests=20_000, devices=200, pairs=0.01),
}


def build(name: str, seed: int) -> World:
    """The world of a scenario; the same for the same seed, everywhere."""
    scenario = SCENARIOS[name]
    luck = random.Random(f"{name}/{seed}")
    bays, kind_of = _bays(scenario, luck)
    tasks = _tasks(scenario, kind_of, luck)
    world = World(scenario=name, seed=seed, bays=bays, tasks=tasks, workers=scenario.workers)
    if scenario.dying:
        world = replace(world, bays=_with_deaths(world, scenario.dying, luck))
    return world


def _bays(scenario: Scenario, luck: random.Random) -> tuple[tuple[Bay, ...], dict[str, str]]:
    """The devices, and of what kind each is."""
    if scenario.is_mixed:
        sizes = {kind: number * scenario.devices // 20 for kind, (_, number) in KINDS.items()}
    else:
        sizes = {"android-11": scenario.devices}
    kind_of = {f"{kind}-{n:03}": kind for kind, size in sizes.items() for n in range(1, size + 1)}
    slow = luck.choice([*kind_of]) if scenario.slow_factor > 1 else ""
    bays = tuple(
        Bay(
            id=device,
            speed_factor=max(1.0, math.exp(luck.gauss(0.08, 0.06)))
            * (scenario.slow_factor if device == slow else 1.0),
            session_s=SESSION_S[KINDS[kind][0]],
        )
        for device, kind in kind_of.items()
    )
    return bays, kind_of


def _tasks(scenario: Scenario, kind_of: Mapping[str, str], luck: random.Random) -> tuple[Task, ...]:
    fits = {
        need: frozenset(device for device, kind in kind_of.items() if not scenario.is_mixed or kind in kinds)
        for need, (kinds, _) in NEEDS.items()
    }
    tasks: list[Task] = []
    pairs = round(scenario.pairs * scenario.tests)
    places = iter(range(1, scenario.tests + 1))
    for number in count(1):
        room = scenario.tests - len(tasks)
        if not room:
            break
        size = min(room, 1 + int(luck.expovariate(0.1)))
        is_pair = (luck.random() < scenario.pairs and pairs > 0) or 0 < room <= pairs
        if is_pair:
            size = min(size, pairs)
            pairs -= size
            need = luck.choice(PAIRS)
        else:
            size = min(size, max(1, room - pairs))
            need = luck.choices([*NEEDS], [share for _, share in NEEDS.values()])[0]
        session = "main" if luck.random() < 0.8 else "other"
        weight = math.exp(luck.gauss(0.0, 0.45))
        for place in (next(places) for _ in range(size)):
            name = f"test_{number:04}.py::test_{place}"
            attempts_s, is_passed, history_s = _durations(weight, luck)
            tasks.append(
                Task(
                    name=name,
                    order=len(tasks),
                    need=f"2 x {need}" if is_pair else need,
                    devices=fits[need],
                    count=2 if is_pair else 1,
                    session=session,
                    module=f"test_{number:04}.py",
                    attempts_s=attempts_s,
                    is_passed=is_passed,
                    history_s=None if scenario.is_cold else history_s,
                )
            )
    return tuple(tasks)


def _durations(weight: float, luck: random.Random) -> tuple[tuple[float, ...], bool, float | None]:
    """Seconds of the attempts, whether the last one passes, and the median of five earlier runs."""
    base_s = min(600.0, math.exp(luck.gauss(math.log(25.0), 0.8)) * weight)

    def one_s() -> float:
        outlier = luck.uniform(1.5, 3.0) if luck.random() < 0.02 else 1.0
        return base_s * math.exp(luck.gauss(0.0, 0.15)) * outlier

    risk = 0.2 if luck.random() < 0.1 else 0.0
    attempts_s: list[float] = []
    is_passed = False
    while not is_passed and len(attempts_s) < ATTEMPTS:
        is_passed = luck.random() >= risk
        attempts_s.append(one_s() * (1.0 if is_passed else luck.uniform(0.2, 1.0)))
    history_s = statistics.median(one_s() for _ in range(5))
    return tuple(attempts_s), is_passed, history_s if luck.random() >= 0.05 else None


def _with_deaths(world: World, share: float, luck: random.Random) -> tuple[Bay, ...]:
    """Some devices die at 30 to 60 % of the run; every second one is back after 5 to 15 % more of it."""
    whole_s = world.bound().seconds
    needs = {(task.devices, task.count) for task in world.tasks}
    gone: set[str] = set()
    windows: dict[str, tuple[tuple[float, float | None], ...]] = {}
    order = [bay.id for bay in world.bays]
    luck.shuffle(order)
    for device in order:
        if len(windows) == round(share * len(world.bays)):
            break
        is_back = len(windows) % 2 == 1
        if not is_back:
            if any(len(fits - gone - {device}) < number for fits, number in needs):
                continue  # its tests could not run any more
            gone.add(device)
        death_s = whole_s * luck.uniform(0.3, 0.6)
        back_s = death_s + whole_s * luck.uniform(0.05, 0.15)
        windows[device] = ((0.0, death_s), (back_s, None)) if is_back else ((0.0, death_s),)
    return tuple(replace(bay, windows=windows.get(bay.id, bay.windows)) for bay in world.bays)
