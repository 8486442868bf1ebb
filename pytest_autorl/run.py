"""One pytest process's part in a run: its farm, its pool, what it knows of the test that runs now.

A run is one process (`single`), or under xdist a `controller`, which starts what all share and writes the
results, and `worker` processes, which lease and test.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_autorl.errors import (
    AutorlError,
    DeviceUnhealthyError,
    NoFarmError,
    OutOfServiceError,
    StateError,
)
from pytest_autorl.identity import RunIdentity, new_identity
from pytest_autorl.settings import Settings

if TYPE_CHECKING:
    import random

    from pytest_autorl.capture.sink import Attach, Sink
    from pytest_autorl.checkup import Checkups, Probe
    from pytest_autorl.dispatch.trace import Attempt
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.farm.pool import Grant, Pool
    from pytest_autorl.farm.providers.base import Provider
    from pytest_autorl.farm.requirement import Requirement
    from pytest_autorl.needs import Root
    from pytest_autorl.record import TestRecord
    from pytest_autorl.state.leases import DeviceState, Loss, Unclean, Waiting
    from pytest_autorl.state.place import Place
    from pytest_autorl.state.store import DurableStore

Role = Literal["single", "controller", "worker"]

logger = logging.getLogger("pytest_autorl")

#: So long a state that could not be used is not tried again.
_TROUBLE_S = 30.0


class Run:
    """See the module.

    Args:
        config: The farm after the user's selection; None when no farm was given or found.
        rootdir: pytest's root directory.
        worker: "main", or xdist's worker id.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        config: FarmConfig | None,
        rootdir: Path,
        role: Role,
        worker: str,
        identity: RunIdentity | None,
        reports: Path,
    ) -> None:
        self.settings = settings
        self.config = config
        self.rootdir = rootdir
        self.role: Role = role
        self.worker = worker
        self.reports = reports
        self.allure_is_active = False
        self.current: TestRecord | None = None
        self._item: pytest.Item | None = None
        #: Grants of wider scopes that are alive.
        self.scoped: dict[Root, Grant] = {}
        self.zero_s: float | None = None
        self._identity = identity
        self._sink: Sink | None = None
        self._attach: Attach | None = None
        self._pool: Pool | None = None
        self._store: DurableStore | None = None
        self._place: Place | None = None
        #: Why the state could not be used, and until when that is believed (monotonic seconds).
        self._trouble: tuple[StateError, float] | None = None
        #: Leases that this process has taken from dead or silent holders, and when, until somebody fetches them.
        self.losses: deque[tuple[Loss, float]] = deque()
        #: What the opening of the state had to say.
        self.notes: list[str] = []
        self._providers: dict[str, Provider] | None = None
        self._checkups: Checkups | None = None
        #: Lays what other plugins know of a device over what we have found out.
        self.plugins: Callable[[Probe], Probe] = lambda probe: probe

    # -- what the run is made of -------------------------------------------------------------------------

    @property
    def identity(self) -> RunIdentity:
        """Name and seed of the run: the controller's, or made at first use."""
        if self._identity is None:
            self._identity = new_identity(self.settings)
        return self._identity

    @property
    def sink(self) -> Sink:
        """Where this process writes."""
        if self._sink is None:
            from pytest_autorl.capture.sink import Sink

            self._sink = Sink(self.reports, attach=self._attach)
        return self._sink

    @property
    def farm(self) -> FarmConfig:
        """The farm. Raises NoFarmError when there is none."""
        if self.config is None:
            raise NoFarmError(
                "the test asks for a device, and no farm is configured",
                do="run `autorl init` to write a device_farm.yml, or try --autorl-farm virtual",
            )
        return self.config

    @property
    def providers(self) -> dict[str, Provider]:
        """The providers of the farm, by block name; nothing is started by asking."""
        if self._providers is None:
            from pytest_autorl.farm.providers import build
            from pytest_autorl.farm.providers.base import Places

            places = Places.beside(self.place.path, rootdir=self.rootdir, reports=self.reports)
            self._providers = build(self.farm, self.settings, place=places)
            for name, state in self.identity.providers.items():
                self._providers[name].attach(state)
        return self._providers

    @property
    def place(self) -> Place:
        """Where the state is. Raises UsageError for one that was named and cannot be used."""
        if self._place is None:
            from pytest_autorl.state.place import Place

            told = self._identity.state if self._identity is not None else ""
            self._place = Place(Path(told)) if told else place_of(self.settings, self.farm, self.rootdir)
        return self._place

    @property
    def store(self) -> DurableStore:
        """Who holds which device. Raises StateError, for a while without trying again: each try can take long."""
        if self._store is None:
            if self._trouble is not None and time.monotonic() < self._trouble[1]:
                raise self._trouble[0]
            try:
                self._store = self._open_store()
                if self.role != "worker":
                    # What a run that was killed has left is cleared away before anybody asks.
                    self._store.reap()
            except StateError as error:
                self._trouble = (error, time.monotonic() + _TROUBLE_S)
                raise
        return self._store

    def _open_store(self) -> DurableStore:
        from pytest_autorl.farm.slots import slots_of
        from pytest_autorl.state.sqlite import SqliteEngine
        from pytest_autorl.state.store import DurableStore

        of_run = {d.id for d in self.farm.devices if self.providers[d.provider].scope == "run"}
        # Workers come later, to a state that was looked at already.
        engine = SqliteEngine(self.place.path, checks=self.role != "worker")
        self.notes += engine.notes
        return DurableStore(
            engine,
            folder=self.place.holders,
            devices={d.id: self.providers[d.provider].port_count for d in self.farm.devices},
            slots=slots_of(self.farm, self.identity.run_id),
            run_id=self.identity.run_id,
            is_of_run=of_run.__contains__,
            owner=self.settings.holder(self.worker),
            ttl_s=self.settings.lease_ttl,
            heartbeat_s=self.settings.lease_heartbeat,
            recover=self._recover,
            on_loss=self._lost,
        )

    def _recover(self, unclean: Unclean) -> str:
        device = next(device for device in self.farm.devices if device.id == unclean.lease.device_id)
        trouble = self.providers[device.provider].recover(device, unclean)
        self._note("recovered", {"device": device.id, "why": unclean.why, "trouble": trouble})
        return trouble

    def _lost(self, loss: Loss) -> None:
        self._note("lost", {"device": loss.device_id, "owner": loss.owner, "purpose": loss.purpose})
        self.losses.append((loss, time.time()))

    def fetch_losses(self) -> list[tuple[Loss, float]]:
        """The losses that nobody has fetched yet, each with when it was found; seconds since the epoch."""
        found = []
        while self.losses:  # threads of the store may add to it meanwhile
            found.append(self.losses.popleft())
        return found

    def look(self) -> tuple[Mapping[str, DeviceState], Sequence[Waiting]] | None:
        """The farm's devices as the state knows them now, and who of this run waits; None while it is not open here.

        Nothing is made by looking. Raises StateError.
        """
        store = self._store  # another thread may close it meanwhile
        if store is None:
            return None
        run_id = self.identity.run_id
        return store.devices(), [waiting for waiting in store.queue() if waiting.run == run_id]

    def device_states(self) -> Mapping[str, DeviceState]:
        """What the state knows of the farm's devices now, by id; nothing is made by looking. Raises StateError."""
        if self._store is not None:
            return self._store.devices()
        from pytest_autorl.state.peek import peek

        own = self._identity.run_id if self._identity is not None else ""
        return {state.device_id: state for state in peek(self.place.path).devices if state.run in ("", own)}

    @property
    def checkups(self) -> Checkups:
        """How this run's devices are. Raises NoFarmError, StateError."""
        if self._checkups is None:
            from pytest_autorl.checkup import Checkups

            self._checkups = Checkups(self.farm, self.providers, self.store, plugins=self.plugins)
        return self._checkups

    @property
    def pool(self) -> Pool:
        """The pool of this process. Raises NoFarmError, StateError."""
        if self._pool is None:
            from pytest_autorl.farm.pool import Pool
            from pytest_autorl.farm.session import Limits
            from pytest_autorl.farm.slots import slots_of

            self._pool = Pool(
                self.farm.devices,
                self.providers,
                self.store,
                owner=self.settings.holder(self.worker),
                slots=slots_of(self.farm, self.identity.run_id),
                wait_s=self.settings.wait,
                limits=Limits(
                    create_s=self.farm.policies.connection.session_timeout,
                    command_s=self.farm.connection_timeout_s,
                ),
                parks=True,
                gate=self.checkups.gate,
                is_patient=self.settings.unhealthy == "wait",
                events=self._note,
                chance=self._random("pool"),
            )
            if self.role == "single":  # else the controller does
                self.checkups.start()
        return self._pool

    def _random(self, part: str) -> random.Random:
        import random

        # Parts and workers draw from streams of their own, or one's choices would depend on another's timing.
        return random.Random(f"{self.identity.seed}/{self.worker}/{part}")

    def _note(self, event: str, facts: Mapping[str, Any]) -> None:
        logger.info("%s %s", event, facts, extra={"autorl": {"event": event, **facts, "worker": self.worker}})

    def use_allure(self, attach: Attach) -> None:
        """allure-pytest writes results in this process: artefacts and devices go there too."""
        self.allure_is_active = True
        self._attach = attach
        self._sink = None

    # -- life ----------------------------------------------------------------------------------------------

    def start_providers(self) -> RunIdentity:
        """Bring up what the whole run shares; called in the controller. Returns what workers must know."""
        states = {name: dict(provider.start()) for name, provider in self.providers.items()}
        self._identity = replace(self.identity, state=str(self.place.path), providers=states)
        return self._identity

    def begin(self, at_s: float) -> None:
        """The first dispatch: zero of the trace's clock and of `available:` windows."""
        self.zero_s = at_s
        for provider in self.providers.values():
            provider.begin(at_s)

    def close(self) -> None:
        """Give everything back. Every part gets its turn; errors are raised together at the end."""
        problems: list[Exception] = []
        steps: list[Callable[[], object]] = [self._checkups.stop] if self._checkups is not None else []
        steps += [self._pool.close] if self._pool is not None else []
        if self._store is not None:
            if self.role == "controller":
                # A worker that xdist killed over its own end has left in order before, as far as xdist knows.
                steps.append(partial(self._store.reap, waits=True))
            steps += [self._store.forget_run] if self.role != "worker" else []
            steps += [self._store.close]
        if self.role != "worker":
            steps += [provider.stop for provider in (self._providers or {}).values()]
        for step in steps:
            try:
                step()
            except StateError as error:
                # Every test has its verdict; what is left behind here is taken over by the next who looks.
                logger.warning("the run could not take its leave: %s", error)
            except Exception as error:  # one part that cannot be ended must not keep the next from ending
                problems.append(error)
        self._pool = self._store = self._checkups = None
        if problems:
            raise problems[0]

    def abandon(self, *, deadline_s: float) -> None:
        """End what can be ended in so many seconds, whatever the other threads do: the run has lost its head."""
        if self._pool is not None:
            self._pool.abandon(deadline_s=deadline_s)
        if self._store is not None:
            with contextlib.suppress(StateError):
                self._store.abandon()

    # -- the test that runs now ------------------------------------------------------------------------------

    def begin_plain_test(self, item: pytest.Item) -> None:
        """A test starts that asks for nothing of ours, as far as can be seen."""
        self._item, self.current = item, None

    def begin_test(self, item: pytest.Item, record: TestRecord, roots: Iterable[Root]) -> None:
        """A test starts; `roots` are the leasing fixtures of its closure."""
        from pytest_autorl.record import record_key

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
            grant = self.pool.acquire(requirement, purpose=purpose)
        except AutorlError as error:
            self._note_checks()
            if isinstance(error, OutOfServiceError) and self.settings.unhealthy == "skip":
                pytest.skip(str(error.args[0]))
            if isinstance(error, OutOfServiceError) and self.settings.unhealthy == "fail":
                do = "mend them, or wait for them: --autorl-unhealthy wait"
                raise DeviceUnhealthyError(str(error.args[0]), do=do) from None
            raise
        if self.current is None and self._item is not None:
            from pytest_autorl.record import TestRecord

            # Asked for in the middle: before, the test had no device, and what follows is no set-up of its own
            # (if this still is its set-up, the end of that corrects it).
            begun_s = grant.devices[0].granted_at_s
            record = TestRecord(nodeid=self._item.nodeid, begun_s=begun_s, set_up_s=begun_s)
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

    @property
    def found_unfit(self) -> Mapping[str, str]:
        """What the monitor of this process has found unfit so far, with why."""
        return dict(self._checkups.unfit) if self._checkups is not None else {}

    def _note_checks(self) -> None:
        """What the gate has decided meanwhile belongs to the test that asked, whether it got a device or not."""
        if self._checkups is not None and self.current is not None:
            self.current.checks += self._checkups.fetch()

    def record(self, attempt: Attempt) -> None:
        """Count what an attempt says of its devices; the test's own failures say nothing against them."""
        if self._checkups is not None and attempt.outcome != "lost":
            is_bad = attempt.blame == "device"
            for device_id in attempt.devices:
                # Of several devices the one that the error names.
                self._checkups.record(
                    device_id, is_success=not (is_bad and attempt.culprit in ("", device_id))
                )

    def give_back(self, grant: Grant, root: Root) -> None:
        """End what `grant` began."""
        self.scoped.pop(root, None)
        if self._pool is not None:  # else the run was closed, and everything given back with it
            self._pool.release(grant)

    @property
    def farm_options(self) -> list[str]:
        """The command line options by which this run found its devices, for another run of a test."""
        given = [("farm", self.settings.farm), ("app", self.settings.app)]
        return [
            part
            for name, value in given
            if self.settings.sources.get(name) == "command line"
            for part in (f"--autorl-{name}", value)
        ]


run_key = pytest.StashKey[Run]()


def place_of(settings: Settings, farm: FarmConfig, rootdir: Path) -> Place:
    """Where the state of a run over this farm is, see `state.place`."""
    from pytest_autorl.state import place

    return place.place_of(settings.state, is_virtual=farm.is_virtual, rootdir=rootdir)


def is_windows() -> bool:
    """Whether this is a platform on which a farm is refused."""
    return os.name == "nt"
