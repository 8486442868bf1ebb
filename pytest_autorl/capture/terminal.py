"""What a run says on the terminal: pure text, printed through pytest by the plugin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_autorl.dispatch.trace import busy_s
from pytest_autorl.farm.sample import HEALTH

if TYPE_CHECKING:
    from pytest_autorl.farm.device import Device

#: How many of the slowest tests, of the lost ones and of the unmet needs the terminal lists.
_SLOWEST = 3
_LOST = 5
_UNMET = 20


def header_lines(
    *,
    devices: Sequence[Device],
    source: str,
    statuses: Mapping[str, str],
    state: str,
    run_id: str,
    seed: int,
    fixtures: str,
) -> list[str]:
    """The farm, its devices by status and form, and what is needed to have the run again."""
    kinds = Counter(" ".join(filter(None, (d.platform, d.form_factor))) or "device" for d in devices)
    by_kind = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
    by_status = ", ".join(f"{n} {status}" for status, n in sorted(Counter(statuses.values()).items()))
    return [
        f"autorl: farm {source}: {len(devices)} devices ({by_kind}); {by_status}",
        f"autorl: run {run_id}, seed {seed}, state {state}, fixtures {fixtures}",
    ]


def unmet_lines(problems: Sequence[tuple[str, str]]) -> list[str]:
    """Tests that cannot run: (node id, why). Alike reasons stand once."""
    by_reason: dict[str, list[str]] = {}
    for nodeid, why in problems:
        by_reason.setdefault(why, []).append(nodeid)
    lines = []
    for why, nodeids in list(by_reason.items())[:_UNMET]:
        count = f"{len(nodeids)} tests cannot run" if len(nodeids) > 1 else "1 test cannot run"
        lines.append(
            f"autorl: {count}: {nodeids[0]}" + (f" and {len(nodeids) - 1} more" if nodeids[1:] else "")
        )
        lines += [f"    {line}" for line in why.splitlines()]
    if len(by_reason) > _UNMET:
        lines.append(f"autorl: and {len(by_reason) - _UNMET} more reasons")
    return lines


def summary_lines(
    rows: Sequence[Mapping[str, Any]],
    waits_s: Sequence[float],
    *,
    gave_up: int,
    farm_size: int,
    files: Sequence[str],
) -> list[str]:
    """Devices used, how long tests waited for them, the slowest and the lost tests, where the results are.

    ``gave_up`` counts the tests that ended because no device became free in time.
    """
    tired = [f"{_tests(gave_up)} gave up waiting for a device"] if gave_up else []
    if not rows:
        return tired
    busy = busy_s(rows)
    counts = Counter(device for row in rows for device in row["devices"])
    used = ", ".join(f"{device} {counts[device]} in {busy[device]:.1f} s" for device in sorted(busy))
    waited = [wait for wait in waits_s if wait > 0.05]
    lines = [f"{len(busy)} of {farm_size} devices used (tests in seconds): {used}"]
    if waited:
        lines.append(
            f"{_tests(len(waited))} waited for a device: {sum(waited):.1f} s in all, {max(waited):.1f} s at most"
        )
    elif not gave_up:
        lines.append("no test waited for a device")
    lines += tired
    slowest = sorted(rows, key=lambda row: row["start"] - row["end"])[:_SLOWEST]
    lines.append(
        "slowest: " + ", ".join(f"{row['test']} {row['end'] - row['start']:.2f} s" for row in slowest)
    )
    lost = [f"{row['test']} on {', '.join(row['devices'])}" for row in rows if row["outcome"] == "lost"]
    if lost:
        more = [f"{len(lost) - _LOST} more"] if lost[_LOST:] else []
        lines.append(
            f"lost with {'its' if len(lost) == 1 else 'their'} worker: " + "; ".join(lost[:_LOST] + more)
        )
    blames = Counter(row["blame"] for row in rows if row["blame"])
    if blames:
        lines.append("failures by blame: " + ", ".join(f"{n} {blame}" for blame, n in sorted(blames.items())))
    if files:
        lines.append("written: " + ", ".join(files))
    return lines


def health_lines(
    checks: Sequence[Mapping[str, Any]], found: Mapping[str, str], kept_out: Mapping[str, str]
) -> list[str]:
    """What the health gate refused, and which devices were out of service for their health.

    Args:
        checks: The gate's decisions, see `checkup.to_wire`.
        found: Reason by device, at any time of the run, as the monitor saw it.
        kept_out: Reason by device, at the end of the run.
    """
    refused = [check for check in checks if not check["fit"]]
    counts = Counter(check["device"] for check in refused)
    reasons = {**found, **{check["device"]: check["why"] for check in refused}, **kept_out}
    lines = []
    for device, why in sorted(reasons.items()):
        times = (
            f", refused {counts[device]} time{'s' if counts[device] > 1 else ''}" if counts[device] else ""
        )
        now = " (still so at the end)" if device in kept_out else ""
        lines.append(f"not fit: {device}{times}: {why.removeprefix(HEALTH)}{now}")
    return lines


def _tests(count: int) -> str:
    return "1 test" if count == 1 else f"{count} tests"
