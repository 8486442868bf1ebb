"""What a run says on the terminal: pure text, printed through pytest by the plugin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_autorl.dispatch.trace import busy_s
from pytest_autorl.farm.sample import HEALTH

if TYPE_CHECKING:
    from pytest_autorl.dispatch.review import Review
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
    reasons: Mapping[tuple[str, int], str] | None = None,
) -> list[str]:
    """Devices used, how long tests waited for them, the slowest and the lost tests, where the results are.

    ``gave_up`` counts the tests that ended because no device became free in time; ``reasons`` say why attempts were
    lost, by test and number, where that is known.
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
    lost = [_lost(row, reasons or {}) for row in rows if row["outcome"] == "lost"]
    if lost:
        more = [f"{len(lost) - _LOST} more"] if lost[_LOST:] else []
        lines.append("lost with worker or device: " + "; ".join(lost[:_LOST] + more))
    lines += _blames(rows)
    if files:
        lines.append("written: " + ", ".join(files))
    return lines


def _blames(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Whose fault failures are; of attempts that others have followed apart, since they are no verdicts."""
    last = {row["test"]: place for place, row in sorted(enumerate(rows), key=_by_attempt)}
    bad = [(last[row["test"]] == place, row["blame"]) for place, row in enumerate(rows) if row["blame"]]
    found = []
    for is_last, what in ((True, "failures by blame"), (False, "attempts tried again, by blame")):
        counts = Counter(blame for is_verdict, blame in bad if is_verdict is is_last)
        if counts:
            found.append(f"{what}: " + ", ".join(f"{n} {blame}" for blame, n in sorted(counts.items())))
    return found


def _by_attempt(numbered: tuple[int, Mapping[str, Any]]) -> tuple[int, int]:
    place, row = numbered
    return row.get("attempt", 1), place


def _lost(row: Mapping[str, Any], reasons: Mapping[tuple[str, int], str]) -> str:
    why = reasons.get((row["test"], row.get("attempt", 1)), "")
    return f"{row['test']} on {', '.join(row['devices'])}" + (f" ({why})" if why else "")


def review_lines(seen: Review) -> list[str]:
    """How far from the lower bound the run was; nothing for one that is too short to tell."""
    if seen.attempts < 2 or not seen.bound_s:
        return []
    of = f" of {_workers(seen.workers)}" if seen.bound_kind == "workers" and seen.workers else ""
    whole = f"from first to last {seen.makespan_s:.1f} s, {seen.ratio:.2f} x the lower bound{of}"
    use = f"{seen.utilisation:.0%} of the time, {seen.setup_share:.0%} for sessions and fixtures"
    return [f"{whole}; devices busy {use}"]


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


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"


def _tests(count: int) -> str:
    return "1 test" if count == 1 else f"{count} tests"
