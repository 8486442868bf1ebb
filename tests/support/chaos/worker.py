"""One process of a season: leases devices, drives them, gives them back, until told to end or struck down.

Runs in a fork of a process with one thread and everything imported, which costs milliseconds instead of a start of
Python: dozens of deaths fit into a few seconds.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from mmap import mmap
from typing import Any

from chaos.history import History
from chaos.phones import Phones, RefusedError
from chaos.plan import AFTER_CHECK, AFTER_FENCE, BEFORE_CHECK, BEFORE_FENCE, Season, fate
from chaos.recorder import RecordedEngine
from pytest_autorl.errors import LeaseLostError, LeaseTimeoutError, StateError
from pytest_autorl.state import ledger
from pytest_autorl.state.clock import HostClock
from pytest_autorl.state.engine import Books
from pytest_autorl.state.gate import Gate
from pytest_autorl.state.leases import Lease, Loss, Session, Unclean
from pytest_autorl.state.store import DurableStore
from pytest_autorl.virtual.admin import AdminClient

#: Longest wait for devices; a season that is well never comes near it.
WAIT_S = 30.0
#: Places of the signs that all processes share.
DUSK, REFUSED, LOST = range(3)
#: Command numbers of one life.
LIFE = 100_000
_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def fork(history: History, main: Callable[[], None]) -> int:
    """Run `main` in a fork that dies with its parent; returns its process id. What it raises goes to `history`."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        _libc.prctl(_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        main()
        code = 0
    except BaseException as error:
        history.write("crash", why="".join(traceback.format_exception(error)))
    finally:
        os._exit(code)


class Worker:
    """See the module.

    Args:
        name: Of the process in the history.
        life: Its number among all lives of the season.
        shared: See `Phones`.
        signs: Shared by all. `DUSK` is set when faults are over: end after the present turn. Workers of an even
            life leave in order, the others are killed while they hold a device. `REFUSED` and `LOST` are set when
            a device has refused a stale command, and when a lease was found lost before it.
    """

    def __init__(
        self, season: Season, *, name: str, life: int, url: str, shared: Mapping[str, str], signs: mmap
    ) -> None:
        self._season = season
        self._life = life
        self._signs = signs
        self._random = random.Random(f"{season.seed}/{name}")
        self._history = History(season.histories, name)
        self._phones = Phones(url, shared)
        self._admin = AdminClient(url)
        self._is_fenced = not shared
        self._visits: dict[str, int] = {}
        self._blows = 0
        self._fate = fate(season.seed, life, 0)
        self._mutex = threading.Lock()
        self._commands = life * LIFE
        without(season.without)
        self._store = open_store(
            season, season.devices, self._history, name, recover=self._recover, strike=self.strike
        )

    def run(self) -> None:
        """Until dusk."""
        turn = 0
        while not self._signs[DUSK] or self._life % 2:
            turn += 1
            self._turn(f"{self._history.name}-{turn}")
        self._store.close()

    def strike(self, point: str) -> None:
        """What is fated at this point happens; the signal is taken before this returns."""
        with self._mutex:
            self._visits[point] = self._visits.get(point, 0) + 1
            if self._signs[DUSK]:
                is_due, fault = point == AFTER_CHECK and self._life % 2 == 1, "kill"
            else:
                is_due = self._fate.point == point and self._visits[point] >= self._fate.visit
                fault = self._fate.fault
            if not is_due:
                return
            self._blows += 1
            self._fate = fate(self._season.seed, self._life, self._blows)
            self._visits.clear()
        self._history.write("fault", fault=fault, point=point, target=self._history.name)
        number = signal.SIGKILL if fault == "kill" else signal.SIGSTOP
        # To this thread: to the process, another thread might take it, and this one run on for a while.
        signal.pthread_kill(threading.get_ident(), number)

    def _turn(self, request: str) -> None:
        chance, devices = self._random, self._season.devices
        (wants,) = chance.choices((1, 2, 3), (88, 10, 2))  # each of several holds up many others
        candidates = chance.sample(devices, k=chance.randint(wants, len(devices)))
        self._history.write("acquire", phase="invoke", req=request, wants=wants, candidates=candidates)
        try:
            leases = self._store.acquire(
                candidates, count=wants, owner=self._history.name, purpose=request, wait_s=WAIT_S
            )
        except (LeaseTimeoutError, StateError) as error:
            self._history.write("acquire", phase="fail", req=request, why=str(error))
            return
        grants = [[lease.device_id, lease.token] for lease in leases]
        self._history.write("acquire", phase="ok", req=request, grants=grants)
        for lease in leases:
            self._release(lease, self._use(lease))

    def _use(self, lease: Lease) -> str:
        """Returns why the device is not clean."""
        try:
            self._note(lease, "")
            session = self._begin(lease)
            self._note(lease, session)
            for _ in range(self._random.randint(1, 4)):
                self._command(lease, "press", lambda code: self._phones.press(session, lease.token, code))
            if self._random.random() < 0.1:
                return "as some tests end"
            self._command(lease, "quit", lambda code: self._phones.quit(session, lease.token))
        except LeaseLostError as error:
            self._signs[LOST] = 1
            self._history.write("lost", dev=lease.device_id, tok=lease.token, why=str(error))
        except RefusedError as error:
            self._signs[REFUSED] = 1
            # The lease is lost, which its holder may not know: giving it back as clean must change nothing.
            return "" if error.why == "stale" else error.why
        except StateError as error:
            self._history.write("error", why=str(error))
        return ""

    def _begin(self, lease: Lease) -> str:
        for _ in range(20):
            try:
                return str(
                    self._command(
                        lease, "begin", lambda code: self._phones.begin(lease.device_id, lease.token)
                    )
                )
            except RefusedError as error:
                if error.why != "busy":
                    raise
        raise RefusedError("busy")

    def _command(self, lease: Lease, kind: str, send: Callable[[int], Any]) -> Any:
        self.strike(BEFORE_CHECK)
        checked = time.monotonic_ns()
        self._store.check(lease)
        self.strike(AFTER_CHECK)
        self._commands += 1
        code = self._commands
        command = {"id": code, "kind": kind, "dev": lease.device_id, "tok": lease.token}
        self._history.write("command", phase="invoke", checked=checked, **command)
        try:
            answer = send(code)
        except RefusedError as error:
            self._history.write("command", phase="fail", why=error.why, **command)
            raise
        self._history.write("command", phase="ok", **command)
        return answer

    def _note(self, lease: Lease, session: str) -> None:
        noted = Session(url=self._phones.url, id=session)
        self._timed("note_sessions", lambda: self._store.note_sessions(lease, [noted]))

    def _release(self, lease: Lease, unclean: str) -> None:
        self._history.write("release", dev=lease.device_id, tok=lease.token, unclean=unclean)
        self._timed("release", lambda: self._store.release(lease, unclean=unclean))

    def _timed(self, name: str, call: Callable[[], None]) -> None:
        """A call that has to wait for nobody's device."""
        began = time.monotonic_ns()
        try:
            call()
        finally:
            self._history.write("call", name=name, began=began)

    def _recover(self, unclean: Unclean) -> str:
        device_id, token = unclean.lease.device_id, unclean.lease.token
        self.strike(BEFORE_FENCE)
        if self._is_fenced:
            is_told = self._admin.fence(device_id, token)
            self._history.write("fenced", dev=device_id, tok=token, is_told=is_told)
        self.strike(AFTER_FENCE)
        return ""


def open_store(
    season: Season,
    devices: tuple[str, ...],
    history: History,
    owner: str,
    *,
    recover: Callable[[Unclean], str],
    strike: Callable[[str], None] = lambda point: None,
    is_calm: bool = False,
) -> DurableStore:
    """A store of this process, with everything written down; a calm one gives no signs of life meanwhile."""
    clock = HostClock()
    engine = RecordedEngine(season.state, history, strike=strike, clock_s=clock.now_s)

    def tell(loss: Loss) -> None:
        history.write("loss", dev=loss.device_id, tok=loss.token)

    return DurableStore(
        engine,
        folder=season.folder / "holders",
        devices=dict.fromkeys(devices, 0),
        owner=owner,
        ttl_s=60 if is_calm else season.ttl_s,
        heartbeat_s=15 if is_calm else season.heartbeat_s,
        recover=recover,
        on_loss=tell,
        clock=clock,
    )


#: Whoever competes counts turns in so many equal parts of the time: one may be spoiled by the machine.
WINDOWS = 4


def compete(season: Season, name: str, device: str, *, ready: int, start: int) -> None:
    """Lease a device that nobody else wants as often as possible: only the state is competed for.

    Args:
        ready: Descriptor that gets a byte when everything is open.
        start: Descriptor that is read from until its other end is closed: then it begins.
    """
    without(season.without)
    history = History(season.histories, name)
    store = open_store(season, (device,), history, name, recover=lambda unclean: "", is_calm=True)
    os.write(ready, b"r")
    os.read(start, 1)
    counts, longest_s = [0] * WINDOWS, 0.0
    begin_s = last_s = time.monotonic()
    while (window := int((last_s - begin_s) / season.calm_s * WINDOWS)) < WINDOWS:
        try:
            (lease,) = store.acquire([device], count=1, owner=name, purpose="", wait_s=0)
        except StateError as error:
            history.write("error", why=str(error))
        else:
            store.release(lease)
            counts[window] += 1
        now_s = time.monotonic()
        longest_s, last_s = max(longest_s, now_s - last_s), now_s
    history.write("served", counts=counts, longest_ms=round(longest_s * 1000))
    store.close()


def without(guard: str) -> None:
    """Leave a guard out, in this process: what the checker has to find out. `fence`: see `Phones`."""
    if guard == "gate":
        Gate.__enter__ = Gate.__exit__ = lambda self, *exc: None  # type: ignore[method-assign]
    elif guard == "comparison":
        ledger.release = _release


def _release(books: Books, key: str, holder: str, token: int, now: ledger.Now) -> frozenset[str]:
    """`ledger.release` as it would be if it did not look whose lease it ends."""
    row = books.device(key)
    assert row is not None
    books.put_device(ledger.freed(row, now))
    return ledger.settle(books, now)
