"""The lanes as a list of small SVG drawings: what is printed, and what is seen where scripts are off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_autorl.capture.farm_page.figures import OUTCOMES, WAIT_S, DeviceFigures, Figures, waited_s
from pytest_autorl.capture.farm_page.text import escaped, percent, time

#: Width of a drawing, in its own units.
_WIDTH = 10_000
#: Tops and heights of what a lane shows, of 24.
_BAR, _WAIT, _OUT = (2, 16), (20, 3), (0, 24)
#: A bar that is wider leaves this much of a gap to its follower.
_WIDE, _GAP = 40, 10
#: Shown with two lines of text for each lane, with one, with a low one.
_TWO_LINES, _ONE_LINE = 24, 80
_TICKS = 6


def lanes(figures: Figures) -> str:
    """The list, and the axis below it."""
    count = len(figures.devices)
    height = "tall" if count <= _TWO_LINES else "mid" if count <= _ONE_LINE else "low"
    items = "".join(_lane(device, figures) for device in figures.devices)
    ticks = "".join(f"<span>{time(figures.length_s * n / (_TICKS - 1))}</span>" for n in range(_TICKS))
    return f'<ol id="lanes" class="{height}">{items}</ol><div class="ticks still" aria-hidden="true">{ticks}</div>'


def _lane(device: DeviceFigures, figures: Figures) -> str:
    lane = device.lane
    about = (
        f'<small class="note">{escaped(lane.note)}</small>'
        if lane.note
        else f"<small>{escaped(lane.about)}</small>"
    )
    hint = escaped(" · ".join(filter(None, (lane.name, lane.about, lane.note))))
    return (
        f'<li class="lane"><span class="name" title="{hint}"><b>{escaped(lane.name)}</b>{about}</span>'
        f'<span class="use">{percent(device.utilisation)}</span>'
        f'<svg class="still" viewBox="0 0 {_WIDTH} 24" preserveAspectRatio="none" aria-hidden="true">'
        f"{_paths(device, figures)}</svg></li>"
    )


def _paths(device: DeviceFigures, figures: Figures) -> str:
    scale = _WIDTH / figures.length_s
    rows = figures.by_device[device.lane.name]
    outages = figures.outages.get(device.lane.name, ())
    out = [(o.start, figures.length_s if o.end is None else o.end) for o in outages]
    waits = [(max(0.0, row["start"] - waited_s(row)), row["start"]) for row in rows if waited_s(row) > WAIT_S]
    setups = [
        (row["start"], min(row["end"], row["start"] + row["setup"])) for row in rows if row["setup"] > 0
    ]
    drawn = [_path("out", _OUT, out, scale), _path("wait", _WAIT, waits, scale)]
    for outcome in OUTCOMES[:-1]:
        spans = [(row["start"], row["end"]) for row in rows if row["outcome"] == outcome]
        drawn.append(_path(f"bar {outcome}", _BAR, spans, scale))
    # Few, and each of them matters: a path of its own, drawn over the others.
    drawn += [
        _path("bar lost", _BAR, [(row["start"], row["end"])], scale)
        for row in rows
        if row["outcome"] == "lost"
    ]
    return "".join([*drawn, _path("setup", _BAR, setups, scale)])


def _path(name: str, band: tuple[int, int], spans: Sequence[tuple[float, float]], scale: float) -> str:
    if not spans:
        return ""
    top, height = band
    steps = "".join(f"M{left} {top}h{width}v{height}h-{width}z" for left, width in _merged(spans, scale))
    return f'<path class="{name}" d="{steps}"/>'


def _merged(spans: Iterable[tuple[float, float]], scale: float) -> list[tuple[int, int]]:
    """Left edges and widths; what touches and is too narrow to be told apart becomes one."""
    merged: list[list[int]] = []
    for start, end in sorted(spans):
        left, right = round(start * scale), round(end * scale)
        right = max(left + 1, right - _GAP if right - left > _WIDE else right)
        if merged and left <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], right)
        else:
            merged.append([left, right])
    return [(left, right - left) for left, right in merged]
