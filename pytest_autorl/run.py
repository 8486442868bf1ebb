"""One pytest process's part in a run: its farm, its pool, what it knows of the test that runs now.

A run is one process (`single`), or under xdist a `controller`, which starts what all share and writes the
results, and `worker` processes, which lease and test.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_autorl.errors import NoFarmError, UsageError
from pytest_autorl.settings import Settings

if TYPE_CHECKING:
    import random

    from pytest_autorl.capture.sink import Attach, Sink
    from pytest_autorl.farm.config import FarmConfig
    from pytest_autorl.farm.pool import Grant, Pool
    from pytest_autorl.farm.providers.base import Provider
    from pytest_autorl.farm.requirement import Requirement
    from pytest_autorl.needs import Root
    from pytest_autorl.record import TestRecord
    from pytest_autorl.state.filelocks import FileLockStore

Role = Literal["single", "controller", "worker"]

logger = logging.getLogger("pytest_autorl")


@dataclass(frozen=True, kw_only=True)
class RunIdentity:
    """What all processes of a run agree on. Plain data: it travels to the workers.

    Attributes:
        run_id: Name of the run.
        seed: Of every random choice.
        providers: Block name -> what its `start` returned.
    """

    run_id: str
    seed: int
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


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
        self._store: FileLockStore | None = None
        self._providers: dict[str, Provider] | None = None

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

            self._providers = build(self.farm, self.settings)
            for name, state in self.identity.providers.items():
                self._providers[name].attach(state)
        return self._providers

    @property
    def store(self) -> FileLockStore:
        """Who holds which device, on this host."""
        if self._store is None:
            from pytest_autorl.state.filelocks import FileLockStore

            of_run = {d.id for d in self.farm.devices if self.providers[d.provider].scope == "run"}
            self._store = FileLockStore(
                lease_directory(self.settings, self.farm, self.rootdir),
                run_id=self.identity.run_id,
                is_of_run=of_run.__contains__,
                chance=self._random("leases"),
            )
        return self._store

    @property
    def pool(self) -> Pool:
        """The pool of this process. Raises NoFarmError, StateError."""
        if self._pool is None:
            from pytest_autorl.farm.pool import Pool
            from pytest_autorl.farm.session import Limits

            self._pool = Pool(
                self.farm.devices,
                self.providers,
                self.store,
                owner=self.settings.holder(self.worker),
                wait_s=self.settings.wait,
                limits=Limits(command_s=self.farm.connection_timeout_s),
                parks=self.role == "single",
                events=self._note,
                chance=self._random("pool"),
            )
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
        self._identity = RunIdentity(run_id=self.identity.run_id, seed=self.identity.seed, providers=states)
        return self._identity

    def begin(self, at_s: float) -> None:
        """The first dispatch: zero of the trace's clock and of `available:` windows."""
        self.zero_s = at_s
        for provider in self.providers.values():
            provider.begin(at_s)

    def close(self) -> None:
        """Give everything back. Every part gets its turn; errors are raised together at the end."""
        problems: list[Exception] = []
        steps = [self._pool.close] if self._pool is not None else []
        if self.role != "worker":
            steps += [provider.stop for provider in (self._providers or {}).values()]
            steps += [self._forget_leases]
        for step in steps:
            try:
                step()
            except Exception as error:  # one part that cannot be ended must not keep the next from ending
                problems.append(error)
        self._pool = self._store = None
        if problems:
            raise problems[0]

    def _forget_leases(self) -> None:
        # Workers may have leased where this process never did; a folder that nobody made is left unmade.
        if self.config is not None and lease_directory(self.settings, self.config, self.rootdir).is_dir():
            self.store.forget_run()

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
        grant = self.pool.acquire(requirement, purpose=purpose)
        if self.current is None and self._item is not None:
            from pytest_autorl.record import TestRecord

            # Asked for in the middle: before, the test had no device, and what follows is no set-up of its own
            # (if this still is its set-up, the end of that corrects it).
            begun_s = grant.devices[0].granted_at_s
            record = TestRecord(nodeid=self._item.nodeid, begun_s=begun_s, set_up_s=begun_s)
            self.begin_test(self._item, record, ())
        if self.current is not None:
            self.current.waited_s += grant.waited_s
            if root.scope == "function":
                self.current.grants.append(grant)
            else:
                self.current.share(grant.devices)
        if root.scope != "function":
            self.scoped[root] = grant
        return grant

    def give_back(self, grant: Grant, root: Root) -> None:
        """End what `grant` began."""
        self.scoped.pop(root, None)
        self.pool.release(grant)

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


def new_identity(settings: Settings) -> RunIdentity:
    """Name and seed of a new run."""
    import secrets

    stamp = time.strftime("%Y%m%d-%H%M%S")
    return RunIdentity(
        run_id=settings.run_id or f"{stamp}-{secrets.token_hex(2)}",
        seed=settings.seed if settings.seed is not None else secrets.randbelow(2**31),
    )


def lease_directory(settings: Settings, farm: FarmConfig, rootdir: Path) -> Path:
    """Where leases are kept: in the checkout for devices that belong to the run, else once per host and user.

    Two workspaces on one host must meet over one phone. Raises UsageError for a state that is no path.
    """
    if "://" in settings.state:
        raise UsageError(
            "--autorl-state with a database URL is not part of this version", do="name a path on a local disk"
        )
    if settings.state:
        path = Path(settings.state)
    elif farm.is_virtual:
        path = rootdir / ".autorl" / "state.db"
    else:
        import platformdirs

        path = Path(platformdirs.user_state_dir("pytest-autorl")) / "state.db"
    # Beside the database that the option names; a folder stands for a database in it.
    return path / "state.db.leases" if path.is_dir() else path.with_name(path.name + ".leases")


def is_windows() -> bool:
    """Whether this is a platform on which a farm is refused."""
    return os.name == "nt"
