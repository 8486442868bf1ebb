"""Upkeep of the devices that a process holds: their sessions are opened, made as new, and ended.

Whatever may be alive on a device is known here: what could not be ended, or may have been begun, goes with the device
when it is given back, so that somebody sees to it before the next one gets it.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_autorl.errors import DeviceError, LeaseLostError, NoSessionError, ServerDownError
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.handle import DeviceHandle
from pytest_autorl.farm.orphans import end_sessions
from pytest_autorl.farm.providers.base import Provider, ResetPolicy
from pytest_autorl.farm.session import Limits, close_session, open_session
from pytest_autorl.state.leases import Lease, LeaseStore, Session

if TYPE_CHECKING:
    from appium.webdriver.webdriver import WebDriver

    from pytest_autorl.privacy.inputs import InputGuard

#: Told what happened: event name and plain facts. Must not raise.
Events = Callable[[str, Mapping[str, Any]], None]


@dataclass
class OpenSession:
    """A session, on which server, and for which capabilities it was asked."""

    driver: WebDriver
    url: str
    key: str


@dataclass
class HeldDevice:
    """A device this process holds: leased to a handle, or parked between two of them."""

    device: Device
    lease: Lease
    session: OpenSession | None = None
    #: False while it is parked.
    in_use: bool = True
    user: DeviceHandle | None = None
    #: Thread that asked for it: one that asks again would wait for itself.
    thread_id: int = 0
    #: The session was used by an earlier grant: to be reset before the next one uses it.
    is_used: bool = False
    #: A command, the opening or the closing of its session met no WebDriver answer: not to be parked.
    is_suspect: bool = False
    #: Why something may still be alive on it; "" when nothing is.
    unclean: str = ""
    #: Sessions whose end nobody has confirmed.
    orphans: tuple[Session, ...] = ()
    parked_at_s: float = 0.0
    #: One session for all threads that share a handle.
    lock: threading.RLock = field(default_factory=threading.RLock)


class Upkeep:
    """Sees to the sessions of held devices. Callers hold the device's lock.

    Args:
        providers: Block name -> provider.
        store: Guards every command, and is told what may be alive.
        limits: Deadlines of sessions.
        inputs: Looks at what is typed into devices; None: nobody does.
        events: Told of every session that is opened, reset or ended.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        store: LeaseStore,
        *,
        limits: Limits,
        events: Events,
        inputs: InputGuard | None = None,
    ) -> None:
        self._providers = providers
        self._store = store
        self._limits = limits
        self._inputs = inputs
        self._events = events

    def provider(self, one: HeldDevice) -> Provider:
        """How the device is reached."""
        return self._providers[one.device.provider]

    def ready(self, one: HeldDevice, capabilities: Mapping[str, Any]) -> WebDriver:
        """A session for these capabilities, as new: the one that is there, or another.

        Raises LeaseLostError, DeviceError.
        """
        __tracebackhide__ = True
        if one.session is not None and one.session.key != _key(capabilities):
            self.end(one)
        if one.session is not None and one.is_used:
            self._renew(one, self.provider(one).reset_policy)
        driver = self._driver(one, capabilities)
        one.is_used = False
        return driver

    def reset(
        self, one: HeldDevice, policy: ResetPolicy, capabilities: Mapping[str, Any]
    ) -> WebDriver | None:
        """Apply a policy now; returns the session to use from now on, None when there was and is none."""
        __tracebackhide__ = True
        if policy == "none" or one.session is None:
            return None  # a session that is yet to be opened finds the device as new
        self._renew(one, policy)
        return self._driver(one, capabilities)

    def end(self, one: HeldDevice) -> None:
        """End the session, if there is one. Never raises: what could not be ended stands in `orphans`."""
        if one.session is None:
            return
        session, one.session = one.session, None
        before = (one.unclean, one.orphans)
        # Until it is known to have ended it counts as alive: a time limit or Ctrl-C can break off the ending.
        one.unclean = "the ending of its session was broken off"
        one.orphans += (Session(url=session.url, id=str(session.driver.session_id)),)
        reason = close_session(session.driver)
        if reason:
            one.is_suspect = True
            one.unclean = f"its session could not be ended: {reason}"
        else:
            one.unclean, one.orphans = before
        self._events("session closed", {"device": one.device.id, "reason": reason})

    def _driver(self, one: HeldDevice, capabilities: Mapping[str, Any]) -> WebDriver:
        __tracebackhide__ = True
        return one.session.driver if one.session is not None else self._open(one, capabilities)

    def _open(self, one: HeldDevice, capabilities: Mapping[str, Any]) -> WebDriver:
        __tracebackhide__ = True
        provider, lease = self.provider(one), one.lease
        try:
            endpoint = provider.endpoint(one.device, lease, capabilities)
        except ServerDownError:
            one.is_suspect = True  # others, behind servers that are up, go before it
            raise
        self._store.check(lease)
        begun = Session(url=endpoint.url, id="", key=uuid.uuid4().hex)
        self._record(one, begun)
        try:
            driver = open_session(
                endpoint,
                device_id=one.device.id,
                limits=self._limits,
                key=begun.key,
                guard=lambda: self._store.check(lease),
                on_trouble=lambda: setattr(one, "is_suspect", True),
                inputs=self._inputs,
            )
            one.session = OpenSession(driver=driver, url=endpoint.url, key=_key(capabilities))
        except NoSessionError:
            one.is_suspect = True
            raise
        except BaseException as error:  # Ctrl-C too: the server may have begun what nobody waits for any more
            one.is_suspect = True
            one.orphans += (begun,)
            one.unclean = f"a session may have been begun: {type(error).__name__}"
            raise
        opened = Session(url=endpoint.url, id=str(driver.session_id))
        try:
            self._record(one, opened)
        except LeaseLostError:
            # Lost while it was created: the guard keeps the client from ending it, and nobody else may know of it.
            one.session = None
            end_sessions(endpoint.url, [opened], headers=endpoint.headers)
            raise
        if one.user is not None:
            one.user.sessions += 1
        self._events("session opened", {"device": one.device.id, "session": str(driver.session_id)})
        if (
            not provider.starts_as_new
            and provider.reset_policy != "none"
            and not endpoint.capabilities.get("appium:noReset")
        ):
            self._reset_app(one)
        return driver

    def _record(self, one: HeldDevice, session: Session) -> None:
        """Write down what may be alive on the device, before it can be: others end it if we die.

        Not for devices that belong to the run: they keep out a dead holder's session by themselves.
        """
        __tracebackhide__ = True
        if self.provider(one).scope == "host":
            self._store.note_sessions(one.lease, (*one.orphans, session))

    def _renew(self, one: HeldDevice, policy: ResetPolicy) -> None:
        """Make a used session as new; leaves no session where only a new one will do."""
        if policy == "none" and self._is_alive(one):
            return
        if policy == "app" and self._reset_app(one):
            self._events("session reset", {"device": one.device.id})
            return
        self.end(one)

    def _is_alive(self, one: HeldDevice) -> bool:
        """Whether the session answers: its last user may have ended it."""
        from selenium.common.exceptions import WebDriverException
        from selenium.webdriver.remote.command import Command

        assert one.session is not None
        try:
            one.session.driver.execute(Command.GET_TIMEOUTS)
        except (WebDriverException, DeviceError):
            return False
        return True

    def _reset_app(self, one: HeldDevice) -> bool:
        from selenium.common.exceptions import WebDriverException

        assert one.session is not None
        try:
            return self.provider(one).reset(one.device, one.session.driver)
        except (WebDriverException, DeviceError) as error:
            # The last user may have quit or broken the session: a new one is the cure.
            self._events("reset failed", {"device": one.device.id, "reason": str(error).splitlines()[0]})
            return False


def _key(capabilities: Mapping[str, Any]) -> str:
    return json.dumps(dict(capabilities), sort_keys=True, default=str)
