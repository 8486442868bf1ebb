"""What else distributes tests, as policies of the simulated farm. Models, not the programs themselves.

xdist (load, loadscope, worksteal): a worker for each device, or as many as there are. A test asks a fair pool for
fitting devices and waits, and its worker does nothing else meanwhile; a worker keeps its devices, with their session,
while its next test may use them. A test that fails or loses its device is repeated at once by the same worker. How many
tests a worker is sent and when is taken from the schedulers of pytest-xdist 3.8.

Static shards: every device is given its tests beforehand, the longest first to the fitting device with the least to
do (`least_duration` of pytest-split), and runs them in the order of collection. Tests of two devices come first.
What dead devices leave behind is dealt out again when all others have finished.

Queues: whatever device is idle takes the first test that it fits; the order is that of the collection (as ci-queue
or a TradeFed pool do) or the longest first. Pools: each kind of need has devices of its own (as in Marathon), in the
division that is the best for the expected durations. A test of two devices goes before all others.

All are treated better than in life: they know what fits, they keep sessions, and nothing that is lost counts as
failed.
"""

from __future__ import annotations

import heapq
import statistics
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import TypeAlias

from _farm_world import Attempt, Policy, Start, Task, World

#: Devices of the pool, how many a test takes, all devices that fit.
Kind: TypeAlias = tuple[frozenset[str], int, frozenset[str]]


def expected_s(world: World) -> dict[str, float]:
    """What a test will take: its history; for a new one the mean of the others, else one second."""
    known = [task.history_s for task in world.tasks if task.history_s is not None]
    mean_s = statistics.fmean(known) if known else 1.0
    return {task.name: mean_s if task.history_s is None else task.history_s for task in world.tasks}


class Worker:
    """A process that runs the tests of its queue one after the other."""

    def __init__(self) -> None:
        self.queue: deque[Task] = deque()
        self.held: tuple[str, ...] = ()


class Workers:
    """Workers in front of a pool of devices; subclasses deal the tests out."""

    def __init__(self, world: World) -> None:
        self.workers = [Worker() for _ in range(world.workers or len(world.bays))]
        self._restless = dict.fromkeys(self.workers)  # neither run a test nor wait for devices
        self._waiting: dict[Worker, None] = {}
        self._running: dict[str, Worker] = {}
        self.open(world.tasks)

    def open(self, tasks: Sequence[Task]) -> None:
        """Deals out the first tests."""
        raise NotImplementedError

    def completed(self, worker: Worker, seconds: float) -> None:
        """A worker has finished a test: it may be sent more."""

    def send(self, worker: Worker, tasks: Sequence[Task]) -> None:
        is_empty = not worker.queue
        worker.queue.extend(tasks)
        if is_empty and worker.queue:
            self._restless[worker] = None

    def next(self, idle: Sequence[str], now_s: float) -> Start | None:
        while self._restless:
            worker = next(iter(self._restless))
            del self._restless[worker]
            kept = [d for d in worker.held if d in idle and worker.queue and d in worker.queue[0].devices]
            worker.held = ()
            if not worker.queue:
                continue
            if len(kept) >= worker.queue[0].count:
                return self._start(worker, kept)
            self._waiting[worker] = None
        free = [*idle]
        wanting: set[str] = set()  # who comes later with the same need gets nothing either
        for worker in self._waiting:
            task = worker.queue[0]
            if task.need in wanting:
                continue
            fits = [device for device in free if device in task.devices]
            if len(fits) >= task.count:
                del self._waiting[worker]
                return self._start(worker, fits)
            free = [device for device in free if device not in fits]  # nobody behind it may take them
            wanting.add(task.need)
        return None

    def _start(self, worker: Worker, fits: Sequence[str]) -> Start:
        task = worker.queue[0]
        self._running[task.name] = worker
        return task, tuple(fits[: task.count])

    def ended(self, attempt: Attempt, now_s: float) -> None:
        worker = self._running.pop(attempt.task.name)
        worker.held = attempt.devices
        self._restless[worker] = None
        if attempt.is_last:
            worker.queue.popleft()
            self.completed(worker, now_s - attempt.start_s)

    def lost(self, attempt: Attempt, now_s: float) -> None:
        self._restless[self._running.pop(attempt.task.name)] = None

    def up(self, device: str, now_s: float) -> None:
        pass

    def down(self, device: str, now_s: float) -> None:
        pass


class Load(Workers):
    """`--dist load`: batches in order, smaller and smaller."""

    def open(self, tasks: Sequence[Task]) -> None:
        self._left = deque(tasks)
        first = max(len(tasks) // (4 * len(self.workers)), 2)
        for worker in self.workers:
            self._refill(worker, first)

    def completed(self, worker: Worker, seconds: float) -> None:
        share = len(self._left) // len(self.workers)
        has = len(worker.queue)
        if has < max(2, share // 4) and not (seconds >= 0.1 and has >= 2):
            self._refill(worker, max(2, share // 2) - has)

    def _refill(self, worker: Worker, number: int) -> None:
        self.send(worker, [self._left.popleft() for _ in range(min(number, len(self._left)))])


class LoadScope(Workers):
    """`--dist loadscope`: whole modules, those with the most tests first."""

    def open(self, tasks: Sequence[Task]) -> None:
        modules: dict[str, list[Task]] = {}
        for task in tasks:
            modules.setdefault(task.module, []).append(task)
        self._left = deque(sorted(modules.values(), key=len, reverse=True))
        for worker in self.workers:
            if self._left:
                self.send(worker, self._left.popleft())
        for worker in self.workers:
            self.completed(worker, 0.0)

    def completed(self, worker: Worker, seconds: float) -> None:
        if len(worker.queue) <= 2 and self._left:
            self.send(worker, self._left.popleft())


class WorkSteal(Workers):
    """`--dist worksteal`: an even split; who has less than two left takes half of the longest queue."""

    def open(self, tasks: Sequence[Task]) -> None:
        whole, rest = divmod(len(tasks), len(self.workers))
        begin = 0
        for place, worker in enumerate(self.workers):
            end = begin + whole + (place < rest)
            self.send(worker, tasks[begin:end])
            begin = end

    def completed(self, worker: Worker, seconds: float) -> None:
        if len(worker.queue) >= 2:
            return
        rich = max(self.workers, key=lambda other: len(other.queue))
        number = min(len(rich.queue) // 2, len(rich.queue) - 2)
        if number > 0:
            self.send(worker, [rich.queue.pop() for _ in range(number)][::-1])


class Shards:
    """Every device has a list of its own."""

    def __init__(self, world: World) -> None:
        self._expected_s = expected_s(world)
        self._up = {bay.id for bay in world.bays if bay.windows[0][0] <= 0}
        self._lists: dict[str, deque[Task]] = {}
        self._left_behind: dict[str, Task] = {}
        self._deal(world.tasks)

    def _deal(self, tasks: Sequence[Task]) -> None:
        loads = dict.fromkeys(sorted(self._up), 0.0)
        self._lists = {device: deque() for device in loads}
        self._undone = {task.name for task in tasks}
        given: dict[str, list[str]] = {}
        for task in sorted(tasks, key=lambda t: (-t.count, -self._expected_s[t.name], t.order)):
            fits = sorted((device for device in loads if device in task.devices), key=loads.__getitem__)
            given[task.name] = fits[: task.count]
            for device in given[task.name]:
                loads[device] += self._expected_s[task.name]
        for task in sorted(tasks, key=lambda t: (-t.count, t.order)):
            if len(given[task.name]) < task.count:
                self._leave(task)  # too few of its devices are up: the next round will have more
            for device in given[task.name]:
                self._lists[device].append(task)

    def next(self, idle: Sequence[str], now_s: float) -> Start | None:
        for device in idle:
            mine = self._lists.get(device)
            if not mine:
                continue
            task = mine[0]
            if task.count == 1:
                return task, (device,)
            together = [d for d, theirs in self._lists.items() if theirs and theirs[0] is task and d in idle]
            if len(together) == task.count:
                return task, tuple(together)
        if not self._undone and self._left_behind:
            again, self._left_behind = [*self._left_behind.values()], {}
            self._deal(again)
            return self.next(idle, now_s) if self._undone else None
        return None

    def ended(self, attempt: Attempt, now_s: float) -> None:
        if attempt.is_last:
            self._undone.discard(attempt.task.name)
            for device in attempt.devices:
                if device in self._lists:
                    self._lists[device].popleft()

    def lost(self, attempt: Attempt, now_s: float) -> None:
        pass

    def up(self, device: str, now_s: float) -> None:
        self._up.add(device)

    def down(self, device: str, now_s: float) -> None:
        self._up.discard(device)
        for task in self._lists.pop(device, deque()):
            self._leave(task)

    def _leave(self, task: Task) -> None:
        self._undone.discard(task.name)
        self._left_behind[task.name] = task
        for theirs in self._lists.values():
            if task.count > 1 and task in theirs:
                theirs.remove(task)


class Queue:
    """One queue for all devices, or one for each pool; one whose pool has died is open to all that fit."""

    def __init__(
        self, world: World, *, is_longest_first: bool, pools: Mapping[str, frozenset[str]] | None = None
    ) -> None:
        self._key: Callable[[Task], float] = lambda task: task.order
        if is_longest_first:
            seconds = expected_s(world)
            self._key = lambda task: -seconds[task.name]
        self._pools = pools or {task.need: task.devices for task in world.tasks}
        self._up = {bay.id for bay in world.bays if bay.windows[0][0] <= 0}
        self._heaps: dict[Kind, list[tuple[float, int, Task]]] = {}
        for task in world.tasks:
            self._push(task)

    def _push(self, task: Task) -> None:
        heap = self._heaps.setdefault((self._pools[task.need], task.count, task.devices), [])
        heapq.heappush(heap, (self._key(task), task.order, task))

    def next(self, idle: Sequence[str], now_s: float) -> Start | None:
        best: tuple[tuple[float, ...], Kind, tuple[str, ...]] | None = None
        for kind, heap in self._heaps.items():
            pool, number, every = kind
            fits = [d for d in idle if d in (pool if len(pool & self._up) >= number else every)]
            if not heap or len(fits) < number:
                continue
            rank = (-number, *heap[0][:2])
            if best is None or rank < best[0]:
                best = rank, kind, tuple(fits[:number])
        if best is None:
            return None
        return heapq.heappop(self._heaps[best[1]])[2], best[2]

    def ended(self, attempt: Attempt, now_s: float) -> None:
        if not attempt.is_last:
            self._push(attempt.task)

    def lost(self, attempt: Attempt, now_s: float) -> None:
        self._push(attempt.task)

    def up(self, device: str, now_s: float) -> None:
        self._up.add(device)

    def down(self, device: str, now_s: float) -> None:
        self._up.discard(device)


def pooled(world: World) -> Queue:
    """Queues of disjoint pools, each need in the pool that makes the longest queue the shortest."""
    needs = {task.need: task for task in world.tasks}
    seconds = expected_s(world)
    loads = dict.fromkeys(needs, 0.0)
    for task in world.tasks:
        loads[task.need] += task.count * seconds[task.name]
    alike: dict[tuple[str, ...], set[str]] = {}
    for bay in world.bays:
        signature = tuple(need for need, task in needs.items() if bay.id in task.devices)
        alike.setdefault(signature, set()).add(bay.id)
    pools = [frozenset(devices) for devices in alike.values()]
    choices = [
        [pool for pool in pools if pool <= task.devices and len(pool) >= task.count] or [task.devices]
        for task in needs.values()
    ]

    def longest_s(division: tuple[frozenset[str], ...]) -> float:
        sums = dict.fromkeys(division, 0.0)
        for need, pool in zip(needs, division, strict=True):
            sums[pool] += loads[need] / len(pool)
        return max(sums.values())

    division = min(product(*choices), key=longest_s)
    return Queue(world, is_longest_first=True, pools=dict(zip(needs, division, strict=True)))


RIVALS: Mapping[str, Callable[[World], Policy]] = {
    "xdist load": Load,
    "xdist loadscope": LoadScope,
    "xdist worksteal": WorkSteal,
    "static shards, longest first": Shards,
    "a pool for each need, longest first": pooled,
    "one queue, longest first": partial(Queue, is_longest_first=True),
    "one queue, in order": partial(Queue, is_longest_first=False),
}
