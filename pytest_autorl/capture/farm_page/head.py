"""The head of the page: verdicts, how near the run was to the shortest possible, where the farm's time went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_autorl.capture.farm_page.figures import OUTCOMES, Figures
from pytest_autorl.capture.farm_page.text import counted, escaped, percent, shown, time

_PARTS = {
    "tests": "tests",
    "setup": "set-up",
    "lost": "lost",
    "out": "not available",
    "idle": "idle",
}
#: Devices of a bottleneck that are named, the rest is counted.
_NAMED = 4


def head(figures: Figures, review: Mapping[str, Any], *, run: str, source: str, version: str) -> str:
    """Name of the run and its figures."""
    return (
        f'<header><h1>Devices of run <span class="run">{escaped(run)}</span></h1>'
        f'<p class="dim">farm {escaped(source)} · {counted(len(figures.devices), "device")} · '
        f"pytest-autorl {escaped(version)}</p></header>"
        f'<div class="tiles">{_verdict(figures)}{_makespan(figures, review)}{_shares(figures)}</div>'
        f"{_violations(review.get('violations') or ())}"
    )


def _verdict(figures: Figures) -> str:
    verdicts = figures.verdicts
    is_good = not verdicts["failed"] and not verdicts["lost"]
    words = [
        f'<li class="{outcome}"><b>{counted(verdicts[outcome])}</b> <span>{outcome}</span></li>'
        for outcome in OUTCOMES
        if verdicts[outcome] or outcome in ("passed", "failed")
    ]
    lines = [f"{counted(len(figures.rows), 'attempt')} with a device"]
    if figures.retried:
        lines.append(f"{counted(figures.retried, 'test')} retried")
    faults = ", ".join(f"{count} {blame}" for blame, count in figures.blames.items())
    fault_line = f'<p class="dim">attempts by blame: {escaped(faults)}</p>' if faults else ""
    return (
        f'<section class="card tile verdict {"good" if is_good else "poor"}" aria-label="Verdict">'
        f'<ul class="counts">{"".join(words)}</ul>'
        f"{_stack([(outcome, verdicts[outcome]) for outcome in OUTCOMES], 'Tests by outcome')}"
        f'<p class="dim">{" · ".join(lines)}</p>{fault_line}</section>'
    )


def _makespan(figures: Figures, review: Mapping[str, Any]) -> str:
    if not figures.rows:
        return (
            '<section class="card tile" aria-label="Makespan">'
            '<p class="big"><b>no test had a device</b></p></section>'
        )
    makespan_s = review.get("makespan_s") or figures.length_s
    ratio, bound_s = review.get("ratio"), review.get("bound_s")
    waits_s = figures.waits_s
    waited = (
        f"{counted(len(waits_s), 'test')} waited for a device, "
        f"{time(sum(waits_s))} in all, {time(max(waits_s))} at most"
        if waits_s
        else "no test waited for a device"
    )
    if ratio and bound_s:
        bound = (
            f'<svg class="bound" viewBox="0 0 1000 14" preserveAspectRatio="none" role="img" '
            f'aria-label="Lower bound and makespan">'
            f'<rect class="over" width="1000" height="14"/>'
            f'<rect class="under" width="{1000 * min(1.0, bound_s / makespan_s):.0f}" height="14"/></svg>'
            f"<p><b>{ratio:.2f} × the lower bound</b>: no order of these tests on these devices ends sooner than "
            f"{time(bound_s)}{escaped(_reason(review))}.</p>"
        )
    else:
        bound = ""
    return (
        f'<section class="card tile" aria-label="Makespan"><p class="big"><b>{time(makespan_s)}</b> '
        f'<span class="dim">from first dispatch to last result</span></p>{bound}<p class="dim">{waited}</p></section>'
    )


def _reason(review: Mapping[str, Any]) -> str:
    """What takes that long."""
    if review.get("bound_kind") == "chain":
        return ": one test, with its attempts, takes that long"
    if review.get("bound_kind") == "workers" and review.get("workers"):
        return f": the work of {counted(review['workers'], 'worker')} takes that long"
    tight: Sequence[str] = review.get("tight") or ()
    if not tight:
        return ""
    names = ", ".join(shown(device, 40) for device in tight[:_NAMED])
    if len(tight) > _NAMED:
        names += f" and {counted(len(tight) - _NAMED, 'more', 'more')}"
    return f": the work that needs {names} takes that long"


def _shares(figures: Figures) -> str:
    shares = figures.shares
    parts = [(part, share) for part, share in shares.items() if share or part in ("tests", "setup", "idle")]
    words = "".join(
        f'<li class="{part}"><i></i>{_PARTS[part]} <b>{percent(share)}</b></li>' for part, share in parts
    )
    return (
        f'<section class="card tile" aria-label="Where the time of the devices went"><p class="big">'
        f'<b>{percent(figures.utilisation)}</b> <span class="dim">of the devices\' time in use, '
        f"{figures.used} of {len(figures.devices)} used</span></p>"
        f"{_stack(parts, 'Where the time of the devices went')}"
        f'<ul class="parts">{words}</ul></section>'
    )


def _stack(parts: Sequence[tuple[str, float]], label: str) -> str:
    """A bar of parts that fill it."""
    whole = sum(size for _, size in parts) or 1
    left, drawn = 0.0, ""
    for name, size in parts:
        width = 1000 * size / whole
        if size:
            drawn += f'<rect class="{name}" x="{left:.1f}" width="{width:.1f}" height="14"/>'
        left += width
    return (
        f'<svg class="stack" viewBox="0 0 1000 14" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f'<rect class="rest" width="1000" height="14"/>{drawn}</svg>'
    )


def _violations(found: Sequence[object]) -> str:
    if not found:
        return ""
    items = "".join(f"<li>{escaped(item)}</li>" for item in found)
    return f'<div class="card wrong" role="note"><b>What must not be</b><ul class="notes">{items}</ul></div>'


def toolbar(figures: Figures) -> str:
    """Legend and filters in one, search, zoom. The script shows what works only with it."""
    outcomes = [row["outcome"] for row in figures.rows]
    chips = "".join(
        f'<button type="button" class="chip {outcome}" data-outcome="{outcome}" aria-pressed="true" disabled>'
        f"<i></i>{outcome} <b>{counted(outcomes.count(outcome))}</b></button>"
        for outcome in OUTCOMES
        if outcome in outcomes
    )
    # One that is always there shows what a colour means; the script alone can switch it.
    legend = (
        '<span class="key session"><i></i>session</span><span class="key fixture"><i></i>fixtures</span>'
        '<button type="button" class="chip wait" data-layer="waits" aria-pressed="true" disabled><i></i>waits</button>'
    )
    if figures.outages:
        legend += '<span class="key out"><i></i>not available</span>'
    return (
        f'<div class="tools"><div class="chips" role="group" aria-label="Outcomes shown">{chips}{legend}</div>'
        '<div class="moving" hidden><label class="hidden" for="search">Search tests</label>'
        '<span class="seek"><input id="search" type="search" placeholder="search tests, devices" autocomplete="off" '
        'spellcheck="false"><output id="count" class="dim" for="search"></output></span>'
        '<span class="buttons" role="group" aria-label="View">'
        '<button type="button" id="critical" aria-pressed="false">critical path</button>'
        '<button type="button" id="every" aria-pressed="false">list</button>'
        '<button type="button" id="out" aria-label="zoom out">−</button>'
        '<button type="button" id="in" aria-label="zoom in">+</button>'
        '<button type="button" id="reset">reset</button></span></div></div>'
    )
