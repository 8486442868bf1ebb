"""Lost attempts: tests whose worker died under them, while they had a device.

Two things make one: xdist says which test a worker crashed over, and the processes of the run say what they know of
its devices. That is what the worker itself had told when the test was set up, and the leases that others have taken
over from the dead. They come in any order, some twice, and from several processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_autorl.dispatch.trace import Attempt

if TYPE_CHECKING:
    from pytest_autorl.state.leases import Loss

#: Key of what a worker has left to tell at its end, in xdist's `workeroutput`.
LEFT = "autorl_losses"
#: As much of a test's id as the state keeps, see `state.store`.
LONGEST_PURPOSE = 300


@dataclass(frozen=True, kw_only=True)
class LostLease:
    """A lease that was taken over, as plain data. Times are seconds since the epoch.

    Attributes:
        purpose: Id of the test, or as much of it as the state keeps.
    """

    device: str
    purpose: str
    need: str
    start_s: float
    end_s: float


def to_wire(losses: Sequence[tuple[Loss, float]], run_id: str) -> list[dict[str, Any]]:
    """Losses of this run as plain data, for the way to the controller; those of other runs are not ours to tell.

    Whose it was is not known when its holder had left the books before.
    """
    return [
        vars(
            LostLease(
                device=loss.device_id,
                purpose=loss.purpose,
                need=loss.need,
                start_s=loss.since_s,
                end_s=found_s,
            )
        )
        for loss, found_s in losses
        if loss.run in ("", run_id)
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """What a worker was told to run when it died.

    Attributes:
        devices: Those that it was to have; empty where it was to take some of several.
        need: Key of the requirement.
        at_s: When it was told; seconds since the epoch.
    """

    devices: tuple[str, ...]
    need: str
    at_s: float


class LostAttempts:
    """Matches crashed tests with devices; gives each such test's attempt, again when more of it is known."""

    def __init__(self) -> None:
        #: Taken over, and not known to have been a crashed test's.
        self._leases: list[LostLease] = []
        #: Attempts that were set up and have not ended (`Attempt.to_wire`), by worker and test.
        self._begun: dict[tuple[str, str], Mapping[str, Any]] = {}
        self._crashed: dict[tuple[str, str], Attempt] = {}
        #: Those of them of which somebody has told the devices.
        self._sure: set[tuple[str, str]] = set()
        #: When attempts have ended, by device.
        self._ends_s: dict[str, list[float]] = {}

    def begin(self, begun: Mapping[str, Any]) -> None:
        """A test's set-up has ended, and it has a device."""
        self._begun[begun["worker"], begun["test"]] = begun

    def end(self, attempt: Attempt) -> None:
        """A test has ended in order."""
        self._begun.pop((attempt.worker, attempt.test), None)
        for device in attempt.devices:
            self._ends_s.setdefault(device, []).append(attempt.end_s)

    def lose(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[Attempt]:
        """Leases were taken over (`to_wire`); gives what they make known."""
        for lease in (LostLease(**row) for row in rows):
            # The latest, where a test was tried again and its next worker crashed too.
            key = next((key for key in reversed(self._crashed) if self._is_of(lease, key)), None)
            if key is None:
                self._leases.append(lease)
                continue
            before = self._crashed[key]
            self._crashed[key] = self._joined(before, lease)
            if self._crashed[key] != before:
                yield self._crashed[key]

    def crash(
        self, worker: str, test: str, now_s: float, *, number: int = 1, order: Sent | None = None
    ) -> Iterator[Attempt]:
        """A worker died over a test; gives the attempt if it is known to have had a device.

        Args:
            number: Which attempt it was, where it has not told so itself.
            order: What it was told to run, where somebody has told it.
        """
        key = worker, test
        begun = self._begun.pop(key, None)
        attempt = _nothing_known(worker, test, number) if begun is None else Attempt.from_wire(begun)
        if begun is None and order is not None and order.devices:
            attempt = replace(
                attempt,
                devices=order.devices,
                need=order.need,
                start_s=order.at_s,
                setup_s=now_s - order.at_s,
            )
        attempt = replace(attempt, outcome="lost", blame="farm", end_s=now_s)
        self._crashed[key] = attempt
        (self._sure.add if attempt.devices else self._sure.discard)(key)
        mine = [lease for lease in self._leases if self._is_of(lease, key)]
        self._leases = [lease for lease in self._leases if lease not in mine]
        for lease in mine:
            attempt = self._joined(attempt, lease)
        self._crashed[key] = attempt
        if attempt.devices:
            yield attempt

    def _is_of(self, lease: LostLease, key: tuple[str, str]) -> bool:
        """Whether a lease was a crashed attempt's, and not of a later attempt of its test.

        That may have had a device whose lease is older, with the session that was kept.
        """
        attempt = self._crashed[key]
        if not is_of(lease, key[1]) or lease.start_s > attempt.end_s:
            return False
        return key not in self._sure or lease.device in attempt.devices

    def _joined(self, attempt: Attempt, lease: LostLease) -> Attempt:
        """The attempt with what a lease of it tells; unchanged when that is known already."""
        end_s = min(attempt.end_s, lease.end_s)  # the first who found the death knows best when it was
        if lease.device in attempt.devices:
            return replace(attempt, end_s=max(attempt.start_s, end_s))
        # A lease that outlived a test, with the device's session, is older than the test that died.
        earlier = (at_s for at_s in self._ends_s.get(lease.device, ()) if at_s <= lease.end_s)
        start_s = max(lease.start_s, max(earlier, default=0.0))
        if attempt.devices:
            start_s = min(attempt.start_s, start_s)
        return replace(
            attempt,
            devices=(*attempt.devices, lease.device),
            need=attempt.need if attempt.devices else lease.need or "any",
            start_s=start_s,
            end_s=max(start_s, end_s),
        )


def is_of(lease: LostLease, test: str) -> bool:
    """Whether it was this test that held the lease."""
    return lease.purpose == test[:LONGEST_PURPOSE] != ""


def _nothing_known(worker: str, test: str, number: int) -> Attempt:
    return Attempt(
        test=test,
        module=test.partition("::")[0],
        devices=(),
        need="any",
        attempt=number,
        outcome="lost",
        blame="farm",
        worker=worker,
        start_s=0.0,
        end_s=0.0,
        setup_s=0.0,
        fixture_s=0.0,
        waited_s=0.0,
    )
