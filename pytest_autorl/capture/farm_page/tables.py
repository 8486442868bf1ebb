"""The tables below the lanes, whole without scripts. The script makes their tests links into the drawing, and sorts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_autorl.capture.farm_page.figures import DeviceFigures, Figures, Row, waited_s
from pytest_autorl.capture.farm_page.text import counted, escaped, percent, time

#: So many rows of failures, and of attempts where scripts are off.
_MOST_FAILURES, _MOST_STILL = 200, 500
_LONGEST = 10

_Numbered = tuple[int, Row]


def devices(figures: Figures) -> str:
    """A row for each device."""
    has_outages = any(device.out_s for device in figures.devices)
    heads = ["device", "what", "#attempts", "#in use", "#set-up", "#idle"]
    heads += ["#not available"] if has_outages else []
    heads += ["#utilisation", "#failed", "#lost", "at the end"]
    body = "".join(f"<tr>{_device(device, has_outages)}</tr>" for device in figures.devices)
    return _section(
        "Devices", "devices", f'<table class="sortable">{_head(heads)}<tbody>{body}</tbody></table>'
    )


def _device(device: DeviceFigures, has_outages: bool) -> str:
    out = [_seconds(device.out_s)] if has_outages else []
    share = device.utilisation
    meter = (
        f'<td class="n meter" data-value="{share:.6f}">{percent(share)}'
        f'<svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rest" width="100" height="6"/><rect width="{100 * share:.1f}" height="6"/></svg></td>'
    )
    lane = device.lane
    return "".join(
        [
            f'<th scope="row">{escaped(lane.name)}</th><td class="dim">{escaped(lane.about)}</td>',
            _number(device.attempts),
            *map(_seconds, (device.busy_s, device.setup_s, device.idle_s)),
            *out,
            meter,
            _number(device.failed, "bad"),
            _number(device.lost, "bad"),
            f'<td class="note">{escaped(lane.note)}</td>',
        ]
    )


def failures(rows: Sequence[Row], lost_notes: Sequence[object]) -> str:
    """What failed and what was lost, with what is known of the losses."""
    found = [(place, row) for place, row in enumerate(rows) if row["outcome"] in ("failed", "lost")]
    notes = "".join(f"<li>{escaped(note)}</li>" for note in lost_notes)
    told = f'<ul class="notes">{notes}</ul>' if notes else ""
    if not found:
        return _section("Losses", "failures", told) if told else ""
    return _section("Failures and losses", "failures", told + _attempts(found, _MOST_FAILURES))


def critical_path(steps: Sequence[Mapping[str, Any]], places: Sequence[int | None]) -> str:
    """The chain of attempts that ends last.

    Args:
        places: The row of each step; None where no row is known.
    """
    if not steps:
        return ""
    body = "".join(
        f"<tr><td>{_test(step['test'], place)}</td>{_devices(step)}"
        f"{_seconds(step['waited'])}{_seconds(step['start'])}{_seconds(step['end'])}"
        f"{_seconds(step['end'] - step['start'])}</tr>"
        for step, place in zip(steps, places, strict=True)
    )
    head = _head(["test", "device", "#gap before", "#from", "#to", "#in all"])
    said = (
        '<p class="dim">What the end of the run hung on: each of these began when the one before it '
        "had left a device or a worker.</p>"
    )
    return _section("Critical path", "critical", f"{said}<table>{head}<tbody>{body}</tbody></table>")


def longest(rows: Sequence[Row]) -> str:
    """The attempts that took longest."""
    if not rows:
        return ""
    by_length = sorted(enumerate(rows), key=lambda numbered: numbered[1]["start"] - numbered[1]["end"])
    return _section("Longest", "longest", _attempts(by_length[:_LONGEST], _LONGEST))


def every_attempt(rows: Sequence[Row]) -> str:
    """For those who see no script's list."""
    table = _attempts(sorted(enumerate(rows), key=lambda numbered: numbered[1]["start"]), _MOST_STILL)
    return f"<noscript>{_section('Attempts', 'every', table)}</noscript>" if rows else ""


def _attempts(numbered: Sequence[_Numbered], most: int) -> str:
    body = "".join(
        f"<tr><td>{_test(row['test'], place)}</td>{_devices(row)}"
        f'<td class="need">{escaped(row["class"])}</td>'
        f"{_number(row['attempt'])}<td>{_outcome(row)}</td>"
        f"{_seconds(waited_s(row))}{_seconds(row['setup'])}{_seconds(row['end'] - row['start'])}</tr>"
        for place, row in numbered[:most]
    )
    head = _head(["test", "device", "need", "#attempt", "outcome", "#waited", "#set-up", "#in all"])
    rest = len(numbered) - most
    more = f'<p class="dim">and {counted(rest, "more", "more")}, see trace.jsonl</p>' if rest > 0 else ""
    return f"<table>{head}<tbody>{body}</tbody></table>{more}"


def _section(title: str, name: str, body: str) -> str:
    return (
        f'<section aria-labelledby="{name}-title"><h2 id="{name}-title">{title}</h2>'
        f'<div class="card scroll" tabindex="0" role="region" aria-labelledby="{name}-title">{body}</div></section>'
    )


def _head(names: Iterable[str]) -> str:
    """Heads of columns; those of numbers begin with #."""
    cells = "".join(
        f'<th scope="col" class="n">{name[1:]}</th>' if name[0] == "#" else f'<th scope="col">{name}</th>'
        for name in names
    )
    return f"<thead><tr>{cells}</tr></thead>"


def _test(test: object, place: int | None) -> str:
    place_given = "" if place is None else f' data-attempt="{place}"'
    return f'<span class="test"{place_given}>{escaped(test)}</span>'


def _devices(row: Mapping[str, Any]) -> str:
    names = ", ".join(f'<span class="one">{escaped(device)}</span>' for device in row["devices"])
    return f"<td>{names}</td>"


def _outcome(row: Row) -> str:
    blame = f' <span class="dim">{escaped(row["blame"])}</span>' if row["blame"] else ""
    return f'<span class="word {escaped(row["outcome"])}">{escaped(row["outcome"])}</span>{blame}'


def _seconds(seconds: float) -> str:
    return f'<td class="n" data-value="{seconds:.6f}">{time(seconds)}</td>'


def _number(number: int, kind: str = "") -> str:
    name = f"n {kind}" if kind and number else "n"
    return f'<td class="{name}" data-value="{number}">{number}</td>'
