"""Ways of taking devices and giving them back, ours and others, and the loop in which a process does so."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pytest_autorl.state.store import DurableStore

#: Between two tries without a queue, seconds.
RETRY_S = 0.001
#: Longest wait for a device, seconds.
PATIENCE_S = 30.0

now_s = time.perf_counter  # the same clock in all processes of the host


class Tally(NamedTuple):
    """What one process was given: how often, after which waits, and from when to when it was measured."""

    served: int
    waits_s: list[float]
    began_s: float
    ended_s: float


#: Takes what is wanted, None when that was not to be had until the given time; what it returns is to be given back.
Take = Callable[[float], Any]
#: How to take, how to give back, how to wait until all is done.
Way = tuple[Take, Callable[[Any], None], Callable[[], None]]


def open_store(folder: Path, count: int, owner: str) -> DurableStore:
    """Our store, over devices d0, d1, ..."""
    from pytest_autorl.state.sqlite import SqliteEngine
    from pytest_autorl.state.store import DurableStore

    devices = dict.fromkeys(keys(count), 0)
    return DurableStore(
        SqliteEngine(folder / "state.db"), folder=folder / "alive", devices=devices, owner=owner
    )


def keys(count: int) -> list[str]:
    return [f"d{number}" for number in range(count)]


@contextmanager
def durable(folder: Path, devices: int, number: int, wants: int = 1) -> Iterator[Way]:
    """Ours."""
    store, names = open_store(folder, devices, f"gw{number}"), keys(devices)

    def take(until_s: float) -> Any:
        return store.acquire(
            names, count=wants, owner=f"gw{number}", purpose="a test", need="any", wait_s=PATIENCE_S
        )

    def give(leases: Any) -> None:
        for lease in leases:
            store.release(lease)

    def settle() -> None:
        store.queue()  # reading waits for what was posted

    with contextlib.closing(store):
        yield take, give, settle


@contextmanager
def file_locks(folder: Path, devices: int, number: int, wants: int = 1) -> Iterator[Way]:
    """filelock: whatever is free, all or nothing."""
    from filelock import FileLock, Timeout

    locks = [FileLock(folder / f"{name}.lock") for name in keys(devices)]

    def give(held: Any) -> None:
        for lock in held:
            lock.release()

    def take(until_s: float) -> Any:
        while now_s() < until_s:
            held = []
            for lock in locks:
                with contextlib.suppress(Timeout):
                    lock.acquire(timeout=0)
                    held.append(lock)
                if len(held) == wants:
                    return held
            give(held)
            time.sleep(RETRY_S)
        return None

    yield take, give, lambda: None


@contextmanager
def disk_cache(folder: Path, devices: int, number: int, *, synchronous: int) -> Iterator[Way]:
    """diskcache: the recipe of its Lock, over whichever key is free. `synchronous`: 1 normal, 2 full."""
    from diskcache import Cache

    cache, names = Cache(str(folder), sqlite_synchronous=synchronous), keys(devices)

    def take(until_s: float) -> Any:
        while now_s() < until_s:
            for name in names:
                if cache.add(name, None, retry=True):
                    return name
            time.sleep(RETRY_S)
        return None

    with contextlib.closing(cache):
        yield take, lambda name: cache.delete(name, retry=True), lambda: None


@contextmanager
def looping(
    way: Callable[[int], AbstractContextManager[Way]], seconds: float, held_s: float, number: int
) -> Iterator[Callable[[], Tally]]:
    """A member of the crew: take and give back, over and over."""
    with way(number) as (take, give, settle):
        first = take(now_s() + PATIENCE_S)  # files are opened and made, a holder becomes known
        if first is not None:
            give(first)
        settle()

        def loop() -> Tally:
            waits_s, served = [], 0
            began_s = asked_s = now_s()
            until_s = began_s + seconds
            while asked_s < until_s:
                held = take(until_s)
                waits_s.append(now_s() - asked_s)
                if held is not None:
                    served += 1
                    if held_s:
                        time.sleep(held_s)
                    give(held)
                asked_s = now_s()
            settle()
            return Tally(served, waits_s, began_s, now_s())

        yield loop
