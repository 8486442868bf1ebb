"""The virtual farm behind one server: devices, their sessions, who may have which, and the run's clock.

Fencing: a device with a required token takes session commands only with that token in `X-Autorl-Token`. A
session created with a higher token ends the older session and raises the requirement; a lower one is refused.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_autorl.errors import UsageError
from pytest_autorl.virtual.app import AppModel
from pytest_autorl.virtual.app_loader import load_model
from pytest_autorl.virtual.backend import Backend
from pytest_autorl.virtual.capabilities import check_driver, command_timeout_s, facts, merge, version_fits
from pytest_autorl.virtual.device import Device
from pytest_autorl.virtual.faults import Fault, FaultPlan
from pytest_autorl.virtual.protocol import Answer, ConnectionDroppedError, ProtocolError, garbage
from pytest_autorl.virtual.session import Session
from pytest_autorl.virtual.spec import available_at, parse_spec

_REMEMBERED_KEYS = 1000


class GarbageError(Exception):
    """A proxy's page is to be sent instead of the answer."""

    answer: Answer = garbage()


class Farm:
    """Devices and sessions. Safe to use from several threads.

    Args:
        apps: App id -> model as a plain dictionary.
        devices: Device specs as plain dictionaries.
    Raises:
        UsageError: an app or a device that cannot be made.
    """

    def __init__(self, apps: Mapping[str, Mapping[str, Any]], devices: Sequence[Mapping[str, Any]]) -> None:
        self.models: dict[str, AppModel] = {name: load_model(name, data) for name, data in apps.items()}
        self.devices: dict[str, Device] = {}
        self.stopping = threading.Event()
        self._zero: float | None = None
        self._lock = threading.RLock()
        self._sessions: dict[str, Session] = {}
        self._holders: dict[str, Session | _Claim] = {}  # device id -> session, a claim while one is created
        self._backends: dict[tuple[str, str], Backend] = {}
        self._answers: OrderedDict[str, _Pending] = OrderedDict()  # idempotency key -> answer
        for each in devices:
            self.add_device(each)

    # Devices

    def add_device(self, raw: Mapping[str, Any]) -> Device:
        """Put a device on the shelf. Raises UsageError when its id is taken or the spec is wrong."""
        spec = parse_spec(raw, self.models)
        model = self.models.get(spec.app)
        with self._lock:
            if spec.id in self.devices:
                raise UsageError(
                    f"device {spec.id!r} exists already", do="choose another id, or remove it first"
                )
            place = (spec.app, spec.settings.backend or f"device {spec.id}")
            if place not in self._backends:
                self._backends[place] = Backend(model.backend if model is not None else {})
            self.devices[spec.id] = device = Device(spec, model=model, backend=self._backends[place])
            return device

    def remove_device(self, device_id: str) -> bool:
        """Take a device off the shelf, ending its session. False when there is none."""
        with self._lock:
            device = self.devices.pop(device_id, None)
            if device is None:
                return False
            self._forget(device_id)
            own = (device.spec.app, f"device {device_id}")
            self._backends.pop(own, None)
        device.faults.clear()
        return True

    def start_clock(self, at_s: float) -> None:
        """Set the zero of the `available` windows, epoch seconds."""
        self._zero = at_s

    def is_reachable(self, device: Device) -> bool:
        """Whether the device is connected: inside its windows, no offline fault."""
        return self._is_there(device) and not device.faults.peek("offline")

    def _is_there(self, device: Device) -> bool:
        """Whether the device is inside its `available` windows."""
        seconds = None if self._zero is None else time.time() - self._zero
        return available_at(device.spec.settings.available, seconds)

    def session_of(self, device: Device) -> Session | None:
        """The live session on a device."""
        with self._lock:
            session = self._holders.get(device.id)
            if not isinstance(session, Session):
                return None
            if session.is_expired(time.monotonic()):
                self._drop(session, "newCommandTimeout")
                return None
            return session

    def describe(self, device: Device) -> dict[str, Any]:
        """A device for the admin API; `online` says whether it can be reached."""
        session = self.session_of(device)
        with device.lock:
            found = device.describe()
        found["online"] = self.is_reachable(device)
        found["session"] = session.id if session is not None else None
        found["session_token"] = session.token if session is not None else None
        return found

    def put_fault(self, device: Device, plan: FaultPlan) -> Fault:
        """Put a fault on a device; one that happens at once happens now."""
        fault = device.faults.add(plan)
        if fault.is_armed and plan.name in ("app_crash", "anr", "session_killed"):
            taken = device.faults.take(plan.name)
            self._happen(device, {plan.name: taken} if taken else {})
        return fault

    # Sessions

    def session(self, session_id: str) -> Session:
        """Raises ProtocolError: invalid session id."""
        with self._lock:
            session = self._sessions.get(session_id)
            if session is not None and session.is_expired(time.monotonic()):
                self._drop(session, "newCommandTimeout")
                session = None
            if session is None:
                raise ProtocolError("invalid session id")
            return session

    def end_session(self, session: Session) -> None:
        """The client quits: the app under test ends unless `noReset` was asked for. The device is held."""
        # The app first: once the session is gone the device may be another's, and so may the app in front.
        with session.device.lock:
            if session.app_package and not session.capabilities.get("noReset"):
                session.device.terminate(session.app_package)
            with self._lock:
                self._drop(session, "deleted")

    def set_token(self, device: Device, token: int | None) -> None:
        """Require a token of session commands from now on; None: none.

        Waits for a command that is at work on the device: after this none of an older token is.
        """
        with device.lock, self._lock:
            device.required_token = token

    def fence(self, device: Device, token: int) -> bool:
        """Keep out every token below this one, and end their session: whoever had them is dead, or taken for so.

        Unlike `set_token` it never goes back: whoever comes late with a lower one changes nothing (False).
        Waits for a command that is at work on the device.
        """
        with device.lock, self._lock:
            if device.required_token is not None and device.required_token > token:
                return False
            device.required_token = token
            holder = self._holders.get(device.id)
            if isinstance(holder, Session) and (holder.token is None or holder.token < token):
                self._drop(holder, f"kept out by token {token}")
            return True

    def admit(self, session: Session) -> None:
        """A command of a session arrives: faults and delays of its device.

        Raises:
            ConnectionDroppedError: no answer is to be given.
            GarbageError: a proxy's page is to be given.
        """
        device = session.device
        acting = device.faults.command()
        self._transport(device, acting)
        delay_ms = device.spec.settings.command_ms + (acting["slow"].param("ms") if "slow" in acting else 0)
        self.pause(delay_ms / 1000)
        self._happen(device, acting)

    def check(self, session: Session, token: int | None) -> None:
        """The fence: raises ProtocolError when the session is gone or the token is not the required one."""
        device = session.device
        with self._lock:
            self.session(session.id)
            required = device.required_token
        if required is not None and token != required:
            raise ProtocolError(
                "invalid session id",
                f"A session is either terminated or not started: token {token} is stale, device {device.id} "
                f"now requires token {required}",
            )

    def pause(self, seconds: float) -> None:
        """Let time pass; a server that stops does not wait for it."""
        if seconds > 0:
            self.stopping.wait(seconds)
        if self.stopping.is_set():
            raise ConnectionDroppedError

    def create_session(
        self,
        params: Mapping[str, Any],
        *,
        token: int | None,
        launch: Callable[[Device, dict[str, Any]], None],
    ) -> Session:
        """Create a session: choose a device, wait as its settings say, prepare its app with `launch`.

        Raises:
            ProtocolError: as Appium would, with the reason.
        """
        caps = merge(params)
        platform = check_driver(caps)
        device, claim = self._claim(caps, platform, token)
        try:
            acting = device.faults.creation()
            self._transport(device, acting)
            delay_ms = acting["slow"].param("ms") if "slow" in acting else 0.0
            self.pause(device.spec.settings.session_seconds + delay_ms / 1000)
            with device.lock:
                self._must_be_current(device, claim)
                device.actor = ("", token)
                launch(device, caps)
            session = Session(
                device,
                capabilities={**facts(device), **caps},
                token=token,
                new_command_timeout_s=command_timeout_s(caps),
                now_s=time.monotonic(),
            )
        except BaseException:
            self._unclaim(device, claim)
            raise
        with self._lock:
            try:
                self._must_be_current(device, claim)
            except ProtocolError:
                self._unclaim(device, claim)
                raise
            self._sessions[session.id] = session
            self._holders[device.id] = session
        device.log("I", "Appium", f"session {session.id} created")
        return session

    def _must_be_current(self, device: Device, claim: _Claim) -> None:
        """Raise unless a session may still come of the claim: the device may be another's by now."""
        with self._lock:
            required = device.required_token
            if self.devices.get(device.id) is not device:
                raise _refused(f"device {device.id} was taken off the shelf meanwhile")
            if self._holders.get(device.id) is not claim or (
                required is not None and claim.token != required
            ):
                raise _refused(f"device {device.id} was given to token {required} meanwhile")

    def _unclaim(self, device: Device, claim: _Claim) -> None:
        with self._lock:
            if self._holders.get(device.id) is claim:
                del self._holders[device.id]

    def once(self, key: str, make: Callable[[], Answer]) -> Answer:
        """The answer for an idempotency key: made once, the same for every later (or concurrent) asker."""
        with self._lock:
            pending = self._answers.get(key)
            mine = pending is None
            if pending is None:
                pending = self._answers[key] = _Pending()
                while len(self._answers) > _REMEMBERED_KEYS:
                    self._answers.popitem(last=False)
        if mine:
            try:
                pending.answer = make()
            finally:
                if pending.answer is None:
                    with self._lock:
                        self._answers.pop(key, None)
                pending.ready.set()
        while not pending.ready.wait(0.5):
            self.pause(0)
        if pending.answer is None:
            raise ConnectionDroppedError
        return pending.answer

    def stop(self) -> None:
        """Wake everything that waits; no answer is given from now on."""
        self.stopping.set()
        for device in list(self.devices.values()):
            device.faults.clear()

    # Inside

    def _claim(self, caps: Mapping[str, Any], platform: str, token: int | None) -> tuple[Device, _Claim]:
        """The device for these capabilities, reserved."""
        with self._lock:
            udid = caps.get("udid")
            if udid is not None:
                device = self.devices.get(udid)
                if device is None or not self.is_reachable(device) or device.spec.platform != platform:
                    if device is not None:
                        device.faults.creation()
                    raise _refused(f"Device {udid} was not in the list of connected devices")
                self._free(device, token)
            else:
                device = self._first_free(caps, platform)
            claim = self._holders[device.id] = _Claim(token)
            if token is not None:
                device.required_token = token
            return device, claim

    def _free(self, device: Device, token: int | None) -> None:
        """Make the device free for a session with this token, or refuse."""
        required = device.required_token
        if required is not None and (token is None or token < required):
            raise _refused(f"token {token} is stale, device {device.id} now requires token {required}")
        if device.id not in self._holders:
            return
        session = self.session_of(device)
        if session is None:
            claim = self._holders.get(device.id)
            if isinstance(claim, _Claim) and not _is_above(token, claim.token):
                raise _refused(f"device {device.id} is busy: a session is being created on it")
            return  # whoever creates one for a lower token is dead, and gets none any more
        if not _is_above(token, session.token):
            raise _refused(f"device {device.id} is busy: session {session.id} is live on it")
        self._drop(session, f"taken over by token {token}")

    def _first_free(self, caps: Mapping[str, Any], platform: str) -> Device:
        version, name = caps.get("platformVersion"), caps.get("deviceName")
        fitting = [
            device
            for device in self.devices.values()
            if device.spec.platform == platform
            and (version is None or version_fits(version, device.spec.os_version))
            and (name is None or name in (device.spec.model, device.id))
        ]
        for device in fitting:
            busy = self.session_of(device) is not None or device.id in self._holders
            if not busy and device.required_token is None and self.is_reachable(device):
                return device
        asked = ", ".join(f"{k} {v}" for k, v in (("version", version), ("name", name)) if v is not None)
        raise _refused(
            f"no free device: {len(fitting)} of {len(self.devices)} fit {platform} {asked}".rstrip()
            + (", none of them is free" if fitting else "")
        )

    def _drop(self, session: Session, reason: str) -> None:
        self._sessions.pop(session.id, None)
        if self._holders.get(session.device.id) is session:
            del self._holders[session.device.id]
        session.device.log("I", "Appium", f"session {session.id} ended: {reason}")

    def _forget(self, device_id: str) -> None:
        holder = self._holders.pop(device_id, None)
        if isinstance(holder, Session):
            self._sessions.pop(holder.id, None)

    def _transport(self, device: Device, acting: Mapping[str, Fault]) -> None:
        # Not `is_reachable`: this command may just have armed a fault that is meant for the next one.
        if "offline" in acting or not self._is_there(device):
            raise ConnectionDroppedError
        if "garbage" in acting:
            raise GarbageError
        hang = acting.get("hang")
        if hang is not None:
            over = hang.cleared.wait(hang.param("max_seconds"))
            if not over or self.stopping.is_set():
                raise ConnectionDroppedError

    def _happen(self, device: Device, acting: Mapping[str, Fault]) -> None:
        if "app_crash" in acting:
            with device.lock:
                device.crash()
        if "anr" in acting:
            with device.lock:
                device.not_responding()
        if "session_killed" in acting:
            with self._lock:
                holder = self._holders.get(device.id)
                if isinstance(holder, Session):
                    self._drop(holder, "killed")


class _Claim:
    """A session is being created for this token; one object for each creation, so that two are told apart."""

    def __init__(self, token: int | None) -> None:
        self.token = token


def _is_above(token: int | None, other: int | None) -> bool:
    """Whether a token takes over from another; anyone with a token does from one without."""
    return token is not None and (other is None or token > other)


class _Pending:
    """An answer that is being made."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.answer: Answer | None = None


def _refused(reason: str) -> ProtocolError:
    return ProtocolError("session not created", f"A new session could not be created. Details: {reason}")
