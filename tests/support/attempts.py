"""Runs in which tests take several attempts, and everything that is written of them."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ordered import LIMIT_S

#: Counts the attempts of a test across processes: `attempt("name")` gives 1, 2, 3, ...
COUNTER = """
import os, pathlib

_FOLDER = pathlib.Path(__file__).parent / "counted"

def attempt(name):
    _FOLDER.mkdir(exist_ok=True)
    number = 1
    while True:
        try:
            os.close(os.open(_FOLDER / f"{name}.{number}", os.O_CREAT | os.O_EXCL))
            return number
        except FileExistsError:
            number += 1
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A test case of JUnit's file."""

    outcome: str
    properties: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Books:
    """What a run has left.

    Attributes:
        rows: The trace.
        cases: JUnit's, by name of the test.
        results: Allure's, by name of the test, the earliest first.
    """

    result: pytest.RunResult
    rows: list[dict[str, Any]] = field(default_factory=list)
    cases: dict[str, list[Case]] = field(default_factory=dict)
    results: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def attempts(self, test: str) -> list[tuple[int, str, str | None]]:
        """Number, outcome and blame of each attempt that had a device, of the tests whose id ends so."""
        rows = [row for row in self.rows if row["test"].endswith(test)]
        return [(row["attempt"], row["outcome"], row["blame"]) for row in rows]

    def devices(self, test: str) -> list[str]:
        """The device of each attempt."""
        return [row["devices"][0] for row in self.rows if row["test"].endswith(test)]


def run_books(
    pytester: pytest.Pytester,
    *options: str,
    workers: int = 0,
    farm: str | None = "virtual:3",
    limit_s: float = LIMIT_S,
) -> Books:
    """Run the tests of `pytester`; `attempt` of `COUNTER` can be imported from `counting`.

    Args:
        workers: 0 for one process.
        farm: None for none, "" for the farm file that is there.
    """
    (pytester.path / "counting.py").write_text(COUNTER)
    given = ["--autorl-farm", farm] if farm else []
    result = pytester.runpytest_subprocess(
        *(("-n", str(workers)) if workers else ("-p", "no:xdist")),
        *given,
        "--autorl-wait",
        "20",
        "-rA",
        "-p",
        "no:randomly",
        "-p",
        "no:playwright",
        "--junitxml=junit.xml",
        "--alluredir=allure",
        *options,
        timeout=limit_s,
    )
    return read_books(pytester.path, result)


def read_books(folder: Path, result: pytest.RunResult) -> Books:
    """What lies in the folder of a run."""
    trace = folder / "reports" / "trace.jsonl"
    rows = [json.loads(line) for line in trace.read_text().splitlines()] if trace.exists() else []
    cases: dict[str, list[Case]] = defaultdict(list)
    junit = folder / "junit.xml"
    for case in ElementTree.parse(junit).iter("testcase") if junit.exists() else ():
        told = {one.tag for one in case} & {"failure", "error", "skipped"}
        properties = {one.attrib["name"]: one.attrib["value"] for one in case.iter("property")}
        outcome = "passed" if not told else "+".join(sorted(told))
        cases[case.attrib["name"]].append(Case(outcome=outcome, properties=properties))
    results: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in (folder / "allure").glob("*-result.json"):
        row = json.loads(path.read_text())
        results[row["name"]].append(row)
    for found in results.values():
        found.sort(key=lambda row: row["start"])
    return Books(result=result, rows=rows, cases=dict(cases), results=dict(results))
