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
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_autorl.capture.guard import Guard
from pytest_autorl.errors import (
    NoFarmError,
    StateError,
)
from pytest_autorl.settings import Settings

# Every run loads this module, also one that asks for nothing of ours.
if TYPE_CHECKING:
    import random

    from pytest_autorl.capture.sink import Attach, Sink
    from pytest_autorl.checkup import Checkups, Probe
    from pytest_autorl.dispatch.estimate import Estimates
    from pytest_autorl.dispatch.orders import Holds
    from pytest_autorl.dispatch.trace import Attempt
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.farm.pool import Grant, Pool
    from pytest_autorl.farm.providers.base import Provider
    from pytest_autorl.identity import RunIdentity
    from pytest_autorl.privacy.inputs import InputGuard
    from pytest_autorl.seat import Seat
    from pytest_autorl.state.history import History
    from pytest_autorl.state.leases import DeviceState, Loss, Unclean, Waiting
    from pytest_autorl.state.place import Place
    from pytest_autorl.state.sqlite import SqliteEngine
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
        #: What everything passes that this process writes or prints.
        self.guard = Guard("on")
        self.zero_s: float | None = None
        self._has_dispatched = False
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
        #: A test that has failed may run again; not where somebody debugs, or said that none does.
        self.reruns = True
        #: Tests run as the controller orders them; else one after the other, each until it has its verdict.
        self.is_ordered = False
        #: How many tests can run at once.
        self.worker_count = 1
        #: What the dispatch of the run knows, where there is one: how long things take, why a test went where it did
        #: (by test and attempt), and when devices were out of service.
        self.estimates: Estimates | None = None
        self.whys: Mapping[tuple[str, int], str] = {}
        self.outages: Sequence[Mapping[str, Any]] = ()
        #: Told of each test whose set-up has ended with a device, where its report is kept back.
        self.on_begun: Callable[[Mapping[str, Any]], None] | None = None
        self._engine: SqliteEngine | None = None
        #: Lays what other plugins know of a device over what we have found out.
        self.plugins: Callable[[Probe], Probe] = lambda probe: probe

    # -- what the run is made of -------------------------------------------------------------------------

    @property
    def identity(self) -> RunIdentity:
        """Name and seed of the run: the controller's, or made at first use."""
        if self._identity is None:
            from pytest_autorl.identity import new_identity

            self._identity = new_identity(self.settings)
        return self._identity

    @cached_property
    def seat(self) -> Seat:
        """The test that runs now."""
        from pytest_autorl.seat import Seat

        return Seat(self)

    @property
    def sink(self) -> Sink:
        """Where this process writes."""
        if self._sink is None:
            from pytest_autorl.capture.sink import Sink

            self._sink = Sink(self.reports, redactor=self.guard, attach=self._attach)
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

            places = Places.beside(
                self.place.path, rootdir=self.rootdir, reports=self.reports, redaction=self.guard.plain()
            )
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
        engine = self._engine = SqliteEngine(self.place.path, checks=self.role != "worker")
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
        seen = self.look_around()
        if seen is None:
            return None
        run_id = self.identity.run_id
        return seen[0], [waiting for waiting in seen[1] if waiting.run == run_id]

    def look_around(self) -> tuple[Mapping[str, DeviceState], Sequence[Waiting]] | None:
        """The same, with all who wait, of other runs too. Raises StateError."""
        store = self._store  # another thread may close it meanwhile
        return None if store is None else (store.devices(), store.queue())

    def device_states(self) -> Mapping[str, DeviceState]:
        """What the state knows of the farm's devices now, by id; nothing is made by looking. Raises StateError."""
        if self._store is not None:
            return self._store.devices()
        from pytest_autorl.state.peek import peek

        own = self._identity.run_id if self._identity is not None else ""
        return {state.device_id: state for state in peek(self.place.path).devices if state.run in ("", own)}

    def in_service(self) -> frozenset[str]:
        """Ids of the devices that tests use or can use now; one that is being recovered may not come back."""
        from pytest_autorl.farm.device import DeviceStatus

        states: Mapping[str, DeviceState] = {}
        with contextlib.suppress(StateError):
            states = self.device_states()
        usable = (DeviceStatus.AVAILABLE, DeviceStatus.BUSY)
        return frozenset(
            device.id
            for device in self.farm.devices
            if device.id not in states or states[device.id].status in usable
        )

    def up(self) -> frozenset[str]:
        """Ids of the devices of the farm that are in service, in use or not; all where that cannot be found out."""
        from pytest_autorl.farm.device import DeviceStatus

        states: Mapping[str, DeviceState] = {}
        with contextlib.suppress(StateError):
            states = self.device_states()
        # One that is held, for a test or to be recovered, comes back by itself.
        return frozenset(
            device.id
            for device in self.farm.devices
            if device.id not in states
            or bool(states[device.id].owner)
            or states[device.id].status is DeviceStatus.AVAILABLE
        )

    @property
    def history(self) -> History:
        """How long the suite's tests took in earlier runs. Raises StateError."""
        from pytest_autorl.state.history import History, suite_of

        _ = self.store
        assert self._engine is not None  # opened with the store
        return History(self._engine, suite=suite_of(self.rootdir))

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
                inputs=self.inputs,
                events=self._note,
                chance=self._random("pool"),
            )
            if self.role == "single":  # else the controller does
                self.checkups.start()
        return self._pool

    @cached_property
    def inputs(self) -> InputGuard:
        """Looks at what the tests of this process type into devices, and counts."""
        from pytest_autorl.privacy.inputs import InputGuard

        return InputGuard()

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

    def launch(self) -> None:
        """Tests will need devices: simulated ones come up meanwhile. Waits for nothing; what is wrong is told later."""
        from pytest_autorl.farm.providers.virtual import VirtualProvider

        for provider in self.providers.values():
            if isinstance(provider, VirtualProvider):
                provider.launch()

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

    def begin_once(self, at_s: float) -> None:
        """The same, where nothing has said it before: the first order to a worker."""
        if not self._has_dispatched:
            self._has_dispatched = True
            self.begin(at_s)

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

    # -- devices of tests --------------------------------------------------------------------------------------

    def doubt(self, device_ids: Collection[str]) -> None:
        """An attempt was lost with these devices: ask them how they are, before others lose theirs."""
        for device in self.farm.devices if device_ids else ():
            if device.id in device_ids:
                with contextlib.suppress(StateError):  # whoever needs the state says what is wrong with it
                    self.checkups.gate.look(device)

    def release(self, grant: Grant) -> None:
        """Give back what the pool has granted."""
        if self._pool is not None:  # else the run was closed, and everything given back with it
            self._pool.release(grant)

    def fetch_checks(self) -> list[dict[str, Any]]:
        """What the gate has decided since it was last asked."""
        return self._checkups.fetch() if self._checkups is not None else []

    @property
    def holds(self) -> Holds:
        """The devices that this process has."""
        from pytest_autorl.dispatch.orders import Holds

        parked, used = self._pool.holdings() if self._pool is not None else ((), ())
        return Holds(parked=parked, used=used)

    @property
    def found_unfit(self) -> Mapping[str, str]:
        """What the monitor of this process has found unfit so far, with why."""
        return dict(self._checkups.unfit) if self._checkups is not None else {}

    def record(self, attempt: Attempt) -> None:
        """Count what an attempt says of its devices; the test's own failures say nothing against them."""
        is_bad = attempt.blame == "device"
        # That a worker died says nothing of a device, either way.
        if self._checkups is not None and (attempt.outcome != "lost" or is_bad):
            for device_id in attempt.devices:
                # Of several devices the one that the error names.
                self._checkups.record(
                    device_id, is_success=not (is_bad and attempt.culprit in ("", device_id))
                )

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
