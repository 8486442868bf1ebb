"""How the processes of a run speak to its steward; every question ends in bounded time."""

from __future__ import annotations

import contextlib
import time

from pytest_autorl.errors import ServerDownError
from pytest_autorl.farm.servers.control import ServerState, ask

#: Longest wait for an answer that needs no server, seconds.
_ANSWER_S = 3.0
#: Longest wait for a steward to be there again, seconds: the longest pause before its start is 30 s.
_AWAY_S = 45.0
#: Between two tries to reach it, seconds.
_POLL_S = 0.1


class StewardClient:
    """Speaks to one steward, or to the one that takes its place.

    Args:
        address: Where it listens.
        patience_s: Longest wait for a server, seconds: more than its start may take.
    """

    def __init__(self, address: str, *, patience_s: float) -> None:
        self.address = address
        self._patience_s = patience_s

    def ensure(self, device_id: str) -> str:
        """The address of the device's server, which is up then. Raises ServerDownError."""
        deadline_s = time.monotonic() + self._patience_s
        away_s: float | None = None
        while True:
            left_s = max(0.1, deadline_s - time.monotonic())
            try:
                said = ask(self.address, {"ask": "ensure", "device": device_id}, patience_s=left_s)
                return str(said["url"])
            except ServerDownError as error:
                raise ServerDownError(str(error.args[0]), device_id=device_id, do=error.do) from None
            except TimeoutError:
                raise ServerDownError(
                    f"its Appium server was not up within {self._patience_s:g} s",
                    device_id=device_id,
                    do="see the server's log, logs/appium-*.log in the reports folder",
                ) from None
            except OSError as error:
                # Killed, perhaps: whoever started it starts another at the same address.
                away_s = away_s or time.monotonic()
                if time.monotonic() > min(deadline_s, away_s + _AWAY_S):
                    raise _unreachable(device_id) from error
            time.sleep(_POLL_S)

    def states(self) -> list[ServerState]:
        """How all servers are. Raises ServerDownError when the steward does not say."""
        try:
            said = ask(self.address, {"ask": "states"}, patience_s=_ANSWER_S)
        except OSError as error:
            raise _unreachable(None) from error
        return [ServerState(**state | {"devices": tuple(state["devices"])}) for state in said["states"]]

    def stop(self) -> None:
        """Tell the steward to end. Nothing happens when it has ended."""
        with contextlib.suppress(OSError):
            ask(self.address, {"ask": "stop"}, patience_s=_ANSWER_S)


def _unreachable(device_id: str | None) -> ServerDownError:
    return ServerDownError(
        "the process that looks after the Appium servers does not answer",
        device_id=device_id,
        do="see whether it was killed; the next start of a run begins anew",
    )
