"""``farm.html``: one page about the run, a lane per device. Offline: no script from elsewhere, no font, no image."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_autorl.dispatch.trace import busy_s

#: Text of a lane's bar is shown only where it has room: share of the run's length.
_LABEL_SHARE = 0.06
#: Shorter waits are not drawn, seconds: everybody waits a moment.
_WAIT_S = 0.05
#: A lane has so much width for each of its tests, at most so much in all, pixels.
_BAR_PX, _WIDEST_PX = 7, 12_000

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--dim:#5f6b7c;--line:#e0e5ec;--back:#f5f7fa;--card:#fff;--track:#eef1f6;
--passed:#23875a;--failed:#cf3b3b;--skipped:#8a7a2e;--lost:#7a4fd0;--gone:#5b33ab;--wait:#d9820b;--warn:#a15c00;--setup:rgba(0,0,0,.3)}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ef;--dim:#98a2b3;--line:#2b3442;--back:#12161d;--card:#1a2029;
--track:#232b37;--passed:#2b8f63;--failed:#d65151;--skipped:#94853a;--lost:#8b66dd;--gone:#6a45bd;--wait:#e8a03a;--warn:#e8a03a;--setup:rgba(0,0,0,.34)}}
*{box-sizing:border-box}body{margin:0;padding:28px;background:var(--back);color:var(--ink);
font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:20px;margin:0 0 4px}h2{font-size:15px;margin:28px 0 10px}.dim{color:var(--dim)}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px;overflow-x:auto}
.facts{display:flex;flex-wrap:wrap;gap:10px 28px;margin-top:16px}.facts b{display:block;font-size:20px}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:0 0 10px;font-size:13px;align-items:center}
.legend i{display:inline-block;width:14px;height:12px;border-radius:3px;margin-right:6px;vertical-align:-1px}
.legend .wait{position:static;height:5px;vertical-align:2px}
.lane{display:grid;grid-template-columns:190px minmax(420px,1fr) 44px;align-items:center;gap:12px;margin:5px 0}
.name{text-align:right;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;position:sticky;left:-18px;
background:var(--card);padding-left:18px;z-index:1}
.name small{display:block;color:var(--dim);overflow:hidden;text-overflow:ellipsis}
.note{grid-column:2;margin:-10px 0 4px;font-size:12px;color:var(--warn);font-weight:600}
.share{color:var(--dim);font-variant-numeric:tabular-nums}
.track{position:relative;height:38px;border-radius:6px;
background:linear-gradient(90deg,var(--line) 1px,transparent 1px) 0 0/20% 100% var(--track)}
.bar{position:absolute;top:3px;height:25px;min-width:3px;border-radius:4px;overflow:hidden;color:#fff;
font-size:11px;line-height:25px;padding:0 5px;white-space:nowrap;text-overflow:ellipsis;box-shadow:inset -1px 0 var(--card)}
.bar i{position:absolute;left:0;top:0;bottom:0;background:var(--setup)}.bar span{position:relative}
.bar:hover,.wait:hover{outline:2px solid var(--ink);z-index:1}
.passed{background:var(--passed)}.failed{background:var(--failed)}.skipped{background:var(--skipped)}
.lost{background:repeating-linear-gradient(135deg,var(--lost) 0 6px,var(--gone) 6px 12px);border-right:4px solid var(--failed)}
.wait{position:absolute;bottom:3px;height:5px;min-width:2px;border-radius:2px;background:var(--wait);opacity:.65}
.axis{position:relative;height:18px;color:var(--dim);font-size:11px}
.axis span{position:absolute;transform:translateX(-50%);white-space:nowrap}
.axis span:first-child{transform:none}.axis span:last-child{transform:translateX(-100%)}
table{border-collapse:collapse;width:100%}th,td{padding:6px 10px;border-bottom:1px solid var(--line);text-align:left}
th{color:var(--dim);font-weight:600}th.n,td.n{text-align:right;font-variant-numeric:tabular-nums}tr:last-child td{border:0}
"""


@dataclass(frozen=True)
class Lane:
    """A device of the farm.

    Attributes:
        about: What it is.
        note: Its status at the end, with the reason; "" when it is available.
    """

    name: str
    about: str = ""
    note: str = ""


def page(
    rows: Sequence[Mapping[str, Any]], lanes: Sequence[Lane], *, run: str, source: str, version: str
) -> str:
    """The whole page.

    Args:
        rows: Rows of the trace, each with ``waited``, the seconds that its test waited for its devices.
        lanes: Every device of the farm, in their order.
        run: Name of the run.
        source: Where the farm comes from.
    """
    length_s = max((row["end"] for row in rows), default=0.0) or 1.0
    legend = "".join(
        f'<span><i class="{word}"></i>{word}</span>' for word in ("passed", "failed", "skipped", "lost")
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>farm: {_e(run)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head><body>'
        f'<h1>Devices of run {_e(run)}</h1><div class="dim">farm {_e(source)} · pytest-autorl {_e(version)}</div>'
        f"{_facts(rows, lanes, length_s)}"
        f'<h2>Lanes</h2><div class="legend dim">{legend}<span><i class="wait"></i>a test waits for the device</span>'
        f"<span>darker part of a bar: session and set-up</span></div>"
        f'<div class="card">{_lanes(rows, lanes, length_s)}</div>{_failures(rows)}{_slowest(rows)}</body></html>'
    )


def _e(value: object) -> str:
    return html.escape(str(value), quote=True)


def _facts(rows: Sequence[Mapping[str, Any]], lanes: Sequence[Lane], length_s: float) -> str:
    busy = busy_s(rows)
    share = sum(busy.values()) / (length_s * max(1, len(lanes)))
    outcomes = [row["outcome"] for row in rows]
    waits_s = [row["waited"] for row in rows if row["waited"] > _WAIT_S]
    facts: list[tuple[object, str]] = [(len(rows), "attempts with a device")]
    facts += [
        (outcomes.count(word), word)
        for word in ("passed", "failed", "skipped", "lost")
        if word in outcomes or word in ("passed", "failed")
    ]
    facts += [
        (_time(length_s), "from first dispatch to last result"),
        (f"{len(busy)} of {len(lanes)}", "devices used"),
        (f"{share:.0%}", "of the farm's time in use"),
        (_time(sum(waits_s)), f"waited for devices, by {len(waits_s)} test{'s' * (len(waits_s) != 1)}"),
    ]
    cells = "".join(
        f'<div><b>{_e(value)}</b><span class="dim">{label}</span></div>' for value, label in facts
    )
    return f'<div class="card facts">{cells}</div>'


def _lanes(rows: Sequence[Mapping[str, Any]], lanes: Sequence[Lane], length_s: float) -> str:
    busy = busy_s(rows)
    by_device: dict[str, list[Mapping[str, Any]]] = {lane.name: [] for lane in lanes}
    for row in rows:
        for device in row["devices"]:
            by_device.setdefault(device, []).append(row)
    # Where thousands of tests share a lane it grows wider than the window, and can be scrolled.
    width_px = min(_WIDEST_PX, _BAR_PX * max(map(len, by_device.values()), default=0))
    drawn = "".join(
        _lane(lane, by_device[lane.name], length_s, busy.get(lane.name, 0.0) / length_s) for lane in lanes
    )
    return f'<div style="min-width:{width_px}px">{drawn}{_axis(length_s)}</div>'


def _lane(lane: Lane, rows: Sequence[Mapping[str, Any]], length_s: float, share: float) -> str:
    waits = "".join(_wait(row, length_s) for row in rows if row["waited"] > _WAIT_S)
    bars = "".join(_bar(row, length_s) for row in rows)
    note = f'<div class="note">{_e(lane.note)}</div>' if lane.note else ""
    return (
        f'<div class="lane"><div class="name">{_e(lane.name)}<small>{_e(lane.about)}</small></div>'
        f'<div class="track">{waits}{bars}</div><div class="share">{share:.0%}</div>{note}</div>'
    )


def _bar(row: Mapping[str, Any], length_s: float) -> str:
    took = row["end"] - row["start"]
    setup = 100 * row["setup"] / took if took > 0 else 0.0
    label = f"<span>{_e(_short(row))}</span>" if took / length_s >= _LABEL_SHARE else ""
    return (
        f'<div class="bar {_e(row["outcome"])}" style="{_at(row["start"], row["end"], length_s)}" title="{_e(_tip(row))}">'
        f'<i style="width:{setup:.2f}%"></i>{label}</div>'
    )


def _wait(row: Mapping[str, Any], length_s: float) -> str:
    begun = max(0.0, row["start"] - row["waited"])
    tip = f"{row['test']}\nwaits {row['waited']:.3f} s for a device (needs {row['class']}), worker {row['worker']}"
    return f'<div class="wait" style="{_at(begun, row["start"], length_s)}" title="{_e(tip)}"></div>'


def _at(start: float, end: float, length_s: float) -> str:
    return f"left:{100 * start / length_s:.4f}%;width:{100 * (end - start) / length_s:.4f}%"


def _short(row: Mapping[str, Any]) -> str:
    return str(row["test"]).rpartition("::")[2]


def _tip(row: Mapping[str, Any]) -> str:
    took = row["end"] - row["start"]
    blame = f", blame {row['blame']}" if row["blame"] else ""
    several = f"\non {', '.join(row['devices'])}" if len(row["devices"]) > 1 else ""
    return (
        f"{row['test']}\n{row['outcome']}{blame}, attempt {row['attempt']}, {took:.3f} s (set-up {row['setup']:.3f} s)"
        f"\nneeds {row['class']}, worker {row['worker']}, waited {row['waited']:.3f} s"
        f"\nfrom {row['start']:.3f} s to {row['end']:.3f} s{several}"
    )


def _axis(length_s: float) -> str:
    marks = "".join(f'<span style="left:{20 * i}%">{_time(length_s * i / 5)}</span>' for i in range(6))
    return f'<div class="lane"><div></div><div class="axis">{marks}</div><div></div></div>'


def _time(seconds: float) -> str:
    """Seconds for people.

    >>> _time(9.96), _time(150), _time(7500)
    ('10.0 s', '2 min 30 s', '2 h 05 min')
    """
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes = round(seconds) // 60
    return (
        f"{minutes} min {round(seconds) % 60:02} s"
        if minutes < 120
        else f"{minutes // 60} h {minutes % 60:02} min"
    )


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    body = "".join(
        f"<tr><td>{_e(row['test'])}</td><td>{_e(', '.join(row['devices']))}</td><td>{_e(row['class'])}</td>"
        f"<td>{_e(row['outcome'])}{_e(' (' + row['blame'] + ')') if row['blame'] else ''}</td>"
        f'<td class="n">{row["waited"]:.3f}</td><td class="n">{row["setup"]:.3f}</td><td class="n">{row["end"] - row["start"]:.3f}</td></tr>'
        for row in rows
    )
    head = '<tr><th>test</th><th>device</th><th>need</th><th>outcome</th><th class="n">waited, s</th><th class="n">set-up, s</th><th class="n">in all, s</th></tr>'
    return f'<h2>{title}</h2><div class="card"><table>{head}{body}</table></div>'


def _slowest(rows: Sequence[Mapping[str, Any]]) -> str:
    return _table("Slowest", sorted(rows, key=lambda row: row["start"] - row["end"])[:10])


def _failures(rows: Sequence[Mapping[str, Any]]) -> str:
    return _table("Failures", [row for row in rows if row["outcome"] in ("failed", "lost")])
