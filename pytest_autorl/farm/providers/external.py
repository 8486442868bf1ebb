"""Servers that somebody else runs: one, or several of which each reaches every device of the block."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pytest_autorl.address import origin, split_user_info
from pytest_autorl.errors import ServerDownError
from pytest_autorl.farm import pulse
from pytest_autorl.farm.providers.servers import Address
from pytest_autorl.farm.pulse import QUICK_S, Pulse
from pytest_autorl.state.leases import Session

#: So long the last resort is waited for, seconds: a server on a busy machine is slow before it is down.
PATIENT_S = 10.0
#: So long a server that kept silent is not asked again, seconds: not every test has to wait for it.
SILENT_S = 10.0
#: No server is asked for less, seconds.
_LEAST_S = 0.01

Take = Callable[..., Pulse]


class _Silence(NamedTuple):
    """That a server did not answer: until when that is believed, how long it was waited for, and what was said."""

    until_s: float
    limit_s: float
    pulse: Pulse


class ExternalServers:
    """See the module.

    Each device has a home among the servers, by its place in the block. When that is down, the next one serves. One
    that is not ready comes after all that are, and before none.

    Args:
        urls: As `address.server_url` gives them; user info becomes a header and is never shown.
        device_ids: The block's devices, in order.
        hub: URL and token of a hub in front of the servers (environment AUTORL_FARM_URL and AUTORL_FARM_TOKEN).
            The token is sent to that very origin and nowhere else.
        take: `pulse.take`.
        now: Monotonic seconds.
    """

    are_ours = False

    def __init__(
        self,
        urls: Sequence[str],
        device_ids: Sequence[str],
        *,
        hub: tuple[str, str] = ("", ""),
        take: Take = pulse.take,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._addresses = tuple(_address(url, hub) for url in urls)
        self._homes = {device_id: i % len(urls) for i, device_id in enumerate(device_ids)}
        self._take = take
        self._now = now
        #: URL -> its silence.
        self._silent: dict[str, _Silence] = {}

    def start(self) -> Mapping[str, Any]:
        """See `Servers.start`: they are not ours to start."""
        return {}

    def attach(self, state: Mapping[str, Any]) -> None:
        """See `Servers.attach`."""

    def stop(self) -> None:
        """See `Servers.stop`."""

    def surviving(self, sessions: Sequence[Session]) -> tuple[Session, ...]:
        """See `Servers.surviving`: they outlive whoever opened a session."""
        return tuple(sessions)

    def known(self) -> tuple[Address, ...]:
        """See `Servers.known`."""
        return self._addresses

    def log_path(self, device_id: str) -> Path | None:
        """See `Servers.log_path`."""
        return None

    def address(self, device_id: str) -> Address:
        """See `Servers.address`. The last resort, when none answers at once, is waited for a little longer."""
        seen: dict[str, Pulse] = {}
        busy: list[Address] = []
        late: list[Address] = []
        was_patient = False
        for address in self.order(device_id):
            silence = self._silence_of(address)
            found = silence.pulse if silence is not None else self._heard(address, QUICK_S)
            if found.is_up:
                return address
            seen[address.url] = found
            if found.is_there:
                busy.append(address)
            elif found.kind == "silent":
                late.append(address)
                was_patient |= silence is not None and silence.limit_s >= PATIENT_S
        if busy:
            return busy[0]
        if late and not was_patient:
            found = self._heard(late[0], PATIENT_S)
            if found.is_there:
                return late[0]
            seen[late[0].url] = found
        raise _down(seen, device_id)

    def look(self, device_id: str, *, limit_s: float) -> tuple[Address | None, Pulse]:
        """See `Servers.look`. Of several that are down, it is the device's home."""
        best: tuple[Address, Pulse] | None = None
        ends_s = self._now() + limit_s
        order = self.order(device_id)
        for at, address in enumerate(order):
            silence = self._silence_of(address)
            # Each gets its share, or one that is silent would leave nothing to those after it.
            share_s = (ends_s - self._now()) / (len(order) - at)
            found = silence.pulse if silence is not None else self._heard(address, _within(share_s))
            if found.is_up:
                return address, found
            if best is None or (found.is_there and not best[1].is_there):
                best = address, found
        assert best is not None
        return best

    def order(self, device_id: str) -> tuple[Address, ...]:
        """The servers in the order in which they serve the device: its home first."""
        home = self._homes.get(device_id, 0)
        return self._addresses[home:] + self._addresses[:home]

    def _silence_of(self, address: Address) -> _Silence | None:
        """Its silence, as long as that is believed."""
        silence = self._silent.get(address.url)
        return silence if silence is not None and self._now() < silence.until_s else None

    def _heard(self, address: Address, limit_s: float) -> Pulse:
        """How it is, with its silence remembered: one that refuses is asked anew each time, that takes no time."""
        found = self._take(address.url, address.headers, limit_s=limit_s)
        if found.kind == "silent":
            self._silent[address.url] = _Silence(until_s=self._now() + SILENT_S, limit_s=limit_s, pulse=found)
        else:
            self._silent.pop(address.url, None)
        return found


def _within(share_s: float) -> float:
    return min(QUICK_S, max(share_s, _LEAST_S))


def _address(url: str, hub: tuple[str, str]) -> Address:
    shown, basic = split_user_info(url)
    headers = {"Authorization": basic} if basic else {}
    hub_url, token = hub
    if token and hub_url and origin(hub_url) == origin(shown):
        headers["Authorization"] = f"Bearer {token}"
    return Address(url=shown, headers=headers)


def _down(seen: Mapping[str, Pulse], device_id: str) -> ServerDownError:
    told = "; ".join(f"{url} cannot be reached for newSession: {found.why}" for url, found in seen.items())
    each = "one of the servers" if len(seen) > 1 else "the server"
    do = f"is {each} running? start it, or correct its address; `autorl doctor` asks them all"
    if any(found.code in (401, 403) for found in seen.values()):
        do = "check AUTORL_FARM_URL and AUTORL_FARM_TOKEN, or the user info of the address"
    elif any(found.kind in ("error", "alien") for found in seen.values()):
        do = "check the address: something else listens there, or its path is wrong (older servers have /wd/hub)"
    return ServerDownError(told, device_id=device_id, do=do)
