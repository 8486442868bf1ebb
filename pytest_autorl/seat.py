"""The seat of the test that runs now: which attempt it is, what it is granted, and what is known of it meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_autorl.errors import AutorlError, DeviceUnhealthyError, LeaseTimeoutError, OutOfServiceError
from pytest_autorl.record import TestRecord, record_key

if TYPE_CHECKING:
    from pytest_autorl.farm.pool import Grant
    from pytest_autorl.farm.requirement import Requirement
    from pytest_autorl.needs import Root
    from pytest_autorl.run import Run

#: So long an attempt waits for a device that none before it had, where others use those; seconds.
ELSEWHERE_S = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """An attempt of a test, before it has anything.

    Attributes:
        number: From 1 on.
        last_call_s: How long a device was waited for in vain, where that is over: it only says so.
        tried: Devices of each attempt before it; empty where the controller has seen to that.
        is_elsewhere: It is to have others; else those of the last one.
    """

    number: int = 1
    last_call_s: float | None = None
    tried: tuple[tuple[str, ...], ...] = ()
    is_elsewhere: bool = True


class Seat:
    """See the module.

    Attributes:
        turn: The attempt that runs now.
        current: What is known of its test; None for one that has asked for nothing of ours.
        scoped: Grants of wider scopes that are alive.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.turn = Turn()
        self.current: TestRecord | None = None
        self.scoped: dict[Root, Grant] = {}
        self._item: pytest.Item | None = None
        #: Leased for the test that begins next, before it begins.
        self._prepared: Grant | None = None

    def begin_plain_test(self, item: pytest.Item) -> None:
        """A test starts that asks for nothing of ours, as far as can be seen."""
        self._item, self.current = item, None
        if record_key in item.stash:
            del item.stash[record_key]  # of an attempt before this one, which did ask

    def begin_test(self, item: pytest.Item, record: TestRecord, roots: Iterable[Root]) -> None:
        """A test starts; `roots` are the leasing fixtures of its closure."""
        self._item, self.current = item, record
        item.stash[record_key] = record
        for root in roots:
            if root in self.scoped:
                record.share(self.scoped[root].devices)

    def end_test(self) -> None:
        """The test is over."""
        self._item = self.current = None

    def grant(self, requirement: Requirement, root: Root, *, purpose: str) -> Grant:
        """Lease for a root fixture, and remember it for the test's record."""
        try:
            grant = self._take_prepared(requirement) or self._acquire(requirement, purpose=purpose)
        except AutorlError as error:
            self._note_checks()
            if isinstance(error, OutOfServiceError) and self._run.settings.unhealthy == "skip":
                pytest.skip(str(error.args[0]))
            if isinstance(error, OutOfServiceError) and self._run.settings.unhealthy == "fail":
                do = "mend them, or wait for them: --autorl-unhealthy wait"
                raise DeviceUnhealthyError(str(error.args[0]), do=do) from None
            raise
        if self.current is None and self._item is not None:
            # Asked for in the middle: before, the test had no device, and what follows is no set-up of its own
            # (if this still is its set-up, the end of that corrects it).
            begun_s = grant.devices[0].granted_at_s
            record = TestRecord(
                nodeid=self._item.nodeid, begun_s=begun_s, number=self.turn.number, set_up_s=begun_s
            )
            self.begin_test(self._item, record, ())
        self._note_checks()
        if self.current is not None:
            self.current.waited_s += grant.waited_s
            if root.scope == "function":
                self.current.grants.append(grant)
            else:
                self.current.share(grant.devices)
        if root.scope != "function":
            self.scoped[root] = grant
        return grant

    def prepare(
        self, requirement: Requirement, *, purpose: str, among: Collection[str], wait_s: float
    ) -> list[str]:
        """Lease for the test that begins next; its fixture gets what was leased. Raises as `Pool.acquire`.

        Returns: Ids of the devices.
        """
        self._prepared = self._run.pool.acquire(
            requirement, purpose=purpose, wait_s=wait_s, among=among, is_patient=False
        )
        return [handle.id for handle in self._prepared.devices]

    def _take_prepared(self, requirement: Requirement) -> Grant | None:
        grant, self._prepared = self._prepared, None
        if grant is not None and grant.requirement != requirement:
            # Kept while another is waited for, two such tests could wait for each other.
            self._run.release(grant)
            return None
        return grant

    def _acquire(self, requirement: Requirement, *, purpose: str) -> Grant:
        turn = self.turn
        if among := self._elsewhere(requirement):
            with contextlib.suppress(LeaseTimeoutError):  # then any that fits is better than none
                return self._run.pool.acquire(
                    requirement,
                    purpose=purpose,
                    among=among,
                    wait_s=min(ELSEWHERE_S, self._run.settings.wait),
                    is_patient=False,
                )
        return self._run.pool.acquire(
            requirement,
            purpose=purpose,
            wait_s=None if turn.last_call_s is None else 0.0,
            waited_s=turn.last_call_s or 0.0,
        )

    def _elsewhere(self, requirement: Requirement) -> list[str]:
        """Where the attempts before are to decide on which devices this one runs: ids of those; else empty."""
        if not self.turn.tried:
            return []
        from pytest_autorl.farm.requirement import eligible
        from pytest_autorl.resilience.elsewhere import to_avoid

        fitting = [device.id for device in eligible(self._run.farm.devices, requirement)]
        avoid = to_avoid(
            fitting,
            self.turn.tried,
            count=requirement.count,
            elsewhere=self.turn.is_elsewhere,
            out=frozenset(fitting) - self._run.up(),
        )
        return [one for one in fitting if one not in avoid] if avoid else []

    def may_go_on(self, item: pytest.Item, suspects: Sequence[str]) -> bool:
        """Whether enough of the devices that fit a test are in service for another attempt.

        Otherwise it would wait for long, and say in the end that no device came instead of what was wrong with it.

        Args:
            suspects: Devices that made the attempt fail: they are asked how they are before.
        """
        from pytest_autorl.farm.requirement import eligible
        from pytest_autorl.needs import need_key

        need = item.stash.get(need_key, None)
        if need is None or need.requirement is None or self._run.config is None:
            return True
        if self._run.role == "worker":  # else they were asked when the attempt ended
            self._run.doubt(suspects)
        fitting = {device.id for device in eligible(self._run.farm.devices, need.requirement)}
        return len(fitting & self._run.in_service()) >= need.requirement.count

    def begin_attempt(
        self,
        number: int,
        *,
        last_call_s: float | None = None,
        tried: Sequence[tuple[str, ...]] = (),
        is_elsewhere: bool = True,
    ) -> None:
        """An attempt of a test is about to begin, see `Turn`."""
        self.turn = Turn(
            number=number, last_call_s=last_call_s, tried=tuple(tried), is_elsewhere=is_elsewhere
        )

    def end_attempt(self) -> None:
        """The test is over, and what it was given and did not take is given back."""
        self.turn = Turn()
        grant, self._prepared = self._prepared, None
        if grant is not None:
            self._run.release(grant)

    def _note_checks(self) -> None:
        """What the gate has decided meanwhile belongs to the test that asked, whether it got a device or not."""
        if self.current is not None:
            self.current.checks += self._run.fetch_checks()

    def give_back(self, grant: Grant, root: Root) -> None:
        """End what `grant` began."""
        self.scoped.pop(root, None)
        self._run.release(grant)
