"""The record of the test that runs now: its devices, when what happened, and the attempt that comes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_autorl.dispatch.trace import Attempt

if TYPE_CHECKING:
    from pytest_autorl.farm.handle import DeviceHandle
    from pytest_autorl.farm.pool import Grant


@dataclass
class TestRecord:
    """What is known of a test while it runs. Times are seconds since the epoch.

    Attributes:
        grants: What the test itself was granted, function-scoped.
        shared: Devices of wider scopes that it works with; kept, since the last test's teardown ends the scope.
        number: Which attempt of its test it is.
        waited_s: Seconds that it waited for grants, of wider scopes too where it was the first to ask.
        set_up_s: When its set-up had ended.
        is_refused: It could not run at all; it had no device, whatever its scopes hold.
    """

    __test__ = False  # not a test class, whatever its name looks like

    nodeid: str
    begun_s: float
    number: int = 1
    is_refused: bool = False
    grants: list[Grant] = field(default_factory=list)
    shared: dict[str, DeviceHandle] = field(default_factory=dict)
    waited_s: float = 0.0
    set_up_s: float | None = None
    outcome: Literal["passed", "failed", "skipped"] = "passed"
    blame: str | None = None
    culprit: str = ""
    reason: str = ""
    #: What the gate decided on the way, see `checkup.to_wire`.
    checks: list[dict[str, Any]] = field(default_factory=list)
    #: Devices that Allure knows of already.
    told_allure: list[str] = field(default_factory=list)
    #: Session seconds of each shared device before this test, and of all devices at the end of set-up.
    session_before_s: dict[str, float] = field(default_factory=dict)
    session_in_setup_s: float = 0.0
    #: How many sessions had been opened for each shared device before this test.
    sessions_before: dict[str, int] = field(default_factory=dict)

    def share(self, handles: Iterable[DeviceHandle]) -> None:
        """The test works with devices of a wider scope."""
        for handle in handles:
            self.shared[handle.id] = handle
            self.session_before_s.setdefault(handle.id, handle.session_s)
            self.sessions_before.setdefault(handle.id, handle.sessions)

    @property
    def handles(self) -> list[DeviceHandle]:
        """Its devices."""
        return [*(handle for grant in self.grants for handle in grant.devices), *self.shared.values()]

    @property
    def suspects(self) -> list[str]:
        """Ids of its devices where they, or what is behind them, made it fail: the one that the error names, or all."""
        if self.outcome != "failed" or self.blame not in ("device", "farm"):
            return []
        ids = [handle.id for handle in self.handles]
        return [self.culprit] if self.culprit in ids else ids

    def end_setup(self, now_s: float) -> None:
        """Set-up is over, well or not."""
        self.set_up_s = now_s
        self.session_in_setup_s = self._session_s()

    def _session_s(self) -> float:
        return sum(handle.session_s - self.session_before_s.get(handle.id, 0.0) for handle in self.handles)

    def attempt(self, *, need: str, worker: str, now_s: float) -> Attempt | None:
        """The attempt, when its function-scoped teardown is over; None for a test that had no device."""
        handles = [] if self.is_refused else self.handles
        if not handles:
            return None
        start_s = max(self.begun_s, min(handle.granted_at_s for handle in handles))
        given_back = [handle.released_at_s for handle in handles]
        # A device may be another test's before this one's last teardown has ended.
        end_s = max([now_s] if None in given_back else [at_s for at_s in given_back if at_s is not None])
        set_up_s = min(end_s, self.set_up_s if self.set_up_s is not None else end_s)
        fixture_s = max(0.0, set_up_s - start_s - self.session_in_setup_s)
        return Attempt(
            test=self.nodeid,
            module=self.nodeid.partition("::")[0],
            devices=tuple(handle.id for handle in handles),
            need=need,
            attempt=self.number,
            outcome=self.outcome,
            blame=self.blame,
            worker=worker,
            start_s=start_s,
            end_s=max(start_s, end_s),
            setup_s=min(end_s - start_s, fixture_s + self._session_s()),
            fixture_s=fixture_s,
            waited_s=self.waited_s,
            culprit=self.culprit,
            reason=self.reason,
            sessions=sum(handle.sessions - self.sessions_before.get(handle.id, 0) for handle in handles),
            gate=tuple(self.checks),
        )


#: The record of a test, in its stash.
record_key = pytest.StashKey[TestRecord]()
