"""The pool: devices of a farm, leased by need, with their sessions.

Joins the pure parts (requirement) with the effects (lease store, providers, sessions). Knows nothing of pytest:

    with Pool(config.devices, providers, store, owner="me") as pool:
        with pool.lease(Requirement(platform="android")) as (device,):
            device.driver.find_element(...)
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_autorl.errors import (
    LeaseConflictError,
    LeaseLostError,
    OutOfServiceError,
    StateError,
)
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.handle import DeviceHandle
from pytest_autorl.farm.providers.base import Provider, ResetPolicy
from pytest_autorl.farm.recall import Recall
from pytest_autorl.farm.requirement import Requirement, eligible
from pytest_autorl.farm.sample import HealthSample
from pytest_autorl.farm.session import Limits, close_session
from pytest_autorl.farm.slots import together
from pytest_autorl.farm.tickets import Tickets
from pytest_autorl.farm.unmet import unsatisfiable
from pytest_autorl.farm.upkeep import Events, HeldDevice, Upkeep
from pytest_autorl.state.leases import LeaseStore

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

    from pytest_autorl.farm.gate import HealthGate
    from pytest_autorl.privacy.inputs import InputGuard

#: Pause before a device is asked for that was refused just now, and is granted all the same, seconds.
_PAUSE_S = 1.0
#: A parked device is given back after so long without use, seconds.
PARKED_S = 30.0


def _silent(name: str, facts: Mapping[str, Any]) -> None:
    """Nobody listens."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """The answer to one ticket.

    Attributes:
        devices: As many handles as the requirement's count.
        waited_s: Seconds between asking and getting.
    """

    requirement: Requirement
    devices: tuple[DeviceHandle, ...]
    waited_s: float


@dataclass(frozen=True)
class _Wait:
    """How a ticket waits; as for `Tickets.get`."""

    wait_s: float
    is_patient: bool | None
    waited_s: float


@dataclass
class _Books:
    held: dict[str, HeldDevice] = field(default_factory=dict)
    mutex: threading.RLock = field(default_factory=threading.RLock)


class Pool:
    """Leases devices and keeps their sessions.

    Args:
        devices: The farm, after the user's selection.
        providers: Block name -> provider, for every provider that a device names.
        store: Who holds what; shared with other processes. Outlives the pool.
        owner: Name under which this process holds leases.
        slots: For each device whose server sets a limit: the server, and how many sessions it takes at once.
        wait_s: How long `lease` waits unless told otherwise.
        limits: Deadlines of sessions.
        parks: Keep device and session after a grant for the next one of this process; given back when somebody
            else waits for the device.
        gate: Says whether a test may start on a device that was leased; None: on every one.
        is_patient: Wait for devices that are out of service, too.
        inputs: Looks at what is typed into devices.
        events: Told of every grant, release, session and failure to clean up.
        chance: Breaks ties between equal devices, so that they wear evenly.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        providers: Mapping[str, Provider],
        store: LeaseStore,
        *,
        owner: str,
        slots: Mapping[str, tuple[str, int]] | None = None,
        wait_s: float = 300.0,
        limits: Limits | None = None,
        parks: bool = False,
        gate: HealthGate | None = None,
        is_patient: bool = True,
        inputs: InputGuard | None = None,
        events: Events = _silent,
        chance: random.Random | None = None,
    ) -> None:
        self.devices = tuple(devices)
        self._store = store
        self._slots = slots or {}
        self._wait_s = wait_s
        self._parks = parks
        self._gate = gate
        self._events = events
        self._books = _Books()
        self._tickets = Tickets(
            store, owner=owner, gate=gate, is_patient=is_patient, chance=chance or random.Random()
        )
        self._upkeep = Upkeep(providers, store, limits=limits or Limits(), inputs=inputs, events=events)
        self._recall = Recall(self._give_back_wanted)
        store.listen(self._recall.call)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- tickets ---------------------------------------------------------------------------------------

    @contextmanager
    def lease(
        self, requirement: Requirement, *, purpose: str = "", wait_s: float | None = None
    ) -> Iterator[tuple[DeviceHandle, ...]]:
        """`acquire` and `release` around a block; gives the handles."""
        grant = self.acquire(requirement, purpose=purpose, wait_s=wait_s)
        try:
            yield grant.devices
        finally:
            self.release(grant)

    def acquire(
        self,
        requirement: Requirement,
        *,
        purpose: str = "",
        wait_s: float | None = None,
        among: Collection[str] | None = None,
        is_patient: bool | None = None,
        waited_s: float = 0.0,
    ) -> Grant:
        """Lease as many devices as the requirement counts, all or none.

        Args:
            purpose: What for (a test's id); shown to others who wait.
            wait_s, is_patient: Override the pool's own patience, seconds.
            among: Ids of the only devices that are meant; None: all that fit.
            waited_s: Seconds that were waited before, to be told by an error with the rest.
        Raises:
            UnsatisfiableError: At once, when no amount of waiting can help.
            LeaseTimeoutError: They were not to be had in time.
        """
        __tracebackhide__ = True
        asked_s = time.monotonic()
        devices = self.devices if among is None else [one for one in self.devices if one.id in among]
        fitting = eligible(devices, requirement)
        if together((device.id for device in fitting), self._slots) < requirement.count:
            raise unsatisfiable(self.devices, requirement, self._slots)
        wait = _Wait(self._wait_s if wait_s is None else wait_s, is_patient, waited_s)
        held = self._take_fit(fitting, requirement, purpose, wait)
        now_s = time.time()
        handles = []
        for one in held:
            handle = DeviceHandle(one.device, one.lease, self, requirement.capabilities, granted_at_s=now_s)
            one.user, one.thread_id = handle, threading.get_ident()
            handles.append(handle)
        grant = Grant(requirement=requirement, devices=tuple(handles), waited_s=time.monotonic() - asked_s)
        ids = [handle.id for handle in grant.devices]
        self._events("granted", {"devices": ids, "purpose": purpose, "waited_s": grant.waited_s})
        return grant

    def _take_fit(
        self,
        fitting: Sequence[Device],
        requirement: Requirement,
        purpose: str,
        wait: _Wait,
    ) -> list[HeldDevice]:
        """As many as are wanted, all of them fit: what the gate refuses is given back, and others are asked for.

        What was judged unfit is out of service, so this ends: with fit devices, or with the error of a wait in vain.
        """
        __tracebackhide__ = True
        ends_s = time.monotonic() + wait.wait_s
        refused: dict[str, str] = {}
        while True:
            left_s = ends_s - time.monotonic()
            held = self._take(fitting, requirement, purpose, replace(wait, wait_s=max(0.0, left_s)))
            refusals = self._refusals(held, purpose)
            if not refusals:
                return held
            self._let_go(held)
            is_contradicted = bool(refused.keys() & refusals.keys())  # somebody else finds it fit each time
            refused |= refusals
            if is_contradicted and left_s <= _PAUSE_S:
                raise OutOfServiceError(
                    "no fit device: " + "; ".join(f"{one}: {why}" for one, why in refused.items()),
                    do="mend them, or raise --autorl-wait",
                )
            if is_contradicted:
                time.sleep(_PAUSE_S)

    def _refusals(self, held: Sequence[HeldDevice], purpose: str) -> dict[str, str]:
        """Which of these are not fit, and why."""
        if self._gate is None:
            return {}
        try:
            verdicts = [(one, self._gate.check(one.device, purpose=purpose)) for one in held]
        except BaseException:
            self._let_go(held)
            raise
        return {one.device.id: verdict.reason for one, verdict in verdicts if not verdict.is_fit}

    def _let_go(self, held: Sequence[HeldDevice]) -> None:
        """Give back what nobody has got yet."""
        with self._books.mutex:
            for one in held:
                self._detach(one)
        self._give_all_back(held)

    def _take(
        self,
        fitting: Sequence[Device],
        requirement: Requirement,
        purpose: str,
        wait: _Wait,
    ) -> list[HeldDevice]:
        __tracebackhide__ = True
        count = requirement.count
        with self._books.mutex:
            held = [self._books.held[device.id] for device in fitting if device.id in self._books.held]
            parked = [one for one in held if not one.in_use]
            ready = [one for one in parked if self._is_ours(one)]
            if len(ready) >= count:
                for one in ready[:count]:
                    one.in_use = True
                    self._store.note(one.lease, purpose=purpose, need=requirement.key, is_parked=False)
                return ready[:count]
            self._refuse_to_wait_for_oneself(fitting, count)
            parked = [
                one
                for one in self._books.held.values()
                if not one.in_use and self._is_in_the_way(one, fitting)
            ]
            for one in parked:
                self._detach(one)
        # Keeping some while waiting for others could deadlock with a process that does the reverse.
        self._give_all_back(parked)
        # What another thread of this process uses is a candidate too: it may be given back, so no lock here.
        by_id = {device.id: device for device in fitting}
        first = [one.device.id for one in parked if one.device.id in by_id]
        leases = self._tickets.get(fitting, requirement, first=first, purpose=purpose, **vars(wait))
        taken = [HeldDevice(device=by_id[lease.device_id], lease=lease) for lease in leases]
        with self._books.mutex:
            self._books.held.update({one.device.id: one for one in taken})
        return taken

    def _is_in_the_way(self, one: HeldDevice, fitting: Sequence[Device]) -> bool:
        """Whether a parked device is one of those that are asked for, or takes a slot of their server."""
        server = self._slots.get(one.device.id, ("",))[0]
        servers = {self._slots[device.id][0] for device in fitting if device.id in self._slots}
        return server in servers or any(device.id == one.device.id for device in fitting)

    def _refuse_to_wait_for_oneself(self, fitting: Sequence[Device], count: int) -> None:
        """Waiting cannot help where too few are left besides what the asker itself holds, devices and slots."""
        me = threading.get_ident()
        own = [
            one
            for one in self._books.held.values()
            if one.in_use and one.thread_id == me and self._is_in_the_way(one, fitting)
        ]
        ids = {one.device.id for one in own}
        if together((device.id for device in fitting if device.id not in ids), self._slots, ids) < count:
            raise LeaseConflictError(
                "every fitting device that is missing is held here already, or the slot of its server, for a wider "
                f"scope: {', '.join(sorted(ids))}",
                do="use the wider-scoped device in this test, narrow its need, or add a fitting device",
            )

    def holdings(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Ids of the devices that are parked here, and of those in use."""
        with self._books.mutex:
            held = list(self._books.held.values())
        parked = tuple(one.device.id for one in held if not one.in_use)
        return parked, tuple(one.device.id for one in held if one.in_use)

    def release(self, grant: Grant) -> None:
        """End a grant. What cannot be cleaned up is told to `events`; never raises for a device's sake."""
        with ExitStack() as each:  # all get their turn, whatever breaks off one of them
            for handle in grant.devices:
                each.callback(self._release, handle)
        self._events("released", {"devices": [handle.id for handle in grant.devices]})

    def _release(self, handle: DeviceHandle) -> None:
        with ExitStack() as afterwards, self._books.mutex:
            one = self._books.held.get(handle.id)
            if one is None or one.user is not handle:
                return
            handle.use(None)
            handle.released_at_s = time.time()
            one.user = None
            is_parked = False
            try:
                is_parked = self._park(one)
            finally:
                if not is_parked:
                    self._detach(one)
                    afterwards.callback(self._give_back, one)

    def _park(self, one: HeldDevice) -> bool:
        """Keep device and session for the next grant, where that serves it and stands in nobody's way."""
        if one.session is not None and self._upkeep.provider(one).reset_policy == "session":
            with one.lock:
                self._upkeep.end(one)
        if one.is_suspect:
            self._tickets.suspects.add(one.device.id)
        elif one.session is not None:
            self._tickets.suspects.discard(one.device.id)
        # What went wrong is given back: the next lease has a higher token, which ends what was left behind.
        if not self._parks or one.session is None or one.is_suspect:
            return False
        if not self._is_ours(one) or self._is_wanted(one):
            return False
        one.in_use, one.is_used = False, True
        one.parked_at_s = time.monotonic()
        self._store.note(one.lease, purpose="", need="", is_parked=True)
        self._recall.ensure()
        return True

    def _is_ours(self, one: HeldDevice) -> bool:
        """Whether the lease still holds: it may have been taken away, by hand or after a silence."""
        try:
            self._store.check(one.lease)
        except LeaseLostError:
            return False
        return True

    def _is_wanted(self, one: HeldDevice) -> bool:
        try:
            return self._store.is_wanted(one.device.id) and self._store.offer(one.lease)
        except StateError:
            return True  # who cannot find out keeps nothing from others

    def _give_back_wanted(self) -> bool:
        """Give back parked devices that others wait for, or that have idled; True while some are parked."""
        with self._books.mutex:
            parked = [one for one in self._books.held.values() if not one.in_use]
            now_s = time.monotonic()
            leaving = [one for one in parked if now_s - one.parked_at_s > PARKED_S or self._is_wanted(one)]
            for one in leaving:
                self._detach(one)
        # Outside the lock: ending a session takes its time, and tests go on meanwhile.
        self._give_all_back(leaving)
        return len(leaving) < len(parked)

    def close(self) -> None:
        """End every session and give every device back, in use or not. The store stays open."""
        self._recall.stop()
        with self._books.mutex:
            held = list(self._books.held.values())
            for one in held:
                self._detach(one)
        self._give_all_back(held)

    def abandon(self, *, deadline_s: float) -> None:
        """`close` in a hurry, from any thread, whatever the others do: all sessions are ended at once.

        What could not be ended in time is left to the next process that looks: it is recorded in the store.
        """
        held = [one for one in list(self._books.held.values()) if one.session is not None]
        threads = [
            threading.Thread(target=self._abandon, args=(one, deadline_s), daemon=True) for one in held
        ]
        for thread in threads:
            thread.start()
        ends_s = time.monotonic() + deadline_s
        for thread in threads:
            thread.join(max(0.0, ends_s - time.monotonic()))

    def _abandon(self, one: HeldDevice, deadline_s: float) -> None:
        if one.session is None or close_session(one.session.driver, deadline_s=deadline_s) or one.unclean:
            return
        self._store.release(one.lease)

    def _detach(self, one: HeldDevice) -> None:
        """Nobody of this process uses it from now on."""
        del self._books.held[one.device.id]

    def _give_all_back(self, held: Sequence[HeldDevice]) -> None:
        with ExitStack() as each:
            for one in held:
                each.callback(self._give_back, one)

    def _give_back(self, one: HeldDevice) -> None:
        try:
            with one.lock:  # another thread of the test may be opening a session just now
                self._upkeep.end(one)
        finally:
            self._store.release(one.lease, unclean=one.unclean)

    # -- sessions (the `Sessions` contract of a handle) --------------------------------------------------

    def session(self, handle: DeviceHandle) -> WebDriver:
        """See `Sessions.session`."""
        __tracebackhide__ = True
        one = self._held(handle)
        with one.lock, _timed(handle):
            return self._upkeep.ready(one, handle.extra_capabilities)

    def reset(self, handle: DeviceHandle, policy: ResetPolicy) -> None:
        """See `Sessions.reset`."""
        __tracebackhide__ = True
        one = self._held(handle)
        with one.lock, _timed(handle):
            driver = self._upkeep.reset(one, policy, handle.extra_capabilities)
            if driver is not None:
                handle.use(driver)

    def readings(self, handle: DeviceHandle) -> HealthSample:
        """See `Sessions.readings`."""
        return self._upkeep.provider(self._held(handle)).readings(handle.device)

    def log(self, handle: DeviceHandle) -> str:
        """See `Sessions.log`."""
        one = self._held(handle)
        driver = one.session.driver if one.session else None
        return self._upkeep.provider(one).log(one.device, driver)

    def distrust(self, handle: DeviceHandle) -> None:
        """See `Sessions.distrust`."""
        one = self._books.held.get(handle.id)
        if one is not None and one.user is handle:
            one.is_suspect = True

    def _held(self, handle: DeviceHandle) -> HeldDevice:
        __tracebackhide__ = True
        one = self._books.held.get(handle.id)
        if one is None or one.user is not handle:
            raise LeaseLostError(
                f"the lease of {handle.lease.owner} (token {handle.lease.token}) has ended",
                device_id=handle.id,
                do="use a device only while the test or scope that asked for it runs",
            )
        return one


@contextmanager
def _timed(handle: DeviceHandle) -> Iterator[None]:
    """Count the block as session time of the handle."""
    started_s = time.monotonic()
    try:
        yield
    finally:
        handle.session_s += time.monotonic() - started_s
