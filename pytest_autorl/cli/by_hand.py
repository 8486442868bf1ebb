"""``autorl farm release``, ``hold``, ``quarantine``, ``restore``: what people do to devices by hand.

Taking a device away from somebody goes through a store, which recovers it as after any unclean end; all else is one
write of the state.
"""

from __future__ import annotations

import contextlib
import getpass
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pytest_autorl.cli.choice import FarmOption, JsonOption, StateOption
from pytest_autorl.cli.output import show
from pytest_autorl.errors import UsageError

if TYPE_CHECKING:
    from pytest_autorl.cli.status import Look
    from pytest_autorl.farm.device import Device, DeviceStatus
    from pytest_autorl.settings import Settings
    from pytest_autorl.state.engine import Books, DeviceRow
    from pytest_autorl.state.leases import DeviceState, Unclean
    from pytest_autorl.state.ledger import Now
    from pytest_autorl.state.store import DurableStore

#: How long it is waited for the recovery of a device that was taken away, seconds.
RECOVERY_S = 60.0
_LONGEST_REASON = 300

DevicesArgument = Annotated[list[str], typer.Argument(metavar="DEVICE", help="Ids of devices.")]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What has become of a device.

    Attributes:
        run: Run that it belongs to, "" for a device of the host.
        is_done: It is as it was wanted.
        what: For people.
    """

    device_id: str
    run: str
    status: str
    reason: str
    is_done: bool
    what: str


#: What is done to the row of a device, within the write; also whom to wake.
_Change = Callable[["Books", "DeviceRow", "Now"], tuple[Outcome, frozenset[str]]]


def release(
    devices: DevicesArgument,
    force: Annotated[bool, typer.Option("--force", help="Also from a process that is alive.")] = False,
    farm: FarmOption = "",
    state: StateOption = "",
    as_json: JsonOption = False,
) -> None:
    """End leases from outside, and recover the devices. Exit code 1 when one could not be ended."""
    from pytest_autorl.cli.status import ask

    seen = ask(farm, state, *devices)
    outcomes = []
    for device in seen.farm.devices:
        states = seen.states(device)
        outcomes += [_released(seen, device, each, force=force) for each in states]
        if not states:
            outcomes.append(_of_no_run(device) if seen.is_simulated(device) else _of_nobody(device))
    _tell(outcomes, as_json=as_json)


def hold(
    devices: DevicesArgument,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for others.")] = "",
    farm: FarmOption = "",
    state: StateOption = "",
    as_json: JsonOption = False,
) -> None:
    """Keep devices for maintenance: nobody is granted them. One in use is held when its lease ends."""
    from pytest_autorl.cli.status import ask
    from pytest_autorl.state import ledger

    _take_out(ask(farm, state, *devices), ledger.M, "held", reason, as_json=as_json)


def quarantine(
    devices: DevicesArgument,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for others.")],
    farm: FarmOption = "",
    state: StateOption = "",
    as_json: JsonOption = False,
) -> None:
    """Mark devices as unfit for tests. One in use is quarantined when its lease ends."""
    from pytest_autorl.cli.status import ask
    from pytest_autorl.state import ledger

    if not reason.strip():
        raise UsageError("--reason is empty", do="say what is wrong with the device")
    _take_out(ask(farm, state, *devices), ledger.U, "quarantined", reason, as_json=as_json)


def restore(
    devices: DevicesArgument, farm: FarmOption = "", state: StateOption = "", as_json: JsonOption = False
) -> None:
    """Make devices available again. Exit code 1 for one that is in use or being recovered."""
    from pytest_autorl.cli.status import ask
    from pytest_autorl.state import ledger

    def change(books: Books, row: DeviceRow, now: Now) -> tuple[Outcome, frozenset[str]]:
        if row.status == ledger.A:
            return _of_row(row, "available already"), frozenset()
        if row.holder and not row.after:
            return _of_row(row, f"not restored: {_use(row)}", is_done=False), frozenset()
        changed, rings = ledger.set_status(books, row.key, ledger.A, "", now)
        if row.holder:
            status, _, reason = row.after.partition(" ")
            return _of_row(changed, f"{_use(row)}; available after that, not {status} ({reason})"), rings
        return _of_row(changed, "available"), rings

    _change(ask(farm, state, *devices), change, as_json=as_json)


def _take_out(seen: Look, status: DeviceStatus, word: str, reason: str, *, as_json: bool) -> None:
    """Out of service: at once, or when its lease ends."""
    from pytest_autorl.state import ledger

    said = " ".join(reason.split())[:_LONGEST_REASON]
    text = f"{word} by {_user()}" + (f": {said}" if said else "")

    def change(books: Books, row: DeviceRow, now: Now) -> tuple[Outcome, frozenset[str]]:
        changed, rings = ledger.set_status(books, row.key, status, text, now)
        what = f"{_use(row)}; {word} when that has ended" if row.holder else f"{status}, {text}"
        return _of_row(changed, what), rings

    _change(seen, change, as_json=as_json)


# -- what is known -------------------------------------------------------------------------------------------


def _settings(seen: Look) -> Settings:
    from pytest_autorl.settings import resolve

    return resolve(env=os.environ, farm_file=seen.farm.stated)


def _user() -> str:
    # Accounts without an entry among the users, as containers have them. Which error it is depends on the Python.
    with contextlib.suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return f"user {os.getuid()}"


# -- one write -----------------------------------------------------------------------------------------------


def _change(seen: Look, change: _Change, *, as_json: bool) -> None:
    """Change the rows of all devices in one write, wake who waits for them, and tell."""
    wanted = {device: _keys(seen, device) for device in seen.farm.devices}
    outcomes = [_of_no_run(device) for device, keys in wanted.items() if not keys]
    if any(wanted.values()):
        outcomes += _written(seen, wanted, change)
    order = [device.id for device in seen.farm.devices]
    _tell(sorted(outcomes, key=lambda outcome: order.index(outcome.device_id)), as_json=as_json)


def _keys(seen: Look, device: Device) -> list[str]:
    """Under which keys the state has it, or would have it once a run knows it."""
    from pytest_autorl.state.engine import OF_RUN

    if seen.is_simulated(device):
        return [f"{state.run}{OF_RUN}{device.id}" for state in seen.states(device)]
    return [device.id]


def _written(seen: Look, wanted: Mapping[Device, Sequence[str]], change: _Change) -> list[Outcome]:
    from pytest_autorl.farm.providers import build
    from pytest_autorl.state import bell, ledger
    from pytest_autorl.state.clock import HostClock
    from pytest_autorl.state.sqlite import SqliteEngine

    settings, clock = _settings(seen), HostClock()
    # What is restored may be granted at once to somebody who waits.
    now = ledger.Now(clock.now_s(), clock.wall_s(), settings.lease_ttl)
    providers = build(seen.farm, settings)
    shared = [device for device in wanted if not seen.is_simulated(device)]
    ports = {device.id: providers[device.provider].port_count for device in shared}

    def work(books: Books) -> tuple[list[Outcome], set[str]]:
        outcomes, rings = [], set(ledger.enroll(books, ports, now))
        for device, keys in wanted.items():
            for key in keys:
                row = books.device(key)
                if row is None:  # of a run that has ended since we looked
                    outcomes.append(_of_no_run(device))
                    continue
                outcome, woken = change(books, row, now)
                outcomes.append(outcome)
                rings |= woken
        return outcomes, rings

    with contextlib.closing(SqliteEngine(seen.place.path)) as engine:
        outcomes, rings = engine.write(work)
        bell.ring(rings)
    return outcomes


# -- taking away ---------------------------------------------------------------------------------------------


def _released(seen: Look, device: Device, state: DeviceState, *, force: bool) -> Outcome:
    from pytest_autorl.farm.device import DeviceStatus
    from pytest_autorl.state import takeover

    if not state.holder:
        reason = f" ({state.reason})" if state.reason else ""
        return _of_state(state, f"nobody holds it: {state.status}{reason}")
    owner = f"{state.owner} (process {state.pid})" if state.pid else state.owner
    if state.holder in seen.alive and not force:
        what = f"not released: {owner} holds it {_since(seen, state)}; end that process, or use --force"
        return _of_state(state, what, is_done=False)
    with contextlib.closing(_store(seen, device, state.run)) as store:
        why = f"released by {_user()}"
        is_taken = store.seize(device.id, why, token=state.token, wait_s=RECOVERY_S)
        after = store.devices()[device.id]
    if not is_taken:
        return _of_state(after, "not released: it has changed hands meanwhile; look again", is_done=False)
    is_well = not after.reason.startswith((f"{takeover.RECOVERING}:", f"{takeover.QUARANTINED}:"))
    reason = f" ({after.reason})" if after.reason else ""
    now = "in use again" if after.status is DeviceStatus.BUSY else f"{after.status}{reason}"
    return _of_state(after, f"taken from {owner}; now {now}", is_done=is_well)


def _since(seen: Look, state: DeviceState) -> str:
    from pytest_autorl.cli.status import age, iso

    use = " between two tests" if state.is_parked else f" for {state.reason}" if state.reason else ""
    return f"since {iso(state.since_s)} ({age(seen.at_s - state.since_s)}){use}"


def _store(seen: Look, device: Device, run: str) -> DurableStore:
    """A store that can recover the device; closes its engine."""
    from pytest_autorl.farm.providers import build
    from pytest_autorl.farm.providers.base import Places
    from pytest_autorl.state.sqlite import SqliteEngine
    from pytest_autorl.state.store import DurableStore

    settings = _settings(seen)
    places = Places.beside(seen.place.path, rootdir=Path.cwd(), reports=Path(settings.reports))
    provider = build(seen.farm, settings, place=places)[device.provider]

    def recover(unclean: Unclean) -> str:
        # The server of a simulated device is known to its run alone; it keeps out an older token by itself.
        return "" if seen.is_simulated(device) else provider.recover(device, unclean)

    return DurableStore(
        SqliteEngine(seen.place.path),
        folder=seen.place.holders,
        devices={device.id: provider.port_count},
        run_id=run,
        is_of_run=lambda device_id: bool(run),
        owner=f"autorl farm release by {_user()}",
        ttl_s=settings.lease_ttl,
        heartbeat_s=settings.lease_heartbeat,
        recover=recover,
    )


# -- what is told --------------------------------------------------------------------------------------------


def _tell(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    rows, lines = [], []
    for each in outcomes:
        row: dict[str, Any] = {"id": each.device_id, "run": each.run or None, "done": each.is_done}
        rows.append({**row, "status": each.status, "reason": each.reason, "what": each.what})
        lines.append(f"{each.device_id}{f' of run {each.run}' if each.run else ''}: {each.what}")
    show({"devices": rows}, lines, as_json=as_json)
    if not all(each.is_done for each in outcomes):
        raise typer.Exit(1)


def _of_row(row: DeviceRow, what: str, *, is_done: bool = True) -> Outcome:
    from pytest_autorl.state.view import split

    run, device_id = split(row.key)
    return Outcome(
        device_id=device_id, run=run, status=row.status, reason=row.reason, is_done=is_done, what=what
    )


def _of_state(state: DeviceState, what: str, *, is_done: bool = True) -> Outcome:
    return Outcome(
        device_id=state.device_id,
        run=state.run,
        status=str(state.status),
        reason=state.reason,
        is_done=is_done,
        what=what,
    )


def _of_no_run(device: Device) -> Outcome:
    what = "simulated: each run has its own, and none runs now"
    return Outcome(device_id=device.id, run="", status="available", reason="", is_done=False, what=what)


def _of_nobody(device: Device) -> Outcome:
    what = "nobody holds it: available"
    return Outcome(device_id=device.id, run="", status="available", reason="", is_done=True, what=what)


def _use(row: DeviceRow) -> str:
    """What keeps a device that has a holder from being changed at once."""
    from pytest_autorl.state import ledger

    if row.status != ledger.B:
        return row.reason
    use = " between two tests" if row.is_parked else f" for {row.purpose}" if row.purpose else ""
    return f"in use by {row.owner}{use}"
