"""Why somebody does not get a device, or has it no more: texts and errors over what the state shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_autorl.errors import LeaseTimeoutError, OutOfServiceError
from pytest_autorl.farm.device import DeviceStatus
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
            continue
        usable -= not state.owner  # leased, or being recovered: it comes back by itself
        who = f"{state.owner} for " if state.owner and state.purpose else state.owner
        what = state.purpose if state.status is DeviceStatus.BUSY else f"{state.status}, {state.reason}"
        lines.append(f"{device_id}: {who}{what}, since {max(0.0, now_s - state.since_s):.0f} s")
    wanted = "a device" if count == 1 else f"{count} devices at once"
    of = f"{wanted} of {', '.join(candidates)}"
    if usable < count:
        return OutOfServiceError(
            f"waited {wait_s:g} s for {of}; out of service: {'; '.join(lines)}",
            do="mend them, then `autorl farm restore DEVICE`",
        )
    return LeaseTimeoutError(
        f"waited {wait_s:g} s for {of}; held by: {'; '.join(lines) or 'nobody now'}",
        do="free a device, add one, or raise --autorl-wait",
    )


def taker(state: DeviceState | None, lease: Lease) -> str:
    """What became of a lease that was lost; `state` is what is known of its device, None when nothing is."""
    if state is None or state.token <= lease.token:
        return "no sign of life came in time"
    if state.owner and state.owner != lease.owner:
        return f"{state.owner} holds the device now (token {state.token})"
    return f"it was taken away (token {state.token} was given since)"
