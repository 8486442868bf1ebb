"""A farm in a few lines, for tests of the planner: jobs take what is said, and every choice is checked."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.jobs import Choice, Job
from pytest_autorl.dispatch.plan import Planner


def job(
    name: str,
    devices: Iterable[str] = ("d1",),
    *,
    count: int = 1,
    module: str = "",
    session: str = "",
    order: int = 0,
    tests: Sequence[str] = (),
) -> Job:
    """A job of one test of the same name."""
    return Job(
        name=name,
        order=order,
        tests=tuple(tests) or (name,),
        devices=frozenset(devices),
        count=count,
        module=module,
        session=session,
    )


def start(planner: Planner, idle: Iterable[str], now_s: float = 0.0) -> Choice | None:
    """Ask, and begin what was answered."""
    choice = planner.choose([*idle], now_s)
    if choice is not None:
        planner.start(choice, now_s)
    return choice


@dataclass(frozen=True)
class Begun:
    """A job that was started."""

    name: str
    devices: tuple[str, ...]
    at_s: float


@dataclass
class Farm:
    """Runs a planner to the end.

    Attributes:
        seconds: What each job really takes.
        workers: So many jobs run at once; None: no limit.
        changes: (time, device, is_up); a device that goes down ends its job as lost, and it is added again.
    """

    planner: Planner
    devices: Sequence[str]
    seconds: Mapping[str, float]
    estimates: Estimates | None = None
    workers: int | None = None
    changes: Sequence[tuple[float, str, bool]] = ()
    begun: list[Begun] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    end_s: float = 0.0

    def run(self) -> Farm:
        """Until nothing happens any more.

        Raises: AssertionError when a choice breaks a rule, or the planner waits while it could start something.
        """
        idle = dict.fromkeys(self.devices)
        up = set(self.devices)
        running: dict[int, Choice] = {}
        events: list[tuple[float, int, int, object]] = [
            (at_s, 1, i, (device, is_up)) for i, (at_s, device, is_up) in enumerate(self.changes)
        ]
        heapq.heapify(events)
        number = len(events)
        now_s = 0.0
        while True:
            while self.workers is None or len(running) < self.workers:
                if (choice := start(self.planner, idle, now_s)) is None:
                    break
                assert len(set(choice.devices)) == len(choice.devices) == choice.job.count
                assert set(choice.devices) <= choice.job.devices & up & idle.keys()
                assert choice.why
                for device in choice.devices:
                    del idle[device]
                number += 1
                running[number] = choice
                self.begun.append(Begun(choice.job.name, choice.devices, now_s))
                heapq.heappush(events, (now_s + self.seconds[choice.job.name], 0, number, choice))
            if not events:
                return self
            now_s, rank, place, what = heapq.heappop(events)
            if rank == 0 and place in running:
                choice = running.pop(place)
                self.planner.end(choice.job.name, now_s)
                if self.estimates is not None:
                    self.estimates.learn(choice.job.name, choice.devices, self.seconds[choice.job.name])
                self.done.append(choice.job.name)
                self.end_s = now_s
                idle.update(dict.fromkeys(device for device in choice.devices if device in up))
            elif rank == 1:
                assert isinstance(what, tuple)
                device, is_up = what
                self._change(device, is_up, now_s, idle, up, running)

    def _change(
        self,
        device: str,
        is_up: bool,
        now_s: float,
        idle: dict[str, None],
        up: set[str],
        running: dict[int, Choice],
    ) -> None:
        if is_up:
            self.planner.up(device, now_s)
            up.add(device)
            idle[device] = None
            return
        self.planner.down(device, now_s)
        up.discard(device)
        idle.pop(device, None)
        for place, choice in [*running.items()]:
            if device in choice.devices:
                del running[place]
                self.planner.end(choice.job.name, now_s)
                self.planner.add(choice.job, boost=0.5, now_s=now_s)
                idle.update(dict.fromkeys(other for other in choice.devices if other in up))
