"""``autorl plan``: a dry run. What would run where, how long it would take, and what stands in the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from pytest_autorl.cli.choice import FarmOption, JsonOption, StateOption
from pytest_autorl.cli.output import show, table
from pytest_autorl.errors import NoFarmError

if TYPE_CHECKING:
    from pytest_autorl.cli.collecting import Collected
    from pytest_autorl.cli.expecting import Expectations
    from pytest_autorl.dispatch.forecast import Forecast
    from pytest_autorl.dispatch.needs_table import NeedsTable

#: How many ids of devices stand in one line, and how many devices have their first test shown.
_NAMED, _FIRST = 4, 20


def plan(
    ctx: typer.Context,
    farm: FarmOption = "",
    state: StateOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say what a run would do, and how long it would take. All other arguments go to pytest.

    Exit code 1 when some test can never run, 2 when pytest cannot collect.
    """
    from pytest_autorl.cli.collecting import cannot_collect, collect
    from pytest_autorl.cli.expecting import expect
    from pytest_autorl.dispatch.forecast import forecast

    options = [*(["--autorl-farm", farm] if farm else []), *(["--autorl-state", state] if state else [])]
    found = collect([*options, *ctx.args])
    if not found.has_ended_well:
        raise cannot_collect(found.printed)
    if found.farm is None or found.table is None:
        raise NoFarmError(
            "no farm is configured, so there is nothing to plan with",
            do="run `autorl init` to write a device_farm.yml, or try --farm virtual",
        )
    expected = expect(found, found.table)
    devices = [device.id for device in found.farm.devices]
    workers = len(devices) if found.workers is None else max(1, found.workers)
    seen = forecast(devices, expected.jobs, expected.estimates, workers=workers)
    data = _data(found, found.table, expected, seen, workers)
    show(data, _lines(data), as_json=as_json)
    if data["cannot_run"]:
        raise typer.Exit(1)


# For programs


def _data(
    found: Collected, needs: NeedsTable, expected: Expectations, seen: Forecast, workers: int
) -> dict[str, Any]:
    from pytest_autorl.cli.expecting import SOURCES

    counts = Counter(expected.source.values())
    troubled = {test: str(need.problem) for test, need in found.needs.items() if need and need.problem}
    deviceless = [test for test, need in found.needs.items() if need is None]
    bound_s = seen.bound_s
    return {
        "tests": len(expected.source),
        "tests_without_device": len(deviceless),
        "tests_skipped": len(found.needs) - len(expected.source) - len(troubled) - len(deviceless),
        "workers": workers,
        "makespan_s": round(seen.makespan_s, 3),
        "bound_s": round(bound_s, 3),
        "ratio": round(seen.makespan_s / bound_s, 4) if bound_s else None,
        "due_to": seen.due_to,
        "tight": list(seen.tight),
        "estimates": {source: counts[source] for source in SOURCES},
        "last_setup_share": expected.setup.share,
        "session_s": expected.setup.session_s,
        "fixture_s": expected.setup.fixture_s,
        "trouble": expected.trouble,
        "classes": _classes(needs, expected),
        "devices": [_lane(seen, device.id) for device in found.farm.devices] if found.farm else [],
        "cannot_run": [{"test": test, "why": why} for test, why in troubled.items()],
    }


def _classes(needs: NeedsTable, expected: Expectations) -> list[dict[str, Any]]:
    work_s = expected.estimates.work_s
    rows = []
    for place, klass in enumerate(needs.classes):
        own = [test for test, other in zip(needs.tests, needs.class_of, strict=True) if other == place]
        rows.append(
            {
                "class": klass.key,
                "tests": len(own),
                "work_s": round(sum(map(work_s, own)), 3),
                "count": klass.count,
                "devices": list(klass.devices),
            }
        )
    return rows


def _lane(seen: Forecast, device: str) -> dict[str, Any]:
    lane = seen.lane(device)
    return {
        "id": device,
        "tests": lane.tests,
        "busy_s": round(lane.busy_s, 3),
        "setup_s": round(lane.setup_s, 3),
        "utilisation": round(lane.busy_s / seen.makespan_s, 4) if seen.makespan_s else 0.0,
        "order": [
            {
                "tests": list(turn.choice.job.tests),
                "devices": list(turn.choice.devices),
                "begin_s": round(turn.begin_s, 3),
                "end_s": round(turn.end_s, 3),
                "why": turn.choice.why,
            }
            for turn in lane.turns
        ],
    }


# For people


def _lines(data: dict[str, Any]) -> list[str]:
    from pytest_autorl.cli.expecting import tests

    beside = [
        *(
            [f"{tests(data['tests_without_device'])} without a device"]
            if data["tests_without_device"]
            else []
        ),
        *([f"{tests(data['tests_skipped'])} skipped by a marker"] if data["tests_skipped"] else []),
    ]
    lines = [f"beside these: {', '.join(beside)}"] if beside else []
    if data["tests"]:
        lines = [*_expectation(data), *lines, "", *_tables(data), "", *_firsts(data["devices"])]
    else:
        lines = ["no test that could run needs a device", *lines]
    return [*lines, *([""] if data["cannot_run"] else []), *_cannot_run(data["cannot_run"])]


def _expectation(data: dict[str, Any]) -> list[str]:
    from pytest_autorl.cli.expecting import tests, took

    devices = "1 device" if len(data["devices"]) == 1 else f"{len(data['devices'])} devices"
    counts = data["estimates"]
    known = f"from history: {counts['history']}, from the mean of the module: {counts['module']}"
    lines = [
        f"{tests(data['tests'])} on {devices} with {_workers(data['workers'])}: {took(data['makespan_s'])} expected",
        f"no order takes less than {took(data['bound_s'])}: {_due_to(data)}",
        f"times {known}, of the suite: {counts['suite']}, unknown: {counts['none']}",
    ]
    if data["session_s"] or data["fixture_s"]:
        each = f"{took(data['session_s'] or 0.0)} a session, {took(data['fixture_s'] or 0.0)} a module's fixtures"
        lines.append(f"with set-up as in the last run: {each}")
    elif data["last_setup_share"]:
        share = f"{data['last_setup_share']:.1%} of the devices' time in the last run"
        lines.append(f"sessions and fixtures come on top: {share}")
    if data["trouble"]:
        lines.append(f"the history could not be read: {data['trouble']}")
    elif counts["none"]:
        lines.append("nothing has run yet, so each test counts as 1 s: run the suite, or import a history")
    return lines


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"


def _due_to(data: dict[str, Any]) -> str:
    from pytest_autorl.cli.expecting import named

    if data["due_to"] == "workers":
        return f"so much work there is for {_workers(data['workers'])}"
    if data["due_to"] == "chain":
        return "the longest takes that long by itself"
    if len(data["tight"]) == len(data["devices"]) or not data["tight"]:
        return "so much work there is for all devices"
    return f"so much work has no other place than {named(data['tight'], _NAMED)}"


def _tables(data: dict[str, Any]) -> list[str]:
    from pytest_autorl.cli.expecting import named, took

    classes = [
        [
            one["class"],
            one["tests"],
            took(one["work_s"]),
            f"{len(one['devices'])}: {named(one['devices'], _NAMED)}",
        ]
        for one in data["classes"]
    ]
    lanes = [
        [lane["id"], lane["tests"], took(lane["busy_s"]), f"{lane['utilisation']:.0%}"]
        for lane in data["devices"]
    ]
    return [
        *table(["CLASS", "TESTS", "WORK", "DEVICES"], classes),
        "",
        *table(["DEVICE", "TESTS", "BUSY", "USED"], lanes),
    ]


def _firsts(lanes: Sequence[dict[str, Any]]) -> list[str]:
    from pytest_autorl.cli.expecting import took

    begun = [lane for lane in lanes if lane["order"]]
    rows = []
    for lane in begun[:_FIRST]:
        turn = lane["order"][0]
        more = f" and {len(turn['tests']) - 1} more" if turn["tests"][1:] else ""
        rows.append(
            [lane["id"], f"{turn['tests'][0]}{more}", took(turn["end_s"] - turn["begin_s"]), turn["why"]]
        )
    lines = table(["FIRST ON", "TEST", "TAKES", "WHY"], rows)
    return [*lines, *([f"and {len(begun) - _FIRST} more devices"] if begun[_FIRST:] else [])]


def _cannot_run(troubled: Sequence[dict[str, str]]) -> list[str]:
    from pytest_autorl.capture.terminal import unmet_lines

    lines = unmet_lines([(each["test"], each["why"]) for each in troubled])
    return [line.removeprefix("autorl: ") for line in lines]
