"""``farm.html``: one page about the run, a lane per device. Offline: no script from elsewhere, no font, no image."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_autorl.dispatch.trace import busy_s

#: Text of a lane's bar is shown only where it has room: share of the run's length.
_LABEL_SHARE = 0.06

_STYLE = """
:root{--ink:#1c2430;--dim:#667085;--line:#e3e7ee;--back:#f7f8fa;--card:#fff;
--passed:#2e9e6b;--failed:#d64545;--skipped:#b9a13b;--lost:#7a5bd1;--setup:rgba(255,255,255,.38)}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ef;--dim:#98a2b3;--line:#2b3442;--back:#12161d;--card:#1a2029}}
*{box-sizing:border-box}body{margin:0;padding:28px;background:var(--back);color:var(--ink);
font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:20px;margin:0 0 4px}h2{font-size:15px;margin:28px 0 10px}.dim{color:var(--dim)}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px;overflow-x:auto}
.facts{display:flex;flex-wrap:wrap;gap:10px 28px;margin-top:14px}.facts b{display:block;font-size:20px}
.lane{display:grid;grid-template-columns:170px minmax(420px,1fr) 64px;align-items:center;gap:12px;margin:5px 0}
.name{text-align:right;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}.name small{display:block;color:var(--dim)}
.track{position:relative;height:30px;background:var(--back);border-radius:6px}
.bar{position:absolute;top:3px;bottom:3px;min-width:2px;border-radius:4px;overflow:hidden;color:#fff;
font-size:11px;line-height:24px;padding:0 4px;white-space:nowrap;text-overflow:ellipsis;border-right:1px solid var(--card)}
.bar i{position:absolute;left:0;top:0;bottom:0;background:var(--setup)}.bar span{position:relative}
.passed{background:var(--passed)}.failed{background:var(--failed)}.skipped{background:var(--skipped)}.lost{background:var(--lost)}
.axis{position:relative;height:18px;color:var(--dim);font-size:11px}
.axis span{position:absolute;transform:translateX(-50%);white-space:nowrap}
.legend span{display:inline-block;width:10px;height:10px;border-radius:3px;margin:0 5px 0 14px}
table{border-collapse:collapse;width:100%}th,td{padding:6px 10px;border-bottom:1px solid var(--line);text-align:left}
th{color:var(--dim);font-weight:600}th.n,td.n{text-align:right;font-variant-numeric:tabular-nums}
"""


def page(
    rows: Sequence[Mapping[str, Any]],
    devices: Sequence[tuple[str, str]],
    *,
    run: str,
    source: str,
    version: str,
) -> str:
    """The whole page.

    Args:
        rows: Rows of the trace.
        devices: Id and description of every device of the farm, in the order of its lanes.
        run: Name of the run.
        source: Where the farm comes from.
    """
    length_s = max((row["end"] for row in rows), default=0.0) or 1.0
    busy = busy_s(rows)
    lanes = "".join(_lane(name, about, rows, length_s, busy.get(name, 0.0)) for name, about in devices)
    used = len(busy)
    share = sum(busy.values()) / (length_s * max(1, len(devices)))
    outcomes = [row["outcome"] for row in rows]
    facts = "".join(
        f'<div><b>{value}</b><span class="dim">{label}</span></div>'
        for value, label in (
            (len(rows), "attempts with a device"),
            (outcomes.count("passed"), "passed"),
            (outcomes.count("failed"), "failed"),
            (f"{length_s:.1f} s", "from first dispatch to last result"),
            (f"{used} of {len(devices)}", "devices used"),
            (f"{share:.0%}", "of the farm's time in use"),
        )
    )
    legend = "".join(
        f'<span class="{word}"></span>{word}' for word in ("passed", "failed", "skipped", "lost")
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>farm: {_e(run)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head><body>'
        f'<h1>Devices of run {_e(run)}</h1><div class="dim">farm {_e(source)} · pytest-autorl {_e(version)}</div>'
        f'<div class="card facts" style="margin-top:16px">{facts}</div>'
        f'<h2>Lanes <span class="legend dim">{legend} · lighter part of a bar: session and set-up</span></h2>'
        f'<div class="card">{lanes}{_axis(length_s)}</div>{_slowest(rows)}{_failures(rows)}</body></html>'
    )


def _e(value: object) -> str:
    return html.escape(str(value), quote=True)


def _lane(name: str, about: str, rows: Sequence[Mapping[str, Any]], length_s: float, busy: float) -> str:
    bars = "".join(_bar(row, length_s) for row in rows if name in row["devices"])
    return (
        f'<div class="lane"><div class="name">{_e(name)}<small>{_e(about)}</small></div>'
        f'<div class="track">{bars}</div><div class="dim">{busy / length_s:.0%}</div></div>'
    )


def _bar(row: Mapping[str, Any], length_s: float) -> str:
    took = row["end"] - row["start"]
    left, width = 100 * row["start"] / length_s, 100 * took / length_s
    setup = 100 * row["setup"] / took if took > 0 else 0.0
    short = row["test"].rpartition("::")[2]
    label = f"<span>{_e(short)}</span>" if took / length_s >= _LABEL_SHARE else ""
    blame = f", blame {row['blame']}" if row["blame"] else ""
    tip = (
        f"{row['test']}\n{row['outcome']}{blame}, attempt {row['attempt']}, {took:.3f} s (set-up {row['setup']:.3f} s)"
        f"\nneeds {row['class']}, worker {row['worker']}, at {row['start']:.3f} s"
    )
    return (
        f'<div class="bar {_e(row["outcome"])}" style="left:{left:.4f}%;width:{width:.4f}%" title="{_e(tip)}">'
        f'<i style="width:{setup:.2f}%"></i>{label}</div>'
    )


def _axis(length_s: float) -> str:
    marks = "".join(f'<span style="left:{20 * i}%">{length_s * i / 5:.1f} s</span>' for i in range(6))
    return f'<div class="lane"><div></div><div class="axis">{marks}</div><div></div></div>'


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    body = "".join(
        f"<tr><td>{_e(row['test'])}</td><td>{_e(', '.join(row['devices']))}</td><td>{_e(row['class'])}</td>"
        f"<td>{_e(row['outcome'])}{_e(' (' + row['blame'] + ')') if row['blame'] else ''}</td>"
        f'<td class="n">{row["setup"]:.3f}</td><td class="n">{row["end"] - row["start"]:.3f}</td></tr>'
        for row in rows
    )
    head = '<tr><th>test</th><th>device</th><th>need</th><th>outcome</th><th class="n">set-up, s</th><th class="n">in all, s</th></tr>'
    return f'<h2>{title}</h2><div class="card"><table>{head}{body}</table></div>'


def _slowest(rows: Sequence[Mapping[str, Any]]) -> str:
    return _table("Slowest", sorted(rows, key=lambda row: row["start"] - row["end"])[:10])


def _failures(rows: Sequence[Mapping[str, Any]]) -> str:
    return _table("Failures", [row for row in rows if row["outcome"] in ("failed", "lost")])
