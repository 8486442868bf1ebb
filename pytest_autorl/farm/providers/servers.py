"""The servers behind the devices of one provider block: those that somebody runs, or those that we start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pytest_autorl.farm.pulse import Pulse
from pytest_autorl.state.leases import Session


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a server is reached.

    Attributes:
        url: Without user info.
        headers: Sent with every request; may hold secrets, so they stay out of the repr.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Servers(Protocol):
    """Which server a device's sessions are opened on."""

    #: We start them, on this host.
    are_ours: bool

    def start(self) -> Mapping[str, Any]:
        """See `Provider.start`."""

    def attach(self, state: Mapping[str, Any]) -> None:
        """See `Provider.attach`."""

    def stop(self) -> None:
        """See `Provider.stop`."""

    def address(self, device_id: str) -> Address:
        """A server that is up, for a new session on the device; may start it.

        Raises ServerDownError in bounded time when there is none.
        """

    def look(self, device_id: str, *, limit_s: float) -> tuple[Address | None, Pulse]:
        """The server that a session would be opened on now, and how it is. Starts nothing, never raises.

        None for one of ours, and then nothing is wrong with it: all runs share what is known of a device, and a
        server of ours is no other run's. `address` waits until it is up.
        """

    def surviving(self, sessions: Sequence[Session]) -> tuple[Session, ...]:
        """Which of these may still be alive; may end servers that a killed run has left."""

    def known(self) -> tuple[Address, ...]:
        """The servers whose addresses are known: what belongs to them gets their headers."""

    def log_path(self, device_id: str) -> Path | None:
        """The log of the device's server; None when it is not ours."""
