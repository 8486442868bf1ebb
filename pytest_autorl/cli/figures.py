"""What `autorl runs` tells people of a run: the lines for its figures, see `dispatch.review.Review.to_dict`.

The figures are read from a state or a file that another version may have written, so every one may be missing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_autorl.capture.retry_lines import failure_line
from pytest_autorl.cli.output import table
from pytest_autorl.cli.status import iso

if TYPE_CHECKING:
    from pytest_autorl.state.engine import RunRow

#: Ids of tests can be of any length; a table shows so many characters of a text.
_LONGEST = 60
#: Characters of a full bar.
_BAR = 20
#: So many steps of the critical path, long tests and troubles are listed.
_STEPS = 12
_LISTED = 5
_GAPS = 3


def facts_of(run: RunRow) -> dict[str, Any]:
    """What was said of a run at its end; empty when nothing was that can be read."""
    try:
        found = json.loads(run.facts)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def run_data(run: RunRow) -> dict[str, Any]:
    """A run for programs, without its figures."""
    return {
        "id": run.id,
        "suite": run.suite,
        "begun": iso(run.begun_at_s),
        "ended": iso(run.ended_at_s),
        "took_s": round(run.ended_at_s - run.begun_at_s, 3),
        "outcome": run.outcome,
        "reports": run.reports or None,
    }


def list_lines(runs: Sequence[RunRow]) -> list[str]:
    """One line a run."""
    rows = []
    for run in runs:
        facts = facts_of(run)
        rows.append(
            [
                plain(run.id),
                iso(run.begun_at_s),
                seconds(run.ended_at_s - run.begun_at_s),
                run.outcome,
                _number(facts.get("tests"), "{}"),
                seconds(facts.get("makespan_s")),
                _number(facts.get("ratio"), "{:.3f}"),
            ]
        )
    return table(["ID", "BEGUN", "TOOK", "OUTCOME", "TESTS", "MAKESPAN", "RATIO"], rows)


def head_lines(run: RunRow) -> list[str]:
    """Which run it is, and what came of it."""
    tests = facts_of(run).get("tests")
    counted = f", {tests} test{'' if tests == 1 else 's'}" if isinstance(tests, int) else ""
    took = seconds(run.ended_at_s - run.begun_at_s)
    line = f"run {plain(run.id)}: {run.outcome}, {iso(run.begun_at_s)}, {took}{counted}"
    return [line, *([f"reports: {run.reports}"] if run.reports else [])]


def figure_lines(facts: Mapping[str, Any], *, blocks: bool) -> list[str]:
    """How well the devices were used, and what the run's end waited for.

    Args:
        blocks: Bars are drawn with block characters, else with ASCII.
    """
    if not facts.get("makespan_s"):
        return ["no test had a device: there are no figures", *_failure_lines(facts)]
    devices = _rows(facts, "devices")
    lines = [_bound_line(facts)]
    shares = [(word, facts.get(key)) for word, key in _SHARES]
    lines.append(", ".join(f"{word} {_percent(share)}" for word, share in shares if share is not None))
    lines += ["", *_device_lines(devices, blocks=blocks), "", *_path_lines(_rows(facts, "critical_path"))]
    longest = _rows(facts, "longest")[:_LISTED]
    if longest:
        named = ", ".join(f"{short(each.get('test'))} {seconds(each.get('seconds'))}" for each in longest)
        lines.append(f"longest: {named}")
    for gap in _rows(facts, "waits")[:_GAPS]:
        idle = seconds(gap.get("seconds"))
        lines.append(f"{plain(gap.get('device'))} stood idle for {idle} before {short(gap.get('test'))}")
    return [
        *lines,
        *_failure_lines(facts),
        *_trouble_lines(facts),
        *(f"assumed: {plain(each)}" for each in facts.get("assumed") or []),
    ]


_SHARES = (("set-up", "setup_share"), ("lost", "lost_share"), ("idle", "idle_share"))


def _bound_line(facts: Mapping[str, Any]) -> str:
    line = f"makespan {seconds(facts.get('makespan_s'))}"
    if not facts.get("bound_s"):
        return line
    ratio = _number(facts.get("ratio"), "{:.3f}")
    return f"{line}, lower bound {seconds(facts['bound_s'])}{_due_to(facts)}, ratio {ratio}"


def _due_to(facts: Mapping[str, Any]) -> str:
    """What the bound is due to, as a note behind it; "" when nothing is said of that."""
    kind, workers = facts.get("bound_kind"), facts.get("workers")
    if not kind:
        return ""
    if kind == "workers":
        counted = (
            f"{workers} worker{'' if workers == 1 else 's'}" if isinstance(workers, int) else "the workers"
        )
        return f" (work of {counted})"
    tight = list(facts.get("tight") or [])
    more = f" and {len(tight) - _LISTED} more" if len(tight) > _LISTED else ""
    of = f" of {', '.join(map(plain, tight[:_LISTED]))}{more}" if tight else ""
    return f" ({plain(kind)}{of})"


def _device_lines(devices: Sequence[Mapping[str, Any]], *, blocks: bool) -> list[str]:
    rows = [
        [
            plain(device.get("id", "")),
            bar(device.get("utilisation"), blocks=blocks),
            _percent(device.get("utilisation")),
            *(seconds(device.get(key)) for key in ("busy_s", "setup_s", "idle_s")),
            device.get("tests", ""),
            device.get("lost") or "",
        ]
        for device in devices
    ]
    return table(["DEVICE", "IN USE", "", "BUSY", "SET-UP", "IDLE", "TESTS", "LOST"], rows)


def _path_lines(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """The tests that the end of the run waited for, the last ones."""
    if not steps:
        return []
    left = len(steps) - _STEPS
    rows = [
        [
            seconds(step.get("start")),
            seconds(step.get("end")),
            seconds(step.get("waited")) if step.get("waited") else "",
            ", ".join(map(plain, step.get("devices") or [])),
            short(step.get("test")),
        ]
        for step in steps[max(0, left) :]
    ]
    before = f" (the last {_STEPS} of {len(steps)} steps)" if left > 0 else ""
    return [f"critical path{before}:", *table(["START", "END", "WAITED", "DEVICES", "TEST"], rows)]


def _failure_lines(facts: Mapping[str, Any]) -> list[str]:
    """What failed, by type, and what came of trying it again: see `capture.retries.Retries.history_facts`."""
    line = failure_line(_rows(facts, "failures"))
    lines = [plain(line)] if line else []
    retries = facts.get("retries")
    if isinstance(retries, int) and retries:
        lines.append(f"retries: {retries}")
    flaky = facts.get("flaky")
    if isinstance(flaky, list) and flaky:
        lines.append(f"flaky: {len(flaky)} test{'' if len(flaky) == 1 else 's'}, passed when tried again")
        lines += [f"  {plain(test)}" for test in flaky[:_STEPS]]
        if len(flaky) > _STEPS:
            lines.append(f"  and {len(flaky) - _STEPS} more")
    return lines


def _trouble_lines(facts: Mapping[str, Any]) -> list[str]:
    violations = [plain(each) for each in facts.get("violations") or []]
    lines = [f"wrong: {each}" for each in violations[:_LISTED]]
    if len(violations) > _LISTED:
        lines.append(f"wrong: {len(violations) - _LISTED} more")
    without = facts.get("rows_without_setup")
    if without:
        of = f" of {facts['attempts']}" if "attempts" in facts else ""
        lines.append(
            f"{without}{of} attempts state no set-up: if they had one, it counts as work in the bound"
        )
    return lines


def _rows(facts: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = facts.get(key)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def has_blocks() -> bool:
    """Whether standard output takes block characters."""
    try:
        "█".encode(sys.stdout.encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True


def bar(share: object, *, blocks: bool) -> str:
    """A bar of one width for all shares, 0 to 1.

    >>> bar(0.5, blocks=False)
    '##########..........'
    """
    if not isinstance(share, (int, float)):
        return ""
    full = round(min(1.0, max(0.0, share)) * _BAR)
    done, rest = ("█", "░") if blocks else ("#", ".")
    return done * full + rest * (_BAR - full)


def seconds(value: object) -> str:
    """A span of time, in three digits or so; "" for what is none.

    >>> [seconds(value) for value in (0.0421, 3.14159, 75.5, 7261, None)]
    ['0.042 s', '3.14 s', '75.5 s', '7261 s', '']
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return ""
    digits = next((digits for limit, digits in ((1, 3), (10, 2), (1000, 1)) if abs(value) < limit), 0)
    return f"{value:.{digits}f} s"


def short(text: object) -> str:
    """Both ends of a long text: a test's file, and its name."""
    whole = plain(text)
    return whole if len(whole) <= _LONGEST else f"{whole[: _LONGEST // 2 - 3]}...{whole[-_LONGEST // 2 :]}"


def plain(text: object) -> str:
    """A text without what a terminal would obey: ids and files come from others.

    >>> plain("test[\\x1b[2J]")
    'test[?[2J]'
    """
    return "".join(character if character.isprintable() else "?" for character in str(text))


def _percent(share: object) -> str:
    return _number(share, "{:.1%}").replace("%", " %")


def _number(value: object, form: str) -> str:
    return form.format(value) if isinstance(value, (int, float)) else ""
