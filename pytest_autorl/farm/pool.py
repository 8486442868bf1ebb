"""The pool: devices of a farm, leased by need, with their sessions.

Joins the pure parts (requirement) with the effects (lease store, providers, sessions). Knows nothing of pytest:

    with Pool(config.devices, providers, store, owner="me") as pool:
        with pool.lease(Requirement(platform="android")) as (device,):
            device.driver.find_element(...)
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_autorl.errors import DeviceError, LeaseConflictError, LeaseLostError, UnsatisfiableError
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.handle import DeviceHandle
from pytest_autorl.farm.providers.base import Provider, Readings, ResetPolicy
from pytest_autorl.farm.recall import Recall
from pytest_autorl.farm.requirement import Requirement, eligible, nearest
from pytest_autorl.farm.session import Limits, close_session, open_session
from pytest_autorl.state.leases import Lease, LeaseStore

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

#: A parked device that other runs can see is given back after so long without use, seconds.
PARKED_S = 30.0

#: Told what happened: event name and plain facts. Must not raise.
Events = Callable[[str, Mapping[str, Any]], None]


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


@dataclass
class _Session:
    driver: WebDriver
    capabilities_key: str


@dataclass
class _Held:
    """A device this process holds: leased to a handle, or parked between two of them."""

    device: Device
    lease: Lease
    session: _Session | None = None
    #: False while it is parked.
    in_use: bool = True
    user: DeviceHandle | None = None
    #: Thread that asked for it: one that asks again would wait for itself.
    thread_id: int = 0
    #: The session was used by an earlier grant: to be reset before the next one uses it.
    is_used: bool = False
    #: A command, the opening or the closing of its session met no WebDriver answer: not to be parked.
    is_suspect: bool = False
    parked_at_s: float = 0.0
    #: One session for all threads that share a handle.
    lock: threading.RLock = field(default_factory=threading.RLock)


@dataclass
class _Books:
    held: dict[str, _Held] = field(default_factory=dict)
    mutex: threading.RLock = field(default_factory=threading.RLock)


class Pool:
    """Leases devices and keeps their sessions.

    Args:
        devices: The farm, after the user's selection.
        providers: Block name -> provider, for every provider that a device names.
        store: Who holds what; shared with other processes.
        owner: Name under which this process holds leases.
        wait_s: How long `lease` waits unless told otherwise.
        limits: Deadlines of sessions.
        parks: Keep device and session after a grant for the next one of this process; given back when somebody
            else wants the device. Not where another process of the same run could need it meanwhile.
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
        wait_s: float = 300.0,
        limits: Limits | None = None,
        parks: bool = False,
        events: Events = _silent,
        chance: random.Random | None = None,
    ) -> None:
        self.devices = tuple(devices)
        self._providers = providers
        self._store = store
        self._owner = owner
        self._wait_s = wait_s
        self._limits = limits or Limits()
        self._parks = parks
        self._events = events
        self._chance = chance or random.Random()
        self._books = _Books()
        #: Devices whose last lease ended in trouble: taken when no other is free.
        self._suspects: set[str] = set()
        self._recall = Recall(self._give_back_wanted)

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

    def acquire(self, requirement: Requirement, *, purpose: str = "", wait_s: float | None = None) -> Grant:
        """Lease as many devices as the requirement counts, all or none.

        Args:
            purpose: What for (a test's id); shown to others who wait.
            wait_s: Overrides the pool's own patience, seconds.
        Raises:
            UnsatisfiableError: At once, when no amount of waiting can help.
            LeaseTimeoutError: They were not to be had in time.
        """
        __tracebackhide__ = True
        asked_s = time.monotonic()
        fitting = eligible(self.devices, requirement)
        if len(fitting) < requirement.count:
            raise unsatisfiable(self.devices, requirement)
        held = self._take(fitting, requirement.count, purpose, self._wait_s if wait_s is None else wait_s)
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

    def _take(self, fitting: Sequence[Device], count: int, purpose: str, wait_s: float) -> list[_Held]:
        __tracebackhide__ = True
        with self._books.mutex:
            held = [self._books.held[device.id] for device in fitting if device.id in self._books.held]
            parked = [one for one in held if not one.in_use]
            if len(parked) >= count:
                for one in parked[:count]:
                    one.in_use = True
                return parked[:count]
            self._refuse_to_wait_for_oneself(fitting, held, count)
            # Keeping some while waiting for others could deadlock with a process that does the reverse.
            for one in parked:
                self._give_back(one)
        # What another thread of this process uses is a candidate too: it may be given back, so no lock here.
        by_id = {device.id: device for device in fitting}
        first = [one.device.id for one in parked]
        rest = self._shuffled(by_id.keys() - set(first))
        order = sorted(first + rest, key=self._suspects.__contains__)
        leases = self._store.acquire(order, count=count, owner=self._owner, purpose=purpose, wait_s=wait_s)
        taken = [_Held(device=by_id[lease.device_id], lease=lease) for lease in leases]
        with self._books.mutex:
            self._books.held.update({one.device.id: one for one in taken})
        return taken

    def _refuse_to_wait_for_oneself(
        self, fitting: Sequence[Device], held: Sequence[_Held], count: int
    ) -> None:
        """Waiting cannot help where too few devices are left besides those that the asker itself holds."""
        own = [one for one in held if one.in_use and one.thread_id == threading.get_ident()]
        if len(fitting) - len(own) < count:
            ids = ", ".join(one.device.id for one in own)
            raise LeaseConflictError(
                f"every fitting device that is missing is held here already, for a wider scope: {ids}",
                do="use the wider-scoped device in this test, narrow its need, or add a fitting device",
            )

    def _shuffled(self, ids: set[str]) -> list[str]:
        order = sorted(ids)
        self._chance.shuffle(order)
        return order

    def release(self, grant: Grant) -> None:
        """End a grant. What cannot be cleaned up is told to `events`; never raises for a device's sake."""
        for handle in grant.devices:
            with self._books.mutex:
                one = self._books.held.get(handle.id)
                if one is None or one.user is not handle:
                    continue
                handle.use(None)
                handle.released_at_s = time.time()
                one.in_use, one.user = False, None
                self._park_or_give_back(one)
        self._events("released", {"devices": [handle.id for handle in grant.devices]})

    def _park_or_give_back(self, one: _Held) -> None:
        """Keep device and session for the next grant, where that serves it and stands in nobody's way."""
        if one.session is not None and self._policy(one.device) == "session":
            self._end_session(one)
        if one.is_suspect:
            self._suspects.add(one.device.id)
        elif one.session is not None:
            self._suspects.discard(one.device.id)
        # What went wrong is given back: the next lease has a higher token, which ends what was left behind.
        if not self._parks or one.session is None or one.is_suspect or self._store.is_wanted(one.device.id):
            self._give_back(one)
            return
        one.is_used = True
        one.parked_at_s = time.monotonic()
        if self._providers[one.device.provider].scope == "host":
            self._recall.ensure()

    def _give_back_wanted(self) -> bool:
        """Give back parked devices that others wait for, or that have idled; True while some are parked."""
        with self._books.mutex:
            parked = [
                one
                for one in self._books.held.values()
                if not one.in_use and self._providers[one.device.provider].scope == "host"
            ]
            for one in parked:
                idle_s = time.monotonic() - one.parked_at_s
                if idle_s > PARKED_S or self._store.is_wanted(one.device.id):
                    self._give_back(one)
            return any(one.device.id in self._books.held for one in parked)

    def close(self) -> None:
        """End every session and give every device back, in use or not."""
        self._recall.stop()
        with self._books.mutex:
            for one in list(self._books.held.values()):
                self._give_back(one)
        self._store.close()

    def _give_back(self, one: _Held) -> None:
        self._end_session(one)
        del self._books.held[one.device.id]
        self._store.release(one.lease)

    # -- sessions (the `Sessions` contract of a handle) --------------------------------------------------

    def session(self, handle: DeviceHandle) -> WebDriver:
        """See `Sessions.session`."""
        __tracebackhide__ = True
        one = self._held(handle)
        with one.lock, _timed(handle):
            if one.session is not None and one.session.capabilities_key != _key(handle):
                self._end_session(one)
            if one.session is not None and one.is_used:
                self._renew(one, self._policy(one.device))
            session = self._session_of(one, handle)
            one.is_used = False
            return session.driver

    def reset(self, handle: DeviceHandle, policy: ResetPolicy) -> None:
        """See `Sessions.reset`."""
        __tracebackhide__ = True
        one = self._held(handle)
        with one.lock, _timed(handle):
            if policy == "none" or one.session is None:
                return  # a session that is yet to be opened finds the device as new
            self._renew(one, policy)
            handle.use(self._session_of(one, handle).driver)

    def readings(self, handle: DeviceHandle) -> Readings:
        """See `Sessions.readings`."""
        return self._providers[self._held(handle).device.provider].readings(handle.device)

    def log(self, handle: DeviceHandle) -> str:
        """See `Sessions.log`."""
        one = self._held(handle)
        driver = one.session.driver if one.session else None
        return self._providers[one.device.provider].log(one.device, driver)

    def _held(self, handle: DeviceHandle) -> _Held:
        __tracebackhide__ = True
        one = self._books.held.get(handle.id)
        if one is None or one.user is not handle:
            raise LeaseLostError(
                f"the lease of {handle.lease.owner} (token {handle.lease.token}) has ended",
                device_id=handle.id,
                do="use a device only while the test or scope that asked for it runs",
            )
        return one

    def _policy(self, device: Device) -> ResetPolicy:
        return self._providers[device.provider].reset_policy

    def _session_of(self, one: _Held, handle: DeviceHandle) -> _Session:
        __tracebackhide__ = True
        return self._open(one, handle) if one.session is None else one.session

    def _open(self, one: _Held, handle: DeviceHandle) -> _Session:
        __tracebackhide__ = True
        provider = self._providers[one.device.provider]
        endpoint = provider.endpoint(one.device, one.lease)
        wanted = {**endpoint.capabilities, **one.device.capabilities, **handle.extra_capabilities}
        lease = one.lease
        try:
            driver = open_session(
                replace(endpoint, capabilities=wanted),
                device_id=one.device.id,
                limits=self._limits,
                guard=lambda: self._store.check(lease),
                on_trouble=lambda: setattr(one, "is_suspect", True),
            )
        except DeviceError:
            one.is_suspect = True
            raise
        one.session = _Session(driver=driver, capabilities_key=_key(handle))
        self._events("session opened", {"device": one.device.id, "session": str(driver.session_id)})
        if (
            not provider.starts_as_new
            and provider.reset_policy != "none"
            and not wanted.get("appium:noReset")
        ):
            self._reset_app(one)
        return one.session

    def _renew(self, one: _Held, policy: ResetPolicy) -> None:
        """Make a used session as new; leaves no session where only a new one will do."""
        if policy == "none" and self._is_alive(one):
            return
        if policy == "app" and self._reset_app(one):
            self._events("session reset", {"device": one.device.id})
            return
        self._end_session(one)

    def _is_alive(self, one: _Held) -> bool:
        """Whether the session answers: its last user may have ended it."""
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver.remote.command import Command

        assert one.session is not None
        try:
            one.session.driver.execute(Command.GET_TIMEOUTS)
        except (WebDriverException, DeviceError):
            return False
        return True

    def _reset_app(self, one: _Held) -> bool:
        from selenium.common.exceptions import WebDriverException

        assert one.session is not None
        try:
            return self._providers[one.device.provider].reset(one.device, one.session.driver)
        except (WebDriverException, DeviceError) as error:
            # The last user may have quit or broken the session: a new one is the cure.
            self._events("reset failed", {"device": one.device.id, "reason": str(error).splitlines()[0]})
            return False

    def _end_session(self, one: _Held) -> None:
        if one.session is None:
            return
        session, one.session = one.session, None
        reason = close_session(session.driver)
        one.is_suspect = one.is_suspect or bool(reason)
        self._events("session closed", {"device": one.device.id, "reason": reason})


@contextmanager
def _timed(handle: DeviceHandle) -> Iterator[None]:
    """Count the block as session time of the handle."""
    started_s = time.monotonic()
    try:
        yield
    finally:
        handle.session_s += time.monotonic() - started_s


def unsatisfiable(devices: Sequence[Device], requirement: Requirement) -> UnsatisfiableError:
    """The error that explains why no device can meet the need, with the nearest ones."""
    count = f"{requirement.count} devices" if requirement.count > 1 else "a device"
    lines = [f"no {count} of {len(devices)} can be had for: {requirement}".replace("no a ", "no ")]
    lines += [
        f"  nearest: {device}: {'; '.join(failed) or 'fits'}"
        for device, failed in nearest(devices, requirement)
    ]
    return UnsatisfiableError(
        "\n".join(lines), do="mend the marker, or add a fitting device to the farm file"
    )


def _key(handle: DeviceHandle) -> str:
    return json.dumps(dict(handle.extra_capabilities), sort_keys=True, default=str)
