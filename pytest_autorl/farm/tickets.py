"""Tickets of one process: in which order devices are asked for, and how long what is out of service is waited for."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from pytest_autorl.errors import LeaseTimeoutError, OutOfServiceError
from pytest_autorl.farm.device import Device
from pytest_autorl.farm.sample import HEALTH
from pytest_autorl.state.leases import Lease, LeaseStore

if TYPE_CHECKING:
    from pytest_autorl.farm.gate import HealthGate
    from pytest_autorl.farm.requirement import Requirement

#: Between two questions to a device that is out of service for its health, seconds.
LOOK_AGAIN_S = 15.0


class Tickets:
    """Asks the store for leases.

    Args:
        owner: Name under which they are held.
        gate: Says whether a test may start on a device; None: on every one.
        is_patient: Wait for devices that are out of service, too.
        chance: Breaks ties between equal devices.
    """

    def __init__(
        self,
        store: LeaseStore,
        *,
        owner: str,
        gate: HealthGate | None,
        is_patient: bool,
        chance: random.Random,
    ) -> None:
        self._store = store
        self._owner = owner
        self._gate = gate
        self._is_patient = is_patient
        self._chance = chance
        #: Devices whose last lease ended in trouble: taken when no other is free.
        self.suspects: set[str] = set()
        #: Sets of devices for which somebody has waited in vain, since too few of them were in service.
        self._in_vain: set[frozenset[str]] = set()
        #: When a device that is out of service was asked anew, monotonic seconds.
        self._looked_s: dict[str, float] = {}

    def get(
        self,
        fitting: Sequence[Device],
        requirement: Requirement,
        *,
        first: Sequence[str],
        purpose: str,
        wait_s: float,
        is_patient: bool | None = None,
        waited_s: float = 0.0,
    ) -> tuple[Lease, ...]:
        """As many leases as the requirement counts, all or none.

        Args:
            first: Ids of those that are preferred.
            is_patient: Instead of the process's own.
            waited_s: Seconds that were waited for it before, to be told with the rest.
        Raises: LeaseTimeoutError, OutOfServiceError, StateError.
        """
        __tracebackhide__ = True
        rest = sorted({device.id for device in fitting}.difference(first))
        self._chance.shuffle(rest)
        order = sorted([*first, *rest], key=self.suspects.__contains__)
        is_patient = self._is_patient if is_patient is None else is_patient
        ask = partial(self._ask, order, requirement, purpose, is_patient, waited_s)
        # A class of tests waits once for devices that are out of service, not each of its tests.
        known = frozenset(order)
        try:
            try:
                leases = ask(0.0 if known in self._in_vain else wait_s)
            except OutOfServiceError:
                if not self._is_any_well_again(fitting):
                    raise
                leases = ask(0.0 if is_patient else wait_s)
            except LeaseTimeoutError:
                if known not in self._in_vain:
                    raise
                self._in_vain.discard(known)  # back in service, and only in use
                leases = ask(wait_s)
        except OutOfServiceError:
            self._in_vain.add(known)
            raise
        self._in_vain.discard(known)
        return leases

    def _ask(
        self,
        order: Sequence[str],
        requirement: Requirement,
        purpose: str,
        is_patient: bool,
        waited_s: float,
        wait_s: float,
    ) -> tuple[Lease, ...]:
        __tracebackhide__ = True
        return self._store.acquire(
            order,
            count=requirement.count,
            owner=self._owner,
            purpose=purpose,
            need=requirement.key,
            wait_s=wait_s,
            is_patient=is_patient,
            waited_s=waited_s,
        )

    def _is_any_well_again(self, fitting: Sequence[Device]) -> bool:
        """Ask those anew that are out of service for their health: that may have been found out long ago.

        Each is asked once in `LOOK_AGAIN_S` at most.
        """
        if self._gate is None:
            return False
        now_s, states = time.monotonic(), self._store.devices()
        is_any_well = False
        for device in fitting:
            state = states.get(device.id)
            is_unfit = state is not None and not state.owner and state.reason.startswith(HEALTH)
            if is_unfit and now_s - self._looked_s.get(device.id, -LOOK_AGAIN_S) >= LOOK_AGAIN_S:
                self._looked_s[device.id] = now_s
                is_any_well |= self._gate.check(device).is_fit
        return is_any_well
