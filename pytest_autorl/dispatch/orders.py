"""What controller and workers tell each other. Plain data on the line (`xdist_api.py`).

From the controller: `Order`, ``{"do": "close"}`` (a scope). From a worker, by its key ``say``:

- ``needs``: `NeedsTable.to_wire`, and its process id;
- ``done``: a test has ended and is reported; ``refused``: it was not begun, since its devices could not be had;
- ``again``: its attempt has failed and is to be followed by another one, see `Again`; nothing of it is reported;
- ``leaving``/``left``: scopes of earlier tests are being torn down, and have been; ``closed``: one that was asked for.

What a worker has of devices comes along with each of its messages, see `Holds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """Run one attempt of one test.

    Attributes:
        index: Place of the test in the worker's collection.
        devices: Ids of the devices it is granted, or may take `count` of; empty: it needs none, or its scope has
            them already.
        wait_s: How long to wait for them.
        attempt: From 1 on.
        may_be_lost: When it is lost with a device, it will run again: keep its reports back.
        retries: How many attempts before it have failed by the test's own fault and were followed by another.
        why_no_retry: Why no other follows this one, however much its policy would have it; "" where one may.
        is_flaky: An attempt before it failed by itself: should this one pass, the test is flaky.
        last_call_s: No device came for so many seconds, and there is no more waiting: let it say so.
    """

    index: int
    devices: tuple[str, ...] = ()
    count: int = 0
    wait_s: float = 0.0
    attempt: int = 1
    may_be_lost: bool = False
    retries: int = 0
    why_no_retry: str = ""
    is_flaky: bool = False
    last_call_s: float | None = None

    def to_wire(self) -> dict[str, Any]:
        """Plain data for the line."""
        return {"do": "run", **asdict(self), "devices": list(self.devices)}

    @classmethod
    def from_wire(cls, message: Mapping[str, Any]) -> Order:
        """What `to_wire` made."""
        fields = {name: value for name, value in message.items() if name != "do"}
        return cls(**{**fields, "devices": tuple(fields["devices"])})


@dataclass(frozen=True, kw_only=True, slots=True)
class Holds:
    """The devices that a worker has.

    Attributes:
        parked: Kept with their sessions, for the next test.
        used: In use, by wider scopes where no test runs.
    """

    parked: tuple[str, ...] = ()
    used: tuple[str, ...] = ()

    def to_wire(self) -> dict[str, Any]:
        """Plain data for the line."""
        return {"parked": list(self.parked), "used": list(self.used)}

    @classmethod
    def from_wire(cls, message: Mapping[str, Any]) -> Holds:
        """What `to_wire` made, out of a message."""
        return cls(parked=tuple(message.get("parked", ())), used=tuple(message.get("used", ())))


@dataclass(frozen=True, kw_only=True, slots=True)
class Again:
    """An attempt has failed, and another one is to follow.

    Attributes:
        kind: "loss": devices, or what is behind them, made it fail: it is not counted as an attempt of the test's
            own. "retry": one more try as the test's policy has it.
        devices: Ids of those with which it was lost; empty: all that it had.
        elsewhere: The next one is to run on other devices; else on the same.
        delay_s: Not before so many seconds from now.
        is_flaky: It failed by its own fault: should a later one pass, its test is flaky.
    """

    kind: Literal["retry", "loss"]
    devices: tuple[str, ...] = ()
    elsewhere: bool = True
    delay_s: float = 0.0
    is_flaky: bool = False

    def to_wire(self) -> dict[str, Any]:
        """Plain data for the line."""
        return {**asdict(self), "devices": list(self.devices)}

    @classmethod
    def from_wire(cls, message: Mapping[str, Any]) -> Again:
        """What `to_wire` made."""
        return cls(**{**message, "devices": tuple(message["devices"])})


class Orders(Protocol):
    """How the broker's decisions reach the world."""

    def run(self, worker: str, order: Order, why: str) -> None:
        """Have a worker run an attempt."""

    def close(self, worker: str, index: int, fixture: str) -> None:
        """Have a worker end a fixture that a test of this index has set up."""

    def give_up(self, index: int, why: str) -> None:
        """Report that a test could not be run."""

    def lost(self, worker: str, index: int) -> None:
        """Note that a worker died over a test that will run again."""

    def died_leaving(self, worker: str, index: int) -> None:
        """Report that a worker died while it tore down what a test and those before it had set up."""
