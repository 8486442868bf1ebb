"""Runs a season: starts the workers, strikes them down, starts new ones, and writes down how everything ended.

Must run in a process with one thread: it forks.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from mmap import mmap
from typing import NamedTuple

from chaos.history import History
from chaos.phones import Phones
from chaos.plan import Season, stop_s
from chaos.recorder import brief
from chaos.worker import DUSK, LOST, REFUSED, Worker, compete, fork, open_store
from pytest_autorl.errors import LeaseTimeoutError
from pytest_autorl.state.leases import Unclean
from pytest_autorl.state.sqlite import SqliteEngine
from pytest_autorl.virtual.process import VirtualServer

#: So many times the planned length a season may take until something was put to the test.
_LONGER = 3
#: How long everybody may take to end when faults are over, seconds.
_DUSK_S = 20.0
#: How long the end waits until all devices can be had, seconds.
_REST_S = 10.0


class _Life(NamedTuple):
    slot: int
    name: str
    number: int


def run(season: Season) -> None:
    """The whole season; leaves its histories in `season.histories`."""
    season.histories.mkdir(parents=True)
    history = History(season.histories, "nemesis")
    history.write("season", **season.described())
    specs = [{"id": device_id, "platform": "android"} for device_id in season.devices]
    with VirtualServer.start(specs, {}) as server:
        shared = {}
        if season.without == "fence":
            phones = Phones(server.url, {})
            shared = {device_id: phones.begin(device_id, None) for device_id in season.devices}
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        _calm(season, history)
        _Storm(season, history, server, shared).run()
        _rest(season, history, server)
    history.close()


def _calm(season: Season, history: History) -> None:
    """Everybody competes for the state, each over a device of its own."""
    if not season.calm_s:
        return
    ready, is_ready = os.pipe()
    start, starter = os.pipe()
    pids = []
    for slot in range(season.workers):

        def main(slot: int = slot) -> None:
            os.close(starter)
            compete(season, f"c{slot}", f"calm-{slot}", ready=is_ready, start=start)

        pids.append(fork(history, main))
    for _ in pids:
        os.read(ready, 1)
    history.write("calm", phase="invoke")
    os.close(starter)
    for pid in pids:
        os.waitpid(pid, 0)
        history.write("ended", target=f"c{pids.index(pid)}")
    history.write("calm", phase="ok")
    for descriptor in (ready, is_ready, start):
        os.close(descriptor)


class _Storm:
    """Workers under faults, until all have ended."""

    def __init__(
        self, season: Season, history: History, server: VirtualServer, shared: dict[str, str]
    ) -> None:
        self._season = season
        self._history = history
        self._server = server
        self._shared = shared
        self._random = random.Random(f"{season.seed}/nemesis")
        self._signs = mmap(-1, 3)
        self._lives: dict[int, _Life] = {}
        self._count = 0
        self._stops = 0
        #: When a stopped process goes on.
        self._until_s: dict[int, float] = {}

    def run(self) -> None:
        for slot in range(self._season.workers):
            self._spawn(slot)
        now_s = time.monotonic()
        dusk_s, strike_s = now_s + self._season.faults_s, now_s + self._pause_s()
        late_s = now_s + _LONGER * self._season.faults_s
        while now_s < dusk_s or (now_s < late_s and self._is_too_early()):
            self._wait(min([max(dusk_s, now_s + 0.1), strike_s, *self._until_s.values()]) - now_s)
            now_s = time.monotonic()
            self._collect(is_day=True)
            for pid in [pid for pid, until_s in self._until_s.items() if until_s <= now_s]:
                self._go_on(pid)
            if strike_s <= now_s:
                strike_s = now_s + self._pause_s()
                self._strike()
        self._end()

    def _is_too_early(self) -> bool:
        """Whether nothing has been put to the test yet, by chance."""
        return not self._season.without and not (self._signs[REFUSED] and self._signs[LOST])

    def _end(self) -> None:
        self._signs[DUSK] = 1
        self._history.write("dusk")
        for pid in list(self._until_s):
            self._go_on(pid)
        late_s = time.monotonic() + _DUSK_S
        while self._lives and time.monotonic() < late_s:
            self._wait(late_s - time.monotonic())
            self._collect(is_day=False)
            for pid in list(self._until_s):  # a stop that was under way at dusk
                self._go_on(pid)
        for pid, life in self._lives.items():
            self._history.write("stuck", target=life.name)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _pause_s(self) -> float:
        return self._random.uniform(0.1, 0.5)

    def _wait(self, timeout_s: float) -> None:
        """Until a child ends or stops, or the time is up."""
        signal.sigtimedwait({signal.SIGCHLD}, max(0.0, timeout_s))

    def _spawn(self, slot: int) -> None:
        life = _Life(slot, f"w{slot}.{self._count}", self._count)
        self._count += 1

        def main() -> None:
            Worker(
                self._season,
                name=life.name,
                life=life.number,
                url=self._server.url,
                shared=self._shared,
                signs=self._signs,
            ).run()

        self._lives[fork(self._history, main)] = life

    def _collect(self, *, is_day: bool) -> None:
        """What has become of the children: the dead are followed by new ones, the stopped are noted."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return
            if not pid:
                return
            life = self._lives.get(pid)
            if life is None:
                raise RuntimeError(f"the server of devices has ended with status {status}")
            if os.WIFSTOPPED(status):
                self._stops += 1
                pause_s = stop_s(self._season.seed, life.number, self._stops, self._season.ttl_s)
                self._until_s[pid] = time.monotonic() + pause_s
                continue
            self._history.write("ended", target=life.name, status=os.waitstatus_to_exitcode(status))
            del self._lives[pid]
            self._until_s.pop(pid, None)
            if is_day:
                self._spawn(life.slot)

    def _go_on(self, pid: int) -> None:
        del self._until_s[pid]
        self._history.write("fault", fault="cont", target=self._lives[pid].name)
        os.kill(pid, signal.SIGCONT)

    def _strike(self) -> None:
        """Somebody is killed or stopped, wherever it is."""
        standing = sorted((life, pid) for pid, life in self._lives.items() if pid not in self._until_s)
        if standing:
            life, pid = self._random.choice(standing)
            fault = self._random.choice(("kill", "stop"))
            self._history.write("fault", fault=fault, point="anywhere", target=life.name)
            os.kill(pid, signal.SIGKILL if fault == "kill" else signal.SIGSTOP)


def _rest(season: Season, history: History, server: VirtualServer) -> None:
    """Everybody is dead: whoever comes next must be able to have every device; then, what is left."""
    admin = server.admin()

    def recover(unclean: Unclean) -> str:
        admin.fence(unclean.lease.device_id, unclean.lease.token)
        return ""

    calm = tuple(f"calm-{slot}" for slot in range(season.workers)) if season.calm_s else ()
    devices = (*season.devices, *calm)
    with (
        contextlib.closing(
            open_store(season, devices, history, "heir", recover=recover, is_calm=True)
        ) as store,
        contextlib.suppress(LeaseTimeoutError),
    ):
        store.reap()
        store.acquire(devices, count=len(devices), owner="heir", purpose="all", wait_s=_REST_S)
    with contextlib.closing(SqliteEngine(season.state)) as engine:
        rows, tickets, holders = engine.read(
            lambda books: (books.devices(), books.tickets(), books.holders())
        )
    history.write(
        "final",
        devices={row.key: brief(row) for row in rows},
        tickets=[ticket.number for ticket in tickets],
        holders=[holder.owner for holder in holders],
    )
    for device_id in season.devices:
        history.write("effects", dev=device_id, effects=admin.effects(device_id))
