"""The page as a whole: head with figures, lanes, tables, style and script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from pytest_autorl.capture.farm_page import drawing, head, tables
from pytest_autorl.capture.farm_page.figures import Figures, Row
from pytest_autorl.capture.farm_page.lane import Lane, Outage, every_lane
from pytest_autorl.capture.farm_page.packed import packed
from pytest_autorl.capture.farm_page.text import escaped
from pytest_autorl.capture.sink import Own

_SCRIPTS = ("data.js", "chart.js", "overview.js", "pointer.js", "list.js", "controls.js")


def page(
    rows: Sequence[Row],
    lanes: Sequence[Lane],
    *,
    run: str,
    source: str,
    version: str,
    review: Mapping[str, Any] | None = None,
    outages: Sequence[Mapping[str, Any]] = (),
    lost_notes: Sequence[object] = (),
) -> str:
    """The whole page, as `parts` make it."""
    return "".join(
        parts(
            rows,
            lanes,
            run=run,
            source=source,
            version=version,
            review=review,
            outages=outages,
            lost_notes=lost_notes,
        )
    )


def parts(
    rows: Sequence[Row],
    lanes: Sequence[Lane],
    *,
    run: str,
    source: str,
    version: str,
    review: Mapping[str, Any] | None = None,
    outages: Sequence[Mapping[str, Any]] = (),
    lost_notes: Sequence[object] = (),
) -> list[str]:
    """The page in parts; style and script are `sink.Own`, and what stands in between ends with whole tags.

    Args:
        rows: Rows of the trace. Each may have ``waited``, the seconds that its test waited for its devices, and
            ``why``, the reason for which it was chosen.
        lanes: Every device of the farm, in their order.
        run: Name of the run.
        source: Where the farm comes from.
        review: What is known of the run as a whole: lower bound, critical path. None: what the rows tell.
        outages: Times in which a device could not be had: device, start, end or None, why.
        lost_notes: Sentences about the losses.
    """
    review = review or {}
    gone = [Outage.of(outage) for outage in outages]
    named = [device for row in rows for device in row["devices"]]
    shown = every_lane(lanes, [*named, *(outage.device for outage in gone)])
    length_s = max((row["end"] for row in rows), default=0.0) or 1.0
    gone = [outage for outage in gone if outage.start < length_s]
    figures = Figures(rows, shown, gone, length_s)
    steps = review.get("critical_path") or ()
    places = _places(rows, steps)
    data = packed(
        rows, shown, gone, length_s=length_s, critical=[place for place in places if place is not None]
    )
    begin, style, script = own()
    body = (
        "</head><body><main>"
        f"{head.head(figures, review, run=run, source=source, version=version)}"
        f"{_chart(figures)}{tables.failures(rows, lost_notes)}{tables.devices(figures)}"
        f"{tables.critical_path(steps, places)}{tables.longest(rows)}{tables.every_attempt(rows)}"
        f'</main><div id="tip" role="tooltip" hidden></div>'
        f'<script type="application/json" id="data">{data}</script>'
    )
    return [
        begin,
        f'<title>farm: {escaped(run)}</title><meta name="viewport" content="width=device-width,initial-scale=1">',
        style,
        body,
        script,
    ]


def own() -> tuple[Own, Own, Own]:
    """What every page has alike, in whole lines: its begin, its style, its script and end."""
    style, script = _file("page.css"), _script()
    begin = '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    return (
        Own(f'{begin}<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">\n'),
        Own(f"\n<style>{style}</style>\n"),
        Own(f"\n<script>{script}</script></body></html>\n"),
    )


def _chart(figures: Figures) -> str:
    return (
        '<section aria-labelledby="lanes-title"><h2 id="lanes-title">Lanes</h2>'
        f'{head.toolbar(figures)}<div class="card chart"><div id="over" class="moving" hidden>'
        '<canvas id="overview" aria-hidden="true"></canvas></div>'
        '<div id="scroll" tabindex="0" role="region" aria-labelledby="lanes-title" aria-describedby="keys">'
        '<div id="glass" hidden><canvas id="canvas" aria-hidden="true"></canvas></div>'
        f"{drawing.lanes(figures)}</div>"
        '<p id="keys" class="dim moving" hidden>Drag moves, <kbd>Ctrl</kbd> + wheel or double click zooms. '
        "Keys: <kbd>←</kbd> <kbd>→</kbd> <kbd>↑</kbd> <kbd>↓</kbd> from test to test, <kbd>Enter</kbd> its attempts, "
        "<kbd>+</kbd> <kbd>−</kbd> zoom, <kbd>Shift</kbd> with an arrow moves, <kbd>0</kbd> shows all, "
        "<kbd>/</kbd> searches, <kbd>Esc</kbd> clears.</p>"
        '<div id="said" class="hidden" role="status" aria-live="polite"></div></div>'
        '<div id="found" class="card scroll" hidden></div></section>'
    )


def _places(rows: Sequence[Row], steps: Sequence[Mapping[str, Any]]) -> list[int | None]:
    """The row of each step of the critical path: of its test, the one that starts nearest."""
    by_test: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        by_test.setdefault(row["test"], []).append(place)
    return [
        min(
            by_test.get(step["test"], ()),
            key=lambda place, start=step["start"]: abs(rows[place]["start"] - start),
            default=None,
        )
        for step in steps
    ]


def _policy(style: str, script: str) -> str:
    """What the browser may load: nothing but the page's own style and script."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _script() -> str:
    """One block of the files, in which their names stay."""
    return '"use strict";\n{\n' + "\n".join(_file(name) for name in _SCRIPTS) + "}\n"


@cache
def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
