"""The attempts as JSON for the page's script: columns and tables of texts, so that 20 000 of them open at once.

Numbers of seconds are whole ten-thousandths. Everything is ASCII without ``<``, so it can stand in the page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_autorl.capture.farm_page.figures import OUTCOMES, Row, waited_s
from pytest_autorl.capture.farm_page.lane import Lane, Outage
from pytest_autorl.capture.farm_page.text import shown

#: One second in the units of the JSON.
UNIT = 10_000


class _Texts:
    """A table of texts, each once."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def place(self, text: object) -> int:
        return self._places.setdefault(str(text), len(self._places))

    @property
    def shown(self) -> list[str]:
        return [shown(text) for text in self._places]


def packed(
    rows: Sequence[Row],
    lanes: Sequence[Lane],
    outages: Sequence[Outage],
    *,
    length_s: float,
    critical: Sequence[int],
) -> str:
    """What the script reads.

    Args:
        critical: Places of the critical path's rows.
    """
    number = {lane.name: place for place, lane in enumerate(lanes)}
    modules, tests, words, reasons = _Texts(), _Texts(), _Texts(), _Texts()
    reasons.place("")
    module_of: list[int] = []
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            *("test", "lanes", "start", "took", "setup", "fixture", "waited"),
            *("outcome", "blame", "worker", "need", "attempt", "why"),
        )
    }
    for row in rows:
        test = tests.place(row["test"])
        if test == len(module_of):
            module_of.append(modules.place(row["module"]))
        start = _units(row["start"])
        on = [number[device] for device in row["devices"]]
        values = {
            "test": test,
            "lanes": on[0] if len(on) == 1 else on,
            "start": start,
            "took": _units(row["end"]) - start,
            "setup": _units(row["setup"]),
            "fixture": _units(row["fixture"]),
            "waited": _units(waited_s(row)),
            "outcome": OUTCOMES.index(row["outcome"]),
            "blame": words.place(row["blame"] or ""),
            "worker": words.place(row["worker"]),
            "need": words.place(row["class"]),
            "attempt": row["attempt"],
            "why": reasons.place(row.get("why") or ""),
        }
        for name, value in values.items():
            columns[name].append(value)
    data = {
        "unit": UNIT,
        "length": max(1, _units(length_s)),
        "outcomes": OUTCOMES,
        "lanes": [[shown(lane.name), shown(lane.about), shown(lane.note)] for lane in lanes],
        "modules": modules.shown,
        "tests": _without_modules(tests.shown, modules.shown, module_of),
        "words": words.shown,
        "reasons": reasons.shown,
        "attempts": columns,
        "critical": list(critical),
        "outages": [
            [
                number[outage.device],
                _units(outage.start),
                _units(length_s if outage.end is None else outage.end),
                shown(outage.why),
            ]
            for outage in outages
        ],
    }
    return _in_page(data)


def _without_modules(
    tests: Sequence[str], modules: Sequence[str], module_of: Sequence[int]
) -> list[list[Any]]:
    """Each test as number of its module and the rest; where it does not begin with its module, -1 and all of it."""
    return [
        [module, test[len(modules[module]) :]] if test.startswith(modules[module]) else [-1, test]
        for test, module in zip(tests, module_of, strict=True)
    ]


def _units(seconds: float) -> int:
    return round(seconds * UNIT)


def _in_page(data: Mapping[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e")
