"""The planner of this project, as a policy of the simulated farm: the calls that a run makes, in its order.

What comes again has the boost that the broker gives it, and only what was lost with a device avoids that device. What
attempts teach is what `dispatch.learning` takes from them: those that failed teach nothing, and of several sessions in
one attempt only the sum is known.
"""

from __future__ import annotations

from collections.abc import Sequence

from _farm_world import Attempt, Start, Task, World

from pytest_autorl.dispatch.broker import LOST_BOOST, PENDED_BOOST
from pytest_autorl.dispatch.estimate import Estimates
from pytest_autorl.dispatch.jobs import Job
from pytest_autorl.dispatch.plan import Planner


class Ours:
    """Knows the history, the needs and what it has seen; neither speed factors nor costs of sessions."""

    def __init__(self, world: World) -> None:
        self._tasks = {task.name: task for task in world.tasks}
        self._estimates = Estimates(
            {task.name: task.history_s for task in world.tasks if task.history_s is not None},
            modules={task.name: task.module for task in world.tasks},
        )
        up = [bay.id for bay in world.bays if bay.windows[0][0] <= 0]
        self._down: set[str] = set()
        self._planner = Planner(up, map(self._job, world.tasks), self._estimates)
        self._planner.set_workers(world.workers)

    @staticmethod
    def _job(task: Task) -> Job:
        return Job(
            name=task.name,
            order=task.order,
            tests=(task.name,),
            devices=task.devices,
            count=task.count,
            session=task.session,
            module=task.module,
            need=task.need,
        )

    def next(self, idle: Sequence[str], now_s: float) -> Start | None:
        choice = self._planner.choose(idle, now_s)
        if choice is None:
            return None
        self._planner.start(choice, now_s)
        return self._tasks[choice.job.name], choice.devices

    def ended(self, attempt: Attempt, now_s: float) -> None:
        task = attempt.task
        if attempt.is_passed:
            self._learn(attempt)
        self._planner.end(task.name, now_s)
        if not attempt.is_last:
            self._planner.add(self._job(task), boost=PENDED_BOOST, now_s=now_s)

    def _learn(self, attempt: Attempt) -> None:
        self._estimates.learn(attempt.task.name, attempt.devices, attempt.work_s)
        opened = attempt.session_s
        if opened:
            each_s = sum(opened.values()) / len(opened)
            for device in attempt.devices:
                self._estimates.learn_session(device, each_s)
        if attempt.fixture_s:
            self._estimates.learn_fixture(attempt.task.module, attempt.fixture_s)

    def lost(self, attempt: Attempt, now_s: float) -> None:
        self._planner.end(attempt.task.name, now_s)
        lost = self._down.intersection(attempt.devices)
        self._planner.add(self._job(attempt.task), boost=LOST_BOOST, avoid=frozenset(lost), now_s=now_s)

    def up(self, device: str, now_s: float) -> None:
        self._down.discard(device)
        self._planner.up(device, now_s)

    def down(self, device: str, now_s: float) -> None:
        self._down.add(device)
        self._planner.down(device, now_s)
