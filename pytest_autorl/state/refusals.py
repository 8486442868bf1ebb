"""Why somebody does not get a device, or has it no more: texts and errors over what the state shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_autorl.errors import LeaseTimeoutError, OutOfServiceError
from pytest_autorl.farm.device import DeviceStatus
from pytest_autorl.farm.sample import HEALTH
from pytest_autorl.state.leases import DeviceState, Lease


def in_vain(
    states: Mapping[str, DeviceState], candidates: Sequence[str], count: int, *, wait_s: float, now_s: float
) -> LeaseTimeoutError:
    """The error for a wait that came to nothing: who holds what, or what is out of service.

    Args:
        states: What is known of the devices, by id; may lack some.
        now_s: Seconds since the epoch.
    """
    lines, usable = [], len(candidates)
    for device_id in candidates:
        state = states.get(device_id)
        if state is None or state.status is DeviceStatus.AVAILABLE:
            lines += [_full(state, states)] if state is not None and state.slots else []
            continue
        usable -= not state.owner  # leased, or being recovered: it comes back by itself
        is_busy = state.status is DeviceStatus.BUSY
        what = " for ".join(filter(None, (state.owner, state.purpose))) if is_busy else ""
        what = what or ", ".join(filter(None, (state.owner, str(state.status), state.reason)))
        lines.append(f"{device_id}: {what}, since {max(0.0, now_s - state.since_s):.0f} s")
    wanted = "a device" if count == 1 else f"{count} devices at once"
    of = f"{wanted} of {', '.join(candidates)}"
    if usable < count:
        out = [state for one in candidates if (state := states.get(one)) and not state.owner]
        is_by_hand = any(not state.reason.startswith(HEALTH) for state in out if state.reason)
        return OutOfServiceError(
            f"waited {wait_s:g} s for {of}; out of service: {'; '.join(lines)}",
            # What its health keeps out comes back by itself.
            do="mend them, then `autorl farm restore DEVICE`"
            if is_by_hand
            else "mend them, or raise --autorl-wait",
        )
    return LeaseTimeoutError(
        f"waited {wait_s:g} s for {of}; held by: {'; '.join(lines) or 'nobody now'}",
        do="free a device, add one, or raise --autorl-wait",
    )


def _full(state: DeviceState, states: Mapping[str, DeviceState]) -> str:
    """Why a free device is not to be had: its server takes no more sessions."""
    users = [each for each in states.values() if each.server == state.server and each.owner]
    named = ", ".join(f"{each.device_id} ({each.owner})" for each in users) or "nobody now"
    return f"{state.device_id}: its server {state.server} takes {state.slots} at once, and has {named}"


def taker(state: DeviceState | None, lease: Lease) -> str:
    """What became of a lease that was lost; `state` is what is known of its device, None when nothing is."""
    if state is None or state.token <= lease.token:
        return "no sign of life came in time"
    if state.owner and state.owner != lease.owner:
        return f"{state.owner} holds the device now (token {state.token})"
    return f"it was taken away (token {state.token} was given since)"
